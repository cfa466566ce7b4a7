"""`/v1/kpis/{id}/funnel`: which subjects differ by more than chance."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, NamedTuple

from fastapi import Depends, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_outcomes.api import pictures
from hedgerow_outcomes.api.aggregates import peers_of
from hedgerow_outcomes.api.charts import PICTURES
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
from hedgerow_outcomes.domain import funnels, standing
from hedgerow_outcomes.domain.funnels import ACTION, WARNING
from hedgerow_outcomes.domain.standing import Figure, Method
from hedgerow_outcomes.errors import UnfitForInterval
from hedgerow_outcomes.store import observations

router = problems.router(tags=["kpis"])

MOST_DRAWN = 5000
FEWEST_TO_COMPARE = 10
# With no more than chance at work, one in twenty lies outside 95 %.
MANY_OUTSIDE = 0.2


class FunnelPoint(BaseModel):
    """A subject, the limits at its denominator, and where it lies: `within`, `outside 95`, `outside 99.8`.

    `side`: above or below what is common to all; `judged`: whether that is better or worse.
    """

    subject: str
    numerator: float
    denominator: float
    value: float
    lower_998: float
    lower_95: float
    upper_95: float
    upper_998: float
    place: str
    side: str | None
    judged: str | None


class CurveView(BaseModel):
    """The limits at a denominator, to draw the funnel by."""

    denominator: float
    lower_998: float
    lower_95: float
    upper_95: float
    upper_998: float


class LeftOut(BaseModel):
    """Observations of the period that are not in the plot, and why."""

    withheld: int
    without_value: int
    without_figures: int
    not_observed: int


class FunnelParameters(BaseModel):
    distribution: str | None
    multiplier: float | None
    warning: float = WARNING
    action: float = ACTION


class FunnelComputed(BaseModel):
    at: datetime | date
    parameters: FunnelParameters
    left_out: LeftOut
    caveats: list[str]


class FunnelView(paging.Page[FunnelPoint]):
    """`centre`: all numerators by all denominators of what is shown. `says`: the plot in words."""

    says: str
    kpi: KpiView
    period: str
    centre: float | None
    counts: dict[str, int]
    curve: list[CurveView]
    computed: FunnelComputed


class FunnelAsked(NamedTuple):
    as_of: datetime | None
    period: str
    subjects: list[str]
    prefix: str | None
    within: str | None
    level: str | None
    like: str | None
    like_by: list[str]
    like_count: int


def _funnel_asked(
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
) -> FunnelAsked:
    named = [subject_text(text, parameter="subjects") for text in subjects]
    return FunnelAsked(as_of, period, named, prefix, within, level, like, like_by, like_count)


Asking = Annotated[FunnelAsked, Depends(_funnel_asked)]
Reader = Annotated[Principal, require("read")]


@router.get("/v1/kpis/{id}/funnel")
def read_funnel(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    asked: Asking,
    after: paging.After = None,
    limit: paging.Limit = 1000,
) -> FunnelView:
    """The subjects of a period against the limits within which chance alone would keep them.

    Which subjects: as for `compare`, those named, the areas of a `level` `within` one, or the statistical
    neighbours of an area (`like`); else all.

    The limits narrow as the denominator grows: a small ward may lie far out by chance, a county may not. They
    are exact: binomial for a proportion, Poisson for a rate. What is withheld is left out and counted.
    """
    whole = _funnel(session, request, id, asked)
    page, marker = paging.window(whole.items, lambda point: (point.subject,), after=after, limit=limit)
    paging.link_next(request, response, marker)
    return whole.model_copy(update={"items": page, "next": marker})


@router.get("/v1/kpis/{id}/funnel.svg", response_class=Response, responses=PICTURES["svg"])
def draw_funnel_as_svg(
    id: str, session: Reading, request: Request, principal: Reader, asked: Asking
) -> Response:
    """The funnel plot as a picture with its description in words."""
    return _drawn(_funnel(session, request, id, asked), "svg")


@router.get("/v1/kpis/{id}/funnel.png", response_class=Response, responses=PICTURES["png"])
def draw_funnel_as_png(
    id: str, session: Reading, request: Request, principal: Reader, asked: Asking
) -> Response:
    """The funnel plot as a picture for documents; `says` of `/funnel` describes it."""
    return _drawn(_funnel(session, request, id, asked), "png")


def _drawn(plot: FunnelView, format: str) -> Response:
    if len(plot.items) > MOST_DRAWN:
        reason = f"{len(plot.items)} subjects are too many for a picture of at most {MOST_DRAWN}"
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "prefix", "reason": reason}])
    kpi = plot.kpi
    words = pictures.Words(kpi.name, f"Funnel plot of {plot.period}", kpi.unit or "", plot.says)
    dots = [pictures.Dot(point.subject, point.denominator, point.value, point.place) for point in plot.items]
    curve = [pictures.Curve(**point.model_dump()) for point in plot.curve]
    return pictures.funnel(words, dots, curve, plot.centre, kpi.denominator or "", format)


def _funnel(session: Session, request: Request, id: str, asked: FunnelAsked) -> FunnelView:
    number = kpi_number(session, id)
    kpi = kpi_in_force(session, id, today())
    period = period_named(asked.period)
    peers = peers_of(request, session, asked.within, asked.level, asked.like, asked.like_by, asked.like_count)
    texts = [*asked.subjects, *(peers or ())]
    chosen = None if peers is None and not asked.subjects else texts
    rows = observations.of_subjects(session, number, chosen, period, asked.as_of, prefix=asked.prefix)
    method, unfit = _method(kpi)
    visible = [row for row in rows if not row.withheld]
    figures = [Figure(row.subject_text, row.value, row.numerator, row.denominator) for row in visible]
    kept = sorted(figure for figure in figures if method is not None and _is_fit(figure, method))
    blank = sum(figure.value is None for figure in figures)
    left_out = LeftOut(
        withheld=len(rows) - len(visible),
        without_value=blank,
        without_figures=len(figures) - blank - len(kept),
        not_observed=len(set(texts) - {row.subject_text for row in rows}),
    )
    common = funnels.centre([one.numerator or 0.0 for one in kept], [one.denominator or 0.0 for one in kept])
    points, curve = [], []
    if method is not None and common is not None:
        points = [_point(figure, method, common, kpi.polarity) for figure in kept]
        largest = max(point.denominator for point in points)
        curve = [_curve(method, common, size) for size in funnels.denominators_of_curve(largest)]
    found = FunnelView(
        says="",
        kpi=kpi,
        period=period.label,
        centre=None if common is None or method is None else common * method.multiplier,
        counts={place: sum(point.place == place for point in points) for place in _PLACES},
        curve=curve,
        computed=FunnelComputed(
            at=asked.as_of or today(),
            parameters=FunnelParameters(
                distribution=method and ("binomial" if method.name == "wilson" else "poisson"),
                multiplier=method and method.multiplier,
            ),
            left_out=left_out,
            caveats=_caveats(kpi, points, left_out, unfit),
        ),
        items=points,
    )
    return found.model_copy(update={"says": _said(found)})


_PLACES = ("within", "outside 95", "outside 99.8")


def _method(kpi: KpiView) -> tuple[Method | None, str | None]:
    try:
        return standing.method_of(kpi.unit, kpi.aggregation, kpi.interval), None
    except UnfitForInterval as error:
        return None, str(error)


def _is_fit(figure: Figure, method: Method) -> bool:
    try:
        standing.interval_of(figure, method, confidence=WARNING)
    except UnfitForInterval:
        return False
    return True


def _curve(method: Method, common: float, denominator: float) -> CurveView:
    warning = funnels.limits(method.name, common, denominator, confidence=WARNING)
    action = funnels.limits(method.name, common, denominator, confidence=ACTION)
    scale = method.multiplier / denominator
    return CurveView(
        denominator=denominator,
        lower_998=action.lower * scale,
        lower_95=warning.lower * scale,
        upper_95=warning.upper * scale,
        upper_998=action.upper * scale,
    )


def _point(figure: Figure, method: Method, common: float, polarity: str | None) -> FunnelPoint:
    numerator, denominator = figure.numerator or 0.0, figure.denominator or 0.0
    place = funnels.place(
        numerator,
        funnels.limits(method.name, common, denominator, confidence=WARNING),
        funnels.limits(method.name, common, denominator, confidence=ACTION),
    )
    side = None if place == "within" else ("above" if numerator > common * denominator else "below")
    judged = None
    if side is not None and polarity in ("higher", "lower"):
        judged = "better" if (side == "above") == (polarity == "higher") else "worse"
    return FunnelPoint(
        subject=figure.subject,
        numerator=numerator,
        value=numerator / denominator * method.multiplier,
        place=place,
        side=side,
        judged=judged,
        **_curve(method, common, denominator).model_dump(),
    )


def _caveats(kpi: KpiView, points: Sequence[FunnelPoint], left_out: LeftOut, unfit: str | None) -> list[str]:
    said = []
    if unfit is not None:
        said.append(f"No funnel: {unfit}.")
    if left_out.withheld:
        said.append(f"{left_out.withheld} withheld as small numbers: neither shown nor in the centre.")
    if left_out.without_value:
        said.append(f"{left_out.without_value} without a value.")
    if left_out.without_figures and unfit is None:
        said.append(f"{left_out.without_figures} without a numerator and a denominator that give the value.")
    if left_out.not_observed:
        said.append(f"{left_out.not_observed} of the subjects asked for have no observation of this period.")
    if len({standing.kind_of(point.subject) for point in points}) > 1:
        said.append(
            "The subjects are of different kinds or levels, so that some count twice: `prefix` keeps one."
        )
    if 0 < len(points) < FEWEST_TO_COMPARE:
        said.append(f"Only {len(points)} subjects: the centre rests on few, and each of them pulls it.")
    outside = sum(point.place != "within" for point in points)
    if len(points) >= FEWEST_TO_COMPARE and outside > MANY_OUTSIDE * len(points):
        said.append(
            f"{outside} of {len(points)} lie outside 95 %: subjects differ in more than chance, which the "
            "limits do not allow for. Look for what differs (who is served, how it is counted) "
            "before judging any."
        )
    if points and kpi.polarity not in ("higher", "lower"):
        said.append("The KPI does not say whether higher or lower is better: nothing is judged.")
    return said


def _said(plot: FunnelView) -> str:
    unit = f" ({plot.kpi.unit})" if plot.kpi.unit else ""
    head = f"Funnel plot of {plot.kpi.name}{unit} in {plot.period}"
    out = plot.computed.left_out.withheld
    tail = f" {out} withheld and not shown." if out else ""
    if not plot.items:
        return f"{head}: there is nothing to compare.{tail}"
    said = [f"{head}: {len(plot.items)} subjects, all together {plot.centre:.6g}."]
    counts = plot.counts
    said.append(
        f"{counts['within']} within the 95 % limits, {counts['outside 95']} outside these, "
        f"{counts['outside 99.8']} outside the 99.8 % limits."
    )
    far = [point for point in plot.items if point.place == "outside 99.8"]
    for side in ("above", "below"):
        names = [f"{point.subject} ({point.value:.6g})" for point in far if point.side == side]
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            said.append(f"Far {side}: {', '.join(names[:10])}{more}.")
    return " ".join(said) + tail
