"""When a service is open: the schedules of its record as rows that can be asked about one moment.

The times of a schedule are those of the clock on the wall where the service is, `Europe/London`: an offset
that a schedule states is not applied.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import MONTHLY, WEEKLY, rrule
from dateutil.rrule import weekday as rule_weekday

from hedgerow_registry.domain.hsds.opening import DAYS, clock, weekday
from hedgerow_registry.errors import Malformed

ZONE: Final = ZoneInfo("Europe/London")
MINUTES_A_DAY: Final = 1440
MOST_REPEATS: Final = 5_000
LONGEST_YEARS: Final = 20
MOST_EVERY: Final = 520
_BYDAY: Final = re.compile(r"([+-]?\d{1,2})?([A-Z]{2})", re.ASCII)


class OpeningTime(NamedTuple):
    """One span of opening hours on the days a rule names.

    place_id: the site of the schedule; `None`: the service as a whole
    weekday: 0 Monday … 6 Sunday; `None` where the rule names no day of the week
    opens, closes: minutes after midnight, `closes` not included; above 1440 it closes on the next day;
    `None`: not stated
    starts, ends: first and last day on which the rule holds; `None`: open
    every: each so many weeks or months from the anchor; 0: the rule cannot be told from what is stated
    monthly: the rule goes by months
    anchor: the week or month (see `week_number`, `month_number`) from which `every` counts
    nth: which one of these weekdays in the month, from the end where negative
    month_day: the day of the month, from the end where negative
    """

    place_id: str | None
    weekday: int | None
    opens: int | None
    closes: int | None
    starts: date | None
    ends: date | None
    every: int
    monthly: bool
    anchor: int | None
    nth: int | None
    month_day: int | None


class Moment(NamedTuple):
    """A moment on the clock of the place: a day and the minutes since its midnight.

    The day stands with all that a rule may ask of it, so that a database can compare.
    """

    day: date
    minute: int

    @property
    def weekday(self) -> int:
        return self.day.weekday()

    @property
    def nth(self) -> tuple[int, int]:
        """Which one of its weekdays the day is in its month: from the beginning, and from the end."""
        return (self.day.day - 1) // 7 + 1, -((_days_of_month(self.day) - self.day.day) // 7 + 1)

    @property
    def month_day(self) -> tuple[int, int]:
        """The day of the month: from the beginning, and from the end."""
        return self.day.day, self.day.day - _days_of_month(self.day) - 1

    def day_before(self) -> "Moment":
        """The same moment, told from the midnight before: 25:30 of yesterday is 01:30 of today."""
        return Moment(self.day - timedelta(days=1), self.minute + MINUTES_A_DAY)


def moment(instant: datetime) -> Moment:
    """A moment on the clock in London; an instant without an offset is taken to be one of that clock.

    >>> moment(datetime.fromisoformat("2026-07-01T08:30:00+00:00"))
    Moment(day=datetime.date(2026, 7, 1), minute=570)
    """
    there = instant if instant.tzinfo is None else instant.astimezone(ZONE)
    return Moment(there.date(), there.hour * 60 + there.minute)


def week_number(day: date) -> int:
    """The number of a week that begins on Monday, counted through the years."""
    return (day.toordinal() - 1) // 7


def month_number(day: date) -> int:
    """The number of a month, counted through the years."""
    return day.year * 12 + day.month - 1


def is_open(opening: OpeningTime, asked: Moment) -> bool:
    """Whether a moment lies in an opening time. Hours that are not stated are not known to be open.

    >>> nights = OpeningTime(None, 4, 22 * 60, 26 * 60, None, None, 1, False, None, None, None)
    >>> is_open(nights, Moment(date(2026, 11, 28), 60))  # Saturday, one in the morning
    True
    """
    return _spans(opening, asked) or _spans(opening, asked.day_before())


def _spans(opening: OpeningTime, asked: Moment) -> bool:
    if opening.opens is None or opening.closes is None:
        return False
    return opening.opens <= asked.minute < opening.closes and _falls_on(opening, asked)


def _falls_on(opening: OpeningTime, asked: Moment) -> bool:
    if opening.every == 0 or (opening.weekday is None and opening.month_day is None):
        return False
    number = month_number(asked.day) if opening.monthly else week_number(asked.day)
    return (
        (opening.weekday is None or opening.weekday == asked.weekday)
        and (opening.starts is None or opening.starts <= asked.day)
        and (opening.ends is None or asked.day <= opening.ends)
        and (opening.nth is None or opening.nth in asked.nth)
        and (opening.month_day is None or opening.month_day in asked.month_day)
        and (
            opening.every == 1
            or (opening.anchor is not None and (number - opening.anchor) % opening.every == 0)
        )
    )


def blocks(weekday: int, opens: int, closes: int) -> Iterator[str]:
    """The spans of three hours of the week that hours touch, as `day.span`; past midnight the next day's.

    >>> list(blocks(6, 9 * 60, 13 * 60)), list(blocks(6, 22 * 60, 25 * 60))
    (['6.3', '6.4'], ['6.7', '0.0'])
    """
    for span in range(opens // 180, -(-closes // 180)):
        yield f"{(weekday + span // 8) % 7}.{span % 8}"


def block(asked: Moment) -> str:
    """The span of three hours of the week that a moment lies in."""
    return f"{asked.weekday}.{asked.minute // 180}"


def openings(document: Mapping[str, Any] | None) -> list[OpeningTime]:
    """The opening times of a nested record: of the service and of each of its places, none twice, in order.

    A schedule without days falls on the weekday of its first date. Days are kept also where no hours are
    stated, and hours also where no day is. A weekly or monthly rule with `interval`, `count`, `until`,
    `byday` and `bymonthday` is understood as RFC 5545 says; one by numbers of weeks or days of the year is
    kept with `every` 0.
    """
    made: dict[OpeningTime, None] = {}
    for place_id, schedule in _schedules(document or {}):
        made |= dict.fromkeys(
            found if place_id is None else found._replace(place_id=place_id)
            for found in _of_rule(*map(schedule.get, _RULE))
        )
    return list(made)


# All that a schedule is read by; the same rule stands in many records.
_RULE: Final = (
    "dtstart", "freq", "byday", "bymonthday", "valid_from", "until", "valid_to", "interval", "byweekno",
    "byyearday", "count", "opens_at", "closes_at",
)  # fmt: skip


@lru_cache(maxsize=4096)
def _of_rule(*said: Any) -> tuple[OpeningTime, ...]:
    return tuple(_of_schedule(None, dict(zip(_RULE, said, strict=True))))


def _schedules(document: Mapping[str, Any]) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    for schedule in document.get("schedules") or ():
        yield None, schedule
    for place in document.get("service_at_locations") or ():
        location = place.get("location") or {}
        for schedule in (*(place.get("schedules") or ()), *(location.get("schedules") or ())):
            yield place.get("id"), schedule


def _of_schedule(place_id: str | None, schedule: Mapping[str, Any]) -> Iterable[OpeningTime]:
    first = _day(schedule.get("dtstart"))
    monthly = schedule.get("freq") == "MONTHLY"
    days = list(_days(schedule))
    if not days and first is not None and not monthly:
        days = [(None, first.weekday())]
    month_days = _numbers(schedule.get("bymonthday"), 31)
    if monthly and not days and not month_days and first is not None:
        month_days = [first.day]
    if any(nth is not None for nth, _ in days) and schedule.get("freq") is None:
        monthly = True
    starts = _latest(first, _day(schedule.get("valid_from")))
    ends = _earliest(_day(schedule.get("until")), _day(schedule.get("valid_to")))
    every = 1 if schedule.get("interval") is None else int(schedule["interval"])
    if not 1 <= every <= MOST_EVERY or schedule.get("byweekno") or schedule.get("byyearday"):
        every = 0
    if every and schedule.get("count") is not None and first is not None:
        counted = _last_of(first, int(schedule["count"]), every, monthly, days, month_days)
        ends = _earliest(ends, counted)
    opens, closes = hours(schedule.get("opens_at"), schedule.get("closes_at"))
    anchor = None
    if every > 1 and starts is not None:
        begun = first or starts
        anchor = month_number(begun) if monthly else week_number(begun)
    named: list[tuple[int | None, int | None]] = [*days] or [(None, None)]
    dated: list[int | None] = [*month_days] or [None]
    for nth, day in named:
        for month_day in dated:
            if not (day is month_day is opens is closes is None):
                yield OpeningTime(
                    place_id, day, opens, closes, starts, ends, every, monthly, anchor,
                    nth if monthly else None, month_day,
                )  # fmt: skip


def hours(opens_at: Any, closes_at: Any) -> tuple[int | None, int | None]:
    """The hours of a schedule in minutes after midnight; one that closes before it opens closes the next day.

    >>> hours("22:00", "02:00"), hours("00:00", "00:00"), hours("9.30", None)
    ((1320, 1560), (0, 1440), (570, None))
    """
    opens, closes = _minute(opens_at), _minute(closes_at)
    if opens is not None and closes is not None and closes <= opens:
        closes += MINUTES_A_DAY
    return opens, closes


def _days(schedule: Mapping[str, Any]) -> Iterator[tuple[int | None, int]]:
    for part in str(schedule.get("byday") or "").split(","):
        found = _BYDAY.fullmatch(part.strip().upper())
        if found is not None and found[2] in DAYS:
            yield (int(found[1]) or None) if found[1] else None, DAYS.index(found[2])
        elif part.strip():
            try:
                yield None, DAYS.index(weekday(part))
            except Malformed:
                continue


def _numbers(text: Any, most: int) -> list[int]:
    said = (part.strip() for part in str(text or "").split(","))
    numbers = (int(part) for part in said if re.fullmatch(r"[+-]?\d{1,3}", part, re.ASCII))
    return [number for number in numbers if 1 <= abs(number) <= most]


def _last_of(
    first: date,
    count: int,
    every: int,
    monthly: bool,
    days: list[tuple[int | None, int]],
    month_days: list[int],
) -> date | None:
    """The day of the last of `count` repeats; `None` where that is further off than anybody plans."""
    if not 1 <= count <= MOST_REPEATS or first.year > date.max.year - LONGEST_YEARS:
        return None
    rule = rrule(
        MONTHLY if monthly else WEEKLY,
        dtstart=datetime.combine(first, time()),
        interval=every,
        until=datetime.combine(date(first.year + LONGEST_YEARS, 1, 1), time()),
        byweekday=[rule_weekday(day, nth if monthly else None) for nth, day in days] or None,
        bymonthday=month_days or None,
    )
    last = next(islice(rule, count - 1, None), None)
    return None if last is None else last.date()


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if isinstance(text, str) else None
    except ValueError:
        return None


def _minute(text: Any) -> int | None:
    try:
        said = clock(text) if isinstance(text, str) else None
    except Malformed:
        return None
    return None if said is None else said.hour * 60 + said.minute


def _latest(*days: date | None) -> date | None:
    return max((day for day in days if day is not None), default=None)


def _earliest(*days: date | None) -> date | None:
    return min((day for day in days if day is not None), default=None)


def _days_of_month(day: date) -> int:
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1) if day < date(9999, 12, 1) else None
    return 31 if following is None else (following - timedelta(days=1)).day
