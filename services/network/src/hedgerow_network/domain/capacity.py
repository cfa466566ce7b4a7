"""Whether services have room for the people with the need: who finds no place, and what holds them back."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.cover import Floats, Incidence, Ints, kept
from hedgerow_network.domain.flow import UNLIMITED, Supplied, bottlenecks, lots, nearest_first, supplied
from hedgerow_network.domain.gaps import Found, Inquiry, Told, of_cells
from hedgerow_network.domain.least_cost import Longs
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.overlap import service_cells
from hedgerow_network.domain.people import DERIVED
from hedgerow_network.domain.places import haversine_km, representative_points


@dataclass(frozen=True)
class Room:
    """People with the need on one side, places on the other.

    cells: (n_demands,) cells (need × n_areas + area) whose demand is known and that services reach ·
    demand: (n_demands,) people in them, of partial cells those in the parts served · services: (n_supplies,)
    rows of the directory · capacity: (n_supplies,) places, UNLIMITED where not stated · open_to: (n_demands,
    n_supplies) sparse ones · limit: (open_to.nnz,) people of the cell whom the service reaches
    """

    of: Assessment
    cells: NDArray[np.int64]
    demand: Longs
    services: NDArray[np.intp]
    capacity: Longs
    open_to: csr_array
    limit: Longs

    @cached_property
    def found(self) -> Supplied:
        """As many people served as can be."""
        return supplied(self.demand, self.capacity, self.open_to, limit=self.limit)

    @cached_property
    def numbered(self) -> tuple[Ints, Ints]:
        """The bottleneck of each demand and of each supply, -1 for none."""
        return bottlenecks(self.found, self.open_to)

    @cached_property
    def flows(self) -> Longs:
        """(open_to.nnz,) who goes where, nearest first, as many served as can be."""
        return nearest_first(
            self.demand, self.capacity, self.open_to, self.metres, self.lots, limit=self.limit
        )

    @cached_property
    def metres(self) -> Longs:
        """(open_to.nnz,) from the middle of the area to the nearest site of the service, in a straight line;
        where that is not known, further than all that is.
        """
        row = np.repeat(np.arange(self.cells.size), np.diff(self.open_to.indptr))
        area = self.of.areas[(self.cells % max(self.of.areas.size, 1))[row]]
        return _metres(self.of, self.services[self.open_to.indices], area)

    @cached_property
    def lots(self) -> Longs:
        """(open_to.nnz,) what decides between ways that are as short: see `flow.lots`."""
        needs, areas = np.divmod(self.cells, max(self.of.areas.size, 1))
        codes = self.of.facts.hierarchy.codes
        return lots(
            [
                f"{self.of.needs[need]} {codes[area]}"
                for need, area in zip(needs.tolist(), self.of.areas[areas].tolist(), strict=True)
            ],
            [self.of.facts.directory.services[row].id for row in self.services.tolist()],
            self.open_to,
        )

    @cached_property
    def unmet(self) -> Longs:
        """(n_demands,) people who find no place, if those who live nearest go first.

        Only what lies before the cut has to be worked out: the supplies there are filled by the demands
        there, and everybody behind it is served.
        """
        rows = np.flatnonzero(self.found.short)
        left = np.zeros(self.cells.size, np.int64)
        if rows.size:
            entries = np.concatenate(
                [np.arange(self.open_to.indptr[row], self.open_to.indptr[row + 1]) for row in rows]
            )
            part = csr_array(self.open_to[rows])
            flows = nearest_first(
                self.demand[rows],
                self.capacity,
                part,
                self.metres[entries],
                self.lots[entries],
                limit=self.limit[entries],
            )
            bounds = np.concatenate([[0], np.cumsum(flows)])
            left[rows] = self.demand[rows] - (bounds[part.indptr[1:]] - bounds[part.indptr[:-1]])
        return left

    @property
    def unstated(self) -> int:
        """How many of the services state no capacity."""
        return int((self.capacity == UNLIMITED).sum())


def room(of: Assessment) -> Room:
    """The people and places of an assessment: see `Room`."""
    return of.once("room", lambda: _room(of))


def _room(of: Assessment) -> Room:
    """Set people with the need against places, under the rule of the assessment.

    Only cells take part whose demand is counted or derived: all residents are not people with the need. A
    service is open to the cells that it covers, and to the part of a cell's people in the part that it
    serves. Places are shared by all needs and areas of a service. People are whole: rounded by cell.
    Edges: nothing known about demand, no services: nobody on either side.
    """
    count, basis = of.people.count.ravel(), of.people.basis.ravel()
    partly = Incidence(
        of.partly.services, kept(of.standing.some, of.held), of.incidence.unit, of.incidence.n_units
    )
    whole, parts = service_cells(of.incidence), _only(service_cells(partly), service_cells(of.incidence))
    reached = np.zeros(count.size, bool)
    reached[whole.indices] = True
    share = of.partly.share.ravel()
    people = np.where(reached | (share < 0), count, count * share)
    demand = np.rint(people).astype(np.int64)
    reached[parts.indices] = True
    cells = np.flatnonzero(reached & (basis >= DERIVED) & (demand > 0))
    joined = csr_array((whole + parts)[:, cells].T)
    joined.sort_indices()
    services = np.unique(joined.indices)
    open_to = csr_array(joined[:, services])
    open_to.sort_indices()
    stated = of.facts.directory.capacity[services]
    capacity = np.full(services.size, UNLIMITED)
    capacity[~np.isnan(stated)] = np.floor(stated[~np.isnan(stated)]).astype(np.int64)
    return Room(
        of=of,
        cells=cells,
        demand=demand[cells],
        services=services,
        capacity=capacity,
        open_to=open_to,
        limit=_limits(of, parts, cells, services, open_to, count[cells]),
    )


def _only(matrix: csr_array, taken: csr_array) -> csr_array:
    left = csr_array(matrix - matrix.multiply(taken))
    left.eliminate_zeros()
    left.sort_indices()
    return left


def _limits(
    of: Assessment,
    parts: csr_array,
    cells: NDArray[np.int64],
    services: NDArray[np.intp],
    open_to: csr_array,
    people: Floats,
) -> Longs:
    """People whom each service reaches in each cell: all, or those in the parts it serves if they can be
    sized.
    """
    limit = np.full(open_to.nnz, UNLIMITED)
    if not parts.nnz or not open_to.nnz:
        return limit
    lived = of.figures.whole_residents[of.serving.leaves]
    size = lived if np.isfinite(lived).all() else np.ones(lived.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = csr_array(csr_array(of.serving.parts * size[None, :]) @ of.serving.leaf_of).tocoo()
        total = (size @ of.serving.leaf_of)[share.col]
        known = csr_array((share.data / total, (share.row, share.col)), shape=share.shape)
    demand = np.repeat(np.arange(cells.size), np.diff(open_to.indptr))
    row, area = services[open_to.indices], cells[demand] % of.areas.size
    partial = np.asarray(parts[row, cells[demand]]).ravel() > 0
    sized = np.nan_to_num(np.asarray(known[row, area]).ravel())
    take = partial & (sized > 0)
    limit[take] = np.floor(people[demand[take]] * sized[take] + 0.5).astype(np.int64)
    return limit


def _metres(of: Assessment, services: NDArray[np.intp], areas: NDArray[np.integer]) -> Longs:
    """(n,) from areas to the nearest site of services, pair by pair."""
    directory = of.facts.directory
    lon, lat = representative_points(of.facts.hierarchy, of.facts.boundaries)
    order = np.argsort(directory.site_service, kind="stable") if directory.sites else np.empty(0, np.intp)
    first = (
        np.searchsorted(directory.site_service[order], services) if order.size else np.zeros_like(services)
    )
    last = (
        np.searchsorted(directory.site_service[order], services, side="right")
        if order.size
        else np.zeros_like(services)
    )
    number = last - first
    pair = np.repeat(np.arange(services.size), number)
    steps = np.arange(pair.size) - np.repeat(np.cumsum(number) - number, number)
    site = order[np.repeat(first, number) + steps] if pair.size else np.empty(0, np.intp)
    km = haversine_km(directory.site_lon[site], directory.site_lat[site], lon[areas[pair]], lat[areas[pair]])
    nearest = np.full(services.size, np.inf)
    np.minimum.at(nearest, pair[np.isfinite(km)], km[np.isfinite(km)])
    known = np.isfinite(nearest)
    metres = np.rint(np.where(known, nearest, 0.0) * 1000).astype(np.int64)
    metres[~known] = metres.max(initial=0) + 1000
    return np.asarray(metres, np.int64)


@dataclass(frozen=True)
class Bottleneck:
    """Places that are all taken and people who find none: demands and supplies by their place in a `Room`."""

    demands: NDArray[np.intp]
    supplies: NDArray[np.intp]
    people: int
    places: int
    short: int


def named_bottlenecks(of: Room) -> list[Bottleneck]:
    """The bottlenecks of a place: most people short first, then in the order of their first cell."""
    in_demand, in_supply = of.numbered
    made = []
    for number in range(int(in_demand.max(initial=-1)) + 1):
        demands, supplies = np.flatnonzero(in_demand == number), np.flatnonzero(in_supply == number)
        people = int(of.demand[demands].sum())
        made.append(
            Bottleneck(
                demands=demands,
                supplies=supplies,
                people=people,
                places=int(of.capacity[supplies].sum()),
                short=people - int(of.found.served[demands].sum()),
            )
        )
    return sorted(made, key=lambda one: (-one.short, int(one.demands[0])))


def under_capacity(inquiry: Inquiry) -> Found:
    """Cells with people who find no place, though the cell is served."""
    of = inquiry.of
    found = room(of)
    rows = np.flatnonzero(found.unmet > 0)
    held = {int(found.cells[row]): int(row) for row in rows}
    behind = {int(row): one for one in (named_bottlenecks(found) if rows.size else []) for row in one.demands}

    def tell(cell: int) -> Told:
        row = held[cell]
        one = behind[row]
        directory, hierarchy = of.facts.directory, of.facts.hierarchy
        full = [int(found.services[supply]) for supply in one.supplies]
        needs = [of.needs[need] for need in np.unique(found.cells[one.demands] // of.areas.size)]
        areas = np.unique(found.cells[one.demands] % of.areas.size)
        where = listed([hierarchy.areas[int(of.areas[area])].name for area in areas])
        names = listed([directory.services[service].name for service in full])
        what = ", ".join(of.facts.taxonomies.name_of(need) for need in needs)
        left = int(found.unmet[row])
        says = (
            f"{left:,} of {int(found.demand[row]):,} people find no place. The bottleneck is {names}: "
            f"{one.places:,} places for {one.people:,} people ({what}; {where}), {one.short:,} too few."
            if full
            else f"{left:,} of {int(found.demand[row]):,} people live outside the parts that are served."
        )
        return Told(
            says,
            services=full,
            figures={
                "demand": int(found.demand[row]),
                "unmet": left,
                "bottleneck_people": one.people,
                "bottleneck_places": one.places,
                "bottleneck_short": one.short,
            },
        )

    return of_cells(of, found.cells[rows], tell, people=found.unmet[rows].astype(np.float64))


def capacity_caveats(of: Assessment) -> Iterator[str]:
    """What to know before relying on unmet demand."""
    found = room(of)
    if found.unstated:
        silent = found.services[found.capacity == UNLIMITED]
        yield (
            f"{found.unstated} of {found.services.size} services here state no capacity and are taken to "
            "have room for all who come, so that more people than said may find no place: "
            f"{listed([of.facts.directory.services[row].name for row in silent])}."
        )
    served = np.isin(of.status.ravel(), ("single", "overlap", "partial"))
    blind = int((served & (of.people.basis.ravel() < DERIVED)).sum())
    if blind:
        yield f"{blind} served cells are not judged by capacity: nobody knows how many people have the need."
