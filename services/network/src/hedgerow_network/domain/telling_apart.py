"""Overlaps told apart: choice, duplication, one owner twice, paid twice, shared infrastructure twice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.contracts import Contract
from hedgerow_network.domain.cover import Floats, Ints, presence
from hedgerow_network.domain.flow import UNLIMITED, supplied
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.overlap import Overlaps, overlaps, service_cells
from hedgerow_network.domain.people import DERIVED

OverlapKind = Literal[
    "choice", "duplication", "unknown", "same-owner", "paid-twice", "shared-infrastructure-twice"
]
CHOICE, DUPLICATION, UNKNOWN = "choice", "duplication", "unknown"
SAME_OWNER, PAID_TWICE, INFRASTRUCTURE = "same-owner", "paid-twice", "shared-infrastructure-twice"


def demand_of(of: Assessment) -> Floats:
    """(n_cells,) people with the need, NaN where neither a count nor a derived figure is known."""
    return np.where(of.people.basis.ravel() >= DERIVED, of.people.count.ravel(), np.nan)


def unit_capacity(of: Assessment) -> Floats:
    """(n_units,) places of all services of each unit that cover a cell; NaN if one of them states none."""
    covering = (np.diff(of.incidence.serves.indptr) > 0) & (np.diff(of.incidence.addresses.indptr) > 0)
    capacity = np.where(covering, of.facts.directory.capacity, 0.0)
    total: Floats = np.zeros(of.incidence.n_units)
    np.add.at(total, of.incidence.unit, capacity)
    return total


def spare_places(found: Overlaps, cells: csr_array, capacity: Floats, demand: Floats) -> Floats:
    r"""Places that stay empty in each pair, however the people of its cells are placed in the two.

    .. math:: s = c_1 + c_2 - \min(c_1 + c_2,\ c_1 + D_2,\ c_2 + D_1,\ D_{1 \cup 2})

    The minimum is the largest number of people the two can take between them: the smallest cut of the flow
    from the people in the cells of the first (D_1), of the second (D_2), of either, to the two.

    Parameters: found, of `overlaps(cells, …)` · cells (n, n_cells) sparse ones · capacity (n,) places, NaN =
    not stated · demand (n_cells,) people with the need, NaN = not known.
    Returns (n_pairs,) places >= 0; NaN where a capacity, or the demand of any cell of the two, is not known.
    """
    known = csr_array((np.ones(cells.nnz), cells.indices, cells.indptr), shape=cells.shape)
    people = known @ np.nan_to_num(demand)
    blind = (known @ np.isnan(demand).astype(np.float64)) > 0
    first, second = found.first, found.second
    one, other = capacity[first], capacity[second]
    either = people[first] + people[second] - found.shared_people
    taken = np.minimum(
        np.minimum(one + other, either), np.minimum(one + people[second], other + people[first])
    )
    spare = np.maximum(one + other - taken, 0.0)
    return np.where(blind[first] | blind[second], np.nan, spare)


def by_room(spare: Floats) -> NDArray[np.object_]:
    """Choice where no place stays empty, duplication where some do, unknown where that cannot be told."""
    return np.where(np.isnan(spare), UNKNOWN, np.where(spare < 1.0, CHOICE, DUPLICATION)).astype(object)


@dataclass(frozen=True)
class ContractOverlaps:
    """Pairs of contracts in force that a buyer pays for the same cells: paid twice.

    contracts: those in force that speak of a cell · cells: (n_contracts, n_cells) sparse ones · pairs: among
    them, most shared people first
    """

    contracts: tuple[Contract, ...]
    cells: csr_array
    pairs: Overlaps

    def shared(self, place: int) -> NDArray[np.integer]:
        """The cells of a pair, ascending."""
        first, second = int(self.pairs.first[place]), int(self.pairs.second[place])
        return np.intersect1d(_row(self.cells, first), _row(self.cells, second))


def _row(matrix: csr_array, row: int) -> NDArray[np.integer]:
    return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]])


def contract_overlaps(of: Assessment) -> ContractOverlaps:
    """The contracts of a place that overlap in buyer, need, area and time.

    Time: both in force on the date. Need and area: the cells each speaks of, by the needs and areas it
    states, or where it states none by those of the services linked to it. One that speaks of no cell is left
    out, and so is a pair without a buyer in common.
    """
    return of.once("contract overlaps", lambda: _contract_overlaps(of))


def _contract_overlaps(of: Assessment) -> ContractOverlaps:
    linked = _services_of_contracts(of)
    spoken = [
        (contract, cells)
        for contract in of.facts.contracts.all
        if contract.in_force(of.question.at)
        and (cells := _cells_of(of, contract, linked.get(contract.id, []))).size
    ]
    n_cells = len(of.needs) * of.areas.size
    rows = np.repeat(np.arange(len(spoken)), [cells.size for _, cells in spoken]).astype(np.int64)
    columns = np.concatenate([np.empty(0, np.int64), *(cells for _, cells in spoken)])
    cells = presence(rows, columns, (len(spoken), n_cells))
    found = overlaps(cells, of.people.count)
    contracts = tuple(contract for contract, _ in spoken)
    buyers = [set(contract.buyers) for contract in contracts]
    keep = np.array(
        [bool(buyers[a] & buyers[b]) for a, b in zip(found.first, found.second, strict=True)], dtype=bool
    )
    return ContractOverlaps(contracts, cells, found.only(keep))


def _services_of_contracts(of: Assessment) -> dict[str, list[int]]:
    """Rows of the services linked to each contract, ascending."""
    made: dict[str, list[int]] = {}
    for id, linked in of.facts.contracts.of_services.items():
        row = of.facts.directory.position.get(id)
        for contract in linked if row is not None else ():
            made.setdefault(contract.id, []).append(int(row or 0))
    return {id: sorted(rows) for id, rows in made.items()}


def _cells_of(of: Assessment, contract: Contract, linked: list[int]) -> NDArray[np.int64]:
    hierarchy, taxonomies = of.facts.hierarchy, of.facts.taxonomies
    if contract.needs:
        wanted = set(contract.needs)
        needs = [n for n, need in enumerate(of.needs) if wanted & set(taxonomies.counting_for(need))]
    else:
        needs = np.unique(of.held[linked].indices).tolist() if linked else []
    if contract.areas:
        stated = [hierarchy.position[code] for code in contract.areas if code in hierarchy.position]
        around = np.diff(csr_array(hierarchy.within[of.areas][:, stated]).indptr) > 0 if stated else []
        inside = np.diff(csr_array(hierarchy.holds[:, of.areas].T)[:, stated].indptr) > 0 if stated else []
        areas = np.flatnonzero(np.asarray(around) | np.asarray(inside)).tolist() if stated else []
    else:
        areas = np.unique(of.serving.whole[linked].indices).tolist() if linked else []
    return np.array([need * of.areas.size + area for need in needs for area in areas], dtype=np.int64)


def paid_twice(of: Assessment) -> Mapping[tuple[int, int], list[int]]:
    """Pairs of services (first < second) that one buyer pays for the same cells: the pairs of contracts that
    say so, as places in `contract_overlaps(of).pairs`, most shared people first.
    """
    found = contract_overlaps(of)
    of_contract = _services_of_contracts(of)
    made: dict[tuple[int, int], list[int]] = {}
    for place in range(len(found.pairs)):
        one = found.contracts[int(found.pairs.first[place])]
        other = found.contracts[int(found.pairs.second[place])]
        cells = found.shared(place)
        for a in of_contract.get(one.id, ()):
            for b in of_contract.get(other.id, ()):
                pair = (min(a, b), max(a, b))
                theirs = np.intersect1d(of.incidence.cells_of_service(a), of.incidence.cells_of_service(b))
                listed = made.setdefault(pair, []) if a != b and np.isin(cells, theirs).any() else None
                if listed is not None and place not in listed:
                    listed.append(place)
    return made


@dataclass(frozen=True)
class Groups:
    """Cells by who covers them: every cell of depth 2 or more is in exactly one group.

    services: of each group, rows of the directory, ascending · cells: of each, ascending · people:
    (n_groups,) in those cells · spare: (n_groups,) places that stay empty however the people of all cells of
    the group's services are placed in them; NaN where a capacity or a demand is not known. Most people first,
    then most cells, then by services.
    """

    services: tuple[NDArray[np.intp], ...]
    cells: tuple[NDArray[np.intp], ...]
    people: Floats
    spare: Floats

    def __len__(self) -> int:
        return len(self.services)


def groups(of: Assessment) -> Groups:
    """Put cells together that exactly the same services cover, two units or more.

    Edges: no cell of depth 2: no groups.
    """
    by_service = service_cells(of.incidence)
    by_cell = csr_array(by_service.T)
    by_cell.sort_indices()
    members: dict[tuple[int, ...], list[int]] = {}
    for cell in np.flatnonzero(of.cover.depth.ravel() >= 2):
        members.setdefault(tuple(int(row) for row in _row(by_cell, int(cell))), []).append(int(cell))
    people, demand = of.people.count.ravel(), demand_of(of)
    made = [
        (float(people[cells].sum()), rows, np.array(cells, dtype=np.intp)) for rows, cells in members.items()
    ]
    made.sort(key=lambda one: (-one[0], -one[2].size, one[1]))
    return Groups(
        services=tuple(np.array(rows, dtype=np.intp) for _, rows, _ in made),
        cells=tuple(cells for _, _, cells in made),
        people=np.array([one[0] for one in made], dtype=np.float64),
        spare=np.array([_spare(of, by_service, demand, rows) for _, rows, _ in made], dtype=np.float64),
    )


def _spare(of: Assessment, by_service: csr_array, demand: Floats, rows: Iterable[int]) -> float:
    chosen = list(rows)
    capacity = of.facts.directory.capacity[chosen]
    open_to = csr_array(by_service[chosen].T)
    cells = np.flatnonzero(np.diff(open_to.indptr) > 0)
    if np.isnan(capacity).any() or np.isnan(demand[cells]).any():
        return float("nan")
    wanted = np.rint(demand[cells]).astype(np.int64)
    here = csr_array(open_to[cells])
    here.sort_indices()
    places = np.minimum(np.floor(capacity), UNLIMITED / 2).astype(np.int64)
    return float(places.sum() - supplied(wanted, places, here).total)


@dataclass(frozen=True)
class SharedCapability:
    """A capability that providers could share, such as a back office. areas: codes where the organisation
    holds it, empty = wherever it serves.
    """

    id: str
    name: str
    organisation: str
    areas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Twice:
    """A capability that two organisations hold in the same areas, each for itself. areas: positions in the
    assessment's areas, ascending.
    """

    capability: str
    name: str
    first: str
    second: str
    areas: Ints


def infrastructure_twice(of: Assessment, held: Iterable[SharedCapability]) -> list[Twice]:
    """Capabilities kept up more than once in a place: most areas first, then by capability and organisations.

    An organisation that states no areas holds a capability where its services that count serve.
    """
    where: dict[tuple[str, str], tuple[str, NDArray[np.bool_]]] = {}
    for one in held:
        there = _areas_of(of, one)
        name, before = where.get((one.id, one.organisation), (one.name, np.zeros(of.areas.size, bool)))
        where[one.id, one.organisation] = (name, before | there)
    made = []
    holding = sorted(where)
    for place, (capability, first) in enumerate(holding):
        for other, second in holding[place + 1 :]:
            if other != capability:
                break
            name, here = where[capability, first]
            areas = np.flatnonzero(here & where[other, second][1]).astype(np.int32)
            if areas.size:
                made.append(Twice(capability, name, first, second, areas))
    return sorted(made, key=lambda one: (-one.areas.size, one.capability, one.first, one.second))


def _areas_of(of: Assessment, held: SharedCapability) -> NDArray[np.bool_]:
    hierarchy = of.facts.hierarchy
    if held.areas:
        stated = [hierarchy.position[code] for code in held.areas if code in hierarchy.position]
        if not stated:
            return np.zeros(of.areas.size, bool)
        return np.asarray(np.diff(csr_array(hierarchy.within[of.areas][:, stated]).indptr) > 0)
    directory = of.facts.directory
    rows = [row for row, one in enumerate(directory.services) if one.organisation == held.organisation]
    found = np.zeros(of.areas.size, bool)
    found[of.incidence.serves[rows].indices if rows else []] = True
    return found
