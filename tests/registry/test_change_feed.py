import json
import random
import threading
from contextlib import suppress

from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_registry.actions import entities, records
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.domain.ids import record_id

from tests.registry.files import GEOJSON, box, changes, features, fill, send
from tests.registry.service_records import of_version_1
from tests.support.http import Client

TYPES = {
    "area",
    "boundary",
    "residents",
    "index",
    "demand",
    "need",
    "crosswalk",
    "organisation",
    "service",
    "site",
}


def test_a_change_is_a_cloud_event_with_the_record_as_it_is_now(registry: Client) -> None:
    fill(registry)
    events = changes(registry)
    assert [int(event["id"]) for event in events] == list(range(1, len(events) + 1))
    assert {event["specversion"] for event in events} == {"1.0"}
    by_subject = {(event["type"], event["subject"]): event["data"] for event in events}
    assert by_subject["hedgerow.area.updated", "E05999001"] == {
        "code": "E05999001",
        "name": "North Quay",
        "level": "ward",
        "vintage": 2024,
        "parents": ["E06999001"],
        "successors": [],
        "lon": 1.05,
        "lat": 53.32,
    }
    assert by_subject["hedgerow.need.updated", "hedgerow:food-bank"] == {
        "id": "hedgerow:food-bank",
        "taxonomy": "hedgerow",
        "term": "food-bank",
        "name": "Food bank",
        "parent": "hedgerow:food",
    }
    kitchen, clinic = (
        record_id("default", kind, name) for kind, name in (("organisation", "1"), ("service", "s2"))
    )
    assert by_subject["hedgerow.organisation.updated", kitchen] == {
        "id": kitchen,
        "name": "Quay Kitchen",
        "sector": "charity",
        "legal_form": "CIO",
        "legal_form_code": "cio",
        "size": "small",
        "size_band": "small",
        "head_office_area_code": None,
        "user_led": None,
        "supported_business": None,
        "control": [{"owner_id": record_id("default", "organisation", "3"), "from": None, "to": None}],
        # A charity by its own account, and in the list of owners of it is a private body.
        "effective_form": "for-profit",
        "members": [],
        "owner_ids": [record_id("default", "organisation", "3")],
        "merged_ids": [],
        "identifiers": [{"scheme": "GB-CHC", "id": "1234567"}, {"scheme": "GB-COH", "id": "07654321"}],
        "status": "active",
    }
    assert by_subject["hedgerow.service.updated", clinic] == {
        "id": clinic,
        "name": "Debt clinic",
        "organisation_id": record_id("default", "organisation", "2"),
        "status": "active",
        "needs": ["hedgerow:debt"],
        "area_codes": ["E05999002"],
        "minimum_age": 18.0,
        "maximum_age": None,
        "capacity": None,
        "valid_from": None,
        "valid_to": "2027-03-31",
        "assured_on": None,
        "openings": [],
        "circumstances": [],
    }
    site = next(event["data"] for event in events if event["type"] == "hedgerow.site.updated")
    assert site.keys() == {
        "id",
        "service_id",
        "name",
        "lon",
        "lat",
        "area_code",
        "postcode",
        "address",
        "source",
        "source_id",
    }


def test_pages_join_without_gap_or_repeat_and_types_can_be_chosen(registry: Client) -> None:
    fill(registry)
    everything = changes(registry)
    page = registry.get("/v1/changes", params={"limit": 5}).json()
    assert page["last"] == len(everything)
    assert page["next"] == "5"
    rest = changes(registry, after=5)
    assert page["items"] + rest == everything
    end = registry.get("/v1/changes", params={"after": len(everything)}).json()
    assert (end["items"], end["next"], end["last"]) == ([], None, len(everything))
    sites = changes(registry, types="site,need")
    assert {event["type"] for event in sites} == {"hedgerow.site.updated", "hedgerow.need.updated"}
    refused = registry.get("/v1/changes", params={"types": "sites"})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "types")


def test_a_deleted_record_is_a_tombstone_wherever_it_stood_in_the_feed(registry: Client) -> None:
    fill(registry)
    pantry = record_id("default", "service", "s1")
    (site,) = registry.items("/v1/sites", params={"service": pantry})
    last = registry.get("/v1/changes").json()["last"]
    tag = registry.get(f"/v1/services/{pantry}").headers["etag"]
    assert registry.delete(f"/v1/services/{pantry}", headers={"if-match": tag}).status_code == 204

    assert [(event["type"], event["subject"], event["data"]) for event in changes(registry, after=last)] == [
        ("hedgerow.site.deleted", site["id"], None),
        ("hedgerow.service.deleted", pantry, None),
    ]
    first = next(event for event in changes(registry) if event["subject"] == pantry)
    assert (first["type"], first["data"]) == ("hedgerow.service.deleted", None)

    send(registry, "services", "id,name\ns1,Community pantry again")
    assert [event["type"] for event in changes(registry) if event["subject"] == pantry] == [
        "hedgerow.service.updated"
    ] * 3


