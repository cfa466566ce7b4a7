"""Checking rows of observations by the column: what each cell means, and why a row is refused.

The cells are looked at where they differ: a period that stands on a million rows is read once.
"""

from contextlib import suppress
from datetime import date
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from hedgerow_outcomes.domain.chunks import MEASURES, Chunk, Fault
from hedgerow_outcomes.domain.names import BLANK, Ints, Names, Vocabulary, roomy
from hedgerow_outcomes.domain.periods import Period, PeriodForm
from hedgerow_outcomes.domain.spellings import parse_period
from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.errors import UnknownPeriod, UnknownSubject

Floats = npt.NDArray[np.float64]

STATUSES = ("final", "provisional", "estimated", "missing", "suppressed", "withdrawn")
FINAL, MISSING, SUPPRESSED = 0, 3, 4
_UNSAID = -1

# What publishers write in place of a number, and what it says.
_SUPPRESSED_SIGNS = frozenset(("*", "c", "[c]", "s", "[s]", "supp", "suppressed"))
_MISSING_SIGNS = frozenset(
    ("na", "n/a", "#n/a", "-", "--", ":", ".", "..", "...", "x", "[x]", "z", "[z]", "null", "none")
)

_DAY_ZERO = date(2000, 1, 1).toordinal()

T = TypeVar("T")


class Checked(NamedTuple):
    """Rows that may be taken in: numbers by column, a null being NaN. `kpi` and `subject` are names yet.

    Days count from 1 January 2000. `status` is a place in `STATUSES`.
    """

    line: npt.NDArray[np.int64]
    kpi: Names[str]
    subject: Names[str]
    period_start: Ints
    period_end: Ints
    value: Floats
    measures: dict[str, Floats]
    status: npt.NDArray[np.int16]
    faults: list[Fault]


class RowCheck:
    """Checks the chunks of one file."""

    def __init__(self, form: PeriodForm = PeriodForm.AUTO, *, blank_is_missing: bool = False) -> None:
        """`form`: how to read its periods.

        blank_is_missing: whether a blank value, or a sign in place of one, is kept as a missing value;
        otherwise the row is refused.
        """
        self.blank_is_missing = blank_is_missing
        self._kpis = Vocabulary(_read_kpi)
        self._subjects = Vocabulary(_read_subject)
        self._periods = Vocabulary(partial(_read_period, form))
        self._statuses = Vocabulary(_read_status)

    def check(self, chunk: Chunk) -> Checked:
        """The rows of a chunk that may be taken in, and the faults of the others with those of the chunk."""
        frame = chunk.frame
        faulty = _Faulty(frame)
        kpi = self._kpi(frame["kpi"], faulty)
        subject = self._subject(frame["subject"], faulty)
        start, end = self._period(frame["period"], faulty)
        value, sign = self._value(frame["value"], faulty)
        measures = {
            name: _measure(frame[name], name, faulty)
            for name in MEASURES
            if name in frame.columns and frame[name].null_count() < frame.height
        }
        if "lower" in measures and "upper" in measures:
            crossed = measures["lower"] > measures["upper"]
            faulty.note(crossed, "lower", "the lower limit is above the upper one")
        status = self._status(frame, value, sign, faulty)
        kept = ~faulty.mask
        return Checked(
            frame["line"].to_numpy()[kept],
            kpi.rows(kept),
            subject.rows(kept),
            start[kept],
            end[kept],
            value[kept] + 0.0,  # no negative zero
            {name: numbers[kept] for name, numbers in measures.items()},
            status[kept],
            [*chunk.faults, *faulty.faults()],
        )

    def _kpi(self, column: pl.Series, faulty: "_Faulty") -> Names[str]:
        self._kpis = roomy(self._kpis)
        return faulty.note_names(Names(self._kpis, self._kpis.numbers(column)), "kpi")

    def _subject(self, column: pl.Series, faulty: "_Faulty") -> Names[str]:
        self._subjects = roomy(self._subjects)
        return faulty.note_names(Names(self._subjects, self._subjects.numbers(column)), "subject")

    def _period(self, column: pl.Series, faulty: "_Faulty") -> tuple[Ints, Ints]:
        self._periods = roomy(self._periods)
        found = faulty.note_names(Names(self._periods, self._periods.numbers(column)), "period")
        days = np.array([*self._periods.meanings, (0, 0)], np.int32)
        return days[found.numbers, 0], days[found.numbers, 1]

    def _value(self, texts: pl.Series, faulty: "_Faulty") -> tuple[Floats, npt.NDArray[np.int16]]:
        """The numbers, NaN where there is none; and the status that a sign in the place of one stands for."""
        numbers, odd = _numbers(texts)
        blank = texts.is_null().to_numpy() | np.zeros(len(texts), bool)
        sign = np.where(blank, MISSING, FINAL).astype(np.int16)
        for place in odd:
            text = texts[int(place)].strip()
            plain = text.casefold()
            if not text:
                blank[place], sign[place] = True, MISSING
            elif plain in _SUPPRESSED_SIGNS or plain in _MISSING_SIGNS:
                sign[place] = SUPPRESSED if plain in _SUPPRESSED_SIGNS else MISSING
                if not self.blank_is_missing:
                    faulty.note_at(
                        place, "value", f"'{text}' stands in place of a number; blank=missing keeps it"
                    )
            else:
                faulty.note_at(place, "value", _why_no_number(plain))
        if not self.blank_is_missing:
            declared = np.zeros(len(texts), bool)
            if "status" in faulty.frame.columns:
                words = faulty.frame["status"].str.strip_chars().str.to_lowercase()
                declared = words.is_in(list(STATUSES[MISSING:])).fill_null(False).to_numpy()
            faulty.note(blank & ~declared, "value", "the value is blank; blank=missing keeps it")
        return numbers, sign

    def _status(
        self, frame: pl.DataFrame, value: Floats, sign: npt.NDArray[np.int16], faulty: "_Faulty"
    ) -> npt.NDArray[np.int16]:
        if "status" not in frame.columns or frame["status"].null_count() == frame.height:
            return sign
        found = Names(self._statuses, self._statuses.numbers(frame["status"]))
        faulty.note_names(found, "status", blank=None)
        said = np.array([*self._statuses.meanings, _UNSAID], np.int16)[found.numbers]
        status = np.where(said == _UNSAID, sign, said)
        without = np.isnan(value)
        faulty.note(
            ~without & (status >= MISSING),
            "status",
            "missing, suppressed or withdrawn, and yet there is a value",
        )
        # "provisional" beside a blank is a blank.
        return np.where(without & (status < MISSING), MISSING, status).astype(np.int16)


