"""The projection: the registry's records as last heard, and how far its change feed was read."""

from datetime import datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_network.tables.base import Base


class Record(Base):
    """An entity of the registry in the state last heard; one deleted there has no `data`.

    `batch` numbers our own transactions, so that a reader takes only what is newer than what it has.
    `feeding` is the round of reading the feed from its beginning that last brought the record.
    """

    __tablename__ = "records"
    __table_args__ = (Index("ix_records_batch", "batch"),)

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[str] = mapped_column(String(700), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    feeding: Mapped[int] = mapped_column(Integer)
    batch: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[bool] = mapped_column(Boolean)
    data: Mapped[dict[str, Any] | None] = mapped_column(db.Json)


class Feed(Base):
    """How far the registry's change feed was read: one row.

    `position` is the last change applied in the current round. A round that has come to the end is `settled`:
    records that it did not bring are gone from the registry and are swept.
    """

    __tablename__ = "feed"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)
    registry_last: Mapped[int] = mapped_column(BigInteger)
    batch: Mapped[int] = mapped_column(BigInteger)
    feeding: Mapped[int] = mapped_column(Integer)
    settled: Mapped[int] = mapped_column(Integer)
    heard_at: Mapped[datetime | None] = mapped_column(Instant)
    rebuilt_at: Mapped[datetime | None] = mapped_column(Instant)
    rebuilt_because: Mapped[str | None] = mapped_column(String(300))
