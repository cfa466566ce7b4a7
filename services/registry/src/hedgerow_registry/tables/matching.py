"""What is kept to find organisations that may be one: keys under which they are looked for, and pairs."""

from datetime import datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from sqlalchemy import BigInteger, CheckConstraint, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base


class MatchKey(Base):
    """A key of an organisation, as the number its text hashes to: who may be one shares a key."""

    __tablename__ = "match_keys"
    __table_args__ = (Index("ix_match_keys_organisation", "organisation_id"),)

    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    organisation_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )


class DuplicatePair(Base):
    """Two organisations that may be one, the lower id first, with the score and the reasons for it.

    Whether they are merged is not written here: it is as they answer. A dismissal stands, whatever the score
    becomes.
    """

    __tablename__ = "duplicate_pairs"
    __table_args__ = (
        CheckConstraint("first_id < second_id", name="order"),
        CheckConstraint("(dismissed_by IS NULL) = (dismissed_at IS NULL)", name="dismissal"),
        Index("ix_duplicate_pairs_rank", "rank", "first_id", "second_id"),
        Index("ix_duplicate_pairs_second", "second_id", "first_id"),
    )

    first_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    second_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    score: Mapped[float] = mapped_column(Float)
    # Thousandths that the score lacks to 1: the likeliest pairs come first in ascending order.
    rank: Mapped[int] = mapped_column(Integer)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(db.Json)
    found_at: Mapped[datetime] = mapped_column(Instant)
    dismissed_by: Mapped[str | None] = mapped_column(String(200))
    dismissed_at: Mapped[datetime | None] = mapped_column(Instant)
    dismissed_because: Mapped[str | None] = mapped_column(Text)


class MatchingState(Base):
    """Up to which change the registry has been looked through, in its only row."""

    __tablename__ = "matching_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Instant)
