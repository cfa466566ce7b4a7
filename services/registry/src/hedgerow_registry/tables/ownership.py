"""Who holds what in whom, the statements that say so, and who is a member of what.

Of private people nothing is kept: a person is an owner of kind `person` with an id that says nothing.
"""

from datetime import date, datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from sqlalchemy import Boolean, CheckConstraint, Date, Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base, Provenance


class Interest(Provenance, Base):
    """One interest of an owner in a body, as in `domain.interests`.

    Subjects and owners are organisations, or records of statements that are none. They carry no foreign key:
    an owner may arrive later, and a person or an unknown owner is no organisation at all.
    """

    __tablename__ = "interests"
    __table_args__ = (
        Index("ix_interests_subject", "subject_id", "owner_id", "id"),
        Index("ix_interests_owner", "owner_id", "subject_id"),
        Index("ix_interests_record", "record_key", "id"),
        CheckConstraint(
            "owner_kind IN ('organisation', 'person', 'unknown', 'arrangement')", name="owner_kind"
        ),
        CheckConstraint("directness IN ('direct', 'indirect', 'unknown')", name="directness"),
        CheckConstraint("(share_low IS NULL) = (share_high IS NULL)", name="whole_share"),
        CheckConstraint("share_low >= 0 AND share_high <= 100 AND share_low <= share_high", name="share"),
        CheckConstraint("until > starts_on", name="dates"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    subject_id: Mapped[str] = mapped_column(String(36))
    owner_id: Mapped[str] = mapped_column(String(36))
    owner_kind: Mapped[str] = mapped_column(String(12))
    # Why the owner is not known, in the word of the statement.
    reason: Mapped[str | None] = mapped_column(String(60))
    type: Mapped[str] = mapped_column(String(40))
    share_low: Mapped[float | None] = mapped_column(Float)
    share_high: Mapped[float | None] = mapped_column(Float)
    low_open: Mapped[bool] = mapped_column(Boolean)
    high_open: Mapped[bool] = mapped_column(Boolean)
    directness: Mapped[str] = mapped_column(String(8))
    starts_on: Mapped[date | None] = mapped_column(Date)
    # The first day on which it holds no longer.
    until: Mapped[date | None] = mapped_column(Date)
    # The statement or the row it rests on, by the id its source gave it, and when that was made.
    statement_id: Mapped[str | None] = mapped_column(String(200))
    stated_on: Mapped[date | None] = mapped_column(Date)
    evidence: Mapped[str | None] = mapped_column(Text)
    evidence_url: Mapped[str | None] = mapped_column(Text)
    # The relationship record that it was worked out of, where it came as a statement.
    record_key: Mapped[str | None] = mapped_column(String(36))


class OwnershipStatement(Provenance, Base):
    """A statement of BODS 0.4 with what is needed of it; nothing of a person but that there is one.

    Records go by keys made of source and record id, because a publisher's record id may name a person.
    """

    __tablename__ = "ownership_statements"
    __table_args__ = (
        Index("ix_ownership_statements_record", "record_key", "stated_at", "id"),
        Index("ix_ownership_statements_subject", "subject_key", "record_key"),
        Index("ix_ownership_statements_party", "party_key", "record_key"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    statement_id: Mapped[str] = mapped_column(String(64))
    record_key: Mapped[str] = mapped_column(String(36))
    record_type: Mapped[str] = mapped_column(String(12))
    status: Mapped[str | None] = mapped_column(String(10))
    stated_at: Mapped[datetime] = mapped_column(Instant)
    # What a record of a party is: an organisation here, or a kind of owner that is none.
    node_kind: Mapped[str | None] = mapped_column(String(12))
    organisation_id: Mapped[str | None] = mapped_column(String(36))
    reason: Mapped[str | None] = mapped_column(String(60))
    subject_key: Mapped[str | None] = mapped_column(String(36))
    party_key: Mapped[str | None] = mapped_column(String(36))
    evidence_url: Mapped[str | None] = mapped_column(Text)
    evidence: Mapped[str | None] = mapped_column(Text)
    interests: Mapped[list[dict[str, Any]] | None] = mapped_column(db.Json)


class Membership(Provenance, Base):
    """A member of a collaborative, a consortium or another body with members; it is no ownership."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index("ix_memberships_organisation", "organisation_id", "member_id", "id"),
        Index("ix_memberships_member", "member_id", "organisation_id"),
        CheckConstraint("ends_on >= starts_on", name="dates"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(36))
    role: Mapped[str | None] = mapped_column(String(200))
    starts_on: Mapped[date | None] = mapped_column(Date)
    ends_on: Mapped[date | None] = mapped_column(Date)


class OrganisationFigure(Provenance, Base):
    """A figure of an organisation on a day, such as its pay ratio, with where it was published."""

    __tablename__ = "organisation_figures"
    __table_args__ = (Index("ix_organisation_figures_figure", "figure", "organisation_id", "as_of"),)

    organisation_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    figure: Mapped[str] = mapped_column(String(100), primary_key=True)
    as_of: Mapped[date] = mapped_column(Date, primary_key=True)
    value: Mapped[float] = mapped_column(Float)
    unit: Mapped[str | None] = mapped_column(String(40))
    evidence: Mapped[str | None] = mapped_column(Text)
    evidence_url: Mapped[str | None] = mapped_column(Text)
