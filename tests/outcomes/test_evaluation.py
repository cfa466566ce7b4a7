"""Evaluation: a case worked by hand, an oracle, what must always hold, and the API on both databases."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hedgerow_outcomes.domain.evaluation import difference_in_differences
from hedgerow_outcomes.domain.periods import months
from hedgerow_outcomes.domain.value_for_money import Entry, cost_per_outcome, ledger, pence
from hedgerow_outcomes.errors import UnfitForEvaluation
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.outcomes.sending import HEAD, counts, receipts, send
from tests.support.http import Client
from tests.support.identity import identity

TABLES = arrays.arrays(np.float64, (8, 5), elements=st.floats(-1000, 1000, width=32))


def test_two_before_and_after_pairs_by_hand():
    # Treated: 10 to 6, −4. Comparison: 10 to 9, −1. Difference: −3.
    values = np.array([[10.0, 6.0], [10.0, 9.0]])
    found = difference_in_differences(values, [1, None], confidence=0.95)
    assert found.effect.value == pytest.approx(-3)
    assert (found.effect.lower, found.effect.p_value, found.pre_trend) == (None, None, None)


@given(TABLES)
@settings(max_examples=40)
def test_one_cohort_is_the_plain_difference_of_differences(values):
    found = difference_in_differences(values, [2] * 3 + [None] * 5, confidence=0.95)
    after, before = values[:, 2:].mean(axis=1), values[:, :2].mean(axis=1)
    change = after - before
    assert found.effect.value == pytest.approx(change[:3].mean() - change[3:].mean(), abs=1e-6)


@given(TABLES, st.permutations(range(8)), st.floats(-50, 50))
@settings(max_examples=40)
def test_order_levels_and_common_shocks_change_nothing(values, order, shock):
    starts = [2, 2, 3, 3, None, None, None, None]
    found = difference_in_differences(values, starts, confidence=0.95)
    order = list(order)
    moved = values[order] + np.arange(5) * shock + np.arange(8)[:, None]
    again = difference_in_differences(moved, [starts[place] for place in order], confidence=0.95)
    assert again.effect.value == pytest.approx(found.effect.value, abs=1e-5)


def test_a_known_effect_is_found_with_a_staggered_start():
    noise = np.random.default_rng(7).normal(0, 0.5, (30, 8))
    starts = [3] * 8 + [5] * 7 + [None] * 15
    levels = np.arange(30)[:, None] * 1.0 + np.arange(8) * 0.7
    treated = np.array([[start is not None and t >= start for t in range(8)] for start in starts])
    found = difference_in_differences(levels + noise - 2 * treated, starts, confidence=0.95)
    assert found.effect.lower < -2 < found.effect.upper
    assert found.effect.p_value < 0.001
    assert [(cohort.start, cohort.treated, cohort.comparison) for cohort in found.cohorts] == [
        (3, 8, 15),
        (5, 7, 15),
    ]
    assert not found.unlike_before


def test_later_starters_serve_as_comparison_until_they_start():
    values = np.array([[0.0, 0, 5, 5, 5], [0, 0, 5, 5, 5], [0, 0, 0, 0, 5], [0, 0, 0, 0, 5]])
    found = difference_in_differences(values, [2, 2, 4, 4], confidence=0.95)
    assert found.not_yet
    # Only the first cohort has anybody to compare with, and only until the second starts.
    assert [(cohort.start, cohort.effect.value) for cohort in found.cohorts] == [(2, pytest.approx(5))]


def test_trends_that_differed_before_are_seen():
    noise = np.random.default_rng(3).normal(0, 0.1, (20, 6))
    drifting = np.outer(np.arange(20) < 10, np.arange(6)) * 1.0
    found = difference_in_differences(drifting + noise, [4] * 10 + [None] * 10, confidence=0.95)
    assert found.unlike_before
    assert found.pre_trend.value == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("starts", [[None, None], [0, None], [1, 1]])
def test_nothing_to_compare_is_said(starts):
    with pytest.raises(UnfitForEvaluation):
        difference_in_differences(np.array([[1.0, 2.0], [1.0, 3.0]]), starts, confidence=0.95)


def test_a_few_outcomes_are_not_shown():
    assert cost_per_outcome(1000, 4, confidence=0.95) is None
    found = cost_per_outcome(1000, 5, confidence=0.95)
    assert found is not None
    assert found.lower < found.value == 200 < found.upper


def test_savings_that_investment_takes_back_do_not_break_even():
    years = [months(2025 + place, 4, 12) for place in range(4)]
    rows = [
        Entry("council", "invest", years[0], 100),
        Entry("council", "save", years[1], 120),
        Entry("council", "invest", years[2], 100),
        Entry("council", "save", years[3], 90),
        Entry("trust", "match", years[0], 50),
    ]
    found = ledger(rows)
    assert found.together.break_even == years[3]
    assert (found.leverage, found.together.net) == (0.25, 10)
    assert ledger(rows[:3]).together.break_even is None
    assert ledger([]).leverage is None


@pytest.mark.parametrize("text", ["", "x", "1.005", "nan", "1e30", "inf"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises((ValueError, ArithmeticError)):
        pence(text)


def subjects(first: int, last: int) -> list[str]:
    return [f"E0500000{place}" for place in range(first, last)]


@pytest.fixture
def evaluated(outcomes: Client) -> Client:
    send(outcomes, "kpis", "id,name,unit,frequency\ncrime,Crime,per 1000,annual\ncost,Cost,£,annual\n")
    rows = [
        f"crime,E0500000{place},{year},{20 + place - fallen + (place * 7 + year * 3) % 5 / 10}"
        for place in range(9)
        for year in range(2020, 2026)
        for fallen in [3 if (place < 2 and year >= 2022) or (2 <= place < 4 and year >= 2024) else 0]
    ]
    send(outcomes, "observations", HEAD + "\n".join(rows) + "\n")
    return outcomes


def test_an_evaluation_says_its_effect_interval_cohorts_and_what_it_rests_on(evaluated: Client) -> None:
    body: dict[str, Any] = {
        "kpi": "crime",
        "treated": [{"subject": subject, "start": "2022-01-01"} for subject in subjects(0, 2)]
        + [{"subject": subject, "start": "2024-01-01"} for subject in subjects(2, 4)],
        "comparison": [*subjects(4, 9), "E05000099"],
    }
    answer = evaluated.post("/v1/evaluations/difference-in-differences", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["effect"]["value"] == pytest.approx(-3, abs=0.4)
    assert found["effect"]["lower"] < -3 < found["effect"]["upper"] < 0
    assert [(row["start"], row["treated"], row["comparison"]) for row in found["cohorts"]] == [
        ("2022", 2, 5),
        ("2024", 2, 5),
    ]
    assert found["left_out"] == [{"subject": "E05000099", "reason": "no value in 6 periods"}]
    assert found["computed"]["parameters"]["confidence"] == 0.95
    assert any("9 subjects" in caveat for caveat in found["computed"]["caveats"])


def test_an_evaluation_that_cannot_be_is_refused(evaluated: Client) -> None:
    undated = {"kpi": "crime", "treated": [{"subject": "E05000000"}], "comparison": ["E05000001"]}
    assert evaluated.post("/v1/evaluations/difference-in-differences", json=undated).status_code == 422
    alone = {**undated, "start": "2022-01-01", "comparison": []}
    assert evaluated.post("/v1/evaluations/difference-in-differences", json=alone).status_code == 422
    unknown = {**alone, "kpi": "nothing"}
    assert evaluated.post("/v1/evaluations/difference-in-differences", json=unknown).status_code == 404


def test_cost_per_outcome_is_withheld_below_five(outcomes: Client) -> None:
    send(outcomes, "kpis", "id,name,unit\njobs,Jobs,people\ncost,Cost,£\n")
    rows = "jobs,organisation:A,2025,100\ncost,organisation:A,2025,50000\n"
    rows += "jobs,organisation:B,2025,4\ncost,organisation:B,2025,9000\n"
    send(outcomes, "observations", HEAD + rows)
    asked = {
        "cost": "cost",
        "outcome": "jobs",
        "subject": ["organisation:A", "organisation:B", "organisation:C"],
    }
    shown, few, unknown = outcomes.get("/v1/evaluations/cost-per-outcome", params=asked).json()["items"]
    assert (shown["cost_per_outcome"], round(shown["lower"]), round(shown["upper"])) == (500.0, 411, 615)
    assert few["withheld"] == "fewer than 5 outcomes: too few to show"
    assert (few["cost_per_outcome"], few["outcomes"], few["cost"]) == (None, None, None)
    assert "not known" in unknown["withheld"]


LEDGER = """scheme,party,kind,period,amount_gbp,evidence
falls,E06999001,invest,2024/25,"100,000.50",Cabinet paper 7
falls,organisation:NHS,save,2025/26,160000,
falls,organisation:Trust,match,2024/25,25000,
falls,nobody,save,2025/26,1,
falls,E06999001,give,2025/26,1,
falls,E06999001,save,soon,1,
falls,E06999001,save,2025/26,1.005,
"""


def test_who_invests_and_who_saves(outcomes: Client) -> None:
    done = send(outcomes, "ledger", LEDGER)
    assert list(done["counts"].values()) == [3, 0, 0, 4]
    bad = [(row["line"], row["column"]) for row in receipts(outcomes, done, verdict="quarantined")]
    assert bad == [(5, "party"), (6, "kind"), (7, "period"), (8, "amount_gbp")]
    assert counts(outcomes, "ledger", LEDGER) == (0, 0, 3, 4)
    found = outcomes.get("/v1/ledgers/falls").json()
    parties = {row["party"]: row for row in found["parties"]}
    assert (parties["E06999001"]["invested"], parties["E06999001"]["net"]) == (100_000.5, -100_000.5)
    assert (parties["organisation:NHS"]["saved"], parties["organisation:NHS"]["share_of_savings"]) == (
        160_000.0,
        1,
    )
    assert (found["together"]["net"], found["together"]["break_even"]) == (59_999.5, "2025/26")
    assert found["leverage"] == pytest.approx(0.25, abs=1e-5)
    assert len(outcomes.items("/v1/ledgers", params={"scheme": "falls"})) == 3
    assert outcomes.get("/v1/ledgers/nothing").status_code == 404
    stranger = identity("outcomes", role="commissioner", authorities=("E06999002",))
    assert outcomes.get("/v1/ledgers/falls", headers=stranger).status_code == 404
    assert outcomes.get("/v1/ledgers", headers=stranger).json()["items"] == []
    own = identity("outcomes", role="commissioner", authorities=("E06999001",))
    assert outcomes.get("/v1/ledgers/falls", headers=own).status_code == 200
    assert date.fromisoformat(outcomes.items("/v1/ledgers")[0]["start"]) == date(2024, 4, 1)
