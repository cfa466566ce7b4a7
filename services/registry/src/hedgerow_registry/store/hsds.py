"""What the open feed finds, and the whole records of what it found."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Text, and_, cast, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from hedgerow_registry.domain.hsds.model import Organisation, Service, Site
from hedgerow_registry.domain.hsds.opening import Opening, is_open
from hedgerow_registry.domain.hsds.serving import (
    Provider,
    Surroundings,
    Term,
    taxonomy_id,
    term_id,
    whole_organisation,
    whole_service,
)
from hedgerow_registry.domain.words import name_key
from hedgerow_registry.errors import TooBroad, UnplacedPostcode
from hedgerow_registry.store import areas, directory, merges
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Area, MergeEvent, Need, OrganisationAlias, ServiceArea, ServiceNeed
from hedgerow_registry.tables import Organisation as OrganisationRow
from hedgerow_registry.tables import Service as ServiceRow
from hedgerow_registry.tables import Site as SiteRow

# Opening times stand in the nested records alone: so many of those are read for one question, no more.
MOST_SCANNED = 50_000
_METRES_A_DEGREE = 111_195.0
_SERVICE_FIELDS = tuple(name for name in Service.__dataclass_fields__ if name not in ("needs", "area_codes"))
_SITE_FIELDS = tuple(Site.__dataclass_fields__)
_ORGANISATION_FIELDS = tuple(name for name in Organisation.__dataclass_fields__ if name != "identifiers")

# A record that is not there is stored as JSON's null on one way and as none at all on the other.
_HAS_DOCUMENT = cast(ServiceRow.document, Text) != "null"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is asked of services; all of it has to hold.

    search: words that all occur · need_ids: any of them is addressed · term: the id of a term that is no need
    postcode: in its usual spelling · within_m: metres around the postcode
    """

    search: tuple[str, ...] = ()
    need_ids: tuple[str, ...] | None = None
    term: str | None = None
    taxonomy: str | None = None
    organisation: str | None = None
    modified_after: datetime | None = None
    minimum_age: float | None = None
    maximum_age: float | None = None
    opening: Opening = field(default_factory=Opening)
    postcode: str | None = None
    within_m: float | None = None


class Found:
    """The ids a question gave, in order: as a query that is still to be asked, or as a list."""

    def __init__(self, session: Session, query: Select[Any], column: Any, ids: list[str] | None = None):
        self._session = session
        self._query = query
        self._column = column
        self._ids = ids

    def asked_in(self, session: Session) -> "Found":
        """The same question in another session; what was found as a list is not asked again."""
        return Found(session, self._query, self._column, self._ids)

    def total(self) -> int:
        if self._ids is not None:
            return len(self._ids)
        return self._session.scalar(select(func.count()).select_from(self._query.subquery())) or 0

    def page(self, number: int, size: int) -> list[str]:
        """The ids of a page; the first has the number 1."""
        start = (number - 1) * size
        if self._ids is not None:
            return self._ids[start : start + size]
        query = self._query.order_by(self._column).offset(start).limit(size)
        return list(self._session.scalars(query))

    def after(self, last: str, size: int) -> list[str]:
        """The ids that come after one."""
        if self._ids is not None:
            start = bisect_right(self._ids, last)
            return self._ids[start : start + size]
        query = self._query.where(self._column > last).order_by(self._column).limit(size)
        return list(self._session.scalars(query))


def needs_by_feed_id(session: Session, id: str) -> str | None:
    """The need whose term has this id in the feed, or that is called by it."""
    return next((need for need in session.scalars(select(Need.id)) if id in (need, term_id(need))), None)


def taxonomy_by_feed_id(session: Session, id: str) -> str | None:
    """The taxonomy that has this id in the feed, or that is called by it."""
    return next((name for name in taxonomies(session) if id in (name, taxonomy_id(name))), None)


def taxonomies(session: Session, search: Sequence[str] = ()) -> list[str]:
    query = select(Need.taxonomy).distinct().order_by(Need.taxonomy)
    return list(session.scalars(query.where(*(_holds(Need.taxonomy, word) for word in search))))


def terms(
    session: Session,
    *,
    search: Sequence[str] = (),
    taxonomy: str | None = None,
    parent: str | None = None,
    top_only: bool = False,
) -> Found:
    """The needs of a taxonomy, below a need, at the top, or whose name holds some words."""
    query = select(Need.id).where(*(_holds(Need.name, word) for word in search))
    if taxonomy is not None:
        query = query.where(Need.taxonomy == taxonomy)
    if parent is not None:
        query = query.where(Need.parent_id == parent)
    if top_only:
        query = query.where(Need.parent_id.is_(None))
    return Found(session, query, Need.id)


