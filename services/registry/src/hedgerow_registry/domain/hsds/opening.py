"""When a service is open, from the schedules of its record."""

import re
from dataclasses import dataclass
from datetime import time
from typing import Final

from hedgerow_registry.errors import Malformed

DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# A day may stand before the time, and hours alone where `am` or `pm` tells that they are some.
_TIME: Final = re.compile(
    r"(?:\d{4}-\d{2}-\d{2}[T ])?(\d{1,2})(?:[:.]?(\d{2})(?:[:.](\d{2})(?:\.\d+)?)?)?"
    r"(?: ?([ap])\.?m\.?)?(?:Z|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)


def weekday(text: str) -> str:
    """A day of the week as two letters; the name in English or its beginning is understood.

    >>> weekday("Monday"), weekday("tu")
    ('MO', 'TU')
    """
    said = text.strip().casefold()
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for code, name in zip(DAYS, names, strict=True):
        if len(said) >= 2 and name.startswith(said):
            return code
    raise Malformed("a day is one of MO, TU, WE, TH, FR, SA, SU")


def clock(text: str) -> time:
    """A time of day as on the clock; seconds may be left out, an offset is not applied, 24:00 is midnight.

    >>> clock("09:30"), clock("18:00:00Z"), clock("4.30 pm"), clock("2020-01-01T09:00:00")
    (datetime.time(9, 30), datetime.time(18, 0), datetime.time(16, 30), datetime.time(9, 0))
    """
    found = _TIME.fullmatch(text.strip())
    try:
        if found is None or not (found[2] or found[4]):
            raise ValueError
        hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
        if found[4] and hour <= 12:
            hour = hour % 12 + (12 if found[4] in "pP" else 0)
        return time(0 if (hour, minute, second) == (24, 0, 0) else hour, minute, second)
    except ValueError:
        raise Malformed("a time is written HH:MM") from None


@dataclass(frozen=True)
class Opening:
    """What is asked: a day of the week, opening no earlier than `start`, closing no later than `end`."""

    day: str | None = None
    start: time | None = None
    end: time | None = None

    def __bool__(self) -> bool:
        return (self.day, self.start, self.end) != (None, None, None)
