"""When something behind the gateway, or in front of it, does not do its part."""

import asyncio
import logging
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway.domain.routes import PREFIXES, QUICK, Route, RouteTable

from tests.gateway.servers import (
    App,
    Gateway,
    gateway,
    raw_server,
    reply,
    serving,
    wait_for_disconnect,
    wait_until,
)

# Half a second of silence is enough to give up on an app.
SHORT = QUICK._replace(read_seconds=0.5, body_bytes=1_000_000_000)
IMPATIENT = RouteTable({prefix: Route(route.app, SHORT) for prefix, route in PREFIXES.items()})


def test_a_missing_app_is_named_and_only_its_part_is_missing(tmp_path: Path) -> None:
    app = App()
    with serving(app) as address, gateway(tmp_path, registry_url=address) as made:
        missing = made.client.get("/v1/kpis")
        assert missing.status_code == 503
        assert missing.headers["content-type"] == "application/problem+json"
        assert int(missing.headers["retry-after"]) >= 1
        assert missing.json()["app"] == "outcomes"
        assert "outcomes" in missing.json()["detail"]
        assert made.client.get("/v1/areas").status_code == 200
        assert made.client.get("/v1/keys").status_code == 200
        assert made.client.get("/healthz").status_code == 200
        assert made.stranger().get("/readyz/alone").json() == {"status": "ready"}
        ready = made.client.get("/readyz")
        assert ready.status_code == 503
        assert "outcomes: cannot be reached" in ready.json()["detail"]
        assert "network: cannot be reached" in ready.json()["detail"]
        assert "registry" not in ready.json()["detail"]


def test_an_app_that_says_it_is_not_ready_is_named_with_its_reason(behind: Gateway, app: App) -> None:
    assert behind.client.get("/readyz").status_code == 200

    async def not_ready(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 503, b'{"detail": "database: cannot be read"}')

    app.answers["readyz"] = not_ready
    wait_until(lambda: behind.client.get("/readyz").status_code == 503)
    assert "network: database: cannot be read" in behind.client.get("/readyz").json()["detail"]


def test_readiness_asks_all_apps_at_the_same_time_and_not_for_long(behind: Gateway, app: App) -> None:
    async def hanging(scope: Any, receive: Any, send: Any) -> None:
        await wait_for_disconnect(receive)

    app.answers["readyz"] = hanging
    started = time.monotonic()
    answer = behind.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"].count("took too long") == 3
    assert time.monotonic() - started < 3


GARBAGE = {
    "not http": b"\x00\xff\xfe garbage \r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "half a status line": b"HTTP/1.1 2",
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "a malformed header": b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",
    "an endless header": b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * 300_000 + b"\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "a length that is no number": b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}",
    "nothing": b"",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_broken_answer_is_a_502_that_names_the_app(tmp_path: Path, name: str) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(GARBAGE[name])
        connection.shutdown(socket.SHUT_RDWR)

    with raw_server(answer) as (address, _), gateway(tmp_path, registry_url=address) as made:
        found = made.client.get("/v1/areas")
        assert found.status_code == 502
        assert found.headers["content-type"] == "application/problem+json"
        assert found.json()["app"] == "registry"


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf \r\n",
    ],
)
def test_an_app_that_dies_within_its_answer_is_seen_by_the_caller(tmp_path: Path, half: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(half)
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_RDWR)

    with raw_server(answer) as (address, _), gateway(tmp_path, registry_url=address) as made:
        with pytest.raises(httpx.RemoteProtocolError):
            made.client.get("/v1/areas")
        assert made.client.get("/healthz").status_code == 200
        assert made.stranger().get("/readyz/alone").json() == {"status": "ready"}


