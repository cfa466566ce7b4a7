"""Funnel plots: which subjects lie further from what is common to all than chance alone takes them.

The limits are exact: from the binomial distribution for a proportion and the Poisson distribution for a rate,
without the steps of whole numbers.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import bdtrik, pdtrik

WARNING, ACTION = 0.95, 0.998
# Below this part of a limit, a difference is the rounding of binary numbers and not a fact.
_ROUNDING = 1e-9


class Pair(NamedTuple):
    """The limits of a count between which chance alone keeps it, for one level of confidence."""

    lower: float
    upper: float


def centre(numerators: Sequence[float], denominators: Sequence[float]) -> float | None:
    """What is common to all: the sum of the numerators by that of the denominators; None without these."""
    whole = math.fsum(denominators)
    return math.fsum(numerators) / whole if whole > 0 else None


def binomial_limits(share: float, denominator: float, *, confidence: float) -> Pair:
    r"""How many of `denominator` chance alone brings where each counts with the probability `share`.

    .. math:: P(X \le l) = \alpha/2, \quad P(X \ge u) = \alpha/2

    share: 0 to 1; denominator: > 0. The distribution is read between whole numbers too, so that the
    limits are smooth; they stay within 0 and the denominator. A count is above u where
    the exact test says so.
    """
    if not 0 < share < 1:
        return Pair(share * denominator, share * denominator)
    tail = (1 - confidence) / 2
    lower = float(bdtrik(tail, denominator, share)) if (1 - share) ** denominator < tail else 0.0
    # P(X >= u) is that of at most n - u failures: the upper limit is the lower one of what did not happen.
    misses = float(bdtrik(tail, denominator, 1 - share)) if share**denominator < tail else 0.0
    return Pair(lower, denominator - misses)


def poisson_limits(rate: float, denominator: float, *, confidence: float) -> Pair:
    r"""How many events chance alone brings where `rate` per head of `denominator` are expected.

    .. math:: P(X \le l) = \alpha/2, \quad P(X \ge u) = \alpha/2

    rate: >= 0; denominator: > 0. The lower limit is 0 where even no event at all is likely enough.

    >>> poisson_limits(0.0, 100, confidence=0.95)
    Pair(lower=0.0, upper=0.0)
    """
    expected = rate * denominator
    if not expected > 0:
        return Pair(0.0, 0.0)
    tail = (1 - confidence) / 2
    lower = float(pdtrik(tail, expected)) if math.exp(-expected) < tail else 0.0
    # Where P(X = 0) alone is more than 1 - tail, one event is already more than chance.
    upper = float(pdtrik(1 - tail, expected)) + 1 if math.exp(-expected) < 1 - tail else 1.0
    return Pair(lower, upper)


def limits(method: str, common: float, denominator: float, *, confidence: float) -> Pair:
    """The limits of a count by the KPI's method: `wilson` is a proportion, anything else a rate."""
    by = binomial_limits if method == "wilson" and common <= 1 else poisson_limits
    return by(common, denominator, confidence=confidence)


def place(count: float, warning: Pair, action: Pair) -> str:
    """`within`, `outside 95` or `outside 99.8`; a count on a limit is within it.

    >>> place(9, Pair(2, 8), Pair(1, 10))
    'outside 95'
    """
    if _beyond(count, action):
        return "outside 99.8"
    return "outside 95" if _beyond(count, warning) else "within"


def denominators_of_curve(largest: float, points: int = 60) -> list[float]:
    """Denominators to draw the limits at, from small to largest: closer together where the funnel bends.

    >>> denominators_of_curve(100.0, 2)
    [25.0, 100.0]
    """
    return [largest * (step / points) ** 2 for step in range(1, points + 1)]


def _beyond(count: float, pair: Pair) -> bool:
    slack = _ROUNDING * max(1.0, abs(count))
    return count < pair.lower - slack or count > pair.upper + slack
