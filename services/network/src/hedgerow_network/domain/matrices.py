"""Matrices of travel costs that were imported: pairs of an area and a site."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.areas import Hierarchy
from hedgerow_network.domain.cover import Floats, Ints
from hedgerow_network.domain.directory import Directory
from hedgerow_network.errors import NoSuchUnit

Unit = Literal["minutes", "km"]


@dataclass(frozen=True)
class CostMatrix:
    """A matrix that was imported. Two of one name and version are the same.

    origins: codes of areas · sites: the ids that its rows name · origin, site: (n_pairs,) positions in them ·
    minutes, km: (n_pairs,) >= 0, NaN where not given · site_source: the source whose own ids the sites go by
    """

    name: str
    version: int
    origins: tuple[str, ...] = field(compare=False, repr=False)
    sites: tuple[str, ...] = field(compare=False, repr=False)
    origin: Ints = field(compare=False, repr=False)
    site: Ints = field(compare=False, repr=False)
    minutes: Floats = field(compare=False, repr=False)
    km: Floats = field(compare=False, repr=False)
    site_source: str | None = field(default=None, compare=False)

    def unit(self, asked: Unit | None) -> Unit:
        """The unit asked for; else minutes if any are given, else kilometres. Raises NoSuchUnit."""
        given: list[Unit] = [
            name for name, values in self._values.items() if not values.size or np.isfinite(values).any()
        ]
        if asked is not None and asked not in given:
            raise NoSuchUnit
        return asked or given[0]

    @property
    def _values(self) -> dict[Unit, Floats]:
        return {"minutes": self.minutes, "km": self.km}

    def costs(self, hierarchy: Hierarchy, directory: Directory, *, unit: Unit) -> csr_array:
        """(n_areas of the hierarchy, n_sites of the directory) sparse costs; pairs of the unknown dropped.

        A site that the matrix names counts for every site held under that id, or under that own id of the
        source. Where rows meet in one pair the least cost stands.
        """
        area = np.array([hierarchy.position.get(code, -1) for code in self.origins], dtype=np.int64)
        values = self._values[unit]
        names, sites = self._sites_held(directory)
        # One row of the matrix may stand for several sites held.
        pairs_of_name = csr_array(
            (np.ones(names.size, np.int8), (names, sites)), shape=(len(self.sites), len(directory.sites))
        )
        usable = np.flatnonzero(np.isfinite(values) & (area[self.origin] >= 0) if self.origin.size else [])
        size = np.diff(pairs_of_name.indptr)[self.site[usable]]
        row = np.repeat(area[self.origin[usable]], size)
        start = np.repeat(pairs_of_name.indptr[self.site[usable]], size)
        step = np.arange(row.size) - np.repeat(np.cumsum(size) - size, size)
        column = pairs_of_name.indices[start + step]
        return least(row, column, np.repeat(values[usable], size), (len(hierarchy), len(directory.sites)))

    def _sites_held(self, directory: Directory) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        position = {name: place for place, name in enumerate(self.sites)}
        pairs = [
            (place, row)
            for row, site in enumerate(directory.sites)
            for place in {position.get(site.id), self._own_id(site.source, site.source_id, position)}
            if place is not None
        ]
        table = np.array(sorted(pairs), dtype=np.intp).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def _own_id(self, source: str | None, own: str | None, position: dict[str, int]) -> int | None:
        if own is None or (self.site_source is not None and source != self.site_source):
            return None
        return position.get(own)

    def unheld(self, hierarchy: Hierarchy, directory: Directory) -> tuple[list[str], list[str]]:
        """Codes and site ids that the matrix names and nobody knows (yet)."""
        names, _ = self._sites_held(directory)
        known = set(names.tolist())
        return (
            [code for code in self.origins if code not in hierarchy.position],
            [site for place, site in enumerate(self.sites) if place not in known],
        )


def least(
    row: NDArray[np.int64], column: NDArray[np.integer], cost: Floats, shape: tuple[int, int]
) -> csr_array:
    """A sparse matrix of costs, the least where several are given for a pair; a cost of 0 is kept."""
    order = np.lexsort((cost, column, row))
    row, column, cost = row[order], column[order], cost[order]
    first = np.ones(row.size, bool)
    first[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    row, column, cost = row[first], column[first], cost[first]
    bounds = np.searchsorted(row, np.arange(shape[0] + 1))
    return csr_array((cost, column.astype(np.int32), bounds.astype(np.int32)), shape=shape)
