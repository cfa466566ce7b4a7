"""What if: a state of the registry with some steps taken, beside the state as it is.

Steps change values in memory and nothing else: what comes of them is worked out by the same functions over
the changed facts. A step that names something that is not held changes nothing, and says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.capacity import room
from hedgerow_network.domain.contracts import Contract, Contracts
from hedgerow_network.domain.cover import Floats
from hedgerow_network.domain.design_gaps import Designed
from hedgerow_network.domain.directory import Control, Directory, Organisation, Service, Site
from hedgerow_network.domain.exits import places
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.fragility import fragility
from hedgerow_network.domain.locality import GAP, OVERLAP, PARTIAL, SINGLE, Assessment
from hedgerow_network.domain.overlap import overlaps, service_cells, unit_cells

Removable = Literal["provider", "service", "site", "contract"]
Expirable = Literal["service", "contract"]

ENDED = "terminated"
"""What a contract is that a step takes away: its services stand under it still, and fall with it."""


@dataclass(frozen=True)
class Remove:
    """A provider goes with all its services; a service; a place with all sites at it, and the services that
    have no other; or a contract ends early, and the services with no other in force.
    """

    kind: Removable
    id: str


@dataclass(frozen=True)
class OwnerFails:
    """All providers go that an ultimate owner stands behind on the date, with all their services."""

    owner: str


@dataclass(frozen=True)
class NewSite:
    lon: float | None = None
    lat: float | None = None
    area: str | None = None


@dataclass(frozen=True)
class Add:
    """A service that is not there yet. Fields as in `Service`."""

    id: str
    name: str
    organisation: str | None = None
    needs: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    sites: tuple[NewSite, ...] = ()
    capacity: float | None = None
    minimum_age: float | None = None
    maximum_age: float | None = None


@dataclass(frozen=True)
class Extend:
    """A service serves further areas; one that states none keeps those that it has sites in."""

    service: str
    areas: tuple[str, ...]


@dataclass(frozen=True)
class Merge:
    """An organisation becomes part of another, with its services, contracts and what it owns."""

    organisation: str
    into: str


@dataclass(frozen=True)
class Transfer:
    """Another organisation provides a service."""

    service: str
    to: str


@dataclass(frozen=True)
class Move:
    """A site lies elsewhere."""

    site: str
    lon: float | None = None
    lat: float | None = None
    area: str | None = None


@dataclass(frozen=True)
class Expire:
    """A service or a contract has its last day on a date, whatever options to extend there are."""

    kind: Expirable
    id: str
    on: date


@dataclass(frozen=True)
class Capacity:
    """A service can take another number of people; 0: nobody."""

    service: str
    capacity: float


Step = Remove | OwnerFails | Add | Extend | Merge | Transfer | Move | Expire | Capacity


@dataclass(frozen=True)
class Taken:
    """What became of a step. says: in a sentence · done: False where it names what is not held · services,
    contracts: ids of those it changed · parties: organisations that provided or provide the services
    """

    says: str
    done: bool = False
    services: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()


@dataclass
class _State:
    """What steps change, by id."""

    facts: Facts
    at: date
    level: str
    organisations: dict[str, Organisation] = field(init=False)
    services: dict[str, Service] = field(init=False)
    sites: dict[str, Site] = field(init=False)
    contracts: dict[str, Contract] = field(init=False)

    def __post_init__(self) -> None:
        directory = self.facts.directory
        self.organisations = dict(directory.organisations)
        self.services = {one.id: one for one in directory.services}
        self.sites = {one.id: one for one in directory.sites}
        self.contracts = dict(self.facts.contracts.by_id)

    def made(self) -> Facts:
        return replace(
            self.facts,
            directory=Directory(
                organisations=self.organisations.values(),
                services=self.services.values(),
                sites=self.sites.values(),
            ),
            contracts=Contracts(self.contracts.values()),
        )

    def of_provider(self, id: str) -> list[str]:
        return [one.id for one in self.services.values() if _provider(one) == id]

    def drop(self, services: Iterable[str]) -> None:
        gone = set(services)
        for id in gone:
            del self.services[id]
        self.sites = {id: site for id, site in self.sites.items() if site.service not in gone}

    def name(self, organisation: str) -> str:
        held = self.organisations.get(organisation)
        return held.name if held is not None else organisation


def _provider(service: Service) -> str:
    return service.organisation or f"service:{service.id}"


def take(facts: Facts, steps: Sequence[Step], *, at: date, level: str) -> tuple[Facts, tuple[Taken, ...]]:
    """The facts with the steps taken, one after the other, and what became of each.

    at: who owns whom, and which contracts are in force, is looked at on this date · level: of the areas that
    a service without stated areas is taken to serve when it is extended.
    Edges: no steps: the same facts. The facts given are not changed.
    """
    if not steps:
        return facts, ()
    state = _State(facts, at, level)
    taken = tuple(_TAKE[type(step)](state, step) for step in steps)
    made = state.made()
    made.carry(facts)
    return made, taken


def _changed(
    state: _State, services: Iterable[str], says: str, *more: str, contracts: Iterable[str] = ()
) -> Taken:
    """A step that changed these services; more: organisations that provide them from now on."""
    ids = tuple(sorted(services))
    parties = {_provider(state.services[id]) for id in ids if id in state.services} | set(more)
    return Taken(says, True, ids, tuple(sorted(contracts)), tuple(sorted(parties)))


def _not_held(what: str, id: str) -> Taken:
    return Taken(f"Nothing changes: no {what} {id} is held.")


def _remove(state: _State, step: Remove) -> Taken:
    if step.kind == "provider":
        gone = state.of_provider(step.id)
        if not gone:
            return _not_held("service of a provider", step.id)
        taken = _changed(state, gone, f"{state.name(step.id)} goes, with {_many(gone, 'service')}.")
        state.drop(gone)
        return taken
    if step.kind == "service":
        held = state.services.get(step.id)
        if held is None:
            return _not_held("service", step.id)
        taken = _changed(state, [step.id], f"{held.name} goes.")
        state.drop([step.id])
        return taken
    if step.kind == "site":
        return _close(state, step.id)
    contract = state.contracts.get(step.id)
    if contract is None:
        return _not_held("contract", step.id)
    state.contracts[step.id] = replace(contract, status=ENDED)
    return _of_contract(state, step.id, f"{contract.title} ends early.")


def _of_contract(state: _State, id: str, says: str) -> Taken:
    linked = Contracts(state.contracts.values()).of_services
    services = [
        one for one, held in linked.items() if one in state.services and any(c.id == id for c in held)
    ]
    return _changed(state, services, says, contracts=[id])


def _close(state: _State, id: str) -> Taken:
    in_order = tuple(state.sites[one] for one in sorted(state.sites))
    place_of, names = places(in_order)
    if id not in names:
        return _not_held("place", id)
    gone = {site.id for site, place in zip(in_order, place_of, strict=True) if place == id}
    touched = {state.sites[one].service for one in gone}
    left = {site.service for site in in_order if site.id not in gone}
    closed = touched - left
    says = f"{names[id]} closes, with {_many(touched, 'service')} there"
    taken = _changed(state, touched, f"{says}; {_many(closed, 'service')} have no other place and go.")
    state.sites = {one: site for one, site in state.sites.items() if one not in gone}
    state.drop(closed)
    return taken


def _owner_fails(state: _State, step: OwnerFails) -> Taken:
    owners = Directory(organisations=state.organisations.values())
    providers = {_provider(one) for one in state.services.values()}
    fallen = {one for one in providers if owners.ultimate_owner(one, state.at) == step.owner}
    gone = [one.id for one in state.services.values() if _provider(one) in fallen]
    if not gone:
        return _not_held("provider of an owner", step.owner)
    whom = f"{_many(fallen, 'provider')} and {_many(gone, 'service')}"
    taken = _changed(state, gone, f"{state.name(step.owner)} fails, with {whom}.")
    state.drop(gone)
    return taken


def _add(state: _State, step: Add) -> Taken:
    if step.id in state.services:
        return Taken(f"Nothing changes: a service {step.id} is held already.")
    state.services[step.id] = Service(
        id=step.id,
        name=step.name,
        organisation=step.organisation,
        needs=step.needs,
        areas=step.areas,
        capacity=step.capacity,
        minimum_age=step.minimum_age,
        maximum_age=step.maximum_age,
    )
    for number, site in enumerate(step.sites, start=1):
        id = f"{step.id}/{number}"
        state.sites[id] = Site(id, step.id, step.name, site.lon, site.lat, site.area)
    unknown = [need for need in step.needs if need not in state.facts.taxonomies.needs]
    if unknown:
        return _changed(state, [step.id], f"{step.name} begins; not held are its needs {', '.join(unknown)}.")
    return _changed(state, [step.id], f"{step.name} begins.")


def _extend(state: _State, step: Extend) -> Taken:
    held = state.services.get(step.service)
    if held is None:
        return _not_held("service", step.service)
    unheld = [code for code in step.areas if code not in state.facts.hierarchy.position]
    if unheld:
        return _not_held("area", ", ".join(unheld))
    areas = {*held.areas, *step.areas} if held.areas else {*_sited_in(state, held), *step.areas}
    state.services[held.id] = replace(held, areas=tuple(sorted(areas)))
    return _changed(state, [held.id], f"{held.name} also serves {', '.join(step.areas)}.")


def _sited_in(state: _State, service: Service) -> list[str]:
    """The areas that the sites of a service lie in, as far as the registry's own sites go."""
    placed, directory = state.facts.placed(state.level), state.facts.directory
    rows = directory.sites_of.get(directory.position.get(service.id, -1), [])
    found = np.unique(csr_array(placed.in_area[rows]).indices) if rows else ()
    codes = [state.facts.hierarchy.codes[int(area)] for area in found]
    new = [site.area for site in state.sites.values() if site.service == service.id and site.area is not None]
    return sorted({*codes, *new})


