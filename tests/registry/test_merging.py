"""Two organisations that are one: what is answered while they are merged, and after that is taken back."""

import threading
from typing import Any

import orjson
import pytest
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_registry.actions import merging
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.errors import AlreadyMerged

from tests.registry.files import changes, counts, fill, send
from tests.support.http import Client
from tests.support.identity import identity

ADMIN = Principal("tester", frozenset({"administrator"}), frozenset({"*"}))
OTHERS = """
    id,name,identifiers,sector,url,owner_ids,aliases
    k,Quay Kitchen Ltd,GB-COH:7654321;GB-EDU:123456,,https://kitchen.example,h,Quay Kitchens
    h,Harbour Holdings plc,,private,,,
    c,The Café,,,,k,
"""
SERVICES = """
    id,name,organisation_id,needs,area_codes,site_name,site_area_code
    m,Meals on wheels,k,hedgerow:food,E05999002,Depot,E05999002
"""


def _id(source: str, external: str, kind: str = "organisation") -> str:
    return record_id(source, kind, external)


KITCHEN, KITCHEN_2 = _id("default", "1"), _id("other", "k")
HOLDINGS, HOLDINGS_2, CAFE = _id("default", "3"), _id("other", "h"), _id("other", "c")
MEALS = _id("other", "m", "service")


@pytest.fixture
def two(registry: Client) -> Client:
    """A locality in which two sources know the Quay Kitchen, and two the Harbour Holdings."""
    fill(registry)
    send(registry, "organisations", OTHERS, source="other")
    send(registry, "services", SERVICES, source="other")
    return registry


def merge(client: Client, id: str, into: str, status: int = 200, **options: Any) -> Any:
    body = {"into": into, "reason": "same charity number on both websites"}
    answer = client.post(f"/v1/organisations/{id}/merge", json=body, **options)
    assert answer.status_code == status, answer.text
    return answer.json()


def unmerge(client: Client, id: str, status: int = 200, **options: Any) -> Any:
    answer = client.post(f"/v1/organisations/{id}/unmerge", json={"reason": "they are two"}, **options)
    assert answer.status_code == status, answer.text
    return answer.json()


def everything(client: Client) -> dict[str, Any]:
    """What the registry answers of organisations, services and sites, each with its tag."""
    shown: dict[str, Any] = {}
    for kind in ("organisations", "services", "sites"):
        for item in client.items(f"/v1/{kind}"):
            answer = client.get(f"/v1/{kind}/{item['id']}")
            shown[f"{kind}/{item['id']}"] = (answer.json(), answer.headers["etag"])
    lines = client.get("/hsds/services", params={"format": "ndjson"}).text.splitlines()
    shown["hsds"] = [_undated(orjson.loads(line)) for line in lines]
    shown["organizations"] = client.get("/hsds/organizations").json()["contents"]
    return shown


def _undated(value: Any) -> Any:
    """A record without when it changed last, which a merge and its undoing move on."""
    if isinstance(value, list):
        return [_undated(item) for item in value]
    if isinstance(value, dict):
        return {
            name: _undated(item) for name, item in value.items() if name not in ("last_modified", "updated")
        }
    return value


def state_of_feed(client: Client) -> dict[tuple[str, str], Any]:
    """What a subscriber holds that has read the feed to its end."""
    held: dict[tuple[str, str], Any] = {}
    for event in changes(client, types="organisation,service,site"):
        key = (event["type"].split(".")[1], event["subject"])
        if event["data"] is None:
            held.pop(key, None)
        else:
            held[key] = event["data"]
    return held


def test_the_merged_organisation_answers_by_the_other(two: Client) -> None:
    made = merge(two, KITCHEN_2, KITCHEN)
    assert (made["kind"], made["by"], made["rule"]) == ("merged", "tester", None)
    assert made["reason"] == "same charity number on both websites"
    for path in ("", "/services", "/services?limit=3", "/merges"):
        answer = two.get(f"/v1/organisations/{KITCHEN_2}{path}")
        assert answer.status_code == 308
        assert answer.headers["location"] == f"/v1/organisations/{KITCHEN}{path}"
        assert answer.headers["content-type"] == "application/problem+json"
    moved = two.get(f"/hsds/organizations/{KITCHEN_2}?full=true")
    assert (moved.status_code, moved.headers["location"]) == (308, f"/hsds/organizations/{KITCHEN}?full=true")
    shown = two.get(f"/v1/organisations/{KITCHEN}").json()
    assert shown["merged_ids"] == [KITCHEN_2]
    assert [f"{one['scheme']}:{one['id']}" for one in shown["identifiers"]] == [
        "GB-CHC:1234567",
        "GB-COH:07654321",
        "GB-EDU:123456",
    ]
    assert shown["aliases"] == ["QK", "Quay Food", "Quay Kitchen Ltd", "Quay Kitchens"]
    assert set(shown["owner_ids"]) == {HOLDINGS, HOLDINGS_2}
    assert (shown["sector"], shown["url"]) == ("charity", "https://example.org")


