"""`/v1/observations`: flat rows, and the latest of each KPI."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel, Field
from sqlalchemy import Row
from sqlalchemy.orm import Session

from hedgerow_outcomes.api.kpis import KpiView, kpi_in_force, kpi_number, kpi_view, today
from hedgerow_outcomes.api.parameters import LONGEST_SUBJECT, AsOf, From, SubjectQuery, To, subject_text
from hedgerow_outcomes.domain.breaches import attainment
from hedgerow_outcomes.domain.lateness import GRACE_DAYS, due
from hedgerow_outcomes.domain.latest import Point, change, latest_and_previous
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.domain.rows import STATUSES
from hedgerow_outcomes.store import kpis, observations
from hedgerow_outcomes.store.breaches import level_of
from hedgerow_outcomes.store.late import late
from hedgerow_outcomes.store.observations import Asked

router = problems.router(tags=["observations"])

WITHHELD = "Not shown: a small number, or one from which a small number could be worked out."


class ValueView(BaseModel):
    """The value of a period; `start` and `end` are its first and its last day."""

    period: str
    start: date
    end: date
    granularity: str
    value: float | None
    numerator: float | None
    denominator: float | None
    lower: float | None
    upper: float | None
    status: str
    withheld: str | None = None
    known_from: datetime


class ObservationView(ValueView):
    kpi: str
    subject: str


class LatestView(BaseModel):
    """The latest value of a KPI for a subject, and the one of the period before."""

    kpi: KpiView
    subject: str
    latest: ValueView
    previous: ValueView | None
    change: float | None
    attainment: Annotated[
        float | None,
        Field(description="0 at the agreed minimum, 1 at the target, in proportion between and beyond"),
    ]
    due: Annotated[
        date | None, Field(description="When the next value is to be there, by the KPI's frequency")
    ]


class LateView(BaseModel):
    """A KPI whose next value is overdue. `latest_end`: the last day of its latest period with a value.

    `authority`: whose figures are overdue, where it sends its own; null: those of all who send none.
    """

    kpi: str
    authority: str | None
    frequency: str
    latest_end: date
    due: date
    days_late: int
    grace_days: int


class SeriesView(paging.Page[ValueView]):
    kpi: KpiView
    subject: str


@router.get("/v1/observations")
def list_observations(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: AsOf,
    kpi: Annotated[str | None, Query(max_length=120)] = None,
    subject: SubjectQuery = [],  # noqa: B006
    start: From = None,
    to: To = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[ObservationView]:
    """Observations as flat rows, in a stable order; with `as_of`, what was known at that time.

    `from` and `to` keep the periods that touch the days between them.
    """
    asked = _asked(session, kpi, subject)
    if asked is None:
        return paging.Page(items=[])
    asked = asked._replace(start_from=start, start_to=to)
    rows, marker = observations.page(session, asked, as_of, after=after, limit=limit)
    paging.link_next(request, response, marker)
    items = [
        ObservationView(kpi=row.kpi_id, subject=row.subject_text, **_value(row).model_dump()) for row in rows
    ]
    return paging.Page(items=items, next=marker)


@router.get("/v1/observations/latest")
def list_latest(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: AsOf,
    subject: SubjectQuery,
    kpi: Annotated[str | None, Query(max_length=120)] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[LatestView]:
    """The latest value of every KPI for a subject or several, with the value of the period before.

    A period whose value is missing or suppressed is passed over, unless there is no other.
    """
    asked = _asked(session, kpi, subject)
    items, marker = ([], None) if asked is None else _latest(session, asked, as_of, after, limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=items, next=marker)


@router.get("/v1/observations/late")
def list_late(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    at: Annotated[date | None, Query(description="Late on this day; today if not given")] = None,
    grace_days: Annotated[
        int, Query(ge=0, le=3650, description="Days that a value may take after the end of its period")
    ] = GRACE_DAYS,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[LateView]:
    """The KPIs whose next value is overdue by their own frequency, in the order of their ids.

    Each authority that sends figures of its own is judged by these alone: a KPI comes once for each that is
    late. A KPI that does not say how often it is measured, or has no value yet, cannot be late. A page speaks
    for as many KPIs as asked for: it may hold more or fewer items, and still not be the last.
    """
    on = at or today()
    rows, marker = kpis.page_in_force(session, on, after=after, limit=limit)
    paging.link_next(request, response, marker)
    items = [
        LateView(**one._asdict(), days_late=(on - one.due).days, grace_days=grace_days)
        for one in late(session, rows, at=on, grace_days=grace_days)
    ]
    return paging.Page(items=items, next=marker)


@router.get("/v1/kpis/{id}/latest", tags=["kpis"])
def list_latest_of_kpi(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: AsOf,
    subject: SubjectQuery = [],  # noqa: B006
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[LatestView]:
    """The latest value of a KPI for every subject, or for those named."""
    kpi_number(session, id)
    asked = _asked(session, id, subject)
    items, marker = ([], None) if asked is None else _latest(session, asked, as_of, after, limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=items, next=marker)


@router.get("/v1/kpis/{id}/series", tags=["kpis"])
def read_series(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: AsOf,
    subject: Annotated[str, Query(max_length=LONGEST_SUBJECT)],
    start: From = None,
    to: To = None,
    after: paging.After = None,
    limit: paging.Limit = 1000,
) -> SeriesView:
    """The values of a KPI for a subject in the order of time; with `as_of`, as they were known then."""
    number = kpi_number(session, id)
    text = subject_text(subject)
    view = kpi_in_force(session, id, today())
    subjects = observations.numbers_of_subjects(session, [text])
    if not subjects:
        return SeriesView(kpi=view, subject=text, items=[])
    asked = Asked(number, subjects, start, to)
    rows, marker = observations.page_of_series(session, asked, as_of, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return SeriesView(kpi=view, subject=text, items=[_value(row) for row in rows], next=marker)


def _asked(session: Session, kpi: str | None, subjects: Sequence[str]) -> Asked | None:
    """What is asked about; None if there can be no observation of it."""
    number = kpis.number(session, kpi) if kpi is not None else None
    if kpi is not None and number is None:
        return None
    if not subjects:
        return Asked(number)
    known = observations.numbers_of_subjects(session, [subject_text(text) for text in subjects])
    return Asked(number, known) if known else None


def _latest(
    session: Session, asked: Asked, as_of: datetime | None, after: str | None, limit: int
) -> tuple[list[LatestView], str | None]:
    pairs, marker = observations.page_of_pairs(session, asked, as_of, after=after, limit=limit)
    rows = kpis.in_force_by_id(session, list({id for id, _ in pairs}), today())
    views = {id: kpi_view(row) for id, row in rows.items()}
    return [_latest_view(views[id], subject, found) for (id, subject), found in pairs.items()], marker


def _latest_view(kpi: KpiView, subject: str, rows: Sequence[Row[Any]]) -> LatestView:
    points = [Point(Period(row.period_start, row.period_end), row.value) for row in rows]
    latest, previous = latest_and_previous(points)
    now = points[latest].value
    before = None if previous is None else points[previous].value
    return LatestView(
        kpi=kpi,
        subject=subject,
        latest=_value(rows[latest]),
        previous=None if previous is None else _value(rows[previous]),
        change=change(now, before),
        attainment=attainment(now, level_of(kpi.minimum, kpi.target, kpi.polarity)),
        due=None if now is None else due(points[latest].period.end, kpi.frequency),
    )


def _value(row: Row[Any]) -> ValueView:
    period = Period(row.period_start, row.period_end)
    known_from: datetime = row.known_from
    return ValueView(
        period=period.label,
        start=period.start,
        end=period.end,
        granularity=period.granularity,
        value=row.value,
        numerator=row.numerator,
        denominator=row.denominator,
        lower=row.lower,
        upper=row.upper,
        status=STATUSES[row.status],
        withheld=WITHHELD if row.withheld else None,
        known_from=known_from,
    )
