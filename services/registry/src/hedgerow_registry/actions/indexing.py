"""Keeping the search index in step: what is searched of each record, and how full it is.

Of a record that was written, and of those that show something of it: a service is found by its provider's
names and by where its sites are. Names of needs are looked up when a question is asked: a need may be that of
very many services.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hedgerow_kit.db import Database
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from hedgerow_registry.domain import eligibility, nearness, quality
from hedgerow_registry.domain.openings import OpeningTime, blocks, openings
from hedgerow_registry.domain.quality import Measure, Said
from hedgerow_registry.domain.searching import Document, document, tag, words
from hedgerow_registry.store import directory, merges, search
from hedgerow_registry.store.held import chunks, known
from hedgerow_registry.store.whole import Part, whole
from hedgerow_registry.tables import (
    IndexedOrganisation,
    IndexedSite,
    Need,
    Organisation,
    Service,
    ServiceArea,
    ServiceNeed,
    Site,
)

Fields = Mapping[str, Any]
Written = Mapping[str, Fields | None]

# One higher where a record is given other words or tags, or they are kept otherwise: what is indexed is then
# indexed anew at the start.
EDITION = 3
# Any number, the same for all: see `_one_after_the_other`.
_LOCK = 7_240_333
_FILL_BATCH = 2_000
_SERVICE_COLUMNS = (
    "name", "organisation_id", "status", "description", "url", "email", "phone", "minimum_age", "maximum_age",
    "assured_on", "source", "document",
)  # fmt: skip
_SITE_COLUMNS = (
    "service_id", "source", "name", "address", "postcode", "area_code", "lon", "lat",
)  # fmt: skip
_SERVICE_PARTS = (
    Part("needs", ServiceNeed, "service_id", ("need_id",)),
    Part("area_codes", ServiceArea, "service_id", ("area_code",)),
)
_ORGANISATION_COLUMNS = ("name", "source", "sector", "legal_form", "size", "url", "email", "description")


class Touched(NamedTuple):
    """What a transaction wrote (`None`: deleted), under which source, and what is to be looked at again.

    openings: the opening times of the services that were written
    """

    written: Mapping[str, Written]
    sources: Mapping[str, Mapping[str, str]]
    again: Mapping[str, Collection[str]]
    openings: Mapping[str, Sequence[OpeningTime]]

    def ids(self, type: str) -> set[str]:
        return {*self.written.get(type, ()), *self.again.get(type, ())}

    def records(self, type: str, ids: Iterable[str]) -> dict[str, tuple[Fields, str]]:
        """Those of some records that were written, each with its source."""
        written, sources = self.written.get(type, {}), self.sources.get(type, {})
        return {
            id: (record, sources[id])
            for id in ids
            if id in sources and (record := written.get(id)) is not None
        }

    def sites(self) -> dict[str, list[Fields]]:
        """The sites that were written, by the services they belong to."""
        found: dict[str, list[Fields]] = {}
        for record in self.written.get("site", {}).values():
            if record is not None:
                found.setdefault(record["service_id"], []).append(record)
        return found


NOTHING = Touched({}, {}, {}, {})
# By service and by place the spans of the week in which it is open; `None`: the service as a whole.
Opens = dict[str, dict[str | None, list[str]]]


def refresh(session: Session, touched: Touched) -> None:
    """Bring the index in step with what a transaction has touched."""
    organisations, services, sites = (touched.ids(type) for type in ("organisation", "service", "site"))
    needs = touched.ids("need")
    if not (organisations or services or sites or needs):
        return
    _one_after_the_other(session, organisations)
    # Whoever answers for an organisation goes by its names and numbers too.
    organisations |= set(merges.canonical(session, organisations).values())
    for piece in chunks(sorted(needs)):
        _index_needs(session, piece)
    for renamed in [_index_organisations(session, piece) for piece in chunks(sorted(organisations))]:
        under = merges.members(session, renamed).values()
        services |= _services_of(session, {*renamed, *(member for listed in under for member in listed)})
    services |= _services_of_sites(session, sites, touched.written.get("site", {}))
    opens: Opens = {}
    written_sites = touched.sites()
    for piece in chunks(sorted(services)):
        before = _index_services(session, piece, touched, written_sites, opens)
        # Its opening times are those of its sites too.
        written = touched.written.get("service", {})
        sites |= set(directory.sites_of(session, [id for id in before if written.get(id) is not None]))
    for piece in chunks(sorted(sites)):
        _index_sites(session, piece, touched, opens)


def alone(session: Session) -> None:
    """Wait for who indexes, and let nobody else until this transaction ends; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        _lock(session, alone=True)


