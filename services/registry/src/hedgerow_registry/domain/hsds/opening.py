"""When a service is open, from the schedules of its record."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final

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


def is_open(document: Mapping[str, Any], asked: Opening) -> bool:
    """Whether one schedule of a service, or of one of its places, answers all that is asked.

    A schedule without the day or the time that is asked for does not answer it. Whether it has begun or ended
    is not asked.
    """
    return any(_answers(schedule, asked) for schedule in _schedules(document))


def _schedules(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from document.get("schedules", ())
    for place in document.get("service_at_locations", ()):
        yield from place.get("schedules", ())
        yield from (place.get("location") or {}).get("schedules", ())


def _answers(schedule: Mapping[str, Any], asked: Opening) -> bool:
    if asked.day is not None and asked.day not in days(schedule):
        return False
    opens, closes = _clock(schedule.get("opens_at")), _clock(schedule.get("closes_at"))
    if asked.start is not None and (opens is None or opens < asked.start):
        return False
    return asked.end is None or (closes is not None and closes <= asked.end)


def days(schedule: Mapping[str, Any]) -> set[str]:
    """The days of the week a schedule falls on: those it names, else the day of its first date (RFC 5545).

    >>> sorted(days({"byday": "MO,-1FR"})), days({"dtstart": "2026-11-22"})
    (['FR', 'MO'], {'SU'})
    """
    named = set()
    for part in str(schedule.get("byday") or "").split(","):
        found = re.fullmatch(r"[+-]?\d{0,2}([A-Z]{2})", part.strip().upper())
        if found is not None and found[1] in DAYS:
            named.add(found[1])
        elif part.strip():
            try:
                named.add(weekday(part))
            except Malformed:
                continue
    first = schedule.get("dtstart")
    if not named and isinstance(first, str) and schedule.get("freq") in (None, "WEEKLY"):
        return {DAYS[date.fromisoformat(first).weekday()]}
    return named


def _clock(text: Any) -> time | None:
    try:
        return clock(text) if isinstance(text, str) else None
    except Malformed:
        return None
