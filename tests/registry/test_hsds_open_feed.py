"""The open feed of one registry: what it gives, what it leaves out, who may read it."""

from typing import Any

import orjson
import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.domain.hsds.serving import taxonomy_id, term_id
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings

from tests.registry.files import fill, send
from tests.registry.service_records import SERVICE, of_version_3
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity

LUNCH = "22222222-2222-4222-8222-222222222222"
PLACE = "44444444-4444-4444-8444-444444444444"


def lunch_club(**fields: Any) -> dict[str, Any]:
    """A service with a bit of everything that HSDS 3.1 has and the profile of the UK has not."""
    return {
        "id": LUNCH,
        "name": "Lunch club",
        "description": "Hot meals at the Café for all",
        "status": "active",
        "minimum_age": 60,
        # No age is so high: it bounds nobody.
        "maximum_age": 150,
        "organization": {"id": "aaaaaaaa-2222-4222-8222-222222222222", "name": "Quay Elders"},
        "phones": [{"id": "99999999-2222-4222-8222-222222222222", "number": "01632 960001"}],
        "program": {"id": "88888888-2222-4222-8222-222222222222", "name": "Eat Well", "description": ""},
        "languages": [{"id": "77777777-2222-4222-8222-222222222222", "name": "Polish", "code": "pl"}],
        "schedules": [
            {
                "id": "66666666-2222-4222-8222-222222222222",
                "freq": "WEEKLY",
                "byday": "TU,TH",
                "opens_at": "11:30",
                "closes_at": "14:00",
            }
        ],
        "service_at_locations": [
            {
                "id": PLACE,
                "location": {
                    "id": "55555555-2222-4222-8222-222222222222",
                    "location_type": "physical",
                    "name": "Elders' Hall",
                    "latitude": 53.3205,
                    "longitude": 1.0505,
                    "addresses": [{"address_1": "1 Quay", "postal_code": "PE99 1AE"}],
                },
                "schedules": [{"byday": "SA", "opens_at": "10:00:00", "closes_at": "12:00:00"}],
            }
        ],
        "attributes": [
            {"link_entity": "service", "taxonomy_term": {"name": "Lunch", "code": "lunch", "taxonomy": "od"}},
            {
                "link_entity": "service",
                "link_type": "eligibility",
                "taxonomy_term": {
                    "id": "12121212-2222-4222-8222-222222222222",
                    "name": "Pensioners",
                    "taxonomy": "od",
                },
            },
        ],
        "vendor_field": {"anything": [1, 2]},
        **fields,
    }


def take_in(client: Client, *records: dict[str, Any], source: str = "feed") -> None:
    made = send(client, "hsds", orjson.dumps(records), media_type="application/json", source=source)
    assert made["counts"]["quarantined"] == 0


@pytest.fixture
def feed(registry: Client) -> Client:
    """Three services from flat files, and two as a feed sent them."""
    fill(registry)
    take_in(registry, lunch_club(), of_version_3())
    return registry


def names(client: Client, kind: str = "services", **params: Any) -> set[str]:
    """The names on the one page that a question gives."""
    answer = client.get(f"/hsds/{kind}", params={"per_page": 1000, **params})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["total_items"] == page["size"] == len(page["contents"])
    return {(one.get("service") or one)["name"] for one in page["contents"]}


def lines(client: Client, path: str = "/hsds/services?format=ndjson") -> list[dict[str, Any]]:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [orjson.loads(line) for line in answer.content.splitlines()]


