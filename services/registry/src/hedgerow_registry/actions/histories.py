"""What records were: written down when they change, and read back as of a moment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from hedgerow_kit import audit
from hedgerow_kit.db import among
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.domain.versions import CHANGED, CREATED, DELETED, differences
from hedgerow_registry.store.held import Key, chunks
from hedgerow_registry.store.histories import changes as changes
from hedgerow_registry.tables import PERSONAL, History

Fields = Mapping[str, Any]

# What a row says of itself beside its fields, that has to outlive it.
PROVENANCE = ("source", "first_import_id", "last_import_id", "updated_at")
_TICK = timedelta(microseconds=1)


def record_key(key: Key) -> str:
    """What the history calls a record: its id, or the parts of its key."""
    return "/".join(map(str, key))


def moment_after(before: Fields, at: datetime) -> datetime:
    """When a change happened: later than the version before it, whatever the clocks of two writers say."""
    begun: datetime = before["updated_at"]
    return max(at, begun + _TICK)


def note_made(session: Session, type: str, records: Mapping[Key, Fields], by: Provenance) -> None:
    """Write down that records were made, where nothing else would tell: by hand, or after a deletion."""
    keys = list(records)
    if audit.is_watched(session):
        for key, record in records.items():
            _tell(session, type, key, None, record)
    made = keys if by.import_id is None else _deleted_before(session, type, keys)
    _add(session, type, [(key, {"action": CREATED, "at": by.at}) for key in made], by)


def note_changed(
    session: Session, type: str, changed: Iterable[tuple[Key, Fields, Fields, datetime]], by: Provenance
) -> None:
    """Write down what changed, field by field: key, record before, record now, and when."""
    rows = []
    watched = audit.is_watched(session)
    for key, before, after, at in changed:
        old, new = plain(before), plain({name: after.get(name) for name in before})
        was_then, is_then = {}, {}
        for name, was, is_now in differences(old, new):
            if name not in PROVENANCE:
                values = {"old": was, "new": is_now}
                line = {"action": CHANGED, "at": at, "field": name, "values": values}
                rows.append((key, line | {"since": before["updated_at"]}))
                was_then[name], is_then[name] = was, is_now
        if watched:
            _tell(session, type, key, was_then, is_then)
    _add(session, type, rows, by)


def note_deleted(session: Session, type: str, there: Mapping[Key, Fields], by: Provenance) -> None:
    """Write down all that deleted records were."""
    for key, before in there.items():
        _tell(session, type, key, before, None)
    rows = [
        (
            key,
            {
                "action": DELETED,
                "at": moment_after(before, by.at),
                "values": {"old": plain(before)},
                "since": before["updated_at"],
            },
        )
        for key, before in there.items()
    ]
    _add(session, type, rows, by)


def _tell(session: Session, type: str, key: Key, before: Fields | None, after: Fields | None) -> None:
    audit.note(session, type, record_key(key), before=before, after=after, withheld=PERSONAL)


def plain(record: Fields) -> dict[str, Any]:
    """A record as JSON has it, so that what was stored and what was sent can be compared."""
    plain: dict[str, Any] = orjson.loads(orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS))
    return plain


def _deleted_before(session: Session, type: str, keys: Sequence[Key]) -> list[Key]:
    by_name = {record_key(key): key for key in keys}
    return [
        by_name[name]
        for piece in chunks(by_name)
        for name in session.scalars(
            select(History.id)
            .where(History.type == type, among(History.id, piece), History.action == DELETED)
            .distinct()
        )
    ]


def _add(session: Session, type: str, rows: Sequence[tuple[Key, Fields]], by: Provenance) -> None:
    same: dict[str, Any] = {"field": None, "values": {}, "since": None, "source": by.source}
    same |= {"import_id": by.import_id, "subject": by.principal.subject, "type": type}
    for piece in chunks(rows):
        session.execute(insert(History), [{**same, "id": record_key(key), **row} for key, row in piece])
