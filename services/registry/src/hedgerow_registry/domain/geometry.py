"""Points and outlines: GeoJSON (RFC 7946), the National Grid, and what lies in the United Kingdom."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import shapely
from pyproj import Transformer
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from hedgerow_registry.errors import Malformed

WGS84: Final = "EPSG:4326"
NATIONAL_GRID: Final = "EPSG:27700"

WEST, EAST, SOUTH, NORTH = -9.0, 2.1, 49.0, 61.5

# Seven decimals are a centimetre: more is noise of the transformation, and differs between platforms.
_DECIMALS: Final = 7
_MOST_POSITIONS: Final = 2_000_000

Point = tuple[float, float]


@cache
def _from_national_grid() -> Transformer:
    return Transformer.from_crs(NATIONAL_GRID, WGS84, always_xy=True)


def coordinate_system(name: str) -> str:
    """The coordinate system that a name stands for: `EPSG:4326` or `EPSG:27700`.

    Understood are EPSG codes and URNs, `CRS84` and `WGS84`; an empty name is WGS84, as RFC 7946 has it.

    >>> coordinate_system("urn:ogc:def:crs:EPSG::27700"), coordinate_system("urn:ogc:def:crs:OGC:1.3:CRS84")
    ('EPSG:27700', 'EPSG:4326')
    """
    said = name.strip().upper()
    if not said or said in ("CRS84", "WGS84", "WGS 84") or said.endswith(("CRS84", ":4326", "/4326")):
        return WGS84
    if re.search(r"(^|[:/])27700$", said):
        return NATIONAL_GRID
    raise Malformed("coordinates are taken in WGS84 (EPSG:4326) or the British National Grid (EPSG:27700)")


def inside_uk(lon: float, lat: float) -> bool:
    """Whether a point lies in the box around the United Kingdom and its waters."""
    return WEST <= lon <= EAST and SOUTH <= lat <= NORTH


def outside_hint(lon: float, lat: float) -> str:
    """What a pair of coordinates that is not in the United Kingdom looks like.

    >>> outside_hint(53.4, -2.3)
    'outside the United Kingdom: longitude and latitude look swapped'
    """
    outside = "outside the United Kingdom"
    if inside_uk(lat, lon):
        return f"{outside}: longitude and latitude look swapped"
    if 0 < lon < 700_000 and 0 < lat < 1_300_000 and (lon > 180 or lat > 90):
        return f"{outside}: these look like metres of the National Grid; say so with crs=EPSG:27700"
    if lon == 0 and lat == 0:
        return f"{outside}: zeros stand for a missing place"
    return f"{outside} (longitude {WEST:g} to {EAST:g}, latitude {SOUTH:g} to {NORTH:g})"


def point(lon: float, lat: float, *, crs: str = WGS84) -> Point:
    """A point in WGS84, with seven decimals.

    lon, lat: degrees, or easting and northing in metres where `crs` is `EPSG:27700`. National Grid
    coordinates are transformed without the OSTN15 grid file, that is, to about five metres.
    Raises Malformed outside the United Kingdom, with a hint of what the numbers look like.

    >>> point(379000, 391000, crs="EPSG:27700")[1] > 53
    True
    """
    x, y = _from_national_grid().transform(lon, lat) if crs == NATIONAL_GRID else (lon, lat)
    if not (math.isfinite(x) and math.isfinite(y) and inside_uk(x, y)):
        raise Malformed(outside_hint(lon, lat) if crs == WGS84 else "outside the National Grid's country")
    return round(x, _DECIMALS), round(y, _DECIMALS)


def outline(geometry: object, *, crs: str = WGS84) -> tuple[dict[str, Any], str | None]:
    """The outline of an area as GeoJSON in WGS84, and a note where it had to be mended.

    geometry: a GeoJSON `Polygon` or `MultiPolygon` object after RFC 7946: rings of at least four positions,
    first and last alike, outer ring first. Heights are dropped and rings are turned the right-hand way.
    crs: `EPSG:4326`, or `EPSG:27700` for eastings and northings in metres.
    Returns the geometry with seven decimals, and `None` or what was done: an outline that crosses itself is
    mended and said so, never in silence.
    Raises Malformed: not an object, another type, a short or open ring, a number that is none, outside the
    United Kingdom (with a hint), or nothing left after mending.
    """
    if not isinstance(geometry, Mapping):
        raise Malformed("the feature has no geometry")
    polygons = _polygons(geometry)
    shape = _shape(polygons)
    if crs == NATIONAL_GRID:
        shape = shapely.transform(shape, _to_wgs84)
    _require_uk(shape, crs)
    note = None
    if not shape.is_valid:
        shape = _polygonal(shapely.make_valid(shape))
        note = "the outline crossed itself and was mended"
    if shape.is_empty:
        raise Malformed("the outline encloses nothing")
    return _geojson(shape), note


def representative_point(geometry: Mapping[str, Any]) -> Point:
    """A point that lies inside an outline, for a map or a distance; deterministic, not the centroid."""
    found = shapely.from_geojson(json.dumps(geometry)).representative_point()
    return round(found.x, _DECIMALS), round(found.y, _DECIMALS)


def located(points: Sequence[Point], outlines: Mapping[str, Mapping[str, Any]]) -> list[str | None]:
    """The outline that each point lies in, by its key, in the order of the points; `None` in none.

    points: longitude and latitude in WGS84 · outlines: GeoJSON geometries as they are kept. A point on a
    border is in the outline whose key comes first.

    >>> box = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}
    >>> located([(1, 1), (3, 1)], {"E1": box})
    ['E1', None]
    """
    codes = sorted(outlines)
    tree = shapely.STRtree([shapely.geometry.shape(outlines[code]) for code in codes])
    found: list[str | None] = [None] * len(points)
    spots, shapes = tree.query(shapely.points(points), predicate="intersects") if points else ((), ())
    for spot, shape in sorted(zip(spots, shapes, strict=True), reverse=True):
        found[spot] = codes[shape]
    return found


def _polygons(geometry: Mapping[str, Any]) -> Sequence[Any]:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise Malformed("an outline is a Polygon or a MultiPolygon")
    if not isinstance(coordinates, Sequence) or isinstance(coordinates, str) or not coordinates:
        raise Malformed("the geometry has no coordinates")
    return [coordinates] if kind == "Polygon" else coordinates


def _shape(polygons: Sequence[Any]) -> BaseGeometry:
    made = []
    positions = 0
    for rings in polygons:
        if not isinstance(rings, Sequence) or isinstance(rings, str) or not rings:
            raise Malformed("a polygon is a list of rings")
        checked = [_ring(ring) for ring in rings]
        positions += sum(map(len, checked))
        if positions > _MOST_POSITIONS:
            raise Malformed(f"an outline has at most {_MOST_POSITIONS} positions")
        made.append(Polygon(checked[0], checked[1:]))
    return made[0] if len(made) == 1 else MultiPolygon(made)


def _ring(ring: object) -> list[Point]:
    if not isinstance(ring, Sequence) or isinstance(ring, str) or len(ring) < 4:
        raise Malformed("a ring has four or more positions")
    positions = [_position(position) for position in ring]
    if positions[0] != positions[-1]:
        raise Malformed("a ring ends where it starts")
    return positions


def _position(position: object) -> Point:
    if not isinstance(position, Sequence) or isinstance(position, str) or len(position) < 2:
        raise Malformed("a position is a longitude and a latitude")
    try:
        if any(isinstance(value, str | bool) for value in position[:2]):
            raise TypeError
        x, y = float(position[0]), float(position[1])
    except (TypeError, ValueError, OverflowError):
        raise Malformed("a position is two numbers") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise Malformed("a position is two finite numbers")
    return x, y


def _to_wgs84(positions: Any) -> Any:
    x, y = _from_national_grid().transform(positions[:, 0], positions[:, 1])
    positions[:, 0], positions[:, 1] = x, y
    return positions


def _require_uk(shape: BaseGeometry, crs: str) -> None:
    west, south, east, north = shape.bounds
    if not all(map(math.isfinite, shape.bounds)):
        raise Malformed("outside the National Grid's country")
    for lon, lat in ((west, south), (east, north)):
        if not inside_uk(lon, lat):
            raise Malformed(outside_hint(lon, lat) if crs == WGS84 else "outside the United Kingdom")


def _polygonal(shape: BaseGeometry) -> BaseGeometry:
    # Mending may leave lines and points beside the polygons, and multipolygons inside a collection.
    flat = shapely.get_parts(shapely.get_parts(shape))
    return MultiPolygon([part for part in flat if isinstance(part, Polygon)])


def _geojson(shape: BaseGeometry) -> dict[str, Any]:
    polygons = [shape] if isinstance(shape, Polygon) else list(shapely.get_parts(shape))
    coordinates = [_rings(polygon) for polygon in polygons]
    if len(coordinates) == 1:
        return {"type": "Polygon", "coordinates": coordinates[0]}
    return {"type": "MultiPolygon", "coordinates": coordinates}


def _rings(polygon: Any) -> list[list[list[float]]]:
    turned = shapely.orient_polygons(polygon, exterior_cw=False)
    rings = [turned.exterior, *turned.interiors]
    return [[[round(x, _DECIMALS), round(y, _DECIMALS)] for x, y in ring.coords] for ring in rings]
