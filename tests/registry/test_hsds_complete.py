"""Nothing of HSDS 3.1 is lost: records with every field of the published schema, there and back again."""

import random
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hedgerow_kit.db import Database
from hedgerow_registry.domain.hsds import normalise
from hedgerow_registry.domain.hsds.serving import taxonomy_id, term_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.registry.hsds_generator import Maker, leaves
from tests.support.apps import made
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity

Record = dict[str, Any]
NDJSON = "application/x-ndjson"


@pytest.fixture(scope="module")
def schema(shared: Path) -> Record:
    place = shared / "conformance/schemas/hsds-3.1/schema/compiled/service.json"
    found: Record = orjson.loads(place.read_bytes())
    return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), share=st.sampled_from((0.2, 0.6, 1.0)))
def test_a_record_of_the_standard_is_read_without_losing_a_value(
    schema: Record, seed: int, share: float
) -> None:
    sent = Maker(schema, random.Random(seed), share=share).service()
    read = normalise(sent, source="made-up")
    assert read.problems == ()
    assert dict(leaves(read.document)) == dict(leaves(sent)) | {"/status": sent.get("status", "active")}
    assert normalise(read.document, source="made-up").document == read.document


def take_in(client: Client, body: bytes) -> bytes:
    """Import services into an empty registry, and export them."""
    taken = client.post(
        "/v1/imports/hsds?source=made-up", content=body, headers={"Content-Type": NDJSON}
    ).json()
    assert taken["counts"] == {
        "accepted": len(body.splitlines()), "changed": 0, "unchanged": 0, "quarantined": 0,
    }  # fmt: skip
    return client.get("/hsds/services?format=ndjson").content


# What the open feed says its own way, so that one term has one id whichever service names it.
_OWN = re.compile(
    r"/attributes/\d+/(taxonomy_term_id|taxonomy_term/(id|taxonomy_id|parent_id|taxonomy_detail/id))"
)


def test_every_value_comes_back_from_the_registry_and_a_second_time_byte_for_byte(
    schema: Record, made_databases: Databases
) -> None:
    records = [
        Maker(schema, random.Random(seed), share=share).service()
        for seed, share in enumerate((1.0, 1.0, 1.0, 0.5, 0.5, 0.2, 0.2))
    ]
    exports = []
    body = b"\n".join(map(orjson.dumps, records))
    for _ in range(2):
        app = made("registry", made_databases.migrated("hedgerow_registry"))
        with running(app, headers=identity("registry")) as client:
            exports.append(take_in(client, body))
        body = exports[-1]
    assert exports[0] == exports[1]
    served = {one["id"]: one for one in map(orjson.loads, exports[0].splitlines())}
    for sent in records:
        back = dict(leaves(served[sent["id"]]))
        lost = {
            place: value
            for place, value in leaves(sent)
            if back.get(place) != value and not _OWN.fullmatch(place) and place != "/last_modified"
        }
        assert lost == {}
        _terms_are_ours(served[sent["id"]])


def _terms_are_ours(service: Record) -> None:
    for attribute in service.get("attributes", ()):
        term = attribute.get("taxonomy_term")
        if term and attribute.get("link_entity") == "service" and not attribute.get("link_type"):
            assert term["id"] == attribute["taxonomy_term_id"]
            taxonomy = term["taxonomy"]
            assert (term["id"], term["taxonomy_id"]) == (
                term_id(f"{taxonomy}:{term['code']}"),
                taxonomy_id(taxonomy),
            )


def test_when_a_service_changed_is_what_its_source_says_until_it_changes_here(
    database: Database, registry: Client
) -> None:
    service = {
        "id": "22222222-2222-4222-8222-222222222222", "name": "Lunch", "status": "active",
        "last_modified": "2024-05-01T10:00:00Z",
    }  # fmt: skip

    def modified() -> str:
        return str(registry.get(f"/hsds/services/{service['id']}").json()["last_modified"])

    def send(**fields: Any) -> None:
        body = orjson.dumps(service | fields)
        registry.post("/v1/imports/hsds", content=body, headers={"Content-Type": "application/json"})

    send()
    first = modified()
    minimal = registry.get("/hsds/services?minimal=true").json()["contents"]
    send(name="Lunch club")
    second = modified()
    assert (first, minimal[0]["last_modified"]) == ("2024-05-01T10:00:00Z", first)
    # The source has not told of its change: the registry does.
    assert second > "2026"
    assert registry.get("/hsds/services", params={"modified_after": "2025-01-01"}).json()["total_items"] == 1


def test_the_contact_of_a_person_is_left_out_and_the_receipt_says_so(registry: Client) -> None:
    service = {
        "id": "s1", "name": "Lunch", "status": "active",
        "contacts": [
            {"name": "Ann Persona", "email": "ann@club.example", "phones": [{"number": "01632 960001"}]},
            {"name": "Enquiries Team", "email": "info@club.example"},
        ],
    }  # fmt: skip
    taken = registry.post(
        "/v1/imports/hsds", content=orjson.dumps(service), headers={"Content-Type": "application/json"}
    ).json()
    (told,) = registry.items(taken["receipts"], params={"noted": True})
    (record,) = map(orjson.loads, registry.get("/hsds/services?format=ndjson").content.splitlines())
    assert [one["name"] for one in record["contacts"]] == ["Enquiries Team"]
    assert b"Persona" not in orjson.dumps(record)
    assert "name of a person not kept (/contacts/0/name)" in told["reason"]


@pytest.mark.parametrize(
    ("said", "places"),
    [
        ({"attending_type": "Online"}, ["Online"]),
        ({"attending_type": "By phone"}, ["By phone"]),
        ({"attending_type": "Venue"}, []),
        ({"attending_type": "Online and at home"}, []),
        ({"schedules": [{"byday": "MO", "attending_type": "Video call"}]}, ["Video call"]),
        ({}, []),
    ],
)
def test_who_is_attended_without_a_place_has_an_online_one(
    registry: Client, said: Record, places: list[str]
) -> None:
    service = {"id": "s1", "name": "Advice", "status": "active", **said}
    exported = take_in(registry, orjson.dumps(service))
    listed = registry.get("/hsds/service_at_locations").json()["contents"]
    assert [place["location"]["name"] for place in listed] == places
    assert all(place["location"]["location_type"] == "virtual" for place in listed)
    for place in listed:
        assert registry.get(f"/hsds/service_at_locations/{place['id']}").json()["service"]["name"] == "Advice"
    # On a map it is nowhere, and reading it back makes no second one of it.
    assert registry.items("/v1/sites") == []
    again = registry.post(
        "/v1/imports/hsds?source=made-up", content=exported, headers={"Content-Type": NDJSON}
    )
    assert again.json()["counts"]["quarantined"] == 0
    assert len(registry.get("/hsds/service_at_locations").json()["contents"]) == len(places)
