"""The sessions of people who signed in."""

from datetime import datetime

from hedgerow_kit.retention import Kept
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from hedgerow_gateway.tables import PersonSession


def add(session: Session, row: PersonSession) -> None:
    session.add(row)


def found(session: Session, digest: str, *, now: datetime) -> PersonSession | None:
    """The session of a secret's digest, unless it is over."""
    row = session.get(PersonSession, digest)
    return row if row is not None and row.ends_at > now else None


def kept() -> Kept:
    """Sessions that are over are of no use to anybody."""
    ends_at = PersonSession.ends_at
    return Kept(
        "sessions",
        "Sessions of people who signed in, from their end on",
        0,
        lambda session: session.scalar(select(func.min(ends_at))),
        _remove,
    )


def _remove(session: Session, before: datetime, most: int) -> int:
    old = select(PersonSession.sha256).where(PersonSession.ends_at < before).limit(most)
    gone = delete(PersonSession).where(PersonSession.sha256.in_(old)).returning(PersonSession.sha256)
    return len(session.execute(gone).all())


def end(session: Session, digest: str) -> None:
    session.execute(delete(PersonSession).where(PersonSession.sha256 == digest))
