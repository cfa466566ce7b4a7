"""Where a row is: by code, coordinates, postcode or name, tried in the order the manifest states."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pyproj import Transformer
from pyproj.exceptions import ProjError

from hedgerow_cli.manifest import Place
from hedgerow_cli.mapping.cells import Unmappable, reader
from hedgerow_cli.mapping.lookups import LookupTable, shown
from hedgerow_cli.mapping.reading import Row

GSS_CODE = re.compile(r"[EWSNKJLM]\d{8}")
UK_LON, UK_LAT = (-9.0, 2.1), (49.0, 61.5)


class Found(NamedTuple):
    """What a step, or all steps together, say about where the row is; blank where they say nothing."""

    code: str = ""
    lon: str = ""
    lat: str = ""


class _Missed(NamedTuple):
    """The step gave nothing usable: why, and what it held as written."""

    reason: str
    held: Found = Found()


Step = Callable[[Row], Found | _Missed]


@lru_cache(maxsize=8)
def to_wgs84(crs: str) -> Transformer:
    """The transformation from `crs` to longitude and latitude."""
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def is_crs(crs: str) -> bool:
    """Whether a coordinate system of this name is known."""
    try:
        to_wgs84(crs)
    except ProjError:
        return False
    return True


class Placer:
    """The steps of one file, in order.

    The first step to give a point gives the point; the first to give a well-formed code gives the code. What
    is malformed is passed on as written when another step places the row, so that its receipt can name it.
    """

    def __init__(
        self, steps: Sequence[Place], *, missing: Collection[str], lookups: Mapping[str, LookupTable]
    ) -> None:
        self._steps = [(_name(step), _step(step, missing, lookups)) for step in steps]
        self._at = steps[0].columns[0]
        self.placed: Counter[str] = Counter()
        self.unplaced = 0

    def place(self, row: Row, *, send_unplaced: bool) -> Found:
        """Where the row is. Raises Unmappable when no step says, unless it may go without a place."""
        code = ""
        point: Found | None = None
        held = Found()
        reasons: list[str] = []
        for name, step in self._steps:
            found = step(row)
            if isinstance(found, _Missed):
                reasons.append(found.reason)
                held = Found(*(old or new for old, new in zip(held, found.held, strict=True)))
                continue
            if found.code and not code:
                code = found.code
                self.placed[name] += 1
            if found.lon and point is None:
                point = found
                self.placed[name] += 1
        if point is not None:
            return Found(code or held.code, point.lon, point.lat)
        if code:
            return Found(code, held.lon, held.lat)
        if not send_unplaced:
            raise Unmappable(self._at, f"not placed: {'; '.join(reasons)}")
        self.unplaced += 1
        return held


def _name(step: Place) -> str:
    if step.code is not None:
        return "code"
    if step.lon is not None:
        return "coordinates"
    if step.easting is not None:
        return "grid"
    return "postcode" if step.postcode is not None else "name"


def _step(step: Place, missing: Collection[str], lookups: Mapping[str, LookupTable]) -> Step:
    if step.code is not None:
        return _by_code(step.code, missing)
    if step.lon is not None and step.lat is not None:
        return _by_point(step.lon, step.lat, missing, crs=None)
    if step.easting is not None and step.northing is not None:
        return _by_point(step.easting, step.northing, missing, crs=step.crs)
    column = step.postcode or step.name
    if column is None or step.lookup is None:
        raise ValueError(f"a place step without a way: {step}")
    table = lookups[step.lookup]
    return _by_lookup(column, table, missing, postcode=step.postcode is not None)


def _by_code(column: str, missing: Collection[str]) -> Step:
    read = reader(column, missing)

    def find(row: Row) -> Found | _Missed:
        text = read(row)
        if GSS_CODE.fullmatch(text):
            return Found(code=text)
        if text:
            return _Missed(f"{column} '{shown(text)}' is not a well-formed area code", Found(code=text))
        return _Missed(f"{column} is blank")

    return find


def _by_point(x: str, y: str, missing: Collection[str], *, crs: str | None) -> Step:
    read_x, read_y = reader(x, missing), reader(y, missing)

    def find(row: Row) -> Found | _Missed:
        return _point(read_x(row), read_y(row), f"{x}, {y}", crs)

    return find


def _point(x: str, y: str, told: str, crs: str | None) -> Found | _Missed:
    if not x or not y:
        return _Missed(f"{told} is blank")
    try:
        lon, lat = float(x), float(y)
    except ValueError:
        return _Missed(f"{told} are not numbers", Found(lon=x, lat=y))
    if crs is not None:
        lon, lat = to_wgs84(crs).transform(lon, lat)
        x, y = f"{lon:.6f}", f"{lat:.6f}"
    if not (UK_LON[0] <= lon <= UK_LON[1] and UK_LAT[0] <= lat <= UK_LAT[1]):
        return _Missed(f"{told} lie outside the United Kingdom", Found(lon=x, lat=y))
    return Found(lon=x, lat=y)


def _by_lookup(column: str, table: LookupTable, missing: Collection[str], *, postcode: bool) -> Step:
    read = reader(column, missing)
    lookup = table.lookup
    grid = lookup.easting is not None and lookup.northing is not None

    def find(row: Row) -> Found | _Missed:
        text = read(row)
        if not text:
            return _Missed(f"{column} is blank")
        try:
            answer = table.find(text)
        except LookupError as error:
            return _Missed(f"{column}: {error.args[0]}")
        if not postcode:
            return (
                Found(code=answer[lookup.code]) if answer[lookup.code] else _Missed(f"{column} has no code")
            )
        x, y = (lookup.easting, lookup.northing) if grid else (lookup.lon, lookup.lat)
        return _point(
            answer[x or ""], answer[y or ""], f"coordinates of {column}", "EPSG:27700" if grid else None
        )

    return find


def point_of(geometry: Any) -> tuple[str, str]:
    """Where a GeoJSON geometry is: a point's coordinates, else the middle of what the geometry spans."""
    if not isinstance(geometry, dict):
        return "", ""
    xs: list[float] = []
    ys: list[float] = []
    _gather(geometry.get("coordinates"), xs, ys)
    if not xs:
        return "", ""
    x, y = (xs[0], ys[0]) if len(xs) == 1 else ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    return repr(x), repr(y)


def _gather(coordinates: Any, xs: list[float], ys: list[float]) -> None:
    if not isinstance(coordinates, list):
        return
    if len(coordinates) >= 2 and all(isinstance(number, int | float) for number in coordinates):
        xs.append(coordinates[0])
        ys.append(coordinates[1])
        return
    for part in coordinates:
        _gather(part, xs, ys)
