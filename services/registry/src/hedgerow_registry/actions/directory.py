"""Writing and deleting single organisations, services, sites and interests, as one who has read them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from hedgerow_kit.auth import Principal
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.actions import derived, records
from hedgerow_registry.actions.entities import INTERESTS, ORGANISATIONS, SERVICES, SITES
from hedgerow_registry.actions.provenance import Provenance, claim
from hedgerow_registry.actions.records import QUARANTINED, Entity
from hedgerow_registry.domain.interests import ORGANISATION, UNSPECIFIED
from hedgerow_registry.errors import (
    AlreadyMerged,
    FollowsFromStatements,
    InvalidReference,
    Malformed,
    OrganisationAnswersForOthers,
    OrganisationHasContracts,
    OrganisationHasServices,
    UnknownRecord,
)
from hedgerow_registry.store import contracts, directory, merges, ownership
from hedgerow_registry.store.directory import OrganisationParts

# Looks at the record as it stands, locked, or at `None`; refuses the write by raising.
Precondition = Callable[[Any], None]

_NOTHING_STATED = {
    "owner_id": None, "owner_kind": ORGANISATION, "type": UNSPECIFIED, "share_low": None, "share_high": None,
    "low_open": False, "high_open": False, "directness": "unknown", "starts_on": None, "until": None,
}  # fmt: skip
_MIRRORED = ("name", "description", "url", "email", "status", "minimum_age", "maximum_age")


class _Claimed(NamedTuple):
    """A record that nobody else may write now: as it is held, if it is, and who is to write it."""

    entity: Entity
    id: str
    held: Any
    by: Provenance


def put_organisation(
    session: Session, id: str, fields: Mapping[str, Any], *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write an organisation; tells whether it is new.

    What is written back as it was read keeps its place: what only an organisation merged into this one says
    does not become this one's own. Raises AlreadyMerged for one that stands under another.
    """
    claimed = _claimed(session, ORGANISATIONS, id, source=source, principal=by)
    if claimed.held is not None:
        _require_standing(session, id)
        fields = _without_what_members_say(session, claimed.held, fields)
    return _put(session, claimed, fields, when)


