"""Reading payment rules and statements, and the observations that they count."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hedgerow_kit import paging
from hedgerow_kit.auth import ALL_AUTHORITIES
from sqlalchemy import ColumnElement, Row, Select, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from hedgerow_outcomes.domain.payments.earning import Counted, Figures
from hedgerow_outcomes.domain.payments.rules import Rule, counted
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.store import kpis, observations
from hedgerow_outcomes.store.observations import Asked
from hedgerow_outcomes.store.rule_documents import read
from hedgerow_outcomes.tables import (
    PaymentRule,
    PaymentRulePayer,
    PaymentRuleVersion,
    Statement,
    StatementEvent,
    StatementLine,
)

_FIGURES = ("value", "numerator", "denominator")


def figures(session: Session, rule: Rule, period: Period, *, as_of: datetime | None = None) -> Figures:
    """What a rule counts in a period, as it is known now or was known at a moment."""
    by_kpi: dict[str, list[str]] = {}
    for kpi, subject in counted(rule):
        by_kpi.setdefault(kpi, []).append(subject)
    found: dict[tuple[str, str, str], list[Counted]] = {}
    for kpi, subjects in by_kpi.items():
        number = kpis.number(session, kpi)
        numbers = observations.numbers_of_subjects(session, subjects)
        if number is None or not numbers:
            continue
        asked = Asked(number, numbers, period.start, period.end)
        for row in observations.series(session, asked, as_of, unmasked=True):
            for figure in _FIGURES:
                found.setdefault((kpi, row.subject_text, figure), []).append(_counted(row, figure))
    return Figures(found)


def _counted(row: Row[Any], figure: str) -> Counted:
    period = Period(row.period_start, row.period_end)
    value = getattr(row, figure)
    # The shortest text of a double is what was sent: 0.1, not 0.1000000000000000055.
    exact = None if value is None else Decimal(repr(value)).normalize()
    id = f"{row.kpi_id}/{row.subject_text}/{period.start}/{period.end}@{row.known_from.isoformat()}"
    return Counted(id, row.kpi_id, row.subject_text, period, exact)


def _is_visible(rule_id: InstrumentedAttribute[str], authorities: frozenset[str]) -> ColumnElement[bool]:
    """Only the rules of which one of these authorities is a payer."""
    if ALL_AUTHORITIES in authorities:
        return true()
    payers = select(PaymentRulePayer.rule_id).where(PaymentRulePayer.authority.in_(sorted(authorities)))
    return rule_id.in_(payers)


def rule_page(
    session: Session, authorities: frozenset[str], *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Rules with their last version, in the order of their ids."""
    query = _latest_version().where(_is_visible(PaymentRule.id, authorities))
    return paging.keyset(session, query, [PaymentRule.id], after=after, limit=limit)


def rule(session: Session, id: str, authorities: frozenset[str]) -> PaymentRuleVersion | None:
    """The last version of a rule."""
    query = _latest_version().where(PaymentRule.id == id, _is_visible(PaymentRule.id, authorities))
    return session.scalars(query).one_or_none()


def _latest_version() -> Select[Any]:
    return select(PaymentRuleVersion).join(
        PaymentRule,
        (PaymentRule.id == PaymentRuleVersion.rule_id) & (PaymentRule.version == PaymentRuleVersion.version),
    )


