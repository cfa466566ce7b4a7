"""Fragility: what would be uncovered if one provider, or one owner, left."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedgerow_network.domain.cover import Cover, Floats, Incidence, Ints


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
class Removal:
    """What changes when one unit leaves. Cells are need × n_areas + area, ascending.

    uncovered: cells that nobody covers any more · single: cells left with one unit · people: people in the
    uncovered cells, a person counted once for each need
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
    if not 0 <= unit < of.n_units:
        raise IndexError("no such unit")
    cells = of.cells_of(unit)
    depth = depths.depth.ravel()[cells]
    uncovered = cells[depth == 1]
    return Removal(
        uncovered=uncovered,
        single=cells[depth == 2],
        people=float(people.ravel()[uncovered].sum()),
    )
