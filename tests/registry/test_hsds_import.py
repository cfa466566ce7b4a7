import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.registry.files import changes, counts, receipts, send
from tests.support.http import Client

JSON = "application/json"
ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"
ORGANISATION = "33333333-3333-4333-8333-333333333333"
SITE = "44444444-4444-4444-8444-444444444444"


def service(id: str = ONE, **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": "Advice line",
        "status": "active",
        "organization": {"id": ORGANISATION, "name": "Advice CIC"},
        **fields,
    }


def site(id: str = SITE, **fields: Any) -> dict[str, Any]:
    return {"id": id, "location": {"id": TWO, "name": "Hall", "latitude": 53.32, "longitude": 1.05, **fields}}


def sent(client: Client, value: Any, *, source: str = "feed") -> dict[str, Any]:
    return send(client, "hsds", orjson.dumps(value), media_type=JSON, source=source)


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = found
    return one


@pytest.mark.parametrize(
    "shape",
    [
        lambda records: records,
        lambda records: {"total_items": 2, "page_number": 1, "contents": records},
        lambda records: {"totalElements": 2, "number": 1, "content": records},
        lambda records: {"services": records},
    ],
    ids=["list", "page of 3.x", "page of 1.0", "services"],
)
def test_services_come_in_a_list_or_a_page(registry: Client, shape: Any) -> None:
    made = sent(registry, shape([service(ONE), service(TWO)]))

    assert counts(made) == (2, 0, 0, 0)
    assert [receipt["key"] for receipt in receipts(registry, made)] == [ONE, TWO]
    assert registry.get(f"/v1/services/{TWO}").json()["organisation_id"] == ORGANISATION


def test_one_full_service_is_a_file(registry: Client) -> None:
    made = sent(registry, service(service_at_locations=[site()]))

    assert counts(made) == (1, 0, 0, 0)
    assert registry.get(f"/v1/sites/{SITE}").json()["lon"] == 1.05


def test_services_come_in_lines(registry: Client) -> None:
    lines = b"\n".join(orjson.dumps(service(id)) for id in (ONE, TWO)) + b"\n[1]\n"

    made = send(registry, "hsds", lines, media_type="application/x-ndjson")

    assert counts(made) == (2, 0, 0, 1)
    assert [receipt["line"] for receipt in receipts(registry, made)] == [1, 2, 3]


def test_an_organisation_with_its_services_gives_them_to_each(registry: Client) -> None:
    bare = {"id": ONE, "name": "Advice line", "status": "active"}

    made = sent(registry, {"id": ORGANISATION, "name": "Advice CIC", "services": [bare]})

    assert counts(made) == (1, 0, 0, 0)
    assert registry.get(f"/v1/services/{ONE}").json()["organisation_id"] == ORGANISATION


def test_a_service_without_organisation_is_taken_and_that_is_said(registry: Client) -> None:
    made = sent(registry, [service(organization=None)])

    receipt = only(receipts(registry, made))
    assert receipt["verdict"] == "accepted"
    assert "organisation unknown" in receipt["reason"]


def test_an_organisation_known_by_id_alone_is_linked_once_it_is_there(registry: Client) -> None:
    early = sent(registry, [service(ONE, organization=None, organization_id=ORGANISATION)])
    sent(registry, [service(TWO)])
    late = sent(registry, [service(ONE, organization=None, organization_id=ORGANISATION)])

    assert "the organisation is not known here" in only(receipts(registry, early))["reason"]
    assert counts(late) == (0, 1, 0, 0)
    assert registry.get(f"/v1/services/{ONE}").json()["organisation_id"] == ORGANISATION


def test_records_that_cannot_be_taken_say_why_and_where(registry: Client) -> None:
    made = sent(
        registry, [service(name="<p>&nbsp;</p>"), "text", {"name": "no id", "status": "active"}, service(TWO)]
    )

    assert counts(made) == (1, 0, 0, 3)
    told = {(r["pointer"], r["reason"]) for r in receipts(registry, made, verdict="quarantined")}
    assert told == {
        ("/0/name", "the service has no name"),
        ("/1", "not a JSON object"),
        ("/2/id", "the service has no id"),
    }


