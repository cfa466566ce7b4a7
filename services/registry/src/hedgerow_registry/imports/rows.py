"""What all kinds of file share: reading rows, their cells, notes, repeats, and who sends them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, TypeVar

from hedgerow_kit.bulk import CSV, JSON, NDJSON, Option, Run
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from hedgerow_kit.records import Batch, Outcome, Record, csv_records, json_records, ndjson_records
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions.provenance import Provenance, claim
from hedgerow_registry.actions.records import (
    QUARANTINED,
    UNCHANGED,
    Entity,
    Prepared,
    Written,
    write_prepared,
)
from hedgerow_registry.domain import geometry, words
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.errors import Malformed

T = TypeVar("T")

MEDIA_TYPES = (CSV, NDJSON, JSON)
OPTIONS: Mapping[str, Option] = {
    "source": Option("The name under which these records are kept (default: `default`)", LONGEST_SOURCE),
    "authority": Option("The GSS code of the authority that a new source belongs to"),
}
CRS_OPTION = {"crs": "The coordinate system of lon and lat: EPSG:4326 (the default) or EPSG:27700"}


class Rejected(Exception):
    """A row that cannot be taken in: why, and in which column."""

    def __init__(self, reason: str, column: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


@dataclass
class Row:
    """The cells of one row, with what is to be said about it if it is taken in."""

    record: Record
    key: str | None = None
    notes: list[str] = field(default_factory=list)
    note_column: str | None = None

    def text(self, column: str) -> str:
        """A cell as text; empty where there is none. A list, as JSON may have it, is joined by `;`."""
        value = self.record.fields.get(column)
        return value.strip() if isinstance(value, str) else _text(value, column)

    def maybe(self, column: str) -> str | None:
        return self.text(column) or None

    def needed(self, column: str) -> str:
        """A cell that must not be empty."""
        value = self.text(column)
        if not value:
            raise Rejected("must not be empty", column)
        return value

    def parts(self, column: str) -> list[str]:
        """The items of a `;`-separated cell, without blanks and repeats, in their order."""
        return list(dict.fromkeys(item.strip() for item in self.text(column).split(";") if item.strip()))

    def read(self, column: str, reader: Callable[[str], T]) -> T:
        """A cell that must not be empty, through a reader of the domain."""
        return self.checked(column, reader, self.needed(column))

    def read_maybe(self, column: str, reader: Callable[[str], T]) -> T | None:
        value = self.text(column)
        return self.checked(column, reader, value) if value else None

    def checked(self, column: str, reader: Callable[..., T], *values: Any, **options: Any) -> T:
        """What a reader of the domain makes of values; its refusal is this row's, in this column."""
        try:
            return reader(*values, **options)
        except Malformed as error:
            raise Rejected(error.in_receipt, column) from None

    def point(self, crs: str) -> tuple[float, float] | tuple[None, None]:
        """The place that `lon` and `lat` name, in WGS84, or none."""
        lon, lat = self.read_maybe("lon", words.number), self.read_maybe("lat", words.number)
        if lon is None and lat is None:
            return None, None
        if lon is None or lat is None:
            raise Rejected("lon and lat go together", "lon" if lon is None else "lat")
        return self.checked("lon", geometry.point, lon, lat, crs=crs)

    def note(self, said: str, column: str) -> None:
        self.notes.append(said)
        self.note_column = self.note_column or column

    def outcome(self, written: Written) -> Outcome:
        reason = written.reason or ("; ".join(self.notes) or None)
        column = written.column if written.reason else self.note_column
        # Only rows that somebody may look for name their key: the rest collapse into runs.
        key = self.key if reason is not None else None
        return Outcome(written.verdict, self.record.line, None, self.record.pointer, key, column, reason)

    def rejected(self, error: Rejected) -> Outcome:
        return self.outcome(Written(QUARANTINED, error.reason, error.column))

    @property
    def place(self) -> str:
        """Where the row stands in its file, in words."""
        record = self.record
        return f"line {record.line}" if record.line is not None else f"record {record.pointer or '/'}"


