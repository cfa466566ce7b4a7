"""Finding services, organisations and sites: by text, need, place, opening time, age, and all together."""

import random
import threading
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database, upsert
from hedgerow_registry.actions import entities, indexing, records
from hedgerow_registry.actions.derived import settle
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.domain import nearness, spans
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.domain.searching import Document, Either, Tag, Word, asked, tag, whole, words
from hedgerow_registry.store import search
from hedgerow_registry.tables import IndexedService, Service, Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text, update

from tests.registry.files import counts, fill, quarantined, send
from tests.registry.service_records import SERVICE, of_version_3
from tests.support.http import Client

SERVICES = """
    id,name,organisation_name,needs,area_codes,description,minimum_age,maximum_age,assured_on,site_name,postcode,site_area_code,lon,lat
    a,Café Élan,Quay Trust,hedgerow:food,E05999001,Warm meals for all,,,2026-01-01,Hall,PE99 1AA,,1.05,53.32
    b,Women's drop-in,Quay Trust,hedgerow:debt,,A food bank and cups of tea,18,,,Church,PE99 1AB,,1.06,53.33
    c,Youth café,Salt Youth,hedgerow:food-bank,E05999002,,11,17,2020-01-01,Pier,PE99 2ZZ,E01999002,1.3,53.28
    d,Bank of Food,Salt Youth,,,Food for the bank,,,,,,,,
"""


@pytest.fixture
def filled(registry: Client) -> Client:
    fill(registry)
    for service in registry.items("/v1/services"):
        path = f"/v1/services/{service['id']}"
        assert registry.delete(path, headers={"if-match": registry.get(path).headers["etag"]}).is_success
    made = send(registry, "services", SERVICES)
    assert counts(made)[0] == 4
    return registry


def ordered(client: Client, **params: Any) -> list[str]:
    ids = {record_id("default", "service", one): one for one in "abcd"}
    return [ids[item["id"]] for item in client.items("/v1/services", params={**params, "limit": 2})]


def found(client: Client, **params: Any) -> list[str]:
    return sorted(ordered(client, **params))


def refused(client: Client, path: str, **params: Any) -> tuple[int, str]:
    answer = client.get(path, params=params)
    body = answer.json()
    said = (body.get("errors") or [{}])[0].get("parameter", body["type"].rpartition(":")[2])
    return answer.status_code, said


def test_words_are_without_case_and_accents_and_apostrophes() -> None:
    assert words("Café ÉLAN, Straße; œuvre — naïve") == ["cafe", "elan", "strasse", "oeuvre", "naive"]
    assert words("carers' and women’s") == ["carers", "and", "womens"]
    assert words("Ω ﬁne 24/7") == ["ω", "fine", "24", "7"]
    assert words(None) == words("—") == []


def test_text_finds_words_of_the_service_its_needs_and_its_provider(filled: Client) -> None:
    assert found(filled, text="cafe") == ["a", "c"]
    assert found(filled, text="CAFÉ") == ["a", "c"]
    assert found(filled, text="womens") == found(filled, text="women's") == ["b"]
    assert found(filled, text="tea cup") == ["b"], "every word, in any order"
    assert found(filled, text="tea cafe") == []
    assert found(filled, text="warm") == ["a"]
    assert found(filled, text="quay") == ["a", "b"], "the provider's name"
    assert found(filled, text="debt") == ["b"], "the name of its need"
    assert found(filled, text="%") == found(filled, text="") == []


def test_a_word_is_found_by_its_beginning_and_a_phrase_as_it_stands(filled: Client) -> None:
    assert found(filled, text="mea") == ["a"]
    assert found(filled, text='"mea"') == []
    assert found(filled, text='"food bank"') == ["b", "c"], "in its text, or as the name of its need"
    assert found(filled, text='"bank of food"') == ["d"]
    assert found(filled, text='"elan warm"') == [], "no phrase runs from one text into the next"
    assert found(filled, text='"food bank" tea') == ["b"]
    assert refused(filled, "/v1/services", text="a " * 17) == (422, "text")


