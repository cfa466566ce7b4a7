"""Single interests over the API: stated, corrected, ended, taken back, by whom they belong to."""

from typing import Any
from uuid import UUID

import pytest

from tests.registry.files import changes, send
from tests.registry.test_bods_import import bods, entity, relation, shares
from tests.registry.test_ownership_api import BODIES, of, ownership
from tests.support.http import Client
from tests.support.identity import identity

NOBODY = str(UUID(int=4, version=4))
ME, OTHER = "E06999001", "E06999002"


@pytest.fixture
def bodies(registry: Client) -> Client:
    send(registry, "organisations", BODIES)
    return registry


def interests(name: str, id: str = "") -> str:
    return f"/v1/organisations/{of(name)}/ownership/interests{id and '/' + id}"


def state(client: Client, name: str, body: dict[str, Any], **params: str) -> dict[str, Any]:
    answer = client.post(interests(name), json=body, params=params)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def tag(client: Client, path: str) -> dict[str, str]:
    return {"If-Match": client.get(path).headers["etag"]}


def votes(owner: str, **fields: Any) -> dict[str, Any]:
    return {"owner_id": of(owner), "type": "voting rights", "share": {"least": 50, "over": True}, **fields}


def told(client: Client, after: int) -> set[str]:
    return {event["subject"] for event in changes(client, after, types="organisation")}


def last(client: Client) -> int:
    return int(changes(client)[-1]["id"])


def test_an_interest_is_stated_corrected_ended_and_taken_back(bodies: Client) -> None:
    before = last(bodies)
    answer = bodies.post(interests("mid"), json=votes("plc", start="2024-04-01", evidence="Register"))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    path = interests("mid", made["id"])
    assert answer.headers["location"] == path
    assert bodies.get(path).json() == made
    assert bodies.get(path).headers["etag"] == answer.headers["etag"]
    assert (made["type"], made["share"]) == (
        "votingRights",
        {"least": 50, "most": 100, "over": True, "under": False},
    )
    assert (made["source"], made["first_import_id"], made["from_statements"]) == ("default", None, False)
    assert told(bodies, before) == {of("mid")}
    assert [one["id"] for one in ownership(bodies, "mid", at="2025-01-01")["controlled_by"]] == [of("plc")]
    (shown,) = ownership(bodies, "mid", at="2025-01-01")["interests"]
    assert (shown["id"], shown["rests_on"]["evidence"]) == (made["id"], "Register")

    before = last(bodies)
    assert bodies.patch(path, json={"end": "2024-12-31"}).status_code == 428
    first = tag(bodies, path)
    changed = bodies.patch(path, json={"end": "2024-12-31"}, headers=first)
    assert (changed.status_code, changed.json()["end"]) == (200, "2024-12-31")
    assert {**changed.json(), "end": None, "updated_at": 0} == {**made, "updated_at": 0}
    assert bodies.patch(path, json={"end": None}, headers=first).status_code == 412
    assert told(bodies, before) == {of("mid")}
    assert ownership(bodies, "mid", at="2024-12-31")["controlled_by"] != []
    assert ownership(bodies, "mid", at="2025-01-01")["controlled_by"] == []
    assert [one["id"] for one in bodies.items(interests("mid"))] == [made["id"]]
    assert bodies.items(interests("mid"), params={"at": "2025-01-01"}) == []

    before = last(bodies)
    assert bodies.delete(path).status_code == 428
    assert bodies.delete(path, headers=tag(bodies, path)).status_code == 204
    assert bodies.get(path).status_code == 404
    assert bodies.items(interests("mid")) == []
    assert told(bodies, before) == {of("mid")}
    lines = bodies.items(f"{path}/history")
    assert [(line["action"], line["field"]) for line in lines] == [
        ("created", None),
        ("changed", "until"),
        ("deleted", None),
    ]
    assert {line["by"] for line in lines} == {"tester"}
    assert [line["field"] for line in bodies.items(f"{path}/history", params={"field": "until"})] == ["until"]


