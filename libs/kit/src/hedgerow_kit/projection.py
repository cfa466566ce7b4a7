"""A projection: what is kept of another app's change feed, with how far it was read, in two tables.

Nothing of it is the only copy: it can be dropped and read again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Index,
    Integer,
    String,
    delete,
    func,
    select,
)
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from hedgerow_kit import db
from hedgerow_kit.db import Database, Instant, upsert
from hedgerow_kit.following import Change, Changes, Position

# A page without news is noted so often, and not each time: every commit makes readers ask anew.
NOTED = timedelta(seconds=60)

UPGRADED = "A new version reads more of the registry than was read before."
REPLACED = "The registry's history is not the one that was read: it was restored or filled anew."


class RecordMixin:
    """An entity of the other app in the state last heard; one deleted there has no `data`.

    `batch` numbers our own transactions, so that a reader takes only what is newer than what it has.
    `feeding` is the round of reading the feed from its beginning that last brought the record.
    """

    __tablename__ = "records"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[str] = mapped_column(String(700), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    feeding: Mapped[int] = mapped_column(Integer)
    batch: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[bool] = mapped_column(Boolean)
    data: Mapped[dict[str, Any] | None] = mapped_column(db.Json)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (Index("ix_records_batch", "batch"),)


class FeedMixin:
    """How far the change feed was read: one row.

    `position` is the last change applied in the current round. A round that has come to the end is `settled`:
    records that it did not bring are gone from the other app and are swept.
    """

    __tablename__ = "feed"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)
    registry_last: Mapped[int] = mapped_column(BigInteger)
    batch: Mapped[int] = mapped_column(BigInteger)
    feeding: Mapped[int] = mapped_column(Integer)
    settled: Mapped[int] = mapped_column(Integer)
    heard_at: Mapped[datetime | None] = mapped_column(Instant)
    rebuilt_at: Mapped[datetime | None] = mapped_column(Instant)
    rebuilt_because: Mapped[str | None] = mapped_column(String(300))
    # Which history was read, and what proves at `position` that it still is the same.
    epoch: Mapped[str | None] = mapped_column(String(40))
    mark: Mapped[str | None] = mapped_column(String(64))
    # What was read of the feed: see `Projection`. Empty before this was kept.
    reads: Mapped[str | None] = mapped_column(String(500))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (CheckConstraint("id = 1", name="one_row"),)


class Projection:
    """The records of an app's two tables, kept up with a change feed.

    is_readable: whether a record carries what we read of it; one that does not counts as not there ·
    kinds, edition: what is read of the feed, and a number that grows whenever more is read of a record. What
    an earlier version left out of the feed is not in the tables: if either differs from what was read, the
    feed is read again from its beginning.
    """

    def __init__(
        self,
        record: type[RecordMixin],
        feed: type[FeedMixin],
        *,
        is_readable: Callable[[str, Mapping[str, Any]], bool],
        kinds: Collection[str],
        edition: int,
    ) -> None:
        self._record = record
        self._feed = feed
        self._is_readable = is_readable
        self._reads = f"{edition} {' '.join(sorted(kinds))}"

    def feed(self, session: Session) -> FeedMixin:
        """How far the change feed was read."""
        return session.scalars(select(self._feed).where(self._feed.id == 1)).one()

    def records(
        self, session: Session, *, newer_than: int = 0, kinds: Sequence[str] = ()
    ) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
        """Kind, id and data of the records that came with a batch above a number, deleted ones with None."""
        record = self._record
        query = select(record.kind, record.id, record.data).where(record.batch > newer_than)
        if kinds:
            query = query.where(record.kind.in_(kinds))
        rows = session.execute(query.order_by(record.kind, record.id))
        return ((kind, id, data) for kind, id, data in rows)

    def counts(self, session: Session) -> dict[str, int]:
        """Records held by kind, without the deleted."""
        record = self._record
        held = select(record.kind, func.count()).where(record.deleted.is_(False)).group_by(record.kind)
        return {kind: number for kind, number in session.execute(held.order_by(record.kind))}

    def position(self, database: Database) -> tuple[int, str | None]:
        """How far the feed was read, and the mark to go on with."""
        with database.reading() as session:
            feed = self.feed(session)
            return feed.position, feed.mark

    def restart(self, database: Database, *, after: int, at: datetime) -> Position:
        """Begin a new round, if the feed has still been read to `after`: its history was replaced."""
        with database.writing() as session:
            feed = self._locked(session)
            if feed.position == after:
                self.begin_round(session, because=REPLACED, at=at)
            return Position(feed.position, max(feed.registry_last, feed.position + 1), feed.settled > 0)

    def take(self, database: Database, page: Changes, *, after: int, heard_at: datetime) -> Position:
        """`apply`, in a transaction of its own, where there is something to note."""
        with database.reading() as session:
            feed = self.feed(session)
            heard_lately = feed.heard_at is not None and heard_at - feed.heard_at < NOTED
            if heard_lately and feed.reads == self._reads and _is_no_news(page, feed, after):
                return Position(feed.position, feed.registry_last, feed.settled > 0)
        with database.writing() as session:
            feed = self.apply(session, page, after=after, heard_at=heard_at)
            return Position(feed.position, feed.registry_last, feed.settled > 0)

    def apply(self, session: Session, page: Changes, *, after: int, heard_at: datetime) -> FeedMixin:
        """Take a page that was read after a position, and move the position with it: both or neither.

        A page read after another position than the present one is dropped: another replica was quicker, or a
        new round has begun. A feed that has fewer changes than were read from it was restored or emptied: a
        new round begins, as it does when the feed was read by a version that took other things from it.
        """
        feed = self._locked(session)
        feed.heard_at = heard_at
        if feed.reads != self._reads:
            if feed.position or feed.settled:
                self.begin_round(session, because=UPGRADED, at=heard_at)
            feed.reads = self._reads
        if feed.position != after:
            return feed
        if page.last < after:
            self.begin_round(
                session,
                because="The registry has fewer changes than were read from it: it was restored or emptied.",
                at=heard_at,
            )
            feed.registry_last = page.last
            return feed
        if after and feed.epoch is not None and page.epoch not in (None, feed.epoch):
            self.begin_round(session, because=REPLACED, at=heard_at)
            feed.registry_last = page.last
            return feed
        feed.registry_last = page.last
        if page.items:
            feed.batch += 1
            upsert(session, self._record, self._rows(page.items, feed), key=["kind", "id"])
        feed.position = page.position
        feed.epoch, feed.mark = page.epoch, page.mark
        if feed.position >= page.last and feed.settled < feed.feeding:
            session.execute(delete(self._record).where(self._record.feeding < feed.feeding))
            feed.settled = feed.feeding
        return feed

    def begin_round(self, session: Session, *, because: str, at: datetime) -> FeedMixin:
        """Read the feed again from its beginning. What is held answers on until the new round has come to the
        end.
        """
        feed = self._locked(session)
        feed.position = 0
        feed.epoch = feed.mark = None
        feed.feeding += 1
        feed.rebuilt_at = at
        feed.rebuilt_because = because
        return feed

    def _locked(self, session: Session) -> FeedMixin:
        # On PostgreSQL the lock keeps replicas from applying a page at once; SQLite has one writer anyway.
        return session.scalars(select(self._feed).where(self._feed.id == 1).with_for_update()).one()

    def _rows(self, changes: Sequence[Change], feed: FeedMixin) -> list[dict[str, Any]]:
        """One row per entity, the last change of each; sorted by key, which loads faster."""
        by_key = {(change.kind, change.id): change for change in changes}
        rows = []
        for (kind, id), change in sorted(by_key.items()):
            # A record that lacks what we read of it would break every answer: it counts as not there.
            held = change.data
            data = held if held is not None and self._is_readable(kind, held) else None
            rows.append(
                {
                    "kind": kind,
                    "id": id,
                    "seq": change.seq,
                    "feeding": feed.feeding,
                    "batch": feed.batch,
                    "deleted": data is None,
                    "data": data,
                }
            )
        return rows


def _is_no_news(page: Changes, feed: FeedMixin, after: int) -> bool:
    """Whether a page says only that everything still is as it was when it was last heard."""
    return (
        not page.items
        and feed.settled == feed.feeding
        and feed.position == after == page.position
        and (feed.registry_last, feed.epoch, feed.mark) == (page.last, page.epoch, page.mark)
    )