def services(session: Session, wanted: Wanted) -> Found:
    """The services that answer all that is asked."""
    query = select(ServiceRow.id).where(*_conditions(session, wanted))
    if wanted.postcode is not None:
        query = query.where(_serves(session, wanted.postcode, wanted.within_m))
    ids = None
    if (predicate := _of_document(wanted)) is not None:
        ids = _scanned(session, _with_document(query, wanted), lambda _, document: predicate(document))
    return Found(session, query, ServiceRow.id, ids)


def sites(session: Session, wanted: Wanted) -> Found:
    """The sites of the services that answer all that is asked, at the postcode or around it."""
    query = select(SiteRow.id)
    conditions = _conditions(session, wanted)
    predicate = _of_document(wanted)
    if conditions or predicate is not None:
        query = query.join(ServiceRow, ServiceRow.id == SiteRow.service_id).where(*conditions)
    if wanted.postcode is not None:
        query = query.where(_stands(session, wanted.postcode, wanted.within_m))
    ids = None
    if predicate is not None:

        def here(id: str, document: Document) -> bool:
            places = [place for place in document.get("service_at_locations", ()) if place["id"] == id]
            return predicate({**document, "service_at_locations": places})

        ids = _scanned(session, _with_document(query, wanted), here)
    return Found(session, query, SiteRow.id, ids)


def organisations(
    session: Session,
    *,
    search: Sequence[str] = (),
    need_ids: Sequence[str] | None = None,
    taxonomy: str | None = None,
) -> Found:
    """Organisations whose names or description hold some words, with a service for a need."""
    query = select(OrganisationRow.id).where(merges.standing(OrganisationRow.id))
    for word in search:
        also = exists().where(
            OrganisationAlias.organisation_id == OrganisationRow.id, _holds(OrganisationAlias.alias, word)
        )
        member, merged = aliased(OrganisationRow), merges.alias()
        by_member = exists().where(
            merged.canonical_id == OrganisationRow.id,
            member.id == merged.organisation_id,
            _named(member, word),
        )
        query = query.where(or_(_named(OrganisationRow, word), also, by_member))
    if need_ids is not None or taxonomy is not None:
        merged = merges.alias()
        own = (
            select(merges.answering_id(ServiceRow.organisation_id, merged))
            .select_from(ServiceRow)
            .outerjoin(merged, merged.organisation_id == ServiceRow.organisation_id)
            .where(ServiceRow.organisation_id.is_not(None), *_for_needs(need_ids, taxonomy))
        )
        query = query.where(OrganisationRow.id.in_(own))
    return Found(session, query, OrganisationRow.id)


def _holds(column: Any, word: str) -> Any:
    return column.icontains(word, autoescape=True)


def _named(table: Any, word: str) -> Any:
    # The key knows the case of letters beyond ASCII, which SQLite's own comparison does not.
    return or_(table.name_key.contains(name_key(word), autoescape=True), _holds(table.description, word))


def _for_needs(need_ids: Sequence[str] | None, taxonomy: str | None) -> list[Any]:
    conditions = []
    if need_ids is not None:
        addressed = select(ServiceNeed.service_id).where(ServiceNeed.need_id.in_(need_ids))
        conditions.append(ServiceRow.id.in_(addressed))
    if taxonomy is not None:
        # Every need of a taxonomy begins with its name and a colon.
        within = ServiceNeed.need_id.startswith(f"{taxonomy}:", autoescape=True)
        conditions.append(ServiceRow.id.in_(select(ServiceNeed.service_id).where(within)))
    return conditions


def _conditions(session: Session, wanted: Wanted) -> list[Any]:
    conditions = _for_needs(wanted.need_ids, wanted.taxonomy)
    for word in wanted.search:
        provider = exists().where(
            OrganisationRow.id == ServiceRow.organisation_id,
            OrganisationRow.name_key.contains(name_key(word), autoescape=True),
        )
        conditions.append(or_(_named(ServiceRow, word), provider))
    if wanted.organisation is not None:
        conditions.append(ServiceRow.organisation_id.in_(merges.under(wanted.organisation)))
    if wanted.minimum_age is not None:
        conditions.append(ServiceRow.minimum_age >= wanted.minimum_age)
    if wanted.maximum_age is not None:
        conditions.append(ServiceRow.maximum_age <= wanted.maximum_age)
    if wanted.modified_after is not None:
        since, site = wanted.modified_after, aliased(SiteRow)
        conditions.append(
            or_(
                ServiceRow.updated_at >= since,
                exists().where(site.service_id == ServiceRow.id, site.updated_at >= since),
                exists().where(
                    OrganisationRow.id == ServiceRow.organisation_id, OrganisationRow.updated_at >= since
                ),
                exists().where(
                    MergeEvent.organisation_id == ServiceRow.organisation_id, MergeEvent.at >= since
                ),
            )
        )
    return conditions


