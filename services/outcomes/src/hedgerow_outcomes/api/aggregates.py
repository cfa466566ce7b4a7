"""`/v1/kpis/{id}/aggregate` and `/v1/divergences`: areas added up, and measures that go apart."""

from datetime import date
from typing import Annotated

from fastapi import Query, Request
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_outcomes.api.kpis import kpi_in_force, kpi_number
from hedgerow_outcomes.api.parameters import (
    LONGEST_SUBJECT,
    AsOf,
    From,
    PeriodText,
    To,
    period_named,
    subject_text,
)
from hedgerow_outcomes.domain import divergence
from hedgerow_outcomes.domain.aggregation import Part, aggregate
from hedgerow_outcomes.domain.divergence import Measured, Trend, divergences
from hedgerow_outcomes.domain.neighbours import neighbours
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.domain.series import of_one_length
from hedgerow_outcomes.errors import NoSuchArea
from hedgerow_outcomes.store import kpis, observations, registry
from hedgerow_outcomes.store.areas import Areas
from hedgerow_outcomes.store.observations import Asked

router = problems.router(tags=["kpis"])

MOST_AREAS = 20_000


class AggregateComputed(BaseModel):
    at: date
    rule: str | None
    registry_seq: int
    caveats: list[str]


class AggregateView(BaseModel):
    """A KPI added up over the areas of a level inside another. `own`: what was observed of the whole."""

    kpi: str
    area: str
    level: str
    period: str
    value: float | None
    numerator: float | None
    denominator: float | None
    own: float | None
    areas: int
    with_value: int
    withheld: int
    why_not: str | None
    computed: AggregateComputed


class TrendView(BaseModel):
    """How a KPI has moved: `change` over the whole time in parts of its median, positive for better."""

    kpi: str
    perspective: str
    change: float
    direction: str


class DivergenceView(BaseModel):
    better: TrendView
    worse: TrendView
    start: str
    end: str
    says: str


class DivergencesView(BaseModel):
    subject: str
    items: list[DivergenceView]
    judged: list[TrendView]
    next: None = None
    thresholds: dict[str, float]


@router.get("/v1/kpis/{id}/aggregate")
def read_aggregate(
    id: str,
    request: Request,
    session: Reading,
    principal: Annotated[Principal, require("read")],
    as_of: AsOf,
    area: Annotated[str, Query(max_length=LONGEST_SUBJECT, description="The code of the area to add up to")],
    level: Annotated[str, Query(max_length=20, description="The level of the areas that are added up")],
    period: PeriodText,
) -> AggregateView:
    """A KPI added up over the areas of a level that lie in another, by the KPI's own rule.

    Sums are summed, ratios are sums by sums, means are weighted by their denominators: never a mean of rates.
    Where a part is withheld the whole is; areas without a value are counted, not guessed.
    """
    number, wanted = kpi_number(session, id), period_named(period)
    kpi = kpi_in_force(session, id, wanted.end)
    areas: Areas = request.app.state.areas
    tree = areas.tree(session)
    if area not in tree:
        raise NoSuchArea
    inside = tree.inside(area, level)[:MOST_AREAS]
    found_rows = observations.of_subjects(session, number, [*inside, area], wanted, as_of)
    rows = {row.subject_text: row for row in found_rows}
    own = rows.pop(area, None)
    parts = [
        Part(code, row.value, row.numerator, row.denominator, row.withheld)
        for code, row in sorted(rows.items())
    ]
    found = aggregate(parts, kpi.aggregation)
    return AggregateView(
        kpi=id,
        area=area,
        level=level,
        period=wanted.label,
        value=found.value,
        numerator=found.numerator,
        denominator=found.denominator,
        own=None if own is None else own.value,
        areas=len(inside),
        with_value=found.used,
        withheld=found.withheld,
        why_not=found.why_not if inside else "the registry holds no area of this level inside it",
        computed=AggregateComputed(
            at=wanted.end,
            rule=kpi.aggregation,
            registry_seq=registry.position(session),
            caveats=_caveats(len(inside), found.used, found.value),
        ),
    )


