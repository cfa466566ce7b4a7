"""Requests as they come off the wire: what two readers could read differently is refused here."""

import asyncio
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hedgerow_kit.problems import BAD_REQUEST, Problem, ProblemType
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from hedgerow_gateway.api.polling import OnWire
from hedgerow_gateway.api.problems import ADDRESS_TOO_LONG, HEADERS_TOO_LARGE
from hedgerow_gateway.api.repeats import WHOLE, Repeats
from hedgerow_gateway.upstream.passthrough import REQUEST_TIMEOUT

LONGEST_HEADERS = 16_384
MOST_HEADERS = 100
LONGEST_TARGET = 8_192
HEAD_SECONDS = 10.0
ROUND_SECONDS = 5.0
DISCARD_SECONDS = 10.0
SLOWEST_BYTES_A_SECOND = 500
# The reason phrases of the refusals that are sent before there is a request.
_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
}

_TARGET = re.compile(rb"/[\x21\x22\x24-\x5b\x5d\x5e\x5f\x61-\x7e]*")
_HOST = re.compile(rb"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_LENGTH = re.compile(rb"\d{1,18}")
_WATCHED = frozenset({b"host", b"content-length", b"transfer-encoding", b"upgrade", b"http2-settings"})
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})


@lru_cache(maxsize=4)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)


