"""Which service serves which area, wholly or in part, under a rule."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.areas import Hierarchy
from hedgerow_network.domain.cover import kept, presence
from hedgerow_network.domain.directory import Directory
from hedgerow_network.domain.matrices import CostMatrix, Unit
from hedgerow_network.domain.places import (
    Boundaries,
    Placed,
    representative_points,
    within_km,
)
from hedgerow_network.errors import NeedsMatrix

DECLARED, SITED, WITHIN = "declared", "sited", "within"


@dataclass(frozen=True)
class Rule:
    """How an area is served. name: `declared`, `sited`, `within`, or `default` (declared where a service
    states areas, else sited) · km, minutes: the distance of `within`, one of the two
    """

    name: str = "default"
    km: float | None = None
    minutes: float | None = None

    def __str__(self) -> str:
        if self.name != WITHIN:
            return self.name
        return f"within:{self.km:g}" if self.minutes is None else f"within:{self.minutes:g}min"


DEFAULT_RULE = Rule()


@dataclass(frozen=True)
class Serving:
    """Rows are services of the directory, columns the areas asked about, in their order.

    whole: sparse ones, the service serves all of the area · parts: (n_services, n_leaves) sparse ones, the
    smallest areas that a service serves which does not serve the whole · leaf_of: (n_leaves, n_areas) sparse
    ones, which smallest area lies in which area · unsized: sparse ones, the service serves a part that
    nobody can size · by: (n_services,) the rule each service was held against · placed: how sites were
    placed, if any rule needed it
    """

    whole: csr_array
    parts: csr_array
    leaf_of: csr_array
    leaves: NDArray[np.int32]
    unsized: csr_array
    by: NDArray[np.object_]
    placed: Placed | None

    def partial(self) -> csr_array:
        """(n_services, n_areas) sparse ones: the service serves a part of the area, not the whole."""
        return ones(self.parts @ self.leaf_of + self.unsized)


def serving(
    directory: Directory,
    hierarchy: Hierarchy,
    boundaries: Boundaries,
    areas: NDArray[np.int32],
    *,
    stated: csr_array,
    place: Callable[[], Placed],
    rule: Rule,
    costs: CostMatrix | None = None,
) -> Serving:
    """Hold every service against the rule, whether it is active or not.

    stated: areas that services state · place: gives where sites lie, asked only if a service goes by its
    sites

    *declared*: the service states the area, an area that it lies in, or areas that together hold all the
    smallest areas within it; a service that states only some of these serves a part. A code of an earlier
    boundary year is read as its successors; where the successor was made of several areas the service serves
    a part of it.
    *sited*: a site of the service lies in the area (see `place_sites`). *within*: a site lies no further
    than the distance from the area's representative point; or, where travel costs are given, a site that
    costs no more than the distance. *default*: declared for a service that states areas, else sited.
    Raises NoSuchUnit where the costs are not in the unit of the distance, NeedsMatrix for minutes without
    any.
    """
    n_services = len(directory.services)
    states = directory.states_areas
    by = np.full(n_services, rule.name, dtype=object)
    if rule.name == "default":
        by = np.where(states, DECLARED, SITED).astype(object)
    placed = None
    whole = csr_array((n_services, areas.size), dtype=np.int32)
    leaves = _leaves(hierarchy, areas)
    leaf_of = csr_array(hierarchy.within[leaves][:, areas])
    parts = csr_array((n_services, leaves.size), dtype=np.int32)
    unsized = csr_array((n_services, areas.size), dtype=np.int32)
    if (by == DECLARED).any():
        held, parts, unsized = _declared(kept(by == DECLARED, stated), hierarchy, areas, leaves, leaf_of)
        whole = whole + held
    if (by == SITED).any():
        placed = place()
        whole = whole + _of_services(directory, csr_array(placed.in_area[:, areas]), by == SITED)
    if rule.name == WITHIN:
        near = near_sites(directory, hierarchy, boundaries, areas, rule, costs)
        whole = whole + _of_services(directory, near, by == WITHIN)
    return Serving(ones(whole), parts, leaf_of, leaves, unsized, by, placed)


def near_sites(
    directory: Directory,
    hierarchy: Hierarchy,
    boundaries: Boundaries,
    areas: NDArray[np.int32],
    rule: Rule,
    costs: CostMatrix | None,
) -> csr_array:
    """(n_sites, n_areas) sparse ones: the site lies within the distance of the area."""
    if costs is None:
        if rule.minutes is not None:
            raise NeedsMatrix
        lon, lat = representative_points(hierarchy, boundaries)
        return within_km(
            directory.site_lon, directory.site_lat, lon[areas], lat[areas], km=float(rule.km or 0.0)
        )
    unit: Unit = "km" if rule.minutes is None else "minutes"
    limit = rule.km if rule.minutes is None else rule.minutes
    found = costs.costs(hierarchy, directory, unit=costs.unit(unit))[areas].tocoo()
    near = found.data <= float(limit or 0.0)
    return presence(found.col[near], found.row[near], (len(directory.sites), areas.size))


def _leaves(hierarchy: Hierarchy, areas: NDArray[np.int32]) -> NDArray[np.int32]:
    """The smallest areas held within the areas asked about: those without any area in them."""
    below = np.unique(csr_array(hierarchy.holds[:, areas].T).indices)
    return np.asarray(below[hierarchy.is_leaf[below] & ~hierarchy.superseded[below]], np.int32)


def _declared(
    stated: csr_array,
    hierarchy: Hierarchy,
    areas: NDArray[np.int32],
    leaves: NDArray[np.int32],
    leaf_of: csr_array,
) -> tuple[csr_array, csr_array, csr_array]:
    today, some_of = _as_of_today(stated, hierarchy)
    # Most services of a country state nothing around or within the areas asked about.
    relevant = np.zeros(stated.shape[1], bool)
    relevant[hierarchy.within[areas].indices] = True
    relevant[hierarchy.within[leaves].indices] = True
    today = only_columns(relevant, today)
    outer = csr_array(hierarchy.within[areas].T)
    whole = ones(today @ outer)
    on_leaves = ones(today @ csr_array(hierarchy.within[leaves].T))
    # Wards and MSOAs do not nest: what two areas share shows in the smallest areas within both.
    reached = (on_leaves @ leaf_of).tocoo()
    n_leaves = np.asarray(leaf_of.sum(axis=0)).ravel()
    full = reached.data == n_leaves[reached.col]
    whole = ones(whole + presence(reached.row[full], reached.col[full], whole.shape))
    # Drop from the parts the smallest areas of what is served whole.
    parts = _without(on_leaves, ones(whole @ csr_array(leaf_of.T)))
    unsized = _without(ones(some_of @ outer), whole)
    return whole, parts, unsized


def _as_of_today(stated: csr_array, hierarchy: Hierarchy) -> tuple[csr_array, csr_array]:
    """The areas of today that services state, codes of earlier boundary years read as their successors; and
    the successors of which they state a part.
    """
    if not hierarchy.superseded.any():
        return stated, csr_array(stated.shape, dtype=stated.dtype)
    shape = stated.shape
    became = (stated @ kept(hierarchy.superseded, hierarchy.replaced_by)).tocoo()
    of_several = hierarchy.merged[became.col]
    unchanged = only_columns(~hierarchy.superseded, stated)
    today = unchanged + presence(became.row[~of_several], became.col[~of_several], shape)
    return csr_array(today), presence(became.row[of_several], became.col[of_several], shape)


def only_columns(wanted: NDArray[np.bool_], matrix: csr_array) -> csr_array:
    """The same matrix with the stored entries of the other columns dropped."""
    keep = wanted[matrix.indices]
    before = np.concatenate([[0], np.cumsum(keep)])
    bounds = before[matrix.indptr]
    return csr_array((matrix.data[keep], matrix.indices[keep], bounds), shape=matrix.shape)


def _of_services(directory: Directory, of_sites: csr_array, rows: NDArray[np.bool_]) -> csr_array:
    n_sites = len(directory.sites)
    keep = np.flatnonzero(rows[directory.site_service]) if n_sites else np.empty(0, np.intp)
    shape = (len(directory.services), n_sites)
    return ones(presence(directory.site_service[keep], keep, shape) @ of_sites)


def ones(matrix: csr_array) -> csr_array:
    """The same sparsity with ones, zeros dropped, columns in order."""
    made = csr_array(matrix, dtype=np.int32)
    made.sum_duplicates()
    made.eliminate_zeros()
    made.data = np.ones_like(made.data)
    made.sort_indices()
    return made


def _without(matrix: csr_array, taken: csr_array) -> csr_array:
    return ones(matrix - matrix.multiply(taken))
