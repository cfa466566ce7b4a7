"""Lists as Parquet; polars is imported when a list is asked for so."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from hedgerow_kit import flat
from hedgerow_kit.flat import Column, Scalar
from hedgerow_kit.formats import Format

_PIECE = 1 << 16


class _File:
    """Rows are put on disk as they come and turned into columns at the end, piece by piece."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._folder = tempfile.TemporaryDirectory(prefix="hedgerow-parquet-")
        self._rows_path = Path(self._folder.name) / "rows.ndjson"
        self._rows = self._rows_path.open("wb")
        self._about: Mapping[str, Any] = {}

    def begin(self, about: Mapping[str, Any]) -> Iterable[bytes]:
        self._about = about
        return ()

    def add(self, items: Sequence[Mapping[str, Any]]) -> Iterable[bytes]:
        names = [column.name for column in self._columns]
        for item in items:
            cells = zip(flat.row(item, self._columns), self._columns, strict=True)
            row = dict(zip(names, (_carried(cell, column.holds) for cell, column in cells), strict=True))
            self._rows.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        return ()

    def end(self) -> Iterator[bytes]:
        import polars as pl

        self._rows.close()
        schema = {column.name: getattr(pl, _CARRIED[column.holds]) for column in self._columns}
        if self._rows_path.stat().st_size:
            rows = pl.scan_ndjson(self._rows_path, schema=schema, infer_schema_length=None)
        else:
            rows = pl.LazyFrame(schema=schema)
        path = Path(self._folder.name) / "list.parquet"
        said = {name: orjson.dumps(value).decode() for name, value in self._about.items()}
        rows.select([_typed(column, pl) for column in self._columns]).sink_parquet(
            path, compression="zstd", metadata=said
        )
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def close(self) -> None:
        self._rows.close()
        self._folder.cleanup()


# How the cells of a column stand on disk: dates as days, moments as microseconds since 1970.
_CARRIED = {
    flat.TEXT: "String",
    flat.INTEGER: "Int64",
    flat.NUMBER: "Float64",
    flat.BOOLEAN: "Boolean",
    flat.DATE: "Int32",
    flat.MOMENT: "Int64",
}
_START = datetime(1970, 1, 1, tzinfo=UTC)


def _carried(cell: Scalar, holds: str) -> Scalar:
    if not isinstance(cell, str) or holds == flat.TEXT:
        return cell
    try:
        if holds == flat.DATE:
            return (date.fromisoformat(cell) - _START.date()).days
        if holds == flat.MOMENT:
            moment = datetime.fromisoformat(cell)
            aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            return (aware - _START) // timedelta(microseconds=1)
        return float(cell)
    except ValueError:
        return None


def _typed(column: Column, pl: Any) -> Any:
    found = pl.col(column.name)
    if column.holds == flat.DATE:
        return found.cast(pl.Date)
    return found.cast(pl.Datetime("us", "UTC")) if column.holds == flat.MOMENT else found


PARQUET = Format(
    "parquet", "application/vnd.apache.parquet", "parquet", writer=lambda listing: _File(listing.columns)
)
