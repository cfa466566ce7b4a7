"""Reading the spelling of a period. What comes out is in `periods`."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date

from hedgerow_outcomes.domain.periods import (
    EARLIEST_YEAR,
    LATEST_YEAR,
    Period,
    PeriodForm,
    day,
    months,
    part_of_year,
    split_year,
    twelve_months_to,
    week,
    year_of,
)
from hedgerow_outcomes.errors import AmbiguousPeriod, UnknownPeriod

LONGEST_SPELLING = 60
# `2010-12` is December 2010 or three years; `2022-05` can only be a month, as nobody writes 2022 to 2105.
_LONGEST_SPAN_YEARS = 10

_MONTH_NAMES = {
    name: number
    for number, names in enumerate(
        (
            "jan january",
            "feb february",
            "mar march",
            "apr april",
            "may",
            "jun june",
            "jul july",
            "aug august",
            "sep sept september",
            "oct october",
            "nov november",
            "dec december",
        ),
        start=1,
    )
    for name in names.split()
}
_NAME = r"([a-z]{3,9})"
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))

_Reader = Callable[[re.Match[str], PeriodForm], Period]


def parse_period(text: str, form: PeriodForm = PeriodForm.AUTO) -> Period:
    """The period that a text spells.

    text: any of the spellings of `docs/reference/periods.md`; blanks around it and letter case do not matter.
    form: what is known of the file's periods; settles spellings with two readings. With `month` and `date`
    only months and days are taken in.

    Raises AmbiguousPeriod when the text has two readings and the form does not choose, UnknownPeriod when it
    has none, or lies outside 1900 to 2099, or ends before it begins.

    >>> parse_period("2023/24 Q4").label
    '2024-Q1'
    >>> parse_period("2024-25") == parse_period("2024/25") == parse_period("Apr 2024-Mar 2025")
    True
    """
    spelling = _plain(text)
    if not spelling:
        raise UnknownPeriod("the period is blank")
    if len(spelling) > LONGEST_SPELLING:
        raise UnknownPeriod(f"longer than {LONGEST_SPELLING} characters")
    period = _year_ending(spelling, form) or _point(spelling, form) or _range(spelling, form)
    if period is None:
        raise UnknownPeriod("no known spelling of a period")
    if period.end < period.start:
        raise UnknownPeriod("the period ends before it begins")
    if not EARLIEST_YEAR <= period.start.year <= period.end.year <= LATEST_YEAR:
        raise UnknownPeriod(f"outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    if form in (PeriodForm.MONTH, PeriodForm.DATE):
        wanted = "month" if form is PeriodForm.MONTH else "day"
        if period.granularity != wanted:
            raise UnknownPeriod(f"not a {wanted}, and period={form} says that all are")
    return period


def _plain(text: str) -> str:
    spelling = unicodedata.normalize("NFKC", text).translate(_DASHES).casefold()
    return " ".join(spelling.split()).rstrip(".")


def _year_ending(spelling: str, form: PeriodForm) -> Period | None:
    found = re.fullmatch(
        r"(?:(?:year|12 months|twelve months) (?:ending|ended|to|end)|ye|y/e) (.+)", spelling
    )
    if found is None:
        return None
    last = _point(found[1], PeriodForm.MONTH if form is PeriodForm.MONTH else PeriodForm.AUTO)
    if last is None or (last.end - last.start).days > 31:
        raise UnknownPeriod("a year ends with a day or a month")
    return twelve_months_to(last.end)


def _point(spelling: str, form: PeriodForm) -> Period | None:
    """A period that is written as one: a day, week, month, quarter, half or year."""
    for pattern, read in _POINTS:
        found = pattern.fullmatch(spelling)
        if found is not None:
            try:
                return read(found, form)
            except ValueError:
                raise UnknownPeriod("no such day, week or month in the calendar") from None
    return None


def _range(spelling: str, form: PeriodForm) -> Period | None:
    """A period written as its two ends."""
    whole_years = re.fullmatch(r"(\d{4}) ?(-|to) ?(\d{4}|\d{2})", spelling)
    if whole_years:
        first = int(whole_years[1])
        last = _later_year(first, whole_years[3])
        return Period(year_of(first, form).start, year_of(last, form).end)
    shared_year = re.fullmatch(rf"{_NAME} ?(?:-|to) ?{_NAME} (\d{{4}})", spelling)
    if shared_year and shared_year[1] in _MONTH_NAMES and shared_year[2] in _MONTH_NAMES:
        first, last = _MONTH_NAMES[shared_year[1]], _MONTH_NAMES[shared_year[2]]
        year = int(shared_year[3])
        # "Oct-Mar 2024" names the year it ends in.
        return months(year - (first > last), first, (last - first) % 12 + 1)
    for separator in (" to ", " - ", "/", "-"):
        for place in _places(spelling, separator):
            left, right = spelling[:place].strip(), spelling[place + len(separator) :].strip()
            start, end = _end_of_range(left, form), _end_of_range(right, form)
            if start is not None and end is not None:
                return Period(start.start, end.end)
    return None


def _places(spelling: str, separator: str) -> list[int]:
    found = [match.start() for match in re.finditer(re.escape(separator), spelling)]
    # An ISO interval has one slash and dates full of hyphens: only the middle one can part two like halves.
    return found if len(found) < 2 else [found[len(found) // 2]]


def _end_of_range(spelling: str, form: PeriodForm) -> Period | None:
    """One end of a range, where a month with its number has one reading: `2010-12 to 2011-03`."""
    month = re.fullmatch(r"(\d{4})-(\d{2})", spelling)
    if month and 1 <= int(month[2]) <= 12:
        return months(int(month[1]), int(month[2]), 1)
    short_split = re.fullmatch(r"(\d\d)[/-](\d\d)", spelling)
    if short_split and _consecutive(int(short_split[1]), int(short_split[2])):
        return split_year(_century(short_split[1]), form)
    plain = PeriodForm.AUTO if form in (PeriodForm.YEAR_END, PeriodForm.SPAN, PeriodForm.MONTH) else form
    return _point(spelling, plain)


def _day(year: str, month: int | str, on: str, form: PeriodForm) -> Period:
    it = date(int(year) if len(year) == 4 else _century(year), int(month), int(on))
    match form:
        case PeriodForm.MONTH:
            return months(it.year, it.month, 1)
        case PeriodForm.YEAR_END:
            return twelve_months_to(it)
    return day(it)


def _month(year: str, month: int | str, form: PeriodForm) -> Period:
    it = months(int(year) if len(year) == 4 else _century(year), int(month), 1)
    return twelve_months_to(it.end) if form is PeriodForm.YEAR_END else it


def _named_month(name: str, year: str, form: PeriodForm) -> Period:
    if name not in _MONTH_NAMES:
        raise UnknownPeriod("no known spelling of a period")
    return _month(year, _MONTH_NAMES[name], form)


def _day_or_month(found: re.Match[str], form: PeriodForm) -> Period:
    """`24-May`: 24 May of no year, or May 2024."""
    number, name = found[1], found[2]
    if name in _MONTH_NAMES and form is not PeriodForm.MONTH and 1 <= int(number) <= 31:
        raise AmbiguousPeriod("a day of the month or a month of the year: say period=month for the second")
    return _named_month(name, number, form)


def _named_day(found: re.Match[str], form: PeriodForm) -> Period:
    if found[2] not in _MONTH_NAMES:
        raise UnknownPeriod("no known spelling of a period")
    return _day(found[3], _MONTH_NAMES[found[2]], found[1], form)


def _year_and_two(found: re.Match[str], form: PeriodForm) -> Period:
    """`2024-25`, `2024/25`, `2019-21`, `2022-05`: two years, several years, or a month.

    Following years are a split year. A later year within ten makes a span. A number of 01 to 12 is a month;
    if it could be a year as well, only the form can tell, unless it is written as no month is: with blanks,
    or (for a split year) with a slash.
    """
    year, separator, tail = int(found[1]), found[2], found[3]
    number = int(tail)
    last = _later_year(year, tail)
    may_be_month = 1 <= number <= 12 and " " not in separator
    may_be_years = last - year <= _LONGEST_SPAN_YEARS or not may_be_month
    follows = last == year + 1
    if form is PeriodForm.MONTH:
        if not may_be_month:
            raise UnknownPeriod("not a month, and period=month says that all are")
        return _month(found[1], number, form)
    settled = form not in (PeriodForm.AUTO, PeriodForm.DATE)
    if not may_be_month and last - year > 50 and form is not PeriodForm.SPAN:
        raise UnknownPeriod(f"{number} is no month of {year}, nor a year that follows it")
    if may_be_month and not may_be_years:
        return _month(found[1], number, form)
    if may_be_month and not settled and not (follows and separator == "/"):
        raise AmbiguousPeriod(
            f"month {number} of {year} or the years {year} to {last}: "
            "say period=month, or period=financial, academic, calendar or span"
        )
    if follows and form is not PeriodForm.SPAN:
        return split_year(year, form)
    return Period(year_of(year, form).start, year_of(last, form).end)


def _two_years(found: re.Match[str], form: PeriodForm) -> Period:
    first, last = int(found[1]), int(found[2])
    if last == first + 1 and form is not PeriodForm.SPAN:
        return split_year(first, form)
    if "/" in found[0]:
        raise UnknownPeriod("the years of a split year follow one another")
    return Period(year_of(first, form).start, year_of(last, form).end)


def _short_split_year(found: re.Match[str], form: PeriodForm) -> Period:
    first, last = int(found[1]), int(found[2])
    if not _consecutive(first, last):
        raise UnknownPeriod("no known spelling of a period")
    if 1 <= first <= 12 and 1 <= last <= 31 and form not in (PeriodForm.FINANCIAL, PeriodForm.ACADEMIC):
        raise AmbiguousPeriod("a split year, a day or a month: say period=financial or period=academic")
    return split_year(_century(found[1]), form)


def _part(year: str, tail: str | None, part: str, form: PeriodForm, length: int) -> Period:
    if tail is None:
        return part_of_year(year_of(int(year), form), int(part), length=length)
    if not _consecutive(int(year) % 100, int(tail) % 100):
        raise UnknownPeriod("the years of a split year follow one another")
    first = int(year) if len(year) == 4 else _century(year)
    return part_of_year(split_year(first, form), int(part), length=length)


def _consecutive(first: int, last: int) -> bool:
    return last == (first + 1) % 100


def _century(year: str) -> int:
    """Two digits of a year: 70 to 99 are 1970 to 1999, the rest 2000 to 2069."""
    number = int(year)
    return number + (1900 if number >= 70 else 2000)


def _later_year(first: int, tail: str) -> int:
    """The first year after `first` that ends in these two digits; four digits are the year itself."""
    if len(tail) == 4:
        return int(tail)
    return first + ((int(tail) - first) % 100 or 100)


def _points() -> list[tuple[re.Pattern[str], _Reader]]:
    year_or_split = r"(\d{4}|\d{2}(?=[/-]))(?:[/-](\d{4}|\d{2}))?"
    table: list[tuple[str, _Reader]] = [
        (r"(\d{4})", lambda m, form: year_of(int(m[1]), form)),
        (r"(?:fy|financial year) ?(\d{4})[/-](?:\d\d)?(\d\d)", _marked(PeriodForm.FINANCIAL)),
        (r"(?:ay|academic year) ?(\d{4})[/-](?:\d\d)?(\d\d)", _marked(PeriodForm.ACADEMIC)),
        (r"(\d{4})[/-](?:\d\d)?(\d\d) (?:financial|financial year|fy)", _marked(PeriodForm.FINANCIAL)),
        (r"(\d{4})[/-](?:\d\d)?(\d\d) (?:academic|academic year|ay)", _marked(PeriodForm.ACADEMIC)),
        (r"(\d{4})( - |-|/)(\d\d)", _year_and_two),
        (r"(\d{4}) ?[-/] ?(\d{4})", _two_years),
        (r"(\d\d)[/-](\d\d)", _short_split_year),
        (
            r"(\d{4})-(\d\d)-(\d\d)(?:[t ]00:00(?::00(?:\.0+)?)?z?)?",
            lambda m, form: _day(m[1], m[2], m[3], form),
        ),
        (r"(\d{4})/(\d\d)/(\d\d)", lambda m, form: _day(m[1], m[2], m[3], form)),
        (r"(\d{4})(0[1-9]|1[0-2])(\d\d)", lambda m, form: _day(m[1], m[2], m[3], form)),
        (r"(\d\d?)[/.-](\d\d?)[/.-](\d{4})", lambda m, form: _day(m[3], m[2], m[1], form)),
        (rf"(\d\d?)(?:st|nd|rd|th)?[ -]{_NAME}[ -](\d{{4}}|\d\d)", _named_day),
        (r"(\d{4})-?w(\d\d?)", lambda m, form: week(int(m[1]), int(m[2]))),
        (rf"{_NAME}[ -]?(\d{{4}}|\d\d)", lambda m, form: _named_month(m[1], m[2], form)),
        (rf"{_NAME}[ -]?'(\d\d)", lambda m, form: _named_month(m[1], m[2], form)),
        (rf"(\d{{4}})[ -]?{_NAME}", lambda m, form: _named_month(m[2], m[1], form)),
        (rf"(\d\d)[ -]{_NAME}", _day_or_month),
        (r"(0?[1-9]|1[0-2])[/-](\d{4})", lambda m, form: _month(m[2], m[1], form)),
        (r"(\d{4})(0[1-9]|1[0-2])", lambda m, form: _month(m[1], m[2], form)),
        (r"(\d{4}) ?m(\d\d?)", lambda m, form: _month(m[1], m[2], form)),
    ]
    for letter, word, length in (("q", "quarter", 3), ("h", "half", 6)):
        parts = 12 // length
        name = rf"(?:{letter}|{word} )([1-{parts}])"
        table.append((rf"{name}[ -]?(?:of )?{year_or_split}", _part_first(length)))
        table.append((rf"{year_or_split}[ -]?{name}", _part_last(length)))
    return [(re.compile(pattern), read) for pattern, read in table]


def _marked(meant: PeriodForm) -> _Reader:
    def read(found: re.Match[str], _form: PeriodForm) -> Period:
        if not _consecutive(int(found[1]) % 100, int(found[2])):
            raise UnknownPeriod("the years of a split year follow one another")
        return split_year(int(found[1]), meant)

    return read


def _part_first(length: int) -> _Reader:
    return lambda found, form: _part(found[2], found[3], found[1], form, length)


def _part_last(length: int) -> _Reader:
    return lambda found, form: _part(found[1], found[2], found[3], form, length)


_POINTS = _points()
