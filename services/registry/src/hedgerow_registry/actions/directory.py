"""Writing and deleting single organisations, services and sites, as one who has read them before."""

from collections.abc import Callable, Mapping
from typing import Any

from hedgerow_kit.auth import Principal
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.actions import records
from hedgerow_registry.actions.entities import ORGANISATIONS, SERVICES, SITES
from hedgerow_registry.actions.provenance import claim, lock
from hedgerow_registry.actions.records import QUARANTINED, Entity
from hedgerow_registry.errors import (
    InvalidReference,
    Malformed,
    OrganisationHasServices,
    UnknownRecord,
)
from hedgerow_registry.store import directory

# Looks at the record as it stands, locked, or at `None`; refuses the write by raising.
Precondition = Callable[[Any], None]

_MIRRORED = ("name", "description", "url", "email", "status", "minimum_age", "maximum_age")


def put_organisation(
    session: Session, id: str, fields: Mapping[str, Any], *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write an organisation; tells whether it is new."""
    return _put(session, ORGANISATIONS, id, fields, source=source, principal=by, when=when)


def put_service(
    session: Session, id: str, fields: Mapping[str, Any], *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write a service; tells whether it is new. Raises InvalidReference for an unknown organisation."""
    organisation = fields.get("organisation_id")
    if organisation is not None and not directory.known_organisations(session, [organisation]):
        raise InvalidReference("organisation_id", "no such organisation")
    held = _locked(session, SERVICES, id)
    document = None if held is None else held.document
    if document is not None:
        # The nested record keeps what the flat one does not speak of.
        document = {**document, **{name: fields.get(name) for name in _MIRRORED}}
    whole = {**fields, "document": document}
    return _put(session, SERVICES, id, whole, source=source, principal=by, when=when)


def put_site(
    session: Session, id: str, fields: Mapping[str, Any], *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write a site; tells whether it is new. Raises InvalidReference for an unknown service."""
    if not directory.known_services(session, [fields["service_id"]]):
        raise InvalidReference("service_id", "no such service")
    return _put(session, SITES, id, fields, source=source, principal=by, when=when)


def delete_organisation(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    """Delete an organisation that has no services. Raises OrganisationHasServices."""
    _held(session, ORGANISATIONS, id, by, when)
    services = directory.services_of(session, id)
    if services:
        raise OrganisationHasServices(services)
    records.remove(session, ORGANISATIONS, [(id,)])


def delete_service(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    """Delete a service and its sites."""
    _held(session, SERVICES, id, by, when)
    records.remove(session, SITES, [(site,) for site in directory.sites_of(session, [id])])
    records.remove(session, SERVICES, [(id,)])


def delete_site(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    _held(session, SITES, id, by, when)
    records.remove(session, SITES, [(id,)])


def _put(
    session: Session,
    entity: Entity,
    id: str,
    fields: Mapping[str, Any],
    *,
    source: str,
    principal: Principal,
    when: Precondition,
) -> bool:
    held = _locked(session, entity, id)
    by = claim(session, source if held is None else held.source, principal)
    if held is None:
        # No row to lock yet: of two who write it first, one waits here and then finds it.
        lock(session, source)
        held = _locked(session, entity, id)
    when(held)
    kept = {"source_id": None if held is None else held.source_id}
    (written,) = records.write(session, entity, [{**fields, **kept, "id": id}], by)
    if written.verdict == QUARANTINED:
        raise Malformed(f"{written.column}: {written.reason}" if written.column else str(written.reason))
    return held is None


def _held(session: Session, entity: Entity, id: str, principal: Principal, when: Precondition) -> None:
    held = _locked(session, entity, id)
    if held is None:
        raise UnknownRecord(entity.type)
    when(held)
    claim(session, held.source, principal)


def _locked(session: Session, entity: Entity, id: str) -> Any:
    # On SQLite the transaction already holds the only writer; there the clause is left out. What this session
    # has read before may be older than the row it now locks.
    query = select(entity.table).where(entity.table.id == id).with_for_update()
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
