"""The gateway before the real registry and outcomes: one key, one address, no way round it."""

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars
import pytest
from hedgerow_gateway import actions
from hedgerow_kit.auth import Principal

from tests.gateway.servers import Gateway, gateway, real_apps
from tests.support.databases import Databases

AREAS = b"""code,name,level,parent_code,vintage
E12999001,Offshore,region,,2025
E06999001,Skerrow,authority,E12999001,2025
E05999001,Anchor Quay,ward,E06999001,2025
"""
KPIS = b"""id,name,unit,polarity,level,perspective,frequency,aggregation,description
warm-homes,Warm homes,percent,higher,outcome,outward,monthly,mean,Homes that are warm enough
"""


class Platform:
    def __init__(self, made: Gateway, addresses: dict[str, str]) -> None:
        self.client = made.client
        self.made = made
        self.addresses = addresses


@pytest.fixture
def platform(made_databases: Databases, tmp_path: Path) -> Iterator[Platform]:
    with real_apps(made_databases, tmp_path) as addresses, gateway(tmp_path, **addresses) as made:
        yield Platform(made, addresses)


def test_files_of_two_apps_are_imported_and_found_at_one_address(platform: Platform) -> None:
    client = platform.client
    areas = client.post(
        "/v1/imports/areas",
        content=gzip.compress(AREAS),
        headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"},
    )
    kpis = client.post("/v1/imports/kpis", content=KPIS, headers={"Content-Type": "text/csv"})
    for answer, records in ((areas, 3), (kpis, 1)):
        assert answer.status_code == 200, answer.text
        assert answer.json()["counts"]["accepted"] == records
        read = client.get(f"/v1/imports/{answer.json()['id']}")
        assert read.json()["counts"] == answer.json()["counts"]
        assert client.get(answer.json()["receipts"]).json()["items"]
    listed = client.get("/v1/imports").json()
    assert [item["id"] for item in listed["items"]] == [areas.json()["id"], kpis.json()["id"]]
    assert listed["missing"] == ["network"]
    assert client.get("/v1/areas/E05999001").json()["name"] == "Anchor Quay"
    assert client.get("/v1/kpis/warm-homes").status_code == 200


