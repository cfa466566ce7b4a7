"""Reading uploads record by record: CSV, NDJSON and JSON documents of any length, bad records told apart."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import ijson
import orjson

from hedgerow_kit.problems import UNPROCESSABLE, Problem

BATCH = 5_000
LONGEST_LINE = 4_000_000
LONGEST_FIELD = 1_000_000
MOST_COLUMNS = 2_000
# Columns a mapped CSV may carry: a record's line in the file it was mapped from, why it could not be mapped.
SOURCE_LINE, SOURCE_COLUMN, SOURCE_REASON = "_line", "_column", "_reason"


class Record(NamedTuple):
    """One record of a file and where it stands: its first line, or its JSON pointer."""

    fields: dict[str, Any]
    line: int | None = None
    pointer: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a record: `accepted`, `changed`, `unchanged` or `quarantined`.

    A reason on a record that was taken in is a note. `line_to` closes a run of records alike.
    """

    verdict: str
    line: int | None = None
    line_to: int | None = None
    pointer: str | None = None
    key: str | None = None
    column: str | None = None
    reason: str | None = None
    records: int = 1


def quarantined(record: Record, reason: str, *, column: str | None = None, key: str | None = None) -> Outcome:
    return Outcome("quarantined", record.line, None, record.pointer, key, column, reason)


@dataclass
class Batch:
    """Records to write and the outcomes of those that could not be read."""

    records: list[Any]
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def csv_records(
    path: Path, *, required: Sequence[str], optional: Sequence[str] = (), batch: int = BATCH
) -> Iterator[Batch]:
    """A CSV file with a header, in batches of records whose fields are stripped texts (blank: None).

    UTF-8 with or without a byte order mark; a row that is not is read as Windows-1252, which is noted. Raises
    a problem, before anything is read, when a required column is missing or named twice. Columns of another
    name are ignored, and a note names them. A row that is not as wide as the header is quarantined.

    A file mapped from another may say in `_line` which line of that file a record comes from; the record's
    line is then this one. A row with a `_reason` could not be mapped and is quarantined.
    """
    # An endless quoted field would swallow the file: the reader gives up behind this many characters.
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=False)
        header = _header(reader, required)
        known = {*required, *optional}
        spoken = {*known, SOURCE_LINE, SOURCE_COLUMN, SOURCE_REASON}
        notes = [f"column ignored: {_decoded(name)[:80]}" for name in header if name and name not in spoken]
        pending = Batch([], notes=notes)
        foreign = False
        for found in _rows(reader, header, known):
            if isinstance(found, Outcome):
                pending.outcomes.append(found)
            else:
                if not foreign and not _is_utf8(found):
                    foreign = True
                    pending.notes.append("not all is UTF-8: the rest was read as Windows-1252")
                taken = _in_unicode(found)
                if isinstance(taken, Outcome):
                    pending.outcomes.append(taken)
                else:
                    pending.records.append(taken)
            if len(pending.records) + len(pending.outcomes) >= batch:
                yield pending
                pending = Batch([])
        if pending.records or pending.outcomes or pending.notes:
            yield pending


def _is_utf8(record: Record) -> bool:
    return all(cell is None or _encodes(cell) for cell in record.fields.values())


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoded(text: str) -> str:
    """Text in which undecodable bytes stand as lone surrogates, with these read as Windows-1252."""
    return text if _encodes(text) else text.encode(errors="surrogateescape").decode("cp1252", "replace")


def _in_unicode(record: Record) -> Record | Outcome:
    if _is_utf8(record):
        return record
    fields = {name: None if cell is None else _decoded(cell) for name, cell in record.fields.items()}
    for name, cell in fields.items():
        if cell is not None and "\ufffd" in cell:
            return quarantined(record, "a byte that is no character in UTF-8 or Windows-1252", column=name)
    return Record(fields, record.line)


