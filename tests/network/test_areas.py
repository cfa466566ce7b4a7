"""Hierarchies of areas, boundary years, and finding an area by what somebody calls it."""

import numpy as np
import pytest
from hedgerow_network.domain.areas import Area, Hierarchy
from hedgerow_network.domain.asking import find_area
from hedgerow_network.errors import AmbiguousArea, MalformedArea, UnknownArea
from hypothesis import given
from hypothesis import strategies as st

TOWN = Hierarchy(
    [
        Area("E06000001", "Town", "authority", ("E12000001",)),
        Area("E05000001", "North", "ward", ("E06000001", "old-town")),
        Area("E05000002", "South", "ward", ("E06000001",)),
        Area("E05000009", "Docks", "ward", ("E06000001",), successors=("E05000002",)),
        Area("E02000001", "Town 001", "msoa", ("E06000001",)),
        Area("E01000001", "Town 001A", "lsoa", ("E05000001", "E02000001")),
        Area("old-town", "Old Town", "neighbourhood", ("E06000001",)),
        Area("E06000002", "Village", "authority"),
    ]
)


def codes(places):
    return [TOWN.codes[place] for place in places]


def test_an_area_may_lie_in_several_hierarchies():
    small = TOWN.position["E01000001"]
    assert codes(TOWN.above(small)) == ["E01000001", "E02000001", "E05000001", "E06000001", "old-town"]


def test_an_area_of_an_earlier_boundary_year_is_not_asked_about():
    town = TOWN.position["E06000001"]
    assert codes(TOWN.of_level(town, "ward")) == ["E05000001", "E05000002"]
    assert codes(np.flatnonzero(TOWN.superseded)) == ["E05000009"]


def test_the_level_is_wards_or_else_the_finest():
    assert TOWN.level_for(TOWN.position["E06000001"], None) == "ward"
    assert TOWN.level_for(TOWN.position["E06000001"], "lsoa") == "lsoa"
    assert TOWN.level_for(TOWN.position["E02000001"], None) == "lsoa"
    assert TOWN.level_for(TOWN.position["E06000002"], None) == "authority"


def test_an_area_is_found_by_code_or_by_its_only_name():
    assert codes(
        [find_area(TOWN, "e06000001"), find_area(TOWN, " old  TOWN "), find_area(TOWN, "old-town")]
    ) == [
        "E06000001",
        "old-town",
        "old-town",
    ]
    with pytest.raises(UnknownArea):
        find_area(TOWN, "E06999999")
    for said in ("E0600001", "", "Nowhere", "E06000001x"):
        with pytest.raises(MalformedArea):
            find_area(TOWN, said)
    twins = Hierarchy([Area("E05000001", "Hale", "ward"), Area("E05000002", "Hale", "ward")])
    with pytest.raises(AmbiguousArea, match="E05000001"):
        find_area(twins, "hale")


def test_a_circle_of_parents_does_no_harm():
    ring = Hierarchy([Area("a-1", "A", "other", ("b-1",)), Area("b-1", "B", "other", ("a-1",))])
    assert ring.inside(0).tolist() == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_the_closure_is_reachability(links):
    areas = Hierarchy(
        Area(f"area-{n}", str(n), "other", tuple(f"area-{b}" for a, b in links if a == n)) for n in range(8)
    )
    for start in range(8):
        reached, todo = {start}, [start]
        while todo:
            here = todo.pop()
            for a, b in links:
                if a == here and b not in reached:
                    reached.add(b)
                    todo.append(b)
        assert set(areas.above(start).tolist()) == reached


def test_authorities_of_an_area_are_those_around_it_or_else_within_it():
    wide = Hierarchy(
        [Area("E12000001", "Region", "region"), Area("E06000001", "Town", "authority", ("E12000001",))]
    )
    assert TOWN.authorities(TOWN.position["E01000001"]) == ("E06000001",)
    assert wide.authorities(wide.position["E12000001"]) == ("E06000001",)
