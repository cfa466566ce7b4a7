"""Cover of cells: how many distinct providers (or owners) stand behind each need in each area.

A *cell* is one need in one area. Everything here works on positions 0 … n-1; names live elsewhere, so
relabelling ids changes nothing. A *unit* is whoever is counted once: a provider or an ultimate owner.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]

NOBODY = -1
"""Stands in `Cover.only` for a cell without exactly one unit."""

PAIRS_AT_ONCE = 1_500_000
"""Cell-service pairs expanded at a time: bounds memory for a whole country and keeps counters in cache."""


@dataclass(frozen=True)
class Incidence:
    """Which service addresses which need, serves which area, and counts as which unit.

    serves: (n_services, n_areas) sparse, a stored entry = the service serves the whole area ·
    addresses: (n_services, n_needs) sparse, a stored entry = the service addresses the need ·
    unit: (n_services,) position of the unit, 0 <= unit < n_units
    """

    serves: csr_array
    addresses: csr_array
    unit: Ints
    n_units: int

    @property
    def n_areas(self) -> int:
        return int(self.serves.shape[1])

    @property
    def n_needs(self) -> int:
        return int(self.addresses.shape[1])

    @cached_property
    def served_by(self) -> csc_array:
        """The services of each area, column by column."""
        return self.serves.tocsc()

    @cached_property
    def addressed_by(self) -> csc_array:
        """The services of each need, column by column."""
        return self.addresses.tocsc()

    def services_of(self, need: int, area: int) -> Ints:
        """Positions of the services that cover one cell, ascending."""
        served, addressed = self.served_by, self.addressed_by
        return np.asarray(np.intersect1d(columns(served, area), columns(addressed, need)), np.int32)

    def units_of(self, need: int, area: int) -> Ints:
        """Positions of the units that cover one cell, ascending."""
        return np.asarray(np.unique(self.unit[self.services_of(need, area)]), np.int32)

    @cached_property
    def _services_by_unit(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        order = np.argsort(self.unit, kind="stable")
        return order, np.searchsorted(self.unit[order], np.arange(self.n_units + 1))

    def cells_of(self, unit: int) -> NDArray[np.int64]:
        """Cells (need × n_areas + area) that the services of one unit cover, ascending."""
        order, starts = self._services_by_unit
        services = order[starts[unit] : starts[unit + 1]]
        pairs, n_needs = _entries(self.addresses.indptr, services)
        stretched, n_areas = _entries(self.serves.indptr, np.repeat(services, n_needs))
        needs = np.repeat(self.addresses.indices[pairs].astype(np.int64), n_areas)
        cells = needs * self.n_areas + self.serves.indices[stretched]
        return cells if services.size == 1 else np.unique(cells)

    def cells_of_service(self, service: int) -> NDArray[np.int64]:
        """Cells (need × n_areas + area) that one service covers, ascending."""
        areas, needs = columns(self.serves, service), columns(self.addresses, service)
        return (needs.astype(np.int64)[:, None] * self.n_areas + areas[None, :]).ravel()


def incidence(
    *, service_area: Ints, service_need: Ints, unit: Ints, n_areas: int, n_needs: int, n_units: int
) -> Incidence:
    """Build an `Incidence` from two lists of pairs.

    Parameters: service_area (k, 2) rows (service, area) · service_need (m, 2) rows (service, need); repeats
    count once · unit (n_services,).
    Raises ValueError where a position lies outside its range.

    >>> pairs = np.array([[0, 0], [1, 0]], dtype=np.int32)
    >>> incidence(service_area=pairs, service_need=pairs, unit=np.array([0, 1]), n_areas=1, n_needs=1,
    ...           n_units=2).units_of(0, 0).tolist()
    [0, 1]
    """
    unit = np.asarray(unit, np.int32)
    if unit.size and (unit.min() < 0 or unit.max() >= n_units):
        raise ValueError("a service names a unit outside the range")
    return Incidence(
        serves=presence(service_area[:, 0], service_area[:, 1], (unit.size, n_areas), np.int8),
        addresses=presence(service_need[:, 0], service_need[:, 1], (unit.size, n_needs), np.int8),
        unit=unit,
        n_units=n_units,
    )


def _entries(indptr: Ints, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the entries of some rows of a CSR matrix are stored, row by row, and how many each row has."""
    starts = indptr[rows]
    size = indptr[rows + 1] - starts
    ends = np.cumsum(size)
    return np.arange(ends[-1] if rows.size else 0) + np.repeat(starts - ends + size, size), size


