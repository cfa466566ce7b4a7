"""What the open feed finds, and the whole records of what it found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import ge, le
from typing import Any

from sqlalchemy import Select, Text, and_, cast, exists, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from hedgerow_registry.domain import nearness
from hedgerow_registry.domain.eligibility import OLDEST
from hedgerow_registry.domain.hsds.model import Organisation, Service, Site
from hedgerow_registry.domain.hsds.opening import DAYS, Opening
from hedgerow_registry.domain.hsds.serving import (
    Provider,
    Surroundings,
    Term,
    taxonomy_id,
    whole_organisation,
    whole_service,
)
from hedgerow_registry.domain.words import name_key
from hedgerow_registry.errors import UnplacedPostcode
from hedgerow_registry.store import areas, directory, finding, merges, search
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import (
    Area,
    MergeEvent,
    Need,
    OrganisationAlias,
    OtherPlace,
    PlacePostcode,
    ServiceArea,
    ServiceNeed,
    ServiceOpening,
    ServiceTerm,
)
from hedgerow_registry.tables import Organisation as OrganisationRow
from hedgerow_registry.tables import Service as ServiceRow
from hedgerow_registry.tables import Site as SiteRow

_SERVICE_FIELDS = tuple(name for name in Service._fields if name not in ("needs", "area_codes"))
_SITE_FIELDS = Site._fields
_ORGANISATION_FIELDS = tuple(name for name in Organisation._fields if name != "identifiers")

# A record that is not there is stored as JSON's null on one way and as none at all on the other.
_HAS_DOCUMENT = cast(ServiceRow.document, Text) != "null"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is asked of services; all of it has to hold.

    search: words that all occur · need_ids: any of them is addressed · term: the id of a term that is no
    need · taxonomy: the name of a taxonomy of needs, taxonomy_said: what was asked for, as records may call
    it · postcode: in its usual spelling · within_m: metres around the postcode
    """

    search: tuple[str, ...] = ()
    need_ids: tuple[str, ...] | None = None
    term: str | None = None
    taxonomy: str | None = None
    taxonomy_said: str | None = None
    organisation: str | None = None
    modified_after: datetime | None = None
    minimum_age: float | None = None
    maximum_age: float | None = None
    opening: Opening = field(default_factory=Opening)
    postcode: str | None = None
    within_m: float | None = None


class Found:
    """The ids a question gives, in order."""

    def __init__(self, session: Session, query: Select[Any], column: Any):
        self._session = session
        self._query = query
        self._column = column

    def asked_in(self, session: Session) -> "Found":
        """The same question in another session."""
        return Found(session, self._query, self._column)

    def total(self) -> int:
        return self._session.scalar(select(func.count()).select_from(self._query.subquery())) or 0

    def page(self, number: int, size: int) -> list[str]:
        """The ids of a page; the first has the number 1."""
        query = self._query.order_by(self._column).offset((number - 1) * size).limit(size)
        return list(self._session.scalars(query))

    def after(self, last: str, size: int) -> list[str]:
        """The ids that come after one."""
        query = self._query.where(self._column > last).order_by(self._column).limit(size)
        return list(self._session.scalars(query))


def needs_by_feed_id(session: Session, id: str) -> str | None:
    """The need whose term has this id in the feed, or that is called by it."""
    query = select(Need.id).where(or_(Need.id == id, Need.feed_id == id)).order_by(Need.id).limit(1)
    return session.scalar(query)


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
    if wanted.opening:
        query = query.where(_opens(wanted.opening))
    return Found(session, query, ServiceRow.id)


def places(session: Session, wanted: Wanted) -> Found:
    """The places of the services that answer all that is asked, at the postcode or around it."""
    conditions = _conditions(session, wanted)
    queries = []
    for table in (SiteRow, OtherPlace):
        query = select(table.id.label("id"))
        if conditions:
            query = query.join(ServiceRow, ServiceRow.id == table.service_id).where(*conditions)
        if wanted.opening:
            query = query.where(_opens(wanted.opening, service_id=table.service_id, place_id=table.id))
        queries.append(query)
    if wanted.postcode is not None:
        stands = _stands(session, wanted.postcode, wanted.within_m)
        if wanted.within_m is not None:
            return Found(session, queries[0].where(stands), SiteRow.id)
        queries[0] = queries[0].where(stands)
        queries[1] = queries[1].where(_also_at(OtherPlace, wanted.postcode))
    # What is no site stands beside the sites; of two services with one id for it, it is listed once.
    listed = union(*queries).subquery()
    return Found(session, select(listed.c.id), listed.c.id)


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


