"""Areas added up by the KPI's own rule, areas most like one, and measures that go apart."""

from typing import Any

import pytest
from hedgerow_outcomes.domain.aggregation import Part, aggregate
from hedgerow_outcomes.domain.divergence import Measured, divergences, trend
from hedgerow_outcomes.domain.neighbours import neighbours
from hedgerow_outcomes.domain.periods import months
from hypothesis import given
from hypothesis import strategies as st

from tests.outcomes.knowing import area, hear
from tests.outcomes.sending import HEAD, send
from tests.support.http import Client

TOWN, OTHER = "E06000001", "E06000002"
WARDS = ["E05000001", "E05000002", "E05000003"]
COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), min_size=1, max_size=8)


@given(COUNTS)
def test_a_ratio_is_that_of_the_sums_whatever_the_parts(counts):
    parts = [Part(str(place), 100 * n / d, n, d) for place, (n, d) in enumerate(counts)]
    found = aggregate(parts, "ratio_of_sums")
    expected = 100 * sum(n for n, _ in counts) / sum(d for _, d in counts)
    assert found.value == pytest.approx(expected)
    # Adding up what was added up first comes to the same.
    halves = [aggregate(half, "ratio_of_sums") for half in (parts[::2], parts[1::2]) if half]
    joined = [Part(str(i), h.value, h.numerator, h.denominator) for i, h in enumerate(halves)]
    assert aggregate(joined, "ratio_of_sums").value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("parts", "rule", "why"),
    [
        ([], "sum", "no part has a value"),
        ([Part("a", 5)], "mean", "no part has a denominator"),
        ([Part("a", 5)], "ratio_of_sums", "numerator and a denominator"),
        ([Part("a", 0, 0, 0)], "ratio_of_sums", "come to nothing"),
        ([Part("a", 37, 5, 10)], "ratio_of_sums", "not one multiple"),
        ([Part("a", 5)], None, "does not say"),
        ([Part("a", 1e308), Part("b", 1e308)], "sum", "too large"),
        ([Part("a", 5), Part("b", None, is_withheld=True)], "sum", "withheld"),
    ],
)
def test_what_cannot_be_added_up_says_why(parts, rule, why):
    found = aggregate(parts, rule)
    assert found.value is None
    assert why in found.why_not


def test_a_mean_is_weighted_and_never_a_mean_of_means():
    assert aggregate([Part("a", 10, None, 1), Part("b", 20, None, 3)], "mean").value == 17.5


def test_neighbours_by_hand():
    # Standardised over all four, b differs from a by less than c in both; d lacks an index.
    age = {"a": 30.0, "b": 32.0, "c": 50.0, "d": 30.0}
    need = {"a": 1.0, "b": 1.5, "c": 9.0}
    assert [one.area for one in neighbours("a", {"age": age, "need": need}, count=5)] == ["b", "c"]
    assert neighbours("d", {"age": age, "need": need}, count=5) == []
    assert neighbours("a", {"same": {"a": 1.0, "b": 1.0}}, count=5) == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(-9, 9), min_size=2), st.floats(0.1, 50))
def test_neighbours_do_not_depend_on_the_unit(values, unit):
    for code in values:
        scaled = {other: value * unit for other, value in values.items()}
        before = [one.area for one in neighbours(code, {"x": values}, count=1)]
        after = neighbours(code, {"x": scaled}, count=len(values))
        assert {one.area for one in after} <= set(values) - {code}
        assert bool(before) == bool(after)


def points(*values: float) -> list[Any]:
    return [(months(2025, place, 1), float(value)) for place, value in enumerate(values, start=1)]


def test_a_target_met_while_users_grow_unhappy_is_seen():
    ours = Measured("quick", "inward", "lower", points(30, 25, 20, 15))
    theirs = Measured("happy", "user_voice", "higher", points(80, 75, 66, 60))
    (found,) = divergences([ours, theirs])
    assert (found.better.kpi, found.worse.kpi) == ("quick", "happy")
    assert divergences([ours, theirs._replace(perspective="inward")]) == []
    assert divergences([ours, theirs._replace(values=points(80, 80, 80, 80))]) == []
    assert divergences([ours, theirs._replace(values=points(80, 60, 40))]) == []
    assert trend(ours._replace(values=points(0, 0, 0, 0))) is None


KPIS = """id,name,unit,polarity,level,perspective,frequency,aggregation,suppress_below
cases,Cases,people,lower,outcome,outward,annual,sum,5
share,Share,%,higher,outcome,outward,annual,ratio_of_sums,
quick,Days waited,days,lower,activity,inward,monthly,mean,
happy,Users content,%,higher,outcome,user_voice,monthly,mean,
"""


