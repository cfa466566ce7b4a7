"""The composition as plain processes: two of each app behind two gateways, on one PostgreSQL."""

import asyncio
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager

import aiohttp
import httpx
import psycopg
import pytest
from hedgerow_gateway.upstream.asking import LAST, Asking
from yarl import URL

from tests.support import postgres
from tests.support.deployment import APPS, Deployment, deployment

AREA = "E05000001"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of its own: roles belong to a whole server."""
    url, _, stop = postgres.from_wheel()
    try:
        yield url
    finally:
        stop()


@pytest.fixture(scope="module")
def running(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("deployment"), server) as made:
        client = httpx.Client(base_url=made.gateways()[0], headers=made.headers(), timeout=60)
        sent = client.post(
            "/v1/imports/areas",
            content=f"code,name,level,parent_code,vintage\n{AREA},Ash,ward,,2023\n",
            headers={"Content-Type": "text/csv"},
        )
        assert sent.status_code == 200, sent.text
        yield made


class Balancer:
    """Sends requests as a load balancer does: to who is ready, elsewhere if nobody is there, never twice.

    Reads go as the gateway's own do, on kept connections and for little, so that there can be many of them.
    """

    def __init__(self, running: Deployment) -> None:
        self._addresses = running.gateways()
        self._ready = dict.fromkeys(self._addresses, True)
        self._headers = [(name.lower().encode(), said.encode()) for name, said in running.headers().items()]
        self._reading = Asking()
        self._writing = httpx.AsyncClient(headers=running.headers(), timeout=30)
        self._turn = 0
        self.answers: Counter[str] = Counter()

    async def watch(self) -> None:
        async with httpx.AsyncClient(timeout=1) as asking:
            while True:
                for address in self._addresses:
                    try:
                        answer = await asking.get(f"{address}/readyz/alone")
                        self._ready[address] = answer.status_code == 200
                    except httpx.HTTPError:
                        self._ready[address] = False
                await asyncio.sleep(0.3)

    async def send(self, path: str, content: str | None = None) -> None:
        """Read a path, or send it a file."""
        method = "GET" if content is None else "POST"
        self._turn += 1
        turned = [
            self._addresses[(self._turn + place) % len(self._addresses)]
            for place in range(len(self._addresses))
        ]
        said = "nobody took the connection"
        for address in sorted(turned, key=lambda one: not self._ready[one]):
            try:
                if content is None:
                    status, text = await self._read(address, path)
                else:
                    status, text = await self._write(address, path, content)
            except (httpx.ConnectError, aiohttp.ClientConnectorError):
                continue
            except (httpx.HTTPError, aiohttp.ClientError, TimeoutError) as error:
                said = f"{method} {path}: {error!r}"
            else:
                said = "good" if status < 300 else f"{method} {path}: {status} {text}"
            break
        self.answers[said] += 1

    async def _read(self, address: str, path: str) -> tuple[int, str]:
        async with asyncio.timeout(30):
            answer = await self._reading.ask(URL(address), "GET", path.encode(), self._headers, LAST)
            async with answer:
                return answer.status, (await answer.content.read()).decode()

    async def _write(self, address: str, path: str, content: str) -> tuple[int, str]:
        answer = await self._writing.post(
            address + path, content=content, headers={"Content-Type": "text/csv"}
        )
        return answer.status_code, answer.text

    async def close(self) -> None:
        await self._reading.close()
        await self._writing.aclose()


@asynccontextmanager
async def load(running: Deployment, *, workers: int) -> AsyncIterator[Balancer]:
    """Readers of all apps and a writer, for as long as the block lasts."""
    balancer = Balancer(running)
    stopping = asyncio.Event()

    async def read(worker: int) -> None:
        paths = (
            f"/v1/areas/{AREA}",
            "/v1/services?limit=5",
            "/v1/kpis?limit=7",
            "/v1/networks",
            "/v1/projection",
        )
        number = worker
        while not stopping.is_set():
            number += 1
            await balancer.send(paths[number % len(paths)])

    async def write() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            await balancer.send(
                "/v1/imports/areas", f"code,name,level,parent_code,vintage\n{AREA},Ash {number},ward,,2023\n"
            )
            # Each ends the kept answers: between two of them reads are answered in both ways.
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(balancer.watch())
    tasks = [asyncio.create_task(read(worker)) for worker in range(workers)] + [asyncio.create_task(write())]
    try:
        yield balancer
    finally:
        stopping.set()
        await asyncio.gather(*tasks)
        watching.cancel()
        await balancer.close()


@contextmanager
def half_open(running: Deployment, app: str, replica: int, begun: Sequence[str]) -> Iterator[None]:
    """Callers of a replica who never end what they have begun."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in running.headers().items())
    with ExitStack() as stack:
        for part in begun:
            place = ("127.0.0.1", running.ports[app][replica])
            caller = stack.enter_context(socket.create_connection(place))
            caller.sendall(part.format(headers=headers).encode())
        yield


