"""What `load` sends: mapped tables as canonical CSV or GeoJSON, canonical files as they are."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import ijson
import orjson

from hedgerow_cli.mapping.reading import Unreadable, format_of, opened
from hedgerow_cli.mapping.rows import Record

CHUNK = 256 * 1024
MEDIA_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "geojson": "application/geo+json",
    "parquet": "application/vnd.apache.parquet",
}
# Where a page object or a collection keeps its records.
_LISTS = ("contents", "content", "items", "features")
# Beside the canonical columns: the line of the council's own file, and why a row could not be mapped.
SOURCE_COLUMNS = ("_line", "_column", "_reason")


def as_csv(columns: Sequence[str], records: Iterable[Record]) -> Iterator[bytes]:
    """Canonical CSV, each row with its source line; a row that could not be mapped carries the reason."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow((*columns, *SOURCE_COLUMNS))
    write = writer.writerow
    for line, cells, column, reason, _ in records:
        write((*cells, line, column, reason))
        if buffer.tell() >= CHUNK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def as_features(
    columns: Sequence[str], records: Iterable[Record], *, crs: str | None = None
) -> Iterator[bytes]:
    """A GeoJSON feature collection; the canonical columns are the properties."""
    declared = b"" if crs is None else orjson.dumps({"type": "name", "properties": {"name": crs}})
    pending = [b'{"type":"FeatureCollection",' + (b'"crs":' + declared + b"," if declared else b"")]
    pending.append(b'"features":[')
    size = 0
    first = True
    for record in records:
        properties = dict(zip(columns, record.cells, strict=True))
        if record.reason:
            properties |= {"_column": record.column, "_reason": record.reason}
        feature = {"type": "Feature", "properties": properties, "geometry": record.geometry}
        piece = orjson.dumps(feature)
        pending.append(piece if first else b"," + piece)
        first = False
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    pending.append(b"]}")
    yield b"".join(pending)


def as_it_is(path: Path, moved: Callable[[int], None]) -> Iterator[bytes]:
    """The bytes of the file as they lie on disk; gzip stays gzip."""
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece
            sent += len(piece)
            moved(sent)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, compressed on the way."""
    press = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    for piece in pieces:
        if pressed := press.compress(piece):
            yield pressed
    yield press.flush()


def count_records(path: Path) -> int | None:
    """How many records a canonical file holds, in one reading; None where only the platform can tell.

    Raises Unreadable.
    """
    form = format_of(path)
    with opened(path) as stream:
        if form == "csv":
            with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                try:
                    rows = sum(1 for row in csv.reader(text) if any(cell.strip() for cell in row))
                except csv.Error as error:
                    raise Unreadable(f"not readable as CSV: {error}") from error
            return max(0, rows - 1)
        if form == "ndjson":
            return sum(1 for line in stream if line.strip())
        if form in ("json", "geojson"):
            return _count_json(stream, "features.item" if form == "geojson" else "item")
    return None


def _count_json(stream: IO[bytes], prefix: str) -> int | None:
    depth = found = 0
    under: str | None = None
    try:
        for place, event, _ in ijson.parse(stream, use_float=True):
            if not place and event == "start_array":
                under = "item"
            elif under is None and event == "start_array" and place in _LISTS:
                under = f"{place}.item"
            elif under is not None and place == under:
                opens, closes = event.startswith("start"), event.startswith("end")
                found += not closes and depth == 0
                depth += opens - closes
    except ijson.JSONError as error:
        raise Unreadable(f"not valid JSON: {error}") from error
    return None if under is None else found
