import time
from datetime import UTC, datetime

import orjson
import pytest

from tests.outcomes.sending import HEAD, KPIS, counts, gzipped, receipts, send, values
from tests.support.http import Client

AREA = "E08000009"
YEAR = HEAD + "".join(f"waits,{AREA},2024-{month:02},{month}.5\n" for month in range(1, 13))


@pytest.fixture
def defined(outcomes: Client) -> Client:
    """The app with two KPIs."""
    assert counts(outcomes, "kpis", KPIS) == (2, 0, 0, 0)
    return outcomes


def test_a_file_lands_and_is_read_page_by_page(defined: Client) -> None:
    assert counts(defined, "observations", YEAR) == (12, 0, 0, 0)
    rows = defined.items("/v1/observations", params={"kpi": "waits", "limit": 5})
    assert [(row["period"], row["value"]) for row in rows] == [
        (f"2024-{month:02}", month + 0.5) for month in range(1, 13)
    ]
    assert rows[1]["start"] == "2024-02-01"
    assert rows[1]["end"] == "2024-02-29"
    assert rows[1]["granularity"] == "month"
    assert rows[1]["status"] == "final"


def test_the_same_file_again_changes_nothing(defined: Client) -> None:
    counts(defined, "observations", YEAR)
    before = defined.items("/v1/observations")
    assert counts(defined, "observations", YEAR) == (0, 0, 12, 0)
    assert defined.items("/v1/observations") == before


def test_gzip_and_json_lines_say_the_same_as_csv(defined: Client) -> None:
    counts(defined, "observations", gzipped(YEAR))
    lines = b"\n".join(
        orjson.dumps({"kpi": "waits", "subject": AREA, "period": f"{month:02}/2024", "value": month + 0.5})
        for month in range(1, 13)
    )
    again = send(defined, "observations", lines, "application/x-ndjson")
    assert again["counts"]["unchanged"] == 12


def test_two_spellings_of_a_period_are_one_observation(defined: Client) -> None:
    counts(defined, "observations", HEAD + f"waits,{AREA},2024-25,3\n")
    assert counts(defined, "observations", HEAD + f"waits,{AREA},2024/25,3\n") == (0, 0, 1, 0)
    assert values(defined) == {("waits", AREA, "2024/25"): 3.0}


def test_a_correction_keeps_what_was_known_before(defined: Client) -> None:
    counts(defined, "observations", YEAR)
    moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    time.sleep(0.01)
    assert counts(defined, "observations", HEAD + f"waits,{AREA},2024-03,99\nwaits,{AREA},2024-04,4.5\n") == (
        0,
        1,
        1,
        0,
    )
    march = ("waits", AREA, "2024-03")
    assert values(defined)[march] == 99
    then = values(defined, as_of=moment, limit=4)
    assert then[march] == 3.5
    assert len(then) == 12
    series = defined.get("/v1/kpis/waits/series", params={"subject": AREA, "as_of": moment}).json()
    assert [point["value"] for point in series["items"]] == [month + 0.5 for month in range(1, 13)]
    assert values(defined, as_of="2020-01-01") == {}


def test_a_correction_of_a_correction_keeps_both(defined: Client) -> None:
    moments = []
    for value in (1, 2, 3):
        counts(defined, "observations", HEAD + f"waits,{AREA},2024-03,{value}\n")
        moments.append(datetime.now(UTC).isoformat().replace("+00:00", "Z"))
        time.sleep(0.01)
    assert [list(values(defined, as_of=moment).values()) for moment in moments] == [[1.0], [2.0], [3.0]]


def test_measures_and_status_are_part_of_what_is_said(defined: Client) -> None:
    head = "kpi,subject,period,value,numerator,denominator,lower,upper,status\n"
    row = f"waits,{AREA},2024,0.5,10,20,0.4,0.6,provisional\n"
    assert counts(defined, "observations", head + row) == (1, 0, 0, 0)
    assert counts(defined, "observations", head + row) == (0, 0, 1, 0)
    [kept] = defined.items("/v1/observations")
    assert (kept["numerator"], kept["denominator"], kept["lower"], kept["upper"]) == (10, 20, 0.4, 0.6)
    assert kept["status"] == "provisional"
    assert counts(defined, "observations", head + row.replace("provisional", "final")) == (0, 1, 0, 0)
    # A file that has no such columns says that there are no measures.
    assert counts(defined, "observations", HEAD + f"waits,{AREA},2024,0.5\n") == (0, 1, 0, 0)
    [kept] = defined.items("/v1/observations")
    assert (kept["value"], kept["numerator"]) == (0.5, None)


