"""Audit: who changed what, append-only and chained by hashes, in the database of what was changed.

A transaction that is opened for an act (`db.Act`: who does what) and writes anything leaves exactly one
entry, in the same commit. What rows were and are is taken from the session's own unit of work; what is
written past it is told by `note`. Entries are numbered and chained under the lock of a one-row head, which
is held only from there to the end of the commit, as the clock of the change feed is.

The chain covers a salted digest of who it was and of each change, not the words themselves: those can be
erased, and the chain still holds.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.orm import Mapper, Session, SessionTransaction

from hedgerow_kit.db import ACT, Act, Instant
from hedgerow_kit.db import metadata as named_metadata
from hedgerow_kit.reach import ReachingSession

BEGINNING = "0" * 64
# What stands for a value that the audit does not repeat: a person's, or a secret.
WITHHELD = "(withheld)"
# A longer value is kept as its digest: whole documents have versions of their own.
LONGEST_VALUE = 2_000
# The type of the change by which an erasure is entered.
ERASURE = "erasure"
# In the info of a column: its values are not repeated.
NOT_REPEATED = {"audit": WITHHELD}

_PENDING = "hedgerow.audit.changes"
_APART = "hedgerow.audit.apart"
_WROTE = "hedgerow.audit.wrote"
_NAMES = "hedgerow.audit.withheld"
# Kept answers are no change of anything that anybody knows.
_WRITES = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(?!answers_kept\b)", re.IGNORECASE)

_SHAPE = named_metadata()
ENTRIES = Table(
    "audit_entries",
    _SHAPE,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("what", String(200), nullable=False),
    Column("who", Text),
    Column("who_salt", String(32)),
    Column("who_digest", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    # By which erasure the words went; their digest stays.
    Column("erasure", String(36)),
)
CHANGES = Table(
    "audit_changes",
    _SHAPE,
    Column("entry", BigInteger, ForeignKey("audit_entries.seq"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("type", String(60), nullable=False),
    Column("id", String(700), nullable=False),
    # JSON as it was digested, letter by letter: a JSON column would write numbers in its own way.
    Column("content", Text),
    Column("salt", String(32)),
    Column("digest", String(64), nullable=False),
    Column("erasure", String(36)),
    Index("ix_audit_changes_thing", "type", "id", "entry"),
)
HEAD = Table(
    "audit_head",
    _SHAPE,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

Fields = Mapping[str, Any]


class _Pending(NamedTuple):
    """What a thing was and is, as far as it changed; None: it was, or is, not there."""

    before: Fields | None
    after: Fields | None
    withheld: frozenset[str]

    def then(self, later: "_Pending") -> "_Pending":
        before = self.before if self.before is None else {**(later.before or {}), **self.before}
        after = later.after if self.after is None or later.after is None else {**self.after, **later.after}
        return _Pending(before, after, self.withheld | later.withheld)


class _Entry(NamedTuple):
    act: Act
    changes: Mapping[tuple[str, str], _Pending]


def declare(metadata: MetaData, *, withheld: Iterable[str] = ()) -> None:
    """The tables of the audit, among an app's own.

    withheld: names of fields, however deep in a document, whose values the audit does not repeat
    """
    for table in (ENTRIES, CHANGES, HEAD):
        table.to_metadata(metadata)
    metadata.info[_NAMES] = frozenset(withheld)


def note(
    session: Session,
    type: str,
    id: str,
    *,
    before: Fields | None,
    after: Fields | None,
    withheld: frozenset[str] = frozenset(),
) -> None:
    """Say what changes of a thing, where it is written past the unit of work: its fields before and after.

    None: it is not there. Does nothing in a transaction that is for no act.
    """
    if is_watched(session):
        pending = session.info.setdefault(_PENDING, {})
        made = _Pending(before, after, withheld)
        held = pending.get((type, id))
        pending[type, id] = made if held is None else held.then(made)


def enter(
    session: Session, act: Act, type: str, id: str, *, before: Fields | None = None, after: Fields | None
) -> None:
    """Leave an entry of its own, in a transaction that is for no act or for another."""
    change = _Pending(before, after, frozenset())
    session.info.setdefault(_APART, []).append(_Entry(act, {(type, id): change}))


def knows(session: Session, type: str, id: str) -> bool:
    """Whether anything was ever entered of a thing; who is entering at the moment is waited for."""
    session.execute(select(HEAD.c.seq).with_for_update())
    entered = select(CHANGES.c.entry).where(CHANGES.c.type == type, CHANGES.c.id == id).limit(1)
    return session.scalar(entered) is not None


def is_watched(session: Session) -> bool:
    """Whether what a transaction changes is kept."""
    return session.info.get(ACT) is not None


# --- what the unit of work knows by itself ---


@event.listens_for(ReachingSession, "after_flush")
def _take_note(session: Session, _context: Any) -> None:
    if not is_watched(session):
        return
    for rows, look in ((session.new, _made), (session.dirty, _changed), (session.deleted, _gone)):
        for row in rows:
            mapper = inspect(row).mapper
            if getattr(mapper.class_, "__audited__", True) and (found := look(row, mapper)) is not None:
                hidden = {name for name, column in mapper.columns.items() if column.info == NOT_REPEATED}
                names = mapper.local_table.metadata.info.get(_NAMES, frozenset())
                note(session, _named(mapper), _key(row, mapper), **found, withheld=names | hidden)


def _made(row: Any, mapper: Mapper[Any]) -> dict[str, Fields | None]:
    return {"before": None, "after": _held(row, mapper)}


def _gone(row: Any, mapper: Mapper[Any]) -> dict[str, Fields | None]:
    return {"before": _held(row, mapper), "after": None}


def _changed(row: Any, mapper: Mapper[Any]) -> dict[str, Fields | None] | None:
    before, after = {}, {}
    for attribute in mapper.column_attrs:
        history = inspect(row).attrs[attribute.key].history
        if history.has_changes():
            before[attribute.key] = history.deleted[0] if history.deleted else None
            after[attribute.key] = history.added[0] if history.added else None
    return {"before": before, "after": after} if after else None


def _held(row: Any, mapper: Mapper[Any]) -> Fields:
    there = inspect(row).dict
    return {attribute.key: there.get(attribute.key) for attribute in mapper.column_attrs}


def _named(mapper: Mapper[Any]) -> str:
    """A class's name in words: `payment rule version`."""
    return re.sub(r"(?<=.)(?=[A-Z])", " ", mapper.class_.__name__).lower()