class _Faulty:
    """Which rows of a frame are refused; the first fault found in a row is the one that is told."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self.mask = np.zeros(frame.height, bool)
        self._why: dict[int, tuple[str, str]] = {}

    def note(self, rows: npt.NDArray[np.bool_], column: str, reason: str) -> None:
        if rows.any():
            for place in np.flatnonzero(rows & ~self.mask):
                self._why[int(place)] = (column, reason)
            self.mask |= rows

    def note_at(self, place: int, column: str, reason: str) -> None:
        if not self.mask[place]:
            self.mask[place] = True
            self._why[int(place)] = (column, reason)

    def note_names(self, found: Names[T], column: str, *, blank: str | None = "it is blank") -> Names[T]:
        """Refuse rows whose text is refused, and those without one if `blank` says why; gives the names."""
        rows = found.vocabulary.refused(found.numbers, blank=blank is not None)
        if rows.any():
            for place in np.flatnonzero(rows & ~self.mask):
                number = found.numbers[place]
                reason = blank if number == BLANK else found.vocabulary.reasons[number]
                self._why[int(place)] = (column, str(reason))
            self.mask |= rows
        return found

    def faults(self) -> list[Fault]:
        if not self._why:
            return []
        places = sorted(self._why)
        rows = self.frame[places].select("line", "kpi", "subject", "period").iter_rows()
        return [
            Fault(line, reason, column, row_key(kpi, subject, period))
            for (line, kpi, subject, period), (column, reason) in zip(
                rows, (self._why[place] for place in places), strict=True
            )
        ]


def period_of_days(start: int, end: int) -> Period:
    """The period from one day to another, both counted from 1 January 2000."""
    return Period(date.fromordinal(_DAY_ZERO + start), date.fromordinal(_DAY_ZERO + end))


def row_key(kpi: str | None, subject: str | None, period: str | None) -> str:
    """What names a row in its receipt."""
    return " ".join((part or "(blank)")[:80] for part in (kpi, subject, period))


def _read_kpi(text: str) -> tuple[str, str | None]:
    id = text.strip()
    return id, None if id else "it is blank"


def _read_subject(text: str) -> tuple[str, str | None]:
    """The one spelling of a subject, or why it is none."""
    try:
        return parse_subject(text).text, None
    except UnknownSubject as error:
        return "", error.in_receipt


def _read_period(form: PeriodForm, text: str) -> tuple[tuple[int, int], str | None]:
    """The first and the last day of a period, or why it is none."""
    try:
        period = parse_period(text, form)
    except UnknownPeriod as error:
        return (0, 0), str(error)
    return (period.start.toordinal() - _DAY_ZERO, period.end.toordinal() - _DAY_ZERO), None


def _read_status(text: str) -> tuple[int, str | None]:
    word = text.strip().lower()
    if not word:
        return _UNSAID, None
    if word in STATUSES:
        return STATUSES.index(word), None
    return _UNSAID, f"not one of {', '.join(STATUSES)}"


def _numbers(texts: pl.Series) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The finite numbers that texts spell, NaN elsewhere; and the places of texts that spell none."""
    read = texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    finite = np.isfinite(read)
    if finite.all():
        return read, np.empty(0, np.int64)
    numbers = np.where(finite, read, np.nan)
    odd = []
    for place in np.flatnonzero(~finite & texts.is_not_null().to_numpy()):
        padded = texts[int(place)]
        plain = padded.strip()
        if plain != padded and plain.isascii() and "_" not in plain:
            with suppress(ValueError):
                numbers[place] = float(plain)
            if np.isfinite(numbers[place]):
                continue
            numbers[place] = np.nan
        odd.append(place)
    return numbers, np.array(odd, np.int64)


def _measure(texts: pl.Series, name: str, faulty: _Faulty) -> Floats:
    numbers, odd = _numbers(texts)
    for place in odd:
        plain = texts[int(place)].strip().casefold()
        if plain and plain not in _MISSING_SIGNS and plain not in _SUPPRESSED_SIGNS:
            faulty.note_at(int(place), name, _why_no_number(plain))
    return numbers


def _why_no_number(plain: str) -> str:
    try:
        float(plain.replace("_", "?"))
    except ValueError:
        return "not a number"
    return "not a finite number"
