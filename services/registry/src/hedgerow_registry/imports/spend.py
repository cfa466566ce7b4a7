"""The kind `spend`: what an authority paid, line by line, as councils publish it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, TypeVar

from hedgerow_kit.bulk import JSON, NDJSON, Kind, Run
from hedgerow_kit.records import Batch, Outcome, Record, csv_records, json_records, ndjson_records
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions import spend as actions
from hedgerow_registry.actions.spend import Line, Supplier
from hedgerow_registry.domain import gss, spend, words
from hedgerow_registry.domain.postcode import postcode
from hedgerow_registry.errors import Malformed
from hedgerow_registry.imports.rows import (
    MEDIA_TYPES,
    OPTIONS,
    Rejected,
    Row,
    provenance,
    source_of,
)

K = TypeVar("K")
T = TypeVar("T")

REQUIRED = ("buyer_code", "supplier_name", "supplier_id", "date", "amount_gbp", "category", "redacted")
OPTIONAL = ("reference", "department", "postcode", "area_code")
_BATCH = 20_000
_MOST_KNOWN = 100_000
_LONGEST_NAME, _LONGEST_ID, _LONGEST_WORD, _LONGEST_REFERENCE = 500, 200, 300, 100


class _Reader:
    """Reads rows into lines. What stands on many rows (suppliers, days, amounts, words) is read once."""

    def __init__(self, run: Run) -> None:
        self._principal = run.principal
        self._suppliers: dict[tuple[Any, ...], Supplier] = {}
        self._days: dict[str, date] = {}
        self._pence: dict[str, int] = {}
        self._words: dict[str, str] = {}
        self._seen = spend.Occurrences()

    @classmethod
    def of(cls, run: Run) -> "_Reader":
        reader: _Reader | None = run.kept.get("spend")
        if reader is None:
            reader = run.kept["spend"] = cls(run)
        return reader

    def read(self, row: Row) -> Line:
        supplier = self._supplier(row)
        if supplier.name is supplier.supplier_id is None and not supplier.redacted:
            row.note("no supplier is named: it is kept as unknown", "supplier_name")
        day = self._once(self._days, row, "date", words.day)
        pence = self._once(self._pence, row, "amount_gbp", spend.pence)
        category, department = self._word(row, "category"), self._word(row, "department")
        reference = row.maybe("reference")
        _fits(reference, _LONGEST_REFERENCE, "reference")
        # Where a redacted supplier was paid may tell who it is.
        place, area = ("", "") if supplier.redacted else (_postcode(row), _area(row))
        content = (*supplier, day, pence, category, department, reference, place, area)
        return Line(
            supplier, day, pence, category, department, reference, place, area, spend.digest(content), 0
        )

    def numbered(self, lines: Sequence[Line]) -> list[Line]:
        numbers = self._seen.number([line.digest for line in lines])
        return [line._replace(occurrence=number) for line, number in zip(lines, numbers, strict=True)]

    def _supplier(self, row: Row) -> Supplier:
        cells = tuple(map(row.record.fields.get, ("buyer_code", "supplier_name", "supplier_id", "redacted")))
        known = self._suppliers.get(cells) if all(map(_is_plain, cells)) else None
        if known is not None:
            return known
        buyer = row.read("buyer_code", spend.buyer_code)
        if not actions.may_write_buyer(self._principal, buyer):
            raise Rejected("you do not act for this buyer", "buyer_code")
        said = row.text("supplier_name")
        redacted = bool(row.checked("redacted", spend.is_redacted, row.text("redacted"), said))
        name, number = (None, None) if redacted else (said or None, row.maybe("supplier_id"))
        _fits(name, _LONGEST_NAME, "supplier_name")
        _fits(number, _LONGEST_ID, "supplier_id")
        made = Supplier(buyer, name, number, redacted)
        if all(map(_is_plain, cells)):
            _roomy(self._suppliers)[cells] = made
        return made

    def _once(self, known: dict[str, T], row: Row, column: str, reader: Callable[[str], T]) -> T:
        said = row.needed(column)
        found = known.get(said)
        if found is None:
            found = _roomy(known)[said] = row.checked(column, reader, said)
        return found

    def _word(self, row: Row, column: str) -> str | None:
        said = row.text(column)
        if said and said not in self._words:
            _fits(said, _LONGEST_WORD, column)
            _roomy(self._words)[said] = said
        return said or None


def _is_plain(cell: Any) -> bool:
    return cell is None or isinstance(cell, str)


def _roomy(known: dict[K, T]) -> dict[K, T]:
    """The dictionary, emptied when it has grown large: memory is not to grow with the file."""
    if len(known) >= _MOST_KNOWN:
        known.clear()
    return known


def _fits(text: str | None, longest: int, column: str) -> None:
    if text is None:
        return
    if len(text) > longest:
        raise Rejected(f"longer than {longest} characters", column)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Rejected("a text holds half a surrogate pair", column) from None
    if "\x00" in text:
        raise Rejected("a text holds NUL", column)


def _postcode(row: Row) -> str:
    said = row.text("postcode")
    try:
        return postcode(said) if said else ""
    except Malformed as error:
        row.note(f"the postcode was left out: {error.reason}", "postcode")
        return ""


def _area(row: Row) -> str:
    said = row.text("area_code")
    try:
        return gss.area_code(said) if said else ""
    except Malformed as error:
        row.note(f"the area was left out: {error.in_receipt}", "area_code")
        return ""


def read(upload: Upload, run: Run) -> Iterator[Batch]:
    source_of(run)
    if upload.media_type == NDJSON:
        return ndjson_records(upload.path, batch=_BATCH)
    if upload.media_type == JSON:
        return json_records(upload.path, under=("items", run.kind), batch=_BATCH)
    return csv_records(upload.path, required=REQUIRED, optional=OPTIONAL, batch=_BATCH)


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    reader = _Reader.of(run)
    outcomes: list[Outcome] = []
    rows: list[Row] = []
    lines: list[Line] = []
    for record in batch:
        row = Row(record)
        try:
            lines.append(reader.read(row))
            rows.append(row)
        except Rejected as error:
            row.key = _key(record.fields)
            outcomes.append(row.rejected(error))
    new = actions.write_lines(session, reader.numbered(lines), by)
    for row, is_new in zip(rows, new, strict=True):
        if row.notes:
            row.key = _key(row.record.fields)
        verdict = "accepted" if is_new else "unchanged"
        reason = "; ".join(row.notes) or None
        outcomes.append(
            Outcome(verdict, row.record.line, None, row.record.pointer, row.key, row.note_column, reason)
        )
    return outcomes


def _key(fields: dict[str, Any]) -> str | None:
    """What names a line in a receipt: never the supplier, who may be redacted."""
    values = (fields.get(column) for column in ("reference", "date", "amount_gbp"))
    return "/".join(str(value)[:100] for value in values if isinstance(value, str | int | float)) or None


KIND = Kind(
    name="spend",
    summary="Import what an authority paid, line by line",
    read=read,
    write=write,
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
