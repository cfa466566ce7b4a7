"""Needs, how taxonomies relate, and how many people have them."""

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base, Provenance


class Need(Provenance, Base):
    """Something people need help with: a term of a taxonomy. Its id is `taxonomy:term`."""

    __tablename__ = "needs"
    __table_args__ = (
        Index("ix_needs_term", "term", "taxonomy"),
        Index("ix_needs_feed_id", "feed_id"),
    )

    id: Mapped[str] = mapped_column(String(300), primary_key=True)
    taxonomy: Mapped[str] = mapped_column(String(100))
    term: Mapped[str] = mapped_column(String(199))
    name: Mapped[str] = mapped_column(String(300))
    parent_id: Mapped[str | None] = mapped_column(String(300))
    # What the open feed calls it, where ids are UUIDs.
    feed_id: Mapped[str] = mapped_column(String(36))


class Crosswalk(Provenance, Base):
    """How a term of one taxonomy relates to one of another (SKOS sense)."""

    __tablename__ = "crosswalk"
    __table_args__ = (
        CheckConstraint("relation IN ('exact', 'narrower', 'broader', 'related')", name="relation"),
    )

    from_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    to_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    relation: Mapped[str] = mapped_column(String(10))


class Demand(Provenance, Base):
    """People in an area with a need in a period: a count, a weight, or both."""

    __tablename__ = "demand"
    __table_args__ = (
        CheckConstraint("people IS NOT NULL OR weight IS NOT NULL", name="figure"),
        CheckConstraint("people >= 0", name="people"),
        CheckConstraint("weight >= 0", name="weight"),
        Index("ix_demand_area", "area_code", "need_id"),
    )

    need_id: Mapped[str] = mapped_column(
        String(300), ForeignKey("needs.id", ondelete="CASCADE"), primary_key=True
    )
    area_code: Mapped[str] = mapped_column(
        String(64), ForeignKey("areas.code", ondelete="CASCADE"), primary_key=True
    )
    period: Mapped[str] = mapped_column(String(32), primary_key=True)
    people: Mapped[float | None] = mapped_column(Float)
    weight: Mapped[float | None] = mapped_column(Float)
    # Where the figure was published, in the words of whoever sent it; `source` is who sent it.
    origin: Mapped[str | None] = mapped_column(String(300))
