"""`/v1/localities/{area}/bottlenecks`: services that are too small for the people who need them."""

import numpy as np
from fastapi import Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import About
from hedgerow_network.api.wire import Computed, Named, computed, service_named
from hedgerow_network.domain.capacity import Bottleneck, Room, capacity_caveats, named_bottlenecks, room
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.people import COUNTED

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])


class FullService(Named):
    capacity: int


class BottleneckItem(BaseModel):
    """Services filled to the last place, and the people who have nowhere else to go."""

    people: int = Field(description="People with the need who can go to these services only")
    places: int = Field(description="What these services can take together")
    short: int = Field(description="People who find no place, however they are placed")
    needs: list[str]
    areas: list[str]
    services: list[FullService]
    people_basis: str = Field(description="`counted` if all of the people are, else `derived`")


class Overall(BaseModel):
    people: int = Field(description="People with the need in all cells that services reach")
    served: int = Field(description="The largest number of them who can find a place")
    unmet: int


class BottleneckPage(BaseModel):
    items: list[BottleneckItem]
    next: str | None
    overall: Overall
    computed: Computed


@router.get("/bottlenecks")
def list_bottlenecks(
    request: Request, response: Response, asked: About, after: After = None, limit: Limit = 50
) -> BottleneckPage:
    """Where places run out: most people short first.

    As many people as possible are given a place; what then holds back the rest is named. However people were
    placed instead, as many of each bottleneck would be left over.
    """
    of = asked.assessment()
    found = room(of)
    listed, caveats = asked.answers.get(
        (asked.key, "bottlenecks"), lambda: (named_bottlenecks(found), list(capacity_caveats(of)))
    )

    def rank(one: Bottleneck) -> tuple[int, int]:
        return -one.short, int(found.cells[one.demands[0]])

    page, following = window(listed, rank, after=after, limit=limit)
    link_next(request, response, following)
    said = computed(asked, of)
    said.caveats = [*said.caveats, *caveats]
    people = int(found.demand.sum())
    return BottleneckPage(
        items=[_item(of, found, one) for one in page],
        next=following,
        overall=Overall(people=people, served=found.found.total, unmet=people - found.found.total),
        computed=said,
    )


def _item(of: Assessment, found: Room, one: Bottleneck) -> BottleneckItem:
    cells = found.cells[one.demands]
    codes = of.facts.hierarchy.codes
    counted = bool((of.people.basis.ravel()[cells] == COUNTED).all())
    return BottleneckItem(
        people=one.people,
        places=one.places,
        short=one.short,
        needs=[of.needs[need] for need in np.unique(cells // of.areas.size)],
        areas=[codes[int(of.areas[area])] for area in np.unique(cells % of.areas.size)],
        services=[
            FullService(
                **service_named(of, int(found.services[supply])).model_dump(),
                capacity=int(found.capacity[supply]),
            )
            for supply in one.supplies
        ],
        people_basis="counted" if counted else "derived",
    )
