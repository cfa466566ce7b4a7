"""Reading the ledgers of schemes."""

from collections.abc import Sequence
from typing import Any

from hedgerow_kit import paging
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.tables import LedgerEntry

KEY = ("scheme", "party", "kind", "period_start", "period_end")


def page(
    session: Session, *, scheme: str | None, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Entries in the order of their keys."""
    query = select(LedgerEntry)
    if scheme is not None:
        query = query.where(LedgerEntry.scheme == scheme)
    key = [getattr(LedgerEntry, name) for name in KEY]
    return paging.keyset(session, query, key, after=after, limit=limit)


def entries(session: Session, scheme: str) -> Sequence[LedgerEntry]:
    query = select(LedgerEntry).where(LedgerEntry.scheme == scheme)
    return session.scalars(query.order_by(*(getattr(LedgerEntry, name) for name in KEY))).all()
