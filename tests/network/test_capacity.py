"""People who find no place: worked by hand over a small town, with what holds them back."""

import numpy as np
import pytest
from hedgerow_network.domain.capacity import capacity_caveats, named_bottlenecks, room
from hedgerow_network.domain.gap_kinds import GAP_KINDS
from hedgerow_network.domain.gaps import Inquiry, Thresholds, gaps
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.test_locality import SMALL
from tests.network.world import TODAY, TOWN, ask, facts, records

AT = "/v1/localities/E06000001"
LIMITS = Thresholds(reach=5.0, until=TODAY)

FULL = {
    **TOWN,
    "services": """
        id | provider | needs  | areas               | capacity
        s1 | ant      | t:food | E05000001;E05000002 | 70
        s2 | bee      | t:food | E05000002;E05000003 | 100
        s3 | cat      | t:debt | E06000001           |
        """,
    "sites": """
        id | service | lon  | lat   | area
        a  | s1      | 1.05 | 53.25 |
        b  | s2      | 1.05 | 53.05 |
        """,
    "demand": """
        need   | area      | count
        t:food | E05000001 | 90
        t:food | E05000002 | 50
        t:food | E05000003 | 20
        """,
}
"""North has 90 people and Ant's 70 places, which East may take, too; Bee has room for East and South."""


def under(of):
    found = gaps(Inquiry(of, LIMITS), {"under-capacity": GAP_KINDS["under-capacity"]})
    names = [of.facts.hierarchy.areas[int(of.areas[found[n].area])].name for n in range(len(found))]
    return found, dict(zip(names, (found[n].people for n in range(len(found))), strict=True))


def test_people_without_a_place_and_the_bottleneck_worked_by_hand():
    of = ask(facts(**FULL))
    # East's 50 and South's 20 go to Bee. North has 70 places for 90 people.
    found, left = under(of)
    assert left == {"North": 20.0}
    assert found[0].basis == "counted"
    told = found.told(0)
    assert told.says == (
        "20 of 90 people find no place. The bottleneck is Service s1: 70 places for 90 people (Food; North), "
        "20 too few."
    )
    assert told.figures["bottleneck_short"] == 20
    assert [of.facts.directory.services[row].id for row in told.services] == ["s1"]
    (said,) = list(capacity_caveats(of))
    assert said.startswith("3 served cells are not judged by capacity")


def test_those_who_live_nearest_go_first():
    more = FULL["demand"].replace("E05000002 | 50", "E05000002 | 90")
    of = ask(facts(**FULL | {"demand": more}), needs=("t:food",))
    # 200 people, 170 places: 30 too few wherever one looks. South is 0 km from Bee, North 0 km from Ant; East
    # is about 13 km from both, and comes last: North takes Ant's 70, South 20 of Bee's, East the other 80.
    found, left = under(of)
    assert left == {"North": 20.0, "East": 10.0}
    assert {found.told(place).figures["bottleneck_short"] for place in range(2)} == {30}
    (one,) = named_bottlenecks(room(of))
    assert (one.people, one.places, one.short) == (200, 170, 30)


def test_a_service_without_a_stated_capacity_has_room_for_all_and_the_answer_says_so():
    silent = FULL["services"].replace("| 70", "|")
    of = ask(facts(**FULL | {"services": silent}), needs=("t:food",))
    found, left = under(of)
    assert left == {}
    assert any("1 of 2 services here state no capacity" in said for said in found.caveats)


def test_places_are_shared_by_all_needs_of_a_service():
    services = """
        id | provider | needs         | areas     | capacity
        s1 | ant      | t:food;t:debt | E05000001 | 100
        """
    demand = """
        need   | area      | count
        t:food | E05000001 | 80
        t:debt | E05000001 | 70
        """
    of = ask(facts(**TOWN | {"services": services, "demand": demand}))
    (one,) = named_bottlenecks(room(of))
    assert (one.people, one.places, one.short) == (150, 100, 50)
    assert sum(under(of)[1].values()) == 50


def test_a_service_takes_only_the_people_of_the_part_it_serves():
    services = """
        id | provider | needs  | areas     | capacity
        s1 | ant      | t:food | E01000001 | 500
        s2 | bee      | t:food | E05000001 | 10
        """
    demand = "need | area | count\n t:food | E05000001 | 100"
    of = ask(facts(**SMALL | {"services": services, "demand": demand}), needs=("t:food",))
    # North A has a quarter of the people: Ant takes 25 of the 100, Bee 10, and 65 find no place.
    assert under(of)[1] == {"North": 65.0}


def test_of_a_cell_served_in_part_only_those_in_the_part_are_meant():
    services = "id | provider | needs | areas | capacity\n s1 | ant | t:food | E01000001 | 20"
    demand = "need | area | count\n t:food | E05000001 | 100"
    of = ask(facts(**SMALL | {"services": services, "demand": demand}), needs=("t:food",))
    # 25 live in the part, 20 places: 5 find none. The 75 outside are a gap of the kind `partial`.
    assert under(of)[1] == {"North": 5.0}


amounts = st.lists(st.integers(0, 60), min_size=3, max_size=3)


@settings(max_examples=40)
@given(amounts, st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=2, max_size=2))
def test_people_left_over_are_those_that_no_largest_flow_serves(people, places):
    first, second = ("" if one is None else str(one) for one in places)
    services = f"""
        id | provider | needs  | areas               | capacity
        s1 | ant      | t:food | E05000001;E05000002 | {first}
        s2 | bee      | t:food | E05000002;E05000003 | {second}
        """
    codes = ("E05000001", "E05000002", "E05000003")
    demand = "need | area | count" + "".join(
        f"\n t:food | {code} | {number}" for code, number in zip(codes, people, strict=True)
    )
    of = ask(facts(**FULL | {"services": services, "demand": demand}), needs=("t:food",))
    found = room(of)
    assert found.unmet.sum() == found.demand.sum() - found.found.total
    assert found.unmet.sum() == sum(one.short for one in named_bottlenecks(found))
    # The whole allocation leaves as many over, wherever they are.
    assert found.flows.sum() == found.found.total
    assert (np.asarray(found.unmet) >= 0).all()


def test_a_place_with_nothing_in_it_lacks_no_capacity():
    lone = "code | name | level | parents\n E06000001 | Town | authority |"
    for known in (facts(areas=lone), facts(areas=lone, needs=TOWN["needs"]), facts(**TOWN)):
        assert under(ask(known))[1] == {}


@pytest.fixture
def town(database, network):
    feed(database, records(**FULL))
    with network() as client:
        yield client


def test_under_capacity_is_listed_with_what_it_rests_on(town):
    answer = town.get(f"{AT}/gaps", params={"kind": "under-capacity"}).json()
    (gap,) = answer["items"]
    assert (gap["area_name"], gap["people_affected"], gap["people"]) == ("North", 20, 90)
    assert gap["evidence"]["services"] == [{"id": "s1", "name": "Service s1"}]
    assert any("not judged by capacity" in said for said in answer["computed"]["caveats"])
