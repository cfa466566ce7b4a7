"""Which of the sites to keep or open: fewest that reach all, most people with so many, least distance.

Whole-number programmes, solved to proven optimality by HiGHS (through scipy) or given up with the best found
and its bound. Everything works on positions; of equally good choices the one with the lowest is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import coo_array, csr_array, eye_array, hstack

from hedgerow_network.domain.cover import Floats, Ints

SECONDS = 10.0
"""How long one programme may take."""

_CLOSE = 1e-9
_SLACK = 1e-6
"""The solver's own: what is held to its best more tightly than this may find no choice at all."""

_INFEASIBLE = 2
"""What scipy calls a programme that has no solution."""


@dataclass(frozen=True)
class Siting:
    """A choice of sites.

    chosen: positions, ascending · objective: what was made least (or most) · bound: what it could be at best;
    equal where proven · proven: whether no better choice exists · unreachable: areas with people that no site
    at all reaches: the task as asked is infeasible then, and solved for the others · infeasible: a sentence
    where there is no choice at all, else None
    """

    chosen: Ints
    objective: float
    bound: float
    proven: bool
    unreachable: Ints
    infeasible: str | None = None


def _none(why: str, unreachable: Ints) -> Siting:
    return Siting(np.empty(0, np.int32), 0.0, 0.0, True, unreachable, why)


def _unfound(unreachable: Ints, seconds: float) -> Siting:
    why = f"no choice was found in {seconds:g} seconds, which does not mean that there is none"
    return Siting(np.empty(0, np.int32), 0.0, 0.0, False, unreachable, why)


def _reachable(near: csr_array, people: Floats) -> tuple[Ints, Ints]:
    """Areas with people that some site reaches, and those that none does."""
    lived = people > 0
    reached = np.diff(near.indptr) > 0
    return (
        np.flatnonzero(lived & reached).astype(np.int32),
        np.flatnonzero(lived & ~reached).astype(np.int32),
    )


def fewest(
    near: csr_array, people: Floats, *, cost: Floats | None = None, seconds: float = SECONDS
) -> Siting:
    r"""The fewest sites that reach every area with people, or those of least cost (location set covering).

    .. math:: \min \sum_j c_j x_j \quad \text{s.t.} \quad \sum_{j \in N_i} x_j \ge 1 \; \forall i: P_i > 0

    Parameters: near (n_areas, n_sites) sparse, a stored entry = the site reaches the area · people (n_areas,)
    >= 0; areas without any ask for nothing · cost (n_sites,) > 0; each site costs 1 unless given.
    Returns a `Siting` whose objective is the cost. Edges: nobody anywhere: no site is needed.
    Source: Toregas et al. 1971, Operations Research 19(6), 1363–1373.

    >>> fewest(csr_array(np.array([[1, 1], [0, 1]])), np.array([5.0, 5.0])).chosen.tolist()
    [1]
    """
    n_sites = near.shape[1]
    rows, beyond = _reachable(near, people)
    if not rows.size:
        return Siting(np.empty(0, np.int32), 0.0, 0.0, True, beyond)
    weight = np.ones(n_sites) if cost is None else cost
    reach = LinearConstraint(_ones(near[rows]), lb=1)
    found = _Programme(weight, [reach], n_sites, lambda chosen: float(weight[chosen].sum()))
    return found.solved(beyond, seconds)


def backed_up(near: csr_array, people: Floats, *, seconds: float = SECONDS) -> Siting:
    """As few sites as `fewest`, chosen so that most areas are reached by two or more (backup cover).

    The objective is the number of areas with a second site.
    Source: Hogan & ReVelle 1986, Management Science 32(11), 1434–1444.
    """
    least = fewest(near, people, seconds=seconds)
    rows, beyond = _reachable(near, people)
    if not rows.size or not least.proven:
        return least
    n_sites = near.shape[1]
    reach = hstack([_ones(near[rows]), -eye_array(rows.size)], format="csr")
    number = csr_array(np.concatenate([np.ones(n_sites), np.zeros(rows.size)])[None, :])
    found = _Programme(
        np.concatenate([np.zeros(n_sites), -np.ones(rows.size)]),
        [LinearConstraint(reach, lb=1), LinearConstraint(number, ub=least.objective)],
        n_sites,
        lambda chosen: -float((_times(near[rows], chosen) >= 2).sum()),
    )
    return _turned(found.solved(beyond, seconds))