def test_garbage_within_an_answer_is_seen_by_the_caller(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf \r\n")
        time.sleep(0.2)
        connection.sendall(b"zz\r\n0\r\n\r\n")

    with (
        raw_server(answer) as (address, _),
        gateway(tmp_path, registry_url=address) as made,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        made.client.get("/v1/areas")


def test_an_app_that_does_not_answer_is_a_504_in_time(tmp_path: Path) -> None:
    app = App()

    async def hanging(scope: Any, receive: Any, send: Any) -> None:
        if await wait_for_disconnect(receive):
            app.left.set()

    app.answers["slow"] = hanging
    with serving(app) as address, gateway(tmp_path, registry_url=address, table=IMPATIENT) as made:
        started = time.monotonic()
        answer = made.client.get("/v1/areas/slow")
        took = time.monotonic() - started
        assert answer.status_code == 504
        assert answer.json()["app"] == "registry"
        assert 0.5 <= took < 1.0
        assert app.left.wait(2), "the app was not told that nobody waits any more"


def test_an_app_that_stops_in_the_middle_of_its_answer_is_cut_off(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        connection.recv(1)

    with (
        raw_server(answer) as (address, _),
        gateway(tmp_path, registry_url=address, table=IMPATIENT) as made,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        made.client.get("/v1/areas")


def test_an_app_that_takes_no_more_of_a_body_is_a_504(tmp_path: Path) -> None:
    stop = threading.Event()
    with (
        raw_server(lambda _: stop.wait(10) and None) as (address, _),
        gateway(tmp_path, registry_url=address, table=IMPATIENT) as made,
    ):
        answer = made.client.post("/v1/areas", content=b"x" * 30_000_000)
        stop.set()
        assert answer.status_code == 504


def test_a_caller_who_leaves_frees_the_app_within_a_second(behind: Gateway, app: App) -> None:
    async def hanging(scope: Any, receive: Any, send: Any) -> None:
        if await wait_for_disconnect(receive):
            app.left.set()

    app.answers["slow"] = hanging
    with socket.create_connection(behind.place) as connection:
        connection.sendall(_get("/v1/areas/slow", behind.key))
        wait_until(lambda: len(app.seen) == 1)
    assert app.left.wait(1.0)


def test_a_caller_who_leaves_within_a_long_answer_frees_the_app(behind: Gateway, app: App) -> None:
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        watching = asyncio.create_task(wait_for_disconnect(receive))
        while not watching.done():
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
            await asyncio.sleep(0.01)
        app.left.set()

    app.answers["endless"] = endless
    with socket.create_connection(behind.place) as connection:
        connection.sendall(_get("/v1/areas/endless", behind.key))
        connection.recv(20_000)
    assert app.left.wait(1.5)


def test_a_caller_who_leaves_within_a_body_never_makes_it_look_whole(behind: Gateway, app: App) -> None:
    with socket.create_connection(behind.place) as connection:
        connection.sendall(
            _head("POST", "/v1/areas/1", behind.key, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
        )
        wait_until(lambda: len(app.seen) == 1)
    assert app.left.wait(1.5)


def test_a_write_is_never_sent_twice(tmp_path: Path) -> None:
    with (
        raw_server(lambda connection: connection.shutdown(socket.SHUT_RDWR)) as (address, heads),
        gateway(tmp_path, registry_url=address) as made,
    ):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            heads.clear()
            assert made.client.request(method, "/v1/areas/1").status_code == 502
            assert len(heads) == 1, method


def test_a_read_is_tried_once_more_on_a_connection_that_had_just_been_closed(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        # The next request on this connection is read and not answered.
        if connection.recv(65_536):
            connection.shutdown(socket.SHUT_RDWR)

    with raw_server(answer) as (address, heads), gateway(tmp_path, registry_url=address) as made:
        assert made.client.get("/v1/areas").status_code == 200
        assert made.client.get("/v1/areas").status_code == 200
        assert sum(head.startswith(b"GET /v1/areas ") for head in heads) == 2


def test_a_database_that_cannot_be_read_is_a_503_at_the_door(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    with gateway(tmp_path) as made:
        engine = create_engine(f"sqlite:///{tmp_path / 'gateway' / 'gateway.db'}")
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE api_keys RENAME TO gone"))
        engine.dispose()
        answer = made.client.get("/v1/areas")
        assert answer.status_code == 503
        assert "retry-after" in answer.headers


def test_a_failed_pass_through_is_logged_without_the_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), gateway(tmp_path) as made:
        made.client.get("/v1/areas/secret-place?person=name")
    logged = [str(vars(record)) for record in caplog.records if not record.name.startswith("httpx")]
    assert any("pass-through failed" in line for line in logged)
    for secret in (made.key, "secret-place", "person"):
        assert not any(secret in line for line in logged)


def _head(method: str, path: str, key: str, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {key}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def _get(path: str, key: str) -> bytes:
    return _head("GET", path, key)
