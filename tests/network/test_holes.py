"""Ages and circumstances that nobody accepts: by hand, against single quarters of years, as gaps."""

from math import inf

import pytest
from hedgerow_network.domain.directory import Service
from hedgerow_network.domain.eligibility import ALL_AGES, Ages, Cohort, accepts, read_cohort
from hedgerow_network.domain.gap_kinds import GAP_KINDS
from hedgerow_network.domain.gaps import Inquiry, Thresholds, gaps
from hedgerow_network.domain.holes import Hole, holes
from hypothesis import given
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, ask, facts, records

AT = "/v1/localities/E06000001"
LIMITS = Thresholds(reach=5.0, until=TODAY)


def one(name, low=None, high=None, *circumstances):
    return Service(name, name, minimum_age=low, maximum_age=high, circumstances=circumstances)


def test_the_hole_of_16_and_17_worked_by_hand():
    assert holes([one("young", None, 15), one("old", 18)], ALL_AGES) == [Hole(Ages(16, 18))]
    assert holes(
        [one("young", None, 15), one("old", 18), one("leavers", 16, 25, "care-leaver")], ALL_AGES
    ) == [Hole(Ages(16, 18), ("care-leaver",))]
    assert holes([one("young", None, 15), one("old", 16)], ALL_AGES) == []
    # Only those in two circumstances are accepted, each from another age on.
    split = [one("a", 10, None, "carer"), one("b", 20, None, "refugee")]
    assert holes(split, ALL_AGES) == [
        Hole(Ages(0, 10)),
        Hole(Ages(10, 20), ("carer",)),
        Hole(Ages(20, inf), ("carer", "refugee")),
    ]
    assert holes([], Ages(0, 5)) == [Hole(Ages(0, 5))]


services = st.lists(
    st.tuples(
        st.none() | st.integers(0, 10),
        st.none() | st.integers(0, 10),
        st.lists(st.sampled_from(["carer", "refugee"]), max_size=2, unique=True),
    ).filter(lambda s: s[0] is None or s[1] is None or s[0] <= s[1]),
    max_size=5,
)


@given(services, st.sampled_from([None, "carer", "refugee"]))
def test_every_quarter_of_a_year_is_in_a_hole_or_accepted_by_somebody(drawn, circumstance):
    made = [one(f"s{n}", low, high, *whom) for n, (low, high, whom) in enumerate(drawn)]
    found = holes(made, Ages(0, 20))
    for quarter in range(80):
        point = Ages(quarter / 4, (quarter + 1) / 4)
        asked = Cohort(point, (circumstance,) if circumstance else ())
        # Who is in no circumstance is taken by services for whoever; who is in one, also by those for it.
        accepted = any(
            accepts(s.ages, s.circumstances, asked) == 2 and (circumstance or not s.circumstances)
            for s in made
        )
        here = [hole for hole in found if hole.ages.holds(point)]
        assert len(here) <= 1
        assert accepted == (not here or circumstance in here[0].but_for)


AGED = {
    **TOWN,
    "services": """
        id | provider | needs  | areas               | age_from | age_to | for
        s1 | ant      | t:food | E06000001           |          | 15     |
        s2 | bee      | t:food | E06000001           | 18       |        |
        s3 | cat      | t:food | E05000001           | 16       | 25     | care-leaver
        s4 | cat      | t:debt | E06000001           | 18       |        |
        s5 | cat      | t:debt | E05000002           |          |        | carer
        """,
    "residents": """
        area      | count | age_from | age_to
        E05000001 | 160   | 0        | 15
        E05000001 | 50    | 16       | 20
        E05000001 | 790   | 21       |
        E05000002 | 500   | 0        | 17
        E05000002 | 1500  | 18       |
        """,
    "demand": "need | area | count\n t:food | E05000001 | 100",
}


def listed(of):
    found = gaps(Inquiry(of, LIMITS), {"cohort": GAP_KINDS["cohort"]})
    names = [of.facts.hierarchy.areas[int(place)].name for place in of.areas]
    return found, [
        (of.needs[gap.need], names[gap.area], gap.cohort, gap.id, gap.people, gap.basis)
        for gap in (found[place] for place in range(len(found)))
    ]


def test_cohort_holes_of_a_town_with_their_people():
    found, holes_found = listed(ask(facts(**AGED)))
    # East: 500 residents of 0 to 17 (18 years), 2 of them: 55.6. North: 100 people × 20 / 1,000 residents.
    # Debt is met for adults, and in East for carers of any age: carers set how young the need is met at all.
    assert [(*gap[:4], gap[4] and round(gap[4], 1), gap[5]) for gap in holes_found] == [
        ("t:debt", "East", "0-17", "carer", 500.0, "residents"),
        ("t:debt", "North", "0-17", "", 180.0, "residents"),
        ("t:food", "East", "16-17", "", 55.6, "residents"),
        ("t:food", "North", "16-17", "care-leaver", 2.0, "derived"),
        ("t:debt", "South", "0-17", "", None, "unknown"),
        ("t:food", "South", "16-17", "", None, "unknown"),
    ]
    assert found.told(3).says == (
        "Nobody who serves North accepts people of 16-17 but for care-leaver: Service s1 (ages 0-15), "
        "Service s2 (ages 18+), Service s3 (ages 16-25, care-leaver)."
    )


def test_a_cohort_asked_for_is_what_is_looked_at():
    def cohorts(said):
        of = ask(facts(**AGED), needs=("t:food",), cohort=read_cohort(said))
        return [(area, cohort) for _, area, cohort, *_ in listed(of)[1]]

    assert cohorts("10-16") == [("East", "16"), ("North", "16"), ("South", "16")]
    assert cohorts("16-17;care-leaver") == [("East", "16-17;care-leaver"), ("South", "16-17;care-leaver")]
    assert cohorts("18+") == []


def test_a_cell_that_nobody_serves_has_no_cohort_hole():
    services = "id | provider | needs | areas | age_to\n s1 | ant | t:food | E05000001 | 15"
    assert listed(ask(facts(**AGED | {"services": services})))[1] == []


@pytest.fixture
def town(database, network):
    feed(database, records(**AGED))
    with network() as client:
        yield client


def test_the_hole_is_listed_with_its_cohort(town):
    gap = town.items(f"{AT}/gaps", params={"kind": "cohort", "need": "food"})[0]
    assert (gap["area_name"], gap["cohort"], gap["people_affected"]) == ("East", "16-17", 56)
    assert gap["evidence"]["figures"] == {"age_from": 16.0, "age_below": 18.0, "but_for": None}
    assert {one["id"] for one in gap["evidence"]["services"]} == {"s1", "s2"}
