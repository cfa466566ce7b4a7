"""`/v1/breaches`: where a minimum service level was missed, since when, and whether it recovered."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel

from hedgerow_outcomes.api.parameters import From, SubjectQuery, To, subject_text
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.errors import NoSuchBreach
from hedgerow_outcomes.store import breaches, kpis, observations

router = problems.router(tags=["breaches"])


class MomentView(BaseModel):
    """The observation that opened a breach, or closed it."""

    period: str
    start: date
    end: date
    value: float
    known_from: datetime


class BreachView(BaseModel):
    """Neighbouring periods below the agreed minimum. `worst`: the value furthest below it."""

    id: str
    kpi: str
    subject: str
    status: str
    minimum: float
    opened: MomentView
    closed: MomentView | None
    worst: float
    periods: int


@router.get("/v1/breaches")
def list_breaches(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    kpi: Annotated[str | None, Query(max_length=120)] = None,
    subject: SubjectQuery = [],  # noqa: B006
    open: Annotated[bool | None, Query(description="Only those that are open, or only closed ones")] = None,
    start: From = None,
    to: To = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[BreachView]:
    """Breaches of minimum service levels, in the order of their ids. Each opens once and closes once."""
    number = None if kpi is None else kpis.number(session, kpi)
    subjects = observations.numbers_of_subjects(session, [subject_text(text) for text in subject])
    if (kpi is not None and number is None) or (subject and not subjects):
        return paging.Page(items=[])
    rows, marker = breaches.page(
        session,
        kpi=number,
        subjects=subjects or None,
        is_open=open,
        start=start,
        to=to,
        after=after,
        limit=limit,
    )
    paging.link_next(request, response, marker)
    return paging.Page(items=[breach_view(row) for row in rows], next=marker)


@router.get("/v1/breaches/{id}")
def read_breach(id: str, session: Reading, principal: Annotated[Principal, require("read")]) -> BreachView:
    """One breach."""
    row = breaches.one(session, id)
    if row is None:
        raise NoSuchBreach
    return breach_view(row)


def breach_view(row: Any) -> BreachView:
    breach = row[0]
    closed = None
    if breach.closed_start is not None:
        closed = _moment(
            breach.closed_start, breach.closed_end, breach.closed_value, breach.closed_known_from
        )
    return BreachView(
        id=breach.id,
        kpi=row.kpi_id,
        subject=row.subject_text,
        status="open" if closed is None else "closed",
        minimum=breach.minimum,
        opened=_moment(breach.period_start, breach.period_end, breach.value, breach.known_from),
        closed=closed,
        worst=breach.worst,
        periods=breach.periods,
    )


def _moment(start: date, end: date, value: float, known_from: datetime) -> MomentView:
    label = Period(start, end).label
    return MomentView(period=label, start=start, end=end, value=value, known_from=known_from)