def test_every_type_has_its_present_state_in_the_feed(registry: Client) -> None:
    fill(registry)
    send(registry, "residents", "area_code,period,age_from,age_to,sex,count\nE05999001,2024,0,,all,10")
    send(registry, "indices", "index,area_code,period,value\nimd,E05999001,2025,10")
    send(registry, "demand", "need,area_code,period,count\nhedgerow:food,E05999001,2024,10")
    send(
        registry,
        "crosswalk",
        "from_taxonomy,from_term,to_taxonomy,to_term,relation\nhedgerow,debt,other,debt,exact",
    )
    outline = features(("E05999001", box(1.0, 53.0, 1.1, 53.1)))
    send(registry, "boundaries", outline, media_type=GEOJSON)
    events = changes(registry)
    assert {event["type"].split(".")[1] for event in events} == TYPES
    assert all(event["data"] is not None for event in events)


def test_a_follower_misses_nothing_while_many_write_and_roll_back(
    registry: Client, database: Database
) -> None:
    """Writers commit, roll back and delete; whoever follows the feed ends with exactly the registry."""
    writers, rounds = 4, 12
    stop = threading.Event()
    principal = Principal("writer", frozenset({"administrator"}), frozenset({"*"}))

    def write(number: int) -> None:
        chance = random.Random(number)
        for turn in range(rounds):
            ids = [record_id("s", "organisation", str(chance.randrange(40))) for _ in range(6)]
            # The rolled back half must leave neither a record nor a hole in the numbers.
            with suppress(_Undone), database.writing() as session:
                by = claim(session, "s", principal)
                if chance.random() < 0.3:
                    gone = [(id,) for id in sorted(set(ids))]
                    records.remove(session, entities.ORGANISATIONS, gone, by)
                else:
                    rows = [{"id": id, "name": f"{number}/{turn}", "status": "active"} for id in set(ids)]
                    records.write(session, entities.ORGANISATIONS, rows, by)
                if chance.random() < 0.3:
                    raise _Undone

    followed: dict[str, str] = {}
    numbers: list[int] = []

    def follow() -> None:
        after = 0
        while True:
            ending = stop.is_set()
            page = registry.get("/v1/changes", params={"after": after, "limit": 7}).json()
            for event in page["items"]:
                numbers.append(int(event["id"]))
                if event["data"] is None:
                    followed.pop(event["subject"], None)
                else:
                    followed[event["subject"]] = event["data"]["name"]
                after = int(event["id"])
            if ending and not page["items"]:
                return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    follower = threading.Thread(target=follow)
    for thread in [follower, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    follower.join()

    held = {item["id"]: item["name"] for item in registry.items("/v1/organisations")}
    assert followed == held
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 50


class _Undone(Exception):
    pass


def test_a_service_comes_with_when_it_is_open_and_for_whom(registry: Client) -> None:
    record = of_version_1(
        eligibilitys=[
            {
                "id": "e1",
                "minimum_age": 16,
                "maximum_age": 17,
                "taxonomys": [{"id": "t1", "name": "Care leavers", "vocabulary": "circumstances"}],
            }
        ],
        regular_schedules=[
            {"id": "r1", "byday": "FR", "freq": "weekly", "opens_at": "20:00", "closes_at": "02:30"}
        ],
    )
    answer = registry.post(
        "/v1/imports/hsds", content=json.dumps([record]), headers={"content-type": "application/json"}
    )
    assert answer.json()["counts"]["accepted"] == 1, answer.text
    (state,) = (e["data"] for e in changes(registry) if e["type"] == "hedgerow.service.updated")
    assert (state["minimum_age"], state["maximum_age"]) == (16, 17)
    assert state["circumstances"] == ["Care leavers"]
    assert state["openings"] == [
        {"days": ["FR"], "opens": "20:00", "closes": "02:30", "from": None, "to": None},
        {"days": ["SA"], "opens": None, "closes": None, "from": "2024-01-01", "to": None},
    ]
