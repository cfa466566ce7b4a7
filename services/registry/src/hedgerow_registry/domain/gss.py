"""GSS codes: their shape, the level their prefix stands for, and the boundary year they go with."""

import re
from typing import Final

from hedgerow_registry.errors import Malformed

LEVELS: Final = ("country", "region", "authority", "ward", "msoa", "lsoa", "neighbourhood", "other")

_GSS = re.compile(r"[EWSNKJLM]\d{8}", re.ASCII)
_LOCAL = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+", re.ASCII)
_LONGEST_LOCAL: Final = 64
_LONGEST_SHOWN: Final = 20

# The entity part of a code, after the ONS Register of Geographic Codes. An entity that is not listed
# has no level of its own here: whoever sends it says which.
_LEVEL_OF: Final = {
    **dict.fromkeys(("E92", "W92", "S92", "N92", "K02", "K03", "K04", "J01", "L93", "M83"), "country"),
    **dict.fromkeys(("E12", "E15"), "region"),
    **dict.fromkeys(("E06", "E07", "E08", "E09", "E10", "W06", "S12", "N09"), "authority"),
    **dict.fromkeys(("E05", "E36", "W05", "S13", "N08", "N10"), "ward"),
    **dict.fromkeys(("E02", "W02", "S02", "N21"), "msoa"),
    **dict.fromkeys(("E01", "W01", "S01", "N20"), "lsoa"),
}

_LEVEL_WORDS: Final = {
    "local authority": "authority",
    "local authority district": "authority",
    "district": "authority",
    "lad": "authority",
    "ltla": "authority",
    "utla": "authority",
    "unitary authority": "authority",
    "electoral ward": "ward",
    "nation": "country",
    "neighborhood": "neighbourhood",
}

FIRST_VINTAGE: Final = 1900
LAST_VINTAGE: Final = 2100


def is_gss(code: str) -> bool:
    """Whether a text has the shape of a GSS code: a country's letter and eight digits.

    >>> is_gss("E08000009"), is_gss("E0800009"), is_gss("e08000009")
    (True, False, False)
    """
    return _GSS.fullmatch(code) is not None


def area_code(text: str, *, level: str | None = None) -> str:
    """The code of an area, checked but never mended.

    A GSS code is taken as it is. A neighbourhood or another area of local making may carry a local
    code instead: lower-case words and digits joined by hyphens, at most 64 characters.

    text: the code as sent, spaces around it ignored · level: one of `LEVELS`, or `None` where any will do
    (a reference to an area).
    Returns the code. Raises Malformed, whose reason names what is wrong.

    >>> area_code(" E08000009 ")
    'E08000009'
    >>> area_code("sale-moor", level="neighbourhood")
    'sale-moor'
    """
    code = text.strip()
    if is_gss(code):
        return code
    if level in (None, "neighbourhood", "other") and len(code) <= _LONGEST_LOCAL and _LOCAL.fullmatch(code):
        return code
    is_short = code.isascii() and code.isprintable() and len(code) <= _LONGEST_SHOWN
    raise Malformed(
        "not a GSS code: one of E W S N K J L M and then eight digits", code=code if is_short else None
    )


def level_of(code: str) -> str | None:
    """The level that the prefix of a GSS code stands for; `None` for an entity without one of ours.

    >>> level_of("E05015239"), level_of("E47000001")
    ('ward', None)
    """
    return _LEVEL_OF.get(code[:3]) if is_gss(code) else None


def level(text: str, code: str) -> str:
    """The level of an area from what was said and from its code.

    text: what was sent, in any case, may be empty · code: the area's code.
    Returns one of `LEVELS`: what was said, else what the prefix stands for, else `other`.
    Raises Malformed for an unknown word and for a level the code's prefix contradicts
    (`neighbourhood` and `other` contradict none).

    >>> level("LAD", "E08000009"), level("", "E01006074"), level("", "E47000001")
    ('authority', 'lsoa', 'other')
    """
    said = " ".join(text.casefold().replace("_", " ").split())
    by_prefix = level_of(code)
    if not said:
        return by_prefix or ("other" if is_gss(code) else "neighbourhood")
    said = _LEVEL_WORDS.get(said, said)
    if said not in LEVELS:
        raise Malformed(f"unknown level: one of {', '.join(LEVELS)}")
    if by_prefix is not None and said != by_prefix and said not in ("neighbourhood", "other"):
        raise Malformed(f"a code that starts with {code[:3]} is of level {by_prefix}")
    return said


def vintage(text: str) -> int:
    """The boundary year that a code goes with, as four digits between 1900 and 2100.

    >>> vintage("2024")
    2024
    """
    year = text.strip()
    if not (len(year) == 4 and year.isascii() and year.isdigit()):
        raise Malformed("the vintage is the boundary year, as four digits")
    if not FIRST_VINTAGE <= int(year) <= LAST_VINTAGE:
        raise Malformed(f"the vintage lies between {FIRST_VINTAGE} and {LAST_VINTAGE}")
    return int(year)
