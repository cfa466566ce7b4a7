"""`/v1/statements`: what is due for a period, every penny explained, and what became of it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.conditional import etag, require_match
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import payments as actions
from hedgerow_outcomes.api.money import Pounds, pounds
from hedgerow_outcomes.api.parameters import From, To, period_named
from hedgerow_outcomes.api.payment_rules import Money
from hedgerow_outcomes.domain.payments.money import ROUNDING
from hedgerow_outcomes.domain.payments.statements import State
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.errors import NoSuchStatement
from hedgerow_outcomes.store import payments
from hedgerow_outcomes.tables import Statement, StatementLine

router = problems.router(tags=["payments"])

By = Literal["payer", "contributor", "part", "period", "rule"]


class StepView(BaseModel):
    """One step of the arithmetic."""

    says: str
    arithmetic: str
    result: str


class ObservationUsed(BaseModel):
    """An observation that a line rests on, as it was when the statement was issued."""

    id: str
    kpi: str
    subject: str
    period: str
    value: str | None


class LineView(BaseModel):
    """What one payer pays one contributor for one part of the rule, and how it comes about."""

    number: int
    part: str
    contributor: str
    payer: str
    amount: Pounds
    steps: list[StepView]
    observations: list[ObservationUsed]


class EventView(BaseModel):
    at: datetime
    by: str
    state: str
    reason: str | None


class StatementItem(BaseModel):
    """A statement. `adjusts`: the statement that this one corrects; its lines are differences."""

    id: str
    rule: str
    rule_version: int
    period: str
    start: date
    end: date
    sequence: int
    adjusts: str | None
    state: str
    total: Pounds
    missing: list[str]
    issued_at: datetime
    issued_by: str


class StatementView(StatementItem):
    lines: list[LineView]
    events: list[EventView]
    period_total: Annotated[Pounds, Field(description="All standing statements of the period together")]
    rounding: str = ROUNDING


class StatementBody(BaseModel):
    """Which statement to issue. accept_missing: figures that are not known count as nothing."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field(min_length=1, max_length=120)
    period: str = Field(min_length=1, max_length=60)
    accept_missing: bool = False


class StateBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: Literal["issued", "disputed", "approved", "paid", "withdrawn"]
    reason: str | None = Field(default=None, max_length=2000)


class TotalView(BaseModel):
    name: str
    total: Pounds


class TotalsView(paging.Page[TotalView]):
    by: By
    total: Pounds


@router.get("/v1/statements")
def list_statements(
    session: Reading,
    request: Request,
    response: Response,
    principal: Money,
    rule: Annotated[str | None, Query(max_length=120)] = None,
    payer: Annotated[str | None, Query(max_length=64)] = None,
    state: State | None = None,
    start: From = None,
    to: To = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[StatementItem]:
    """The statements that your authorities pay, by rule, period and sequence."""
    rows, marker = payments.statement_page(
        session,
        principal.authorities,
        rule=rule,
        payer=payer,
        state=state,
        start=start,
        to=to,
        after=after,
        limit=limit,
    )
    paging.link_next(request, response, marker)
    return paging.Page(items=[statement_item(row[0]) for row in rows], next=marker)


@router.get("/v1/statements/totals")
def read_totals(
    session: Reading,
    principal: Money,
    by: By = "payer",
    rule: Annotated[str | None, Query(max_length=120)] = None,
    start: From = None,
    to: To = None,
) -> TotalsView:
    """What all standing statements come to, by payer, contributor, part, period or rule: always one sum."""
    rows = payments.totals(session, principal.authorities, by, rule=rule, start=start, to=to)
    return TotalsView(
        by=by,
        total=pounds(sum(pence for _, pence in rows)),
        items=[TotalView(name=str(name), total=pounds(pence)) for name, pence in rows],
    )


@router.post("/v1/statements", status_code=201)
def issue_statement(
    body: StatementBody, session: Writing, response: Response, principal: Money
) -> StatementView:
    """Issue the statement of a period; if there is one, what has changed since, as lines of adjustment."""
    statement = actions.issue(
        session, body.rule, period_named(body.period), by=principal, accept_missing=body.accept_missing
    )
    response.headers["Location"] = f"/v1/statements/{statement.id}"
    return _one(session, statement, response)


@router.get("/v1/statements/{id}")
def read_statement(id: str, session: Reading, response: Response, principal: Money) -> StatementView:
    """One statement with its lines, the arithmetic of each and the observations it rests on."""
    return _one(session, _held(session, id, principal.authorities), response)


@router.get("/v1/statements/{id}/lines")
def list_lines(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Money,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[LineView]:
    """The lines of a statement in their order."""
    _held(session, id, principal.authorities)
    rows, marker = payments.line_page(session, id, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_line(row[0]) for row in rows], next=marker)


@router.post("/v1/statements/{id}/state")
def move_statement(
    id: str, body: StateBody, session: Writing, request: Conditional, response: Response, principal: Money
) -> StatementView:
    """Approve, dispute, pay or withdraw a statement; with `If-Match`, as it was read."""

    def unchanged(held: Statement | None) -> None:
        if held is None:
            raise NoSuchStatement
        require_match(request, _tag(session, held))

    statement = actions.move(session, id, State(body.state), reason=body.reason, by=principal, when=unchanged)
    return _one(session, statement, response)


def _held(session: Session, id: str, authorities: frozenset[str]) -> Statement:
    statement = payments.statement(session, id, authorities)
    if statement is None:
        raise NoSuchStatement
    return statement


def _tag(session: Session, row: Statement) -> str:
    # Not by its state, which may come back: disputed, approved, disputed.
    return etag(row.id, len(payments.events(session, row.id)))


def statement_item(row: Statement) -> StatementItem:
    """A statement without its lines."""
    return StatementItem(**_item(row))


def _item(row: Statement) -> dict[str, Any]:
    return {
        "id": row.id,
        "rule": row.rule_id,
        "rule_version": row.version,
        "period": Period(row.period_start, row.period_end).label,
        "start": row.period_start,
        "end": row.period_end,
        "sequence": row.sequence,
        "adjusts": row.adjusts,
        "state": row.state,
        "total": pounds(row.pence),
        "missing": row.missing,
        "issued_at": row.issued_at,
        "issued_by": row.issued_by,
    }


def _line(row: StatementLine) -> LineView:
    return LineView(
        number=row.number,
        part=row.part,
        contributor=row.contributor,
        payer=row.payer,
        amount=pounds(row.pence),
        steps=[StepView(**step) for step in row.steps],
        observations=[ObservationUsed(**observation) for observation in row.observations],
    )


def _one(session: Session, row: Statement, response: Response) -> StatementView:
    response.headers["ETag"] = _tag(session, row)
    together = payments.of_period(session, row.rule_id, row.period_start)
    standing = sum(one.pence for one in together if one.state != State.WITHDRAWN)
    return StatementView(
        **_item(row),
        period_total=pounds(standing),
        lines=[_line(line) for line in payments.lines(session, [row.id])],
        events=[
            EventView(at=event.at, by=event.by, state=event.state, reason=event.reason)
            for event in payments.events(session, row.id)
        ],
    )
