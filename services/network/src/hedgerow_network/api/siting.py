"""`/v1/localities/{area}/siting`: which of the sites held would serve the place best."""

from typing import Annotated, Literal

import numpy as np
from fastapi import Depends, Query
from hedgerow_kit import problems
from pydantic import BaseModel, Field

from hedgerow_network.api.access import AskedAccess, Reaching, Whom, travel
from hedgerow_network.api.asking import About, unfit
from hedgerow_network.api.wire import Computed, Named, Thresholds, computed, service_named, whole
from hedgerow_network.domain import siting
from hedgerow_network.domain.access import access_question, candidates
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.siting import Siting
from hedgerow_network.domain.travel import Travel

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])

Task = Literal["fewest", "backed-up", "most-people", "least-distance", "least-furthest"]
_NEEDS_NUMBER = {"most-people", "least-distance", "least-furthest"}


class ChosenSite(BaseModel):
    site: Named
    service: Named
    areas: int = Field(description="Areas with people for whom it is within the limit")


class SitingThresholds(Thresholds):
    limit: float
    unit: Unit
    costs: str | None
    costs_version: int | None
    detour: float | None
    speed_kmh: float | None
    people: str


class SitingComputed(Computed):
    thresholds: SitingThresholds


class SitingAnswer(BaseModel):
    """A choice among the sites held, and how good it is."""

    task: Task
    number: int | None = Field(description="How many sites were asked for")
    chosen: list[ChosenSite]
    objective: float = Field(description="Sites, areas, people, people × cost, or cost, as the task says")
    bound: float = Field(description="What it could be at best; equal to the objective where proven")
    proven: bool = Field(description="Whether no better choice exists")
    infeasible: str | None = Field(description="Why there is no such choice")
    people: int
    people_within: int = Field(description="People with a chosen site within the limit")
    areas: int = Field(description="Areas with people")
    areas_within: int
    areas_twice: int = Field(description="Areas with two or more chosen sites within the limit")
    areas_one_site: int = Field(
        description="Areas with people that one site only reaches: no choice gives them a second"
    )
    mean_cost: float | None = Field(description="Of a person to the nearest chosen site")
    furthest_cost: float | None = Field(description="Of whoever is furthest from it")
    unreachable: list[Named] = Field(description="Areas with people that no site at all reaches")
    computed: SitingComputed


def asked_siting(
    asked: About,
    way: Annotated[Travel, Depends(travel)],
    limit: Reaching = None,
    people: Whom = "need",
) -> AskedAccess:
    return AskedAccess(asked, access_question(limit=limit, travel=way, people=people), None)


@router.get("/siting")
def choose_sites(
    about: Annotated[AskedAccess, Depends(asked_siting)],
    task: Annotated[
        Task,
        Query(
            description="`fewest` sites so that everybody has one within the limit; as few, `backed-up` by a "
            "second for most areas; `most-people` within the limit with so many; `least-distance` to the "
            "nearest over all people with so many; `least-furthest` for whoever is furthest with so many"
        ),
    ] = "fewest",
    number: Annotated[int | None, Query(ge=1, le=1_000, description="How many sites")] = None,
) -> SitingAnswer:
    """Which of the sites held for one need would serve the people of the place best.

    Candidates are all sites of services that count for the need, inside the place or not; a service that
    states areas is open to those only. The choice is proven best, or given with its bound.
    """
    of = about.asked.assessment()
    if len(of.needs) != 1:
        raise unfit("need", "name exactly one")
    if task in _NEEDS_NUMBER and number is None:
        raise unfit("number", f"{task} needs to know how many sites")
    key = (about.asked.key, about.question, "siting", task, number)
    costs, people = candidates(of, about.question)
    near = siting.within(costs, about.question.decay.limit)

    def solve() -> Siting:
        if task == "fewest":
            return siting.fewest(near, people)
        if task == "backed-up":
            return siting.backed_up(near, people)
        if task == "most-people":
            return siting.most_people(near, people, number or 1)
        if task == "least-distance":
            return siting.least_distance(costs, people, number or 1)
        return siting.least_furthest(costs, people, number or 1)

    found = about.asked.answers.get(key, solve)
    nearest = siting.nearest_cost(costs, found.chosen)
    times = np.diff(near[:, found.chosen].tocsr().indptr)
    lived = people > 0
    reached = lived & np.isfinite(nearest)
    codes, names = of.facts.hierarchy.codes, of.facts.hierarchy.areas
    return SitingAnswer(
        task=task,
        number=number,
        chosen=[_chosen(of, int(site), int(near[:, [site]].tocoo().row.size)) for site in found.chosen],
        objective=found.objective,
        bound=found.bound,
        proven=found.proven,
        infeasible=found.infeasible,
        people=whole(float(people.sum())),
        people_within=whole(float(people[times > 0].sum())),
        areas=int(lived.sum()),
        areas_within=int((lived & (times > 0)).sum()),
        areas_twice=int((lived & (times > 1)).sum()),
        areas_one_site=int((lived & (np.diff(near.indptr) == 1)).sum()),
        mean_cost=float(people[reached] @ nearest[reached] / people[reached].sum())
        if reached.any()
        else None,
        furthest_cost=float(nearest[reached].max()) if reached.any() else None,
        unreachable=[
            Named(id=codes[int(of.areas[row])], name=names[int(of.areas[row])].name)
            for row in found.unreachable
        ],
        computed=_computed(about, of),
    )


def _chosen(of: Assessment, row: int, areas: int) -> ChosenSite:
    directory = of.facts.directory
    site = directory.sites[row]
    return ChosenSite(
        site=Named(id=site.id, name=site.name),
        service=service_named(of, int(directory.site_service[row])),
        areas=areas,
    )


def _computed(about: AskedAccess, of: Assessment) -> SitingComputed:
    base = computed(about.asked, of)
    way = about.question.travel
    return SitingComputed(
        **base.model_dump(exclude={"thresholds"}),
        thresholds=SitingThresholds(
            **base.thresholds.model_dump(),
            limit=about.question.decay.limit,
            unit=way.unit,
            costs=way.matrix.name if way.matrix else None,
            costs_version=way.matrix.version if way.matrix else None,
            detour=None if way.matrix else way.detour,
            speed_kmh=None if way.matrix else way.speed_kmh,
            people=about.question.people,
        ),
    )