def test_services_of_the_merged_one_are_shown_with_the_other(two: Client) -> None:
    merge(two, KITCHEN_2, KITCHEN)
    assert two.get(f"/v1/services/{MEALS}").json()["organisation_id"] == KITCHEN
    own = {item["id"] for item in two.items(f"/v1/organisations/{KITCHEN}/services")}
    assert own == {MEALS, _id("default", "s1", "service"), _id("default", "s3", "service")}
    for asked in (KITCHEN, KITCHEN_2):
        assert {item["id"] for item in two.items("/v1/services", params={"organisation": asked})} == own
        found = two.get("/hsds/services", params={"organization_id": asked}).json()["contents"]
        assert {item["id"] for item in found} == own
    assert two.get(f"/hsds/services/{MEALS}").json()["organization"]["id"] == KITCHEN
    listed = {item["id"] for item in two.items("/v1/organisations")}
    assert (KITCHEN in listed, KITCHEN_2 in listed) == (True, False)
    assert KITCHEN_2 not in {item["id"] for item in two.get("/hsds/organizations").json()["contents"]}
    by_number = two.items("/v1/organisations", params={"identifier": "GB-EDU:123456"})
    assert [item["id"] for item in by_number] == [KITCHEN]
    # Whose owner was merged is owned by the one that answers for it.
    assert two.get(f"/v1/organisations/{CAFE}").json()["owner_ids"] == [KITCHEN]


def test_a_gap_is_filled_by_what_the_merged_one_says(two: Client) -> None:
    send(two, "organisations", "id,name\nx,Quay Kitchen", source="bare")
    merge(two, KITCHEN, _id("bare", "x"))
    shown = two.get(f"/v1/organisations/{_id('bare', 'x')}").json()
    assert (shown["sector"], shown["size"], shown["source"]) == ("charity", "small", "bare")
    assert state_of_feed(two)["organisation", _id("bare", "x")]["sector"] == "charity"


def test_an_unmerge_restores_exactly_what_was_before(two: Client) -> None:
    before, feed_before = everything(two), state_of_feed(two)
    merge(two, HOLDINGS_2, HOLDINGS)
    merge(two, KITCHEN_2, KITCHEN)
    assert everything(two) != before
    unmerge(two, KITCHEN_2)
    unmerge(two, HOLDINGS_2)
    assert everything(two) == before
    assert state_of_feed(two) == feed_before


def test_what_is_written_back_as_it_was_read_changes_nothing_behind_a_merge(two: Client) -> None:
    before = everything(two)
    merge(two, KITCHEN_2, KITCHEN)
    for path, source in ((f"organisations/{KITCHEN}", "default"), (f"services/{MEALS}", "other")):
        read = two.get(f"/v1/{path}")
        left_out = {
            "id",
            "source_id",
            "source",
            "first_import_id",
            "last_import_id",
            "updated_at",
            "merged_ids",
            "legal_form_code",
            "size_band",
            "effective_form",
            "ultimate_owner_ids",
            "document",
            "freshness",
            "richness",
            "distance_m",
        }
        body = {name: value for name, value in read.json().items() if name not in left_out}
        headers = {"If-Match": read.headers["etag"]}
        written = two.put(f"/v1/{path}", json=body, params={"source": source}, headers=headers)
        assert written.status_code == 200, written.text
    unmerge(two, KITCHEN_2)
    after = everything(two)
    for name in (f"organisations/{KITCHEN}", f"organisations/{KITCHEN_2}", f"services/{MEALS}"):
        one, other = dict(before[name][0]), dict(after[name][0])
        assert {**one, "updated_at": None, "last_import_id": None} == {
            **other,
            "updated_at": None,
            "last_import_id": None,
        }


