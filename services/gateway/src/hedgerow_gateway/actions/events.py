"""Taking in what the apps tell: a page becomes events and deliveries, together with how far it was read."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from hedgerow_kit.auth import ALL_AUTHORITIES, Principal
from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes, Position
from hedgerow_kit.reach import Reach
from sqlalchemy.orm import Session

from hedgerow_gateway.domain.events import (
    ENDS,
    REPLACED,
    Event,
    Interest,
    Place,
    Sight,
    around,
    permission,
    place,
    told_of,
    unknown_place,
)
from hedgerow_gateway.store import events, webhooks
from hedgerow_gateway.tables import EventSource, Webhook

# As whom the gateway follows the apps: it sees all of their feeds and changes nothing.
FOLLOWING = Principal("gateway events", frozenset({"follower"}), frozenset({ALL_AUTHORITIES}))
# To be found out with the next page: how far the changes are no news.
_UNKNOWN = -1


def sight_of(principal: Principal) -> Sight:
    """What somebody may be told: as far as the apps let them see."""
    return Sight(Reach.of(principal).authorities, principal.may("money"))


def eyes_of(webhook: Webhook) -> Principal:
    """As whom a webhook hears of what happens: with the rights it was made with."""
    subject = f"webhook:{webhook.id}"
    return Principal(subject, frozenset(webhook.roles), frozenset(webhook.authorities))


def interest_of(webhook: Webhook) -> Interest:
    return Interest(webhook.types, frozenset(webhook.areas))


class Intake:
    """Where the pages of one app's feed go: `hedgerow_kit.following.Kept`.

    The position, the events and their deliveries are committed together. A page that was read after another
    position than the present one is dropped: another replica was quicker. heard: called when there is
    something to deliver.
    """

    def __init__(self, name: str, *, heard: Callable[[], None]) -> None:
        self._name = name
        self._heard = heard

    def position(self, database: Database) -> tuple[int, str | None]:
        with database.reading() as session:
            held = events.source(session, self._name)
            return (0, None) if held is None else (held.position, held.mark)

    def restart(self, database: Database, *, after: int, at: datetime) -> Position:
        """Read from the beginning, if the feed has still been read to `after`: its history was replaced."""
        with database.writing() as session:
            held = events.locked_source(session, self._name)
            if held.position == after:
                _begin_anew(held)
            return _reached(held)

    def take(self, database: Database, page: Changes, *, after: int, heard_at: datetime) -> Position:
        with database.reading() as session:
            held = events.source(session, self._name)
            if held is not None and _says_nothing_new(held, page, after):
                return _reached(held)
        with database.writing() as session:
            held = events.locked_source(session, self._name)
            told = 0
            if held.position == after:
                told = self._apply(session, held, page, heard_at)
            reached = _reached(held)
        if told:
            self._heard()
        return reached

    def _apply(self, session: Session, held: EventSource, page: Changes, now: datetime) -> int:
        if page.last < held.position:
            _begin_anew(held)
            return 0
        found: list[Event] = []
        if held.silent_to == _UNKNOWN:
            held.silent_to = page.last
            found.append(_replaced(held, now))
        found += (
            event for change, event in _events(session, held, page.items, now) if change.seq > held.silent_to
        )
        held.position, held.last, held.mark = page.position, page.last, page.mark
        held.complete = held.complete or held.position >= held.last
        tell(session, found, now=now)
        return len(found)


def tell(session: Session, found: Sequence[Event], *, now: datetime) -> None:
    """Keep events, and put each on its way to the webhooks that want it and may see it."""
    if not found:
        return
    first = events.append(session, found, taken_at=now)
    listening = [(one.id, interest_of(one), sight_of(eyes_of(one))) for one in webhooks.enabled(session)]
    pairs = [
        (id, seq)
        for seq, event in enumerate(found, first)
        for id, interest, sight in listening
        if event.webhook_id == id or (interest.covers(event) and sight.sees(event))
    ]
    webhooks.add_deliveries(session, pairs, now=now)


def _says_nothing_new(held: EventSource, page: Changes, after: int) -> bool:
    said = (page.position, page.last, page.mark)
    return held.complete and after == held.position and (held.position, held.last, held.mark) == said


def _reached(held: EventSource) -> Position:
    return Position(held.position, max(held.last, held.position), held.complete)


def _begin_anew(held: EventSource) -> None:
    # What the new history holds is not told again: that it is another one is the news.
    held.position, held.last, held.mark = 0, 1, None
    held.round += 1
    held.silent_to = _UNKNOWN


def _replaced(held: EventSource, now: datetime) -> Event:
    return Event(
        *(0, f"{held.name}-{held.round}-replaced", "gateway", REPLACED, held.name, now),
        data={"app": held.name},
        areas=(),
        authorities=(),
        not_to=(),
        permission="read",
        webhook_id=None,
    )


def _events(
    session: Session, held: EventSource, changes: Sequence[Change], now: datetime
) -> list[tuple[Change, Event]]:
    """What to tell of changes. They leave behind where the records are now."""
    moved = _moved(session, changes)
    codes = [_codes(change, before, after) for change, before, after in moved]
    services = {change.id for change in changes if change.kind == "service"}
    parts = events.areas_of_parts(session, services)
    for (change, _, _), mentioned in zip(moved, codes, strict=True):
        if change.kind == "service":
            mentioned |= parts.get(change.id, set())
    parents = events.parents(session, set().union(*codes))
    found = []
    for (change, before, after), mentioned in zip(moved, codes, strict=True):
        whose = after or before or unknown_place(change.kind)
        event = Event(
            seq=0,
            id=f"{held.name}-{held.round}-{change.seq}",
            source=held.name,
            type=f"hedgerow.{change.kind}.{change.what}",
            subject=change.id,
            time=change.at or now,
            data=told_of(change.kind, change.data),
            areas=around(mentioned, parents),
            authorities=whose.authorities,
            not_to=(),
            permission=permission(change.kind),
            webhook_id=None,
        )
        found.append((change, event))
        if change.kind in ENDS and before is not None and after is not None and _is_closed(before, after):
            was_around = around(_codes(change, before), parents)
            found.append((change, _closed(event, change, was_around, before.authorities)))
    return found


def _is_closed(before: Place, after: Place) -> bool:
    """Whether somebody who saw a record until now may not any more: it was everybody's, or another's."""
    if not after.authorities:
        return False
    return not before.authorities or not set(before.authorities) <= set(after.authorities)


def _closed(event: Event, change: Change, areas: Sequence[str], authorities: Sequence[str]) -> Event:
    """For all who saw a record until now, and from now on may not: to them it is no more."""
    return event._replace(
        id=f"{event.id}-closed",
        type=f"hedgerow.{change.kind}.{ENDS[change.kind]}",
        data=None,
        areas=areas,
        authorities=authorities,
        not_to=event.authorities,
    )


_Moved = tuple[Change, Place | None, Place | None]


def _moved(session: Session, changes: Sequence[Change]) -> list[_Moved]:
    """Each change with where its record was before and is now; the latter is kept."""
    by_kind: dict[str, set[str]] = {}
    for change in changes:
        by_kind.setdefault(change.kind, set()).add(change.id)
    known = {
        (kind, id): place
        for kind, ids in by_kind.items()
        for id, place in events.places(session, kind, ids).items()
    }
    moved: list[_Moved] = []
    kept: dict[tuple[str, str], Place | None] = {}
    for change in changes:
        key = change.kind, change.id
        now = None if change.data is None else place(change.kind, change.data)
        moved.append((change, kept.get(key, known.get(key)), now))
        kept[key] = now
    events.keep_places(session, {key: now for key, now in kept.items() if now != known.get(key)})
    return moved


def _codes(change: Change, *places: Place | None) -> set[str]:
    """The areas that a change concerns: where the record was, and where it is."""
    own: Iterable[str] = (change.id,) if change.kind == "area" else ()
    return {*own, *(code for found in places if found is not None for code in found.areas)}