def _one_after_the_other(session: Session, organisations: Collection[str]) -> None:
    """Whoever renames an organisation sees every service that others have given it, and they the new name."""
    if session.get_bind().dialect.name == "postgresql":
        _lock(session, alone=bool(known(session, IndexedOrganisation.id, organisations)))


def _lock(session: Session, *, alone: bool) -> None:
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    session.execute(text(f"SELECT {lock}({_LOCK})"))


def _index_needs(session: Session, ids: list[str]) -> None:
    before = search.held(session, search.NEEDS, ids)
    rows = session.execute(select(Need.id, Need.taxonomy, Need.term, Need.name).where(Need.id.in_(ids)))
    found: dict[str, tuple[Document, Fields]] = {
        row.id: (document(row.name, [row.term], [tag("x", row.taxonomy)]), {}) for row in rows
    }
    _put(session, search.NEEDS, ids, found, before)


def _index_organisations(session: Session, ids: list[str]) -> list[str]:
    """Index organisations; gives those that were indexed under other names before."""
    before = search.held(session, search.ORGANISATIONS, ids)
    names_before = {
        id: names
        for piece in chunks(before)
        for id, names in session.execute(
            select(IndexedOrganisation.id, IndexedOrganisation.names).where(IndexedOrganisation.id.in_(piece))
        )
    }
    columns = [getattr(Organisation, name) for name in ("id", *_ORGANISATION_COLUMNS)]
    rows = session.execute(select(*columns).where(Organisation.id.in_(ids))).all()
    parts = directory.organisation_parts(session, [row.id for row in rows])
    found: dict[str, tuple[Document, Fields]] = {}
    for row in rows:
        aliases = parts.aliases.get(row.id, [])
        numbers = [number for _, number in parts.identifiers.get(row.id, ())]
        tags = [tag("f", row.source), *([] if row.sector is None else [tag("k", row.sector)])]
        said = Said({**row._mapping, "identifiers": numbers}, {})
        found[row.id] = (
            document(row.name, [*aliases, row.description, *numbers], tags),
            {
                "source": row.source,
                "names": "\n".join([row.name, *aliases]),
                **_quality(quality.ORGANISATION, said),
            },
        )
    _put(session, search.ORGANISATIONS, ids, found, before)
    return [id for id, (_, row) in found.items() if names_before.get(id, row["names"]) != row["names"]]


def _quality(by: Measure, said: Said) -> dict[str, int]:
    score, says = by.score_and_bits(said)
    return {"richness": score, "says": says}


def _services_of(session: Session, organisations: Iterable[str]) -> set[str]:
    return {
        id
        for piece in chunks(organisations)
        for id in session.scalars(select(Service.id).where(Service.organisation_id.in_(piece)))
    }


def _services_of_sites(session: Session, sites: Collection[str], written: Written) -> set[str]:
    """The services that sites belong to, and those that they belonged to before."""
    found = {str(record["service_id"]) for record in written.values() if record is not None}
    for piece in chunks(sorted(sites)):
        found.update(session.scalars(select(IndexedSite.service_id).where(IndexedSite.id.in_(piece))))
    for piece in chunks(id for id in sorted(sites) if id not in written):
        found.update(session.scalars(select(Site.service_id).where(Site.id.in_(piece))))
    return found


