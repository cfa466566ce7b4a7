"""What is near a point: squares of a grid to look in, and the distance on the ground."""

import math
from functools import lru_cache
from typing import Final, NamedTuple

METRES_A_DEGREE: Final = 111_195.0
FURTHEST_M: Final = 200_000.0
# The sides of a square in degrees of latitude and longitude, about 1.4, 5, 22 and 90 km, and how far each
# serves, by the names that records carry.
GRIDS: Final = {
    3: (0.0125, 0.02, 3_000.0),
    0: (0.05, 0.08, 12_000.0),
    1: (0.2, 0.32, 55_000.0),
    2: (0.8, 1.28, FURTHEST_M),
}


# The edge of a square in decimals may lie beside where its rows and columns are counted.
_ROUNDING_M: Final = 1.0


class Box(NamedTuple):
    """The degrees between which all lies that is within a distance of a point."""

    west: float
    south: float
    east: float
    north: float


# A site is looked at for itself and for its service.
@lru_cache(maxsize=20_000)
def cells(lon: float, lat: float) -> tuple[str, ...]:
    """The squares that a point lies in, one of each grid.

    >>> cells(-2.32, 53.42)
    ('3.4273.-116', '0.1068.-29', '1.267.-8', '2.66.-2')
    """
    return tuple(
        [
            f"{grid}.{math.floor(lat / high)}.{math.floor(lon / wide)}"
            for grid, (high, wide, _) in GRIDS.items()
        ]
    )


def cells_around(lon: float, lat: float, within_m: float) -> list[str]:
    """The squares of one grid in which all lies that is within a distance, which is at most `FURTHEST_M`.

    Some of what lies in them is further away: the distance has to be looked at as well.
    """
    grid, (high, wide, _) = next(one for one in GRIDS.items() if within_m <= one[1][2])
    around = box(lon, lat, within_m)
    rows = range(math.floor(around.south / high), math.floor(around.north / high) + 1)
    columns = range(math.floor(around.west / wide), math.floor(around.east / wide) + 1)
    return [
        f"{grid}.{row}.{column}"
        for row in rows
        for column in columns
        if _to_box(lon, lat, Box(column * wide, row * high, (column + 1) * wide, (row + 1) * high))
        <= within_m + _ROUNDING_M
    ]


def _to_box(lon: float, lat: float, box: Box) -> float:
    """Metres from a point to the nearest of a box."""
    nearest_lon, nearest_lat = min(max(lon, box.west), box.east), min(max(lat, box.south), box.north)
    return distance_m(lon, lat, nearest_lon, nearest_lat)


def box(lon: float, lat: float, within_m: float) -> Box:
    """The box around a point that holds all within a distance."""
    north = within_m / METRES_A_DEGREE
    # The edge nearest to the pole is where a degree of longitude is shortest.
    east = within_m / (METRES_A_DEGREE * math.cos(math.radians(min(abs(lat) + north, 89.0))))
    return Box(lon - east, lat - north, lon + east, lat + north)


def distance_m(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Metres between two points, on a plane that touches the earth at the first.

    True to a metre or two in a thousand as far as a county goes.

    >>> round(distance_m(-2.32, 53.42, -2.32, 53.43))
    1112
    """
    north = (other_lat - lat) * METRES_A_DEGREE
    east = (other_lon - lon) * metres_east(lat)
    return math.hypot(north, east)


def metres_east(lat: float) -> float:
    """Metres of a degree of longitude at a latitude."""
    return METRES_A_DEGREE * math.cos(math.radians(lat))
