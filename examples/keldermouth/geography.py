"""The ground: an outline with an estuary, settlements, and areas that tile it exactly.

Everything is drawn in kilometres on a flat plane (x east, y north) and turned into WGS84 at the end.
Small cells of a Voronoi tessellation are the atoms: small areas are sets of atoms, wards and MSOAs sets of
small areas, so that borders are shared by construction.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Point, Polygon
from shapely.ops import split

WEST, SOUTH = 0.9, 53.2
KM_PER_DEGREE_LAT = 111.2
KM_PER_DEGREE_LON = 111.2 * math.cos(math.radians(53.32))

AUTHORITY = "E06999001"
REGION = "E12999001"

# Hand-drawn outline, anticlockwise from the south-west; the fraction says how far a line wanders.
LAND_BORDER_SOUTH = [(3.0, 3.5), (7.0, 2.0), (11.5, 2.9), (16.0, 1.5), (20.3, 2.3)]
SOUTH_COAST = [(20.3, 2.3), (21.6, 4.4), (23.4, 6.2), (24.9, 7.7), (25.3, 8.9), (24.9, 10.2), (23.8, 11.0),
               (24.3, 10.1), (24.4, 9.3), (23.6, 8.9), (22.6, 9.3)]  # fmt: skip
SOUTH_SHORE = [
    (22.6, 9.3),
    (20.4, 10.2),
    (18.6, 11.1),
    (16.4, 11.3),
    (14.2, 11.8),
    (12.3, 12.25),
    (10.6, 12.7),
]
NORTH_SHORE = [
    (10.6, 12.7),
    (12.3, 12.65),
    (14.2, 12.5),
    (16.4, 12.2),
    (18.4, 12.35),
    (20.6, 11.9),
    (21.9, 12.5),
]
NORTH_COAST = [(21.9, 12.5), (21.5, 14.6), (20.7, 16.6), (21.2, 18.6), (20.3, 20.8), (19.5, 22.6), (19.3,
               24.6),
               (18.2, 26.0)]  # fmt: skip
LAND_BORDER_NORTH = [(18.2, 26.0), (14.5, 25.2), (11.5, 25.9), (8.5, 24.2), (5.2, 23.5), (2.9, 20.4), (3.5,
                     17.0),
                     (1.9, 14.0), (2.3, 10.4), (1.3, 7.4), (3.0, 3.5)]  # fmt: skip
RIVER = [(10.6, 12.7), (9.6, 12.9), (8.2, 12.2), (6.6, 13.1), (5.0, 12.4), (3.4, 13.2), (0.5, 12.8)]


class Ward(NamedTuple):
    key: str
    name: str
    setting: str
    x: float
    y: float
    reach: float
    small_areas: int
    deprivation: float


# `setting` decides ages, streets and settlement form; `reach` widens a ward's pull over open country.
WARDS = [
    Ward("OT", "Old Town", "core", 17.4, 13.1, 0.8, 8, 34),
    Ward("FD", "Fishdocks", "docks", 19.7, 12.9, 0.9, 8, 58),
    Ward("NG", "Northgate", "inner", 17.6, 14.5, 0.8, 8, 41),
    Ward("RW", "Ropewalk", "inner", 15.9, 13.2, 0.8, 8, 46),
    Ward("GW", "Greywell", "estate", 19.4, 15.0, 0.9, 9, 55),
    Ward("LH", "Lantern Hill", "suburb", 15.6, 15.1, 1.0, 8, 18),
    Ward("SP", "Staithe Park", "suburb", 17.5, 16.2, 1.0, 8, 21),
    Ward("OX", "Oxmarsh", "estate", 13.8, 13.5, 0.9, 8, 52),
    Ward("MS", "Marram Sands", "resort", 20.1, 19.3, 1.1, 7, 38),
    Ward("MC", "Marram Cliff", "suburb", 18.8, 21.4, 1.2, 6, 20),
    Ward("SC", "Scarholme", "village", 16.9, 24.0, 1.5, 5, 15),
    Ward("TH", "Thornwold", "village", 13.0, 20.5, 2.0, 6, 11),
    Ward("UK", "Upper Kelder", "village", 5.6, 16.0, 2.1, 5, 14),
    Ward("KB", "Ketterby", "village", 7.3, 20.9, 2.1, 5, 12),
    Ward("SB", "Southbank", "docks", 17.3, 10.2, 1.0, 8, 51),
    Ward("EN", "Eastness", "headland", 22.4, 7.4, 1.3, 6, 35),
    Ward("HE", "Holme East", "market", 11.6, 9.0, 1.2, 7, 26),
    Ward("HW", "Holme West", "market", 9.7, 9.4, 1.2, 7, 17),
    Ward("SF", "Sallow Fen", "village", 15.6, 5.0, 2.0, 6, 23),
    Ward("BW", "Brackenwold", "village", 6.1, 6.6, 2.0, 7, 7),
]
SOUTH_OF_RIVER = {"SB", "EN", "HE", "HW", "SF", "BW"}
# Villages beside the main settlement of a country ward: (x, y, weight).
VILLAGES = [
    (18.0, 24.9, 0.5), (15.2, 24.3, 0.35), (16.6, 22.6, 0.35), (11.2, 22.8, 0.4), (13.9, 18.2, 0.6), (10.9,
     18.6, 0.4),
    (12.9, 23.8, 0.3), (4.4, 14.2, 0.5), (8.6, 15.0, 0.5), (7.4, 17.4, 0.4), (4.9, 18.9, 0.3), (5.6, 22.3,
     0.4),
    (9.2, 22.9, 0.4), (9.4, 19.6, 0.4), (23.9, 8.0, 0.6), (20.8, 5.3, 0.5), (18.9, 7.6, 0.4), (13.0, 4.1,
     0.5),
    (18.2, 3.7, 0.5), (14.4, 7.2, 0.5), (4.0, 9.6, 0.5), (3.4, 6.0, 0.4), (8.6, 4.3, 0.5), (5.8, 11.2, 0.5),
]  # fmt: skip
SPREAD = {"core": 0.75, "docks": 0.8, "inner": 0.75, "estate": 0.8, "suburb": 0.95, "resort": 0.9,
          "market": 0.85,
          "headland": 0.9, "village": 0.75}  # fmt: skip
ATOMS = 5200
TILE_TOLERANCE_KM = 0.035


@dataclass
class Area:
    """One area of any level; `atoms` are indices of the tessellation and only the small areas hold them."""

    code: str
    name: str
    level: str
    parents: list[str]
    geometry: Polygon | MultiPolygon
    point: tuple[float, float]
    ward: str = ""
    members: list[str] = field(default_factory=list)


@dataclass
class Place:
    """The finished geography: areas by level, and addresses to draw from (a point in a small area)."""

    small: list[Area]
    middle: list[Area]
    wards: list[Area]
    authority: Area
    homes: dict[str, list[tuple[float, float, str]]]

    def ward_code(self, key: str) -> str:
        return f"E05999{[ward.key for ward in WARDS].index(key) + 1:03d}"


def degrees(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of a point of the plane, to about a metre."""
    return round(WEST + x / KM_PER_DEGREE_LON, 5), round(SOUTH + y / KM_PER_DEGREE_LAT, 5)


