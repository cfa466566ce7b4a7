"""What is earned under a rule: cases worked by hand, and what must always hold."""

import pytest
from hedgerow_outcomes.domain.payments.rules import faults
from hedgerow_outcomes.domain.payments.statements import (
    State,
    adjustments,
    compute,
    moved,
    period_of,
    statement_periods,
)
from hedgerow_outcomes.domain.spellings import parse_period
from hedgerow_outcomes.errors import IllegalTransition, NotAStatementPeriod
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.outcomes.paying import figures, quarter, rule

BLOCK = {"id": "core", "kind": "block", "monthly": "1000"}
VISITS = {
    "id": "visits",
    "kind": "activity",
    "items": [
        {"measure": {"kpi": "visits"}, "prices": [{"price": 10}, {"price": 12, "since": "2025-07-01"}]}
    ],
}
TWO = [{"subject": "organisation:A", "share": "0.5"}, {"subject": "organisation:B", "share": "0.5"}]
Q2, Q3 = quarter(2025, 2), quarter(2025, 3)


def _pence(found):
    return {line.key: line.pence for line in found.lines}


def test_a_block_is_paid_by_the_month():
    # Three months at £1,000.
    found = compute(rule(BLOCK), Q2, figures(""))
    assert _pence(found) == {("core", "organisation:A", "E06999001"): 300_000}


def test_a_total_over_months_adds_up_to_it_whatever_the_pennies():
    # £1,000 over 12 months is £83.33… a month: 250.00 four times, not 249.99.
    total = rule({"id": "core", "kind": "block", "total": 1000, "months": 12}, cadence="month")
    paid = [compute(total, period, figures("")).pence for period in statement_periods(total)]
    assert len(paid) == 12
    assert sum(paid) == 100_000
    assert set(paid) == {8_333, 8_334}


def test_a_part_month_at_the_start_is_paid_by_its_days_and_made_up_for_at_the_end():
    # 16 to 30 April is half a month: £500 of £1,000; the twelfth month ends on 15 April of the year after.
    part = rule(
        {"id": "fee", "kind": "block", "total": 12_000, "months": 12},
        cadence="month",
        starts="2025-04-16",
        ends="2026-04-30",
    )
    paid = [compute(part, period, figures("")).pence for period in statement_periods(part)]
    assert paid[0] == 50_000
    assert sum(paid) == 1_200_000


def test_a_price_from_1_july_leaves_a_june_claim_alone():
    # June: 4 × £10; July: 4 × £12.
    seen = figures("visits organisation:A Jun-25 4\nvisits organisation:A Jul-25 4")
    assert compute(rule(VISITS), Q2, seen).pence == 4_000
    assert compute(rule(VISITS), Q3, seen).pence == 4_800


def test_no_more_units_are_paid_than_the_most():
    limited = {**VISITS, "items": [{**VISITS["items"][0], "most": 5}]}
    seen = figures("visits organisation:A Apr-25 3\nvisits organisation:A May-25 4")
    # Three in April, then two of four in May.
    assert compute(rule(limited), Q2, seen).pence == 5_000


def test_a_quarter_beside_its_months_is_not_paid_twice():
    seen = figures(
        "visits organisation:A Apr-25 1\nvisits organisation:A May-25 1\n"
        "visits organisation:A Jun-25 1\nvisits organisation:A 2025-Q2 3"
    )
    assert compute(rule(VISITS), Q2, seen).pence == 3_000


def test_what_is_not_known_counts_as_nothing_and_is_named():
    found = compute(rule(VISITS, contributors=TWO), Q2, figures("visits organisation:A Apr-25 -"))
    assert found.pence == 0
    assert found.missing == (
        "visits of organisation:A has no value in 2025-04",
        "no observation of visits of organisation:B within 2025-Q2",
    )


def test_an_outcome_is_paid_net_of_what_would_have_happened_anyway():
    part = {
        "id": "jobs",
        "kind": "outcome",
        "measure": {"kpi": "jobs"},
        "baseline": 20,
        "prices": [{"price": 500}],
        "most": 15,
    }
    # 30 jobs of which 20 would have been found anyway: 10 × £500; 50 jobs: 15 of 30 are paid; 10 jobs: none.
    for jobs, pence in ((30, 500_000), (50, 750_000), (10, 0)):
        assert compute(rule(part), Q2, figures(f"jobs organisation:A 2025-Q2 {jobs}")).pence == pence


def test_a_capitation_pot_is_shared_out_to_the_penny():
    part = {
        "id": "heads",
        "kind": "capitation",
        "pot": "1000",
        "groups": [
            {"name": "high", "weight": 3, "people": {"kpi": "high"}},
            {"name": "low", "weight": 1, "people": {"kpi": "low"}},
        ],
    }
    seen = figures(
        "high organisation:A 2025-Q2 1\nlow organisation:A 2025-Q2 0\n"
        "high organisation:B 2025-Q2 1\nlow organisation:B 2025-Q2 1"
    )
    # Three and four weighted people: 3/7 and 4/7 of £1,000.
    found = compute(rule(part, contributors=TWO), Q2, seen)
    assert [line.pence for line in found.lines] == [42_857, 57_143]


def test_satisfaction_moves_the_payment_by_exactly_its_weight():
    said = {
        "id": "with",
        "kind": "satisfaction",
        "of": ["core"],
        "measure": {"kpi": "happy", "subject": "organisation:A"},
        "weight": "0.1",
        "floor": 60,
        "target": 80,
    }
    # £3,000: nothing off at 80 % and above, a tenth off at 60 % and below, half of that in the middle.
    for value, pence in ((90, 300_000), (80, 300_000), (70, 285_000), (60, 270_000), (10, 270_000)):
        found = compute(rule(BLOCK, said), Q2, figures(f"happy organisation:A 2025-Q2 {value}"))
        assert found.pence == pence


