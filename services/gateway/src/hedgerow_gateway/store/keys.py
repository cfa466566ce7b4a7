"""Queries on the keys."""

from collections.abc import Sequence
from datetime import datetime

from hedgerow_kit import paging
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hedgerow_gateway.domain.keys import HeldKey, is_over
from hedgerow_gateway.tables import ApiKey


def found(session: Session, identifier: str) -> ApiKey | None:
    return session.get(ApiKey, identifier)


def held(session: Session, identifier: str) -> HeldKey | None:
    """What is known of a key, as a value that outlives the session."""
    key = found(session, identifier)
    if key is None:
        return None
    return HeldKey(
        key.id, key.sha256, tuple(key.roles), tuple(key.authorities), key.expires_at, key.revoked_at
    )


def page(session: Session, *, after: str | None, limit: int) -> tuple[Sequence[ApiKey], str | None]:
    """Keys in the order they were made, revoked ones too."""
    rows, marker = paging.keyset(
        session, select(ApiKey), [ApiKey.created_at, ApiKey.id], after=after, limit=limit
    )
    return [row[0] for row in rows], marker


def live(session: Session, *, now: datetime) -> list[ApiKey]:
    """The keys that are good at this moment."""
    keys = session.scalars(select(ApiKey).where(ApiKey.revoked_at.is_(None)).order_by(ApiKey.id))
    return [key for key in keys if not is_over(key.expires_at, None, now=now)]


def note_use(session: Session, identifier: str, hour: datetime) -> None:
    session.execute(update(ApiKey).where(ApiKey.id == identifier).values(last_used_at=hour))
