"""Organisations that were found to be one: which stands for which, and who said so."""

from datetime import datetime

from hedgerow_kit.db import Instant
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base


class Merged(Base):
    """An organisation that stands under another now; its own record stays as its source tells it.

    into_id: what it was merged into · canonical_id: the organisation at the end of the chain, which answers
    for it. Without a row an organisation answers for itself.
    """

    __tablename__ = "merged_organisations"
    __table_args__ = (
        CheckConstraint("organisation_id <> into_id AND organisation_id <> canonical_id", name="another"),
        Index("ix_merged_organisations_into", "into_id", "organisation_id"),
        Index("ix_merged_organisations_canonical", "canonical_id", "organisation_id"),
    )

    organisation_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    into_id: Mapped[str] = mapped_column(String(36), ForeignKey("organisations.id", ondelete="RESTRICT"))
    canonical_id: Mapped[str] = mapped_column(String(36), ForeignKey("organisations.id", ondelete="RESTRICT"))
    event_id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), ForeignKey("merge_events.id")
    )


class MergeEvent(Base):
    """One merge or unmerge: who, when, why, and by which rule where a person did not look at the pair."""

    __tablename__ = "merge_events"
    __table_args__ = (
        CheckConstraint("kind IN ('merged', 'unmerged')", name="kind"),
        Index("ix_merge_events_organisation", "organisation_id", "id"),
        Index("ix_merge_events_into", "into_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    organisation_id: Mapped[str] = mapped_column(String(36))
    into_id: Mapped[str] = mapped_column(String(36))
    rule: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime] = mapped_column(Instant)
