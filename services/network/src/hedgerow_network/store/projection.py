"""The projection as it stands in the database."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_network.tables import Feed, Record


def feed(session: Session) -> Feed:
    """How far the registry's change feed was read."""
    return session.scalars(select(Feed).where(Feed.id == 1)).one()


def records(session: Session, *, newer_than: int) -> Sequence[tuple[str, str, dict[str, Any] | None]]:
    """Kind, id and data of the records that came with a batch above a number, deleted ones with data None."""
    rows = session.execute(
        select(Record.kind, Record.id, Record.data)
        .where(Record.batch > newer_than)
        .order_by(Record.kind, Record.id)
    )
    return [(kind, id, data) for kind, id, data in rows]


def counts(session: Session) -> dict[str, int]:
    """Records held by kind, without the deleted."""
    held = select(Record.kind, func.count()).where(Record.deleted.is_(False)).group_by(Record.kind)
    return {kind: number for kind, number in session.execute(held.order_by(Record.kind))}


def organisation_names(session: Session) -> Iterator[tuple[str, str, list[str]]]:
    """Id, name and identifiers (`scheme:number`) of every organisation held."""
    rows = session.execute(
        select(Record.id, Record.data)
        .where(Record.kind == "organisation", Record.deleted.is_(False))
        .execution_options(yield_per=5_000)
    )
    for id, data in rows:
        held = data or {}
        identifiers = [f"{one.get('scheme')}:{one.get('id')}" for one in held.get("identifiers") or ()]
        yield id, str(held.get("name") or id), identifiers
