"""Learnings: the batches by which we came to know observations, one writer at a time."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from hedgerow_outcomes.tables import Learning


def lock(session: Session) -> None:
    """Wait until no other transaction writes observations, and keep others out until this one ends.

    Numbers for KPIs, subjects and learnings are given out under it, and what is known cannot change between
    being compared and being written.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE learnings IN EXCLUSIVE MODE"))


def begin(session: Session, *, import_id: str, source: str, now: datetime) -> int:
    """The number of a new learning. Its time is now, or just after the one before if the clock went back."""
    number, at = session.execute(
        select(Learning.number, Learning.at).order_by(Learning.number.desc()).limit(1)
    ).one_or_none() or (0, None)
    if at is not None:
        now = max(now, at + timedelta(microseconds=1))
    session.add(Learning(number=number + 1, at=now, import_id=import_id, source=source))
    session.flush()
    return int(number + 1)


def last_at(session: Session, moment: datetime) -> int:
    """The last learning at or before a moment; 0 if there was none."""
    return session.scalar(select(func.max(Learning.number)).where(Learning.at <= moment)) or 0