def _for_needs(need_ids: Sequence[str] | None, taxonomy: str | None, said: str | None = None) -> list[Any]:
    conditions: list[Any] = []
    if need_ids is not None:
        addressed = select(ServiceNeed.service_id).where(ServiceNeed.need_id.in_(need_ids))
        conditions.append(ServiceRow.id.in_(addressed))
    if taxonomy is not None:
        # Every need of a taxonomy begins with its name and a colon.
        within = ServiceNeed.need_id.startswith(f"{taxonomy}:", autoescape=True)
        answers: list[Any] = [ServiceRow.id.in_(select(ServiceNeed.service_id).where(within))]
        if said:
            # Terms that are no needs keep the taxonomy that their source gave them.
            named = select(ServiceTerm.service_id).where(ServiceTerm.taxonomy_key == said.casefold())
            answers.append(ServiceRow.id.in_(named))
        conditions.append(or_(*answers))
    return conditions


def _age_bound(name: str, compared: Callable[[Any, float], Any], age: float) -> Any:
    """A condition of an age that services state; above any age it bounds nobody: the record has it."""
    column = getattr(ServiceRow, name)
    stated = compared(column, age)
    if age <= OLDEST:
        return stated
    return or_(stated, and_(column.is_(None), compared(ServiceRow.document[name].as_float(), age)))


def _conditions(session: Session, wanted: Wanted) -> list[Any]:
    conditions = _for_needs(wanted.need_ids, wanted.taxonomy, wanted.taxonomy_said)
    if wanted.term is not None:
        named = select(ServiceTerm.service_id).where(ServiceTerm.term_id == wanted.term)
        conditions.append(ServiceRow.id.in_(named))
    for word in wanted.search:
        provider = exists().where(
            OrganisationRow.id == ServiceRow.organisation_id,
            OrganisationRow.name_key.contains(name_key(word), autoescape=True),
        )
        conditions.append(or_(_named(ServiceRow, word), provider))
    if wanted.organisation is not None:
        conditions.append(ServiceRow.organisation_id.in_(merges.under(wanted.organisation)))
    if wanted.minimum_age is not None:
        conditions.append(_age_bound("minimum_age", ge, wanted.minimum_age))
    if wanted.maximum_age is not None:
        conditions.append(_age_bound("maximum_age", le, wanted.maximum_age))
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


def _opens(asked: Opening, *, service_id: Any = ServiceRow.id, place_id: Any = None) -> Any:
    """Services with an opening time that answers all that is asked; of a place, its own or its service's.

    A rule that has neither the day nor the hours that are asked for does not answer; whether it has begun or
    ended is not asked.
    """
    row = ServiceOpening
    conditions: list[Any] = []
    if asked.day is not None:
        conditions.append(row.weekday == DAYS.index(asked.day))
    if asked.start is not None:
        conditions.append(row.opens >= asked.start.hour * 60 + asked.start.minute)
    if asked.end is not None:
        conditions.append(row.closes <= asked.end.hour * 60 + asked.end.minute)
    if place_id is not None:
        conditions.append(or_(row.place_id.is_(None), row.place_id == place_id))
        return exists().where(row.service_id == service_id, *conditions)
    return service_id.in_(select(row.service_id).where(*conditions))


def _serves(session: Session, postcode: str, within_m: float | None) -> Any:
    """Services with a place there; without a distance also those that declare an area around the postcode."""
    there = ServiceRow.id.in_(select(SiteRow.service_id).where(_stands(session, postcode, within_m)))
    if within_m is not None:
        return there
    codes = session.scalars(
        select(SiteRow.area_code).where(SiteRow.postcode == postcode, SiteRow.area_code.is_not(None))
    )
    around = {
        outer for code in set(codes) for outer in session.scalars(select(areas.around(str(code)).c.code))
    }
    also = select(PlacePostcode.service_id).where(PlacePostcode.postcode == postcode)
    declared = select(ServiceArea.service_id).where(ServiceArea.area_code.in_(sorted(around)))
    return or_(there, ServiceRow.id.in_(also), ServiceRow.id.in_(declared))


