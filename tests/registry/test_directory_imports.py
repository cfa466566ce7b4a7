import orjson
import pytest
from hedgerow_registry.actions import entities, records
from hedgerow_registry.domain.ids import record_id

from tests.registry.files import (
    AREAS,
    NEEDS,
    ORGANISATIONS,
    SERVICES,
    changes,
    counts,
    fill,
    notes,
    quarantined,
    receipts,
    send,
)
from tests.support.http import Client


@pytest.fixture
def placed(registry: Client) -> Client:
    send(registry, "areas", AREAS)
    send(registry, "needs", NEEDS)
    return registry


def test_organisations_land_with_identifiers_owners_and_aliases(registry: Client) -> None:
    first = send(registry, "organisations", ORGANISATIONS, source="lists")
    assert counts(first) == (3, 0, 0, 0)
    assert notes(registry, first) == []
    kitchen = registry.get(f"/v1/organisations/{record_id('lists', 'organisation', '1')}").json()
    assert kitchen["identifiers"] == [
        {"scheme": "GB-CHC", "id": "1234567"},
        {"scheme": "GB-COH", "id": "07654321"},
    ]
    assert kitchen["aliases"] == ["QK", "Quay Food"]
    assert kitchen["owner_ids"] == [record_id("lists", "organisation", "3")]
    assert (kitchen["source"], kitchen["source_id"]) == ("lists", "1")
    assert kitchen["first_import_id"] == kitchen["last_import_id"] == first["id"]

    assert counts(send(registry, "organisations", ORGANISATIONS, source="lists")) == (0, 0, 3, 0)
    elsewhere = send(registry, "organisations", ORGANISATIONS, source="other")
    assert counts(elsewhere) == (3, 0, 0, 0), "another source's number 1 is another body"


def test_the_document_says_how_long_the_name_of_a_source_may_be(registry: Client) -> None:
    paths = registry.get("/openapi.json").json()["paths"]
    for path, told in paths.items():
        for method, operation in told.items():
            for one in operation.get("parameters", ()):
                if one["name"] == "source":
                    sizes = [part.get("maxLength") for part in one["schema"].get("anyOf", [one["schema"]])]
                    assert 200 in sizes, (method, path)
    assert send(registry, "organisations", ORGANISATIONS, source="s" * 200)["status"] == "completed"
    refused = registry.post(
        "/v1/imports/organisations",
        content=ORGANISATIONS,
        params={"source": "s" * 201},
        headers={"Content-Type": "text/csv"},
    )
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "source")


def test_only_changed_records_are_written_and_make_events(registry: Client) -> None:
    send(registry, "organisations", ORGANISATIONS)
    before = changes(registry)
    changed = ORGANISATIONS.replace(
        "Quay Kitchen,GB-CHC:1234567;GB-COH:7654321", "Quay Kitchen,GB-CHC:1234567"
    )
    made = send(registry, "organisations", changed)
    assert counts(made) == (0, 1, 2, 0)
    (event,) = changes(registry, after=int(before[-1]["id"]))
    assert event["data"]["identifiers"] == [{"scheme": "GB-CHC", "id": "1234567"}]
    kitchen = registry.get(f"/v1/organisations/{event['subject']}").json()
    assert kitchen["last_import_id"] == made["id"] != kitchen["first_import_id"]


def test_what_an_organisation_row_gets_wrong_is_left_out_and_noted_or_the_row_is(registry: Client) -> None:
    made = send(
        registry,
        "organisations",
        """
        id,name,identifiers,sector,owner_ids
        1,One,GB-COH:12;nonsense,charity,
        2,Two,,third sector,
        3,Three,,,9
        ,Four,,,
        5,,,,
        6,Six,,,6
        """,
    )
    assert counts(made) == (3, 0, 0, 3)
    assert [(line, column) for line, column, _ in quarantined(registry, made)] == [
        (5, "id"),
        (6, "name"),
        (7, "owner_ids"),
    ]
    said = {(line, column) for line, column, _ in notes(registry, made)}
    assert said == {(2, "identifiers"), (3, "sector"), (4, "owner_ids")}


def test_a_uuid_is_kept_and_belongs_to_the_source_that_brought_it(registry: Client) -> None:
    id = "0F4C3F6E-6D0B-4F5E-9A0B-7C1F0E9D4A11"
    send(registry, "organisations", f"id,name\n{id},Ours", source="one")
    assert registry.get(f"/v1/organisations/{id.lower()}").json()["name"] == "Ours"
    made = send(registry, "organisations", f"id,name\n{id},Theirs", source="two")
    assert quarantined(registry, made) == [(2, "id", "it belongs to another source")]
    assert registry.get(f"/v1/organisations/{id.lower()}").json()["name"] == "Ours"


