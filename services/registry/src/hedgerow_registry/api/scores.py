"""`/v1/organisations/scores`: organisations ranked by published weights, every part explained."""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Annotated

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from pydantic import BaseModel, Field

from hedgerow_registry.api.wire import AsOf, day_asked
from hedgerow_registry.domain import scoring
from hedgerow_registry.errors import Malformed, TooManyToCompare, UnknownRecord
from hedgerow_registry.store import merges, ownership
from hedgerow_registry.tables import OrganisationFigure, feed

router = problems.router(tags=["organisations"])

MOST_COMPARED = 300
"""So many organisations at most have their changes of places worked out: every pair is looked at."""


class PartOfScore(BaseModel):
    """How one figure enters the score."""

    figure: str
    value: float
    unit: str | None
    as_of: date
    evidence: str | None
    evidence_url: str | None
    least: float = Field(description="The least of all organisations compared")
    most: float = Field(description="The most of all organisations compared")
    lower_is_better: bool
    scaled: float = Field(description="From 0, the worst of those compared, to 1, the best")
    weight: float
    points: float = Field(description="scaled × weight; the points of all parts add up to the score")


class ScoredOrganisation(BaseModel):
    """An organisation with its score. Without all figures there is no score, which is not a score of 0."""

    id: str
    name: str
    rank: int | None
    score: float | None = Field(description="From 0 to 1")
    parts: list[PartOfScore]
    missing: list[str] = Field(description="Figures that are not known of it on the day")
    says: str


class ChangeOfPlaces(BaseModel):
    """Where two organisations change places as the weight grows."""

    at: float = Field(description="The weight")
    exactly: str = Field(description="The weight as a fraction")
    rises: str = Field(description="The id of the one that is ahead beyond it")
    falls: str


class WeightMoved(BaseModel):
    """How ranks change as one weight goes from 0 to 1, the others keeping their proportions."""

    figure: str
    first_at_0: list[str] = Field(description="The ids in the order of their scores without the figure")
    first_at_1: list[str] = Field(description="The ids in the order of their scores by this figure alone")
    changes: list[ChangeOfPlaces]


class ScoreThresholds(BaseModel):
    """What the scores rest on."""

    weights: dict[str, float]
    lower_is_better: list[str]
    compared: int = Field(
        description="How many organisations were compared: their least and most set the scale"
    )


class ScoresComputed(BaseModel):
    at: date
    thresholds: ScoreThresholds
    registry_seq: int
    caveats: list[str]


class Scores(BaseModel):
    items: list[ScoredOrganisation]
    next: str | None
    moving: WeightMoved | None
    computed: ScoresComputed


