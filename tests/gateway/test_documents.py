"""One OpenAPI document over all apps, and pages that need nothing from elsewhere."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hedgerow_gateway.domain import document, downgrade
from hedgerow_gateway.main import own_app
from hedgerow_kit.auth import Verifier
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from tests.gateway.servers import App, Gateway, gateway, reply, serving
from tests.support.http import running
from tests.support.identity import SIGNER, identity
from tests.support.platform import ROOT

OWN: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Hedgerow", "version": "1"},
    "paths": {
        "/healthz": {"get": {"operationId": "healthz_healthz_get", "responses": {}}},
        "/v1/keys": {"get": {"operationId": "list", "responses": {}}},
        "/v1/imports": {"get": {"operationId": "all_imports", "responses": {}}},
    },
}


def of_app(**paths: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "app", "version": "1"}, "paths": paths}


def page_of(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {},
        "paths": {
            f"/v1/{name}": {
                "get": {
                    "operationId": "list",
                    "responses": {
                        "200": {
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}
                        }
                    },
                }
            }
        },
        "components": {
            "schemas": {
                "Page": {"properties": {"items": {"items": {"$ref": "#/components/schemas/Item"}}}},
                "Item": {"type": "object", "properties": properties},
                "Problem": {"type": "object"},
            }
        },
    }


def components(merged: dict[str, Any]) -> set[str]:
    return {
        f"#/components/{section}/{name}"
        for section, entries in merged["components"].items()
        for name in entries
    }


def references(value: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(value)))


def test_only_the_v1_paths_of_the_apps_are_added_to_the_gateways_own() -> None:
    merged = document.merge(OWN, {"registry": of_app(**{"/v1/areas": {"get": {}}, "/readyz": {"get": {}}})})
    assert list(merged["paths"]) == ["/healthz", "/v1/areas", "/v1/imports", "/v1/keys"]


def test_components_of_one_name_and_two_meanings_are_told_apart() -> None:
    apps = {"registry": page_of("areas", code={}), "outcomes": page_of("kpis", unit={})}
    merged = document.merge(OWN, apps)
    assert set(merged["components"]["schemas"]) == {
        "RegistryItem",
        "OutcomesItem",
        "RegistryPage",
        "OutcomesPage",
        "Problem",
    }
    registry = merged["components"]["schemas"]["RegistryPage"]
    assert references(registry) == {"#/components/schemas/RegistryItem"}
    kpis = merged["paths"]["/v1/kpis"]["get"]["responses"]["200"]
    assert references(kpis["content"]) == {"#/components/schemas/OutcomesPage"}
    assert references(merged) <= components(merged)


def test_operation_ids_are_unique() -> None:
    apps = {
        "registry": page_of("areas"),
        "outcomes": page_of("kpis"),
        "network": of_app(**{"/v1/x": {"get": {}}}),
    }
    merged = document.merge(OWN, apps)
    ids = [operation["operationId"] for item in merged["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
    assert {"list", "registry_list", "outcomes_list"} <= set(ids)


def test_a_path_that_two_apps_share_is_described_once_and_the_gateways_word_comes_first() -> None:
    theirs = of_app(
        **{
            "/v1/imports": {"get": {"operationId": "theirs"}},
            "/v1/imports/{import_id}": {"get": {"operationId": "one"}},
        }
    )
    merged = document.merge(OWN, {"registry": theirs, "outcomes": copy.deepcopy(theirs)})
    assert merged["paths"]["/v1/imports"]["get"]["operationId"] == "all_imports"
    assert merged["paths"]["/v1/imports/{import_id}"]["get"]["operationId"] == "one"


def test_the_sources_are_left_as_they_were() -> None:
    apps = {"registry": page_of("areas", code={}), "outcomes": page_of("kpis", unit={})}
    before = copy.deepcopy((OWN, apps))
    document.merge(OWN, apps)
    assert (OWN, apps) == before


def test_every_operation_but_health_tells_of_limits() -> None:
    paths = {"/v1/areas": {"get": {"responses": {"200": {"description": "They"}}}}, "/v1/needs": {"post": {}}}
    merged = document.merge(own_app({}).openapi(), {"registry": of_app(**paths)})
    areas = merged["paths"]["/v1/areas"]["get"]["responses"]
    assert set(areas["200"]["headers"]) == {"RateLimit", "RateLimit-Policy"}
    for path, item in merged["paths"].items():
        for operation in item.values():
            assert ("429" in operation["responses"]) == (path not in ("/healthz", "/readyz")), path
    refused = merged["components"]["responses"]["TooManyRequests"]
    assert set(refused["headers"]) == {"Retry-After", "RateLimit", "RateLimit-Policy"}
    # The token endpoint refuses in its own words, and tells as much.
    own = merged["paths"]["/oauth/token"]["post"]["responses"]["429"]
    assert set(own["headers"]) == set(refused["headers"])
    assert "application/json" in own["content"]


def test_every_operation_but_the_open_ones_asks_for_a_key() -> None:
    merged = document.merge(OWN, {"registry": of_app(**{"/v1/areas": {"get": {}}})})
    assert merged["security"] == [{"bearer": []}, {"oauth": []}]
    assert merged["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert merged["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in merged["paths"]["/v1/areas"]["get"]
    assert merged["servers"] == [{"url": "/"}]


def documents_of(app: App, found: dict[str, Any]) -> None:
    async def openapi(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 200, json.dumps(found).encode())

    app.answers["openapi.json"] = openapi


def test_the_document_is_made_of_what_the_apps_say_and_stays_when_they_are_down(tmp_path: Path) -> None:
    app = App()
    documents_of(app, of_app(**{"/v1/areas": {"get": {"operationId": "areas", "responses": {}}}}))
    with serving(app) as address, gateway(tmp_path, registry_url=address) as made:
        with made.stranger() as stranger:
            answer = stranger.get("/openapi.json")
        found = answer.json()
        assert found["openapi"] == "3.1.0"
        assert "/v1/areas" in found["paths"]
        assert "/v1/keys" in found["paths"]
        assert found["info"]["x-missing"] == ["network", "outcomes"]
        again = made.client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    with gateway(tmp_path) as restarted:
        assert "/v1/areas" in restarted.client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("broken", [b"", b"nonsense", b"[]", b"{}", b'{"paths": 5}'])
def test_an_app_with_a_broken_document_is_named_as_missing(tmp_path: Path, broken: bytes) -> None:
    app = App()

    async def openapi(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 200, broken)

    app.answers["openapi.json"] = openapi
    with serving(app) as address, gateway(tmp_path, registry_url=address) as made:
        assert "registry" in made.client.get("/openapi.json").json()["info"]["x-missing"]


def test_the_merged_document_of_the_real_apps_has_no_loose_ends() -> None:
    services = Path(__file__).parents[2] / "services"
    apps = {
        app: json.loads((services / app / "openapi.json").read_text())
        for app in ("registry", "network", "outcomes")
    }
    merged = document.merge(own_app({}).openapi(), apps)
    for app, theirs in apps.items():
        assert {path for path in theirs["paths"] if path.startswith("/v1/")} <= set(merged["paths"]), app
    assert references(merged) <= components(merged)
    ids = [
        operation["operationId"]
        for item in merged["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
    ]
    assert len(ids) == len(set(ids))


def test_every_v1_route_of_the_gateway_itself_refuses_who_comes_without_an_identity() -> None:
    app = own_app({})
    app.state.verifier = Verifier(SIGNER.jwks, audience="gateway")
    asked = 0
    with running(app) as client:
        for path, item in app.openapi()["paths"].items():
            for method in item if path.startswith("/v1/") else ():
                concrete = path.replace("{", "").replace("}", "")
                for headers in ({}, identity("registry"), {"Authorization": "Bearer x"}):
                    answer = client.request(method.upper(), concrete, headers=headers)
                    assert answer.status_code == 401, (method, path)
                    asked += 1
    assert asked >= 15


def test_the_documentation_page_brings_everything_itself(lone: Gateway) -> None:
    with lone.stranger() as stranger:
        page = stranger.get("/docs")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "//" not in policy
        assert not re.findall(r"(?:src|href)=\"(?!/)", page.text)
        assert not re.findall(r"<script(?![^>]*\bsrc=)", page.text)
        assert " style=" not in page.text
        assert " on" not in re.sub(r">[^<]*<", "><", page.text).replace("content=", "")
        for address in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page.text):
            found = stranger.get(address)
            assert found.status_code == 200, address
            assert address == "/openapi.json" or found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["../main.py", "..%2fmain.py", "%2e%2e/main.py", "swagger-ui.js.map", "x", "index.html"]
)
def test_the_documentation_serves_its_own_files_and_no_others(lone: Gateway, name: str) -> None:
    with lone.stranger() as stranger:
        assert stranger.get(f"/docs/{name}").status_code in (400, 404)


def test_the_way_in_links_what_is_there(lone: Gateway) -> None:
    with lone.stranger() as stranger:
        found = stranger.get("/", headers={"Accept": "application/json"}).json()
        page = stranger.get("/", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        for name, address in found["links"].items():
            assert stranger.get(address).status_code == (503 if name == "readiness" else 200)
            assert f'href="{address}"' in page.text


def test_the_public_keys_are_served_and_hold_nothing_private(lone: Gateway) -> None:
    with lone.stranger() as stranger:
        answer = stranger.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    on_disk = json.loads((lone.data_dir / "gateway" / "identity.jwks.json").read_bytes())
    assert answer.json() == on_disk
    assert all(set(key) == {"kty", "crv", "x", "kid", "alg", "use"} for key in answer.json()["keys"])


def test_the_whole_document_is_valid_in_3_1_and_its_copy_in_3_0() -> None:
    apps = {
        app: json.loads((ROOT / "services" / app / "openapi.json").read_bytes())
        for app in ("registry", "network", "outcomes")
    }
    whole = document.merge(own_app({}).openapi(), apps)
    OpenAPIV31SpecValidator(whole).validate()
    copied = downgrade.to_3_0(whole)
    OpenAPIV30SpecValidator(copied).validate()
    assert copied["paths"].keys() == whole["paths"].keys()
    assert copied["components"]["schemas"].keys() == whole["components"]["schemas"].keys()


@pytest.mark.parametrize(
    ("said", "in_3_0"),
    [
        (
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}], "title": "A"},
            {"type": "string", "maxLength": 3, "title": "A", "nullable": True},
        ),
        (
            {"anyOf": [{"$ref": "#/x"}, {"type": "null"}]},
            {"allOf": [{"$ref": "#/x"}], "nullable": True},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
        ),
        ({"const": "ward"}, {"enum": ["ward"]}),
        (
            {"exclusiveMinimum": 0, "type": "number"},
            {"minimum": 0, "exclusiveMinimum": True, "type": "number"},
        ),
        ({"examples": [1, 2]}, {"example": 1}),
        # A field may have the name of a keyword.
        (
            {"properties": {"const": {"type": "string"}, "examples": {"const": 1}}},
            {"properties": {"const": {"type": "string"}, "examples": {"enum": [1]}}},
        ),
        (
            {"items": {"anyOf": [{"type": "null"}, {"type": "integer"}]}},
            {"items": {"type": "integer", "nullable": True}},
        ),
    ],
)
def test_each_word_of_3_1_has_one_of_3_0(said: dict[str, Any], in_3_0: dict[str, Any]) -> None:
    given = {"openapi": "3.1.0", "info": {"title": "T"}, "components": {"schemas": {"S": said}}}
    assert downgrade.to_3_0(given)["components"]["schemas"]["S"] == in_3_0


def test_the_copy_for_older_tools_is_served(behind: Gateway) -> None:
    copied = behind.stranger().get("/openapi-3.0.json")
    assert copied.status_code == 200
    assert copied.json()["openapi"] == "3.0.3"
