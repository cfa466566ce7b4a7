"""The same observations as long and wide CSV, NDJSON, JSON and Parquet; and what is withdrawn."""

import io

import orjson
import polars as pl
import pytest

from tests.outcomes.sending import KPIS, counts, gzipped, post, receipts, send, values
from tests.support.http import Client

PARQUET = "application/vnd.apache.parquet"
LONG = """kpi,subject,period,value
waits,E05000001,2024-01,1.5
waits,E05000001,2024-02,2
visits,E05000001,2024-01,10
"""
EXPECTED = {
    ("waits", "E05000001", "2024-01"): 1.5,
    ("waits", "E05000001", "2024-02"): 2.0,
    ("visits", "E05000001", "2024-01"): 10.0,
}
OBJECTS = [
    {"kpi": kpi, "subject": subject, "period": period, "value": value}
    for (kpi, subject, period), value in EXPECTED.items()
]


def parquet(rows: list[dict[str, object]], **columns: object) -> bytes:
    kept = io.BytesIO()
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame.with_columns(**{name: pl.lit(value) for name, value in columns.items()}).write_parquet(kept)
    return kept.getvalue()


FILES = {
    "long": (LONG.encode(), "text/csv", {}),
    "gzip": (gzipped(LONG), "text/csv", {}),
    "periods": (
        b"kpi,subject,2024-01,2024-02\nwaits,E05000001,1.5,2\nvisits,E05000001,10,\n",
        "text/csv",
        {"shape": "periods"},
    ),
    "kpis": (
        b"period,subject,waits,visits\n2024-01,E05000001,1.5,10\n2024-02,E05000001,2,\n",
        "text/csv",
        {"shape": "kpis"},
    ),
    "ndjson": (b"\n".join(map(orjson.dumps, OBJECTS)), "application/x-ndjson", {}),
    "json": (orjson.dumps(OBJECTS), "application/json", {}),
    "json object": (orjson.dumps({"observations": OBJECTS}), "application/json", {}),
    "parquet": (parquet(OBJECTS), PARQUET, {}),
}


@pytest.mark.parametrize("name", FILES)
def test_every_shape_says_the_same(outcomes: Client, name: str) -> None:
    send(outcomes, "kpis", KPIS)
    body, media_type, options = FILES[name]
    options = {**options, "period": "month"}
    assert send(outcomes, "observations", body, media_type, **options)["counts"]["accepted"] == 3
    assert values(outcomes) == EXPECTED
    assert send(outcomes, "observations", body, media_type, **options)["counts"]["unchanged"] == 3


def test_a_bad_cell_of_a_wide_table_costs_that_cell_alone(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    wide = "kpi,subject,2024-01,soon\nwaits,E05000001,much,4\nvisits,E05000002,5,\n"
    done = send(outcomes, "observations", wide, shape="periods", period="month")
    assert list(done["counts"].values()) == [1, 0, 0, 2]
    faults = {(row["line"], row["column"]) for row in receipts(outcomes, done, verdict="quarantined")}
    assert faults == {(2, "value"), (2, "period")}


def test_empty_cells_of_a_wide_table_are_kept_when_asked_for(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    wide = "kpi,subject,2024-01,2024-02\nwaits,E05000001,,4\n"
    assert counts(outcomes, "observations", wide, shape="periods", period="month") == (1, 0, 0, 0)
    options = {"shape": "periods", "period": "month", "blank": "missing"}
    assert counts(outcomes, "observations", wide, **options) == (1, 0, 1, 0)


@pytest.mark.parametrize(
    ("body", "media_type", "options"),
    [
        (b"not parquet", PARQUET, {}),
        (parquet([{"kpi": "waits", "subject": "E05000001"}]), PARQUET, {}),
        (parquet([{**OBJECTS[0], "value": [1]}]), PARQUET, {}),
        (b"{", "application/json", {}),
        (b"subject,2024\nE05000001,1\n", "text/csv", {"shape": "periods"}),
        (b"kpi,subject,2024,2024\nwaits,E05000001,1,2\n", "text/csv", {"shape": "periods"}),
        (LONG.encode(), "text/csv", {"shape": "tall"}),
        (orjson.dumps(OBJECTS), "application/json", {"shape": "kpis"}),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_whole(
    outcomes: Client, body: bytes, media_type: str, options: dict[str, str]
) -> None:
    send(outcomes, "kpis", KPIS)
    answer = post(outcomes, "observations", body, media_type, **options)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert values(outcomes) == {}


def test_bad_objects_of_a_json_list_are_told_by_their_place(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    body = orjson.dumps([OBJECTS[0], {"kpi": "waits", "colour": "red"}, 5, OBJECTS[2]])
    done = send(outcomes, "observations", body, "application/json", period="month")
    assert list(done["counts"].values()) == [2, 0, 0, 2]
    assert {row["line"] for row in receipts(outcomes, done, verdict="quarantined")} == {2, 3}


def test_what_is_withdrawn_has_no_value_any_more_and_was_known_before(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", LONG, period="month")
    moment = outcomes.items("/v1/observations", params={"kpi": "visits"})[0]["known_from"]
    withdrawn = "kpi,subject,period,value,status\nvisits,E05000001,2024-01,,withdrawn\n"
    assert counts(outcomes, "observations", withdrawn, period="month") == (0, 1, 0, 0)
    assert counts(outcomes, "observations", withdrawn, period="month") == (0, 0, 1, 0)
    (row,) = outcomes.items("/v1/observations", params={"kpi": "visits"})
    assert (row["value"], row["status"]) == (None, "withdrawn")
    assert values(outcomes, kpi="visits", as_of=moment) == {("visits", "E05000001", "2024-01"): 10.0}
    odd = withdrawn.replace(",,", ",10,")
    assert counts(outcomes, "observations", odd, period="month") == (0, 0, 0, 1)