def _added(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The headers that the server adds to every answer: the date."""
    return _lines(tuple(headers))


class Refused(Exception):
    """The request is refused before the app sees it."""

    def __init__(self, kind: ProblemType, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's protocol on llhttp, with the limits and refusals that a door on the open network needs."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **named)
        self._in_head = False
        self._in_body = False
        self._expects_body = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._slow_rounds = 0
        self._running: RequestResponseCycle | None = None
        self._watched: list[tuple[bytes, bytes]] = []
        self._refusal: Refused | None = None
        self._refused = False
        self._repeats: Repeats | None = getattr(self.app, "repeats", None)
        self._whole: bytes | None = None
        # The request whose kept answer is being checked, what came behind it, and when the last was given.
        self._again: bytes | None = None
        self._behind = b""
        self._given_at = 0.0
        self._ends_after = False
        # One clock per connection: for the head, for the pace of the body, for throwing a body away.
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_timer(HEAD_SECONDS, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._again = None
        super().connection_lost(exc)
        # With a second request waiting, uvicorn tells only that one.
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._again is not None:
            self._behind += data
            self.flow.pause_reading()
            return
        self._whole = None
        if self._repeats is not None and self._is_at_rest() and data.endswith(b"\r\n\r\n"):
            found = self._repeats.find(data)
            if found is not None:
                self._again = data
                self._repeats.answer(*found, self._give_again)
                return
            if data.startswith(b"GET ") and data.count(b"\r\n\r\n") == 1:
                self._whole = data
        self._read(data)

    def _is_at_rest(self) -> bool:
        """Between two requests, the first of which has been answered and taken."""
        cycle = self.cycle
        return (
            cycle is not None
            and cycle.response_complete
            and not (self._in_head or self._in_body or self.pipeline or self.flow.write_paused)
        )

    def _give_again(self, answer: OnWire | None, more: bytes) -> None:
        """Send the answer to the request that came again, or read the request after all.

        more: lines to stand among those of the answer
        """
        data, self._again = self._again, None
        if data is None or self.transport.is_closing():
            return
        if answer is None:
            self._read(data)
        else:
            head = b"".join((answer.status, _added(self.server_state.default_headers), more, answer.head))
            self.transport.writelines((head, answer.body))
            self.server_state.total_requests += 1
            self._given_at = self.loop.time()
            if self._ends_after:
                self.transport.close()
        if self._behind:
            behind, self._behind = self._behind, b""
            self.flow.resume_reading()
            self.data_received(behind)

    def timeout_keep_alive_handler(self) -> None:
        # Not set anew for each answer that is given again: whether it went off too early is seen here.
        rested = self.loop.time() - self._given_at
        if self._again is None and rested >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                max(self.timeout_keep_alive - rested, 0.1), self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        if self._again is None:
            super().shutdown()
        else:
            self._ends_after = True

    def _read(self, data: bytes) -> None:
        super().data_received(data)
        if self._refused or self.parser is None or not self._in_head:
            return
        # Counted beside the finished headers: one header without an end would never be seen there.
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEADERS + LONGEST_TARGET:
            self._refuse(Refused(HEADERS_TOO_LARGE, "The header block is longer than 16 kB."))
        elif self._timer is None:
            self._set_timer(HEAD_SECONDS, self._head_is_late)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._in_body = True, False
        self._head_bytes = 0
        self._watched = []

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            self._stop(ADDRESS_TOO_LONG, "The address is longer than 8 kB.")

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + 4
        lower = self.headers[-1][0]
        if lower in _WATCHED:
            self._watched.append((lower, value))
        if self._head_bytes > LONGEST_HEADERS or len(self.headers) > MOST_HEADERS:
            self._stop(HEADERS_TOO_LARGE, "The header block is longer than 16 kB or has more than 100 lines.")

    def on_headers_complete(self) -> None:
        self._in_head = self._expects_body = False
        self._stop_timer()
        self._check_head()
        self._in_body = True
        self._body_bytes = self._slow_rounds = 0
        if self._expects_body:
            self._set_timer(ROUND_SECONDS, self._look_at_pace)
        super().on_headers_complete()
        if self._whole is not None and self.cycle.keep_alive and not self.expect_100_continue:
            self.scope[WHOLE] = self._whole  # type: ignore[literal-required]

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False
        self._stop_timer()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            # The answer is out; what is left of the body is read and thrown away, but not for ever.
            self._set_timer(DISCARD_SECONDS, self.transport.close)

    def _look_at_pace(self) -> None:
        """Called every few seconds of a body: two slow rounds in a row that are not our doing end it."""
        self._timer = None
        cycle = self._running
        if not self._in_body or cycle is None or cycle.response_complete:
            return
        ours = self.flow.read_paused or cycle.waiting_for_100_continue or cycle is not self.cycle
        slow = not ours and self._body_bytes < SLOWEST_BYTES_A_SECOND * ROUND_SECONDS
        self._slow_rounds = self._slow_rounds + 1 if slow else 0
        self._body_bytes = 0
        if self._slow_rounds >= 2:
            self._refuse(Refused(REQUEST_TIMEOUT, "The body comes too slowly."))
        else:
            self._set_timer(ROUND_SECONDS, self._look_at_pace)

    def _head_is_late(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(Refused(REQUEST_TIMEOUT, "The request did not come in time."))
        elif self._running is None:
            self.transport.close()

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_head(self) -> None:
        method = self.parser.get_method()
        if method not in _METHODS:
            self._stop(BAD_REQUEST, "The method is not one that is used here.")
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            self._stop(BAD_REQUEST, "HTTP/1.1 is spoken here.")
        if _TARGET.fullmatch(self.url) is None:
            self._stop(
                BAD_REQUEST, "The address must be a path of plain ASCII, percent-encoded where needed."
            )
        self._check_framing([value for name, value in self._watched if name == b"host"], dict(self._watched))

    def _check_framing(self, hosts: list[bytes], found: dict[bytes, bytes]) -> None:
        if len(hosts) != 1 or _HOST.fullmatch(hosts[0].strip()) is None:
            self._stop(BAD_REQUEST, "Exactly one Host header with one host is needed.")
        if len(found) == 1:
            return
        if len(found) != len(self._watched):
            self._stop(BAD_REQUEST, "A header that says where a request ends may be there once.")
        length, coding = found.get(b"content-length"), found.get(b"transfer-encoding")
        self._expects_body = length is not None or coding is not None
        if length is not None and coding is not None:
            self._stop(BAD_REQUEST, "Content-Length and Transfer-Encoding exclude one another.")
        if length is not None and _LENGTH.fullmatch(length.strip()) is None:
            self._stop(BAD_REQUEST, "Content-Length is a plain number.")
        if coding is not None and (
            coding.strip().lower() != b"chunked" or self.parser.get_http_version() == "1.0"
        ):
            self._stop(BAD_REQUEST, "The only Transfer-Encoding is chunked, once, in HTTP/1.1.")
        if b"upgrade" in found or b"http2-settings" in found:
            self._stop(BAD_REQUEST, "No other protocol is spoken here.")

    def _stop(self, kind: ProblemType, detail: str) -> None:
        """Leave the parser: it gives the exception on as its own error, which ends in `send_400_response`."""
        self._refusal = Refused(kind, detail)
        raise self._refusal

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or Refused(BAD_REQUEST, "This is not well-formed HTTP."))

    def _refuse(self, refusal: Refused) -> None:
        """Answer once and close; never into or ahead of an answer that is under way."""
        if self._refused:
            return
        self._refused = True
        self._stop_timer()
        running = self._running
        if running is None or running.response_complete:
            self._write_refusal(refusal)
            self.transport.close()
        elif running is self.cycle and running.more_body:
            # The trouble is in the body of the request under way, which will never be whole.
            if not running.response_started:
                self._write_refusal(refusal)
            self.transport.close()
        else:
            # The trouble is in a request behind it: the answer under way is the last on this connection.
            self.pipeline.clear()
            running.keep_alive = False

    def _write_refusal(self, refusal: Refused) -> None:
        problem = Problem(refusal.kind, refusal.detail).response()
        status = refusal.kind.status
        lines = [b"HTTP/1.1 %d %s" % (status, _PHRASES.get(status, b""))]
        lines += [b"%s: %s" % pair for pair in (*self.server_state.default_headers, *problem.raw_headers)]
        lines += [b"connection: close", b"", bytes(problem.body)]
        self.transport.write(b"\r\n".join(lines))
