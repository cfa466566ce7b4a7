"""When services are open, from the opening times that they state."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time

from hedgerow_network.errors import MalformedMoment

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Opening:
    """A time at which a service, or a place of it, is open again and again.

    days: of DAYS, empty = not stated · opens, closes: on the clock, closing before opening = past midnight ·
    first, last: the days between which it holds, None = open
    """

    days: tuple[str, ...] = ()
    opens: time | None = None
    closes: time | None = None
    first: date | None = None
    last: date | None = None

    def holds_on(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Moment:
    """A day of the week, and perhaps a time on it."""

    day: str
    at: time | None = None

    def __str__(self) -> str:
        return self.day if self.at is None else f"{self.day} {self.at:%H:%M}"

    @property
    def named(self) -> str:
        """In words.

        >>> Moment("SA", time(18, 30)).named
        'on Saturday at 18:30'
        """
        name = _NAMES[DAYS.index(self.day)]
        return f"on {name}" if self.at is None else f"on {name} at {self.at:%H:%M}"


_MOMENT = re.compile(r"([A-Za-z]{2,9})(?:[ T]([01]?\d|2[0-3]):([0-5]\d))?", re.ASCII)


def read_moment(said: str | None) -> Moment | None:
    """The moment that a text names: `SA`, `Saturday`, `SA 18:30`. None for no text. Raises MalformedMoment.

    >>> str(read_moment("saturday 9:05"))
    'SA 09:05'
    """
    if said is None or not said.strip():
        return None
    found = _MOMENT.fullmatch(said.strip())
    day = None
    if found is not None:
        spelled = found[1].casefold()
        day = next((code for code, name in zip(DAYS, _NAMES, strict=True) if _names(spelled, name)), None)
    if found is None or day is None:
        raise MalformedMoment
    return Moment(day, time(int(found[2]), int(found[3])) if found[2] else None)


def _names(spelled: str, name: str) -> bool:
    return name.casefold().startswith(spelled) and (len(spelled) in (2, 3, 4) or spelled == name.casefold())


def not_open(openings: Sequence[Opening], day: date, moment: Moment | None) -> str | None:
    """Why a service is not open on a date, or at a moment of the week about that date; None if it is.

    A service that states no times is taken to be open, unless a moment is asked for: nobody knows then.

    >>> not_open([Opening(last=date(2025, 7, 20))], date(2025, 9, 1), None)
    'Its opening times ended on 2025-07-20.'
    """
    if not openings:
        return None if moment is None else f"Whether it is open {moment.named} is not stated."
    current = [one for one in openings if one.holds_on(day)]
    if not current:
        later = [one.first for one in openings if one.first is not None and one.first > day]
        if later:
            return f"Its opening times begin on {min(later).isoformat()}."
        ended = max(one.last for one in openings if one.last is not None)
        return f"Its opening times ended on {ended.isoformat()}."
    if moment is None or any(open_then(one, moment) for one in current):
        return None
    if all(not one.days or (moment.at and (one.opens is None or one.closes is None)) for one in current):
        return f"Whether it is open {moment.named} is not stated."
    return f"It is not open {moment.named}."


def open_then(one: Opening, moment: Moment) -> bool:
    """Whether an opening time holds at a moment of the week; hours not stated do not answer a time."""
    if moment.at is None:
        return moment.day in one.days
    if one.opens is None or one.closes is None:
        return False
    if one.opens < one.closes:
        return moment.day in one.days and one.opens <= moment.at < one.closes
    # Past midnight: the evening belongs to the day named, the small hours to the day after.
    before = DAYS[DAYS.index(moment.day) - 1]
    return (moment.day in one.days and one.opens <= moment.at) or (
        before in one.days and moment.at < one.closes
    )
