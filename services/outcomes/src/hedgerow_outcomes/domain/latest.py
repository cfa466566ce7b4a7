"""Which of a subject's observations of a KPI is the latest, and which one it is to be compared with."""

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import NamedTuple

from hedgerow_outcomes.domain.periods import Period


class Point(NamedTuple):
    period: Period
    value: float | None


def latest_and_previous(points: Sequence[Point]) -> tuple[int, int | None]:
    """The places of the latest point and of the one before it.

    points: at least one, in any order. Points without a value are passed over, unless there is no other.

    The latest ends last; of those that end on one day, the shortest. The one before it is as long a period
    (day, month, quarter, year ...) that ends earlier, the nearest of those; None if there is none. Spans,
    such as twelve months published every month, are compared with spans of the same number of days, give or
    take two.

    >>> from datetime import date
    >>> from hedgerow_outcomes.domain.periods import months
    >>> year, q3, q4 = months(2024, 1, 12), months(2024, 7, 3), months(2024, 10, 3)
    >>> latest_and_previous([Point(year, 9.0), Point(q3, 2.0), Point(q4, 3.0)])
    (2, 1)
    """
    valued = [place for place, point in enumerate(points) if point.value is not None] or list(
        range(len(points))
    )
    ordered = sorted(valued, key=lambda place: (points[place].period.end, points[place].period.start))
    latest = ordered[-1]
    for place in reversed(ordered[:-1]):
        if _comparable(points[latest].period, points[place].period):
            return latest, place
    return latest, None


def change(latest: float | None, previous: float | None) -> float | None:
    """How much the value has changed, as the figures are written: 7.8 after 7.6 is 0.2.

    None where one of them has no value, or the change is too large for a number.

    >>> change(7.8, 7.6)
    0.2
    """
    if latest is None or previous is None:
        return None
    difference = float(Decimal(repr(latest)) - Decimal(repr(previous)))
    return difference if isfinite(difference) else None


def _comparable(latest: Period, other: Period) -> bool:
    if other.end >= latest.end or other.granularity != latest.granularity:
        return False
    return latest.granularity != "span" or abs(_days(latest) - _days(other)) <= 2


def _days(period: Period) -> int:
    return (period.end - period.start).days
