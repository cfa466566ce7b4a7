"""Where sites lie, and how far away."""

import math

import numpy as np
import pytest
from hedgerow_network.domain.areas import Area, Hierarchy
from hedgerow_network.domain.places import EARTH_RADIUS_KM, Boundaries, haversine_km, place_sites, within_km
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

AREAS = Hierarchy(
    [
        Area("E06000001", "Town", "authority"),
        Area("E05000001", "West", "ward", ("E06000001",)),
        Area("E05000002", "East", "ward", ("E06000001",)),
        Area("E01000001", "West A", "lsoa", ("E05000001",)),
    ]
)
WEST, EAST, TOWN, SMALL = box(0, 50, 1, 51), box(1, 50, 2, 51), box(0, 50, 2, 51), box(-1, 50, 0.5, 51)


def placed(outlines, points, stated=None, level="ward"):
    lon, lat = np.array([p[0] for p in points], float), np.array([p[1] for p in points], float)
    codes = [-1 if code is None else AREAS.position[code] for code in stated or [None] * len(points)]
    found = place_sites(
        AREAS, Boundaries(AREAS, outlines), lon=lon, lat=lat, stated=np.array(codes, np.int32), level=level
    )
    rows = found.in_area.toarray()
    return [[AREAS.codes[c] for c in np.flatnonzero(row)] for row in rows], found.unplaced.tolist()


NONE = (math.nan, math.nan)


def test_coordinates_decide_and_a_shared_edge_goes_to_the_lowest_code():
    where, lost = placed(
        {"E05000001": WEST, "E05000002": EAST}, [(0.5, 50.5), (1.5, 50.5), (1.0, 50.5), (9, 50.5)]
    )
    assert where == [["E05000001"], ["E05000002"], ["E05000001"], []]
    assert lost == [False, False, False, True]


def test_the_stated_code_counts_only_without_coordinates():
    where, lost = placed(
        {"E05000001": WEST, "E05000002": EAST},
        [(0.5, 50.5), NONE, NONE, NONE],
        ["E05000002", "E05000002", "E01000001", "E06000001"],
    )
    # A wider area does not say which ward.
    assert where == [["E05000001"], ["E05000002"], ["E05000001"], []]
    assert lost == [False, False, False, True]


def test_a_narrower_boundary_places_upwards_where_the_level_has_none():
    where, _ = placed({"E01000001": SMALL}, [(0.2, 50.5)], ["E05000002"])
    assert where == [["E05000001"]]


def test_without_any_useful_boundary_the_stated_code_stands():
    where, lost = placed({"E06000001": TOWN}, [(0.5, 50.5), (0.5, 50.5)], ["E05000002", None])
    assert where == [[], []]
    assert lost == [True, True]
    where, _ = placed({}, [(0.5, 50.5)], ["E05000002"])
    assert where == [["E05000002"]]


def test_nothing_to_place_is_an_answer():
    assert placed({}, []) == ([], [])


def test_a_degree_of_latitude_is_111_km():
    # 6371.0088 km × π / 180 = 111.195 km
    assert haversine_km(np.array(0.0), np.array(50.0), np.array(0.0), np.array(51.0)) == pytest.approx(
        111.195, abs=1e-3
    )


def test_a_pair_exactly_at_the_distance_counts():
    lon, lat = np.array([0.0]), np.array([50.0])
    km = float(haversine_km(lon, lat, np.array([0.0]), np.array([50.5]))[0])
    assert within_km(lon, lat, np.array([0.0]), np.array([50.5]), km=km).nnz == 1
    assert within_km(lon, lat, np.array([0.0]), np.array([50.5]), km=km - 1e-6).nnz == 0


points = st.lists(
    st.tuples(st.one_of(st.just(math.nan), st.floats(-9, 2)), st.floats(49, 61)), min_size=0, max_size=8
)


def slow_km(a, b):
    """The spherical law of cosines: another formula for the same distance."""
    phi, psi = math.radians(a[1]), math.radians(b[1])
    cosine = math.sin(phi) * math.sin(psi) + math.cos(phi) * math.cos(psi) * math.cos(
        math.radians(a[0] - b[0])
    )
    return EARTH_RADIUS_KM * math.acos(max(-1.0, min(1.0, cosine)))


@given(points, points, st.floats(0.5, 400))
def test_within_agrees_with_measuring_every_pair(here, there, km):
    found = within_km(
        np.array([p[0] for p in here], float),
        np.array([p[1] for p in here], float),
        np.array([p[0] for p in there], float),
        np.array([p[1] for p in there], float),
        km=km,
    ).toarray()
    for row, a in enumerate(here):
        for column, b in enumerate(there):
            if math.isnan(a[0]) or math.isnan(b[0]):
                assert not found[row, column]
            elif abs(slow_km(a, b) - km) > 1e-3:
                assert bool(found[row, column]) == (slow_km(a, b) < km)
