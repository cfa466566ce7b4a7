"""Requests as raw bytes: what two readers could read differently is refused once, and the end of it."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.servers import App, Gateway, gateway, serving, wait_until

GOOD = "POST /v1/areas HTTP/1.1"
RESPONSE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@pytest.fixture(scope="module")
def app() -> App:
    return App()


@pytest.fixture(scope="module")
def door(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with serving(app) as address, gateway(tmp_path_factory.mktemp("door"), registry_url=address) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_seen(app: App) -> None:
    app.seen.clear()


def exchange(
    door: Gateway, sent: bytes, *, seconds: float = 5.0, pause: float = 0.0
) -> tuple[list[int], bool]:
    """The statuses that came back, and whether the gateway closed the connection."""
    sent = sent.replace(b"KEY", door.key.encode())
    got = b""
    with socket.create_connection(door.place, timeout=seconds) as connection:
        for part in sent.split(b"<pause>"):
            connection.sendall(part)
            time.sleep(pause)
        closed = False
        try:
            while part := connection.recv(65_536):
                got += part
            closed = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    return [int(status) for status in RESPONSE.findall(got)], closed


def raw(start: str, *headers: str, body: str = "", host: str | None = "Host: h", end: str = "\r\n") -> bytes:
    lines = [start, *([host] if host else []), "Authorization: Bearer KEY", *headers, "", body]
    return end.join(lines).encode("latin-1")


CHUNKED = "Transfer-Encoding: chunked"
SMUGGLED = "GET /v1/areas/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

REFUSED = {
    "length and chunked": raw(GOOD, "Content-Length: 5", CHUNKED, body="0\r\n\r\n" + SMUGGLED),
    "chunked and length": raw(GOOD, CHUNKED, "Content-Length: 5", body="0\r\n\r\n" + SMUGGLED),
    "two lengths that differ": raw(GOOD, "Content-Length: 0", "Content-Length: 44", body=SMUGGLED),
    "two lengths that agree": raw(GOOD, "Content-Length: 2", "Content-Length: 2", body="{}"),
    "a list of lengths": raw(GOOD, "Content-Length: 2, 2", body="{}"),
    "a signed length": raw(GOOD, "Content-Length: +2", body="{}"),
    "a negative length": raw(GOOD, "Content-Length: -1", body="{}"),
    "a hexadecimal length": raw(GOOD, "Content-Length: 0x2", body="{}"),
    "a length with a space": raw(GOOD, "Content-Length: 2 2", body="{}"),
    "an empty length": raw(GOOD, "Content-Length:", body="{}"),
    "a huge length": raw(GOOD, "Content-Length: 99999999999999999999999999", body="{}"),
    "a length in other digits": raw(GOOD, "Content-Length: ²", body="{}"),
    "chunked twice": raw(GOOD, CHUNKED, CHUNKED, body="0\r\n\r\n"),
    "chunked twice in a list": raw(GOOD, "Transfer-Encoding: chunked, chunked", body="0\r\n\r\n"),
    "chunked not last": raw(GOOD, "Transfer-Encoding: chunked, identity", body="0\r\n\r\n"),
    "another coding": raw(GOOD, "Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"),
    "an unknown coding": raw(GOOD, "Transfer-Encoding: xchunked", body="0\r\n\r\n"),
    "identity": raw(GOOD, "Transfer-Encoding: identity", body="{}"),
    "a quoted coding": raw(GOOD, 'Transfer-Encoding: "chunked"', body="0\r\n\r\n"),
    "chunked behind a tab": raw(GOOD, "Transfer-Encoding: \x0bchunked", body="0\r\n\r\n"),
    "space before the colon": raw(GOOD, "Content-Length : 2", body="{}"),
    "space before the coding's colon": raw(GOOD, "Transfer-Encoding : chunked", body="0\r\n\r\n"),
    "a folded header": raw(GOOD, "X-A: 1", " folded", "Content-Length: 0"),
    "a folded coding": raw(GOOD, "Transfer-Encoding:", " chunked", body="0\r\n\r\n"),
    "a header without a name": raw(GOOD, ": nameless", "Content-Length: 0"),
    "a header without a colon": raw(GOOD, "nocolon", "Content-Length: 0"),
    "a header name with a bracket": raw(GOOD, "X(A): 1", "Content-Length: 0"),
    "a header name with NUL": raw(GOOD, "X\x00A: 1", "Content-Length: 0"),
    "a header value with NUL": raw(GOOD, "X-A: a\x00b", "Content-Length: 0"),
    "a header value with a bare CR": raw(GOOD, "X-A: a\rX-B: b", "Content-Length: 0"),
    "a header name beyond ASCII": raw(GOOD, "X-é: 1", "Content-Length: 0"),
    "bare line feeds": raw("GET /v1/areas HTTP/1.1", end="\n"),
    "one bare line feed": b"GET /v1/areas HTTP/1.1\r\nHost: h\nAuthorization: Bearer KEY\r\n\r\n",
    "bare carriage returns": raw("GET /v1/areas HTTP/1.1", end="\r"),
    "no host": raw("GET /v1/areas HTTP/1.1", host=None),
    "no host in HTTP/1.0": raw("GET /v1/areas HTTP/1.0", host=None),
    "two hosts": raw("GET /v1/areas HTTP/1.1", "Host: other"),
    "two equal hosts": raw("GET /v1/areas HTTP/1.1", "Host: h"),
    "an empty host": raw("GET /v1/areas HTTP/1.1", host="Host:"),
    "a host list": raw("GET /v1/areas HTTP/1.1", host="Host: a, b"),
    "a host with a path": raw("GET /v1/areas HTTP/1.1", host="Host: a/b"),
    "a host with a user": raw("GET /v1/areas HTTP/1.1", host="Host: a@b"),
    "a host with a bad port": raw("GET /v1/areas HTTP/1.1", host="Host: a:port"),
    "an absolute address": raw("GET http://other/v1/areas HTTP/1.1"),
    "an authority address": raw("CONNECT other:80 HTTP/1.1"),
    "an asterisk": raw("OPTIONS * HTTP/1.1"),
    "a fragment": raw("GET /v1/areas#part HTTP/1.1"),
    "a backslash": raw("GET /v1\\areas HTTP/1.1"),
    "an address beyond ASCII": raw("GET /v1/areas/\xe9 HTTP/1.1"),
    "an address with a tab": raw("GET /v1/areas\t HTTP/1.1"),
    "an address with NUL": raw("GET /v1/areas\x00 HTTP/1.1"),
    "a space in the address": raw("GET /v1/areas /x HTTP/1.1"),
    "a relative address": raw("GET v1/areas HTTP/1.1"),
    "a long address": raw(f"GET /v1/areas?q={'a' * 9000} HTTP/1.1"),
    "no version": b"GET /v1/areas\r\nHost: h\r\n\r\n",
    "HTTP/0.9": b"GET /v1/areas HTTP/0.9\r\nHost: h\r\n\r\n",
    "HTTP/2 in words": raw("GET /v1/areas HTTP/2.0"),
    "HTTP/1.2": raw("GET /v1/areas HTTP/1.2"),
    "a version that is none": raw("GET /v1/areas HTTP/1.1x"),
    "lower-case http": raw("GET /v1/areas http/1.1"),
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": raw("BREW /v1/areas HTTP/1.1"),
    "a lower-case method": raw("get /v1/areas HTTP/1.1"),
    "TRACE": raw("TRACE /v1/areas HTTP/1.1"),
    "an upgrade": raw("GET /v1/areas HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"),
    "an upgrade to h2c": raw("GET /v1/areas HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
    "chunked in HTTP/1.0": raw("POST /v1/areas HTTP/1.0", CHUNKED, body="0\r\n\r\n"),
    "a header of 100 kB": raw("GET /v1/areas HTTP/1.1", f"X-Long: {'a' * 100_000}"),
    "headers of 20 kB": raw("GET /v1/areas HTTP/1.1", *(f"X-{n}: {'a' * 500}" for n in range(40))),
    "a thousand headers": raw("GET /v1/areas HTTP/1.1", *(f"X-{n}: 1" for n in range(1000))),
    "a header that never ends": b"GET /v1/areas HTTP/1.1\r\nHost: h\r\nX-Long: " + b"a" * 200_000,
    "an address that never ends": b"GET /v1/" + b"a" * 200_000,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "binary": bytes(range(256)) * 4,
    "leading spaces": b"  " + raw("GET /v1/areas HTTP/1.1"),
}

EXPECTED = {
    "a long address": 414,
    "an address that never ends": 414,
    "a header of 100 kB": 431,
    "headers of 20 kB": 431,
    "a thousand headers": 431,
    "a header that never ends": 431,
}


@pytest.mark.parametrize("shape", REFUSED)
def test_an_ambiguous_shape_is_refused_once_and_reaches_nobody(door: Gateway, app: App, shape: str) -> None:
    statuses, closed = exchange(door, REFUSED[shape], seconds=3)
    assert statuses == [EXPECTED.get(shape, 400)]
    assert closed
    assert app.seen == []


def test_there_are_shapes_enough() -> None:
    assert len(REFUSED) >= 40


BROKEN_BODIES = {
    "a chunk size that is no number": raw(GOOD, CHUNKED, body="zz\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk size": raw(GOOD, CHUNKED, body="-1\r\nhello\r\n0\r\n\r\n"),
    "a huge chunk size": raw(GOOD, CHUNKED, body="fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "a chunk size in 0x": raw(GOOD, CHUNKED, body="0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than it says": raw(GOOD, CHUNKED, body="3\r\nhello\r\n0\r\n\r\n"),
    "a chunk ended by a bare line feed": raw(GOOD, CHUNKED, body="5\r\nhello\n0\r\n\r\n"),
    "a chunk size ended by a bare line feed": raw(GOOD, CHUNKED, body="5\nhello\r\n0\r\n\r\n"),
    "a chunk size with spaces": raw(GOOD, CHUNKED, body="5 5\r\nhello\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("shape", BROKEN_BODIES)
def test_a_broken_chunk_ends_the_request_and_never_looks_whole_to_the_app(
    door: Gateway, app: App, shape: str
) -> None:
    app.left.clear()
    statuses, closed = exchange(door, BROKEN_BODIES[shape], seconds=3)
    assert statuses == [400]
    assert closed
    if app.seen:
        assert app.left.wait(2)


def test_a_shape_that_is_only_unusual_is_answered(door: Gateway, app: App) -> None:
    unusual = {
        "chunked in capitals": raw(GOOD, "Transfer-Encoding: CHUNKED", "Connection: close", body="0\r\n\r\n"),
        "a chunk extension": raw(GOOD, CHUNKED, "Connection: close", body="2;a=b\r\n{}\r\n0\r\n\r\n"),
        "trailers": raw(GOOD, CHUNKED, "Connection: close", body="2\r\n{}\r\n0\r\nX-T: 1\r\n\r\n"),
        "a body in HTTP/1.0": raw("POST /v1/areas HTTP/1.0", "Content-Length: 2", body="{}"),
        "a blank line first": b"\r\n" + raw("GET /v1/areas HTTP/1.1", "Connection: close"),
        "an IPv6 host": raw("GET /v1/areas HTTP/1.1", "Connection: close", host="Host: [::1]:8000"),
        "a body on GET": raw("GET /v1/areas HTTP/1.1", "Content-Length: 2", "Connection: close", body="{}"),
        "an empty value": raw("GET /v1/areas HTTP/1.1", "X-Empty:", "Connection: close"),
        "headers of nearly 16 kB": raw(
            "GET /v1/areas HTTP/1.1", *(f"X-{n}: {'a' * 480}" for n in range(32)), "Connection: close"
        ),
    }
    answered = {shape: exchange(door, sent)[0] for shape, sent in unusual.items()}
    assert answered == {shape: [200] for shape in unusual}
    assert len(app.seen) == len(unusual)
    assert all(name != "x-t" for seen in app.seen for name, _ in seen["headers"])


def test_pipelined_requests_are_answered_in_order(door: Gateway, app: App) -> None:
    sent = raw("GET /v1/areas/1 HTTP/1.1") + raw("GET /v1/areas/2 HTTP/1.1", "Connection: close")
    assert exchange(door, sent) == ([200, 200], True)
    assert [seen["path"] for seen in app.seen] == ["/v1/areas/1", "/v1/areas/2"]


def test_garbage_behind_a_request_never_answers_in_its_place(door: Gateway, app: App) -> None:
    statuses, closed = exchange(door, raw("GET /v1/areas/1 HTTP/1.1") + b"\x00garbage\r\n\r\n")
    assert statuses in ([200], [200, 400])
    assert closed


def test_an_ambiguous_request_behind_two_good_ones_gets_no_answer_ahead_of_them(
    door: Gateway, app: App
) -> None:
    sent = raw("GET /v1/areas/1 HTTP/1.1") * 2 + REFUSED["length and chunked"]
    statuses, closed = exchange(door, sent)
    assert statuses
    assert statuses[0] == 200
    assert closed
    assert all(seen["path"] == "/v1/areas/1" for seen in app.seen)


def test_a_body_longer_than_its_length_is_not_taken_for_a_request_of_the_same_caller(
    door: Gateway, app: App
) -> None:
    statuses, _ = exchange(door, raw(GOOD, "Content-Length: 2", body="{}" + SMUGGLED), seconds=1)
    # What follows is a request of its own and must show a key of its own.
    assert statuses == [200, 401]
    assert len(app.seen) == 1


def test_a_head_in_pieces_is_one_head(door: Gateway, app: App) -> None:
    whole = raw("GET /v1/areas HTTP/1.1", "Connection: close")
    pieces = b"<pause>".join(whole[n : n + 7] for n in range(0, len(whole), 7))
    assert exchange(door, pieces.replace(b"K<pause>EY", b"KEY").replace(b"KE<pause>Y", b"KEY"))[0] == [200]


def test_expect_is_answered_only_when_the_body_is_wanted(door: Gateway, app: App) -> None:
    head = raw(GOOD, "Content-Length: 2", "Expect: 100-continue", "Connection: close")
    assert exchange(door, head + b"<pause>{}", pause=0.3)[0] == [100, 200]
    stranger = head.replace(b"KEY", b"nobody")
    assert exchange(door, stranger, seconds=1)[0] == [401]


def test_an_unfinished_head_is_closed_within_fifteen_seconds(door: Gateway) -> None:
    started = time.monotonic()
    idle = [socket.create_connection(door.place) for _ in range(60)]
    for number, connection in enumerate(idle):
        connection.sendall(b"" if number % 2 else b"GET /v1/areas HTTP/1.1\r\nHost: h\r\nX-A: ")
    slow_body = socket.create_connection(door.place)
    slow_body.sendall(raw(GOOD, "Content-Length: 1000").replace(b"KEY", door.key.encode()))
    unwanted_body = socket.create_connection(door.place)
    unwanted_body.sendall(raw(GOOD, "Content-Length: 1000").replace(b"KEY", b"nobody"))
    waiting = [slow_body, unwanted_body, *idle]
    for connection in waiting:
        connection.setblocking(False)

    def all_closed() -> bool:
        for connection in list(waiting):
            try:
                connection.send(b"a" if connection in (slow_body, unwanted_body) else b"")
                if connection.recv(65_536) == b"":
                    waiting.remove(connection)
            except BlockingIOError:
                pass
            except OSError:
                waiting.remove(connection)
        time.sleep(0.2)
        return not waiting

    wait_until(all_closed, seconds=16)
    assert time.monotonic() - started <= 15.5
    assert door.client.get("/v1/areas").status_code == 200
    for connection in (slow_body, unwanted_body, *idle):
        connection.close()


def test_a_connection_that_rests_between_requests_is_not_answered(tmp_path: Path, app: App) -> None:
    with (
        serving(app) as address,
        gateway(tmp_path, registry_url=address, keep_alive_seconds=2) as door,
        socket.create_connection(door.place, timeout=20) as connection,
    ):
        connection.sendall(raw("GET /v1/areas HTTP/1.1").replace(b"KEY", door.key.encode()))
        everything = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert everything.startswith(b"HTTP/1.1 200")
    assert everything.count(b"HTTP/1.1") == 1