def test_names_that_fit_come_first_where_relevance_is_asked_for(filled: Client) -> None:
    assert found(filled, text="food") == ["a", "b", "c", "d"]
    told = ordered(filled, text="food", order="relevance")
    assert (told[0], sorted(told[1:])) == ("d", ["a", "b", "c"])
    assert ordered(filled, text="bank food", order="relevance", source="default")[0] == "d"
    assert found(filled, text="bank food", order="relevance") == ["b", "c", "d"]
    assert refused(filled, "/v1/services", text="food", order="relevance", after="bnVsbA")[0] == 422


def test_places_are_found_by_postcode_and_distance_nearest_site_told(filled: Client) -> None:
    assert found(filled, postcode="pe991aa", within_km=0.1) == ["a"]
    assert found(filled, postcode="PE99 1AA") == ["a", "b"], "5 km unless said"
    assert found(filled, postcode="PE99 1AA", within_km=25) == ["a", "b", "c"]
    assert found(filled, postcode="PE99 1AA", within_km=25, text="cafe", age=30) == ["a"]
    near = filled.items("/v1/services", params={"postcode": "PE99 1AA", "text": "drop"})
    assert near[0]["distance_m"] == pytest.approx(1296, abs=5)
    assert refused(filled, "/v1/services", postcode="PE99 9ZZ") == (404, "unplaced-postcode")
    assert "/v1/imports/postcodes" in filled.get("/v1/services", params={"postcode": "PE99 9ZZ"}).text
    assert refused(filled, "/v1/services", postcode="nowhere") == (422, "postcode")
    assert refused(filled, "/v1/services", within_km=3) == (422, "within_km")
    assert refused(filled, "/v1/services", postcode="PE99 1AA", within_km=1000) == (422, "within_km")


def test_what_is_near_comes_whole_page_by_page_however_far_it_goes(filled: Client) -> None:
    rows = [f"n{n:02},Food {n},hedgerow:food,{1.05 + n / 100:.2f},53.3" for n in range(12)]
    send(filled, "services", "id,name,needs,lon,lat\n" + "\n".join(rows), source="near")
    number = {record_id("near", "service", f"n{n:02}"): n for n in range(12)}

    def near(km: float, path: str = "services", **params: Any) -> list[int]:
        asked_for = {"postcode": "PE99 1AA", "within_km": km, "source": "near", "limit": 5, **params}
        found = filled.items(f"/v1/{path}", params=asked_for)
        key = "id" if path == "services" else "service_id"
        return [number[one[key]] for one in found]

    # A degree of longitude is 66.4 km there; the postcode lies 2.2 km north of the first.
    for km, count in ((3, 4), (8, 12), (29, 12), (31, 12), (200, 12)):
        assert sorted(near(km)) == sorted(near(km, "sites")) == list(range(count)), km
        assert sorted(near(km, text="food")) == list(range(count)), km
        assert sorted(near(km, need="food", age=30)) == list(range(count)), km
        assert sorted(near(km, text="food", order="relevance")) == list(range(count)), km
        assert near(km, text="11") == [11] * (count == 12)
        assert near(km, text="zebra") == near(km, staler_than=1) == []


def test_a_list_of_postcodes_places_what_no_site_stands_at(filled: Client) -> None:
    made = send(
        filled,
        "postcodes",
        "postcode,lon,lat,area_code\npe999zz,1.0601,53.3301,E05999001\nPE99 1AA,1.30,53.28,\nM1,1,53,\n"
        "PE99 8ZZ,,,",
    )
    assert counts(made) == (2, 0, 0, 2)
    assert [(line, column) for line, column, _ in quarantined(filled, made)] == [(4, "postcode"), (5, "lon")]
    assert found(filled, postcode="PE99 9ZZ", within_km=1) == ["b"]
    assert found(filled, postcode="PE99 1AA", within_km=1) == ["c"], "the list is believed before the sites"


def test_conditions_add_up(filled: Client) -> None:
    assert found(filled, need="food") == ["a", "c"]
    assert found(filled, need="food", text="youth") == ["c"]
    assert found(filled, area="E05999001") == ["a"]
    assert found(filled, area="E06999001", text="cafe") == ["a", "c"]
    assert found(filled, area="E01999002") == ["c"]
    assert found(filled, age=16) == ["a", "c", "d"]
    assert found(filled, age=18, text="food") == ["a", "b", "d"]
    assert found(filled, text="cafe", status="inactive") == []
    assert found(filled, text="cafe", source="other") == []
    quay = next(o["id"] for o in filled.items("/v1/organisations", params={"text": "quay trust"}))
    assert found(filled, organisation=quay, text="cafe") == ["a"]
    assert found(filled, owner=quay, text="food") == ["a", "b"]


