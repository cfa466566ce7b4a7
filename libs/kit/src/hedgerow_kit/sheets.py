"""Lists as an Excel workbook, written row by row to disk and never held in memory."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

from hedgerow_kit import flat
from hedgerow_kit.flat import Column, Scalar

# Excel's own limits.
MOST_ROWS = 1_048_576
LONGEST_CELL = 32_767
LARGEST_INTEGER = 10**15
_PIECE = 1 << 16
_EARLIEST = date(1900, 3, 1)


class Workbook:
    """A workbook with the sheet `Rows` (then `Rows 2`, … where one is full), and `About`.

    Text stays text, also where it looks like a number, a date or a formula; numbers, dates and moments (in
    UTC) are those of Excel. Whole numbers of more than 15 digits, which Excel would round, are text.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        import xlsxwriter

        self._columns = columns
        self._folder = tempfile.TemporaryDirectory(prefix="hedgerow-workbook-")
        self._path = Path(self._folder.name) / "list.xlsx"
        self._book = xlsxwriter.Workbook(
            self._path,
            {
                "constant_memory": True,
                "tmpdir": self._folder.name,
                "strings_to_numbers": False,
                "strings_to_formulas": False,
                "strings_to_urls": False,
            },
        )
        # The same rows give the same bytes.
        self._book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
        self._bold = self._book.add_format({"bold": True})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._about: Mapping[str, Any] = {}
        self._sheets = 0
        self._new_sheet()

    def _new_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet("Rows" if self._sheets == 1 else f"Rows {self._sheets}")
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            self._sheet.write_string(0, place, column.name, self._bold)
        self._row = 1

    def begin(self, about: Mapping[str, Any]) -> Iterable[bytes]:
        self._about = about
        return ()

    def add(self, items: Sequence[Mapping[str, Any]]) -> Iterable[bytes]:
        for item in items:
            if self._row >= MOST_ROWS:
                self._new_sheet()
            for place, (cell, column) in enumerate(
                zip(flat.row(item, self._columns), self._columns, strict=True)
            ):
                self._write(place, cell, column.holds)
            self._row += 1
        return ()

    def _write(self, place: int, cell: Scalar, holds: str) -> None:
        sheet, row = self._sheet, self._row
        if cell is None:
            return
        if isinstance(cell, bool):
            sheet.write_boolean(row, place, cell)
        elif isinstance(cell, int | float) and abs(cell) < LARGEST_INTEGER:
            sheet.write_number(row, place, cell)
        elif isinstance(cell, str) and (moment := _moment_of(cell, holds)) is not None:
            sheet.write_datetime(row, place, moment, self._moment if holds == flat.MOMENT else self._day)
        elif isinstance(cell, str) and holds == flat.NUMBER and (number := _number_of(cell)) is not None:
            sheet.write_number(row, place, number)
        else:
            sheet.write_string(row, place, _fitting(str(cell)))

    def end(self) -> Iterator[bytes]:
        if self._about:
            sheet = self._book.add_worksheet("About")
            for row, (name, said) in enumerate(_lines(self._about)):
                sheet.write_string(row, 0, name, self._bold)
                sheet.write_string(row, 1, _fitting(said))
        self._book.close()
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def close(self) -> None:
        self._folder.cleanup()


def _fitting(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def _moment_of(cell: str, holds: str) -> datetime | None:
    """A date or moment as Excel has them: without a zone, from March 1900 on."""
    if holds not in (flat.DATE, flat.MOMENT):
        return None
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        return None
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return found if found.date() >= _EARLIEST else None


def _number_of(cell: str) -> float | None:
    """A decimal number, which JSON carries as text."""
    try:
        return float(cell)
    except ValueError:
        return None


def _lines(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and not any(isinstance(part, dict | list) for part in value):
        yield from ((name, str(part)) for part in value)
    elif value is not None:
        yield name, value if isinstance(value, str) else orjson.dumps(value).decode()
