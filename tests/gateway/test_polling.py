"""Answers from memory: what is kept, for whom, in which encoding, and what makes the app be asked again."""

import asyncio
import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from tests.gateway.servers import App, Gateway, gateway, nobody_there, reply, serving, wait_until

LONG = b"[" + b", ".join(b'{"n": %d}' % n for n in range(500)) + b"]"


class Telling(App):
    """An app that tells its state and counts how often each address was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.state = "1"
        self.body = b'{"items": []}'
        self.more: tuple[tuple[bytes, bytes], ...] = ()

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "GET":
            await super().echo(scope, receive, send)
            return
        await reply(send, 200, self.body, tagged(self.body, *self.more))


def tagged(body: bytes, *more: tuple[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"etag", b'"%x"' % (hash(body) & 0xFFFFFFFF)),
        *more,
    )


@pytest.fixture
def app() -> Telling:
    return Telling()


@pytest.fixture
def behind(app: Telling, tmp_path: Path) -> Iterator[Gateway]:
    with (
        serving(app) as address,
        gateway(tmp_path, registry_url=address, network_url=address, outcomes_url=address) as made,
    ):
        yield settled(made)


def settled(made: Gateway) -> Gateway:
    """The gateway once it has heard of the states: what comes first of all is not kept."""
    for path in ("/v1/areas/first", "/v1/kpis/first", "/v1/relations/first"):
        for _ in range(2):
            made.client.get(path)
    return made


def asked(app: App, path: str) -> int:
    return sum(1 for seen in app.seen if seen["path"] == path)


def test_a_second_reader_is_answered_from_memory(behind: Gateway, app: Telling) -> None:
    first, second = (behind.client.get("/v1/areas") for _ in range(2))
    assert (second.status_code, second.content) == (200, first.content)
    moving = {name: second.headers[name] for name in ("date", "ratelimit")}
    assert dict(second.headers) == dict(first.headers) | moving
    assert asked(app, "/v1/areas") == 1


def test_once_its_state_is_another_the_app_is_asked_again(behind: Gateway, app: Telling) -> None:
    behind.client.get("/v1/areas")
    app.body = b'{"items": [1]}'
    assert behind.client.get("/v1/areas").json() == {"items": []}
    app.state = "2"
    assert behind.client.get("/v1/areas").json() == {"items": [1]}
    assert behind.client.get("/v1/areas").json() == {"items": [1]}
    assert asked(app, "/v1/areas") == 2


def test_who_has_it_already_is_told_so_without_a_question_to_the_app(behind: Gateway, app: Telling) -> None:
    tag = behind.client.get("/v1/areas").headers["etag"]
    for named in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        unchanged = behind.client.get("/v1/areas", headers={"If-None-Match": named})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == tag
        assert "content-length" not in unchanged.headers
    assert behind.client.get("/v1/areas", headers={"If-None-Match": '"other"'}).status_code == 200
    assert asked(app, "/v1/areas") == 1


def test_the_first_reader_is_told_so_too(behind: Gateway, app: Telling) -> None:
    tag = tagged(app.body)[2][1].decode()
    assert behind.client.get("/v1/areas/new", headers={"If-None-Match": tag}).status_code == 304
    assert dict(app.last["headers"]).get("if-none-match") is None


@pytest.mark.parametrize(
    ("accepted", "given"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("br", None),
        ("gzip;q=0", None),
        ("identity", None),
        ("", None),
        ("*;q=nonsense", None),
    ],
)
def test_an_answer_comes_in_the_encoding_asked_for_and_each_has_its_own_tag(
    behind: Gateway, app: Telling, accepted: str, given: str | None
) -> None:
    app.body = LONG
    for _ in range(2):
        with behind.client.stream("GET", "/v1/areas", headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding") == given
        assert "accept-encoding" in answer.headers["vary"].lower()
        plain = tagged(LONG)[2][1].decode()
        assert answer.headers["etag"] == (plain[:-1] + f'-{given}"' if given else plain)
        assert answer.headers["content-length"] == str(len(raw))
        assert len(raw) < len(LONG) / 2 if given else raw == LONG
    unpack = {"zstd": lambda part: zstandard.ZstdDecompressor().decompress(part), "gzip": gzip.decompress}
    assert unpack.get(given or "", lambda part: part)(raw) == LONG
    unchanged = behind.client.get(
        "/v1/areas", headers={"If-None-Match": answer.headers["etag"], "Accept-Encoding": accepted}
    )
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, answer.headers["etag"])
    assert asked(app, "/v1/areas") == 1


def test_a_short_answer_and_one_that_is_packed_already_are_not_compressed(
    behind: Gateway, app: Telling
) -> None:
    headers = {"Accept-Encoding": "gzip"}
    assert "content-encoding" not in behind.client.get("/v1/areas/short", headers=headers).headers

    async def workbook(scope: Any, receive: Any, send: Any) -> None:
        said = [pair for pair in tagged(LONG) if pair[0] != b"content-type"]
        await reply(send, 200, LONG, (*said, (b"content-type", b"application/vnd.apache.parquet")))

    app.answers["book"] = workbook
    assert "content-encoding" not in behind.client.get("/v1/areas/book", headers=headers).headers


def test_a_tag_read_in_any_encoding_is_good_for_a_write(behind: Gateway, app: Telling) -> None:
    app.body = LONG
    tag = behind.client.get("/v1/areas/1", headers={"Accept-Encoding": "gzip"}).headers["etag"]
    assert tag.endswith('-gzip"')
    behind.client.put("/v1/areas/1", json={}, headers={"If-Match": tag})
    assert dict(app.last["headers"])["if-match"] == tagged(LONG)[2][1].decode()


def test_answers_are_kept_apart_by_who_asks_for_what_in_which_way(behind: Gateway, app: Telling) -> None:
    def reader(role: str, authority: str) -> dict[str, str]:
        wanted = {"name": "k", "roles": [role], "authorities": [authority]}
        key = behind.client.post("/v1/keys", json=wanted).json()["key"]
        return {"Authorization": f"Bearer {key}"}

    readers = [
        reader("reader", "E08000009"),
        reader("reader", "E08000010"),
        reader("commissioner", "E08000009"),
    ]
    for headers in ({}, *readers, *({"Accept": kind} for kind in ("application/json", "text/csv"))):
        behind.client.get("/v1/contracts", headers=headers)
    behind.client.get("/v1/contracts?limit=1")
    assert asked(app, "/v1/contracts") == 7
    same = reader("reader", "E08000009")
    behind.client.get("/v1/contracts", headers=same)
    assert asked(app, "/v1/contracts") == 7


def test_the_open_feed_and_a_key_holders_answer_are_two(behind: Gateway, app: Telling) -> None:
    with behind.stranger() as stranger:
        for _ in range(2):
            behind.client.get("/v1/pipeline")
            found = stranger.get("/v1/pipeline")
            assert found.headers["access-control-allow-origin"] == "*"
    assert asked(app, "/v1/pipeline") == 2
    assert "access-control-allow-origin" not in behind.client.get("/v1/pipeline").headers


@pytest.mark.parametrize(
    "said",
    [
        ((b"cache-control", b"no-store"),),
        ((b"content-encoding", b"gzip"),),
    ],
)
def test_what_the_app_says_not_to_keep_is_not_kept(behind: Gateway, app: Telling, said: Any) -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body = gzip.compress(b"{}")
        await reply(send, 200, body, tagged(body, *said))

    app.answers["particular"] = answer
    for _ in range(3):
        behind.client.get("/v1/areas/particular")
    assert asked(app, "/v1/areas/particular") == 3


@pytest.mark.parametrize("status", [201, 404, 422, 500, 503])
def test_only_what_was_found_is_kept(behind: Gateway, app: Telling, status: int) -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, status, b"{}", tagged(b"{}"))

    app.answers["other"] = answer
    for _ in range(2):
        assert behind.client.get("/v1/areas/other").status_code == status
    assert asked(app, "/v1/areas/other") == 2


def test_an_answer_without_tag_or_length_passes_as_it_comes(behind: Gateway, app: Telling) -> None:
    go_on = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def lines(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"etag", b'"1"')]})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second\n"})

    app.answers["lines"] = lines
    with behind.client.stream("GET", "/v1/areas/lines") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first\n"
        loops[0].call_soon_threadsafe(go_on.set)
        assert b"".join(parts) == b"second\n"


def test_an_answer_too_long_to_keep_passes_and_still_is_not_sent_to_who_has_it(
    behind: Gateway, app: Telling
) -> None:
    app.body = b"x" * 3_000_000
    whole = behind.client.get("/v1/areas/long")
    assert whole.content == app.body
    had = behind.client.get("/v1/areas/long", headers={"If-None-Match": whole.headers["etag"]})
    assert (had.status_code, had.content) == (304, b"")
    assert asked(app, "/v1/areas/long") == 2


def test_a_request_that_asks_for_more_than_the_answer_goes_to_the_app(behind: Gateway, app: Telling) -> None:
    behind.client.get("/v1/areas/1")
    for headers in ({"If-Match": '"1"'}, {"Range": "bytes=0-1"}, {"Cache-Control": "no-store"}):
        behind.client.get("/v1/areas/1", headers=headers)
    assert asked(app, "/v1/areas/1") == 4


def test_a_head_is_answered_from_memory_with_what_a_get_would_say(behind: Gateway, app: Telling) -> None:
    got = behind.client.get("/v1/areas/1")
    head = behind.client.head("/v1/areas/1")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "vary"):
        assert head.headers[name] == got.headers[name]
    same = behind.client.head("/v1/areas/1", headers={"If-None-Match": got.headers["etag"]})
    assert same.status_code == 304
    assert asked(app, "/v1/areas/1") == 1


@pytest.mark.parametrize("path", ["/v1/changes", "/v1/projection"])
def test_some_routes_are_never_kept(behind: Gateway, app: Telling, path: str) -> None:
    for _ in range(3):
        behind.client.get(path)
    assert asked(app, path) == 3


def test_many_who_ask_the_same_at_once_are_one_question(behind: Gateway, app: Telling) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await reply(send, 200, LONG, tagged(LONG))

    app.answers["slow"] = slow
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: behind.client.get("/v1/areas/slow"), range(30)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, LONG)}
    assert asked(app, "/v1/areas/slow") == 1


def test_who_came_after_a_change_is_not_given_an_answer_that_was_asked_for_before_it(
    behind: Gateway, app: Telling
) -> None:
    """A question is under way when a write is acknowledged: who comes now has to see what was written."""
    held = 0

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        nonlocal held
        held += 1
        body = app.body
        await asyncio.sleep(0.4)
        await reply(send, 200, body, tagged(body))

    app.answers["slow"] = slow
    with ThreadPoolExecutor(10) as pool:
        before = pool.submit(behind.client.get, "/v1/areas/slow")
        wait_until(lambda: held == 1)
        app.body, app.state = b'{"new": true}', "2"
        after = [pool.submit(behind.client.get, "/v1/areas/slow") for _ in range(8)]
        assert before.result().json() == {"items": []}
        assert [one.result().json() for one in after] == [{"new": True}] * 8
    assert held == 2


def test_trouble_is_shared_by_those_who_wait_for_it_and_not_kept(behind: Gateway, app: Telling) -> None:
    async def trouble(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await reply(send, 503, b'{"title": "no"}')

    app.answers["trouble"] = trouble
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: behind.client.get("/v1/areas/trouble"), range(10)))
    assert {answer.status_code for answer in answers} == {503}
    assert asked(app, "/v1/areas/trouble") == 1
    behind.client.get("/v1/areas/trouble")
    assert asked(app, "/v1/areas/trouble") == 2


def test_what_is_not_to_be_kept_each_asks_for_alone(behind: Gateway, app: Telling) -> None:
    async def missing(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.2)
        await reply(send, 404, b"{}")

    app.answers["missing"] = missing
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: behind.client.get("/v1/areas/missing"), range(5)))
    assert {answer.status_code for answer in answers} == {404}


def test_who_reads_a_stream_slowly_holds_up_nobody_who_asks_for_the_same(
    behind: Gateway, app: Telling
) -> None:
    go_on = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def lines(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        if len(loops) == 1:
            await go_on.wait()
        await send({"type": "http.response.body", "body": b"second\n"})

    app.answers["services"] = lines
    path = "/hsds/services?format=ndjson"
    with behind.stranger() as slow, behind.stranger() as quick, slow.stream("GET", path) as first:
        parts = first.iter_raw()
        assert next(parts) == b"first\n"
        assert quick.get(path, timeout=5).content == b"first\nsecond\n"
        loops[0].call_soon_threadsafe(go_on.set)
        assert b"".join(parts) == b"second\n"


def test_when_the_one_who_asked_leaves_another_asks_for_those_who_wait(behind: Gateway, app: Telling) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1.0)
        await reply(send, 200, LONG, tagged(LONG))

    app.answers["slow"] = slow
    impatient = httpx.Client(base_url=behind.url, headers=behind.client.headers, timeout=0.4, trust_env=False)
    with ThreadPoolExecutor(5) as pool:
        leaving = pool.submit(impatient.get, "/v1/areas/slow")
        wait_until(lambda: asked(app, "/v1/areas/slow") == 1)
        staying = [pool.submit(behind.client.get, "/v1/areas/slow") for _ in range(4)]
        with pytest.raises(httpx.ReadTimeout):
            leaving.result()
        impatient.close()
        assert [one.result().content for one in staying] == [LONG] * 4
    assert asked(app, "/v1/areas/slow") == 2


def test_an_answer_that_breaks_off_while_it_is_held_back_is_a_502(behind: Gateway, app: Telling) -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": tagged(LONG)})
        await send({"type": "http.response.body", "body": LONG[:100], "more_body": True})
        raise RuntimeError("dies")

    app.answers["half"] = half
    answer = behind.client.get("/v1/areas/half")
    assert (answer.status_code, answer.json()["app"]) == (502, "registry")
    assert behind.client.get("/v1/areas").status_code == 200


def test_an_app_that_does_not_tell_its_state_is_asked_each_time(tmp_path: Path) -> None:
    silent = App()
    with serving(silent) as address, gateway(tmp_path, registry_url=address) as made:
        for _ in range(3):
            assert made.client.get("/v1/areas").status_code == 200
        assert len(silent.seen) == 3


def test_nothing_is_given_from_memory_while_its_app_is_away(tmp_path: Path) -> None:
    telling = Telling()
    with serving(telling) as address, gateway(tmp_path, registry_url=address) as made:
        settled(made)
        assert made.client.get("/v1/areas").status_code == 200
        telling.state = None
        telling.body = b'{"items": [2]}'
        assert made.client.get("/v1/areas").json() == {"items": [2]}
    with gateway(tmp_path, registry_url=nobody_there()) as made:
        assert made.client.get("/v1/areas").status_code == 503


def test_a_state_is_told_by_whichever_replica_is_there(tmp_path: Path) -> None:
    one, other = Telling(), Telling()
    with serving(other) as stays:
        with serving(one) as leaves:
            addresses = ",".join((nobody_there(), leaves, stays))
            with gateway(tmp_path, registry_url=addresses) as made:
                settled(made)
                for _ in range(4):
                    made.client.get("/v1/areas")
                assert asked(one, "/v1/areas") + asked(other, "/v1/areas") == 1
        with gateway(tmp_path, registry_url=addresses) as made:
            settled(made)
            one.seen.clear()
            other.seen.clear()
            for _ in range(4):
                assert made.client.get("/v1/areas").status_code == 200
            assert (asked(one, "/v1/areas"), asked(other, "/v1/areas")) == (0, 1)


def test_memory_is_bounded_and_what_was_not_read_for_longest_goes_first(tmp_path: Path) -> None:
    telling = Telling()
    telling.body = b"x" * 300_000
    with (
        serving(telling) as address,
        gateway(tmp_path, registry_url=address, kept_answers_megabytes=1) as made,
    ):
        settled(made)
        for name in ("a", "b", "c", "a", "d", "a", "b"):
            made.client.get(f"/v1/areas/{name}")
        assert [asked(telling, f"/v1/areas/{name}") for name in "abcd"] == [1, 2, 1, 1]


def test_long_addresses_count_as_well(tmp_path: Path) -> None:
    telling = Telling()
    with (
        serving(telling) as address,
        gateway(tmp_path, registry_url=address, kept_answers_megabytes=1) as made,
    ):
        settled(made)
        long = "x" * 7000
        for n in [*range(150), 0]:
            made.client.get(f"/v1/areas/n?{n}{long}")
        # A hundred and some fit: the first is gone.
        assert asked(telling, "/v1/areas/n") == 151


def test_the_state_of_an_app_is_not_to_be_had_through_the_gateway(behind: Gateway) -> None:
    assert behind.client.get("/state").status_code == 404
    assert behind.client.get("/v1/state").status_code == 404