def test_one_row_makes_a_service_and_its_site(placed: Client) -> None:
    send(placed, "organisations", ORGANISATIONS)
    first = send(placed, "services", SERVICES)
    assert counts(first) == (3, 0, 0, 0)
    assert notes(placed, first) == []
    youth = placed.get(f"/v1/services/{record_id('default', 'service', 's3')}").json()
    assert youth["needs"] == ["hedgerow:food", "hedgerow:food-bank"]
    assert (youth["minimum_age"], youth["maximum_age"], youth["capacity"]) == (11, 17, 12.5)
    assert youth["organisation_id"] == record_id("default", "organisation", "1")
    (site,) = placed.items("/v1/sites", params={"service": youth["id"]})
    assert (site["name"], site["postcode"], site["area_code"]) == ("Pier", "PE99 1AB", "E05999002")
    assert counts(send(placed, "services", SERVICES)) == (0, 0, 3, 0)


def test_a_flat_row_says_for_whom_a_service_is(placed: Client) -> None:
    file = """
        id,name,minimum_age,circumstances
        1,Moving on,16,Care leavers; Young carers ;Care leavers
        2,Lunch,,
        """
    assert counts(send(placed, "services", file)) == (2, 0, 0, 0)
    assert counts(send(placed, "services", file)) == (0, 0, 2, 0)
    moving, lunch = (record_id("default", "service", number) for number in "12")
    both = ["Care leavers", "Young carers"]
    told = {e["subject"]: e["data"]["circumstances"] for e in changes(placed, types="service")}
    assert told == {moving: both, lunch: []}
    read = placed.get(f"/v1/services/{moving}")
    assert read.json()["circumstances"] == both
    body = {"name": "Moving out", "minimum_age": 16}
    tag = {"if-match": read.headers["etag"]}
    assert placed.put(f"/v1/services/{moving}", json=body, headers=tag).json()["circumstances"] == both
    for said, kept in (([], None), (both, both)):
        tag = {"if-match": placed.get(f"/v1/services/{moving}").headers["etag"]}
        put = placed.put(f"/v1/services/{moving}", json=body | {"circumstances": said}, headers=tag)
        assert put.json()["circumstances"] == kept
    # The open feed tells them as HSDS does, and they come back as they went.
    whole = placed.get(f"/hsds/services/{moving}").json()
    terms = {
        one["taxonomy_term"]["name"]: one["taxonomy_term"]["id"]
        for one in whole["attributes"]
        if one["link_type"] == "eligibility"
    }
    assert sorted(terms) == both
    for term in terms.values():
        found = placed.get("/hsds/services", params={"taxonomy_term_id": term}).json()["contents"]
        assert [one["id"] for one in found] == [moving]
    read = placed.get(f"/v1/services/{moving}")
    assert (
        placed.delete(f"/v1/services/{moving}", headers={"if-match": read.headers["etag"]}).status_code == 204
    )
    answer = placed.post("/v1/imports/hsds", json=[whole])
    assert answer.json()["counts"]["accepted"] == 1, answer.text
    again = [e["data"] for e in changes(placed, types="service") if e["subject"] == moving][-1]
    assert again["circumstances"] == both
    kept = placed.get(f"/hsds/services/{moving}").json()
    assert kept["attributes"] == whole["attributes"]


def test_a_column_that_came_later_changes_no_digest_while_it_is_empty() -> None:
    before = entities.SERVICES.normal({"id": "1", "name": "Lunch"})
    del before["circumstances"]
    without = entities.SERVICES.prepare({"id": "1", "name": "Lunch"})
    assert without.digest == records.digest(before)
    said = entities.SERVICES.prepare({"id": "1", "name": "Lunch", "circumstances": ["Carers"]})
    assert said.digest != without.digest


def test_a_nested_record_whose_text_is_at_hand_has_the_digest_of_its_values() -> None:
    document = {"name": "Lunch", "id": "1", "phones": [{"number": "01632 960001", "id": "2"}]}
    text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    fields = {"id": "1", "name": "Lunch", "document": document}
    given = entities.SERVICES.prepare(fields, {"document": text})
    assert given.digest == entities.SERVICES.prepare(fields).digest
    assert given.fields["document"] == document
    assert orjson.dumps(given.nested["document"]) == text
    spoilt = {**document, "name": "Lunch\0"}
    spoilt_text = orjson.dumps(spoilt, option=orjson.OPT_SORT_KEYS)
    assert entities.SERVICES.prepare({**fields, "document": spoilt}, {"document": spoilt_text}).digest is None


def test_a_row_makes_its_organisation_once_and_finds_it_by_name_ever_after(placed: Client) -> None:
    file = """
        id,name,organisation_name,organisation_identifiers
        1,Lunch,Harbour  Trust,GB-CHC:1112223
        2,Supper,harbour trust,
        """
    assert counts(send(placed, "services", file)) == (2, 0, 0, 0)
    (trust,) = placed.items("/v1/organisations")
    assert trust["name"] == "Harbour  Trust"
    assert trust["identifiers"] == [{"scheme": "GB-CHC", "id": "1112223"}]
    assert len(placed.items(f"/v1/organisations/{trust['id']}/services")) == 2
    assert counts(send(placed, "services", file)) == (0, 0, 2, 0)


