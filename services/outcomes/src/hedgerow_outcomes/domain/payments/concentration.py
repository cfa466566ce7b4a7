"""How payments spread: over sectors, beside what was reserved for them, and over contributors."""

from collections.abc import Mapping
from typing import NamedTuple


class Share(NamedTuple):
    """A sector's share of what was paid, beside the share reserved for it; met: None if none is reserved."""

    sector: str
    pence: int
    share: float | None
    reserved: float | None
    met: bool | None


def hhi(pence: Mapping[str, int]) -> float | None:
    """The Herfindahl–Hirschman index of payments: ten thousand times the sum of the squared shares.

    10,000: one is paid everything. Contributors that pay back more than they got count as nothing. None where
    nobody was paid.

    >>> hhi({"a": 50, "b": 50}), hhi({"a": 7}), hhi({})
    (5000.0, 10000.0, None)
    """
    paid = [amount for amount in pence.values() if amount > 0]
    whole = sum(paid)
    return sum((amount / whole) ** 2 for amount in paid) * 10_000 if whole else None


def by_sector(
    pence: Mapping[str, int], sectors: Mapping[str, str], reserved: Mapping[str, float]
) -> list[Share]:
    """Payments by the contributors' sectors, in the order of their names.

    pence: by contributor · sectors: by contributor, `unknown` where none is said · reserved: the share kept
    for a sector, which stands there with nothing if nobody of it was paid.
    """
    sums = dict.fromkeys(reserved, 0)
    for contributor, amount in pence.items():
        sector = sectors.get(contributor, "unknown")
        sums[sector] = sums.get(sector, 0) + amount
    whole = sum(sums.values())
    found = []
    for sector in sorted(sums):
        share = sums[sector] / whole if whole > 0 else None
        kept = reserved.get(sector)
        met = None if kept is None or share is None else share >= kept
        found.append(Share(sector, sums[sector], share, kept, met))
    return found
