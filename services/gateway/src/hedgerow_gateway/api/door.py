"""The first thing a request meets: refuse what is ambiguous, ask who it is, send it where it is answered."""

import time
from collections.abc import Iterable
from functools import partial

from hedgerow_kit import metrics, tracing
from hedgerow_kit.problems import BAD_REQUEST, METHOD_NOT_ALLOWED, NO_SUCH_ADDRESS, NOT_FOUND, Problem
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hedgerow_gateway.api import cookies
from hedgerow_gateway.api.identity import Caller, Identities, shown_as
from hedgerow_gateway.api.limits import Limits, telling
from hedgerow_gateway.api.polling import Polling
from hedgerow_gateway.api.repeats import WHOLE, Repeat, Repeats
from hedgerow_gateway.domain.addresses import Addresses, forwarded_for
from hedgerow_gateway.domain.routes import EXPORT, GATEWAY, IMPORT_KINDS, Route, RouteTable, is_plain_path
from hedgerow_gateway.upstream.passthrough import Upstream, too_long

# What is open to anyone is open to any page in a browser, too.
_OPEN_METHODS = "GET, HEAD, OPTIONS"
_ANY_ORIGIN = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, RateLimit, RateLimit-Policy, Retry-After"),
]
# Whoever watches over a gateway is never refused.
_HEALTH = frozenset({"/healthz", "/readyz", "/readyz/alone"})
_PREFLIGHT = {
    "Access-Control-Allow-Methods": _OPEN_METHODS,
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
# Marks a request that is counted where it is passed on.
_COUNTED = "hedgerow.counted"


class Door:
    """Raw ASGI in front of the gateway's own routes, so that what is only passed on costs little.

    repeats: the requests that `StrictProtocol` answers itself when they come again · seen: see `Polling`
    """

    def __init__(
        self,
        own: ASGIApp,
        upstream: Upstream,
        identities: Identities,
        polling: Polling,
        table: RouteTable,
        limits: Limits,
        addresses: Addresses,
        *,
        trusts_traces: bool,
    ) -> None:
        self._own = own
        self._upstream = upstream
        self._identities = identities
        self._polling = polling
        self.seen = polling.seen
        self.repeats = Repeats(identities, polling, limits.reads)
        self._table = table
        self._limits = limits
        self._addresses = addresses
        self._trusts_traces = trusts_traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._own(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["method"] == "HEAD":
            # What a GET would say of the answer, from memory where that would be. No app hears of a HEAD.
            scope, send = {**scope, "method": "GET"}, _head_of(send)
        try:
            await self._let_in(scope, receive, send)
        except Problem as problem:
            _count_refusal(scope, problem)
            await problem.response()(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_plain_path(scope["raw_path"]):
            raise Problem(BAD_REQUEST, "The path holds dot segments, empty segments or encoded slashes.")
        path: str = scope["path"]
        route = self._table.find(path)
        if route is not None and (route.is_open or (route.also_open and _is_stranger(scope))):
            await self._let_anyone_in(scope, receive, send, route)
            return
        address = self._address_of(scope)
        if path != "/v1" and not path.startswith("/v1/"):
            own = self._own_scope(scope)
            own["hedgerow.authorization"] = _authorization(scope)
            own["hedgerow.address"] = address
            if path not in _HEALTH:
                send = telling(send, await self._limits.open.let_in(address))
            await self._own(own, receive, send)
            return
        cookies.check_meant(scope)
        authorization = _authorization(scope)
        app = route.app if route is not None else GATEWAY
        # Asked for before anything is said about the path: who is not known learns nothing of what is there.
        caller = await self._identities.known(authorization, app=app, address=address)
        if not caller.is_follower:
            send = telling(send, await self._limits.of(scope["method"], route).let_in(caller.subject))
        if route is None:
            raise Problem(NOT_FOUND, _not_found(path))
        if app == GATEWAY:
            own = self._own_scope(scope)
            own["headers"].append((b"authorization", b"Bearer " + caller.token.encode()))
            own["hedgerow.authorization"] = authorization
            await self._own(own, receive, send)
            return
        await self._pass_on(scope, receive, send, route, caller)

    async def _pass_on(
        self, scope: Scope, receive: Receive, send: Send, route: Route, caller: Caller
    ) -> None:
        """From memory if it may be, from the app if it must be."""
        if not (metrics.is_telling() or tracing.is_on()):
            await self._hand_on(scope, receive, send, route, caller)
            return
        if tracing.is_on():
            with tracing.request(scope["method"], self._trace_of(scope)) as span:
                status = await self._count(scope, receive, send, route, caller)
                tracing.answered(span, scope["method"], route.pattern, status)
        else:
            await self._count(scope, receive, send, route, caller)

    def _own_scope(self, scope: Scope) -> Scope:
        """A request as the gateway's own routes see it."""
        hidden = {b"authorization"} if self._trusts_traces else {b"authorization", *tracing.HEADERS}
        return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in hidden]}

    def _trace_of(self, scope: Scope) -> Iterable[tuple[bytes, bytes]]:
        """What a caller says of the trace it is in, where callers are believed."""
        return scope["headers"] if self._trusts_traces else ()

    async def _count(self, scope: Scope, receive: Receive, send: Send, route: Route, caller: Caller) -> int:
        """Hand a request on, count it, and give the status of its answer; 0 if none was begun."""
        started = time.perf_counter()
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope[_COUNTED] = True
        is_counted = metrics.is_telling()
        if is_counted:
            metrics.began(route.app)
        try:
            await self._hand_on(scope, receive, note, route, caller)
        except Problem as problem:
            await problem.response()(scope, receive, note)
        finally:
            seconds = time.perf_counter() - started
            if is_counted:
                metrics.ended(route.app, scope["method"], route.pattern, status, seconds)
        return status

    async def _hand_on(
        self, scope: Scope, receive: Receive, send: Send, route: Route, caller: Caller
    ) -> None:
        is_read = scope["method"] == "GET"
        lane = EXPORT if is_read and _is_export(scope) else route.lane
        if not is_read:
            _refuse_too_long(scope["headers"], lane.body_bytes)
        ask = partial(self._upstream.pass_on, app=route.app, token=caller.token, lane=lane)
        if not (is_read and route.is_kept):
            await ask(scope, receive, send)
            return
        hit = await self._polling.answer(
            scope, receive, send, who=caller.scope, rests_on=route.rests_on, ask=ask
        )
        whole = scope.get(WHOLE)
        # What is open comes without what a caller is known by.
        if hit is not None and whole is not None and not (route.is_open or route.also_open):
            self.repeats.note(whole, Repeat(shown_as(_authorization(scope)), route.app, hit))

    async def _let_anyone_in(self, scope: Scope, receive: Receive, send: Send, route: Route) -> None:
        """The open tier: read only, no key asked for, and one that is sent not looked at."""

        async def to_any_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_ANY_ORIGIN]}
            await send(message)

        if scope["method"] == "OPTIONS":
            # Asked before each request that counts, by browsers alone.
            await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, to_any_origin)
            return
        try:
            told = telling(to_any_origin, await self._limits.open.let_in(self._address_of(scope)))
        except Problem as refusal:
            _count_refusal(scope, refusal)
            await refusal.response()(scope, receive, to_any_origin)
            return
        if scope["method"] != "GET":
            allowed = {"Allow": _OPEN_METHODS}
            problem = Problem(METHOD_NOT_ALLOWED, "This is to read only.", headers=allowed)
            _count_refusal(scope, problem)
            await problem.response()(scope, receive, told)
        else:
            anyone = Caller(self._identities.open_token(app=route.app), subject="open", scope="open")
            await self._pass_on(scope, receive, told, route, anyone)

    def _address_of(self, scope: Scope) -> str:
        client = scope.get("client")
        peer = client[0] if client else ""
        if not self._addresses.trusts_some:
            return self._addresses.of(peer)
        return self._addresses.of(peer, forwarded_for(scope["headers"]))


