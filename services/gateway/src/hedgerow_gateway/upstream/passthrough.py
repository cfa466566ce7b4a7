"""A request handed on to an app and its answer handed back, both as streams, in raw ASGI."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from hedgerow_kit import tracing
from hedgerow_kit.following import FIRST_TO_HEAR
from hedgerow_kit.problems import (
    BAD_GATEWAY,
    GATEWAY_TIMEOUT,
    TOO_LARGE,
    UNAVAILABLE,
    Problem,
    ProblemType,
)
from starlette.types import Receive, Scope, Send
from yarl import URL

from hedgerow_gateway.domain import headers
from hedgerow_gateway.domain.routes import FOLLOWS, Lane
from hedgerow_gateway.upstream.asking import (
    CHUNK_BYTES,
    LAST,
    LONGEST_HEADER_BYTES,
    WITH_OTHERS,
    Answer,
    Asking,
    Broken,
    Headers,
)
from hedgerow_gateway.upstream.breakers import RETRY_AFTER_SECONDS, Breaker, Lanes, RetryBudget
from hedgerow_gateway.upstream.states import States

log = logging.getLogger(__name__)

# A replica that is leaving, or was not there, is asked last for so long.
REST_SECONDS = 5.0
# How often exchanges are looked after: deadlines, callers who left, connections that broke.
LOOK_SECONDS = 0.1
# Whether an app is there again, seen by what costs it nothing.
PROBE_PATH = b"/healthz"
PROBE_SECONDS = 1.5
REQUEST_TIMEOUT = ProblemType(408, "request-timeout", "The request came too slowly")

_FIRST_TO_HEAR = FIRST_TO_HEAR.lower().encode()
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# A keyed request with a body up to here is read first, so that it can be sent once more.
LONGEST_REPEATED_BYTES = 100_000


class _CallerLeft(Exception):
    """The caller went away."""


async def _never_twice(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # aiohttp would repeat by itself what it thinks harmless; it leaves an error alone that it does not know.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Broken from error


class _Replicas:
    """The addresses of one app's replicas in turn; who leaves or is not there comes last for a while."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._bases = [URL(address) for address in addresses]
        self._turn = 0
        self._resting: dict[URL, float] = {}

    def in_turn(self, now: float) -> list[URL]:
        if len(self._bases) == 1:
            return self._bases
        self._turn = (self._turn + 1) % len(self._bases)
        turned = self._bases[self._turn :] + self._bases[: self._turn]
        return sorted(turned, key=lambda base: now < self._resting.get(base, 0.0))

    def rest(self, base: URL, now: float) -> None:
        self._resting[base] = now + REST_SECONDS


