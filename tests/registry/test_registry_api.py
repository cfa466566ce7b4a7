from typing import Any
from uuid import uuid4

import pytest
from hedgerow_registry.domain.ids import record_id

from tests.registry.files import box, changes, features, fill, send
from tests.support.http import Client
from tests.support.identity import identity

NEW = "0f4c3f6e-6d0b-4f5e-9a0b-7c1f0e9d4a11"
KITCHEN = record_id("default", "organisation", "1")
PANTRY = record_id("default", "service", "s1")


@pytest.fixture
def filled(registry: Client) -> Client:
    fill(registry)
    return registry


def codes(client: Client, **params: Any) -> list[str]:
    return [area["code"] for area in client.items("/v1/areas", params=params)]


def names(client: Client, **params: Any) -> list[str]:
    return sorted(service["name"] for service in client.items("/v1/services", params=params))


def problem(client: Client, method: str, path: str, **options: Any) -> tuple[int, str]:
    answer = client.request(method, path, **options)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    return answer.status_code, (body.get("errors") or [{}])[0].get("parameter", body.get("detail", ""))


def test_areas_are_listed_by_level_by_what_they_lie_in_and_by_name(filled: Client) -> None:
    assert codes(filled, level="ward") == ["E05999001", "E05999002"]
    assert codes(filled, within="E12999001", limit=2) == [
        "E01999001",
        "E01999002",
        "E02999001",
        "E05999001",
        "E05999002",
        "E06999001",
    ]
    assert codes(filled, within="E05999001") == ["E01999001"]
    assert codes(filled, text="saltmarsh 0", level="lsoa") == ["E01999001", "E01999002"]
    assert codes(filled, text="%") == []
    assert problem(filled, "GET", "/v1/areas?within=E06999009")[0] == 404
    assert problem(filled, "GET", "/v1/areas?within=E0699900") == (422, "within")
    assert problem(filled, "GET", "/v1/areas?level=parish") == (422, "level")
    assert problem(filled, "GET", "/v1/areas/E06999009")[0] == 404


def test_a_list_names_its_next_page_in_a_link(filled: Client) -> None:
    first = filled.get("/v1/areas", params={"limit": 3, "within": "E12999001"})
    assert 'rel="next"' in first.headers["link"]
    path = first.headers["link"].partition(">")[0].removeprefix("<")
    second = filled.get(path)
    assert [area["code"] for area in second.json()["items"]] == ["E05999001", "E05999002", "E06999001"]
    assert second.json()["next"] is None


def test_outlines_are_given_as_geojson_with_points_where_there_is_none(filled: Client) -> None:
    outline = box(1.0, 53.3, 1.1, 53.4)
    send(filled, "boundaries", features(("E05999001", outline)), media_type="application/geo+json")
    answer = filled.get("/v1/areas.geojson", params={"within": "E06999001", "level": "ward"})
    assert answer.headers["content-type"] == "application/geo+json"
    north, south = answer.json()["features"]
    assert north["geometry"]["type"] == "Polygon"
    assert south["geometry"] == {"type": "Point", "coordinates": [1.06, 53.28]}
    assert south["properties"] == {
        "code": "E05999002",
        "name": "South Quay",
        "level": "ward",
        "vintage": 2024,
        "lon": 1.06,
        "lat": 53.28,
    }


def test_services_are_found_by_every_condition(filled: Client) -> None:
    assert names(filled) == ["Community pantry", "Debt clinic", "Youth meals"]
    assert names(filled, need="hedgerow:food-bank") == ["Community pantry", "Youth meals"]
    assert names(filled, need="food") == ["Community pantry", "Youth meals"], "narrower needs count"
    assert names(filled, need="food", narrower="false") == ["Youth meals"]
    assert names(filled, organisation=KITCHEN) == ["Community pantry", "Youth meals"]
    assert names(filled, status="inactive") == ["Youth meals"]
    assert names(filled, source="default", text="COMM") == ["Community pantry"]
    assert names(filled, area="E05999001") == ["Community pantry"], "sited there, and declared around it"
    assert names(filled, area="E05999002") == ["Community pantry", "Debt clinic", "Youth meals"]
    assert names(filled, area="E05999002", need="hedgerow:debt", status="active") == ["Debt clinic"]
    assert problem(filled, "GET", "/v1/services?need=nothing")[0] == 404
    assert problem(filled, "GET", "/v1/services?need=debt")[0] == 422
    assert problem(filled, "GET", "/v1/services?area=E05999009")[0] == 404
    assert problem(filled, "GET", "/v1/services?nede=food") == (422, "nede")


