"""Organisations, services and sites: which are known, and how they are looked up by name."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_registry.domain.openings import OpeningTime
from hedgerow_registry.store import merges
from hedgerow_registry.store.held import chunks, known
from hedgerow_registry.store.held import lists as _lists
from hedgerow_registry.tables import (
    Area,
    Need,
    Organisation,
    OrganisationAlias,
    OrganisationIdentifier,
    OrganisationOwner,
    Service,
    ServiceArea,
    ServiceNeed,
    ServiceOpening,
    Site,
)


def known_organisations(session: Session, ids: Iterable[str]) -> set[str]:
    return known(session, Organisation.id, ids)


def known_services(session: Session, ids: Iterable[str]) -> set[str]:
    return known(session, Service.id, ids)


def known_areas(session: Session, codes: Iterable[str]) -> set[str]:
    return known(session, Area.code, codes)


def known_needs(session: Session, ids: Iterable[str]) -> set[str]:
    return known(session, Need.id, ids)


def needs_by_term(
    session: Session, terms: Iterable[str], *, source: str | None = None
) -> dict[str, list[str]]:
    """The ids of the needs whose bare term is one of these, in order of id; of one source only if given."""
    found: dict[str, list[str]] = {}
    for piece in chunks(dict.fromkeys(terms)):
        query = select(Need.term, Need.id).where(Need.term.in_(piece)).order_by(Need.id)
        if source is not None:
            query = query.where(Need.source == source)
        for term, id in session.execute(query):
            found.setdefault(term, []).append(id)
    return found


def organisations_named(session: Session, source: str, name_keys: Iterable[str]) -> dict[str, list[str]]:
    """The ids of a source's organisations by name key, in order of id."""
    found: dict[str, list[str]] = {}
    for piece in chunks(dict.fromkeys(name_keys)):
        query = (
            select(Organisation.name_key, Organisation.id)
            .where(Organisation.source == source, Organisation.name_key.in_(piece))
            .order_by(Organisation.id)
        )
        for name_key, id in session.execute(query):
            found.setdefault(name_key, []).append(id)
    return found


_WHOLE = tuple(
    column.name
    for column in Organisation.__table__.columns
    if column.name
    not in {
        "name_key",
        "legal_form_code",
        "size_band",
        "source",
        "first_import_id",
        "last_import_id",
        "updated_at",
        "digest",
    }
)


