"""Wide tables: a column for every period, or for every KPI, made into a row for every value."""

from collections.abc import Mapping
from enum import StrEnum

import polars as pl

from hedgerow_outcomes.domain.chunks import Chunk


class Shape(StrEnum):
    """What the columns of a file stand for."""

    LONG = "long"
    PERIODS = "periods"
    KPIS = "kpis"


# The columns that each row of a wide table must have, and what its other columns are each one of.
NEEDED: Mapping[Shape, tuple[str, ...]] = {
    Shape.LONG: ("kpi", "subject", "period", "value"),
    Shape.PERIODS: ("kpi", "subject"),
    Shape.KPIS: ("subject", "period"),
}
SPREAD: Mapping[Shape, str] = {Shape.PERIODS: "period", Shape.KPIS: "kpi"}


def as_long(chunk: Chunk, shape: Shape, *, keep_blanks: bool) -> Chunk:
    """A chunk of a wide table as rows of single values, each on the line of its row.

    keep_blanks: whether an empty cell is a row without a value; otherwise it is none, as most wide tables
    have cells that nobody meant to fill.
    """
    if shape is Shape.LONG:
        return chunk
    fixed = ["line", *NEEDED[shape]]
    frame = chunk.frame.unpivot(index=fixed, variable_name=SPREAD[shape], value_name="value")
    if not keep_blanks:
        frame = frame.filter(pl.col("value").is_not_null())
    return Chunk(frame.sort("line", maintain_order=True), chunk.faults)
