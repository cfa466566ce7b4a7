"""The routing table: declared, complete, unambiguous."""

import json
from pathlib import Path

import pytest
from hedgerow_gateway.domain.routes import APPS, GATEWAY, IMPORT_KINDS, RouteTable, is_plain_path
from hypothesis import given
from hypothesis import strategies as st

SERVICES = Path(__file__).parents[2] / "services"
TABLE = RouteTable()


@pytest.mark.parametrize(
    ("path", "app"),
    [
        ("/v1/areas", "registry"),
        ("/v1/areas/", "registry"),
        ("/v1/areas/E08000009", "registry"),
        ("/v1/areas.geojson", "registry"),
        ("/v1/organisations/1/ownership", "registry"),
        ("/v1/changes", "registry"),
        ("/v1/localities/E08000009/cover/food/E05000819", "network"),
        ("/v1/networks/1/versions", "network"),
        ("/v1/kpis/x/series", "outcomes"),
        ("/v1/observations", "outcomes"),
        ("/v1/contracts/1", "registry"),
        ("/v1/contracts/1/performance-notice", "outcomes"),
        ("/v1/contracts/1/lots", "registry"),
        ("/v1/keys/1", GATEWAY),
        ("/v1/imports", GATEWAY),
        ("/v1/imports/areas", "registry"),
        ("/v1/imports/observations", "outcomes"),
        ("/v1/imports/relations", "network"),
        ("/v1/imports/registry-0192aa", "registry"),
        ("/v1/imports/outcomes-0192aa/receipts", "outcomes"),
        ("/v1/imports/network-0192aa", "network"),
    ],
)
def test_a_path_goes_to_the_app_that_answers_it(path: str, app: str) -> None:
    found = TABLE.find(path)
    assert found is not None
    assert found.app == app


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/areass",
        "/v1/area",
        "/v2/areas",
        "/areas",
        "/v1//areas",
        "/v1/imports/nonsense",
        "/v1/imports/gateway-1",
        "/v1/imports/registry",
        "/v1/imports/registry-",
        "/v1/imports/-1",
        "/V1/areas",
        "/healthz",
        "/v1/*/x",
    ],
)
def test_a_path_nobody_answers_goes_nowhere(path: str) -> None:
    assert TABLE.find(path) is None


def test_imports_may_take_long_and_the_rest_may_not() -> None:
    importing = TABLE.find("/v1/imports/observations")
    reading = TABLE.find("/v1/kpis")
    assert importing is not None
    assert reading is not None
    assert importing.lane.read_seconds >= 600
    assert reading.lane.read_seconds <= 30


@given(st.text(max_size=60))
def test_any_path_at_all_is_either_routed_or_not(path: str) -> None:
    found = TABLE.find("/" + path)
    assert found is None or found.app in (*APPS, GATEWAY)


@pytest.mark.parametrize("app", APPS)
def test_every_path_of_every_app_is_routed_to_it(app: str) -> None:
    document = json.loads((SERVICES / app / "openapi.json").read_text())
    shared_with_all = {"/v1/imports", "/v1/audit", "/v1/audit/verification"}
    unplaced = {}
    for path in document["paths"]:
        if not path.startswith("/v1/") or path in shared_with_all:
            continue
        concrete = path.replace("{import_id}", f"{app}-0192aa").replace("{", "").replace("}", "")
        found = TABLE.find(concrete)
        if found is None or found.app != app:
            unplaced[path] = found
    assert unplaced == {}


def test_every_kind_an_app_imports_is_declared() -> None:
    for app in APPS:
        document = json.loads((SERVICES / app / "openapi.json").read_text())
        kinds = {
            path.rpartition("/")[2]
            for path, item in document["paths"].items()
            if path.startswith("/v1/imports/") and "post" in item
        }
        assert {IMPORT_KINDS.get(kind) for kind in kinds} <= {app}


@pytest.mark.parametrize(
    "path", [b"/v1/areas", b"/v1/needs/a%3Ab", b"/v1/x/a.b", b"/v1/x/...", b"/v1/x/.a", b"/"]
)
def test_a_plain_path_is_let_in(path: bytes) -> None:
    assert is_plain_path(path)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"v1/areas",
        b"//v1/areas",
        b"/v1//areas",
        b"/v1/./areas",
        b"/v1/../healthz",
        b"/v1/areas/..",
        b"/v1/areas/.",
        b"/v1/%2e%2e/healthz",
        b"/v1/.%2E/healthz",
        b"/v1/areas%2fx",
        b"/v1/areas%2Fx",
        b"/v1/areas%5cx",
        b"/v1/areas\\x",
        b"/v1/areas%00",
        b"/v1/areas%0d%0aX:1",
    ],
)
def test_a_path_that_two_readers_may_read_differently_is_not(path: bytes) -> None:
    assert not is_plain_path(path)
