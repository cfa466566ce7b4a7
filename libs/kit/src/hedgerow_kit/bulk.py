"""Streaming bulk imports with receipts: one mechanism for every kind of file and every app.

A file is spooled to disk, read in batches, and each batch is written in one transaction together with its
receipts and the import's counts. So a crash leaves an import whose counts are exact for what has landed, and
sending the file again doubles nothing.
"""

import inspect
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Integer,
    Select,
    String,
    Text,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from hedgerow_kit import audit, db, metrics, paging, problems, refusals
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Act, Database, Instant, Json, Reading
from hedgerow_kit.problems import NOT_FOUND, UNSUPPORTED_MEDIA, Problem, ProblemType
from hedgerow_kit.reach import OwnedAlone
from hedgerow_kit.records import Batch, Outcome
from hedgerow_kit.retention import Kept
from hedgerow_kit.spool import Upload, received

# What a file is, where an OpenAPI document can say more than that it is one.
_JSON_FILE = {"anyOf": [{"type": "array", "items": {}}, {"type": "object"}]}
_FILE = {"application/json": _JSON_FILE, "application/geo+json": {"type": "object"}}

log = logging.getLogger(__name__)

CSV, NDJSON, JSON, GEOJSON = "text/csv", "application/x-ndjson", "application/json", "application/geo+json"
LONGEST_UPLOAD = 20_000_000_000
# All options of a kind together still fit into an address.
LONGEST_OPTION = 1_000
VERDICTS = ("accepted", "changed", "unchanged", "quarantined")
# An import of which nothing was heard for this long has died with its process.
SILENCE = timedelta(minutes=15)

RECEIPTS_OVER = ProblemType(410, "receipts-over", "Older than what is kept")


class ImportMixin(OwnedAlone):
    """An import belongs to the authority that it names, else to the one that its sender acts for."""

    __tablename__ = "imports"
    # An import says itself what the audit keeps of it, once when it begins and once when it ends.
    __audited__ = False

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[list[str]] = mapped_column(Json)
    options: Mapped[dict[str, str]] = mapped_column(Json)
    subject: Mapped[str] = mapped_column(String(200))
    accepted: Mapped[int] = mapped_column(BigInteger, default=0)
    changed: Mapped[int] = mapped_column(BigInteger, default=0)
    unchanged: Mapped[int] = mapped_column(BigInteger, default=0)
    quarantined: Mapped[int] = mapped_column(BigInteger, default=0)
    receipts: Mapped[int] = mapped_column(BigInteger, default=0)
    started_at: Mapped[datetime] = mapped_column(Instant)
    touched_at: Mapped[datetime] = mapped_column(Instant)


class ReceiptMixin:
    __tablename__ = "receipts"
    __audited__ = False

    @declared_attr
    def import_id(cls) -> Mapped[str]:
        return mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    verdict: Mapped[str] = mapped_column(String(20))
    line: Mapped[int | None] = mapped_column(BigInteger)
    line_to: Mapped[int | None] = mapped_column(BigInteger)
    pointer: Mapped[str | None] = mapped_column(Text)
    key: Mapped[str | None] = mapped_column(Text)
    column: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    records: Mapped[int] = mapped_column(Integer, default=1)


