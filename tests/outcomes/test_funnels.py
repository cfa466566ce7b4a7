"""Funnel plots and pictures: limits by hand and by a slow oracle, and through the API, on both databases."""

import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest
from hedgerow_outcomes.domain.funnels import Pair, binomial_limits, centre, limits, place, poisson_limits
from hedgerow_outcomes.domain.intervals import exact_poisson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.outcomes.sending import HEAD, send
from tests.support import apps
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity

SVG = "{http://www.w3.org/2000/svg}"
MEASURES = "kpi,subject,period,value,numerator,denominator\n"
confidences = st.sampled_from([0.95, 0.998])


@pytest.fixture
def app(made_databases: Databases) -> Iterator[Client]:
    made = apps.made("outcomes", made_databases.migrated("hedgerow_outcomes"))
    with running(made, headers=identity("outcomes")) as client:
        yield client


def test_limits_worked_by_hand() -> None:
    # One of two expected: P(X = 0) = P(X = 2) = 1/4. At 50 % confidence the tails are just these.
    assert binomial_limits(0.5, 2, confidence=0.5) == pytest.approx(Pair(0, 2))
    # Poisson, ln 4 expected: P(X = 0) = 1/4, so that the lower limit at 50 % is 0.
    assert poisson_limits(math.log(4), 1, confidence=0.5).lower == pytest.approx(0, abs=1e-6)
    # 3 expected: P(X <= 0) = 0.0498 > 0.025, so no count is too low; P(X >= 7) = 0.0335, P(X >= 8) = 0.0119.
    found = poisson_limits(3, 1, confidence=0.95)
    assert found.lower == 0
    assert 7 < found.upper < 8
    assert limits("wilson", 0.0, 5, confidence=0.95) == limits("byar", 0.0, 5, confidence=0.95) == Pair(0, 0)
    assert centre([1, 2], [10, 20]) == 0.1
    assert centre([], []) is None


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(1, 59), confidences)
def test_a_count_is_outside_where_adding_up_the_chances_says_so(
    size: int, percent: int, confidence: float
) -> None:
    share, tail = percent / 60, (1 - confidence) / 2
    found = binomial_limits(share, size, confidence=confidence)
    chances = [math.comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(size + 1)]
    for count in range(size + 1):
        rare = min(sum(chances[: count + 1]), sum(chances[count:]))
        if abs(rare - tail) > 1e-9:
            assert (place(count, found, Pair(-1, size + 1)) != "within") == (rare < tail)


@settings(max_examples=50)
@given(st.integers(0, 400), st.floats(0.01, 400), confidences)
def test_a_count_is_outside_where_its_own_exact_interval_misses_what_is_expected(
    count: int, expected: float, confidence: float
) -> None:
    own = exact_poisson(count, confidence=confidence)
    if min(abs(own.lower - expected), abs(own.upper - expected)) > 1e-6:
        found = poisson_limits(expected / 10, 10, confidence=confidence)
        assert (place(count, found, Pair(-1, 1e9)) != "within") == (not own.lower < expected < own.upper)


@given(st.floats(0.001, 0.999), st.floats(1, 1e6))
def test_the_funnel_narrows_and_the_wider_limits_lie_outside(share: float, size: float) -> None:
    for by in (binomial_limits, poisson_limits):
        narrow, wide = by(share, size, confidence=0.95), by(share, size, confidence=0.998)
        assert wide.lower <= narrow.lower <= share * size <= narrow.upper <= wide.upper
        larger = by(share, size * 4, confidence=0.95)
        assert larger.upper / (size * 4) <= narrow.upper / size + 1e-9


def wards(app: Client, *, suppress: str = "") -> None:
    head = "id,name,unit,polarity,aggregation,denominator,suppress_below\n"
    send(app, "kpis", head + f"quit,Quit smoking,%,higher,ratio_of_sums,People who set a date,{suppress}\n")
    rows = [(30 + 7 * k, 100 + 20 * k) for k in range(18)] + [(90, 120), (20, 200)]
    send(
        app,
        "observations",
        MEASURES
        + "".join(f"quit,E050000{k + 10},2024,{100 * x / n!r},{x},{n}\n" for k, (x, n) in enumerate(rows)),
    )


def test_a_funnel_tells_chance_from_difference(app: Client) -> None:
    wards(app)
    found = app.get("/v1/kpis/quit/funnel?period=2024&prefix=E05").json()
    assert found["counts"] == {"within": 18, "outside 95": 0, "outside 99.8": 2}
    outside = {point["subject"]: point for point in found["items"] if point["place"] != "within"}
    assert {name: (one["side"], one["judged"]) for name, one in outside.items()} == {
        "E05000028": ("above", "better"),
        "E05000029": ("below", "worse"),
    }
    events = sum(point["numerator"] for point in found["items"])
    people = sum(point["denominator"] for point in found["items"])
    assert found["centre"] == pytest.approx(100 * events / people)
    assert found["computed"]["parameters"] == {
        "distribution": "binomial",
        "multiplier": 100,
        "warning": 0.95,
        "action": 0.998,
    }
    assert "Far above: E05000028 (75). Far below: E05000029 (10)." in found["says"]
    assert len(found["curve"]) == 60
    assert app.items("/v1/kpis/quit/funnel", params={"period": "2024", "limit": 6}) == found["items"]
    (one,) = app.get("/v1/kpis/quit/funnel?period=2024&subjects=E05000028&subjects=E05999999").json()["items"]
    assert one["place"] == "within"


