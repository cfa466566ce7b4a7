"""XmR charts: worked by hand, against a slow obvious oracle in fractions."""

import csv
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import pytest
from hedgerow_outcomes.domain.control_charts import (
    Limits,
    SpecialCause,
    chart,
    natural_limits,
    special_causes,
    variation,
)
from hedgerow_outcomes.errors import UnfitBaseline
from hypothesis import given
from hypothesis import strategies as st

NONE = SpecialCause.NONE


def test_limits_worked_by_hand() -> None:
    # Mean 60 / 5 = 12; moving ranges 2 1 4 3, mean 10 / 4 = 2.5; 12 -+ 2.66 * 2.5 = 12 -+ 6.65.
    limits = natural_limits([10, 12, 11, 15, 12])
    assert limits == pytest.approx((12, 5.35, 18.65), abs=1e-12)


def test_one_wild_step_is_screened_from_the_limits_but_not_from_the_mean() -> None:
    # Moving ranges 1 (eight times) and 19: mean 27 / 9 = 3, and 19 >= 3.267 * 3 = 9.801 is left out: mean 1.
    # Mean of the values (5 * 1 + 4 * 2 + 20) / 10 = 3.3; 3.3 -+ 2.66.
    values = [1, 2, 1, 2, 1, 2, 1, 2, 1, 20]
    assert natural_limits(values) == pytest.approx((3.3, 0.64, 5.96), abs=1e-12)
    assert natural_limits(values, screen=False) == pytest.approx((3.3, 3.3 - 7.98, 3.3 + 7.98), abs=1e-12)
    assert chart(values).causes[-1] is SpecialCause.ABOVE_LIMIT


def test_a_series_that_never_moves_is_usual_variation() -> None:
    assert chart([0.1] * 30).causes == [NONE] * 30
    assert chart([0.1] * 30).phases[0].limits == pytest.approx((0.1, 0.1, 0.1))


def test_one_value_has_a_mean_and_no_limits_and_none_has_nothing() -> None:
    assert chart([4.0]).phases[0].limits == Limits(4.0, None, None)
    assert chart([4.0]).causes == [NONE]
    assert chart([]) == ([], [])


def test_values_at_the_edge_of_the_numbers_do_no_harm() -> None:
    assert chart([1e308, -1e308] * 4).phases[0].limits.lower is None


def test_a_peak_belongs_to_the_trend_it_begins() -> None:
    values = [1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1]
    causes = special_causes(values, Limits(4, None, None))
    assert causes == [SpecialCause.RISING] * 6 + [SpecialCause.FALLING] * 7


def test_a_new_phase_has_its_own_limits_and_its_own_runs() -> None:
    values = [3, 4, 3, 4, 3, 4, 3, 4, 9, 8, 9, 8, 9, 8, 9, 8]
    assert {cause for cause in chart(values).causes if cause is not NONE}
    rebased = chart(values, starts=[8])
    assert rebased.causes == [NONE] * 16
    assert [(phase.first, phase.last, phase.limits.mean) for phase in rebased.phases] == [
        (0, 7, 3.5),
        (8, 15, 8.5),
    ]
    assert chart(values, starts=[0, 99, -1]) == chart(values)


def test_a_baseline_between_two_places_judges_the_whole_series() -> None:
    values = [float(place % 2) for place in range(12)] + [10.0] * 12
    found = chart(values, baseline=range(12))
    assert found.phases[0].limits == pytest.approx((0.5, 0.5 - 2.66, 0.5 + 2.66))
    assert found.causes[12:] == [SpecialCause.ABOVE_LIMIT] * 12
    assert found == chart(values, baseline=12)


@pytest.mark.parametrize(
    ("baseline", "starts"), [(11, []), (0, []), (-5, []), (range(11), []), (range(12), [5])]
)
def test_a_baseline_that_nothing_can_rest_on_is_refused(baseline: int | range, starts: list[int]) -> None:
    with pytest.raises(UnfitBaseline):
        chart([float(place) for place in range(30)], baseline=baseline, starts=starts)


def oracle(values: list[int]) -> list[str]:
    """The rules as they are told, window by window, in fractions."""
    mean = Fraction(sum(values), len(values))
    ranges = [abs(values[i + 1] - values[i]) for i in range(len(values) - 1)]
    average = Fraction(sum(ranges), len(ranges))
    kept = [r for r in ranges if r < Fraction(3267, 1000) * average] or ranges
    reach = Fraction(266, 100) * Fraction(sum(kept), len(kept))

    def side(i: int) -> int:
        return (values[i] > mean) - (values[i] < mean)

    def out(i: int) -> bool:
        return abs(values[i] - mean) > reach

    def near(i: int) -> bool:
        return not out(i) and abs(values[i] - mean) > reach * 2 / 3

    def windows(i: int, width: int) -> list[range]:
        return [range(s, s + width) for s in range(len(values) - width + 1) if s <= i < s + width]

    causes = []
    for i in range(len(values)):
        word = "Above" if side(i) > 0 else "Below"
        falls = [w for w in windows(i, 7) if all(values[k] > values[k + 1] for k in w[:-1])]
        rises = [w for w in windows(i, 7) if all(values[k] < values[k + 1] for k in w[:-1])]
        if out(i):
            causes.append("Above UCL" if side(i) > 0 else "Below LCL")
        elif rises or falls:
            last = max(rises + falls, key=lambda w: w.start)
            causes.append(f"7 Point Trend ({'In' if last in rises else 'De'}creasing)")
        elif near(i) and any(sum(map(near, w)) >= 2 and abs(sum(map(side, w))) == 3 for w in windows(i, 3)):
            causes.append(f"2 in 3 {word} CL")
        elif any(abs(sum(map(side, w))) == 7 for w in windows(i, 7)):
            causes.append(f"7 Points {word} CL")
        else:
            causes.append("Common Cause")
    return causes


walks = st.lists(st.integers(-2, 3), min_size=2, max_size=40).map(
    lambda steps: [sum(steps[: i + 1]) for i in range(len(steps))]
)
series = st.one_of(st.lists(st.integers(0, 8), min_size=2, max_size=40), walks)


@given(series)
def test_the_rules_are_those_of_the_oracle(values: list[int]) -> None:
    assert chart(values).causes == oracle(values)


@given(series, st.integers(1, 50), st.integers(-1000, 1000))
def test_another_unit_changes_no_verdict(values: list[int], scale: int, shift: int) -> None:
    before = chart(values)
    after = chart([value * scale + shift for value in values])
    assert after.causes == before.causes
    for was, now in zip(before.phases[0].limits, after.phases[0].limits, strict=True):
        assert now == pytest.approx(was * scale + shift, abs=1e-6)


@given(series)
def test_a_mirrored_series_has_mirrored_verdicts(values: list[int]) -> None:
    causes = chart(values).causes
    mirrored = chart([-value for value in values]).causes
    assert [variation(cause, "lower") for cause in mirrored] == [
        variation(cause, "higher") for cause in causes
    ]


def test_every_series_of_nhs_accident_and_emergency_departments_charts(shared: Path) -> None:
    series: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    with (shared / "data" / "kpi_nhs_ae" / "ae_attendances.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            series[row["org_code"], row["type"]].append((row["period"], float(row["attendances"])))
    long = {key: sorted(points) for key, points in series.items() if len(points) >= 24}
    assert len(long) == 326
    for points in long.values():
        found = chart([value for _, value in points])
        assert len(found.causes) == len(points)
        assert found.phases[0].limits.lower is not None
