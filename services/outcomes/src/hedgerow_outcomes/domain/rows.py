"""Checking rows of observations by the column: what each cell means, and why a row is refused.

The cells are looked at where they differ: a period that stands on a million rows is read once.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from hedgerow_outcomes.domain.chunks import MEASURES, Chunk, Fault
from hedgerow_outcomes.domain.periods import Period, PeriodForm
from hedgerow_outcomes.domain.spellings import parse_period
from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.errors import UnknownPeriod, UnknownSubject

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

STATUSES = ("final", "provisional", "estimated", "missing", "suppressed")
FINAL, MISSING, SUPPRESSED = 0, 3, 4

# What publishers write in place of a number, and what it says.
_SUPPRESSED_SIGNS = frozenset(("*", "c", "[c]", "s", "[s]", "supp", "suppressed"))
_MISSING_SIGNS = frozenset(
    ("na", "n/a", "#n/a", "-", "--", ":", ".", "..", "...", "x", "[x]", "z", "[z]", "null", "none")
)

_DAY_ZERO = date(2000, 1, 1).toordinal()
_MOST_REMEMBERED = 200_000

T = TypeVar("T")


class Checked(NamedTuple):
    """Rows that may be taken in: numbers by column, a null being NaN. `kpi` and `subject` are texts yet.

    Days count from 1 January 2000. `status` is a place in `STATUSES`.
    """

    line: npt.NDArray[np.int64]
    kpi: pl.Series
    subject: pl.Series
    period_start: Ints
    period_end: Ints
    value: Floats
    measures: dict[str, Floats]
    status: npt.NDArray[np.int16]
    faults: list[Fault]


@dataclass
class RowCheck:
    """Checks the chunks of one file.

    form: how to read its periods. blank_is_missing: whether a blank value, or a sign in place of one, is kept
    as a missing value; otherwise the row is refused.
    """

    form: PeriodForm = PeriodForm.AUTO
    blank_is_missing: bool = False
    _periods: dict[str, tuple[int, int] | str] = field(default_factory=dict)
    _subjects: dict[str, str | None] = field(default_factory=dict)

    def check(self, chunk: Chunk) -> Checked:
        """The rows of a chunk that may be taken in, and the faults of the others with those of the chunk."""
        frame = chunk.frame
        faulty = _Faulty(frame)
        kpi = frame["kpi"].str.strip_chars()
        faulty.note(_blank(kpi), "kpi", "the KPI is blank")
        subject = self._subject(frame["subject"], faulty)
        start, end = self._period(frame["period"], faulty)
        value, sign = self._value(frame["value"], faulty)
        measures = {
            name: _measure(frame[name], name, faulty)
            for name in MEASURES
            if name in frame.columns and frame[name].null_count() < frame.height
        }
        if "lower" in measures and "upper" in measures:
            faulty.note(
                measures["lower"] > measures["upper"], "lower", "the lower limit is above the upper one"
            )
        status = self._status(frame, value, sign, faulty)
        kept = ~faulty.mask
        return Checked(
            frame["line"].to_numpy()[kept],
            kpi.filter(kept),
            subject.filter(kept),
            start[kept],
            end[kept],
            value[kept] + 0.0,  # no negative zero
            {name: numbers[kept] for name, numbers in measures.items()},
            status[kept],
            [*chunk.faults, *faulty.faults()],
        )

    def _period(self, texts: pl.Series, faulty: "_Faulty") -> tuple[Ints, Ints]:
        def read(text: str) -> tuple[int, int] | str:
            try:
                period = parse_period(text, self.form)
            except UnknownPeriod as error:
                return str(error)
            return period.start.toordinal() - _DAY_ZERO, period.end.toordinal() - _DAY_ZERO

        read_texts = _remembered(self._periods, _distinct(texts), read)
        reasons = {text: read for text, read in read_texts.items() if isinstance(read, str)}
        faulty.note_each(texts, reasons, "period")
        faulty.note(texts.is_null().to_numpy(), "period", "the period is blank")
        days = {text: read for text, read in read_texts.items() if not isinstance(read, str)}
        starts = _mapped(texts, {text: start for text, (start, _) in days.items()}, pl.Int32)
        ends = _mapped(texts, {text: end for text, (_, end) in days.items()}, pl.Int32)
        return starts.fill_null(0).to_numpy(), ends.fill_null(0).to_numpy()

    def _subject(self, texts: pl.Series, faulty: "_Faulty") -> pl.Series:
        def read(text: str) -> str | None:
            try:
                return parse_subject(text).text
            except UnknownSubject:
                return None

        read_texts = _remembered(self._subjects, _distinct(texts), read)
        unknown = {text: _why_unknown(text) for text, subject in read_texts.items() if subject is None}
        faulty.note_each(texts, unknown, "subject")
        faulty.note(texts.is_null().to_numpy(), "subject", "the subject is blank")
        respelt = {text: subject for text, subject in read_texts.items() if subject not in (None, text)}
        return texts.replace(respelt) if respelt else texts

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
                declared = words.is_in(["missing", "suppressed"]).fill_null(False).to_numpy()
            faulty.note(blank & ~declared, "value", "the value is blank; blank=missing keeps it")
        return numbers, sign

    def _status(
        self, frame: pl.DataFrame, value: Floats, sign: npt.NDArray[np.int16], faulty: "_Faulty"
    ) -> npt.NDArray[np.int16]:
        if "status" not in frame.columns or frame["status"].null_count() == frame.height:
            return sign
        words = frame["status"].str.strip_chars().str.to_lowercase()
        reasons = {
            word: f"not one of {', '.join(STATUSES)}"
            for word in _distinct(words)
            if word and word not in STATUSES
        }
        faulty.note_each(words, reasons, "status")
        said = _mapped(words, {word: place for place, word in enumerate(STATUSES)}, pl.Int16)
        given = said.is_not_null().to_numpy()
        status = np.where(given, said.fill_null(FINAL).to_numpy(), sign).astype(np.int16)
        without = np.isnan(value)
        faulty.note(
            ~without & (status >= MISSING), "status", "missing or suppressed, and yet there is a value"
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

    def note_each(self, texts: pl.Series, reasons: Mapping[str, str], column: str) -> None:
        """Refuse the rows whose text has a reason."""
        if reasons:
            rows = texts.is_in(list(reasons)).fill_null(False).to_numpy()
            for place in np.flatnonzero(rows & ~self.mask):
                self._why[int(place)] = (column, reasons[texts[int(place)]])
            self.mask |= rows

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


def _distinct(texts: pl.Series) -> list[str]:
    return texts.drop_nulls().unique().to_list()


def _remembered(memory: dict[str, T], texts: list[str], read: Callable[[str], T]) -> dict[str, T]:
    if len(memory) > _MOST_REMEMBERED:
        memory.clear()
    for text in texts:
        if text not in memory:
            memory[text] = read(text)
    return {text: memory[text] for text in texts}


def _mapped(texts: pl.Series, numbers: Mapping[str, int], dtype: Any) -> pl.Series:
    if not numbers:
        return pl.Series(texts.name, [None], dtype=dtype).new_from_index(0, len(texts))
    return texts.replace_strict(dict(numbers), default=None, return_dtype=dtype)


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


def _blank(texts: pl.Series) -> npt.NDArray[np.bool_]:
    blank: npt.NDArray[np.bool_] = (texts == "").fill_null(True).to_numpy()
    return blank


def _why_unknown(text: str) -> str:
    try:
        parse_subject(text)
    except UnknownSubject as error:
        return str(error)
    return "not a subject"


def _why_no_number(plain: str) -> str:
    try:
        float(plain.replace("_", "?"))
    except ValueError:
        return "not a number"
    return "not a finite number"
