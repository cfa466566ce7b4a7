"""Confidence intervals: by hand and as properties."""

import math
from typing import Any

import pytest
from hedgerow_outcomes.domain.intervals import (
    Interval,
    byar,
    exact_poisson,
    poisson,
    rate,
    wilson,
)
from hedgerow_outcomes.domain.standing import Figure, Method, against, interval_of, method_of, ranked
from hedgerow_outcomes.errors import UnfitForInterval
from hypothesis import given
from hypothesis import strategies as st


def test_wilson_worked_by_hand() -> None:
    # 20 of 100, z = 1.96: (40 + 3.8416 -+ 1.96 sqrt(3.8416 + 80 * 0.8)) / (2 * 103.8416)
    # = (43.8416 -+ 1.96 * 8.23660) / 207.6832 = (43.8416 -+ 16.14374) / 207.6832
    found = wilson(20, 100, confidence=0.95)
    assert found[:3] == pytest.approx((0.2, 0.13337, 0.28883), abs=1e-5)


def test_byar_worked_by_hand() -> None:
    # 20 events, z = 1.96: 20 (1 - 1/180 - 1.96 / (3 * 4.47214))^3 = 20 * 0.848354^3 = 12.2114
    # 21 (1 - 1/189 + 1.96 / (3 * 4.58258))^3 = 21 * 1.137277^3 = 30.8899
    assert byar(20, confidence=0.95)[:3] == pytest.approx((20, 12.2114, 30.8899), abs=1e-3)


def test_the_exact_interval_of_no_event_is_the_rule_of_three() -> None:
    # exp(-upper) = 0.025: upper = -ln 0.025 = 3.6889.
    assert exact_poisson(0, confidence=0.95)[:3] == pytest.approx((0, 0, -math.log(0.025)))


@pytest.mark.parametrize(
    "unfit",
    [
        lambda: wilson(3, 2, confidence=0.95),
        lambda: wilson(0, 0, confidence=0.95),
        lambda: wilson(math.nan, 2, confidence=0.95),
        lambda: byar(-1, confidence=0.95),
        lambda: rate(1, 0, confidence=0.95),
    ],
)
def test_figures_that_have_no_interval_are_refused(unfit: Any) -> None:
    with pytest.raises(UnfitForInterval):
        unfit()


counts = st.integers(0, 100_000)
confidences = st.sampled_from([0.95, 0.998])


@given(counts, st.integers(1, 100_000), confidences)
def test_a_proportion_lies_within_its_interval_and_that_between_0_and_1(
    events: int, more: int, confidence: float
) -> None:
    found = wilson(events, events + more, confidence=confidence)
    assert 0 <= found.lower <= found.value <= found.upper <= 1
    mirrored = wilson(more, events + more, confidence=confidence)
    assert mirrored.lower == pytest.approx(1 - found.upper, abs=1e-12)


@given(counts)
def test_more_confidence_is_a_wider_interval(count: int) -> None:
    narrow, wide = poisson(count, confidence=0.95), poisson(count, confidence=0.998)
    assert wide.lower <= narrow.lower <= count <= narrow.upper <= wide.upper
    assert narrow.method == ("exact" if count < 10 else "byar")


@given(st.integers(10, 100_000), confidences)
def test_from_ten_on_byar_is_near_the_exact_interval(count: int, confidence: float) -> None:
    near, exact = byar(count, confidence=confidence), exact_poisson(count, confidence=confidence)
    assert (near.lower, near.upper) == pytest.approx((exact.lower, exact.upper), rel=0.02)


@pytest.mark.parametrize(
    ("unit", "aggregation", "method"),
    [
        ("%", "ratio_of_sums", Method("wilson", 100)),
        ("Percentage, Persons", "none", Method("wilson", 100)),
        ("proportion", None, Method("wilson", 1)),
        ("Per 100,000 population, Devices", "ratio_of_sums", Method("byar", 100_000)),
        ("deaths per 100 000", "ratio_of_sums", Method("byar", 100_000)),
        ("offences per thousand", "ratio_of_sums", Method("byar", 1_000)),
        ("rate", "ratio_of_sums", Method("byar", 1)),
    ],
)
def test_the_method_follows_from_the_unit(unit: str, aggregation: str | None, method: Method) -> None:
    assert method_of(unit, aggregation) == method


def test_what_the_definition_says_comes_before_the_unit() -> None:
    assert method_of("%", "mean", "byar") == Method("byar", 100)
    assert method_of("per 1,000 households", None, "wilson") == Method("wilson", 1000)
    assert method_of(None, None, "wilson") == Method("wilson", 1)
    with pytest.raises(UnfitForInterval, match="says that it has none"):
        method_of("%", "ratio_of_sums", "none")
    with pytest.raises(UnfitForInterval, match="dsr"):
        method_of("per 1,000", "ratio_of_sums", "dsr")


@pytest.mark.parametrize(
    ("unit", "aggregation"), [("%", "mean"), ("people", "sum"), ("weeks", "none"), (None, None)]
)
def test_a_measure_that_is_neither_has_no_interval_and_says_why(
    unit: str | None, aggregation: str | None
) -> None:
    with pytest.raises(UnfitForInterval):
        method_of(unit, aggregation)


@pytest.mark.parametrize(
    "figure",
    [
        Figure("a", None, 1, 2),
        Figure("a", 50.0, None, 2),
        Figure("a", 50.0, 1, None),
        Figure("a", 40.0, 1, 2),
        Figure("a", 5e305, 1, 2e-304),
    ],
)
def test_a_figure_without_its_parts_or_at_odds_with_them_has_no_interval(figure: Figure) -> None:
    with pytest.raises(UnfitForInterval):
        interval_of(figure, Method("wilson", 100), confidence=0.95)


def test_a_rounded_figure_has_the_interval_of_its_parts() -> None:
    assert (
        interval_of(Figure("a", 0.1, 14, 10_000), Method("wilson", 100), confidence=0.95).method == "wilson"
    )
    found = interval_of(Figure("a", 33.3, 1, 3), Method("wilson", 100), confidence=0.95)
    assert found.value == pytest.approx(100 / 3)


@given(st.lists(st.one_of(st.none(), st.integers(-3, 3)), max_size=12), st.sampled_from(["higher", "lower"]))
def test_a_rank_is_one_more_than_the_number_of_the_better(values: list[int | None], polarity: str) -> None:
    figures = [Figure(f"s{place:02}", value) for place, value in enumerate(values)]
    found = ranked(figures, polarity)
    assert sorted(figure.subject for _, figure in found) == [figure.subject for figure in figures]
    sign = 1 if polarity == "higher" else -1
    for rank, figure in found:
        value = figure.value
        if value is None:
            assert rank is None
        else:
            assert rank == 1 + sum(other is not None and sign * other > sign * value for other in values)
    assert found == sorted(found, key=lambda one: (one[0] or 99, one[1].subject))


def test_a_comparator_on_the_limit_is_similar() -> None:
    interval = Interval(5, 4, 6, "wilson")
    assert [against(interval, other, "higher") for other in (3.9, 4, 6, 6.1)] == [
        "better",
        "similar",
        "similar",
        "worse",
    ]
    assert against(interval, 3, None) == "higher"
    assert against(None, 3, "higher") == against(interval, None, "higher") == "not compared"
