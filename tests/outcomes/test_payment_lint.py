"""The known mistakes of paying for results: each is found by name, and a sound rule has none."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hedgerow_outcomes.domain.definitions import Definition
from hedgerow_outcomes.domain.payments.curves import bunching, curve
from hedgerow_outcomes.domain.payments.lint import Draft, lint
from hedgerow_outcomes.domain.payments.rules import Rule
from hedgerow_outcomes.domain.payments.statements import statement_periods

from tests.outcomes.paying import rule

JOBS: dict[str, Any] = {
    "id": "jobs",
    "kind": "outcome",
    "measure": {"kpi": "jobs"},
    "baseline": 20,
    "prices": [{"price": 500}],
    "most": 100,
    "controlled": True,
}
CORE = {"id": "core", "kind": "block", "monthly": 5000}
HEARD = {
    "id": "heard",
    "kind": "satisfaction",
    "of": ["jobs"],
    "measure": {"kpi": "happy"},
    "weight": "0.1",
    "floor": 50,
    "target": 80,
}
SOUND: dict[str, Any] = {
    "ends": "2028-03-31",
    "contributors": [{"subject": "organisation:A", "share": 1, "sector": "charity"}],
    "context": {"staggered_start": True, "award_criteria": {"price": 40, "quality": 60}},
}
KPIS = {
    "jobs": Definition("Jobs", unit="people", level="outcome", perspective="outward"),
    "happy": Definition("Happy", unit="%", level="outcome", perspective="user_voice"),
    "cost": Definition("Cost", unit="£", level="input", perspective="inward"),
}


def found(*parts: Any, **fields: Any) -> list[str]:
    return [finding.rule for finding in lint(draft(rule(*parts, **(SOUND | fields))))]


def draft(held: Rule) -> Draft:
    period = next(iter(statement_periods(held)))
    drawn = {part.id: curve(held, part, period) for part in held.parts}
    return Draft(held, KPIS, {id: one for id, one in drawn.items() if one is not None})


def test_a_sound_rule_has_no_findings():
    assert found(CORE, JOBS, HEARD) == []


@pytest.mark.parametrize(
    ("mistake", "parts", "fields"),
    [
        (
            "maximum-at-or-below-old-value",
            [CORE, JOBS, HEARD, {"id": "p", "kind": "pot", "of": ["heard"], "maximum": 9}],
            {"context": SOUND["context"] | {"previous_value": 9}},
        ),
        ("all-on-outcomes", [JOBS, HEARD], {}),
        (
            "price-only",
            [CORE, JOBS, HEARD],
            {"context": {"staggered_start": True, "award_criteria": {"price": 1}}},
        ),
        ("risk-nobody-controls", [CORE, {**JOBS, "controlled": False}, HEARD], {}),
        ("risk-not-considered", [CORE, {**JOBS, "controlled": None}, HEARD], {}),
        (
            "inputs-prescribed-beside-outcomes",
            [CORE, JOBS, HEARD],
            {"context": SOUND["context"] | {"prescribed_inputs": ["Two visits a week"]}},
        ),
        ("no-staggered-start", [CORE, JOBS, HEARD], {"context": {"staggered_start": False}}),
        ("no-baseline", [CORE, {**JOBS, "baseline": None}, HEARD], {}),
        ("cliff", [CORE, {**JOBS, "prices": [], "trigger_pct": 10, "amount": 50_000}, HEARD], {}),
        ("no-limit", [CORE, {**JOBS, "most": None}, HEARD], {}),
        ("short-term-for-third-sector", [CORE, JOBS, HEARD], {"ends": "2027-03-31"}),
        ("unknown-kpi", [CORE, {**JOBS, "measure": {"kpi": "unheard-of"}}, HEARD], {}),
        ("no-user-voice", [CORE, JOBS], {}),
    ],
)
def test_each_known_mistake_is_found_by_name(mistake, parts, fields):
    assert mistake in found(*parts, **fields)


def test_measures_of_cost_alone_are_flagged():
    spend = {"id": "s", "kind": "activity", "items": [{"measure": {"kpi": "cost"}, "prices": [{"price": 1}]}]}
    assert "only-cost-measures" in found(spend)
    assert "only-cost-measures" not in found(spend, JOBS)


def test_the_largest_step_of_a_curve_is_where_the_sum_falls_due():
    lump = rule({**JOBS, "prices": [], "trigger_pct": 10, "amount": 50_000})
    drawn = curve(lump, lump.parts[0], next(iter(statement_periods(lump))))
    # 10 % above 20 is 22: nothing at 21, all of it at 22.
    assert drawn is not None
    assert (drawn.before, drawn.after, drawn.step) == (21, 22, 50_000)
    even = rule(JOBS)
    smooth = curve(even, even.parts[0], next(iter(statement_periods(even))))
    assert smooth is not None
    assert smooth.step == Decimal(500)


def test_a_three_year_term_is_not_short():
    assert "short-term-for-third-sector" not in found(CORE, JOBS, HEARD, ends="2028-03-31")
    private = [{"subject": "organisation:A", "share": 1, "sector": "private"}]
    assert "short-term-for-third-sector" not in found(
        CORE, JOBS, HEARD, ends="2026-03-31", contributors=private
    )


def test_values_that_gather_at_a_threshold_are_seen_and_even_ones_are_not():
    even = [threshold / 10 for threshold in range(700, 900)]
    assert not bunching(even, threshold=80, width=5).suspicious
    gathered = [*even, *[80.2] * 40]
    assert bunching(gathered, threshold=80, width=5).suspicious
    # Where lower is better the paid side is below: the same values gather on the unpaid side.
    assert not bunching(gathered, threshold=80, width=5, lower_is_better=True).suspicious
    few = bunching([80.0] * 9, threshold=80, width=5)
    assert (few.p_value, few.suspicious) == (None, False)


def test_findings_name_a_place_in_the_draft():
    held = replace(rule(JOBS, **SOUND), parts=rule(JOBS).parts)
    assert all(finding.pointer.startswith("/") for finding in lint(draft(held)))
