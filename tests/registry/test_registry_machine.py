"""The registry against a model of it: random writes, imports, merges and deletions, looked at after each.

The model is what is said of the registry, written down in dictionaries: each source's own records, which
organisation was merged into which, and what was known at some moments. All answers are worked out from these.
"""

import copy
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hedgerow_registry.domain.ids import record_id
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.registry.files import counts, send
from tests.support.http import Client
from tests.support.identity import identity

# What a long run does is said on its command line: HEDGEROW_MACHINE_RUNS=2000 make test-slow
RUNS = int(os.environ.get("HEDGEROW_MACHINE_RUNS", "100"))
STEPS = 50

ANY = {"If-Match": "*"}
_runs = itertools.count()

places = st.sampled_from(["a", "b"])
numbers = st.integers(0, 2)
names = st.sampled_from(["Quay Kitchen", "Harbour Trust", "Fen Advice"])
sectors = st.sampled_from([None, "charity", "private"])
identifiers = st.frozensets(st.sampled_from(["1000001", "1000002"]), max_size=2)
rows = st.lists(
    st.tuples(numbers, names, sectors, identifiers, st.one_of(st.none(), numbers)),
    min_size=1,
    max_size=3,
    unique_by=lambda row: row[0],
)


class Model:
    """What the registry is said to hold and to answer."""

    def __init__(self) -> None:
        self.organisations: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.into: dict[str, str] = {}

    def answering(self, id: str) -> str:
        while id in self.into:
            id = self.into[id]
        return id

    def members(self, id: str) -> list[str]:
        """Those that stand under one, first merged first."""
        return [one for one in self.into if self.answering(one) == id and one != id]

    def shown(self, id: str) -> dict[str, Any]:
        """What is answered of an organisation that stands: its own, and what its members add."""
        own = self.organisations[id]
        group = [own, *(self.organisations[member] for member in self.members(id))]
        owners = {self.answering(owner) for one in group for owner in one["owner_ids"]} - {id}
        aliases = {one["name"] for one in group[1:]} - {own["name"]}
        said = [one["sector"] for one in group if one["sector"] is not None]
        return {
            "name": own["name"],
            "sector": said[0] if said else None,
            "identifiers": sorted({number for one in group for number in one["identifiers"]}),
            "owner_ids": sorted(owners),
            "aliases": sorted(aliases),
            "merged_ids": sorted(self.members(id)),
        }