def _of_document(wanted: Wanted) -> Callable[[Document], bool] | None:
    """What only the nested record can tell; `None` where nothing of that is asked."""
    if not wanted.opening and wanted.term is None:
        return None

    def told(document: Document) -> bool:
        if wanted.term is not None and wanted.term not in _term_ids(document):
            return False
        return not wanted.opening or is_open(document, wanted.opening)

    return told


def _term_ids(document: Document) -> set[str]:
    named = (attribute.get("taxonomy_term") or {} for attribute in document.get("attributes", ()))
    return {term["id"] for term in named if term}


def _with_document(query: Select[Any], wanted: Wanted) -> Select[Any]:
    written = cast(ServiceRow.document, Text)
    query = query.add_columns(ServiceRow.document).where(_HAS_DOCUMENT)
    if wanted.opening:
        query = query.where(written.contains('"schedules"'))
    if wanted.term is not None:
        query = query.where(written.contains(wanted.term, autoescape=True))
    return query


def _scanned(session: Session, query: Select[Any], predicate: Callable[[str, Document], bool]) -> list[str]:
    """The ids of the records for which something holds, in order. Raises TooBroad."""
    if (session.scalar(select(func.count()).select_from(query.subquery())) or 0) > MOST_SCANNED:
        raise TooBroad
    rows = session.execute(query, execution_options={"yield_per": 200})
    return sorted(id for id, document in rows if document and predicate(id, document))


def _serves(session: Session, postcode: str, within_m: float | None) -> Any:
    """Services with a site there; without a distance also those that declare an area around the postcode."""
    there = ServiceRow.id.in_(select(SiteRow.service_id).where(_stands(session, postcode, within_m)))
    if within_m is not None:
        return there
    codes = session.scalars(
        select(SiteRow.area_code).where(SiteRow.postcode == postcode, SiteRow.area_code.is_not(None))
    )
    around = {
        outer for code in set(codes) for outer in session.scalars(select(areas.around(str(code)).c.code))
    }
    return or_(
        there,
        ServiceRow.id.in_(select(ServiceArea.service_id).where(ServiceArea.area_code.in_(sorted(around)))),
    )


def _stands(session: Session, postcode: str, within_m: float | None) -> Any:
    """Sites at a postcode, or within metres of the middle of those. Raises UnplacedPostcode."""
    point = select(func.count(), func.avg(SiteRow.lon), func.avg(SiteRow.lat))
    known, lon, lat = session.execute(point.where(SiteRow.postcode == postcode)).one()
    if not known or (within_m is not None and lon is None):
        raise UnplacedPostcode
    if within_m is None:
        return SiteRow.postcode == postcode
    # On a plane that touches the earth here: true to a metre or two in a thousand as far as a county goes.
    north = (SiteRow.lat - lat) * _METRES_A_DEGREE
    east = (SiteRow.lon - lon) * (_METRES_A_DEGREE * math.cos(math.radians(lat)))
    return and_(SiteRow.lat.is_not(None), north * north + east * east <= within_m * within_m)


