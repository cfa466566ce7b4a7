"""Every row of the published vectors of intervals and charts, in the domain and through HTTP.

Some rows lack what the computation starts from, and say so where they are walked: directly standardised rates
come without their strata, and the rules of charts as flags of points. Student's t has no row. For the rates
and for Student's t a published example with all its figures stands beside the vectors.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hedgerow_outcomes.domain.control_charts import (
    Limits,
    SpecialCause,
    assurance,
    chart,
    special_causes,
    variation,
)
from hedgerow_outcomes.domain.intervals import (
    Interval,
    Stratum,
    byar,
    directly_standardised,
    dobson,
    indirectly_standardised,
    rate,
    student,
    wilson,
)
from hedgerow_outcomes.domain.standing import Figure, Method, interval_of
from hedgerow_outcomes.errors import UnfitForInterval
from scipy import stats

from tests.outcomes.sending import HEAD, send
from tests.support.http import Client

LEVELS = {"95_0": 0.95, "99_8": 0.998}
METHODS = {"Byars": "byar", "Exact": "exact", "Wilson": "wilson"}
# How many rows each part has: a file that grows is walked whole, or the first test fails.
INTERVALS = {"byars_wilson": 6, "proportion": 10, "rate": 10, "isr": 8, "dsr": 6}
CHARTS = 9
ONE_SIDE, TREND, IN_THREE, ASSURANCE = (
    "seven_point_one_side_mean",
    "seven_point_trend",
    "part_of_two_in_three(close_to_limits, all same side)",
    "assurance",
)
RULES = {ONE_SIDE: 3, TREND: 5, IN_THREE: 4, ASSURANCE: 3}


def places(parts: dict[str, int]) -> list[Any]:
    rows = [(part, place) for part, count in parts.items() for place in range(count)]
    return [pytest.param(part, place, id=f"{part[:24]}-{place}") for part, place in rows]


def near(wanted: Any, tolerance: float = 1e-9) -> Any:
    return pytest.approx(wanted, rel=tolerance, abs=tolerance)


def asked(walked: Client, method: str, **figures: Any) -> Interval:
    answer = walked.post("/v1/intervals", json={"method": method, **figures})
    assert answer.status_code == 200, answer.text
    return Interval(*(answer.json()[name] for name in Interval._fields))


def refused(walked: Client, method: str, **figures: Any) -> None:
    assert walked.post("/v1/intervals", json={"method": method, **figures}).status_code == 422


def test_no_row_is_left_out(published: Callable[[str], Any]) -> None:
    intervals, spc = published("confidence_intervals"), published("spc")
    rows = {part: len(found) for part, found in intervals.items() if isinstance(found, list)}
    assert rows == INTERVALS
    assert len(spc["cases"]) == CHARTS
    assert {part: len(found) for part, found in spc["unit_rules_published"].items()} == RULES


@pytest.mark.parametrize(("part", "place"), places(INTERVALS))
def test_a_published_interval(walked: Client, published: Callable[[str], Any], part: str, place: int) -> None:
    row = published("confidence_intervals")[part][place]
    WALKED[part](walked, row)


def _count_or_share(walked: Client, row: Any) -> None:
    confidence = {"95%": 0.95, "99.8%": 0.998}[row["confidence"]]
    wanted = near((row["lowercl"], row["uppercl"]))
    if row["method"] == "Wilson":
        found = wilson(row["x"], row["n"], confidence=confidence)
        sent = asked(walked, "wilson", numerator=row["x"], denominator=row["n"], confidence=confidence)
    else:
        found = byar(row["x"], confidence=confidence)
        sent = asked(walked, "byar", count=row["x"], confidence=confidence)
    assert (found.lower, found.upper) == wanted
    assert (sent.lower, sent.upper) == wanted


def _proportion_or_rate(walked: Client, row: Any) -> None:
    is_share = row["multiplier"] in (1, 100) and "rate" not in row["statistic"]
    numerator, denominator, multiplier = row["Numerator"], row["Denominator"], row["multiplier"]
    names = ("numerator", "denominator") if is_share else ("count", "population")
    method = "wilson" if is_share else "poisson"
    if row["value"] is None:
        with pytest.raises(UnfitForInterval):
            interval_of(
                Figure("a", None, numerator, denominator), Method("wilson", multiplier), confidence=0.95
            )
        refused(walked, method, **dict(zip(names, (numerator, denominator), strict=True)))
        return
    for level, confidence in LEVELS.items():
        compute = wilson if is_share else rate
        found = compute(numerator, denominator, confidence=confidence, multiplier=multiplier)
        sent = asked(
            walked,
            method,
            **dict(zip(names, (numerator, denominator), strict=True)),
            confidence=confidence,
            multiplier=multiplier,
        )
        for one in (found, sent):
            assert one[:3] == near((row["value"], row[f"lower{level}cl"], row[f"upper{level}cl"]))
            assert one.method == METHODS[row["method"]]


def _indirectly_standardised(walked: Client, row: Any) -> None:
    multiplier = int(row["statistic"].split()[-1])
    matched = 0
    for level, confidence in LEVELS.items():
        if row[f"lower{level}cl"] is None:
            # The reference gives this row at 95 % only.
            continue
        figures: dict[str, Any] = {"multiplier": multiplier, "confidence": confidence}
        extra: dict[str, Any] = {}
        if row["ref_rate"] is not None:
            figures["reference_rate"] = row["ref_rate"] / multiplier
            extra = {"gives": "rate"}
        found = indirectly_standardised(row["observed"], row["expected"], **figures)
        assert found[:3] == near((row["value"], row[f"lower{level}cl"], row[f"upper{level}cl"]))
        assert found.method == METHODS[row["method"]]
        sent = asked(walked, "isr", observed=row["observed"], expected=row["expected"], **figures, **extra)
        assert sent == found
        matched += 1
    assert matched


def _directly_standardised(walked: Client, row: Any) -> None:
    """The strata are not in the file: one limit gives the variance, and with it the others must come out."""
    count, value = row["total_count"], row["value"]
    if value is None:
        with pytest.raises(UnfitForInterval):
            dobson(0.1, 0.001, count, confidence=0.95)
        refused(walked, "dsr", count=count, rate=0.1, variance=0.001)
        return
    multiplier = int(row["statistic"].split()[-1])
    plain = byar(count, confidence=0.95)
    variance = count * ((row["lower95_0cl"] - value) / (plain.lower - count)) ** 2
    for level, confidence in LEVELS.items():
        wanted = near((value, row[f"lower{level}cl"], row[f"upper{level}cl"]), 1e-8)
        assert dobson(value, variance, count, confidence=confidence)[:3] == wanted
        sent = asked(
            walked,
            "dsr",
            count=count,
            rate=value / multiplier,
            variance=variance / multiplier**2,
            confidence=confidence,
            multiplier=multiplier,
        )
        assert sent[:3] == wanted


WALKED: dict[str, Callable[[Client, Any], None]] = {
    "byars_wilson": _count_or_share,
    "proportion": _proportion_or_rate,
    "rate": _proportion_or_rate,
    "isr": _indirectly_standardised,
    "dsr": _directly_standardised,
}

# Down's syndrome among children of mothers with four or more before, Michigan 1950-64, all births as the
# standard: Fleiss 1981, table 14.4. R's dsrTest publishes 75.52901 per 100,000, and 67.70212 as the lower
# limit of the gamma method.
CASES = (0, 8, 63, 112, 262, 295)
BIRTHS = (327, 30_666, 123_419, 149_919, 104_088, 34_392)
ALL_BIRTHS = (319_933, 931_318, 786_511, 488_235, 237_863, 61_313)


def test_a_directly_standardised_rate_with_its_strata_is_the_published_one(walked: Client) -> None:
    strata = [Stratum(*figures) for figures in zip(CASES, BIRTHS, ALL_BIRTHS, strict=True)]
    found = directly_standardised(strata, confidence=0.95, multiplier=100_000)
    bands = [
        {"count": count, "population": births, "standard": standard}
        for count, births, standard in zip(CASES, BIRTHS, ALL_BIRTHS, strict=True)
    ]
    assert asked(walked, "dsr", strata=bands, multiplier=100_000)[:3] == near(found[:3])
    assert found.value == pytest.approx(75.52901, abs=5e-6)
    # The published limit is another method's, which rests on the same rate and variance:
    # variance / (2 rate) * chi-squared of 2 rate^2 / variance degrees of freedom at 2.5 %.
    count = sum(CASES)
    variance = count * ((found.lower - found.value) / (byar(count, confidence=0.95).lower - count)) ** 2
    gamma = variance / (2 * found.value) * stats.chi2.ppf(0.025, 2 * found.value**2 / variance)
    assert gamma == pytest.approx(67.70212, abs=5e-6)


# Student 1908: additional hours of sleep of ten patients, the one drug less the other. R's t.test of these
# prints -1.58, and -2.4598858 to -0.7001142 at 95 %.
SLEEP = (-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4)


def test_a_mean_has_the_interval_that_student_published_with(walked: Client) -> None:
    wanted = pytest.approx((-1.58, -2.4598858, -0.7001142), abs=5e-8)
    assert student(SLEEP, confidence=0.95)[:3] == wanted
    assert asked(walked, "student", values=list(SLEEP))[:3] == wanted


def month(place: int) -> str:
    return f"{2020 + place // 12}-{place % 12 + 1:02}"


def charted(walked: Client, kpi: str, values: list[float], polarity: str, **choices: Any) -> Any:
    """The chart of values that are sent as a KPI of their own."""
    send(walked, "kpis", f"id,name,unit,polarity\n{kpi},K,u,{polarity}\n")
    rows = (f"{kpi},E05000001,{month(place)},{value!r}\n" for place, value in enumerate(values))
    send(walked, "observations", HEAD + "".join(rows))
    answer = walked.get(f"/v1/kpis/{kpi}/spc", params={"subject": "E05000001", **choices})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("place", range(CHARTS))
def test_a_published_chart(walked: Client, published: Callable[[str], Any], place: int) -> None:
    case = published("spc")["cases"][place]
    chosen, expected = case["args"], case["expected"]
    polarity = "lower" if chosen.get("improve") == -1 else "higher"
    found = chart(case["y"], baseline=chosen.get("fix"), screen=chosen.get("screen", True))
    choices = {
        name: chosen[theirs]
        for name, theirs in (("baseline", "fix"), ("target", "target"), ("screen", "screen"))
        if theirs in chosen
    }
    sent = charted(walked, f"chart.{place}", case["y"], polarity, **choices)
    assert len(sent["items"]) == len(found.causes) == len(expected["points"])
    for number, (point, wanted) in enumerate(zip(sent["items"], expected["points"], strict=True)):
        limits = next(one.limits for one in found.phases if one.first <= number <= one.last)
        line = (wanted["mean"], wanted["lpl"], wanted["upl"])
        assert tuple(limits) == pytest.approx(line, rel=0, abs=1e-9)
        assert (point["mean"], point["lower"], point["upper"]) == pytest.approx(line, rel=0, abs=1e-9)
        assert point["value"] == pytest.approx(wanted["y"], rel=0, abs=1e-9)
        assert found.causes[number] == point["special_cause"] == wanted["special_cause_type"]
        assert variation(found.causes[number], polarity) == point["variation"] == wanted["point_type"]
    last = found.phases[-1].limits
    assert assurance(last, chosen.get("target"), polarity) == expected["assurance"]
    assert (sent["assurance"], sent["variation"]) == (expected["assurance"], expected["variation"])
    for name, figure in (("mean", 0), ("lpl", 1), ("upl", 2)):
        # What stands in the cited source itself, to the digits printed there.
        if name in (case["published"] or {}):
            printed = str(case["published"][name])
            digits = len(printed.partition(".")[2])
            assert last[figure] == pytest.approx(case["published"][name], abs=0.51 * 10**-digits)


@pytest.mark.parametrize(("part", "place"), places(RULES))
def test_a_published_rule_of_charts(
    walked: Client, published: Callable[[str], Any], part: str, place: int
) -> None:
    """The rows are flags of points, without limits: through HTTP twelve points before them give these."""
    row = published("spc")["unit_rules_published"][part][place]
    if part == ASSURANCE:
        _assurance(walked, row, place)
        return
    flags, marked = row
    # A run or a trend is published at the point that completes it; a chart marks its other six points too.
    back = 1 if part == IN_THREE else 7
    wanted = [next((sign for sign in marked[at : at + back] if sign), 0) for at in range(len(flags))]
    signs, values, limits = {
        TREND: (_TREND, flags, Limits(100, None, None)),
        ONE_SIDE: (_SEVEN, flags, Limits(0, None, None)),
        # 5 of 6 lies beyond two thirds of the way to the limit, 1 does not.
        IN_THREE: (_THREE, [1 + 4 * flag for flag in flags], Limits(0, -6, 6)),
    }[part]
    assert [abs(signs.get(cause, 0)) for cause in special_causes(values, limits)] == [abs(w) for w in wanted]
    # Twelve points whose mean is 0, and whose limits are out of reach, or 5.83 away for points of 5.
    swing = 6 / 2.66 / 2 * 0.97 if part == IN_THREE else 50.0
    # The last of them neither begins a trend nor lies on the side of what follows.
    last = 1 if part == TREND and values[1] > values[0] else -1
    before = [last * swing * (-1) ** (at + 1) for at in range(12)]
    sent = charted(
        walked, f"rule.{list(RULES).index(part)}.{place}", [*before, *values], "higher", baseline=12
    )
    assert sent["limits"][0]["mean"] == pytest.approx(0, abs=1e-9)
    causes = [point["special_cause"] for point in sent["items"][12:]]
    assert [abs(signs.get(cause, 0)) for cause in causes] == [abs(sign) for sign in wanted]


_TREND = {SpecialCause.RISING: 1, SpecialCause.FALLING: -1}
_SEVEN = {SpecialCause.SEVEN_ABOVE: 1, SpecialCause.SEVEN_BELOW: -1}
_THREE = {SpecialCause.TWO_IN_THREE_ABOVE: 1, SpecialCause.TWO_IN_THREE_BELOW: -1}


def _assurance(walked: Client, row: Any, place: int) -> None:
    mean = (row["lpl"] + row["upl"]) / 2
    limits = Limits(mean, row["lpl"], row["upl"])
    # Values that alternate about the mean, with a moving range that makes just these limits.
    half = (row["upl"] - mean) / 2.66 / 2
    values = [mean + half * (-1) ** at for at in range(14)]
    for direction, polarity in (("increase", "higher"), ("decrease", "lower"), (None, "neutral")):
        wanted = row[direction] if direction else None
        assert assurance(limits, row["target"], polarity) == wanted
        sent = charted(walked, f"assured.{place}.{polarity}", values, polarity, target=row["target"])
        assert sent["limits"][0]["upper"] == pytest.approx(row["upl"], abs=1e-9)
        assert sent["assurance"] == wanted