def _merge(state: _State, step: Merge) -> Taken:
    if step.into not in state.organisations:
        return _not_held("organisation", step.into)
    gone = state.organisations.get(step.organisation)
    services = [one.id for one in state.services.values() if one.organisation == step.organisation]
    if (gone is None and not services) or step.organisation == step.into:
        return _not_held("other organisation", step.organisation)

    def renamed(ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.into if one == step.organisation else one for one in ids))

    was, name = state.name(step.organisation), state.name(step.into)
    for id in services:
        state.services[id] = replace(state.services[id], organisation=step.into)
    state.organisations.pop(step.organisation, None)
    owned = [id for id, held in state.organisations.items() if step.organisation in _owners(held)]
    for id in owned:
        held = state.organisations[id]
        state.organisations[id] = replace(held, owners=_owned_by(held.owners, step, id))
    contracts = []
    for id, contract in state.contracts.items():
        if step.organisation in (*contract.suppliers, *contract.buyers):
            contracts.append(id)
            state.contracts[id] = replace(
                contract, suppliers=renamed(contract.suppliers), buyers=renamed(contract.buyers)
            )
    says = f"{was} becomes part of {name}, with {_many(services, 'service')}."
    touched = [*services, *(id for owner in owned for id in state.of_provider(owner))]
    return _changed(state, touched, says, step.organisation, contracts=contracts)


