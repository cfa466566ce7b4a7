"""Importing observations: a file read in chunks, each compared with what is known and written in one go."""

from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from hedgerow_kit.auth import Principal
from hedgerow_kit.bulk import CSV, JSON, NDJSON
from hedgerow_kit.records import Outcome, json_records
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import authorities, breaches, disclosure, kpis
from hedgerow_outcomes.domain import comparison, csv_text, ndjson_text, parquet_text
from hedgerow_outcomes.domain.chunks import COLUMNS, MEASURES, Chunk, Fault, text_frame
from hedgerow_outcomes.domain.definitions import is_kpi_id
from hedgerow_outcomes.domain.names import Ints, Names, Vocabulary
from hedgerow_outcomes.domain.parquet_text import PARQUET
from hedgerow_outcomes.domain.periods import PeriodForm
from hedgerow_outcomes.domain.rows import Checked, RowCheck, period_of_days, row_key
from hedgerow_outcomes.domain.wide_text import Shape, as_long
from hedgerow_outcomes.errors import UnknownOption
from hedgerow_outcomes.store import breaches as store
from hedgerow_outcomes.store import disclosure as thresholds
from hedgerow_outcomes.store import learnings, ledger, numbers
from hedgerow_outcomes.tables import DAY_ZERO, feed

_BLANKS = ("quarantine", "missing")
_NOT_OURS = -1
_OF_ANOTHER = "the subject is not one of your authority"


@dataclass
class ObservationImport:
    """One import under way: how its file is to be read, and the numbers it has met."""

    import_id: str
    source: str
    by: Principal
    check: RowCheck
    define: bool
    shape: Shape = Shape.LONG
    protected: set[int] = field(default_factory=set)
    _vocabulary: Vocabulary[str] | None = None
    _of_place: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    _owners: dict[str, str | None] = field(default_factory=dict)

    def write(self, session: Session, checked: Checked) -> list[Outcome]:
        """Write a chunk in the transaction of a session; gives what became of each of its rows."""
        learnings.lock(session)
        ledger.prepare(session)
        checked = self._of_own_subjects(session, checked)
        checked, kpi = self._with_known_kpis(session, checked)
        outcomes = [
            Outcome("quarantined", fault.line, key=fault.key, column=fault.column, reason=fault.reason)
            for fault in checked.faults
        ]
        if len(checked.line):
            outcomes += self._write_rows(session, checked, kpi)
        return outcomes

    def _with_known_kpis(self, session: Session, checked: Checked) -> tuple[Checked, Ints]:
        """The rows whose KPI is defined, and the numbers of the KPIs."""
        ids = {place: checked.kpi.vocabulary.meanings[place] for place in checked.kpi.used()}
        defined = numbers.of_kpis(session, list(ids.values()))
        # What another authority has defined is as unknown as what nobody has.
        known = {id: one.number for id, one in defined.items() if self.by.within(one.authority_code)}
        unknown = {id for id in ids.values() if id not in known}
        if unknown and self.define:
            new = sorted(filter(is_kpi_id, unknown - set(defined)))
            known |= kpis.define_minimally(session, new, source=self.source, by=self.by)
            unknown = {id for id in unknown if id not in known}
        if unknown:
            checked = _without_kpis(checked, unknown, define=self.define)
        of_place = np.zeros(max(ids, default=-1) + 1, np.int32)
        for place, id in ids.items():
            of_place[place] = known.get(id, 0)
        return checked, of_place[checked.kpi.numbers]

    def _write_rows(self, session: Session, checked: Checked, kpi: Ints) -> list[Outcome]:
        rows = pl.DataFrame(
            {
                "kpi": kpi,
                "subject": self._numbered(session, checked.subject),
                "period_start": checked.period_start,
                "period_end": checked.period_end,
                "value": checked.value,
                **checked.measures,
                "status": checked.status.astype(np.int32),
            }
        )
        rows = _with_measures(rows, checked)
        last = comparison.last_of_each_key(rows)
        keys = last.rows.select(comparison.KEY)
        known = ledger.known(session, keys, with_measures=bool(checked.measures))
        result = comparison.compare(rows, last, known)
        if result.new.height or result.corrected.height:
            learning = learnings.begin(
                session, import_id=self.import_id, source=self.source, now=datetime.now(UTC)
            )
            ledger.add(session, _columns(result.new, learning))
            if result.corrected.height:
                ledger.correct(session, _columns(result.corrected, learning), learning=learning)
            feed.record(session, "observations", self.import_id)
            protected = thresholds.protected(session)
            self._hold_back(session, [result.new, result.corrected], protected)
            # What is held back is no value yet: breaches of it are followed when it is settled.
            judged = store.judged(session) - protected.keys()
            if judged:
                breaches.follow(session, _pairs([result.new, result.corrected], judged))
        return _outcomes(checked, result)

    def _hold_back(
        self, session: Session, frames: Sequence[pl.DataFrame], protected: Mapping[int, int]
    ) -> None:
        """Withhold what has come of KPIs with a threshold, until all of the file can be judged together."""
        if not protected:
            return
        keys = pl.concat([frame.select(comparison.KEY) for frame in frames])
        for kpi in sorted(protected):
            of_kpi = keys.filter(pl.col("kpi") == kpi)
            if of_kpi.height:
                rows = of_kpi.select("subject", "period_start", "period_end").iter_rows()
                disclosure.hold_back(session, kpi, ((s, _day(start), _day(end)) for s, start, end in rows))
                self.protected.add(kpi)

    def _of_own_subjects(self, session: Session, checked: Checked) -> Checked:
        """The rows of subjects that who sent them may speak for."""
        own = self._look_up(session, checked.subject) != _NOT_OURS
        if own.all():
            return checked
        faults = [
            Fault(int(checked.line[place]), _OF_ANOTHER, "subject", _key(checked, place))
            for place in np.flatnonzero(~own)
        ]
        return _kept(checked, own, faults)

    def _look_up(self, session: Session, subjects: Names[str]) -> Ints:
        """The numbers of subjects; 0 for those of the sender's own that have none yet."""
        vocabulary = subjects.vocabulary
        if vocabulary is not self._vocabulary:
            self._vocabulary, self._of_place = vocabulary, np.zeros(0, np.int32)
        grown = len(vocabulary.meanings) - len(self._of_place)
        of_place = np.append(self._of_place, np.zeros(grown, np.int32))
        new = np.unique(subjects.numbers[of_place[subjects.numbers] == 0])
        if len(new):
            texts = [vocabulary.meanings[place] for place in new]
            found = self._own_subjects(session, list(dict.fromkeys(texts)))
            of_place[new] = [found.get(text, _NOT_OURS) for text in texts]
        self._of_place = of_place
        return of_place[subjects.numbers]

    def _own_subjects(self, session: Session, texts: Sequence[str]) -> dict[str, int]:
        """The numbers of those of these subjects that the sender may speak for; of new ones 0."""
        known = numbers.of_subjects(session, texts)
        new = [text for text in texts if text not in known]
        owners = authorities.of_subjects(session, new, by=self.by.stamp)
        self._owners = {text: owner for text, owner in owners.items() if self.by.owns(owner)}
        return {
            text: one.number for text, one in known.items() if self.by.owns(one.authority_code)
        } | dict.fromkeys(self._owners, 0)

    def _numbered(self, session: Session, subjects: Names[str]) -> Ints:
        """The numbers of the sender's own subjects; new ones get theirs, now that rows of them land."""
        numbered = self._of_place[subjects.numbers]
        new = np.unique(subjects.numbers[numbered == 0])
        if len(new):
            texts = [subjects.vocabulary.meanings[place] for place in new]
            given = numbers.number_subjects(session, {text: self._owners[text] for text in texts})
            self._of_place[new] = [given[text] for text in texts]
            numbered = self._of_place[subjects.numbers]
        return numbered


