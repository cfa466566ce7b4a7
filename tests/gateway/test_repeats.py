"""Requests that come again byte for byte: answered without being read anew, and still by the same rules."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.servers import Gateway, gateway, serving
from tests.gateway.test_polling import Telling, asked, settled, tagged


@pytest.fixture
def app() -> Telling:
    return Telling()


@pytest.fixture
def behind(app: Telling, tmp_path: Path) -> Iterator[Gateway]:
    with serving(app) as address, gateway(tmp_path, registry_url=address, keep_alive_seconds=5) as made:
        yield settled(made)


class Line:
    """A connection, and the answers that come over it."""

    def __init__(self, made: Gateway) -> None:
        self._socket = socket.create_connection(made.place, timeout=10)
        self._got = b""
        self._key = made.key

    def request(self, path: str = "/v1/areas", *headers: str) -> bytes:
        lines = [f"GET {path} HTTP/1.1", "Host: h", f"Authorization: Bearer {self._key}", *headers, "", ""]
        return "\r\n".join(lines).encode()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self._got:
            self._more()
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        while len(self._got) < length:
            self._more()
        body, self._got = self._got[:length], self._got[length:]
        return int(status.split()[1]), headers, body

    def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        self.send(data)
        return self.answer()

    def _more(self) -> None:
        part = self._socket.recv(65_536)
        if not part:
            raise EOFError
        self._got += part

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def line(behind: Gateway) -> Iterator[Line]:
    made = Line(behind)
    yield made
    made.close()


def repeated(made: Gateway) -> int:
    return made.door.seen["repeated"]


def test_it_is_answered_as_it_was_and_not_read_again(behind: Gateway, app: Telling, line: Line) -> None:
    answers = [line.ask(line.request()) for _ in range(6)]
    assert repeated(behind) >= 3
    assert asked(app, "/v1/areas") == 1
    for status, headers, body in answers:
        assert (status, body) == (200, app.body)
        moving = {"date": "", "ratelimit": ""}
        assert headers | moving == answers[0][1] | moving
        assert len(headers["date"]) == len("Mon, 01 Jun 2026 12:00:00 GMT")


def test_a_change_is_seen_at_once(behind: Gateway, app: Telling, line: Line) -> None:
    for number in range(20):
        app.body, app.state = b'{"n": %d}' % number, str(number + 10)
        for _ in range(4):
            assert line.ask(line.request())[2] == app.body
    assert repeated(behind) >= 20


def test_each_way_of_asking_has_its_own_answer(behind: Gateway, app: Telling, line: Line) -> None:
    app.body = b"[" + b"1, " * 2000 + b"1]"
    tag = tagged(app.body)[2][1].decode()
    for _ in range(5):
        assert line.ask(line.request())[2] == app.body
        packed = line.ask(line.request("/v1/areas", "Accept-Encoding: gzip"))
        assert (packed[1]["content-encoding"], packed[1]["etag"]) == ("gzip", tag[:-1] + '-gzip"')
        assert len(packed[2]) < 200
        had = line.ask(line.request("/v1/areas", f"If-None-Match: {tag}"))
        assert (had[0], had[2], had[1]["etag"]) == (304, b"", tag)
    assert repeated(behind) >= 9
    assert asked(app, "/v1/areas") == 1


def test_a_key_that_is_taken_back_opens_nothing_any_more(behind: Gateway, line: Line) -> None:
    made = behind.client.post(
        "/v1/keys", json={"name": "k", "roles": ["reader"], "authorities": ["*"]}
    ).json()
    request = line.request().replace(behind.key.encode(), made["key"].encode())
    for _ in range(4):
        assert line.ask(request)[0] == 200
    before = repeated(behind)
    assert before >= 2
    behind.client.delete(f"/v1/keys/{made['id']}")
    assert line.ask(request)[0] == 401
    assert repeated(behind) == before


def test_requests_in_a_row_are_answered_in_order(behind: Gateway, app: Telling, line: Line) -> None:
    for _ in range(3):
        line.ask(line.request())
    paths = ["/v1/areas", "/v1/areas", "/v1/areas/other", "/v1/areas", "/v1/areas/other"]
    for path in paths:
        line.send(line.request(path, "X-Place: 1"))
    line.send(b"".join(map(line.request, paths)))
    line.send(line.request())
    tags = [line.answer()[:1] for _ in range(11)]
    assert tags == [(200,)] * 11
    line.send(line.request())
    line.send(line.request()[:40])
    assert line.answer()[0] == 200
    line.send(line.request()[40:])
    assert line.answer()[0] == 200


def test_a_request_behind_one_that_is_checked_waits_for_it(behind: Gateway, app: Telling, line: Line) -> None:
    for _ in range(3):
        line.ask(line.request())
    second = line.request("/v1/areas/second")
    for _ in range(50):
        line.send(line.request())
        line.send(second)
        assert [line.answer()[0] for _ in range(2)] == [200, 200]


def test_garbage_behind_it_is_refused_and_the_connection_closed(behind: Gateway, line: Line) -> None:
    for _ in range(3):
        line.ask(line.request())
    line.send(line.request())
    line.send(b"NONSENSE\r\n\r\n")
    assert line.answer()[0] == 200
    assert line.answer()[0] == 400
    with pytest.raises(EOFError):
        line.answer()


@pytest.mark.parametrize("header", ["Connection: close", "Content-Length: 0", "Range: bytes=0-1"])
def test_some_requests_are_read_each_time(behind: Gateway, line: Line, header: str) -> None:
    for _ in range(3):
        line.ask(line.request())
    before = repeated(behind)
    for _ in range(3):
        other = Line(behind)
        other.ask(other.request())
        other.ask(other.request("/v1/areas", header))
        other.close()
    assert repeated(behind) <= before + 3


def test_who_leaves_while_it_is_checked_disturbs_nobody(behind: Gateway, line: Line) -> None:
    for _ in range(3):
        line.ask(line.request())
    for _ in range(50):
        leaving = Line(behind)
        leaving.ask(leaving.request())
        leaving.send(leaving.request())
        leaving.close()
    assert line.ask(line.request())[0] == 200


def test_who_does_not_read_is_not_written_to_without_end(behind: Gateway, app: Telling, line: Line) -> None:
    app.body = b"x" * 1_000_000
    for _ in range(3):
        line.ask(line.request())
    sent = 0
    line._socket.settimeout(0.5)
    before = repeated(behind)
    try:
        for _ in range(2000):
            line.send(line.request())
            sent += 1
    except TimeoutError:
        pass
    time.sleep(0.5)
    # What the sockets themselves hold, and what waits for its turn.
    assert repeated(behind) - before < 30


def test_a_connection_that_rests_is_closed_after_a_while_and_not_before(behind: Gateway, line: Line) -> None:
    for _ in range(8):
        assert line.ask(line.request())[0] == 200
        time.sleep(1)
    rests = time.monotonic()
    with pytest.raises(EOFError):
        line.answer()
    assert 3 <= time.monotonic() - rests <= 7
