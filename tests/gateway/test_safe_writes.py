"""Safe writes through the gateway, over apps of their own processes: done once, and no change is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway import actions

from tests.gateway.servers import gateway
from tests.support.app_process import app_process
from tests.support.databases import Databases
from tests.support.platform import free_port

NETWORKS = "/v1/networks"
IN_FLIGHT = 50

Work = Callable[[httpx.AsyncClient], Awaitable[Any]]


@dataclass
class Network:
    """A gateway before a network app of its own process, which can be killed and started again."""

    url: str
    headers: dict[str, str]
    database_url: str
    keys: Path
    port: int
    process: Any = None

    @contextmanager
    def started(self) -> Iterator[None]:
        with app_process("network", self.database_url, keys=self.keys, port=self.port, up="/healthz") as app:
            self.process = app.process
            yield

    def do(self, work: Work) -> Any:
        """What comes of some work with an asynchronous client of the gateway."""

        async def run() -> Any:
            limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
            async with httpx.AsyncClient(
                base_url=self.url, headers=self.headers, timeout=120, trust_env=False, limits=limits
            ) as client:
                return await work(client)

        return asyncio.run(run())


@pytest.fixture
def network(made_databases: Databases, tmp_path: Path) -> Iterator[Network]:
    keys = actions.load_keyring(tmp_path).published
    port = free_port()
    own = made_databases.migrated("hedgerow_gateway")
    with gateway(tmp_path, database_url=own, network_url=f"http://127.0.0.1:{port}") as made:
        yield Network(
            made.url, dict(made.client.headers), made_databases.migrated("hedgerow_network"), keys, port
        )


async def sent(client: httpx.AsyncClient, key: str, name: str) -> httpx.Response:
    """What comes of a write with a key, sent again as told where its lane had no room in time."""
    while True:
        answer = await client.post(NETWORKS, json={"name": name}, headers={"Idempotency-Key": key})
        if answer.status_code != 503 or "of this kind" not in answer.json()["detail"]:
            return answer
        await asyncio.sleep(int(answer.headers["retry-after"]))


async def names(client: httpx.AsyncClient) -> Counter[str]:
    """How often there is a network of each name."""
    found: Counter[str] = Counter()
    after = None
    while True:
        params = {"limit": 1000} | ({"after": after} if after else {})
        page = (await client.get(NETWORKS, params=params)).json()
        found.update(item["name"] for item in page["items"])
        after = page["next"]
        if after is None:
            return found


def told(capsys: pytest.CaptureFixture[str], figures: str) -> None:
    with capsys.disabled():
        print(f"\n{figures}")


@pytest.mark.parametrize("trials", [10, pytest.param(1000, marks=pytest.mark.slow)])
def test_of_fifty_who_send_one_key_at_once_one_is_done(
    network: Network, trials: int, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: Counter[int] = Counter()

    async def race(client: httpx.AsyncClient) -> Counter[str]:
        for number in range(trials):
            key, name = f"trial {number}", f"Food {number}"
            answers = await asyncio.gather(*(sent(client, key, name) for _ in range(IN_FLIGHT)))
            statuses.update(answer.status_code for answer in answers)
            done = [answer for answer in answers if answer.status_code == 201]
            assert len({answer.content for answer in done}) == 1
            for answer in answers:
                if answer.status_code != 201:
                    assert answer.status_code == 409, answer.text
                    assert answer.json()["type"].endswith("idempotency-key-under-way")
                    assert answer.headers["retry-after"] == "1"
            again = await sent(client, key, name)
            assert (again.status_code, again.content) == (201, done[0].content)
            assert again.headers["idempotency-replayed"] == "true"
            other = await sent(client, key, "Warmth")
            assert other.status_code == 422
            assert other.json()["type"].endswith("idempotency-key-reused")
        return await names(client)

    with network.started():
        effects = network.do(race)
    told(capsys, f"one key {IN_FLIGHT} times at once, {dialect}: {dict(statuses)} in {trials} trials")
    assert effects == {f"Food {number}": 1 for number in range(trials)}


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_key_whose_app_was_killed_is_done_once_when_it_is_sent_again(
    network: Network, kills: int, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(11)
    before: dict[str, bytes] = {}
    seen: Counter[str] = Counter()

    async def interrupted(client: httpx.AsyncClient, number: int) -> None:
        await up(client)
        keys = [f"{number}.{one}" for one in range(IN_FLIGHT)]
        under_way = asyncio.gather(*(sent(client, key, key) for key in keys))
        await asyncio.sleep(draw.uniform(0.02, 0.4))
        network.process.kill()
        for key, answer in zip(keys, await under_way, strict=True):
            assert answer.status_code in (201, 502, 503), answer.text
            seen[f"first {answer.status_code}"] += 1
            if answer.status_code == 201:
                before[key] = answer.content

    async def repeated(client: httpx.AsyncClient, number: int) -> None:
        await up(client)
        for key in [f"{number}.{one}" for one in range(IN_FLIGHT)]:
            answer = await sent(client, key, key)
            assert answer.status_code == 201, answer.text
            is_replayed = "idempotency-replayed" in answer.headers
            seen["then replayed" if is_replayed else "then done"] += 1
            assert is_replayed or key not in before
            assert answer.content == before.get(key, answer.content)

    async def up(client: httpx.AsyncClient) -> None:
        """Wait until the circuit is closed again."""
        async with asyncio.timeout(60):
            while (await client.get(NETWORKS, params={"limit": 1})).status_code != 200:
                await asyncio.sleep(0.05)

    for number in range(kills):
        with network.started():
            network.do(lambda client, number=number: interrupted(client, number))
        with network.started():
            network.do(lambda client, number=number: repeated(client, number))
    with network.started():
        effects = network.do(lambda client: names_when(client, up))
    trials = kills * IN_FLIGHT
    told(capsys, f"killed with {IN_FLIGHT} keys under way, {dialect}: {dict(seen)} in {trials} trials")
    assert effects == {f"{number}.{one}": 1 for number in range(kills) for one in range(IN_FLIGHT)}


async def names_when(client: httpx.AsyncClient, up: Work) -> Counter[str]:
    await up(client)
    return await names(client)


# How many write at once: few most of the time, sixteen now and then.
WRITERS = (2, 2, 4, 2, 2, 8, 2, 2, 4, 2, 2, 16)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("rounds", [24, pytest.param(5000, marks=pytest.mark.slow)])
def test_of_all_who_change_what_they_have_read_one_does_and_nothing_is_lost(
    network: Network, method: str, rounds: int, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: Counter[int] = Counter()
    lost = 0

    async def contest(client: httpx.AsyncClient) -> None:
        nonlocal lost
        where = f"{NETWORKS}/contested"
        tag = (await client.put(where, json={"name": "new"})).headers["etag"]
        for number in range(rounds):
            writers = WRITERS[number % len(WRITERS)]
            wanted = [f"{number}.{writer}" for writer in range(writers)]
            answers = await asyncio.gather(
                *(
                    client.request(method, where, json={"name": name}, headers={"If-Match": tag})
                    for name in wanted
                )
            )
            statuses.update(answer.status_code for answer in answers)
            won = [name for name, answer in zip(wanted, answers, strict=True) if answer.status_code == 200]
            read = await client.get(where)
            lost += len(won) - 1 if read.json()["name"] in won else len(won) or 1
            tag = read.headers["etag"]
            if number % 10 == 0:
                bare = await client.request(method, where, json={"name": "unread"})
                assert bare.status_code == 428, bare.text
        versions = await client.get(f"{where}/versions", params={"limit": 1})
        assert versions.status_code == 200

    with network.started():
        network.do(contest)
    told(capsys, f"{method} by 2 to 16 writers, {dialect}: {lost} lost in {rounds} rounds, {dict(statuses)}")
    assert lost == 0
    assert statuses == {200: rounds, 412: statuses[412]}