def test_gain_and_loss_are_shared_within_cap_and_collar():
    part = {
        "id": "gain",
        "kind": "gain_share",
        "cost": {"kpi": "cost", "subject": "contract:1"},
        "target_cost": 100_000,
        "share": "0.5",
        "cap": 10_000,
        "collar": 5_000,
    }
    # Half of what was saved or overspent, at most £10,000 and at least −£5,000.
    for cost, pence in ((90_000, 500_000), (50_000, 1_000_000), (104_000, -200_000), (150_000, -500_000)):
        assert compute(rule(part), Q2, figures(f"cost contract:1 2025-Q2 {cost}")).pence == pence


def test_shares_must_sum_to_1():
    uneven = [{"subject": "organisation:A", "share": "0.5"}, {"subject": "organisation:B", "share": "0.4"}]
    assert [fault.pointer for fault in faults(rule(BLOCK, contributors=uneven))] == ["/contributors"]
    assert faults(rule(BLOCK, contributors=TWO)) == []


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"id": "b", "kind": "block"}, "/parts/0"),
        ({"id": "b", "kind": "block", "total": 5}, "/parts/0/months"),
        ({"id": "b", "kind": "block", "monthly": -1}, "/parts/0/monthly"),
        ({"id": "p", "kind": "pot", "of": ["x"], "minimum": 1}, "/parts/0/of/0"),
        ({"id": "p", "kind": "pot", "of": ["p"], "minimum": 1}, "/parts/0/of/0"),
        ({"id": "p", "kind": "activity", "items": []}, "/parts/0/items"),
        ({"id": "o", "kind": "outcome", "measure": {"kpi": "k"}, "amount": 1}, "/parts/0/trigger_pct"),
        ({"id": "c", "kind": "capitation", "groups": [], "pot": 1}, "/parts/0/groups"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_its_place(part, pointer):
    assert pointer in [fault.pointer for fault in faults(rule(part))]


def test_a_statement_is_for_a_period_of_the_rule_and_no_other():
    held = rule(BLOCK, starts="2025-05-15")
    assert period_of(held, parse_period("2025-Q2")).start.isoformat() == "2025-05-15"
    with pytest.raises(NotAStatementPeriod):
        period_of(held, parse_period("2025/26"))
    with pytest.raises(NotAStatementPeriod):
        period_of(held, parse_period("2024-Q2"))


def test_an_adjustment_is_the_difference_and_brings_back_what_is_no_more():
    now = compute(rule(VISITS), Q2, figures("visits organisation:A Apr-25 3"))
    issued = [
        (("visits", "organisation:A", "E06999001"), 4_000),
        (("gone", "organisation:A", "E06999001"), 7),
    ]
    found = adjustments(issued, now)
    assert [(line.part, line.pence) for line in found] == [("visits", -1_000), ("gone", -7)]
    assert adjustments([(line.key, line.pence) for line in now.lines], now) == []


def test_what_was_paid_stands():
    assert moved(State.ISSUED, State.APPROVED) is State.APPROVED
    with pytest.raises(IllegalTransition):
        moved(State.PAID, State.WITHDRAWN)


UNITS = st.lists(st.decimals(0, 10_000, places=2), min_size=3, max_size=3)


@given(UNITS, st.integers(1, 99), st.integers(1, 99))
@settings(max_examples=60)
def test_any_grouping_of_the_lines_sums_to_the_same(units, share, paid):
    payers = [{"authority": "X", "share": f"0.{paid:02}"}, {"authority": "Y", "share": f"0.{100 - paid:02}"}]
    people = [
        {"subject": "organisation:A", "share": f"0.{share:02}"},
        {"subject": "organisation:B", "share": f"0.{100 - share:02}"},
    ]
    shared_visits = {
        "id": "joint",
        "kind": "rate_card",
        "items": [{"measure": {"kpi": "visits", "subject": "contract:1"}, "prices": [{"price": "3.337"}]}],
    }
    held = rule(BLOCK, shared_visits, payers=payers, contributors=people)
    rows = "\n".join(
        f"visits contract:1 {m}-25 {u}" for m, u in zip(("Apr", "May", "Jun"), units, strict=True)
    )
    found = compute(held, Q2, figures(rows))
    for place in range(3):
        groups: dict[str, int] = {}
        for line in found.lines:
            groups[line.key[place]] = groups.get(line.key[place], 0) + line.pence
        assert sum(groups.values()) == found.pence
    # A joint figure is paid once, whoever pays and is paid.
    alone = compute(rule(BLOCK, shared_visits), Q2, figures(rows))
    assert alone.pence == found.pence


@given(st.permutations(["organisation:A", "organisation:B", "organisation:C"]))
@settings(max_examples=6)
def test_the_order_of_contributors_changes_nothing(order):
    share = {"organisation:A": "0.2", "organisation:B": "0.3", "organisation:C": "0.5"}
    held = rule(
        {"id": "core", "kind": "block", "monthly": "33.33"},
        contributors=[{"subject": one, "share": share[one]} for one in order],
    )
    assert _pence(compute(held, Q2, figures(""))) == {
        ("core", "organisation:A", "E06999001"): 2_000,
        ("core", "organisation:B", "E06999001"): 3_000,
        ("core", "organisation:C", "E06999001"): 4_999,
    }
