"""Queries on events, on the feeds they come from, and on where records are."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b

from hedgerow_kit.db import insert_all, upsert
from hedgerow_kit.retention import Kept
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from hedgerow_gateway.domain import events as domain
from hedgerow_gateway.domain.events import Place
from hedgerow_gateway.errors import EventsOver, HistoryReplaced
from hedgerow_gateway.tables import Event, EventClock, EventSource
from hedgerow_gateway.tables import Place as PlaceRow

# A statement names at most so many values.
MOST_NAMED = 500
PIECE = 100
_COLUMNS = tuple(getattr(Event, name) for name in domain.Event._fields)


# --- the feeds that are read ---


def source(session: Session, name: str) -> EventSource | None:
    return session.get(EventSource, name)


def locked_source(session: Session, name: str) -> EventSource:
    """How far a feed was read, for this transaction alone to change; read from its beginning at first."""
    start = {"position": 0, "last": 0, "mark": None, "round": 1, "silent_to": 0, "complete": False}
    upsert(session, EventSource, [{"name": name, **start}], key=["name"], update=[])
    return session.scalars(select(EventSource).where(EventSource.name == name).with_for_update()).one()


# --- where records are ---


def places(session: Session, kind: str, ids: Iterable[str]) -> dict[str, Place]:
    """Where records of a kind were last known to be."""
    query = select(PlaceRow.id, PlaceRow.areas, PlaceRow.authorities, PlaceRow.part_of)
    found = {}
    for named in _pieces(ids):
        for id, areas, authorities, part_of in session.execute(
            query.where(PlaceRow.kind == kind, PlaceRow.id.in_(named))
        ):
            found[id] = Place(tuple(areas), tuple(authorities), part_of)
    return found


def keep_places(session: Session, kept: dict[tuple[str, str], Place | None]) -> None:
    """Note where records are; None: they are no more."""
    rows = [
        {
            "kind": kind,
            "id": id,
            "areas": list(place.areas),
            "authorities": list(place.authorities),
            "part_of": place.part_of,
        }
        for (kind, id), place in sorted(kept.items())
        if place is not None
    ]
    upsert(session, PlaceRow, rows, key=["kind", "id"])
    gone: dict[str, list[str]] = {}
    for (kind, id), place in kept.items():
        if place is None:
            gone.setdefault(kind, []).append(id)
    for kind, ids in gone.items():
        for named in _pieces(ids):
            session.execute(delete(PlaceRow).where(PlaceRow.kind == kind, PlaceRow.id.in_(named)))


def areas_of_parts(session: Session, ids: Iterable[str]) -> dict[str, set[str]]:
    """The areas of the sites of services."""
    found: dict[str, set[str]] = {}
    for named in _pieces(ids):
        query = select(PlaceRow.part_of, PlaceRow.areas).where(PlaceRow.part_of.in_(named))
        for whole, areas in session.execute(query):
            if whole is not None:
                found.setdefault(whole, set()).update(areas)
    return found


def parents(session: Session, codes: Iterable[str]) -> dict[str, Sequence[str]]:
    """The areas that these lie in, those that those lie in, and so on."""
    found: dict[str, Sequence[str]] = {}
    asked = set(codes)
    while asked:
        level = places(session, "area", asked)
        found |= {code: level[code].areas if code in level else () for code in asked}
        asked = {parent for place in level.values() for parent in place.areas} - found.keys()
    return found


# --- events ---


def append(session: Session, found: Sequence[domain.Event], *, taken_at: datetime) -> int:
    """Number events behind all others and keep them; gives the number of the first.

    Whoever appends waits here until the one before has committed: what can be read has no gaps.
    """
    advance = update(EventClock).values(seq=EventClock.seq + len(found)).returning(EventClock.seq)
    last = session.execute(advance, execution_options={"synchronize_session": False}).scalar_one()
    first: int = last - len(found) + 1
    rows = [event._asdict() | {"seq": seq, "taken_at": taken_at} for seq, event in enumerate(found, first)]
    insert_all(session, Event, rows)
    return first


def after(session: Session, seq: int, *, limit: int) -> list[domain.Event]:
    """The next events after a number, oldest first."""
    return _events(session, Event.seq > seq, limit=limit)


def following(session: Session, seq: int) -> Iterator[domain.Event]:
    """All events after a number, oldest first; read by the piece, as whoever asks may soon have enough."""
    while found := after(session, seq, limit=PIECE):
        yield from found
        seq = found[-1].seq


def since(session: Session, moment: datetime) -> Iterator[list[domain.Event]]:
    """All events that were taken in since a moment, oldest first, by the thousand."""
    seq = 0
    while found := _events(session, Event.taken_at >= moment, Event.seq > seq, limit=1000):
        yield found
        seq = found[-1].seq


def several(session: Session, seqs: Iterable[int]) -> dict[int, domain.Event]:
    found = _events(session, Event.seq.in_(list(seqs)), limit=MOST_NAMED)
    return {event.seq: event for event in found}


def _events(session: Session, *where: ColumnElement[bool], limit: int) -> list[domain.Event]:
    query = select(*_COLUMNS).where(*where).order_by(Event.seq).limit(limit)
    return [domain.Event(*row) for row in session.execute(query)]


# --- the position of a reader ---


def clock(session: Session) -> EventClock:
    return session.scalars(select(EventClock)).one()


def position(session: Session, seq: int) -> str:
    """What a reader who has come to an event goes on with: its number, and a proof of what stands there."""
    id = session.scalar(select(Event.id).where(Event.seq == seq))
    return f"{seq}-{_proof(id)}"


def read_position(session: Session, said: str) -> int:
    """The number in a position. Raises EventsOver when what follows is gone; HistoryReplaced when another
    event, or none, stands there now.
    """
    seq = int(said.partition("-")[0])
    now = clock(session)
    if seq < now.pruned:
        raise EventsOver
    # What stood at the border of what was taken away cannot be looked at any more.
    if seq > now.seq or (seq > now.pruned and said != position(session, seq)):
        raise HistoryReplaced
    return seq


def _proof(id: str | None) -> str:
    return blake2b((id or "").encode(), digest_size=6).hexdigest()


def prune(session: Session, *, before: datetime, most: int) -> int:
    """Take away the oldest events that were taken in before a moment, with their deliveries; how many."""
    # Another process may prune at the same time: the border never moves back.
    now = session.scalars(select(EventClock).with_for_update()).one()
    upto = session.scalar(
        select(func.max(Event.seq)).where(Event.taken_at < before, Event.seq <= now.pruned + most)
    )
    if upto is None:
        return 0
    # Their deliveries go with them.
    session.execute(delete(Event).where(Event.seq <= upto))
    gone = upto - now.pruned
    now.pruned = upto
    return gone


def kept(*, days: int) -> Kept:
    return Kept(
        "events",
        "What happened, and its deliveries",
        days,
        lambda session: session.scalar(select(func.min(Event.taken_at))),
        lambda session, before, most: prune(session, before=before, most=most),
    )


def _pieces(values: Iterable[str]) -> Iterator[list[str]]:
    listed = sorted(set(values))
    return (listed[start : start + MOST_NAMED] for start in range(0, len(listed), MOST_NAMED))