def _index_services(
    session: Session,
    ids: list[str],
    touched: Touched,
    written_sites: Mapping[str, list[Fields]],
    opens: Opens,
) -> Collection[str]:
    """Index services, and tell when they are open; gives those that were indexed before."""
    before = search.held(session, search.SERVICES, ids)
    records = touched.records("service", ids)
    unread = [(id,) for id in ids if id not in records]
    read = whole(session, Service, ["id"], _SERVICE_COLUMNS, _SERVICE_PARTS, unread)
    records |= {id: (record, record["source"]) for (id,), record in read.items()}
    names = _names_of(session, {record["organisation_id"] for record, _ in records.values()} - {None})
    # Only of those that are new are all sites in hand.
    older = [*before, *(id for (id,) in read if id not in before)]
    placed = {**written_sites, **_placed(session, older)}
    found: dict[str, tuple[Document, Fields]] = {}
    for id, (record, source) in records.items():
        times = touched.openings[id] if id in touched.openings else openings(record["document"])
        by_place: dict[str | None, list[str]] = {}
        for one in times:
            by_place.setdefault(one.place_id, []).extend(_opening_tags(one))
        opens[id] = by_place
        known_as = names.get(record["organisation_id"], ())
        found[id] = _service(record, source, known_as, placed.get(id, []), by_place, bool(times))
    _put(session, search.SERVICES, ids, found, before)
    return before


def _placed(session: Session, services: Iterable[str]) -> dict[str, list[Fields]]:
    """The sites of services, as they stand in the tables."""
    placed: dict[str, list[Fields]] = {id: [] for id in services}
    columns = (Site.id, Site.service_id, Site.area_code, Site.postcode, Site.lon, Site.lat)
    for piece in chunks(placed):
        for row in session.execute(select(*columns).where(Site.service_id.in_(piece))):
            placed[row.service_id].append(dict(row._mapping))
    return placed


def _names_of(session: Session, organisations: Collection[str]) -> dict[str, list[str]]:
    """All names of organisations, and of those that answer for them."""
    answering = merges.canonical(session, organisations)
    listed = {
        id: names.split("\n")
        for piece in chunks(sorted({*answering, *answering.values()}))
        for id, names in session.execute(
            select(IndexedOrganisation.id, IndexedOrganisation.names).where(IndexedOrganisation.id.in_(piece))
        )
    }
    return {
        id: list(dict.fromkeys([*listed.get(id, ()), *listed.get(answering[id], ())])) for id in answering
    }


def _service(
    record: Fields,
    source: str,
    names: Iterable[str],
    sites: list[Fields],
    opens: Mapping[str | None, list[str]],
    states_times: bool,
) -> tuple[Document, Fields]:
    nested = record["document"] or {}
    tags = [tag("s", record["status"]), tag("f", source)]
    tags += [tag("n", need) for need in record["needs"]]
    tags += [tag("a", code.lower()) for code in record["area_codes"]]
    if record["organisation_id"] is not None:
        tags.append(tag("o", record["organisation_id"]))
    tags += [f"y:{span}" for span in eligibility.spans_of(record["minimum_age"], record["maximum_age"])]
    assured_on = record["assured_on"]
    tags += ["d:none"] if assured_on is None else [f"d:{span}" for span in quality.spans_of(assured_on)]
    for site in sites:
        tags += _site_tags(site)
    for spans in opens.values():
        tags += spans
    if nested:
        tags += [f"e:{word}" for one in _eligibility(nested) for word in words(one)]
    said = Said(record, nested, sites, states_times)
    return (
        document(record["name"], [nested.get("alternate_name"), record["description"], *names], tags),
        {"source": source, **_quality(quality.SERVICE, said)},
    )