def test_organisations_are_found_by_identifier_sector_and_name(filled: Client) -> None:
    def found(**params: str) -> list[str]:
        return sorted(o["name"] for o in filled.items("/v1/organisations", params=params))

    assert found(identifier="GB-COH:123456") == ["Saltmarsh Advice"]
    assert found(sector="charity") == ["Quay Kitchen"]
    assert found(text="h") == ["Harbour Holdings"]
    assert problem(filled, "GET", "/v1/organisations?identifier=12") == (422, "identifier")
    services = filled.items(f"/v1/organisations/{KITCHEN}/services")
    assert {service["name"] for service in services} == {"Community pantry", "Youth meals"}
    assert problem(filled, "GET", f"/v1/organisations/{uuid4()}/services")[0] == 404


def test_needs_and_sources_are_listed(filled: Client) -> None:
    assert [need["id"] for need in filled.items("/v1/needs", params={"taxonomy": "hedgerow"})] == [
        "hedgerow:debt",
        "hedgerow:food",
        "hedgerow:food-bank",
    ]
    assert [n["id"] for n in filled.items("/v1/needs", params={"parent": "hedgerow:food"})] == [
        "hedgerow:food-bank"
    ]
    assert filled.get("/v1/needs/food-bank").json()["id"] == "hedgerow:food-bank"
    assert problem(filled, "GET", "/v1/needs/debt")[0] == 422
    assert problem(filled, "GET", "/v1/needs/none")[0] == 404
    (source,) = filled.items("/v1/sources")
    assert (source["name"], source["authority_code"]) == ("default", None)
    assert source["first_import_id"].startswith("registry-")


def test_a_read_answers_304_until_the_record_changes(filled: Client) -> None:
    path = f"/v1/services/{PANTRY}"
    tag = filled.get(path).headers["etag"]
    assert filled.get(path, headers={"if-none-match": tag}).status_code == 304
    listed = filled.get("/v1/services").headers["etag"]
    assert filled.get("/v1/services", headers={"if-none-match": listed}).status_code == 304
    filled.put(path, json={"name": "Pantry"}, headers={"if-match": tag})
    assert filled.get(path, headers={"if-none-match": tag}).status_code == 200


def test_a_record_is_written_by_who_has_read_it(registry: Client) -> None:
    path = f"/v1/organisations/{NEW}"
    body: dict[str, Any] = {
        "name": " Quay Trust ",
        "identifiers": [{"scheme": "GB-COH", "id": "123"}],
        "aliases": ["QT"],
    }
    made = registry.put(path, json=body, params={"source": "desk"}, headers={"if-none-match": "*"})
    assert made.status_code == 201, made.text
    assert made.json()["name"] == "Quay Trust"
    assert made.json()["identifiers"] == [{"scheme": "GB-COH", "id": "00000123"}]
    assert made.json()["source"] == "desk"
    tag = made.headers["etag"]
    assert registry.get(path).headers["etag"] == tag

    document = registry.get("/openapi.json").json()["paths"]["/v1/organisations/{id}"]
    named = {method: [one["name"] for one in told["parameters"]] for method, told in document.items()}
    assert {"If-Match", "If-None-Match"} <= set(named["put"])
    assert "If-None-Match" not in named["delete"]

    assert problem(registry, "PUT", path, json=body)[0] == 428
    assert problem(registry, "PUT", path, json=body, headers={"if-none-match": "*"})[0] == 412
    assert problem(registry, "PUT", path, json=body, headers={"if-match": '"old"'})[0] == 412
    same = registry.put(path, json=body, headers={"if-match": tag})
    assert (same.status_code, same.headers["etag"]) == (200, tag)
    assert len(changes(registry)) == 1, "an unchanged record makes no event"

    changed = registry.put(path, json={"name": "Quay Trust"}, headers={"if-match": tag})
    assert (changed.status_code, changed.json()["aliases"], changed.json()["identifiers"]) == (200, [], [])
    assert changed.json()["source"] == "desk"
    assert problem(registry, "PUT", path, json=body, headers={"if-match": tag})[0] == 412
    assert (
        problem(registry, "PUT", f"/v1/organisations/{uuid4()}", json=body, headers={"if-match": tag})[0]
        == 412
    )