def most_people(
    near: csr_array,
    people: Floats,
    most: float,
    *,
    cost: Floats | None = None,
    asked: NDArray[np.bool_] | None = None,
    seconds: float = SECONDS,
) -> Siting:
    r"""The sites, at most so many or within a budget, that reach most people (maximal covering).

    .. math:: \max \sum_i P_i y_i \quad \text{s.t.} \quad y_i \le \sum_{j \in N_i} x_j, \;
        \sum_j c_j x_j \le b

    Parameters as in `fewest` · most > 0: sites, or with `cost` what they may cost together · asked
    (n_areas,): areas to be reached, those with people unless given; one without people counts only between
    choices that reach as many.
    Of choices that reach as many people, then as many areas, the cheapest is taken. The objective is the
    people reached.
    Source: Church & ReVelle 1974, Papers of the Regional Science Association 32(1), 101–118.
    """
    n_sites = near.shape[1]
    rows, beyond = _reachable(near, people if asked is None else asked.astype(np.float64))
    if not rows.size:
        return Siting(np.empty(0, np.int32), 0.0, 0.0, True, beyond)
    reached = people[rows]
    of_site, none = np.zeros(n_sites), np.zeros(rows.size)
    covered = hstack([_ones(near[rows]), -eye_array(rows.size)], format="csr")
    weight = np.ones(n_sites) if cost is None else cost
    spent = csr_array(np.concatenate([weight, none])[None, :])
    then = [np.concatenate([of_site, -np.ones(rows.size)])] if (reached == 0).any() else []
    if cost is not None:
        then.append(np.concatenate([cost, none]))
    found = _Programme(
        np.concatenate([of_site, -reached]),
        [LinearConstraint(covered, lb=0), LinearConstraint(spent, ub=most)],
        n_sites,
        lambda chosen: -float(reached[_times(near[rows], chosen) >= 1].sum()),
        tuple(then),
    )
    return _turned(found.solved(beyond, seconds))


def least_distance(costs: csr_array, people: Floats, number: int, *, seconds: float = SECONDS) -> Siting:
    r"""The sites, so many, with the least sum over people of the cost to the nearest of them (p-median).

    .. math:: \min \sum_{ij} P_i c_{ij} z_{ij} \quad \text{s.t.} \quad \sum_j z_{ij} = 1, \; z_{ij} \le x_j,
        \; \sum_j x_j = p

    Parameters: costs (n_areas, n_sites) sparse, a pair that is not stored is unreachable · people, number.
    Source: Hakimi 1964, Operations Research 12(3), 450–459.
    """
    n_sites = costs.shape[1]
    rows, beyond = _reachable(costs, people)
    number = min(number, n_sites)
    if not rows.size:
        return Siting(np.arange(number, dtype=np.int32), 0.0, 0.0, True, beyond)
    pairs = csr_array(costs[rows]).tocoo()
    n_pairs = pairs.data.size
    place = np.arange(n_pairs)
    ones = np.ones(n_pairs)
    assigned = coo_array((ones, (pairs.row, n_sites + place)), shape=(rows.size, n_sites + n_pairs))
    open_ = coo_array(
        (np.concatenate([ones, -ones]), (np.tile(place, 2), np.concatenate([pairs.col, n_sites + place]))),
        shape=(n_pairs, n_sites + n_pairs),
    )
    of_sites = csr_array(np.concatenate([np.ones(n_sites), np.zeros(n_pairs)])[None, :])
    found = _Programme(
        np.concatenate([np.zeros(n_sites), people[rows][pairs.row] * pairs.data]),
        [
            LinearConstraint(csr_array(assigned), lb=1, ub=1),
            LinearConstraint(csr_array(open_), lb=0),
            LinearConstraint(of_sites, lb=number, ub=number),
        ],
        n_sites,
        lambda chosen: float(people[rows] @ nearest_cost(csr_array(costs[rows]), chosen)),
    )
    return found.solved(beyond, seconds, why=f"no {number} sites reach every area with people")


def nearest_cost(costs: csr_array, chosen: Ints) -> Floats:
    """(n_areas,) the cost of the nearest of the chosen sites, inf where none can be reached."""
    found = np.full(costs.shape[0], np.inf)
    pairs = csr_array(costs[:, chosen]).tocoo()
    np.minimum.at(found, pairs.row, pairs.data)
    return found


def _times(near: csr_array, chosen: Ints) -> NDArray[np.int64]:
    """(n_areas,) how many of the chosen sites reach each."""
    return np.asarray(np.diff(csr_array(near[:, chosen]).indptr), np.int64)


