r"""Confidence intervals: how far a figure may lie from what it estimates, by chance alone.

The methods are those of public health practice in England, as PHEindicatormethods 2.1.0 computes them.
`confidence` is a share, 0.95 or 0.998; z is the normal quantile of :math:`1/2 + confidence/2`.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from scipy.special import gammainccinv, gammaincinv, stdtrit

from hedgerow_outcomes.errors import UnfitForInterval

EXACT_BELOW = 10
FEWEST_TO_STANDARDISE = 10


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


class Stratum(NamedTuple):
    """An age band, or another group by which a population is standardised.

    events: >= 0 · population: those at risk, > 0 · standard: how many of them the standard population
    has, >= 0, in any unit
    """

    events: float
    population: float
    standard: float


class Reference(NamedTuple):
    """A group of a population, and the same group of the reference population.

    population: those at risk, >= 0 · events, of: what happened in the reference population, and among how
    many, > 0
    """

    population: float
    events: float
    of: float


def directly_standardised(strata: Sequence[Stratum], *, confidence: float, multiplier: float = 1) -> Interval:
    r"""The rate that a standard population would have if each of its groups had the rates observed here.

    .. math:: \frac{\sum_i w_i O_i / n_i}{\sum_i w_i}, \quad
        \mathrm{var} = \frac{\sum_i w_i^2 O_i / n_i^2}{(\sum_i w_i)^2}

    strata: at least one, with a standard population of more than 0 in all. The interval is Dobson's
    (`dobson`). Raises UnfitForInterval.

    >>> half = [Stratum(20, 100, 1), Stratum(40, 100, 1)]
    >>> round(directly_standardised(half, confidence=0.95, multiplier=100).value, 9)
    30.0
    """
    weight = math.fsum(stratum.standard for stratum in strata)
    fit = all(stratum.population > 0 and stratum.events >= 0 and stratum.standard >= 0 for stratum in strata)
    if not fit or not weight > 0:
        raise UnfitForInterval(
            "standardising needs events of 0 or more, populations of more than 0 and a standard population"
        )
    parts = [(one.standard / weight / one.population, one.events) for one in strata]
    return dobson(
        math.fsum(share * count for share, count in parts),
        math.fsum(share * share * count for share, count in parts),
        math.fsum(count for _, count in parts),
        confidence=confidence,
        multiplier=multiplier,
    )


def dobson(
    value: float, variance: float, count: float, *, confidence: float, multiplier: float = 1
) -> Interval:
    r"""Dobson's interval of a weighted sum of counts, from Byar's interval (l, u) of their plain sum O.

    .. math:: value + \sqrt{variance / O}\,(l - O), \quad value + \sqrt{variance / O}\,(u - O)

    value: the rate per head, >= 0; variance: its variance, >= 0 (larger where one person has several events
    that are not independent); count: O, all events. A rate that rests on fewer than 10 events is not given.
    Raises UnfitForInterval.
    """
    _check_count(count)
    if not (value >= 0 and variance >= 0):
        raise UnfitForInterval("a rate and its variance are 0 or more")
    if count < FEWEST_TO_STANDARDISE:
        raise UnfitForInterval(f"a standardised rate needs {FEWEST_TO_STANDARDISE} events or more in all")
    plain = byar(count, confidence=confidence)
    step = math.sqrt(variance / count)
    lower, upper = value + step * (plain.lower - count), value + step * (plain.upper - count)
    return _scaled(Interval(value, lower, upper, "dobson"), multiplier)


def indirectly_standardised(
    observed: float,
    expected: float,
    *,
    confidence: float,
    reference_rate: float = 1,
    multiplier: float = 1,
) -> Interval:
    """How many events were observed for each that was expected: the ratio (SMR), or, with the crude rate of
    the reference population, the indirectly standardised rate; times the multiplier.

    observed: >= 0; expected: > 0, see `expected_of`. The interval is that of the observed count (exact below
    10, Byar's from 10 on): what is expected counts as known. Raises UnfitForInterval.

    >>> indirectly_standardised(20, 10, confidence=0.95, multiplier=100).value
    200.0
    """
    if not (expected > 0 and math.isfinite(expected)):
        raise UnfitForInterval("what is expected is more than 0")
    if not reference_rate >= 0:
        raise UnfitForInterval("a reference rate is 0 or more")
    return _scaled(poisson(observed, confidence=confidence), reference_rate * multiplier / expected)


def expected_of(groups: Sequence[Reference]) -> tuple[float, float]:
    r"""The events expected if each group had its rate in the reference population, and that population's
    crude rate.

    .. math:: E = \sum_i n_i \, r_i / m_i, \quad \sum_i r_i / \sum_i m_i

    Raises UnfitForInterval.

    >>> expected_of([Reference(100, 1, 10), Reference(50, 2, 10)])
    (20.0, 0.15)
    """
    if not groups or not all(one.of > 0 and one.events >= 0 and one.population >= 0 for one in groups):
        raise UnfitForInterval(
            "what is expected needs reference populations of more than 0, and no count below 0"
        )
    return (
        math.fsum(one.population * one.events / one.of for one in groups),
        math.fsum(one.events for one in groups) / math.fsum(one.of for one in groups),
    )


def student(values: Sequence[float], *, confidence: float, multiplier: float = 1) -> Interval:
    """The mean of a sample of independent values, between Student's limits (`mean_of_sample`).

    values: at least two finite numbers. Raises UnfitForInterval.
    """
    size = len(values)
    if size < 2:
        raise UnfitForInterval("the spread of a mean needs at least two values")
    mean = math.fsum(values) / size
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (size - 1))
    return mean_of_sample(mean, deviation, size, confidence=confidence, multiplier=multiplier)


def mean_of_sample(
    mean: float, deviation: float, size: int, *, confidence: float, multiplier: float = 1
) -> Interval:
    r"""Student's interval of a mean.

    .. math:: \bar x \mp t_{n-1} \, s / \sqrt n

    deviation: the sample's standard deviation s, with n - 1 below, >= 0; size: n >= 2. Raises
    UnfitForInterval.
    """
    if size < 2 or not deviation >= 0:
        raise UnfitForInterval("the spread of a mean needs at least two values and a deviation of 0 or more")
    reach = float(stdtrit(size - 1, 0.5 + confidence / 2)) * deviation / math.sqrt(size)
    return _scaled(Interval(mean, mean - reach, mean + reach, "student"), multiplier)


def _check_count(count: float) -> None:
    if not (count >= 0 and math.isfinite(count)):
        raise UnfitForInterval("a count is 0 or more")


def _scaled(interval: Interval, by: float) -> Interval:
    return Interval(interval.value * by, interval.lower * by, interval.upper * by, interval.method)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