def test_rows_with_and_without_measures_land_together(defined: Client) -> None:
    head = "kpi,subject,period,value,numerator,denominator\n"
    body = f"waits,{AREA},2021,1,,\nwaits,{AREA},2022,2,4,2\nwaits,{AREA},2023,3,9,\nwaits,{AREA},2024,4,,4\n"
    assert counts(defined, "observations", head + body) == (4, 0, 0, 0)
    assert counts(defined, "observations", head + body) == (0, 0, 4, 0)
    rows = defined.items("/v1/observations")
    assert [(row["value"], row["numerator"], row["denominator"]) for row in rows] == [
        (1, None, None),
        (2, 4, 2),
        (3, 9, None),
        (4, None, 4),
    ]


def test_what_cannot_be_taken_in_is_told_line_by_line(defined: Client) -> None:
    body = HEAD + "\n".join(
        [
            f"waits,{AREA},2024-01,1",  # 2
            "waits,E0800009,2024-01,2",  # 3
            f"weights,{AREA},2024-01,3",  # 4
            f"waits,{AREA},2010-12,4",  # 5
            f"waits,{AREA},soon,5",  # 6
            f"waits,{AREA},2024-02,NA",  # 7
            f"waits,{AREA},2024-02,",  # 8
            f"waits,{AREA},2024-02,NaN",  # 9
            f"waits,{AREA},2024-02,Infinity",  # 10
            f"waits,{AREA},2024-02,1e999",  # 11
            f'waits,{AREA},2024-02,"1,234"',  # 12
            f"waits,{AREA},2024-02",  # 13
            f"waits,{AREA},2024-02,6",  # 14
        ]
    )
    done = send(defined, "observations", body)
    assert done["counts"] == {"accepted": 2, "changed": 0, "unchanged": 0, "quarantined": 11}
    told = {receipt["line"]: receipt for receipt in receipts(defined, done, verdict="quarantined")}
    assert sorted(told) == list(range(3, 14))
    assert {line: receipt["column"] for line, receipt in told.items()} == {
        3: "subject",
        4: "kpi",
        5: "period",
        6: "period",
        **dict.fromkeys(range(7, 13), "value"),
        13: None,
    }
    assert "E0800009" in told[3]["reason"]
    assert "weights" in told[4]["reason"]
    assert "period=month" in told[5]["reason"]
    assert told[3]["key"] == "waits E0800009 2024-01"
    assert values(defined) == {("waits", AREA, "2024-01"): 1.0, ("waits", AREA, "2024-02"): 6.0}


def test_blanks_and_signs_in_place_of_numbers_are_kept_as_missing_where_that_is_declared(
    defined: Client,
) -> None:
    signs = ["", "NA", "-", ":", "c", "*"]
    body = HEAD + "".join(f'waits,{AREA},{2010 + place},"{sign}"\n' for place, sign in enumerate(signs))
    assert counts(defined, "observations", body) == (0, 0, 0, 6)
    assert counts(defined, "observations", body, blank="missing") == (6, 0, 0, 0)
    assert counts(defined, "observations", body, blank="missing") == (0, 0, 6, 0)
    rows = defined.items("/v1/observations")
    assert [(row["value"], row["status"]) for row in rows] == [
        *[(None, "missing")] * 4,
        *[(None, "suppressed")] * 2,
    ]
    assert counts(defined, "observations", HEAD + f"waits,{AREA},2024,NaN\n", blank="missing") == (0, 0, 0, 1)


def test_a_row_may_declare_its_own_blank(defined: Client) -> None:
    head = "kpi,subject,period,value,status\n"
    body = f"waits,{AREA},2021,,suppressed\nwaits,{AREA},2022,,final\nwaits,{AREA},2023,1,missing\n"
    assert counts(defined, "observations", head + body) == (1, 0, 0, 2)


def test_a_key_that_comes_twice_in_a_file_says_so_and_the_later_line_wins(defined: Client) -> None:
    body = HEAD + f"waits,{AREA},2024,1\nwaits,{AREA},2023,5\nwaits,{AREA},2024,1\nwaits,{AREA},2024,2\n"
    done = send(defined, "observations", body)
    assert done["counts"] == {"accepted": 2, "changed": 1, "unchanged": 1, "quarantined": 0}
    told = [(receipt["line"], receipt["verdict"], receipt["reason"]) for receipt in receipts(defined, done)]
    assert told == [
        (2, "accepted", None),
        (4, "unchanged", "repeats line 2 of this file"),
        (5, "changed", "corrects line 4 of this file"),
    ]
    assert values(defined)["waits", AREA, "2024"] == 2
    assert counts(defined, "observations", body) == (0, 0, 4, 0)


