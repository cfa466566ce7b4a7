"""Organisations, services and sites: which are known, and how they are looked up by name."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hedgerow_kit.paging import keyset
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from hedgerow_registry.store import areas, merges
from hedgerow_registry.store.areas import starts
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


def organisation_page(
    session: Session,
    *,
    source: str | None = None,
    sector: str | None = None,
    identifier: tuple[str, str] | None = None,
    among: Sequence[str] | None = None,
    name_starts: str | None = None,
    after: str | None,
    limit: int,
) -> tuple[list[Organisation], str | None]:
    """A page of the organisations of a source, sector, identifier, or whose name starts with a text.

    among: only these.

    One that was merged is not among them; the one that answers for it is found by its identifiers too.
    """
    query = select(Organisation).where(merges.standing(Organisation.id))
    if source is not None:
        query = query.where(Organisation.source == source)
    if among is not None:
        query = query.where(Organisation.id.in_(among))
    if sector is not None:
        query = query.where(Organisation.sector == sector)
    if identifier is not None:
        scheme, number = identifier
        merged = merges.alias()
        query = query.where(
            Organisation.id.in_(
                select(merges.answering_id(OrganisationIdentifier.organisation_id, merged))
                .select_from(OrganisationIdentifier)
                .outerjoin(merged, merged.organisation_id == OrganisationIdentifier.organisation_id)
                .where(OrganisationIdentifier.scheme == scheme, OrganisationIdentifier.identifier == number)
            )
        )
    if name_starts:
        query = query.where(starts(Organisation.name_key, name_starts))
    return _page(session, query, Organisation.id, after, limit)


def service_page(
    session: Session,
    *,
    need: str | None = None,
    area: str | None = None,
    organisation: str | None = None,
    providers: Sequence[str] | None = None,
    status: str | None = None,
    source: str | None = None,
    name_starts: str | None = None,
    after: str | None,
    limit: int,
) -> tuple[list[Service], str | None]:
    """A page of the services that meet every condition given.

    providers: those of any of these organisations, or of one merged into one of them.

    area: services that say they serve the area, one inside it or one around it, or with a site in it.
    """
    # The nested records are long, and no list shows them.
    query = select(Service).options(defer(Service.document, raiseload=True))
    if need is not None:
        query = query.where(Service.id.in_(select(ServiceNeed.service_id).where(ServiceNeed.need_id == need)))
    if area is not None:
        inside, outside = areas.within(area), areas.around(area)
        declared = select(ServiceArea.service_id).where(
            or_(
                ServiceArea.area_code.in_(select(inside.c.code)),
                ServiceArea.area_code.in_(select(outside.c.code)),
            )
        )
        sited = select(Site.service_id).where(Site.area_code.in_(select(inside.c.code)))
        query = query.where(or_(Service.id.in_(declared), Service.id.in_(sited)))
    if organisation is not None:
        query = query.where(Service.organisation_id.in_(merges.under(organisation)))
    if providers is not None:
        merged = merges.members(session, providers)
        everyone = {*providers, *(member for listed in merged.values() for member in listed)}
        query = query.where(Service.organisation_id.in_(sorted(everyone)))
    if status is not None:
        query = query.where(Service.status == status)
    if source is not None:
        query = query.where(Service.source == source)
    if name_starts:
        query = query.where(starts(Service.name_key, name_starts))
    return _page(session, query, Service.id, after, limit)


def site_page(
    session: Session,
    *,
    service: str | None = None,
    area: str | None = None,
    source: str | None = None,
    after: str | None,
    limit: int,
) -> tuple[list[Site], str | None]:
    """A page of the sites of a service, in an area (by their area's code) or of a source."""
    query = select(Site)
    if service is not None:
        query = query.where(Site.service_id == service)
    if area is not None:
        query = query.where(Site.area_code.in_(select(areas.within(area).c.code)))
    if source is not None:
        query = query.where(Site.source == source)
    return _page(session, query, Site.id, after, limit)


def _page(
    session: Session, query: Select[Any], id: InstrumentedAttribute[str], after: str | None, limit: int
) -> tuple[list[Any], str | None]:
    rows, marker = keyset(session, query, [id], after=after, limit=limit)
    return [row[0] for row in rows], marker


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
