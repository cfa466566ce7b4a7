"""What the gateway itself asks of the apps: whether they are ready, their documents, their imports."""

import asyncio
import logging
from typing import Any

import aiohttp
import orjson
from hedgerow_kit import tracing
from hedgerow_kit.problems import Problem

from hedgerow_gateway.domain.routes import Lane
from hedgerow_gateway.upstream.asking import Answer
from hedgerow_gateway.upstream.passthrough import Upstream

log = logging.getLogger(__name__)

READY_SECONDS = 1.5
ASK_SECONDS = 5.0
# An app writes its document at the first question, and on a busy machine that takes its time.
DOCUMENT_SECONDS = 20.0
# One round of questions serves everybody who asks within this time.
ROUND_SECONDS = 0.5
LONGEST_ANSWER_BYTES = 16_000_000


class AppDown(Exception):
    """An app could not be asked."""


class Apps:
    """The other apps, as the gateway's own routes see them."""

    def __init__(self, upstream: Upstream, names: tuple[str, ...]) -> None:
        self._upstream = upstream
        self.names = names
        self._round: asyncio.Future[dict[str, str]] | None = None
        self._round_ends = 0.0

    async def down(self) -> dict[str, str]:
        """The apps that cannot answer, each with the reason; all are asked at the same time."""
        loop = asyncio.get_running_loop()
        if self._round is None or loop.time() >= self._round_ends:
            self._round = asyncio.ensure_future(self._ask_all_whether_ready())
            self._round_ends = loop.time() + READY_SECONDS + ROUND_SECONDS
        answer = await asyncio.shield(self._round)
        self._round_ends = min(self._round_ends, loop.time() + ROUND_SECONDS)
        return answer

    async def _ask_all_whether_ready(self) -> dict[str, str]:
        reasons = await asyncio.gather(*(self._reason_not_ready(app) for app in self.names))
        return {app: reason for app, reason in zip(self.names, reasons, strict=True) if reason is not None}

    async def _reason_not_ready(self, app: str) -> str | None:
        try:
            status, body, _ = await self._ask(app, "/readyz", seconds=READY_SECONDS)
        except AppDown as error:
            return str(error)
        if status == 200:
            self._upstream.seen_ready(app)
            return None
        try:
            detail = orjson.loads(body)["detail"]
        except (ValueError, KeyError, TypeError):
            detail = None
        return detail if isinstance(detail, str) and len(detail) <= 300 else f"answers {status}"

    async def document(self, app: str) -> dict[str, Any]:
        """The OpenAPI document of an app."""
        status, body, _ = await self._ask(app, "/openapi.json", seconds=DOCUMENT_SECONDS)
        try:
            document = orjson.loads(body)
        except ValueError:
            raise AppDown("gave no document") from None
        if status != 200 or not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
            raise AppDown("gave no document")
        return document

    async def answer(
        self, app: str, path: str, query: str, *, token: str, lane: Lane, seconds: float = ASK_SECONDS
    ) -> dict[str, Any]:
        """The JSON object an app answers to a GET under the caller's identity; otherwise `AppRefused`.

        It takes a place as what is passed on does, and counts as that for whether the app is well.
        """
        try:
            async with self._upstream.room(app, lane):
                status, body, location = await self._ask(app, path, query, token=token, seconds=seconds)
        except Problem as problem:
            raise AppDown(problem.detail) from None
        except AppDown:
            self._upstream.note(app, good=False)
            raise
        self._upstream.note(app, good=True)
        try:
            value = orjson.loads(body)
        except ValueError:
            value = None
        if status != 200:
            raise AppRefused(status, value if isinstance(value, dict) else {}, location)
        if not isinstance(value, dict):
            raise AppDown("did not give a whole answer")
        return value

    async def _ask(
        self, app: str, path: str, query: str = "", *, seconds: float, token: str | None = None
    ) -> tuple[int, bytes, str | None]:
        headers = [(b"accept", b"application/json")]
        if token:
            headers.append((b"authorization", b"Bearer " + token.encode()))
            headers += await self._upstream.first_to_hear(app)
        if (named := tracing.traceparent()) is not None:
            headers.append((b"traceparent", named.encode()))
        target = f"{path}?{query}" if query else path
        try:
            async with (
                asyncio.timeout(seconds),
                await self._upstream.request("GET", app, target.encode(), headers) as answer,
            ):
                return answer.status, await _whole(answer), answer.headers.get("location")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise AppDown("cannot be reached") from None
        except TimeoutError:
            raise AppDown("took too long to answer") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise AppDown("did not give a whole answer") from None


class AppRefused(Exception):
    """An app answered, but not with what was asked for.

    problem: what it said, as far as it was an object · location: where it sends whoever asks, if it does
    """

    def __init__(self, status: int, problem: dict[str, Any], location: str | None) -> None:
        super().__init__(status)
        self.status = status
        self.problem = problem
        self.location = location


async def _whole(answer: Answer | aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    length = 0
    while part := await answer.content.readany():
        length += len(part)
        if length > LONGEST_ANSWER_BYTES:
            raise ValueError("longer than the gateway reads")
        parts.append(part)
    return b"".join(parts)