def test_what_is_withheld_is_counted_and_in_no_figure_of_the_funnel(app: Client) -> None:
    wards(app, suppress="5")
    small = MEASURES + "quit,E05000090,2024,1.5,3,200\nquit,E05000091,2024,,,\nquit,E05000092,2024,40,,\n"
    send(app, "observations", small, blank="missing")
    found = app.get("/v1/kpis/quit/funnel?period=2024").json()
    told = found["computed"]["left_out"]
    assert told["withheld"] >= 1
    assert told["without_figures"] + told["without_value"] == 2
    assert "E05000090" not in {point["subject"] for point in found["items"]}
    events = sum(point["numerator"] for point in found["items"])
    assert found["centre"] == pytest.approx(
        100 * events / sum(point["denominator"] for point in found["items"])
    )
    picture = app.get("/v1/kpis/quit/funnel.svg?period=2024").text
    assert "E05000090" not in picture
    assert "withheld and not shown" in picture


def test_a_measure_without_a_chance_model_has_no_funnel_and_says_why(app: Client) -> None:
    send(app, "kpis", "id,name,unit,aggregation\nvisits,Visits,visits,sum\n")
    send(app, "observations", HEAD + "visits,E05000001,2024,7\n")
    found = app.get("/v1/kpis/visits/funnel?period=2024").json()
    assert (found["items"], found["centre"]) == ([], None)
    assert found["computed"]["caveats"][0].startswith("No funnel: the KPI is a sum")
    assert app.get("/v1/kpis/visits/funnel.png?period=2024").content.startswith(b"\x89PNG")
    assert app.get("/v1/kpis/nothing/funnel.svg?period=2024").status_code == 404
    assert app.get("/v1/kpis/visits/funnel.svg").status_code == 422
    assert app.get("/v1/kpis/visits/funnel.svg?period=2024&colour=red").status_code == 422


HOSTILE = "<script>alert(1)</script> & $\\frac{1}{0}$ ]]> \u202e \u0007 \U0001f4a9 " + "long " * 40


def charts(
    app: Client, name: str = "Waits", value: Any = lambda k: 40 + k % 5 + (30 if k == 20 else 0)
) -> None:
    body = [{"id": "waits", "name": name, "unit": "days $x_$ <b>", "polarity": "lower", "target": 45}]
    send(app, "kpis", json.dumps(body), "application/json")
    rows = [f"waits,E08000009,20{20 + k // 12}-{k % 12 + 1:02},{value(k)}\n" for k in range(30)]
    send(app, "observations", HEAD + "".join(rows))


def test_a_control_chart_as_a_picture_says_what_it_shows(app: Client) -> None:
    charts(app)
    asked = {"subject": "E08000009", "rebase": "2021-01-01"}
    says = app.get("/v1/kpis/waits/spc", params=asked).json()["says"]
    assert "30 values from 2020-01 to 2022-06" in says
    assert "2021-09: 70, Above UCL" in says
    answer = app.get("/v1/kpis/waits/spc.svg", params=asked)
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.content == app.get("/v1/kpis/waits/spc.svg", params=asked).content
    root = ElementTree.fromstring(answer.text)
    assert (root.get("role"), root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")) == (
        "img",
        "Waits",
        says,
    )
    picture = app.get("/v1/kpis/waits/spc.png", params=asked)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert picture.content == app.get("/v1/kpis/waits/spc.png", params=asked).content
    assert app.get("/v1/kpis/waits/spc.png", params={**asked, "limit": 3}).status_code == 422
    empty = app.get("/v1/kpis/waits/spc.svg?subject=organisation:unknown")
    assert "There is nothing to draw" in empty.text


@pytest.mark.filterwarnings("ignore:Glyph")
def test_hostile_names_and_numbers_are_drawn_as_what_they_are(app: Client) -> None:
    charts(app, HOSTILE, lambda k: f"{'-' * (k % 2)}1.7e308")
    for format in ("svg", "png"):
        answer = app.get(f"/v1/kpis/waits/spc.{format}?subject=E08000009")
        assert answer.status_code == 200
        if format == "svg":
            assert "<script" not in answer.text
            title = ElementTree.fromstring(answer.text).findtext(f"{SVG}title") or ""
            assert title.startswith("<script>alert(1)</script> & $\\frac{1}{0}$ ]]>")
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
