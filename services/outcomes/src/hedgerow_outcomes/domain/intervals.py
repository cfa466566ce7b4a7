r"""Confidence intervals: how far a figure may lie from what it estimates, by chance alone.

The methods are those of public health practice in England, as PHEindicatormethods 2.1.0 computes them.
`confidence` is a share, 0.95 or 0.998; z is the normal quantile of :math:`1/2 + confidence/2`.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

from scipy.special import gammainccinv, gammaincinv

from hedgerow_outcomes.errors import UnfitForInterval

EXACT_BELOW = 10


class Interval(NamedTuple):
    """An estimate between its lower and upper confidence limits, and the method that gave them."""

    value: float
    lower: float
    upper: float
    method: str


def wilson(numerator: float, denominator: float, *, confidence: float, multiplier: float = 1) -> Interval:
    r"""Wilson's score interval of a proportion.

    .. math:: \frac{2x + z^2 \mp z\sqrt{z^2 + 4x(1 - x/n)}}{2(n + z^2)}

    numerator: x, 0 to n; denominator: n > 0; the answer is the proportion times the multiplier. The limits
    stay within 0 and the multiplier. Raises UnfitForInterval.

    >>> wilson(20, 100, confidence=0.95, multiplier=100).method
    'wilson'
    """
    if not denominator > 0 or not 0 <= numerator <= denominator:
        raise UnfitForInterval("Wilson's interval needs a numerator between 0 and the denominator")
    z = _z(confidence)
    share = numerator / denominator
    middle = 2 * numerator + z * z
    spread = z * math.sqrt(z * z + 4 * numerator * (1 - share))
    width = 2 * (denominator + z * z)
    lower = 0.0 if numerator == 0 else (middle - spread) / width
    upper = 1.0 if numerator == denominator else (middle + spread) / width
    return Interval(share * multiplier, lower * multiplier, upper * multiplier, "wilson")


def byar(count: float, *, confidence: float) -> Interval:
    r"""Byar's approximation to the Poisson interval of a count.

    .. math:: x\left(1 - \frac{1}{9x} - \frac{z}{3\sqrt x}\right)^3, \quad
        (x+1)\left(1 - \frac{1}{9(x+1)} + \frac{z}{3\sqrt{x+1}}\right)^3

    count: x >= 0. The lower limit of 0 is 0, and one that would be negative is 0. Raises UnfitForInterval.
    """
    _check_count(count)
    z = _z(confidence)
    lower = count * (1 - 1 / (9 * count) - z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    upper = more * (1 - 1 / (9 * more) + z / (3 * math.sqrt(more))) ** 3
    return Interval(count, max(0.0, lower), upper, "byar")


def exact_poisson(count: float, *, confidence: float) -> Interval:
    r"""The exact Poisson interval of a count, from the chi-square distribution.

    .. math:: \tfrac12 \chi^2_{\alpha/2;\,2x}, \quad \tfrac12 \chi^2_{1-\alpha/2;\,2x+2}

    count: x >= 0; the lower limit of 0 is 0. Raises UnfitForInterval.
    """
    _check_count(count)
    tail = (1 - confidence) / 2
    # Half a chi-square quantile of 2a degrees of freedom is the gamma quantile of shape a. Taken from there,
    # the app starts a second sooner than with the whole of scipy's statistics.
    lower = float(gammaincinv(count, tail)) if count else 0.0
    return Interval(count, lower, float(gammainccinv(count + 1, tail)), "exact")


def poisson(count: float, *, confidence: float) -> Interval:
    """The interval of a count: exact below 10, Byar's from 10 on."""
    count_interval = exact_poisson if count < EXACT_BELOW else byar
    return count_interval(count, confidence=confidence)


def rate(count: float, population: float, *, confidence: float, multiplier: float = 1) -> Interval:
    """A crude rate: events by population at risk (or person-years) > 0, times the multiplier.

    Its interval is that of the count, which may be more than the population. Raises UnfitForInterval.
    """
    if not population > 0:
        raise UnfitForInterval("a rate needs a population of more than 0")
    return _scaled(poisson(count, confidence=confidence), multiplier / population)


def _check_count(count: float) -> None:
    if not (count >= 0 and math.isfinite(count)):
        raise UnfitForInterval("a count is 0 or more")


def _scaled(interval: Interval, by: float) -> Interval:
    return Interval(interval.value * by, interval.lower * by, interval.upper * by, interval.method)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
