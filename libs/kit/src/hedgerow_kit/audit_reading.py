"""Reading the audit of an app, and looking whether it is whole."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from hedgerow_kit import paging, problems
from hedgerow_kit.audit import BEGINNING, CHANGES, ENTRIES, ERASURE, HEAD, chained, digest_of, salted
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import FORBIDDEN, UNPROCESSABLE, Problem

_AT_ONCE = 1_000


class AuditChange(BaseModel):
    """What became of one thing: the fields that changed, before and after; null: it was, or is, not there."""

    type: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    erased: bool = Field(default=False, description="Its words were erased; that it happened stays")


class AuditEntry(BaseModel):
    """One act: everything that one request, or one import, changed in one transaction."""

    app: str
    seq: int = Field(description="Its number in the audit of its app, without gaps")
    at: datetime
    who: str | None = Field(description="null: erased since")
    what: str = Field(description="The route that was called, or what an app or a command did by itself")
    changes: list[AuditChange]
    hash: str = Field(description="Follows from the entry and the hash before it")


class Anchor(BaseModel):
    """An entry and its hash: whoever keeps one elsewhere will notice if the audit before it is another."""

    seq: int
    hash: str


class Fault(BaseModel):
    """The first entry that is not what it was, and why."""

    seq: int
    reason: str


class Verdict(BaseModel):
    """Whether the audit of an app is whole: each entry follows from the one before, and none is missing."""

    app: str
    intact: bool
    entries: int
    head: Anchor
    fault: Fault | None


class Wanted(NamedTuple):
    """Which entries are asked for."""

    who: str | None = None
    what: str | None = None
    type: str | None = None
    id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(
    session: Session, app: str, wanted: Wanted, *, after: int, limit: int
) -> tuple[list[AuditEntry], bool]:
    """The next entries after a number, oldest first, and whether there are more."""
    query = select(ENTRIES).where(ENTRIES.c.seq > after).order_by(ENTRIES.c.seq).limit(limit + 1)
    for column, value in ((ENTRIES.c.who, wanted.who), (ENTRIES.c.what, wanted.what)):
        query = query if value is None else query.where(column == value)
    if wanted.since is not None:
        query = query.where(ENTRIES.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(ENTRIES.c.at < wanted.until)
    about = [
        column == value
        for column, value in ((CHANGES.c.type, wanted.type), (CHANGES.c.id, wanted.id))
        if value is not None
    ]
    if about:
        query = query.where(ENTRIES.c.seq.in_(select(CHANGES.c.entry).where(*about)))
    rows = session.execute(query).all()
    shown = rows[:limit]
    changes = _changes(session, [row.seq for row in shown])
    items = [
        AuditEntry(
            app=app,
            seq=row.seq,
            at=row.at,
            who=row.who,
            what=row.what,
            changes=[_shown(change) for change in changes.get(row.seq, [])],
            hash=row.hash,
        )
        for row in shown
    ]
    return items, len(rows) > limit


def _changes(session: Session, entries: list[int]) -> dict[int, list[Row[Any]]]:
    query = select(CHANGES).where(CHANGES.c.entry.in_(entries)).order_by(CHANGES.c.entry, CHANGES.c.number)
    return {entry: list(rows) for entry, rows in groupby(session.execute(query), lambda row: row.entry)}


def _shown(change: Row[Any]) -> AuditChange:
    content = {"before": None, "after": None} if change.content is None else json.loads(change.content)
    return AuditChange(type=change.type, id=change.id, erased=change.content is None, **content)


# --- whether it is whole ---


def verify(session: Session, app: str, *, anchors: Mapping[int, str] | None = None) -> Verdict:
    """Look through the whole audit as one snapshot of the database has it.

    anchors: hashes of entries that were told before, by their numbers
    """
    head = session.execute(select(HEAD.c.seq, HEAD.c.hash)).one_or_none()
    told = dict(anchors or {})
    seq, chain = 0, BEGINNING
    erasures = _Erasures()
    fault = None
    for entry, changes in _all(session):
        reason = _wrong(entry, changes, after=seq, chain=chain)
        if reason is None and told.pop(entry.seq, entry.hash) != entry.hash:
            reason = "its hash is not the one that was told before"
        if reason is not None:
            # Where entries are missing, the first of them is named.
            fault = Fault(seq=min(seq + 1, entry.seq), reason=reason)
            break
        erasures.note(entry, changes)
        seq, chain = entry.seq, entry.hash
    if fault is None and (wrong := erasures.wrong()) is not None:
        fault = Fault(seq=wrong, reason="its words are gone, and no erasure took them")
    if fault is None and (head is None or (head.seq, head.hash) != (seq, chain)):
        fault = Fault(
            seq=seq + 1, reason="entries are missing at the end, or the head is not the last entry's"
        )
    if fault is None and told:
        fault = Fault(seq=seq + 1, reason=f"entry {max(told)} was told before and is missing")
    return Verdict(app=app, intact=fault is None, entries=seq, head=Anchor(seq=seq, hash=chain), fault=fault)


class _Erasures:
    """The words that are gone, held to what the erasures say they took."""

    def __init__(self) -> None:
        self._gone: dict[str, list[tuple[int, str]]] = {}
        self._told: dict[str, str] = {}

    def note(self, entry: Row[Any], changes: list[Row[Any]]) -> None:
        if entry.who is None:
            self._gone.setdefault(entry.erasure, []).append((entry.seq, entry.who_digest))
        for change in changes:
            if change.content is None:
                self._gone.setdefault(change.erasure, []).append((entry.seq, change.digest))
            elif change.type == ERASURE:
                self._told[change.id] = json.loads(change.content)["after"]["forgotten"]

    def wrong(self) -> int | None:
        """The first entry whose words are gone without an erasure that took just these."""
        wrong = [
            min(words)[0]
            for id, words in self._gone.items()
            if digest_of(digest for _, digest in words) != self._told.get(id)
        ]
        return min(wrong, default=None)


def _all(session: Session) -> Iterator[tuple[Row[Any], list[Row[Any]]]]:
    """Every entry with its changes, in their order; changes of no entry stand with one that is not there."""
    last = 0
    while True:
        query = select(ENTRIES).where(ENTRIES.c.seq > last).order_by(ENTRIES.c.seq).limit(_AT_ONCE)
        entries = session.execute(query).all()
        if not entries:
            return
        between = (CHANGES.c.entry > last, CHANGES.c.entry <= entries[-1].seq)
        parts = select(CHANGES).where(*between).order_by(CHANGES.c.entry, CHANGES.c.number)
        changes = {
            entry: list(rows) for entry, rows in groupby(session.execute(parts), lambda row: row.entry)
        }
        for entry in entries:
            yield entry, changes.get(entry.seq, [])
        last = entries[-1].seq


def _wrong(entry: Row[Any], changes: list[Row[Any]], *, after: int, chain: str) -> str | None:
    """What is wrong with an entry, if anything is."""
    if entry.seq != after + 1:
        return "it is missing"
    if not _fits(entry.who, entry.who_salt, entry.who_digest, entry.erasure):
        return "who it was has been changed"
    for change in changes:
        if not _fits(change.content, change.salt, change.digest, change.erasure):
            return f"change {change.number} has been changed"
    told = (change._mapping for change in changes)
    if chained(chain, entry._mapping, told) != entry.hash:  # type: ignore[arg-type]
        return "it does not follow from the entry before it"
    return None


def _fits(words: str | None, salt: str | None, digest: str, erasure: str | None) -> bool:
    """Whether words are those that were digested, or were erased."""
    if words is None:
        return salt is None and erasure is not None
    return salt is not None and erasure is None and salted(salt, words) == digest


# --- over HTTP ---

Who = Annotated[str | None, Query(max_length=300, description="Only by this caller: `key:…`, `person:…`")]
What = Annotated[str | None, Query(max_length=200, description="Only this act: `PUT /v1/services/{id}`")]
Type = Annotated[str | None, Query(max_length=60, description="Only what changed things of this type")]
Id = Annotated[str | None, Query(max_length=700, description="Only what changed the thing of this id")]
Since = Annotated[AwareDatetime | None, Query(description="From this moment on")]
Until = Annotated[AwareDatetime | None, Query(description="Before this moment")]


def _wanted(
    who: Who = None,
    what: What = None,
    type: Type = None,
    id: Id = None,
    since: Since = None,
    until: Until = None,
) -> Wanted:
    return Wanted(who, what, type, id, since, until)


AskedFor = Annotated[Wanted, Depends(_wanted)]
Told = Annotated[
    list[str] | None,
    Query(alias="anchor", max_length=100, description="What was told before, as `<app>:<seq>:<hash>`"),
]


def for_all(principal: Annotated[Principal, require("administer")]) -> Principal:
    """The audit reaches across authorities, so it is not for the administrator of some of them."""
    if not principal.acts_for_all:
        raise Problem(FORBIDDEN, "The audit is read with an administrator key for all authorities.")
    return principal


Auditor = Annotated[Principal, Depends(for_all)]


def position(after: str | None) -> int:
    """The number that a page marker of one app's audit stands for."""
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise Problem(
            UNPROCESSABLE,
            "The page marker does not fit this list.",
            errors=[{"parameter": "after", "reason": "take it unchanged from `next` of the page before"}],
        )
    return int(after)