def test_a_crosswalk_says_which_terms_count_for_a_need(filled: Client) -> None:
    send(
        filled,
        "crosswalk",
        "from_taxonomy,from_term,to_taxonomy,to_term,relation\nother,debt,hedgerow,debt,exact\n"
        "hedgerow,food-bank,other,debt,related",
    )
    assert found(filled, need="other:debt") == ["b"]
    assert found(filled, need="other:debt", narrower="false") == []


def test_freshness_goes_by_the_day_of_assurance_and_not_by_our_reading(filled: Client) -> None:
    days = (datetime.now(UTC).date() - datetime(2026, 1, 1, tzinfo=UTC).date()).days
    assert found(filled, fresher_than=days) == ["a"]
    assert found(filled, fresher_than=days - 1) == []
    assert found(filled, staler_than=days) == ["c"]
    assert sorted(found(filled, assured="false")) == ["b", "d"]
    assert found(filled, staler_than=days, text="cafe") == ["c"]
    by_name = {item["name"]: item for item in filled.items("/v1/services")}
    assert by_name["Youth café"]["freshness"]["state"] == "stale"
    assert by_name["Youth café"]["freshness"]["staleness"] == 1
    assert by_name["Bank of Food"]["freshness"] == {
        "assured_on": None,
        "days": None,
        "staleness": None,
        "state": "unknown",
    }
    assert by_name["Café Élan"]["freshness"]["days"] == days


def test_richness_names_what_is_missing(filled: Client) -> None:
    by_name = {item["name"]: item["richness"] for item in filled.items("/v1/services")}
    assert by_name["Bank of Food"] == {
        "score": 8,
        "missing": [
            "description",
            "needs",
            "contact",
            "place",
            "opening_times",
            "eligibility",
            "area",
            "url",
            "cost",
            "how_to_apply",
            "accessibility",
        ],
    }
    assert by_name["Youth café"]["score"] == 15 + 12 + 8 + 8 + 6
    (trust,) = filled.items("/v1/organisations", params={"text": "quay trust"})
    assert trust["richness"]["score"] == 0
    assert trust["freshness"]["assured_on"] == "2026-01-01", "by the service that was assured last"


def test_open_now_and_open_at_go_by_the_schedules(registry: Client) -> None:
    hall = {"id": "22222222-2222-4222-8222-222222222222"}
    hall["location"] = {"id": "33333333-3333-4333-8333-333333333333", "name": "Hall", "latitude": 53.3}
    hall["location"] |= {"longitude": 1.05}
    hall["schedules"] = [{"id": "h", "byday": "SA", "opens_at": "22:00", "closes_at": "02:00"}]
    other = {**hall, "id": "44444444-4444-4444-8444-444444444444"}
    other["location"] = {**hall["location"], "id": "55555555-5555-4555-8555-555555555555"}
    del other["schedules"]
    week = [{"id": "w", "byday": "MO,TU", "opens_at": "09:00", "closes_at": "17:00"}]
    said = {"eligibility_description": "Older carers"}
    sent = of_version_3(schedules=week, service_at_locations=[hall, other], **said)
    send(registry, "hsds", orjson.dumps([sent]), media_type="application/json")

    def open_at(moment: str, path: str = "services", **params: Any) -> list[str]:
        return [one["id"][:2] for one in registry.items(f"/v1/{path}", params={"open_at": moment, **params})]

    assert open_at("2026-11-23T09:00") == ["11"]
    assert open_at("2026-07-06T08:30:00Z") == ["11"], "half past nine in London in summer"
    assert open_at("2026-11-23T17:00") == []
    assert open_at("2026-11-29T01:00") == ["11"], "Saturday's night"
    assert open_at("2026-11-29T01:00", "sites") == ["22"]
    assert open_at("2026-11-23T10:00", "sites") == ["44"], "the other has times of its own"
    assert open_at("2026-11-23T10:00", text="advice") == ["11"]
    for path in ("/v1/services", "/v1/sites"):
        for more in ({}, {"format": "csv"}):
            now = registry.get(path, params={"open_at": " Now", **more})
            assert (now.status_code, now.headers["cache-control"]) == (200, "no-store"), "it passes by itself"
    assert refused(registry, "/v1/services", open_at="soon") == (422, "open_at")
    assert refused(registry, "/v1/services", open_at="0001-01-01T00:00") == (422, "open_at")

    def eligible(said: str) -> int:
        return len(registry.items("/v1/services", params={"eligible": said}))

    assert (eligible("carer"), eligible("older carers"), eligible("parents")) == (1, 1, 0)
    assert len(registry.items("/v1/services", params={"text": "carers"})) == 0, "that is not its text"


