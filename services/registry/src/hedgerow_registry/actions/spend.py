"""Taking in what authorities paid, a batch of lines at a time, and what a person decides of a supplier."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from hedgerow_kit.auth import Principal
from hedgerow_kit.db import upsert
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.domain.words import name_key
from hedgerow_registry.errors import BuyerOfAnotherAuthority, InvalidReference, Redacted, UnknownRecord
from hedgerow_registry.store import directory, merges, spend
from hedgerow_registry.tables import (
    SpendBranch,
    SpendFile,
    SpendLine,
    SpendSource,
    SpendSupplier,
    SpendWord,
)

MATCHED, CANDIDATE, UNMATCHED, REDACTED = "matched", "candidate", "unmatched", "redacted"


class Supplier(NamedTuple):
    """A supplier as a line names it; of a redacted one nothing but that."""

    buyer_code: str
    name: str | None
    supplier_id: str | None
    redacted: bool

    @property
    def key(self) -> str:
        told = "\x1f".join((self.buyer_code, self.name or "", self.supplier_id or "", str(self.redacted)))
        return blake2b(told.encode("utf-8", "replace"), digest_size=16).hexdigest()


class Line(NamedTuple):
    """One line, read; `digest` is of all its content, `occurrence` the how-manieth of it in its file."""

    supplier: Supplier
    day: date
    pence: int
    category: str | None
    department: str | None
    reference: str | None
    postcode: str
    area_code: str
    digest: int
    occurrence: int


def write_lines(session: Session, lines: Sequence[Line], by: Provenance) -> list[bool]:
    """Store the lines that are not there yet; tells for each, in their order, whether it was new."""
    if not lines:
        return []
    spend.lock(session)
    source = _number(session, SpendSource, {"name": by.source})
    held = spend.occurrences(session, source, {line.digest for line in lines})
    new = [line.occurrence > held.get(line.digest, 0) for line in lines]
    added = [line for line, is_new in zip(lines, new, strict=True) if is_new]
    if added:
        _store(session, added, source, by)
    return new


def _store(session: Session, lines: Sequence[Line], source: int, by: Provenance) -> None:
    assert by.import_id is not None
    file = _number(session, SpendFile, {"import_id": by.import_id}, also={"source": by.source, "at": by.at})
    suppliers = _suppliers(session, {line.supplier for line in lines})
    said = {word for line in lines for word in (line.category, line.department) if word is not None}
    words = _numbers(session, SpendWord, ("word",), {(word,) for word in said})
    branches = _numbers(
        session,
        SpendBranch,
        ("postcode", "area_code"),
        {(line.postcode, line.area_code) for line in lines if line.postcode or line.area_code},
    )
    rows = [
        {
            "source": source,
            "digest": line.digest,
            "occurrence": line.occurrence,
            "supplier": suppliers[line.supplier],
            "day": line.day,
            "pence": line.pence,
            "category": words.get((line.category,)),
            "department": words.get((line.department,)),
            "branch": branches.get((line.postcode, line.area_code)),
            "reference": line.reference,
            "file": file,
        }
        for line in lines
    ]
    # In the order of the key: faster to load.
    rows.sort(key=lambda row: (row["digest"], row["occurrence"]))
    upsert(session, SpendLine, rows, key=["source", "digest", "occurrence"], update=[])


def _number(session: Session, table: Any, said: dict[str, Any], also: dict[str, Any] | None = None) -> int:
    """The number of a row that these values make one; a new one is given the next."""
    ((name, value),) = said.items()
    held = session.scalar(select(table.number).where(getattr(table, name) == value))
    if held is not None:
        return int(held)
    number = _next(session, table)
    session.add(table(number=number, **said, **(also or {})))
    session.flush()
    return number


def _next(session: Session, table: Any) -> int:
    return int(session.scalar(select(func.coalesce(func.max(table.number), 0))) or 0) + 1


def _numbers(
    session: Session, table: Any, columns: Sequence[str], wanted: set[tuple[str, ...]]
) -> dict[tuple[Any, ...], int]:
    found = spend.numbers(session, table, columns, wanted)
    new = sorted(wanted - set(found))
    if new:
        first = _next(session, table)
        rows = [
            {"number": number, **dict(zip(columns, values, strict=True))}
            for number, values in enumerate(new, first)
        ]
        upsert(session, table, rows, key=["number"], update=[])
        found.update({values: number for number, values in enumerate(new, first)})
    return dict(found)


def _suppliers(session: Session, wanted: Iterable[Supplier]) -> dict[Supplier, int]:
    by_key = {supplier.key: supplier for supplier in wanted}
    held = spend.numbers(session, SpendSupplier, ("key",), {(key,) for key in by_key})
    found = {by_key[key]: number for (key,), number in held.items()}
    new = sorted(key for key in by_key if (key,) not in held)
    if new:
        first = _next(session, SpendSupplier)
        rows = [_supplier_row(number, by_key[key]) for number, key in enumerate(new, first)]
        upsert(session, SpendSupplier, rows, key=["number"], update=[])
        found.update({by_key[key]: number for number, key in enumerate(new, first)})
    return found


def _supplier_row(number: int, supplier: Supplier) -> dict[str, Any]:
    return {
        "number": number,
        "key": supplier.key,
        "buyer_code": supplier.buyer_code,
        "name": supplier.name,
        "name_key": None if supplier.name is None else name_key(supplier.name),
        "supplier_id": supplier.supplier_id,
        "redacted": supplier.redacted,
        "state": REDACTED if supplier.redacted else UNMATCHED,
        "reasons": [],
        "refused_ids": [],
    }


def may_write_buyer(principal: Principal, code: str) -> bool:
    """Whether a principal may hand in what a buyer paid: its own authority's, or an administrator all."""
    return principal.owns(code)


