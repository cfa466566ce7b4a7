"""How the open feed answers: the standard's page object, single records, and a stream of all."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from hedgerow_kit import db
from hedgerow_kit.db import Database
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_registry.store.hsds import Found

# Records of a stream are read so many at a time, each time anew: a slow reader holds no connection.
STREAMED_AT_ONCE = 200
_FRESH = {"Cache-Control": "public, no-cache"}

Page = Annotated[int, Query(ge=1, le=10_000_000, description="Which page; the first is 1")]
PerPage = Annotated[int, Query(ge=1, le=1000, description="How many records on a page")]
Format = Annotated[
    Literal["json", "ndjson"],
    Query(description="`ndjson` streams all records, one a line and whole, without pages"),
]
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
}
"""How the document tells of a list that may be streamed."""
Search = Annotated[str | None, Query(max_length=200, description="Words that must all occur")]
Records = Callable[[Session, list[str]], Iterable[dict[str, Any]]]


class FeedPage(BaseModel):
    """The page object of HSDS."""

    total_items: int
    total_pages: int
    page_number: int
    size: int
    first_page: bool
    last_page: bool
    empty: bool
    contents: list[dict[str, Any]]


def words(search: str | None) -> tuple[str, ...]:
    return tuple((search or "").split())


def record(made: Any) -> Response:
    return Response(orjson.dumps(made), media_type="application/json", headers=_FRESH)


def page(contents: list[dict[str, Any]], *, total: int, number: int, size: int) -> Response:
    """A page; one beyond the last is empty."""
    pages = -(-total // size)
    return record(
        {
            "total_items": total,
            "total_pages": pages,
            "page_number": number,
            "size": len(contents),
            "first_page": number == 1,
            "last_page": number >= pages,
            "empty": not contents,
            "contents": contents,
        }
    )


def paged(session: Session, found: Found, records: Records, *, number: int, size: int) -> Response:
    """The page of what was found."""
    ids = found.page(number, size)
    return page(list(records(session, ids)), total=found.total(), number=number, size=size)


def stream(request: Request, found: Found, records: Records) -> Response:
    """All that was found, one record a line, in the order of the ids."""
    return StreamingResponse(
        _lines(db.of(request), found, records), media_type="application/x-ndjson", headers=_FRESH
    )


def _lines(database: Database, found: Found, records: Records) -> Iterator[bytes]:
    last = ""
    while True:
        with database.reading() as session:
            ids = found.asked_in(session).after(last, STREAMED_AT_ONCE)
            if not ids:
                return
            lines = b"".join(orjson.dumps(made) + b"\n" for made in records(session, ids))
        yield lines
        last = ids[-1]
