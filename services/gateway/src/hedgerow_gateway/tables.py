"""The rows of the gateway's own database."""

from datetime import datetime

from hedgerow_kit import db, idempotency
from hedgerow_kit.db import Instant
from sqlalchemy import Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = db.metadata()


idempotency.declare(Base.metadata)


class ApiKey(Base):
    """A key that was given out: its hash and what it may do, never the key."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(40))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
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

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[str]] = mapped_column(db.Json)
    authorities: Mapped[list[str]] = mapped_column(db.Json)
    created_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant, index=True)
