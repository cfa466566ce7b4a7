"""When a feed is to be pulled: an interval, or a line as crontab has it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from croniter import croniter

from hedgerow_registry.errors import Malformed

LEAST: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(days=366)
TRIES: Final = 6
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_INTERVAL: Final = re.compile(r"P(?=.)(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,4})H)?(?:(\d{1,5})M)?)?", re.ASCII)


def schedule(text: str) -> str:
    """A schedule in its usual spelling: an interval (`P1D`, `PT6H`: ISO 8601) or five fields of crontab, UTC.

    Raises Malformed for what is neither, for less than five minutes and for a day that never comes.

    >>> schedule(" pt6h "), schedule("30 2 * * *")
    ('PT6H', '30 2 * * *')
    """
    said = " ".join(text.split())
    if (interval := _interval(said.upper())) is not None:
        if not LEAST <= interval <= LONGEST:
            raise Malformed("an interval lies between five minutes and a year")
        return said.upper()
    if len(said.split()) != 5 or not croniter.is_valid(said):
        raise Malformed("a schedule is an interval such as PT6H or P1D, or five fields such as 30 2 * * *")
    first = next_after(said, datetime(2026, 1, 1, tzinfo=UTC))
    for _ in range(60):
        second = next_after(said, first)
        if second - first < LEAST:
            raise Malformed("a feed is pulled every five minutes at most")
        first = second
    return said


def next_after(said: str, moment: datetime) -> datetime:
    """The first moment after another at which a schedule is due; an interval is counted from that other.

    >>> next_after("P1D", datetime(2026, 3, 1, tzinfo=UTC)).isoformat()
    '2026-03-02T00:00:00+00:00'
    >>> next_after("30 2 * * MON", datetime(2026, 3, 1, tzinfo=UTC)).isoformat()
    '2026-03-02T02:30:00+00:00'
    """
    interval = _interval(said)
    if interval is not None:
        return moment + interval
    try:
        found: datetime = croniter(said, moment.astimezone(UTC), max_years_between_matches=10).get_next(
            datetime
        )
    except ValueError:
        raise Malformed("no such day comes within ten years") from None
    return found


def pause_after(tries: int) -> timedelta | None:
    """How long to wait after so many tries that failed, at least one; `None` to give up.

    It doubles from a minute to an hour.

    >>> [str(pause_after(tries)) for tries in (1, 2, 5, 6)]
    ['0:01:00', '0:02:00', '0:16:00', 'None']
    """
    if tries >= TRIES:
        return None
    return min(_FIRST_PAUSE * (1 << (tries - 1)), _LONGEST_PAUSE)


def _interval(said: str) -> timedelta | None:
    found = _INTERVAL.fullmatch(said)
    if found is None:
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)
