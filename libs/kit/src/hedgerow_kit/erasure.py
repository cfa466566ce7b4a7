"""Erasing what is told of a person, wherever it stands in an app's database.

Whoever asks names the texts: a name, an address, a number, in each way it is written. Every text and every
document of every table is looked through, and what was found is replaced by a mark. Of the audit the words go
and the chain stays; the erasure itself is an entry that says why, by whom and how many, never what.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    MetaData,
    String,
    Table,
    and_,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import Text, TypeDecorator

from hedgerow_kit import audit, db, problems
from hedgerow_kit.audit_reading import Auditor
from hedgerow_kit.db import Writing

MARK = "[erased]"
# What the audit keeps is forgotten in its own way; kept answers can be read only by who asked, for a day.
_APART = frozenset({"audit_entries", "audit_changes", "audit_head", "answers_kept"})

# No shorter than the mark that takes its place, so that it fits; and no syllable that half the words hold.
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=len(MARK), max_length=200)]
# Records that were changed, by table, for an app to bring up to date what follows from them.
Changed = Mapping[str, Sequence[Mapping[str, Any]]]
Again = Callable[[Session, Changed], None]


class ErasureRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    texts: list[Words] = Field(
        min_length=1,
        max_length=50,
        description="What is to be erased, in each way it is written; letters A to Z in either case",
    )
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] = Field(
        description="Why, for the audit: the number of a request, never the person"
    )
    dry_run: bool = Field(default=True, description="Only say how much there is")


class ErasedRows(BaseModel):
    table: str
    rows: int


class ErasureView(BaseModel):
    """What was erased, or would be. `standing`: rows whose key holds the text, left as they are."""

    id: str
    app: str
    dry_run: bool
    erased: list[ErasedRows]
    audit: int = Field(description="Words of the audit that were erased; their entries stay")
    standing: list[ErasedRows]


class _Place(NamedTuple):
    table: Table
    column: Column[Any]


def places(metadata: MetaData) -> Iterator[_Place]:
    """Every column of an app that can hold a text."""
    for table in metadata.sorted_tables:
        if table.name not in _APART:
            for column in table.columns:
                kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
                if isinstance(kind, String | JSON):
                    yield _Place(table, column)


def erase(
    session: Session,
    metadata: MetaData,
    texts: Sequence[str],
    *,
    trial: bool,
    rows_go: frozenset[str] = frozenset(),
) -> tuple[Changed, Changed]:
    """Replace the texts in all tables; gives the keys of the rows, and of those whose key holds a text.

    trial: only look · rows_go: tables whose rows are nothing beside the text, and are deleted with it
    """
    changed: dict[str, list[Mapping[str, Any]]] = {}
    standing: dict[str, list[Mapping[str, Any]]] = {}
    longest_first = sorted(texts, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
    for table, column in places(metadata):
        keys = list(table.primary_key.columns)
        found = session.execute(select(*keys, column.label("_held")).where(holds(column, texts))).all()
        for row in found:
            key = {one.name: row[place] for place, one in enumerate(keys)}
            same = and_(*(one == key[one.name] for one in keys))
            goes = table.name in rows_go
            if not goes and (column.primary_key or column.foreign_keys or column.unique):
                standing.setdefault(table.name, []).append(key)
                continue
            if goes and not trial:
                session.execute(delete(table).where(same))
            elif not trial:
                session.execute(update(table).where(same).values({column.name: _without(row[-1], pattern)}))
            if key not in changed.setdefault(table.name, []):
                changed[table.name].append(key)
    return changed, standing


def holds(column: ColumnElement[Any], texts: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column holds one of the texts, as it is written in a text or in JSON."""
    spelled = set(texts)
    for text in texts:
        spelled |= {json.dumps(text, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    held = cast(column, Text)
    return or_(
        *(held.contains(one, autoescape=True) for one in sorted(spelled)),
        *(func.lower(held).contains(one.lower(), autoescape=True) for one in sorted(spelled)),
    )


def forget(session: Session, texts: Sequence[str], *, id: str, trial: bool) -> tuple[int, str]:
    """Erase the texts from the audit; gives how many words went, and the digest of what they were."""
    digests = []
    for table, words, salt, digest in (
        (audit.ENTRIES, audit.ENTRIES.c.who, "who_salt", audit.ENTRIES.c.who_digest),
        (audit.CHANGES, audit.CHANGES.c.content, "salt", audit.CHANGES.c.digest),
    ):
        query = select(*table.primary_key.columns, digest).where(holds(words, texts))
        if table is audit.CHANGES:
            query = query.where(audit.CHANGES.c.type != audit.ERASURE)
        for *key, known in session.execute(query).all():
            digests.append(known)
            if not trial:
                same = and_(
                    *(one == value for one, value in zip(table.primary_key.columns, key, strict=True))
                )
                gone = {words.name: None, salt: None, "erasure": id}
                session.execute(update(table).where(same).values(gone))
    return len(digests), audit.digest_of(digests)


def _without(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MARK, value)
    if isinstance(value, Mapping):
        return {_without(name, pattern): _without(part, pattern) for name, part in value.items()}
    if isinstance(value, list):
        return [_without(part, pattern) for part in value]
    return value


def router(
    app: str, metadata: MetaData, again: Again | None = None, *, rows_go: frozenset[str] = frozenset()
) -> APIRouter:
    """`POST /v1/erasures/<app>`. again: brings up to date what follows from records that were changed"""
    made = problems.router(tags=["erasure"])

    @made.post(f"/v1/erasures/{app}", operation_id=f"erase_in_{app}")
    def erase_person(body: ErasureRequest, session: Writing, principal: Auditor) -> ErasureView:
        """Erase what is told of a person in this app, at once; a trial unless `dry_run` is false.

        Each text is replaced wherever it stands: in records, their history, documents, events, receipts and
        the search index. The audit keeps the entries and forgets the words. Sources that go on sending the
        person bring it back when their record changes: tell them first.
        """
        id = str(uuid4())
        if not body.dry_run:
            db.overwrite_removed(session)
        changed, standing = erase(session, metadata, body.texts, trial=body.dry_run, rows_go=rows_go)
        words, forgotten = forget(session, body.texts, id=id, trial=body.dry_run)
        erased = [ErasedRows(table=table, rows=len(keys)) for table, keys in changed.items()]
        if not body.dry_run:
            if again is not None and changed:
                session.expire_all()
                again(session, changed)
            rows = {one.table: one.rows for one in erased}
            told = {"reason": body.reason, "texts": len(body.texts), "rows": rows, "audit": words}
            audit.note(session, audit.ERASURE, id, before=None, after=told | {"forgotten": forgotten})
        return ErasureView(
            id=id,
            app=app,
            dry_run=body.dry_run,
            erased=erased,
            audit=words,
            standing=[ErasedRows(table=table, rows=len(keys)) for table, keys in standing.items()],
        )

    return made
