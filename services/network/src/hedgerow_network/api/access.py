"""`/v1/localities/{area}/access`: places per person within reach, and who is out of reach."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Depends, Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, link_next, window
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import About, Asked
from hedgerow_network.api.wire import Basis, Computed, Named, Thresholds, computed, need_name, whole
from hedgerow_network.domain.access import (
    RAAM,
    Access,
    AccessQuestion,
    access,
    access_caveats,
    access_question,
)
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.travel import USUAL_DETOUR, Travel
from hedgerow_network.errors import NotOfThisMethod

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])

AccessStatus = Literal["reached", "below", "out of reach", "unknown"]
_RANK: dict[str, int] = {"out of reach": 0, "below": 1, "reached": 2, "unknown": 3}


class NearestSite(BaseModel):
    site: Named
    service: Named
    provider: Named
    cost: float = Field(description="In the unit of the answer, however far")


class AccessCell(BaseModel):
    """Access of the people of one area to what answers one need."""

    need: str
    need_name: str
    area: str
    area_name: str
    people: int | None = Field(description="People behind the cell, null where nothing is known")
    people_basis: Basis
    ratio: float | None = Field(
        description="Places per person; places for the method `catchment`; for `raam` the cost of way and "
        "crowding, the higher the worse. Null where access cannot be told, or `raam` finds no place in reach"
    )
    per_1000: float | None = Field(
        description="Places per 1,000 people; null for the methods `catchment` and `raam`"
    )
    sites_within: int | None = Field(description="Sites within the limit that are open to the area")
    nearest: NearestSite | None
    supply: Literal["capacity", "sites"] = Field(description="What a place is here")
    status: AccessStatus


class AccessThresholds(Thresholds):
    method: str
    decay: str = Field(description="How a weight falls with the cost, with its parameters")
    tau: float | None = Field(description="Of `raam`: the way people go to avoid the mean crowding")
    limit: float = Field(description="Within reach is what costs no more")
    unit: Unit
    costs: str | None = Field(description="The matrix of travel costs; null: straight lines")
    costs_version: int | None
    detour: float | None = Field(description="What a straight line was multiplied by")
    speed_kmh: float | None
    supply: str | None = Field(description="As asked; null: capacity where any is stated, else sites")
    people: str = Field(description="Who competes for places: people with the need, or residents")
    at_least: float | None = Field(description="A ratio below this is `below`")


class AccessComputed(Computed):
    thresholds: AccessThresholds


class AccessPage(BaseModel):
    items: list[AccessCell]
    next: str | None
    computed: AccessComputed


Method = Annotated[
    Literal["2sfca", "e2sfca", "3sfca", "catchment", "raam"],
    Query(
        description="Two-step floating catchment, the same with weights by distance (enhanced), three-step; "
        "`catchment`: places in reach, not shared with anybody; or `raam`: what way and crowding cost people "
        "who choose where to go"
    ),
]


def travel(
    asked: About,
    unit: Annotated[
        Unit | None, Query(description="Of costs and limits; minutes if the matrix has them, else km")
    ] = None,
    detour: Annotated[
        float,
        Query(
            ge=1,
            le=5,
            allow_inf_nan=False,
            description="Without a matrix: the way as a multiple of the line",
        ),
    ] = USUAL_DETOUR,
    speed_kmh: Annotated[
        float | None,
        Query(gt=0, le=200, allow_inf_nan=False, description="Without a matrix: makes minutes of kilometres"),
    ] = None,
) -> Travel:
    """How ways are found."""
    matrix = asked.question.costs
    if matrix is not None:
        return Travel(matrix, matrix.unit(unit))
    return Travel(None, unit or ("minutes" if speed_kmh else "km"), detour, speed_kmh)


@dataclass(frozen=True)
class AskedAccess:
    asked: Asked
    question: AccessQuestion
    at_least: float | None

    def found(self, of: Assessment) -> Access:
        return self.asked.answers.get((self.asked.key, self.question), lambda: access(of, self.question))


Reaching = Annotated[
    float | None,
    Query(
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="The furthest that people are taken to go, in the unit (not the length of a page: "
        "see `rows`); 30 minutes or 5 km unless said",
    ),
]
Supply = Annotated[
    Literal["capacity", "sites"] | None,
    Query(description="Places of services, or one for each site; capacity where any is stated unless said"),
]
Whom = Annotated[
    Literal["need", "residents"], Query(description="Who is counted: people with the need, or residents")
]


def asked_access(
    asked: About,
    way: Annotated[Travel, Depends(travel)],
    method: Method = "2sfca",
    decay: Annotated[
        str | None,
        Query(
            max_length=200,
            description="`binary`, `step`, `gaussian`, `gravity`; with parameters "
            "`step:20=1,40=0.68,60=0.22`, `gaussian:20` (bandwidth), `gravity:1,-1` (scale, power). "
            "Unless said binary for 2sfca, else step",
        ),
    ] = None,
    limit: Reaching = None,
    supply: Supply = None,
    people: Whom = "need",
    at_least: Annotated[
        float | None,
        Query(ge=0, allow_inf_nan=False, description="The ratio below which a cell counts as `below`"),
    ] = None,
    tau: Annotated[
        float | None,
        Query(
            ge=1e-6,
            le=1_000_000,
            allow_inf_nan=False,
            description="Of `raam`: how far people go to avoid the mean crowding, in the unit; an hour or "
            "10 km unless said",
        ),
    ] = None,
) -> AskedAccess:
    question = access_question(
        method=method, decay=decay, limit=limit, travel=way, supply=supply, people=people, tau=tau
    )
    if method == RAAM and at_least is not None:
        raise NotOfThisMethod
    return AskedAccess(asked, question, at_least)


@router.get("/access")
def list_access(
    request: Request,
    response: Response,
    about: Annotated[AskedAccess, Depends(asked_access)],
    after: After = None,
    rows: Annotated[int, Query(ge=1, le=1000, description="How many items at most")] = 1000,
) -> AccessPage:
    """Access to what answers each need from each area, the worst first.

    Out of reach first, then below the ratio asked for, then the lowest ratio (for `raam` the highest cost);
    with equal ones most people first, then by need and area; where access cannot be told last. People outside
    the locality who can reach the same sites compete for their places.
    """
    of = about.asked.assessment()
    found = about.found(of)
    key = (about.asked.key, about.question, about.at_least, "ranked")
    ranked = about.asked.answers.get(
        key, lambda: sorted(range(found.ratio.size), key=rank_of(of, about, found))
    )
    page, following = window(ranked, rank_of(of, about, found), after=after, limit=rows)
    link_next(request, response, following)
    return AccessPage(
        items=[_cell(of, about, found, place) for place in page],
        next=following,
        computed=access_computed(about, of, found),
    )


def rank_of(of: Assessment, about: AskedAccess, found: Access) -> Any:
    worse = -1.0 if about.question.method == RAAM else 1.0

    def rank(place: int) -> tuple[int, float, float, str, str]:
        need, area = divmod(place, of.areas.size)
        return (
            _RANK[_status(about, found, need, area)],
            worse * float(found.ratio[need, area]) if np.isfinite(found.ratio[need, area]) else 0.0,
            -float(of.people.count[need, area]),
            of.needs[need],
            of.facts.hierarchy.codes[int(of.areas[area])],
        )

    return rank


def _status(about: AskedAccess, found: Access, need: int, area: int) -> AccessStatus:
    if not found.known[area]:
        return "unknown"
    if found.within[need, area] == 0 or not np.isfinite(found.ratio[need, area]):
        return "out of reach"
    if about.at_least is not None and found.ratio[need, area] < about.at_least:
        return "below"
    return "reached"


def _cell(of: Assessment, about: AskedAccess, found: Access, place: int) -> AccessCell:
    need, area = divmod(place, of.areas.size)
    held = of.facts.hierarchy.areas[of.areas[area]]
    status = _status(about, found, need, area)
    known = status != "unknown"
    told = known and bool(np.isfinite(found.ratio[need, area]))
    ratio = float(found.ratio[need, area]) if told else None
    shared = about.question.method not in ("catchment", RAAM)
    return AccessCell(
        need=of.needs[need],
        need_name=need_name(of, of.needs[need]),
        area=held.code,
        area_name=held.name,
        people=whole(of.people.count[need, area]) if of.people.basis[need, area] else None,
        people_basis=of.basis(need, area),
        ratio=ratio,
        per_1000=ratio * 1000 if ratio is not None and shared else None,
        sites_within=int(found.within[need, area]) if known else None,
        nearest=_nearest(of, found, need, area),
        supply="capacity" if found.supply[need] == "capacity" else "sites",
        status=status,
    )


def _nearest(of: Assessment, found: Access, need: int, area: int) -> NearestSite | None:
    row = int(found.site[need, area])
    if row < 0:
        return None
    directory = of.facts.directory
    site = directory.sites[row]
    service = int(directory.site_service[row])
    providers = directory.providers
    unit = int(providers.of_service[service])
    return NearestSite(
        site=Named(id=site.id, name=site.name),
        service=Named(id=directory.services[service].id, name=directory.services[service].name),
        provider=Named(id=providers.ids[unit], name=providers.names[unit]),
        cost=float(np.round(found.cost[need, area], 6)),
    )


def access_computed(about: AskedAccess, of: Assessment, found: Access) -> AccessComputed:
    base = computed(about.asked, of)
    question, way = about.question, about.question.travel
    said = about.asked.answers.get((about.asked.key, question, "caveats"), lambda: access_caveats(of, found))
    thresholds = AccessThresholds(
        **base.thresholds.model_dump(),
        method=question.method,
        decay=str(question.decay),
        tau=question.tau,
        limit=question.decay.limit,
        unit=way.unit,
        costs=way.matrix.name if way.matrix else None,
        costs_version=way.matrix.version if way.matrix else None,
        detour=None if way.matrix else way.detour,
        speed_kmh=None if way.matrix else way.speed_kmh,
        supply=question.supply,
        people=question.people,
        at_least=about.at_least,
    )
    return AccessComputed(
        **base.model_dump(exclude={"thresholds", "caveats"}),
        thresholds=thresholds,
        caveats=[*base.caveats, *said],
    )
