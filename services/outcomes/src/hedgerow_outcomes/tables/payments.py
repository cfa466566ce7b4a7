"""Payment rules with their versions, and statements with their lines and what became of them.

Money is kept in whole pence. What was issued is never changed: a correction is a statement of its own.
"""

from datetime import date, datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_outcomes.tables.measures import Base


class PaymentRule(Base):
    """A payment rule by its id; what it says is in its versions."""

    __tablename__ = "payment_rules"

    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    version: Mapped[int]


class PaymentRuleVersion(Base):
    """What a rule says from a day on; the first version holds for all days before as well."""

    __tablename__ = "payment_rule_versions"

    rule_id: Mapped[str] = mapped_column(
        String(120), ForeignKey("payment_rules.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_from: Mapped[date] = mapped_column(Date)
    written_at: Mapped[datetime] = mapped_column(Instant)
    written_by: Mapped[str] = mapped_column(String(200))
    document: Mapped[dict[str, Any]] = mapped_column(db.Json)


class PaymentRulePayer(Base):
    """An authority that pays under a rule now: whoever acts for it may read the rule and its statements."""

    __tablename__ = "payment_rule_payers"

    rule_id: Mapped[str] = mapped_column(
        String(120), ForeignKey("payment_rules.id", ondelete="CASCADE"), primary_key=True
    )
    authority: Mapped[str] = mapped_column(String(64), primary_key=True)


class Statement(Base):
    """What was due under a rule for a period. sequence: 0 for the first of a period, then 1, 2 …"""

    __tablename__ = "statements"
    __table_args__ = (
        UniqueConstraint("rule_id", "period_start", "sequence"),
        CheckConstraint("state IN ('issued', 'disputed', 'approved', 'paid', 'withdrawn')", name="state"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    rule_id: Mapped[str] = mapped_column(String(120), ForeignKey("payment_rules.id", ondelete="RESTRICT"))
    version: Mapped[int]
    period_start: Mapped[date] = mapped_column(Date)
    period_end: Mapped[date] = mapped_column(Date)
    sequence: Mapped[int]
    adjusts: Mapped[str | None] = mapped_column(String(36))
    state: Mapped[str] = mapped_column(String(20))
    pence: Mapped[int] = mapped_column(BigInteger)
    missing: Mapped[list[str]] = mapped_column(db.Json)
    issued_at: Mapped[datetime] = mapped_column(Instant)
    issued_by: Mapped[str] = mapped_column(String(200))


class StatementLine(Base):
    """What one payer pays one contributor for one part, with the arithmetic and the observations."""

    __tablename__ = "statement_lines"
    # Never changed, and told by the statement and its version.
    __audited__ = False
    __table_args__ = (Index("ix_statement_lines_payer", "payer", "statement_id"),)

    statement_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("statements.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part: Mapped[str] = mapped_column(String(120))
    contributor: Mapped[str] = mapped_column(String(230))
    payer: Mapped[str] = mapped_column(String(64))
    pence: Mapped[int] = mapped_column(BigInteger)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(db.Json)
    observations: Mapped[list[dict[str, Any]]] = mapped_column(db.Json)


class StatementEvent(Base):
    """A step that a statement took: who, when, why."""

    __tablename__ = "statement_events"

    statement_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("statements.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant)
    by: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(Text)
