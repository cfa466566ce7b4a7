"""Change feed: what changed, numbered without gaps in the order of commit, on both databases.

A change is numbered when its transaction commits, under the lock of a one-row clock that is held only from
there to the end of the commit. So a reader that sees number n sees every number below it, and a transaction
that rolls back leaves no hole.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Index,
    String,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from hedgerow_kit.db import Instant, insert_all

_PENDING = "pending_changes"


class HistoryReplaced(Exception):
    """The history is not the one you have read: read it from its beginning."""


class ChangeMixin:
    """One change: the entity `id` of `type` was written, or deleted."""

    __tablename__ = "changes"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(40))
    id: Mapped[str] = mapped_column(String(300))
    deleted: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[datetime] = mapped_column(Instant)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (Index("ix_changes_entity", "type", "id", "seq"),)


class ChangeClockMixin:
    """The number of the last committed change, in its only row."""

    __tablename__ = "change_clock"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (CheckConstraint("id = 1", name="one_row"),)


class FeedPage(NamedTuple):
    """A page of changes; `next` is the number to go on after, or `None` where the feed has no more for now.

    position: the last change that the page speaks for, of whatever type · mark: proves that change
    """

    changes: Sequence[ChangeMixin]
    next: int | None
    last: int
    position: int
    mark: str


class Feed:
    """The change feed of one app, made of its two tables."""

    def __init__(self, change: type[ChangeMixin], clock: type[ChangeClockMixin]) -> None:
        self._change = change
        self._clock = clock

    def record(self, session: Session, type: str, id: str, *, deleted: bool = False) -> None:
        """Note a change; the last note for an entity in a transaction is the one that counts."""
        pending = session.info.setdefault(_PENDING, {}).setdefault(self, {})
        pending.pop((type, id), None)
        pending[type, id] = deleted

    @property
    def last_number(self) -> str:
        """The statement that reads the number of the last change."""
        return str(select(self._clock.seq))

    def current(self, session: Session) -> int:
        """The number of the last change this session can see; 0 before the first."""
        return session.scalar(select(self._clock.seq)) or 0

    def after(
        self, session: Session, seq: int, *, limit: int, types: Sequence[str] = ()
    ) -> Sequence[ChangeMixin]:
        """The next changes after a number, oldest first."""
        query = select(self._change).where(self._change.seq > seq)
        if types:
            query = query.where(self._change.type.in_(types))
        return session.scalars(query.order_by(self._change.seq).limit(limit)).all()

    def mark(self, session: Session, seq: int, *, history: str = "") -> str | None:
        """What a change is known again by, in a history; `None` where there is none of that number."""
        told: tuple[Any, ...] = (history, seq)
        if seq:
            change = session.get(self._change, seq)
            if change is None:
                return None
            told += (change.type, change.id, change.at.isoformat())
        return blake2b(repr(told).encode(), digest_size=16).hexdigest()

    def page(
        self,
        session: Session,
        *,
        after: int,
        limit: int,
        types: Sequence[str],
        marked: str | None = None,
        history: str = "",
    ) -> FeedPage:
        """The next changes after a number, and how far they go.

        marked: the mark of the page before. Raises HistoryReplaced where that is not this change's.
        """
        if marked is not None and marked != self.mark(session, after, history=history):
            raise HistoryReplaced
        found = self.after(session, after, limit=limit + 1, types=types)
        following = found[limit - 1].seq if len(found) > limit else None
        last = self.current(session)
        position = max(after, last) if following is None else following
        proof = self.mark(session, min(position, last), history=history) or ""
        return FeedPage(found[:limit], following, last, position, proof)

    def _number(self, session: Session, pending: dict[tuple[str, str], bool]) -> None:
        last = session.execute(
            update(self._clock).values(seq=self._clock.seq + len(pending)).returning(self._clock.seq),
            execution_options={"synchronize_session": False},
        ).scalar_one_or_none()
        if last is None:
            # The first change of a new database. A second first writer meets the primary key and is refused.
            last = len(pending)
            session.execute(insert(self._clock).values(id=1, seq=last))
        now = datetime.now(UTC)
        first = last - len(pending) + 1
        insert_all(
            session,
            self._change,
            [
                {"seq": first + offset, "type": type, "id": id, "deleted": deleted, "at": now}
                for offset, ((type, id), deleted) in enumerate(pending.items())
            ],
        )


@event.listens_for(Session, "before_commit")
def _number_changes(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for feed, pending in session.info.pop(_PENDING, {}).items():
        session.flush()
        feed._number(session, pending)


@event.listens_for(Session, "after_rollback")
def _forget_changes(session: Session) -> None:
    session.info.pop(_PENDING, None)