def whole_organisations(session: Session, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Organisations as their own records say them, with their parts: as they are written."""
    found: dict[str, dict[str, Any]] = {}
    wanted = sorted(set(ids))
    parts = own_parts(session, wanted)
    columns = [getattr(Organisation, name) for name in _WHOLE]
    for piece in chunks(wanted):
        for row in session.execute(select(*columns).where(Organisation.id.in_(piece))):
            found[row.id] = {
                **dict(zip(_WHOLE, row, strict=True)),
                "identifiers": parts.identifiers.get(row.id, []),
                "aliases": parts.aliases.get(row.id, []),
                "owner_ids": parts.owner_ids.get(row.id, []),
            }
    return found


def organisations_identified(
    session: Session, wanted: Iterable[tuple[str, str]], source: str
) -> dict[tuple[str, str], str]:
    """The organisation of each identifier that one has: of this source first, else that of the lowest id."""
    table = OrganisationIdentifier
    by_scheme: dict[str, set[str]] = {}
    for scheme, number in wanted:
        by_scheme.setdefault(scheme, set()).add(number)
    found: dict[tuple[str, str], tuple[bool, str]] = {}
    for scheme, numbers in by_scheme.items():
        for piece in chunks(sorted(numbers)):
            query = (
                select(table.identifier, Organisation.id, Organisation.source)
                .join(Organisation, Organisation.id == table.organisation_id)
                .where(table.scheme == scheme, table.identifier.in_(piece))
            )
            for number, id, brought_by in session.execute(query):
                candidate = (brought_by != source, id)
                found[scheme, number] = min(found.get((scheme, number), candidate), candidate)
    return {key: id for key, (_, id) in found.items()}


def services_of(session: Session, organisation_id: str) -> int:
    """How many services an organisation has."""
    query = select(func.count()).select_from(Service).where(Service.organisation_id == organisation_id)
    return session.scalar(query) or 0


def sites_of(session: Session, service_ids: Iterable[str]) -> Sequence[str]:
    """The ids of the sites of services, in order."""
    return sorted(
        id
        for piece in chunks(dict.fromkeys(service_ids))
        for id in session.scalars(select(Site.id).where(Site.service_id.in_(piece)))
    )


def openings_of(session: Session, service_ids: Iterable[str]) -> Iterator[tuple[str, OpeningTime]]:
    """The opening times of services, each with its service."""
    columns = [getattr(ServiceOpening, name) for name in OpeningTime._fields]
    for piece in chunks(sorted(set(service_ids))):
        query = select(ServiceOpening.service_id, *columns).where(ServiceOpening.service_id.in_(piece))
        for service_id, *values in session.execute(
            query.order_by(ServiceOpening.service_id, ServiceOpening.number)
        ):
            yield service_id, OpeningTime(*values)


class OrganisationParts(NamedTuple):
    identifiers: dict[str, list[tuple[str, str]]]
    aliases: dict[str, list[str]]
    owner_ids: dict[str, list[str]]


def organisation_parts(session: Session, ids: Iterable[str]) -> OrganisationParts:
    """Identifiers, aliases and owners of organisations, each list in order.

    What the organisations merged into one say is told with it, their names as aliases; an owner that was
    merged is told by the one that answers for it.
    """
    wanted = list(ids)
    members = merges.members(session, wanted)
    everyone = [*wanted, *(member for listed in members.values() for member in listed)]
    own = own_parts(session, everyone)
    answering = merges.canonical(session, (owner for listed in own.owner_ids.values() for owner in listed))
    names = merges.names(session, everyone) if members else {}
    made = OrganisationParts({}, {}, {})
    for id in wanted:
        group = (id, *members.get(id, ()))
        owners = {answering[owner] for one in group for owner in own.owner_ids.get(one, ())}
        aliases = {alias for one in group for alias in own.aliases.get(one, ())}
        aliases |= {names[one] for one in group[1:]} - {names.get(id)}
        known = {pair for one in group for pair in own.identifiers.get(one, ())}
        if known:
            made.identifiers[id] = sorted(known)
        if aliases:
            made.aliases[id] = sorted(aliases)
        if owners - {id}:
            made.owner_ids[id] = sorted(owners - {id})
    return made


def own_parts(session: Session, ids: Iterable[str]) -> OrganisationParts:
    """Identifiers, aliases and owners as the records of just these organisations say them."""
    wanted = list(ids)
    table = OrganisationIdentifier
    return OrganisationParts(
        _lists(session, table.organisation_id, (table.scheme, table.identifier), wanted),
        _lists(session, OrganisationAlias.organisation_id, (OrganisationAlias.alias,), wanted),
        _lists(session, OrganisationOwner.organisation_id, (OrganisationOwner.owner_id,), wanted),
    )


class ServiceParts(NamedTuple):
    needs: dict[str, list[str]]
    area_codes: dict[str, list[str]]


def service_parts(session: Session, ids: Iterable[str]) -> ServiceParts:
    """Needs and declared areas of services, each list in order."""
    wanted = list(ids)
    return ServiceParts(
        _lists(session, ServiceNeed.service_id, (ServiceNeed.need_id,), wanted),
        _lists(session, ServiceArea.service_id, (ServiceArea.area_code,), wanted),
    )


def organisation(session: Session, id: str) -> Organisation | None:
    return session.get(Organisation, id)


def service(session: Session, id: str) -> Service | None:
    return session.get(Service, id)


def site(session: Session, id: str) -> Site | None:
    return session.get(Site, id)


def organisation_names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """The names of organisations by their ids."""
    return {
        id: name
        for piece in chunks(dict.fromkeys(ids))
        for id, name in session.execute(
            select(Organisation.id, Organisation.name).where(Organisation.id.in_(piece))
        )
    }
