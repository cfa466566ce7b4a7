"""What would close a locality's gaps at the least cost: services that serve a further area, or new sites.

A *measure* is one service that also serves one further area, or one new site for one need. Which measures to
take is a set cover (all gaps), or under a budget a maximal cover: the programmes of `siting`, with cells in
place of areas and measures in place of sites.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from hedgerow_network.domain import siting
from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.concentration import could_reach
from hedgerow_network.domain.contracts import Contract
from hedgerow_network.domain.cover import Floats, Ints, kept, presence
from hedgerow_network.domain.locality import GAP, PARTIAL, Assessment
from hedgerow_network.domain.places import representative_points, within_km
from hedgerow_network.domain.serving import serving
from hedgerow_network.domain.siting import Siting
from hedgerow_network.domain.travel import Reach, Travel
from hedgerow_network.errors import TooManyMeasures

Kind = Literal["extension", "site"]
EXTENSION: Final = "extension"
SITE: Final = "site"

Price = Literal["each", "stated", "contracts"]
EACH: Final = "each"
STATED: Final = "stated"
CONTRACTS: Final = "contracts"

MOST_MEASURES = 100_000
"""A region's worth: beyond it the programme takes longer to be written down than may be waited for."""

NOBODY = -1


@dataclass(frozen=True)
class ClosingQuestion:
    """What may be done, and what it costs.

    limit: > 0, in the unit of `travel`, how far a site may be from an area it serves · kinds: of measures ·
    price: `each` measure counts 1, as `stated`, or by `contracts` · extension_cost, site_cost: > 0, of one
    measure, None = not stated · budget: > 0, None = close everything
    """

    travel: Travel
    limit: float
    kinds: tuple[Kind, ...] = (EXTENSION,)
    price: Price = EACH
    extension_cost: float | None = None
    site_cost: float | None = None
    budget: float | None = None


@dataclass(frozen=True)
class Measures:
    """What could be done, one entry each: services by id, then new sites by need, within each by area.

    service: (n,) row of the directory, NOBODY for a new site · need: (n,) of a new site, NOBODY for a service
    · area: (n,) the further area, or where the new site would be · cost: (n,) > 0 · by_contract: (n,) whether
    the cost comes from contracts · closes: (n_cells, n) sparse ones
    """

    service: Ints
    need: Ints
    area: Ints
    cost: Floats
    by_contract: NDArray[np.bool_]
    closes: csr_array

    def __len__(self) -> int:
        return int(self.service.size)


