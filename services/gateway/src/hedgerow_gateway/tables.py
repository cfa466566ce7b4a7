"""The rows of the gateway's own database."""

from datetime import datetime
from typing import Any

from hedgerow_kit import audit, db, idempotency
from hedgerow_kit.db import Instant
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = db.metadata()


idempotency.declare(Base.metadata)
audit.declare(Base.metadata)


class ApiKey(Base):
    """A key that was given out: its hash and what it may do, never the key."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(40))
    sha256: Mapped[str] = mapped_column(String(64), unique=True, info=audit.NOT_REPEATED)
    name: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[str]] = mapped_column(db.Json)
    authorities: Mapped[list[str]] = mapped_column(db.Json)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_used_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (Index("ix_api_keys_created_at_id", "created_at", "id"),)


class PersonSession(Base):
    """Somebody who has signed in: the hash of the secret in their cookie, and what they may do until when."""

    __tablename__ = "sessions"
    __audited__ = False

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[str]] = mapped_column(db.Json)
    authorities: Mapped[list[str]] = mapped_column(db.Json)
    created_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant, index=True)


class EventClock(Base):
    """The number of the last event, and of the last one that was taken away for its age; its only row."""

    __tablename__ = "event_clock"
    __audited__ = False
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    pruned: Mapped[int] = mapped_column(BigInteger)


class EventSource(Base):
    """An app whose feed becomes events: how far it was read.

    `round` counts its histories. Changes up to `silent_to` are no news: they were read again after the
    history had been replaced.
    """

    __tablename__ = "event_sources"
    __audited__ = False

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    mark: Mapped[str | None] = mapped_column(String(64))
    round: Mapped[int]
    silent_to: Mapped[int] = mapped_column(BigInteger)
    complete: Mapped[bool]


class Place(Base):
    """Where a record of the registry was last known to be, and whose: see `domain.events.Place`."""

    __tablename__ = "places"
    __audited__ = False

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[str] = mapped_column(String(700), primary_key=True)
    areas: Mapped[list[str]] = mapped_column(db.Json)
    authorities: Mapped[list[str]] = mapped_column(db.Json)
    part_of: Mapped[str | None] = mapped_column(String(700), index=True)


class Event(Base):
    """Something that happened, in the order in which the gateway took it in: see `domain.events.Event`."""

    __tablename__ = "events"
    __audited__ = False

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(80), unique=True)
    source: Mapped[str] = mapped_column(String(20))
    type: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(700))
    time: Mapped[datetime] = mapped_column(Instant)
    data: Mapped[dict[str, Any] | None] = mapped_column(db.Json)
    areas: Mapped[list[str]] = mapped_column(db.Json)
    authorities: Mapped[list[str]] = mapped_column(db.Json)
    not_to: Mapped[list[str]] = mapped_column(db.Json)
    permission: Mapped[str] = mapped_column(String(10))
    webhook_id: Mapped[str | None] = mapped_column(String(16))
    taken_at: Mapped[datetime] = mapped_column(Instant, index=True)


class Webhook(Base):
    """A subscription: where events are sent, which, and with whose eyes; never its secret.

    A receiver is served by one process at a time, the one in `lane`. `rest_until`: it failed and is left
    alone. `salt` makes its secret, `former_salt` the one before, which is good until `former_until`.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    types: Mapped[list[str]] = mapped_column(db.Json)
    areas: Mapped[list[str]] = mapped_column(db.Json)
    description: Mapped[str] = mapped_column(String(500))
    roles: Mapped[list[str]] = mapped_column(db.Json)
    authorities: Mapped[list[str]] = mapped_column(db.Json)
    made_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(Instant)
    salt: Mapped[str] = mapped_column(String(32), info=audit.NOT_REPEATED)
    former_salt: Mapped[str | None] = mapped_column(String(32), info=audit.NOT_REPEATED)
    former_until: Mapped[datetime | None] = mapped_column(Instant)
    enabled: Mapped[bool]
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    disabled_reason: Mapped[str | None] = mapped_column(String(300))
    failures: Mapped[int]
    failing_since: Mapped[datetime | None] = mapped_column(Instant)
    rest_until: Mapped[datetime | None] = mapped_column(Instant)
    last_delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    lane: Mapped[str | None] = mapped_column(String(40))
    lane_until: Mapped[datetime | None] = mapped_column(Instant)


class Delivery(Base):
    """An event on its way to a webhook: waiting, delivered, or dead; kept as long as the event."""

    __tablename__ = "deliveries"
    __audited__ = False
    __table_args__ = (
        Index("ix_deliveries_due", "webhook_id", "status", "due_at", "event_seq"),
        Index("ix_deliveries_event_seq", "event_seq"),
    )

    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    event_seq: Mapped[int] = mapped_column(ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True)
    status: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_attempt_at: Mapped[datetime | None] = mapped_column(Instant)
    last_status: Mapped[int | None]
    last_reason: Mapped[str | None] = mapped_column(String(200))
