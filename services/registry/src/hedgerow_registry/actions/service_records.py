"""Writing whole service records: needs met on the way, the organisation, the service, its sites."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hedgerow_kit.db import among
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.actions import records
from hedgerow_registry.actions.entities import NEEDS, ORGANISATIONS, SERVICES, SITES
from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.actions.records import ACCEPTED, CHANGED, QUARANTINED, UNCHANGED, Written
from hedgerow_registry.domain.hsds import NeedTerm, Normalised, Organisation, Service, Site
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.store.directory import known_needs, known_organisations, whole_organisations
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Service as ServiceRow
from hedgerow_registry.tables import Site as SiteRow

DIFFERS = "the organisation was described otherwise by an earlier record of this import: the first stands"


@dataclass
class _Taken:
    """What becomes of one record: a verdict, and what has to be said."""

    written: Written
    notes: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    """The verdicts of its organisation and sites."""

    def verdict(self) -> Written:
        said = "; ".join(self.notes) or None
        verdict, reason, column = self.written
        if verdict == QUARANTINED:
            return self.written
        if verdict == UNCHANGED and any(part in (ACCEPTED, CHANGED) for part in self.parts):
            verdict = CHANGED
        return Written(verdict, reason or said, column)


def write_service_records(
    session: Session, sent: Sequence[tuple[Normalised, bytes]], by: Provenance, *, described: set[str]
) -> list[Written]:
    """Write records that have a service, each with the text of its document; gives what became of each.

    described: ids of the organisations that earlier records of the same import have described; the set grows.
    A field of an organisation that no record of the import speaks of keeps what it was; of two records that
    speak of it differently, the first stands. A site that the record before this one had and this one has not
    leaves a tombstone.
    """
    found = [one for one, _ in sent]
    services = [one.service for one in found if one.service is not None]
    taken = [_Taken(Written(UNCHANGED)) for _ in services]
    foreign = _of_other_sources(session, services, by)
    own = [
        (one, outcome)
        for service, one, outcome in zip(services, found, taken, strict=True)
        if service.id not in foreign
    ]
    _write_needs(session, (term for one, _ in own for term in one.need_terms), by)
    _write_organisations(session, own, by, described)
    known = known_organisations(
        session, (one.organisation_id for one in services if one.organisation_id is not None)
    )
    before = _site_ids_before(session, services)
    rows = []
    for service, (one, text), outcome in zip(services, sent, taken, strict=True):
        linked = service.organisation_id if service.organisation_id in known else None
        if linked is None and service.organisation_id is not None:
            outcome.notes.append("the organisation is not known here: the service stands without one")
        fields = _service_fields(service, one.document, linked)
        rows.append(SERVICES.prepare(fields, {"document": text}))
    for outcome, written in zip(taken, records.write_prepared(session, SERVICES, rows, by), strict=True):
        outcome.written = written
    _write_sites(session, found, taken, by, before)
    return [outcome.verdict() for outcome in taken]


def _of_other_sources(session: Session, services: Iterable[Service], by: Provenance) -> set[str]:
    """The services that another source has brought: nothing that comes with them is written either."""
    return {
        service_id
        for piece in chunks([service.id for service in services])
        for service_id in session.scalars(
            select(ServiceRow.id).where(among(ServiceRow.id, piece), ServiceRow.source != by.source)
        )
    }


def _write_needs(session: Session, terms: Iterable[NeedTerm], by: Provenance) -> None:
    """Only terms nobody has brought yet: a service's label must not rename a taxonomy's term."""
    met = {term.id: term for term in terms}
    known = known_needs(session, met)
    new = [
        {
            "id": term.id,
            "taxonomy": term.taxonomy,
            "term": term.term,
            "name": term.name,
            "parent_id": None if term.parent is None else f"{term.taxonomy}:{term.parent}",
        }
        for term in met.values()
        if term.id not in known
    ]
    records.write(session, NEEDS, new, by)


def _write_organisations(
    session: Session,
    sent: Sequence[tuple[Normalised, _Taken]],
    by: Provenance,
    described: set[str],
) -> None:
    spoken = {one.organisation.id for one, _ in sent if one.organisation is not None}
    held = whole_organisations(session, spoken)
    merged: dict[str, dict[str, Any]] = {}
    first_of: dict[str, _Taken] = {}
    for one, outcome in sent:
        found = one.organisation
        if found is None:
            continue
        there = merged.get(found.id) or held.get(found.id)
        first = found.id not in described
        described.add(found.id)
        first_of.setdefault(found.id, outcome)
        merged[found.id], differs = _merged(found, there, first=first)
        if differs:
            outcome.notes.append(DIFFERS)
    rows = list(merged.values())
    for row, written in zip(rows, records.write(session, ORGANISATIONS, rows, by), strict=True):
        outcome = first_of[row["id"]]
        outcome.parts.append(written.verdict)
        if written.verdict == QUARANTINED:
            outcome.notes.append(f"the organisation stays as it was: {written.reason}")


def _merged(
    found: Organisation, there: Mapping[str, Any] | None, *, first: bool
) -> tuple[dict[str, Any], bool]:
    """The organisation as it is to be kept, and whether a record contradicts an earlier one."""
    said: dict[str, Any] = {
        "id": found.id,
        "source_id": found.source_id,
        "name": found.name,
        "legal_form": found.legal_form,
        "url": found.url,
        "email": found.email,
        "description": found.description,
    }
    identifiers = [tuple(one.split(":", 1)) for one in found.identifiers]
    if there is None:
        return {**said, "status": "active", "identifiers": identifiers}, False
    kept = dict(there)
    differs = False
    for name, value in said.items():
        if value is None or value == kept.get(name):
            continue
        if first or kept.get(name) is None:
            kept[name] = value
        else:
            differs = True
    kept["identifiers"] = sorted({*(tuple(one) for one in kept.get("identifiers", ())), *identifiers})
    return kept, differs


def _service_fields(
    service: Service, document: Mapping[str, Any], organisation_id: str | None
) -> dict[str, Any]:
    return {
        "id": service.id,
        "source_id": service.source_id,
        "name": service.name,
        "organisation_id": organisation_id,
        "status": service.status,
        "description": service.description,
        "url": service.url,
        "email": service.email,
        "phone": service.phone,
        "minimum_age": service.minimum_age,
        "maximum_age": service.maximum_age,
        "capacity": service.capacity,
        "valid_from": service.valid_from,
        "valid_to": service.valid_to,
        "assured_on": service.assured_on,
        "document": document,
        "needs": list(service.needs),
        "area_codes": list(service.area_codes),
    }


def _site_ids_before(session: Session, services: Iterable[Service]) -> dict[str, set[str]]:
    """The sites that the documents held so far name, service by service, of those still there.

    A site that came another way, such as in a file of sites, is not the record's to take away.
    """
    ids = [service.id for service in services]
    sited: dict[str, set[str]] = {}
    for piece in chunks(ids):
        of_services = select(SiteRow.service_id, SiteRow.id).where(among(SiteRow.service_id, piece))
        for service_id, site_id in session.execute(of_services):
            sited.setdefault(service_id, set()).add(site_id)
    named: dict[str, set[str]] = {}
    for piece in chunks(sorted(sited)):
        documents = select(ServiceRow.id, ServiceRow.document).where(among(ServiceRow.id, piece))
        for service_id, document in session.execute(documents):
            places = [] if document is None else document.get("service_at_locations") or []
            spoken = {place.get("id") for place in places}
            # An id that another service had first was made anew from both.
            spoken |= {_own_site_id(service_id, site_id) for site_id in spoken if site_id is not None}
            named[service_id] = sited[service_id] & spoken
    return named


def _own_site_id(service_id: str, site_id: str) -> str:
    return record_id(service_id, "site", f"of {site_id}")


def _write_sites(
    session: Session,
    sent: Sequence[Normalised],
    taken: Sequence[_Taken],
    by: Provenance,
    before: Mapping[str, set[str]],
) -> None:
    owners = _site_owners(session, (site.id for one in sent for site in one.sites))
    rows: list[dict[str, Any]] = []
    row_outcomes: list[_Taken] = []
    gone: list[str] = []
    for one, outcome in zip(sent, taken, strict=True):
        if one.service is None or outcome.written.verdict == QUARANTINED:
            continue
        kept: set[str] = set()
        for site in one.sites:
            site_id = site.id
            if owners.setdefault(site_id, one.service.id) != one.service.id:
                site_id = _own_site_id(one.service.id, site.id)
                outcome.notes.append(
                    f"another service has the site {site.id} too: kept under an id of its own"
                )
            kept.add(site_id)
            rows.append(_site_fields(site, site_id, one.service.id))
            row_outcomes.append(outcome)
        left = before.get(one.service.id, set()) - kept
        if left:
            gone += sorted(left)
            outcome.parts.append(CHANGED)
    for outcome, written in zip(row_outcomes, records.write(session, SITES, rows, by), strict=True):
        outcome.parts.append(written.verdict)
        if written.verdict == QUARANTINED:
            outcome.notes.append(f"a site was not taken in: {written.reason}")
    records.remove(session, SITES, [(site_id,) for site_id in gone], by)


def _site_owners(session: Session, ids: Iterable[str]) -> dict[str, str]:
    return {
        site_id: service_id
        for piece in chunks(dict.fromkeys(ids))
        for site_id, service_id in session.execute(
            select(SiteRow.id, SiteRow.service_id).where(among(SiteRow.id, piece))
        )
    }


def _site_fields(site: Site, site_id: str, service_id: str) -> dict[str, Any]:
    return {
        "id": site_id,
        "source_id": site.source_id,
        "service_id": service_id,
        "name": site.name,
        "address": site.address,
        "postcode": site.postcode,
        "lon": site.lon,
        "lat": site.lat,
    }