def test_a_read_is_answered_with_304_while_nothing_changed(platform: Platform) -> None:
    client = platform.client
    client.post("/v1/imports/areas", content=AREAS, headers={"Content-Type": "text/csv"})
    first = client.get("/v1/areas")
    assert first.headers["etag"].startswith('"')
    again = client.get("/v1/areas", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    more = AREAS + b"E05999002,Beacon Hill,ward,E06999001,2025\n"
    client.post("/v1/imports/areas", content=more, headers={"Content-Type": "text/csv"})
    assert client.get("/v1/areas", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_lists_pass_in_the_format_asked_for(platform: Platform) -> None:
    client = platform.client
    client.post("/v1/imports/areas", content=AREAS, headers={"Content-Type": "text/csv"})
    by_name = client.get("/v1/areas", params={"format": "csv"})
    by_header = client.get("/v1/areas", headers={"Accept": "text/csv"})
    assert by_name.headers["content-type"] == by_header.headers["content-type"] == "text/csv; charset=utf-8"
    assert by_name.text == by_header.text
    assert next(csv.DictReader(io.StringIO(by_name.text)))["name"] == "Anchor Quay"
    assert 'filename="areas.csv"' in by_name.headers["content-disposition"]
    own = client.get("/v1/imports", params={"format": "csv"})
    assert own.text.startswith("id,kind,status,detail,notes,options,counts.accepted,")
    assert len(own.text.splitlines()) == 2
    assert client.get("/v1/areas", headers={"Accept": "image/png"}).status_code == 406
    for path in ("/v1/keys", "/v1/imports", "/v1/audit", "/v1/events", "/v1/webhooks", "/v1/signing-keys"):
        listed = client.get(path, params={"format": "parquet"})
        assert listed.status_code == 200, listed.text
        items = client.get(path).json()["items"]
        assert polars.read_parquet(io.BytesIO(listed.content)).height == len(items)
    assert client.get("/v1/keys", params={"format": "geojson"}).status_code == 406
    assert client.get("/v1/keys", params={"format": "scroll"}).status_code == 422


def test_what_is_not_there_is_told_with_what_is(platform: Platform) -> None:
    unknown = platform.client.post("/v1/imports/area", content=AREAS, headers={"Content-Type": "text/csv"})
    assert "The kinds are areas, bods, boundaries, " in unknown.json()["detail"]
    for path in ("/v1/area", "/v1/keys/x/y", "/v1/areas/E06999001/none/such", "/area"):
        answer = platform.client.get(path)
        assert (answer.status_code, "/openapi.json" in answer.json()["detail"]) == (404, True), path


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "status"),
    [
        ("GET", "/v1/areas/E99999999", None, {}, 404),
        ("GET", "/v1/kpis/nothing", None, {}, 404),
        ("GET", "/v1/areas?colour=red", None, {}, 422),
        ("POST", "/v1/imports/areas", AREAS, {"Content-Type": "image/png"}, 415),
        (
            "POST",
            "/v1/imports/areas",
            gzip.compress(AREAS * 100)[:-20],
            {"Content-Type": "text/csv", "Content-Encoding": "gzip"},
            422,
        ),
        ("POST", "/v1/imports/areas", b"name,level\nx,ward\n", {"Content-Type": "text/csv"}, 422),
        ("POST", "/v1/imports/nothing", b"", {"Content-Type": "text/csv"}, 404),
        ("GET", "/v1/imports/registry-0192aa", None, {}, 404),
        ("GET", "/v1/imports/outcomes-0192aa", None, {}, 404),
        ("GET", "/v1/localities/E06999001/gaps", None, {}, 503),
    ],
)
def test_what_an_app_refuses_comes_back_as_its_problem(
    platform: Platform, method: str, path: str, content: bytes | None, headers: dict[str, str], status: int
) -> None:
    answer = platform.client.request(method, path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_no_app_answers_who_comes_past_the_gateway(platform: Platform, tmp_path: Path) -> None:
    keyring = actions.load_keyring(tmp_path)
    elsewhere = keyring.token(
        Principal("key:1", frozenset({"administrator"}), frozenset({"*"})), audience="network"
    )
    credentials: list[dict[str, str]] = [
        {},
        {"Authorization": f"Bearer {platform.made.key}"},
        {"Authorization": f"Bearer {elsewhere}"},
        {"X-User": "admin", "X-Authority": "*", "X-Forwarded-User": "admin"},
    ]
    asked = 0
    for address in platform.addresses.values():
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as direct:
            for path, item in direct.get("/openapi.json").json()["paths"].items():
                for method in item if path.startswith("/v1/") else ():
                    concrete = path.replace("{", "").replace("}", "")
                    for headers in credentials:
                        answer = direct.request(method.upper(), concrete, headers=headers)
                        assert answer.status_code == 401, (address, method, path, headers)
                        asked += 1
    assert asked >= 100


def test_a_reader_reads_and_does_not_write(platform: Platform) -> None:
    wanted = {"name": "dashboard", "roles": ["reader"], "authorities": ["*"]}
    key = platform.client.post("/v1/keys", json=wanted).json()["key"]
    with platform.made.stranger() as reader:
        reader.headers["Authorization"] = f"Bearer {key}"
        assert reader.get("/v1/areas").status_code == 200
        refused = reader.post("/v1/imports/areas", content=AREAS, headers={"Content-Type": "text/csv"})
        assert refused.status_code == 403


def test_one_document_describes_both_apps(platform: Platform) -> None:
    found = platform.client.get("/openapi.json").json()
    assert {"/v1/areas", "/v1/kpis", "/v1/keys", "/v1/imports/areas", "/v1/imports/kpis"} <= set(
        found["paths"]
    )
    assert found["info"]["x-missing"] == ["network"]
    operations = [operation for item in found["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