def test_organisations_are_found_by_size(registry: Client) -> None:
    said = "id,name,size\na,Tiny,micro\nb,Little,Small business\nc,Big,250+ employees\nd,Some,SME\ne,Unsaid,"
    send(registry, "organisations", said)

    def of_size(size: str) -> list[str]:
        return sorted(one["name"] for one in registry.items("/v1/organisations", params={"size": size}))

    assert (of_size("small"), of_size("large")) == (["Little"], ["Big"])
    assert of_size("sme") == ["Little", "Some", "Tiny"]
    assert refused(registry, "/v1/organisations", size="huge") == (422, "size")


def test_organisations_and_sites_are_found_too(filled: Client) -> None:
    def organisations(**params: Any) -> list[str]:
        return sorted(one["name"] for one in filled.items("/v1/organisations", params=params))

    assert organisations(text="quay") == ["Quay Kitchen", "Quay Trust"]
    assert organisations(text="qk") == ["Quay Kitchen"], "an alias"
    assert organisations(text="1234567") == ["Quay Kitchen"], "the number of an identifier"
    assert organisations(need="other:debt") == [] == organisations(need="hedgerow:food", text="kitchen")
    assert organisations(need="hedgerow:debt") == ["Quay Trust"]
    assert organisations(area="E05999002") == ["Salt Youth"]
    assert organisations(postcode="PE99 1AA", within_km=3) == ["Quay Trust"]

    def sites(**params: Any) -> list[str]:
        return sorted(one["name"] for one in filled.items("/v1/sites", params=params))

    assert sites(text="PE99 1AB") == sites(text="pe991ab") == ["Church"]
    assert sites(text="hall") == ["Hall"]
    assert sites(postcode="PE99 1AA", within_km=2) == ["Church", "Hall"]
    assert sites(area="E05999002") == ["Pier"]
    assert sites(need="hedgerow:food") == ["Hall", "Pier"]


def test_the_index_follows_whatever_is_written(filled: Client) -> None:
    (trust,) = filled.items("/v1/organisations", params={"text": "quay trust"})
    path = f"/v1/organisations/{trust['id']}"
    tag = filled.get(path).headers["etag"]
    assert filled.put(path, json={"name": "Harbour Trust"}, headers={"if-match": tag}).status_code == 200
    assert found(filled, text="quay") == []
    assert found(filled, text="harbour") == ["a", "b"], "services follow their provider's name"
    send(filled, "needs", "taxonomy,term,name\nhedgerow,debt,Money worries")
    assert found(filled, text="worries") == ["b"]
    assert found(filled, text="advice") == [], "the need was called Debt advice"
    (church,) = filled.items("/v1/sites", params={"text": "church"})
    path = f"/v1/sites/{church['id']}"
    moved = {"service_id": record_id("default", "service", "d"), "name": "Chapel", "lon": 1.3, "lat": 53.28}
    tag = filled.get(path).headers["etag"]
    assert filled.put(path, json=moved, headers={"if-match": tag}).status_code == 200
    assert found(filled, postcode="PE99 1AA") == ["a"], "the service it left is not there any more"
    assert found(filled, postcode="PE99 2ZZ") == ["c", "d"]
    path = f"/v1/services/{record_id('default', 'service', 'd')}"
    tag = filled.get(path).headers["etag"]
    assert filled.delete(path, headers={"if-match": tag}).status_code == 204
    assert found(filled, text="food") == ["a", "b", "c"]
    assert filled.items("/v1/sites", params={"text": "chapel"}) == []


