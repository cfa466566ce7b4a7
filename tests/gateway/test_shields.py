"""What keeps one app's trouble from becoming everybody's: circuit, lanes, limits, a budget for retries."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway.domain.routes import ANALYSIS, IMPORT, PREFIXES, QUICK, Route, RouteTable
from hedgerow_gateway.upstream.breakers import FAILURES, RETRY_SHARE
from hedgerow_kit.state import STATE_PATH

from tests.gateway.servers import (
    App,
    Gateway,
    gateway,
    nobody_there,
    raw_server,
    reply,
    serving,
    wait_for_disconnect,
    wait_until,
)


class Faulty:
    """A server that does as it is told at the moment, and notes the heads it has read."""

    def __init__(self) -> None:
        self.well = threading.Event()
        self.probes_at_once = 0
        self.most_probes_at_once = 0

    def answer(self, connection: socket.socket) -> None:
        if self.well.is_set():
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        else:
            self.probes_at_once += 1
            self.most_probes_at_once = max(self.most_probes_at_once, self.probes_at_once)
            time.sleep(0.05)
            self.probes_at_once -= 1
            connection.shutdown(socket.SHUT_RDWR)


def reached(heads: list[bytes], path: bytes) -> int:
    return sum(path in head.partition(b"\r\n")[0] for head in heads)


def test_the_circuit_opens_probes_once_at_a_time_and_closes_by_itself(tmp_path: Path) -> None:
    faulty = Faulty()
    with (
        raw_server(faulty.answer) as (address, heads),
        gateway(tmp_path, registry_url=address, outcomes_url=nobody_there()) as made,
    ):
        for _ in range(FAILURES):
            assert made.client.post("/v1/areas").status_code == 502
        heads.clear()
        faulty.most_probes_at_once = 0
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            refused = list(pool.map(lambda _: made.client.post("/v1/areas"), range(200)))
        for answer in refused:
            assert answer.status_code == 503
            assert answer.json()["app"] == "registry"
            assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert reached(heads, b"/v1/areas") == 0
        wait_until(lambda: reached(heads, b"/healthz") >= 2)
        assert reached(heads, b"/healthz") <= 2 * (time.monotonic() - started) + 1
        assert faulty.most_probes_at_once <= 2  # a question for the state may go beside it
        faulty.well.set()
        wait_until(lambda: made.client.post("/v1/areas").status_code == 200)
        assert all(made.client.post("/v1/areas").status_code == 200 for _ in range(20))


def test_who_reads_that_an_app_is_ready_is_not_refused_for_what_was_before(tmp_path: Path) -> None:
    faulty = Faulty()

    def answer(connection: socket.socket) -> None:
        # Its probes never succeed, so that nothing but its readiness closes the circuit.
        if b"/healthz" in heads[-1].partition(b"\r\n")[0]:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            faulty.answer(connection)

    with raw_server(answer) as (address, heads), gateway(tmp_path, registry_url=address) as made:
        for _ in range(FAILURES):
            assert made.client.post("/v1/areas").status_code == 502
        assert made.client.post("/v1/areas").status_code == 503
        faulty.well.set()
        assert "registry" not in made.client.get("/readyz").json()["detail"]
        assert made.client.post("/v1/areas").status_code == 200


def test_who_is_answered_from_memory_is_not_refused_for_what_was_before(tmp_path: Path) -> None:
    faulty = Faulty()
    faulty.well.set()

    def answer(connection: socket.socket) -> None:
        asked = heads[-1].partition(b"\r\n")[0]
        if b"/healthz" in asked:
            connection.shutdown(socket.SHUT_RDWR)
        elif STATE_PATH.encode() in asked and faulty.well.is_set():
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\ns1")
        elif asked.startswith(b"GET") and faulty.well.is_set():
            connection.sendall(b'HTTP/1.1 200 OK\r\netag: "e1"\r\ncontent-length: 2\r\n\r\n{}')
        else:
            faulty.answer(connection)

    with raw_server(answer) as (address, heads), gateway(tmp_path, registry_url=address) as made:

        def is_kept() -> bool:
            before = reached(heads, b"GET /v1/areas")
            assert made.client.get("/v1/areas").status_code == 200
            return reached(heads, b"GET /v1/areas") == before

        wait_until(is_kept)
        faulty.well.clear()
        for _ in range(FAILURES):
            assert made.client.get("/v1/areas").status_code == 502
        assert made.client.post("/v1/areas").status_code == 503
        faulty.well.set()
        wait_until(lambda: made.client.get("/v1/areas").status_code == 200)
        assert made.client.post("/v1/areas").status_code == 200


def test_a_good_answer_between_bad_ones_keeps_the_circuit_closed(tmp_path: Path) -> None:
    turn = 0

    def answer(connection: socket.socket) -> None:
        nonlocal turn
        turn += 1
        if turn % FAILURES:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with raw_server(answer) as (address, _), gateway(tmp_path, registry_url=address) as made:
        statuses = [made.client.post("/v1/areas").status_code for _ in range(60)]
    assert set(statuses) == {200, 502}
    assert statuses.count(200) == 12


def test_one_apps_open_circuit_is_nobody_elses(tmp_path: Path) -> None:
    app = App()
    with serving(app) as address, gateway(tmp_path, outcomes_url=address) as made:
        for _ in range(FAILURES + 3):
            assert made.client.get("/v1/areas").status_code == 503
        assert made.client.get("/v1/kpis").status_code == 200
        with made.stranger() as stranger:
            refused = stranger.get("/hsds/services")
            assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (503, "*")


NARROW = RouteTable(
    {prefix: Route(route.app, route.lane._replace(at_once=3)) for prefix, route in PREFIXES.items()}
)


@contextmanager
def full_lane(made: Gateway, app: App, path: str, at_once: int) -> Iterator[None]:
    """As many requests under way as a lane takes, none of which comes to an end."""
    go_on = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await go_on.wait()
        await reply(send, 200, b"{}")

    app.answers[path.rpartition("/")[2]] = waits
    with ThreadPoolExecutor(at_once) as pool:
        under_way = [pool.submit(made.client.post, path, content=b"a\n") for _ in range(at_once)]
        wait_until(lambda: len(loops) == at_once)
        yield
        loops[0].call_soon_threadsafe(go_on.set)
        assert {one.result().status_code for one in under_way} == {200}


def test_imports_that_take_all_their_room_leave_polling_alone(behind: Gateway, app: App) -> None:
    with full_lane(behind, app, "/v1/imports/hsds", IMPORT.at_once):
        started = time.monotonic()
        for _ in range(50):
            assert behind.client.get("/v1/areas").status_code == 200
            assert behind.client.get("/v1/localities/E1/cover").status_code == 200
        assert behind.client.post("/v1/imports/observations", content=b"a\n").status_code == 200
        assert time.monotonic() - started < IMPORT.wait_seconds
        reached_before = len(app.seen)
        full = behind.client.post("/v1/imports/hsds", content=b"a\n")
        assert (full.status_code, full.json()["app"]) == (503, "registry")
        assert "import" in full.json()["detail"]
        assert int(full.headers["retry-after"]) >= 1
        assert len(app.seen) == reached_before
    assert behind.client.post("/v1/imports/hsds", content=b"a\n").status_code == 200


def test_a_request_waits_for_a_place_that_becomes_free(tmp_path: Path) -> None:
    app = App()
    with serving(app) as address, gateway(tmp_path, registry_url=address, table=NARROW) as made:
        with ThreadPoolExecutor(1) as pool, full_lane(made, app, "/v1/areas/x", 3):
            waiting = pool.submit(made.client.post, "/v1/areas/y")
            time.sleep(0.3)
            assert not waiting.done()
            assert made.client.post("/v1/spend/y").status_code == 200
        assert waiting.result().status_code == 200


def test_who_leaves_gives_the_place_back(tmp_path: Path) -> None:
    app = App()

    async def hanging(scope: Any, receive: Any, send: Any) -> None:
        await wait_for_disconnect(receive)

    app.answers["hang"] = hanging
    with serving(app) as address, gateway(tmp_path, registry_url=address, table=NARROW) as made:
        for _ in range(4):
            with pytest.raises(httpx.ReadTimeout):
                made.client.post("/v1/areas/hang", timeout=0.2)
        assert made.client.post("/v1/areas/x").status_code == 200


def test_the_slow_lanes_together_leave_an_app_threads_for_the_quick() -> None:
    from hedgerow_gateway.domain.routes import EXPORT

    # Forty threads are what an app answers from.
    assert ANALYSIS.at_once + EXPORT.at_once + IMPORT.at_once <= 32 < 40 <= QUICK.at_once


def test_an_identity_outlives_the_wait_for_anothers_analysis() -> None:
    from hedgerow_gateway.api.identity import SPARE_SECONDS

    assert ANALYSIS.read_seconds + 2 * ANALYSIS.wait_seconds < SPARE_SECONDS


@pytest.mark.parametrize("sent_length", [True, False])
@pytest.mark.parametrize(("path", "most"), [("/v1/networks", 10_000_000), ("/v1/spend/x/decide", 10_000_000)])
def test_a_body_longer_than_the_route_takes_is_a_413(
    behind: Gateway, app: App, path: str, most: int, sent_length: bool
) -> None:
    def parts(length: int) -> Iterator[bytes]:
        for _ in range(length // 100_000):
            yield b"x" * 100_000
        yield b"x" * (length % 100_000)

    def sent(length: int) -> httpx.Response:
        headers = {"Content-Length": str(length)} if sent_length else {}
        return behind.client.post(path, content=parts(length), headers=headers)

    assert sent(most).status_code == 200
    refused = sent(most + 1)
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert "10,000,000" in refused.json()["detail"]
    assert behind.client.get("/v1/areas").status_code == 200


def test_trouble_is_never_much_more_than_doubled_by_retries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every second request on a connection is read and dropped: without a budget each would be sent twice."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        if connection.recv(65_536):
            dropped.append(1)
            connection.shutdown(socket.SHUT_RDWR)

    dropped: list[int] = []
    asked = 500
    with raw_server(answer) as (address, heads), gateway(tmp_path, registry_url=address) as made:
        statuses = [made.client.get(f"/v1/changes?after={n}").status_code for n in range(asked)]
        load = (reached(heads, b"/v1/changes") + len(dropped)) / asked
        assert set(statuses) == {200, 502}
        with capsys.disabled():
            print(f"\nretries: {load:.2f} × the requests reach an app that drops every second one")
        assert load <= 1 + RETRY_SHARE + 10 / asked + 0.01 <= 1.2


@contextmanager
def taking_no_connection() -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of an app that is up and too busy to take connections, and what lets it take them."""

    def take() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            while connection.recv(65_536):
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # They fill the queue of those who are connected and not taken; whoever comes then knocks again.
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield (
            f"http://127.0.0.1:{listening.getsockname()[1]}",
            threading.Thread(target=take, daemon=True).start,
        )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_app_that_is_slow_to_take_a_connection_is_waited_for(tmp_path: Path, method: str) -> None:
    with taking_no_connection() as (address, let_in), gateway(tmp_path, registry_url=address) as made:
        timer = threading.Timer(2.5, let_in)
        timer.start()
        assert made.client.request(method, "/v1/areas/1").status_code == 200
        timer.join()