def columns(matrix: csr_array | csc_array, row: int) -> Ints:
    """The columns stored in one row of a CSR matrix (the rows in one column of a CSC matrix)."""
    return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]], np.int32)


def kept(rows: NDArray[np.bool_], matrix: csr_array) -> csr_array:
    """The same matrix with the stored entries of the other rows dropped."""
    size = np.where(rows, np.diff(matrix.indptr), 0)
    entries = np.repeat(rows, np.diff(matrix.indptr))
    bounds = np.concatenate([[0], np.cumsum(size)])
    return csr_array((matrix.data[entries], matrix.indices[entries], bounds), shape=matrix.shape)


def presence(
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    shape: tuple[int, int],
    dtype: type[np.signedinteger[Any]] = np.int32,
) -> csr_array:
    """A sparse matrix of ones at the given pairs, each once, columns ascending within a row.

    dtype: a byte is enough for ones that are never added up.
    """
    down, across = np.ascontiguousarray(rows, np.int32), np.ascontiguousarray(columns, np.int32)
    if _in_order(down, across, shape):
        # Pairs that come in order, as most do, need no sorting.
        opens = np.concatenate([[0], np.flatnonzero(np.diff(down)) + 1]) if down.size else down
        size = np.zeros(shape[0] + 1, np.int32)
        size[down[opens] + 1] = np.diff(np.append(opens, down.size))
        return csr_array((np.ones(down.size, dtype), across, np.cumsum(size, dtype=np.int32)), shape=shape)
    matrix = csr_array((np.ones(down.size, dtype), (down, across)), shape=shape)
    # Repeats were added up, beyond what a byte holds perhaps: only their being there counts.
    matrix.data[:] = 1
    return matrix


def _in_order(down: Ints, across: Ints, shape: tuple[int, int]) -> bool:
    if not down.size:
        return True
    ahead = (down[1:] > down[:-1]) | ((down[1:] == down[:-1]) & (across[1:] > across[:-1]))
    inside = down[0] >= 0 and down[-1] < shape[0] and across.min() >= 0 and across.max() < shape[1]
    return bool(inside and ahead.all())


@dataclass(frozen=True)
class Cover:
    """Depth of every cell, and the one unit of each cell that has only one.

    depth: (n_needs, n_areas) distinct units covering the cell; 0 a gap, 1 single, >= 2 overlap ·
    services: (n_needs, n_areas) services covering the cell · only: (n_needs, n_areas) the unit of a single
    cell, NOBODY elsewhere
    """

    depth: Ints
    services: Ints
    only: Ints
    n_units: int


def cover(of: Incidence, *, pairs_at_once: int = PAIRS_AT_ONCE) -> Cover:
    r"""Depth, service count and single unit of every cell.

    .. math:: d_{na} = \left|\{ u(s) : s \text{ addresses } n,\ s \text{ serves } a \}\right|

    pairs_at_once bounds the memory and changes nothing in the answer.
    Returns a `Cover` with one row per need and one column per area, in the order of the incidence.
    Edges: no services, no needs or no areas give zeros of the right shape; two services of one unit in a cell
    count once in the depth and twice in the services.

    >>> pairs = np.array([[0, 0], [1, 0], [1, 1]], dtype=np.int32)
    >>> needs = np.array([[0, 0], [1, 0]], dtype=np.int32)
    >>> cover(incidence(service_area=pairs, service_need=needs, unit=np.array([0, 1]), n_areas=3, n_needs=1,
    ...                 n_units=2)).depth.tolist()
    [[2, 1, 0]]
    """
    shape = (of.n_needs, of.n_areas)
    depth = np.zeros(shape, np.int32)
    services = np.zeros(shape, np.int32)
    only = np.full(shape, NOBODY, np.int32)
    for first, last, runs, run_unit in _runs(of, pairs_at_once):
        # Runs are ordered by unit within a need, so the counting sort of tocsc leaves every cell's units in
        # order and repeats side by side: no comparison sort of the millions of pairs is needed.
        by_cell = runs.tocsc()
        before = by_cell.indptr
        counted = np.diff(before)
        by_cell.sum_duplicates()
        distinct = np.diff(by_cell.indptr)
        block = slice(first, last)
        depth[block] = distinct.reshape(-1, of.n_areas)
        services[block] = counted.reshape(-1, of.n_areas)
        alone = np.flatnonzero(distinct == 1)
        only[block].ravel()[alone] = run_unit[by_cell.indices[by_cell.indptr[alone]]]
    return Cover(depth=depth, services=services, only=only, n_units=of.n_units)