def test_deleting_needs_the_tag_and_an_organisation_without_services(filled: Client) -> None:
    path = f"/v1/organisations/{KITCHEN}"
    tag = filled.get(path).headers["etag"]
    assert problem(filled, "DELETE", path)[0] == 428
    status, detail = problem(filled, "DELETE", path, headers={"if-match": tag})
    assert (status, detail) == (
        409,
        "The organisation still has 2 services: close or move them first.",
    )
    for service in filled.items(f"{path}/services"):
        own = f"/v1/services/{service['id']}"
        stale = filled.delete(own, headers={"if-match": '"old"'})
        assert stale.status_code == 412
        gone = filled.delete(own, headers={"if-match": filled.get(own).headers["etag"]})
        assert (gone.status_code, gone.content) == (204, b"")
    assert filled.delete(path, headers={"if-match": tag}).status_code == 204
    assert problem(filled, "GET", path)[0] == 404
    assert problem(filled, "DELETE", path, headers={"if-match": tag})[0] == 404
    assert filled.items("/v1/sites") == []


def test_services_and_sites_are_written_and_checked(filled: Client) -> None:
    service = {
        "name": "Night shelter",
        "organisation_id": KITCHEN.upper(),
        "needs": ["hedgerow:food"],
        "area_codes": ["E06999001"],
        "minimum_age": 18,
        "valid_from": "2026-01-01",
    }
    made = filled.put(f"/v1/services/{NEW}", json=service)
    assert made.status_code == 201, made.text
    assert made.json()["organisation_id"] == KITCHEN
    site = {"service_id": NEW, "name": "Pier", "lon": 1.05, "lat": 53.3, "postcode": "pe991aa"}
    put = filled.put(f"/v1/sites/{NEW}", json=site)
    assert (put.status_code, put.json()["postcode"]) == (201, "PE99 1AA")
    assert filled.get(f"/v1/sites/{NEW}").headers["etag"] == put.headers["etag"]
    gone = filled.delete(f"/v1/sites/{NEW}", headers={"if-match": put.headers["etag"]})
    assert gone.status_code == 204

    wrong: list[tuple[str, dict[str, Any]]] = [
        ("services", {"name": "x", "organisation_id": str(uuid4())}),
        ("services", {"name": "x", "needs": ["food"]}),
        ("services", {"name": "x", "area_codes": ["E0699900"]}),
        ("services", {"name": "x", "minimum_age": 9, "maximum_age": 8}),
        ("services", {"name": "x", "valid_from": "2026-01-02", "valid_to": "2026-01-01"}),
        ("services", {"name": "x", "status": "open"}),
        ("services", {"name": ""}),
        ("services", {"name": "x", "id": NEW}),
        ("sites", {"service_id": str(uuid4())}),
        ("sites", {"service_id": NEW, "lon": 1.0}),
        ("sites", {"service_id": NEW, "lon": 53.3, "lat": 1.0}),
        ("sites", {"service_id": NEW, "postcode": "nowhere"}),
        ("organisations", {"name": "x", "identifiers": [{"scheme": "GB-COH", "id": "x"}]}),
        ("organisations", {"name": "x", "sector": "third"}),
    ]
    for resource, body in wrong:
        answer = filled.put(f"/v1/{resource}/{uuid4()}", json=body)
        assert answer.status_code == 422, (resource, body, answer.text)
    assert problem(filled, "PUT", "/v1/services/12", json=service) == (422, "id")