def _also_at(table: Any, postcode: str) -> Any:
    """Places that have an address with a postcode beside their main one."""
    also = PlacePostcode
    return exists().where(
        also.place_id == table.id, also.service_id == table.service_id, also.postcode == postcode
    )


def _stands(session: Session, postcode: str, within_m: float | None) -> Any:
    """Sites at a postcode, or within metres of the middle of those. Raises UnplacedPostcode."""
    at_it = SiteRow.postcode == postcode
    known, lon, lat = _middle(session, at_it)
    if not known or (within_m is not None and lon is None):
        # Nothing has it as its main address: as another one, then.
        at_it = _also_at(SiteRow, postcode)
        sites, lon, lat = _middle(session, at_it)
        also = select(PlacePostcode.place_id).where(PlacePostcode.postcode == postcode).limit(1)
        known = known or sites or session.scalar(also) is not None
    if not known or (within_m is not None and lon is None):
        raise UnplacedPostcode
    if within_m is None:
        return or_(SiteRow.postcode == postcode, _also_at(SiteRow, postcode))
    near = finding.Near(lon, lat, within_m)
    if within_m > nearness.FURTHEST_M:
        return finding.within(near)
    around = search.matching(session, search.SITES, finding.cells(near)).subquery()
    return and_(SiteRow.id.in_(select(around.c.id)), finding.within(near))


def _middle(session: Session, which: Any) -> tuple[int, Any, Any]:
    """How many sites there are, and the middle of their points."""
    found = select(func.count(), func.avg(SiteRow.lon), func.avg(SiteRow.lat)).where(which)
    known, lon, lat = session.execute(found).one()
    return known, lon, lat


def modified_of(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """When each service last changed, or one of its sites or its organisation after it.

    A service that has not changed since it was first taken in says what its source said, so that an export
    that is read elsewhere is exported the same; a moment after it was taken in is none.
    """
    own: dict[str, datetime] = {}
    after: dict[str, datetime] = {}
    said: dict[str, str] = {}

    def note(rows: Iterable[Any]) -> None:
        for id, moment in rows:
            if moment > max(own[id], after.get(id, own[id])):
                after[id] = moment

    row = ServiceRow
    for piece in chunks(ids):
        wanted = row.id.in_(piece)
        columns = (row.id, row.updated_at, row.first_import_id, row.last_import_id)
        stated = row.document["last_modified"].as_string()
        for id, moment, first, last, told in session.execute(select(*columns, stated).where(wanted)):
            own[id] = moment
            if told is not None and first is not None and first == last:
                said[id] = told
        note(
            session.execute(
                select(row.id, OrganisationRow.updated_at)
                .join(OrganisationRow, OrganisationRow.id == row.organisation_id)
                .where(wanted)
            )
        )
        note(
            session.execute(
                select(row.id, func.max(MergeEvent.at))
                .join(MergeEvent, MergeEvent.organisation_id == row.organisation_id)
                .where(wanted)
                .group_by(row.id)
            )
        )
        note(
            session.execute(
                select(SiteRow.service_id, SiteRow.updated_at).where(SiteRow.service_id.in_(piece))
            )
        )
    return {id: _last(own[id], after.get(id), said.get(id)) for id in own}


def _last(own: datetime, after: datetime | None, said: str | None) -> str:
    if after is None and said is not None:
        try:
            if datetime.fromisoformat(said) <= own:
                return said
        except (ValueError, TypeError):
            pass
    return (after or own).astimezone(UTC).isoformat().replace("+00:00", "Z")


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
            circumstances=row.circumstances or (),
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


def services_of_places(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """The service that is delivered at each of some places; the first by id where several are."""
    found: dict[str, str] = {}
    for table in (OtherPlace, SiteRow):
        query = select(table.id, table.service_id).order_by(table.service_id.desc())
        for piece in chunks(ids):
            found |= {id: service for id, service in session.execute(query.where(table.id.in_(piece)))}
    return found


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