def _owners(organisation: Organisation) -> set[str]:
    return {one.owner for one in organisation.owners}


def _owned_by(owners: Sequence[Control], step: Merge, id: str) -> tuple[Control, ...]:
    moved = (replace(one, owner=step.into) if one.owner == step.organisation else one for one in owners)
    return tuple(one for one in moved if one.owner != id)


def _transfer(state: _State, step: Transfer) -> Taken:
    held = state.services.get(step.service)
    if held is None:
        return _not_held("service", step.service)
    if step.to not in state.organisations:
        return _not_held("organisation", step.to)
    before = _provider(held)
    state.services[held.id] = replace(held, organisation=step.to)
    return _changed(state, [held.id], f"{state.name(step.to)} provides {held.name}.", before)


def _move(state: _State, step: Move) -> Taken:
    held = state.sites.get(step.site)
    if held is None:
        return _not_held("site", step.site)
    moved = replace(held, lon=step.lon, lat=step.lat, area=step.area, address=None, postcode=None)
    state.sites[held.id] = moved
    return _changed(state, [held.service], f"{held.name} moves.")


def _expire(state: _State, step: Expire) -> Taken:
    yet = "" if step.on < state.at else f", which is not before {state.at.isoformat()}, the date asked about"
    if step.kind == "service":
        held = state.services.get(step.id)
        if held is None:
            return _not_held("service", step.id)
        state.services[held.id] = replace(held, valid_to=step.on)
        return _changed(state, [held.id], f"{held.name} has its last day on {step.on.isoformat()}{yet}.")
    contract = state.contracts.get(step.id)
    if contract is None:
        return _not_held("contract", step.id)
    state.contracts[contract.id] = replace(contract, end=step.on, extended_to=None)
    return _of_contract(
        state, contract.id, f"{contract.title} has its last day on {step.on.isoformat()}{yet}."
    )