@dataclass(frozen=True)
class Closing:
    """The measures to take.

    cells: (n_cells,) the gaps to close, need × n_areas + area, ascending · people: (n_cells,) whom each
    leaves out, NaN where not known · unpriced: (n_services,) services that could be extended if anybody knew
    what it cost · found: the choice; positions are those of `measures`, what is unreachable those of `cells`
    """

    of: Assessment
    question: ClosingQuestion
    cells: NDArray[np.int64]
    people: Floats
    measures: Measures
    unpriced: NDArray[np.bool_]
    found: Siting

    @cached_property
    def closed(self) -> NDArray[np.bool_]:
        """(n_cells,) which gaps are closed by the measures chosen."""
        return np.asarray(np.diff(csr_array(self.measures.closes[:, self.found.chosen]).indptr) > 0)

    @cached_property
    def closable(self) -> NDArray[np.bool_]:
        """(n_cells,) which gaps any measure closes, be it chosen or not."""
        return np.asarray(np.diff(self.measures.closes.indptr) > 0)

    @cached_property
    def ranked(self) -> list[int]:
        """The measures chosen: those that close gaps of most people first, then of most cells, then in their
        order.
        """
        weight = np.nan_to_num(self.people)
        chosen = self.found.chosen
        by_measure = csr_array(self.measures.closes[:, chosen].T)
        people, cells = by_measure @ weight, np.diff(by_measure.indptr)
        return [int(chosen[place]) for place in np.lexsort((chosen, -cells, -people))]

    @cached_property
    def left(self) -> list[int]:
        """The gaps that stay open, by place in `cells`: most people first, people not known last, then by
        cell.
        """
        open_ = np.flatnonzero(~self.closed)
        people = self.people[open_]
        order = np.lexsort((open_, -np.nan_to_num(people), np.isnan(people)))
        return [int(place) for place in open_[order]]

    def closes(self, measure: int) -> Ints:
        """The gaps that a measure closes, by place in `cells`, ascending."""
        return np.asarray(np.sort(self.measures.closes[:, [measure]].tocoo().row), np.int32)

    def cheapest(self, place: int) -> float | None:
        """What the cheapest measure costs that closes a gap by itself; None if there is none."""
        able = self.measures.closes[[place]].indices
        return float(self.measures.cost[able].min()) if able.size else None

    @cached_property
    def _reach(self) -> Reach:
        facts = self.of.facts
        return Reach(facts.hierarchy, facts.boundaries, facts.directory, self.question.travel)

    def nearest(self, area: int, services: NDArray[np.integer]) -> tuple[int, float] | None:
        """The site of these services that is nearest to an area, and how far; None where no way is known."""
        directory = self.of.facts.directory
        theirs = np.isin(directory.site_service, services) if directory.sites else np.zeros(0, bool)
        here = self.of.areas[[area]]
        if self.question.travel.matrix is None:
            ways = self._reach.all_costs(here, theirs)
        else:
            ways = self._reach.costs(here, theirs, limit=self.question.limit)
        if not ways.nnz:
            return None
        best = int(np.lexsort((ways.indices, ways.data))[0])
        return int(ways.indices[best]), float(ways.data[best])

    def reason(self, measure: int) -> str:
        """Why a measure can close what it closes."""
        of, unit = self.of, self.question.travel.unit
        directory, taxonomies = of.facts.directory, of.facts.taxonomies
        cells = self.cells[self.closes(measure)]
        needs = listed([taxonomies.name_of(of.needs[need]) for need in np.unique(cells // self._wide)])
        service = int(self.measures.service[measure])
        if service == NOBODY:
            here = self._area_name(int(self.measures.area[measure]))
            where = listed([self._area_name(int(area)) for area in np.unique(cells % self._wide)])
            near_to = f"within {self.question.limit:g} {unit} of {where}"
            return f"A new site for {needs} in {here} would lie {near_to}."
        name = directory.services[service].name
        near = self.nearest(int(self.measures.area[measure]), np.array([service]))
        if near is None:
            return f"{name} addresses {needs}, has no site, and comes to people of another area here."
        site = directory.sites[near[0]].name
        return f"{name} addresses {needs}, and its site {site} is {near[1]:.1f} {unit} away."

    def why_left(self, place: int) -> str:
        """Why a gap stays open."""
        cheapest = self.cheapest(place)
        if cheapest is not None:
            budget = self.question.budget
            if budget is None:
                return "Measures would close it; none was found in the time there is."
            if cheapest > budget:
                return (
                    f"The cheapest measure that closes it costs {cheapest:,.0f}, more than the whole budget."
                )
            return (
                f"The budget does more elsewhere; the cheapest measure that closes it costs {cheapest:,.0f}."
            )
        no_site = "" if SITE in self.question.kinds else " New sites were not considered."
        if EXTENSION not in self.question.kinds:
            return "No new site could be placed for it."
        return f"{self._why_no_extension(place)}{no_site}"

    def _why_no_extension(self, place: int) -> str:
        of, directory = self.of, self.of.facts.directory
        need, area = divmod(int(self.cells[place]), self._wide)
        held = np.unique(of.held[:, [need]].tocoo().row)
        able = np.unique(of.incidence.addresses[:, [need]].tocoo().row)
        if not held.size:
            return "No service anywhere is known to address it."
        if not able.size:
            names = listed([directory.services[row].name for row in held])
            return f"No service that addresses it counts for all who are asked about: {names}."
        unpriced = able[self.unpriced[able]]
        near = self.nearest(area, able)
        limit, unit = self.question.limit, self.question.travel.unit
        if near is None:
            return (
                "No way to any site of a service that addresses it is known, and none comes to people here."
            )
        if near[1] <= limit and unpriced.size:
            names = listed([directory.services[row].name for row in unpriced])
            return f"What it would cost to extend {names} is not known."
        return (
            f"The nearest site of a service that addresses it, {directory.sites[near[0]].name}, is "
            f"{near[1]:.1f} {unit} away: more than {limit:g} {unit}."
        )

    def _area_name(self, area: int) -> str:
        return self.of.facts.hierarchy.areas[int(self.of.areas[area])].name

    @property
    def _wide(self) -> int:
        return max(int(self.of.areas.size), 1)


def closing(of: Assessment, question: ClosingQuestion, by_contract: Floats | None = None) -> Closing:
    r"""Choose the measures that close all gaps at the least cost, or most of them within a budget.

    .. math:: \min \sum_j c_j x_j \ \text{s.t.} \sum_{j: a_{ij} = 1} x_j \ge 1 \ \forall i \qquad
        \max \sum_i p_i y_i \ \text{s.t.} \ y_i \le \sum_{j: a_{ij} = 1} x_j,\ \sum_j c_j x_j \le b

    where i are the cells that nobody covers, or in part only, and a tells which measure closes which. A cell
    where it is known that nobody has the need asks for nothing. Under a budget people come first, then cells,
    then the lower cost; of equally good choices the one that comes first in the order of `Measures` is taken.

    Parameters: by_contract (n_services,) what extending each costs by its contracts, NaN = not known; looked
    at where the price is `contracts`.
    Raises TooManyMeasures. Edges: no gaps: no measures, at no cost; a gap that no measure closes is in
    `found.unreachable`, and the others are closed.
    """
    affected = of.affected.ravel()
    known = of.people.basis.ravel() > 0
    is_gap = np.isin(of.status.ravel(), (GAP, PARTIAL)) & ~(known & (affected <= 0))
    cells = np.flatnonzero(is_gap)
    people = np.where(known, affected, np.nan)[cells]
    extensions, unpriced = _extensions(of, question, cells, by_contract)
    parts = [part for part in (extensions, _sites(of, question, cells)) if len(part)]
    measures = _joined(parts, cells.size)
    if len(measures) > MOST_MEASURES:
        raise TooManyMeasures
    cost = None if question.price == EACH else measures.cost
    if question.budget is None:
        found = siting.fewest(measures.closes, np.ones(cells.size), cost=cost)
    else:
        found = siting.most_people(
            measures.closes,
            np.nan_to_num(people),
            question.budget,
            cost=cost,
            asked=np.ones(cells.size, bool),
        )
    return Closing(of, question, cells, people, measures, unpriced, found)


def _extensions(
    of: Assessment, question: ClosingQuestion, cells: NDArray[np.int64], by_contract: Floats | None
) -> tuple[Measures, NDArray[np.bool_]]:
    n_services, wide = len(of.facts.directory.services), max(of.areas.size, 1)
    cost = np.full(n_services, np.nan if question.extension_cost is None else question.extension_cost)
    told = np.zeros(n_services, bool)
    if question.price == EACH:
        cost[:] = 1.0
    elif question.price == CONTRACTS and by_contract is not None:
        told = np.isfinite(by_contract)
        cost[told] = by_contract[told]
    if EXTENSION not in question.kinds or not cells.size:
        return _joined([], cells.size), np.zeros(n_services, bool)
    pairs = could_reach(of, question.travel, question.limit).tocoo()
    # Entries of `gap` say which cell it is, so that a product keeps it.
    gap = csr_array(
        (np.arange(1, cells.size + 1), (cells % wide, cells // wide)), shape=(wide, len(of.needs))
    )
    open_there = csr_array(csr_array(gap[pairs.col]).multiply(of.incidence.addresses[pairs.row]))
    useful = np.diff(open_there.indptr) > 0
    priced = np.isfinite(cost[pairs.row])
    unpriced = np.zeros(n_services, bool)
    unpriced[pairs.row[useful & ~priced]] = True
    keep = np.flatnonzero(useful & priced)
    closed = csr_array(open_there[keep]).tocoo()
    service = pairs.row[keep].astype(np.int32)
    return Measures(
        service=service,
        need=np.full(keep.size, NOBODY, np.int32),
        area=pairs.col[keep].astype(np.int32),
        cost=cost[service],
        by_contract=told[service],
        closes=presence(closed.data.astype(np.int64) - 1, closed.row, (cells.size, keep.size)),
    ), unpriced


def _sites(of: Assessment, question: ClosingQuestion, cells: NDArray[np.int64]) -> Measures:
    """One new site for each need with gaps in each area from which it closes any."""
    if SITE not in question.kinds or not cells.size:
        return _joined([], cells.size)
    wide = of.areas.size
    lon, lat = (points[of.areas] for points in representative_points(of.facts.hierarchy, of.facts.boundaries))
    near = within_km(lon, lat, lon, lat, km=question.travel.straight_km(question.limit))
    # A site in an area serves it, whether anybody knows where the area's people live or not.
    every = np.arange(wide)
    pairs = near.tocoo()
    near = presence(np.concatenate([pairs.row, every]), np.concatenate([pairs.col, every]), (wide, wide))
    reached = csr_array(near[cells % wide]).tocoo()
    place, column = np.unique((cells // wide)[reached.row] * wide + reached.col, return_inverse=True)
    return Measures(
        service=np.full(place.size, NOBODY, np.int32),
        need=(place // wide).astype(np.int32),
        area=(place % wide).astype(np.int32),
        cost=np.full(place.size, 1.0 if question.price == EACH else question.site_cost),
        by_contract=np.zeros(place.size, bool),
        closes=presence(reached.row, column, (cells.size, place.size)),
    )


def _joined(parts: list[Measures], n_cells: int) -> Measures:
    if not parts:
        none = np.zeros(0, np.int32)
        return Measures(none, none, none, np.zeros(0), np.zeros(0, bool), csr_array((n_cells, 0)))
    return Measures(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("service", "need", "area", "cost", "by_contract")
        },
        closes=csr_array(hstack([part.closes for part in parts], format="csr")),
    )


def costs_by_contract(of: Assessment, sees: Callable[[Contract], bool]) -> Floats:
    r"""(n_services,) what serving one area costs a year by the contracts of each service, NaN = not known.

    .. math:: c_s = \frac{1}{|A_s|} \sum_{k \in K_s} \frac{v_k}{t_k |S_k|}

    where K are the contracts of the service in force, v and t their value and length in years, S the services
    of each, A the areas of the level that the service serves, in the locality or not.
    sees: whether the value of a contract may be seen. Not known where that of one of the contracts is not, or
    its first or last day, where no contract names the service, or where it serves no whole area.
    """
    facts, at = of.facts, of.question.at
    found = np.full(len(facts.directory.services), np.nan)
    yearly: dict[int, float] = {}
    for id in facts.contracts.of_services:
        row = facts.directory.position.get(id)
        if row is None:
            continue
        linked = facts.contracts.under(id, facts.directory.services[row].organisation)
        shares = [_share(one) if sees(one) else None for one in linked if one.in_force(at)]
        if shares and all(share is not None for share in shares):
            yearly[row] = sum(share for share in shares if share is not None)
    if not yearly:
        return found
    everywhere = np.flatnonzero((facts.hierarchy.level == of.level) & ~facts.hierarchy.superseded)
    named = np.zeros(found.size, bool)
    named[list(yearly)] = True
    served = serving(
        facts.directory,
        facts.hierarchy,
        facts.boundaries,
        everywhere.astype(np.int32),
        stated=kept(named, facts.stated_areas),
        place=lambda: facts.placed(of.level),
        rule=of.question.rule,
        costs=of.question.costs,
    )
    areas = np.diff(served.whole.indptr)
    for row, share in yearly.items():
        if areas[row] and share > 0:
            found[row] = share / areas[row]
    return found


def _share(contract: Contract) -> float | None:
    """A contract's value for a year and one of its services; None where it is not known, or names none."""
    return contract.a_year / len(contract.services) if contract.a_year and contract.services else None