@dataclass(frozen=True)
class Doubles:
    """The cells with exactly two units. cell: (n,) need × n_areas + area, ascending · first, second: (n,) the
    two, first < second
    """

    cell: NDArray[np.int64]
    first: Ints
    second: Ints

    def only(self, rows: NDArray[np.bool_]) -> "Doubles":
        return Doubles(self.cell[rows], self.first[rows], self.second[rows])


def doubles(of: Incidence, *, pairs_at_once: int = PAIRS_AT_ONCE) -> Doubles:
    """The cells of depth 2 and who stands behind each: what falls if both leave, and not if one does.

    >>> pairs = np.array([[0, 0], [1, 0], [1, 1]], dtype=np.int32)
    >>> needs = np.array([[0, 0], [1, 0]], dtype=np.int32)
    >>> doubles(incidence(service_area=pairs, service_need=needs, unit=np.array([0, 1]), n_areas=2, n_needs=1,
    ...                   n_units=2)).cell.tolist()
    [0]
    """
    cells, firsts, seconds = [np.empty(0, np.int64)], [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for first, _, runs, run_unit in _runs(of, pairs_at_once):
        by_cell = runs.tocsc()
        by_cell.sum_duplicates()
        two = np.flatnonzero(np.diff(by_cell.indptr) == 2)
        start = by_cell.indptr[two]
        cells.append(two.astype(np.int64) + np.int64(first) * of.n_areas)
        # Runs are ordered by unit: of the two the first is the lower.
        firsts.append(run_unit[by_cell.indices[start]])
        seconds.append(run_unit[by_cell.indices[start + 1]])
    return Doubles(np.concatenate(cells), np.concatenate(firsts), np.concatenate(seconds))


def _runs(of: Incidence, pairs_at_once: int) -> Iterator[tuple[int, int, csr_array, Ints]]:
    """Yield (first need, last need, matrix of (need, unit) runs × cells with repeats, unit of each run)."""
    if of.n_areas == 0 or of.n_needs == 0 or of.addresses.nnz == 0 or of.serves.nnz == 0:
        return
    size = np.diff(of.serves.indptr)
    need = of.addresses.indices
    service = np.repeat(np.arange(of.unit.size, dtype=np.int32), np.diff(of.addresses.indptr))
    order = np.lexsort((of.unit[service], need))
    need, service = need[order], service[order]
    pairs = np.concatenate([[0], np.cumsum(size[service], dtype=np.int64)])
    starts = np.searchsorted(need, np.arange(of.n_needs + 1))
    first = 0
    while first < of.n_needs:
        last = first + 1
        while last < of.n_needs and pairs[starts[last + 1]] - pairs[starts[first]] <= pairs_at_once:
            last += 1
        rows = slice(starts[first], starts[last])
        picked = of.serves[service[rows]]
        cells = picked.indices
        if last - first > 1:
            offset = (need[rows] - first).astype(np.int32) * np.int32(of.n_areas)
            cells = cells + np.repeat(offset, np.diff(picked.indptr))
        who = of.unit[service[rows]]
        change = np.flatnonzero((np.diff(who) != 0) | (np.diff(need[rows]) != 0)) + 1
        opens = np.concatenate([[0], change]) if who.size else np.empty(0, np.intp)
        bounds = np.concatenate([picked.indptr[opens], picked.indptr[-1:]])
        shape = (opens.size, (last - first) * of.n_areas)
        yield first, last, csr_array((picked.data, cells, bounds), shape=shape), who[opens]
        first = last