def put_service(
    session: Session, id: str, fields: Mapping[str, Any], *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write a service; tells whether it is new. Raises InvalidReference for an unknown organisation."""
    organisation = fields.get("organisation_id")
    if organisation is not None and not directory.known_organisations(session, [organisation]):
        raise InvalidReference("organisation_id", "no such organisation")
    claimed = _claimed(session, SERVICES, id, source=source, principal=by)
    document = None if claimed.held is None else claimed.held.document
    if document is not None:
        # The nested record keeps what the flat one does not speak of.
        document = {**document, **{name: fields.get(name) for name in _MIRRORED}}
    circumstances = fields.get("circumstances")
    if circumstances and document is not None:
        raise Malformed("circumstances: of a nested record they are attributes of the link type eligibility")
    if circumstances is None:
        circumstances = None if claimed.held is None else claimed.held.circumstances
    circumstances = sorted(set(circumstances or ())) or None
    whole = {**fields, "document": document, "circumstances": circumstances}
    named = None if claimed.held is None else claimed.held.organisation_id
    if named is not None and merges.answering(session, named) == organisation:
        # Written back as it was read, it stays with the organisation its source named, merged or not.
        whole["organisation_id"] = named
    return _put(session, claimed, whole, when)


def put_site(
    session: Session, id: str, fields: Mapping[str, Any], *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write a site; tells whether it is new. Raises InvalidReference for an unknown service."""
    if not directory.known_services(session, [fields["service_id"]]):
        raise InvalidReference("service_id", "no such service")
    return _put(session, _claimed(session, SITES, id, source=source, principal=by), fields, when)


def add_interest(
    session: Session, subject_id: str, fields: Mapping[str, Any], *, source: str, by: Principal
) -> str:
    """State an interest in an organisation; gives its id.

    Raises UnknownRecord, AlreadyMerged, InvalidReference for an owner that is not known, Malformed.
    """
    if not directory.known_organisations(session, [subject_id]):
        raise UnknownRecord("organisation")
    _require_standing(session, subject_id)
    claimed = _claimed(session, INTERESTS, str(uuid4()), source=source, principal=by)
    _put_interest(session, claimed, {**_NOTHING_STATED, **fields, "subject_id": subject_id})
    return claimed.id


def change_interest(
    session: Session,
    subject_id: str,
    id: str,
    fields: Mapping[str, Any],
    *,
    by: Principal,
    when: Precondition,
) -> None:
    """Correct or end an interest: what is not among the fields stays. Raises as `add_interest`, and
    FollowsFromStatements.
    """
    claimed = _held_interest(session, subject_id, id, by, when)
    before = {name: getattr(claimed.held, name) for name in INTERESTS.columns}
    if fields.get("owner_kind", before["owner_kind"]) != before["owner_kind"]:
        # Another kind of owner is another owner.
        before["owner_id"] = before["reason"] = None
    _put_interest(session, claimed, {**before, **fields})


def delete_interest(session: Session, subject_id: str, id: str, *, by: Principal, when: Precondition) -> None:
    """Take back an interest. Raises UnknownRecord, FollowsFromStatements."""
    claimed = _held_interest(session, subject_id, id, by, when)
    subject = claimed.held.subject_id
    records.remove(session, INTERESTS, [(id,)], claimed.by)
    derived.note(session, INTERESTS.type, subject, None)


def _held_interest(session: Session, subject_id: str, id: str, by: Principal, when: Precondition) -> _Claimed:
    held = ownership.interest_in(session, subject_id, id)
    if held is None:
        raise UnknownRecord(INTERESTS.type)
    claimed = _claimed(session, INTERESTS, id, source=held.source, principal=by)
    if claimed.held is None:
        raise UnknownRecord(INTERESTS.type)
    when(claimed.held)
    if claimed.held.record_key is not None:
        raise FollowsFromStatements
    return claimed


def _put_interest(session: Session, claimed: _Claimed, fields: dict[str, Any]) -> None:
    owner, is_organisation = fields["owner_id"], fields["owner_kind"] == ORGANISATION
    if owner is None:
        if is_organisation:
            raise Malformed("owner_id: an organisation is named by its id")
        fields["owner_id"] = str(uuid4())
    elif claimed.held is None or owner != claimed.held.owner_id:
        is_known = bool(directory.known_organisations(session, [owner]))
        if is_organisation and not is_known:
            raise InvalidReference("owner_id", "no such organisation")
        if is_known and not is_organisation:
            raise InvalidReference("owner_id", "an organisation has this id, and the owner is none")
    if owner == fields["subject_id"]:
        raise Malformed("owner_id: an organisation does not own itself")
    if None not in (fields["starts_on"], fields["until"]) and fields["until"] <= fields["starts_on"]:
        raise Malformed("end: it ends before it starts")
    _put(session, claimed, fields, lambda _: None)


def delete_organisation(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    """Delete an organisation that has no services, is not merged and that none is merged into.

    Raises OrganisationHasServices, OrganisationHasContracts, AlreadyMerged, OrganisationAnswersForOthers.
    """
    writer = _held(session, ORGANISATIONS, id, by, when)
    _require_standing(session, id)
    if merges.members(session, [id]):
        raise OrganisationAnswersForOthers
    services = directory.services_of(session, id)
    if services:
        raise OrganisationHasServices(services)
    if contracts.has_part(session, id):
        raise OrganisationHasContracts
    records.remove(session, ORGANISATIONS, [(id,)], writer)


def delete_service(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    """Delete a service and its sites."""
    writer = _held(session, SERVICES, id, by, when)
    records.remove(session, SITES, [(site,) for site in directory.sites_of(session, [id])], writer)
    records.remove(session, SERVICES, [(id,)], writer)


def delete_site(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    writer = _held(session, SITES, id, by, when)
    records.remove(session, SITES, [(id,)], writer)


def _claimed(session: Session, entity: Entity, id: str, *, source: str, principal: Principal) -> _Claimed:
    query = select(entity.table.source).where(entity.table.id == id)
    by = claim(session, session.scalar(query) or source, principal)
    # The source before the record, as imports have it; of two who write a record first, one waits here.
    records.hold(session, entity, by)
    held = _locked(session, entity, id)
    if held is not None and held.source != by.source:
        by = claim(session, held.source, principal)
    return _Claimed(entity, id, held, by)


def _put(session: Session, claimed: _Claimed, fields: Mapping[str, Any], when: Precondition) -> bool:
    held = claimed.held
    when(held)
    kept = {"source_id": getattr(held, "source_id", None), "id": claimed.id}
    (written,) = records.write(session, claimed.entity, [{**fields, **kept}], claimed.by)
    if written.verdict == QUARANTINED:
        raise Malformed(f"{written.column}: {written.reason}" if written.column else str(written.reason))
    # The answer tells the record with what follows from it.
    derived.settle(session)
    return held is None


def _require_standing(session: Session, id: str) -> None:
    held = merges.merged_row(session, id)
    if held is not None:
        raise AlreadyMerged(held.canonical_id)


def _without_what_members_say(session: Session, held: Any, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields, less those that equal what members fill in and that the record itself does not say."""
    members = merges.members(session, [held.id]).get(held.id)
    if not members:
        return fields
    own = directory.own_parts(session, [held.id])
    shown = directory.organisation_parts(session, [held.id])
    kept = dict(fields)
    pairs: list[tuple[dict[str, list[Any]], dict[str, list[Any]]]] = list(zip(own, shown, strict=True))
    for part, (mine, all_) in zip(OrganisationParts._fields, pairs, strict=True):
        theirs = set(all_.get(held.id, ())) - set(mine.get(held.id, ()))
        kept[part] = [one for one in fields.get(part) or () if one not in theirs]
    for name, value in merges.gaps(session, [held.id]).get(held.id, {}).items():
        if getattr(held, name) is None and fields.get(name) == value:
            kept[name] = None
    return kept


def _held(session: Session, entity: Entity, id: str, principal: Principal, when: Precondition) -> Provenance:
    """Under what the record is to be deleted. Raises UnknownRecord."""
    source = session.scalar(select(entity.table.source).where(entity.table.id == id))
    if source is None:
        raise UnknownRecord(entity.type)
    claimed = _claimed(session, entity, id, source=source, principal=principal)
    if claimed.held is None:
        raise UnknownRecord(entity.type)
    when(claimed.held)
    return claimed.by


def _locked(session: Session, entity: Entity, id: str) -> Any:
    # On SQLite the transaction already holds the only writer; there the clause is left out. What this session
    # has read before may be older than the row it now locks.
    query = select(entity.table).where(entity.table.id == id).with_for_update()
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
