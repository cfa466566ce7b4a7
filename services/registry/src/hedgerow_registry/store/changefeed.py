"""The change feed: what changed in the order of commit, each with the state it has now."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.domain import eligibility
from hedgerow_registry.domain.hsds.opening import DAYS
from hedgerow_registry.store import areas, contracts, directory, merges, ownership
from hedgerow_registry.store.contracts import Guarded
from hedgerow_registry.store.held import chunks
from hedgerow_registry.store.sight import Sight
from hedgerow_registry.tables import (
    OPEN_AGE,
    Area,
    Boundary,
    Crosswalk,
    Demand,
    FeedEpoch,
    IndexValue,
    Need,
    Organisation,
    Residents,
    Service,
    ServiceOpening,
    Site,
    feed,
)

State = dict[str, Any]


class Event(NamedTuple):
    """One change; `state` is what the record is now, or `None` where it is no more."""

    seq: int
    type: str
    id: str
    at: datetime
    state: State | None


class FeedPage(NamedTuple):
    """A page with the state of its records; see `hedgerow_kit.changes.FeedPage`."""

    events: list[Event]
    next: int | None
    last: int
    position: int
    epoch: str
    mark: str


def epoch(session: Session) -> str:
    """Which history the feed tells."""
    return session.scalars(select(FeedEpoch.epoch)).one()


def page(
    session: Session,
    *,
    after: int,
    limit: int,
    types: Sequence[str],
    sight: Sight,
    marked: str | None = None,
) -> FeedPage:
    """The next changes after a number, with their records as they are in this snapshot.

    A record that the reader may not know of is left out; one that was published once ends in a tombstone.
    marked: the mark of the page before. Raises HistoryReplaced where that is not the change of this number.
    """
    history = epoch(session)
    found = feed.page(session, after=after, limit=limit, types=types, marked=marked, history=history)
    wanted: dict[str, dict[str, None]] = {}
    for change in found.changes:
        wanted.setdefault(change.type, {})[change.id] = None
    states: dict[str, dict[str, State]] = {}
    hidden: set[tuple[str, str]] = set()
    for type, ids in wanted.items():
        if type in GUARDED:
            seen = GUARDED[type](session, list(ids), sight)
            states[type] = seen.states
            hidden |= {(type, id) for id in seen.hidden}
        else:
            states[type] = STATES[type](session, list(ids))
    events = [
        Event(change.seq, change.type, change.id, change.at, states[change.type].get(change.id))
        for change in found.changes
        if (change.type, change.id) not in hidden
    ]
    return FeedPage(events, found.next, found.last, found.position, history, found.mark)


def _rows(session: Session, columns: Sequence[Any], key: Any, ids: Iterable[str]) -> Iterator[Any]:
    for piece in chunks(ids):
        yield from session.execute(select(*columns).where(key.in_(piece)))


def _areas(session: Session, ids: Sequence[str]) -> dict[str, State]:
    parents, successors = areas.links(session, ids)
    columns = (Area.code, Area.name, Area.level, Area.vintage, Area.lon, Area.lat)
    return {
        row.code: {
            "code": row.code,
            "name": row.name,
            "level": row.level,
            "vintage": row.vintage,
            "parents": parents.get(row.code, []),
            "successors": successors.get(row.code, []),
            "lon": row.lon,
            "lat": row.lat,
        }
        for row in _rows(session, columns, Area.code, ids)
    }


def _boundaries(session: Session, ids: Sequence[str]) -> dict[str, State]:
    rows = _rows(session, (Boundary.area_code, Boundary.geometry), Boundary.area_code, ids)
    return {row.area_code: {"code": row.area_code, "geometry": row.geometry} for row in rows}


def _residents(session: Session, ids: Sequence[str]) -> dict[str, State]:
    found: dict[str, State] = {}
    table = Residents
    columns = (table.area_code, table.period, table.age_from, table.age_to, table.sex, table.people)
    for piece in chunks(ids):
        query = select(*columns).where(table.area_code.in_(piece))
        for code, period, age_from, age_to, sex, people in session.execute(query.order_by(*columns[:5])):
            state = found.setdefault(code, {"area_code": code, "rows": []})
            state["rows"].append(
                {
                    "period": period,
                    "age_from": age_from,
                    "age_to": None if age_to == OPEN_AGE else age_to,
                    "sex": sex,
                    "count": people,
                }
            )
    return found


def _indices(session: Session, ids: Sequence[str]) -> dict[str, State]:
    by_name: dict[str, list[str]] = {}
    for id in ids:
        name, _, code = id.rpartition("/")
        by_name.setdefault(name, []).append(code)
    found: dict[str, State] = {}
    table = IndexValue
    for name, codes in by_name.items():
        for piece in chunks(codes):
            query = (
                select(table.area_code, table.period, table.value)
                .where(table.index_name == name, table.area_code.in_(piece))
                .order_by(table.area_code, table.period)
            )
            for code, period, value in session.execute(query):
                state = found.setdefault(f"{name}/{code}", {"index": name, "area_code": code, "values": []})
                state["values"].append({"period": period, "value": value})
    return found


def _demand(session: Session, ids: Sequence[str]) -> dict[str, State]:
    by_need: dict[tuple[str, str], list[str]] = {}
    for id in ids:
        need, code, period = id.rsplit("/", 2)
        by_need.setdefault((need, period), []).append(code)
    found: dict[str, State] = {}
    table = Demand
    for (need, period), codes in by_need.items():
        for piece in chunks(codes):
            query = select(table.area_code, table.people, table.weight, table.origin, table.source).where(
                table.need_id == need, table.period == period, table.area_code.in_(piece)
            )
            for code, people, weight, origin, source in session.execute(query):
                found[f"{need}/{code}/{period}"] = {
                    "need": need,
                    "area_code": code,
                    "period": period,
                    "count": people,
                    "weight": weight,
                    "source": origin or source,
                }
    return found


def _needs(session: Session, ids: Sequence[str]) -> dict[str, State]:
    columns = (Need.id, Need.taxonomy, Need.term, Need.name, Need.parent_id.label("parent"))
    return {row.id: dict(row._mapping) for row in _rows(session, columns, Need.id, ids)}


def _crosswalks(session: Session, ids: Sequence[str]) -> dict[str, State]:
    columns = (Crosswalk.from_id, Crosswalk.to_id, Crosswalk.relation)
    wanted = set(ids)
    rows = _rows(session, columns, Crosswalk.from_id, {id.partition(">")[0] for id in ids})
    states = ({"from": row.from_id, "to": row.to_id, "relation": row.relation} for row in rows)
    return {id: state for state in states if (id := f"{state['from']}>{state['to']}") in wanted}


def _organisations(session: Session, ids: Sequence[str]) -> dict[str, State]:
    parts = directory.organisation_parts(session, ids)
    table = Organisation
    columns = (
        table.id,
        table.name,
        table.sector,
        table.legal_form,
        table.legal_form_code,
        table.size,
        table.size_band,
        table.status,
        table.head_office_area_code,
        table.user_led,
        table.supported_business,
    )
    # A merged organisation is no more: the one that answers for it tells what it told.
    standing = [id for id, answering in merges.canonical(session, ids).items() if id == answering]
    gaps = merges.gaps(session, standing)
    merged = merges.members(session, standing)
    rows = {row.id: row for row in _rows(session, columns, table.id, standing)}
    behind = ownership.standings(session, list(rows), datetime.now(UTC).date())
    members = ownership.memberships(session, rows)
    return {
        row.id: {
            **row._mapping,
            **{
                name: value
                for name, value in gaps.get(row.id, {}).items()
                if row._mapping.get(name, value) is None
            },
            "control": [
                {"owner_id": period.owner, "from": period.start, "to": period.last}
                for period in behind[row.id].control
            ],
            "effective_form": behind[row.id].form.form,
            "members": [
                {"member_id": one.member_id, "role": one.role, "start": one.starts_on, "end": one.ends_on}
                for one in members.get(row.id, [])
            ],
            "owner_ids": parts.owner_ids.get(row.id, []),
            "merged_ids": merged.get(row.id, []),
            "identifiers": [
                {"scheme": scheme, "id": number} for scheme, number in parts.identifiers.get(row.id, [])
            ],
        }
        for row in rows.values()
    }


def _services(session: Session, ids: Sequence[str]) -> dict[str, State]:
    parts = directory.service_parts(session, ids)
    table = Service
    columns = (
        table.id,
        table.name,
        table.organisation_id,
        table.status,
        table.minimum_age,
        table.maximum_age,
        table.capacity,
        table.valid_from,
        table.valid_to,
        table.assured_on,
    )
    rows = list(_rows(session, columns, table.id, ids))
    answering = merges.canonical(session, (row.organisation_id for row in rows))
    openings, circumstances = _openings(session, ids), _circumstances(session, ids)
    return {
        row.id: {
            **row._mapping,
            "organisation_id": answering.get(row.organisation_id),
            "needs": parts.needs.get(row.id, []),
            "area_codes": parts.area_codes.get(row.id, []),
            "openings": openings.get(row.id, []),
            "circumstances": circumstances.get(row.id, []),
        }
        for row in rows
    }


def _openings(session: Session, ids: Sequence[str]) -> dict[str, list[State]]:
    """The opening times of services and of their places: days, hours on the clock, first and last day."""
    found: dict[str, list[State]] = {}
    table = ServiceOpening
    columns = (table.service_id, table.weekday, table.opens, table.closes, table.starts, table.ends)
    for piece in chunks(ids):
        query = select(*columns).where(table.service_id.in_(piece))
        for row in session.execute(query.order_by(table.service_id, table.number)):
            found.setdefault(row.service_id, []).append(
                {
                    "days": [] if row.weekday is None else [DAYS[row.weekday]],
                    "opens": _on_the_clock(row.opens),
                    "closes": _on_the_clock(row.closes),
                    "from": row.starts,
                    "to": row.ends,
                }
            )
    return found


def _on_the_clock(minutes: int | None) -> str | None:
    """Minutes after midnight as HH:MM; after the next midnight, the time it is then."""
    return None if minutes is None else f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def _circumstances(session: Session, ids: Sequence[str]) -> dict[str, list[str]]:
    attributes = Service.document["attributes"].label("attributes")
    columns = (Service.id, Service.circumstances, attributes)
    return {
        row.id: row.circumstances or eligibility.circumstances(row.attributes or ())
        for row in _rows(session, columns, Service.id, ids)
        if row.circumstances or row.attributes
    }


def _sites(session: Session, ids: Sequence[str]) -> dict[str, State]:
    table = Site
    columns = (
        table.id,
        table.service_id,
        table.name,
        table.lon,
        table.lat,
        table.area_code,
        table.postcode,
        table.address,
        table.source,
        table.source_id,
    )
    return {row.id: dict(row._mapping) for row in _rows(session, columns, table.id, ids)}


# Kinds of record that not everybody may know of.
GUARDED: Mapping[str, Callable[[Session, Sequence[str], Sight], Guarded]] = {
    "process": contracts.process_states,
    "contract": contracts.contract_states,
}
STATES: Mapping[str, Callable[[Session, Sequence[str]], dict[str, State]]] = {
    "area": _areas,
    "boundary": _boundaries,
    "residents": _residents,
    "index": _indices,
    "demand": _demand,
    "need": _needs,
    "crosswalk": _crosswalks,
    "organisation": _organisations,
    "service": _services,
    "site": _sites,
}
TYPES = (*STATES, *GUARDED)
