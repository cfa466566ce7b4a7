"""Feeds that are pulled, their pulls, and what each feed brought."""

from datetime import datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from hedgerow_kit.reach import Owned
from sqlalchemy import Boolean, CheckConstraint, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base


class Feed(Owned, Base):
    """A live feed of services, and when it is to be pulled."""

    __tablename__ = "feeds"
    __table_args__ = (
        Index("ix_feeds_due", "next_due_at"),
        CheckConstraint("largest_loss >= 0 AND largest_loss <= 1", name="largest_loss"),
        CheckConstraint("full_every_days >= 1", name="full_every_days"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    # The address of its list of services, where the last full pull found it behind the root.
    list_url: Mapped[str | None] = mapped_column(Text)
    # One feed a source: whose a service is says which feed may take it away.
    source: Mapped[str] = mapped_column(String(200), ForeignKey("sources.name"), unique=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
    schedule: Mapped[str | None] = mapped_column(String(100))
    enabled: Mapped[bool] = mapped_column(Boolean)
    largest_loss: Mapped[float] = mapped_column(Float)
    full_every_days: Mapped[int] = mapped_column(Integer)
    # What the last full pull found out: whether the feed, asked for what changed, gives only that.
    filters_by_change: Mapped[bool | None] = mapped_column(Boolean)
    last_pull_at: Mapped[datetime | None] = mapped_column(Instant)
    last_full_at: Mapped[datetime | None] = mapped_column(Instant)
    # When the last pull began that missed nothing: what changed before it is here.
    complete_at: Mapped[datetime | None] = mapped_column(Instant)
    next_due_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str] = mapped_column(String(200))
    updated_at: Mapped[datetime] = mapped_column(Instant)


class FeedPull(Base):
    """One pull of a feed. It is an import as well, of the same id, and its receipts are that import's.

    turn: how often the work was handed out; a worker with an older turn stops · runner: who works on it now ·
    progress: how far the feed was read, after the last page that was written.
    """

    __tablename__ = "feed_pulls"
    __table_args__ = (
        Index("ix_feed_pulls_feed", "feed_id", "id"),
        Index("ix_feed_pulls_state", "state", "touched_at"),
        CheckConstraint(
            "state IN ('waiting', 'running', 'retrying', 'needs_confirmation', 'completed', 'failed',"
            " 'dismissed')",
            name="state",
        ),
        CheckConstraint("mode IN ('full', 'changes')", name="mode"),
    )

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    feed_id: Mapped[str] = mapped_column(String(36), ForeignKey("feeds.id", ondelete="CASCADE"))
    mode: Mapped[str] = mapped_column(String(10))
    since: Mapped[datetime | None] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(20))
    asked_by: Mapped[str | None] = mapped_column(String(200))
    asked_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    touched_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    next_try_at: Mapped[datetime | None] = mapped_column(Instant)
    turn: Mapped[int] = mapped_column(Integer)
    runner: Mapped[str | None] = mapped_column(String(36))
    tries: Mapped[int] = mapped_column(Integer)
    retries: Mapped[int] = mapped_column(Integer)
    pages: Mapped[int] = mapped_column(Integer)
    unchanged_pages: Mapped[int] = mapped_column(Integer)
    partial: Mapped[int] = mapped_column(Integer)
    gone: Mapped[int] = mapped_column(Integer)
    would_remove: Mapped[int | None] = mapped_column(Integer)
    confirmed_by: Mapped[str | None] = mapped_column(String(200))
    verdict: Mapped[str | None] = mapped_column(String(20))
    error: Mapped[str | None] = mapped_column(Text)
    progress: Mapped[dict[str, Any] | None] = mapped_column(db.Json)


class FeedRecord(Base):
    """A service that a feed brought: in which pull first and last, and in which it was found gone.

    own_id: as the feed writes it · content: a digest of what it last said · place: where it stood ·
    missed: in how many pulls in a row it was missing.
    """

    __tablename__ = "feed_records"
    __table_args__ = (
        Index("ix_feed_records_pull", "feed_id", "pull_id"),
        Index("ix_feed_records_service", "service_id"),
    )

    feed_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("feeds.id", ondelete="CASCADE"), primary_key=True
    )
    service_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    own_id: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(String(24))
    place: Mapped[str] = mapped_column(String(80))
    first_pull_id: Mapped[str] = mapped_column(String(60))
    pull_id: Mapped[str] = mapped_column(String(60))
    missed: Mapped[int] = mapped_column(Integer)
    gone_at: Mapped[datetime | None] = mapped_column(Instant)
    gone_pull_id: Mapped[str | None] = mapped_column(String(60))


class FeedPage(Base):
    """A page of a feed as it was last read, and by what to ask whether it is still the same.

    said: what it said of itself · own_ids: of its services, as the feed writes them · service_ids: of those
    that were taken in.
    """

    __tablename__ = "feed_pages"

    feed_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("feeds.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    etag: Mapped[str | None] = mapped_column(Text)
    last_modified: Mapped[str | None] = mapped_column(Text)
    said: Mapped[list[Any]] = mapped_column(db.Json)
    own_ids: Mapped[list[str]] = mapped_column(db.Json)
    service_ids: Mapped[list[str]] = mapped_column(db.Json)
