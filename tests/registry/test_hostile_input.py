import gzip
import json
from base64 import urlsafe_b64encode
from typing import Any
from uuid import uuid4

import pytest

from tests.registry.files import CSV, GEOJSON, fill
from tests.support.http import Client

BODIES: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"NaN",
    b'"\\ud800"',
    b'{"name": "\\ud800"}',
    b'{"name": "a\\u0000b"}',
    b'{"name": "a\x00b"}',
    b'{"name": "\xff"}',
    b'{"name": NaN}',
    b'{"name": Infinity}',
    b'{"name": "x", "capacity": 1e400}',
    b'{"name": "x", "capacity": ' + b"9" * 5000 + b"}",
    b'{"name": "x", "capacity": -1}',
    b'{"name": "x", "minimum_age": 1e308}',
    b'{"name": "x", "minimum_age": "16"}{}',
    b'{"name": "x", "name": "y", "nested": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    b'{"name": ["x"]}',
    b'{"name": {"x": 1}}',
    b'{"name": "' + b"n" * 501 + b'"}',
    b'{"name": "x", "valid_from": "2026-02-30"}',
    b'{"name": "x", "valid_from": 99999999999999}',
    b'{"name": "x", "organisation_id": "\'; DROP TABLE services; --"}',
    b'{"name": "x", "needs": ["a:\\u0007"]}',
    b'{"name": "x", "needs": [null]}',
    b'{"name": "x", "lon": 1e999, "lat": 0}',
    b'{"service_id": "x", "lon": "1", "lat": []}',
    "\ufeff{}".encode(),
    '{"name": "x"}'.encode("utf-16"),
]


