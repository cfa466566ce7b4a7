"""Texts, numbers, dates and periods as they arrive in files."""

import math
import re
from datetime import date
from typing import Final

from hedgerow_registry.errors import Malformed

LARGEST: Final = 1e15
LONGEST_PERIOD: Final = 32

_PERIOD = re.compile(r"[0-9A-Za-z][0-9A-Za-z .:-]*", re.ASCII)


def name_key(name: str) -> str:
    """A name as it is compared and searched: without case, its spaces single, at most 500 characters.

    >>> name_key("  Age  UK Trafford ")
    'age uk trafford'
    """
    return " ".join(name.casefold().split())[:500]


def number(text: str, *, least: float = -LARGEST) -> float:
    """A finite decimal number of ordinary size; thousands separators are taken out where they are commas.

    >>> number("1,204.5")
    1204.5
    """
    plain = text.strip()
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d*)?", plain, re.ASCII):
        plain = plain.replace(",", "")
    try:
        value = float(plain) if plain.isascii() and "_" not in plain and len(plain) < 64 else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise Malformed("not a number")
    if value < least:
        raise Malformed(f"must not be below {least:g}")
    return value


def whole(text: str, *, least: int, most: int) -> int:
    """A whole number between two bounds, both included.

    >>> whole("16", least=0, most=150)
    16
    """
    value = number(text)
    if value != int(value):
        raise Malformed("must be a whole number")
    if not least <= value <= most:
        raise Malformed(f"lies between {least} and {most}")
    return int(value)


def day(text: str) -> date:
    """A date in ISO 8601; a time after it is dropped.

    >>> day("2024-04-01"), day("2024-04-01T09:30:00Z")
    (datetime.date(2024, 4, 1), datetime.date(2024, 4, 1))
    """
    head = text.strip()[:10]
    rest = text.strip()[10:]
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", head, re.ASCII) or (rest and rest[0] not in "T "):
        raise Malformed(
            "a date is written YYYY-MM-DD; other forms are read by a mapping file (`hedgerow load`)"
        )
    try:
        return date.fromisoformat(head)
    except ValueError:
        raise Malformed("no such day") from None


def period(text: str) -> str:
    """The name of a period as figures are filed under: `2024`, `2024-25`, `2024-06-30`, `2024-Q1` …

    A slash becomes a hyphen, because the name is part of an id. Periods sort as text, so ISO forms are best.

    >>> period("2024/25")
    '2024-25'
    """
    said = text.strip().replace("/", "-")
    if not _PERIOD.fullmatch(said) or len(said) > LONGEST_PERIOD:
        raise Malformed("a period is written like 2024, 2024-25 or 2024-06-30")
    return said