def same(exported: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records without the moments at which they were written."""
    return [{name: value for name, value in one.items() if name != "last_modified"} for one in exported]


PANTRY, CLINIC, YOUTH, MEALS, LINE = (
    "Community pantry",
    "Debt clinic",
    "Youth meals",
    "Lunch club",
    "Advice line",
)


def test_each_filter_gives_those_that_fit_and_no_other(feed: Client) -> None:
    expected: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {PANTRY, CLINIC, YOUTH, MEALS, LINE}),
        ({"search": "MEALS"}, {YOUTH, MEALS}),
        ({"search": "meals café"}, {MEALS}),
        ({"search": "quay kitchen"}, {PANTRY, YOUTH}),
        ({"search": "100%"}, set()),
        ({"taxonomy_term_id": term_id("hedgerow:food-bank")}, {PANTRY, YOUTH}),
        ({"taxonomy_term_id": "hedgerow:food"}, {YOUTH}),
        ({"taxonomy_term_id": term_id("od:lunch")}, {MEALS}),
        ({"taxonomy_term_id": "12121212-2222-4222-8222-222222222222"}, {MEALS}),
        ({"taxonomy_term_id": PLACE}, set()),
        ({"taxonomy_id": taxonomy_id("hedgerow")}, {PANTRY, CLINIC, YOUTH}),
        ({"taxonomy_id": taxonomy_id("od")}, {MEALS}),
        ({"taxonomy_id": PLACE}, set()),
        ({"organization_id": "aaaaaaaa-2222-4222-8222-222222222222"}, {MEALS}),
        ({"minimum_age": 18}, {CLINIC, MEALS}),
        ({"maximum_age": 17}, {YOUTH}),
        ({"maximum_age": 16}, set()),
        ({"maximum_age": 149}, {YOUTH}),
        ({"maximum_age": 150}, {YOUTH, MEALS}),
        ({"minimum_age": 999}, set()),
        ({"day": "TU"}, {MEALS}),
        ({"day": "Saturday"}, {MEALS}),
        ({"day": "SU"}, set()),
        ({"start_time": "11:00"}, {MEALS}),
        ({"start_time": "11:31"}, set()),
        ({"end_time": "12:00"}, {MEALS}),
        ({"end_time": "11:59"}, set()),
        ({"day": "TU", "end_time": "12:00"}, set()),
        ({"postcode": "pe991ae"}, {MEALS}),
        ({"postcode": "PE99 1AB"}, {YOUTH, PANTRY, CLINIC}),
        ({"postcode": "PE99 1AE", "proximity": 200}, {PANTRY, MEALS}),
        ({"postcode": "PE99 1AE", "proximity": 20}, {MEALS}),
        ({"modified_after": "2020-01-01"}, {PANTRY, CLINIC, YOUTH, MEALS, LINE}),
        ({"modified_after": "2999-01-01T00:00:00+01:00"}, set()),
        ({"search": "meals", "maximum_age": 17, "taxonomy_id": "hedgerow"}, {YOUTH}),
        ({"search": "meals", "minimum_age": 11, "day": "TH", "start_time": "11:30"}, {MEALS}),
    ]
    for params, found in expected:
        assert names(feed, **params) == found, params


def test_who_states_a_maximum_age_below_the_minimum_is_found_by_neither(registry: Client) -> None:
    take_in(registry, lunch_club(minimum_age=60, maximum_age=20))
    assert names(registry) == {MEALS}
    assert names(registry, minimum_age=1) == names(registry, maximum_age=100) == set()


def test_places_terms_taxonomies_and_organisations_are_filtered_too(feed: Client) -> None:
    assert names(feed, "service_at_locations") == {PANTRY, YOUTH, MEALS}
    assert names(feed, "service_at_locations", postcode="PE99 1AB") == {YOUTH}
    assert names(feed, "service_at_locations", postcode="PE99 1AE", proximity=200) == {PANTRY, MEALS}
    assert names(feed, "service_at_locations", day="SA", minimum_age=60) == {MEALS}
    assert names(feed, "service_at_locations", taxonomy_term_id="hedgerow:food-bank", search="youth") == {
        YOUTH
    }
    assert names(feed, "taxonomies") == {"hedgerow", "od", "other"}
    assert names(feed, "taxonomies", search="HEDGE") == {"hedgerow"}
    assert names(feed, "taxonomy_terms", taxonomy_id="hedgerow") == {"Food", "Food bank", "Debt advice"}
    assert names(feed, "taxonomy_terms", taxonomy_id="hedgerow", top_only=True) == {"Food", "Debt advice"}
    assert names(feed, "taxonomy_terms", parent_id=term_id("hedgerow:food")) == {"Food bank"}
    assert names(feed, "taxonomy_terms", search="debt") == {"Debt advice", "Debts"}
    assert names(feed, "organizations", search="quay") == {"Quay Kitchen", "Quay Elders"}
    assert names(feed, "organizations", search="QK") == {"Quay Kitchen"}
    assert names(feed, "organizations", taxonomy_term_id="hedgerow:debt") == {"Saltmarsh Advice"}
    assert names(feed, "organizations", taxonomy_id=taxonomy_id("od")) == {"Quay Elders"}
    assert names(feed, "organizations", taxonomy_term_id=PLACE) == set()


def test_what_is_listed_can_be_read_by_its_id(feed: Client) -> None:
    for kind in ("services", "taxonomies", "taxonomy_terms", "service_at_locations", "organizations"):
        page = feed.get(f"/hsds/{kind}").json()
        assert page["contents"], kind
        for one in page["contents"]:
            assert feed.get(f"/hsds/{kind}/{one['id']}").json()["id"] == one["id"]
        assert feed.get(f"/hsds/{kind}/{SERVICE[::-1]}").status_code == 404
    parent = feed.get(f"/hsds/taxonomy_terms/{term_id('hedgerow:food-bank')}").json()["parent_id"]
    assert feed.get(f"/hsds/taxonomy_terms/{parent}").json()["name"] == "Food"


def test_pages_follow_one_another_and_one_beyond_the_last_is_empty(feed: Client) -> None:
    pages = [feed.get(f"/hsds/services?per_page=2&page={number}").json() for number in (1, 2, 3, 4)]
    facts = [
        tuple(page[name] for name in ("page_number", "size", "first_page", "last_page", "empty"))
        for page in pages
    ]
    assert facts == [
        (1, 2, True, False, False),
        (2, 2, False, False, False),
        (3, 1, False, True, False),
        (4, 0, False, True, True),
    ]
    assert {(page["total_items"], page["total_pages"]) for page in pages} == {(5, 3)}
    ids = [one["id"] for page in pages for one in page["contents"]]
    assert ids == sorted(set(ids))
    assert [one["id"] for one in lines(feed)] == ids
    minimal = feed.get("/hsds/services?minimal=true").json()["contents"]
    assert [one["id"] for one in minimal] == ids
    assert all(set(one) == {"id", "last_modified"} for one in minimal)


def test_the_profile_leaves_out_what_it_does_not_know_and_full_gives_all(feed: Client) -> None:
    in_profile = feed.get(f"/hsds/services/{LUNCH}").json()
    whole = feed.get(f"/hsds/services/{LUNCH}?full=true").json()
    assert whole["phones"][0]["number"] == "01632 960001"
    assert whole["program"]["name"] == "Eat Well"
    assert whole["languages"][0]["name"] == "Polish"
    assert not {"phones", "program", "hedgerow_unmapped", "vendor_field"} & set(in_profile)
    assert "hedgerow_unmapped" not in orjson.dumps(whole).decode()
    assert in_profile["schedules"][0]["byday"] == "TU,TH"
    assert in_profile["service_at_locations"][0]["location"]["addresses"][0]["postal_code"] == "PE99 1AE"
    assert next(one for one in lines(feed) if one["id"] == LUNCH) == whole
    listed = next(one for one in feed.get("/hsds/services").json()["contents"] if one["id"] == LUNCH)
    assert "schedules" not in listed


def test_a_service_of_a_flat_file_is_made_into_a_whole_record(feed: Client) -> None:
    found = feed.get("/hsds/services", params={"search": PANTRY, "full": True}).json()["contents"][0]
    assert found["organization"]["name"] == "Quay Kitchen"
    assert {
        one["identifier_scheme"]: one["identifier"]
        for one in found["organization"]["organization_identifiers"]
    } == {
        "GB-CHC": "1234567",
        "GB-COH": "07654321",
    }
    assert [one["taxonomy_term"]["code"] for one in found["attributes"]] == ["food-bank"]
    assert [(one["name"], one["extent"]) for one in found["service_areas"]] == [("Saltmarsh", "E06999001")]
    place = found["service_at_locations"][0]["location"]
    assert (place["name"], place["latitude"], place["longitude"]) == ("The Hall", 53.32, 1.05)
    assert found["capacities"][0]["maximum"] == 40
    ended = feed.get("/hsds/services", params={"search": CLINIC, "full": True}).json()["contents"][0]
    assert ended["schedules"][0]["valid_to"] == "2027-03-31"


def test_what_was_written_after_the_record_came_stands(feed: Client) -> None:
    path = f"/v1/services/{LUNCH}"
    held = feed.get(path)
    body = {
        "name": "Supper club",
        "organisation_id": held.json()["organisation_id"],
        "url": "supper.example",
        "needs": ["hedgerow:food"],
        "area_codes": ["E05999001"],
        "phone": "01632 960002",
        "valid_to": "2027-01-31",
        "assured_on": "2026-05-01",
        "capacity": 20,
    }
    written = feed.put(path, json=body, headers={"If-Match": held.headers["etag"]})
    assert written.status_code == 200, written.text
    site = feed.get(f"/v1/sites/{PLACE}")
    moved = {"service_id": LUNCH, "name": "New Hall", "postcode": "PE99 1AD", "lon": 1.06, "lat": 53.33}
    assert (
        feed.put(f"/v1/sites/{PLACE}", json=moved, headers={"If-Match": site.headers["etag"]}).status_code
        == 200
    )

    found = feed.get(f"/hsds/services/{LUNCH}?full=true").json()

    assert (found["name"], found["url"]) == ("Supper club", "https://supper.example")
    assert "description" not in found
    assert "minimum_age" not in found
    assert [one["number"] for one in found["phones"]] == ["01632 960002", "01632 960001"]
    needs = [one["taxonomy_term"]["name"] for one in found["attributes"]]
    assert needs == ["Pensioners", "Food"]
    assert [one["extent"] for one in found["service_areas"]] == ["E05999001"]
    assert {one["valid_to"] for one in found["schedules"]} == {"2027-01-31"}
    assert found["assured_date"] == "2026-05-01"
    assert found["capacities"][0]["maximum"] == 20
    location = found["service_at_locations"][0]["location"]
    assert (location["name"], location["latitude"]) == ("New Hall", 53.33)
    assert [one["postal_code"] for one in location["addresses"]] == ["PE99 1AD"]

    gone = feed.get(f"/v1/sites/{PLACE}").headers["etag"]
    assert feed.delete(f"/v1/sites/{PLACE}", headers={"If-Match": gone}).status_code == 204
    assert "service_at_locations" not in feed.get(f"/hsds/services/{LUNCH}").json()


def test_an_organisation_comes_with_its_services_where_that_is_asked_for(feed: Client) -> None:
    path = "/hsds/organizations/aaaaaaaa-2222-4222-8222-222222222222"
    assert "services" not in feed.get(path).json()
    assert [one["name"] for one in feed.get(f"{path}?full_service=true").json()["services"]] == [MEALS]
    page = feed.get("/hsds/organizations?full_service=true&search=kitchen").json()
    assert [{one["name"] for one in found["services"]} for found in page["contents"]] == [{PANTRY, YOUTH}]


def test_an_export_imported_into_an_empty_registry_is_exported_the_same(
    feed: Client, made_databases: Databases
) -> None:
    exported = feed.get("/hsds/services?format=ndjson")
    other = Database(made_databases.migrated("hedgerow_registry"))
    app = create_app(Settings(), other, verifier=Verifier(SIGNER.jwks, audience="registry"))
    with running(app, headers=identity("registry")) as empty:
        made = send(empty, "hsds", exported.content, media_type="application/x-ndjson", source="elsewhere")
        assert made["counts"] == {"accepted": 5, "changed": 0, "unchanged": 0, "quarantined": 0}
        assert same(lines(empty)) == same(lines(feed))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("services?proximity=100", 422),
        ("services?postcode=nowhere", 422),
        ("services?postcode=ZZ1 1ZZ", 404),
        ("service_at_locations?postcode=ZZ1 1ZZ&proximity=10", 404),
        ("services?day=Someday", 422),
        ("services?start_time=25:00", 422),
        ("services?modified_after=yesterday", 422),
        ("services?modified_after=0001-01-01T00:00:00%2B14:00", 422),
        ("services?minimum_age=nan", 422),
        ("services?per_page=0", 422),
        ("services?page=99999999999999999999", 422),
        ("services?format=xml", 422),
        ("services?taxonomy=food", 422),
        ("services/none", 404),
        ("nothing", 404),
    ],
)
def test_what_cannot_be_answered_is_said(feed: Client, path: str, status: int) -> None:
    answer = feed.get(f"/hsds/{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_root_names_the_standard_and_the_document(database: Database) -> None:
    verifier = Verifier(SIGNER.jwks, audience="registry")
    app = create_app(Settings(HEDGEROW_PUBLIC_URL="https://care.example/"), database, verifier=verifier)
    with running(app, headers=identity("registry", role="open", authorities=())) as client:
        for path in ("/hsds", "/hsds/"):
            root = client.get(path).json()
            assert root["version"] == "HSDS-UK-3.0"
            assert root["openapi_url"] == "https://care.example/openapi.json"


def test_the_open_role_reads_the_feed_and_nothing_else(registry: Client) -> None:
    anyone = identity("registry", role="open", authorities=())
    assert registry.get("/hsds/services", headers=anyone).status_code == 200
    assert registry.get("/v1/services", headers=anyone).status_code == 403
    assert registry.get("/hsds/services", headers={"Authorization": ""}).status_code == 401


def test_a_poll_that_brings_nothing_new_costs_nothing(feed: Client) -> None:
    first = feed.get("/hsds/services")
    again = feed.get("/hsds/services", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
