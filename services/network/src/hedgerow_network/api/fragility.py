"""`/v1/localities/{area}/fragility` and `/weak-points`: what stands on one, or on two together."""

from typing import Annotated, Literal

import numpy as np
from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Reading
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_network.api.asking import About, Asked, Reader
from hedgerow_network.api.wire import Cell, Computed, Named, cell, computed, need_name, whole
from hedgerow_network.domain.exits import Exits, Kind, exits, unit_edges, unit_of_providers
from hedgerow_network.domain.fragility import without_all
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.weak_points import weak_points
from hedgerow_network.errors import UnknownProvider
from hedgerow_network.store import networks

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])


class Fragile(Named):
    """What hangs on one alone; of a pair, on the two together."""

    kind: Kind
    cells_uncovered: int = Field(description="Cells that nobody would cover any more")
    people_uncovered: int = Field(description="People in those cells, a person counted once for each need")
    needs: int = Field(description="Distinct needs among those cells; of a pair, among those beyond the sum")
    areas: int = Field(description="Distinct areas among those cells; of a pair, among those beyond the sum")
    services: int = Field(description="Services that would go, or lose a site or a contract")
    members: list[Named] = Field(description="Who would leave: one, or the two of a pair")
    cells_beyond: int = Field(description="Of a pair: cells that fall only if both leave; else 0")
    people_beyond: int = Field(description="Of a pair: people in those cells: more than the sum of the two")


class FragilePage(BaseModel):
    items: list[Fragile]
    next: str | None
    computed: Computed


By = Annotated[
    Kind | None,
    Query(
        description="Who leaves: a provider, an ultimate owner with all it owns, a site that closes, or a "
        "contract that ends; as `count` unless said"
    ),
]


def _exits(asked: Asked, by: Kind | None) -> tuple[Asked, Exits]:
    """The question as it is counted by whoever is to leave, and who that may be."""
    kind: Kind = by or ("owner" if asked.question.count == "owners" else "provider")
    if kind in ("provider", "owner"):
        asked = asked.about(count=f"{kind}s")
    found = asked.answers.get((asked.key, "exits", kind), lambda: exits(asked.assessment(), kind))
    return asked, found


@router.get("/fragility")
def fragility(
    request: Request,
    response: Response,
    asked: About,
    by: By = None,
    pairs: Annotated[
        bool,
        Query(description="Instead of each one: pairs whose exit together uncovers more than their sum"),
    ] = False,
    after: After = None,
    limit: Limit = 50,
) -> FragilePage:
    """What would fall if one left, or a pair did: most people first. Who carries nothing alone is left out.

    A site closes for all services delivered at that place. A service goes with its sites when all of them
    have closed (under `sited` and `within`: all that lie in or near the area), with its contracts when all in
    force have ended; what has no site, or no contract, does not fall with any.
    """
    page = fragile_page(asked, by, pairs=pairs, after=after, limit=limit)
    link_next(request, response, page.next)
    return page


def fragile_page(
    about: Asked,
    by: Kind | None,
    *,
    pairs: bool,
    after: str | None,
    limit: int,
) -> FragilePage:
    """A page of the ranked list."""
    asked, found = _exits(about, by)
    people, cells = (
        (found.pairs.people, found.pairs.cells) if pairs else (found.alone.people, found.alone.cells)
    )

    def rank(position: int) -> tuple[float, int, str, str]:
        first, second = _pair(found, position) if pairs else (position, None)
        return (
            -float(people[position]),
            -int(cells[position]),
            found.ids[first],
            "" if second is None else found.ids[second],
        )

    ranked = found.ranked_pairs if pairs else found.ranked
    page, following = window(ranked, rank, after=after, limit=limit)
    return FragilePage(
        items=[_of_pair(found, position) if pairs else _of_one(found, position) for position in page],
        next=following,
        computed=computed(asked, found.assessment),
    )


def _pair(found: Exits, position: int) -> tuple[int, int]:
    return int(found.pairs.first[position]), int(found.pairs.second[position])


def _named(found: Exits, unit: int) -> Named:
    return Named(id=found.ids[unit], name=found.names[unit])


