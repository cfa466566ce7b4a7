"""Further from any site than a standard: by hand, with services that come to the people, too few places."""

import pytest
from hedgerow_network.domain.gap_kinds import GAP_KINDS
from hedgerow_network.domain.gaps import Inquiry, Thresholds, gaps

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, ask, facts, records

AT = "/v1/localities/E06000001"

SITED = {
    **TOWN,
    "services": """
        id | provider | needs  | areas     | capacity
        s1 | ant      | t:food |           | 10
        s2 | bee      | t:food | E05000003 |
        s3 | cat      | t:debt | E06000001 |
        """,
    "sites": """
        id | service | lon  | lat   | area
        a  | s1      | 1.05 | 53.25 |
        b  | s2      | 1.05 | 53.25 |
        """,
}


def far(of, reach, access_below=None):
    asked = Inquiry(of, Thresholds(reach, TODAY, access_below))
    found = gaps(asked, {"out-of-reach": GAP_KINDS["out-of-reach"]})
    names = [of.facts.hierarchy.areas[int(place)].name for place in of.areas]
    return found, {
        (of.needs[gap.need], names[gap.area]): found.told(place).figures["nearest"]
        for place, gap in ((place, found[place]) for place in range(len(found)))
    }


def test_who_lives_further_than_the_standard_is_out_of_reach():
    of = ask(facts(**SITED))
    # Middles: North (1.05, 53.25), East about 13 km away, South about 22 km. Debt comes to the people.
    found, nearest = far(of, 5.0)
    assert set(nearest) == {("t:food", "East"), ("t:food", "South")}
    assert nearest["t:food", "South"] == pytest.approx(22.239, abs=0.001)
    assert found.told(0).says.startswith(
        "The nearest site open to South, Site a, is 22.2 km away: more than 5 km"
    )
    assert set(far(of, 15.0)[1]) == {("t:food", "South")}
    assert far(of, 30.0)[1] == {}


def test_too_few_places_per_person_is_out_of_reach_if_asked_for():
    of = ask(facts(**SITED), needs=("t:food",))
    # 10 places for the 1,000 people of North, the only ones within 5 km: 10 per 1,000.
    assert ("t:food", "North") not in far(of, 5.0, 0.01)[1]
    found, nearest = far(of, 5.0, 0.011)
    assert ("t:food", "North") in nearest
    last = len(found) - 1
    assert found.told(last).figures["places_per_1000"] == 10.0
    assert found.told(last).says == "North has 10 places per 1,000 people within 5 km, fewer than 11."


def test_without_any_site_nobody_is_in_reach_and_where_nothing_is_known_nothing_is_said():
    none = ask(facts(**SITED | {"sites": ""}), needs=("t:food",))
    found, nearest = far(none, 5.0)
    # s2 serves South without a site: it comes to the people there.
    assert nearest == {("t:food", "North"): None, ("t:food", "East"): None}
    assert found.told(0).says == "No site that is open to East is known at all."
    lone = "code | name | level | parents\n E06000001 | Town | authority |"
    for known in (facts(areas=lone), facts(areas=lone, needs=TOWN["needs"])):
        assert far(ask(known), 5.0)[1] == {}


@pytest.fixture
def town(database, network):
    feed(database, records(**SITED))
    with network() as client:
        yield client


def test_two_standards_give_two_answers_and_each_states_its_own(town):
    found = {}
    for reach in ("5", "15"):
        answer = town.get(f"{AT}/gaps", params={"kind": "out-of-reach", "reach": reach}).json()
        found[reach] = [gap["area_name"] for gap in answer["items"]]
        assert answer["computed"]["thresholds"]["reach"] == float(reach)
    assert found == {"5": ["South", "East"], "15": ["South"]}