def anchors_of(app: str, told: list[str] | None) -> dict[int, str]:
    """The anchors of an app among those that were sent."""
    found = {}
    for text in told or []:
        named, _, rest = text.partition(":")
        seq, _, value = rest.partition(":")
        if not (named and seq.isascii() and seq.isdigit() and len(seq) <= 18 and len(value) == 64):
            raise Problem(
                UNPROCESSABLE, errors=[{"parameter": "anchor", "reason": "written <app>:<seq>:<hash>"}]
            )
        if named == app and int(seq):
            found[int(seq)] = value
    return found


def router(app: str) -> APIRouter:
    """`/v1/audit` of an app: its entries, and whether they are whole."""
    made = problems.router(prefix="/v1/audit", tags=["audit"])

    @made.get("")
    def list_audit(
        session: Reading,
        request: Request,
        response: Response,
        principal: Auditor,
        wanted: AskedFor,
        after: paging.After = None,
        limit: paging.Limit = 50,
    ) -> paging.Page[AuditEntry]:
        """Who changed what in this app, oldest first."""
        items, more = page(session, app, wanted, after=position(after), limit=limit)
        marker = str(items[-1].seq) if more else None
        paging.link_next(request, response, marker)
        return paging.Page(items=items, next=marker)

    @made.get("/verification")
    def verify_audit(session: Reading, principal: Auditor, anchor: Told = None) -> Verdict:
        """Whether the audit of this app is whole, from its first entry to its last."""
        return verify(session, app, anchors=anchors_of(app, anchor))

    return made
