"""Minimum service levels: breaches open once and close once, and follow corrections."""

from datetime import UTC, date, datetime
from typing import Any

from hedgerow_outcomes.domain.breaches import HIGHER, LOWER, Level, Observed, attainment, breaches, is_below
from hedgerow_outcomes.domain.lateness import due
from hedgerow_outcomes.domain.periods import months
from hypothesis import given
from hypothesis import strategies as st

from tests.outcomes.sending import HEAD, send
from tests.support.http import Client

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEVEL = Level(95, 99, HIGHER)
KPIS = """id,name,unit,polarity,level,perspective,frequency,aggregation,target,minimum
seen,Seen within four weeks,%,higher,outcome,outward,monthly,mean,99,95
wait,Days waited,days,lower,outcome,outward,monthly,mean,10,18
quiet,No minimum,%,higher,outcome,outward,monthly,mean,,
"""
SENT = HEAD + "".join(
    f"seen,organisation:A,2025-{month:02},{value}\n"
    for month, value in enumerate((96, 94, 93, 95, 96, 90), start=1)
)


def monthly(*values: float | None) -> list[Observed]:
    return [Observed(months(2025, place, 1), value, NOW) for place, value in enumerate(values, start=1)]


def test_neighbouring_periods_below_the_minimum_are_one_breach():
    found = breaches(monthly(96, 94, 93, 95, 96, 90), lambda _: LEVEL)
    assert [
        (b.opened.period.label, b.closed and b.closed.period.label, b.worst, b.periods) for b in found
    ] == [
        ("2025-02", "2025-04", 93, 2),
        ("2025-06", None, 90, 1),
    ]


def test_a_value_that_is_not_known_neither_opens_nor_closes():
    (found,) = breaches(monthly(94, None, 93, 99), lambda _: LEVEL)
    assert (found.opened.period.label, found.periods, found.closed.period.label) == ("2025-01", 2, "2025-04")
    assert breaches(monthly(None, None), lambda _: LEVEL) == []


def test_months_and_years_are_judged_among_themselves():
    year = Observed(months(2025, 1, 12), 90, NOW)
    found = breaches([*monthly(94, 99), year], lambda _: LEVEL)
    assert [(b.opened.period.label, b.closed is None) for b in found] == [("2025-01", False), ("2025", True)]


def test_an_agreement_that_ends_closes_what_is_open():
    def until_march(day: date) -> Level | None:
        return LEVEL if day.month <= 3 else None

    (found,) = breaches(monthly(99, 94, 94, 94, 94), until_march)
    assert (found.periods, found.closed.period.label) == (2, "2025-04")


@given(st.lists(st.none() | st.integers(80, 110), max_size=12))
def test_every_known_value_below_lies_in_exactly_one_breach(values):
    found = breaches(monthly(*values), lambda _: LEVEL)
    below = [value for value in values if value is not None and is_below(value, LEVEL)]
    assert sum(breach.periods for breach in found) == len(below)
    assert sum(breach.closed is None for breach in found) <= 1
    assert breaches(reversed(monthly(*values)), lambda _: LEVEL) == found


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_a_little_more_is_never_worth_less(value, more):
    level = Level(80, 100, HIGHER)
    assert attainment(value + more, level) >= attainment(value, level)
    worse = Level(20, 10, LOWER)
    assert attainment(value + more, worse) <= attainment(value, worse)


def test_attainment_needs_something_to_judge_by():
    assert attainment(None, LEVEL) is None
    assert attainment(5, None) is None
    assert attainment(5, Level(0, None, HIGHER)) is None
    assert attainment(76, Level(80, None, HIGHER)) == -0.05


def test_the_next_value_is_due_after_its_period_and_some_grace():
    assert due(date(2025, 2, 28), "monthly", grace_days=0) == date(2025, 3, 31)
    assert due(date(2024, 12, 31), "annual", grace_days=0) == date(2025, 12, 31)
    assert due(date(2025, 1, 5), "weekly", grace_days=1) == date(2025, 1, 13)
    assert due(date(2025, 1, 5), "irregular") is None
    assert due(date(2025, 1, 5), None) is None


def listed(client: Client, **asked: Any) -> list[tuple[Any, ...]]:
    rows = client.items("/v1/breaches", params=asked)
    found = [
        (row["opened"]["period"], row["closed"] and row["closed"]["period"], row["worst"], row["status"])
        for row in rows
    ]
    return sorted(found)


def test_breaches_follow_what_is_sent_and_sending_it_again_changes_nothing(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", SENT)
    found = listed(outcomes)
    assert found == [("2025-02", "2025-04", 93.0, "closed"), ("2025-06", None, 90.0, "open")]
    ids = [row["id"] for row in outcomes.items("/v1/breaches")]
    send(outcomes, "observations", SENT)
    assert [row["id"] for row in outcomes.items("/v1/breaches")] == ids
    assert outcomes.get(f"/v1/breaches/{ids[0]}").json()["kpi"] == "seen"
    assert outcomes.get("/v1/breaches/none").status_code == 404
    assert listed(outcomes, open=True) == found[1:]
    assert listed(outcomes, subject="organisation:B") == []
    assert listed(outcomes, kpi="wait") == []
    assert listed(outcomes, to="2025-03-31") == found[:1]


def test_a_correction_undoes_a_breach_and_a_new_minimum_makes_others(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", SENT)
    send(outcomes, "observations", HEAD + "seen,organisation:A,2025-06,97\n")
    assert listed(outcomes) == [("2025-02", "2025-04", 93.0, "closed")]
    send(outcomes, "kpis", KPIS.replace("99,95", "99,50"))
    # The new version holds from today: what was agreed for 2025 stays agreed.
    assert listed(outcomes) == [("2025-02", "2025-04", 93.0, "closed")]
    dated = KPIS.replace("minimum\n", "minimum,valid_from\n", 1).replace("99,95", "99,50,2025-01-01", 1)
    send(outcomes, "kpis", "\n".join(dated.splitlines()[:2]) + "\n")
    assert listed(outcomes) == []


def test_lower_may_be_better_and_a_kpi_without_a_minimum_has_no_breaches(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", HEAD + "wait,E05000001,2025-01,19\nquiet,E05000001,2025-01,1\n")
    assert listed(outcomes) == [("2025-01", None, 19.0, "open")]
    latest = outcomes.items("/v1/observations/latest", params={"subject": "E05000001"})
    assert {row["kpi"]["id"]: row["attainment"] for row in latest} == {"wait": -0.125, "quiet": None}


def test_a_kpi_is_late_by_its_own_frequency(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", SENT)
    asked = {"at": "2025-09-29", "grace_days": 60}
    assert outcomes.items("/v1/observations/late", params=asked) == []
    (late,) = outcomes.items("/v1/observations/late", params={**asked, "at": "2025-09-30"})
    assert late == {
        "kpi": "seen",
        "authority": None,
        "frequency": "monthly",
        "latest_end": "2025-06-30",
        "due": "2025-09-29",
        "days_late": 1,
        "grace_days": 60,
    }
