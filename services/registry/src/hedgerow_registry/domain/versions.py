"""What a record was at a moment, from what it is and what has changed since; what two versions differ in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

CREATED: Final = "created"
CHANGED: Final = "changed"
DELETED: Final = "deleted"
# In a field's name, between a column that holds an object and the member of it that changed.
_MEMBER: Final = "/"
_LONGEST_FIELD: Final = 300


class Difference(NamedTuple):
    """A field whose value was `old` and is `new`; a member of an object is named `document/schedules`."""

    field: str
    old: Any
    new: Any


class Change(NamedTuple):
    """One line of a record's history; `since` is when the version that ended here had begun."""

    action: str
    at: datetime
    since: datetime | None
    field: str | None
    old: Any
    import_id: str | None


class Beginning(NamedTuple):
    """How a record came to be known: when, from which source and by which import."""

    at: datetime
    source: str
    import_id: str | None


class Known(NamedTuple):
    """A record as it stood: `fields`, since when it stood so, and the import that made it so."""

    fields: dict[str, Any]
    since: datetime
    import_id: str | None


class Gone(NamedTuple):
    """The record was deleted `at`, and not there again yet."""

    at: datetime


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """The fields in which two versions differ, in order; objects are compared member by member.

    A member that is not there and one that is `None` are the same.

    >>> differences({"a": 1, "b": {"x": 1, "y": 2}}, {"a": 1, "b": {"x": 1, "z": 3}})
    [Difference(field='b/y', old=2, new=None), Difference(field='b/z', old=None, new=3)]
    """
    found: list[Difference] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            found += _of_members(name, before, after)
        else:
            found.append(Difference(name, before, after))
    return found


def _of_members(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    members = sorted({*old, *new})
    if any(len(name) + len(member) >= _LONGEST_FIELD for member in members):
        return [Difference(name, old, new)]
    return [
        Difference(f"{name}{_MEMBER}{member}", old.get(member), new.get(member))
        for member in members
        if old.get(member) != new.get(member)
    ]


def as_of(
    now: Mapping[str, Any] | None,
    changes: Sequence[Change],
    at: datetime,
    *,
    begun: Beginning | None,
) -> Known | Gone | None:
    """A record as it was known at a moment; `None` where it was not known yet.

    now: its fields at present, `None` if it is no more · changes: all of its history, oldest first
    begun: how it came to be known, where its history does not say so (see `beginning`)
    A moment at which a version began belongs to that version.
    """
    fields = None if now is None else dict(now)
    place = len(changes)
    while place and changes[place - 1].at > at:
        place -= 1
        fields = _undone(fields, changes[place])
    if begun is not None and at < begun.at:
        return None
    last = changes[place - 1] if place else None
    if fields is None:
        return Gone(last.at) if last is not None and last.action == DELETED else None
    if last is not None:
        return Known(fields, last.at, last.import_id)
    return None if begun is None else Known(fields, begun.at, begun.import_id)


def beginning(now: Mapping[str, Any] | None, changes: Sequence[Change]) -> Beginning | None:
    """How a record came to be known, where its history does not begin with that; else `None`.

    now, changes: as for `as_of`; the record also says `source`, `first_import_id` and `updated_at`.
    """
    if changes and changes[0].action == CREATED:
        return None
    first_deletion = next((change for change in changes if change.action == DELETED), None)
    known = now if first_deletion is None else first_deletion.old
    at = changes[0].since if changes else None if now is None else now["updated_at"]
    if known is None or at is None:
        return None
    return Beginning(at, known["source"], known["first_import_id"])


def _undone(fields: dict[str, Any] | None, change: Change) -> dict[str, Any] | None:
    """The fields as they were before a change."""
    if change.action == CREATED:
        return None
    if change.action == DELETED:
        return dict(change.old)
    made = dict(fields or {})
    name, _, member = (change.field or "").partition(_MEMBER)
    if not member:
        made[name] = change.old
        return made
    made[name] = {key: value for key, value in (made.get(name) or {}).items() if key != member}
    if change.old is not None:
        made[name][member] = change.old
    return made
