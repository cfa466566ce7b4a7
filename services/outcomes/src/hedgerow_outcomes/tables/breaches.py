"""Breaches of minimum service levels, kept in step with the observations that they follow from."""

from datetime import date, datetime

from hedgerow_kit.db import Instant
from sqlalchemy import Date, Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_outcomes.tables.measures import Base, OfSubject


class Breach(OfSubject, Base):
    """Neighbouring periods of a KPI and a subject below the agreed minimum; open while nothing closed it."""

    __tablename__ = "breaches"
    __table_args__ = (Index("ix_breaches_kpi", "kpi", "subject"), Index("ix_breaches_subject", "subject"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kpi: Mapped[int]
    subject: Mapped[int]
    period_start: Mapped[date] = mapped_column(Date)
    period_end: Mapped[date] = mapped_column(Date)
    value: Mapped[float] = mapped_column(Float)
    known_from: Mapped[datetime] = mapped_column(Instant)
    minimum: Mapped[float] = mapped_column(Float)
    worst: Mapped[float] = mapped_column(Float)
    periods: Mapped[int]
    closed_start: Mapped[date | None] = mapped_column(Date)
    closed_end: Mapped[date | None] = mapped_column(Date)
    closed_value: Mapped[float | None] = mapped_column(Float)
    closed_known_from: Mapped[datetime | None] = mapped_column(Instant)


class WithdrawnBreach(OfSubject, Base):
    """A breach that a correction has undone: who may learn that it is no more."""

    __tablename__ = "withdrawn_breaches"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    subject: Mapped[int]
