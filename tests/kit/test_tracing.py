"""Traces through real processes, as a real collector receives them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hedgerow_kit import tracing

from tests.cli.processes import eventually
from tests.support.collector import Collector, attributes, collecting
from tests.support.platform import platform

CANARY = "canary7f3a"
SPOOFED = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def test_a_request_is_one_trace_through_gateway_app_and_database_and_says_nothing_of_who_asked(
    collector: Collector, tmp_path: Path
) -> None:
    with platform(tmp_path / "var", "--empty") as up:
        areas = f"code,name,level,parent_code,vintage\nE06999001,{CANARY},authority,,2025\n"
        sent = up.send("areas", areas, source=CANARY)
        assert sent.status_code == 200
        flood = {"traceparent": f"00-{SPOOFED}-00f067aa0ba902b7-01", "tracestate": f"a={CANARY}"}
        for path in ("/v1/areas/E06999001", "/v1/keys", "/v1/organisations/o1/profile"):
            up.client.get(path, headers=flood, params={"text": CANARY} if path == "/v1/keys" else {})
        up.client.get("/v1/areas", params={"text": CANARY}, headers={"User-Agent": CANARY, **flood})
        up.client.get(f"/v1/areas/{CANARY}", headers=flood)
        up.client.get("/v1/areas", headers={"Authorization": f"Bearer hedgerow_{CANARY}_x"})
        key = (tmp_path / "var" / "admin.key").read_bytes().strip()
        # The last of them is the last to be sent.
        assert eventually(
            lambda: (
                len(collector.named("hedgerow-registry", "GET /v1/areas/{code}")) >= 2
                and len(collector.named("hedgerow-gateway", "GET /v1/areas")) >= 3
            ),
            seconds=60,
        )
    assert collector.paths == {"/v1/traces"}
    spans = collector.spans()
    by_id = {span.span_id: (service, span) for service, span in spans}
    for inner in collector.named("hedgerow-registry", "GET /v1/areas/{code}"):
        service, outer = by_id[inner.parent_span_id]
        assert (service, outer.name) == ("hedgerow-gateway", "GET /v1/areas")
        assert outer.trace_id == inner.trace_id
        # The gateway begins the trace, whatever the caller says.
        assert outer.parent_span_id == b""
        assert attributes(inner)["http.route"] == "/v1/areas/{code}"
        reads = [span for _, span in spans if span.parent_span_id == inner.span_id]
        assert [span.name for span in reads] == ["read"]
        assert attributes(reads[0]) == {"db.system.name": "sqlite"}
    assert collector.named("hedgerow-gateway", "GET /v1/keys")
    (imported,) = collector.named("hedgerow-registry", "POST /v1/imports/areas")
    assert "write" in {span.name for _, span in spans if span.trace_id == imported.trace_id}
    assert SPOOFED not in {span.trace_id.hex() for _, span in spans}
    allowed = {"http.request.method", "http.route", "http.response.status_code", "db.system.name"}
    assert {name for _, span in spans for name in attributes(span)} <= allowed
    everything = b"".join(collector.bodies)
    for secret in (CANARY.encode(), key, b"E06999001"):
        assert secret not in everything
    # Each line of a log that the request caused leads to its trace.
    lines = [json.loads(line) for line in (tmp_path / "var" / "logs" / "registry.log").open()]
    told = {line["trace_id"] for line in lines if line.get("route") == "/v1/areas/{code}"}
    assert told == {
        span.trace_id.hex() for span in collector.named("hedgerow-registry", "GET /v1/areas/{code}")
    }
    assert not [line for line in lines if CANARY in json.dumps(line)]


def test_a_caller_that_is_believed_goes_on_in_its_own_trace(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEDGEROW_GATEWAY_TRUST_TRACEPARENT", "true")
    with platform(tmp_path / "var", "--empty") as up:
        for given in (
            f"00-{SPOOFED}-00f067aa0ba902b7-01",
            f"00-{SPOOFED}-01",
            "nonsense",
            "00-" + "0" * 5000,
        ):
            assert up.client.get("/v1/needs", headers={"traceparent": given}).status_code == 200
        assert eventually(lambda: len(collector.named("hedgerow-gateway", "GET /v1/needs")) >= 4, seconds=60)
    found = collector.named("hedgerow-gateway", "GET /v1/needs")
    assert [span.trace_id.hex() == SPOOFED for span in found].count(True) == 1


def test_without_a_collector_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    tracing.start("test")
    assert not tracing.is_on()
    assert tracing.traceparent() is None
    assert tracing.identifiers() == {}
    with tracing.transaction("sqlite", "read"):
        pass
