"""What is stored beside records because it follows from them: brought up to date before the commit.

A transaction notes what it writes, as it does for the change feed, and derives once at its end: a service
that is written together with its sites and its organisation is looked at once, as they all are now.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hedgerow_kit.db import among, upsert
from sqlalchemy import delete, event
from sqlalchemy.orm import Session

from hedgerow_registry.actions import indexing
from hedgerow_registry.domain.hsds.places import beside_sites
from hedgerow_registry.domain.hsds.reading import terms_named
from hedgerow_registry.domain.hsds.serving import circumstance_attributes
from hedgerow_registry.domain.openings import OpeningTime, openings
from hedgerow_registry.store import merges
from hedgerow_registry.store.directory import known_organisations, own_parts
from hedgerow_registry.store.held import chunks
from hedgerow_registry.store.ownership import below, bodies, owning
from hedgerow_registry.tables import OtherPlace, PlacePostcode, ServiceOpening, ServiceTerm, feed

Fields = Mapping[str, Any]

_PENDING = "records_to_derive_from"
_AGAIN = "records_to_look_at_again"
_SOURCES = "sources_of_records_to_derive_from"
_BEFORE = "owners_before"
_QUIET = {"synchronize_session": False}
# What follows from a service, and by what one row of it is told from another.
_KEYS: Mapping[Any, Sequence[str]] = {
    ServiceOpening: ("service_id", "number"),
    ServiceTerm: ("service_id", "term_id", "taxonomy_key"),
    PlacePostcode: ("service_id", "place_id", "postcode"),
    OtherPlace: ("service_id", "id"),
}


def note(session: Session, type: str, id: str, record: Fields | None) -> None:
    """Remember that a record was written, or with `None` deleted; of several notes the last counts."""
    session.info.setdefault(_PENDING, {}).setdefault(type, {})[id] = record


def note_source(session: Session, type: str, ids: Iterable[str], source: str) -> None:
    """Remember under which source records were written."""
    session.info.setdefault(_SOURCES, {}).setdefault(type, {}).update(dict.fromkeys(ids, source))


def look_again(session: Session, type: str, ids: Iterable[str]) -> None:
    """Remember that records are to be looked at again because others changed that they show something of."""
    session.info.setdefault(_AGAIN, {}).setdefault(type, set()).update(ids)


def look_before(session: Session, type: str, ids: Sequence[str]) -> None:
    """Remember what organisations that own others are, before they are written."""
    if type == "organisation":
        before = session.info.setdefault(_BEFORE, {})
        for id, bearing in _bearing(session, [id for id in ids if id not in before]).items():
            before[id] = bearing


def _bearing(session: Session, ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Of those that hold anything in another, what bears on what the others are in effect."""
    owners = sorted(owning(session, ids))
    own = bodies(session, owners)
    listed = own_parts(session, owners).owner_ids
    return {id: (own[id].own if id in own else None, listed.get(id, [])) for id in owners}


# Before the listener that numbers the changes: whoever numbers holds back all other writers.
@event.listens_for(Session, "before_commit", insert=True)
def _derive(session: Session) -> None:
    if not session.in_nested_transaction():
        settle(session)


def settle(session: Session) -> None:
    """Derive now from what was noted so far, for who reads it back before the commit."""
    before: dict[str, tuple[Any, ...]] = session.info.pop(_BEFORE, {})
    pending: dict[str, dict[str, Fields | None]] = session.info.pop(_PENDING, {})
    again: dict[str, set[str]] = session.info.pop(_AGAIN, {})
    sources: dict[str, dict[str, str]] = session.info.pop(_SOURCES, {})
    if pending or again:
        session.flush()
        services = pending.get("service", {})
        times = {id: openings(one["document"]) for id, one in services.items() if one is not None}
        _store(session, services, times)
        now = _bearing(session, list(before))
        _tell_owned(session, pending, [id for id, bearing in now.items() if bearing != before[id]])
        indexing.refresh(session, indexing.Touched(pending, sources, again, times))


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_PENDING, None)
    session.info.pop(_AGAIN, None)
    session.info.pop(_SOURCES, None)
    session.info.pop(_BEFORE, None)


def _store(
    session: Session, services: Mapping[str, Fields | None], times: Mapping[str, Sequence[OpeningTime]]
) -> None:
    """Put the rows that follow from some services in the place of those that did before."""
    ids = sorted(services)
    for piece in chunks(ids):
        for table in _KEYS:
            session.execute(delete(table).where(among(table.service_id, piece)), execution_options=_QUIET)
    rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in _KEYS}
    for id in ids:
        service = services[id]
        document = None if service is None else service["document"]
        if document is not None:
            _add_rows(rows, id, document, times[id])
        elif service is not None:
            _add_terms(rows, id, circumstance_attributes(id, service["circumstances"] or ()))
    for table, key in _KEYS.items():
        upsert(session, table, rows[table], key=key)


def _add_rows(
    rows: Mapping[Any, list[dict[str, Any]]],
    service_id: str,
    document: Fields,
    times: Sequence[OpeningTime],
) -> None:
    places, postcodes = beside_sites({**document, "id": service_id})
    own = {"service_id": service_id}
    rows[ServiceOpening] += [
        {**own, "number": number, **opening._asdict()} for number, opening in enumerate(times)
    ]
    _add_terms(rows, service_id, document.get("attributes", ()))
    rows[PlacePostcode] += [{**own, "place_id": place, "postcode": code} for place, code in postcodes]
    rows[OtherPlace] += [{**own, "id": place} for place in places]


def _add_terms(rows: Mapping[Any, list[dict[str, Any]]], service_id: str, attributes: Sequence[Any]) -> None:
    rows[ServiceTerm] += [
        {"service_id": service_id, "term_id": term, "taxonomy_key": key}
        for term, key in terms_named({"attributes": attributes})
    ]


def _tell_owned(
    session: Session, pending: Mapping[str, Mapping[str, Fields | None]], owners: Sequence[str]
) -> None:
    """Tell of the organisations whose control or effective form may now be another.

    Those in which an interest was written, all below them, and all below owners that are no longer what they
    were: what a body is in effect hangs on what its owners are.
    """
    subjects = set(pending.get("interest", ()))
    answering = merges.canonical(session, {*subjects, *owners}).values()
    concerned = {*subjects, *below(session, answering), *pending.get("membership", ())}
    told = set(merges.canonical(session, pending.get("organisation", ())).values())
    for id in sorted(set(merges.canonical(session, known_organisations(session, concerned)).values()) - told):
        feed.record(session, "organisation", id)
