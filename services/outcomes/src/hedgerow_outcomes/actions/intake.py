"""What can be imported: `kpis` and `observations`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from hedgerow_kit.bulk import CSV, JSON, NDJSON, Importer, Kind, Run
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
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import disclosure, kpis, ledgers, observations
from hedgerow_outcomes.domain import definitions
from hedgerow_outcomes.domain.definitions import Definition
from hedgerow_outcomes.domain.parquet_text import PARQUET
from hedgerow_outcomes.domain.periods import PeriodForm
from hedgerow_outcomes.domain.rows import Checked
from hedgerow_outcomes.errors import IncompleteDefinition
from hedgerow_outcomes.tables import Import, Receipt

_SOURCE = {"source": "Name of the source of the file; `default` if not given"}
_UNDER_WAY = "observation import"


def importer(*, batch_rows: int) -> Importer:
    """The imports of outcomes; observations are written at most `batch_rows` in a transaction."""

    def read_observations(upload: Upload, run: Run) -> Iterator[Batch]:
        under_way = observations.begin_import(
            import_id=run.id,
            source=run.option("source", "default"),
            by=run.principal,
            period=run.option("period", "auto"),
            blank=run.option("blank", "quarantine"),
            define=run.option("define", "false"),
            shape=run.option("shape", "long"),
        )
        run.kept[_UNDER_WAY] = under_way
        parts = observations.read_file(
            upload.path, media_type=upload.media_type, under_way=under_way, batch_rows=batch_rows
        )
        for checked, notes in parts:
            yield Batch([checked], notes=notes)

    return Importer(
        "outcomes",
        Import,
        Receipt,
        [
            Kind(
                name="kpis",
                summary="Define KPIs; a definition that differs from the last one is a new version of it",
                read=_read_kpis,
                write=_write_kpis,
                media_types=(CSV, NDJSON, JSON),
                options=_SOURCE,
            ),
            Kind(
                name="observations",
                summary="Take in values of KPIs; corrections are kept beside what was known before",
                read=read_observations,
                write=_write_observations,
                finish=_settle_observations,
                media_types=(CSV, NDJSON, JSON, PARQUET),
                options=_SOURCE
                | {
                    "period": f"How the file's periods are to be read: {', '.join(PeriodForm)}",
                    "blank": "What a blank value means: `quarantine` (default) or `missing`, which keeps it",
                    "shape": "`long` (default); `periods` or `kpis`: a column for each period or KPI (CSV)",
                    "define": "`true`: a KPI that is not defined yet is made, and marked as incomplete",
                },
            ),
            ledgers.KIND,
        ],
    )


def _write_observations(session: Session, records: Sequence[Checked], run: Run) -> list[Outcome]:
    under_way: observations.ObservationImport = run.kept[_UNDER_WAY]
    return [outcome for checked in records for outcome in under_way.write(session, checked)]


def _settle_observations(session: Session, run: Run) -> list[Outcome]:
    under_way: observations.ObservationImport | None = run.kept.get(_UNDER_WAY)
    if under_way is not None:
        disclosure.settle_all(session, under_way.protected)
    return []


def _read_kpis(upload: Upload, _run: Run) -> Iterator[Batch]:
    if upload.media_type == NDJSON:
        return ndjson_records(upload.path)
    if upload.media_type == JSON:
        return json_records(upload.path, under=("items", "kpis"))
    return csv_records(upload.path, required=definitions.REQUIRED, optional=definitions.OPTIONAL)


def _write_kpis(session: Session, records: Sequence[Record], run: Run) -> Iterator[Outcome]:
    read: list[tuple[Record, str, Definition, date | None]] = []
    for record in records:
        try:
            id, definition, valid_from = definitions.definition(record.fields)
        except IncompleteDefinition as error:
            yield quarantined(record, str(error), column=error.column, key=_key(record))
            continue
        read.append((record, id, definition, valid_from))
    last = {(id, valid_from): record for record, id, _, valid_from in read}
    for record, id, definition, valid_from in read:
        counts = last[id, valid_from]
        if counts is not record:
            yield Outcome(
                "unchanged",
                record.line,
                key=id,
                pointer=record.pointer,
                reason=f"{_place(counts)} of this file defines the KPI again: that one counts",
            )
            continue
        defined = kpis.define(
            session,
            id,
            definition,
            valid_from=valid_from,
            source=run.option("source", "default"),
            by=run.principal,
            today=datetime.now(UTC).date(),
        )
        yield Outcome(defined.verdict, record.line, key=id, pointer=record.pointer, reason=defined.note)


def _place(record: Record) -> str:
    return f"line {record.line}" if record.line is not None else str(record.pointer)


def _key(record: Record) -> str | None:
    id = record.fields.get("id")
    return id[:120] if isinstance(id, str) else None