def confirm(
    session: Session, number: int, organisation_id: str, *, reason: str, by: Principal
) -> SpendSupplier:
    """Say which organisation a supplier is. Raises UnknownRecord, Redacted, InvalidReference."""

    def decide(row: SpendSupplier) -> None:
        if not directory.known_organisations(session, [organisation_id]):
            raise InvalidReference("organisation_id", "no such organisation")
        row.state, row.matched_by, row.organisation_id, row.score = MATCHED, "person", organisation_id, 1.0
        row.reasons = [{"kind": "person", "speaks": "for", "text": reason}]
        row.refused_ids = [id for id in row.refused_ids if id != organisation_id]

    return _decided(session, number, reason, by, decide)


def refuse(
    session: Session, number: int, organisation_id: str | None, *, reason: str, by: Principal
) -> SpendSupplier:
    """Say that a supplier is not the organisation it was taken for, or not the one named.

    It is looked for among the others when the registry is next looked through.
    Raises UnknownRecord, Redacted, InvalidReference.
    """

    def decide(row: SpendSupplier) -> None:
        refused = organisation_id or row.organisation_id
        if refused is None:
            raise InvalidReference("organisation_id", "it was taken for none: name the one it is not")
        # What was merged with it later is refused with it: the one that answers is looked at.
        row.refused_ids = sorted({*row.refused_ids, refused, merges.answering(session, refused)})
        if row.organisation_id is not None and row.organisation_id in row.refused_ids:
            row.state, row.matched_by, row.organisation_id = UNMATCHED, None, None
            row.score, row.reasons, row.looked_at = None, [], None

    return _decided(session, number, reason, by, decide)


def release(session: Session, number: int, *, by: Principal) -> SpendSupplier:
    """Take back what a person has decided of a supplier; it is looked for anew."""

    def decide(row: SpendSupplier) -> None:
        row.state, row.matched_by, row.organisation_id = UNMATCHED, None, None
        row.score, row.reasons, row.looked_at, row.refused_ids = None, [], None, []

    row = _decided(session, number, None, by, decide)
    row.decided_by, row.decided_at, row.decided_because = None, None, None
    session.flush()
    return row


def _decided(
    session: Session,
    number: int,
    reason: str | None,
    by: Principal,
    decide: Callable[[SpendSupplier], None],
) -> SpendSupplier:
    spend.lock(session)
    row = session.get(SpendSupplier, number, populate_existing=True)
    if row is None:
        raise UnknownRecord("supplier")
    if not may_write_buyer(by, row.buyer_code):
        raise BuyerOfAnotherAuthority
    if row.redacted:
        raise Redacted
    decide(row)
    row.decided_by, row.decided_at, row.decided_because = by.subject, datetime.now(UTC), reason
    session.flush()
    return row