@pytest.fixture
def placed(outcomes: Client, outcomes_url: str) -> Client:
    hear(
        outcomes_url,
        area(TOWN, level="authority"),
        area(OTHER, level="authority"),
        *(area(ward, TOWN) for ward in WARDS),
        *(
            (
                "index",
                {
                    "id": f"{name}/{code}",
                    "index": name,
                    "area_code": code,
                    "values": [{"period": "2020", "value": 99.0}, {"period": "2024", "value": value}],
                },
            )
            for name, values in {"age": (30.0, 31.0, 60.0), "need": (5.0, 6.0, 1.0)}.items()
            for code, value in zip(WARDS, values, strict=True)
        ),
    )
    send(outcomes, "kpis", KPIS)
    sent = "kpi,subject,period,value,numerator,denominator\n"
    sent += f"cases,{WARDS[0]},2024,10,,\ncases,{WARDS[1]},2024,20,,\ncases,{TOWN},2024,45,,\n"
    sent += f"share,{WARDS[0]},2024,50,5,10\nshare,{WARDS[1]},2024,10,9,90\nshare,{WARDS[2]},2024,20,2,10\n"
    send(outcomes, "observations", sent)
    return outcomes


def test_a_kpi_is_added_up_over_the_areas_inside_another(placed: Client) -> None:
    asked = {"area": TOWN, "level": "ward", "period": "2024"}
    cases = placed.get("/v1/kpis/cases/aggregate", params=asked).json()
    assert (cases["value"], cases["own"], cases["areas"], cases["with_value"]) == (30.0, 45.0, 3, 2)
    assert cases["computed"]["caveats"] == ["1 of 3 areas have no value in this period: they are left out."]
    share = placed.get("/v1/kpis/share/aggregate", params=asked).json()
    assert share["value"] == pytest.approx(100 * 16 / 110)
    assert placed.get("/v1/kpis/cases/aggregate", params={**asked, "area": "E06999999"}).status_code == 404
    empty = placed.get("/v1/kpis/cases/aggregate", params={**asked, "level": "lsoa"}).json()
    assert (empty["value"], empty["why_not"]) == (None, "the registry holds no area of this level inside it")


def test_a_sum_with_a_withheld_part_is_withheld(placed: Client) -> None:
    send(placed, "observations", HEAD + f"cases,{WARDS[2]},2024,3\n")
    asked = {"area": TOWN, "level": "ward", "period": "2024"}
    found = placed.get("/v1/kpis/cases/aggregate", params=asked).json()
    assert (found["value"], found["with_value"]) == (None, 0)
    assert "withheld" in found["why_not"]


def test_areas_are_compared_with_those_beside_them_and_with_those_like_them(placed: Client) -> None:
    inside = placed.get(
        "/v1/kpis/cases/compare", params={"period": "2024", "within": TOWN, "level": "ward"}
    ).json()
    assert [row["subject"] for row in inside["items"]] == WARDS[:2]
    assert inside["comparator"] == {"subject": TOWN, "value": 45.0}
    like = {"period": "2024", "like": WARDS[0], "like_by": ["age", "need"], "like_count": 1}
    alike = placed.get("/v1/kpis/share/compare", params=like).json()
    assert {row["subject"] for row in alike["items"]} == set(WARDS[:2])
    assert alike["comparator"]["subject"] == WARDS[0]
    for wrong, place in (({"within": TOWN}, "level"), ({"like": WARDS[0]}, "like_by")):
        answer = placed.get("/v1/kpis/share/compare", params={"period": "2024", **wrong})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == place
    unknown = {**like, "like_by": ["unheard"]}
    assert placed.get("/v1/kpis/share/compare", params=unknown).status_code == 422


def test_a_funnel_shows_the_areas_inside_one_or_those_like_it(placed: Client) -> None:
    def shown(**asked: Any) -> list[str]:
        answer = placed.get("/v1/kpis/share/funnel", params={"period": "2024", **asked})
        assert answer.status_code == 200, answer.text
        return [point["subject"] for point in answer.json()["items"]]

    assert shown(within=TOWN, level="ward") == WARDS
    assert shown(like=WARDS[0], like_by=["age", "need"], like_count=1) == WARDS[:2]
    assert shown(within=OTHER, level="ward") == []
    picture = placed.get(f"/v1/kpis/share/funnel.svg?period=2024&within={TOWN}&level=ward")
    assert picture.headers["content-type"] == "image/svg+xml"
    refused = placed.get(f"/v1/kpis/share/funnel?period=2024&within={TOWN}")
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "level")


def test_measures_that_go_apart_are_listed(placed: Client) -> None:
    rows = [f"quick,service:S,2025-{m:02},{30 - 3 * m}" for m in range(1, 7)]
    rows += [f"happy,service:S,2025-{m:02},{90 - 4 * m}" for m in range(1, 7)]
    send(placed, "observations", HEAD + "\n".join(rows) + "\n")
    found = placed.get("/v1/divergences", params={"subject": "service:S"}).json()
    (one,) = found["items"]
    assert (one["better"]["kpi"], one["worse"]["kpi"]) == ("quick", "happy")
    assert one["says"].endswith("ask why.")
    assert placed.get("/v1/divergences", params={"subject": "service:T"}).json()["items"] == []
