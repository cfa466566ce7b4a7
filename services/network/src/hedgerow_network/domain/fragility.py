"""Fragility: what would be uncovered if one provider, owner, site or contract were gone, or two at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedgerow_network.domain.cover import Cover, Doubles, Floats, Incidence, Ints


@dataclass(frozen=True)
class Fragility:
    """Per unit, in the order of the incidence: what only it covers.

    cells: (n_units,) cells newly uncovered if it leaves · people: (n_units,) people in those cells, a person
    counted once for each need · needs, areas: (n_units,) distinct needs and areas among those cells
    """

    cells: Ints
    people: Floats
    needs: Ints
    areas: Ints


def fragility(of: Cover, people: Floats) -> Fragility:
    r"""Count what every single unit carries alone.

    .. math:: f_u = \sum_{(n,a):\, d_{na} = 1,\ \text{only}_{na} = u} p_{na}

    Parameters: of, a `Cover` · people (n_needs, n_areas) >= 0; where nobody is known, 0.
    Returns a `Fragility`. One pass over the single cells serves all units: a unit that leaves uncovers
    exactly the cells where it stands alone, whatever else it does.
    Edges: no units give empty arrays; a unit that is nowhere alone gives 0.
    """
    n_areas = of.depth.shape[1]
    single = np.flatnonzero(of.only.ravel() >= 0)
    who = of.only.ravel()[single]
    weight: Floats = np.zeros(of.n_units)
    weight += np.bincount(who, weights=people.ravel()[single], minlength=of.n_units)
    if n_areas == 0:
        nothing = np.zeros(of.n_units, np.int32)
        return Fragility(cells=nothing, people=weight, needs=nothing, areas=nothing)
    return Fragility(
        cells=np.bincount(who, minlength=of.n_units).astype(np.int32),
        people=weight,
        needs=_distinct(who, single // n_areas, of.n_units),
        areas=_distinct(who, single % n_areas, of.n_units),
    )


def _distinct(who: NDArray[np.integer], what: NDArray[np.integer], n_units: int) -> Ints:
    span = int(what.max(initial=0)) + 1
    pairs = np.unique(who.astype(np.int64) * span + what)
    return np.bincount(pairs // span, minlength=n_units).astype(np.int32)


@dataclass(frozen=True)
class Pairs:
    """Pairs of units (first < second) that stand alone together somewhere, by position.

    beyond_cells, beyond_people: what falls only if both leave, and is in neither one's own fragility · cells,
    people: all that falls if both leave · needs, areas: distinct ones among the cells beyond
    """

    first: Ints
    second: Ints
    beyond_cells: Ints
    beyond_people: Floats
    cells: Ints
    people: Floats
    needs: Ints
    areas: Ints

    def __len__(self) -> int:
        return int(self.first.size)


def fragile_pairs(of: Doubles, alone: Fragility, people: Floats) -> Pairs:
    r"""Pairs whose exit together uncovers more than the sum of their exits one by one.

    .. math:: f_{uv} = f_u + f_v + \sum_{(n,a):\, U_{na} = \{u, v\}} p_{na}

    where U is the set of units behind a cell. Only pairs with such a cell are looked at: for all others the
    sum is exact, however many units there are. So there are never more pairs than cells of depth 2.

    Parameters: of, from the same incidence as alone · people (n_needs, n_areas) >= 0.
    Returns `Pairs` ordered by (first, second). Edges: no cell of depth 2 gives none.
    """
    n_units, n_areas = alone.cells.size, max(people.shape[1], 1)
    key = of.first.astype(np.int64) * max(n_units, 1) + of.second
    pairs, which = np.unique(key, return_inverse=True)
    first = (pairs // max(n_units, 1)).astype(np.int32)
    second = (pairs % max(n_units, 1)).astype(np.int32)
    beyond = np.bincount(which, minlength=pairs.size).astype(np.int32)
    weight = np.zeros(pairs.size)
    weight += np.bincount(which, weights=people.ravel()[of.cell], minlength=pairs.size)
    return Pairs(
        first=first,
        second=second,
        beyond_cells=beyond,
        beyond_people=weight,
        cells=(alone.cells[first] + alone.cells[second] + beyond).astype(np.int32),
        people=alone.people[first] + alone.people[second] + weight,
        needs=_distinct(which, of.cell // n_areas, pairs.size),
        areas=_distinct(which, of.cell % n_areas, pairs.size),
    )


@dataclass(frozen=True)
class Removal:
    """What changes when units leave. Cells are need × n_areas + area, ascending.

    uncovered: cells that nobody covers any more · single: cells newly left with one unit · people: people in
    the uncovered cells, a person counted once for each need
    """

    uncovered: NDArray[np.int64]
    single: NDArray[np.int64]
    people: float


def without(of: Incidence, depths: Cover, unit: int, people: Floats) -> Removal:
    """Take one unit away, from the depths already counted; only the unit's own cells are looked at.

    Parameters: of and depths belong together · unit, its position · people (n_needs, n_areas) >= 0.
    Returns a `Removal`: the unit's cells of depth 1 fall to 0, those of depth 2 to 1, all others stay covered
    by two or more. Raises IndexError where there is no such unit.
    """
    return without_all(of, depths, (unit,), people)


def without_all(of: Incidence, depths: Cover, units: Sequence[int], people: Floats) -> Removal:
    """Take several units away at once; one named twice leaves once. As `without` in all else."""
    if any(not 0 <= unit < of.n_units for unit in units):
        raise IndexError("no such unit")
    theirs = [of.cells_of(unit) for unit in sorted(set(units))]
    if len(theirs) == 1:
        cells, leaving = theirs[0], np.ones(theirs[0].size, np.int64)
    else:
        together = np.concatenate([np.empty(0, np.int64), *theirs])
        cells, leaving = np.unique(together, return_counts=True)
    before = depths.depth.ravel()[cells]
    left = before - leaving
    uncovered = cells[left == 0]
    return Removal(
        uncovered=uncovered,
        single=cells[(left == 1) & (before > 1)],
        people=float(people.ravel()[uncovered].sum()),
    )
