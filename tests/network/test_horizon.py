"""What ends with nothing to follow: by hand, against asking again on every day, month by month."""

from datetime import date, timedelta

import numpy as np
import pytest
from hedgerow_network.domain.eligibility import read_cohort
from hedgerow_network.domain.gap_kinds import GAP_KINDS
from hedgerow_network.domain.gaps import Inquiry, Thresholds, gaps
from hedgerow_network.domain.horizon import horizon, months
from hedgerow_network.domain.opening import read_moment
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, ask, facts, facts_of, records, service

AT = "/v1/localities/E06000001"
END = date(2026, 12, 31)

ENDING = {
    **TOWN,
    "services": """
        id | provider | needs  | areas     | status | from       | to
        s1 | ant      | t:food | E05000001 | active |            | 2026-03-31
        s2 | bee      | t:food | E05000001 | active | 2026-04-01 | 2026-06-30
        s3 | cat      | t:food | E05000002 | active |            | 2026-03-31
        s4 | cat      | t:debt | E06000001 | active |            |
        s5 | ant      | t:debt | E05000003 | active |            | 2026-03-31
        """,
    "contracts": """
        id | services | start      | end        | extended_to | successor
        c1 | s4       | 2025-01-01 | 2026-09-30 | 2027-09-30  | c2
        c2 |          | 2027-01-01 |            |             |
        """,
}


def future(of, until=END):
    found = gaps(Inquiry(of, Thresholds(reach=5.0, until=until)), {"future": GAP_KINDS["future"]})
    names = [of.facts.hierarchy.areas[int(place)].name for place in of.areas]
    return found, [
        (of.needs[gap.need], names[gap.area], found.told(place).figures["uncovered_from"], gap.people)
        for place, gap in ((place, found[place]) for place in range(len(found)))
    ]


def test_what_ends_worked_by_hand():
    found, listed = future(ask(facts(**ENDING)))
    assert listed == [
        # Debt rests on a contract that ends on 30 September; what follows begins in January.
        ("t:debt", "South", "2026-10-01", 3000.0),
        ("t:debt", "East", "2026-10-01", 2000.0),
        ("t:food", "East", "2026-04-01", 2000.0),
        ("t:debt", "North", "2026-10-01", 1000.0),
        # In North Bee follows Ant on the next day, and ends in June.
        ("t:food", "North", "2026-07-01", 1000.0),
    ]
    assert found.told(0).says == (
        "From 2026-10-01 nobody serves South, and nothing that is known follows: the contract “Contract c1” "
        "of Service s4 ends on 2026-09-30, with options to extend it to 2027-09-30, Service s5 ends on "
        "2026-03-31."
    )


def test_what_ends_later_than_the_last_day_looked_at_is_no_gap_yet():
    assert [row[:2] for row in future(ask(facts(**ENDING)), date(2026, 4, 1))[1]] == [("t:food", "East")]
    assert future(ask(facts(**ENDING)), date(2026, 3, 31))[1] == []
    assert future(ask(facts(**ENDING)), TODAY)[1] == []


days = st.none() | st.integers(-4, 6).map(lambda n: (TODAY + timedelta(days=n)).isoformat())
drawn_services = st.lists(
    st.fixed_dictionaries(
        {
            "needs": st.lists(st.sampled_from(["t:food", "t:debt"]), min_size=1, max_size=2),
            "areas": st.lists(
                st.sampled_from(["E05000001", "E05000002", "E06000001"]), min_size=1, max_size=2
            ),
            "valid_from": days,
            "valid_to": days,
            "maximum_age": st.sampled_from([None, None, 15]),
            "openings": st.lists(
                st.fixed_dictionaries({"days": st.just(["SA"]), "from": days, "to": days}), max_size=2
            ),
        }
    ),
    max_size=4,
)
drawn_contracts = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["active", "active", "pending"]),
            "start": days,
            "end": days,
            "service_ids": st.lists(st.sampled_from(["s0", "s1"]), max_size=2),
            "successor_id": st.sampled_from([None, "c0", "c1"]),
        }
    ),
    max_size=3,
)


