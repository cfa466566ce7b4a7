"""KPIs and observations, imports and the change sequence.

Observations are keyed by small whole numbers that stand for a KPI and a subject: rows of a fifth of the width
load several times as fast. Their tables carry no foreign keys, as a check per row would cost more than the
row; the numbers are only given out under the writer's lock and are never taken back.
"""

from collections.abc import Set
from datetime import date, datetime
from typing import Any

from hedgerow_kit import audit, bulk, changes, db, idempotency
from hedgerow_kit.db import Instant
from hedgerow_kit.reach import Guarded, Owned
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Date,
    Float,
    ForeignKey,
    Integer,
    SmallInteger,
    String,
    Text,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

DAY_ZERO = date(2000, 1, 1)
_LARGEST = 1.7976931348623157e308


class Day(TypeDecorator[date]):
    """A DATE on PostgreSQL; on SQLite, which has none, the number of days since 1 January 2000."""

    impl = Integer
    cache_ok = True

    @property
    def python_type(self) -> type[date]:
        return date

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Date() if dialect.name == "postgresql" else Integer())

    def process_bind_param(self, value: date | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return (value - DAY_ZERO).days

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        if value is None or dialect.name == "postgresql":
            return value  # type: ignore[no-any-return]
        return date.fromordinal(DAY_ZERO.toordinal() + value)


class Base(DeclarativeBase):
    metadata = db.metadata()


idempotency.declare(Base.metadata)
audit.declare(Base.metadata)


class Import(bulk.ImportMixin, Base):
    pass


class Receipt(bulk.ReceiptMixin, Base):
    pass


class Change(changes.ChangeMixin, Base):
    pass


class ChangeClock(changes.ChangeClockMixin, Base):
    pass


feed = changes.Feed(Change, ChangeClock)


class Kpi(Owned, Base):
    """A KPI by its id; what it means is in its versions. It belongs to the authority that defined it."""

    __tablename__ = "kpis"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(120), unique=True)
    source: Mapped[str] = mapped_column(String(200))


class KpiVersion(Base):
    """What a KPI meant from a day on; the first version holds for all days before as well."""

    __tablename__ = "kpi_versions"

    kpi: Mapped[int] = mapped_column(ForeignKey("kpis.number", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_from: Mapped[date | None] = mapped_column(Date)
    defined_at: Mapped[datetime] = mapped_column(Instant)
    name: Mapped[str] = mapped_column(String(300))
    unit: Mapped[str | None] = mapped_column(String(60))
    polarity: Mapped[str | None] = mapped_column(String(20))
    level: Mapped[str | None] = mapped_column(String(20))
    perspective: Mapped[str | None] = mapped_column(String(20))
    frequency: Mapped[str | None] = mapped_column(String(20))
    aggregation: Mapped[str | None] = mapped_column(String(20))
    description: Mapped[str | None] = mapped_column(Text)
    target: Mapped[float | None] = mapped_column(Float)
    minimum: Mapped[float | None] = mapped_column(Float)
    owner: Mapped[str | None] = mapped_column(String(300))
    numerator: Mapped[str | None] = mapped_column(Text)
    denominator: Mapped[str | None] = mapped_column(Text)
    subjects: Mapped[list[str]] = mapped_column(db.Json, default=list)
    interval: Mapped[str | None] = mapped_column(String(20))
    suppress_below: Mapped[int | None]
    leads_to: Mapped[list[str]] = mapped_column(db.Json, default=list)
    answered_by: Mapped[list[str]] = mapped_column(db.Json, default=list)


class Subject(Owned, Base):
    """Whom or what observations are about: `E08000009`, `organisation:ID`.

    What is known of a subject belongs to its authority: see `domain.authorities`.
    """

    __tablename__ = "subjects"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(String(230), unique=True)
    kind: Mapped[str] = mapped_column(String(20))


class Learning(Base):
    """A batch of observations: when we came to know them, by which import. `at` rises with the number."""

    __tablename__ = "learnings"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant)
    import_id: Mapped[str] = mapped_column(String(60))
    source: Mapped[str] = mapped_column(String(200))


class OfSubject(Guarded):
    """What is known of a subject: its authority's, without a word on each row."""

    subject: Mapped[int]

    @classmethod
    def within(cls, authorities: Set[str]) -> ColumnElement[bool]:
        return cls.subject.in_(select(Subject.number).where(Subject.within(authorities)))


class _Valued(OfSubject):
    """The columns that the current and the superseded observations share."""

    kpi: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period_start: Mapped[date] = mapped_column(Day, primary_key=True)
    period_end: Mapped[date] = mapped_column(Day, primary_key=True)
    value: Mapped[float | None] = mapped_column(Float)
    numerator: Mapped[float | None] = mapped_column(Float)
    denominator: Mapped[float | None] = mapped_column(Float)
    lower: Mapped[float | None] = mapped_column(Float)
    upper: Mapped[float | None] = mapped_column(Float)
    status: Mapped[int] = mapped_column(SmallInteger)


class Observation(_Valued, Base):
    """The value of a KPI for a subject and a period, as we know it now."""

    __tablename__ = "observations"

    learning: Mapped[int]

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            # NaN is above every number on PostgreSQL, so that this keeps it and the infinities out.
            CheckConstraint(f"value BETWEEN -{_LARGEST!r} AND {_LARGEST!r}", name="finite"),
            CheckConstraint("(value IS NULL) = (status IN (3, 4, 5))", name="value_or_reason"),
            CheckConstraint("period_end >= period_start", name="period_in_order"),
            {"sqlite_with_rowid": False},
        )


class Superseded(_Valued, Base):
    """What an observation said before a correction: known from `learning` until `superseded_by`."""

    __tablename__ = "superseded_observations"

    learning: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    superseded_by: Mapped[int]

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return ({"sqlite_with_rowid": False},)
