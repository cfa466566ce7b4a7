"""NDJSON: one JSON object a line, read into the same rows of text as CSV."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from hedgerow_outcomes.domain.chunks import COLUMNS, LONGEST_LINE, Chunk, Fault, text_frame
from hedgerow_outcomes.errors import UnreadableFile

_ROWS = 100_000
_KNOWN = frozenset(COLUMNS)


def read_chunks(file: BinaryIO, *, rows: int = _ROWS) -> Iterator[Chunk]:
    """The objects of a file, `rows` at a time.

    Raises UnreadableFile, before anything is read, when the first line that is not blank is no JSON object.
    """
    taken: list[list[str | None]] = []
    lines: list[int] = []
    faults: list[Fault] = []
    line, first = 0, True
    while text := file.readline(LONGEST_LINE + 1):
        line += 1
        whole = text.endswith(b"\n") or len(text) <= LONGEST_LINE
        if not whole:
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
        if not text.strip():
            continue
        read = (
            _texts(text.removeprefix(b"\xef\xbb\xbf"), line)
            if whole
            else Fault(line, f"a line of more than {LONGEST_LINE:,} bytes")
        )
        if isinstance(read, Fault):
            if first and read.reason.startswith("not"):
                raise UnreadableFile(
                    "The file is not NDJSON: its first line is not a JSON object. Nothing was taken in."
                )
            faults.append(read)
        else:
            taken.append(read)
            lines.append(line)
        first = False
        if len(taken) + len(faults) >= rows:
            yield Chunk(text_frame(COLUMNS, taken, lines), faults)
            taken, lines, faults = [], [], []
    if taken or faults:
        yield Chunk(text_frame(COLUMNS, taken, lines), faults)


def _texts(text: bytes, line: int) -> list[str | None] | Fault:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Fault(line, f"not JSON: {error.msg}")
    return texts_of(value, line)


def texts_of(value: Any, line: int) -> list[str | None] | Fault:
    """The texts of a JSON object in the order of `COLUMNS`, or why it is no observation."""
    if not isinstance(value, dict):
        return Fault(line, "not a JSON object")
    unknown = [name for name in value if name not in _KNOWN]
    if unknown:
        return Fault(line, f"no member of that name; known are {', '.join(COLUMNS)}", unknown[0][:80])
    row = []
    for name in COLUMNS:
        field = _text(value.get(name))
        if isinstance(field, Fault):
            return field._replace(line=line, column=name)
        row.append(field)
    return row


def _text(value: Any) -> str | Fault | None:
    if value is None or isinstance(value, str):
        return (
            value if value is None or "\x00" not in value else Fault(0, "NUL (U+0000) is not allowed in text")
        )
    if isinstance(value, bool | list | dict):
        return Fault(0, "neither a text nor a number")
    return repr(value)
