"""Who counts: contracts in force, opening times, cohorts, owners on a date; and what answers say of it."""

from datetime import date, time

import numpy as np
import pytest
from hedgerow_network.domain.caveats import caveats
from hedgerow_network.domain.eligibility import Ages, read_cohort
from hedgerow_network.domain.explain import explain
from hedgerow_network.domain.facts import Band
from hedgerow_network.domain.opening import Moment, Opening, not_open, read_moment
from hedgerow_network.domain.people import residents_aged
from hedgerow_network.domain.standing import standing, why_not
from hedgerow_network.errors import MalformedMoment
from hypothesis import given
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, ask, drawn, facts, facts_of, records, service

AT = "/v1/localities/E06000001"


def left_out(of, need=0, area=0):
    name = [found.id for found in of.facts.directory.services]
    return {name[found.service]: (found.why, found.reason) for found in explain(of, need, area).excluded}


@pytest.mark.parametrize(
    ("contracts", "reason"),
    [
        ("c1 | s1 | 2025-01-01 | 2026-01-15 | active", None),
        ("c1 | s1 |            |            | active", None),
        ("c1 | s1 | 2025-01-01 | 2026-01-14 | active", "“Contract c1” ended on 2026-01-14."),
        ("c1 | s1 | 2026-01-16 |            | active", "“Contract c1” starts on 2026-01-16."),
        ("c1 | s1 | 2025-01-01 |            | pending", "“Contract c1” has not been signed."),
        ("c1 | s1 | 2025-01-01 | 2026-12-31 | terminated", "“Contract c1” was terminated."),
        ("c1 | s1 | 2025-01-01 | 2024-12-31 | active", "“Contract c1” ends before it starts."),
        # One in force is enough.
        ("c1 | s1 | | 2024-12-31 | active \n c2 | s1 | 2025-01-01 | 2026-12-31 | active", None),
        # A contract of another service says nothing about this one.
        ("c1 | s9 | | 2024-12-31 | active", None),
    ],
)
def test_a_service_linked_to_contracts_counts_only_with_one_in_force(contracts, reason):
    table = f"id | services | start | end | status\n {contracts}"
    town = TOWN | {"services": "id | provider | needs | areas\n s1 | ant | t:food | E05000001"}
    of = ask(facts(**town, contracts=table), needs=("t:food",))
    assert of.cover.depth[0, 0] == (0 if reason else 1)
    told = {"s1": ("contract", f"No contract of it is in force: {reason}")} if reason else {}
    assert left_out(of) == told
    assert any("no contract in force" in said for said in caveats(of)) == bool(reason)


def test_a_supplier_that_has_left_a_contract_delivers_nothing_under_it():
    town = TOWN | {
        "services": """
            id | provider | needs  | areas
            s1 | ant      | t:food | E05000001
            s2 | bee      | t:food | E05000001
        """
    }
    head = "id | services | suppliers | former\n"
    both = ask(facts(**town, contracts=f"{head} c1 | s1;s2 | ant;bee |"), needs=("t:food",))
    left = ask(facts(**town, contracts=f"{head} c1 | s1;s2 | ant | bee"), needs=("t:food",))
    assert (both.cover.depth[0, 0], left.cover.depth[0, 0]) == (2, 1)
    reason = "No contract of it is in force: “Contract c1” was left by its provider."
    assert left_out(left) == {"s2": ("contract", reason)}


def test_a_contract_that_follows_carries_the_services_of_the_one_before():
    town = TOWN | {"services": "id | provider | needs | areas\n s1 | ant | t:food | E05000001"}
    contracts = """
        id | services | start      | end        | successor | extended_to
        c1 | s1       | 2024-01-01 | 2025-12-31 | c2        |
        c2 |          | 2026-01-01 | 2026-06-30 | c1        | 2027-06-30
        """
    known = facts(**town, contracts=contracts)
    assert ask(known, needs=("t:food",)).cover.depth[0, 0] == 1
    later = ask(known, needs=("t:food",), at=date(2026, 7, 1))
    assert later.cover.depth[0, 0] == 0
    assert left_out(later)["s1"][1].endswith("(it can be extended to 2027-06-30; that it was is not known).")


MORNINGS = Opening(("MO", "TU"), time(9), time(12), date(2026, 1, 1), date(2026, 7, 20))