def version_page(
    session: Session, rule_id: str, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    query = select(PaymentRuleVersion).where(PaymentRuleVersion.rule_id == rule_id)
    return paging.keyset(session, query, [PaymentRuleVersion.version], after=after, limit=limit)


def version_on(session: Session, rule_id: str, day: date) -> PaymentRuleVersion:
    """The version of a rule that is in force on a day; before all others, the first."""
    query = (
        select(PaymentRuleVersion)
        .where(PaymentRuleVersion.rule_id == rule_id)
        .order_by(PaymentRuleVersion.version)
    )
    versions = session.scalars(query).all()
    held = [version for version in versions if version.version == 1 or version.valid_from <= day]
    return held[-1]


def last_period_end(session: Session, rule_id: str) -> date | None:
    """The last day for which a standing statement of a rule was issued."""
    return session.scalar(
        select(func.max(Statement.period_end)).where(
            Statement.rule_id == rule_id, Statement.state != "withdrawn"
        )
    )


def paid_for(
    session: Session, authorities: frozenset[str], kpis: set[str]
) -> dict[str, tuple[set[str], int]]:
    """By contract: which of these KPIs its payment rules count, and the pence of their statements."""
    found: dict[str, tuple[set[str], int]] = {}
    for held in session.scalars(_latest_version().where(_is_visible(PaymentRule.id, authorities))):
        document = held.document
        contract = (document.get("contract") or "").removeprefix("contract:")
        counts = {kpi for kpi, _ in counted(read(document))} & kpis
        if not contract or not counts:
            continue
        pence = session.scalar(
            select(func.sum(Statement.pence)).where(
                Statement.rule_id == held.rule_id, Statement.state != "withdrawn"
            )
        )
        before = found.get(contract, (set(), 0))
        found[contract] = (before[0] | counts, before[1] + int(pence or 0))
    return found


def statement_page(
    session: Session,
    authorities: frozenset[str],
    *,
    rule: str | None = None,
    payer: str | None = None,
    state: str | None = None,
    start: date | None = None,
    to: date | None = None,
    after: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Statements in the order of their rules, periods and sequence; those that touch the days between two."""
    query = select(Statement).where(_is_visible(Statement.rule_id, authorities))
    if rule is not None:
        query = query.where(Statement.rule_id == rule)
    if payer is not None:
        paid = select(StatementLine.statement_id).where(StatementLine.payer == payer)
        query = query.where(Statement.id.in_(paid))
    if state is not None:
        query = query.where(Statement.state == state)
    if start is not None:
        query = query.where(Statement.period_end >= start)
    if to is not None:
        query = query.where(Statement.period_start <= to)
    key = [Statement.rule_id, Statement.period_start, Statement.sequence]
    return paging.keyset(session, query, key, after=after, limit=limit)


def statement(session: Session, id: str, authorities: frozenset[str]) -> Statement | None:
    query = select(Statement).where(Statement.id == id, _is_visible(Statement.rule_id, authorities))
    return session.scalars(query).one_or_none()


def several(
    session: Session, ids: Sequence[str], authorities: frozenset[str]
) -> dict[str, tuple[Statement, list[str]]]:
    """Those of these statements that these authorities may see, each with who pays."""
    query = select(Statement).where(Statement.id.in_(ids), _is_visible(Statement.rule_id, authorities))
    found = session.scalars(query).all()
    payers: dict[str, list[str]] = {}
    named = select(PaymentRulePayer).where(PaymentRulePayer.rule_id.in_({one.rule_id for one in found}))
    for payer in session.scalars(named.order_by(PaymentRulePayer.rule_id, PaymentRulePayer.authority)):
        payers.setdefault(payer.rule_id, []).append(payer.authority)
    return {one.id: (one, payers.get(one.rule_id, [])) for one in found}


def of_period(session: Session, rule_id: str, start: date) -> Sequence[Statement]:
    """All statements of a period, the first first."""
    query = select(Statement).where(Statement.rule_id == rule_id, Statement.period_start == start)
    return session.scalars(query.order_by(Statement.sequence)).all()


def lines(session: Session, statement_ids: Iterable[str]) -> Sequence[StatementLine]:
    query = select(StatementLine).where(StatementLine.statement_id.in_(list(statement_ids)))
    return session.scalars(query.order_by(StatementLine.statement_id, StatementLine.number)).all()


def line_page(
    session: Session, statement_id: str, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    query = select(StatementLine).where(StatementLine.statement_id == statement_id)
    return paging.keyset(session, query, [StatementLine.number], after=after, limit=limit)


def events(session: Session, statement_id: str) -> Sequence[StatementEvent]:
    query = select(StatementEvent).where(StatementEvent.statement_id == statement_id)
    return session.scalars(query.order_by(StatementEvent.number)).all()


BY = {
    "payer": StatementLine.payer,
    "contributor": StatementLine.contributor,
    "part": StatementLine.part,
    "period": Statement.period_start,
    "rule": Statement.rule_id,
}


def totals(
    session: Session,
    authorities: frozenset[str],
    by: str,
    *,
    rule: str | None,
    start: date | None,
    to: date | None,
) -> list[tuple[Any, int]]:
    """Pence of all standing statements by payer, contributor, part, period or rule, in the order of these."""
    column = BY[by]
    query = (
        select(column.label("name"), func.sum(StatementLine.pence).label("pence"))
        .join(Statement, Statement.id == StatementLine.statement_id)
        .where(Statement.state != "withdrawn", _is_visible(Statement.rule_id, authorities))
        .group_by(column)
        .order_by(column)
    )
    if rule is not None:
        query = query.where(Statement.rule_id == rule)
    if start is not None:
        query = query.where(Statement.period_end >= start)
    if to is not None:
        query = query.where(Statement.period_start <= to)
    return [(name, int(pence)) for name, pence in session.execute(query)]