async def restart_all(running: Deployment, *, begun: Sequence[str]) -> list[float]:
    """Each replica of each app in its turn: told to stop with callers half-way, started again, waited for."""
    seconds = []
    for app in APPS:
        for replica in range(len(running.ports[app])):
            with half_open(running, app, replica, begun):
                seconds.append(await asyncio.to_thread(running.stop, app, replica))
            running.start(app, replica)
            await asyncio.to_thread(running.wait_until_ready, app, replica)
    return seconds


def test_no_app_owns_more_than_its_database(running: Deployment, server: str) -> None:
    with psycopg.connect(server) as connection:
        rows = connection.execute(
            "SELECT datname, pg_get_userbyid(datdba), rolsuper, rolcreatedb, rolcreaterole, rolbypassrls"
            " FROM pg_database JOIN pg_roles ON rolname = datname WHERE datname LIKE 'hedgerow%'"
        ).fetchall()
    assert {row[0] for row in rows} == {f"hedgerow_{app}" for app in APPS}
    assert all(row[0] == row[1] and not any(row[2:]) for row in rows)


def test_the_steps_come_before_the_apps(running: Deployment) -> None:
    assert running.done[-1] == "gateway"
    assert running.done.index("gateway-prepare") < running.done.index("registry")
    for app in APPS[:3]:
        assert running.done.index(f"{app}-migrate") < running.done.index(app)


# An app waits ten seconds for a body that has begun to come: with these each stop takes as long as it may.
HALF_A_BODY = (
    "POST /v1/imports/areas HTTP/1.1\r\nHost: h\r\n{headers}Content-Type: text/csv\r\n"
    "Content-Length: 1000\r\n\r\ncode,name"
)
HALF_A_HEAD = ("GET /v1/ar", "GET /v1/areas HTTP/1.1\r\nHost: h\r\n", "GET /v1/areas HTTP/1.1\r\n{headers}")


@pytest.mark.parametrize(
    ("least", "begun"),
    [
        (500, HALF_A_HEAD),
        pytest.param(50_000, (*HALF_A_HEAD, HALF_A_BODY), marks=pytest.mark.slow),
    ],
    ids=["500", "50000"],
)
def test_a_rolling_restart_loses_no_request(running: Deployment, least: int, begun: Sequence[str]) -> None:
    async def roll() -> tuple[Counter[str], list[float]]:
        seconds: list[float] = []
        async with load(running, workers=16) as balancer:
            while balancer.answers.total() < least:
                seconds += await restart_all(running, begun=begun)
        return balancer.answers, seconds

    answers, seconds = asyncio.run(roll())
    failed = answers.total() - answers["good"]
    print(
        f"{failed} of {answers.total()} requests failed in {len(seconds)} restarts,"
        f" {max(seconds):.1f} s for the slowest stop"
    )
    assert set(answers) == {"good"}, answers
    assert max(seconds) <= 20


@pytest.mark.parametrize("app", APPS[:3])
def test_an_app_that_is_killed_takes_nobody_along_and_comes_back_by_itself(
    running: Deployment, app: str
) -> None:
    path = {"registry": "/v1/areas", "network": "/v1/networks", "outcomes": "/v1/kpis"}
    client = httpx.Client(base_url=running.gateways()[0], headers=running.headers(), timeout=30)
    for replica in range(len(running.ports[app])):
        running.stop(app, replica, signal.SIGKILL)
    for other in APPS[:3]:
        answer = client.get(path[other])
        assert answer.status_code == (503 if other == app else 200), answer.text
        # No balancer takes a gateway away for it.
        assert client.get("/readyz/alone").status_code == 200
        if other == app:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["app"] == app
    for replica in range(len(running.ports[app])):
        running.start(app, replica)
    ends = time.monotonic() + 60
    while client.get(path[app]).status_code != 200:
        assert time.monotonic() < ends, "it did not come back"
        time.sleep(0.2)