def test_below_the_organisation_control_may_be_another_too(bodies: Client) -> None:
    state(bodies, "care", votes("mid"))
    before = last(bodies)
    state(bodies, "mid", votes("plc"))
    assert told(bodies, before) == {of("mid"), of("care")}
    assert ownership(bodies, "care")["ultimate_owner_ids"] == [of("plc")]


def test_the_same_key_states_it_once(bodies: Client) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (bodies.post(interests("mid"), json=votes("plc"), headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert len(bodies.items(interests("mid"))) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": {"least": 60, "most": 40}},
        {"share": {"least": -1}},
        {"share": {"most": 101}},
        {"share": {"least": 50, "most": 50, "over": True}},
        {"share": {"exact": 50}},
        {"start": "2025-01-01", "end": "2024-12-31"},
        {"type": "friendship"},
        {"type": None},
        {"owner_id": NOBODY},
        {"owner_id": "plc"},
        {"owner_id": None},
        {"owner_id": of("mid")},
        {"owner_kind": "person"},
        {"owner_kind": "dog"},
        {"owner_name": "Somebody"},
        {"directness": "sideways"},
        {"evidence": "a\u0000b"},
    ],
)
def test_what_an_import_would_not_take_is_refused(bodies: Client, wrong: dict[str, Any]) -> None:
    made = state(bodies, "mid", votes("council"))
    path = interests("mid", made["id"])
    held = bodies.get(path)
    assert bodies.post(interests("mid"), json=votes("plc") | wrong).status_code == 422
    if "owner_id" in wrong or "share" in wrong or "type" in wrong:
        answer = bodies.patch(path, json=wrong, headers={"If-Match": held.headers["etag"]})
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert bodies.get(path).json() == held.json()
    assert len(bodies.items(interests("mid"))) == 1


def test_an_interest_may_end_on_the_last_day_there_is_and_start_on_the_day_it_ends(bodies: Client) -> None:
    made = state(bodies, "mid", votes("plc", start="2024-01-01", end="2024-01-01"))
    assert (made["start"], made["end"]) == ("2024-01-01", "2024-01-01")
    assert state(bodies, "mid", votes("plc", end="9999-12-31"))["end"] is None


def test_of_an_owner_that_is_no_organisation_there_is_only_an_id(bodies: Client) -> None:
    person = {"owner_kind": "person", "type": "shares", "share": {"least": 30, "most": 30}}
    first, second = (state(bodies, "mid", person) for _ in range(2))
    assert first["owner_id"] != second["owner_id"]
    assert state(bodies, "mid", person | {"owner_id": NOBODY})["owner_id"] == NOBODY
    labels = {one["owner"]["label"] for one in ownership(bodies, "mid")["interests"]}
    assert labels == {"a person"}

    path = interests("mid", first["id"])
    named = bodies.patch(path, json={"owner_kind": "organisation"}, headers=tag(bodies, path))
    assert named.status_code == 422, "which?"
    named = bodies.patch(
        path, json={"owner_kind": "organisation", "owner_id": of("plc")}, headers=tag(bodies, path)
    )
    assert (named.status_code, named.json()["owner_id"]) == (200, of("plc"))
    unnamed = bodies.patch(path, json={"owner_kind": "unknown"}, headers=tag(bodies, path)).json()
    assert unnamed["owner_id"] not in (of("plc"), first["owner_id"])