@pytest.mark.parametrize(
    ("openings", "day", "moment", "reason"),
    [
        ([], TODAY, None, None),
        ([], TODAY, "SA", "Whether it is open on Saturday is not stated."),
        ([MORNINGS], TODAY, None, None),
        ([MORNINGS], date(2026, 7, 21), None, "Its opening times ended on 2026-07-20."),
        ([MORNINGS], date(2025, 12, 31), None, "Its opening times begin on 2026-01-01."),
        ([MORNINGS], TODAY, "MO", None),
        ([MORNINGS], TODAY, "MO 09:00", None),
        ([MORNINGS], TODAY, "MO 11:59", None),
        ([MORNINGS], TODAY, "MO 12:00", "It is not open on Monday at 12:00."),
        ([MORNINGS], TODAY, "SU", "It is not open on Sunday."),
        ([Opening(("FR",))], TODAY, "FR", None),
        ([Opening(("FR",))], TODAY, "FR 10:00", "Whether it is open on Friday at 10:00 is not stated."),
        ([Opening(("FR",), time(20), time(2))], TODAY, "SA 01:30", None),
        ([Opening(("FR",), time(20), time(2))], TODAY, "FR 01:30", "It is not open on Friday at 01:30."),
        ([Opening(("SU",), time(22), time(6))], TODAY, "MO 05:00", None),
    ],
)
def test_opening_times_decide_on_a_date_and_at_a_moment(openings, day, moment, reason):
    assert not_open(openings, day, read_moment(moment)) == reason


@pytest.mark.parametrize("said", ["someday", "SA 25:00", "10:00", "SA 9", "M"])
def test_what_is_no_moment_is_refused(said):
    with pytest.raises(MalformedMoment):
        read_moment(said)


days = st.none() | st.integers(-3, 3).map(lambda n: date.fromordinal(TODAY.toordinal() + n))
stated_openings = st.lists(
    st.fixed_dictionaries(
        {
            "days": st.lists(st.sampled_from(["MO", "SA"]), max_size=2),
            "opens": st.sampled_from([None, "09:00"]),
            "closes": st.just("12:00"),
            "from": days.map(lambda day: day and day.isoformat()),
            "to": days.map(lambda day: day and day.isoformat()),
        }
    ),
    max_size=2,
)
stated_services = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["active", "active", "inactive"]),
        "valid_from": days.map(lambda day: day and day.isoformat()),
        "valid_to": days.map(lambda day: day and day.isoformat()),
        "capacity": st.sampled_from([None, 0, 5]),
        "openings": stated_openings,
    }
)
stated_contracts = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["active", "pending"]),
            "start": days.map(lambda day: day and day.isoformat()),
            "end": days.map(lambda day: day and day.isoformat()),
            "service_ids": st.lists(st.sampled_from(["s0", "s1"]), max_size=2),
            "successor_id": st.sampled_from([None, "c0", "c1"]),
        }
    ),
    max_size=3,
)


@given(st.lists(stated_services, max_size=3), stated_contracts, st.sampled_from([None, Moment("SA")]))
def test_all_services_judged_at_once_are_judged_as_one_by_one(services, contracts, moment):
    known = facts_of(
        [("service", f"s{n}", service(f"s{n}", needs=[], **one)) for n, one in enumerate(services)]
        + [("contract", f"c{n}", {"id": f"c{n}", **one}) for n, one in enumerate(contracts)]
    )
    at_once = standing(known, TODAY, cohort=None, moment=moment).counts.tolist()
    assert at_once == [why_not(one, known, TODAY, moment) is None for one in known.directory.services]


AGED = {
    **TOWN,
    "services": """
        id | provider | needs  | areas     | age_from | age_to | for
        s1 | ant      | t:food | E06000001 |          | 15     |
        s2 | bee      | t:food | E06000001 | 18       |        |
        s3 | cat      | t:food | E05000001 | 16       | 25     | care-leaver
        """,
    "residents": """
        area      | count | age_from | age_to
        E05000001 | 160   | 0        | 15
        E05000001 | 50    | 16       | 20
        E05000001 | 790   | 21       |
        E05000002 | 2000  | 0        |
        """,
}


def test_cover_of_a_cohort_looks_at_ages_and_circumstances():
    known = facts(**AGED)

    def status(said):
        of = ask(known, needs=("t:food",), cohort=read_cohort(said))
        return drawn(of, of.status)

    assert status(None) == {"t:food": "overlap overlap overlap"}
    assert status("0-15") == {"t:food": "single single single"}
    # Nobody takes those of 16 and 17, but for care leavers in North.
    assert status("16-17") == {"t:food": "partial gap gap"}
    assert status("16-17;care-leaver") == {"t:food": "single gap gap"}
    assert status("16-17;carer") == {"t:food": "gap gap gap"}
    assert status("15-18") == {"t:food": "partial partial partial"}
    assert status("18+") == {"t:food": "single single single"}


def test_a_cohorts_cell_is_explained_with_whom_each_service_is_for():
    of = ask(facts(**AGED), needs=("t:food",), cohort=read_cohort("16-17"))
    told = explain(of, 0, 0)
    assert [(one.extent, one.reason) for one in told.counted] == [
        ("part", "It states North. It is for care-leaver only.")
    ]
    assert left_out(of) == {
        "s1": ("cohort", "It is for ages 0-15 only."),
        "s2": ("cohort", "It is for ages 18+ only."),
    }