def test_services_of_a_merged_organisation_are_found_by_either_name(filled: Client) -> None:
    ids = {one["name"]: one["id"] for one in filled.items("/v1/organisations")}
    merged = filled.post(
        f"/v1/organisations/{ids['Salt Youth']}/merge",
        json={"into": ids["Quay Trust"], "reason": "one body"},
    )
    assert merged.status_code == 200
    assert found(filled, text="quay") == ["a", "b", "c", "d"]
    assert found(filled, text='"salt youth"') == ["a", "b", "c", "d"]
    assert [o["name"] for o in filled.items("/v1/organisations", params={"text": "salt youth"})] == [
        "Quay Trust"
    ]
    undone = filled.post(f"/v1/organisations/{ids['Salt Youth']}/unmerge", json={"reason": "two after all"})
    assert undone.status_code == 200
    assert found(filled, text="quay") == ["a", "b"]
    assert found(filled, text='"salt youth"') == ["c", "d"]


def test_services_of_all_that_were_merged_follow_the_names_of_whoever_answers(filled: Client) -> None:
    ids = {one["name"]: one["id"] for one in filled.items("/v1/organisations")}
    youth, quay, kitchen = (ids[name] for name in ("Salt Youth", "Quay Trust", "Quay Kitchen"))
    for one in (youth, kitchen):
        said = {"into": quay, "reason": "one body"}
        assert filled.post(f"/v1/organisations/{one}/merge", json=said).status_code == 200
    assert found(filled, text='"quay kitchen"') == ["a", "b", "c", "d"], "what was merged before hears of it"
    path = f"/v1/organisations/{quay}"
    told = {"name": "Harbour Trust"}
    tag = filled.get(path).headers["etag"]
    assert filled.put(path, json=told, headers={"if-match": tag}).status_code == 200
    assert found(filled, text="harbour") == ["a", "b", "c", "d"]
    assert found(filled, text='"quay trust"') == []
    send(filled, "organisations", f"id,name\n{youth},Sea Youth")
    assert found(filled, text="sea") == ["a", "b", "c", "d"]
    assert found(filled, text='"salt youth"') == []
    assert [one["id"] for one in filled.items("/v1/organisations", params={"text": "sea"})] == [quay]


def test_a_word_in_the_names_of_many_needs_stands_for_them_all(filled: Client) -> None:
    needs = [f"hedgerow,n{number:03},Guidance {number:03}" for number in range(150)]
    send(filled, "needs", "taxonomy,term,name\n" + "\n".join(needs))
    send(filled, "services", "id,name,needs\na,A,hedgerow:n000\nb,B,hedgerow:n149\nc,C,hedgerow:debt")
    assert found(filled, text="guidance") == ["a", "b"]


@pytest.mark.parametrize("mark", [True, 2**63, 1.5, None, "7", "a\x00"])
def test_a_mark_that_no_page_gave_is_refused(filled: Client, mark: Any) -> None:
    for params in ({"text": "food"}, {"text": "food", "order": "relevance"}, {}):
        turn = [] if "order" not in params else [0]
        if params == {} and mark == "7":
            continue
        after = urlsafe_b64encode(orjson.dumps([*turn, mark])).decode().rstrip("=")
        assert refused(filled, "/v1/services", **params, after=after) == (422, "after")


def test_who_indexes_anew_does_not_overtake_who_writes(filled: Client, database: Database) -> None:
    if database.dialect != "postgresql":
        return  # It has one writer.
    id = record_id("default", "service", "d")
    with database.writing() as session:
        session.execute(delete(IndexedService).where(IndexedService.id == id))
    filling = threading.Thread(target=indexing.fill, args=(database,))
    with database.writing() as session:
        by = claim(session, "default", PRINCIPAL)
        kept = {"id": id, "name": "Bank of Bread", "status": "active"}
        records.write(session, entities.SERVICES, [kept], by)
        settle(session)
        filling.start()
        filling.join(1)
    filling.join()
    assert found(filled, text="bread") == ["d"]


