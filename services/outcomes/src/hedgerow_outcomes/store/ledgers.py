"""Reading the ledgers of schemes."""

from collections.abc import Sequence
from typing import Any

from hedgerow_kit import paging
from hedgerow_kit.auth import ALL_AUTHORITIES
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.tables import LedgerEntry

KEY = ("scheme", "party", "kind", "period_start", "period_end")


def page(
    session: Session, authorities: frozenset[str], *, scheme: str | None, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Entries in the order of their keys, of the schemes that one of these authorities is a party of."""
    query = _visible(authorities)
    if scheme is not None:
        query = query.where(LedgerEntry.scheme == scheme)
    key = [getattr(LedgerEntry, name) for name in KEY]
    return paging.keyset(session, query, key, after=after, limit=limit)


def entries(session: Session, authorities: frozenset[str], scheme: str) -> Sequence[LedgerEntry]:
    query = _visible(authorities).where(LedgerEntry.scheme == scheme)
    return session.scalars(query.order_by(*(getattr(LedgerEntry, name) for name in KEY))).all()


def _visible(authorities: frozenset[str]) -> Select[Any]:
    query: Select[Any] = select(LedgerEntry)
    if ALL_AUTHORITIES in authorities:
        return query
    own = select(LedgerEntry.scheme).where(LedgerEntry.party.in_(sorted(authorities)))
    return query.where(LedgerEntry.scheme.in_(own))
