"""`/v1/localities/{area}/overlaps`: who doubles up, and what kind of overlap it is."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, Limit, link_next, window
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import About, Asked, FactsBeside, sees_value
from hedgerow_network.api.wire import Computed, Named, computed, provider_named, service_named, unit, whole
from hedgerow_network.domain import telling_apart
from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.overlap import Overlaps, overlaps, service_cells, unit_cells
from hedgerow_network.domain.telling_apart import (
    CHOICE,
    DUPLICATION,
    INFRASTRUCTURE,
    PAID_TWICE,
    SAME_OWNER,
    UNKNOWN,
    Groups,
    OverlapKind,
    Twice,
)

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])

CAPABILITIES = "capabilities"
"""The name of the `SharedCapability` facts in `app.state.facts_beside`."""

By = Literal["service", "provider", "contract", "capability"]


class Party(Named):
    """One of the two: a service with its provider, a provider or owner itself, or a contract."""

    provider: Named | None
    capacity: int | None = Field(description="People it can take; null where not stated")


class Told(BaseModel):
    """What kind of overlap it is, and why."""

    kind: OverlapKind
    says: str


class PaidTwice(BaseModel):
    """Two contracts in force that one buyer pays for the same needs in the same areas."""

    contracts: list[Named]
    buyers: list[Named]
    value_gbp: list[float | None] | None = Field(
        description="What each is worth; null unless you may see contract values, of each that is not of an "
        "authority of yours"
    )


class Overlap(BaseModel):
    first: Party
    second: Party
    shared_cells: int
    shared_people: int = Field(description="People in the shared cells, a person counted once for each need")
    containment: float = Field(
        description="Shared cells as a share of the smaller of the two; 1 = wholly within"
    )
    jaccard: float = Field(description="Shared cells as a share of the cells that either covers")
    needs: list[str] = Field(description="Needs in the shared cells")
    areas: list[str] = Field(description="Areas in the shared cells")
    same_owner: bool = Field(description="Both have the same ultimate owner")
    kinds: list[Told]
    spare_capacity: int | None = Field(
        description="Places that stay empty however people are placed in the two; null where unknown"
    )
    paid_twice: list[PaidTwice]


class OverlapPage(BaseModel):
    items: list[Overlap]
    next: str | None
    computed: Computed


@dataclass(frozen=True)
class Pairs:
    """All pairs of one answer.

    spare: places that stay empty, NaN where unknown · room: choice, duplication, unknown, or nothing ·
    owner: position of the ultimate owner of both, -1 where they have two · paid: pair → pairs of contracts ·
    twice: pair → capabilities that both keep up in an area that they share
    """

    found: Overlaps
    spare: NDArray[np.float64]
    room: NDArray[np.object_]
    owner: NDArray[np.int32]
    paid: dict[int, list[int]]
    twice: dict[int, list[Twice]] = field(default_factory=dict)

    def having(self, kinds: Sequence[str]) -> list[int]:
        """Places of the pairs of any of these kinds; all of them without kinds."""
        if not kinds:
            return list(range(len(self.found)))
        keep = np.isin(self.room, list(kinds))
        if SAME_OWNER in kinds:
            keep |= self.owner >= 0
        if PAID_TWICE in kinds:
            keep[list(self.paid)] = True
        if INFRASTRUCTURE in kinds:
            keep[list(self.twice)] = True
        return [int(place) for place in np.flatnonzero(keep)]


KindAsked = Annotated[
    list[OverlapKind] | None,
    Query(
        description="Only these kinds (may be repeated): `choice` (the people of their cells fill both), "
        "`duplication` (places stay empty), `unknown` (a capacity or the demand is not known), `same-owner`, "
        "`paid-twice` (contracts of one buyer for the same needs, areas and time), "
        "`shared-infrastructure-twice` (see by=capability)"
    ),
]


@router.get("/overlaps")
def list_overlaps(
    request: Request,
    response: Response,
    asked: About,
    by: Annotated[
        By,
        Query(
            description="Pairs of services, of the providers behind them (owners with count=owners), of "
            "contracts in force that one buyer pays for the same cells, or of organisations that keep up the "
            "same capability in the same areas"
        ),
    ] = "service",
    kind: KindAsked = None,
    after: After = None,
    limit: Limit = 50,
) -> OverlapPage:
    """Who doubles up: pairs that serve the same needs in the same areas, most shared people first.

    Two services of one provider (of one owner with count=owners) are no pair: the depth counts them once.
    Services that reach only a part of an area are not compared. A pair may be of several kinds; whether it is
    `choice` or `duplication` is told by the places and the people with the need, and `unknown` without them.
    """
    of = asked.assessment()
    version, twice = _capabilities(request, asked)
    if by == "capability":
        return _capability_page(request, response, asked, twice, after=after, limit=limit)
    found = asked.answers.get(
        (asked.key, "overlaps", by, version), lambda: _with_capabilities(of, _pairs(of, by), by, twice)
    )
    places = found.having(sorted(set(kind or ())))
    names = _ids(of, by)

    def rank(place: int) -> tuple[float, int, str, str]:
        return (
            -float(found.found.shared_people[place]),
            -int(found.found.shared_cells[place]),
            names(int(found.found.first[place])),
            names(int(found.found.second[place])),
        )

    page, following = window(places, rank, after=after, limit=limit)
    link_next(request, response, following)
    return OverlapPage(
        items=[_overlap(asked, of, found, place, by) for place in page],
        next=following,
        computed=computed(asked, of),
    )


def _capabilities(request: Request, asked: Asked) -> tuple[Hashable, list[Twice]]:
    """Capabilities kept up twice in the place, as far as designs of networks tell of any."""
    readable: FactsBeside = request.app.state.facts_beside
    if CAPABILITIES not in readable:
        return None, []
    beside = readable[CAPABILITIES](asked.principal)
    key = (asked.key, CAPABILITIES, beside.version)
    of = asked.assessment()
    return beside.version, asked.answers.get(
        key, lambda: telling_apart.infrastructure_twice(of, beside.facts)
    )


def _with_capabilities(of: Assessment, pairs: Pairs, by: By, twice: list[Twice]) -> Pairs:
    """The pairs, each with the capabilities that both keep up in an area where they meet."""
    if by == "contract" or not twice or (by == "provider" and of.question.count == "owners"):
        return pairs
    by_two: dict[tuple[str, str], list[Twice]] = {}
    for one in twice:
        by_two.setdefault((one.first, one.second), []).append(one)
    providers = of.counted_by("providers").units
    of_row = providers.of_service if by == "service" else np.arange(len(providers.ids))
    met: dict[int, list[Twice]] = {}
    for place, (first, second) in enumerate(zip(pairs.found.first, pairs.found.second, strict=True)):
        ids = sorted((providers.ids[of_row[first]], providers.ids[of_row[second]]))
        held = by_two.get((ids[0], ids[1]), [])
        if held:
            areas = _shared(of, by, int(first), int(second)) % of.areas.size
            both = [one for one in held if np.isin(one.areas, areas).any()]
            met |= {place: both} if both else {}
    return replace(pairs, twice=met)


def _shared(of: Assessment, by: By, first: int, second: int) -> NDArray[np.integer]:
    """Cells that both cover."""
    rows = [_rows_of(of, by, position) for position in (first, second)]
    return np.intersect1d(_cells_of(of, rows[0]), _cells_of(of, rows[1]))


def _kept_up_twice(of: Assessment, one: Twice) -> Told:
    return Told(
        kind="shared-infrastructure-twice",
        says=f"Both keep up {one.name} for themselves, in {one.areas.size} of {of.areas.size} areas.",
    )


def _capability_page(
    request: Request, response: Response, asked: Asked, twice: list[Twice], *, after: str | None, limit: int
) -> OverlapPage:
    of = asked.assessment()

    def rank(one: Twice) -> tuple[int, str, str, str]:
        return -one.areas.size, one.capability, one.first, one.second

    page, following = window(twice, rank, after=after, limit=limit)
    link_next(request, response, following)
    said = computed(asked, of)
    if CAPABILITIES not in request.app.state.facts_beside:
        said.caveats = [*said.caveats, "No network's design tells of capabilities."]
    return OverlapPage(items=[_of_capability(of, one) for one in page], next=following, computed=said)


def _of_capability(of: Assessment, one: Twice) -> Overlap:
    name = of.facts.directory.organisation_name
    at = of.question.at
    owner = of.facts.directory.ultimate_owner
    return Overlap(
        first=Party(id=one.first, name=name(one.first), provider=None, capacity=None),
        second=Party(id=one.second, name=name(one.second), provider=None, capacity=None),
        shared_cells=0,
        shared_people=0,
        containment=0.0,
        jaccard=0.0,
        needs=[],
        areas=_codes(of, one.areas),
        same_owner=owner(one.first, at) == owner(one.second, at),
        kinds=[_kept_up_twice(of, one)],
        spare_capacity=None,
        paid_twice=[],
    )


def _ids(of: Assessment, by: By) -> Callable[[int], str]:
    if by == "contract":
        contracts = telling_apart.contract_overlaps(of).contracts
        return lambda place: contracts[place].id
    if by == "provider":
        return lambda place: of.units.ids[place]
    return lambda place: of.facts.directory.services[place].id


def _pairs(of: Assessment, by: By) -> Pairs:
    if by == "contract":
        found = telling_apart.contract_overlaps(of).pairs
        nothing = np.full(len(found), np.nan)
        each = {place: [place] for place in range(len(found))}
        return Pairs(found, nothing, np.full(len(found), "", object), np.full(len(found), -1, np.int32), each)
    owner = of.counted_by("owners").units.of_service
    if by == "provider":
        cells, capacity = unit_cells(of.incidence), telling_apart.unit_capacity(of)
        found = overlaps(cells, of.people.count)
        owner = owner[_unit_rows(of)]
    else:
        cells, capacity = service_cells(of.incidence), of.facts.directory.capacity
        found = overlaps(cells, of.people.count, group=of.incidence.unit)
    spare = telling_apart.spare_places(found, cells, capacity, telling_apart.demand_of(of))
    one = np.where(owner[found.first] == owner[found.second], owner[found.first], -1)
    return Pairs(found, spare, telling_apart.by_room(spare), one.astype(np.int32), _paid(of, found, by))


def _unit_rows(of: Assessment) -> NDArray[np.intp]:
    """(n_units,) one service of each unit."""
    return np.unique(of.incidence.unit, return_index=True)[1]


def _paid(of: Assessment, found: Overlaps, by: By) -> dict[int, list[int]]:
    twice = telling_apart.paid_twice(of)
    place_of = (
        {(int(a), int(b)): place for place, (a, b) in enumerate(zip(found.first, found.second, strict=True))}
        if twice
        else {}
    )
    made: dict[int, list[int]] = {}
    for (a, b), contracts in twice.items():
        if by == "provider":
            a, b = sorted((int(of.incidence.unit[a]), int(of.incidence.unit[b])))
        place = place_of.get((a, b))
        if place is not None:
            made[place] = sorted({*made.get(place, ()), *contracts})
    return made


def _overlap(asked: Asked, of: Assessment, pairs: Pairs, place: int, by: By) -> Overlap:
    found = pairs.found
    first, second = int(found.first[place]), int(found.second[place])
    if by == "contract":
        shared = telling_apart.contract_overlaps(of).shared(place)
    else:
        shared = _shared(of, by, first, second)
    spare = float(pairs.spare[place])
    paid = [_paid_twice(asked, of, pair) for pair in pairs.paid.get(place, ())]
    return Overlap(
        first=_party(of, by, first),
        second=_party(of, by, second),
        shared_cells=int(found.shared_cells[place]),
        shared_people=whole(found.shared_people[place]),
        containment=round(float(found.containment[place]), 4),
        jaccard=round(float(found.jaccard[place]), 4),
        needs=[of.needs[need] for need in np.unique(shared // of.areas.size)],
        areas=_codes(of, np.unique(shared % of.areas.size)),
        same_owner=bool(pairs.owner[place] >= 0),
        kinds=_kinds(of, pairs, place, paid),
        spare_capacity=None if np.isnan(spare) else int(spare),
        paid_twice=paid,
    )


def _codes(of: Assessment, areas: NDArray[np.integer]) -> list[str]:
    return [of.facts.hierarchy.codes[int(of.areas[area])] for area in areas]


def _rows_of(of: Assessment, by: By, position: int) -> NDArray[np.intp]:
    return np.array([position]) if by == "service" else np.flatnonzero(of.incidence.unit == position)


def _party(of: Assessment, by: By, position: int) -> Party:
    if by == "contract":
        contract = telling_apart.contract_overlaps(of).contracts[position]
        return Party(id=contract.id, name=contract.title, provider=None, capacity=None)
    if by == "provider":
        named = unit(of, position)
        return Party(
            **named.model_dump(), provider=named, capacity=_places(telling_apart.unit_capacity(of)[position])
        )
    return Party(
        **service_named(of, position).model_dump(),
        provider=provider_named(of, position),
        capacity=_places(of.facts.directory.capacity[position]),
    )


def _places(capacity: float) -> int | None:
    return None if np.isnan(capacity) else int(capacity)


def _cells_of(of: Assessment, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    found = [np.empty(0, np.int64)] + [of.incidence.cells_of_service(int(row)) for row in rows]
    return np.unique(np.concatenate(found))


def _kinds(of: Assessment, pairs: Pairs, place: int, paid: list[PaidTwice]) -> list[Told]:
    told = []
    if pairs.room[place]:
        told.append(_by_room(str(pairs.room[place]), float(pairs.spare[place]), "the two"))
    if pairs.owner[place] >= 0:
        told.append(_one_owner(of, int(pairs.owner[place])))
    if paid:
        said = " and ".join(f"“{contract.name}”" for contract in paid[0].contracts)
        buyers = listed([buyer.name for buyer in paid[0].buyers])
        says = f"Paid by {buyers} for the same needs in the same areas at the same time, under {said}."
        told.append(Told(kind="paid-twice", says=says))
    return [*told, *(_kept_up_twice(of, one) for one in pairs.twice.get(place, ()))]


def _by_room(room: str, spare: float, whom: str) -> Told:
    if room == CHOICE:
        return Told(
            kind="choice",
            says=f"The people with the need in their cells fill all places of {whom}: a choice.",
        )
    if room == DUPLICATION:
        return Told(
            kind="duplication",
            says=f"However people are placed in {whom}, {int(spare):,} places stay empty: more than needed.",
        )
    assert room == UNKNOWN
    return Told(
        kind="unknown",
        says="Whether there are more places than are needed cannot be told: a capacity, or how many people "
        "have the need, is not known.",
    )


def _one_owner(of: Assessment, owner: int) -> Told:
    name = of.counted_by("owners").units.names[owner]
    return Told(kind="same-owner", says=f"They belong to one owner, {name}.")


def _paid_twice(asked: Asked, of: Assessment, pair: int) -> PaidTwice:
    found = telling_apart.contract_overlaps(of)
    two = [found.contracts[int(side[pair])] for side in (found.pairs.first, found.pairs.second)]
    buyers = sorted(set(two[0].buyers) & set(two[1].buyers))
    return PaidTwice(
        contracts=[Named(id=one.id, name=one.title) for one in two],
        buyers=[Named(id=id, name=of.facts.directory.organisation_name(id)) for id in buyers],
        value_gbp=[one.value_gbp if sees_value(asked.principal, one) else None for one in two]
        if asked.principal.may("money")
        else None,
    )


class OverlapGroup(BaseModel):
    """Services that together, and no others, cover some cells."""

    services: list[Party]
    providers: int
    owners: int
    cells: int
    people: int = Field(description="People in these cells, a person counted once for each need")
    needs: list[str]
    areas: list[str]
    kinds: list[Told]
    spare_capacity: int | None = Field(
        description="Places that stay empty however people are placed in them; null where unknown"
    )
    paid_twice: list[PaidTwice]


class OverlapGroupPage(BaseModel):
    items: list[OverlapGroup]
    next: str | None
    computed: Computed


@router.get("/overlap-groups")
def list_overlap_groups(
    request: Request,
    response: Response,
    asked: About,
    kind: KindAsked = None,
    after: After = None,
    limit: Limit = 50,
) -> OverlapGroupPage:
    """Cells that several serve, put together by who does: most people first.

    Every cell of depth two or more is in exactly one group, so people may be added up within a need.
    """
    of = asked.assessment()
    found = asked.answers.get((asked.key, "overlap groups"), lambda: telling_apart.groups(of))
    paid = asked.answers.get((asked.key, "paid twice"), lambda: telling_apart.paid_twice(of))
    wanted = set(kind or ())
    told = {place: _group_kinds(of, found, place, paid) for place in (range(len(found)) if wanted else ())}
    places = [
        place for place in range(len(found)) if not wanted or wanted & {one.kind for one in told[place]}
    ]

    def rank(place: int) -> tuple[float, int, str]:
        ids = ";".join(of.facts.directory.services[int(row)].id for row in found.services[place])
        return -float(found.people[place]), -found.cells[place].size, ids

    page, following = window(places, rank, after=after, limit=limit)
    link_next(request, response, following)
    return OverlapGroupPage(
        items=[_group(asked, of, found, place, paid) for place in page],
        next=following,
        computed=computed(asked, of),
    )


Paid = Mapping[tuple[int, int], list[int]]


def _paid_within(found: Groups, place: int, paid: Paid) -> list[int]:
    rows = found.services[place].tolist()
    return sorted({pair for one, pairs in paid.items() if set(one) <= set(rows) for pair in pairs})


def _group_kinds(of: Assessment, found: Groups, place: int, paid: Paid) -> list[Told]:
    spare = float(found.spare[place])
    told = [_by_room(str(telling_apart.by_room(found.spare[[place]])[0]), spare, "these services")]
    owners = np.unique(of.counted_by("owners").units.of_service[found.services[place]])
    if owners.size == 1:
        told.append(_one_owner(of, int(owners[0])))
    if _paid_within(found, place, paid):
        told.append(
            Told(kind="paid-twice", says="Contracts of one buyer pay for the same needs, areas and time.")
        )
    return told


def _group(asked: Asked, of: Assessment, found: Groups, place: int, paid: Paid) -> OverlapGroup:
    rows, cells = found.services[place], found.cells[place]
    spare = float(found.spare[place])
    return OverlapGroup(
        services=[_party(of, "service", int(row)) for row in rows],
        providers=np.unique(of.counted_by("providers").units.of_service[rows]).size,
        owners=np.unique(of.counted_by("owners").units.of_service[rows]).size,
        cells=cells.size,
        people=whole(found.people[place]),
        needs=[of.needs[need] for need in np.unique(cells // of.areas.size)],
        areas=_codes(of, np.unique(cells % of.areas.size)),
        kinds=_group_kinds(of, found, place, paid),
        spare_capacity=None if np.isnan(spare) else int(spare),
        paid_twice=[_paid_twice(asked, of, pair) for pair in _paid_within(found, place, paid)],
    )
