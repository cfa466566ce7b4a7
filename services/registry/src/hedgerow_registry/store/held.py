"""What the registry holds of the records a batch speaks of."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from hedgerow_kit.db import among
from sqlalchemy import select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

T = TypeVar("T")
Key = tuple[Any, ...]

# Far below the number of parameters one statement may carry, also with five key columns.
_CHUNK = 1_000


class Held(NamedTuple):
    digest: str
    source: str


def chunks(items: Iterable[T], size: int = _CHUNK) -> Iterator[list[T]]:
    """Lists of at most `size` items, in order."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece


def held(session: Session, table: Any, key: Sequence[str], keys: Iterable[Key]) -> dict[Key, Held]:
    """Digest and source of the records of these keys; those the registry does not hold are left out."""
    columns = [getattr(table, name) for name in key]
    wanted = (table.digest, table.source)
    query_all = select(*columns, *wanted)
    found: dict[Key, Held] = {}
    for piece in chunks(dict.fromkeys(keys)):
        if len(columns) == 1:
            query = query_all.where(among(columns[0], (one for (one,) in piece)))
        else:
            query = query_all.where(tuple_(*columns).in_(piece))
        for row in session.execute(query):
            found[tuple(row[: len(columns)])] = Held(*row[len(columns) :])
    return found


def known(
    session: Session, column: InstrumentedAttribute[str], wanted: Iterable[str], *also: Any
) -> set[str]:
    """Which of these values a column holds, in rows for which some conditions hold also."""
    return {
        value
        for piece in chunks(dict.fromkeys(wanted))
        for value in session.scalars(select(column).where(among(column, piece), *also))
    }


def lists(session: Session, owner: Any, columns: tuple[Any, ...], ids: Iterable[str]) -> dict[str, list[Any]]:
    """The items of lists that have a table of their own, by their owner, each list in order."""
    found: dict[str, list[Any]] = {}
    for piece in chunks(ids):
        for id, *values in session.execute(
            select(owner, *columns).where(among(owner, piece)).order_by(owner, *columns)
        ):
            found.setdefault(id, []).append(tuple(values) if len(values) > 1 else values[0])
    return found
