"""How many people stand behind a cell, and how that is known."""

from datetime import date

import numpy as np
import pytest
from hedgerow_network.domain.people import Band, latest, residents_in
from hypothesis import given
from hypothesis import strategies as st

from tests.network.world import TODAY, ask, facts

AREAS = """
    code      | name    | level     | parents
    E06000001 | Town    | authority |
    E05000001 | North   | ward      | E06000001
    E05000002 | South   | ward      | E06000001
    E01000001 | North A | lsoa      | E05000001
    E01000002 | North B | lsoa      | E05000001
    E01000003 | South A | lsoa      | E05000002
    """
NEEDS = """
    id     | name
    t:food | Food
    """
RESIDENTS = """
    area      | count
    E01000001 | 100
    E01000002 | 300
    E01000003 | 600
    """


def people(**tables):
    of = ask(facts(**{"areas": AREAS, "needs": NEEDS, "residents": RESIDENTS, **tables}))
    return of.people.count[0].tolist(), [of.basis(0, area) for area in range(of.areas.size)]


def test_a_count_of_the_area_itself_is_taken_as_it_is():
    demand = """
        need   | area      | count
        t:food | E05000001 | 40
        t:food | E01000001 | 7
        t:food | E05000002 | 0
        """
    assert people(demand=demand) == ([40.0, 0.0], ["counted", "counted"])


def test_counts_of_all_parts_add_up():
    demand = """
        need   | area      | count
        t:food | E01000001 | 7
        t:food | E01000002 | 8
        """
    # North: 7 + 8 = 15. South has neither count nor index: all 600 residents.
    assert people(demand=demand) == ([15.0, 600.0], ["counted", "residents"])


def test_counts_of_most_residents_are_scaled_up_and_of_few_are_not():
    most = """
        need   | area      | count
        t:food | E01000002 | 30
        """
    # North B has 300 of 400 residents: 30 / 0.75 = 40.
    assert people(demand=most) == ([40.0, 600.0], ["derived", "residents"])
    few = """
        need   | area      | count
        t:food | E01000001 | 30
        """
    assert people(demand=few) == ([400.0, 600.0], ["residents", "residents"])


def test_a_stated_weight_is_people_per_resident():
    demand = """
        need   | area      | count | weight
        t:food | E05000001 |       | 0.05
        """
    assert people(demand=demand) == ([20.0, 600.0], ["derived", "residents"])


def test_an_index_weights_residents_by_its_share_of_the_highest():
    indices = """
        index       | area      | value
        deprivation | E01000001 | 10
        deprivation | E01000002 | 20
        deprivation | E01000003 | 40
        """
    # Highest 40, low 0. North: 100 × 10/40 + 300 × 20/40 = 25 + 150 = 175. South: 600 × 40/40 = 600.
    assert people(indices=indices) == ([175.0, 600.0], ["derived", "derived"])


def test_an_index_below_nought_is_measured_from_its_lowest():
    indices = """
        index | area      | value
        crime | E05000001 | -1
        crime | E05000002 | 1
        """
    # Low −1, high 1. North: 400 × 0 = 0. South: 600 × 2/2 = 600.
    assert people(indices=indices) == ([0.0, 600.0], ["derived", "derived"])


def test_of_several_indices_the_general_one_is_taken_or_none():
    several = """
        index  | area      | value
        imd    | E05000001 | 1
        imd    | E05000002 | 2
        health | E05000001 | 2
        health | E05000002 | 1
        """
    assert people(indices=several)[0] == [200.0, 600.0]
    neither = several.replace("imd   ", "income")
    assert people(indices=neither)[1] == ["residents", "residents"]
    known = facts(areas=AREAS, needs=NEEDS, residents=RESIDENTS, indices=neither)
    assert ask(known, index="health").people.count[0].tolist() == [400.0, 300.0]


def test_what_is_not_known_is_said_and_is_never_nan():
    assert people(residents="") == ([0.0, 0.0], ["unknown", "unknown"])


def test_residents_of_a_period_are_all_or_both_sexes_and_follow_one_another():
    bands = [
        Band("2023", 0, None, "all", 999),
        Band("2024", 0, 15, "female", 10),
        Band("2024", 0, 15, "male", 11),
        Band("2024", 16, None, "female", 30),
        Band("2024", 16, None, "male", 32),
    ]
    assert residents_in(bands, TODAY) == 83
    with_total = [*bands, Band("2024", 0, None, "all", 84), Band("2024", 0, 15, "all", 21)]
    assert residents_in(with_total, TODAY) == 84
    assert residents_in(bands, date(2023, 1, 1)) == 999
    assert residents_in([], TODAY) is None


@given(st.lists(st.sampled_from(["2019", "2023-24", "2024", "2030", "soon"]), max_size=5))
def test_the_latest_period_has_begun_if_any_has(periods):
    found = latest(periods, TODAY)
    assert (found is None) == (not periods)
    if any(period < "2026" for period in periods):
        assert found != "2030"


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.integers(0, 900)), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.integers(-5, 50)), min_size=3, max_size=3),
)
def test_people_are_never_nan_nor_negative(counts, lived, values):
    codes = ("E01000001", "E01000002", "E01000003")

    def table(head: str, numbers, prefix: str) -> str:
        known = [(code, n) for code, n in zip(codes, numbers, strict=True) if n is not None]
        return "\n".join([head, *(f"{prefix}{code} | {n}" for code, n in known)])

    of = ask(
        facts(
            areas=AREAS,
            needs=NEEDS,
            residents=table("area | count", lived, ""),
            indices=table("index | area | value", values, "imd | "),
            demand=table("need | area | count", counts, "t:food | "),
        ),
        level="lsoa",
    )
    assert np.isfinite(of.people.count).all()
    assert (of.people.count >= 0).all()
    for place, code in enumerate(codes):
        if counts[place] is not None:
            assert of.people.count[0, place] == counts[place], code
            assert of.basis(0, place) == "counted"


@pytest.mark.parametrize("index", ["health", None])
def test_the_index_behind_derived_people_is_named(index):
    indices = """
        index  | area      | value
        health | E05000001 | 2
        health | E05000002 | 1
        """
    of = ask(facts(areas=AREAS, needs=NEEDS, residents=RESIDENTS, indices=indices), index=index)
    assert of.people.index == "health"