def test_the_second_of_two_services_with_one_id_names_the_first(registry: Client) -> None:
    made = sent(registry, [service(ONE), service(TWO), service(ONE, name="Another"), service(TWO)])

    assert counts(made) == (2, 0, 1, 1)
    refused = only(receipts(registry, made, verdict="quarantined"))
    assert (refused["pointer"], refused["key"]) == ("/2/id", ONE)
    assert "sent before, at /0" in refused["reason"]
    assert "sent before, at /1" in only(receipts(registry, made, verdict="unchanged"))["reason"]


def test_the_same_file_again_changes_nothing(registry: Client) -> None:
    records = [
        service(
            ONE, service_at_locations=[site()], pc_targetAudience=[{"id": "1", "audienceType": "Carers "}]
        ),
        service(TWO, organization={"id": ORGANISATION, "name": "Advice CIC", "url": "advice.example"}),
    ]
    sent(registry, records)
    before = changes(registry)

    again = sent(registry, records)

    assert counts(again) == (0, 0, 2, 0)
    assert changes(registry) == before


def test_of_two_descriptions_of_an_organisation_the_first_stands(registry: Client) -> None:
    def described(words: str, **fields: Any) -> dict[str, Any]:
        return {"id": ORGANISATION, "name": "Advice CIC", "description": words, **fields}

    records = [
        service(ONE, organization=described("one")),
        service(TWO, organization=described("two", website="https://advice.example")),
    ]
    first = sent(registry, records)
    again = sent(registry, records)

    found = registry.get(f"/v1/organisations/{ORGANISATION}").json()
    assert (found["description"], found["url"]) == ("one", "https://advice.example")
    assert "described otherwise" in receipts(registry, first)[1]["reason"]
    assert counts(again) == (0, 0, 2, 0)


def test_an_import_leaves_alone_what_a_file_of_organisations_said(registry: Client) -> None:
    send(
        registry,
        "organisations",
        f"""
        id,name,sector,size,aliases
        {ORGANISATION},Advice CIC,charity,small,The Line
        """,
        source="feed",
    )
    made = sent(
        registry, [service(organization={"id": ORGANISATION, "name": "Advice CIC", "website": "a.example"})]
    )

    found = registry.get(f"/v1/organisations/{ORGANISATION}").json()
    assert counts(made) == (1, 0, 0, 0)
    assert (found["sector"], found["size"], found["url"]) == ("charity", "small", "https://a.example")


def test_a_site_that_left_the_record_leaves_a_tombstone(registry: Client) -> None:
    sent(registry, [service(service_at_locations=[site()])])
    send(
        registry,
        "sites",
        f"""
        id,service_id,name,lon,lat
        55555555-5555-4555-8555-555555555555,{ONE},Pier,1.06,53.3
        """,
        source="feed",
    )

    made = sent(registry, [service(service_at_locations=[])])

    assert counts(made) == (0, 1, 0, 0)
    assert registry.get(f"/v1/sites/{SITE}").status_code == 404
    assert registry.get("/v1/sites/55555555-5555-4555-8555-555555555555").status_code == 200
    last = changes(registry, types="site")[-1]
    assert (last["subject"], last["type"]) == (SITE, "hedgerow.site.deleted")


def test_two_services_that_share_a_site_id_keep_a_site_each(registry: Client) -> None:
    records = [service(ONE, service_at_locations=[site()]), service(TWO, service_at_locations=[site()])]

    made = sent(registry, records)
    again = sent(registry, records)

    assert counts(made) == (2, 0, 0, 0)
    assert counts(again) == (0, 0, 2, 0)
    assert {found["service_id"] for found in registry.items("/v1/sites")} == {ONE, TWO}


def test_a_service_of_another_source_is_left_alone_with_all_that_came_with_it(registry: Client) -> None:
    sent(registry, [service(service_at_locations=[site()])], source="first")

    made = sent(
        registry,
        [service(name="Mine", organization={"id": TWO, "name": "New"}, service_at_locations=[])],
        source="second",
    )

    assert counts(made) == (0, 0, 0, 1)
    assert "another source" in only(receipts(registry, made))["reason"]
    assert registry.get(f"/v1/organisations/{TWO}").status_code == 404
    assert registry.get(f"/v1/sites/{SITE}").status_code == 200