def _of_one(found: Exits, unit: int) -> Fragile:
    return Fragile(
        id=found.ids[unit],
        name=found.names[unit],
        kind=found.by,
        cells_uncovered=int(found.alone.cells[unit]),
        people_uncovered=whole(found.alone.people[unit]),
        needs=int(found.alone.needs[unit]),
        areas=int(found.alone.areas[unit]),
        services=found.services_of((unit,)),
        members=[_named(found, unit)],
        cells_beyond=0,
        people_beyond=0,
    )


def _of_pair(found: Exits, position: int) -> Fragile:
    members = [_named(found, unit) for unit in _pair(found, position)]
    pairs = found.pairs
    return Fragile(
        id=",".join(member.id for member in members),
        name=" and ".join(member.name for member in members),
        kind=found.by,
        cells_uncovered=int(pairs.cells[position]),
        people_uncovered=whole(pairs.people[position]),
        needs=int(pairs.needs[position]),
        areas=int(pairs.areas[position]),
        services=found.services_of(_pair(found, position)),
        members=members,
        cells_beyond=int(pairs.beyond_cells[position]),
        people_beyond=whole(pairs.beyond_people[position]),
    )


class Removed(Named):
    """The place without one of them, or without several."""

    cells_uncovered: int
    people_uncovered: int
    members: list[Named] = Field(description="Who would leave")
    uncovered: list[Cell] = Field(description="Cells that nobody would cover any more, as they are now")
    single: list[Cell] = Field(description="Cells that would be left with one, as they are now")
    computed: Computed


@router.get("/fragility/{id}")
def removed(
    about: About,
    id: str,
    by: By = None,
    together_with: Annotated[
        list[str] | None, Query(alias="with", max_length=20, description="Others who leave at the same time")
    ] = None,
) -> Removed:
    """What if this one left (or several did): the cells newly uncovered, and those left with one."""
    asked, found = _exits(about, by)
    of = found.assessment
    place = {one: number for number, one in enumerate(found.ids) if found.leaves[number]}
    said = list(dict.fromkeys([id, *(together_with or [])]))
    try:
        units = [place[one] for one in said]
    except KeyError:
        raise UnknownProvider from None
    gone = without_all(found.of, found.cover, units, of.people.count)
    members = [_named(found, unit) for unit in units]
    return Removed(
        id=",".join(member.id for member in members),
        name=" and ".join(member.name for member in members),
        members=members,
        cells_uncovered=gone.uncovered.size,
        people_uncovered=whole(gone.people),
        uncovered=[cell(of, int(one)) for one in gone.uncovered],
        single=[cell(of, int(one)) for one in gone.single],
        computed=computed(asked, found.assessment),
    )


class WeakCell(BaseModel):
    need: str
    need_name: str
    area: str
    area_name: str
    people: int | None


class WeakPoint(BaseModel):
    """A point (who, or which cell) or a link (who covers which cell) that alone holds parts together."""

    kind: Literal["point", "link"]
    who: Named | None
    cell: WeakCell | None
    refers: Named | None = Field(description="Of a link that is a referral: the other of the two")
    pieces: int = Field(description="Into how many pieces the part it lies in would fall")
    cells_uncovered: int = Field(description="Cells that nobody would cover any more")
    people_uncovered: int = Field(description="People in those cells")


class WeakPointPage(BaseModel):
    items: list[WeakPoint]
    next: str | None
    referrals: int = Field(description="Referrals between those who cover cells here that join the network")
    computed: Computed


