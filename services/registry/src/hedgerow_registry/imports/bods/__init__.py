"""The kind `bods`: statements of the Beneficial Ownership Data Standard 0.4."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from hedgerow_kit.bulk import JSON, NDJSON, Kind, Run
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from hedgerow_kit.records import Batch, Outcome, Record, json_records, ndjson_records
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities, ownership
from hedgerow_registry.actions.records import ACCEPTED, CHANGED
from hedgerow_registry.imports.bods.model import Invalid
from hedgerow_registry.imports.bods.reading import Read, read
from hedgerow_registry.imports.rows import (
    OPTIONS,
    Awaited,
    Rejected,
    Row,
    provenance,
    settled,
    source_of,
    taken,
)
from hedgerow_registry.store.ownership import known_records

_BATCH = 2_000


def _statements(upload: Upload, run: Run) -> Iterator[Batch]:
    source_of(run)
    if upload.media_type == NDJSON:
        return ndjson_records(upload.path, batch=_BATCH)
    if not _is_list(upload):
        reason = "statements come as an array; one alone as an array of one, or as a line of NDJSON"
        raise Problem(UNPROCESSABLE, errors=[{"pointer": "", "reason": reason}])
    return json_records(upload.path, batch=_BATCH)


def _is_list(upload: Upload) -> bool:
    with upload.path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    source = source_of(run)
    sent: list[tuple[Row, Read]] = []
    outcomes: list[Outcome] = []
    for record in batch:
        row = Row(record, key=_key(record))
        try:
            made = read(record.fields, source)
        except Invalid as error:
            outcomes.append(row.rejected(Rejected(error.reason, error.field)))
            continue
        for column, said in made.notes:
            row.note(said, column)
        sent.append((row, made))
    described = [(made.statement, made.organisation) for _, made in sent if made.organisation is not None]
    ownership.settle_organisations(session, described, by)
    rows = [(row, made.statement) for row, made in sent]
    written = settled(session, entities.OWNERSHIP_STATEMENTS, rows, run, by)
    landed = list(taken(rows, written))
    new = [fields for _, fields, outcome in landed if outcome.verdict in (ACCEPTED, CHANGED)]
    ownership.derive_interests(session, new, by)
    _await_subjects(session, run, landed)
    return outcomes + written


def _key(record: Record) -> str | None:
    said = record.fields.get("statementId")
    return said[:64] if isinstance(said, str) else None


def _await_subjects(
    session: Session, run: Run, landed: Iterable[tuple[Row, dict[str, Any], Outcome]]
) -> None:
    told = [
        (row, fields["subject_key"], outcome) for row, fields, outcome in landed if fields.get("subject_key")
    ]
    known = known_records(session, (key for _, key, _ in told))
    awaited = Awaited.of(run)
    for row, key, outcome in told:
        if key not in known:
            awaited.add(replace(outcome), row.key, "recordDetails.subject", key, "the record")


def finish(session: Session, run: Run) -> Iterable[Outcome]:
    """A subject that no statement describes is noted: nothing follows until one does."""
    awaited = Awaited.of(run)
    return awaited.notes(known_records(session, awaited.references()))


KIND = Kind(
    name="bods",
    summary="Import statements of who owns and controls whom: Beneficial Ownership Data Standard 0.4",
    read=_statements,
    write=write,
    finish=finish,
    media_types=(JSON, NDJSON),
    options=OPTIONS,
)
