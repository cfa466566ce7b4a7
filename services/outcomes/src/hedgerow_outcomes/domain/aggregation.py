"""Adding a KPI up over areas, by the KPI's own rule and never as a mean of rates."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

SUM, RATIO, MEAN = "sum", "ratio_of_sums", "mean"
_POWERS = (1.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0)
_ROUNDING = 0.02


@dataclass(frozen=True)
class Part:
    """The observation of a part. is_withheld: there is a value, and it must not be shown"""

    subject: str
    value: float | None
    numerator: float | None = None
    denominator: float | None = None
    is_withheld: bool = False


@dataclass(frozen=True)
class Aggregate:
    """What parts come to. used: how many of them have what the rule needs · withheld: how many are not to be
    shown, which withholds the whole · why_not: in words, where there is no value
    """

    value: float | None
    numerator: float | None
    denominator: float | None
    used: int
    withheld: int
    why_not: str | None


def aggregate(parts: Sequence[Part], rule: str | None) -> Aggregate:
    """Parts added up by a KPI's rule.

    rule: `sum`: the values are summed · `ratio_of_sums`: numerators and denominators are summed, then divided
    and multiplied as the parts' own values are (100 for a percentage) · `mean`: values weighted by their
    denominators; without denominators there is no telling how much each counts · anything else: no adding up.

    Parts without what the rule needs are left out; `used` tells. Where one is withheld the whole is, or it
    could be subtracted again.

    >>> aggregate([Part("a", 50, 5, 10), Part("b", 10, 9, 90)], "ratio_of_sums").value
    14.0
    """
    withheld = sum(part.is_withheld for part in parts)
    if withheld:
        return Aggregate(None, None, None, 0, withheld, "parts of it are withheld to protect small numbers")
    if rule == SUM:
        return _sum(parts)
    if rule == RATIO:
        return _ratio(parts)
    if rule == MEAN:
        return _mean(parts)
    return _nothing("the KPI's definition does not say how it adds up")


def _nothing(why: str) -> Aggregate:
    return Aggregate(None, None, None, 0, 0, why)


def _sum(parts: Sequence[Part]) -> Aggregate:
    values = [part.value for part in parts if part.value is not None]
    if not values:
        return _nothing("no part has a value")
    return _finite(Aggregate(sum(values), None, None, len(values), 0, None))


def _ratio(parts: Sequence[Part]) -> Aggregate:
    whole = [
        (part.numerator, part.denominator, part.value)
        for part in parts
        if part.numerator is not None and part.denominator is not None
    ]
    if not whole:
        return _nothing("no part has a numerator and a denominator")
    numerator, denominator = sum(n for n, _, _ in whole), sum(d for _, d, _ in whole)
    if not denominator:
        return _nothing("the denominators come to nothing")
    multiplier = _multiplier(whole)
    if multiplier is None:
        return _nothing("the parts' values are not one multiple of numerator by denominator")
    value = multiplier * numerator / denominator
    return _finite(Aggregate(value, numerator, denominator, len(whole), 0, None))


def _multiplier(whole: Sequence[tuple[float, float, float | None]]) -> float | None:
    """How many the parts' values are out of: 1, 100, 1,000 …, as most have it; None where none fits."""
    votes = dict.fromkeys(_POWERS, 0)
    for numerator, denominator, value in whole:
        if value and numerator and denominator:
            found = value * denominator / numerator
            nearest = min(_POWERS, key=lambda power: abs(found / power - 1))
            votes[nearest] += abs(found / nearest - 1) <= _ROUNDING
    best = max(votes, key=lambda power: (votes[power], -power))
    if votes[best]:
        return best
    # Nothing but zeros says nothing of it, and is zero by any of them.
    return 1.0 if not any(value for _, _, value in whole) else None


def _mean(parts: Sequence[Part]) -> Aggregate:
    weighed = [
        (part.value, part.denominator)
        for part in parts
        if part.value is not None and part.denominator is not None and part.denominator > 0
    ]
    if not weighed:
        return _nothing("a mean of means needs to know how much each counts: no part has a denominator")
    weight = sum(by for _, by in weighed)
    value = sum(value * by for value, by in weighed) / weight
    return _finite(Aggregate(value, None, weight, len(weighed), 0, None))


def _finite(found: Aggregate) -> Aggregate:
    if found.value is not None and not isfinite(found.value):
        return _nothing("it is too large for a number")
    return found
