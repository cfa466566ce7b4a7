"""CSV by the block: whole blocks at once where they are plain, line by line where they are not.

A block is plain when it holds no quotation mark, no NUL, no blank or overlong line, is UTF-8, and has as many
fields in every row as the header. Nearly all blocks of nearly all files are; they are read some ten times as
fast. A line that cannot be read costs that line alone, and every other keeps its number.
"""

import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import polars as pl

from hedgerow_outcomes.domain.chunks import (
    BLOCK_BYTES,
    COLUMNS,
    LONGEST_LINE,
    SOURCE_COLUMNS,
    Chunk,
    Fault,
    as_mapped,
    text_frame,
)
from hedgerow_outcomes.domain.wide_text import NEEDED, Shape
from hedgerow_outcomes.errors import MissingColumn, UnreadableFile

# A quoted field that is still open this many lines on was opened by mistake.
_LONGEST_RECORD_LINES = 100
_BOM = b"\xef\xbb\xbf"


class Header(NamedTuple):
    """The columns of a file: how many, and where those stand that we know."""

    width: int
    places: list[int]
    names: list[str]
    unknown: list[str]


def read_header(file: BinaryIO, *, shape: Shape = Shape.LONG) -> Header:
    """The header of a CSV file, which is left at its second line; of a wide table all columns are known.

    Raises MissingColumn when a required one is missing, UnreadableFile when the first line is not a header.
    """
    first = file.readline(LONGEST_LINE).removeprefix(_BOM)
    try:
        text = first.decode()
        if "\x00" in text:
            raise ValueError
        names = [name.strip() for name in next(csv.reader([text.rstrip("\r\n")], strict=True), [])]
    except (ValueError, csv.Error):
        raise UnreadableFile(
            "The file does not begin with a line of column names in UTF-8. Nothing was taken in."
        ) from None
    missing = [name for name in NEEDED[shape] if name not in names]
    if missing:
        raise MissingColumn(missing)
    spoken = {*COLUMNS, *SOURCE_COLUMNS} if shape is Shape.LONG else {*names} - {""}
    for place, name in enumerate(names, 1):
        if name in spoken and name in names[place:]:
            # Their places, not the name: the first line of a file without names is somebody's record.
            other = names.index(name, place) + 1
            raise UnreadableFile(f"Columns {place} and {other} have one name. Nothing was taken in.")
    known = [(place, name) for place, name in enumerate(names) if name in spoken]
    return Header(
        len(names),
        [place for place, _ in known],
        [name for _, name in known],
        [name for name in names if name not in spoken],
    )


def read_chunks(file: BinaryIO, header: Header, *, block_bytes: int = BLOCK_BYTES) -> Iterator[Chunk]:
    """The rows behind the header, a block of about `block_bytes` at a time, in the order of the file."""
    line, rest, ended = 2, b"", False
    while not ended or rest:
        piece = file.read(block_bytes)
        ended = len(piece) < block_bytes
        text = rest + piece
        whole = len(text) if ended else text.rfind(b"\n") + 1
        block, rest = text[:whole], text[whole:]
        del text, piece
        faults = []
        if block:
            chunk, unread = _read_block(block, line, header, final=ended)
            line += block.count(b"\n", 0, len(block) - len(unread))
            rest = unread + rest
            yield as_mapped(chunk)
        if ended:
            return
        if len(rest) > LONGEST_LINE and b"\n" not in rest:
            ended = not _skip_line(file)
            faults.append(_overlong(line))
            line, rest = line + 1, b""
            yield Chunk(text_frame(header.names, [], []), faults)


def _skip_line(file: BinaryIO) -> bool:
    """Whether a line ended before the file did."""
    while piece := file.readline(LONGEST_LINE):
        if piece.endswith(b"\n"):
            return True
    return False


def _overlong(line: int) -> Fault:
    return Fault(line, f"a line of more than {LONGEST_LINE:,} bytes")