def _text(value: Any, column: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | dict):
        raise Rejected("a text or a number is expected", column)
    if isinstance(value, list):
        return ";".join(_text(item, column) for item in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


Parsed = tuple[Row, dict[str, Any]]


def parsed(
    records: Iterable[Record], parse: Callable[[Row], dict[str, Any]], *, key: Sequence[str]
) -> tuple[list[Parsed], list[Outcome]]:
    """The rows that could be read, and the outcomes of those that could not; `key` names a row's columns."""
    good: list[Parsed] = []
    bad: list[Outcome] = []
    for record in records:
        row = Row(record, key=_key(record, key))
        try:
            good.append((row, parse(row)))
        except Rejected as error:
            bad.append(row.rejected(error))
    return good, bad


def _key(record: Record, columns: Sequence[str]) -> str | None:
    values = (record.fields.get(column) for column in columns)
    return "/".join(str(value)[:200] for value in values if isinstance(value, str | int | float)) or None


def settled(
    session: Session,
    entity: Entity,
    rows: Sequence[Parsed],
    run: Run,
    by: Provenance,
    *,
    check: Callable[[Row, dict[str, Any]], None] | None = None,
) -> list[Outcome]:
    """Write rows that each make one record, but for those `check` rejects or that contradict one before."""
    seen = Seen.of(run)
    good: list[Row] = []
    records: list[Prepared] = []
    outcomes: list[Outcome] = []
    for row, fields in rows:
        try:
            if check is not None:
                check(row, fields)
            record = entity.prepare(fields)
            seen.require(entity, record, row)
            good.append(row)
            records.append(record)
        except Rejected as error:
            outcomes.append(row.rejected(error))
    written = write_prepared(session, entity, records, by)
    return outcomes + [row.outcome(result) for row, result in zip(good, written, strict=True)]


def taken(
    rows: Iterable[Parsed], outcomes: Iterable[Outcome]
) -> Iterator[tuple[Row, dict[str, Any], Outcome]]:
    """The rows that were taken in, each with its outcome."""
    by_place = {(o.line, o.pointer): o for o in outcomes if o.verdict != QUARANTINED}
    for row, fields in rows:
        outcome = by_place.get((row.record.line, row.record.pointer))
        if outcome is not None:
            yield row, fields, outcome


def reader(required: Sequence[str], optional: Sequence[str] = ()) -> Callable[[Upload, Run], Iterator[Batch]]:
    """Reads a file of flat rows: CSV with these columns, or NDJSON or a JSON list with these fields."""

    def read(upload: Upload, run: Run) -> Iterator[Batch]:
        source_of(run)
        crs_of(run)
        if upload.media_type == NDJSON:
            return ndjson_records(upload.path)
        if upload.media_type == JSON:
            return json_records(upload.path, under=("items", run.kind))
        return csv_records(upload.path, required=required, optional=optional)

    return read


def source_of(run: Run) -> str:
    """The source that an import is sent under."""
    source = run.option("source", "default").strip()
    if not source or len(source) > LONGEST_SOURCE or not source.isprintable():
        raise Problem(
            UNPROCESSABLE,
            errors=[
                {"parameter": "source", "reason": f"a name of 1 to {LONGEST_SOURCE} printable characters"}
            ],
        )
    return source


def provenance(session: Session, run: Run) -> Provenance:
    """Who writes the records of this import; claims its source. Call it once in every batch."""
    return claim(
        session,
        source_of(run),
        run.principal,
        import_id=run.id,
        authority_code=run.options.get("authority"),
    )


class Seen:
    """What an import has seen of each key so far, to tell a repeated row from one that contradicts.

    The first of two rows that contradict each other stands, whatever the registry held before: so the same
    file sent again comes to the same end. Keys and contents are kept as 8-byte digests.
    """

    def __init__(self) -> None:
        self._first: dict[int, tuple[int, str]] = {}

    @classmethod
    def of(cls, run: Run) -> "Seen":
        seen: Seen = run.kept.setdefault("seen", cls())
        return seen

    def contradicted(self, key: object, content: object, place: str) -> str | None:
        """Where the key was first given with other content, or `None`; remembers a key not seen before."""
        stamp = _hash(content)
        held = self._first.setdefault(_hash(key), (stamp, place))
        return held[1] if held[0] != stamp else None

    def require(self, entity: Entity, record: Prepared, row: Row) -> None:
        """Reject a row that contradicts the first one of its key."""
        first = self.contradicted((entity.type, *entity.key_of(record.fields)), record.digest, row.place)
        if first is not None:
            raise Rejected(f"{first} says otherwise of the same record: the first row stands", entity.key[0])


def _hash(value: object) -> int:
    return int.from_bytes(blake2b(repr(value).encode("utf-8", "replace"), digest_size=8).digest())


class Awaited:
    """What rows refer to that is not known yet, to be looked for once more when the file has ended."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Outcome, str, str]] = []

    @classmethod
    def of(cls, run: Run) -> "Awaited":
        awaited: Awaited = run.kept.setdefault("awaited", cls())
        return awaited

    def add(self, outcome: Outcome, key: str | None, column: str, reference: str, what: str) -> None:
        note = replace(
            outcome, key=key, column=column, reason=f"{what} {reference} is not known yet", records=0
        )
        self._waiting.append((note, reference, column))

    def references(self) -> set[str]:
        return {reference for _, reference, _ in self._waiting}

    def notes(self, known: set[str]) -> list[Outcome]:
        """A note for each reference that is still not known."""
        return [note for note, reference, _ in self._waiting if reference not in known]


def crs_of(run: Run) -> str:
    """The coordinate system that an import says its coordinates are in."""
    try:
        return geometry.coordinate_system(run.option("crs", ""))
    except Malformed as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "crs", "reason": error.reason}]) from None


def note_unknown_area(row: Row, code: str | None, known: set[str], column: str) -> None:
    if code is not None and code not in known:
        row.note(f"the area {code} is not known yet", column)


def strongest(verdicts: Iterable[Written]) -> Written:
    """What became of a row that makes several records: the row is refused if one is, new if one is new."""
    ranked = {"quarantined": 0, "accepted": 1, "changed": 2, "unchanged": 3}
    return min(verdicts, key=lambda written: ranked[written.verdict], default=Written(UNCHANGED))
