"""Observations by the batch: reading what is known of many keys at once, and writing what is new or
corrected.

Rows come and go as columns of numbers. Where a row has no number its place holds NaN, which is never stored.
PostgreSQL is spoken to in its binary COPY format, SQLite in statements of many rows: both several times as
fast as a statement per row.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sqlalchemy.orm import Session

from hedgerow_outcomes.store import pg_binary

KEY = ("kpi", "subject", "period_start", "period_end")
MEASURES = ("numerator", "denominator", "lower", "upper")
NUMBERS = ("value", *MEASURES)
COLUMNS = (*KEY, *NUMBERS, "status", "learning")
# Columns that stand for a batch without measures: whether a stored row has none either.
_BARE = "(numerator IS NULL AND denominator IS NULL AND lower IS NULL AND upper IS NULL)"

# A range read may meet rows that nobody asked about: this many times those asked about, and it is given up.
_SPARSE = 4
_SPARSE_FLOOR = 1_000
_MOST_RANGES = 200
_ROWS_PER_STATEMENT = 50

Columns = Mapping[str, npt.NDArray[Any]]


def prepare(session: Session) -> None:
    """Call first in a transaction that uses this module."""
    if _is_postgres(session):
        # Just after a bulk load the statistics are stale and would choose to read whole tables.
        session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")


def known(session: Session, keys: pl.DataFrame, *, with_measures: bool) -> pl.DataFrame:
    """What is stored of keys, with rows of other keys perhaps; columns `KEY`, numbers and `status`.

    keys: columns `KEY` as Int32, sorted, days counted from 1 January 2000. Without `with_measures` the
    measures are left out, and a stored row that has any comes with the status -1, like none that can be sent.
    """
    found, sparse = [], []
    ranges = keys.group_by("kpi", maintain_order=True).agg(
        pl.len().alias("rows"),
        pl.col("subject").min().alias("subject_from"),
        pl.col("subject").max().alias("subject_to"),
        pl.col("period_start").min().alias("start_from"),
        pl.col("period_start").max().alias("start_to"),
    )
    if ranges.height > _MOST_RANGES:
        return _known_one_by_one(session, keys, with_measures=with_measures)
    for asked in ranges.iter_rows(named=True):
        most = _SPARSE * asked["rows"] + _SPARSE_FLOOR
        rows = _known_in_range(session, asked, most, with_measures=with_measures)
        if rows.height > most:
            sparse.append(asked["kpi"])
        else:
            found.append(rows)
    if sparse:
        asked_singly = keys.filter(pl.col("kpi").is_in(sparse))
        found.append(_known_one_by_one(session, asked_singly, with_measures=with_measures))
    return pl.concat(found)


def _known_in_range(
    session: Session, asked: Mapping[str, int], most: int, *, with_measures: bool
) -> pl.DataFrame:
    day = _day_number if _is_postgres(session) else int
    first, last = day(asked["start_from"]), day(asked["start_to"])
    return _fetch(
        session,
        f"FROM observations o WHERE o.kpi = {asked['kpi']} "
        f"AND o.subject BETWEEN {asked['subject_from']} AND {asked['subject_to']} "
        f"AND o.period_start BETWEEN {first} AND {last} LIMIT {most + 1}",
        with_measures=with_measures,
    )


def _known_one_by_one(session: Session, keys: pl.DataFrame, *, with_measures: bool) -> pl.DataFrame:
    with _staged(session, {name: keys[name].to_numpy() for name in KEY}) as staging:
        matched = " AND ".join(f"o.{name} = s.{name}" for name in KEY)
        return _fetch(
            session, f"FROM {staging} s JOIN observations o ON {matched}", with_measures=with_measures
        )


def _fetch(session: Session, source: str, *, with_measures: bool) -> pl.DataFrame:
    numbers = NUMBERS if with_measures else ("value",)
    status = "o.status" if with_measures else f"CASE WHEN {_BARE} THEN o.status ELSE -1 END"
    integers, floats = [*(f"o.{name}" for name in KEY), status], [f"o.{name}" for name in numbers]
    names = [*KEY, "status", *numbers]
    if _is_postgres(session):
        return pg_binary.fetch(_cursor(session), integers, floats, source, names)
    # As one stream of numbers: a tuple kept for each row would cost as much again. Infinity is never stored.
    floats = [f"ifnull({name}, 9e999)" for name in floats]
    rows = _cursor(session).execute(f"SELECT {', '.join([*integers, *floats])} {source}")
    cells = np.fromiter(chain.from_iterable(rows), np.float64).reshape(-1, len(names))
    cells[np.isinf(cells)] = np.nan
    return pl.DataFrame(
        {
            name: np.ascontiguousarray(cells[:, place])
            if name in numbers
            else cells[:, place].astype(np.int32)
            for place, name in enumerate(names)
        }
    )


def add(session: Session, rows: Columns) -> None:
    """Store observations whose keys are not stored yet. rows: columns of `COLUMNS`, sorted by key."""
    _insert(session, "observations", rows)


def correct(session: Session, rows: Columns, *, learning: int) -> None:
    """Replace stored observations; what they said before is kept as superseded by this learning."""
    kept = ", ".join(COLUMNS)
    matched = " AND ".join(f"o.{name} = s.{name}" for name in KEY)
    said = [name for name in COLUMNS if name not in KEY]
    with _staged(session, rows, like_all=True) as staging:
        execute = session.connection().exec_driver_sql
        execute(
            f"INSERT INTO superseded_observations ({kept}, superseded_by) "
            f"SELECT {', '.join(f'o.{name}' for name in COLUMNS)}, {learning:d} "
            f"FROM {staging} s JOIN observations o ON {matched}"
        )
        execute(
            f"UPDATE observations AS o SET {', '.join(f'{name} = s.{name}' for name in said)} "
            f"FROM {staging} s WHERE {matched}"
        )


class _staged:
    """Rows in a temporary table; gives its name."""

    def __init__(self, session: Session, rows: Columns, *, like_all: bool = False) -> None:
        self._session = session
        self._rows = rows
        self._columns = COLUMNS if like_all else KEY

    def __enter__(self) -> str:
        execute = self._session.connection().exec_driver_sql
        columns = ", ".join(self._columns)
        execute("DROP TABLE IF EXISTS staged_observations")
        execute(f"CREATE TEMP TABLE staged_observations AS SELECT {columns} FROM observations LIMIT 0")
        _insert(self._session, "staged_observations", self._rows)
        if _is_postgres(self._session):
            execute("ANALYZE staged_observations")
        return "staged_observations"

    def __exit__(self, *_: object) -> None:
        if _[0] is None:
            self._session.connection().exec_driver_sql("DROP TABLE staged_observations")


def _insert(session: Session, table: str, rows: Columns) -> None:
    names = list(rows)
    if not len(rows[names[0]]):
        return
    # A column without a number in any row is left out: it is NULL by itself.
    names = [name for name in names if rows[name].dtype.kind != "f" or not np.isnan(rows[name]).all()]
    if _is_postgres(session):
        pg_binary.insert(_cursor(session), table, {name: rows[name] for name in names})
        return
    cursor = _cursor(session)
    one = f"({', '.join('?' * len(names))})"
    into = f"INSERT INTO {table} ({', '.join(names)}) VALUES "
    height = len(rows[names[0]])
    whole = height - height % _ROWS_PER_STATEMENT
    if whole:
        many = into + ", ".join([one] * _ROWS_PER_STATEMENT)
        cursor.executemany(many, _statements(rows, names, whole))
    if height > whole:
        # SQLite stores NaN as NULL.
        cursor.executemany(into + one, zip(*(rows[name][whole:].tolist() for name in names), strict=True))


def _statements(rows: Columns, names: list[str], height: int) -> Iterator[list[Any]]:
    cells = np.empty((height, len(names)), dtype=object)
    for place, name in enumerate(names):
        cells[:, place] = rows[name][:height].tolist()
    return iter(cells.reshape(height // _ROWS_PER_STATEMENT, -1).tolist())


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _cursor(session: Session) -> Any:
    return session.connection().connection.cursor()


def _day_number(days: int) -> str:
    return f"(DATE '2000-01-01' + {days:d})"
