"""Access when people choose: each goes where way and crowding together cost least (RAAM)."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from hedgerow_network.domain.cover import Floats
from hedgerow_network.errors import NegativePeople

Whole = NDArray[np.integer]

_ROUNDS = 150
"""How often people think again: with the steps below, enough for everybody to have settled."""

_FIRST_STEP, _HALF_LIFE = 0.2, 50
"""The share of an area's people who may move in one round, halved every so many rounds."""

_CAUTIOUS_ROUNDS = 20
"""As many rounds nobody lets more people come to a site at once than it has room for."""


def rational_agents(
    capacity: Floats, people: Floats, costs: csr_array, *, limit: float, tau: float
) -> Floats:
    r"""What it costs the people of each area to be served, way and crowding together (RAAM).

    .. math:: A_i = \frac{1}{P_i} \sum_j x_{ij} \left( \frac{c_{ij}}{\tau} +
        \frac{\sum_k x_{kj}}{\rho S_j} \right), \quad \rho = \frac{\sum_k P_k}{\sum_j S_j}

    where x are the people of area i who go to site j, chosen so that hardly anybody would be better off
    elsewhere. 1.0 is a way that costs tau without any crowding, or crowding like the mean without any way.
    The mean is over the areas and sites that hang together by ways within the limit: what no way joins
    changes nothing for one another.

    All start at their nearest site. In each round whole people of each area move from the dearest site they
    use to the cheapest, as many as would make the two equal, but no larger a share than the round's step; in
    the first rounds newcomers beyond a site's room wait. So people settle within about a person of the
    balance, and an area of fewer than five people stays with its nearest site.

    Parameters: capacity S, people P and costs c as in `catchment.two_step` · limit: nobody goes further ·
    tau > 0, in the unit of the costs: how far people go to avoid the mean crowding.
    Returns (n_areas,) costs, the higher the worse; inf where no place lies within the limit. An area without
    people has the cost that its first person would find. Raises NegativePeople.
    Source: Saxon & Snow 2020, Annals of the American Association of Geographers 110(1), 205–222; rounds and
    steps as in PySAL's `access`. Ties: the first of equally cheap, or equally dear, sites.

    >>> costs = csr_array(np.array([[6.0, 12.0]]))
    >>> rational_agents(np.array([1.0, 1.0]), np.array([100.0]), costs, limit=30, tau=60).tolist()
    [1.1506]
    """
    if people.size and float(people.min()) < 0:
        raise NegativePeople
    found = np.full(people.size, np.inf)
    row = np.repeat(np.arange(people.size), np.diff(costs.indptr))
    open_ = (costs.data <= limit) & (capacity[costs.indices] > 0)
    if not open_.any():
        return found
    order = np.lexsort((costs.indices[open_], row[open_]))
    areas, row = np.unique(row[open_][order], return_inverse=True)
    sites, column = np.unique(costs.indices[open_][order], return_inverse=True)
    lived, places = people[areas], capacity[sites]
    of_area, of_site = _hanging_together(row, column, areas.size, sites.size)
    all_people, all_places = np.bincount(of_area, lived), np.bincount(of_site, places)
    # Where nobody lives nobody crowds, whatever the room.
    room = places * np.where(all_people > 0, all_people / all_places, 1.0)[of_site]
    choice = _Choice(row, column, costs.data[open_][order] / tau, room)
    going = choice.settled(lived)
    cost = choice.cost(going)
    paid = np.add.reduceat(going * cost, choice.start)
    found[areas] = np.divide(paid, lived, out=np.minimum.reduceat(cost, choice.start), where=lived > 0)
    return found


def _hanging_together(row: Whole, column: Whole, n_areas: int, n_sites: int) -> tuple[Whole, Whole]:
    """(n_areas,) and (n_sites,) the number of the part that each is in; every part has both."""
    pairs = csr_array((np.ones(row.size), (row, n_areas + column)), shape=(n_areas + n_sites,) * 2)
    _, part = connected_components(pairs, directed=False)
    return part[:n_areas], part[n_areas:]


class _Choice:
    """Pairs of areas and sites in reach, by area and then by site, each with the cost of its way."""

    def __init__(self, row: Whole, column: Whole, way: Floats, room: Floats) -> None:
        self._row, self._column, self._way, self._room = row, column, way, room
        self.start = np.flatnonzero(np.diff(row, prepend=-1))

    def cost(self, going: Floats) -> Floats:
        """What each pair costs with so many people going: the way, and how crowded the site is."""
        coming = np.bincount(self._column, going, self._room.size)
        return np.asarray(self._way + (coming / self._room)[self._column])

    def _least(self, figure: Floats) -> Whole:
        """The first pair of each area with its least figure."""
        is_least = np.flatnonzero(figure == np.minimum.reduceat(figure, self.start)[self._row])
        return np.asarray(is_least[np.flatnonzero(np.diff(self._row[is_least], prepend=-1))])

    def settled(self, lived: Floats) -> Floats:
        """How many people go each way when they have thought again often enough."""
        going = np.zeros(self._row.size)
        going[self._least(self._way)] = lived
        for number in range(_ROUNDS):
            cost = self.cost(going)
            cheapest, dearest = self._least(cost), self._least(np.where(going > 0, -cost, np.inf))
            step = _FIRST_STEP * 0.5 ** (number / _HALF_LIFE)
            moving = np.minimum(self._evening_out(cost, cheapest, dearest), step * lived)
            moving = np.floor(np.minimum(moving, going[dearest]))
            if number < _CAUTIOUS_ROUNDS:
                newcomers = np.bincount(self._column[cheapest], moving, self._room.size)
                moving = np.round(moving / np.maximum(newcomers / self._room, 1)[self._column[cheapest]])
            elif not moving.any():
                break
            going[cheapest] += moving
            going[dearest] -= moving
        return going

    def _evening_out(self, cost: Floats, cheapest: Whole, dearest: Whole) -> Floats:
        """How many people of each area would make its cheapest site as dear as its dearest."""
        pace = 1 / self._room[self._column[cheapest]] + 1 / self._room[self._column[dearest]]
        return np.asarray((cost[dearest] - cost[cheapest]) / pace)
