"""`/v1/kpis/{id}/spc` and `/v1/kpis/{id}/compare`, on both databases."""

import csv
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.outcomes.sending import HEAD, counts, send
from tests.support import apps
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity

AREA = "E08000009"
KPI = "id,name,unit,polarity,level,perspective,frequency,aggregation,description,target\n"
MEASURES = "kpi,subject,period,value,numerator,denominator\n"


@pytest.fixture
def app(made_databases: Databases) -> Iterator[Client]:
    made = apps.made("outcomes", made_databases.migrated("hedgerow_outcomes"))
    with running(made, headers=identity("outcomes")) as client:
        yield client


def month(place: int) -> str:
    return f"{2020 + place // 12}-{place % 12 + 1:02}"


def define(app: Client, *rows: str) -> None:
    assert counts(app, "kpis", KPI + "".join(f"{row}\n" for row in rows))[0] == len(rows)


def charted(app: Client, kpi: str, subject: str = AREA, **asked: Any) -> Any:
    answer = app.get(f"/v1/kpis/{kpi}/spc", params={"subject": subject, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


def compared(app: Client, kpi: str, **asked: Any) -> Any:
    answer = app.get(f"/v1/kpis/{kpi}/compare", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(app: Client, path: str, **asked: Any) -> tuple[int, list[str]]:
    answer = app.get(path, params=asked)
    return answer.status_code, [error.get("parameter") for error in answer.json().get("errors", [])]


def waits(app: Client, values: dict[int, float | str], polarity: str = "lower", target: str = "") -> None:
    define(app, f"waits,Waits,days,{polarity},outcome,outward,monthly,mean,,{target}")
    rows = "".join(f"waits,{AREA},{month(place)},{value}\n" for place, value in values.items())
    counts(app, "observations", HEAD + rows, blank="missing")


def test_gaps_and_missing_values_break_no_run(app: Client) -> None:
    # Seven months above the mean, with one missing value and half a year that nobody reported between them.
    values: dict[int, float | str] = {place: place % 2 for place in range(12)}
    values |= {12: 5, 13: 6, 14: "NA", 15: 5, 22: 6, 23: 5, 24: 6, 25: 5}
    waits(app, values)
    found = charted(app, "waits")
    high = [point["period"] for point in found["items"] if point["variation"] == "special_cause_concern"]
    assert high == [month(place) for place in (12, 13, 15, 22, 23, 24, 25)]
    [missing] = [point for point in found["items"] if point["value"] is None]
    assert (missing["period"], missing["special_cause"], missing["variation"]) == (month(14), None, None)
    assert missing["mean"] == found["limits"][0]["mean"]
    caveats = " ".join(found["computed"]["caveats"])
    assert "1 period without a value" in caveats
    assert "1 gap in the series (the first between 2021-04 and 2021-11)" in caveats


def test_a_rebase_by_hand_begins_a_phase_and_nothing_else_does(app: Client) -> None:
    waits(app, {place: (20 if place < 14 else 8) + place % 2 for place in range(28)} | {14: "NA"}, target="9")
    assert len(charted(app, "waits")["limits"]) == 1
    found = charted(app, "waits", rebase=["2021-03-01", "2050-01-01"])
    first, second = found["limits"]
    assert (first["first"], first["last"], first["points"]) == ("2020-01", "2021-02", 14)
    assert (second["first"], second["last"], second["points"]) == ("2021-04", "2022-04", 13)
    assert first["mean"] == 20.5
    assert found["items"][14]["mean"] == second["mean"]
    assert {point["special_cause"] for point in found["items"]} == {"Common Cause", None}
    assert found["assurance"] == "inconsistent"
    assert found["target"] == 9
    assert charted(app, "waits", rebase="2021-03-01", target=30)["assurance"] == "consistent_pass"
    assert any("2050-01-01 begins no phase" in caveat for caveat in found["computed"]["caveats"])
    assert found["computed"]["parameters"]["rebase"] == ["2021-03-01", "2050-01-01"]


def test_a_baseline_is_a_number_of_points_or_the_days_between_two(app: Client) -> None:
    waits(app, {place: place % 2 + (9 if place >= 12 else 0) for place in range(20)})
    by_days = charted(app, "waits", baseline="2020-01-01/2020-12-31")
    assert by_days["items"] == charted(app, "waits", baseline="12")["items"]
    assert by_days["limits"][0]["mean"] == 0.5
    assert by_days["limits"][0]["basis_points"] == 12
    assert by_days["items"][-1]["special_cause"] == "Above UCL"


def test_a_chart_as_it_was_known_and_of_the_months_asked_for(app: Client) -> None:
    waits(app, {place: place % 3 for place in range(20)})
    moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    time.sleep(0.01)
    before = charted(app, "waits")
    counts(app, "observations", HEAD + f"waits,{AREA},{month(5)},99\n")
    assert charted(app, "waits")["items"][5]["special_cause"] == "Above UCL"
    assert charted(app, "waits", as_of=moment)["items"] == before["items"]
    part = charted(app, "waits", **{"from": "2020-07-01", "to": "2021-06-30"})
    assert [point["period"] for point in part["items"]] == [month(place) for place in range(6, 18)]
    assert any("fewer than 13" in caveat for caveat in part["computed"]["caveats"])
    pages = app.items("/v1/kpis/waits/spc", params={"subject": AREA, "limit": 7})
    assert pages == charted(app, "waits")["items"]


def test_years_do_not_stand_among_months_and_rolling_years_are_told(app: Client) -> None:
    waits(app, {place: place for place in range(14)})
    rolling = "".join(f"rolling,{AREA},{month(k)} to {month(k + 11)},{k}\n" for k in range(1, 9))
    counts(app, "observations", HEAD + f"waits,{AREA},2020,7\n")
    assert send(app, "observations", HEAD + rolling, define="true")["counts"]["accepted"] == 8
    found = charted(app, "waits")
    assert [point["period"] for point in found["items"]] == [month(place) for place in range(14)]
    assert any("1 observation of another length" in caveat for caveat in found["computed"]["caveats"])
    found = charted(app, "rolling")
    assert len(found["items"]) == 8
    assert any("overlap" in caveat for caveat in found["computed"]["caveats"])


def test_a_series_without_values_or_at_the_edge_of_numbers_still_charts(app: Client) -> None:
    waits(app, {0: "NA"})
    found = charted(app, "waits")
    assert (found["limits"], found["variation"], found["items"][0]["mean"]) == ([], None, None)
    assert charted(app, "waits", "organisation:unknown")["items"] == []
    rows = "".join(f"waits,{AREA},{month(k)},{'-' * (k % 2)}1.7e308\n" for k in range(15))
    counts(app, "observations", HEAD + rows)
    assert len(charted(app, "waits")["items"]) == 15


def test_what_cannot_be_charted_is_a_clear_problem(app: Client) -> None:
    waits(app, {place: place for place in range(20)})
    for asked, parameter in (
        ({"baseline": "11"}, "baseline"),
        ({"baseline": "many"}, "baseline"),
        ({"baseline": "2020-01-01/2020-06-30"}, "baseline"),
        ({"baseline": "2020-01-01/2021-02-30"}, "baseline"),
        ({"baseline": "2020-01-01/2020-12-31", "rebase": "2021-01-01"}, "baseline"),
        ({"rebase": "2021-13-01"}, "rebase"),
        ({"target": "NaN"}, "target"),
        ({"subject": "E0800009"}, "subject"),
        ({"rebased": "2021-01-01"}, "rebased"),
    ):
        assert told(app, "/v1/kpis/waits/spc", **{"subject": AREA, **asked}) == (422, [parameter])
    assert told(app, "/v1/kpis/nothing/spc", subject=AREA)[0] == 404


def test_every_accident_and_emergency_series_and_trafford_month_charts(app: Client, shared: Path) -> None:
    series: dict[str, list[str]] = defaultdict(list)
    with (shared / "data" / "kpi_nhs_ae" / "ae_attendances.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            subject = f"organisation:{row['org_code']}-{row['type']}"
            series[subject].append(f"attendances,{subject},{row['period'][:7]},{row['attendances']}\n")
    long = {subject: rows for subject, rows in series.items() if len(rows) >= 24}
    assert len(long) == 326
    send(app, "observations", HEAD + "".join(row for rows in long.values() for row in rows), define="true")
    with_gaps = 0
    for subject, rows in long.items():
        found = charted(app, "attendances", subject)
        assert len(found["items"]) == len(rows)
        assert all(point["upper"] is not None for point in found["items"])
        with_gaps += any("gap" in caveat for caveat in found["computed"]["caveats"])
    assert with_gaps > 0
    charted_in_trafford = 0
    for name in ("economy__claimant_count", "economy__universal_credit", "health__antibiotics_broad_s"):
        with (shared / "data" / "trafford" / "kpis" / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        kpis = {row["indicator"] + row["measure"]: f"k{name}-{len(row['measure'])}" for row in rows}
        body = "".join(
            f"{kpis[row['indicator'] + row['measure']]},{row['area_code']},"
            f"{row['period'][:7] if row['period'][:2] == '20' else row['period']},{row['value']}\n"
            for row in rows
        )
        assert send(app, "observations", HEAD + body, define="true")["counts"]["quarantined"] == 0
        for kpi in set(kpis.values()):
            found = charted(app, kpi)
            assert found["limits"][0]["points"] >= 12
            charted_in_trafford += 1
    assert charted_in_trafford == 5


SHARES = "E05000001 1 100\nE05000002 20 100\nE05000003 9856 12345\nE05000004 222 3215\n"


@pytest.fixture
def shares(app: Client) -> Client:
    define(
        app,
        "share,S,percentage,higher,outcome,outward,annual,ratio_of_sums,,",
        "rates,R,per 100000,lower,outcome,outward,annual,ratio_of_sums,,",
        "visits,V,visits,neutral,output,outward,annual,sum,,",
    )
    body = ""
    for line in SHARES.splitlines():
        area, numerator, denominator = line.split()
        part = int(numerator) / int(denominator)
        body += f"share,{area},2024/25,{part * 100!r},{numerator},{denominator}\n"
        body += f"rates,{area},2024/25,{part * 100_000!r},{numerator},{denominator}\n"
        body += f"visits,{area},2024/25,{numerator},,\n"
    body += "share,E05000005,2024/25,20,,\nshare,E06999001,2024/25,21,21,100\nshare,E05000001,2023/24,9,,\n"
    assert counts(app, "observations", MEASURES + body)[0] == 15
    return app


def test_the_published_intervals_are_matched(shares: Client, shared: Path) -> None:
    vectors = json.loads((shared / "vectors" / "confidence_intervals.json").read_text())
    methods = {"Wilson": "wilson", "Byars": "byar", "Exact": "exact"}
    checked = 0
    for kpi, name, multiplier in (("share", "proportion", 100), ("rates", "rate", 100_000)):
        wanted = {
            row["Numerator"]: row
            for row in vectors[name]
            if row["multiplier"] == multiplier and row["value"] is not None
        }
        for confidence, level in (("95", "95_0"), ("99.8", "99_8")):
            for row in compared(shares, kpi, period="2024/25", prefix="E05", confidence=confidence)["items"]:
                if row["numerator"] is None:
                    continue
                theirs = wanted[row["numerator"]]
                found = (row["value"], row["lower"], row["upper"])
                assert found == pytest.approx(
                    (theirs["value"], theirs[f"lower{level}cl"], theirs[f"upper{level}cl"]),
                    rel=1e-9,
                    abs=1e-9,
                )
                assert row["method"] == methods[theirs["method"]]
                checked += 1
    assert checked == 16


def test_subjects_are_ranked_the_best_first_and_held_against_one(shares: Client) -> None:
    found = compared(shares, "share", period="2024-25", prefix="E05", comparator="E06999001")
    assert [(row["rank"], row["subject"], row["against"]) for row in found["items"]] == [
        (1, "E05000003", "better"),
        (2, "E05000002", "similar"),
        (2, "E05000005", "not compared"),
        (4, "E05000004", "worse"),
        (5, "E05000001", "worse"),
    ]
    assert found["comparator"] == {"subject": "E06999001", "value": 21}
    assert found["period"] == "2024/25"
    assert found["computed"]["parameters"] == {
        "confidence": 0.95,
        "method": "wilson",
        "multiplier": 100,
        "best": "highest",
    }
    assert found["items"][2]["no_interval"] == "the numerator and the denominator are not both known"
    lowest_first = compared(shares, "rates", period="2024/25")["items"]
    assert [row["subject"][-1] for row in lowest_first] == ["1", "4", "2", "3"]
    params = {"period": "2024/25", "prefix": "E05", "limit": 2, "comparator": "E06999001"}
    assert shares.items("/v1/kpis/share/compare", params=params) == found["items"]


def test_where_there_is_no_interval_the_answer_says_why(shares: Client) -> None:
    found = compared(shares, "visits", period="2024/25", subjects=["E05000001", "E05000009"])
    [row] = found["items"]
    assert (row["rank"], row["value"], row["lower"], row["method"]) == (1, 1, None, None)
    assert row["no_interval"] == "the KPI is a sum, of which the spread is not known"
    caveats = " ".join(found["computed"]["caveats"])
    assert "No intervals: the KPI is a sum" in caveats
    assert "1 of the subjects asked for have no observation of this period: E05000009." in caveats
    assert compared(shares, "visits", period="2024/25", subjects="E05000099")["items"] == []


def test_what_cannot_be_compared_is_a_clear_problem(shares: Client) -> None:
    for asked, parameter in (
        ({"period": "soon"}, "period"),
        ({}, "period"),
        ({"period": "2024", "confidence": "90"}, "confidence"),
        ({"period": "2024", "subjects": "E0800009"}, "subjects"),
        ({"period": "2024", "comparator": "E0800009"}, "comparator"),
        ({"period": "2024", "beside": "E06999001"}, "beside"),
    ):
        assert told(shares, "/v1/kpis/share/compare", **asked) == (422, [parameter])