def test_people_of_a_cohort_are_its_share_of_residents():
    of = ask(facts(**AGED), needs=("t:food",), cohort=read_cohort("16-17"))
    # North: 50 people of 16 to 20 (five years), so 20 of 16 and 17. East: one band of all ages, not split.
    assert of.people.count.tolist() == [[20.0, 0.0, 0.0]]
    assert of.basis(0, 0) == "residents"
    assert of.basis(0, 1) == "unknown"
    counted = AGED | {"demand": "need | area | count\n t:food | E05000001 | 100"}
    of = ask(facts(**counted), needs=("t:food",), cohort=read_cohort("16-17"))
    # 100 people counted × 20 / 1,000 residents.
    assert (of.people.count[0, 0], of.basis(0, 0)) == (2.0, "derived")
    assert any("share of the residents by age" in said for said in caveats(of))


@pytest.mark.parametrize(
    ("bands", "asked", "people"),
    [
        ([(0, 15, 160), (16, None, 840)], Ages(0, 16), 160.0),
        # The row for all ages is passed over where narrower ones are there.
        ([(0, None, 1000), (0, 15, 160), (16, None, 840)], Ages(16, np.inf), 840.0),
        ([(85, None, 30)], Ages(90, np.inf), 20.0),
        ([(0, None, 1000)], Ages(16, 18), None),
        ([(0, 15, 160)], Ages(10, 20), None),
        ([(0, 89, 500)], Ages(0, np.inf), 500.0),
        ([], Ages(0, 16), None),
    ],
)
def test_residents_of_an_age_worked_by_hand(bands, asked, people):
    made = [Band("2024", low, high, "all", count) for low, high, count in bands]
    assert residents_aged(made, TODAY, asked) == people


@given(st.lists(st.integers(0, 50), min_size=101, max_size=101), st.integers(0, 100), st.integers(1, 60))
def test_single_years_add_up_exactly(counts, low, width):
    bands = [Band("2024", age, age if age < 100 else None, "all", count) for age, count in enumerate(counts)]
    high = np.inf if low + width > 100 else low + width
    expected = sum(count for age, count in enumerate(counts) if low <= age < high)
    assert residents_aged(bands, TODAY, Ages(low, high)) == expected


def test_a_spin_out_changes_owner_on_a_date_and_history_stays_with_the_old_one():
    made = records(**TOWN)
    for kind, id, data in made:
        if (kind, id) == ("organisation", "bee"):
            data["control"] = [
                {"owner_id": "zoo", "from": None, "to": "2026-01-14"},
                {"owner_id": "cat", "from": "2026-01-15", "to": None},
            ]
    known = facts_of(made)
    before, after = (ask(known, count="owners", at=date(2026, 1, day)) for day in (14, 15))
    # Food in North is Ant's (Zoo) and Bee's: Zoo's too until the 14th, Cat's from the 15th.
    assert drawn(before, before.cover.depth)["t:food"] == "1 1 0"
    assert drawn(after, after.cover.depth)["t:food"] == "2 1 0"


def test_a_service_without_places_does_not_count():
    services = "id | provider | needs | areas | capacity\n s1 | ant | t:food | E05000001 | 0"
    of = ask(facts(**TOWN | {"services": services}), needs=("t:food",))
    assert of.cover.depth[0, 0] == 0
    assert left_out(of) == {"s1": ("not active", "It has no places: its capacity is stated as 0.")}


@pytest.fixture
def town(database, network):
    made = records(**AGED, contracts="id | services | start | end\n c1 | s2 | 2025-01-01 | 2025-12-31")
    for kind, id, data in made:
        if (kind, id) == ("service", "s1"):
            data["openings"] = [
                {"days": ["SA"], "opens": "09:00", "closes": "13:00", "from": None, "to": None}
            ]
    feed(database, made)
    with network() as client:
        yield client


def test_cohort_opening_and_contract_are_asked_for_and_said(town):
    answer = town.get(f"{AT}/cover", params={"need": "food", "cohort": "0-15", "open_at": "sa 10:00"}).json()
    assert [cell["status"] for cell in answer["items"]] == ["single"] * 3
    assert answer["computed"]["thresholds"]["cohort"] == "0-15"
    assert answer["computed"]["thresholds"]["open_at"] == "SA 10:00"
    shut = town.get(f"{AT}/cover", params={"need": "food", "cohort": "0-15", "open_at": "SU"}).json()
    assert [cell["status"] for cell in shut["items"]] == ["gap"] * 3
    (adults, *_) = town.items(f"{AT}/gaps", params={"need": "food", "cohort": "18+"})
    told = town.get(adults["explained"]).json()
    assert told["computed"]["thresholds"]["cohort"] == "18+"
    assert {one["service"]["id"]: one["why"] for one in told["excluded"]} == {
        "s1": "cohort",
        "s2": "contract",
    }
    assert any("no contract in force" in said for said in told["computed"]["caveats"])
    for query in ("cohort=17-16", "open_at=never"):
        assert town.get(f"{AT}/cover?{query}").status_code == 422
