"""The sessions of people who signed in."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from hedgerow_gateway.tables import PersonSession


def add(session: Session, row: PersonSession) -> None:
    """Begin a session, and forget those that are over."""
    session.execute(delete(PersonSession).where(PersonSession.ends_at <= row.created_at))
    session.add(row)


def found(session: Session, digest: str, *, now: datetime) -> PersonSession | None:
    """The session of a secret's digest, unless it is over."""
    row = session.get(PersonSession, digest)
    return row if row is not None and row.ends_at > now else None


def end(session: Session, digest: str) -> None:
    session.execute(delete(PersonSession).where(PersonSession.sha256 == digest))