def test_an_import_updates_the_record_behind_a_merge_and_does_not_unmerge_it(two: Client) -> None:
    merge(two, KITCHEN_2, KITCHEN)
    seen = two.get(f"/v1/organisations/{KITCHEN}")
    last = int(changes(two)[-1]["id"])
    made = send(two, "organisations", OTHERS.replace("GB-EDU:123456", "GB-EDU:654321"), source="other")
    assert counts(made) == (0, 1, 2, 0)
    now = two.get(f"/v1/organisations/{KITCHEN}")
    assert {"scheme": "GB-EDU", "id": "654321"} in now.json()["identifiers"]
    assert now.headers["etag"] != seen.headers["etag"]
    assert two.get(f"/v1/organisations/{KITCHEN_2}").status_code == 308
    # The feed tells it of the one that answers.
    assert [event["subject"] for event in changes(two, last)] == [KITCHEN]
    unmerge(two, KITCHEN_2)
    restored = two.get(f"/v1/organisations/{KITCHEN_2}").json()
    assert {"scheme": "GB-EDU", "id": "654321"} in restored["identifiers"]
    assert {"scheme": "GB-EDU", "id": "654321"} not in two.get(f"/v1/organisations/{KITCHEN}").json()[
        "identifiers"
    ]


def test_the_feed_moves_the_services_and_then_drops_the_merged_one(two: Client) -> None:
    last = int(changes(two)[-1]["id"])
    merge(two, KITCHEN_2, KITCHEN)
    events = [(event["type"].removeprefix("hedgerow."), event["subject"]) for event in changes(two, last)]
    assert set(events[:-1]) == {
        ("organisation.updated", KITCHEN),
        ("service.updated", MEALS),
        ("organisation.updated", CAFE),
    }
    assert events[-1] == ("organisation.deleted", KITCHEN_2)
    held = state_of_feed(two)
    assert held["service", MEALS]["organisation_id"] == KITCHEN
    assert held["organisation", KITCHEN]["merged_ids"] == [KITCHEN_2]
    assert held["organisation", CAFE]["owner_ids"] == [KITCHEN]
    last = int(changes(two)[-1]["id"])
    unmerge(two, KITCHEN_2)
    assert changes(two, last)[0]["subject"] == KITCHEN_2
    assert state_of_feed(two)["service", MEALS]["organisation_id"] == KITCHEN_2


def test_a_chain_leads_to_its_end_and_is_undone_link_by_link(two: Client) -> None:
    send(two, "organisations", "id,name\n1,Kitchen on the Quay", source="third")
    third = _id("third", "1")
    before = everything(two)
    merge(two, KITCHEN_2, KITCHEN)
    middle = everything(two)
    merge(two, KITCHEN, third)
    for id in (KITCHEN, KITCHEN_2):
        assert two.get(f"/v1/organisations/{id}").headers["location"] == f"/v1/organisations/{third}"
    assert two.get(f"/v1/organisations/{third}").json()["merged_ids"] == [KITCHEN_2, KITCHEN]
    assert two.get(f"/v1/services/{MEALS}").json()["organisation_id"] == third
    unmerge(two, KITCHEN)
    assert everything(two) == middle
    merge(two, KITCHEN, third)
    unmerge(two, KITCHEN_2)
    assert two.get(f"/v1/organisations/{third}").json()["merged_ids"] == [KITCHEN]
    unmerge(two, KITCHEN)
    assert everything(two) == before
    kinds = [item["kind"] for item in two.items(f"/v1/organisations/{KITCHEN}/merges")]
    assert kinds == ["merged", "merged", "unmerged", "merged", "unmerged", "unmerged"]


def test_what_cannot_be_merged_is_said(two: Client) -> None:
    merge(two, KITCHEN, KITCHEN, 422)
    merge(two, _id("nobody", "1"), KITCHEN, 404)
    merge(two, KITCHEN, _id("nobody", "1"), 404)
    unmerge(two, KITCHEN, 409)
    first = merge(two, KITCHEN_2, KITCHEN)
    assert merge(two, KITCHEN_2, KITCHEN) == first, "said twice, it is the same merge"
    assert KITCHEN in merge(two, KITCHEN_2, HOLDINGS, 409)["detail"]
    assert KITCHEN in merge(two, HOLDINGS, KITCHEN_2, 409)["detail"]
    assert KITCHEN in merge(two, KITCHEN, KITCHEN_2, 409)["detail"], "not both ways"
    for body in ({}, {"into": KITCHEN}, {"into": "x", "reason": "r"}, {"into": KITCHEN, "reason": " "}):
        assert two.post(f"/v1/organisations/{HOLDINGS}/merge", json=body).status_code == 422
    assert two.post("/v1/organisations/none/merge", json={"into": KITCHEN, "reason": "r"}).status_code == 422