def test_an_unknown_kpi_is_made_only_where_that_is_asked_for(defined: Client) -> None:
    body = HEAD + f"weights,{AREA},2024,1\nno good id,{AREA},2024,1\n"
    assert counts(defined, "observations", body) == (0, 0, 0, 2)
    assert counts(defined, "observations", body, define="true") == (1, 0, 0, 1)
    made = defined.get("/v1/kpis/weights").json()
    assert (made["name"], made["incomplete"], made["version"]) == ("weights", True, 1)


def test_every_kind_of_subject_is_known_by_its_spelling(defined: Client) -> None:
    subjects = [
        "E08000009",
        "organisation:GB-CHC-1",
        "service:s 1",
        "cohort:16-17",
        "contract:c/2",
        "network:n",
        "site:x",
    ]
    assert counts(
        defined, "observations", HEAD + "".join(f"waits,{subject},2024,1\n" for subject in subjects)
    ) == (7, 0, 0, 0)
    assert {subject for _, subject, _ in values(defined)} == set(subjects)
    assert len(values(defined, subject=["service:s 1", "site:x"])) == 2
    bad = ["RF4", "e08000009", "area:E0800009", "person:1", "service:", ""]
    assert (
        counts(defined, "observations", HEAD + "".join(f"waits,{subject},2024,1\n" for subject in bad))[3]
        == 6
    )


def test_from_and_to_keep_the_periods_that_touch_them(defined: Client) -> None:
    counts(defined, "observations", YEAR + f"waits,{AREA},2023/24,7\n")
    found = values(defined, **{"from": "2024-03-15", "to": "2024-05-01"})
    assert sorted(period for _, _, period in found) == ["2023/24", "2024-03", "2024-04", "2024-05"]


def test_the_latest_value_stands_beside_the_one_before(defined: Client) -> None:
    counts(
        defined,
        "observations",
        YEAR + f"waits,{AREA},2024,6.5\nvisits,{AREA},2023/24,10\nwaits,E05000815,2024-01,1\n",
    )
    latest = defined.items("/v1/observations/latest", params={"subject": AREA, "limit": 1})
    told = {item["kpi"]["id"]: item for item in latest}
    assert told["waits"]["latest"]["period"] == "2024-12"
    assert told["waits"]["previous"]["period"] == "2024-11"
    assert told["waits"]["change"] == pytest.approx(1.0)
    assert told["waits"]["kpi"]["polarity"] == "lower"
    assert told["visits"]["previous"] is None
    of_kpi = defined.items("/v1/kpis/waits/latest")
    assert {item["subject"]: item["latest"]["value"] for item in of_kpi} == {AREA: 12.5, "E05000815": 1}
    assert defined.items("/v1/observations/latest", params={"subject": "E05000816"}) == []


def test_the_latest_passes_over_a_missing_value(defined: Client) -> None:
    counts(
        defined, "observations", HEAD + f"waits,{AREA},2024-01,1\nwaits,{AREA},2024-02,\n", blank="missing"
    )
    [item] = defined.items("/v1/kpis/waits/latest")
    assert item["latest"]["period"] == "2024-01"


def test_the_import_moves_the_sequence_only_when_something_changed(defined: Client) -> None:
    first = send(defined, "observations", YEAR)
    again = send(defined, "observations", YEAR)
    assert first["counts"]["accepted"] == again["counts"]["unchanged"] == 12
    listed = defined.items("/v1/imports")
    assert [item["kind"] for item in listed] == ["kpis", "observations", "observations"]


def test_a_small_correction_in_a_wide_table_finds_its_rows(defined: Client) -> None:
    months = [f"{year}-{month:02}" for year in (2022, 2023) for month in range(1, 13)]
    wide = "".join(f"waits,E0{5000000 + area:07},{month},{area}\n" for area in range(100) for month in months)
    assert counts(defined, "observations", HEAD + wide)[0] == 2400
    few = "waits,E05000000,2022-01,-1\nwaits,E05000099,2023-12,-1\nwaits,E05000050,2022-06,50\n"
    assert counts(defined, "observations", HEAD + few) == (0, 2, 1, 0)
    assert values(defined, subject="E05000099")["waits", "E05000099", "2023-12"] == -1
