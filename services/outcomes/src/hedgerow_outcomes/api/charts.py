"""`/v1/kpis/{id}/spc`: the control chart of a KPI for a subject."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from pydantic import BaseModel
from sqlalchemy import Row
from sqlalchemy.orm import Session

from hedgerow_outcomes.api import pictures
from hedgerow_outcomes.api.kpis import KpiView, kpi_in_force, kpi_number, today
from hedgerow_outcomes.api.parameters import LONGEST_SUBJECT, AsOf, From, To, subject_text
from hedgerow_outcomes.domain import control_charts, series
from hedgerow_outcomes.domain.control_charts import FEWEST_POINTS, Chart, Limits
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.store import observations
from hedgerow_outcomes.store.observations import Asked

router = problems.router(tags=["kpis"])

PICTURES: dict[str, dict[int | str, dict[str, Any]]] = {
    "svg": {200: {"content": {"image/svg+xml": {}}}},
    "png": {200: {"content": {"image/png": {}}}},
}

Rebase = Annotated[
    list[date],
    Query(
        max_length=50,
        description="A new phase begins with the first period from this day on; may be repeated",
    ),
]
Baseline = Annotated[
    str | None,
    Query(
        max_length=40,
        description="Limits from the first so many points of each phase (`12`), or from the points between "
        "two days (`2024-04-01/2025-03-31`); at least 12 points",
    ),
]


class PointView(BaseModel):
    """A period, its value, and the limits it is judged by; without a value there is nothing to judge."""

    period: str
    start: date
    end: date
    value: float | None
    mean: float | None
    lower: float | None
    upper: float | None
    special_cause: str | None
    variation: str | None


class PhaseView(BaseModel):
    """The limits of the periods from `first` to `last`; `basis_points`: how many values they rest on."""

    first: str
    last: str
    points: int
    basis_points: int
    mean: float
    lower: float | None
    upper: float | None


class ChartParameters(BaseModel):
    limit: float = control_charts.LIMIT
    near_limit: float = control_charts.NEAR_LIMIT
    outlier_screen: float | None
    run_length: int = control_charts.RUN
    trend_length: int = control_charts.RUN
    polarity: str | None
    start: date | None
    to: date | None
    rebase: list[date]
    baseline: str | None


class ChartComputed(BaseModel):
    """When and by what the chart was computed, and what to bear in mind when reading it."""

    at: datetime | date
    parameters: ChartParameters
    caveats: list[str]


class ChartView(paging.Page[PointView]):
    """`variation` and `assurance` speak of the last point: what happens, and if the target can be met.

    `says`: what the chart shows, in words.
    """

    says: str
    kpi: KpiView
    subject: str
    target: float | None
    assurance: str | None
    variation: str | None
    limits: list[PhaseView]
    computed: ChartComputed


class _Series(NamedTuple):
    """Rows of one length of period; `valued`: the places of those with a value."""

    rows: list[Row[Any]]
    periods: list[Period]
    valued: list[int]
    left_out: int


class ChartAsked(NamedTuple):
    """What a chart was asked for with."""

    as_of: datetime | None
    subject: str
    start: date | None
    to: date | None
    rebase: list[date]
    baseline: str | None
    target: float | None
    screen: bool


def _chart_asked(
    as_of: AsOf,
    subject: Annotated[str, Query(max_length=LONGEST_SUBJECT)],
    start: From = None,
    to: To = None,
    rebase: Rebase = [],  # noqa: B006
    baseline: Baseline = None,
    target: Annotated[
        float | None, Query(allow_inf_nan=False, description="In place of the KPI's own target")
    ] = None,
    screen: Annotated[
        bool, Query(description="Whether unusually large steps are left out of the limits' width")
    ] = True,
) -> ChartAsked:
    return ChartAsked(as_of, subject_text(subject), start, to, sorted(rebase), baseline, target, screen)


Asking = Annotated[ChartAsked, Depends(_chart_asked)]


@router.get("/v1/kpis/{id}/spc")
def read_chart(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    asked: Asking,
    after: paging.After = None,
    limit: paging.Limit = 1000,
) -> ChartView:
    """The XmR control chart of a KPI for a subject: what is usual variation, and what is not.

    Each value stands with the mean and the limits of its phase and with its special cause, if it has one.
    Periods without a value, and periods that nobody reported, do not break a run.
    """
    whole = _charted(session, id, asked)
    page, marker = paging.window(
        whole.items, lambda point: (point.start.isoformat(), point.end.isoformat()), after=after, limit=limit
    )
    paging.link_next(request, response, marker)
    return whole.model_copy(update={"items": page, "next": marker})


@router.get("/v1/kpis/{id}/spc.svg", response_class=Response, responses=PICTURES["svg"])
def draw_chart_as_svg(
    id: str, session: Reading, principal: Annotated[Principal, require("read")], asked: Asking
) -> Response:
    """The control chart as a picture with its description in words."""
    return _drawn(_charted(session, id, asked), "svg")


@router.get("/v1/kpis/{id}/spc.png", response_class=Response, responses=PICTURES["png"])
def draw_chart_as_png(
    id: str, session: Reading, principal: Annotated[Principal, require("read")], asked: Asking
) -> Response:
    """The control chart as a picture for documents; `says` of `/spc` describes it."""
    return _drawn(_charted(session, id, asked), "png")


def _drawn(chart: ChartView, format: str) -> Response:
    kpi = chart.kpi
    firsts = {phase.first for phase in chart.limits}
    spots = [
        pictures.Spot(
            point.period,
            point.end,
            point.value,
            point.mean,
            point.lower,
            point.upper,
            point.variation,
            point.period in firsts,
        )
        for point in chart.items
    ]
    words = pictures.Words(kpi.name, f"Control chart of {chart.subject}", kpi.unit or "", chart.says)
    return pictures.control_chart(words, spots, chart.target, format)


def _charted(session: Session, id: str, asked: ChartAsked) -> ChartView:
    number = kpi_number(session, id)
    kpi = kpi_in_force(session, id, today())
    known = observations.numbers_of_subjects(session, [asked.subject])
    wanted = Asked(number, known, asked.start, asked.to)
    rows = observations.series(session, wanted, asked.as_of) if known else []
    shown = _of_one_length(rows, kpi.frequency)
    periods = [shown.periods[place] for place in shown.valued]
    basis = _baseline(asked.baseline, periods)
    chart = control_charts.chart(
        [shown.rows[place].value for place in shown.valued],
        starts=[series.place_from(periods, on) for on in asked.rebase],
        baseline=basis,
        screen=asked.screen,
    )
    last = chart.phases[-1].limits if chart.phases else None
    target = kpi.target if asked.target is None else asked.target
    found = ChartView(
        says="",
        kpi=kpi,
        subject=asked.subject,
        target=target,
        assurance=control_charts.assurance(last, target, kpi.polarity) if last else None,
        variation=control_charts.variation(chart.causes[-1], kpi.polarity) if chart.causes else None,
        limits=[
            PhaseView(
                first=periods[phase.first].label,
                last=periods[phase.last].label,
                points=phase.last - phase.first + 1,
                basis_points=phase.basis,
                **phase.limits._asdict(),
            )
            for phase in chart.phases
        ],
        computed=ChartComputed(
            at=asked.as_of or today(),
            parameters=ChartParameters(
                outlier_screen=control_charts.SCREEN if asked.screen else None,
                polarity=kpi.polarity,
                start=asked.start,
                to=asked.to,
                rebase=asked.rebase,
                baseline=asked.baseline,
            ),
            caveats=_caveats(shown, periods, chart, asked.rebase, basis, kpi),
        ),
        items=_points(shown, chart, asked.rebase, kpi.polarity),
    )
    return found.model_copy(update={"says": _said(found)})


_VARIATIONS = {
    "common_cause": "is usual variation",
    "special_cause_improvement": "is a special cause of improvement",
    "special_cause_concern": "is a special cause of concern",
    "special_cause_neutral_high": "is a special cause, high",
    "special_cause_neutral_low": "is a special cause, low",
}
_ASSURANCES = {
    "consistent_pass": "will be met as things are",
    "consistent_fail": "will not be met as things are",
    "inconsistent": "will be met at times and missed at others",
}


def _said(chart: ChartView) -> str:
    valued = [point for point in chart.items if point.value is not None]
    unit = f" ({chart.kpi.unit})" if chart.kpi.unit else ""
    head = f"Control chart of {chart.kpi.name}{unit} for {chart.subject}"
    if not valued:
        return f"{head}: there is no value to chart."
    last, phase = valued[-1], chart.limits[-1]
    said = [f"{head}: {len(valued)} values from {valued[0].period} to {last.period}."]
    within = "" if phase.lower is None else f", limits {phase.lower:.6g} to {phase.upper:.6g}"
    said.append(
        f"Mean {phase.mean:.6g}{within}" + (f", since {phase.first}." if len(chart.limits) > 1 else ".")
    )
    special = [point for point in valued if point.variation != "common_cause"]
    if special:
        named = "; ".join(
            f"{point.period}: {point.value:.6g}, {point.special_cause}" for point in special[-5:]
        )
        more = ", the last five" if len(special) > 5 else ""
        said.append(f"{len(special)} of the values are special causes{more}: {named}.")
    else:
        said.append("All values are usual variation.")
    said.append(f"The last value, {last.value:.6g}, {_VARIATIONS[last.variation or 'common_cause']}.")
    if chart.target is not None:
        met = f" {_ASSURANCES[chart.assurance]}" if chart.assurance else " is not judged"
        said.append(f"The target of {chart.target:.6g}{met}.")
    return " ".join(said)


def _of_one_length(rows: Sequence[Row[Any]], frequency: str | None) -> _Series:
    periods = [Period(row.period_start, row.period_end) for row in rows]
    kept = series.of_one_length(periods, frequency)
    return _Series(
        rows=[rows[place] for place in kept],
        periods=[periods[place] for place in kept],
        valued=[place for place, at in enumerate(kept) if rows[at].value is not None],
        left_out=len(rows) - len(kept),
    )


def _baseline(text: str | None, periods: Sequence[Period]) -> int | range | None:
    if text is None:
        return None
    first, slash, last = text.partition("/")
    try:
        if not slash:
            return int(first)
        return series.places_between(periods, date.fromisoformat(first), date.fromisoformat(last))
    except ValueError:
        raise Problem(
            UNPROCESSABLE,
            errors=[
                {"parameter": "baseline", "reason": "neither a number of points nor two days as DAY/DAY"}
            ],
        ) from None


def _points(shown: _Series, chart: Chart, rebase: Sequence[date], polarity: str | None) -> list[PointView]:
    points, place = [], 0
    of_place = [phase.limits for phase in chart.phases for _ in range(phase.first, phase.last + 1)]
    starts = {phase.first for phase in chart.phases[1:]}
    for row, period in zip(shown.rows, shown.periods, strict=True):
        cause = chart.causes[place] if row.value is not None else None
        # A period without a value is drawn with the limits of its phase, which it may be the first of.
        opens = place in starts and any(
            on <= period.start for on in rebase if on > shown.periods[shown.valued[place - 1]].start
        )
        at = place if cause is not None or opens else max(place - 1, 0)
        limits = of_place[at] if of_place else Limits(0.0, None, None)
        points.append(
            PointView(
                period=period.label,
                start=period.start,
                end=period.end,
                value=row.value,
                mean=limits.mean if of_place else None,
                lower=limits.lower,
                upper=limits.upper,
                special_cause=cause,
                variation=None if cause is None else control_charts.variation(cause, polarity),
            )
        )
        place += cause is not None
    return points


def _caveats(
    shown: _Series,
    periods: Sequence[Period],
    chart: Chart,
    rebase: Sequence[date],
    basis: int | range | None,
    kpi: KpiView,
) -> list[str]:
    said = []
    if not periods:
        said.append("There is no value to chart.")
    for phase in chart.phases:
        count = phase.last - phase.first + 1
        if count < FEWEST_POINTS:
            said.append(
                f"{count} point{'s' * (count != 1)} from {periods[phase.first].label}: with fewer than "
                f"{FEWEST_POINTS} the limits are provisional."
            )
    if isinstance(basis, int) and any(phase.basis < basis for phase in chart.phases):
        said.append("A phase has fewer points than the baseline asks for: its limits rest on all it has.")
    for on in rebase:
        if series.place_from(periods, on) in (0, len(periods)):
            said.append(f"The rebase on {on} begins no phase: there are no points on both sides of it.")
    missing = len(shown.rows) - len(shown.valued)
    if missing:
        said.append(f"{missing} period{'s' * (missing != 1)} without a value: left out of limits and runs.")
    if found := series.gaps(shown.periods):
        between = f"{found[0][0].label} and {found[0][1].label}"
        said.append(
            f"{len(found)} gap{'s' * (len(found) != 1)} in the series (the first between {between}): the "
            "points on both sides count as neighbours."
        )
    if series.overlap(periods):
        said.append(
            "The periods overlap, so that neighbours share part of their value: the limits are too narrow "
            "and runs too common."
        )
    if shown.left_out:
        said.append(
            f"{shown.left_out} observation{'s' * (shown.left_out != 1)} of another length of period left out."
        )
    if kpi.polarity is None:
        said.append("The KPI does not say whether higher or lower is better: variation is not judged.")
    return said
