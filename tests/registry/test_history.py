"""What records were: field by field, and as they were known at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hedgerow_kit.db import Database
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.domain.versions import Change, Gone, Known, as_of, differences
from hedgerow_registry.tables import History
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.registry.files import fill, send
from tests.registry.service_records import SERVICE, of_version_3
from tests.support.http import Client
from tests.support.identity import identity

PANTRY = record_id("default", "service", "s1")
KITCHEN = record_id("default", "organisation", "1")


def now() -> str:
    return datetime.now(UTC).isoformat()


def lines(client: Client, path: str, **params: Any) -> list[tuple[Any, ...]]:
    found = client.items(f"{path}/history", params=params)
    return [(line["action"], line["field"], line["old"], line["new"]) for line in found]


def record_of(answer: Any) -> dict[str, Any]:
    """What an answer tells of the record itself."""
    assert answer.status_code == 200, answer.text
    beside = ("freshness", "richness")
    return {name: value for name, value in answer.json().items() if name not in beside}


def write(client: Client, path: str, body: dict[str, Any]) -> None:
    held = client.get(path)
    headers = {"if-match": held.headers["etag"]} if held.status_code == 200 else {}
    assert client.put(path, json=body, headers=headers).status_code in (200, 201)


def test_a_first_version_is_told_by_the_record_and_costs_no_row(registry: Client, database: Database) -> None:
    fill(registry)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(History)) == 0
    record = registry.get(f"/v1/services/{PANTRY}").json()
    (line,) = registry.items(f"/v1/services/{PANTRY}/history")
    assert line == {
        "at": record["updated_at"],
        "action": "created",
        "field": None,
        "old": None,
        "new": None,
        "source": "default",
        "import_id": record["first_import_id"],
        "by": "tester",
    }


def test_each_field_that_changes_leaves_its_old_and_new_value(registry: Client) -> None:
    fill(registry)
    path = f"/v1/organisations/{KITCHEN}"
    made = send(
        registry,
        "organisations",
        "id,name,sector,identifiers,aliases\n1,Quay Kitchen CIC,charity,GB-CHC:1234567,QK;Quay Food",
    )
    assert lines(registry, path) == [
        ("created", None, None, None),
        ("changed", "description", "Meals", None),
        ("changed", "identifiers", [["GB-CHC", "1234567"], ["GB-COH", "07654321"]], [["GB-CHC", "1234567"]]),
        ("changed", "legal_form", "CIO", None),
        ("changed", "name", "Quay Kitchen", "Quay Kitchen CIC"),
        ("changed", "owner_ids", [record_id("default", "organisation", "3")], []),
        ("changed", "size", "small", None),
        ("changed", "url", "https://example.org", None),
    ]
    (renamed,) = registry.items(f"{path}/history", params={"field": "name"})
    assert (renamed["import_id"], renamed["by"], renamed["source"]) == (made["id"], "tester", "default")
    assert len(registry.items(f"{path}/history", params={"limit": 1})) == 8, "page by page"


def test_nested_records_are_compared_member_by_member(registry: Client) -> None:
    def sent(**fields: Any) -> None:
        body = orjson.dumps([of_version_3(**fields)])
        send(registry, "hsds", body, media_type="application/json")

    sent(description="One", languages=[{"id": "l", "name": "Polish"}])
    sent(description="One", languages=[{"id": "l", "name": "Welsh"}])
    changed = [line for line in lines(registry, f"/v1/services/{SERVICE}") if line[0] == "changed"]
    assert [field for _, field, _, _ in changed] == ["document/languages"]
    assert changed[0][2][0]["name"] == "Polish"
    assert lines(registry, f"/v1/services/{SERVICE}", field="document") == changed


def test_a_record_is_read_as_it_was_known(registry: Client) -> None:
    before = now()
    fill(registry)
    first = now()
    path = f"/v1/services/{PANTRY}"
    told = registry.get(path)
    write(registry, path, {"name": "Pantry", "needs": ["hedgerow:debt"], "capacity": 7})
    second = now()
    renamed = registry.get(path)
    assert registry.delete(path, headers={"if-match": registry.get(path).headers["etag"]}).status_code == 204
    third = now()

    def then(moment: str) -> Any:
        return registry.get(path, params={"as_of": moment})

    assert record_of(then(first)) == record_of(told)
    assert record_of(then(second)) == record_of(renamed)
    assert renamed.json()["last_import_id"] is None
    gone, unknown = then(third), then(before)
    assert (gone.status_code, gone.json()["type"].rpartition(":")[2]) == (410, "deleted-then")
    assert (unknown.status_code, unknown.json()["type"].rpartition(":")[2]) == (404, "not-known-then")
    assert registry.get(path).status_code == 404
    assert [line[0] for line in lines(registry, path)][-1] == "deleted"
    assert registry.items(f"{path}/history")[-1]["old"]["name"] == "Pantry"

    send(registry, "services", "id,name\ns1,Community pantry again")
    assert then(third).status_code == 410, "it came back later"
    assert then(now()).json()["name"] == "Community pantry again"
    assert record_of(then(first)) == record_of(told)
    assert [line[0] for line in lines(registry, path)][-2:] == ["deleted", "created"]
    assert registry.get(path, params={"as_of": "soon"}).status_code == 422


def test_sites_have_a_history_too(registry: Client) -> None:
    fill(registry)
    (site,) = registry.items("/v1/sites", params={"service": PANTRY})
    path = f"/v1/sites/{site['id']}"
    first = now()
    write(registry, path, {"service_id": PANTRY, "name": "The New Hall", "postcode": "PE99 1AA"})
    assert ("changed", "name", "The Hall", "The New Hall") in lines(registry, path)
    assert registry.get(path, params={"as_of": first}).json()["name"] == "The Hall"
    assert registry.get(f"/v1/sites/{SERVICE}/history").status_code == 404


def test_who_handed_something_in_is_told_within_its_authority(registry: Client) -> None:
    salt = identity("registry", role="system", authorities=("E06999001",))
    send(registry, "organisations", "id,name\n1,One", source="salt", headers=salt)
    send(registry, "organisations", "id,name\n1,Two", source="salt", headers=salt)
    path = f"/v1/organisations/{record_id('salt', 'organisation', '1')}/history"

    def told(authority: str) -> list[str | None]:
        caller = identity("registry", role="reader", authorities=(authority,))
        return [line["by"] for line in registry.items(path, headers=caller)]

    assert told("E06999001") == ["tester", "tester"]
    assert told("E06999002") == [None, None]
    assert told("*") == ["tester", "tester"]


@pytest.mark.parametrize("kind", ["organisation", "service"])
def test_as_of_agrees_with_what_was_read_at_every_step(registry: Client, kind: str) -> None:
    """A record is changed, deleted and brought back; each state is found again by its moment."""
    id = "0f4c3f6e-6d0b-4f5e-9a0b-7c1f0e9d4a11"
    path = f"/v1/{kind}s/{id}"
    steps: list[dict[str, Any] | None] = [
        {"name": "A"},
        {"name": "B", "description": "x"},
        {"name": "B", "description": None, "url": "https://example.org"},
        None,
        {"name": "C"},
        {"name": "A"},
        None,
    ]
    seen: list[tuple[str, int, Any]] = [(now(), 404, None)]
    for step in steps:
        if step is None:
            tag = registry.get(path).headers["etag"]
            assert registry.delete(path, headers={"if-match": tag}).status_code == 204
            seen.append((now(), 410, None))
        else:
            write(registry, path, step)
            seen.append((now(), 200, record_of(registry.get(path))))
    for moment, status, record in seen:
        answer = registry.get(path, params={"as_of": moment})
        assert answer.status_code == status, moment
        if status == 200:
            assert record_of(answer) == record


JSON = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=5,
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def without_nothing(record: dict[str, Any]) -> dict[str, Any]:
    """Members that are `None` count as not there."""
    return {
        name: {key: inner for key, inner in value.items() if inner is not None}
        if isinstance(value, dict)
        else value
        for name, value in record.items()
    }


@given(
    states=st.lists(
        st.none() | st.fixed_dictionaries({"name": JSON, "document": JSON}), min_size=1, max_size=7
    )
)
def test_undoing_changes_gives_every_earlier_state(states: list[dict[str, Any] | None]) -> None:
    """One state a day, written down as the registry does, is found again for each day."""
    changes: list[Change] = []
    held: dict[str, Any] | None = None
    since: datetime | None = None
    for day, state in enumerate(states):
        at = START + timedelta(days=day)
        if state is not None and held is None:
            changes.append(Change("created", at, None, None, None, None))
        elif held is not None and state is None:
            changes.append(Change("deleted", at, since, None, held, None))
        elif held is not None and state is not None:
            found = differences(held, state)
            changes += [Change("changed", at, since, name, old, None) for name, old, _ in found]
            since = at if found else since
        if (state is None) != (held is None):
            since = at
        held = state
    for day, state in enumerate(states):
        moment = START + timedelta(days=day, hours=1)
        known = as_of(held, changes, moment, begun=None)
        if state is None:
            assert known is None or isinstance(known, Gone)
            assert (known is None) == all(earlier is None for earlier in states[: day + 1])
        else:
            assert isinstance(known, Known)
            assert without_nothing(known.fields) == without_nothing(state)
