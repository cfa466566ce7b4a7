"""Taking in the ledgers of schemes."""

from collections.abc import Iterator, Sequence
from typing import Any

from hedgerow_kit.auth import Principal
from hedgerow_kit.bulk import CSV, JSON, NDJSON, Kind, Run
from hedgerow_kit.records import (
    Batch,
    Outcome,
    Record,
    csv_records,
    json_records,
    ndjson_records,
    quarantined,
)
from hedgerow_kit.spool import Upload
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.spellings import parse_period
from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.domain.value_for_money import pence
from hedgerow_outcomes.errors import UnknownPeriod, UnknownSubject
from hedgerow_outcomes.tables import LedgerEntry, feed

REQUIRED = ("scheme", "party", "kind", "period", "amount_gbp")
_OF_OTHERS = "your authority is not a party of the scheme"
KINDS = ("invest", "save", "match")


def read(upload: Upload, _run: Run) -> Iterator[Batch]:
    if upload.media_type == NDJSON:
        return ndjson_records(upload.path)
    if upload.media_type == JSON:
        return json_records(upload.path, under=("items", "ledger"))
    return csv_records(upload.path, required=REQUIRED, optional=("evidence",))


def write(session: Session, records: Sequence[Record], run: Run) -> Iterator[Outcome]:
    """Each row is one sum; the same key again is a correction of it."""
    for record in records:
        try:
            entry = _entry(record.fields, run.option("source", "default"))
        except _Unfit as error:
            yield quarantined(record, error.reason, column=error.column, key=_key(record))
            continue
        if not _is_own(session, entry, run.principal):
            yield quarantined(record, _OF_OTHERS, column="scheme", key=_key(record))
            continue
        yield Outcome(_kept(session, entry), record.line, pointer=record.pointer, key=_key(record))


def _is_own(session: Session, entry: LedgerEntry, by: Principal) -> bool:
    """Whether the sender is a party of the scheme, or begins it as one."""
    if by.acts_for_all:
        return True
    query = select(LedgerEntry.party).where(LedgerEntry.scheme == entry.scheme)
    return not by.authorities.isdisjoint(session.scalars(query).all() or [entry.party])


def _kept(session: Session, entry: LedgerEntry) -> str:
    key = (entry.scheme, entry.party, entry.kind, entry.period_start, entry.period_end)
    held = session.get(LedgerEntry, key)
    if held is not None and (held.pence, held.evidence) == (entry.pence, entry.evidence):
        return "unchanged"
    session.merge(entry)
    feed.record(session, "ledger", entry.scheme)
    return "accepted" if held is None else "changed"


class _Unfit(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def _entry(fields: dict[str, Any], source: str) -> LedgerEntry:
    scheme = _text(fields, "scheme", 120)
    kind = _text(fields, "kind", 10).casefold()
    if kind not in KINDS:
        raise _Unfit("kind", f"one of {', '.join(KINDS)}")
    try:
        party = parse_subject(_text(fields, "party", 230)).text
    except UnknownSubject as error:
        raise _Unfit("party", error.in_receipt) from None
    try:
        period = parse_period(_text(fields, "period", 60))
    except UnknownPeriod as error:
        raise _Unfit("period", str(error)) from None
    try:
        amount = pence(_text(fields, "amount_gbp", 40))
    except (ValueError, ArithmeticError):
        raise _Unfit("amount_gbp", "not an amount in pounds and pence") from None
    evidence = _text(fields, "evidence", 4000) if fields.get("evidence") else None
    return LedgerEntry(
        scheme=scheme,
        party=party,
        kind=kind,
        period_start=period.start,
        period_end=period.end,
        pence=amount,
        evidence=evidence,
        source=source,
    )


def _text(fields: dict[str, Any], column: str, longest: int) -> str:
    value = fields.get(column)
    if not isinstance(value, str | int | float) or isinstance(value, bool) or not str(value).strip():
        raise _Unfit(column, "must not be empty")
    text = str(value).strip()
    if len(text) > longest or "\x00" in text:
        raise _Unfit(column, f"a text of at most {longest} characters")
    return text


def _key(record: Record) -> str | None:
    parts = (record.fields.get(column) for column in ("scheme", "party", "kind", "period"))
    return "/".join(str(part)[:100] for part in parts if part is not None) or None


KIND = Kind(
    name="ledger",
    summary="Take in who invests in a scheme, who saves by it and who matches",
    read=read,
    write=write,
    media_types=(CSV, NDJSON, JSON),
    options={"source": "Name of the source of the file; `default` if not given"},
)
