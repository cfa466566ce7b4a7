"""Tables as councils publish them, read row by row: CSV, GeoJSON, JSON and NDJSON, gzipped or not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import ijson
import orjson

from hedgerow_cli.manifest import Reading

# A quotation mark that is never closed would swallow the file: the reader gives up after so many characters.
LONGEST_CELL = 1_000_000

Row = dict[str, str]


class Unreadable(Exception):
    """The file is not what its name or the manifest says it is."""


@dataclass(slots=True)
class SourceRow:
    """One record of the source: the line it starts on, its cells, or why it could not be read."""

    line: int
    cells: Row
    reason: str = ""
    geometry: Any = None


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


# Council spreadsheets saved as "CSV" on Windows: a stray byte that is not UTF-8 is nearly always cp1252.
codecs.register_error("hedgerow-cp1252", _as_cp1252)


@dataclass
class Progress:
    """How far into the file on disk the reading has come, in bytes as they lie there."""

    size: int
    handle: IO[bytes] | None = field(default=None, repr=False)

    @property
    def position(self) -> int:
        if self.handle is None or self.handle.closed:
            return self.size
        return self.handle.tell()


def format_of(path: Path) -> str:
    """`csv`, `geojson`, `json`, `ndjson` or `parquet` by the ending of the name, `.gz` aside."""
    name = path.name.lower().removesuffix(".gz")
    for ending, form in (
        (".geojson", "geojson"),
        (".ndjson", "ndjson"),
        (".jsonl", "ndjson"),
        (".json", "json"),
        (".parquet", "parquet"),
    ):
        if name.endswith(ending):
            return form
    return "csv"


@contextmanager
def opened(path: Path, progress: Progress | None = None) -> Iterator[IO[bytes]]:
    """The bytes of the file, decompressed if its name ends in `.gz`. Raises Unreadable if it is broken."""
    with path.open("rb") as handle:
        if progress is not None:
            progress.handle = handle
        try:
            if path.name.lower().endswith(".gz"):
                with gzip.open(handle) as inner:
                    yield inner  # type: ignore[misc]  # GzipFile reads like IO[bytes]
            else:
                yield handle
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Unreadable(f"the gzip archive is broken: {error}") from error


def header(path: Path, reading: Reading) -> list[str]:
    """The columns of the file: of a CSV its header, of JSON the properties of its first records."""
    form = reading.format or format_of(path)
    with opened(path) as stream:
        if form == "csv":
            if reading.header is not None:
                return list(reading.header)
            with _text_of(stream, reading) as text:
                for row in _csv_reader(text, reading, text):
                    if any(row):
                        return [name.strip() for name in row]
            raise Unreadable("the file is empty")
    names: dict[str, None] = {}
    for number, row in enumerate(rows(path, reading)):
        names.update(dict.fromkeys(row.cells))
        if number >= 100:
            break
    if not names:
        raise Unreadable(f"no records found{f' under {reading.records!r}' if reading.records else ''}")
    return list(names)


def rows(path: Path, reading: Reading, progress: Progress | None = None) -> Iterator[SourceRow]:
    """Every record of the file in order, in flat memory. Raises Unreadable."""
    form = reading.format or format_of(path)
    with opened(path, progress) as stream:
        if form == "csv":
            with _text_of(stream, reading) as text:
                yield from _csv_rows(text, reading)
        elif form == "ndjson":
            yield from _ndjson_rows(stream)
        elif form in ("json", "geojson"):
            yield from _json_rows(stream, reading, features=form == "geojson")
        else:
            raise Unreadable(f"a {form} file cannot be mapped; send it as it is")


def check_whole(path: Path) -> None:
    """Read a compressed file to its end. Raises Unreadable if it is cut off or damaged."""
    if path.name.lower().endswith(".gz"):
        with opened(path) as stream:
            while stream.read(1 << 20):
                pass


def declared_crs(path: Path) -> str | None:
    """The coordinate system a GeoJSON file declares before its features, as files before RFC 7946 do."""
    with opened(path) as stream:
        try:
            for place, event, value in ijson.parse(stream):
                if place == "crs.properties.name" and event == "string":
                    return str(value)
                if place == "features.item" or (place == "features" and event == "end_array"):
                    return None
        except ijson.JSONError as error:
            raise Unreadable(f"not valid JSON: {error}") from error
    return None


def inline_rows(given: Sequence[Mapping[str, str]]) -> Iterator[SourceRow]:
    """Rows written in the manifest itself; their line is their number."""
    for number, row in enumerate(given, start=1):
        yield SourceRow(number, dict(row))


def _text_of(stream: IO[bytes], reading: Reading) -> io.TextIOWrapper:
    if reading.encoding is None:
        return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="hedgerow-cp1252", newline="")
    try:
        return io.TextIOWrapper(stream, encoding=reading.encoding, newline="")
    except LookupError:
        raise Unreadable(f"there is no encoding '{reading.encoding}'") from None


def _csv_reader(text: io.TextIOWrapper, reading: Reading, lines: Iterable[str]) -> Any:
    csv.field_size_limit(LONGEST_CELL)
    for _ in range(reading.skip_lines):
        text.readline()
    return csv.reader(lines, delimiter=reading.delimiter or ",")


class _Lines:
    """The lines of a text; `held` are those of the record being read."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.held: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.held.append(line)
            yield line


