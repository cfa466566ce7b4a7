"""A stretch of a file of observations: rows of text with their lines, and what could not be read."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

REQUIRED = ("kpi", "subject", "period", "value")
MEASURES = ("numerator", "denominator", "lower", "upper")
OPTIONAL = (*MEASURES, "status")
COLUMNS = (*REQUIRED, *OPTIONAL)
# What a file mapped from another carries beside: the line of that file, and why a row could not be mapped.
SOURCE_LINE, SOURCE_COLUMN, SOURCE_REASON = "_line", "_column", "_reason"
SOURCE_COLUMNS = (SOURCE_LINE, SOURCE_COLUMN, SOURCE_REASON)

LONGEST_LINE = 1_000_000
BLOCK_BYTES = 4_000_000


class Fault(NamedTuple):
    """A row that is not taken in: its line, the column at fault where there is one, and why."""

    line: int
    reason: str
    column: str | None = None
    key: str | None = None


class Chunk(NamedTuple):
    """Rows as texts (blank: null) with their `line`, the columns in any order; and the rows that are none."""

    frame: pl.DataFrame
    faults: list[Fault]


def as_mapped(chunk: Chunk) -> Chunk:
    """The chunk on the lines of the file it was mapped from; what could not be mapped is a fault.

    A chunk without `_line` was not mapped and comes back as it is.
    """
    frame = chunk.frame
    if SOURCE_LINE not in frame.columns:
        return chunk
    said = frame[SOURCE_LINE].cast(pl.Int64, strict=False)
    frame = frame.with_columns(line=pl.select(pl.coalesce(said, frame["line"])).to_series())
    faults = chunk.faults
    if SOURCE_REASON in frame.columns:
        refused = frame.filter(pl.col(SOURCE_REASON).is_not_null())
        column = (
            SOURCE_COLUMN if SOURCE_COLUMN in frame.columns else pl.lit(None, pl.String).alias(SOURCE_COLUMN)
        )
        told = refused.select("line", SOURCE_REASON, column).iter_rows()
        faults = [*faults, *(Fault(line, reason[:500], name) for line, reason, name in told)]
        frame = frame.filter(pl.col(SOURCE_REASON).is_null())
    return Chunk(frame.drop(SOURCE_COLUMNS, strict=False), faults)


def text_frame(
    columns: Sequence[str], rows: Sequence[Sequence[str | None]], lines: Sequence[int]
) -> pl.DataFrame:
    """Rows of texts as a frame with their lines."""
    schema = dict.fromkeys(columns, pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
    return frame.with_columns(
        pl.Series("line", lines, dtype=pl.Int64),
        *(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in columns),
    )
