"""The ledgers of schemes: who invests, who saves, who matches."""

from collections.abc import Set
from datetime import date

from hedgerow_kit.reach import Guarded
from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Date, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_outcomes.tables.measures import Base


class LedgerEntry(Guarded, Base):
    """What a party put into a scheme, saved by it, or matched, in a period. The parties see it all."""

    __tablename__ = "ledger_entries"
    __table_args__ = (CheckConstraint("kind IN ('invest', 'save', 'match')", name="kind"),)

    scheme: Mapped[str] = mapped_column(String(120), primary_key=True)
    party: Mapped[str] = mapped_column(String(230), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    period_start: Mapped[date] = mapped_column(Date, primary_key=True)
    period_end: Mapped[date] = mapped_column(Date, primary_key=True)
    pence: Mapped[int] = mapped_column(BigInteger)
    evidence: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str] = mapped_column(String(200))

    @classmethod
    def within(cls, authorities: Set[str]) -> ColumnElement[bool]:
        entries = cls.__table__.alias()
        own = select(entries.c.scheme).where(entries.c.party.in_(sorted(authorities)))
        return cls.scheme.in_(own)
