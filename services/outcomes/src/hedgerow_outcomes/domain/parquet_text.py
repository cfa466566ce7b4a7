"""Parquet: the columns we know, a stretch of rows at a time, as the same rows of text as CSV."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from hedgerow_outcomes.domain.chunks import COLUMNS, REQUIRED, Chunk
from hedgerow_outcomes.errors import MissingColumn, UnreadableFile

PARQUET = "application/vnd.apache.parquet"
_ROWS = 200_000


def read_chunks(path: Path, *, rows: int = _ROWS) -> tuple[Iterator[Chunk], list[str]]:
    """The rows of a file, `rows` at a time, and a note on each column that is not known.

    Where a row stands, its place counts, from 1. Raises UnreadableFile, MissingColumn, before the first row.
    """
    try:
        scan = pl.scan_parquet(path)
        schema = scan.collect_schema()
        height = int(scan.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError, ValueError):
        raise UnreadableFile("The file is not Parquet. Nothing was taken in.") from None
    missing = [name for name in REQUIRED if name not in schema]
    if missing:
        raise MissingColumn(missing)
    known = [name for name in COLUMNS if name in schema]
    nested = [name for name in known if schema[name].is_nested() or schema[name] == pl.Binary]
    if nested:
        raise UnreadableFile(f"The column {nested[0]} holds no single values. Nothing was taken in.")
    notes = [f"column ignored: {name[:80]}" for name in schema if name not in COLUMNS]
    return _read(scan.select(known), known, height, rows), notes


def _read(scan: pl.LazyFrame, known: list[str], height: int, rows: int) -> Iterator[Chunk]:
    for start in range(0, height, rows):
        try:
            frame = scan.slice(start, rows).collect()
        except pl.exceptions.PolarsError:
            raise UnreadableFile("The file cannot be read to its end.") from None
        texts = frame.select(pl.col(name).cast(pl.String) for name in known)
        blank = texts.with_columns(
            pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in known
        )
        lines = pl.int_range(start + 1, start + 1 + frame.height, dtype=pl.Int64, eager=True).alias("line")
        yield Chunk(blank.with_columns(lines), [])