def test_what_came_in_past_the_index_is_indexed_at_the_start(filled: Client, database: Database) -> None:
    with database.writing() as session:
        for index in (search.SERVICES, search.ORGANISATIONS, search.SITES, search.NEEDS):
            if database.dialect == "sqlite":
                session.execute(text(f"DELETE FROM {index.words}"))
            session.execute(delete(index.table))
    assert found(filled, text="food") == []
    assert indexing.fill(database) > 10
    assert found(filled, text="food") == ["a", "b", "c", "d"]
    assert found(filled, postcode="PE99 1AA", within_km=25) == ["a", "b", "c"]
    assert indexing.fill(database) == 0
    # As an older version of the app would have written them.
    with database.writing() as session:
        session.execute(update(IndexedService).values(edition=indexing.EDITION - 1))
    assert indexing.fill(database) == 4
    assert indexing.fill(database) == 0
    assert found(filled, text="food", age=18) == ["a", "b", "d"]


def named(client: Client, said: str) -> list[str]:
    return [one["name"] for one in client.items("/v1/services", params={"text": said})]


def test_a_beginning_stands_for_the_words_that_are_known_until_they_are_many(
    filled: Client, database: Database
) -> None:
    def means(start: str) -> Any:
        with database.reading() as session:
            return search.spelled_out(session, [Word(start)])[0]

    assert means("caf") == Either((Word("cafe", begins=False),))
    assert means("zebra") == Either(())
    rows = [f"n{n},Zebra{n}ö" for n in range(search.MOST_BEGINNINGS)]
    send(filled, "services", "id,name\n" + "\n".join(rows))
    assert len(means("zebra").parts) == len(named(filled, "zebra")) == search.MOST_BEGINNINGS
    send(filled, "services", "id,name\nmore,Zebra", source="other")
    assert means("zebra") == Word("zebra"), "of more the database gathers the records itself"
    assert len(named(filled, "zebra")) == search.MOST_BEGINNINGS + 1


def test_who_writes_the_same_new_word_at_the_same_time_waits_for_nobody(
    filled: Client, database: Database
) -> None:
    if database.dialect != "postgresql":
        return  # It has one writer.
    with database.writing() as one, database.writing() as other:
        for session, id in ((one, "e"), (other, "f")):
            # Whoever waited would wait for ever.
            session.execute(text("SET LOCAL lock_timeout = '20s'"))
            search.put(session, search.SERVICES, {id: (Document(["ostrich"], [], []), QUALITY)}, {})
    ostrich = Word("ostrich", begins=False)
    with database.reading() as session:
        assert search.spelled_out(session, [Word("ost")]) == [Either((ostrich,))]
        assert search.ids(session, search.SERVICES, [ostrich], most=9) == [["e", "f"]]


def test_a_word_that_no_record_has_any_more_is_dropped(filled: Client, database: Database) -> None:
    def known_after_dropping(*starts: str) -> list[bool]:
        with database.writing() as session:
            search.drop_unused_words(session)
        with database.reading() as session:
            return [node != Either(()) for node in search.spelled_out(session, map(Word, starts))]

    assert known_after_dropping("cup", "debt", "warm") == [True, True, True]
    path = f"/v1/services/{record_id('default', 'service', 'b')}"
    assert filled.delete(path, headers={"if-match": filled.get(path).headers["etag"]}).status_code == 204
    assert known_after_dropping("cup", "debt", "warm") == [False, True, True], "a need has one of them"


def test_pages_run_over_blocks_of_every_size(filled: Client, database: Database) -> None:
    """What fits is scattered over more numbers than one look goes through; each comes once, in order."""
    if database.dialect != "postgresql":
        return  # SQLite goes from one to the next.
    chance = random.Random(3)
    numbers = sorted({5_000, 8_191, 8_192, 262_144, *(chance.randrange(9_000, 3_000_000) for _ in range(40))})
    okapis = {f"o{number:07}": (Document(["okapi"], [], []), QUALITY) for number in numbers}
    with database.writing() as session:
        stated = {"status": "active", "source": "s", "updated_at": datetime.now(UTC), "digest": "0"}
        rows = [{"id": id, "name": "Okapi", "name_key": "okapi", **stated} for id in okapis]
        upsert(session, Source, [{"name": "s", "created_at": datetime.now(UTC)}], key=["name"])
        upsert(session, Service, rows, key=["id"])
        search.put(session, search.SERVICES, okapis, {})
        for number in numbers:
            placed = update(IndexedService).where(IndexedService.id == f"o{number:07}")
            session.execute(placed.values(number=number))
    okapi = Word("okapi", begins=False)
    with database.reading() as session:
        for most in (1, 3, 7, 100):
            told: list[int] = []
            while page := search.first(
                session, search.SERVICES, okapi, [], [Service.id], after=told[-1] if told else None, most=most
            ):
                told += [row[0] for row in page]
                assert [row.id for row in page] == [f"o{row[0]:07}" for row in page]
                assert len(page) == most or told == numbers
            assert told == numbers


