"""Open Referral UK 1.0 and 3.0 and HSDS 3.x records, read into the registry's own terms."""

from collections.abc import Mapping
from typing import Any, Final

from hedgerow_registry.domain.hsds.document import Writer, plain_id
from hedgerow_registry.domain.hsds.model import (
    NeedTerm,
    Normalised,
    Note,
    Organisation,
    Problem,
    Service,
    Site,
    summary,
)
from hedgerow_registry.domain.hsds.reading import organisation_of, service_of, sites_of
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.domain.plain_text import words_of

__all__ = [
    "NeedTerm",
    "Normalised",
    "Note",
    "Organisation",
    "Problem",
    "Service",
    "Site",
    "normalise",
    "summary",
]

# Fields that only other entities of the standard have: a list of those is not a list of services.
_OTHERS: Final[Mapping[str, frozenset[str]]] = {
    "an organisation": words_of(
        "organization_identifiers legal_status tax_status year_incorporated parent_organization_id logo"
    ),
    "a taxonomy term": frozenset(("term_uri", "vocabulary", "taxonomy_detail", "taxonomy")),
    "a taxonomy": frozenset(("taxonomy_terms", "version")),
    "a location": frozenset(("location_type", "latitude", "longitude", "physical_addresses", "addresses")),
}
_OF_SERVICES: Final = words_of(
    "status organization organisation organization_id service_taxonomys service_at_locations eligibilitys"
    " cost_options deliverable_type assured_date fees service_areas"
)


def normalise(record: object, *, source: str = "default") -> Normalised:
    """A service record of any version, taken apart into the registry's fields and one document.

    record: any JSON value. Understood are services of Open Referral UK 1.0 and 3.0 and of HSDS 3.x, full or
    as a list shows them, and a `service_at_location` with its service inside.
    source: the name the record is handed in under; ids that are no UUIDs become UUIDs within it.

    Never raises: what cannot be taken has `problems` (JSON pointer and reason) and no `service`. What was
    cleaned, completed or left out is in `notes`. The document is a fixed point: normalising it gives it
    again.

    >>> normalise({"id": "7", "name": " Advice <b>line</b>", "status": "Active"}).service.name
    'Advice line'
    >>> normalise({"id": "7", "name": ""}).problems
    (Problem(pointer='/name', reason='the service has no name'),)
    """
    if not isinstance(record, dict):
        return _refused(None, "", "not a JSON object")
    record = _unwrapped(record)
    key = plain_id(record.get("id", record.get("Id", record.get("ID"))))
    if key is None:
        return _refused(None, "/id", "the service has no id")
    other = _other_kind(record)
    if other is not None:
        return _refused(key, "", f"this is {other}, not a service")
    writer = Writer(record, source=source)
    document = writer.entity("service", record, "")
    if writer.is_too_deep:
        return _refused(None, "", "nested more deeply than any record of the standard")
    notes = writer.notes
    if document is None or not document.get("name"):
        return _refused(record_id(source, "service", key), "/name", "the service has no name", document)
    if "status" not in document:
        notes.append(Note("/status", "no status given: taken as active"))
        document["status"] = "active"
    service, terms = service_of(document, notes)
    organisation = organisation_of(document, notes)
    return Normalised(
        key=service.id,
        service=service,
        organisation=organisation,
        sites=sites_of(document, notes),
        need_terms=terms,
        document=document,
        notes=tuple(dict.fromkeys(notes)),
    )


def _refused(
    key: str | None, pointer: str, reason: str, document: Mapping[str, Any] | None = None
) -> Normalised:
    return Normalised(
        key=key,
        service=None,
        organisation=None,
        sites=(),
        need_terms=(),
        document=document or {},
        problems=(Problem(pointer, reason),),
    )


def _unwrapped(record: dict[str, Any]) -> dict[str, Any]:
    """The service of a `service_at_location`, with that place among its own."""
    service = record.get("service")
    if not isinstance(service, dict) or record.get("name"):
        return record
    place = {name: value for name, value in record.items() if name != "service"}
    places = service.get("service_at_locations")
    listed = places if isinstance(places, list) else []
    known = any(isinstance(entry, dict) and entry.get("id") == place.get("id") for entry in listed)
    return service if known else {**service, "service_at_locations": [*listed, place]}


def _other_kind(record: Mapping[str, Any]) -> str | None:
    fields = record.keys()
    if fields & _OF_SERVICES:
        return None
    return next((kind for kind, own in _OTHERS.items() if fields & own), None)
