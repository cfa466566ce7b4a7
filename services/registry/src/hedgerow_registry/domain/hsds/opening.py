"""When a service is open, from the schedules of its record."""

import re
from dataclasses import dataclass
from datetime import time
from typing import Final

from hedgerow_registry.errors import Malformed

DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_TIME: Final = re.compile(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?", re.ASCII)


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
    """A time of day as it is on the clock; seconds may be left out, an offset is not applied.

    >>> clock("09:30"), clock("18:00:00Z")
    (datetime.time(9, 30), datetime.time(18, 0))
    """
    found = _TIME.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        return time(int(found[1]), int(found[2]), int(found[3] or 0))
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
