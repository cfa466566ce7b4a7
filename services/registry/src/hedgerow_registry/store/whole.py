"""Whole records as they were written, with their parts, of any kind."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hedgerow_kit.db import among
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from hedgerow_registry.store.held import Key, chunks


class Part(NamedTuple):
    """A list inside a record that has a table of its own: `field` of the record, one row an item."""

    field: str
    table: Any
    owner: str
    columns: tuple[str, ...]


def whole(
    session: Session,
    table: Any,
    key: Sequence[str],
    columns: Sequence[str],
    parts: Sequence[Part],
    keys: Iterable[Key],
    *,
    lock: bool = False,
) -> dict[Key, dict[str, Any]]:
    """The records of these keys: the columns asked for, and of each part a sorted list.

    lock: nobody else may write them until the transaction ends; locked in the order of their keys.
    """
    own = [getattr(table, name) for name in key]
    found: dict[Key, dict[str, Any]] = {}
    for piece in chunks(sorted(dict.fromkeys(keys))):
        chosen = among(own[0], (one for (one,) in piece)) if len(own) == 1 else tuple_(*own).in_(piece)
        query = select(*(getattr(table, name) for name in (*key, *columns))).where(chosen).order_by(*own)
        for row in session.execute(query.with_for_update(key_share=True) if lock else query):
            fields = dict(zip((*key, *columns), row, strict=True))
            found[tuple(row[: len(key)])] = fields | {part.field: [] for part in parts}
    for part in parts:
        _add_part(session, part, found)
    return found


def _add_part(session: Session, part: Part, found: dict[Key, dict[str, Any]]) -> None:
    owner = getattr(part.table, part.owner)
    columns = [getattr(part.table, name) for name in part.columns]
    for piece in chunks(found):
        query = select(owner, *columns).where(among(owner, (key[0] for key in piece)))
        for row in session.execute(query.order_by(owner, *columns)):
            found[(row[0],)][part.field].append(row[1] if len(columns) == 1 else tuple(row[1:]))