def test_neither_side_of_a_merge_can_be_deleted_or_written_as_if_it_stood_alone(two: Client) -> None:
    send(two, "organisations", "id,name\n1,One\n2,Two", source="pair")
    one, another = _id("pair", "1"), _id("pair", "2")
    merge(two, another, one)
    tag = two.get(f"/v1/organisations/{one}").headers["etag"]
    kept = two.delete(f"/v1/organisations/{one}", headers={"If-Match": tag})
    assert (kept.status_code, kept.json()["type"]) == (
        409,
        "urn:hedgerow:problem:organisation-answers-for-others",
    )
    assert two.delete(f"/v1/organisations/{another}", headers={"If-Match": "*"}).status_code == 409
    written = two.put(f"/v1/organisations/{another}", json={"name": "Two"}, headers={"If-Match": "*"})
    assert (written.status_code, written.json()["type"]) == (409, "urn:hedgerow:problem:already-merged")
    unmerge(two, another)
    tag = two.get(f"/v1/organisations/{one}").headers["etag"]
    assert two.delete(f"/v1/organisations/{one}", headers={"If-Match": tag}).status_code == 204


def test_a_stale_tag_refuses_a_merge(two: Client) -> None:
    tag = two.get(f"/v1/organisations/{KITCHEN_2}").headers["etag"]
    send(two, "organisations", OTHERS.replace("kitchen.example", "k.example"), source="other")
    merge(two, KITCHEN_2, KITCHEN, 412, headers={"If-Match": tag})
    tag = two.get(f"/v1/organisations/{KITCHEN_2}").headers["etag"]
    merge(two, KITCHEN_2, KITCHEN, headers={"If-Match": tag})


def test_only_who_acts_for_both_sources_merges_and_unmerges(registry: Client) -> None:
    for place in ("north", "south"):
        who = identity("registry", role="system", authorities=(place,))
        made = send(registry, "organisations", "id,name\n1,Quay", headers=who, source=place)
        assert counts(made) == (1, 0, 0, 0)
    north, south = _id("north", "1"), _id("south", "1")
    one = identity("registry", role="system", authorities=("north",))
    both = identity("registry", role="system", authorities=("north", "south"))
    merge(registry, north, south, 403, headers=one)
    merge(registry, south, north, 403, headers=one)
    merge(registry, north, south, 403, headers=identity("registry", role="reader"))
    merge(registry, north, south, headers=both)
    unmerge(registry, north, 403, headers=one)
    unmerge(registry, north, headers=both)


def test_of_many_who_merge_at_once_each_chain_ends_in_one(two: Client, database: Database) -> None:
    ids = [_id("many", str(number)) for number in range(6)]
    send(two, "organisations", "id,name\n" + "\n".join(f"{n},Number {n}" for n in range(6)), source="many")
    pairs = [(ids[a], ids[b]) for a in range(6) for b in range(6) if a != b]
    outcomes: list[str] = []

    def work(part: int) -> None:
        for id, into in pairs[part::4]:
            try:
                with database.writing() as session:
                    merging.merge(session, id, into, reason="race", by=ADMIN)
                outcomes.append("merged")
            except AlreadyMerged:
                outcomes.append("refused")

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == len(pairs)
    listed = [item for item in two.items("/v1/organisations", params={"source": "many"})]
    # Every pair was tried, so but for one all were merged; and every chain ends in it.
    assert len(listed) == 1
    assert set(listed[0]["merged_ids"]) == set(ids) - {listed[0]["id"]}
    assert outcomes.count("merged") == len(ids) - 1
    for id in set(ids) - {listed[0]["id"]}:
        location = two.get(f"/v1/organisations/{id}").headers["location"]
        assert location == f"/v1/organisations/{listed[0]['id']}"
