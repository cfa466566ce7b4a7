"""Minimum service levels: when a series falls below what was agreed, and when it recovers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from typing import NamedTuple

from hedgerow_outcomes.domain.periods import Period

HIGHER, LOWER = "higher", "lower"


class Level(NamedTuple):
    """What is agreed for a KPI: its minimum, its target if there is one, and which way is better."""

    minimum: float
    target: float | None
    better: str


class Observed(NamedTuple):
    """The value of a period, None if it is not known, and since when we know it."""

    period: Period
    value: float | None
    known_from: datetime


@dataclass(frozen=True)
class Breach:
    """Neighbouring periods below the minimum. closed: the first one that was not, None while it is open ·
    minimum: the one that the opening value missed · worst: the value furthest below · periods: how many
    """

    opened: Observed
    closed: Observed | None
    minimum: float
    worst: float
    periods: int


def is_below(value: float, level: Level) -> bool:
    """Whether a value misses the minimum; one that just reaches it does not.

    >>> is_below(94.9, Level(95, None, HIGHER)), is_below(95.0, Level(95, None, HIGHER))
    (True, False)
    >>> is_below(19, Level(18, None, LOWER))
    True
    """
    return value < level.minimum if level.better == HIGHER else value > level.minimum


def breaches(observed: Iterable[Observed], level_on: Callable[[date], Level | None]) -> list[Breach]:
    """The breaches of a series, in the order in which they opened.

    observed: of one KPI and one subject, any order · level_on: what was agreed on the last day of a period,
    None: nothing then, which closes what is open and opens nothing.

    Months, quarters and years are judged each among themselves. Each breach opens once and closes once; a
    value that is missing or suppressed does neither, and a period left out neither.
    """
    by_length: dict[str, list[Observed]] = {}
    for one in observed:
        if one.value is not None:
            by_length.setdefault(one.period.granularity, []).append(one)
    found = [breach for rows in by_length.values() for breach in _of_one_length(rows, level_on)]
    return sorted(found, key=lambda breach: breach.opened.period)


def _of_one_length(
    observed: Sequence[Observed], level_on: Callable[[date], Level | None]
) -> Iterable[Breach]:
    below: list[Observed] = []
    opened_at: Level | None = None
    for one in sorted(observed, key=lambda row: row.period):
        level = level_on(one.period.end)
        assert one.value is not None
        if level is not None and is_below(one.value, level):
            opened_at = opened_at or level
            below.append(one)
        elif below and opened_at is not None:
            yield _breach(below, one, opened_at)
            below, opened_at = [], None
    if below and opened_at is not None:
        yield _breach(below, None, opened_at)


def _breach(below: Sequence[Observed], closed: Observed | None, level: Level) -> Breach:
    values = [one.value for one in below if one.value is not None]
    worst = min(values) if level.better == HIGHER else max(values)
    return Breach(below[0], closed, level.minimum, worst, len(below))


def attainment(value: float | None, level: Level | None) -> float | None:
    """How far a value has come: 0 at the minimum, 1 at the target, in between and beyond in proportion.

    No step anywhere, so that a little more is always worth a little more. Without a target, or with one at
    the minimum, the distance from the minimum in parts of it. None where there is nothing to judge by.

    >>> attainment(90, Level(80, 100, HIGHER)), attainment(70, Level(80, 100, HIGHER))
    (0.5, -0.5)
    >>> attainment(15, Level(18, 12, LOWER))
    0.5
    """
    if value is None or level is None:
        return None
    sign = 1 if level.better == HIGHER else -1
    if level.target is not None and level.target != level.minimum:
        found = (value - level.minimum) / (level.target - level.minimum)
    elif level.minimum:
        found = sign * (value - level.minimum) / abs(level.minimum)
    else:
        return None
    return found if isfinite(found) else None