@router.get("/v1/organisations/scores")
def list_scores(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    weights: Annotated[
        str,
        Query(max_length=2000, description="`pay-ratio:0.6,local-benefit:0.4`: they add up to 1, or to 100"),
    ],
    lower: Annotated[
        str | None, Query(max_length=2000, description="Figures of which less is better, comma-separated")
    ] = None,
    organisation: Annotated[
        list[str] | None, Query(max_length=1000, description="Compare only these; may be repeated")
    ] = None,
    moving: Annotated[
        str | None, Query(max_length=100, description="Tell how ranks change as this figure's weight moves")
    ] = None,
    at: AsOf = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> Scores:
    """Organisations by a weighted score of their published figures, best first.

    Each figure is scaled between the least and the most of the organisations compared: those named, else all
    of which any of the figures is known. Whoever lacks a figure has no score and stands last; the figure is
    named. With `moving`, every change of places is told, exactly, as that weight goes from 0 to 1 and the
    others keep their proportions.
    """
    weighted, less = _weights(weights), _lower(lower)
    day = day_asked(at)
    among = (
        None
        if organisation is None
        else set(merges.canonical(session, map(str.lower, organisation)).values())
    )
    held = ownership.figures(session, weighted, day, among=among)
    names = merges.names(session, held if among is None else among)
    if among is not None and len(names) < len(among):
        raise UnknownRecord("organisation")
    values = {id: {name: row.value for name, row in held.get(id, {}).items()} for id in names}
    found = scoring.scores(values, weighted, less)
    place = {one.id: number for number, one in enumerate(found)}
    page, marker = paging.window(found, lambda one: (place[one.id],), after=after, limit=limit)
    paging.link_next(request, response, marker)
    return Scores(
        items=[_scored(one, names[one.id], held.get(one.id, {}), less) for one in page],
        next=marker,
        moving=None if moving is None else _moving(values, weighted, moving, less),
        computed=ScoresComputed(
            at=day,
            thresholds=ScoreThresholds(
                weights={name: float(weight) for name, weight in weighted.items()},
                lower_is_better=[name for name in weighted if name in less],
                compared=len(found),
            ),
            registry_seq=feed.current(session),
            caveats=_caveats(found, weighted),
        ),
    )


def _refused(parameter: str, error: Malformed) -> Problem:
    return Problem(UNPROCESSABLE, errors=[{"parameter": parameter, "reason": error.reason}])


def _weights(said: str) -> dict[str, Fraction]:
    try:
        return scoring.weights(said)
    except Malformed as error:
        raise _refused("weights", error) from None


def _lower(said: str | None) -> list[str]:
    return [scoring.figure_name(name) for name in (said or "").split(",") if name.strip()]


def _moving(
    values: Mapping[str, Mapping[str, float]],
    weighted: Mapping[str, Fraction],
    said: str,
    lower: Sequence[str],
) -> WeightMoved:
    figure = scoring.figure_name(said)
    try:
        if figure not in weighted:
            raise Malformed("it is none of the figures weighted")
        orders = []
        for end in (Fraction(0), Fraction(1)):
            by = scoring.scores(values, scoring.moved(weighted, figure, end), lower)
            orders.append([one.id for one in by if not one.missing])
        if len(orders[0]) > MOST_COMPARED:
            raise TooManyToCompare(MOST_COMPARED)
        changes = scoring.crossings(values, weighted, figure, lower)
    except Malformed as error:
        raise _refused("moving", error) from None
    return WeightMoved(
        figure=figure,
        first_at_0=orders[0],
        first_at_1=orders[1],
        changes=[
            ChangeOfPlaces(at=float(one.at), exactly=str(one.at), rises=one.rises, falls=one.falls)
            for one in changes
        ],
    )


def _scored(
    one: scoring.Score, name: str, held: Mapping[str, OrganisationFigure], lower: Sequence[str]
) -> ScoredOrganisation:
    parts = [_part(part, held[part.figure], part.figure in lower) for part in one.parts]
    if one.score is None:
        says = f"No score: not known on the day: {', '.join(one.missing)}."
    else:
        sums = " + ".join(f"{part.weight:g} × {part.scaled:.4g} ({part.figure})" for part in parts)
        says = f"{float(one.score):.4g} = {sums}."
    return ScoredOrganisation(
        id=one.id,
        name=name,
        rank=one.rank,
        score=None if one.score is None else float(one.score),
        parts=parts,
        missing=list(one.missing),
        says=says,
    )


def _part(part: scoring.Part, row: OrganisationFigure, lower: bool) -> PartOfScore:
    return PartOfScore(
        figure=part.figure,
        value=part.value,
        unit=row.unit,
        as_of=row.as_of,
        evidence=row.evidence,
        evidence_url=row.evidence_url,
        least=part.least,
        most=part.most,
        lower_is_better=lower,
        scaled=float(part.scaled),
        weight=float(part.weight),
        points=float(part.points),
    )


def _caveats(found: Sequence[scoring.Score], weighted: Mapping[str, Fraction]) -> list[str]:
    made = []
    without = sum(1 for one in found if one.score is None)
    if without:
        made.append(f"{without} of {len(found)} organisations have no score: figures of them are not known.")
    same = sorted({part.figure for one in found for part in one.parts if part.least == part.most})
    if same:
        made.append(f"All have the same value, so it tells nobody apart: {', '.join(same)}.")
    unknown = sorted(set(weighted) - {part.figure for one in found for part in one.parts})
    if unknown:
        made.append(f"Not known of anybody: {', '.join(unknown)}.")
    made.append("The scale is that of the organisations compared: it changes when others are compared.")
    return made