def _csv_rows(text: io.TextIOWrapper, reading: Reading) -> Iterator[SourceRow]:
    lines = _Lines(text)
    reader = _csv_reader(text, reading, lines)
    names = list(reading.header) if reading.header is not None else None
    start = 1 + reading.skip_lines
    while True:
        lines.held.clear()
        reason = ""
        cells: list[str] = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"not readable as CSV: {error}"
        except UnicodeDecodeError as error:
            told = f"not in the encoding {reading.encoding}: {error.reason}, near line {start}"
            raise Unreadable(told) from error
        if names is not None and len(cells) == len(names) > 1:
            yield SourceRow(start, dict(zip(names, cells, strict=True)))
        elif not reason and names is None:
            if any(cells):
                names = [name.strip() for name in cells]
        elif reason or len(cells) > 1 or (cells and cells[0].strip()):
            yield from _csv_records(start, cells, names or [], reason, lines.held, reading)
        start += len(lines.held)


def _csv_records(
    start: int, cells: list[str], names: list[str], reason: str, held: list[str], reading: Reading
) -> Iterator[SourceRow]:
    """The record; or, as a stray quotation mark joins rows, each line of what is none by itself."""
    reason = reason or _misfit(cells, names)
    if not reason:
        yield SourceRow(start, dict(zip(names, cells, strict=False)))
    elif len(held) == 1:
        yield SourceRow(start, {}, reason=reason)
    else:
        for line, text in enumerate(held, start=start):
            if not text.strip():
                continue
            try:
                alone = next(csv.reader([text], delimiter=reading.delimiter or ",", strict=True))
            except csv.Error as error:
                yield SourceRow(line, {}, reason=f"not readable as CSV: {error}")
                continue
            misfit = _misfit(alone, names)
            yield SourceRow(line, {} if misfit else dict(zip(names, alone, strict=False)), reason=misfit)


def _misfit(cells: list[str], names: list[str]) -> str:
    """Why the cells are no row under this header; blank cells too many at the end do no harm."""
    if len(cells) == len(names) or (len(cells) > len(names) and not any(cells[len(names) :])):
        return ""
    return f"has {len(cells)} fields where the header has {len(names)}"


def _ndjson_rows(stream: IO[bytes]) -> Iterator[SourceRow]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield SourceRow(number, {}, reason=f"not readable as JSON: {error}")
            continue
        yield _json_row(number, record)


def _json_rows(stream: IO[bytes], reading: Reading, *, features: bool) -> Iterator[SourceRow]:
    prefix = "features.item" if features else f"{reading.records}.item" if reading.records else "item"
    try:
        for number, record in enumerate(ijson.items(stream, prefix, use_float=True), start=1):
            if features:
                properties = record.get("properties") if isinstance(record, dict) else None
                row = _json_row(number, properties or {})
                row.geometry = record.get("geometry") if isinstance(record, dict) else None
                yield row
            else:
                yield _json_row(number, record)
    except ijson.JSONError as error:
        raise Unreadable(f"not valid JSON: {error}") from error


def _json_row(number: int, record: Any) -> SourceRow:
    if not isinstance(record, dict):
        return SourceRow(number, {}, reason="is not an object with named values")
    cells: Row = {}
    _flatten(record, "", cells)
    return SourceRow(number, cells)


def _flatten(value: Mapping[str, Any], prefix: str, cells: Row) -> None:
    for name, item in value.items():
        if isinstance(item, dict):
            _flatten(item, f"{prefix}{name}.", cells)
        else:
            cells[prefix + name] = _cell_text(item)


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list):
        return ";".join(_cell_text(item) for item in value if not isinstance(item, dict))
    return str(value)
