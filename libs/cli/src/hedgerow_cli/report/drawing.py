"""Maps of areas as plain SVG: outlines projected and thinned once, shaded as often as needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, cos, isfinite, radians
from typing import Any

WIDTH, TALLEST = 640.0, 760.0
MARGIN = 4.0
# A point nearer than this to the one before it, in units of the drawing, shows nothing more.
THINNEST = 0.6
DOT = 9.0

CLASSES = 5

Json = dict[str, Any]
Ring = list[tuple[float, float]]


@dataclass(frozen=True)
class Shape:
    """An area: the rings of its outline in degrees (empty: only its point is known) and a point in it."""

    code: str
    name: str
    rings: tuple[tuple[tuple[float, float], ...], ...]
    point: tuple[float, float]


def shapes_of(features: Iterable[Json]) -> list[Shape]:
    """The areas of GeoJSON features that have an outline, or at least a point."""
    found = []
    for feature in features:
        said = feature.get("properties") or {}
        rings = tuple(_rings(feature.get("geometry")))
        lon, lat = said.get("lon"), said.get("lat")
        point = (float(lon), float(lat)) if lon is not None and lat is not None else _middle(rings)
        if point is not None and all(isfinite(number) for number in point):
            code = str(said.get("code") or feature.get("id"))
            found.append(Shape(code, str(said.get("name") or code), rings, point))
    return found


def _rings(geometry: Json | None) -> Iterable[tuple[tuple[float, float], ...]]:
    kind, parts = (geometry or {}).get("type"), (geometry or {}).get("coordinates") or []
    polygons = parts if kind == "MultiPolygon" else [parts] if kind == "Polygon" else []
    for polygon in polygons:
        for ring in polygon:
            yield tuple((float(place[0]), float(place[1])) for place in ring)


def _middle(rings: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, float] | None:
    """The middle of the box round the longest ring; None if there is none."""
    if not rings:
        return None
    longest = max(rings, key=len)
    xs, ys = [x for x, _ in longest], [y for _, y in longest]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


@dataclass(frozen=True)
class Drawn:
    """An area on the drawing: the path of its outline, and where its number stands."""

    code: str
    name: str
    path: str
    x: float
    y: float


@dataclass(frozen=True)
class Map:
    """Areas on a drawing of a given size. outlined: by their outlines, not as dots"""

    width: float
    height: float
    areas: tuple[Drawn, ...]
    outlined: bool

    @classmethod
    def of(cls, shapes: Sequence[Shape]) -> "Map | None":
        """Draw areas: plate carrée, narrowed by the cosine of the middle latitude; None if there is none.

        A place of one point still gets a drawing: a dot in the middle.
        """
        if not shapes:
            return None
        places = [place for shape in shapes for ring in shape.rings for place in ring]
        places += [shape.point for shape in shapes]
        west, east = min(x for x, _ in places), max(x for x, _ in places)
        south, north = min(y for _, y in places), max(y for _, y in places)
        narrow = cos(radians((south + north) / 2))
        across, down = (east - west) * narrow, north - south
        room = MARGIN if any(shape.rings for shape in shapes) else 2 * DOT
        scale = min(
            (WIDTH - 2 * room) / across if across > 0 else float("inf"),
            (TALLEST - 2 * room) / down if down > 0 else float("inf"),
        )
        scale = scale if isfinite(scale) else 0.0

        def put(place: tuple[float, float]) -> tuple[float, float]:
            return room + (place[0] - west) * narrow * scale, room + (north - place[1]) * scale

        drawn = [
            Drawn(shape.code, shape.name, _path(shape, put), *(round(n, 1) for n in put(shape.point)))
            for shape in shapes
        ]
        return cls(
            width=round(across * scale + 2 * room, 1),
            height=round(down * scale + 2 * room, 1),
            areas=tuple(drawn),
            outlined=any(shape.rings for shape in shapes),
        )


def _path(shape: Shape, put: Any) -> str:
    if not shape.rings:
        x, y = put(shape.point)
        return f"M{x - DOT:.1f} {y:.1f}a{DOT} {DOT} 0 1 0 {2 * DOT} 0a{DOT} {DOT} 0 1 0 {-2 * DOT} 0Z"
    return "".join(_ring([put(place) for place in ring]) for ring in shape.rings)


def _ring(places: Ring) -> str:
    kept: Ring = []
    for x, y in places:
        if not kept or abs(x - kept[-1][0]) + abs(y - kept[-1][1]) >= THINNEST:
            kept.append((x, y))
    if len(kept) < 3:
        return ""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in kept) + "Z"


@dataclass(frozen=True)
class Shade:
    """A class of a shaded map: counts from `low` to `high`; 0 is the lightest step."""

    step: int
    low: int
    high: int


def shades(counts: Iterable[int]) -> list[Shade]:
    """Classes of equal width from the least count to the highest; none of them, 0, is a class of its own.

    >>> [(s.step, s.low, s.high) for s in shades([0, 3, 10])]
    [(0, 0, 0), (1, 3, 4), (2, 5, 6), (3, 7, 8), (4, 9, 10)]
    """
    held = list(counts)
    some = [count for count in held if count > 0]
    made = [Shade(0, 0, 0)] if len(some) < len(held) or not held else []
    if some:
        least, most = min(some), max(some)
        width = ceil((most - least + 1) / (CLASSES - 1))
        lows = range(least, most + 1, width)
        # However few the classes, the highest is the darkest.
        for step, low in enumerate(lows, start=CLASSES - len(lows)):
            made.append(Shade(step, low, min(low + width - 1, most)))
    return made


def shade_of(count: int, made: Sequence[Shade]) -> int:
    """The step that a count falls into."""
    return next(shade.step for shade in made if shade.low <= count <= shade.high)
