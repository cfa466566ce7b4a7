"""How few carry a need, and who else could: by hand, against adding up cell by cell."""

import numpy as np
import pytest
from hedgerow_network.domain.concentration import concentration, contest, herfindahl, shares, spare_places
from hedgerow_network.domain.cover import cover
from hedgerow_network.domain.travel import Travel
from hypothesis import given

from tests.network.feeding import feed
from tests.network.test_cover import incidences
from tests.network.test_fragility import people_of
from tests.network.world import TOWN, ask, facts, records

AT = "/v1/localities/E06000001"
STRAIGHT = Travel(None, "km", 1.0)


def test_concentration_before_and_after_grouping_by_owner_worked_by_hand():
    of = ask(facts(**TOWN), needs=("t:food",))
    found = concentration(of)
    # Food: North (1,000) by Ant and Bee, East (2,000) by Ant alone. Ant: 500 + 2,000 of 3,000, Bee 500.
    ant, bee = 2500 / 3000, 500 / 3000
    by_provider, by_owner = found.hhi()
    assert by_provider[0] == pytest.approx((ant**2 + bee**2) * 10_000)
    # Both belong to Zoo plc, which has it all.
    assert by_owner[0] == pytest.approx(10_000)


@given(incidences())
def test_shares_are_those_of_adding_up_cell_by_cell(of):
    people, depths = people_of(of), cover(of)
    found = shares(of, depths, people).toarray()
    expected = np.zeros((of.n_units, of.n_needs))
    for need in range(of.n_needs):
        total = people[need][depths.depth[need] > 0].sum()
        for area in range(of.n_areas):
            for unit in of.units_of(need, area):
                expected[unit, need] += people[need, area] / depths.depth[need, area] / total
    assert found == pytest.approx(expected)
    covered = (depths.depth > 0).any(axis=1)
    assert found.sum(axis=0) == pytest.approx(covered.astype(float))
    hhi = herfindahl(shares(of, depths, people))
    assert ((hhi[covered] > 0) & (hhi[covered] <= 10_000 + 1e-6)).all()
    assert np.isfinite(hhi).all()


def test_without_people_every_cell_counts_alike():
    of = ask(facts(**TOWN | {"residents": ""}), needs=("t:food",))
    by_provider, _ = concentration(of).hhi()
    # North half and half, East Ant's: 3/4 and 1/4.
    assert by_provider[0] == pytest.approx((0.75**2 + 0.25**2) * 10_000)


CONTESTED = {
    **TOWN,
    "services": """
        id | provider | needs  | areas               | capacity
        s1 | ant      | t:food | E05000001           | 50
        s2 | bee      | t:food | E05000002           | 50
        s3 | cat      | t:food | E05000003           |
        """,
    "sites": """
        id | service | lon  | lat   | area
        a  | s1      | 1.05 | 53.25 |
        b  | s2      | 1.15 | 53.15 |
        c  | s3      | 1.05 | 53.05 |
        """,
    "demand": """
        need   | area      | count
        t:food | E05000001 | 50
        t:food | E05000002 | 20
        t:food | E05000003 | 10
        """,
}
"""Ant in North is full, Bee in East has 30 places left, Cat in South states none; about 13 km apart."""


def test_who_else_could_worked_by_hand():
    of = ask(facts(**CONTESTED), needs=("t:food",))
    assert spare_places(of).tolist()[:2] == [0.0, 30.0]
    near = contest(of, STRAIGHT, 5.0)
    # Nobody is within 5 km of anybody else's area.
    assert near.status.tolist() == [["no", "no", "no"]]
    far = contest(of, STRAIGHT, 15.0)
    # North: Bee has places. East: Ant is full, and of Cat nobody knows. South: Bee.
    assert far.status.tolist() == [["yes", "unknown", "yes"]]
    # By owner Ant and Bee are one: in North only Cat is left, 22 km away.
    assert contest(
        ask(facts(**CONTESTED), needs=("t:food",), count="owners"), STRAIGHT, 15.0
    ).status.tolist() == [["no", "unknown", "yes"]]


def test_where_people_are_not_known_neither_is_who_else_could():
    silent = CONTESTED["demand"].replace("t:food | E05000002 | 20", "")
    of = ask(facts(**CONTESTED | {"demand": silent}), needs=("t:food",))
    # Bee covers East, of which only residents are known: its 50 places may all be taken.
    assert np.isnan(spare_places(of)[1])
    assert contest(of, STRAIGHT, 15.0).status.tolist() == [["unknown", "unknown", "unknown"]]


def test_two_who_are_both_there_are_each_others_alternative():
    both = CONTESTED["services"].replace("E05000002           | 50", "E05000001;E05000002 | 50")
    of = ask(facts(**CONTESTED | {"services": both}), needs=("t:food",))
    # North and East have 70 people for 100 places: Ant takes North's 50 and is full, Bee has 30 left. Of the
    # two in North, Bee has no alternative.
    assert contest(of, STRAIGHT, 5.0).status.tolist() == [["no", "no", "no"]]
    less = CONTESTED["demand"].replace("E05000001 | 50", "E05000001 | 40")
    of = ask(facts(**CONTESTED | {"services": both, "demand": less}), needs=("t:food",))
    assert contest(of, STRAIGHT, 5.0).status.tolist() == [["yes", "no", "no"]]


def test_a_place_with_nothing_in_it_has_nobody_to_contest():
    lone = "code | name | level | parents\n E06000001 | Town | authority |"
    for known in (facts(areas=lone), facts(areas=lone, needs=TOWN["needs"])):
        of = ask(known)
        assert set(contest(of, STRAIGHT, 5.0).status.ravel()) <= {""}
        assert np.isfinite(concentration(of).hhi()[0]).all()


@pytest.fixture
def town(database, network):
    feed(database, records(**CONTESTED))
    with network() as client:
        yield client


def test_concentration_is_listed_by_need(town):
    answer = town.get(f"{AT}/concentration").json()
    food, debt = answer["items"]
    # Ant 50 and Bee 20 of 80 are Zoo's: (87.5² + 12.5²) against (62.5² + 25² + 12.5²).
    assert (food["need"], food["providers"], food["owners"]) == ("t:food", 3, 2)
    assert (food["hhi_providers"], food["hhi_owners"], food["concentrated"]) == (4687.5, 7812.5, "high")
    assert (food["largest"]["name"], food["largest"]["share"]) == ("Zoo plc", 0.875)
    assert (debt["hhi_owners"], debt["concentrated"], debt["largest"]) == (None, None, None)
    assert answer["computed"]["thresholds"]["high_hhi"] == 2000.0


def test_contestability_is_listed_with_alternatives_and_two_reaches_differ(town):
    listed = town.items(f"{AT}/contestability", params={"need": "food", "reach": 15})
    assert [(one["area_name"], one["contestable"], one["flagged"]) for one in listed] == [
        ("East", "unknown", False),
        ("North", "yes", False),
        ("South", "yes", False),
    ]
    assert listed[0]["alternatives"] == [
        {"id": "ant", "name": "Ant", "serves": False, "spare": 0, "credible": False},
        {"id": "cat", "name": "Cat", "serves": False, "spare": None, "credible": None},
    ]
    near = town.get(f"{AT}/contestability", params={"need": "food", "contestable": "no"}).json()
    assert [one["flagged"] for one in near["items"]] == [True, True, True]
    assert near["computed"]["thresholds"]["reach"] == 5.0
    assert town.items(f"{AT}/contestability", params={"need": "food", "reach": 15, "limit": 1}) == listed