@settings(max_examples=40)
@given(drawn_services, drawn_contracts, st.sampled_from([None, "SA", "MO"]), st.sampled_from([None, "10+"]))
def test_every_cell_lapses_on_the_first_day_on_which_asking_again_finds_nobody(
    services, contracts, moment, cohort
):
    made = records(**TOWN | {"services": ""})
    made += [("service", f"s{n}", service(f"s{n}", **one)) for n, one in enumerate(services)]
    made += [("contract", f"c{n}", {"id": f"c{n}", **one}) for n, one in enumerate(contracts)]
    known = facts_of(made)
    question = {
        "needs": ("t:debt", "t:food"),
        "moment": read_moment(moment),
        "cohort": read_cohort(cohort),
    }
    now = ask(known, **question)
    last = TODAY + timedelta(days=5)
    found = horizon(now, last)
    before = now.cover.depth.ravel() > 0
    lapse = np.zeros(before.size, int)
    for n in range(1, 6):
        day = TODAY + timedelta(days=n)
        then = ask(known, at=day, **question).cover.depth.ravel() > 0
        lapse[before & ~then & (lapse == 0)] = day.toordinal()
        assert found.covered(day).tolist() == (before & then).tolist()
    assert found.lapse.tolist() == lapse.tolist()


def test_cover_lost_month_by_month():
    made = months(horizon(ask(facts(**ENDING)), END))
    assert [(f"{month.first:%Y-%m}", month.lost.size, month.people) for month in made if month.lost.size] == [
        ("2026-04", 1, 2000.0),
        ("2026-07", 1, 1000.0),
        ("2026-10", 3, 6000.0),
    ]
    assert [made[0].first, made[-1].last, len(made)] == [date(2026, 1, 16), END, 12]
    assert (made[-1].uncovered, made[-1].people_uncovered) == (5, 9000.0)
    # With the contract that follows, debt is covered again in January 2027.
    later = months(horizon(ask(facts(**ENDING)), date(2027, 1, 31)))[-1]
    assert (later.lost.size, later.uncovered) == (0, 2)


def test_nothing_ends_where_nothing_is():
    lone = "code | name | level | parents\n E06000001 | Town | authority |"
    for known in (facts(areas=lone), facts(areas=lone, needs=TOWN["needs"]), facts(**TOWN)):
        assert future(ask(known))[1] == []
        assert {month.uncovered for month in months(horizon(ask(known), END))} == {0}


@pytest.fixture
def town(database, network):
    feed(database, records(**ENDING))
    with network() as client:
        yield client


def test_the_horizon_is_told_by_month(town):
    answer = town.get(f"{AT}/horizon", params={"until": "2026-12-31"}).json()
    october = next(month for month in answer["items"] if month["month"] == "2026-10")
    assert (october["cells_lost"], october["people_lost"]) == (3, 6000)
    assert [one["id"] for one in october["services_ending"]] == ["s4", "s5"]
    assert answer["computed"]["thresholds"]["until"] == "2026-12-31"
    assert town.items(f"{AT}/horizon", params={"until": "2026-12-31", "limit": 5}) == answer["items"]
    assert len(town.get(f"{AT}/horizon").json()["items"]) == 13
    for until in ("2026-01-14", "9999-12-31"):
        refused = town.get(f"{AT}/horizon", params={"until": until})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["parameter"] == "until"
    assert town.get(f"{AT}/horizon", params={"at": "9999-12-31"}).json()["items"] == []


def test_what_will_end_is_in_the_list_of_gaps(town):
    answer = town.get(f"{AT}/gaps", params={"kind": "future", "until": "2026-04-30"}).json()
    (gap,) = answer["items"]
    assert (gap["area_name"], gap["status"], gap["evidence"]["figures"]) == (
        "East",
        "single",
        {"uncovered_from": "2026-04-01"},
    )
    assert answer["computed"]["thresholds"]["until"] == "2026-04-30"