def _header(reader: Any, required: Sequence[str]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error:
        header = []
    if len(header) > MOST_COLUMNS:
        raise Problem(UNPROCESSABLE, f"The first line names more than {MOST_COLUMNS:,} columns.")
    missing = [name for name in required if name not in header]
    if missing:
        raise Problem(
            UNPROCESSABLE,
            f"The first line must name the columns; these are missing: {', '.join(missing)}.",
            errors=[{"parameter": name, "reason": "missing column"} for name in missing],
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise Problem(
            UNPROCESSABLE,
            "A column is named twice.",
            errors=[{"parameter": name[:80], "reason": "column named twice"} for name in twice],
        )
    return header


def _rows(reader: Any, header: list[str], known: set[str]) -> Iterator[Record | Outcome]:
    places = [(place, name) for place, name in enumerate(header) if name in known]
    marks = {
        name: header.index(name) for name in (SOURCE_LINE, SOURCE_COLUMN, SOURCE_REASON) if name in header
    }
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines = max(reader.line_num - line + 1, 1)
            yield Outcome(
                "quarantined",
                line,
                line_to=line + lines - 1 if lines > 1 else None,
                reason=f"not readable as CSV: a field of more than {LONGEST_FIELD:,} characters, "
                "or a quotation mark that is never closed",
                records=lines,
            )
            continue
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            yield Outcome(
                "quarantined", line, reason=f"{len(row)} fields where the header names {len(header)}"
            )
        elif any("\x00" in cell for cell in row):
            column = next(name for name, cell in zip(header, row, strict=True) if "\x00" in cell)
            yield Outcome("quarantined", line, column=column, reason="NUL (U+0000) is not allowed in text")
        else:
            record = Record({name: row[place].strip() or None for place, name in places}, line)
            yield _as_mapped(record, row, marks)


def _as_mapped(record: Record, row: Sequence[str], marks: Mapping[str, int]) -> Record | Outcome:
    """The record on its line of the file it was mapped from, or quarantined because it was not mapped."""
    if not marks:
        return record
    said = {name: _decoded(row[place].strip()) for name, place in marks.items()}
    line = said.get(SOURCE_LINE, "")
    if line.isascii() and line.isdecimal() and len(line) < 16:
        record = record._replace(line=int(line))
    if reason := said.get(SOURCE_REASON):
        return quarantined(record, reason[:500], column=said.get(SOURCE_COLUMN, "")[:80] or None)
    return record


def ndjson_records(path: Path, *, batch: int = BATCH) -> Iterator[Batch]:
    """A file with one JSON object a line. Raises a problem if not even the first line is one."""
    return _batched(_ndjson(path), batch)


def _ndjson(path: Path) -> Iterator[Record | Outcome]:
    first = True
    with path.open("rb") as file:
        line = 0
        while text := file.readline(LONGEST_LINE):
            line += 1
            whole = text.endswith(b"\n") or len(text) < LONGEST_LINE
            if not whole:
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield Outcome("quarantined", line, reason=f"a line of more than {LONGEST_LINE:,} bytes")
                continue
            if not text.strip():
                continue
            found = _object(text.removeprefix(b"\xef\xbb\xbf") if line == 1 else text, line)
            if first and isinstance(found, Outcome):
                raise Problem(
                    UNPROCESSABLE,
                    "The file is not NDJSON: its first line is not a JSON object. Nothing was taken in.",
                )
            first = False
            yield found


def _object(text: bytes, line: int) -> Record | Outcome:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Outcome("quarantined", line, reason=f"not JSON: {error.msg}")
    if not isinstance(value, dict):
        return Outcome("quarantined", line, reason="not a JSON object")
    if b"\\u0000" in text and holds_nul(value):
        return Outcome("quarantined", line, reason="NUL (U+0000) is not allowed in text")
    return Record(value, line)


def holds_nul(value: Any) -> bool:
    """Whether a text anywhere in a JSON value holds NUL, which PostgreSQL cannot keep."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in name or holds_nul(part) for name, part in value.items())
    return isinstance(value, list) and any(holds_nul(part) for part in value)


def json_records(path: Path, *, under: Sequence[str] = (), batch: int = BATCH) -> Iterator[Batch]:
    """The objects of a JSON document: of its top list, of the list under one of these names, or itself.

    The document is read once to see that it is whole JSON, so that a broken one is refused before anything is
    taken in, and once more record by record.
    """
    prefix, pointer = _list_place(path, under)
    return _batched(_json(path, prefix, pointer), batch)


def _list_place(path: Path, under: Sequence[str]) -> tuple[str, str]:
    """Where the records are, as an ijson prefix and as a JSON pointer."""
    place: tuple[str, str] | None = None
    name = None
    try:
        with path.open("rb") as file:
            for depth, (event, value) in _with_depth(ijson.basic_parse(file, use_float=True)):
                if place is not None:
                    continue
                if depth == 0 and event == "start_array":
                    place = ("item", "")
                elif depth == 1 and event == "map_key":
                    name = value
                elif depth == 1 and event == "start_array" and name in under:
                    place = (f"{name}.item", f"/{name}")
                elif depth == 0 and event not in ("start_map", "end_map"):
                    raise ValueError("a bare value")
    except (ijson.JSONError, ValueError, OverflowError, RecursionError, UnicodeDecodeError):
        raise Problem(
            UNPROCESSABLE,
            "The file cannot be read as a JSON document: it is cut off, malformed or nested too deeply, "
            "or holds a number too large. Nothing was taken in.",
        ) from None
    return place or ("", "")


def _with_depth(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[int, tuple[str, Any]]]:
    depth = 0
    for event in events:
        if event[0] in ("end_map", "end_array"):
            depth -= 1
        if depth > 200:
            raise ValueError("nested too deeply")
        yield depth, event
        if event[0] in ("start_map", "start_array"):
            depth += 1


def _json(path: Path, prefix: str, pointer: str) -> Iterator[Record | Outcome]:
    with path.open("rb") as file:
        for number, value in enumerate(ijson.items(file, prefix, use_float=True)):
            place = f"{pointer}/{number}" if prefix else ""
            if not isinstance(value, dict):
                yield Outcome("quarantined", pointer=place, reason="not a JSON object")
            elif not _is_clean(value):
                yield Outcome(
                    "quarantined",
                    pointer=place,
                    reason="a text holds NUL or half a surrogate pair, or a number is not finite",
                )
            else:
                yield Record(value, pointer=place)


def _is_clean(value: dict[str, Any]) -> bool:
    try:
        written = orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError):
        return False
    return not (b"\\u0000" in written and holds_nul(value))


def _batched(found: Iterator[Record | Outcome], size: int) -> Iterator[Batch]:
    while piece := list(islice(found, size)):
        yield Batch(
            [item for item in piece if isinstance(item, Record)],
            [item for item in piece if isinstance(item, Outcome)],
        )