def _site_tags(site: Fields) -> list[str]:
    tags = [] if site["area_code"] is None else [tag("p", site["area_code"].lower())]
    if site["lon"] is not None:
        tags += [f"g:{cell}" for cell in nearness.cells(site["lon"], site["lat"])]
    return tags


def _opening_tags(one: OpeningTime) -> list[str]:
    if one.opens is None or one.closes is None:
        return []
    days = range(7) if one.weekday is None else [one.weekday]
    return [f"t:{span}" for day in days for span in blocks(day, one.opens, one.closes)]


def _eligibility(nested: Fields) -> Iterator[str | None]:
    """What a nested record says of whom a service is for."""
    yield nested.get("eligibility_description")
    for attribute in nested.get("attributes") or ():
        yield (attribute.get("taxonomy_term") or {}).get("name")


def _index_sites(session: Session, ids: list[str], touched: Touched, opens: Opens) -> None:
    before = search.held(session, search.SITES, ids)
    records = touched.records("site", ids)
    unread = [(id,) for id in ids if id not in records]
    read = whole(session, Site, ["id"], _SITE_COLUMNS, (), unread)
    records |= {id: (record, record["source"]) for (id,), record in read.items()}
    wanted = {record["service_id"] for record, _ in records.values()}
    untold = wanted - opens.keys()
    opens |= {service_id: {} for service_id in untold}
    for service_id, opening in directory.openings_of(session, untold):
        opens[service_id].setdefault(opening.place_id, []).extend(_opening_tags(opening))
    found: dict[str, tuple[Document, Fields]] = {}
    for id, (record, source) in records.items():
        own = opens[record["service_id"]]
        tags = [tag("v", record["service_id"]), tag("f", source), *_site_tags(record)]
        tags += own.get(id) or own.get(None) or []
        # Written together as well, as some write it.
        squeezed = (record["postcode"] or "").replace(" ", "")
        found[id] = (
            document(record["name"], [record["address"], record["postcode"], squeezed], tags),
            {"service_id": record["service_id"]},
        )
    _put(session, search.SITES, ids, found, before)


def _put(
    session: Session,
    index: search.Index,
    ids: Iterable[str],
    found: Mapping[str, tuple[Document, Fields]],
    before: Mapping[str, int],
) -> None:
    if found:
        of_edition = {id: (said, {**row, "edition": EDITION}) for id, (said, row) in found.items()}
        search.put(session, index, of_edition, before)
    search.forget(session, index, [id for id in ids if id not in found and id in before])


_FILLED: tuple[tuple[search.Index, Any, Callable[[Session, list[str]], Any]], ...] = (
    (search.NEEDS, Need, _index_needs),
    (search.ORGANISATIONS, Organisation, _index_organisations),
    (search.SERVICES, Service, lambda session, ids: _index_services(session, ids, NOTHING, {}, {})),
    (search.SITES, Site, lambda session, ids: _index_sites(session, ids, NOTHING, {})),
)


def fill(database: Database) -> int:
    """Index what is not, or not as this app does: after an update of it, and where rows came in past it.

    Gives how many.
    """
    made = 0
    for index, table, index_them in _FILLED:
        edition = index.table.edition
        with database.reading() as session:
            counts = [session.scalar(select(func.count()).select_from(one)) for one in (table, index.table)]
            oldest = session.scalar(select(func.min(edition)))
        if counts[0] == counts[1] and (oldest is None or oldest >= EDITION):
            continue
        last = ""
        while True:
            with database.writing() as session:
                # What others have written and not yet indexed is read when it is there, not overtaken.
                alone(session)
                query = select(table.id).where(table.id > last).order_by(table.id).limit(_FILL_BATCH)
                ids = list(session.scalars(query))
                if not ids:
                    break
                missing = sorted(set(ids) - known(session, index.table.id, ids, edition >= EDITION))
                for piece in chunks(missing):
                    index_them(session, piece)
                last, made = ids[-1], made + len(missing)
    return made
