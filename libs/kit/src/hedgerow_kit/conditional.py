"""Conditional requests: strong entity tags on reads, `If-Match` on writes (RFC 9110).

A route gives the tag of the state that a write is to meet; the middleware adds the digest of the body, behind
a dot. What was read is thus known by both, also where it shows more than that state: names of others, what
the caller may see, how old something is. A write looks at the state alone.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hedgerow_kit.problems import (
    IF_MATCH,
    PRECONDITION_FAILED,
    PRECONDITION_REQUIRED,
    Conditional,
    Problem,
)

# A longer answer is streamed on without a tag rather than held in memory.
LONGEST_TAGGED = 8_000_000

_ETAG = {
    "description": "The state of the record: send it in `If-Match` to write",
    "schema": {"type": "string"},
}
_PARAMETER = re.compile(r"\{(\w+)\}")
_STATE = re.compile(r'("[0-9a-f]+)\.[0-9a-f]+"')


def etag(*parts: object) -> str:
    """The entity tag of a state that is a function of these parts."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\x00")
    return f'"{digest.hexdigest()}"'


def _names(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    names = {name.strip().removeprefix("W/") for name in header.split(",")}
    return "*" in names or tag in names


def require_match(request: Conditional, tag: str) -> None:
    """Refuse a write that does not name the current tag in `If-Match`."""
    named = request.headers.get("if-match")
    if named is None:
        raise Problem(
            PRECONDITION_REQUIRED,
            "Send the ETag of the version you have read in If-Match, so that no other change is lost.",
        )
    if not _names(_STATE.sub(r'\1"', named), tag):
        raise Problem(PRECONDITION_FAILED, "It has changed since you read it: read it again.")


def require_state(request: Conditional, tag: str | None) -> None:
    """Refuse a write that may make something, unless things are as its headers say.

    tag: of what is there; None if nothing is
    """
    if tag is None:
        if request.headers.get("if-match") is not None:
            raise Problem(PRECONDITION_FAILED, "There is no such record any more.")
        return
    if request.headers.get("if-none-match", "").strip() == "*":
        raise Problem(PRECONDITION_FAILED, "There is such a record already.")
    require_match(request, tag)


class ETagMiddleware:
    """Tag every successful GET answer of bounded length and answer 304 to who has it.

    What a write answers is tagged if its route says of which state it is, as a GET would tag it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_read = scope["method"] in ("GET", "HEAD")
        answer = _Answer(Headers(scope=scope).get("if-none-match") if is_read else None, send, is_read)
        await self._app(scope, receive, answer.take)


class _Answer:
    """Holds one answer back until it is whole, or too long to hold."""

    def __init__(self, if_none_match: str | None, send: Send, is_read: bool) -> None:
        self._if_none_match = if_none_match
        self._send = send
        self._is_read = is_read
        self._start: Message | None = None
        self._body: list[bytes] = []
        self._length = 0

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._is_tagged(message):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._take_body(message)
        else:
            await self._send(message)

    def _is_tagged(self, start: Message) -> bool:
        if self._is_read:
            return bool(start["status"] == 200)
        return start["status"] in (200, 201) and "etag" in Headers(raw=start["headers"])

    async def _take_body(self, message: Message) -> None:
        self._body.append(message.get("body", b""))
        self._length += len(self._body[-1])
        if not message.get("more_body", False):
            await self._finish()
        elif self._length > LONGEST_TAGGED or self._streams():
            await self._release()

    def _streams(self) -> bool:
        assert self._start is not None
        kind = Headers(raw=self._start["headers"]).get("content-type", "")
        return not kind.startswith(("application/json", "application/geo+json", "application/vnd.oai"))

    async def _release(self) -> None:
        assert self._start is not None
        start, self._start = self._start, None
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b"".join(self._body), "more_body": True})
        self._body.clear()

    async def _finish(self) -> None:
        assert self._start is not None
        start, self._start = self._start, None
        body = b"".join(self._body)
        headers = MutableHeaders(raw=start["headers"])
        tag = _with(etag(body), headers.get("etag"))
        headers["etag"] = tag
        if self._is_read:
            headers.setdefault("cache-control", "private, no-cache")
        if _names(self._if_none_match, tag):
            for name in ("content-length", "content-type"):
                del headers[name]
            await self._send({**start, "status": 304, "headers": headers.raw})
            await self._send({"type": "http.response.body", "body": b""})
            return
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def describe(document: dict[str, Any]) -> None:
    """Say in an OpenAPI document whose `ETag` each write that looks at `If-Match` takes: links from the
    answers that show the record, or make it.
    """
    paths = document["paths"]
    for path, item in paths.items():
        for method, operation in item.items():
            if IF_MATCH in operation.get("parameters", ()):
                # A list within a record is written by the state of the record.
                record = path if _is_read(item) else path.rpartition("/")[0]
                for answer, known in _shown(paths, record):
                    answer.setdefault("headers", {})["ETag"] = _ETAG
                    answer.setdefault("links", {})[operation["operationId"]] = {
                        "operationRef": f"#/paths/{_escaped(path)}/{method}",
                        "parameters": {**known, "header.If-Match": "$response.header.ETag"},
                    }


def _is_read(item: Mapping[str, Any]) -> bool:
    """Whether something is read at a path, and no list; a list has a `limit`."""
    return "get" in item and all(one["name"] != "limit" for one in item["get"].get("parameters", ()))


def _shown(paths: Mapping[str, Any], record: str) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Each answer that shows a record, and what is known then of the parameters of its path."""
    names = _PARAMETER.findall(record)
    asked = {f"path.{name}": f"$request.path.{name}" for name in names}
    for method in ("get", "put", "patch"):
        yield from _good(paths[record].get(method, {}), asked)
    if record.endswith("}"):
        collection = paths.get(record.rpartition("/")[0], {})
        yield from _good(collection.get("post", {}), {**asked, f"path.{names[-1]}": "$response.body#/id"})


def _good(operation: Mapping[str, Any], known: dict[str, str]) -> Iterator[tuple[Any, dict[str, str]]]:
    answers = operation.get("responses", {})
    yield from ((answers[status], known) for status in ("200", "201") if status in answers)


def _escaped(path: str) -> str:
    return path.replace("~", "~0").replace("/", "~1")


def _with(body: str, state: str | None) -> str:
    return body if state is None else f"{state[:-1]}.{body[1:]}"
