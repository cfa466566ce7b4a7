"""Periods: the many spellings of council files, made one.

A period is its first and its last day; two spellings of the same days are the same period. How a spelling is
read, and what is refused as ambiguous, is told in `docs/reference/periods.md`.
"""

import calendar
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

EARLIEST_YEAR, LATEST_YEAR = 1900, 2099
_MONTHS_IN = {"month": 1, "quarter": 3, "half": 6, "year": 12}


class PeriodForm(StrEnum):
    """What the sender says of the periods of a file; settles spellings that have two readings."""

    AUTO = "auto"
    CALENDAR = "calendar"
    FINANCIAL = "financial"
    ACADEMIC = "academic"
    YEAR_END = "year_end"
    MONTH = "month"
    DATE = "date"
    SPAN = "span"


class Period(NamedTuple):
    """The days from `start` to `end`, both within the period."""

    start: date
    end: date

    @property
    def granularity(self) -> str:
        """`day`, `week`, `month`, `quarter`, `half`, `year`, `financial_year`, `academic_year` or `span`.

        >>> Period(date(2024, 4, 1), date(2025, 3, 31)).granularity
        'financial_year'
        """
        if self.start == self.end:
            return "day"
        if (self.end - self.start).days == 6 and self.start.weekday() == 0:
            return "week"
        months = _whole_months(self)
        if months == 12:
            return {1: "year", 4: "financial_year", 9: "academic_year"}.get(self.start.month, "span")
        for name, length in _MONTHS_IN.items():
            if months == length and (self.start.month - 1) % length == 0:
                return name
        return "span"

    @property
    def label(self) -> str:
        """The one spelling of a period; `parse_period` understands it (months: with the form `month`).

        >>> Period(date(2024, 1, 1), date(2024, 3, 31)).label
        '2024-Q1'
        >>> Period(date(2021, 10, 1), date(2022, 9, 30)).label
        '2021-10 to 2022-09'
        """
        start, end = self
        match self.granularity:
            case "day":
                return start.isoformat()
            case "week":
                iso = start.isocalendar()
                return f"{iso.year}-W{iso.week:02}"
            case "month":
                return f"{start:%Y-%m}"
            case "quarter":
                return f"{start.year}-Q{(start.month + 2) // 3}"
            case "half":
                return f"{start.year}-H{(start.month + 5) // 6}"
            case "year":
                return str(start.year)
            case "financial_year":
                return _split_year_label(start.year)
            case "academic_year":
                return f"{_split_year_label(start.year)} academic"
        months = _whole_months(self)
        if not months:
            return f"{start.isoformat()} to {end.isoformat()}"
        if months % 12 == 0 and start.month == 1:
            return f"{start.year} to {end.year}"
        if months % 12 == 0 and start.month == 4:
            return f"{_split_year_label(start.year)} to {_split_year_label(end.year - 1)}"
        return f"{start:%Y-%m} to {end:%Y-%m}"


def _split_year_label(year: int) -> str:
    return f"{year}/{(year + 1) % 100:02}"


def _whole_months(period: Period) -> int:
    """How many calendar months the period is; 0 if it begins or ends within one."""
    start, end = period
    if start.day != 1 or end.day != calendar.monthrange(end.year, end.month)[1]:
        return 0
    return (end.year - start.year) * 12 + end.month - start.month + 1


def months(year: int, month: int, length: int) -> Period:
    """The period of `length` whole months that begins with a month."""
    last = year * 12 + month - 1 + length - 1
    end_year, end_month = last // 12, last % 12 + 1
    return Period(
        date(year, month, 1), date(end_year, end_month, calendar.monthrange(end_year, end_month)[1])
    )


def day(on: date) -> Period:
    return Period(on, on)


def week(year: int, number: int) -> Period:
    """An ISO week, Monday to Sunday. Raises ValueError if the year has no such week."""
    monday = date.fromisocalendar(year, number, 1)
    return Period(monday, monday + timedelta(days=6))


def twelve_months_to(end: date) -> Period:
    """The year that ends with a day, e.g. 31 March 2024: 1 April 2023 to 31 March 2024."""
    after = end + timedelta(days=1)
    try:
        return Period(after.replace(year=after.year - 1), end)
    except ValueError:  # 29 February is the day after: the year began on 1 March
        return Period(date(after.year - 1, 3, 1), end)


def year_of(year: int, form: PeriodForm) -> Period:
    """The year that a bare number means: 2024 is January to December unless the form says otherwise."""
    match form:
        case PeriodForm.FINANCIAL:
            return months(year, 4, 12)
        case PeriodForm.ACADEMIC:
            return months(year, 9, 12)
        case PeriodForm.YEAR_END:
            return months(year - 1, 4, 12)
    return months(year, 1, 12)


def split_year(year: int, form: PeriodForm) -> Period:
    """The year that `2024/25` means: April to March, or September to August in the academic form."""
    return months(year, 9 if form is PeriodForm.ACADEMIC else 4, 12)


def part_of_year(year: Period, part: int, *, length: int) -> Period:
    """The part-th stretch of `length` months of a year: quarter 1 of 2024/25 is April to June 2024."""
    first = year.start.month - 1 + (part - 1) * length
    return months(year.start.year + first // 12, first % 12 + 1, length)