def least_furthest(costs: csr_array, people: Floats, number: int, *, seconds: float = SECONDS) -> Siting:
    """The sites, at most so many, with the least cost for whoever is furthest from them (p-centre).

    Found by halving over the costs there are: each is tried as a limit for `fewest`.
    Source: Minieka 1970, SIAM Review 12(1), 138–139.
    """
    rows, beyond = _reachable(costs, people)
    if not rows.size:
        return Siting(np.empty(0, np.int32), 0.0, 0.0, True, beyond)
    reach = csr_array(costs[rows])
    steps = np.unique(reach.data)
    low, high = 0, steps.size - 1
    lived = np.ones(rows.size)

    def at(limit: float) -> Siting:
        return fewest(within(reach, limit), lived, seconds=seconds)

    best = at(float(steps[high]))
    if best.objective > number:
        return _none(f"no {number} sites reach every area with people", beyond)
    proven = best.proven
    while low < high:
        middle = (low + high) // 2
        found = at(float(steps[middle]))
        proven = proven and found.proven
        if not found.unreachable.size and found.objective <= number:
            best, high = found, middle
        else:
            low = middle + 1
    limit = float(steps[high])
    return Siting(best.chosen, limit, limit if proven else 0.0, proven, beyond)


def within(costs: csr_array, limit: float) -> csr_array:
    """The pairs that cost no more than a limit, as ones."""
    keep = costs.data <= limit
    row = np.repeat(np.arange(costs.shape[0]), np.diff(costs.indptr))[keep]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=costs.shape[0]))])
    return csr_array((np.ones(row.size), costs.indices[keep], bounds), shape=costs.shape)


def _ones(matrix: csr_array) -> csr_array:
    made = csr_array(matrix)
    return csr_array((np.ones(made.nnz), made.indices, made.indptr), shape=made.shape)


def _turned(found: Siting) -> Siting:
    """A programme that was made least of the negative, told as it was asked: most."""
    return Siting(
        found.chosen, -found.objective, -found.bound, found.proven, found.unreachable, found.infeasible
    )


@dataclass(frozen=True)
class _Programme:
    """Make the least of `weight` over unknowns, the first of which are sites, 0 or 1. value: of a choice ·
    then: what else to make least, one after the other, among choices that are equal in all before
    """

    weight: Floats
    constraints: list[LinearConstraint]
    n_sites: int
    value: Callable[[Ints], float]
    then: tuple[Floats, ...] = ()

    def solved(
        self, beyond: Ints, seconds: float, *, why: str = "no choice of these sites will do"
    ) -> Siting:
        """Solve, then again for the lowest positions among equally good choices."""
        first = self._run(self.weight, self.constraints, seconds)
        if first.x is None:
            return _none(why, beyond) if first.status == _INFEASIBLE else _unfound(beyond, seconds)
        chosen, proven = self._chosen(first.x), bool(first.status == 0)
        value = self.value(chosen)
        if not proven:
            return Siting(chosen, value, float(first.mip_dual_bound), False, beyond)
        rules, last = list(self.constraints), first
        lowest = np.where(self._whole == 1, np.arange(1, self._whole.size + 1), 0.0)
        for before, weight in pairwise((self.weight, *self.then, lowest)):
            # The sites as they were chosen, whole, and not as the solver left them, nearly so.
            best = float(before[chosen].sum() + before[self.n_sites :] @ last.x[self.n_sites :])
            best += _SLACK * max(1.0, abs(best))
            rules.append(LinearConstraint(csr_array(before[None, :]), ub=best))
            again = self._run(weight, rules, seconds)
            if again.x is None or self.value(self._chosen(again.x)) > value + _CLOSE * max(1.0, abs(value)):
                break
            chosen, last = self._chosen(again.x), again
        return Siting(chosen, value, value, True, beyond)

    @property
    def _whole(self) -> NDArray[np.int8]:
        return (np.arange(self.weight.size) < self.n_sites).astype(np.int8)

    def _chosen(self, answer: Floats) -> Ints:
        return np.flatnonzero(np.round(answer[: self.n_sites]) == 1).astype(np.int32)

    def _run(self, objective: Floats, rules: list[LinearConstraint], seconds: float) -> OptimizeResult:
        return milp(
            objective,
            constraints=rules,
            integrality=self._whole,
            bounds=Bounds(0, 1),
            options={"time_limit": seconds, "mip_rel_gap": 0},
        )
