"""Whether measures that should go together go apart: ours say better, and the people served say worse."""

from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import NamedTuple

from hedgerow_outcomes.domain.periods import Period

FEWEST_POINTS = 4
FLAT = 0.02


class Measured(NamedTuple):
    """A KPI's values for a subject, in the order of time. better: `higher` or `lower`"""

    kpi: str
    perspective: str
    better: str
    values: Sequence[tuple[Period, float]]


class Trend(NamedTuple):
    """How a KPI has moved. change: over the whole time, in parts of its median, positive for better ·
    direction: `better`, `worse` or `level`
    """

    kpi: str
    perspective: str
    change: float
    direction: str


class Divergence(NamedTuple):
    """Two KPIs of different perspectives over the same days, one better and one worse."""

    better: Trend
    worse: Trend
    start: str
    end: str


def trend(measured: Measured) -> Trend | None:
    """The trend of a KPI by the median of the slopes between all pairs of points (Theil–Sen).

    Within two hundredths of its median over the whole time it is level. None with fewer than four points, or
    where the median is 0, so that there is nothing to be a part of.
    """
    values = [value for _, value in measured.values]
    middle = median(values) if values else 0.0
    if len(values) < FEWEST_POINTS or not middle:
        return None
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(values), 2)]
    sign = 1 if measured.better == "higher" else -1
    change = sign * median(slopes) * (len(values) - 1) / abs(middle)
    direction = "level" if abs(change) <= FLAT else "better" if change > 0 else "worse"
    return Trend(measured.kpi, measured.perspective, change, direction)


def divergences(measured: Sequence[Measured]) -> list[Divergence]:
    """The pairs of KPIs of different perspectives that go apart, in the order of their ids.

    Each pair is judged over the days that both cover; a pair that has too few points there is not judged.
    """
    found = []
    for one, other in combinations(sorted(measured, key=lambda item: item.kpi), 2):
        if one.perspective == other.perspective:
            continue
        first, last = _shared(one, other)
        trends = [trend(_between(item, first, last)) for item in (one, other)]
        better = next((t for t in trends if t is not None and t.direction == "better"), None)
        worse = next((t for t in trends if t is not None and t.direction == "worse"), None)
        if better is not None and worse is not None:
            found.append(Divergence(better, worse, first, last))
    return found


def _shared(one: Measured, other: Measured) -> tuple[str, str]:
    starts = [item.values[0][0].start for item in (one, other) if item.values]
    ends = [item.values[-1][0].end for item in (one, other) if item.values]
    return (max(starts).isoformat(), min(ends).isoformat()) if len(starts) == 2 else ("", "")


def _between(measured: Measured, first: str, last: str) -> Measured:
    inside = [
        (period, value)
        for period, value in measured.values
        if period.start.isoformat() >= first and period.end.isoformat() <= last
    ]
    return measured._replace(values=inside)
