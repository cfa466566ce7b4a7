"""What Prometheus is told: on a port of its own, and in few series whatever is asked for."""

import random
import re
import socket
import string
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hedgerow_gateway.domain.routes import IMPORT_KINDS, PREFIXES
from hedgerow_kit import metrics
from prometheus_client import REGISTRY, generate_latest

from tests.gateway.servers import App, gateway, serving
from tests.support import apps
from tests.support.app_process import app_process
from tests.support.databases import Databases, on_sqlite
from tests.support.http import running
from tests.support.identity import identity
from tests.support.platform import free_port

ASKED = 10_000
METHODS = ("GET", "POST", "PUT", "DELETE")
# The gateway's own server answers these before there is a request; an app takes what it is handed.
UNUSUAL = (*METHODS, "BREW", "PROPFIND")

UNLIMITED = dict.fromkeys(
    ("reads_per_minute", "writes_per_minute", "imports_per_minute", "open_per_minute"), 10**6
)


@pytest.fixture(autouse=True)
def _telling() -> Iterator[None]:
    metrics.tell()
    yield
    metrics._is_telling = False


def series() -> dict[str, float]:
    """All of ours, by name and labels."""
    lines = generate_latest(REGISTRY).decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("hedgerow_")
    }


def grown(before: dict[str, float], name: str) -> float:
    return series().get(name, 0.0) - before.get(name, 0.0)


def made_up(draw: random.Random) -> str:
    words = ["".join(draw.choices(string.ascii_letters, k=12)) for _ in range(3)]
    begin = draw.choice(["", "/v1", "/v1/organisations", "/v1/areas", "/v1/imports", "/hsds/services"])
    return f"{begin}/{'/'.join(words[: draw.randint(1, 3)])}"


@on_sqlite
def test_ten_thousand_made_up_addresses_add_few_series(made_databases: Databases, tmp_path: Path) -> None:
    draw = random.Random(26)
    made = apps.made("registry", made_databases.migrated("hedgerow_registry"), pulls=False)
    with (
        running(made, headers=identity("registry")) as registry,
        serving(App()) as app,
        gateway(tmp_path, registry_url=app, network_url=app, outcomes_url=app, **UNLIMITED) as door,
    ):
        for _ in range(ASKED // 2):
            registry.request(draw.choice(UNUSUAL), made_up(draw))
            door.client.request(draw.choice(METHODS), made_up(draw))
    told = series()
    asked = [name for name in told if name.startswith("hedgerow_requests_total")]
    assert sum(told[name] for name in asked) >= ASKED
    # Routes, methods and classes that there are: by far fewer than addresses.
    print(f"{len(asked)} series of requests, {len(told)} in all, after {ASKED:,} addresses")
    assert len(asked) < 150
    assert len(told) < 800
    labels = {label for name in told for label in re.findall(r'route="([^"]*)"', name)}
    declared = set(made.openapi()["paths"]) | {f"/v1/imports/{kind}" for kind in IMPORT_KINDS} | set(PREFIXES)
    assert labels <= {*declared, "/v1/imports/*", "other"}
    assert all('method="OTHER"' not in name and "BREW" not in name for name in told)


def test_an_app_counts_requests_by_route_and_records_by_verdict(made_databases: Databases) -> None:
    url = made_databases.migrated("hedgerow_registry")
    with running(apps.made("registry", url, pulls=False), headers=identity("registry")) as client:
        before = series()
        sent = client.post(
            "/v1/imports/areas",
            content=b"code,name,level,parent_code,vintage\nE06999001,Town,authority,,2025\nno,,,,\n",
            headers={"Content-Type": "text/csv"},
        )
        assert sent.status_code == 200
        assert client.get("/v1/areas/E06999001").status_code == 200
        assert client.get("/v1/areas/E06999009").status_code == 404
        client.get("/healthz")
    labels = 'app="registry",method="GET",route="/v1/areas/{code}"'
    assert grown(before, f'hedgerow_requests_total{{{labels},status="2xx"}}') == 1
    assert grown(before, f'hedgerow_requests_total{{{labels},status="4xx"}}') == 1
    assert grown(before, 'hedgerow_request_seconds_count{app="registry",route="/v1/areas/{code}"}') == 2
    records = 'hedgerow_import_records_total{app="registry",kind="areas",verdict="%s"}'
    assert grown(before, records % "accepted") == 1
    assert grown(before, records % "quarantined") == 1
    assert series()['hedgerow_requests_in_flight{app="registry"}'] == 0
    assert not [name for name in series() if "healthz" in name]


@on_sqlite
def test_the_gateway_tells_of_its_memory_of_apps_that_are_away_and_of_refusals(
    made_databases: Databases, tmp_path: Path
) -> None:
    app = App()
    with serving(app) as address, gateway(tmp_path, registry_url=address) as door:
        before = series()
        for _ in range(3):
            assert door.client.get("/v1/areas").status_code == 200
        assert httpx.get(f"{door.url}/v1/areas").status_code == 401
        for _ in range(8):
            assert door.client.get("/v1/kpis").status_code == 503
        after = series()
        # What callers reach says nothing.
        assert door.client.get("/metrics").status_code == 404
    areas = 'hedgerow_requests_total{app="registry",method="GET",route="/v1/areas",status="2xx"}'
    assert after[areas] - before.get(areas, 0) >= 1
    away = 'hedgerow_requests_total{app="outcomes",method="GET",route="/v1/kpis",status="5xx"}'
    assert after[away] - before.get(away, 0) == 8
    refused = 'hedgerow_requests_total{app="gateway",method="GET",route="other",status="4xx"}'
    assert after[refused] - before.get(refused, 0) == 1
    assert after['hedgerow_gateway_circuit_open{app="outcomes"}'] == 1
    assert after['hedgerow_gateway_circuit_open{app="registry"}'] == 0
    assert after['hedgerow_gateway_kept_answers_total{how="asked"}'] >= 1


@on_sqlite
def test_a_process_answers_prometheus_on_a_port_of_its_own(
    made_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv(metrics.PORT, str(port))
    with app_process("registry", made_databases.migrated("hedgerow_registry")) as app:
        app.get("/v1/areas")
        told = httpx.get(f"http://127.0.0.1:{port}/metrics")
        assert told.status_code == 200
        assert (
            'hedgerow_requests_total{app="registry",method="GET",route="/v1/areas",status="2xx"} 1.0'
            in told.text
        )
        assert "process_resident_memory_bytes" in told.text
        assert httpx.get(f"{app._url}/metrics").status_code == 404


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv(metrics.PORT, str(port))
        with pytest.raises(
            SystemExit, match=f"HEDGEROW_METRICS_PORT: cannot listen on 127.0.0.1 port {port}"
        ):
            metrics.listen()
    monkeypatch.delenv(metrics.PORT)
    assert metrics.listen() is None