def _key(row: Any, mapper: Mapper[Any]) -> str:
    return "/".join(map(str, mapper.primary_key_from_instance(row)))


# --- the entry, at the commit ---


@event.listens_for(Engine, "before_cursor_execute")
def _note_write(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    if _WRITES.match(statement):
        connection.info[_WROTE] = True


@event.listens_for(ReachingSession, "after_begin")
def _begin(_session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    connection.info.pop(_WROTE, None)


@event.listens_for(ReachingSession, "before_commit")
def _enter(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()
    entries: list[_Entry] = session.info.pop(_APART, [])
    changes: dict[tuple[str, str], _Pending] = session.info.pop(_PENDING, {})
    act: Act | None = session.info.get(ACT)
    if act is not None and session.connection().info.get(_WROTE):
        told = {thing: one for thing, one in changes.items() if one.before != one.after}
        entries.append(_Entry(act, told))
    if entries:
        _append(session, entries)


@event.listens_for(ReachingSession, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_APART, None)
    session.info.pop(_PENDING, None)


def _append(session: Session, entries: Sequence[_Entry]) -> None:
    seq, chain = session.execute(select(HEAD.c.seq, HEAD.c.hash).with_for_update()).one()
    now = datetime.now(UTC)
    rows, parts = [], []
    for act, changes in entries:
        seq += 1
        made = [_change_row(seq, *numbered) for numbered in enumerate(changes.items(), 1)]
        salt = secrets.token_hex(16)
        row = {"seq": seq, "at": now, "what": act.what, "who": act.who, "who_salt": salt}
        row["who_digest"] = salted(salt, act.who)
        chain = row["hash"] = chained(chain, row, made)
        rows.append(row)
        parts += made
    session.execute(insert(ENTRIES), rows)
    if parts:
        session.execute(insert(CHANGES), parts)
    session.execute(update(HEAD).values(seq=seq, hash=chain))


def _change_row(entry: int, number: int, change: tuple[tuple[str, str], _Pending]) -> dict[str, Any]:
    (type, id), (before, after, withheld) = change
    content = _json({"before": _told(before, withheld), "after": _told(after, withheld)})
    salt = secrets.token_hex(16)
    row = {"entry": entry, "number": number, "type": type, "id": id, "content": content, "salt": salt}
    return row | {"digest": salted(salt, content)}


def salted(salt: str, words: str) -> str:
    """What the chain covers in place of the words."""
    return hashlib.sha256(f"{salt}\0{words}".encode()).hexdigest()


def digest_of(digests: Iterable[str]) -> str:
    """What an erasure says of the words that it took: nothing, but which they were."""
    return hashlib.sha256(",".join(sorted(digests)).encode()).hexdigest()


def chained(before: str, entry: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> str:
    """The hash of an entry, which follows from the one before it."""
    covered = ("number", "type", "id", "digest")
    parts = [[change[name] for name in covered] for change in changes]
    told = [before, entry["seq"], entry["at"].isoformat(), entry["what"], entry["who_digest"], parts]
    return hashlib.sha256(_json(told).encode()).hexdigest()


def _told(fields: Fields | None, withheld: frozenset[str]) -> dict[str, Any] | None:
    if fields is None:
        return None
    return {
        name: WITHHELD
        if value is not None and not withheld.isdisjoint(name.split("/"))
        else _short(value, withheld)
        for name, value in fields.items()
    }


def _short(value: Any, withheld: frozenset[str]) -> Any:
    text = _json(value)
    if len(text) > LONGEST_VALUE:
        return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "characters": len(text)}
    return _without(value, withheld) if withheld else value


def _without(value: Any, withheld: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: WITHHELD if name in withheld and part is not None else _without(part, withheld)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without(part, withheld) for part in value]
    return value


def _json(value: Any) -> str:
    # Escaped, so that no text a record may hold is one that a database may not.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


# --- migrations ---

# Rows of these are only ever added.
APPENDED = ("audit_entries", "audit_changes")
# And of these only what an erasure may write: the words, their salt, and which erasure took them.
ERASABLE: Mapping[str, tuple[str, str, str]] = {
    "audit_entries": ("who", "who_salt", "erasure"),
    "audit_changes": ("content", "salt", "erasure"),
}


def create(op: Any) -> None:
    """Make the tables in a migration, with the triggers that let nothing be changed or taken away."""
    made = named_metadata()
    for table in (ENTRIES, CHANGES, HEAD):
        table.to_metadata(made)
    made.create_all(op.get_bind())
    op.execute(insert(HEAD).values(id=1, seq=0, hash=BEGINNING))
    make = _postgresql if op.get_bind().dialect.name == "postgresql" else _sqlite
    for statement in make():
        op.execute(statement)


def drop(op: Any) -> None:
    """Take them away again."""
    for table in (HEAD, CHANGES, ENTRIES):
        op.drop_table(table.name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION hedgerow_audit_stays()")


def _erases(table: str, same: str) -> str:
    """The one change that is let through: the words and their salt go, everything else stays as it is."""
    gone = ERASABLE[table]
    kept = [column.name for column in _SHAPE.tables[table].columns if column.name not in gone]
    words = [f"NEW.{name} IS NULL" for name in gone[:2]]
    once = ["NEW.erasure IS NOT NULL", "OLD.erasure IS NULL"]
    return " AND ".join([*words, *once, *(f"NEW.{name} {same} OLD.{name}" for name in kept)])


def _postgresql() -> list[str]:
    refuse = """
CREATE FUNCTION hedgerow_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege'; END $$"""
    call = "EXECUTE FUNCTION hedgerow_audit_stays()"
    made = [refuse]
    for table in APPENDED:
        made.append(f"CREATE TRIGGER stays BEFORE DELETE ON {table} FOR EACH ROW {call}")
        door = f"WHEN (NOT ({_erases(table, 'IS NOT DISTINCT FROM')}))"
        made.append(f"CREATE TRIGGER changed BEFORE UPDATE ON {table} FOR EACH ROW {door} {call}")
    for table in (*APPENDED, "audit_head"):
        made.append(f"CREATE TRIGGER whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {call}")
    made.append(f"CREATE TRIGGER stays BEFORE DELETE ON audit_head FOR EACH ROW {call}")
    made.append(
        "CREATE TRIGGER forward BEFORE UPDATE ON audit_head FOR EACH ROW "
        f"WHEN (NEW.seq <= OLD.seq OR NEW.id <> OLD.id) {call}"
    )
    return made


def _sqlite() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
    made = []
    for table in APPENDED:
        door = f"WHEN NOT ({_erases(table, 'IS')})"
        made.append(f"CREATE TRIGGER {table}_changed BEFORE UPDATE ON {table} {door} {refuse}")
    for table in (*APPENDED, "audit_head"):
        made.append(f"CREATE TRIGGER {table}_gone BEFORE DELETE ON {table} {refuse}")
    made.append(
        "CREATE TRIGGER audit_head_back BEFORE UPDATE ON audit_head "
        f"WHEN NEW.seq <= OLD.seq OR NEW.id <> OLD.id {refuse}"
    )
    # INSERT OR REPLACE takes a row away without a word to the triggers on deletion.
    for table, there in (
        ("audit_entries", "seq = NEW.seq"),
        ("audit_changes", "entry = NEW.entry AND number = NEW.number"),
        ("audit_head", "id = NEW.id"),
    ):
        held = f"EXISTS (SELECT 1 FROM {table} WHERE {there})"
        made.append(f"CREATE TRIGGER {table}_replaced BEFORE INSERT ON {table} WHEN {held} {refuse}")
    return made