def machine(client: Client) -> Callable[[], RuleBasedStateMachine]:
    class Registry(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            # An identity lives for five minutes, a long run longer.
            client.headers.update(identity("registry"))
            self.run = f"run-{next(_runs)}"
            self.model = Model()
            self.sent: list[tuple[str, str, str]] = []
            self.moments: list[tuple[str, dict[str, Any], set[str]]] = []
            self.ever: set[str] = set()
            self.after = client.get("/v1/changes", params={"limit": 1, "after": 0}).json()["last"]
            self.told: dict[tuple[str, str], Any] = {}

        def id(self, place: str, number: int, kind: str = "organisation") -> str:
            return record_id(f"{self.run}-{place}", kind, str(number))

        @initialize(said=st.lists(identifiers, min_size=6, max_size=6), chained=st.booleans())
        def fill(self, said: list[Any], chained: bool) -> None:
            """Something to merge: three organisations of each source; of one, perhaps a chain already."""
            for place, listed in (("a", said[:3]), ("b", said[3:])):
                rows = [(n, f"Number {n}", None, one, None) for n, one in enumerate(listed)]
                self._send(place, rows)
            for number in (0, 1) if chained else ():
                self._merge(self.id("a", number), self.id("a", number + 1))

        # Writes

        @rule(place=places, number=numbers, name=names, sector=sectors, said=identifiers)
        def put_organisation(self, place: str, number: int, name: str, sector: Any, said: Any) -> None:
            id, held = self.id(place, number), self.model.organisations.get(self.id(place, number))
            body = {
                "name": name,
                "sector": sector,
                "identifiers": [{"scheme": "GB-CHC", "id": n} for n in said],
            }
            answer = client.put(
                f"/v1/organisations/{id}",
                json=body,
                params={"source": f"{self.run}-{place}"},
                headers=ANY if held is not None else {},
            )
            if id in self.model.into:
                assert answer.status_code == 409, answer.text
                return
            assert answer.status_code == (201 if held is None else 200), answer.text
            self.ever.add(id)
            new: dict[str, Any] = {"name": name, "sector": sector, "owner_ids": set()}
            new |= {"identifiers": set(said), "by_import": False}
            if held is not None:
                # It keeps the id its source gave it.
                new["by_import"] = held["by_import"]
                shown = self.model.shown(id)
                new["identifiers"] -= set(shown["identifiers"]) - held["identifiers"]
                if held["sector"] is None and sector == shown["sector"]:
                    new["sector"] = None
            self.model.organisations[id] = new

        @rule(place=places, rows=rows)
        def import_organisations(self, place: str, rows: list[Any]) -> None:
            self._send(place, rows)

        def _send(self, place: str, rows: list[Any]) -> None:
            lines = [
                f"{number},{name},{sector or ''},{';'.join(f'GB-CHC:{n}' for n in sorted(said))},"
                f"{'' if owner in (None, number) else owner}"
                for number, name, sector, said, owner in rows
            ]
            text = "\n".join(["id,name,sector,identifiers,owner_ids", *lines])
            self.sent.append((place, "organisations", text))
            self._import(place, text)

        @precondition(lambda self: self.sent)
        @rule(choice=st.integers(0, 30))
        def import_again(self, choice: int) -> None:
            place, _, text = self.sent[choice % len(self.sent)]
            self._import(place, text)
            made = send(client, "organisations", text, source=f"{self.run}-{place}")
            rows = len(text.splitlines()) - 1
            assert counts(made) == (0, 0, rows, 0), "the same file again changes nothing"

        def _import(self, place: str, text: str) -> None:
            accepted = changed = unchanged = 0
            for line in text.splitlines()[1:]:
                number, name, sector, said, owner = line.split(",")
                id = self.id(place, int(number))
                new = {
                    "name": name,
                    "sector": sector or None,
                    "identifiers": {one.removeprefix("GB-CHC:") for one in said.split(";") if one},
                    "owner_ids": {self.id(place, int(owner))} if owner else set(),
                    # A record written by hand has no id of its source: an import tells it.
                    "by_import": True,
                }
                held = self.model.organisations.get(id)
                if held is None:
                    accepted += 1
                elif held == new:
                    unchanged += 1
                else:
                    changed += 1
                self.model.organisations[id] = new
                self.ever.add(id)
            made = send(client, "organisations", text, source=f"{self.run}-{place}")
            assert counts(made) == (accepted, changed, unchanged, 0)

        @rule(place=places, number=numbers)
        def delete_organisation(self, place: str, number: int) -> None:
            id, model = self.id(place, number), self.model
            answer = client.delete(f"/v1/organisations/{id}", headers=ANY)
            if id not in model.organisations:
                assert answer.status_code == 404, answer.text
            elif (
                id in model.into
                or model.members(id)
                or any(service["organisation_id"] == id for service in model.services.values())
            ):
                assert answer.status_code == 409, answer.text
            else:
                assert answer.status_code == 204, answer.text
                del model.organisations[id]

        @rule(place=places, number=numbers, of=st.one_of(st.none(), st.tuples(places, numbers)), name=names)
        def put_service(self, place: str, number: int, of: Any, name: str) -> None:
            id, organisation = self.id(place, number, "service"), None if of is None else self.id(*of)
            held = self.model.services.get(id)
            answer = client.put(
                f"/v1/services/{id}",
                json={"name": name, "organisation_id": organisation},
                params={"source": f"{self.run}-{place}"},
                headers=ANY if held is not None else {},
            )
            if organisation is not None and organisation not in self.model.organisations:
                assert answer.status_code == 422, answer.text
                return
            assert answer.status_code == (201 if held is None else 200), answer.text
            named = None if held is None else held["organisation_id"]
            if named is not None and self.model.answering(named) == organisation:
                organisation = named
            self.model.services[id] = {"name": name, "organisation_id": organisation}

        @rule(place=places, number=numbers)
        def delete_service(self, place: str, number: int) -> None:
            id = self.id(place, number, "service")
            answer = client.delete(f"/v1/services/{id}", headers=ANY)
            assert answer.status_code == (204 if id in self.model.services else 404), answer.text
            self.model.services.pop(id, None)

        # Merges

        @rule(one=st.tuples(places, numbers), other=st.tuples(places, numbers))
        def merge(self, one: Any, other: Any) -> None:
            self._merge(self.id(*one), self.id(*other))

        @precondition(lambda self: len(self.model.organisations) - len(self.model.into) > 1)
        @rule(one=st.integers(0, 30), other=st.integers(0, 30))
        def merge_two_that_stand(self, one: int, other: int) -> None:
            standing = [id for id in self._there() if id not in self.model.into]
            self._merge(standing[one % len(standing)], standing[other % len(standing)])

        def _merge(self, id: str, into: str) -> None:
            model = self.model
            body = {"into": into, "reason": "one body"}
            answer = client.post(f"/v1/organisations/{id}/merge", json=body)
            if id == into:
                assert answer.status_code == 422, answer.text
            elif id not in model.organisations or into not in model.organisations:
                assert answer.status_code == 404, answer.text
            elif model.into.get(id) == into:
                assert answer.status_code == 200, answer.text
            elif id in model.into or into in model.into:
                assert answer.status_code == 409, answer.text
            else:
                assert answer.status_code == 200, answer.text
                model.into[id] = into

        @rule(one=st.tuples(places, numbers))
        def unmerge(self, one: Any) -> None:
            self._unmerge(self.id(*one))

        @precondition(lambda self: self.model.into)
        @rule(choice=st.integers(0, 30))
        def unmerge_one_that_is_merged(self, choice: int) -> None:
            merged = [id for id in self._there() if id in self.model.into]
            self._unmerge(merged[choice % len(merged)])

        def _there(self) -> list[str]:
            """The organisations held, in an order that is the same in every run."""
            ids = [self.id(place, number) for place in ("a", "b") for number in range(3)]
            return [id for id in ids if id in self.model.organisations]

        def _unmerge(self, id: str) -> None:
            answer = client.post(f"/v1/organisations/{id}/unmerge", json={"reason": "two"})
            if id not in self.model.organisations:
                assert answer.status_code == 404, answer.text
            elif id not in self.model.into:
                assert answer.status_code == 409, answer.text
            else:
                assert answer.status_code == 200, answer.text
                del self.model.into[id]

        # As of a moment

        @rule()
        def remember(self) -> None:
            now = datetime.now(UTC).isoformat()
            self.moments.append((now, copy.deepcopy(self.model.organisations), set(self.ever)))

        @precondition(lambda self: self.moments)
        @rule(choice=st.integers(0, 30), one=st.tuples(places, numbers))
        def look_back(self, choice: int, one: Any) -> None:
            moment, held, ever = self.moments[choice % len(self.moments)]
            id = self.id(*one)
            answer = client.get(f"/v1/organisations/{id}", params={"as_of": moment})
            if id not in held:
                assert answer.status_code == (410 if id in ever else 404), answer.text
                return
            assert answer.status_code == 200, answer.text
            shown, was = answer.json(), held[id]
            assert shown["name"] == was["name"]
            assert shown["sector"] == was["sector"]
            assert {one["id"] for one in shown["identifiers"]} == was["identifiers"]
            assert set(shown["owner_ids"]) == was["owner_ids"]

        # What is answered, after every step

        @invariant()
        def organisations_are_answered_as_the_model_says(self) -> None:
            listed = {
                item["id"]: item
                for place in ("a", "b")
                for item in client.items("/v1/organisations", params={"source": f"{self.run}-{place}"})
            }
            standing = [id for id in self.model.organisations if id not in self.model.into]
            assert set(listed) == set(standing)
            for id, item in listed.items():
                expected = self.model.shown(id)
                shown = {name: item[name] for name in expected}
                shown["identifiers"] = sorted(one["id"] for one in item["identifiers"])
                shown["merged_ids"] = sorted(item["merged_ids"])
                assert shown == expected
            for id in self.model.into:
                answer = client.get(f"/v1/organisations/{id}")
                assert answer.status_code == 308
                assert answer.headers["location"].endswith(self.model.answering(id))

        @invariant()
        def services_are_with_the_organisation_that_answers(self) -> None:
            listed = {
                item["id"]: (item["name"], item["organisation_id"])
                for place in ("a", "b")
                for item in client.items("/v1/services", params={"source": f"{self.run}-{place}"})
            }
            expected = {
                id: (
                    service["name"],
                    None
                    if service["organisation_id"] is None
                    else self.model.answering(service["organisation_id"]),
                )
                for id, service in self.model.services.items()
            }
            assert listed == expected

        @invariant()
        def who_follows_the_feed_holds_the_same(self) -> None:
            while True:
                params = {"after": self.after, "types": "organisation,service", "limit": 1000}
                page = client.get("/v1/changes", params=params).json()
                for event in page["items"]:
                    key = (event["type"].split(".")[1], event["subject"])
                    self.after = int(event["id"])
                    if event["data"] is None:
                        self.told.pop(key, None)
                    else:
                        self.told[key] = event["data"]
                if page["next"] is None:
                    break
            held = {("organisation", id) for id in self.model.organisations if id not in self.model.into} | {
                ("service", id) for id in self.model.services
            }
            assert set(self.told) == held
            for (kind, id), state in self.told.items():
                if kind == "service":
                    own = self.model.services[id]["organisation_id"]
                    assert state["organisation_id"] == (None if own is None else self.model.answering(own))
                else:
                    expected = self.model.shown(id)
                    assert state["name"] == expected["name"]
                    assert state["sector"] == expected["sector"]
                    assert sorted(state["owner_ids"]) == expected["owner_ids"]
                    assert sorted(one["id"] for one in state["identifiers"]) == expected["identifiers"]

    return Registry


def _run(client: Client, runs: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(client),
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_registry_answers_as_its_model_does(registry: Client) -> None:
    _run(registry, 8, 20)


@pytest.mark.slow
def test_the_registry_answers_as_its_model_does_for_a_long_time(registry: Client) -> None:
    _run(registry, RUNS, STEPS)