def kilometres(lon: float, lat: float) -> tuple[float, float]:
    return (lon - WEST) * KM_PER_DEGREE_LON, (lat - SOUTH) * KM_PER_DEGREE_LAT


def _wander(line: Sequence[tuple[float, float]], roughness: float, shortest: float, rng: Random):
    """Midpoint displacement: each segment bends until it is short; the ends stay where they are."""
    points = [line[0]]
    for end in line[1:]:
        stack = [(points[-1], end)]
        while stack:
            (ax, ay), (bx, by) = stack.pop()
            length = math.hypot(bx - ax, by - ay)
            if length <= shortest:
                points.append((bx, by))
                continue
            shift = (rng.random() - 0.5) * 2 * roughness
            middle = ((ax + bx) / 2 - (by - ay) * shift, (ay + by) / 2 + (bx - ax) * shift)
            stack += [(middle, (bx, by)), ((ax, ay), middle)]
    return points


def _banks(rng: Random) -> tuple[Polygon, Polygon]:
    """Land north and south of the river, sharing the river as their border."""
    ring = []
    for line, roughness in (
        (LAND_BORDER_SOUTH, 0.22),
        (SOUTH_COAST, 0.18),
        (SOUTH_SHORE, 0.13),
        (NORTH_SHORE, 0.12),
        (NORTH_COAST, 0.18),
        (LAND_BORDER_NORTH, 0.22),
    ):
        ring += _wander(line, roughness, 0.16, rng)[:-1]
    pieces = split(Polygon(ring).buffer(0), LineString(_wander(RIVER, 0.16, 0.2, rng)))
    parts = sorted(pieces.geoms, key=lambda piece: piece.area, reverse=True)[:2]
    north, south = sorted(parts, key=lambda piece: piece.centroid.y, reverse=True)
    return north, south


