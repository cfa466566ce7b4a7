"""Words, numbers and dates that publishers put where they know nothing."""

import re
from datetime import date
from typing import Final

_WORDS: Final = frozenset(
    (
        "",
        "-",
        "--",
        ".",
        "?",
        "n/a",
        "na",
        "n.a.",
        "none",
        "null",
        "nil",
        "tbc",
        "tba",
        "tbd",
        "to be confirmed",
        "to be advised",
        "unknown",
        "not known",
        "not applicable",
        "not available",
        "not specified",
        "not provided",
        "not disclosed",
        "undefined",
        "redacted",
        "withheld",
        "xxx",
        "x",
        "various",
        "multiple",
        "multiple suppliers",
        "various suppliers",
        "see description",
        "see attached",
        "test",
    )
)
_FIRST_DAY: Final = date(1980, 1, 1)
_LAST_DAY: Final = date(2150, 1, 1)


def is_placeholder(text: str | None) -> bool:
    """Whether a name says that there is none.

    >>> is_placeholder("[Redacted]"), is_placeholder(" T.B.C. "), is_placeholder("Nil Desperandum Ltd")
    (True, True, False)
    """
    said = " ".join((text or "").casefold().strip("[]()<>*\"' \t").split())
    return said in _WORDS or said.replace(".", "") in _WORDS


def is_placeholder_id(text: str) -> bool:
    """Whether an id says that there is none: a word for it, or one digit over and over.

    >>> is_placeholder_id("00000000"), is_placeholder_id("n/a"), is_placeholder_id("7")
    (True, True, False)
    """
    said = text.strip()
    return is_placeholder(said) or re.fullmatch(r"0+|9{4,}|1{6,}|x+", said.casefold()) is not None


def is_placeholder_day(day: date) -> bool:
    """Whether a date is one that systems write for none, such as 1900-01-01 or 9999-12-31.

    >>> is_placeholder_day(date(1900, 1, 1)), is_placeholder_day(date(2031, 3, 31))
    (True, False)
    """
    return not _FIRST_DAY <= day < _LAST_DAY


def is_placeholder_amount(amount: float) -> bool:
    """Whether an amount of money is one that forms are filled with when the field must not be empty.

    >>> is_placeholder_amount(0.01), is_placeholder_amount(1.0), is_placeholder_amount(3380.86)
    (True, True, False)
    """
    return amount in (0, 0.01, 1, 9, 99, 999, 9_999_999_999, 99_999_999_999)