def begin_import(
    *, import_id: str, source: str, by: Principal, period: str, blank: str, define: str, shape: str
) -> ObservationImport:
    """An import with these options. Raises UnknownOption when one has a value that is not known."""
    if period not in set(PeriodForm):
        raise UnknownOption("period", f"one of {', '.join(PeriodForm)}")
    if blank not in _BLANKS:
        raise UnknownOption("blank", f"one of {', '.join(_BLANKS)}")
    if define not in ("true", "false"):
        raise UnknownOption("define", "true or false")
    if shape not in set(Shape):
        raise UnknownOption("shape", f"one of {', '.join(Shape)}")
    if not source or len(source) > 200:
        raise UnknownOption("source", "1 to 200 characters")
    check = RowCheck(PeriodForm(period), blank_is_missing=blank == "missing")
    return ObservationImport(import_id, source, by, check, define == "true", Shape(shape))


def read_file(
    path: Path, *, media_type: str, under_way: ObservationImport, batch_rows: int
) -> Iterator[tuple[Checked, list[str]]]:
    """The checked rows of a file, at most `batch_rows` at a time, with notes on the file as a whole.

    Raises MissingColumn or UnreadableFile, before the first rows, when the file is not what it says it is.
    """
    check, shape = under_way.check, under_way.shape
    with path.open("rb") as file:
        chunks, notes = _chunks(path, file, media_type, under_way)
        long = (as_long(chunk, shape, keep_blanks=check.blank_is_missing) for chunk in chunks)
        parts = (part for chunk in long for part in _parts(chunk, batch_rows))
        for checked in _one_ahead(check.check(part) for part in parts):
            yield checked, notes
            notes = []
        if notes:  # a header and nothing else
            yield check.check(Chunk(text_frame(COLUMNS, [], []), [])), notes


def _chunks(
    path: Path, file: BinaryIO, media_type: str, under_way: ObservationImport
) -> tuple[Iterator[Chunk], list[str]]:
    if media_type != CSV and under_way.shape is not Shape.LONG:
        raise UnknownOption("shape", "only CSV files can be wide")
    if media_type == NDJSON:
        return ndjson_text.read_chunks(file), []
    if media_type == JSON:
        return _json_chunks(path), []
    if media_type == PARQUET:
        return parquet_text.read_chunks(path)
    header = csv_text.read_header(file, shape=under_way.shape)
    notes = [f"column ignored: {name[:80]}" for name in header.unknown]
    return csv_text.read_chunks(file, header), notes