def _capacity(state: _State, step: Capacity) -> Taken:
    held = state.services.get(step.service)
    if held is None:
        return _not_held("service", step.service)
    state.services[held.id] = replace(held, capacity=step.capacity)
    before = "not stated" if held.capacity is None else f"{held.capacity:g}"
    return _changed(state, [held.id], f"{held.name} can take {step.capacity:g} people; before: {before}.")


def _many(things: Iterable[object], what: str) -> str:
    number = len(list(things))
    return f"{number} {what}{'' if number == 1 else 's'}"


_TAKE: Mapping[type, Callable[..., Taken]] = {
    Remove: _remove,
    OwnerFails: _owner_fails,
    Add: _add,
    Extend: _extend,
    Merge: _merge,
    Transfer: _transfer,
    Move: _move,
    Expire: _expire,
    Capacity: _capacity,
}


@dataclass(frozen=True)
class Spend:
    """Contracts in force of services that cover a cell here. a_year: pounds, None where it is known of none ·
    unknown: contracts of which it is not, or may not be seen
    """

    contracts: int
    a_year: float | None
    unknown: int


def spend(of: Assessment, sees: Callable[[Contract], bool]) -> Spend:
    """What the services that cover a cell here are paid for a year. sees: whether a value may be seen."""
    covering = np.flatnonzero(
        (np.diff(of.incidence.serves.indptr) > 0) & (np.diff(of.incidence.addresses.indptr) > 0)
    )
    services, contracts = of.facts.directory.services, of.facts.contracts
    held = {
        one.id: one
        for row in covering
        for one in contracts.under(services[row].id, services[row].organisation)
        if one.in_force(of.question.at)
    }
    yearly = [one.a_year if sees(one) else None for _, one in sorted(held.items())]
    known = [one for one in yearly if one is not None]
    return Spend(len(yearly), sum(known) if known else None, len(yearly) - len(known))


@dataclass(frozen=True)
class Tally:
    """A state in figures. people: in cells, a person counted once for each need, 0 where not known ·
    without_place: people whom the services that reach them have no places for, None where it is not known of
    any cell that services reach how many people need them · pairs:
    of services of different units that share a cell · most_fragile: position of the unit whose exit would
    uncover most people, then most cells, None where nothing hangs on one
    """

    gaps: int
    gaps_unknown: int
    people_in_gaps: float
    without_place: int | None
    overlaps: int
    people_in_overlaps: float
    pairs: int
    singles: int
    people_in_singles: float
    most_fragile: int | None
    most_fragile_people: float


