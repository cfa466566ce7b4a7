"""What the gateway passes on: everything that matters, unchanged, both ways."""

import asyncio
import gzip
import json
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from hedgerow_gateway.upstream.asking import LAST, Asking
from yarl import URL

from tests.gateway.servers import App, Gateway, gateway, raw_server, reply, serving


def test_method_path_query_and_body_arrive_as_sent(behind: Gateway, app: App) -> None:
    answer = behind.client.request(
        "PATCH", "/v1/areas/a%20b%3Ac?q=%26x&q=2&empty=", content=b'{"name": "\xc3\xa9"}'
    )
    assert answer.content == b'{"name": "\xc3\xa9"}'
    assert app.last["method"] == "PATCH"
    assert app.last["path"] == "/v1/areas/a%20b%3Ac"
    assert app.last["query"] == "q=%26x&q=2&empty="


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_is_passed_on(behind: Gateway, app: App, method: str) -> None:
    answer = behind.client.request(method, "/v1/areas")
    assert answer.status_code == 200
    assert app.last["method"] == method


def test_the_headers_that_matter_to_an_app_arrive(behind: Gateway, app: App) -> None:
    sent = {
        "Accept": "text/csv",
        "Accept-Language": "en-GB",
        "Content-Type": "text/csv",
        "Content-Encoding": "gzip",
        "If-Match": '"1"',
        "Idempotency-Key": "k1",
        "Prefer": "return=minimal",
        "User-Agent": "council/1",
    }
    behind.client.post("/v1/imports/areas", content=gzip.compress(b"code\n"), headers=sent)
    arrived = dict(app.last["headers"])
    assert {name: arrived.get(name.lower()) for name in sent} == sent


def test_an_answers_status_and_headers_come_back(behind: Gateway, app: App) -> None:
    async def made(scope: Any, receive: Any, send: Any) -> None:
        headers = (
            (b"content-type", b"application/json"),
            (b"location", b"/v1/areas/1"),
            (b"link", b'</v1/areas?after=x>; rel="next"'),
            (b"etag", b'"7"'),
            (b"x-several", b"1"),
            (b"x-several", b"2"),
            (b"connection", b"x-secret"),
            (b"x-secret", b"1"),
            (b"server", b"inner"),
            (b"set-cookie", b"a=1"),
            (b"content-length", b"2"),
        )
        await reply(send, 201, b"{}", headers)

    app.answers["made"] = made
    answer = behind.client.post("/v1/areas/made")
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/areas/1"
    assert answer.headers["link"].startswith("</v1/areas?after=x>")
    assert answer.headers["etag"] == '"7"'
    assert answer.headers.get_list("x-several") == ["1", "2"]
    for kept_back in ("x-secret", "server", "set-cookie"):
        assert kept_back not in answer.headers
    assert len(answer.headers.get_list("date")) == 1