@pytest.mark.parametrize("resource", ["organisations", "services", "sites"])
def test_no_body_of_a_write_is_answered_with_a_fault_of_ours(registry: Client, resource: str) -> None:
    for body in BODIES:
        for content_type in ("application/json", "text/plain", "application/json; charset=utf-16"):
            answer = registry.put(
                f"/v1/{resource}/{uuid4()}", content=body, headers={"content-type": content_type}
            )
            assert 400 <= answer.status_code < 500, (body[:60], answer.status_code, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


FILES: dict[str, list[bytes]] = {
    CSV: [
        b"",
        b"\n\n",
        b"\x00",
        b"code,code,name,level,parent_code,vintage\n",
        b"code,name,level,parent_code,vintage\nE06999001,a\x00b,authority,,2024\n",
        b'code,name,level,parent_code,vintage\nE06999001,"never closed,authority,,2024\n',
        b"code,name,level,parent_code,vintage\nE06999001,\xff\xfe,authority,,2024\n",
        b"code,name,level,parent_code,vintage\n" + b"E06999001," + b"n" * 2_000_000 + b",authority,,2024\n",
        b"code,name,level,parent_code,vintage,lon,lat\nE06999001,n,authority,,2024,1e308,-inf\n",
        b"code,name,level,parent_code,vintage\nE06999001,n,authority,," + b"9" * 5000 + b"\n",
        "code,name,level,parent_code,vintage\nE06999001,n,authority,,٢٠٢٤\n".encode(),
        "code,name,level,parent_code,vintage\nE0699900１,n,authority,,2024\n".encode(),
    ],
    "application/x-ndjson": [
        b"[]",
        b'{"code": "E06999001", "name": "\\ud800", "level": "authority", "vintage": 2024}',
        b'{"code": "E06999001", "name": "a\\u0000", "level": "authority", "vintage": 2024}',
        b'{"code": "E06999001", "name": "a", "level": "authority", "vintage": 1e400}',
        b'{"code": 12, "name": true, "level": null, "vintage": [], "parent_code": [[["x"]]]}',
        b'{"code": "E06999001", "name": "a", "vintage": 2024, "lon": 1e308, "lat": NaN}',
    ],
    "application/json": [
        b"{",
        b"[1, 2]",
        b'[{"code": "E06999001", "name": "\\ud800", "vintage": 2024}]',
        b'[{"code": "E06999001", "vintage": 99999999999999999999999999999999, "name": "x"}]',
        b"[" * 5000 + b"]" * 5000,
        b'{"items": 3}',
    ],
}


def test_no_file_is_answered_with_a_fault_of_ours(registry: Client) -> None:
    for media_type, bodies in FILES.items():
        for body in bodies:
            answer = registry.post("/v1/imports/areas", content=body, headers={"content-type": media_type})
            assert answer.status_code in (200, 422), (body[:80], answer.status_code, answer.text)
            if answer.status_code == 200:
                receipts = registry.items(answer.json()["receipts"])
                told = sum(receipt["records"] for receipt in receipts)
                assert told == sum(answer.json()["counts"].values())


def geometry(coordinates: str, kind: str = "Polygon") -> bytes:
    return (
        b'{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"code": "E05999001"},'
        b'"geometry": {"type": "' + kind.encode() + b'", "coordinates": ' + coordinates.encode() + b"}}]}"
    )


def test_no_outline_is_answered_with_a_fault_of_ours(registry: Client) -> None:
    fill(registry)
    ring = "[[1,53],[1.1,53],[1.1,53.1],[1,53]]"
    for body in (
        geometry("null"),
        geometry("[]"),
        geometry("[[]]"),
        geometry("[[[]]]"),
        geometry('"text"'),
        geometry("{}"),
        geometry("[[[1,53],[1,53],[1,53],[1,53]]]"),
        geometry('[[["1","53"],["1","53"],["1","53"],["1","53"]]]'),
        geometry("[[[1e308,53],[1,53],[1,53.1],[1e308,53]]]"),
        geometry("[[[1e999,53],[1,53],[1,53.1],[1e999,53]]]"),
        geometry(f"[{ring}]", "MultiPolygon"),
        geometry(f"[[{ring}],[{ring}]]", "MultiPolygon"),
        geometry(f"[{ring},[[9,9],[9,9],[9,9],[9,9]]]"),
        geometry(f"[{ring}]", "Sphere"),
        b'{"type": "FeatureCollection", "features": [null, 1, "x", {}, {"type": "Feature"}]}',
        b'{"type": "Feature", "properties": {"code": 7}, "geometry": {}}',
        b'{"type": "Feature", "properties": [], "geometry": []}',
        b'{"type": ["FeatureCollection"], "features": []}',
        b'{"type": "FeatureCollection", "crs": {"properties": {"name": 5}}, "features": []}',
    ):
        for crs in ("EPSG:4326", "EPSG:27700"):
            answer = registry.post(
                "/v1/imports/boundaries",
                content=body,
                params={"crs": crs},
                headers={"content-type": GEOJSON},
            )
            assert answer.status_code in (200, 422), (body[:200], answer.status_code, answer.text)


def test_no_address_is_answered_with_a_fault_of_ours(registry: Client) -> None:
    fill(registry)
    nasty = ["%00", "%ff", "%F0%9F%92%A9", "' OR 1=1 --", "..%2f..", "%ED%A0%80", "9" * 400, "{}", "%"]
    for value in nasty:
        for path in (
            f"/v1/areas/{value}",
            f"/v1/areas?within={value}",
            f"/v1/areas?text={value}",
            f"/v1/areas?after={value}",
            f"/v1/areas?limit={value}",
            f"/v1/areas.geojson?within={value}",
            f"/v1/services/{value}",
            f"/v1/services?need={value}",
            f"/v1/services?area={value}",
            f"/v1/services?text={value}",
            f"/v1/services?after={value}",
            f"/v1/organisations?identifier={value}",
            f"/v1/organisations/{value}/services",
            f"/v1/needs/{value}",
            f"/v1/sites?service={value}",
            f"/v1/changes?after={value}",
            f"/v1/changes?types={value}",
            f"/v1/changes?{value}=1",
            f"/v1/imports/{value}",
            f"/v1/imports/{value}/receipts",
        ):
            answer = registry.get(path)
            assert answer.status_code < 500, (path, answer.text)
    for marker in (["x"], [None], [1], [{}], [["x"]], "x", [True], ["\ud800"]):
        encoded = json.dumps(marker).encode()
        for path in ("areas", "services", "needs", "sources", "imports"):
            after = urlsafe_b64encode(encoded).decode()
            assert registry.get(f"/v1/{path}", params={"after": after}).status_code in (200, 422)


def test_options_of_an_import_are_checked(registry: Client) -> None:
    def send(**params: Any) -> int:
        return registry.post(
            "/v1/imports/areas",
            content=b"code,name,level,parent_code,vintage\nE06999001,A,authority,,2024\n",
            params=params,
            headers={"content-type": CSV},
        ).status_code

    assert send(source=" ") == send(source="a\nb") == send(source="x" * 201) == 422
    assert send(crs="EPSG:3857") == send(crs="nonsense") == 422
    assert send(colour="red") == 422
    assert send(source="ONS, 2024") == 200


def test_a_wrong_media_type_and_a_cut_gzip_are_named(registry: Client) -> None:
    whole = gzip.compress(b"code,name,level,parent_code,vintage\nE06999001,A,authority,,2024\n")
    for body, expected in ((whole, 200), (whole[:-9], 422), (b"plain", 422)):
        answer = registry.post(
            "/v1/imports/areas",
            content=body,
            headers={"content-type": CSV, "content-encoding": "gzip"},
        )
        assert answer.status_code == expected, answer.text
    for media_type in ("application/pdf", "", "text/html"):
        answer = registry.post("/v1/imports/areas", content=b"x", headers={"content-type": media_type})
        assert answer.status_code == 415
    assert registry.post("/v1/imports/unheard-of", content=b"x").status_code in (404, 405)