@dataclass
class Run:
    """One import under way: what a kind's writer may know and keep between batches.

    file: what is told of the file that was sent: its media type, its length in bytes, its SHA-256
    """

    id: str
    kind: str
    options: Mapping[str, str]
    principal: Principal
    file: Mapping[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def option(self, name: str, default: str) -> str:
        return self.options.get(name, default)


class Option(NamedTuple):
    """What a query parameter of a kind means, and how long it may be, in characters."""

    meaning: str
    longest: int = LONGEST_OPTION


@dataclass(frozen=True)
class Kind:
    """A kind of file that can be imported.

    read: gives the file in batches; raises a Problem on the first one if the file is not what it says it is.
    write: writes one batch's records and tells what became of each.
    finish: looks once more at the end, in a transaction of its own; its outcomes are notes, not counted.
    options: query parameters and what they mean, or more of each.
    """

    name: str
    summary: str
    read: Callable[[Upload, Run], Iterator[Batch]]
    write: Callable[[Session, Any, Run], Iterable[Outcome]]
    finish: Callable[[Session, Run], Iterable[Outcome]] | None = None
    media_types: tuple[str, ...] = (CSV,)
    options: Mapping[str, str | Option] = field(default_factory=dict)


class Counts(BaseModel):
    accepted: int
    changed: int
    unchanged: int
    quarantined: int


class ImportView(BaseModel):
    """An import: what was sent, what became of it. The counts add up to the records sent."""

    id: str
    kind: str
    status: str
    detail: str | None
    notes: list[str]
    options: dict[str, str]
    counts: Counts
    receipts: str
    started_at: datetime
    touched_at: datetime


class ReceiptView(BaseModel):
    """What became of a record, or of the records from `line` to `line_to`."""

    model_config = ConfigDict(from_attributes=True)

    verdict: str
    line: int | None
    line_to: int | None
    pointer: str | None
    key: str | None
    column: str | None
    reason: str | None
    records: int


def _act(kind: str, who: str) -> Act:
    return Act(who, f"import {kind}")


def _without_keys(options: Mapping[str, str]) -> dict[str, str]:
    """The options as they may be kept and shown: what follows an address may be a key.

    >>> _without_keys({"url": "https://feeds.example/v3?key=mine", "source": "directory"})
    {'url': 'https://feeds.example/v3', 'source': 'directory'}
    """
    kept = dict(options)
    if "url" in kept:
        kept["url"] = urlsplit(kept["url"])._replace(query="", fragment="").geturl()
    return kept


def _told_of(upload: Upload) -> dict[str, Any]:
    return {"media_type": upload.media_type, "bytes": upload.size, "sha256": upload.sha256}


class Importer:
    """Runs imports of one app into its two tables."""

    def __init__(
        self, app: str, imports: type[ImportMixin], receipts: type[ReceiptMixin], kinds: Iterable[Kind]
    ) -> None:
        self._app = app
        self._imports = imports
        self._receipts = receipts
        self.kinds = {kind.name: kind for kind in kinds}

    def run(
        self,
        database: Database,
        kind: Kind,
        upload: Upload,
        *,
        options: Mapping[str, str],
        principal: Principal,
    ) -> str:
        """Import a file; gives the import's id. Raises a Problem, and leaves nothing, if it is unreadable."""
        run = Run(new_id(self._app), kind.name, options, principal, _told_of(upload))
        batches = kind.read(upload, run)
        # The first is read before anything is begun, and held by nobody after it is written.
        batches = chain(iter([next(batches, Batch([]))]), batches)
        with database.writing() as session:
            self.begin(session, run)
        try:
            self._write(database, run, batches)
        except Exception as error:
            with database.writing() as session:
                self.end(session, run.id, "failed", _words(error))
            if isinstance(error, Problem):
                raise
            log.error("import failed", exc_info=error, extra={"import_id": run.id, "kind": kind.name})
            raise
        with database.writing() as session:
            self.end(session, run.id, "completed", None)
        return run.id

    def _write(self, database: Database, run: Run, batches: Iterable[Batch]) -> None:
        kind = self.kinds[run.kind]
        for batch in batches:
            with database.writing() as session:
                outcomes = [*batch.outcomes, *kind.write(session, batch.records, run)]
                self.keep(session, run.id, outcomes, batch.notes)
            # Else it is in memory still while the next one is read.
            del batch, outcomes
        if kind.finish is not None:
            with database.writing() as session:
                self.keep(session, run.id, kind.finish(session, run), [], counted=False)

    def begin(self, session: Session, run: Run) -> None:
        """Say that an import is under way; one that was begun before goes on."""
        now = datetime.now(UTC)
        row = session.get(self._imports, run.id)
        if row is not None:
            row.status, row.detail, row.touched_at = "running", None, now
            return
        options = _without_keys(run.options)
        told = {"kind": run.kind, "options": options, "file": dict(run.file)}
        audit.enter(session, _act(run.kind, run.principal.subject), "import", run.id, after=told)
        session.execute(
            insert(self._imports).values(
                id=run.id,
                kind=run.kind,
                status="running",
                notes=[],
                options=options,
                subject=run.principal.subject,
                authority_code=run.options.get("authority") or run.principal.stamp,
                started_at=now,
                touched_at=now,
            )
        )

    def keep(
        self,
        session: Session,
        import_id: str,
        outcomes: Iterable[Outcome],
        notes: Sequence[str] = (),
        *,
        counted: bool = True,
    ) -> dict[str, int]:
        """Write the receipts of some records, in their order, and count their verdicts; gives the counts."""
        listed = sorted(outcomes, key=_place)
        row = session.get_one(self._imports, import_id)
        receipts = _receipt_rows(listed, import_id, row.receipts + 1)
        db.insert_all(session, self._receipts, receipts)
        sums = dict.fromkeys(VERDICTS, 0)
        for outcome in listed if counted else ():
            sums[outcome.verdict] += outcome.records
        for verdict, number in sums.items():
            setattr(row, verdict, getattr(row, verdict) + number)
        if counted and metrics.is_telling():
            kind = row.kind
            event.listen(
                session, "after_commit", lambda _: metrics.imported(self._app, kind, sums), once=True
            )
        row.receipts += len(receipts)
        row.touched_at = datetime.now(UTC)
        if notes:
            row.notes = [*row.notes, *notes]
        return sums

    def end(self, session: Session, import_id: str, status: str, detail: str | None) -> None:
        """Say how an import ended: `completed` or `failed`."""
        row = session.get_one(self._imports, import_id)
        row.status, row.detail, row.touched_at = status, detail, datetime.now(UTC)
        told = {"status": status, **{verdict: getattr(row, verdict) for verdict in VERDICTS}}
        act = _act(row.kind, row.subject)
        audit.enter(session, act, "import", import_id, before={"status": "running"}, after=told)

    def mark_interrupted(self, database: Database) -> None:
        """At start: say of imports that died with their process that they did."""
        # An SQLite database has one process; on PostgreSQL another replica may be at work.
        silence = timedelta(0) if database.dialect == "sqlite" else SILENCE
        with database.writing() as session:
            found = select(self._imports.id).where(
                self._imports.status == "running", self._imports.touched_at < datetime.now(UTC) - silence
            )
            for id in session.scalars(found.with_for_update()).all():
                words = "interrupted: send the file again, nothing is doubled"
                self.end(session, id, "failed", words)

    def kept(self, *, days: int) -> Kept:
        """For how many days receipts are kept; 0: for good."""
        return Kept(
            "receipts",
            "What became of each row of an import, and why rows were quarantined; the import and its counts"
            " stay",
            days or None,
            lambda session: session.scalar(self._with_receipts(func.min(self._imports.touched_at))),
            self._remove_receipts,
        )

    def _with_receipts(self, column: Any) -> Select[Any]:
        """Of imports that are over and still have receipts."""
        has_any = select(self._receipts.number).where(self._receipts.import_id == self._imports.id).exists()
        return select(column).where(self._imports.status != "running", has_any)

    def _remove_receipts(self, session: Session, before: datetime, most: int) -> int:
        """Those of the oldest import, the first ones first: an import without its first has lost them."""
        imports, receipts = self._imports, self._receipts
        id = session.scalar(
            self._with_receipts(imports.id)
            .where(imports.touched_at < before)
            .order_by(imports.touched_at, imports.id)
            .limit(1)
        )
        of_it = receipts.import_id == id
        first = session.scalar(select(func.min(receipts.number)).where(of_it))
        if first is None:
            return 0
        gone = delete(receipts).where(of_it, receipts.number < first + most).returning(receipts.number)
        return len(session.execute(gone).all())

    def view(self, row: ImportMixin) -> ImportView:
        return ImportView(
            id=row.id,
            kind=row.kind,
            status=row.status,
            detail=row.detail,
            notes=row.notes,
            options=row.options,
            counts=Counts(
                accepted=row.accepted,
                changed=row.changed,
                unchanged=row.unchanged,
                quarantined=row.quarantined,
            ),
            receipts=f"/v1/imports/{row.id}/receipts",
            started_at=row.started_at,
            touched_at=row.touched_at,
        )

    def router(self) -> APIRouter:
        """`POST /v1/imports/<kind>` for every kind, and what became of each import."""
        router = problems.router(tags=["imports"])
        for kind in self.kinds.values():
            router.add_api_route(
                f"/v1/imports/{kind.name}",
                self._endpoint(kind),
                methods=["POST"],
                summary=kind.summary,
                operation_id=f"import_{kind.name}",
                response_model=ImportView,
                openapi_extra={
                    "requestBody": {
                        "required": True,
                        "content": {
                            name: {"schema": _FILE.get(name, {"type": "string", "format": "binary"})}
                            for name in kind.media_types
                        },
                    }
                },
            )
        self._add_reading(router)
        return router

    def _endpoint(self, kind: Kind) -> Callable[..., Any]:
        # Two at a time: an import fills a core and, on SQLite, holds the only writer.
        limiter = CapacityLimiter(2)

        async def endpoint(request: Request, principal: Principal, **options: str | None) -> ImportView:
            database = db.of(request)
            given = {name: value for name, value in options.items() if value is not None}
            async with received(request, limit_bytes=LONGEST_UPLOAD) as upload:
                if upload.media_type not in kind.media_types and not (upload.size == 0 and "url" in given):
                    raise Problem(
                        UNSUPPORTED_MEDIA,
                        f"Content-Type must be one of: {', '.join(kind.media_types)}.",
                        headers={"Accept-Post": ", ".join(kind.media_types)},
                    )

                def work() -> ImportView:
                    import_id = self.run(database, kind, upload, options=given, principal=principal)
                    with database.reading() as session:
                        return self.view(session.get_one(self._imports, import_id))

                return await to_thread.run_sync(work, limiter=limiter)

        endpoint.streams = True  # type: ignore[attr-defined]
        positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
        endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("request", positional, annotation=Request),
                inspect.Parameter("principal", positional, annotation=Annotated[Principal, require("write")]),
                *(
                    inspect.Parameter(
                        name,
                        inspect.Parameter.KEYWORD_ONLY,
                        default=None,
                        annotation=Annotated[
                            str | None, Query(description=option.meaning, max_length=option.longest)
                        ],
                    )
                    for name, told in kind.options.items()
                    for option in (told if isinstance(told, Option) else Option(told),)
                ),
            ]
        )
        endpoint.__doc__ = kind.summary
        return endpoint

    def _add_reading(self, router: APIRouter) -> None:
        imports, receipts = self._imports, self._receipts

        @router.get("/v1/imports")
        def list_imports(
            session: Reading,
            request: Request,
            response: Response,
            principal: Annotated[Principal, require("write")],
            after: paging.After = None,
            limit: paging.Limit = 50,
        ) -> paging.Page[ImportView]:
            """The imports of this app in the order they were started."""
            rows, marker = paging.keyset(session, select(imports), [imports.id], after=after, limit=limit)
            paging.link_next(request, response, marker)
            return paging.Page(items=[self.view(row[0]) for row in rows], next=marker)

        @router.get("/v1/imports/{import_id}")
        def read_import(
            import_id: str, session: Reading, principal: Annotated[Principal, require("write")]
        ) -> ImportView:
            """One import: its status and its counts."""
            return self.view(self._found(session, import_id))

        @router.get("/v1/imports/{import_id}/receipts", responses={410: refusals.answer(RECEIPTS_OVER)})
        def list_receipts(
            import_id: str,
            session: Reading,
            request: Request,
            response: Response,
            principal: Annotated[Principal, require("write")],
            verdict: Annotated[
                str | None, Query(pattern=f"^({'|'.join(VERDICTS)})$", description="Only this verdict")
            ] = None,
            noted: Annotated[bool, Query(description="Only receipts with a reason or a note")] = False,
            after: paging.After = None,
            limit: paging.Limit = 50,
        ) -> paging.Page[ReceiptView]:
            """What became of each record of an import, in the order of the file.

            410 `receipts-over` once they are older than what is kept; the import still has its counts.
            """
            found = self._found(session, import_id)
            first = {"import_id": import_id, "number": 1}
            if found.receipts and session.get(receipts, first) is None:
                raise Problem(RECEIPTS_OVER, "They have been removed; the import still has its counts.")
            query = select(receipts).where(receipts.import_id == import_id)
            if verdict is not None:
                query = query.where(receipts.verdict == verdict)
            if noted:
                query = query.where(receipts.reason.is_not(None))
            rows, marker = paging.keyset(session, query, [receipts.number], after=after, limit=limit)
            paging.link_next(request, response, marker)
            return paging.Page(items=[ReceiptView.model_validate(row[0]) for row in rows], next=marker)

    def _found(self, session: Session, import_id: str) -> ImportMixin:
        row = session.get(self._imports, import_id)
        if row is None:
            raise Problem(NOT_FOUND, "No such import.")
        return row


