"""The list of gaps: one order over all kinds, filtered by kind, each with its evidence."""

import numpy as np
import pytest
from hedgerow_network.domain.gap_kinds import GAP_KINDS
from hedgerow_network.domain.gaps import NOWHERE, Gap, Inquiry, Kind, Thresholds, Told, collected, gaps
from hypothesis import given
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, ask, facts, records

AT = "/v1/localities/E06000001"
LIMITS = Thresholds(reach=5.0, until=TODAY)


def look(of, *kinds, **known):
    return gaps(Inquiry(of, LIMITS, known), {name: GAP_KINDS[name] for name in kinds})


def shown(of, found):
    codes = of.facts.hierarchy.codes
    return [
        (gap.kind, of.needs[gap.need], codes[of.areas[gap.area]], gap.people)
        for gap in (found[place] for place in range(len(found)))
    ]


def test_kinds_stand_in_one_order_by_people():
    of = ask(facts(**TOWN))
    assert shown(of, look(of, "uncovered", "single")) == [
        ("single", "t:debt", "E05000003", 3000.0),
        ("uncovered", "t:food", "E05000003", 3000.0),
        ("single", "t:debt", "E05000002", 2000.0),
        ("single", "t:food", "E05000002", 2000.0),
    ]


@pytest.mark.parametrize("count", ["providers", "owners"])
def test_a_cell_is_fragile_by_provider_or_by_owner_however_the_depth_is_counted(count):
    of = ask(facts(**TOWN), needs=("t:food",), count=count)
    found = look(of, "fragile")
    # Food in East is Ant's alone. Food in North is Ant's and Bee's, and both belong to Zoo plc.
    assert shown(of, found) == [
        ("fragile", "t:food", "E05000002", 2000.0),
        ("fragile", "t:food", "E05000001", 1000.0),
    ]
    assert [found.told(place).says for place in range(2)] == [
        "East hangs on one provider, Ant, which belongs to Zoo plc.",
        "North has 2 providers, and all of them belong to Zoo plc.",
    ]
    assert [found.told(place).figures["by"] for place in range(2)] == ["provider", "owner"]


def test_a_kind_is_an_entry_that_gives_what_it_found():
    of = ask(facts(**TOWN))
    told = Told("Nobody answers for the goal.", parties=(("net-1", "Food network"),))

    def of_goals(inquiry):
        goals = inquiry.known["designs"]
        return collected(
            [(Gap("accountability", None, None, "", goal, None, "unknown"), told) for goal in goals]
        )

    kind = Kind("A goal without exactly one accountable party.", of_goals, reads=("designs",))
    of_places = {name: one for name, one in GAP_KINDS.items() if not one.reads}
    found = gaps(Inquiry(of, LIMITS, {"designs": ["b", "a"]}), {**of_places, "accountability": kind})
    last = [found[len(found) - 2], found[len(found) - 1]]
    # Nobody knows how many people are affected: last, by id.
    assert [(gap.kind, gap.need, gap.area, gap.id, gap.people) for gap in last] == [
        ("accountability", None, None, "a", None),
        ("accountability", None, None, "b", None),
    ]
    assert found.told(len(found) - 1) is told


rows_found = st.lists(
    st.tuples(st.integers(NOWHERE, 1), st.integers(NOWHERE, 2), st.sampled_from([None, 0.0, 1.0, 2.0])),
    max_size=6,
)


@given(rows_found, rows_found)
def test_the_order_is_that_of_the_plain_sort(first, second):
    of = ask(facts(**TOWN))

    def kind(name, rows):
        made = [
            (
                Gap(
                    name,
                    None if need < 0 else need,
                    None if area < 0 else area,
                    "",
                    f"{place:02}",
                    people,
                    "unknown",
                ),
                Told(""),
            )
            for place, (need, area, people) in enumerate(rows)
        ]
        return Kind("", lambda _: collected(made))

    found = gaps(Inquiry(of, LIMITS), {"x": kind("x", first), "a": kind("a", second)})
    listed = [found[place] for place in range(len(found))]

    def key(gap):
        blank = -1
        return (
            gap.people is None,
            -(gap.people or 0.0),
            blank if gap.need is None else gap.need,
            blank if gap.area is None else gap.area,
            gap.kind,
            gap.id,
        )

    assert [key(gap) for gap in listed] == sorted(key(gap) for gap in listed)
    assert len(listed) == len(first) + len(second)
    assert np.isin([gap.kind for gap in listed], ["a", "x"]).all()


def test_nothing_to_look_at_gives_an_empty_list():
    lone = "code | name | level | parents\n E06000001 | Town | authority |"
    of = ask(facts(areas=lone))
    assert len(look(of, *GAP_KINDS)) == 0
    assert len(look(of)) == 0


@pytest.fixture
def town(database, network):
    feed(database, records(**TOWN))
    with network() as client:
        yield client


def test_kinds_are_asked_for_with_commas_repeated_or_all(town):
    kinds = [
        town.get(f"{AT}/gaps?{query}").json()
        for query in ("kind=fragile,uncovered", "kind=uncovered&kind=fragile", "kind=uncovered,%20fragile")
    ]
    assert kinds[0] == kinds[1] == kinds[2]
    assert kinds[0]["computed"]["thresholds"]["kinds"] == ["fragile", "uncovered"]
    everything = town.get(f"{AT}/gaps?kind=all").json()
    assert everything["computed"]["thresholds"]["kinds"] == sorted(GAP_KINDS)
    refused = town.get(f"{AT}/gaps?kind=uncovered,wide")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == "kind"
    assert "fragile" in refused.text


def test_a_gap_says_what_it_rests_on_and_where_it_is_explained(town):
    (gap,) = town.items(f"{AT}/gaps", params={"need": "food", "at": "2026-01-15"})
    assert gap["evidence"]["says"] == "No service that counts serves South."
    assert gap["explained"] == f"{AT}/cover/t:food/E05000003?at=2026-01-15"
    assert town.get(gap["explained"]).json()["cell"]["status"] == "gap"
    fragile = town.items(f"{AT}/gaps", params={"need": "food", "kind": "fragile"})
    assert fragile[0]["evidence"]["services"] == [{"id": "s1", "name": "Service s1"}]
    assert fragile[0]["evidence"]["parties"] == [{"id": "ant", "name": "Ant"}]


def test_pages_of_all_kinds_join_to_the_whole_list(town):
    whole = town.items(f"{AT}/gaps", params={"kind": "all", "limit": 1000})
    assert town.items(f"{AT}/gaps", params={"kind": "all", "limit": 1}) == whole
    assert len(whole) > 5
