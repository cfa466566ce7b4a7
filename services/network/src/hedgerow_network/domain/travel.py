"""What it takes to get from an area to a site: by a matrix somebody imported, or in a straight line."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.areas import Hierarchy
from hedgerow_network.domain.cover import Floats, kept
from hedgerow_network.domain.directory import Directory
from hedgerow_network.domain.matrices import CostMatrix, Unit, least
from hedgerow_network.domain.places import Boundaries, haversine_km, representative_points, within_km
from hedgerow_network.errors import NeedsSpeed

USUAL_DETOUR = 1.3
"""Roads are longer than the straight line: unless said, by this factor. It is stated, not measured."""


@dataclass(frozen=True)
class Travel:
    """How costs are found. matrix: the one asked for, None = a straight line · unit: of costs and limits ·
    detour: a straight line times this is the way, >= 1 · speed_kmh: turns it into minutes, > 0
    """

    matrix: CostMatrix | None = None
    unit: Unit = "km"
    detour: float = USUAL_DETOUR
    speed_kmh: float | None = None

    def __post_init__(self) -> None:
        if self.matrix is None and self.unit == "minutes" and not self.speed_kmh:
            raise NeedsSpeed
        if self.matrix is not None:
            self.matrix.unit(self.unit)

    def straight_km(self, limit: float) -> float:
        """The length of a straight line that costs the limit."""
        km = limit * (self.speed_kmh or 0.0) / 60 if self.unit == "minutes" else limit
        return km / self.detour

    def of_straight(self, km: Floats) -> Floats:
        """What a straight line of so many kilometres costs."""
        way = km * self.detour
        return way * 60 / (self.speed_kmh or 1.0) if self.unit == "minutes" else way


class Reach:
    """Costs between areas and sites of one state of the registry, under one way of finding them."""

    def __init__(
        self, hierarchy: Hierarchy, boundaries: Boundaries, directory: Directory, travel: Travel
    ) -> None:
        self._hierarchy = hierarchy
        self._boundaries = boundaries
        self._directory = directory
        self.travel = travel

    @cached_property
    def _points(self) -> tuple[Floats, Floats]:
        return representative_points(self._hierarchy, self._boundaries)

    @cached_property
    def _matrix(self) -> csr_array:
        assert self.travel.matrix is not None
        return self.travel.matrix.costs(self._hierarchy, self._directory, unit=self.travel.unit)

    @cached_property
    def knows(self) -> NDArray[np.bool_]:
        """(n_areas of the hierarchy,) whether anything is known about ways from the area."""
        if self.travel.matrix is None:
            return np.isfinite(self._points[0] + self._points[1])
        known = np.zeros(len(self._hierarchy), bool)
        known[
            [self._hierarchy.position[c] for c in self.travel.matrix.origins if c in self._hierarchy.position]
        ] = True
        return known

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """(n_sites,) whether a way may lead to the site: it has coordinates, or the matrix names it."""
        if self.travel.matrix is None:
            return np.isfinite(self._directory.site_lon + self._directory.site_lat)
        found = np.zeros(len(self._directory.sites), bool)
        found[self._matrix.indices] = True
        return found

    def costs(self, areas: NDArray[np.integer], sites: NDArray[np.bool_], *, limit: float) -> csr_array:
        """(areas, n_sites) sparse costs to the sites chosen; a matrix gives all it holds, a straight line
        those within the limit.
        """
        if self.travel.matrix is not None:
            rows = csr_array(self._matrix[areas])
            return csr_array(kept(sites, csr_array(rows.T)).T)
        lon, lat = self._points
        chosen = np.flatnonzero(sites)
        site_lon, site_lat = self._directory.site_lon, self._directory.site_lat
        near = within_km(
            lon[areas], lat[areas], site_lon[chosen], site_lat[chosen], km=self.travel.straight_km(limit)
        ).tocoo()
        column = chosen[near.col]
        km = haversine_km(lon[areas][near.row], lat[areas][near.row], site_lon[column], site_lat[column])
        cost = np.minimum(self.travel.of_straight(km), limit)
        return least(near.row.astype(np.int64), column, cost, (len(areas), len(self._directory.sites)))

    def all_costs(self, areas: NDArray[np.integer], sites: NDArray[np.bool_]) -> csr_array:
        """(areas, n_sites) sparse costs of straight lines to all of the sites, however far."""
        lon, lat = self._points
        there = np.flatnonzero(sites & np.isfinite(self._directory.site_lon + self._directory.site_lat))
        here = np.flatnonzero(np.isfinite(lon[areas] + lat[areas]))
        row, column = np.repeat(here, there.size), np.tile(there, here.size)
        km = haversine_km(
            lon[areas][row],
            lat[areas][row],
            self._directory.site_lon[column],
            self._directory.site_lat[column],
        )
        shape = (len(areas), len(self._directory.sites))
        return least(row.astype(np.int64), column, self.travel.of_straight(km), shape)