def _json_chunks(path: Path) -> Iterator[Chunk]:
    """The objects of a JSON list; where a row stands, the place of its object counts, from 1."""
    for batch in json_records(path, under=("items", "observations")):
        rows, lines = [], []
        faults = [Fault(_place(unread.pointer), unread.reason or "") for unread in batch.outcomes]
        for record in batch.records:
            read = ndjson_text.texts_of(record.fields, _place(record.pointer))
            if isinstance(read, Fault):
                faults.append(read)
            else:
                rows.append(read)
                lines.append(_place(record.pointer))
        yield Chunk(text_frame(COLUMNS, rows, lines), faults)


def _place(pointer: str | None) -> int:
    """The place of an item of a JSON list, from 1, by its pointer."""
    return int((pointer or "/0").rpartition("/")[2]) + 1


def _one_ahead(items: Iterator[Checked]) -> Iterator[Checked]:
    """The items, the next of which is made in a thread while the one before is being written."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _parts(chunk: Chunk, batch_rows: int) -> Iterator[Chunk]:
    height = chunk.frame.height
    if height <= batch_rows:
        yield chunk
        return
    faults = chunk.faults
    for start in range(0, height, batch_rows):
        part = chunk.frame[start : start + batch_rows]
        last = part["line"][-1] if start + batch_rows < height else None
        yield Chunk(part, [fault for fault in faults if last is None or fault.line <= last])
        faults = [fault for fault in faults if last is not None and fault.line > last]


def _key(checked: Checked, place: np.integer[Any]) -> str:
    period = period_of_days(int(checked.period_start[place]), int(checked.period_end[place]))
    return row_key(checked.kpi.at(place), checked.subject.at(place), period.label)


def _without_kpis(checked: Checked, unknown: Set[str], *, define: bool) -> Checked:
    strange = np.array([id in unknown for id in checked.kpi.vocabulary.meanings])[checked.kpi.numbers]
    faults = []
    ending = " and its id cannot be one" if define else ""
    for place in np.flatnonzero(strange):
        id = checked.kpi.at(place)[:120]
        faults.append(
            Fault(
                int(checked.line[place]),
                f"the KPI {id} is not defined{ending}",
                "kpi",
                _key(checked, place),
            )
        )
    return _kept(checked, ~strange, faults)


def _kept(checked: Checked, kept: NDArray[np.bool_], faults: Sequence[Fault]) -> Checked:
    """Some of the rows, and what is wrong with the others."""
    return checked._replace(
        line=checked.line[kept],
        kpi=checked.kpi.rows(kept),
        subject=checked.subject.rows(kept),
        period_start=checked.period_start[kept],
        period_end=checked.period_end[kept],
        value=checked.value[kept],
        measures={name: column[kept] for name, column in checked.measures.items()},
        status=checked.status[kept],
        faults=[*checked.faults, *faults],
    )


def _with_measures(rows: pl.DataFrame, checked: Checked) -> pl.DataFrame:
    """Rows of a file that has some measures have none of the others."""
    if not checked.measures:
        return rows
    return rows.with_columns(
        pl.lit(float("nan")).alias(name) for name in MEASURES if name not in checked.measures
    )


def _day(number: int) -> date:
    return date.fromordinal(DAY_ZERO.toordinal() + number)


def _pairs(frames: Sequence[pl.DataFrame], kpis: Set[int]) -> list[tuple[int, int]]:
    """The pairs of KPI and subject on the rows of frames, of some KPIs only."""
    pairs = pl.concat([frame.select("kpi", "subject") for frame in frames])
    wanted = pairs.filter(pl.col("kpi").is_in(sorted(kpis))).unique()
    return [(int(kpi), int(subject)) for kpi, subject in wanted.iter_rows()]


def _columns(rows: pl.DataFrame, learning: int) -> dict[str, np.ndarray]:
    return {name: rows[name].to_numpy() for name in rows.columns} | {
        "learning": np.full(rows.height, learning, np.int32)
    }


def _outcomes(checked: Checked, result: comparison.Comparison) -> list[Outcome]:
    """What became of the rows: in runs, but for those that come twice, which each name the row before."""
    again = result.repeats >= 0
    once = np.flatnonzero(~again)
    outcomes = [
        Outcome(comparison.VERDICTS[code], first, last if last > first else None, records=rows)
        for code, first, last, rows in comparison.runs(result.verdict[once], checked.line[once])
    ]
    for place in np.flatnonzero(again):
        code, earlier = int(result.verdict[place]), int(checked.line[result.repeats[place]])
        said = "corrects" if code == comparison.CHANGED else "repeats"
        outcomes.append(
            Outcome(
                comparison.VERDICTS[code],
                int(checked.line[place]),
                key=_key(checked, place),
                reason=f"{said} line {earlier} of this file",
            )
        )
    return outcomes