def test_a_304_comes_back_without_a_body(behind: Gateway, app: App) -> None:
    async def unchanged(scope: Any, receive: Any, send: Any) -> None:
        assert (b"if-none-match", b'"7"') in scope["headers"]
        await send({"type": "http.response.start", "status": 304, "headers": [(b"etag", b'"7"')]})
        await send({"type": "http.response.body"})

    app.answers["same"] = unchanged
    answer = behind.client.get("/v1/areas/same", headers={"If-None-Match": '"7"'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"7"')


def test_a_redirect_is_the_callers_to_follow(behind: Gateway, app: App) -> None:
    async def moved(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 307, b"", ((b"location", b"/v1/areas/other"), (b"content-length", b"0")))

    app.answers["moved"] = moved
    answer = behind.client.get("/v1/areas/moved")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/v1/areas/other"
    assert len(app.seen) == 1


def test_a_compressed_answer_stays_compressed(behind: Gateway, app: App) -> None:
    packed = gzip.compress(b"x" * 10_000)

    async def compressed(scope: Any, receive: Any, send: Any) -> None:
        headers = ((b"content-encoding", b"gzip"), (b"content-length", str(len(packed)).encode()))
        await reply(send, 200, packed, headers)

    app.answers["gz"] = compressed
    with behind.client.stream("GET", "/v1/areas/gz") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-length"] == str(len(packed))
        assert b"".join(answer.iter_raw()) == packed


def test_what_only_tells_that_an_answer_will_come_is_not_the_answer(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with raw_server(answer) as (address, _), gateway(tmp_path, registry_url=address) as made:
        got = made.client.get("/v1/areas")
    assert (got.status_code, got.content) == (200, b"{}")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_app_may_be_below_a_path_of_its_host(tmp_path: Path, app: App, method: str) -> None:
    with serving(app) as address, gateway(tmp_path, registry_url=f"{address}/below") as made:
        assert made.client.request(method, "/v1/areas?q=1").status_code == 200
    assert (app.last["path"], app.last["query"]) == ("/below/v1/areas", "q=1")


def test_a_line_end_within_a_header_is_not_sent() -> None:
    async def ask(value: bytes) -> None:
        asking = Asking()
        try:
            with raw_server(lambda connection: None) as (address, heads):
                with pytest.raises(ValueError, match="a line end"):
                    await asking.ask(URL(address), "GET", b"/", [(b"accept", value)], LAST)
                assert heads == []
        finally:
            await asking.close()

    for value in (b"a\r\nx-user: b", b"a\nx-user: b", b"a\rb"):
        asyncio.run(ask(value))


def test_a_head_has_the_length_of_the_answer_and_no_body(behind: Gateway, app: App) -> None:
    async def long(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 200, b"x" * 12_345, ((b"content-length", b"12345"),))

    app.answers["long"] = long
    answer = behind.client.head("/v1/areas/long")
    assert (app.last["method"], answer.status_code) == ("GET", 200)
    assert answer.headers["content-length"] == "12345"
    assert answer.content == b""
    assert behind.client.get("/v1/areas").status_code == 200


def test_nobody_makes_a_long_answer_for_a_head(behind: Gateway, app: App) -> None:
    left = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    app.answers["endless"] = endless
    assert behind.client.head("/v1/areas/endless").status_code == 200
    assert left.wait(30)


def test_an_answer_of_unknown_length_arrives_as_it_is_made(behind: Gateway, app: App) -> None:
    import asyncio

    go_on = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def lines(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second\n"})

    app.answers["lines"] = lines
    with behind.client.stream("GET", "/v1/areas/lines") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first\n"
        loops[0].call_soon_threadsafe(go_on.set)
        assert b"".join(parts) == b"second\n"


def test_a_body_reaches_the_app_before_it_is_whole(behind: Gateway, app: App) -> None:
    import threading

    first_seen = threading.Event()

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        length = 0
        more = True
        while more:
            message = await receive()
            length += len(message["body"])
            more = message["more_body"]
            if length:
                first_seen.set()
        await reply(send, 200, str(length).encode())

    def parts() -> Any:
        yield b"x" * 1000
        assert first_seen.wait(10)
        yield b"y" * 1000

    app.answers["watch"] = watching
    assert behind.client.post("/v1/areas/watch", content=parts()).text == "2000"


def test_an_app_may_answer_before_the_body_is_whole(behind: Gateway, app: App) -> None:
    async def early(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, 422, b'{"title":"no"}')

    app.answers["early"] = early
    answer = behind.client.post("/v1/areas/early", content=b"x" * 300_000)
    assert answer.status_code == 422
    assert behind.client.get("/v1/areas").status_code == 200


def test_the_app_is_told_who_asks_by_a_signed_identity_and_never_sees_the_key(
    behind: Gateway, app: App
) -> None:
    from hedgerow_kit.auth import Verifier

    behind.client.get("/v1/areas")
    sent = dict(app.last["headers"])["authorization"]
    assert behind.key not in json.dumps(app.last)
    keys = behind.data_dir / "gateway" / "identity.jwks.json"
    principal = Verifier(keys, audience="registry").principal(sent.removeprefix("Bearer "))
    assert principal.subject == f"key:{behind.key.split('_')[1]}"
    assert principal.roles == {"administrator"}
    assert principal.authorities == {"*"}


def test_each_app_gets_an_identity_that_only_it_will_take(behind: Gateway, app: App) -> None:
    import jwt

    for path, audience in (("/v1/areas", "registry"), ("/v1/kpis", "outcomes"), ("/v1/networks", "network")):
        behind.client.get(path)
        token = dict(app.last["headers"])["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["aud"] == audience
        assert claims["exp"] - claims["iat"] <= 300


def test_an_identity_is_signed_once_and_used_again_while_it_lasts(behind: Gateway, app: App) -> None:
    behind.client.get("/v1/areas")
    behind.client.get("/v1/areas")
    first, second = (dict(seen["headers"])["authorization"] for seen in app.seen)
    assert first == second


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer nonsense",
        "Bearer hedgerow_0123456789abcdef_" + "a" * 43,
        "Bearer hedgerow_0123456789abcdef_" + "a" * 42,
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer " + "a" * 8000,
    ],
)
def test_without_a_good_key_nothing_reaches_an_app(
    behind: Gateway, app: App, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with behind.stranger() as stranger:
        for path in ("/v1/areas", "/v1/keys", "/v1/imports", "/v1/nothing", "/v1"):
            answer = stranger.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert app.seen == []


def test_two_authorization_headers_are_as_good_as_none(behind: Gateway, app: App) -> None:
    with behind.stranger() as stranger:
        headers = httpx.Headers([("Authorization", f"Bearer {behind.key}")] * 2)
        assert stranger.get("/v1/areas", headers=headers).status_code == 401
    assert app.seen == []


def test_the_identity_of_another_app_or_a_signed_token_does_not_open_the_door(
    behind: Gateway, app: App
) -> None:
    behind.client.get("/v1/areas")
    identity = dict(app.last["headers"])["authorization"]
    with behind.stranger() as stranger:
        assert stranger.get("/v1/areas", headers={"Authorization": identity}).status_code == 401


def test_paths_with_dot_segments_reach_nobody(behind: Gateway, app: App) -> None:
    import http.client

    host, port = behind.place
    for path in ("/v1/areas/../../readyz", "/v1/areas/%2e%2e/%2e%2e/readyz", "//v1/areas", "/v1/areas%2f.."):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        connection.request("GET", path, headers={"Authorization": f"Bearer {behind.key}"})
        assert connection.getresponse().status == 400
        connection.close()
    assert app.seen == []