def modified_of(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """When each service, its sites or its organisation last changed, or that was merged or unmerged."""
    last: dict[str, datetime] = {}

    def note(rows: Iterable[Any]) -> None:
        for id, moment in rows:
            last[id] = max(last.get(id, moment), moment)

    for piece in chunks(ids):
        own = ServiceRow.id.in_(piece)
        note(session.execute(select(ServiceRow.id, ServiceRow.updated_at).where(own)))
        note(
            session.execute(
                select(ServiceRow.id, OrganisationRow.updated_at)
                .join(OrganisationRow, OrganisationRow.id == ServiceRow.organisation_id)
                .where(own)
            )
        )
        note(
            session.execute(
                select(ServiceRow.id, func.max(MergeEvent.at))
                .join(MergeEvent, MergeEvent.organisation_id == ServiceRow.organisation_id)
                .where(own)
                .group_by(ServiceRow.id)
            )
        )
        note(
            session.execute(
                select(SiteRow.service_id, SiteRow.updated_at).where(SiteRow.service_id.in_(piece))
            )
        )
    return {id: moment.astimezone(UTC).isoformat().replace("+00:00", "Z") for id, moment in last.items()}


def whole_services(session: Session, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The whole records of services, in the order of the ids; those that are no more are left out."""
    rows = {
        row.id: row
        for piece in chunks(ids)
        for row in session.scalars(select(ServiceRow).where(ServiceRow.id.in_(piece)))
    }
    parts = directory.service_parts(session, rows)
    answering = merges.canonical(session, (row.organisation_id for row in rows.values()))
    providers = _providers(session, set(answering.values()))
    places = _sites(session, rows)
    known_terms = {term.need_id: term for term in term_rows(session, _all(parts.needs))}
    names = _area_names(session, _all(parts.area_codes))
    modified = modified_of(session, list(rows))
    made = []
    for id in ids:
        row = rows.get(id)
        if row is None:
            continue
        held = Service(
            **{name: getattr(row, name) for name in _SERVICE_FIELDS},
            needs=tuple(parts.needs.get(id, ())),
            area_codes=tuple(parts.area_codes.get(id, ())),
        )
        around = Surroundings(
            provider=providers.get(answering.get(row.organisation_id or "", "")),
            sites=places.get(id, ()),
            terms=known_terms,
            area_names=names,
            modified=modified[id],
        )
        made.append(whole_service(held, row.document, around))
    return made


def whole_organisations(session: Session, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The whole records of organisations, as one of their services told of them."""
    told = _told(session, ids)
    found = _providers(session, ids)
    return [whole_organisation(found[id], told.get(id)) for id in ids if id in found]


def services_of_organisation(session: Session, id: str) -> list[str]:
    """The services of an organisation, in order."""
    query = select(ServiceRow.id).where(ServiceRow.organisation_id.in_(merges.under(id)))
    return list(session.scalars(query.order_by(ServiceRow.id)))


def services_of_sites(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """The service that is delivered at each of some sites."""
    query = select(SiteRow.id, SiteRow.service_id)
    return {
        id: service
        for piece in chunks(ids)
        for id, service in session.execute(query.where(SiteRow.id.in_(piece)))
    }


def term_rows(session: Session, ids: Iterable[str]) -> list[Term]:
    """Needs by their ids, in order."""
    query = select(Need.id, Need.taxonomy, Need.term, Need.name, Need.parent_id)
    rows = [
        Term(*row)
        for piece in chunks(sorted(set(ids)))
        for row in session.execute(query.where(Need.id.in_(piece)).order_by(Need.id))
    ]
    return rows


def _all(lists: Mapping[str, Iterable[str]]) -> set[str]:
    return {value for values in lists.values() for value in values}


def _area_names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    query = select(Area.code, Area.name)
    return {
        code: name
        for piece in chunks(codes)
        for code, name in session.execute(query.where(Area.code.in_(piece)))
    }


def _sites(session: Session, service_ids: Iterable[str]) -> dict[str, list[Site]]:
    found: dict[str, list[Site]] = {}
    columns = [getattr(SiteRow, name) for name in _SITE_FIELDS]
    for piece in chunks(service_ids):
        query = select(SiteRow.service_id, *columns).where(SiteRow.service_id.in_(piece)).order_by(SiteRow.id)
        for service_id, *values in session.execute(query):
            found.setdefault(service_id, []).append(Site(**dict(zip(_SITE_FIELDS, values, strict=True))))
    return found


def _providers(session: Session, ids: Iterable[Any]) -> dict[str, Provider]:
    wanted = sorted(ids)
    parts = directory.organisation_parts(session, wanted)
    columns = [getattr(OrganisationRow, name) for name in _ORGANISATION_FIELDS]
    gaps = merges.gaps(session, wanted)
    found = {}
    for piece in chunks(wanted):
        for row in session.execute(select(*columns).where(OrganisationRow.id.in_(piece))):
            known = tuple(f"{scheme}:{number}" for scheme, number in parts.identifiers.get(row.id, ()))
            filled = {
                name: value
                for name, value in gaps.get(row.id, {}).items()
                if row._mapping.get(name, value) is None
            }
            found[row.id] = Provider(
                held=Organisation(**{**row._mapping, **filled}, identifiers=known),
                aliases=tuple(parts.aliases.get(row.id, ())),
                owner_ids=tuple(parts.owner_ids.get(row.id, ())),
            )
    return found


def _told(session: Session, ids: Sequence[str]) -> dict[str, Document]:
    """What the first nested record of each organisation's services says of it."""
    found: dict[str, Document] = {}
    for piece in chunks(ids):
        first = (
            select(func.min(ServiceRow.id))
            .where(ServiceRow.organisation_id.in_(piece), _HAS_DOCUMENT)
            .group_by(ServiceRow.organisation_id)
        )
        query = select(ServiceRow.organisation_id, ServiceRow.document).where(ServiceRow.id.in_(first))
        for organisation_id, document in session.execute(query):
            embedded = (document or {}).get("organization")
            if embedded and embedded["id"] == organisation_id:
                found[organisation_id] = embedded
    return found