def test_an_organisation_said_by_name_is_the_only_one_of_that_name_in_the_source(placed: Client) -> None:
    send(placed, "organisations", "id,name\n7,Harbour Trust\n8,Twin\n9,TWIN", source="s")
    made = send(
        placed,
        "services",
        "id,name,organisation_name\n1,Tea,HARBOUR  TRUST\n2,Tea,Twin",
        source="s",
    )
    assert quarantined(placed, made) == [
        (3, "organisation_name", "several organisations have this name: give organisation_id")
    ]
    (service,) = placed.items("/v1/services")
    assert service["organisation_id"] == record_id("s", "organisation", "7")


def test_a_malformed_area_code_is_placed_by_coordinates_or_quarantined(placed: Client) -> None:
    made = send(
        placed,
        "services",
        """
        id,name,site_name,site_area_code,postcode,lon,lat
        1,Dentist,Norris Road,E0800009,M33 2UG,-2.2994,53.414594
        2,Dentist,Unplaced,E0800009,M33 2UG,,
        3,Dentist,Elsewhere,E08000099,nowhere,-2.2994,53.414594
        """,
    )
    assert counts(made) == (2, 0, 0, 1)
    shape = "E0800009: not a GSS code: one of E W S N K J L M and then eight digits"
    assert notes(placed, made) == [
        (2, "site_area_code", f"{shape}: placed by coordinates"),
        (4, "postcode", "not the shape of a postcode: kept as sent; the area E08000099 is not known yet"),
    ]
    assert quarantined(placed, made) == [
        (3, "site_area_code", f"{shape}; and there are no coordinates to place the site by")
    ]
    assert receipts(placed, made, verdict="quarantined")[0]["key"] == "2"
    sites = {site["name"]: site for site in placed.items("/v1/sites")}
    assert sites["Norris Road"]["area_code"] is None
    assert sites["Elsewhere"]["area_code"] == "E08000099"


def test_every_bad_service_row_has_its_receipt(placed: Client) -> None:
    made = send(
        placed,
        "services",
        """
        id,name,organisation_id,needs,area_codes,status,minimum_age,maximum_age,capacity,valid_from,valid_to,lon,lat
        ,Nameless,,,,,,,,,,,
        1,,,,,,,,,,,,
        1,A,no-such,,,,,,,,,,
        1,A,,unheard-of,,,,,,,,,
        1,A,,debt,,,,,,,,,
        1,A,,,E0800009,,,,,,,,
        1,A,,,,open,,,,,,,
        1,A,,,,,20,10,,,,,
        1,A,,,,,-1,,,,,,
        1,A,,,,,,,many,,,,
        1,A,,,,,,,,2024-13-01,,,
        1,A,,,,,,,,2024-02-02,2024-02-01,,
        1,A,,,,,,,,,,1.0,
        1,A,,,,,,,,,,53.3,1.0
        1,A,,hedgerow:soon,E05999999,,,,,,,,
        1,B,,,,,,,,,,,
        """,
    )
    assert counts(made) == (1, 0, 0, 15)
    assert [column for _, column, _ in quarantined(placed, made)] == [
        "id",
        "name",
        "organisation_id",
        "needs",
        "needs",
        "area_codes",
        "status",
        "maximum_age",
        "minimum_age",
        "capacity",
        "valid_from",
        "valid_to",
        "lat",
        "lon",
        "id",
    ]
    assert notes(placed, made) == [
        (16, "needs", "the need hedgerow:soon is not known yet; the area E05999999 is not known yet")
    ]


def test_a_service_listed_once_for_each_of_its_sites_has_them_all(placed: Client) -> None:
    file = """
        id,name,site_id,site_name,lon,lat
        1,Library,a,East,1.0,53.3
        1,Library,b,West,1.1,53.3
        1,Library,b,West,1.1,53.3
        1,Library,b,Wester,1.1,53.3
        """
    made = send(placed, "services", file)
    assert counts(made) == (2, 0, 1, 1)
    assert [site["name"] for site in sorted(placed.items("/v1/sites"), key=lambda s: s["name"])] == [
        "East",
        "West",
    ]
    assert counts(send(placed, "services", file)) == (0, 0, 3, 1)


def test_sites_need_their_service(placed: Client) -> None:
    fill(placed)
    file = """
        id,service_id,name,address,postcode,area_code,lon,lat
        1,s2,Clinic,1 Quay,PE99 1ZZ,E05999002,1.06,53.28
        2,s9,Clinic,,,,,
        3,s2,,,,E0599902,,
        """
    made = send(placed, "sites", file)
    assert counts(made) == (1, 0, 0, 2)
    assert [(line, column) for line, column, _ in quarantined(placed, made)] == [
        (3, "service_id"),
        (4, "area_code"),
    ]
    assert counts(send(placed, "sites", file)) == (0, 0, 1, 2)


def test_a_text_too_long_for_its_column_is_quarantined(registry: Client) -> None:
    made = send(registry, "organisations", f"id,name,size\n1,{'n' * 501},\n2,B,{'s' * 101}\n3,C,")
    assert quarantined(registry, made) == [
        (2, "name", "longer than 500 characters"),
        (3, "size", "longer than 100 characters"),
    ]
    assert counts(made) == (1, 0, 0, 2)