def _read_block(block: bytes, line: int, header: Header, *, final: bool) -> tuple[Chunk, bytes]:
    """The chunk of a block, and its end if that must be read together with what follows."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if not block.endswith(b"\n"):
        block += b"\n"
    frame = _plain_frame(block, header)
    if frame is None:
        return _read_lines(block, line, header, final=final)
    lines = pl.int_range(line, line + frame.height, dtype=pl.Int64, eager=True).alias("line")
    return Chunk(frame.with_columns(lines), []), b""


def _plain_frame(block: bytes, header: Header) -> pl.DataFrame | None:
    rows = block.count(b"\n")
    if (
        header.width < 2
        or any(sign in block for sign in (b'"', b"\x00", b"\r", b"\n\n"))
        or block.startswith(b"\n")
        or block.count(b",") != rows * (header.width - 1)
        or not _all_short(block)
        or not _is_utf8(block)
    ):
        return None
    names = [f"column_{place}" for place in range(header.width)]
    try:
        # Raises on a row with a field too many. With the commas counted, no row can then have too few.
        frame = pl.read_csv(
            block,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            columns=header.places,
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != rows:
        return None
    return frame.rename({names[place]: name for place, name in zip(header.places, header.names, strict=True)})


def _all_short(block: bytes) -> bool:
    # A line end within every half of the longest line leaves no room for a longer one.
    step = LONGEST_LINE // 2
    return all(block.find(b"\n", start, start + step) >= 0 for start in range(0, len(block), step))


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_lines(block: bytes, first: int, header: Header, *, final: bool) -> tuple[Chunk, bytes]:
    lines = block.split(b"\n")[:-1]
    rows: list[list[str]] = []
    places: list[int] = []
    faults: list[Fault] = []
    at = 0
    while at < len(lines):
        raw, number, taken = lines[at], first + at, 1
        if b'"' in raw and raw.count(b'"') % 2 and len(raw) <= LONGEST_LINE:
            closing = _closing_line(lines, at)
            if closing is None and not final and len(lines) - at <= _LONGEST_RECORD_LINES:
                unread = b"\n".join(lines[at:]) + b"\n"
                if len(unread) <= LONGEST_LINE:
                    return Chunk(text_frame(header.names, rows, places), faults), unread
            whole = b"\n".join(lines[at : closing + 1]) if closing is not None else raw
            if closing is not None and len(whole) <= LONGEST_LINE:
                raw, taken = whole, closing + 1 - at
        read = _read_record(raw, number, header.width)
        if isinstance(read, Fault):
            # What follows an unclosed quotation mark is read again, a line at a time.
            faults.append(read)
            at += 1
            continue
        if read:
            rows.append([read[place] for place in header.places])
            places.append(number)
        at += taken
    return Chunk(text_frame(header.names, rows, places), faults), b""


def _closing_line(lines: Sequence[bytes], opening: int) -> int | None:
    """The next line with an odd number of quotation marks: a record that is open can only end there."""
    for at in range(opening + 1, min(opening + _LONGEST_RECORD_LINES, len(lines))):
        if lines[at].count(b'"') % 2:
            return at
    return None


def _read_record(raw: bytes, line: int, width: int) -> list[str] | Fault:
    """The fields of a record, none if the line is blank."""
    if len(raw) > LONGEST_LINE:
        return _overlong(line)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Fault(line, "a byte that is not UTF-8")
    if "\x00" in text:
        return Fault(line, "NUL (U+0000) is not allowed in text")
    if not text or text.isspace():
        return []
    if '"' in text:
        try:
            fields = next(csv.reader([text], strict=True), [])
        except csv.Error:
            return Fault(line, "not readable as CSV: a quotation mark out of place, or never closed")
    else:
        fields = text.split(",")
    if len(fields) != width:
        return Fault(line, f"{len(fields)} fields where the header names {width}")
    return fields
