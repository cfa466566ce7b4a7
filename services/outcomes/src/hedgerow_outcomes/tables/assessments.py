"""What authorities say of the performance of contracts: exemptions, and ratings of KPIs."""

from datetime import date, datetime

from hedgerow_kit.db import Instant
from sqlalchemy import CheckConstraint, Date, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_outcomes.tables.measures import Base


class Exemption(Base):
    """Why a contract owes no KPIs, in whose words."""

    __tablename__ = "exemptions"

    contract_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    exemption: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)
    said_at: Mapped[datetime] = mapped_column(Instant)
    said_by: Mapped[str] = mapped_column(String(200))


class Assessment(Base):
    """The rating that an authority gives a KPI of a contract for a period."""

    __tablename__ = "assessments"
    __table_args__ = (
        CheckConstraint(
            "rating IN ('Good', 'Approaching target', 'Requires improvement', 'Inadequate', 'Other')",
            name="rating",
        ),
        CheckConstraint("period_end >= period_start", name="period_in_order"),
    )

    contract_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    kpi: Mapped[str] = mapped_column(String(120), primary_key=True)
    period_start: Mapped[date] = mapped_column(Date, primary_key=True)
    period_end: Mapped[date] = mapped_column(Date, primary_key=True)
    rating: Mapped[str] = mapped_column(String(30))
    reason: Mapped[str | None] = mapped_column(Text)
    said_at: Mapped[datetime] = mapped_column(Instant)
    said_by: Mapped[str] = mapped_column(String(200))
