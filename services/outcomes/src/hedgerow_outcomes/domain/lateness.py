"""Whether the next value of a KPI is overdue, by how often it is measured."""

import calendar
from collections.abc import Mapping
from datetime import date, timedelta

GRACE_DAYS = 30
"""Days after the end of a period within which its value is expected, unless said otherwise."""

_MONTHS: Mapping[str, int] = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "annual": 12}
_DAYS: Mapping[str, int] = {"daily": 1, "weekly": 7}


def due(last: date, frequency: str | None, *, grace_days: int = GRACE_DAYS) -> date | None:
    """The day by which the value after a period was to be there; None where nobody has said how often.

    last: the last day of the latest period that has a value.

    >>> due(date(2025, 3, 31), "quarterly")
    datetime.date(2025, 7, 30)
    """
    if frequency is None:
        return None
    if frequency in _DAYS:
        end = last + timedelta(days=_DAYS[frequency])
    elif frequency in _MONTHS:
        end = _months_on(last, _MONTHS[frequency])
    else:
        return None
    return end + timedelta(days=grace_days)


def _months_on(day: date, months: int) -> date:
    # The end of a month goes to the end of a month: after 30 June comes 30 September, after 31 March 30 June.
    place = day.year * 12 + day.month - 1 + months
    year, month = place // 12, place % 12 + 1
    length = calendar.monthrange(year, month)[1]
    is_end = day.day == calendar.monthrange(day.year, day.month)[1]
    return date(year, month, length if is_end else min(day.day, length))
