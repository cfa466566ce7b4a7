"""The gateway as a process of its own: large bodies pass through it in little memory, and it ends cleanly."""

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.gateway.servers import App, nobody_there, reply, serving, wait_until

SIZE = 200_000_000
BLOCK = bytes(range(256)) * 1000
MOST_GROWTH = 64_000_000


class Large(App):
    """Takes any body and keeps only its hash; gives a large answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answers |= {"observations": self.take, "large": self.give}

    async def take(self, scope: Any, receive: Any, send: Any) -> None:
        digest = hashlib.sha256()
        more = True
        while more:
            message = await receive()
            digest.update(message["body"])
            more = message["more_body"]
        await reply(send, 200, digest.hexdigest().encode())

    async def give(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        sent = 0
        while sent < SIZE:
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
            sent += len(BLOCK)
        await send({"type": "http.response.body", "body": b""})


class Running:
    def __init__(self, process: subprocess.Popen[bytes], url: str, data_dir: Path) -> None:
        self.process = process
        self.url = url
        self.data_dir = data_dir
        self.peak = 0

    def note_memory(self) -> int:
        rss: int = psutil.Process(self.process.pid).memory_info().rss
        self.peak = max(self.peak, rss)
        return rss

    def client(self) -> httpx.Client:
        key = (self.data_dir / "admin.key").read_text().strip()
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )


@contextmanager
def process(tmp_path: Path, **addresses: str) -> Iterator[Running]:
    """A gateway in a process of its own, before apps at these addresses."""
    url = nobody_there()
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "hedgerow_gateway", "serve"],
            env=os.environ
            | {
                "HEDGEROW_GATEWAY_DATA_DIR": str(tmp_path / "var"),
                "HEDGEROW_GATEWAY_PORT": url.rpartition(":")[2],
                **{f"HEDGEROW_GATEWAY_{app.upper()}_URL": address for app, address in addresses.items()},
                "HEDGEROW_END_WITH_STDIN": "1",
            },
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        made = Running(started, url, tmp_path / "var")
        try:
            wait_until(lambda: _answers(url) or started.poll() is not None)
            yield made
        finally:
            started.kill()
            started.wait()
            assert started.stdin is not None
            started.stdin.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with (
        serving(Large()) as address,
        process(tmp_path, registry=address, network=address, outcomes=address) as made,
    ):
        yield made


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_passes_in_little_memory_and_whole(running: Running, chunked: bool) -> None:
    digest = hashlib.sha256()

    def parts() -> Iterator[bytes]:
        for number in range(SIZE // len(BLOCK)):
            digest.update(BLOCK)
            if number % 50 == 0:
                running.note_memory()
            yield BLOCK

    with running.client() as client:
        client.post("/v1/imports/observations", content=b"a\n")
        before = running.note_memory()
        headers = {} if chunked else {"Content-Length": str(SIZE // len(BLOCK) * len(BLOCK))}
        answer = client.post("/v1/imports/observations", content=parts(), headers=headers)
        running.note_memory()
    assert answer.text == digest.hexdigest()
    assert running.peak - before <= MOST_GROWTH


def test_a_large_answer_passes_in_little_memory_and_whole(running: Running) -> None:
    with running.client() as client:
        client.get("/v1/kpis")
        before = running.note_memory()
        received = 0
        with client.stream("GET", "/v1/kpis/large") as answer:
            for number, part in enumerate(answer.iter_raw()):
                received += len(part)
                if number % 200 == 0:
                    running.note_memory()
    assert received >= SIZE
    assert running.peak - before <= MOST_GROWTH


def test_a_caller_who_reads_slowly_does_not_make_it_pile_up(running: Running) -> None:
    with running.client() as client:
        client.get("/v1/kpis")
        before = running.note_memory()
        with client.stream("GET", "/v1/kpis/large") as answer:
            parts = answer.iter_raw()
            for _ in range(10):
                next(parts)
                time.sleep(0.1)
                running.note_memory()
    assert running.peak - before <= MOST_GROWTH


def test_it_ends_soon_after_a_signal_even_with_half_open_connections(running: Running) -> None:
    place = (httpx.URL(running.url).host, httpx.URL(running.url).port or 0)
    half_open = [socket.create_connection(place) for _ in range(5)]
    for connection in half_open:
        connection.sendall(b"GET /v1/areas HTTP/1.1\r\nHost: h\r\n")
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(timeout=20)
    for connection in half_open:
        connection.close()


def test_a_connection_may_rest_for_longer_than_clients_keep_theirs(running: Running) -> None:
    caller = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=10)
    caller.connect()
    connected = caller.sock
    for pause in (0, 6):
        time.sleep(pause)
        caller.request("GET", "/healthz")
        answer = caller.getresponse()
        assert (answer.status, caller.sock) == (200, connected), answer.read()
        assert answer.read()
    caller.close()


def test_it_ends_when_its_parent_is_gone(running: Running) -> None:
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.wait(timeout=20)


def test_no_key_is_ever_written_to_the_log(running: Running, tmp_path: Path) -> None:
    with running.client() as client:
        key = client.post("/v1/keys", json={"name": "n", "roles": ["reader"], "authorities": ["*"]}).json()[
            "key"
        ]
        client.get("/v1/areas", headers={"Authorization": f"Bearer {key}"})
        client.get("/v1/areas", headers={"Authorization": f"Basic {key}"})
        client.get(f"/v1/areas/{key}")
        client.get(f"/v1/nothing?key={key}")
        client.get(f"/{key}")
        client.post("/v1/keys", content=key)
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(timeout=20)
    log = (tmp_path / "log").read_text()
    assert "answered" in log
    assert key not in log
    assert key.split("_", 2)[2] not in log
    assert (running.data_dir / "admin.key").read_text().strip() not in log
