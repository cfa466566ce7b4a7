"""`/v1/kpis/{id}/compare`: subjects beside one another in one period."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_outcomes.api.aggregates import peers_of
from hedgerow_outcomes.api.kpis import KpiView, kpi_in_force, kpi_number, today
from hedgerow_outcomes.api.parameters import (
    LONGEST_SUBJECT,
    AsOf,
    InLevel,
    Like,
    LikeBy,
    LikeCount,
    PeriodText,
    SubjectQuery,
    Within,
    period_named,
    subject_text,
)
from hedgerow_outcomes.domain import standing
from hedgerow_outcomes.domain.intervals import Interval
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.domain.standing import Figure, Method
from hedgerow_outcomes.errors import UnfitForInterval
from hedgerow_outcomes.store import observations

router = problems.router(tags=["kpis"])


class StandingView(BaseModel):
    """A subject's value, its place, and how far chance alone may have moved it.

    `no_interval`: why there is none. `against`: whether the comparator lies within the interval.
    """

    subject: str
    rank: int | None
    value: float | None
    numerator: float | None
    denominator: float | None
    lower: float | None
    upper: float | None
    method: str | None
    no_interval: str | None
    against: str


class ComparatorView(BaseModel):
    subject: str
    value: float | None


class StandingParameters(BaseModel):
    confidence: float
    method: str | None
    multiplier: float | None
    best: str


class StandingComputed(BaseModel):
    """When and by what the intervals were computed, and what to bear in mind when reading them."""

    at: datetime | date
    parameters: StandingParameters
    caveats: list[str]


class StandingsView(paging.Page[StandingView]):
    kpi: KpiView
    period: str
    comparator: ComparatorView | None
    computed: StandingComputed


@router.get("/v1/kpis/{id}/compare")
def compare_subjects(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: AsOf,
    period: PeriodText,
    subjects: SubjectQuery = [],  # noqa: B006
    prefix: Annotated[
        str | None,
        Query(max_length=LONGEST_SUBJECT, description="Only subjects that begin with it, as in `E05`: wards"),
    ] = None,
    within: Within = None,
    level: InLevel = None,
    like: Like = None,
    like_by: LikeBy = [],  # noqa: B006
    like_count: LikeCount = 15,
    confidence: Annotated[
        Literal["95", "99.8"], Query(description="In per cent; 99.8 where many are compared at once")
    ] = "95",
    comparator: Annotated[
        str | None,
        Query(max_length=LONGEST_SUBJECT, description="The subject whose value the others are held against"),
    ] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> StandingsView:
    """The values of a KPI in one period, the best first, with confidence intervals where they exist.

    Compared are the `subjects` named, or the areas of a `level` `within` one, or the statistical neighbours
    of an area (`like`); without any, all that have an observation of the period. The comparator is the one
    named, else the area that they lie in or are like. Equal values share a rank. The interval
    follows from the KPI: Wilson's for a proportion, Byar's (exact below 10 events) for a rate, both from
    numerator and denominator; where there is none, `no_interval` says why.
    """
    number = kpi_number(session, id)
    kpi = kpi_in_force(session, id, today())
    wanted = period_named(period)
    share = float(confidence) / 100
    peers = peers_of(request, session, within, level, like, like_by, like_count)
    texts = [subject_text(text, parameter="subjects") for text in subjects] + list(peers or ())
    chosen = None if peers is None and not subjects else texts
    compared = _figures(session, number, chosen, wanted, as_of, prefix)
    comparator = comparator or within or like
    reference = None
    if comparator is not None:
        reference = _comparator(
            session, number, subject_text(comparator, parameter="comparator"), wanted, as_of
        )
    value = reference.value if reference else None
    method, unfit = _method(kpi)
    ranked = standing.ranked(compared, kpi.polarity)
    page, marker = paging.window(
        ranked,
        lambda one: (len(ranked) + 1 if one[0] is None else one[0], one[1].subject),
        after=after,
        limit=limit,
    )
    paging.link_next(request, response, marker)
    return StandingsView(
        kpi=kpi,
        period=wanted.label,
        comparator=reference,
        computed=StandingComputed(
            at=as_of or today(),
            parameters=StandingParameters(
                confidence=share,
                method=method and method.name,
                multiplier=method and method.multiplier,
                best="lowest" if kpi.polarity == "lower" else "highest",
            ),
            caveats=_caveats(kpi, compared, texts, reference, unfit),
        ),
        items=[
            _view(rank, figure, method, unfit, confidence=share, reference=value, polarity=kpi.polarity)
            for rank, figure in page
        ],
        next=marker,
    )


def _figures(
    session: Session,
    kpi: int,
    texts: Sequence[str] | None,
    period: Period,
    as_of: datetime | None,
    prefix: str | None,
) -> list[Figure]:
    rows = observations.of_subjects(session, kpi, texts, period, as_of, prefix=prefix)
    return [Figure(row.subject_text, row.value, row.numerator, row.denominator) for row in rows]


def _comparator(
    session: Session, kpi: int, text: str, period: Period, as_of: datetime | None
) -> ComparatorView:
    found = _figures(session, kpi, [text], period, as_of, None)
    return ComparatorView(subject=text, value=found[0].value if found else None)


def _method(kpi: KpiView) -> tuple[Method | None, str | None]:
    try:
        return standing.method_of(kpi.unit, kpi.aggregation, kpi.interval), None
    except UnfitForInterval as error:
        return None, str(error)


def _view(
    rank: int | None,
    figure: Figure,
    method: Method | None,
    unfit: str | None,
    *,
    confidence: float,
    reference: float | None,
    polarity: str | None,
) -> StandingView:
    interval: Interval | None = None
    if method is not None:
        try:
            interval = standing.interval_of(figure, method, confidence=confidence)
        except UnfitForInterval as error:
            unfit = str(error)
    return StandingView(
        **figure._asdict(),
        rank=rank,
        lower=interval and interval.lower,
        upper=interval and interval.upper,
        method=interval and interval.method,
        no_interval=None if interval else unfit,
        against=standing.against(interval, reference, polarity),
    )


def _caveats(
    kpi: KpiView,
    compared: Sequence[Figure],
    asked: Sequence[str],
    comparator: ComparatorView | None,
    unfit: str | None,
) -> list[str]:
    said = []
    if unfit is not None:
        said.append(f"No intervals: {unfit}.")
    absent = sorted(set(asked) - {figure.subject for figure in compared})
    if absent:
        shown = ", ".join(absent[:5]) + (" …" if len(absent) > 5 else "")
        said.append(f"{len(absent)} of the subjects asked for have no observation of this period: {shown}.")
    blank = sum(figure.value is None for figure in compared)
    if blank:
        said.append(f"{blank} observation{'s' * (blank != 1)} without a value: not ranked.")
    if len({standing.kind_of(figure.subject) for figure in compared}) > 1:
        said.append("The subjects are of different kinds or levels: `prefix` keeps one.")
    if comparator is not None and comparator.value is None:
        said.append("The comparator has no value in this period.")
    if kpi.polarity not in ("higher", "lower"):
        said.append("The KPI does not want more or less: ranks begin with the highest.")
    return said
