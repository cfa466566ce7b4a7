"""Standardised rates and means: by hand, as properties, through the API."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hedgerow_outcomes.domain.intervals import (
    Interval,
    Reference,
    Stratum,
    byar,
    directly_standardised,
    dobson,
    exact_poisson,
    expected_of,
    indirectly_standardised,
    mean_of_sample,
    rate,
    student,
)
from hedgerow_outcomes.errors import UnfitForInterval
from hypothesis import given
from hypothesis import strategies as st

from tests.support import apps
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity


@pytest.fixture
def app(made_databases: Databases) -> Iterator[Client]:
    made = apps.made("outcomes", made_databases.migrated("hedgerow_outcomes"))
    with running(made, headers=identity("outcomes")) as client:
        yield client


def asked(app: Client, method: str, **figures: Any) -> Interval:
    answer = app.post("/v1/intervals", json={"method": method, **figures})
    assert answer.status_code == 200, answer.text
    return Interval(*(answer.json()[name] for name in Interval._fields))


def near(wanted: tuple[float, ...]) -> Any:
    return pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_a_directly_standardised_rate_worked_by_hand() -> None:
    # Young: 8 of 100, old: 12 of 50; the standard population has 3 young for 1 old.
    # Rate: (3 * 0.08 + 1 * 0.24) / 4 = 0.12.
    # Variance: (9 * 8 / 10000 + 12 / 2500) / 16 = 0.012 / 16 = 0.00075.
    # Byar's limits of 20 events: 12.2114 and 30.8899; step: sqrt(0.00075 / 20) = 0.00612372.
    # 0.12 - 7.7886 * 0.00612372 = 0.072305; 0.12 + 10.8899 * 0.00612372 = 0.186687.
    found = directly_standardised([Stratum(8, 100, 3), Stratum(12, 50, 1)], confidence=0.95)
    assert found[:3] == pytest.approx((0.12, 0.072305, 0.186687), abs=1e-5)


def test_an_indirectly_standardised_ratio_and_rate_worked_by_hand() -> None:
    # Expected: 100 * 10/1000 + 200 * 45/1000 = 10; reference rate: 55/2000.
    # Observed 20, Byar's 12.2114 to 30.8899.
    expected, reference = expected_of([Reference(100, 10, 1000), Reference(200, 45, 1000)])
    assert (expected, reference) == pytest.approx((10, 0.0275))
    ratio = indirectly_standardised(20, expected, confidence=0.95, multiplier=100)
    assert ratio[:3] == pytest.approx((200, 122.114, 308.899), abs=1e-2)
    found = indirectly_standardised(20, expected, confidence=0.95, reference_rate=reference, multiplier=1000)
    assert found[:3] == pytest.approx((55, 33.5814, 84.9472), abs=1e-2)
    assert indirectly_standardised(9, expected, confidence=0.95).method == "exact"


def test_a_mean_worked_by_hand() -> None:
    # 1, 2, 3, 4, 5: mean 3, s = sqrt(10 / 4) = 1.58114, t of 4 degrees of freedom at 97.5 % = 2.77645.
    # 2.77645 * 1.58114 / sqrt(5) = 1.96324.
    assert student([1, 2, 3, 4, 5], confidence=0.95)[:3] == pytest.approx((3, 1.03676, 4.96324), abs=1e-5)
    # Two values, one degree of freedom: t at 99.9 % is tan(pi * 0.499) = 318.309; s / sqrt(2) = 1.
    found = student([1, 3], confidence=0.998)
    assert found.upper - found.value == pytest.approx(math.tan(math.pi * 0.499), rel=1e-9)


@pytest.mark.parametrize(
    "unfit",
    [
        lambda: directly_standardised([], confidence=0.95),
        lambda: directly_standardised([Stratum(20, 0, 1)], confidence=0.95),
        lambda: directly_standardised([Stratum(20, 10, 0)], confidence=0.95),
        lambda: directly_standardised([Stratum(-1, 10, 1), Stratum(20, 10, 1)], confidence=0.95),
        lambda: directly_standardised([Stratum(9, 100, 1)], confidence=0.95),
        lambda: dobson(0.1, -1, 20, confidence=0.95),
        lambda: indirectly_standardised(20, 0, confidence=0.95),
        lambda: indirectly_standardised(-1, 2, confidence=0.95),
        lambda: expected_of([]),
        lambda: expected_of([Reference(1, 1, 0)]),
        lambda: student([1], confidence=0.95),
        lambda: mean_of_sample(1, math.nan, 5, confidence=0.95),
    ],
)
def test_figures_that_cannot_be_standardised_are_refused(unfit: Any) -> None:
    with pytest.raises(UnfitForInterval):
        unfit()


bands = st.lists(
    st.tuples(st.integers(1, 500), st.integers(500, 90_000), st.integers(1, 9)), min_size=1, max_size=20
)
confidences = st.sampled_from([0.95, 0.998])


@given(bands, confidences)
def test_standardised_to_itself_a_rate_is_the_crude_rate(
    rows: list[tuple[int, int, int]], confidence: float
) -> None:
    strata = [Stratum(count + 10, population, population) for count, population, _ in rows]
    count, population = sum(one.events for one in strata), sum(one.population for one in strata)
    found = directly_standardised(strata, confidence=confidence)
    plain = byar(count, confidence=confidence)
    assert found[:3] == near((count / population, plain.lower / population, plain.upper / population))
    own = [Reference(one.population, one.events, one.population) for one in strata]
    expected, reference = expected_of(own)
    ratio = indirectly_standardised(count, expected, confidence=confidence)
    assert ratio.value == pytest.approx(1)
    as_rate = indirectly_standardised(count, expected, confidence=confidence, reference_rate=reference)
    assert as_rate[:3] == near(rate(count, population, confidence=confidence)[:3])


@given(bands, st.integers(2, 9))
def test_the_unit_of_the_standard_population_does_not_matter(
    rows: list[tuple[int, int, int]], by: int
) -> None:
    one, other = (
        directly_standardised(
            [Stratum(count + 10, population, standard * times) for count, population, standard in rows],
            confidence=0.95,
        )
        for times in (1, by)
    )
    assert one[:3] == near(other[:3])
    assert one.lower < one.value < one.upper


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(-1e3, 1e3))
def test_a_shifted_sample_has_a_shifted_interval(values: list[float], by: float) -> None:
    found, moved = (student(some, confidence=0.95) for some in (values, [value + by for value in values]))
    assert moved[:3] == pytest.approx(tuple(limit + by for limit in found[:3]), abs=1e-5)
    assert found.lower <= found.value <= found.upper


def test_strata_values_and_sums_give_the_same_answer_through_the_api(app: Client) -> None:
    strata = [Stratum(8, 100, 3), Stratum(12, 50, 1)]
    found = asked(
        app,
        "dsr",
        strata=[
            {"count": 8, "population": 100, "standard": 3},
            {"count": 12, "population": 50, "standard": 1},
        ],
        confidence=0.998,
        multiplier=1000,
    )
    assert found == directly_standardised(strata, confidence=0.998, multiplier=1000)
    assert asked(app, "dsr", count=20, rate=0.12, variance=0.00075, confidence=0.998, multiplier=1000)[
        :3
    ] == near(found[:3])
    reference = [
        {"population": 100, "reference_count": 10, "reference_population": 1000},
        {"population": 200, "reference_count": 45, "reference_population": 1000},
    ]
    by_strata = asked(app, "isr", observed=20, strata=reference, gives="rate", multiplier=1000)
    stated = asked(app, "isr", observed=20, expected=10, reference_rate=0.0275, gives="rate", multiplier=1000)
    assert by_strata[:3] == near(stated[:3])
    sample = asked(app, "student", values=[1, 2, 3, 4, 5])
    assert sample[:3] == near(asked(app, "student", mean=3, deviation=math.sqrt(2.5), size=5)[:3])
    assert asked(app, "exact", count=12) == exact_poisson(12, confidence=0.95)


def test_an_interval_says_by_what_it_was_computed(app: Client) -> None:
    answer = app.post("/v1/intervals", json={"method": "byar", "count": 3, "confidence": 0.998}).json()
    assert answer["computed"]["parameters"] == {"confidence": 0.998, "multiplier": 1}
    assert "`exact` is to be preferred" in answer["computed"]["caveats"][0]


WHOLE = {"count": 8, "population": 100, "standard": 3}


UNFIT: list[dict[str, Any]] = [
    {},
    {"method": "guess"},
    {"method": "wilson", "numerator": 3, "denominator": 2},
    {"method": "wilson", "numerator": 0, "denominator": 0},
    {"method": "wilson", "numerator": "3", "denominator": 20},
    {"method": "wilson", "numerator": 3, "denominator": 20, "confidence": 95},
    {"method": "wilson", "numerator": 3, "denominator": 20, "multiplier": 0},
    {"method": "wilson", "numerator": 3, "denominator": 20, "population": 3},
    {"method": "byar", "count": -1},
    {"method": "exact", "count": 1, "population": 0},
    {"method": "exact", "count": 1e300},
    {"method": "poisson", "count": 1e15, "population": 5e-324, "multiplier": 1e9},
    {"method": "dsr"},
    {"method": "dsr", "strata": []},
    {"method": "dsr", "strata": [WHOLE]},
    {"method": "dsr", "strata": [{**WHOLE, "population": 0}]},
    {"method": "dsr", "strata": [WHOLE], "count": 20},
    {"method": "dsr", "count": 20, "rate": 0.1},
    {"method": "isr", "observed": 3},
    {"method": "isr", "observed": 3, "expected": 0},
    {"method": "isr", "observed": 3, "expected": 2, "gives": "rate"},
    {"method": "isr", "observed": 3, "expected": 2, "reference_rate": 2},
    {"method": "student", "values": [1]},
    {"method": "student", "mean": 2, "deviation": 1, "size": 1},
]


def test_what_has_no_interval_is_a_clear_problem(app: Client) -> None:
    for body in UNFIT:
        answer = app.post("/v1/intervals", json=body)
        assert answer.status_code == 422, (body, answer.text)
        told = answer.json()
        assert told.get("errors") or len(told["detail"]) > 20, (body, told)


def test_a_definition_that_wants_no_interval_has_none_in_a_comparison(app: Client) -> None:
    head = "id,name,unit,aggregation,interval\n"
    rows = "plain,P,%,ratio_of_sums,none\nasked,A,visits,sum,byar\n"
    assert app.post("/v1/imports/kpis", content=head + rows, headers={"Content-Type": "text/csv"}).is_success
    sent = "kpi,subject,period,value,numerator,denominator\nplain,E05000001,2024,20,20,100\n"
    sent += "asked,E05000001,2024,0.2,20,100\n"
    app.post("/v1/imports/observations", content=sent, headers={"Content-Type": "text/csv"})
    (plain,) = app.get("/v1/kpis/plain/compare?period=2024").json()["items"]
    assert (plain["lower"], plain["no_interval"]) == (None, "the KPI's definition says that it has none")
    (other,) = app.get("/v1/kpis/asked/compare?period=2024").json()["items"]
    assert (other["method"], other["no_interval"]) == ("byar", None)
    assert other["upper"] == pytest.approx(0.3088988)
