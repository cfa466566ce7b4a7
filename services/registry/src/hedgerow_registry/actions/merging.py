"""Saying that two organisations are one, and taking it back."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from hedgerow_kit.auth import Principal
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hedgerow_registry.actions import derived
from hedgerow_registry.actions.directory import Precondition
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.errors import (
    AlreadyMerged,
    MergedIntoItself,
    NotMerged,
    UnknownRecord,
)
from hedgerow_registry.store import merges
from hedgerow_registry.store.directory import known_organisations
from hedgerow_registry.store.held import chunks
from hedgerow_registry.store.ownership import below
from hedgerow_registry.tables import (
    ContractParty,
    Merged,
    MergeEvent,
    Organisation,
    ProcessParty,
    Service,
    feed,
)


def merge(
    session: Session,
    id: str,
    into: str,
    *,
    reason: str,
    by: Principal,
    rule: str | None = None,
    when: Precondition | None = None,
) -> MergeEvent:
    """Let one organisation stand under another from now on; nothing of either record is changed.

    What stands under the first goes with it. The same merge said twice is the same merge.
    Raises UnknownRecord, MergedIntoItself, AlreadyMerged, SourceOfAnotherAuthority.
    """
    if id == into:
        raise MergedIntoItself
    merges.lock(session)
    both = _locked(session, (id, into))
    if when is not None:
        when(both[id])
    for one in both.values():
        claim(session, one.source, by)
    held = merges.merged_row(session, id)
    if held is not None and held.into_id == into:
        return merges.event(session, held.event_id)
    if held is not None:
        raise AlreadyMerged(held.canonical_id)
    if (there := merges.merged_row(session, into)) is not None:
        # The other way round too: what was merged into `id` has no place of its own to be merged into.
        raise AlreadyMerged(there.canonical_id, into=True)
    event = _event(session, "merged", id, into, reason, by, rule)
    following = merges.members(session, [id]).get(id, [])
    session.add(Merged(organisation_id=id, into_id=into, canonical_id=into, event_id=event.id))
    session.execute(
        update(Merged).where(Merged.canonical_id == id).values(canonical_id=into),
        execution_options={"synchronize_session": False},
    )
    session.flush()
    feed.record(session, "organisation", into)
    derived.look_again(session, "organisation", [id, into])
    _announce(session, [id, *following])
    feed.record(session, "organisation", id, deleted=True)
    return event


def unmerge(
    session: Session, id: str, *, reason: str, by: Principal, when: Precondition | None = None
) -> MergeEvent:
    """Let an organisation answer for itself again, and for those that were merged into it.

    Raises UnknownRecord, NotMerged, SourceOfAnotherAuthority.
    """
    merges.lock(session)
    known = _locked(session, (id,))
    if when is not None:
        when(known[id])
    held = merges.merged_row(session, id)
    if held is None:
        raise NotMerged
    survivor, into = held.canonical_id, held.into_id
    for one in _locked(session, {id, into}).values():
        claim(session, one.source, by)
    event = _event(session, "unmerged", id, into, reason, by, None)
    session.delete(held)
    session.flush()
    following = _following(session, id)
    for piece in chunks(following):
        session.execute(
            update(Merged).where(Merged.organisation_id.in_(piece)).values(canonical_id=id),
            execution_options={"synchronize_session": False},
        )
    feed.record(session, "organisation", id)
    derived.look_again(session, "organisation", [id, survivor])
    _announce(session, [id, *following])
    feed.record(session, "organisation", survivor)
    return event


def _locked(session: Session, ids: Iterable[str]) -> dict[str, Any]:
    """The organisations, locked in the order of their ids. Raises UnknownRecord."""
    wanted = sorted(ids)
    query = (
        select(Organisation).where(Organisation.id.in_(wanted)).order_by(Organisation.id).with_for_update()
    )
    found = {
        row.id: row for row in session.scalars(query, execution_options={"populate_existing": True}).all()
    }
    if len(found) != len(set(wanted)):
        raise UnknownRecord("organisation")
    return found


def _event(
    session: Session, kind: str, id: str, into: str, reason: str, by: Principal, rule: str | None
) -> MergeEvent:
    event = MergeEvent(
        kind=kind,
        organisation_id=id,
        into_id=into,
        rule=rule,
        reason=reason,
        by=by.subject,
        at=datetime.now(UTC),
    )
    session.add(event)
    session.flush()
    return event


def _following(session: Session, id: str) -> list[str]:
    """Those merged into an organisation, and those merged into them."""
    found: list[str] = []
    near = [id]
    while near:
        near = [
            one
            for piece in chunks(near)
            for one in session.scalars(
                select(Merged.organisation_id)
                .where(Merged.into_id.in_(piece))
                .order_by(Merged.organisation_id)
            )
        ]
        found += near
    return found


def _announce(session: Session, ids: Sequence[str]) -> None:
    """Tell the feed of all whose answers name one of these organisations."""
    for piece in chunks(ids):
        services = select(Service.id).where(Service.organisation_id.in_(piece)).order_by(Service.id)
        served = session.scalars(services).all()
        for service in served:
            feed.record(session, "service", service)
        # The names that a service is found by are those of whoever answers for it too.
        derived.look_again(session, "service", served)
        for type, party, owner in (
            ("contract", ContractParty, ContractParty.contract_id),
            ("process", ProcessParty, ProcessParty.process_id),
        ):
            named = select(owner).where(party.organisation_id.in_(piece)).order_by(owner).distinct()
            for one in session.scalars(named).all():
                feed.record(session, type, one)
    for organisation in sorted(known_organisations(session, below(session, ids))):
        feed.record(session, "organisation", organisation)
