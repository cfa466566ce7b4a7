"""One canonical cell from a source row: where it comes from and what is done to it on the way."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

from hedgerow_cli.manifest import Cell
from hedgerow_cli.mapping.lookups import LookupTable, shown
from hedgerow_cli.mapping.reading import Row

# KPI ids may have 120 characters; a prefix must still fit.
LONGEST_SLUG = 100
# Columns that need work mostly hold few different texts: each is worked out once.
REMEMBERED = 4096

Maker = Callable[[Row], str]

_NAMED = re.compile(r"\{([^{}]+)\}")
_EMPTY_PARTS = re.compile(r"(?:\s*,){2,}\s*")
_UNITS = re.compile(r"[\s,£$€%]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class Unmappable(Exception):
    """The row cannot be mapped: the source column at fault and the reason."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


@lru_cache(maxsize=4096)
def slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens, for identifiers made from names.

    What is longer than 100 characters is cut at a word and ends in a digest of the whole, so that two long
    names that begin alike stay two.

    >>> slug("% who are economically inactive – aged 16–64 (£m³)")
    'who-are-economically-inactive-aged-16-64-m3'
    """
    parted = "".join(char if char.isalnum() else " " for char in text)
    plain = unicodedata.normalize("NFKD", parted).encode("ascii", "ignore").decode()
    whole = "-".join(plain.lower().split())
    if len(whole) <= LONGEST_SLUG:
        return whole
    digest = blake2b(whole.encode(), digest_size=4).hexdigest()
    return f"{whole[: LONGEST_SLUG - 9].rpartition('-')[0]}-{digest}"


def columns_of(cell: Cell) -> list[list[str]]:
    """The source columns a cell reads: of each list one must be there; an empty name means none need be."""
    if cell.column is not None:
        return [list(cell.column)]
    if cell.template is not None:
        return [name.split("|") for name in _NAMED.findall(cell.template)]
    if cell.parts is not None:
        return [names for part in cell.parts for names in columns_of(part)]
    return [] if cell.key is None else columns_of(cell.key)


def cell_maker(cell: Cell, *, missing: Collection[str], lookups: Mapping[str, LookupTable]) -> Maker:
    """A function from a source row to the text of the cell; it raises Unmappable."""
    at = next((name for names in columns_of(cell) for name in names), "")
    make = _origin(cell, missing, lookups, at)
    steps = _steps(cell, at)
    if not steps:
        return make

    known: dict[str, str] = {}

    def run(row: Row) -> str:
        text = make(row)
        if (made := known.get(text)) is not None:
            return made
        made = text
        for step in steps:
            made = step(made)
        if len(known) < REMEMBERED:
            known[text] = made
        return made

    return run


def reader(column: str, missing: Collection[str]) -> Maker:
    """The trimmed text of a column, or nothing where the cell holds a word for nothing."""

    def read(row: Row) -> str:
        text = row.get(column, "").strip()
        return "" if text in missing else text

    return read


def _origin(cell: Cell, missing: Collection[str], lookups: Mapping[str, LookupTable], at: str) -> Maker:
    if cell.value is not None:
        constant = cell.value
        return lambda row: constant
    if cell.template is not None:
        return _template(cell.template, missing)
    if cell.lookup is not None and cell.key is not None and cell.take is not None:
        asked = cell_maker(cell.key, missing=missing, lookups=lookups)
        return _looked_up(cell, asked, lookups[cell.lookup], cell.take, at)
    if cell.parts is not None:
        makers = [cell_maker(part, missing=missing, lookups=lookups) for part in cell.parts]
        return lambda row: cell.join.join(text for make in makers if (text := make(row)))
    return _first_of(cell.column or (), missing)


def _first_of(names: Sequence[str], missing: Collection[str]) -> Maker:
    readers = [reader(name, missing) for name in names if name]
    if len(readers) == 1:
        return readers[0]
    return lambda row: next((text for read in readers if (text := read(row))), "")


def _template(template: str, missing: Collection[str]) -> Maker:
    pieces = _NAMED.split(template)
    literals, names = pieces[::2], pieces[1::2]
    readers = [_first_of(name.split("|"), missing) for name in names]

    def fill(row: Row) -> str:
        parts = [literals[0]]
        for read, literal in zip(readers, literals[1:], strict=True):
            parts.append(read(row))
            parts.append(literal)
        return _tidy("".join(parts))

    return fill


def _tidy(text: str) -> str:
    """No empty brackets or dangling commas where a column of the template was blank."""
    if "(" in text:
        text = _EMPTY_PARTS.sub(", ", text)
        text = re.sub(r"\(\s*,?\s*\)", "", text)
        text = re.sub(r"\(\s*,\s*", "(", text)
        text = re.sub(r"\s*,\s*\)", ")", text)
    return " ".join(text.split()).strip(" ,;")


def _looked_up(cell: Cell, read: Maker, table: LookupTable, take: str, at: str) -> Maker:
    def find(text: str) -> str:
        if not text:
            return ""
        try:
            return table.find(text)[take]
        except LookupError as error:
            return _otherwise(cell, text, at, str(error.args[0]))

    if cell.split is not None:
        each = _each(cell.split, cell.split, [find])
        return lambda row: each(read(row))
    return lambda row: find(read(row))


def _otherwise(cell: Cell, text: str, at: str, reason: str) -> str:
    if cell.otherwise == "keep":
        return text
    if cell.otherwise == "blank":
        return ""
    raise Unmappable(at, reason)


def _steps(cell: Cell, at: str) -> list[Callable[[str], str]]:
    single: list[Callable[[str], str]] = []
    if cell.replace is not None:
        single.append(_replaced(cell.replace))
    if cell.pattern is not None:
        single.append(_matched(cell, re.compile(cell.pattern), at))
    if cell.map is not None:
        single.append(_translated(cell, cell.map, at))
    if cell.number:
        single.append(_as_number)
    if cell.date is not None:
        single.append(_as_date(cell.date, at))
    if cell.slug:
        single.append(slug)
    if cell.prefix:
        single.append(lambda text: cell.prefix + text)
    steps: list[Callable[[str], str]] = []
    if cell.split is not None:
        steps.append(_each(cell.split, cell.join, single))
    elif single:
        steps.append(lambda text: _through(single, text) if text else "")
    if cell.default:
        steps.append(lambda text: text or cell.default)
    return steps


def _through(steps: Iterable[Callable[[str], str]], text: str) -> str:
    for step in steps:
        if not text:
            break
        text = step(text)
    return text


def _each(split: str, join: str, steps: list[Callable[[str], str]]) -> Callable[[str], str]:
    def run(text: str) -> str:
        parts = (_through(steps, part.strip()) for part in text.split(split))
        return join.join(dict.fromkeys(part for part in parts if part))

    return run


def _replaced(table: Mapping[str, str]) -> Callable[[str], str]:
    def run(text: str) -> str:
        for old, new in table.items():
            text = text.replace(old, new)
        return text.strip()

    return run


def _matched(cell: Cell, pattern: re.Pattern[str], at: str) -> Callable[[str], str]:
    def run(text: str) -> str:
        match = pattern.search(text)
        if match is None:
            return _otherwise(cell, text, at, f"'{shown(text)}' does not look like {pattern.pattern}")
        return next((group for group in match.groups() if group is not None), match[0])

    return run


def _translated(cell: Cell, table: Mapping[str, str], at: str) -> Callable[[str], str]:
    def run(text: str) -> str:
        if text in table:
            return table[text]
        return _otherwise(cell, text, at, f"the map has nothing for '{shown(text)}'")

    return run


def _as_number(text: str) -> str:
    plain = _UNITS.sub("", text)
    if plain.startswith("(") and plain.endswith(")"):  # accountants' negatives
        plain = "-" + plain[1:-1]
    return plain if _NUMBER.fullmatch(plain) else text


def _as_date(forms: Iterable[str], at: str) -> Callable[[str], str]:
    told = " or ".join(forms)

    def run(text: str) -> str:
        for form in forms:
            try:
                return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a date has no zone
            except ValueError:
                continue
        raise Unmappable(at, f"'{shown(text)}' is not a date of the form {told}")

    return run
