"""Where sites lie: in which boundary, and how far from the representative point of an area."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from hedgerow_network.domain.areas import FINE_TO_COARSE, Hierarchy
from hedgerow_network.domain.cover import Floats, presence

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""

_ROUNDING_KM = 1e-9


def haversine_km(lon_a: Floats, lat_a: Floats, lon_b: Floats, lat_b: Floats) -> Floats:
    r"""Great-circle distance between points in degrees, in kilometres.

    .. math:: 2R \arcsin\sqrt{\sin^2\tfrac{\Delta\varphi}{2} + \cos\varphi_a \cos\varphi_b
        \sin^2\tfrac{\Delta\lambda}{2}}

    >>> round(float(haversine_km(np.array(0.0), np.array(0.0), np.array(0.0), np.array(1.0))), 3)
    111.195
    """
    phi_a, phi_b = np.radians(lat_a), np.radians(lat_b)
    half = np.sin((phi_b - phi_a) / 2) ** 2
    across = np.sin(np.radians(lon_b - lon_a) / 2) ** 2
    inside = np.clip(half + np.cos(phi_a) * np.cos(phi_b) * across, 0.0, 1.0)
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(inside)))


def within_km(lon: Floats, lat: Floats, to_lon: Floats, to_lat: Floats, *, km: float) -> csr_array:
    """Which of the points (rows) lie within a distance of which of the others (columns).

    lon, lat: (n,) degrees, NaN = no coordinates, near nothing · to_lon, to_lat: (m,) the same · km > 0; a
    pair exactly at the distance counts.
    Returns an (n, m) sparse matrix of ones. A tree on the unit sphere finds candidates by chord; haversine
    decides.
    """
    shape = (lon.size, to_lon.size)
    here, there = np.flatnonzero(np.isfinite(lon + lat)), np.flatnonzero(np.isfinite(to_lon + to_lat))
    if not here.size or not there.size:
        return presence(np.empty(0, np.int32), np.empty(0, np.int32), shape)
    angle = min(km / EARTH_RADIUS_KM, np.pi)
    chord = 2 * np.sin(angle / 2) + 1e-9
    near = cKDTree(_on_sphere(lon[here], lat[here])).query_ball_tree(
        cKDTree(_on_sphere(to_lon[there], to_lat[there])), chord
    )
    rows = here[np.repeat(np.arange(here.size), [len(found) for found in near])]
    columns = there[np.array([place for found in near for place in found], dtype=np.intp)]
    keep = haversine_km(lon[rows], lat[rows], to_lon[columns], to_lat[columns]) <= km + _ROUNDING_KM
    return presence(rows[keep], columns[keep], shape)


def _on_sphere(lon: Floats, lat: Floats) -> Floats:
    theta, phi = np.radians(lon), np.radians(lat)
    return np.column_stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])


class Boundaries:
    """The outlines of areas, ready to be asked what lies in them."""

    def __init__(self, hierarchy: Hierarchy, outlines: Mapping[str, shapely.Geometry]) -> None:
        codes = sorted(code for code in outlines if code in hierarchy.position)
        self.area = np.array([hierarchy.position[code] for code in codes], dtype=np.int32)
        self.outline: Sequence[shapely.Geometry] = [outlines[code] for code in codes]
        self._tree = shapely.STRtree(self.outline)
        self.held = np.zeros(len(hierarchy), bool)
        self.held[self.area] = True

    def containing(self, lon: Floats, lat: Floats) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """(point, area) pairs: every area whose outline the point lies in or on; points without
        coordinates in none.
        """
        known = np.flatnonzero(np.isfinite(lon + lat))
        if not known.size or not self.area.size:
            return np.empty(0, np.intp), np.empty(0, np.int32)
        found, outline = self._tree.query(shapely.points(lon[known], lat[known]), predicate="intersects")
        return known[found], self.area[outline]

    def points(self) -> tuple[Floats, Floats]:
        """Longitude and latitude of a point inside each outline, in the order of `area`."""
        inside = shapely.point_on_surface(np.array(self.outline, dtype=object))
        return shapely.get_x(inside), shapely.get_y(inside)


def representative_points(hierarchy: Hierarchy, boundaries: Boundaries) -> tuple[Floats, Floats]:
    """Longitude and latitude per area: as given, else a point inside its outline, else NaN."""
    lon, lat = hierarchy.lon.copy(), hierarchy.lat.copy()
    if boundaries.area.size:
        inside_lon, inside_lat = boundaries.points()
        missing = np.isnan(lon[boundaries.area] + lat[boundaries.area])
        lon[boundaries.area[missing]] = inside_lon[missing]
        lat[boundaries.area[missing]] = inside_lat[missing]
    return lon, lat


@dataclass(frozen=True)
class Placed:
    """Where sites were placed.

    in_area: (n_sites, n_areas) sparse ones · anchor: (n_sites,) the area that decided, -1 where none did ·
    unplaced: (n_sites,) sites that could be placed in no area of the level, though they have coordinates or
    a code · by_outline: whether any outline of the level or a narrower one is held
    """

    in_area: csr_array
    anchor: NDArray[np.int32]
    unplaced: NDArray[np.bool_]
    by_outline: bool


def place_sites(
    hierarchy: Hierarchy,
    boundaries: Boundaries,
    *,
    lon: Floats,
    lat: Floats,
    stated: NDArray[np.int32],
    level: str,
) -> Placed:
    """The areas of one level that sites lie in.

    A site with coordinates lies in the area of the level whose outline holds it; if none does, in the areas
    of the level above the narrowest area whose outline holds it. On a shared edge the lowest code has it.
    Only a site without coordinates (or if no outline of the level or of a narrower one is held) is placed by
    the area code it states, upwards from there: a site known only to be somewhere in a wider area is not
    placed.

    Parameters: lon, lat (n_sites,) degrees or NaN · stated (n_sites,) position of the stated area or -1.
    """
    of_level = (hierarchy.level == level) & ~hierarchy.superseded
    has_point = np.isfinite(lon + lat)
    ranks = {name: rank for rank, name in enumerate(FINE_TO_COARSE)}
    rank = np.array([ranks.get(name, len(ranks)) for name in hierarchy.level], dtype=np.int32)
    useful = bool((boundaries.held & (rank <= ranks.get(level, len(ranks)))).any())
    site, area = boundaries.containing(lon, lat)

    # The narrowest outline first, then the lowest code: the first of each site decides.
    order = np.lexsort((area, rank[area], ~of_level[area], site)) if site.size else np.empty(0, np.intp)
    site, area = site[order], area[order]
    first = np.ones(site.size, bool)
    first[1:] = site[1:] != site[:-1]
    start = np.full(lon.size, -1, np.int32)
    start[site[first]] = area[first]
    by_code = (start < 0) & (stated >= 0) & (~has_point | np.bool_(not useful))
    start[by_code] = stated[by_code]

    anchored = np.flatnonzero(start >= 0)
    origin = presence(anchored, start[anchored], (lon.size, len(hierarchy)))
    # A code of an earlier boundary year is read as the area that stands in its place today.
    above = (origin @ hierarchy.replaced_by @ hierarchy.within).tocoo()
    keep = of_level[above.col]
    placed = presence(above.row[keep], above.col[keep], (lon.size, len(hierarchy)))
    located = np.diff(placed.indptr) > 0
    unplaced = ~located & (has_point | (stated >= 0))
    return Placed(in_area=placed, anchor=start, unplaced=unplaced, by_outline=useful)
