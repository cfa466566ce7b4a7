"""XmR control charts: which values of a series are no more than its usual variation, and which are not.

The rules are those of NHS England's Making Data Count, as NHSRplotthedots 0.2.2 computes them. What they mean
for a reader is in `docs/explanation/control-charts.md`.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from hedgerow_outcomes.errors import UnfitBaseline

# 3 / 1.128: how far three standard deviations are, in mean moving ranges of two points.
LIMIT = 2.66
NEAR_LIMIT = 2 * LIMIT / 3
SCREEN = 3.267
RUN = 7
FEWEST_POINTS = 13
FEWEST_BASELINE_POINTS = 12
# Below this part of the largest value, a difference is the rounding of binary numbers and not a fact.
_ROUNDING = 1e-12


class SpecialCause(StrEnum):
    """Why a point is not usual variation, in the order in which the rules take precedence."""

    ABOVE_LIMIT = "Above UCL"
    BELOW_LIMIT = "Below LCL"
    RISING = "7 Point Trend (Increasing)"
    FALLING = "7 Point Trend (Decreasing)"
    TWO_IN_THREE_ABOVE = "2 in 3 Above CL"
    TWO_IN_THREE_BELOW = "2 in 3 Below CL"
    SEVEN_ABOVE = "7 Points Above CL"
    SEVEN_BELOW = "7 Points Below CL"
    NONE = "Common Cause"


_HIGH = frozenset(
    (
        SpecialCause.ABOVE_LIMIT,
        SpecialCause.RISING,
        SpecialCause.TWO_IN_THREE_ABOVE,
        SpecialCause.SEVEN_ABOVE,
    )
)
_BETTER: Mapping[str | None, int] = {"higher": 1, "lower": -1}


class Limits(NamedTuple):
    """What a phase usually does. Without a pair of neighbouring points there is a mean and no limits."""

    mean: float
    lower: float | None
    upper: float | None


class Phase(NamedTuple):
    """Points `first` to `last` (both within) of a chart, judged by the same limits.

    basis: how many points the limits were computed from.
    """

    first: int
    last: int
    limits: Limits
    basis: int


class Chart(NamedTuple):
    """The phases in order, and of each point why it is special."""

    phases: list[Phase]
    causes: list[SpecialCause]


def natural_limits(values: Sequence[float], *, screen: bool = True) -> Limits:
    r"""The mean and the natural process limits of a series.

    .. math:: \bar x \pm 2.66 \cdot \overline{MR}, \quad MR_i = |x_i - x_{i-1}|

    values: at least one finite number, in the order of time. screen: leave out, once, the moving ranges of
    3.267 times their mean or more; the mean of the values keeps them all. A series that never moves has
    limits equal to its mean; a single value has no limits, nor have values so large that these leave the
    range of numbers.

    >>> natural_limits([2.0, 4.0, 3.0])  # mean 3, moving ranges 2 and 1: 3 +- 2.66 * 1.5
    Limits(mean=3.0, lower=-0.9900000000000002, upper=6.99)
    """
    mean = _mean(values)
    ranges = [abs(later - earlier) for earlier, later in pairwise(values)]
    if not ranges:
        return Limits(mean, None, None)
    average = _mean(ranges)
    if screen:
        kept = [moved for moved in ranges if moved < SCREEN * average]
        average = _mean(kept) if kept else average
    lower, upper = mean - LIMIT * average, mean + LIMIT * average
    return Limits(mean, lower, upper) if math.isfinite(upper - lower) else Limits(mean, None, None)


def chart(
    values: Sequence[float],
    *,
    starts: Sequence[int] = (),
    baseline: int | range | None = None,
    screen: bool = True,
) -> Chart:
    """The control chart of a series.

    values: finite numbers in the order of time; where a period has no value it is left out, so that its
    neighbours stand side by side and no run is broken. starts: the places at which a new phase begins (the
    first always does); rules look at one phase at a time. baseline: None, each phase's limits come from all
    its points; a number, from its first so many; a range of places, the limits of the whole chart come from
    those. screen: as in `natural_limits`.

    Raises UnfitBaseline where a baseline has fewer than 12 points, or a range is given together with starts.
    An empty series has no phases.
    """
    places = range(len(values))
    first_places = sorted({0, *(start for start in starts if start in places)})
    if isinstance(baseline, range) and len(first_places) > 1:
        raise UnfitBaseline("a baseline between two days and a rebase exclude one another")
    if baseline is not None and (length := len(baseline) if isinstance(baseline, range) else baseline) < (
        FEWEST_BASELINE_POINTS
    ):
        raise UnfitBaseline(
            f"a baseline needs at least {FEWEST_BASELINE_POINTS} points; this one has {length}"
        )
    if not values:
        return Chart([], [])
    phases: list[Phase] = []
    causes: list[SpecialCause] = []
    for first, after in zip(first_places, [*first_places[1:], len(values)], strict=True):
        of_phase = values[first:after]
        basis = _basis(values, of_phase, baseline)
        limits = natural_limits(basis, screen=screen)
        phases.append(Phase(first, after - 1, limits, len(basis)))
        causes += special_causes(of_phase, limits)
    return Chart(phases, causes)


def special_causes(values: Sequence[float], limits: Limits) -> list[SpecialCause]:
    """Why each point of a phase is special; the first of these that holds.

    1. It lies beyond a limit. 2. It is one of seven points that each rise above (fall below) the one before.
    3. It is one of at least two in three neighbours that lie beyond two thirds of the way to a limit, but not
    beyond it, with all three on one side of the mean. 4. It is one of seven neighbours on one side of the
    mean.

    A point on a limit is within it, a point on the mean is on no side, and equal neighbours end a trend. A
    point that ends one trend and begins another belongs to the one it begins.
    """
    rounding = _ROUNDING * max((abs(value) for value in values), default=0.0)
    side = [_sign(value - limits.mean, rounding) for value in values]
    beyond = [0] * len(values)
    near = [False] * len(values)
    if limits.lower is not None and limits.upper is not None:
        reach = (limits.upper - limits.mean) * NEAR_LIMIT / LIMIT
        beyond = [
            _sign(value - limits.upper, rounding) == 1 or -(_sign(value - limits.lower, rounding) == -1)
            for value in values
        ]
        near = [
            not out and abs(value - limits.mean) > reach + rounding
            for value, out in zip(values, beyond, strict=True)
        ]
    steps = [_sign(later - earlier, rounding) for earlier, later in pairwise(values)]
    trend = _windows(steps, RUN - 1, of_points=True)
    one_side = _windows(side, RUN, of_points=False)
    in_three = [0] * len(values)
    for start in range(len(values) - 2):
        if side[start] and len(set(side[start : start + 3])) == 1 and sum(near[start : start + 3]) >= 2:
            for place in range(start, start + 3):
                in_three[place] = side[place] if near[place] else in_three[place]
    rules = (
        (beyond, SpecialCause.ABOVE_LIMIT, SpecialCause.BELOW_LIMIT),
        (trend, SpecialCause.RISING, SpecialCause.FALLING),
        (in_three, SpecialCause.TWO_IN_THREE_ABOVE, SpecialCause.TWO_IN_THREE_BELOW),
        (one_side, SpecialCause.SEVEN_ABOVE, SpecialCause.SEVEN_BELOW),
    )
    return [
        next(
            (high if found[place] > 0 else low for found, high, low in rules if found[place]),
            SpecialCause.NONE,
        )
        for place in range(len(values))
    ]


def variation(cause: SpecialCause, polarity: str | None) -> str:
    """What a cause means for who wants the measure `higher` or `lower`; any other polarity judges nothing.

    >>> variation(SpecialCause.RISING, "lower")
    'special_cause_concern'
    """
    if cause is SpecialCause.NONE:
        return "common_cause"
    direction = 1 if cause in _HIGH else -1
    wanted = _BETTER.get(polarity)
    if wanted is None:
        return f"special_cause_neutral_{'high' if direction == 1 else 'low'}"
    return "special_cause_improvement" if direction == wanted else "special_cause_concern"


def assurance(limits: Limits, target: float | None, polarity: str | None) -> str | None:
    """Whether a process that goes on as it is will meet a target: `consistent_pass`, `consistent_fail`, or
    `inconsistent` where the target lies between the limits or on one. None without target, limits or
    polarity.

    >>> assurance(Limits(2, 1, 3), 4, "higher")
    'consistent_fail'
    """
    wanted = _BETTER.get(polarity)
    if target is None or wanted is None or limits.lower is None or limits.upper is None:
        return None
    if limits.lower <= target <= limits.upper:
        return "inconsistent"
    out_of_reach = 1 if target > limits.upper else -1
    return "consistent_fail" if out_of_reach == wanted else "consistent_pass"


def _basis(
    values: Sequence[float], of_phase: Sequence[float], baseline: int | range | None
) -> Sequence[float]:
    if isinstance(baseline, range):
        return values[baseline.start : baseline.stop]
    return of_phase if baseline is None else of_phase[:baseline]


def _windows(signs: Sequence[int], width: int, *, of_points: bool) -> list[int]:
    """Of each place, the sign of the last stretch of `width` equal signs, none of them 0, that it is in.

    of_points: the signs are steps between points: a stretch of them has one point more, and so has the
    answer.
    """
    longer = 1 if of_points else 0
    found = [0] * (len(signs) + longer)
    for start in range(len(signs) - width + 1):
        if signs[start] and len(set(signs[start : start + width])) == 1:
            for place in range(start, start + width + longer):
                found[place] = signs[start]
    return found


def _sign(difference: float, rounding: float) -> int:
    return 0 if abs(difference) <= rounding else (1 if difference > 0 else -1)


def _mean(values: Sequence[float]) -> float:
    # Each divided first where the sum would leave the range of numbers.
    total = sum(values)
    if not math.isfinite(total):
        return math.fsum(value / len(values) for value in values)
    return math.fsum(values) / len(values)
