"""Identifiers of organisations under the schemes of org-id.guide, kept as text with their zeros."""

import re
from typing import Final, NamedTuple

from hedgerow_registry.errors import Malformed


class Identifier(NamedTuple):
    scheme: str
    identifier: str


class _Scheme(NamedTuple):
    form: re.Pattern[str]
    # The width a run of digits is filled up to, because spreadsheets drop leading zeros; 0 = as sent.
    width: int
    says: str


def _scheme(form: str, width: int, says: str) -> _Scheme:
    return _Scheme(re.compile(form, re.ASCII), width, says)


# Forms after the list pages of org-id.guide and the publishers' own descriptions.
_SCHEMES: Final = {
    # Numbers of registered societies end in letters of their old registers (IP0102CU, SP101CUS).
    "GB-COH": _scheme(
        r"\d{8}|[A-Z]{2}\d{6}|R\d{7}|[A-Z]{2}\d{5}[A-Z]|(IP|SP|NP|RS)\d[A-Z0-9]{5}",
        8,
        "eight digits, or two letters and six",
    ),
    "GB-CHC": _scheme(r"\d{6,7}(-\d{1,4})?", 0, "six or seven digits"),
    "GB-SC": _scheme(r"SC\d{6}", 6, "SC and six digits"),
    "GB-NIC": _scheme(r"\d{6}", 6, "six digits"),
    "GB-LAE": _scheme(r"[A-Z]{3,4}", 0, "three or four letters"),
    "GB-LAS": _scheme(r"[A-Z]{3}", 0, "three letters"),
    "GB-LANI": _scheme(r"[A-Z]{3}", 0, "three letters"),
    "GB-PLA": _scheme(r"[A-Z0-9]{3,9}", 0, "letters and digits"),
    "GB-NHS": _scheme(r"[A-Z0-9]{3,10}", 0, "an ODS code: three to ten letters and digits"),
    "GB-EDU": _scheme(r"\d{5,6}", 0, "a URN of five or six digits"),
    "GB-UKPRN": _scheme(r"1\d{7}", 0, "eight digits that start with 1"),
    "GB-MPR": _scheme(r"[A-Z0-9]{1,12}", 0, "letters and digits"),
    "GB-REV": _scheme(r"[A-Z0-9]{1,12}", 0, "letters and digits"),
    "GB-GOR": _scheme(r"[A-Z]{1,3}\d{1,6}", 0, "letters and digits"),
    "GB-SHPE": _scheme(r"[A-Z]{0,2}\d{3,4}|\d{2}[A-Z]{2}", 0, "digits, perhaps with one or two letters"),
    "GB-SCOTEDU": _scheme(r"\d{7}", 0, "seven digits"),
    "GB-WALEDU": _scheme(r"\d{7}", 0, "seven digits"),
    "GB-IRN": _scheme(r"\d{3}-\d{4}", 0, "three digits, a hyphen and four"),
    "GB-HESA": _scheme(r"\d{4}", 4, "four digits"),
    "GB-VAT": _scheme(r"\d{9}|\d{12}", 0, "nine or twelve digits"),
}
_ANY_SCHEME = re.compile(r"[A-Z]{2,3}(-[A-Z0-9]+)+|XI-[A-Z0-9-]+|[0-9]{4}", re.ASCII)
_LONGEST: Final = 200


def identifier(text: str) -> Identifier:
    """One identifier, e.g. `GB-COH:01234567`, checked by its scheme and written in the scheme's form.

    The org-id spelling `GB-COH-01234567` is understood for the schemes known here. Letters are raised, spaces
    dropped and, where the scheme has a fixed width, leading zeros put back; where numbers have none (GB-CHC),
    they are dropped.
    A scheme of org-id that is not known here keeps the identifier as it was sent.
    Raises Malformed when there is no scheme or the identifier cannot be one of it.

    >>> identifier("GB-COH:1234567"), identifier("gb-coh:sc12345")
    (Identifier(scheme='GB-COH', identifier='01234567'), Identifier(scheme='GB-COH', identifier='SC012345'))
    >>> identifier("GB-CHC-0209131")
    Identifier(scheme='GB-CHC', identifier='209131')
    """
    scheme, colon, rest = _split(text.strip())
    scheme = scheme.strip().upper()
    given = rest.strip()
    if not colon or not given:
        raise Malformed("an identifier is a scheme, a colon and the number, like GB-COH:01234567")
    if not _ANY_SCHEME.fullmatch(scheme) or len(scheme) > 40:
        raise Malformed("the scheme is not a code of org-id.guide, like GB-COH")
    known = _SCHEMES.get(scheme)
    if known is None:
        if len(given) > _LONGEST:
            raise Malformed("the identifier is longer than any register's")
        return Identifier(scheme, given)
    written = _padded(given.replace(" ", "").upper(), scheme, known.width)
    if not known.form.fullmatch(written):
        raise Malformed(f"not a {scheme} identifier: {known.says}")
    return Identifier(scheme, written)


def is_register(scheme: str) -> bool:
    """Whether a scheme is a register whose numbers are checked here, and not a publisher's own numbering.

    >>> is_register("GB-COH"), is_register("GB-CFS")
    (True, False)
    """
    return scheme in _SCHEMES


def _split(text: str) -> tuple[str, str, str]:
    if ":" not in text:
        # An org-id: the scheme ends with the second hyphen in all schemes known here.
        parts = text.split("-", 2)
        if len(parts) == 3 and "-".join(parts[:2]).upper() in _SCHEMES:
            return "-".join(parts[:2]), "-", parts[2]
    return text.partition(":")


def _padded(given: str, scheme: str, width: int) -> str:
    if scheme == "GB-SC":
        given = given if given.startswith("SC") else "SC" + given
        return "SC" + given[2:].zfill(width) if given[2:].isdigit() else given
    if scheme == "GB-NIC":
        return given.removeprefix("NIC").removeprefix("NI").zfill(width)
    if scheme == "GB-CHC":
        return given.lstrip("0")
    if scheme == "GB-VAT":
        return given.removeprefix("GB")
    if not width or not given:
        return given
    if given.isdigit():
        return given.zfill(width)
    letters, digits = given[:2], given[2:]
    if letters.isalpha() and digits.isdigit():
        return letters + digits.zfill(width - 2)
    return given


def identifiers(text: str) -> tuple[list[Identifier], list[str]]:
    """The identifiers of a `;`-separated list, sorted and without repeats, and the reasons of the bad ones.

    >>> identifiers("GB-CHC:1234567;GB-COH:7;nonsense")[0]
    [Identifier(scheme='GB-CHC', identifier='1234567'), Identifier(scheme='GB-COH', identifier='00000007')]
    """
    good: set[Identifier] = set()
    bad: list[str] = []
    for part in text.split(";"):
        if not part.strip():
            continue
        try:
            good.add(identifier(part))
        except Malformed as error:
            bad.append(error.reason)
    return sorted(good), bad
