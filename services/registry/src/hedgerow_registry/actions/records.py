"""Writing records in batches: what is new, what changed, what is the same; only the first two are written.

One mechanism serves every kind of record. A record's digest is taken over what was sent, so the same file
sent again writes nothing and makes no change event.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from hedgerow_kit.db import among, upsert
from sqlalchemy import JSON, Float, String, delete, func, select
from sqlalchemy.orm import Session

from hedgerow_registry.actions import derived, histories
from hedgerow_registry.actions.provenance import Provenance, lock
from hedgerow_registry.domain.versions import Gone, Known, as_of, beginning
from hedgerow_registry.errors import DeletedThen, NotKnownThen
from hedgerow_registry.store.held import Held, Key, chunks, held
from hedgerow_registry.store.whole import Part as Part
from hedgerow_registry.store.whole import whole
from hedgerow_registry.tables import Source, feed

Fields = Mapping[str, Any]

ACCEPTED, CHANGED, UNCHANGED, QUARANTINED = "accepted", "changed", "unchanged", "quarantined"
# The first half of the advisory locks under which shared records are written: any number.
_SHARED_DATA = 7_240_332
_NONE: Mapping[str, Any] = {}
_PROVENANCE = frozenset({"source", "first_import_id", "last_import_id", "updated_at", "digest"})


class Written(NamedTuple):
    """What became of one record."""

    verdict: str
    reason: str | None = None
    column: str | None = None


_UNCHANGED = Written(UNCHANGED)


class Entity:
    """A kind of record: its table, its key, its parts, and the id its changes go by.

    owned: whether only the source that brought a record may write it; reference data are shared.
    told_by: the id under which others are told of a record's change, where that is not its own.
    told: whether the change feed tells of a record by itself; if not, it is told by what follows from it.
    later: columns that came after records were kept: while empty they are no part of the digest, so that what
    was sent before they came is still the same.
    """

    def __init__(
        self,
        type: str,
        table: Any,
        *,
        key: Sequence[str],
        parts: Sequence[Part] = (),
        owned: bool,
        change_id: Callable[[Fields], str],
        told_by: Callable[[Session, Sequence[str]], Mapping[str, str]] | None = None,
        derived: Mapping[str, Callable[[Fields], Any]] | None = None,
        told: bool = True,
        later: Iterable[str] = (),
    ) -> None:
        self.type = type
        self.table = table
        self.key = tuple(key)
        self.parts = tuple(parts)
        self.owned = owned
        self.change_id = change_id
        self.told_by = told_by
        self.derived = dict(derived or {})
        self.told = told
        self._later = frozenset(later)
        columns = [
            column
            for column in table.__table__.columns
            if column.name not in _PROVENANCE and column.name not in self.derived
        ]
        self.columns = [column.name for column in columns]
        self._floats = frozenset(column.name for column in columns if isinstance(column.type, Float))
        self._nested = [column.name for column in columns if isinstance(column.type, JSON)]
        self._longest = {
            column.name: column.type.length
            for column in columns
            if isinstance(column.type, String) and column.type.length
        }
        self._part_longest = {
            (part.field, name): part.table.__table__.columns[name].type.length
            for part in self.parts
            for name in part.columns
        }

    def key_of(self, record: Fields) -> Key:
        return tuple(record[name] for name in self.key)

    def whole(
        self, session: Session, keys: Iterable[Key], *, lock: bool = False
    ) -> dict[Key, dict[str, Any]]:
        """The records of these keys as they stand, with where they came from."""
        columns = [name for name in self.columns if name not in self.key]
        kept = [*columns, *histories.PROVENANCE]
        return whole(session, self.table, self.key, kept, self.parts, keys, lock=lock)

    def known(self, session: Session, key: Key, at: datetime) -> Known:
        """A record as it was known at a moment. Raises NotKnownThen, DeletedThen."""
        now = self.whole(session, [key]).get(key)
        changes = histories.changes(session, self.type, histories.record_key(key))
        then = as_of(
            None if now is None else histories.plain(now),
            changes,
            at,
            begun=beginning(now, changes),
        )
        if then is None:
            raise NotKnownThen(self.type)
        if isinstance(then, Gone):
            raise DeletedThen(self.type, then.at)
        return then

    def normal(self, record: Fields) -> dict[str, Any]:
        """The record with every column and part, numbers as floats where the column is one."""
        made: dict[str, Any] = {name: record.get(name) for name in self.columns}
        for name in self._floats:
            if made[name] is not None:
                made[name] = float(made[name])
        for part in self.parts:
            made[part.field] = sorted({_plain(item) for item in record.get(part.field) or ()})
        return made

    def prepare(self, record: Fields, texts: Mapping[str, bytes] = _NONE) -> "Prepared":
        """The record ready to be written; `texts` are those of its nested values that are JSON already.

        Such a text has its keys sorted.
        """
        fields = self.normal(record)
        empty = {name for name in self._later if fields[name] is None}
        said = {name: value for name, value in fields.items() if name not in empty}
        try:
            nested = {
                name: orjson.Fragment(texts.get(name) or _json(fields[name]))
                for name in self._nested
                if fields[name] is not None
            }
            return Prepared(fields, _digest(_json(said | nested), said), nested)
        except (TypeError, orjson.JSONEncodeError):
            return Prepared(fields, None, {})

    def misfit(self, normal: Fields) -> Written | None:
        """Why the database could not keep a record, if so."""
        for name, longest in self._longest.items():
            value = normal[name]
            if value is not None and len(value) > longest:
                return Written(QUARANTINED, f"longer than {longest} characters", name)
        for part in self.parts:
            for item in normal[part.field]:
                for name, value in zip(part.columns, _cells(part, item), strict=True):
                    longest = self._part_longest[part.field, name]
                    if len(value) > longest:
                        return Written(QUARANTINED, f"longer than {longest} characters", part.field)
        return None


def _plain(item: Any) -> Any:
    # A named tuple sorts like a tuple, but is not written by orjson.
    return item if isinstance(item, str) else tuple(item)


def _cells(part: Part, item: Any) -> Sequence[Any]:
    return (item,) if len(part.columns) == 1 else tuple(item)


def digest(value: Fields) -> str | None:
    """The digest of a record, or None where it holds a text that cannot be kept (NUL, half a surrogate)."""
    try:
        return _digest(_json(value), value)
    except (TypeError, orjson.JSONEncodeError):
        return None


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _digest(written: bytes, value: Fields) -> str | None:
    if b"\\u0000" in written and _holds_nul(value):
        return None
    return blake2b(written, digest_size=16).hexdigest()


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(name) or _holds_nul(part) for name, part in value.items())
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


class Prepared(NamedTuple):
    """A record ready to be written: whole, with its digest.

    nested: its nested values as they are kept, so that they are put into words once
    """

    fields: dict[str, Any]
    digest: str | None
    nested: Mapping[str, orjson.Fragment]


def write(session: Session, entity: Entity, records: Iterable[Fields], by: Provenance) -> list[Written]:
    """Write records of one kind; gives what became of each, in the order they came.

    A record is a mapping of the entity's columns (those left out are empty) and of its parts, as lists.
    The caller has checked its values and its references; what is checked here is whose the record is, and
    that its texts fit. A key that comes twice is written as it came last.
    """
    return write_prepared(session, entity, [entity.prepare(record) for record in records], by)


def write_prepared(
    session: Session, entity: Entity, records: Sequence[Prepared], by: Provenance
) -> list[Written]:
    """`write`, for records that were prepared before."""
    if not records:
        return []
    hold(session, entity, by)
    keys = [entity.key_of(record.fields) for record in records]
    there = held(session, entity.table, entity.key, keys)
    foreign = _foreign(session, entity, there.values(), by)
    of_another = Written(QUARANTINED, "it belongs to another source", entity.key[0])
    verdicts: list[Written] = []
    new: dict[Key, Prepared] = {}
    changed: dict[Key, Prepared] = {}
    latest = {key: found.digest for key, found in there.items()}
    for key, record in zip(keys, records, strict=True):
        if record.digest is None:
            verdicts.append(Written(QUARANTINED, "a text holds NUL or half a surrogate pair"))
        elif latest.get(key) == record.digest:
            verdicts.append(_UNCHANGED)
        elif (misfit := entity.misfit(record.fields)) is not None:
            verdicts.append(misfit)
        elif key in there and there[key].source in foreign:
            verdicts.append(of_another)
        else:
            verdicts.append(Written(CHANGED if key in latest else ACCEPTED))
            latest[key] = record.digest
            (changed if key in there else new)[key] = record
    lost = _store(session, entity, new, changed, by)
    for place, key in enumerate(keys if lost else ()):
        if key in lost and verdicts[place].verdict != QUARANTINED:
            verdicts[place] = _UNCHANGED if records[place].digest == lost[key] else of_another
    return verdicts


def hold(session: Session, entity: Entity, by: Provenance) -> None:
    """Let nobody else write such records until the transaction ends: of the same source, or any if shared.

    What a record was is read before it is overwritten; two who each read first would both miss the other.
    """
    if entity.owned:
        lock(session, by.source)
    elif session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_SHARED_DATA, func.hashtext(entity.type))))


def _foreign(session: Session, entity: Entity, there: Iterable[Held], by: Provenance) -> set[str]:
    """The sources among those of the held records whose records may not be written under this one."""
    others = {found.source for found in there} - {by.source}
    if entity.owned:
        return others
    if not others or by.principal.acts_for_all:
        return set()
    authorities = session.execute(select(Source.name, Source.authority_code).where(Source.name.in_(others)))
    return {name for name, authority_code in authorities if not by.may_overwrite(authority_code)}


def _rows(
    entity: Entity, records: Mapping[Key, Prepared], by: Provenance, at: Mapping[Key, datetime]
) -> list[dict[str, Any]]:
    """The rows of records, in the order of the key: faster to load, and two writers cannot cross.

    at: when they were written, where that is not the moment of the transaction
    """
    return [
        {
            **{name: record[name] for name in entity.columns},
            **nested,
            **{name: derive(record) for name, derive in entity.derived.items()},
            "digest": stamp,
            "source": by.source,
            "first_import_id": by.import_id,
            "last_import_id": by.import_id,
            "updated_at": at.get(key, by.at),
        }
        for key, (record, stamp, nested) in sorted(records.items(), key=_by_key)
    ]


def _by_key(item: tuple[Key, Any]) -> Key:
    return item[0]


def _made(session: Session, entity: Entity, new: Mapping[Key, Prepared], by: Provenance) -> dict[Key, str]:
    """Insert what is new; gives what another source has made since it was looked for, with its digest.

    Shared records nobody else writes meanwhile, and on SQLite nobody else writes at all.
    """
    upsert(session, entity.table, _rows(entity, new, by, {}), key=entity.key, update=[])
    if not entity.owned or session.get_bind().dialect.name == "sqlite":
        return {}
    there = held(session, entity.table, entity.key, new)
    return {key: found.digest for key, found in there.items() if found.source != by.source}


def _store(
    session: Session,
    entity: Entity,
    new: Mapping[Key, Prepared],
    changed: Mapping[Key, Prepared],
    by: Provenance,
) -> dict[Key, str]:
    """Write records and what follows from them; gives the digests of those that another source made first."""
    if not new and not changed:
        return {}
    before = entity.whole(session, changed, lock=True)
    at = {key: histories.moment_after(before[key], by.at) for key in changed if key in before}
    derived.look_before(
        session, entity.type, [entity.change_id(one.fields) for one in (*new.values(), *changed.values())]
    )
    lost = _made(session, entity, new, by)
    made = {key: one for key, one in new.items() if key not in lost}
    histories.note_made(session, entity.type, {key: one.fields for key, one in made.items()}, by)
    histories.note_changed(
        session, entity.type, [(key, before[key], changed[key].fields, at[key]) for key in at], by
    )
    rows = _rows(entity, changed, by, at)
    # Shared data stay with the source that brought them first, whoever corrects them.
    kept = {*entity.key, "first_import_id", *(() if entity.owned else ("source",))}
    if rows:
        changing = [name for name in rows[0] if name not in kept]
        upsert(session, entity.table, rows, key=entity.key, update=changing)
    records = [one.fields for _, one in sorted([*made.items(), *changed.items()], key=_by_key)]
    for part in entity.parts:
        _store_part(session, entity, part, records, [key[0] for key in changed])
    ids = [entity.change_id(record) for record in records]
    # Asked after the rows are locked, so that a merge comes wholly before or wholly after.
    told_by = {} if entity.told_by is None else entity.told_by(session, ids)
    for id, record in zip(ids, records, strict=True):
        if entity.told:
            feed.record(session, entity.type, told_by.get(id, id))
        derived.note(session, entity.type, id, record)
    if entity.owned:
        derived.note_source(session, entity.type, ids, by.source)
    return lost


def _store_part(
    session: Session, entity: Entity, part: Part, records: Sequence[Fields], replaced: Sequence[str]
) -> None:
    owner = getattr(part.table, part.owner)
    for piece in chunks(replaced):
        session.execute(delete(part.table).where(among(owner, piece)), execution_options=_QUIET)
    rows = [
        {part.owner: record[entity.key[0]], **dict(zip(part.columns, _cells(part, item), strict=True))}
        for record in records
        for item in record[part.field]
    ]
    # Not all new keys are new to the table of the part if another transaction came first.
    upsert(session, part.table, rows, key=[part.owner, *part.columns], update=[])


_QUIET = {"synchronize_session": False}


def remove(session: Session, entity: Entity, keys: Sequence[Key], by: Provenance) -> None:
    """Delete records of a kind that has a single key.

    Each that was there leaves a tombstone in the feed, and what it was in the history.
    """
    if keys:
        hold(session, entity, by)
    column = getattr(entity.table, entity.key[0])
    for piece in chunks(keys):
        there = entity.whole(session, piece, lock=True)
        histories.note_deleted(session, entity.type, there, by)
        if entity.told:
            for (one,) in there:
                feed.record(session, entity.type, one, deleted=True)
                derived.note(session, entity.type, one, None)
        gone = delete(entity.table).where(among(column, (one for (one,) in there)))
        session.execute(gone, execution_options=_QUIET)
