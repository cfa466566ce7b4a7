"""Observations that are not shown, so that no small number can be read or worked out."""

from datetime import date

from sqlalchemy import Boolean
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_outcomes.tables.measures import Base, Day


class Withheld(Base):
    """An observation that is not shown. pending: not yet judged, as its import is still under way."""

    __tablename__ = "withheld"
    __table_args__ = ({"sqlite_with_rowid": False},)

    kpi: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period_start: Mapped[date] = mapped_column(Day, primary_key=True)
    period_end: Mapped[date] = mapped_column(Day, primary_key=True)
    pending: Mapped[bool] = mapped_column(Boolean)