def peers_of(
    request: Request,
    session: Session,
    within: str | None,
    level: str | None,
    like: str | None,
    like_by: list[str],
    like_count: int,
) -> list[str] | None:
    """The areas that a question names by their place or their likeness; None where it names none that way."""
    areas: Areas = request.app.state.areas
    if within is not None:
        tree = areas.tree(session)
        if within not in tree:
            raise NoSuchArea
        if level is None:
            raise _unfit("level", "needed beside `within`: wards, say, or LSOAs")
        return tree.inside(within, level)[:MOST_AREAS]
    if like is None:
        return None
    tree = areas.tree(session)
    if like not in tree:
        raise NoSuchArea
    if not like_by:
        raise _unfit("like_by", "needed beside `like`: the indices that describe areas")
    codes = tree.of_level(tree.level(like))
    indices = {name: registry.index_values(session, name, codes) for name in like_by}
    absent = [name for name, values in indices.items() if like not in values]
    if absent:
        raise _unfit("like_by", f"the area has no value of {absent[0][:100]}")
    return [like, *(found.area for found in neighbours(like, indices, count=like_count))]


def _unfit(parameter: str, reason: str) -> Problem:
    return Problem(UNPROCESSABLE, errors=[{"parameter": parameter, "reason": reason}])


def _caveats(areas: int, used: int, value: float | None) -> list[str]:
    if value is None or used == areas:
        return []
    return [f"{areas - used} of {areas} areas have no value in this period: they are left out."]


@router.get("/v1/divergences")
def list_divergences(
    session: Reading,
    principal: Annotated[Principal, require("read")],
    subject: Annotated[str, Query(max_length=LONGEST_SUBJECT)],
    start: From = None,
    to: To = None,
) -> DivergencesView:
    """Measures of a subject that should go together and go apart: one better, one of another view worse.

    Inward, outward and user voice are compared two by two, over the days that both cover. A KPI is left out
    if its definition names no perspective or does not say which way is better.
    """
    text = subject_text(subject)
    measured = _measured(session, text, start, to)
    trends = [found for one in measured if (found := divergence.trend(one)) is not None]
    return DivergencesView(
        subject=text,
        items=[
            DivergenceView(
                better=_trend(one.better),
                worse=_trend(one.worse),
                start=one.start,
                end=one.end,
                says=_says(one),
            )
            for one in divergences(measured)
        ],
        judged=[_trend(one) for one in trends],
        thresholds={"fewest_points": divergence.FEWEST_POINTS, "level_within": divergence.FLAT},
    )


def _measured(session: Session, text: str, start: date | None, to: date | None) -> list[Measured]:
    subjects = observations.numbers_of_subjects(session, [text])
    if not subjects:
        return []
    by_kpi: dict[str, list[tuple[Period, float]]] = {}
    for row in observations.series(session, Asked(None, subjects, start, to), None):
        if row.value is not None:
            by_kpi.setdefault(row.kpi_id, []).append((Period(row.period_start, row.period_end), row.value))
    definitions = kpis.in_force_by_id(session, sorted(by_kpi), date.max)
    made = []
    for id, points in sorted(by_kpi.items()):
        said = definitions[id]
        if said.perspective is None or said.polarity not in ("higher", "lower"):
            continue
        kept = of_one_length([period for period, _ in points], said.frequency)
        made.append(Measured(id, said.perspective, said.polarity, sorted(points[place] for place in kept)))
    return made


def _trend(one: Trend) -> TrendView:
    return TrendView(kpi=one.kpi, perspective=one.perspective, change=one.change, direction=one.direction)


def _says(one: divergence.Divergence) -> str:
    names = {
        "inward": "what we measure of ourselves",
        "outward": "what we do",
        "user_voice": "what users say",
    }
    better, worse = names[one.better.perspective], names[one.worse.perspective]
    return f"By {one.better.kpi} ({better}) it got better, by {one.worse.kpi} ({worse}) worse: ask why."
