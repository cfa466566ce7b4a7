import numpy as np
import polars as pl
from hedgerow_outcomes.domain.comparison import VERDICTS, compare, last_of_each_key, runs
from hedgerow_outcomes.domain.latest import Point, change, latest_and_previous
from hedgerow_outcomes.domain.periods import Period, months


def frame(table: str) -> pl.DataFrame:
    """Rows of `subject value`, all of one KPI and period; `-` is no value."""
    rows = [line.split() for line in table.split("\n") if line.strip()]
    values = [float("nan") if value == "-" else float(value) for _, value in rows]
    return pl.DataFrame(
        {
            "kpi": np.ones(len(rows), np.int32),
            "subject": np.array([int(subject) for subject, _ in rows], np.int32),
            "period_start": np.zeros(len(rows), np.int32),
            "period_end": np.zeros(len(rows), np.int32),
            "value": np.array(values),
            "status": np.where(np.isnan(values), 3, 0).astype(np.int32),
        }
    )


def judged(sent: str, known: str = "") -> tuple[list[str], list[int], list[int]]:
    """The verdicts, and the subjects of the new and of the corrected rows."""
    rows = frame(sent)
    result = compare(rows, last_of_each_key(rows), frame(known))
    return (
        [VERDICTS[code] for code in result.verdict],
        result.new["subject"].to_list(),
        result.corrected["subject"].to_list(),
    )


def test_a_row_is_new_changed_or_the_same() -> None:
    sent = """
    3 1.5
    1 1.5
    2 1.5
    4 -
    5 -
    """
    known = """
    2 1.5
    3 2.5
    4 -
    5 1
    9 1
    """
    verdicts, new, corrected = judged(sent, known)
    assert verdicts == ["changed", "accepted", "unchanged", "unchanged", "changed"]
    assert new == [1]
    assert corrected == [3, 5]


def test_of_rows_with_one_key_the_last_wins_and_each_is_judged_by_the_one_before() -> None:
    sent = """
    1 1
    2 7
    1 1
    1 2
    """
    assert judged(sent) == (["accepted", "accepted", "unchanged", "changed"], [1, 2], [])
    assert judged(sent, "1 1") == (["unchanged", "accepted", "unchanged", "changed"], [2], [1])
    assert judged(sent, "1 5") == (["changed", "accepted", "unchanged", "changed"], [2], [1])


def test_where_the_last_says_what_is_known_nothing_is_written() -> None:
    assert judged("1 1\n1 2\n1 1\n1 3\n", "1 3") == (["unchanged"] * 4, [], [])


def test_no_rows_are_no_verdicts() -> None:
    assert judged("", "1 1") == ([], [], [])


def test_rows_of_one_verdict_on_lines_without_a_gap_are_one_run() -> None:
    verdict = np.array([0, 0, 2, 2, 2, 0], np.uint8)
    line = np.array([2, 3, 5, 6, 9, 10])
    assert runs(verdict, line) == [(0, 2, 3, 2), (2, 5, 6, 2), (2, 9, 9, 1), (0, 10, 10, 1)]
    assert runs(verdict[:0], line[:0]) == []


def test_the_latest_is_compared_with_a_period_as_long() -> None:
    # Twelve months published every quarter, beside a quarter that ends on the same day.
    spans = [Point(months(2023, month, 12), float(month)) for month in (2, 5, 8)]
    assert latest_and_previous(spans) == (2, 1)
    assert latest_and_previous([*spans, Point(months(2024, 5, 3), 9.0)]) == (3, None)
    assert latest_and_previous([Point(Period(*months(2024, 1, 1)), None)]) == (0, None)


def test_a_change_is_as_exact_as_the_figures_are_written() -> None:
    assert change(46.1, 45.9) == 0.2
    assert change(1.0, None) is None
    assert change(1.7e308, -1.7e308) is None