@router.get("/weak-points")
def list_weak_points(
    request: Request,
    response: Response,
    about: About,
    session: Reading,
    principal: Reader,
    by: By = None,
    after: After = None,
    limit: Limit = 50,
) -> WeakPointPage:
    """Where the network of the place hangs together by one point or one link: most people uncovered first.

    The network joins each provider (owner, site, contract) with each cell it covers, and providers (owners)
    that refer people to one another, in networks that the caller may see. A point is an articulation point of
    it, a link a bridge: without it the rest falls into more pieces. A cell that is a point is where providers
    meet who have nothing else in common.
    """
    asked, found = _exits(about, by)
    referred = _referrals(session, principal, found)
    key = (asked.key, "weak points", found.by, found.leaves.tobytes(), referred)
    items = asked.answers.get(key, lambda: _weak_points(found, referred))

    def rank(place: int) -> tuple[int, int, str, str, str, str]:
        one = items[place]
        where = one.cell
        return (
            -one.people_uncovered,
            -one.cells_uncovered,
            one.kind,
            one.who.id if one.who else "",
            where.need if where else "",
            where.area if where else one.refers.id if one.refers else "",
        )

    ranked = sorted(range(len(items)), key=rank)
    page, following = window(ranked, rank, after=after, limit=limit)
    link_next(request, response, following)
    return WeakPointPage(
        items=[items[place] for place in page],
        next=following,
        referrals=len(referred),
        computed=computed(asked, found.assessment),
    )


def _referrals(session: Session, principal: Principal, found: Exits) -> tuple[tuple[int, int], ...]:
    """Pairs of units that refer people to one another on the date, each once, the lower first."""
    if found.by not in ("provider", "owner"):
        return ()
    day = found.assessment.question.at
    names = found.assessment.facts.directory.names
    unit = unit_of_providers(found)
    pairs = set()
    for relation in networks.relations(session, (row.id for row in networks.all_within_reach(session))):
        if relation.type == "referral" and relation.holds(day):
            ends = {unit.get(names.find(said) or "") for said in (relation.source, relation.target)}
            if None not in ends and len(ends) == 2:
                pairs.add(tuple(sorted(end for end in ends if end is not None)))
    return tuple(sorted((first, second) for first, second in pairs))


def _weak_points(found: Exits, referrals: tuple[tuple[int, int], ...]) -> list[WeakPoint]:
    of, n_units = found.assessment, len(found.ids)
    units, cells = unit_edges(found)
    held, node = np.unique(cells, return_inverse=True)
    covering = np.column_stack([units, node + n_units])
    edges = np.concatenate([covering, np.array(referrals, dtype=np.int64).reshape(-1, 2)])
    weak = weak_points(n_units + held.size, edges)
    depth = found.cover.depth.ravel()
    items = []
    for point, pieces in zip(weak.points.tolist(), weak.pieces.tolist(), strict=True):
        if point >= n_units:
            items.append(_weak(of, "point", None, int(held[point - n_units]), pieces, uncovered=0))
        elif found.leaves[point]:
            items.append(
                WeakPoint(
                    kind="point",
                    who=_named(found, point),
                    cell=None,
                    refers=None,
                    pieces=pieces,
                    cells_uncovered=int(found.alone.cells[point]),
                    people_uncovered=whole(found.alone.people[point]),
                )
            )
    for unit, other in weak.bridges.tolist():
        if other < n_units:
            items.append(
                WeakPoint(
                    kind="link",
                    who=_named(found, unit),
                    cell=None,
                    refers=_named(found, other),
                    pieces=2,
                    cells_uncovered=0,
                    people_uncovered=0,
                )
            )
        elif found.leaves[unit]:
            one = int(held[other - n_units])
            items.append(_weak(of, "link", _named(found, unit), one, 2, uncovered=int(depth[one] == 1)))
    return items


def _weak(
    of: Assessment,
    kind: Literal["point", "link"],
    who: Named | None,
    one: int,
    pieces: int,
    *,
    uncovered: int,
) -> WeakPoint:
    need, area = divmod(one, of.areas.size)
    held = of.facts.hierarchy.areas[of.areas[area]]
    people = whole(of.people.count[need, area]) if of.people.basis[need, area] else None
    return WeakPoint(
        kind=kind,
        who=who,
        cell=WeakCell(
            need=of.needs[need],
            need_name=need_name(of, of.needs[need]),
            area=held.code,
            area_name=held.name,
            people=people,
        ),
        refers=None,
        pieces=pieces,
        cells_uncovered=uncovered,
        people_uncovered=(people or 0) * uncovered,
    )