def density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Residents per km² (relative): bumps for settlements over thinly peopled country."""
    total = np.full(np.shape(x), 0.012)
    for ward in WARDS:
        spread = SPREAD[ward.setting]
        weight = ward.small_areas * (0.55 if ward.setting == "village" else 1.0) / (8 * spread**2)
        total = total + weight * np.exp(-((x - ward.x) ** 2 + (y - ward.y) ** 2) / (2 * spread**2))
    for vx, vy, weight in VILLAGES:
        total = total + weight * np.exp(-((x - vx) ** 2 + (y - vy) ** 2) / (2 * 0.45**2))
    return total


def _points(land: Polygon, rng: Random) -> np.ndarray:
    """Seeds of the atoms: closer together where more people live, never in clumps."""
    shapely.prepare(land)
    peak = float(density(np.array([17.4]), np.array([13.2]))[0])
    chosen: list[tuple[float, float]] = []
    grid: dict[tuple[int, int], list[tuple[float, float, float]]] = defaultdict(list)
    while len(chosen) < ATOMS:
        drawn = np.array([(rng.random() * 26, rng.random() * 27, rng.random()) for _ in range(4096)])
        thick = np.maximum(density(drawn[:, 0], drawn[:, 1]) / peak, 0.02)
        wanted = (drawn[:, 2] <= thick**0.5) & shapely.contains_xy(land, drawn[:, 0], drawn[:, 1])
        spacing = 0.062 / thick**0.3
        for x, y, apart in np.column_stack([drawn[:, :2], spacing])[wanted].tolist():
            column, row = int(x * 2), int(y * 2)
            near = (p for i in (-1, 0, 1) for j in (-1, 0, 1) for p in grid[column + i, row + j])
            if all(math.hypot(x - px, y - py) > min(apart, other) for px, py, other in near):
                chosen.append((x, y))
                grid[column, row].append((x, y, apart))
    return np.array(chosen)


@dataclass
class _Atoms:
    shapes: list[Polygon]
    x: np.ndarray
    y: np.ndarray
    people: np.ndarray
    south: np.ndarray
    neighbours: list[set[int]]


def _atoms(rng: Random) -> _Atoms:
    north, south = _banks(rng)
    points = _points(shapely.union_all([north, south]), rng)
    cells = shapely.voronoi_polygons(MultiPoint(points), extend_to=shapely.box(-2, -2, 30, 30))
    shapes: list[Polygon] = []
    side: list[bool] = []
    for is_south, bank in ((False, north), (True, south)):
        for cell in cells.geoms:
            piece = shapely.intersection(cell, bank)
            for part in shapely.get_parts(piece):
                if part.geom_type == "Polygon" and part.area > 1e-5:
                    shapes.append(part)
                    side.append(is_south)
    order = sorted(
        range(len(shapes)), key=lambda i: (round(shapes[i].centroid.x, 6), round(shapes[i].centroid.y, 6))
    )
    shapes = [shapes[i] for i in order]
    x = np.array([shape.centroid.x for shape in shapes])
    y = np.array([shape.centroid.y for shape in shapes])
    area = np.array([shape.area for shape in shapes])
    tree = shapely.STRtree(shapes)
    left, right = tree.query(shapes, predicate="intersects")
    neighbours: list[set[int]] = [set() for _ in shapes]
    for i, j in zip(left.tolist(), right.tolist(), strict=True):
        if i != j and side[order[i]] == side[order[j]]:
            shared = shapely.intersection(shapes[i], shapes[j])
            if shared.length > 1e-3:
                neighbours[i].add(j)
    return _Atoms(shapes, x, y, density(x, y) * area, np.array([side[i] for i in order]), neighbours)


def _pieces(atoms: Iterable[int], neighbours: list[set[int]]) -> list[list[int]]:
    left = set(atoms)
    found = []
    while left:
        start = min(left)
        left.discard(start)
        piece, edge = [start], [start]
        while edge:
            for other in sorted(neighbours[edge.pop()] & left):
                left.discard(other)
                piece.append(other)
                edge.append(other)
        found.append(piece)
    return found


def _make_whole(
    label: np.ndarray, people: np.ndarray, neighbours: list[set[int]], within: np.ndarray | None
) -> None:
    """Give every stray piece of an area to the neighbour it touches most, until each area is one piece."""
    for _ in range(12):
        strays = 0
        for name in sorted(set(label.tolist())):
            pieces = _pieces(np.flatnonzero(label == name).tolist(), neighbours)
            pieces.sort(key=lambda piece: (-float(people[piece].sum()), piece[0]))
            for piece in pieces[1:]:
                touch: dict[int, int] = defaultdict(int)
                for atom in piece:
                    for other in neighbours[atom]:
                        if label[other] != name and (within is None or within[other] == within[atom]):
                            touch[int(label[other])] += 1
                if touch:
                    strays += 1
                    label[piece] = max(sorted(touch), key=lambda candidate: touch[candidate])
        if not strays:
            return


def _wards_of(atoms: _Atoms) -> np.ndarray:
    """Each atom to the ward whose centre pulls most; a slow warp of the plane keeps borders crooked."""
    x = atoms.x + 0.22 * np.sin(atoms.y * 2.3) + 0.12 * np.sin(atoms.y * 5.1 + 1.0)
    y = atoms.y + 0.22 * np.sin(atoms.x * 2.1 + 0.7) + 0.12 * np.sin(atoms.x * 4.7)
    cost = np.array([np.hypot(x - ward.x, y - ward.y) / ward.reach for ward in WARDS])
    for i, ward in enumerate(WARDS):
        cost[i] = np.where(atoms.south == (ward.key in SOUTH_OF_RIVER), cost[i], 1e9)
    label = cost.argmin(axis=0)
    _make_whole(label, atoms.people, atoms.neighbours, None)
    return label


def _small_areas_of(atoms: _Atoms, ward: np.ndarray) -> np.ndarray:
    """Split each ward into its number of small areas of similar residents (k-means weighted by residents)."""
    label = np.zeros(len(ward), dtype=int)
    first = 0
    for index, spec in enumerate(WARDS):
        mine = np.flatnonzero(ward == index)
        at = np.column_stack([atoms.x[mine], atoms.y[mine]])
        weight = atoms.people[mine] + 0.02 * atoms.people[mine].mean()
        centres = [at[int(np.argmax(weight))]]
        while len(centres) < spec.small_areas:
            gap = np.min([np.hypot(*(at - centre).T) for centre in centres], axis=0)
            centres.append(at[int(np.argmax(gap * np.sqrt(weight)))])
        middle = np.array(centres)
        pull = np.ones(spec.small_areas)
        near = np.zeros(len(mine), dtype=int)
        for _ in range(40):
            distance = np.hypot(at[:, None, 0] - middle[None, :, 0], at[:, None, 1] - middle[None, :, 1])
            near = (distance * pull).argmin(axis=1)
            share = np.array([weight[near == k].sum() for k in range(spec.small_areas)]) / weight.sum()
            pull *= np.clip((share * spec.small_areas + 0.05) ** 0.12, 0.9, 1.1)
            for k in range(spec.small_areas):
                if share[k] > 0:
                    middle[k] = np.average(at[near == k], axis=0, weights=weight[near == k])
        label[mine] = first + near
        first += spec.small_areas
    _make_whole(label, atoms.people, atoms.neighbours, ward)
    return label


def _middle_areas(centres: np.ndarray, touching: list[set[int]], size: int = 5) -> list[list[int]]:
    """Group touching small areas by fives, from the outside inwards; leftovers join a small neighbour."""
    left = set(range(len(centres)))
    heart = centres.mean(axis=0)
    groups: list[list[int]] = []
    while left:
        start = max(sorted(left), key=lambda i: float(np.hypot(*(centres[i] - heart))))
        group = [start]
        left.discard(start)
        while len(group) < size:
            edge = sorted({j for i in group for j in touching[i]} & left)
            if not edge:
                break
            home = centres[group].mean(axis=0)
            # One that would be left alone comes first, then the nearest.
            rank = {j: (bool(touching[j] & left), float(np.hypot(*(centres[j] - home)))) for j in edge}
            best = min(edge, key=rank.__getitem__)
            group.append(best)
            left.discard(best)
        groups.append(group)
    for group in sorted((g for g in groups if len(g) < 4), key=len):
        groups.remove(group)
        for member in group:
            options = [g for g in groups if any(j in g for j in touching[member])]
            min(options or groups, key=lambda g: (len(g), g[0])).append(member)
    return groups


def _outline(parts: Sequence[Polygon]) -> Polygon | MultiPolygon:
    whole = shapely.coverage_union_all(list(parts))
    return shapely.normalize(whole)


def _rounded(shape: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    return shapely.transform(shape, lambda at: np.array([degrees(float(px), float(py)) for px, py in at]))


def _point_in(shape: Polygon | MultiPolygon, x: float, y: float) -> tuple[float, float]:
    """The centre of residents where it lies inside, else a point that does."""
    lon, lat = degrees(x, y)
    if not shape.contains(Point(lon, lat)):
        inside = shape.representative_point()
        lon, lat = round(inside.x, 5), round(inside.y, 5)
    return lon, lat


def _touching(shapes: Sequence[Polygon], south: Sequence[bool]) -> list[set[int]]:
    found: list[set[int]] = [set() for _ in shapes]
    for i, j in zip(*shapely.STRtree(shapes).query(shapes, predicate="touches").tolist(), strict=True):
        if south[i] == south[j] and shapely.intersection(shapes[i], shapes[j]).length > 0.001:
            found[i].add(j)
    return found


def build(rng: Random) -> tuple[Place, dict[str, float]]:
    """The whole place, and the relative number of residents of each small area."""
    atoms = _atoms(rng)
    ward_of = _wards_of(atoms)
    label = _small_areas_of(atoms, ward_of)
    count = sum(ward.small_areas for ward in WARDS)
    rough = [
        shapely.coverage_union_all([atoms.shapes[i] for i in np.flatnonzero(label == k)])
        for k in range(count)
    ]
    fine = shapely.coverage_simplify(rough, TILE_TOLERANCE_KM)
    shapes = [shapely.normalize(_rounded(shape)) for shape in fine]

    members = [np.flatnonzero(label == k) for k in range(count)]
    ward_index = [int(ward_of[atom[0]]) for atom in members]
    centre = np.array(
        [
            np.average(np.column_stack([atoms.x[m], atoms.y[m]]), axis=0, weights=atoms.people[m])
            for m in members
        ]
    )
    south = [WARDS[w].key in SOUTH_OF_RIVER for w in ward_index]
    touching = _touching(rough, south)
    groups: list[list[int]] = []
    for bank in (False, True):
        here = [i for i in range(count) if south[i] == bank]
        place = {i: n for n, i in enumerate(here)}
        local = _middle_areas(centre[here], [{place[j] for j in touching[i]} for i in here])
        groups += [[here[n] for n in group] for group in local]
    groups.sort(key=lambda group: (-round(float(centre[group][:, 1].mean()), 3), group[0]))

    wards, small, middle = [], [], []
    ward_codes = [f"E05999{i + 1:03d}" for i in range(len(WARDS))]
    named: dict[int, tuple[str, str]] = {}
    for number, group in enumerate(groups, start=1):
        group.sort(key=lambda i: (-round(float(centre[i][1]), 3), i))
        for letter, i in zip("ABCDEFGHIJ", group, strict=False):
            named[i] = (f"E02999{number:03d}", f"Keldermouth {number:03d}{letter}")
    codes: dict[int, str] = {}
    homes: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for number, i in enumerate(sorted(range(count), key=lambda i: named[i][1]), start=1):
        codes[i] = f"E01999{number:03d}"
        ward = WARDS[ward_index[i]]
        middle_code, name = named[i]
        point = _point_in(shapes[i], *centre[i])
        parents = [ward_codes[ward_index[i]], middle_code]
        small.append(Area(codes[i], name, "lsoa", parents, shapes[i], point, ward=ward.key))
        shapely.prepare(shapes[i])
        for atom in members[i]:
            lon, lat = degrees(float(atoms.x[atom]), float(atoms.y[atom]))
            if shapes[i].contains(Point(lon, lat)):
                homes[ward.key].extend([(lon, lat, codes[i])] * max(1, round(float(atoms.people[atom]) * 40)))
    for number, group in enumerate(groups, start=1):
        shape = _outline([shapes[i] for i in group])
        weights = [float(atoms.people[members[i]].sum()) for i in group]
        point = _point_in(shape, *np.average(centre[group], axis=0, weights=weights))
        middle.append(Area(f"E02999{number:03d}", f"Keldermouth {number:03d}", "msoa", [AUTHORITY], shape,
        point,
                           members=[codes[i] for i in sorted(group)]))  # fmt: skip
    for index, ward in enumerate(WARDS):
        mine = [i for i in range(count) if ward_index[i] == index]
        shape = _outline([shapes[i] for i in mine])
        weights = [float(atoms.people[members[i]].sum()) for i in mine]
        point = _point_in(shape, *np.average(centre[mine], axis=0, weights=weights))
        wards.append(Area(ward_codes[index], ward.name, "ward", [AUTHORITY], shape, point, ward=ward.key,
                          members=sorted(codes[i] for i in mine)))  # fmt: skip
    whole = _outline(shapes)
    authority = Area(AUTHORITY, "Keldermouth", "authority", [REGION], whole, _point_in(whole, 16.6, 13.6))
    people = {codes[i]: float(atoms.people[members[i]].sum()) for i in range(count)}
    return Place(small, middle, wards, authority, dict(homes)), people
