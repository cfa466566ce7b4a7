"""Access of a locality's people to services: places per person within reach, and who is out of reach."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.catchment import (
    BINARY,
    METHODS,
    TWO_STEP,
    USUAL_DECAY,
    Decay,
    nearest,
    read_decay,
)
from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.cover import Floats, Ints, kept
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.people import people
from hedgerow_network.domain.rational_agents import rational_agents
from hedgerow_network.domain.serving import DECLARED, Rule, serving
from hedgerow_network.domain.travel import Reach, Travel
from hedgerow_network.errors import NotOfThisMethod

USUAL_LIMIT = {"minutes": 30.0, "km": 5.0}
"""How far people are taken to go unless said: 30 minutes (as in Luo & Wang 2003), or 5 kilometres of way."""

RAAM = "raam"
"""The method by which people choose where to go; see `rational_agents`."""

MOST_COMPETING = 2_000
"""So many areas at the most take part where people choose: a conurbation, seconds of work for each need."""

USUAL_TAU = {"minutes": 60.0, "km": 10.0}
"""How far people are taken to go to avoid the mean crowding unless said: an hour (as in PySAL's `access`)."""

CAPACITY, SITES = "capacity", "sites"
NEED, RESIDENTS = "need", "residents"


@dataclass(frozen=True)
class AccessQuestion:
    """What is asked about access.

    method: a key of `METHODS`, or `RAAM` · decay: with its limit, in the unit of `travel` · supply:
    `capacity` (places of services, shared equally by their sites), `sites` (each counts 1), None = capacity
    for a need where a service that addresses it states one, else sites · people: `need` (people with it) or
    `residents` · tau > 0, of `RAAM` only, else None
    """

    method: str = TWO_STEP
    decay: Decay = field(default_factory=lambda: Decay(BINARY, USUAL_LIMIT["km"]))
    travel: Travel = field(default_factory=Travel)
    supply: str | None = None
    people: str = NEED
    tau: float | None = None

    def figures(self, capacity: Floats, demand: Floats, costs: csr_array) -> Floats:
        """(n_areas,) the method's figure of each area."""
        if self.tau is not None:
            return rational_agents(capacity, demand, costs, limit=self.decay.limit, tau=self.tau)
        return METHODS[self.method](capacity, demand, costs, self.decay)


def access_question(
    *,
    method: str = TWO_STEP,
    decay: str | None = None,
    limit: float | None = None,
    travel: Travel | None = None,
    supply: str | None = None,
    people: str = NEED,
    tau: float | None = None,
) -> AccessQuestion:
    """A question from what was said, the rest as usual. Raises MalformedDecay, NotOfThisMethod."""
    travel = travel or Travel()
    limit = USUAL_LIMIT[travel.unit] if limit is None else limit
    if method == RAAM:
        if decay is not None:
            raise NotOfThisMethod
        tau = USUAL_TAU[travel.unit] if tau is None else tau
    elif tau is not None:
        raise NotOfThisMethod
    said = decay if decay is not None else USUAL_DECAY.get(method, BINARY)
    return AccessQuestion(method, read_decay(said, limit=limit), travel, supply, people, tau)


@dataclass(frozen=True)
class Access:
    """Access of every cell of an assessment, needs × areas.

    ratio: places per person, 0.0 where no site is in reach; places for the method `catchment`, a cost for
    `raam`, inf where no place is in reach ·
    within: sites within the limit that are open to the area · site, cost: the nearest one, however far, -1
    and inf where no way to any is known · known: (n_areas,) whether anything is known about ways from the
    area · supply: per need, what counts as supply · unstated: per need, services left out because they state
    no capacity (rows of the directory) · unplaced: (n_sites,) sites of those services that no way leads to:
    they have no coordinates, or the matrix does not name them · closed: whether all took part on whom the
    figures depend
    """

    question: AccessQuestion
    ratio: Floats
    within: Ints
    site: Ints
    cost: Floats
    known: NDArray[np.bool_]
    supply: tuple[str, ...]
    unstated: tuple[tuple[int, ...], ...]
    unplaced: NDArray[np.bool_]
    closed: bool

    def out_of_reach(self, *, at_least: float | None = None) -> NDArray[np.bool_]:
        """(n_needs, n_areas) where no site lies within the limit, or the ratio is below `at_least`.

        Where nothing is known about ways from an area nothing is said: False.
        """
        short = self.within == 0
        if at_least is not None:
            short = short | (self.ratio < at_least)
        return np.asarray(short & self.known[None, :])


def access(of: Assessment, asked: AccessQuestion) -> Access:
    """Work out access for the cells of an assessment.

    Supply are the sites of services that count, accept some of the cohort and address the need (or a term
    that counts for it), whatever the rule of the assessment. A service that states areas is open to the
    people of those areas only, also of those it serves in part. Demand are the people of all areas of the
    level, inside the locality or not: who lives across the border competes for the same places; people who
    are not known count 0. For `raam` those too who compete with these elsewhere, and so on, as long as they
    are no more than `MOST_COMPETING` areas.

    Edges: no service, no site, an area without people: 0.0 and nothing in reach, never an error or NaN.
    """
    facts = of.facts
    hierarchy, directory = facts.hierarchy, facts.directory
    reach = Reach(hierarchy, facts.boundaries, directory, asked.travel)
    shape = (len(of.needs), of.areas.size)
    addressing = kept(of.standing.some, of.held)
    offered = np.diff(addressing.indptr) > 0
    sites = offered[directory.site_service] if directory.sites else np.zeros(0, bool)
    everywhere = np.flatnonzero((hierarchy.level == of.level) & ~hierarchy.superseded).astype(np.int32)
    rows, closed = _concerned(of, asked, reach, everywhere, sites)
    costs = open_to(of, rows, reach.costs(rows, sites, limit=asked.decay.limit))
    here = np.searchsorted(rows, of.areas)
    demand = _demand(of, rows, asked)
    ratio, within = np.zeros(shape), np.zeros(shape, np.int32)
    site, cost = np.full(shape, -1, np.int32), np.full(shape, np.inf)
    bases, unstated = [], []
    for need in range(len(of.needs)):
        services = addressing[:, [need]].tocoo().row
        capacity, basis, left = _supply(of, services, asked.supply)
        chosen = np.isin(directory.site_service, services)
        bases.append(basis)
        unstated.append(left)
        of_need = _columns(costs, chosen)
        ratio[need] = asked.figures(capacity, demand[need], of_need)[here]
        near = nearest(csr_array(of_need[here]), limit=asked.decay.limit)
        within[need], site[need], cost[need] = near.within, near.site, near.cost
        if asked.travel.matrix is None:
            far = np.flatnonzero(near.within == 0)
            beyond = open_to(of, of.areas[far], reach.all_costs(of.areas[far], chosen))
            first = nearest(beyond, limit=asked.decay.limit)
            site[need][far], cost[need][far] = first.site, first.cost
    return Access(
        question=asked,
        ratio=ratio,
        within=within,
        site=site,
        cost=cost,
        known=reach.knows[of.areas],
        supply=tuple(bases),
        unstated=tuple(unstated),
        unplaced=sites & ~reach.named,
        closed=closed,
    )


def candidates(of: Assessment, asked: AccessQuestion) -> tuple[csr_array, Floats]:
    """(n_areas, n_sites) sparse costs to the sites open to each area that address the first need asked about,
    however far, and (n_areas,) the people of that need.
    """
    facts = of.facts
    reach = Reach(facts.hierarchy, facts.boundaries, facts.directory, asked.travel)
    services = kept(of.standing.some, of.held)[:, [0]].tocoo().row
    sites = np.isin(facts.directory.site_service, services)
    straight = asked.travel.matrix is None
    costs = (
        reach.all_costs(of.areas, sites)
        if straight
        else reach.costs(of.areas, sites, limit=asked.decay.limit)
    )
    return open_to(of, of.areas, costs), _demand(of, of.areas, asked)[0]


def _concerned(
    of: Assessment, asked: AccessQuestion, reach: Reach, everywhere: Ints, sites: NDArray[np.bool_]
) -> tuple[Ints, bool]:
    """The areas that compete for places with the locality's, ascending, and whether these are all.

    Who shares a site with them competes directly, and where places are shared out by a rule nobody else does.
    Where people choose, who shares a site with those competes as well, and so on.
    """
    direct = rows = _sharing(of, asked, reach, of.areas, everywhere, sites)
    while asked.method == RAAM:
        wider = _sharing(of, asked, reach, rows, everywhere, sites)
        if wider.size == rows.size:
            break
        if wider.size > MOST_COMPETING:
            return direct, False
        rows = wider
    return rows, True


def _sharing(
    of: Assessment,
    asked: AccessQuestion,
    reach: Reach,
    areas: Ints,
    everywhere: Ints,
    sites: NDArray[np.bool_],
) -> Ints:
    """The areas, and those that share a site with one of them. Ascending."""

    def near(rows: Ints, chosen: NDArray[np.bool_]) -> csr_array:
        return reach.costs(rows, chosen, limit=asked.decay.limit)

    def open_there(rows: Ints, chosen: NDArray[np.bool_]) -> csr_array:
        costs = open_to(of, rows, near(rows, chosen))
        return _only(costs, costs.data <= asked.decay.limit)

    # Who takes part without need costs time; in a chain of them it costs a country.
    steps = (near, open_there) if asked.method == RAAM else (near,)
    shared = np.zeros(sites.size, bool)
    shared[steps[-1](areas, sites).indices] = True
    others = np.setdiff1d(everywhere, areas).astype(np.int32)
    for ways in steps:
        others = others[np.diff(ways(others, shared).indptr) > 0]
    return np.asarray(np.union1d(areas, others), np.int32)


def open_to(of: Assessment, rows: Ints, costs: csr_array) -> csr_array:
    """The costs without the pairs of a service that states areas, none of which meets the area."""
    directory = of.facts.directory
    states = directory.states_areas
    pairs = costs.tocoo()
    service = directory.site_service[pairs.col] if pairs.col.size else np.zeros(0, np.int32)
    bound = states[service]
    if not bound.any():
        return costs
    served = serving(
        directory,
        of.facts.hierarchy,
        of.facts.boundaries,
        rows,
        stated=of.facts.stated_areas,
        place=lambda: of.facts.placed(of.level),
        rule=Rule(DECLARED),
    )
    meets = csr_array(served.whole + served.partial())
    meets.sort_indices()
    # A sparse look-up of many pairs at once: their places in the sorted list of (service, area).
    width = np.int64(max(rows.size, 1))
    listed = (
        np.repeat(np.arange(meets.shape[0], dtype=np.int64), np.diff(meets.indptr)) * width + meets.indices
    )
    keep = ~bound | np.isin(service.astype(np.int64) * width + pairs.row, listed)
    size = np.bincount(pairs.row[keep], minlength=rows.size)
    bounds = np.concatenate([[0], np.cumsum(size)])
    return csr_array((costs.data[keep], costs.indices[keep], bounds), shape=costs.shape)


def _columns(costs: csr_array, chosen: NDArray[np.bool_]) -> csr_array:
    """The same matrix with the entries of the other columns dropped."""
    return _only(costs, chosen[costs.indices] if costs.indices.size else np.zeros(0, bool))


def _only(costs: csr_array, keep: NDArray[np.bool_]) -> csr_array:
    row = np.repeat(np.arange(costs.shape[0]), np.diff(costs.indptr))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(row[keep], minlength=costs.shape[0]))])
    return csr_array((costs.data[keep], costs.indices[keep], bounds), shape=costs.shape)