def _head_of(send: Send) -> Send:
    """Sends an answer without its body, which nobody waits for: who makes it is told that its reader left."""

    async def begin(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body"})

    return begin


def _not_found(path: str) -> str:
    if path.startswith("/v1/imports/"):
        return f"Neither a kind of import nor an import. The kinds are {', '.join(sorted(IMPORT_KINDS))}."
    return NO_SUCH_ADDRESS


def _count_refusal(scope: Scope, problem: Problem) -> None:
    """Count a request that was turned away; one that was passed on is counted there."""
    if metrics.is_telling() and _COUNTED not in scope:
        metrics.refused(GATEWAY, scope["method"], problem.status_code)


def _refuse_too_long(headers: Iterable[tuple[bytes, bytes]], most_bytes: int) -> None:
    """A body that says how long it is; one that does not is counted on its way."""
    for name, value in headers:
        if name == b"content-length" and int(value) > most_bytes:
            raise too_long(most_bytes)


def _is_export(scope: Scope) -> bool:
    """Whether a list is asked for as a file rather than by the page."""
    if b"format=" in scope["query_string"]:
        return True
    accept = [value for name, value in scope["headers"] if name == b"accept"]
    return bool(accept) and not any(b"json" in value or b"*/*" in value for value in accept)


def _is_stranger(scope: Scope) -> bool:
    """Whether a request that carries no key at all is to read, or asks whether it may be made."""
    keyed = any(name == b"authorization" for name, _ in scope["headers"])
    return not keyed and cookies.session_of(scope) is None and scope["method"] in ("GET", "OPTIONS")


def _authorization(scope: Scope) -> str | None:
    """The one Authorization header, several are as good as none; without any, the session of a cookie."""
    session = cookies.session_of(scope)
    if session is not None:
        return f"Bearer {session}"
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    return values[0].decode("latin-1") if len(values) == 1 else None