def test_a_database_that_shares_its_work_out_finds_the_same(filled: Client, database: Database) -> None:
    """However PostgreSQL plans, it tells how often each part of a question is met."""
    asked_for = whole([*map(Word, ("food", "bank")), Tag(tag("s", "active"))])
    with database.reading() as session:
        expected = search.first(session, search.SERVICES, asked_for, [], [Service.id], after=None, most=9)
        if database.dialect == "postgresql":
            for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
                session.execute(text(f"SET LOCAL {setting} = 0"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
            sizes, of_all = search._estimated(session, search.SERVICES, asked_for.parts)
            assert len(sizes) == 3
            assert max(sizes.values()) <= of_all
        found = search.first(session, search.SERVICES, asked_for, [], [Service.id], after=None, most=9)
    assert found == expected
    assert found


def test_beginnings_of_very_many_words_find_the_same(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up in the first look then; the next ones have no other way."""
    expected = {
        text: found(filled, text=text) for text in ("fo", "fo te", "a", "e", "s", "a fo", "wom dro fo")
    }
    monkeypatch.setattr(search, "MOST_BEGINNINGS", 0)
    monkeypatch.setattr(search, "MOST_GATHERED", 0)
    assert {text: found(filled, text=text) for text in expected} == expected
    assert any(expected.values())


QUALITY = {"source": "s", "richness": 0, "says": 0}
PRINCIPAL = Principal("writer", frozenset({"administrator"}), frozenset({"*"}))
VOCABULARY = ("food", "foods", "bank", "café", "Youth", "tea", "women's", "drop-in", "été")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=5), min_size=1, max_size=8),
    question=st.lists(
        st.sampled_from(("foo", "food", "bank", "CAFE", '"food bank"', '"youth"', "é", "in")),
        min_size=1,
        max_size=3,
    ),
)
def test_both_databases_find_what_a_plain_look_finds(
    database: Database, texts: list[list[str]], question: list[str]
) -> None:
    said = [" ".join(listed) for listed in texts]
    ids = [record_id("p", "need", str(number)) for number in range(len(said))]
    with database.writing() as session:
        by = claim(session, "p", PRINCIPAL)
        rows = [
            {"id": id, "taxonomy": "t", "term": "z", "name": name} for id, name in zip(ids, said, strict=True)
        ]
        records.write(session, entities.NEEDS, rows, by)
        gone = [record_id("p", "need", str(number)) for number in range(len(said), 8)]
        records.remove(session, entities.NEEDS, [(id,) for id in gone], by)
    nodes = asked(" ".join(question))

    def fits(name: str) -> bool:
        listed = words(name)

        def holds(node: Any) -> bool:
            if hasattr(node, "words"):
                width = len(node.words)
                return any(tuple(listed[at : at + width]) == node.words for at in range(len(listed)))
            return any(word.startswith(node.text) for word in listed)

        return all(holds(node) for node in nodes)

    with database.reading() as session:
        in_words = whole(search.spelled_out(session, nodes))
        begun, told = search.ids(session, search.NEEDS, [whole(nodes), in_words], most=100)
    assert begun == told
    assert sorted(told) == sorted(id for id, name in zip(ids, said, strict=True) if fits(name))


@given(
    first=st.integers(0, 4000),
    wide=st.integers(0, 4000),
    number=st.integers(0, 9000),
    sizes=st.sampled_from(((1, 4, 16, 64, 256), (1, 8), (8, 64, 512), (7,))),
)
def test_the_spans_of_a_range_hold_its_numbers_and_little_else(
    first: int, wide: int, number: int, sizes: tuple[int, ...]
) -> None:
    filling = spans.filling(first, first + wide, sizes)
    met = set(filling) & set(spans.holding(number, sizes))
    near = first - sizes[0] < number < first + wide + sizes[0]
    assert len(met) <= 1, "no number lies in two of them"
    assert bool(met) or not first <= number <= first + wide
    assert not met or near
    assert len(filling) <= 2 + (wide // sizes[-1]) + 2 * sum(b // a for a, b in pairwise(sizes))


@given(
    lon=st.floats(-8.5, 1.9),
    lat=st.floats(49.5, 61),
    km=st.floats(0.01, 200),
    east=st.floats(-3, 3),
    north=st.floats(-2, 2),
)
def test_whatever_is_within_a_distance_lies_in_the_squares_around(
    lon: float, lat: float, km: float, east: float, north: float
) -> None:
    other = (lon + east, lat + north)
    if nearness.distance_m(lon, lat, *other) <= km * 1000 * 0.99:
        around = set(nearness.cells_around(lon, lat, km * 1000))
        assert around & set(nearness.cells(*other))
        box = nearness.box(lon, lat, km * 1000)
        assert box.west <= other[0] <= box.east
        assert box.south <= other[1] <= box.north


def test_pages_stay_whole_while_others_write(registry: Client, database: Database) -> None:
    """What was there throughout, and fitted throughout, comes exactly once, whatever else is written."""
    rows = [f"k{n},Food number {n},hedgerow:food,E06999001,1.0{n % 10},53.3" for n in range(60)]
    fill(registry)
    send(registry, "services", "id,name,needs,area_codes,lon,lat\n" + "\n".join(rows))
    stop = threading.Event()
    failures: list[str] = []

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            with database.writing() as session:
                by = claim(session, "default", PRINCIPAL)
                come = [
                    {
                        "id": record_id("w", "service", f"{turn} {n}"),
                        "name": f"Food {turn}",
                        "status": "active",
                    }
                    for n in range(3)
                ]
                # Some are written anew, some come, some go.
                same = record_id("default", "service", f"k{turn % 60}")
                kept = {"id": same, "name": f"Food again {turn}", "status": "active"}
                kept |= {"needs": ["hedgerow:food"], "area_codes": ["E06999001"]}
                records.write(session, entities.SERVICES, [*come, kept], by)
                gone = [record_id("w", "service", f"{turn - 1} {n}") for n in range(3)]
                records.remove(session, entities.SERVICES, [(id,) for id in gone], by)

    writer = threading.Thread(target=write)
    writer.start()
    constant = {record_id("default", "service", f"k{n}") for n in range(60)}
    try:
        for params in (
            {"text": "food"},
            {"text": "food", "area": "E05999001"},
            {"need": "hedgerow:food"},
            {"postcode": "PE99 1AA", "within_km": 50},
            {"postcode": "PE99 1AA", "within_km": 20, "text": "food"},
            {},
            {"source": "default"},
        ):
            listed = [one["id"] for one in registry.items("/v1/services", params={**params, "limit": 7})]
            if len(listed) != len(set(listed)):
                failures.append(f"{params}: doubled")
            if not constant <= set(listed):
                failures.append(f"{params}: missed {len(constant - set(listed))}")
    finally:
        stop.set()
        writer.join()
    assert failures == []


def test_freshness_is_told_of_a_moment(registry: Client) -> None:
    send(registry, "services", f"id,name,assured_on\n{SERVICE},One,2026-01-01")
    then = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    told = registry.get(f"/v1/services/{SERVICE}", params={"as_of": then}).json()
    assert told["freshness"]["assured_on"] == "2026-01-01"
    assert told["richness"] is None


def test_sources_tell_how_fresh_and_full_their_records_are(filled: Client) -> None:
    send(filled, "services", "id,name,assured_on\n1,One,2020-01-01", source="other")
    default, other = filled.items("/v1/sources")
    assert default["counts"] == {"organisations": 5, "services": 4, "sites": 3}
    assert default["freshness"]["unknown"] == 2
    assert sum(default["freshness"][state] for state in ("fresh", "ageing", "stale", "unknown")) == 4
    assert other["freshness"]["stale"] == 1
    assert other["freshness"]["median_staleness"] == 1
    assert sum(default["richness"]["services"].values()) == 4
    assert other["richness"]["services"]["0-19"] == 1
    assert default["computed"]["thresholds"]["stale_days"] == 730