def test_needs_met_on_the_way_are_made_and_do_not_rename_known_ones(registry: Client) -> None:
    send(registry, "needs", "taxonomy,term,name\npc_targetAudience,carers,People who care")

    sent(
        registry,
        [service(pc_targetAudience=[{"audienceType": "Carers"}, {"audienceType": "Parents>Grandparents"}])],
    )

    named = {need["id"]: (need["name"], need["parent_id"]) for need in registry.items("/v1/needs")}
    assert named == {
        "pc_targetAudience:carers": ("People who care", None),
        "pc_targetAudience:parents": ("Parents", None),
        "pc_targetAudience:parents.grandparents": ("Grandparents", "pc_targetAudience:parents"),
    }


def test_hostile_records_are_each_accounted_for(registry: Client) -> None:
    nested: Any = "end"
    for _ in range(150):
        nested = [nested]
    hostile = [
        service(ONE, description="\x00"),
        service(ONE, vendor=nested),
        service(ONE, minimum_age=1e300, maximum_age=-5, latitude=10**18),
        service(TWO, name="n" * 10_000, description="<b>" * 50_000, url="x" * 5_000),
        service("i" * 5_000, organization={"id": "o" * 5_000, "name": "m" * 5_000}),
        service({"a": 1}),
        service(True),
        service(
            "7", organization=[1, {"name": []}], contacts={"name": {"x": 1}}, attributes=[[[]]], phones="1"
        ),
        service(
            "8",
            service_at_locations=[{"id": SITE}, 7, {"location": {"addresses": [{"postal_code": "p" * 99}]}}],
        ),
        service(
            "9", pc_targetAudience=[{"audienceType": ">" * 50}, {"audienceType": "a;b>c:d/" * 90}, 5, None]
        ),
        service(
            "10", capacities=[{"unit": "places", "available": 1e300, "updated": "now"}], status=["active"]
        ),
        {},
    ]

    body = json.dumps(hostile).encode()
    made = send(registry, "hsds", body, media_type=JSON)

    assert sum(counts(made)) == len(hostile)
    assert counts(made)[0] == 7, [(r["pointer"], r["reason"]) for r in receipts(registry, made)]
    assert len(receipts(registry, made)) == len(hostile)


@pytest.mark.parametrize("body", [b"", b"{", b'[{"id": 1}', b"nonsense", b"12", b"\xff\xfe"])
def test_a_file_that_is_no_json_is_refused_whole(registry: Client, body: bytes) -> None:
    answer = registry.post("/v1/imports/hsds", content=body, headers={"content-type": JSON})

    assert answer.status_code == 422
    assert registry.items("/v1/imports") == []


def test_bristol_every_record_is_accounted_for(registry: Client, shared: Path) -> None:
    body = (shared / "data/oruk_bristol/services.json").read_bytes()

    first = send(registry, "hsds", body, media_type=JSON, source="bristol")
    again = send(registry, "hsds", body, media_type=JSON, source="bristol")

    assert counts(first) == (817, 0, 0, 2)
    assert counts(again) == (0, 0, 817, 2)
    refused = {receipt["pointer"]: receipt for receipt in receipts(registry, first, verdict="quarantined")}
    assert refused["/0/name"]["reason"] == "the service has no name"
    duplicate = refused["/810/id"]
    assert duplicate["key"] == "2af617e5-4532-bebe-1036-ffdf2e93ce55"
    assert "at /373" in duplicate["reason"]
    assert len(receipts(registry, first)) == 819
    images = [
        r["pointer"] for r in receipts(registry, first, noted=True) if "embedded image dropped" in r["reason"]
    ]
    assert images == ["/127", "/375"]
    for found in registry.items("/v1/services", params={"limit": 1000}):
        text = f"{found['name']} {found['description']}"
        assert "base64" not in text
        assert "<p" not in text
        assert "&nbsp;" not in text
    assert len(registry.items("/v1/organisations", params={"limit": 1000})) == 594


def test_every_published_example_of_a_service_is_taken_in(registry: Client, shared: Path) -> None:
    conformance = shared / "conformance"
    found = [
        *sorted(conformance.glob("oruk-mocks/*/service_*.json")),
        *sorted(conformance.glob("schemas/hsds*/examples/service_*.json")),
    ]
    assert len(found) > 15
    for path in found:
        nameless = path.parts[-2:] == ("V3.0-UK-Fail", "service_list.json")
        made = send(registry, "hsds", path.read_bytes(), media_type=JSON, source="examples")
        refused = receipts(registry, made, verdict="quarantined")
        reasons = {receipt["reason"] for receipt in refused if "sent before" not in receipt["reason"]}
        assert reasons == ({"the service has no name"} if nameless else set()), path
