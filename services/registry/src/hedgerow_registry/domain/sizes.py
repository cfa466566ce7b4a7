"""Size bands of organisations, and what counts as a small or medium-sized enterprise."""

import re
from typing import Final

BANDS: Final = ("micro", "small", "medium", "large", "sme")
"""Smallest first; `sme` where it is only said that a body is a small or medium-sized enterprise."""

# Fewer than so many staff: the bands of the UK's business statistics.
_FEWER_THAN: Final = (("micro", 10), ("small", 50), ("medium", 250))
SME: Final = frozenset({"micro", "small", "medium", "sme"})
_NAMED: Final = (
    ("sme", r"\bsmes?\b|\bsmall (and|&|or) medium|\bsmall to medium|\bsmall/medium"),
    ("micro", r"\bmicro"),
    ("small", r"\bsmall"),
    ("medium", r"\bmedium|\bmid-?siz"),
    ("large", r"\blarge|\bmajor\b"),
)
_NUMBER = re.compile(r"\d[\d,]*")
_BELOW = re.compile(r"(fewer|less|under|below|up to|<)[^\d]*$")


def size_band(text: str | None) -> str | None:
    """The size band that words or a number of staff name; `None` where they name none.

    A number, or the upper of two, is taken as staff: below 10 micro, below 50 small, below 250 medium, else
    large; "250+" is large. "SME" alone is `sme`; "not SME" is large.

    >>> size_band("Small business"), size_band("10-49 employees"), size_band("250+"), size_band("Non-SME")
    ('small', 'small', 'large', 'large')
    """
    said = " ".join((text or "").casefold().replace("_", " ").split())
    if re.search(r"\b(non|not)[ -]?(an? )?sme", said):
        return "large"
    for band, pattern in _NAMED:
        if re.search(pattern, said):
            return band
    numbers = [int(found.group().replace(",", "")) for found in _NUMBER.finditer(said)]
    if not numbers or re.search(r"[£$€%]", said):
        return None
    staff = max(numbers)
    first = _NUMBER.search(said)
    if first is not None and len(numbers) == 1 and _BELOW.search(said[: first.start()]):
        staff -= 1 if "up to" not in said else 0
    return next((band for band, limit in _FEWER_THAN if staff < limit), "large")


def is_sme(band: str | None) -> bool | None:
    """Whether a body of a size band is a small or medium-sized enterprise; `None` where the band is unknown.

    >>> is_sme("medium"), is_sme("large"), is_sme(None)
    (True, False, None)
    """
    return None if band is None else band in SME
