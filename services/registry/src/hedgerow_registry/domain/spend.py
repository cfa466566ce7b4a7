"""Payments of authorities as their files tell them: to the penny, what was redacted, what makes a line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hedgerow_registry.domain.gss import area_code
from hedgerow_registry.domain.identifiers import identifier
from hedgerow_registry.domain.ids import is_uuid
from hedgerow_registry.errors import Malformed

UNKNOWN: Final = "unknown"
REDACTED: Final = "redacted"
# Beyond any payment, and small enough that sums of many stay whole numbers everywhere.
MOST_PENCE: Final = 10**14

_AMOUNT = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d*)(\.\d*)?", re.ASCII)
_REDACTED = re.compile(
    r"\W*(redact|withheld|name (is )?withheld|personal (data|info)|confidential|\*{3,}|x{4,}$)", re.IGNORECASE
)
_TRUE: Final = frozenset(("true", "yes", "y", "1", "t", "redacted"))
_FALSE: Final = frozenset(("false", "no", "n", "0", "f", ""))
_ORG_ID = re.compile(r"([A-Z]{2}-[A-Z]{2,5})[:\-](.+)", re.ASCII)


def pence(text: str) -> int:
    """An amount in pounds as pence, exact.

    A pound sign, thousands separators and blanks are taken out; `(12.00)` and `12.00-` are negative. Raises
    Malformed for what is no number, has more than two decimal places that are not noughts, or is beyond a
    million million pounds.

    >>> pence("-195.75"), pence("£1,204.5"), pence("(12.00)"), pence("3082.500")
    (-19575, 120450, -1200, 308250)
    """
    said = text.strip().replace("£", "").replace(" ", "")
    negative = False
    if said.startswith("(") and said.endswith(")"):
        said, negative = said[1:-1], True
    elif said.endswith("-"):
        said, negative = said[:-1], True
    if not _AMOUNT.fullmatch(said) or not any(char.isdigit() for char in said) or len(said) > 40:
        raise Malformed("not an amount in pounds, like 1204.50 or -195.75")
    try:
        amount = Decimal(said.replace(",", "")) * 100
    except InvalidOperation:
        raise Malformed("not an amount in pounds, like 1204.50 or -195.75") from None
    if amount != amount.to_integral_value(ROUND_HALF_EVEN):
        raise Malformed("finer than a penny")
    if abs(amount) > MOST_PENCE:
        raise Malformed("more than any payment")
    return -int(amount) if negative else int(amount)


def is_redacted(flag: str, supplier: str) -> bool:
    """Whether a line's supplier is redacted: its flag says so, or a word stands in place of the name.

    Raises Malformed for a flag that is neither yes nor no.

    >>> is_redacted("", "Redacted Personal Data"), is_redacted("no", "Quay Kitchen"), is_redacted("Y", "A B")
    (True, False, True)
    """
    said = flag.strip().casefold()
    if said not in _TRUE and said not in _FALSE:
        raise Malformed("true or false is expected")
    return said in _TRUE or _REDACTED.match(supplier.strip()) is not None


def buyer_code(text: str) -> str:
    """The code of a buyer: of an area (`E08000009`), an identifier (`GB-LAE:TRF`) or an organisation's id.

    Raises Malformed.

    >>> buyer_code("E08000009"), buyer_code("gb-lae:trf")
    ('E08000009', 'GB-LAE:TRF')
    """
    said = text.strip()
    if is_uuid(said.lower()):
        return said.lower()
    if ":" in said:
        made = identifier(said)
        return f"{made.scheme}:{made.identifier}"
    return area_code(said)


def supplier_identifier(text: str | None) -> tuple[str, str] | None:
    """The identifier of org-id that a supplier's id is; a council's own number is none.

    >>> supplier_identifier("GB-COH:1234567"), supplier_identifier("GB-CHC-209131")
    (('GB-COH', '01234567'), ('GB-CHC', '209131'))
    >>> supplier_identifier("3536") is None
    True
    """
    found = _ORG_ID.fullmatch((text or "").strip().upper())
    if found is None:
        return None
    try:
        made = identifier(f"{found[1]}:{found[2]}")
    except Malformed:
        return None
    return made.scheme, made.identifier


def digest(parts: Iterable[object]) -> int:
    """The content of a line as a number of 64 bits with its sign, the same whenever it is sent."""
    told = "\x1f".join("" if part is None else str(part) for part in parts)
    return int.from_bytes(blake2b(told.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)


class Occurrences:
    """How often each content has come in a file so far; 12 bytes for each that differs."""

    def __init__(self) -> None:
        self._digests: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._counts: npt.NDArray[np.int32] = np.zeros(0, np.int32)

    def number(self, digests: Sequence[int]) -> list[int]:
        """The how-manieth of its content each of the next lines is, counted from 1.

        >>> seen = Occurrences()
        >>> seen.number([7, 7, 5]), seen.number([5, 7])
        ([1, 2, 1], [2, 3])
        """
        if not digests:
            return []
        sent = np.array(digests, np.int64)
        order = np.argsort(sent, kind="stable")
        ordered = sent[order]
        first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        counts = np.diff(np.r_[first, len(ordered)]).astype(np.int32)
        unique = ordered[first]
        before = self._held(unique)
        within = np.arange(len(ordered)) - np.repeat(first, counts) + 1
        numbers = np.empty(len(sent), np.int64)
        numbers[order] = within + np.repeat(before, counts)
        self._add(unique, counts)
        return [int(one) for one in numbers]

    def _held(self, unique: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        if not len(self._digests):
            return np.zeros(len(unique), np.int32)
        places = np.minimum(np.searchsorted(self._digests, unique), len(self._digests) - 1)
        return np.where(self._digests[places] == unique, self._counts[places], 0).astype(np.int32)

    def _add(self, unique: npt.NDArray[np.int64], counts: npt.NDArray[np.int32]) -> None:
        places = np.searchsorted(self._digests, unique)
        there = np.zeros(len(unique), bool)
        inside = places < len(self._digests)
        there[inside] = self._digests[places[inside]] == unique[inside]
        self._counts[places[there]] += counts[there]
        new = ~there
        self._digests = np.insert(self._digests, places[new], unique[new])
        self._counts = np.insert(self._counts, places[new], counts[new])


class Group(NamedTuple):
    """A row of a summary: `share` is its part of all that was paid, `None` where that is nothing."""

    key: str
    name: str
    pence: int
    lines: int
    share: float | None


class Sum(NamedTuple):
    """Pence and lines that belong together; `negative` of both are corrections and refunds."""

    pence: int = 0
    lines: int = 0
    negative_pence: int = 0
    negative_lines: int = 0

    def __add__(self, other: object) -> "Sum":
        assert isinstance(other, Sum)
        return Sum(*(one + another for one, another in zip(self, other, strict=True)))


def grouped(sums: Iterable[tuple[str, Sum]], names: Mapping[str, str]) -> list[Group]:
    r"""Sums by key, the most money first, ties in the order of keys; `unknown` and `redacted` at the end.

    These two are always there, so that nothing is missing without being said. Pence are whole numbers and
    each sum falls into one group: :math:`\sum_g p_g` is the total to the penny, corrections included. Shares
    are of that total, and add up to 1 unless it is 0.
    """
    found: dict[str, Sum] = {UNKNOWN: Sum(), REDACTED: Sum()}
    for key, one in sums:
        found[key] = found.get(key, Sum()) + one
    total = sum(one.pence for one in found.values())
    last = {UNKNOWN: 1, REDACTED: 2}
    ordered = sorted(found.items(), key=lambda item: (last.get(item[0], 0), -item[1].pence, item[0]))
    return [
        Group(key, names.get(key, key), one.pence, one.lines, one.pence / total if total else None)
        for key, one in ordered
    ]