def _demand(of: Assessment, rows: Ints, asked: AccessQuestion) -> Floats:
    if asked.people == RESIDENTS:
        lived = np.nan_to_num(of.figures.whole_residents[rows])
        return np.tile(lived, (len(of.needs), 1))
    inside = of.facts.hierarchy.inside(of.locality)
    index = of.figures.index_to_use(of.question.index, inside)
    return people(of.figures, of.needs, rows, index=index, ages=of.question.ages).count


def _supply(
    of: Assessment, services: NDArray[np.integer], asked: str | None
) -> tuple[Floats, str, tuple[int, ...]]:
    """Places at each site of the services, what they are, and the services that state none."""
    directory = of.facts.directory
    stated = {int(row): directory.services[row].capacity for row in services}
    basis = asked or (CAPACITY if any(places is not None for places in stated.values()) else SITES)
    capacity = np.zeros(len(directory.sites))
    for row, places in stated.items():
        sites = directory.sites_of.get(row, [])
        if basis == SITES:
            capacity[sites] = 1.0
        elif places is not None and sites:
            capacity[sites] = places / len(sites)
    silent = [row for row in sorted(stated) if stated[row] is None] if basis == CAPACITY else []
    return capacity, basis, tuple(silent)


def access_caveats(of: Assessment, found: Access) -> list[str]:
    """What to know before relying on the figures."""
    directory, hierarchy = of.facts.directory, of.facts.hierarchy
    said = []
    unknown = of.areas[~found.known]
    if unknown.size:
        why = (
            "no representative point is held"
            if found.question.travel.matrix is None
            else "the matrix names no way from them"
        )
        said.append(
            f"Access cannot be told for {unknown.size} of {of.areas.size} areas, {why}: "
            f"{listed([hierarchy.areas[place].name for place in unknown])}."
        )
    if not found.closed:
        said.append(
            "Only areas that share a site with an area here take part, not whoever competes with those "
            f"elsewhere: more than {MOST_COMPETING:,} areas hang together. Asked about another locality the "
            "same area may have another figure."
        )
    silent = sorted({row for rows in found.unstated for row in rows})
    if silent:
        said.append(
            f"{len(silent)} services state no capacity and count as no supply beside those that do: "
            f"{listed([directory.services[row].name for row in silent])}."
        )
    if SITES in found.supply and found.question.supply is None:
        number = found.supply.count(SITES)
        said.append(
            f"For {number} of {len(of.needs)} needs no service states a capacity: "
            "each site counts as one place."
        )
    lost = np.flatnonzero(found.unplaced)
    if lost.size:
        why = "without coordinates" if found.question.travel.matrix is None else "not named by the matrix"
        said.append(
            f"{lost.size} sites are {why} and reached by nobody: "
            f"{listed([directory.sites[site].name for site in lost])}."
        )
    if found.question.travel.matrix is None:
        said.append("Ways are straight lines times a stated detour, not measured.")
    else:
        codes, names = found.question.travel.matrix.unheld(hierarchy, directory)
        if codes:
            said.append(f"The matrix names {len(codes)} areas that are not held: {listed(codes)}.")
        if names:
            said.append(f"The matrix names {len(names)} sites that are not held: {listed(names)}.")
    return said