def new_id(app: str) -> str:
    """An id that names its app and sorts by the time it was made."""
    return f"{app}-{time.time_ns() // 1_000_000:012x}{os.urandom(6).hex()}"


def _place(outcome: Outcome) -> int:
    """Where a record stands in its file: its line, or its number in the list that its pointer names."""
    if outcome.line is not None:
        return outcome.line
    steps = (outcome.pointer or "").split("/")
    return next((int(step) for step in steps if step.isdecimal()), 0)


def _words(error: Exception) -> str:
    if isinstance(error, Problem):
        return error.detail
    return f"stopped by an error here ({type(error).__name__}): what had landed stays, send the file again"


def _receipt_rows(outcomes: Iterable[Outcome], import_id: str, number: int) -> list[dict[str, Any]]:
    """A row per outcome; neighbours without a key, a note or a gap between them become one."""
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        last = rows[-1] if rows else None
        if last is not None and _continues(last, outcome):
            last["line_to"] = outcome.line_to or outcome.line
            last["records"] += outcome.records
            continue
        rows.append(
            {
                "import_id": import_id,
                "number": number + len(rows),
                "verdict": outcome.verdict,
                "line": outcome.line,
                "line_to": outcome.line_to,
                "pointer": outcome.pointer,
                "key": outcome.key,
                "column": outcome.column,
                "reason": outcome.reason,
                "records": outcome.records,
            }
        )
    return rows


def _continues(last: Mapping[str, Any], outcome: Outcome) -> bool:
    return (
        last["verdict"] == outcome.verdict
        and last["line"] is not None
        and outcome.line is not None
        and outcome.key is last["key"] is None
        and outcome.reason is last["reason"] is None
    )
