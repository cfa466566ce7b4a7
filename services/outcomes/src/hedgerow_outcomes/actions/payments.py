"""Writing payment rules and issuing statements."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hedgerow_kit.auth import ALL_AUTHORITIES, Principal
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.payments.earning import Counted, Step
from hedgerow_outcomes.domain.payments.rules import Rule, faults
from hedgerow_outcomes.domain.payments.statements import (
    Computed,
    Line,
    State,
    adjustments,
    compute,
    moved,
    period_of,
    statement_periods,
)
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.errors import (
    FiguresMissing,
    NoSuchRule,
    NothingToRestate,
    PayerOfNobody,
    RuleHasStatements,
    UnfitRule,
    VersionTooEarly,
)
from hedgerow_outcomes.store import payments
from hedgerow_outcomes.store.rule_documents import RuleDocument, read, written
from hedgerow_outcomes.tables import (
    PaymentRule,
    PaymentRulePayer,
    PaymentRuleVersion,
    Statement,
    StatementEvent,
    StatementLine,
    feed,
)

# Looks at the record as it stands, locked, or at `None`; refuses the write by raising.
Precondition = Callable[[Any], None]


def checked(document: RuleDocument) -> Rule:
    """The rule of a document that can be computed. Raises UnfitRule naming every place."""
    rule = document.rule()
    found = faults(rule)
    if found:
        raise UnfitRule([{"pointer": fault.pointer, "reason": fault.reason} for fault in found])
    return rule


def put_rule(
    session: Session,
    id: str,
    document: RuleDocument,
    *,
    valid_from: date | None,
    by: Principal,
    when: Precondition,
) -> bool:
    """Write a rule, or a new version of it; tells whether the rule is new.

    valid_from: the day from which the version holds, by default the day after the last one that a statement
    was issued for. What was issued stays as it was. Raises UnfitRule, PayerOfNobody, VersionTooEarly.
    """
    rule = checked(document)
    payers = {payer.authority for payer in rule.payers}
    if ALL_AUTHORITIES not in by.authorities and not payers & by.authorities:
        raise PayerOfNobody
    held = _locked(session, id)
    if held is not None and payments.rule(session, id, by.authorities) is None:
        raise NoSuchRule
    when(None if held is None else payments.rule(session, id, by.authorities))
    last = payments.last_period_end(session, id)
    if last is not None and valid_from is not None and valid_from <= last:
        raise VersionTooEarly(last)
    version = 1 if held is None else held.version + 1
    if held is None:
        session.add(PaymentRule(id=id, version=version))
    else:
        held.version = version
    session.flush()
    session.add(
        PaymentRuleVersion(
            rule_id=id,
            version=version,
            valid_from=valid_from or (_day_after(last) if last is not None else rule.starts),
            written_at=datetime.now(UTC),
            written_by=by.subject,
            document=written(document),
        )
    )
    session.execute(delete(PaymentRulePayer).where(PaymentRulePayer.rule_id == id))
    session.add_all([PaymentRulePayer(rule_id=id, authority=authority) for authority in sorted(payers)])
    feed.record(session, "payment_rule", id)
    session.flush()
    return held is None


def _day_after(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)


def delete_rule(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    """Delete a rule under which nothing was issued. Raises NoSuchRule, RuleHasStatements."""
    held = _visible(session, id, by)
    when(payments.rule(session, id, by.authorities))
    if session.scalar(select(Statement.id).where(Statement.rule_id == id).limit(1)) is not None:
        raise RuleHasStatements
    session.delete(held)
    feed.record(session, "payment_rule", id, deleted=True)


def issue(session: Session, rule_id: str, asked: Period, *, by: Principal, accept_missing: bool) -> Statement:
    """Issue the statement of a period; where one stands, what has changed since as adjustment lines.

    Raises NoSuchRule, NotAStatementPeriod, FiguresMissing where something needed is not known and that was
    not accepted, NothingToRestate.
    """
    _visible(session, rule_id, by)
    before = payments.of_period(session, rule_id, period_start(session, rule_id, asked))
    standing = [one for one in before if one.state != State.WITHDRAWN]
    version = (
        payments.version_on(session, rule_id, asked.start)
        if not standing
        # A correction is computed by the rule that the period was first paid by.
        else session.get_one(PaymentRuleVersion, (rule_id, standing[0].version))
    )
    rule = read(version.document)
    period = period_of(rule, asked)
    computed = compute(rule, period, payments.figures(session, rule, period))
    if computed.missing and not accept_missing:
        raise FiguresMissing(computed.missing)
    lines = list(computed.lines)
    if standing:
        issued = payments.lines(session, [one.id for one in standing])
        lines = adjustments([((row.part, row.contributor, row.payer), row.pence) for row in issued], computed)
        if not lines:
            raise NothingToRestate
    return _store(session, rule_id, version.version, computed, lines, before, standing, by)


def period_start(session: Session, rule_id: str, asked: Period) -> date:
    """The first day of the statement period that a period names."""
    return period_of(read(payments.version_on(session, rule_id, asked.start).document), asked).start


def _store(
    session: Session,
    rule_id: str,
    version: int,
    computed: Computed,
    lines: list[Line],
    before: Any,
    standing: list[Statement],
    by: Principal,
) -> Statement:
    now = datetime.now(UTC)
    statement = Statement(
        id=str(uuid4()),
        rule_id=rule_id,
        version=version,
        period_start=computed.period.start,
        period_end=computed.period.end,
        sequence=len(before),
        adjusts=standing[0].id if standing else None,
        state=State.ISSUED.value,
        pence=sum(line.pence for line in lines),
        missing=list(computed.missing),
        issued_at=now,
        issued_by=by.subject,
    )
    session.add(statement)
    session.flush()
    session.add_all(
        StatementLine(
            statement_id=statement.id,
            number=number,
            part=line.part,
            contributor=line.contributor,
            payer=line.payer,
            pence=line.pence,
            steps=[_step(step) for step in line.steps],
            observations=[_observation(row) for row in line.used],
        )
        for number, line in enumerate(lines, start=1)
    )
    what = "issued" if statement.adjusts is None else "adjusted"
    _note(session, statement.id, State.ISSUED, by, None, number=1, what=what)
    session.flush()
    return statement


def _step(step: Step) -> dict[str, Any]:
    return {**asdict(step), "result": plain(step.result)}


def _observation(row: Counted) -> dict[str, Any]:
    return {
        "id": row.id,
        "kpi": row.kpi,
        "subject": row.subject,
        "period": row.period.label,
        "value": None if row.value is None else plain(row.value),
    }


def plain(number: Decimal) -> str:
    """A number as people write it: no exponent, no more than twelve places, no trailing zeros."""
    text = f"{number.quantize(Decimal('1e-12')):f}" if number.as_tuple().exponent < -12 else f"{number:f}"  # type: ignore[operator]
    return text.rstrip("0").rstrip(".") if "." in text else text


def move(
    session: Session, id: str, to: State, *, reason: str | None, by: Principal, when: Precondition
) -> Statement:
    """Approve, dispute, pay or withdraw a statement. Raises NoSuchStatement, IllegalTransition."""
    held = session.scalars(select(Statement).where(Statement.id == id).with_for_update()).one_or_none()
    statement = payments.statement(session, id, by.authorities)
    when(None if held is None else statement)
    assert statement is not None
    statement.state = moved(State(statement.state), to).value
    _note(session, id, to, by, reason, number=len(payments.events(session, id)) + 1, what=to.value)
    session.flush()
    return statement


def _note(
    session: Session, id: str, state: State, by: Principal, reason: str | None, *, number: int, what: str
) -> None:
    session.add(
        StatementEvent(
            statement_id=id,
            number=number,
            at=datetime.now(UTC),
            by=by.subject,
            state=state.value,
            reason=reason,
        )
    )
    feed.record(session, f"statement.{what}", id)


def replay(session: Session, rule: Rule, *, start: date | None, to: date | None) -> list[Computed]:
    """What a rule would have come to in every period between two days, by what is known now."""
    return _computed(session, [(rule, period) for period in _periods(rule, start, to)])


def replay_as_held(session: Session, rule_id: str, *, start: date | None, to: date | None) -> list[Computed]:
    """What a rule comes to in every period between two days, each by the version in force then."""
    current = payments.version_on(session, rule_id, date.max)
    held = [
        (read(payments.version_on(session, rule_id, period.start).document), period)
        for period in _periods(read(current.document), start, to)
    ]
    return _computed(session, held)


def _periods(rule: Rule, start: date | None, to: date | None) -> list[Period]:
    return [
        period
        for period in statement_periods(rule)
        if (start is None or period.end >= start) and (to is None or period.start <= to)
    ]


def _computed(session: Session, wanted: Sequence[tuple[Rule, Period]]) -> list[Computed]:
    return [compute(rule, period, payments.figures(session, rule, period)) for rule, period in wanted]


def _locked(session: Session, id: str) -> PaymentRule | None:
    query = select(PaymentRule).where(PaymentRule.id == id).with_for_update()
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def _visible(session: Session, id: str, by: Principal) -> PaymentRule:
    held = _locked(session, id)
    if held is None or payments.rule(session, id, by.authorities) is None:
        raise NoSuchRule
    return held