class Upstream:
    """The connections to the apps. Open it once, within the running loop."""

    def __init__(
        self, apps: Mapping[str, Sequence[str]], states: States, *, client_silence_seconds: float = 30.0
    ) -> None:
        self._states = states
        # Who is answered from memory is not refused the next thing for what was before.
        states.when_there = self.seen_ready
        self._replicas = {app: _Replicas(addresses) for app, addresses in apps.items()}
        self._breakers = {app: Breaker(app, partial(self._is_well, app)) for app in apps}
        self._budgets = {app: RetryBudget() for app in apps}
        self._lanes = {app: Lanes(app) for app in apps}
        self.client_silence_seconds = client_silence_seconds
        self._asking: Asking | None = None
        self._writing: aiohttp.ClientSession | None = None
        self._under_way: set[_Exchange] = set()
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._asking = Asking()
        self._writing = aiohttp.ClientSession(
            # A write never takes a connection that may just be closing, so it never has to be sent twice.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            max_line_size=LONGEST_HEADER_BYTES,
            max_field_size=LONGEST_HEADER_BYTES,
            read_bufsize=CHUNK_BYTES,
            trust_env=False,
            middlewares=(_never_twice,),
        )
        self._looking = asyncio.create_task(self._look_after_all())
        return self

    async def _look_after_all(self) -> None:
        # One look at all exchanges now and then: timers of their own would cost each a quarter of its time.
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = loop.time()
            for exchange in list(self._under_way):
                exchange.look(now)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for breaker in self._breakers.values():
            breaker.stop()
        for connections in (self._asking, self._writing):
            if connections is not None:
                await connections.close()

    async def first_to_hear(self, app: str) -> list[tuple[bytes, bytes]]:
        """The header by which an app that follows another is told what it must have heard of to answer."""
        number = await self._states.last_change(FOLLOWS[app]) if app in FOLLOWS else None
        return [] if number is None else [(_FIRST_TO_HEAR, b"%d" % number)]

    async def request(
        self,
        method: str,
        app: str,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | bytes | None = None,
    ) -> Answer | aiohttp.ClientResponse:
        """Send a request to one of an app's replicas. target: path and query, encoded as they are to be sent

        A replica that cannot be connected to has heard nothing, so any request may then go to another. A read
        whose connection broke before an answer came is sent once more, while the budget lasts; so is a POST
        with an Idempotency-Key whose body is at hand, which its app does once however often it comes.
        """
        budget = self._budgets[app]
        budget.earn()
        try:
            return await self._request(method, app, target, headers, body)
        except Broken:
            if not _may_be_repeated(method, headers, body) or not budget.spend():
                raise
        return await self._request(method, app, target, headers, body)

    async def _request(
        self,
        method: str,
        app: str,
        target: bytes,
        headers: Headers = (),
        body: AsyncIterator[bytes] | bytes | None = None,
    ) -> Answer | aiohttp.ClientResponse:
        assert self._asking is not None, "the upstream has not been opened"
        is_head_alone = method in _SAFE and body is None
        replicas = self._replicas[app]
        bases = replicas.in_turn(asyncio.get_running_loop().time())
        for base in bases:
            patience = LAST if base is bases[-1] else WITH_OTHERS
            try:
                if not is_head_alone:
                    return await self._write(method, base, target, headers, body, patience)
                answer = await self._asking.ask(base, method, target, headers, patience)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                replicas.rest(base, asyncio.get_running_loop().time())
                if base is bases[-1]:
                    raise
                continue
            if len(bases) > 1 and answer.headers.get("connection") == "close":
                # It is about to stop: it says so on every connection that would have been kept.
                replicas.rest(base, asyncio.get_running_loop().time())
            return answer
        raise AssertionError("an app has an address")

    async def _write(
        self,
        method: str,
        base: URL,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | bytes | None,
        patience: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        assert self._writing is not None, "the upstream has not been opened"
        return await self._writing.request(
            method,
            URL(f"{base.origin()}{base.raw_path.rstrip('/')}{target.decode('latin-1')}", encoded=True),
            allow_redirects=False,
            data=body,
            headers=[(name.decode(), value.decode("latin-1")) for name, value in headers],
            timeout=patience,
        )

    async def _is_well(self, app: str) -> bool:
        try:
            async with (
                asyncio.timeout(PROBE_SECONDS),
                await self._request("GET", app, PROBE_PATH) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return False

    async def pass_on(
        self, scope: Scope, receive: Receive, send: Send, *, app: str, token: str, lane: Lane
    ) -> None:
        """Hand one request on to an app under the gateway's identity, and its answer back."""
        try:
            self._breakers[app].refuse_if_open()
            place = await self._lanes[app].place(lane)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send, app, lane)
        self._under_way.add(exchange)
        try:
            await exchange.run(token)
        finally:
            self._under_way.discard(exchange)
            place.release()

    @asynccontextmanager
    async def room(self, app: str, lane: Lane) -> AsyncIterator[None]:
        """A place on the way to an app; a problem if it does not answer now, or has no place in time."""
        self._breakers[app].refuse_if_open()
        place = await self._lanes[app].place(lane)
        try:
            yield
        finally:
            place.release()

    def open_circuits(self) -> dict[str, bool]:
        """Whether each app is left alone at the moment because it does not answer."""
        return {app: breaker.is_open for app, breaker in self._breakers.items()}

    def seen_ready(self, app: str) -> None:
        """An app said that it can answer: who reads so of the gateway is not refused for what was before."""
        self._breakers[app].close()

    def note(self, app: str, *, good: bool) -> None:
        """What came of a request that was handed on."""
        self._breakers[app].note(good=good)


def _may_be_repeated(method: str, headers: Headers, body: AsyncIterator[bytes] | bytes | None) -> bool:
    if method == "POST":
        is_keyed = any(name == b"idempotency-key" for name, _ in headers)
        return is_keyed and (body is None or isinstance(body, bytes))
    return method in _SAFE and body is None


class _Exchange:
    """One request on its way. At any moment somebody's turn is running: the caller's or the app's."""

    __slots__ = (
        "_answer",
        "_app",
        "_caller_left",
        "_callers_turn",
        "_deadline",
        "_expired",
        "_is_too_long",
        "_listener",
        "_loop",
        "_most_bytes",
        "_over",
        "_read_seconds",
        "_receive",
        "_scope",
        "_send",
        "_sent_all",
        "_started",
        "_task",
        "_upstream",
    )

    def __init__(
        self, upstream: Upstream, scope: Scope, receive: Receive, send: Send, app: str, lane: Lane
    ) -> None:
        self._upstream = upstream
        self._scope = scope
        self._receive = receive
        self._send = send
        self._app = app
        self._read_seconds = lane.read_seconds
        self._most_bytes = lane.body_bytes
        self._is_too_long = False
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._deadline = float("inf")
        self._expired = False
        self._over = False
        self._callers_turn = False
        self._caller_left = False
        self._sent_all = True
        self._started = False
        self._answer: Answer | aiohttp.ClientResponse | None = None
        self._listener: asyncio.Task[None] | None = None

    def look(self, now: float) -> None:
        """Called now and then: is the caller still there, is whoever is on turn in time?"""
        if self._over:
            return
        if now >= self._deadline:
            self._expire()
        elif self._sent_all and self._listener is None:
            # Most exchanges are over before the first look and never need a task that listens.
            self._listener = self._loop.create_task(self._wait_for_leaving())
        if self._answer is not None:
            _tell_of_garbage(self._answer)

    def _expire(self) -> None:
        if not (self._over or self._expired) and self._task is not None:
            self._expired = True
            self._task.cancel()

    async def run(self, token: str) -> None:
        problem: Problem | None = None
        try:
            await self._exchange(token)
        except asyncio.CancelledError:
            if not self._expired or (self._task is not None and self._task.uncancel() > 0):
                raise
            if self._caller_left:
                return
            if self._callers_turn:
                problem = self._trouble("was waiting for the caller", REQUEST_TIMEOUT)
            else:
                problem = self._trouble("took too long", GATEWAY_TIMEOUT)
        except _CallerLeft:
            return
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            problem = self._trouble(f"cannot be reached ({type(error).__name__})", UNAVAILABLE)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if self._caller_left:
                return
            if self._is_too_long:
                problem = too_long(self._most_bytes)
            else:
                problem = self._trouble(f"broke off ({type(error).__name__})", BAD_GATEWAY)
        finally:
            self._over = True
            if self._listener is not None:
                self._listener.cancel()
        # Once the answer has begun there is nothing left to say: ending here without its last part makes the
        # server cut the connection, and the caller sees that the answer is not whole.
        if problem is not None and not self._started:
            await problem.response()(self._scope, self._receive, self._send)

    def _trouble(self, what: str, kind: ProblemType) -> Problem:
        if kind is not REQUEST_TIMEOUT:
            self._upstream.note(self._app, good=False)
        log.warning(
            "pass-through failed",
            extra={"upstream": self._app, "what": what, "status": kind.status, "begun": self._started},
        )
        if kind is REQUEST_TIMEOUT:
            return Problem(kind, "The rest of the request did not come.", headers={"Connection": "close"})
        details = {
            UNAVAILABLE: f"The {self._app} app cannot be reached at the moment.",
            GATEWAY_TIMEOUT: f"The {self._app} app took too long to answer.",
            BAD_GATEWAY: f"The {self._app} app did not give a whole answer.",
        }
        retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if kind is UNAVAILABLE else {}
        return Problem(kind, details[kind], headers=retry, app=self._app)

    async def _exchange(self, token: str) -> None:
        scope = self._scope
        method = scope["method"]
        passed = headers.for_app(scope["headers"])
        passed.append((b"authorization", b"Bearer " + token.encode()))
        if (named := tracing.traceparent()) is not None:
            passed.append((b"traceparent", named.encode()))
        self._turn_to_app()
        body: AsyncIterator[bytes] | bytes | None = None
        if _has_body(scope):
            self._sent_all = False
            body = self._body()
            if _is_short_and_keyed(scope):
                body = b"".join([part async for part in body])
        passed += await self._upstream.first_to_hear(self._app)
        target = scope["raw_path"]
        if query := scope["query_string"]:
            target += b"?" + query
        answer = await self._upstream.request(method, self._app, target, passed, body)
        whole = False
        try:
            self._answer = answer
            await self._hand_back(answer)
            whole = True
            self._upstream.note(self._app, good=True)
        finally:
            # A connection whose request or answer is not complete cannot serve another request.
            if whole and self._sent_all:
                answer.release()
            else:
                answer.close()

    async def _hand_back(self, answer: Answer | aiohttp.ClientResponse) -> None:
        kept = headers.for_caller(answer.raw_headers)
        kept.append((b"x-content-type-options", b"nosniff"))
        self._turn_to_caller()
        await self._send({"type": "http.response.start", "status": answer.status, "headers": kept})
        self._started = True
        content = answer.content
        while True:
            self._turn_to_app()
            chunk = await content.readany()
            self._turn_to_caller()
            # `readany` gives an empty part only at the end.
            at_end = not chunk or content.at_eof()
            if at_end and (error := content.exception()) is not None:
                raise error
            await self._send({"type": "http.response.body", "body": chunk, "more_body": not at_end})
            if at_end:
                return

    async def _body(self) -> AsyncIterator[bytes]:
        more = True
        length = 0
        while more:
            self._turn_to_caller()
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._leave()
                raise _CallerLeft
            self._turn_to_app()
            more = message.get("more_body", False)
            chunk = message.get("body", b"")
            length += len(chunk)
            if length > self._most_bytes:
                self._is_too_long = True
                raise ValueError("longer than the route takes")
            if chunk:
                yield chunk
        self._sent_all = True
        self._turn_to_app()

    def _turn_to_app(self) -> None:
        self._callers_turn = False
        self._deadline = self._loop.time() + self._read_seconds

    def _turn_to_caller(self) -> None:
        self._callers_turn = True
        self._deadline = self._loop.time() + self._upstream.client_silence_seconds

    async def _wait_for_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._caller_left = True
        self._expire()


def too_long(most_bytes: int) -> Problem:
    return Problem(TOO_LARGE, f"A body of at most {most_bytes:,} bytes is taken here. Send it in parts.")


def _tell_of_garbage(answer: Answer | aiohttp.ClientResponse) -> None:
    """Wake who reads an answer when what arrived within it was not HTTP.

    aiohttp then drops the connection and notes the error there, but leaves the reader waiting.
    """
    protocol = answer.connection.protocol if answer.connection is not None else None
    if protocol is None or answer.content.exception() is not None:
        return
    if isinstance(protocol.exception(), HttpProcessingError):
        answer.content.set_exception(aiohttp.ClientPayloadError("not HTTP any more"))


def _is_short_and_keyed(scope: Scope) -> bool:
    said = dict(scope["headers"])
    length = said.get(b"content-length", b"")
    return (
        scope["method"] == "POST"
        and b"idempotency-key" in said
        and length.isdigit()
        and int(length) <= LONGEST_REPEATED_BYTES
    )


def _has_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ") != b""):
            return True
    return False
