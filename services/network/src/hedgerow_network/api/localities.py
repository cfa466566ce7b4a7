"""`/v1/localities/{area}`: cover, overlaps, fragility, summary of a place."""

from typing import Literal

import numpy as np
from fastapi import Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import About, AboutCell, NeedPath
from hedgerow_network.api.fragility import Fragile, fragile_page
from hedgerow_network.api.gaps import Gap, Limits, gaps_page, thresholds_of
from hedgerow_network.api.wire import (
    Cell,
    Computed,
    Named,
    cell,
    computed,
    need_name,
    provider_named,
    service_named,
    whole,
)
from hedgerow_network.domain.asking import find_area
from hedgerow_network.domain.explain import explain
from hedgerow_network.domain.gap_kinds import UNLESS_SAID
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.summary import summary
from hedgerow_network.errors import UnknownArea

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])


class CoverPage(BaseModel):
    items: list[Cell]
    next: str | None
    computed: Computed


@router.get("/cover")
def cover(
    request: Request, response: Response, asked: About, after: After = None, limit: Limit = 50
) -> CoverPage:
    """Every cell of the place: who covers which need in which area, by need and area.

    A cell is a `gap` if nobody serves it, `partial` if services reach only parts of the area, `single` if one
    provider serves it, else an `overlap`.
    """
    of = asked.assessment()
    cells = range(of.status.size)
    page, following = window(
        cells, lambda place: (of.needs[place // of.areas.size], _code(of, place)), after=after, limit=limit
    )
    link_next(request, response, following)
    return CoverPage(items=[cell(of, place) for place in page], next=following, computed=computed(asked, of))


def _code(of: Assessment, place: int) -> str:
    return of.facts.hierarchy.codes[int(of.areas[place % of.areas.size])]


class CountedService(BaseModel):
    service: Named
    provider: Named
    rule: str
    match: Literal["stated", "narrower", "crosswalk"] = Field(
        description="How the need is addressed: the term itself, a narrower one, or one of another taxonomy"
    )
    terms: list[str] = Field(description="From the term that the service states to the need")
    serves: Literal["whole", "part"] = Field(description="All of the area and of the cohort, or a part")
    capacity: float | None = Field(description="People it can take; null where not stated")
    reason: str


class ExcludedService(BaseModel):
    service: Named
    provider: Named
    why: Literal["not active", "contract", "opening", "cohort", "area", "need"]
    reason: str


class Explained(BaseModel):
    """A cell, the services counted in it, and those one might have expected, each with the reason."""

    cell: Cell
    counted: list[CountedService]
    excluded: list[ExcludedService]
    elsewhere: int = Field(description="Services for this need that serve only areas outside the locality")
    computed: Computed


@router.get("/cover/{need}/{cell_area}")
def explain_cell(asked: AboutCell, need: NeedPath, cell_area: str) -> Explained:
    """Explain one cell: which services were counted and why, and which were not and why not.

    The area must lie in the locality; its own level is the level of the answer.
    """
    facts, question = asked.snapshot.facts, asked.question
    chosen = asked.need(need)
    hierarchy = facts.hierarchy
    place = find_area(hierarchy, cell_area)
    if place not in hierarchy.inside(hierarchy.position[question.locality]):
        raise UnknownArea("The locality holds no such area.")
    narrowed = asked.about(needs=(chosen,), level=str(hierarchy.level[place]))
    of = narrowed.assessment()
    column = np.flatnonzero(of.areas == place)
    if not column.size:
        raise UnknownArea("A later area has taken the place of this one: see its successors.")
    found = explain(of, 0, int(column[0]))
    return Explained(
        cell=cell(of, int(column[0])),
        counted=[
            CountedService(
                service=service_named(of, counted.service),
                provider=provider_named(of, counted.service),
                rule=counted.rule,
                match=counted.match.how,
                terms=list(counted.match.path),
                serves=counted.extent,
                capacity=of.facts.directory.services[counted.service].capacity,
                reason=counted.reason,
            )
            for counted in found.counted
        ],
        excluded=[
            ExcludedService(
                service=service_named(of, left.service),
                provider=provider_named(of, left.service),
                why=left.why,
                reason=left.reason,
            )
            for left in found.excluded
        ],
        elsewhere=found.elsewhere,
        computed=computed(narrowed, of),
    )


class Counts(BaseModel):
    """Cells by status."""

    gap: int
    partial: int
    single: int
    overlap: int


class NeedCounts(BaseModel):
    need: str
    need_name: str
    cells: Counts
    people_uncovered: int | None = Field(description="People whom the gaps of this need leave out")
    providers: int
    services: int


class Summary(BaseModel):
    """A place in a few figures, and the first of each list."""

    area: str
    name: str
    level: str
    areas: int
    needs: int
    residents: int | None
    services: int
    providers: int
    cells: Counts
    by_need: list[NeedCounts] = Field(description="The need with most people uncovered first")
    largest_gaps: list[Gap]
    most_fragile: list[Fragile]
    computed: Computed


FIRST = 5


@router.get("/summary")
def summarise(request: Request, response: Response, asked: About) -> Summary:
    """The place in a few figures: cells by status, needs by people uncovered, the largest gaps, the most
    fragile.
    """
    of = asked.assessment()
    found = asked.answers.get((asked.key, "summary"), lambda: summary(of))
    place = of.facts.hierarchy.areas[of.locality]
    return Summary(
        area=place.code,
        name=place.name,
        level=of.level,
        areas=of.areas.size,
        needs=len(of.needs),
        residents=None if found.residents is None else whole(found.residents),
        services=found.services,
        providers=found.providers,
        cells=Counts(**found.cells),
        by_need=[
            NeedCounts(
                need=one.need,
                need_name=need_name(of, one.need),
                cells=Counts(**one.cells),
                people_uncovered=None if one.people_uncovered is None else whole(one.people_uncovered),
                providers=one.providers,
                services=one.services,
            )
            for one in found.by_need
        ],
        largest_gaps=gaps_page(
            request, asked, UNLESS_SAID, thresholds_of(asked, Limits()), after=None, limit=FIRST
        ).items,
        most_fragile=fragile_page(asked, None, pairs=False, after=None, limit=FIRST).items,
        computed=computed(asked, of),
    )