def test_every_route_asks_who_is_there(registry: Client) -> None:
    anonymous = {"authorization": ""}
    for path in ("areas", "organisations", "services", "sites", "needs", "sources", "changes", "imports"):
        assert problem(registry, "GET", f"/v1/{path}", headers=anonymous)[0] == 401
    assert problem(registry, "GET", "/v1/areas", headers=identity("network"))[0] == 401
    reader = identity("registry", role="reader")
    assert registry.get("/v1/services", headers=reader).status_code == 200
    assert problem(registry, "PUT", f"/v1/services/{NEW}", json={"name": "x"}, headers=reader)[0] == 403
    assert problem(registry, "DELETE", f"/v1/services/{NEW}", headers=reader)[0] == 403
    sent = {**reader, "content-type": "text/csv"}
    assert problem(registry, "POST", "/v1/imports/needs", content=b"x", headers=sent)[0] == 403
    assert registry.get("/healthz", headers=anonymous).status_code == 200
    assert registry.get("/readyz", headers=anonymous).status_code == 200


def test_a_system_writes_the_sources_of_its_own_authority_only(registry: Client) -> None:
    ours = identity("registry", role="system", authorities=("E06999001",))
    theirs = identity("registry", role="system", authorities=("E06999002",))
    both = identity("registry", role="system", authorities=("E06999001", "E06999002"))
    file = "id,name\n1,Ours"
    send(registry, "organisations", file, source="saltmarsh", headers=ours)
    (source,) = registry.items("/v1/sources")
    assert source["authority_code"] == "E06999001"

    def refused(headers: dict[str, str], **params: str) -> int:
        answer = registry.post(
            "/v1/imports/organisations",
            content=file.encode(),
            params=params,
            headers={**headers, "content-type": "text/csv"},
        )
        return answer.status_code

    assert refused(theirs, source="saltmarsh") == 403
    assert refused(both, source="new") == 422, "it must say for which of its authorities"
    assert refused(both, source="new", authority="E06999003") == 403
    assert refused(both, source="new", authority="E06999002") == 200
    send(registry, "organisations", file, source="national")
    assert refused(ours, source="national") == 403, "the administrator's source is not an authority's"

    id = record_id("saltmarsh", "organisation", "1")
    path = f"/v1/organisations/{id}"
    tag = registry.get(path).headers["etag"]
    matched = {"if-match": tag}
    assert problem(registry, "PUT", path, json={"name": "x"}, headers={**theirs, **matched})[0] == 403
    assert problem(registry, "DELETE", path, headers={**theirs, **matched})[0] == 403
    assert registry.get(path).json()["name"] == "Ours"
    assert registry.put(path, json={"name": "x"}, headers={**ours, **matched}).status_code == 200


def test_a_system_adds_reference_data_but_changes_nobody_elses(registry: Client) -> None:
    ours = identity("registry", role="system", authorities=("E06999001",))
    head = "code,name,level,parent_code,vintage\n"
    send(registry, "areas", head + "E06999001,Saltmarsh,authority,,2024", source="national")
    made = send(
        registry,
        "areas",
        head + "E06999001,Renamed,authority,,2024\nE05999001,Quay,ward,E06999001,2024",
        source="saltmarsh",
        headers=ours,
    )
    assert (made["counts"]["accepted"], made["counts"]["quarantined"]) == (1, 1)
    assert registry.get("/v1/areas/E06999001").json()["name"] == "Saltmarsh"
    send(registry, "areas", head + "E05999001,North Quay,ward,E06999001,2024", source="national")
    ward = registry.get("/v1/areas/E05999001").json()
    assert (ward["name"], ward["source"]) == ("North Quay", "saltmarsh"), "corrected, and still theirs"
