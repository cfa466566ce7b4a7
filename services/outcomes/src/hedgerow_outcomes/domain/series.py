"""A series of periods as it comes: which of them can stand in one chart, and what is to be said of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from statistics import median

from hedgerow_outcomes.domain.periods import Period

# A length is so many months, or for what is shorter, so many days.
_Length = tuple[int, int]
_OF_FREQUENCY: Mapping[str | None, _Length] = {
    "daily": (0, 1),
    "weekly": (0, 7),
    "monthly": (1, 0),
    "quarterly": (3, 0),
    "half_yearly": (6, 0),
    "annual": (12, 0),
}
# Months have 28 to 31 days, quarters 90 to 92: a step of half as much again has left something out.
_A_GAP = 1.5
_MONTH_DAYS = 30.44


def of_one_length(periods: Sequence[Period], frequency: str | None) -> list[int]:
    """The places of the periods that one chart can show, in the order given.

    Months and the years they add up to do not belong in one series: those of the KPI's frequency are kept, or
    if there are none, those of the length that is commonest (of equally common ones the shortest). Whatever
    has as many months is of one length, in whichever month it begins: so are twelve months published every
    month, of which one is a calendar year and one a financial year.

    >>> from hedgerow_outcomes.domain.periods import months
    >>> of_one_length([months(2024, 1, 12), months(2024, 1, 1), months(2024, 2, 1)], None)
    [1, 2]
    """
    lengths = [_length(period) for period in periods]
    common = Counter(lengths)
    if not common:
        return []
    chosen = _OF_FREQUENCY.get(frequency)
    if chosen not in common:
        chosen = min(common, key=lambda length: (-common[length], length))
    return [place for place, length in enumerate(lengths) if length == chosen]


def gaps(periods: Sequence[Period]) -> list[tuple[Period, Period]]:
    """The pairs of neighbours between which a period was left out, by the usual step of the series.

    periods: of one length, in the order of time. The usual step is the median from beginning to beginning.
    """
    steps = [(later.start - earlier.start).days for earlier, later in pairwise(periods)]
    if not steps:
        return []
    longest = _A_GAP * median(steps)
    return [(periods[place], periods[place + 1]) for place, step in enumerate(steps) if step > longest]


def overlap(periods: Sequence[Period]) -> bool:
    """Whether any two neighbours share days: as twelve months do that are published every month."""
    return any(later.start <= earlier.end for earlier, later in pairwise(periods))


def place_from(periods: Sequence[Period], on: date) -> int:
    """The place of the first period that begins on a day or later; their number if none does."""
    return next((place for place, period in enumerate(periods) if period.start >= on), len(periods))


def places_between(periods: Sequence[Period], first: date, last: date) -> range:
    """The places of the periods that lie wholly between two days, both within."""
    within = [place for place, period in enumerate(periods) if period.start >= first and period.end <= last]
    return range(within[0], within[-1] + 1) if within else range(0)


def _length(period: Period) -> _Length:
    days = (period.end - period.start).days + 1
    months = round(days / _MONTH_DAYS)
    return (months, 0) if months else (0, days)