def test_where_another_replica_is_it_is_asked_after_a_while_instead(tmp_path: Path) -> None:
    app = App()
    with taking_no_connection() as (busy, _), serving(app) as free:
        with gateway(tmp_path, registry_url=f"{busy},{free}") as made:
            assert [made.client.get("/v1/areas/1").status_code for _ in range(2)] == [200, 200]
        assert len(app.seen) == 2


def test_a_post_is_sent_once_whatever_happens(tmp_path: Path) -> None:
    with (
        raw_server(lambda connection: connection.shutdown(socket.SHUT_RDWR)) as (address, heads),
        gateway(tmp_path, registry_url=address) as made,
    ):
        sent = 0
        while made.client.post("/v1/areas/1", json={}).status_code == 502:
            sent += 1
        assert sent == reached(heads, b"POST /v1/areas/1") == FAILURES


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_post_with_a_key_is_sent_once_more_and_without_one_never(tmp_path: Path, body: bytes) -> None:
    broken = 1

    def answer(connection: socket.socket) -> None:
        nonlocal broken
        if broken:
            broken -= 1
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    with raw_server(answer) as (address, heads), gateway(tmp_path, registry_url=address) as made:
        key = {"Idempotency-Key": "a", "Content-Type": "application/json"}
        assert made.client.post("/v1/areas/1", content=body, headers=key).status_code == 201
        sent = [head for head in heads if head.startswith(b"POST ")]
        assert len(sent) == 2
        assert all(b"idempotency-key: a\r\n" in head.lower() for head in sent)
        broken = 1
        assert made.client.post("/v1/areas/1", content=body).status_code == 502
        for method in ("PUT", "PATCH", "DELETE"):
            broken = 1
            assert made.client.request(method, "/v1/areas/1", headers=key).status_code == 502
        broken = 1
        assert made.client.post("/v1/areas/1", content=iter([b"{}"]), headers=key).status_code == 502
        assert sum(head.split()[0] in (b"POST", b"PUT", b"PATCH", b"DELETE") for head in heads) == 7


def test_keyed_posts_to_an_app_that_drops_every_other_stay_within_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turn = 0

    def answer(connection: socket.socket) -> None:
        nonlocal turn
        turn += 1
        if turn % 2:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    asked = 500
    with raw_server(answer) as (address, heads), gateway(tmp_path, registry_url=address) as made:
        statuses = [
            made.client.post("/v1/areas/1", json={}, headers={"Idempotency-Key": f"{n}"}).status_code
            for n in range(asked)
        ]
        load = reached(heads, b"/v1/areas/1") / asked
    assert set(statuses) == {201, 502}
    with capsys.disabled():
        print(f"\nkeyed posts: {load:.2f} × the requests reach an app that drops every other one")
    assert load <= 1 + RETRY_SHARE + 10 / asked + 0.01 <= 1.2
