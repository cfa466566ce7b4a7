"""What a batch of rows says beside what is known: new, changed or the same, row by row.

Where rows of a batch speak of the same KPI, subject and period, the last one wins.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from hedgerow_outcomes.domain.chunks import MEASURES

KEY = ("kpi", "subject", "period_start", "period_end")
SAID = ("value", *MEASURES, "status")
ACCEPTED, CHANGED, UNCHANGED = 0, 1, 2
VERDICTS = ("accepted", "changed", "unchanged")

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


class Comparison(NamedTuple):
    """verdict: of every row in the order given, a place in `VERDICTS`.
    repeats: of every row, the place of the row before it with the same key, or -1.
    new, corrected: the rows to write, sorted by key.
    """

    verdict: npt.NDArray[np.uint8]
    repeats: Places
    new: pl.DataFrame
    corrected: pl.DataFrame


class Winners(NamedTuple):
    """rows: the last row of each key, sorted by key. of_row: of every row the place of its winner there.
    repeats: of every row the place of the row before it with the same key, or -1.
    """

    rows: pl.DataFrame
    of_row: Places
    repeats: Places


def last_of_each_key(rows: pl.DataFrame) -> Winners:
    """The rows that win.

    rows: columns of `KEY` and `SAID`, numbers without nulls (NaN: no number), in the order of the file.
    """
    keys = [rows[name].to_numpy() for name in KEY]
    order = np.lexsort(keys[::-1])  # stable: rows of one key stay in the order of the file
    begins = np.ones(len(order), bool)
    if len(order) > 1:
        begins[1:] = np.logical_or.reduce([key[order[1:]] != key[order[:-1]] for key in keys])
    group = np.cumsum(begins) - 1
    last = order[np.append(np.flatnonzero(begins)[1:], len(order)) - 1] if len(order) else order
    winner = np.empty(len(order), np.int64)
    winner[order] = group
    repeats = np.full(len(order), -1, np.int64)
    again = np.flatnonzero(~begins)
    repeats[order[again]] = order[again - 1]
    return Winners(rows[last], winner, repeats)


def compare(rows: pl.DataFrame, last: Winners, known: pl.DataFrame) -> Comparison:
    """Compare rows with what is known of their keys.

    rows, last: what `last_of_each_key` was asked, and what it said.
    known: the columns of `KEY` and `SAID`, unique by key; it may hold other keys as well.

    A row is `accepted` when nothing is known of its key, `unchanged` when it says what is known, else
    `changed`; known is what was stored, or what the row before it with the same key says. Where the last row
    of a key says what was stored, all its rows are `unchanged`: nothing is written, and a file that
    contradicts itself can be sent again without effect.
    """
    winners, winner, repeats = last
    places = known.select(KEY).with_columns(pl.int_range(known.height, dtype=pl.Int64).alias("place"))
    place = (
        winners.select(KEY)
        .join(places, on=KEY, how="left", maintain_order="left")["place"]
        .fill_null(-1)
        .to_numpy()
    )
    stored = place >= 0
    same = np.zeros(winners.height, bool)
    same[stored] = _alike(winners.filter(stored), known[place[stored]])
    verdict = np.where(same, UNCHANGED, np.where(stored, CHANGED, ACCEPTED)).astype(np.uint8)[winner]
    if (repeats >= 0).any():
        _judge_repeats(verdict, rows, known, winner, repeats, place, same)
    return Comparison(verdict, repeats, winners.filter(~stored), winners.filter(stored & ~same))


def _judge_repeats(
    verdict: npt.NDArray[np.uint8],
    rows: pl.DataFrame,
    known: pl.DataFrame,
    winner: Places,
    repeats: Places,
    place: Places,
    same: Flags,
) -> None:
    """Judge each row of a repeated key by the one before it, unless the last of them is what is stored."""
    repeated = np.zeros(len(same), bool)
    repeated[winner[repeats >= 0]] = True
    judged = np.flatnonzero(repeated[winner] & ~same[winner])
    first = judged[repeats[judged] < 0]
    later = judged[repeats[judged] >= 0]
    verdict[later] = np.where(_alike(rows[later], rows[repeats[later]]), UNCHANGED, CHANGED)
    before = place[winner[first]]
    verdict[first] = np.where(before >= 0, CHANGED, ACCEPTED)
    stored = first[before >= 0]
    alike = _alike(rows[stored], known[before[before >= 0]])
    verdict[stored[alike]] = UNCHANGED


def _alike(left: pl.DataFrame, right: pl.DataFrame) -> Flags:
    alike = np.ones(left.height, bool)
    for name in SAID:
        if name in left.columns:
            a, b = left[name].to_numpy(), right[name].to_numpy()
            alike &= (a == b) | ((a != a) & (b != b))
    return alike


def runs(verdict: npt.NDArray[np.uint8], line: Places) -> list[tuple[int, int, int, int]]:
    """Rows of one verdict on lines without a gap, as (verdict, first line, last line, rows)."""
    if not len(verdict):
        return []
    begins = np.flatnonzero(np.append(True, (verdict[1:] != verdict[:-1]) | (np.diff(line) > 1)))
    ends = np.append(begins[1:], len(verdict))
    return [
        (int(verdict[begin]), int(line[begin]), int(line[end - 1]), int(end - begin))
        for begin, end in zip(begins, ends, strict=True)
    ]
