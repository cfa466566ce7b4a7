"""What authorities paid: lines in narrow columns, and the suppliers, branches and words they name by number.

A supplier's number is given once and never taken back, so lines carry no foreign key: half a million of them
are written at a time.
"""

from datetime import date, datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base, key_text


class SpendFile(Base):
    """An import that brought lines, and the source it was sent under."""

    __tablename__ = "spend_files"
    __table_args__ = (Index("ix_spend_files_source", "source"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(String(200), ForeignKey("sources.name"))
    import_id: Mapped[str] = mapped_column(String(64), unique=True)
    at: Mapped[datetime] = mapped_column(Instant)


class SpendSource(Base):
    """The number of a source in the key of its lines."""

    __tablename__ = "spend_sources"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(200), ForeignKey("sources.name"), unique=True)


class SpendWord(Base):
    """A category or a department, as a number."""

    __tablename__ = "spend_words"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    word: Mapped[str] = mapped_column(key_text(300), unique=True)


class SpendBranch(Base):
    """Where a supplier was paid, as a number: a postcode, an area, or both; empty text where not said."""

    __tablename__ = "spend_branches"
    __table_args__ = (UniqueConstraint("postcode", "area_code"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    postcode: Mapped[str] = mapped_column(String(16))
    area_code: Mapped[str] = mapped_column(String(64))


class SpendSupplier(Base):
    """A supplier as a buyer's files name it, and the organisation it was found to be.

    Of a redacted supplier nothing is kept but that it was redacted. key: what makes it one.
    """

    __tablename__ = "spend_suppliers"
    __table_args__ = (
        CheckConstraint("state IN ('matched', 'candidate', 'unmatched', 'redacted')", name="state"),
        CheckConstraint("matched_by IN ('identifier', 'name', 'person')", name="matched_by"),
        CheckConstraint("NOT redacted OR (name IS NULL AND supplier_id IS NULL)", name="redaction"),
        Index("ix_spend_suppliers_buyer", "buyer_code", "number"),
        Index("ix_spend_suppliers_organisation", "organisation_id", "number"),
        Index("ix_spend_suppliers_state", "state", "number"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    buyer_code: Mapped[str] = mapped_column(String(64))
    name: Mapped[str | None] = mapped_column(String(500))
    name_key: Mapped[str | None] = mapped_column(key_text(500))
    supplier_id: Mapped[str | None] = mapped_column(String(200))
    redacted: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[str] = mapped_column(String(10))
    matched_by: Mapped[str | None] = mapped_column(String(10))
    organisation_id: Mapped[str | None] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="SET NULL")
    )
    score: Mapped[float | None] = mapped_column(Float)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(db.Json)
    # The organisations a person has said it is not.
    refused_ids: Mapped[list[str]] = mapped_column(db.Json)
    looked_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(200))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_because: Mapped[str | None] = mapped_column(Text)


class SpendSupplierKey(Base):
    """A key of a supplier, as those of organisations are: which suppliers an organisation may be."""

    __tablename__ = "spend_supplier_keys"
    __table_args__ = (Index("ix_spend_supplier_keys_supplier", "supplier"),)

    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    supplier: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)


class SpendLine(Base):
    """One payment or its correction, in pence.

    A line is known by its source, the digest of its content and the how-manieth of that content in its file:
    two payments alike on one day are two lines, and the same file again brings none.
    """

    __tablename__ = "spend_lines"
    __table_args__ = (Index("ix_spend_lines_supplier", "supplier", "day"),)

    source: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    digest: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    occurrence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    supplier: Mapped[int] = mapped_column(Integer)
    day: Mapped[date] = mapped_column(Date)
    pence: Mapped[int] = mapped_column(BigInteger)
    category: Mapped[int | None] = mapped_column(Integer)
    department: Mapped[int | None] = mapped_column(Integer)
    branch: Mapped[int | None] = mapped_column(Integer)
    reference: Mapped[str | None] = mapped_column(String(100))
    file: Mapped[int] = mapped_column(Integer)
