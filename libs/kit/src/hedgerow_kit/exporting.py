"""A list in another format: its pages are asked for one after the other, inside, and written as they come."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hedgerow_kit import formats
from hedgerow_kit.formats import Format, Listing, Writer

Handle = Callable[[Request], Awaitable[Response]]

# As many items a page as a list gives at most.
PAGE = 1000
# What belongs to the JSON answer alone.
_OF_JSON = frozenset({"content-length", "content-type", "etag", "last-modified", "link", "vary"})


async def answer(request: Request, handle: Handle, listing: Listing, format: Format) -> Response:
    """The list in a format: every item from `after` on, or the one page where its length is given.

    Whatever is wrong is found on the first page, before anything is sent. A list of one page is sent whole; a
    longer one as a stream, which breaks off unfinished if a later page fails.
    """
    asked = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    whole = all(name != listing.length for name, _ in asked)
    longest = (listing.length, str(PAGE))
    first = await _page(request, handle, [*asked, longest] if whole else asked)
    if first.status_code != 200:
        return first
    page = orjson.loads(first.body)
    headers = _headers(request, first, page, format, listing, whole=whole)
    writer = await to_thread.run_sync(format.writer, listing)
    following = page["next"] if whole else None
    if following is None:
        body = await to_thread.run_sync(_written, writer, page)
        return Response(body, headers=headers, media_type=format.content_type)

    async def stream() -> AsyncIterator[bytes]:
        held, marker = page, following
        try:
            for piece in await to_thread.run_sync(_begun, writer, page):
                yield piece
            while True:
                for piece in await to_thread.run_sync(_added, writer, held["items"]):
                    yield piece
                if marker is None:
                    break
                later = await _page(request, handle, _after([*asked, longest], marker))
                if later.status_code != 200:
                    raise RuntimeError(f"a later page answered with status {later.status_code}")
                held = orjson.loads(later.body)
                marker = held["next"]
            rest = writer.end()
            while (last := await to_thread.run_sync(_next, rest)) is not None:
                yield last
        finally:
            writer.close()

    return StreamingResponse(stream(), headers=headers, media_type=format.content_type)


def _begun(writer: Writer, page: dict[str, Any]) -> list[bytes]:
    return list(writer.begin(formats.about(page)))


def _added(writer: Writer, items: list[dict[str, Any]]) -> list[bytes]:
    return list(writer.add(items))


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


def _written(writer: Writer, page: dict[str, Any]) -> bytes:
    try:
        return b"".join([*_begun(writer, page), *_added(writer, page["items"]), *writer.end()])
    finally:
        writer.close()


def _after(asked: list[tuple[str, str]], marker: str) -> list[tuple[str, str]]:
    return [*((name, value) for name, value in asked if name != "after"), ("after", marker)]


async def _page(request: Request, handle: Handle, asked: list[tuple[str, str]]) -> Response:
    """One page as the endpoint gives it, in transactions of its own."""
    scope = {**request.scope, "query_string": urlencode(asked).encode()}
    async with AsyncExitStack() as around, AsyncExitStack() as within:
        scope["fastapi_inner_astack"], scope["fastapi_function_astack"] = around, within
        return await handle(Request(scope, request.receive))


def _headers(
    request: Request,
    first: Response,
    page: dict[str, Any],
    format: Format,
    listing: Listing,
    *,
    whole: bool,
) -> dict[str, str]:
    kept = {name: value for name, value in first.headers.items() if name not in _OF_JSON}
    links = [] if whole or "link" not in first.headers else [first.headers["link"]]
    asked = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in (formats.PARAMETER, listing.length, "after")
    ]
    if formats.about(page):
        query = urlencode([*asked, (listing.length, "1")])
        links.append(f'<{request.url.path}?{query}>; rel="describedby"; type="application/json"')
    name = re.sub(r"[^A-Za-z0-9-]+", "-", request.url.path.rpartition("/")[2]).strip("-") or "list"
    return {
        **kept,
        **formats.about_header(page),
        **({"Link": ", ".join(links)} if links else {}),
        "Content-Disposition": f'attachment; filename="{name[:60]}.{format.extension}"',
        "Vary": "Accept",
    }
