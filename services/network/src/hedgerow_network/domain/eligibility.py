"""Whom a service is open to: ages, and circumstances; and cohorts that are asked about."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isinf

from hedgerow_network.errors import MalformedCohort

OLDEST = 130
"""The highest age that can be asked about."""

NONE, PART, WHOLE = range(3)
"""How much of a cohort a service accepts."""


@dataclass(frozen=True, order=True)
class Ages:
    """People from their `low`-th birthday until the day before their `high`-th; years, 0 <= low < high.

    Ages are half-open intervals so that 0–15 and 16–17 meet without overlapping: who is 15 and eleven months
    is 15.
    """

    low: float
    high: float

    def __and__(self, other: "Ages") -> "Ages | None":
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Ages(low, high) if low < high else None

    def holds(self, other: "Ages") -> bool:
        return self.low <= other.low and other.high <= self.high

    def __str__(self) -> str:
        """In completed years, as it would be asked for.

        >>> str(Ages(16, 18)), str(Ages(65, inf)), str(Ages(17, 18)), str(Ages(0.5, 1.25))
        ('16-17', '65+', '17', '0.5-1.25')
        """
        if isinf(self.high):
            return f"{self.low:g}+"
        last = self.high - 1 if self.high == int(self.high) and self.high - 1 >= self.low else self.high
        return f"{self.low:g}" if last == self.low else f"{self.low:g}-{last:g}"


ALL_AGES = Ages(0.0, inf)


def ages(minimum: float | None, maximum: float | None) -> Ages:
    """The ages that two stated bounds accept; a bound that is not stated is open.

    A maximum in whole years accepts people until their next birthday; a broken one (0.5: half a year) up to
    that age. Bounds out of order accept what lies between them.

    >>> ages(None, 15), ages(18, None), ages(0, 0.5)
    (Ages(low=0.0, high=16.0), Ages(low=18.0, high=inf), Ages(low=0.0, high=0.5))
    """
    low = 0.0 if minimum is None else float(minimum)
    if maximum is None:
        return Ages(low, inf)
    high = float(maximum) + 1 if float(maximum).is_integer() else float(maximum)
    return Ages(low, high) if low < high else Ages(min(low, high), max(low, high) + 1)


def united(intervals: Iterable[Ages]) -> list[Ages]:
    """The same ages as the fewest intervals, ascending.

    >>> united([Ages(18, 25), Ages(0, 16), Ages(16, 18)])
    [Ages(low=0, high=25)]
    """
    made: list[Ages] = []
    for one in sorted(intervals):
        if made and one.low <= made[-1].high:
            made[-1] = Ages(made[-1].low, max(made[-1].high, one.high))
        else:
            made.append(one)
    return made


def left_out(of: Ages, accepted: Iterable[Ages]) -> list[Ages]:
    """The ages within `of` that none of the intervals accepts, ascending; exact.

    >>> left_out(ALL_AGES, [Ages(0, 16), Ages(18, inf)])
    [Ages(low=16, high=18)]
    """
    found, reached = [], of.low
    for one in united(accepted):
        if one.low > reached and reached < of.high:
            found.append(Ages(reached, min(one.low, of.high)))
        reached = max(reached, one.high)
    if reached < of.high:
        found.append(Ages(reached, of.high))
    return found


@dataclass(frozen=True)
class Cohort:
    """People of certain ages, in certain circumstances; without circumstances: whatever theirs are."""

    ages: Ages = ALL_AGES
    circumstances: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is asked for.

        >>> str(Cohort(Ages(16, 18), ("care-leaver",)))
        '16-17;care-leaver'
        """
        said = [] if self.ages == ALL_AGES else [str(self.ages)]
        return ";".join([*said, *self.circumstances])


_AGES = re.compile(r"(\d{1,3})\s*(?:(\+)|[-–]\s*(\d{1,3}))?", re.ASCII)
_CIRCUMSTANCE = re.compile(r"[^\W_][\w .:'()/&-]{0,199}")


def circumstance(said: str) -> str:
    """A circumstance in the form it is compared in: letter case, spaces and hyphens aside.

    >>> circumstance(" Care  Leaver")
    'care-leaver'
    """
    return "-".join(said.casefold().replace("_", " ").replace("-", " ").split())


def read_cohort(said: str | None) -> Cohort | None:
    """The cohort that a text names: an age range (`16-17`, `65+`, `17`), circumstances, or both, parted by
    `;`. None for no text. Raises MalformedCohort.

    >>> read_cohort("16-17; Care leaver")
    Cohort(ages=Ages(low=16.0, high=18.0), circumstances=('care-leaver',))
    """
    parts = [part.strip() for part in (said or "").split(";") if part.strip()]
    if not parts:
        return None
    ranges = [found for part in parts if (found := _AGES.fullmatch(part))]
    named = [part for part in parts if not _AGES.fullmatch(part)]
    if len(ranges) > 1 or not all(_CIRCUMSTANCE.fullmatch(part) for part in named):
        raise MalformedCohort
    return Cohort(
        ages=_range(ranges[0]) if ranges else ALL_AGES,
        circumstances=tuple(sorted({circumstance(part) for part in named})),
    )


def _range(found: re.Match[str]) -> Ages:
    low, open_ended, last = int(found[1]), found[2], found[3]
    high = inf if open_ended else float(int(last or low) + 1)
    if low > OLDEST or (high < inf and high > OLDEST + 1) or high <= low:
        raise MalformedCohort
    return Ages(float(low), high)


def accepts(accepted: Ages, circumstances: Sequence[str], cohort: Cohort) -> int:
    """How much of a cohort a service for certain ages and circumstances accepts: NONE, PART or WHOLE.

    circumstances: any one of them is enough; empty = whatever they are. A service for certain circumstances
    accepts a part of a cohort that is not about circumstances, and nothing of one about others.

    >>> accepts(Ages(0, 16), (), Cohort(Ages(10, 18))), accepts(ALL_AGES, ("carer",), Cohort(Ages(10, 18)))
    (1, 1)
    """
    if accepted & cohort.ages is None:
        return NONE
    if circumstances and cohort.circumstances and not set(circumstances) & set(cohort.circumstances):
        return NONE
    if circumstances and not cohort.circumstances:
        return PART
    return WHOLE if accepted.holds(cohort.ages) else PART
