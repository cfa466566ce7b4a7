"""`/v1/localities/{area}/gaps`: every kind of gap in one ranked list."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, Limit, link_next, window
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import WHICH, About, Asked, FactsBeside, as_asked, unfit
from hedgerow_network.api.wire import (
    Basis,
    Computed,
    Named,
    Partly,
    Status,
    Thresholds,
    area_named,
    cell,
    computed,
    need_name,
    service_named,
    whole,
)
from hedgerow_network.domain import gaps as domain
from hedgerow_network.domain.access import USUAL_LIMIT
from hedgerow_network.domain.catchment import TWO_STEP
from hedgerow_network.domain.gap_kinds import GAP_KINDS, UNLESS_SAID
from hedgerow_network.domain.gaps import Gaps, Inquiry
from hedgerow_network.domain.locality import Assessment

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])

AHEAD_DAYS = 365
"""How far ahead is looked unless a day is asked for."""

ALL = "all"


def _kinds(
    kind: Annotated[
        list[str] | None,
        Query(
            max_length=300,
            description="Which kinds, parted by commas or repeated; `all` for every one; `uncovered` and "
            "`partial` unless said. " + " ".join(f"`{name}`: {one.means}" for name, one in GAP_KINDS.items()),
        ),
    ] = None,
) -> tuple[str, ...]:
    said = {name.strip() for text in kind or [] for name in text.split(",") if name.strip()}
    if ALL in said:
        return tuple(GAP_KINDS)
    unknown = sorted(said - set(GAP_KINDS))
    if unknown:
        reason = f"a kind of gap is one of {', '.join([ALL, *sorted(GAP_KINDS)])}"
        raise Problem(
            UNPROCESSABLE,
            f"kind: {reason}.",
            errors=[{"parameter": "kind", "reason": reason}],
        )
    return tuple(sorted(said)) or UNLESS_SAID


@dataclass(frozen=True)
class Limits:
    """The thresholds as they were asked for."""

    reach: float | None = None
    until: date | None = None
    access_below: float | None = None
    access_method: str = TWO_STEP


def _limits(
    reach: Annotated[
        float | None,
        Query(
            gt=0,
            le=500,
            allow_inf_nan=False,
            description="The distance standard for `out-of-reach`: kilometres in a straight line (5 unless "
            "said), or with `costs` in the unit of that matrix (30 minutes, 5 km)",
        ),
    ] = None,
    access_below: Annotated[
        float | None,
        Query(
            gt=0,
            le=1e6,
            allow_inf_nan=False,
            description="For `out-of-reach` also cells with fewer places per person than this, by floating "
            "catchments within the distance standard",
        ),
    ] = None,
    access_method: Annotated[
        Literal["2sfca", "e2sfca", "3sfca"],
        Query(description="How places per person are found: two-step, enhanced (by distance), three-step"),
    ] = "2sfca",
    until: Annotated[
        date | None,
        Query(description="The last day looked at for `future`; a year after the date unless said"),
    ] = None,
) -> Limits:
    return Limits(reach, until, access_below, access_method)


def thresholds_of(asked: Asked, limits: Limits) -> domain.Thresholds:
    """The thresholds asked for, checked against the date of the question."""
    at, until = asked.question.at, limits.until
    if until is not None and until < at:
        raise unfit("until", f"not before the date asked about, {at.isoformat()}")
    latest = date.max.toordinal()
    ahead = date.fromordinal(min(at.toordinal() + AHEAD_DAYS, latest))
    matrix = asked.question.costs
    usual = USUAL_LIMIT["km" if matrix is None else matrix.unit(None)]
    return domain.Thresholds(
        reach=limits.reach or usual,
        until=until or ahead,
        access_below=limits.access_below,
        access_method=limits.access_method,
    )


Kinds = Annotated[tuple[str, ...], Depends(_kinds)]
LimitsAsked = Annotated[Limits, Depends(_limits)]


class Evidence(BaseModel):
    """What a gap rests on."""

    says: str
    services: list[Named] = Field(description="The services it speaks of")
    parties: list[Named] = Field(description="Others it speaks of: providers, owners, networks")
    figures: dict[str, float | int | str | None] = Field(description="What it was worked out from")


class Gap(BaseModel):
    """Where need is unmet, or will be, or hangs by a thread; which of these says `kind`."""

    kind: str
    need: str | None
    need_name: str | None
    area: str
    area_name: str
    cohort: str | None = Field(description="The ages or circumstances it is about; null: all residents")
    people_affected: int | None = Field(
        description="People left out, or whom it may leave out; null where nothing is known"
    )
    people_basis: Basis
    people: int | None = Field(description="All people behind the cell")
    depth: int | None = Field(description="Distinct providers (or owners) serving the whole area")
    services: int | None
    providers: list[Named]
    status: Status | None
    partly: Partly | None
    evidence: Evidence
    explained: str | None = Field(description="Where the cell is explained, service by service")


class GapThresholds(Thresholds):
    kinds: list[str] = Field(description="The kinds of gap that were looked for")
    reach: float | None = Field(
        default=None,
        description="The distance standard of `out-of-reach`, in kilometres or the unit of the matrix",
    )
    access_below: float | None = Field(default=None, description="Places per person below which is a gap")
    access_method: str | None = Field(default=None, description="How places per person are found")
    until: date | None = Field(default=None, description="The last day looked at for `future`")


class GapsComputed(Computed):
    thresholds: GapThresholds


class GapPage(BaseModel):
    items: list[Gap]
    next: str | None
    computed: GapsComputed


@router.get("/gaps")
def gaps(
    request: Request,
    response: Response,
    asked: About,
    kinds: Kinds,
    limits: LimitsAsked,
    after: After = None,
    limit: Limit = 50,
) -> GapPage:
    """Where need is unmet, and where it may be: most people affected first.

    Equal ones stand by need, area, kind; where nobody knows how many people are affected, last. Each item
    says in a sentence what it rests on, and links to the explanation of its cell.
    """
    thresholds = thresholds_of(asked, limits)
    found = gaps_page(request, asked, kinds, thresholds, after=after, limit=limit)
    link_next(request, response, found.next)
    return found


def gaps_page(
    request: Request,
    asked: Asked,
    kinds: tuple[str, ...],
    thresholds: domain.Thresholds,
    *,
    after: str | None,
    limit: int,
) -> GapPage:
    """A page of the ranked list."""
    of = asked.assessment()
    found = _found(request, asked, kinds, thresholds)

    def rank(place: int) -> tuple[bool, float, str, str, str, str, str]:
        gap = found[place]
        return (
            gap.people is None,
            -(gap.people or 0.0),
            "" if gap.need is None else of.needs[gap.need],
            "" if gap.area is None else _code(of, gap.area),
            gap.kind,
            gap.cohort,
            gap.id,
        )

    page, following = window(range(len(found)), rank, after=after, limit=limit)
    return GapPage(
        items=[_gap(request, asked, of, found, place) for place in page],
        next=following,
        computed=_computed(asked, of, kinds, thresholds, found.caveats),
    )


def _found(request: Request, asked: Asked, kinds: tuple[str, ...], thresholds: domain.Thresholds) -> Gaps:
    readable: FactsBeside = request.app.state.facts_beside
    wanted = {name: GAP_KINDS[name] for name in kinds if set(GAP_KINDS[name].reads) <= set(readable)}
    beside = {name: readable[name](asked.principal) for kind in wanted.values() for name in kind.reads}
    versions = tuple(sorted((name, one.version) for name, one in beside.items()))
    inquiry = Inquiry(asked.assessment(), thresholds, {name: one.facts for name, one in beside.items()})
    key = (asked.key, "gaps", tuple(sorted(wanted)), thresholds, versions)
    return asked.answers.get(key, lambda: domain.gaps(inquiry, wanted))


def _computed(
    asked: Asked,
    of: Assessment,
    kinds: tuple[str, ...],
    thresholds: domain.Thresholds,
    caveats: Iterable[str],
) -> GapsComputed:
    rested_on = {name for kind in kinds for name in GAP_KINDS[kind].thresholds}
    said = computed(asked, of)
    more = {name: getattr(thresholds, name) for name in sorted(rested_on)}
    return GapsComputed(
        **said.model_dump(exclude={"thresholds", "caveats"}),
        caveats=[*said.caveats, *caveats],
        thresholds=GapThresholds(**said.thresholds.model_dump(), kinds=sorted(kinds), **more),
    )


def _code(of: Assessment, area: int) -> str:
    return of.facts.hierarchy.codes[int(of.areas[area])]


def _gap(request: Request, asked: Asked, of: Assessment, found: Gaps, place: int) -> Gap:
    gap, told = found[place], found.told(place)
    here = of.locality if gap.area is None else int(of.areas[gap.area])
    need = None if gap.need is None else of.needs[gap.need]
    common: dict[str, Any] = {
        "kind": gap.kind,
        "need": need,
        "need_name": None if need is None else need_name(of, need),
        **area_named(of, here),
        "cohort": gap.cohort or None,
        "people_affected": None if gap.people is None else whole(gap.people),
        "people_basis": gap.basis,
        "evidence": Evidence(
            says=told.says,
            services=[service_named(of, row) for row in told.services],
            parties=[Named(id=id, name=name) for id, name in told.parties],
            figures=dict(told.figures),
        ),
    }
    if gap.need is None or gap.area is None:
        return Gap(
            **common,
            people=None,
            depth=None,
            services=None,
            providers=[],
            status=None,
            partly=None,
            explained=None,
        )
    behind = cell(of, gap.need * of.areas.size + gap.area)
    return Gap(
        **common,
        **behind.model_dump(include={"people", "depth", "services", "providers", "status", "partly"}),
        explained=_explained(request, asked, of.needs[gap.need], behind.area),
    )


def _explained(request: Request, asked: Asked, need: str, area: str) -> str:
    """The address of the cell's explanation under the same question."""
    kept = as_asked(request, WHICH)
    query = f"?{urlencode(kept)}" if kept else ""
    locality = quote(asked.question.locality, safe="")
    return f"/v1/localities/{locality}/cover/{quote(need, safe=':')}/{quote(area, safe='')}{query}"