def tally(of: Assessment) -> Tally:
    """Count a state's cells and people."""
    status, people, known = of.status, of.people.count, of.people.basis > 0
    uncovered = np.isin(status, (GAP, PARTIAL))
    alone = fragility(of.cover, people)
    some = np.flatnonzero(alone.cells > 0)
    places = room(of)
    first = some[np.lexsort((some, -alone.cells[some], -alone.people[some]))][:1]
    return Tally(
        gaps=int(uncovered.sum()),
        gaps_unknown=int((uncovered & ~known).sum()),
        people_in_gaps=float(of.affected[uncovered & known].sum()),
        without_place=int(places.demand.sum()) - places.found.total if places.cells.size else None,
        overlaps=int((status == OVERLAP).sum()),
        people_in_overlaps=float(people[status == OVERLAP].sum()),
        pairs=len(overlaps(service_cells(of.incidence), people, group=of.incidence.unit)),
        singles=int((status == SINGLE).sum()),
        people_in_singles=float(people[status == SINGLE].sum()),
        most_fragile=int(first[0]) if first.size else None,
        most_fragile_people=float(alone.people[first[0]]) if first.size else 0.0,
    )


OPENED, CLOSED, FEWER, MORE, OTHERS = "opened", "closed", "fewer", "more", "others"
Change = Literal["opened", "closed", "fewer", "more", "others"]


def changed_cells(before: Assessment, after: Assessment) -> list[tuple[int, Change]]:
    """Cells (need × n_areas + area) that somebody else covers, or in another part, and how that is.

    Both are of the same needs and areas. opened: nobody covers the whole any more · closed: somebody does
    again · fewer, more: by how many units · others: by as many, but others, or another part is served. Those
    opened first, then fewer, others, more, closed; within each most people first, then by cell.
    """
    depth_before, depth_after = before.cover.depth.ravel(), after.cover.depth.ravel()
    differs = (before.status != after.status).ravel()
    differs |= ~np.isclose(before.partly.share, after.partly.share).ravel()
    differs[_of_other_units(before, after)] = True
    people: Floats = before.people.count.ravel()
    found: list[tuple[int, Change]] = []
    for cell in np.flatnonzero(differs).tolist():
        was, now = int(depth_before[cell]), int(depth_after[cell])
        if was and not now:
            found.append((cell, "opened"))
        elif now and not was:
            found.append((cell, "closed"))
        else:
            found.append((cell, "fewer" if now < was else "more" if now > was else "others"))
    order: tuple[Change, ...] = ("opened", "fewer", "others", "more", "closed")
    return sorted(found, key=lambda one: (order.index(one[1]), -float(people[one[0]]), one[0]))


def _of_other_units(before: Assessment, after: Assessment) -> NDArray[np.integer]:
    """The cells that are not covered by the same units before and after."""
    ids = sorted({*before.units.ids, *after.units.ids})
    place = {id: number for number, id in enumerate(ids)}

    def by_id(of: Assessment) -> csr_array:
        cells = unit_cells(of.incidence).tocoo()
        rows = np.array([place[id] for id in of.units.ids], dtype=np.int64)
        ones = np.ones(cells.col.size, np.int8)
        return csr_array((ones, (rows[cells.row], cells.col)), shape=(len(ids), cells.shape[1]))

    difference = csr_array(by_id(before) - by_id(after))
    difference.eliminate_zeros()
    return np.unique(difference.indices)


@dataclass(frozen=True)
class Exposed:
    """A KPI that a design ties to what a scenario changes. through: `goal` or `agreement`, with its name."""

    kpi: str
    network: str
    network_name: str
    through: Literal["goal", "agreement"]
    name: str


def exposed(
    designs: Iterable[Designed], taken: Iterable[Taken], find: Callable[[str], str | None]
) -> list[Exposed]:
    """KPIs of goals that a changed service works towards, and of agreements whose parties provide one.

    find: the id of the organisation that a design's text means, None = none. By network, KPI, name.
    """
    services = {id for one in taken for id in one.services}
    parties = {id for one in taken for id in one.parties}
    found = []
    for one in designs:
        design = one.design
        for goal in design.goals:
            if services & {*goal.services}:
                found += [Exposed(kpi, design.id, design.name, "goal", goal.name) for kpi in goal.kpis]
        for agreement in design.agreements:
            if parties & {find(party) for party in agreement.parties}:
                found += [
                    Exposed(kpi, design.id, design.name, "agreement", agreement.name)
                    for kpi, _ in agreement.kpis
                ]
    return sorted(set(found), key=lambda one: (one.network, one.kpi, one.through, one.name))
