"""Keyset paging: lists that stay stable while others write."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Row, Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from hedgerow_kit.problems import UNPROCESSABLE, Problem

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many items at most")]
After = Annotated[str | None, Query(description="The `next` of the page before", max_length=2000)]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: str | None = None


def _encode(values: Sequence[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps(list(values))).decode().rstrip("=")


def _unfit() -> Problem:
    return Problem(
        UNPROCESSABLE,
        "The page marker does not fit this list.",
        errors=[{"parameter": "after", "reason": "take it unchanged from `next` of the page before"}],
    )


def _decode(after: str, width: int) -> list[Any]:
    try:
        values = orjson.loads(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except ValueError:
        values = None
    if not isinstance(values, list) or any(isinstance(v, dict | list) for v in values):
        raise _unfit()
    if len(values) != width:
        raise _unfit()
    return values


def _typed(value: Any, column: InstrumentedAttribute[Any] | ColumnElement[Any]) -> Any:
    wanted = column.type.python_type
    try:
        if wanted is datetime:
            return datetime.fromisoformat(value)
        if wanted is date:
            return date.fromisoformat(value)
        # To Python, and not to a database, True is a number; no column holds one beyond 64 bits, or NUL.
        if not isinstance(value, wanted) or isinstance(value, bool) is not (wanted is bool):
            raise TypeError
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError
        if isinstance(value, str) and "\0" in value:
            raise ValueError
    except (TypeError, ValueError):
        raise _unfit() from None
    return value


def keyset(
    session: Session,
    query: Select[*tuple[Any, ...]],
    keys: Sequence[InstrumentedAttribute[Any] | ColumnElement[Any]],
    *,
    after: str | None,
    limit: int,
) -> tuple[list[Row[*tuple[Any, ...]]], str | None]:
    """One page of a query in the order of `keys`, which together are unique, and the marker of the next.

    The keys' values are read from the query's own columns, or from its entity.
    """
    if after is not None:
        # Each mark with its column's own type, which may be stored in another shape than its Python type is.
        marks = [
            literal(_typed(value, key), key.type)
            for value, key in zip(_decode(after, len(keys)), keys, strict=True)
        ]
        query = query.where(tuple_(*keys) > tuple_(*marks))
    rows = list(session.execute(query.add_columns(*keys).order_by(*keys).limit(limit + 1)).all())
    more = len(rows) > limit
    page = rows[:limit]
    marker = _encode(page[-1][-len(keys) :]) if more else None
    return page, marker


def in_turn(
    runs: Sequence[Callable[[Any, int], Sequence[Row[*tuple[Any, ...]]]]],
    key: InstrumentedAttribute[Any] | ColumnElement[Any],
    *,
    after: str | None,
    limit: int,
) -> tuple[list[Row[*tuple[Any, ...]]], str | None]:
    """One page of several lists one after another, each in the order of its own unique key.

    runs: each gives at most so many rows after a value of the key, or the first ones after `None`; the key
    stands first in a row. A row that goes from one list to another while somebody pages may be met twice, or
    not at all.
    """
    start, mark = 0, None
    if after is not None:
        start, mark = _decode(after, 2)
        if type(start) is not int or not 0 <= start < len(runs):
            raise _unfit()
        mark = _typed(mark, key)
    found: list[tuple[int, Row[*tuple[Any, ...]]]] = []
    for place in range(start, len(runs)):
        rows = runs[place](mark if place == start else None, limit + 1 - len(found))
        found += [(place, row) for row in rows]
        if len(found) > limit:
            break
    page = found[:limit]
    marker = _encode([page[-1][0], page[-1][1][0]]) if len(found) > limit else None
    return [row for _, row in page], marker


def window(
    items: Sequence[T], key: Callable[[T], tuple[Any, ...]], *, after: str | None, limit: int
) -> tuple[list[T], str | None]:
    """One page of a computed list, sorted ascending by a unique `key`, and the marker of the next."""
    start = 0
    if after is not None:
        mark = _decode(after, len(key(items[0]))) if items else []
        try:
            start = bisect_right(items, mark, key=lambda item: list(key(item)))
        except TypeError:
            raise _unfit() from None
    page = list(items[start : start + limit])
    return page, _encode(key(page[-1])) if page and start + limit < len(items) else None


def link_next(request: Request, response: Response, marker: str | None) -> None:
    """Name the next page in a Link header (RFC 8288)."""
    if marker is not None:
        query = request.url.include_query_params(after=marker)
        response.headers["Link"] = f'<{query.path}?{query.query}>; rel="next"'
