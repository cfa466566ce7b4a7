"""The first thing a request meets: refuse what is ambiguous, ask who it is, send it where it is answered."""

from hedgerow_kit.problems import BAD_REQUEST, NOT_FOUND, Problem
from starlette.types import ASGIApp, Receive, Scope, Send

from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.domain.routes import GATEWAY, RouteTable, is_plain_path
from hedgerow_gateway.upstream.passthrough import Upstream


class Door:
    """Raw ASGI in front of the gateway's own routes, so that what is only passed on costs little."""

    def __init__(self, own: ASGIApp, upstream: Upstream, identities: Identities, table: RouteTable) -> None:
        self._own = own
        self._upstream = upstream
        self._identities = identities
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._own(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            await self._let_in(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_plain_path(scope["raw_path"]):
            raise Problem(BAD_REQUEST, "The path holds dot segments, empty segments or encoded slashes.")
        path: str = scope["path"]
        if path != "/v1" and not path.startswith("/v1/"):
            await self._own(_without_authorization(scope), receive, send)
            return
        authorization = _authorization(scope)
        route = self._table.find(path)
        app = route.app if route is not None else GATEWAY
        # Asked for before anything is said about the path: who is not known learns nothing of what is there.
        token = await self._identities.token(authorization, app=app)
        if route is None:
            raise Problem(NOT_FOUND)
        if app == GATEWAY:
            own = _without_authorization(scope)
            own["headers"].append((b"authorization", b"Bearer " + token.encode()))
            own["hedgerow.authorization"] = authorization
            await self._own(own, receive, send)
            return
        await self._upstream.pass_on(
            scope, receive, send, app=app, token=token, read_seconds=route.read_seconds
        )


def _authorization(scope: Scope) -> str | None:
    """The one Authorization header; several are as good as none."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    return values[0].decode("latin-1") if len(values) == 1 else None


def _without_authorization(scope: Scope) -> Scope:
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"authorization"]}