def test_an_interest_is_its_sources_and_is_changed_by_who_acts_for_its_authority(bodies: Client) -> None:
    def acting(role: str, authority: str) -> None:
        bodies.headers.update(identity("registry", role=role, authorities=(authority,)))

    acting("system", ME)
    made = state(bodies, "mid", votes("plc"), source="mine")
    path = interests("mid", made["id"])
    acting("system", OTHER)
    theirs = tag(bodies, path)
    assert bodies.post(interests("mid"), json=votes("plc"), params={"source": "mine"}).status_code == 403
    assert bodies.patch(path, json={"end": "2024-12-31"}, headers=theirs).status_code == 403
    assert bodies.delete(path, headers=theirs).status_code == 403
    assert bodies.items(f"{path}/history")[0]["by"] is None
    assert state(bodies, "mid", votes("plc"), source="theirs")["source"] == "theirs"
    acting("reader", ME)
    assert bodies.post(interests("mid"), json=votes("plc")).status_code == 403
    assert bodies.patch(path, json={"end": "2024-12-31"}, headers=theirs).status_code == 403
    assert bodies.delete(path, headers=theirs).status_code == 403
    acting("system", ME)
    assert bodies.delete(path, headers=theirs).status_code == 204


def test_what_came_with_a_file_is_corrected_and_what_follows_from_statements_is_not(bodies: Client) -> None:
    send(bodies, "ownership", "subject_id,owner_id,interest_type,share_exact\nmid,plc,votes,60")
    (held,) = bodies.items(interests("mid"))
    path = interests("mid", held["id"])
    mended = bodies.patch(path, json={"share": {"least": 40, "most": 40}}, headers=tag(bodies, path))
    assert mended.json()["share"] == {"least": 40, "most": 40, "over": False, "under": False}
    assert mended.json()["first_import_id"] == held["first_import_id"]

    bods(
        bodies,
        entity("e-mid", "Stated Ltd"),
        entity("e-plc", "Behind plc"),
        relation("r1", "e-mid", "e-plc", shares(80)),
    )
    (stated,) = bodies.items("/v1/organisations", params={"text": "Stated"})
    listed = f"/v1/organisations/{stated['id']}/ownership/interests"
    (follows,) = bodies.items(listed)
    assert follows["from_statements"]
    path = f"{listed}/{follows['id']}"
    for answer in (
        bodies.patch(path, json={"end": "2024-12-31"}, headers=tag(bodies, path)),
        bodies.delete(path, headers=tag(bodies, path)),
    ):
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (
            409,
            "follows-from-statements",
        )
    assert bodies.get(path).json() == follows


def test_an_interest_is_found_under_its_organisation_alone(bodies: Client) -> None:
    made = state(bodies, "mid", votes("plc"))
    elsewhere = interests("care", made["id"])
    assert bodies.get(elsewhere).status_code == 404
    assert bodies.patch(elsewhere, json={}, headers={"If-Match": "*"}).status_code == 404
    assert bodies.delete(elsewhere, headers={"If-Match": "*"}).status_code == 404
    assert bodies.get(f"/v1/organisations/{NOBODY}/ownership/interests").status_code == 404
    assert (
        bodies.post(f"/v1/organisations/{NOBODY}/ownership/interests", json=votes("plc")).status_code == 404
    )
    assert bodies.get(interests("mid", "no-uuid")).status_code == 422
    assert bodies.get(interests("mid", NOBODY)).status_code == 404
    assert bodies.get(f"{interests('mid', NOBODY)}/history").status_code == 404


def test_interests_in_a_merged_organisation_are_those_of_the_one_that_answers(bodies: Client) -> None:
    made = state(bodies, "arm", votes("council"))
    merge = f"/v1/organisations/{of('arm')}/merge"
    assert bodies.post(merge, json={"into": of("care"), "reason": "one"}).status_code == 200
    assert [one["id"] for one in bodies.items(interests("care"))] == [made["id"]]
    assert bodies.post(interests("arm"), json=votes("plc")).status_code == 409
    assert bodies.get(interests("arm"), follow_redirects=False).status_code == 308
    path = interests("care", made["id"])
    ended = bodies.patch(path, json={"end": "2024-12-31"}, headers=tag(bodies, path))
    assert (ended.status_code, ended.json()["subject_id"]) == (200, of("arm"))
