"""A service as the open feed gives it: the record that was sent, with what the registry has learnt since.

A service from a flat file has no record, and is made from the registry's own fields in the same way. Whatever
is made here is read back by `normalise` as the very same thing, ids included.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hedgerow_registry.domain.hsds import values
from hedgerow_registry.domain.hsds.model import Organisation, Service, Site
from hedgerow_registry.domain.hsds.places import virtual_places
from hedgerow_registry.domain.hsds.profile import WHOLE, shown
from hedgerow_registry.domain.hsds.reading import need_of, organisation_of, service_of, sites_of
from hedgerow_registry.domain.identifiers import identifier
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.errors import Malformed

Document = Mapping[str, Any]

# Under this name the ids of things that have none in the registry are made; each is made of what it means.
_MAKER: Final = "hedgerow"
# The taxonomy of circumstances that a flat file says.
CIRCUMSTANCES: Final = "circumstances"


@dataclass(frozen=True)
class Term:
    """A need as it is held: `taxonomy:term`, its name, and the need above it."""

    need_id: str
    taxonomy: str
    code: str
    name: str
    parent_id: str | None = None


@dataclass(frozen=True)
class Provider:
    """An organisation as it is held, and the record it last came in."""

    held: Organisation
    aliases: tuple[str, ...] = ()
    owner_ids: tuple[str, ...] = ()
    document: Document | None = None


@dataclass(frozen=True)
class Surroundings:
    """What the registry holds beside a service itself.

    terms: need id → need · area_names: code → name · circumstances: of whom it is for, where no record tells
    them · modified: when any of it last changed, RFC 3339.
    """

    provider: Provider | None = None
    sites: Sequence[Site] = ()
    terms: Mapping[str, Term] = field(default_factory=dict)
    area_names: Mapping[str, str] = field(default_factory=dict)
    circumstances: Sequence[str] = ()
    modified: str = ""


def made_id(kind: str, *parts: str) -> str:
    """The id of something that the registry gives none of its own, the same wherever it is made."""
    return record_id(_MAKER, kind, "\x1f".join(("of", *parts)))


def term_id(need_id: str) -> str:
    """The id of a need in the feed, where ids are UUIDs.

    >>> term_id("hedgerow:food")
    '40ac14f0-c866-59b5-a669-fe9d4d31cfde'
    """
    return made_id("taxonomy_term", need_id)


def taxonomy_id(taxonomy: str) -> str:
    """The id of a taxonomy in the feed."""
    return made_id("taxonomy", taxonomy)


def taxonomy_record(name: str) -> dict[str, Any]:
    """A taxonomy in the shape of HSDS 3.1."""
    return {"id": taxonomy_id(name), "name": _line(name) or name}


def term_record(term: Term) -> dict[str, Any]:
    """A need as a taxonomy term in the shape of HSDS 3.1."""
    made = {
        "id": term_id(term.need_id),
        "code": term.code,
        "name": _line(term.name) or term.code,
        "taxonomy": term.taxonomy,
        "taxonomy_id": taxonomy_id(term.taxonomy),
    }
    return made if term.parent_id is None else {**made, "parent_id": term_id(term.parent_id)}


def whole_service(held: Service, document: Document | None, around: Surroundings) -> dict[str, Any]:
    """A service in the shape of HSDS 3.1, with all that is known of it.

    document: the record it came in, where it did. What the registry's own fields say otherwise than they did
    when the record was read was written later, and stands.
    """
    base: dict[str, Any] = dict(document or {})
    before = None if not base else service_of(base, [])[0]
    made = {**base, "id": held.id, "last_modified": around.modified}
    readers: dict[str, Callable[[Any], Any]] = {
        "name": _line,
        "description": _text,
        "minimum_age": _number,
        "maximum_age": _number,
        "status": _line,
        "email": _email,
    }
    for name, read in readers.items():
        if before is None or getattr(before, name) != getattr(held, name):
            made[name] = read(getattr(held, name))
    if before is None or before.url != held.url:
        made["url"] = held.url
    # A write to the service alone has put these into the record as they were sent.
    made["url"] = values.url(made.get("url")).value
    made["email"] = _email(made.get("email"))
    if held.phone and (before is None or before.phone != held.phone):
        phone = {"id": made_id("phone", held.id), "service_id": held.id, "number": _line(held.phone)}
        made["phones"] = [phone, *(one for one in made.get("phones", ()) if one["id"] != phone["id"])]
    if held.assured_on is not None:
        made["assured_date"] = held.assured_on.isoformat()
    if around.provider is not None:
        embedded = made.get("organization")
        own = embedded if embedded and embedded["id"] == around.provider.held.id else None
        made["organization_id"] = around.provider.held.id
        made["organization"] = whole_organisation(around.provider, own)
    made["attributes"] = [
        *_attributes(held, made.get("attributes", ()), around.terms),
        *circumstance_attributes(held.id, around.circumstances),
    ]
    _set_areas(made, held, before, around.area_names)
    _set_validity(made, held, before)
    _set_capacity(made, held, before, around.modified)
    places = _places(held.id, base, around.sites)
    made["service_at_locations"] = places or virtual_places({**made, "service_at_locations": []})
    return shown("service", made, WHOLE)


def whole_organisation(provider: Provider, embedded: Document | None = None) -> dict[str, Any]:
    """An organisation in the shape of HSDS 3.1; embedded: the record of it inside a service."""
    held = provider.held
    base: dict[str, Any] = dict(embedded or provider.document or {})
    before = organisation_of({"organization": base}, []) if base else None
    made: dict[str, Any] = {**base, "id": held.id}
    if before is None or before.name != held.name:
        made["name"] = _line(held.name)
    if before is None or before.description != held.description:
        made["description"] = _text(held.description)
    if before is None or before.legal_form != held.legal_form:
        made["legal_status"] = _line(held.legal_form)
    if before is None or before.url != held.url:
        made["website"] = values.url(held.url).value
    if before is None or before.email != held.email:
        made["email"] = _email(held.email)
    if provider.aliases and not made.get("alternate_name"):
        made["alternate_name"] = _line(provider.aliases[0])
    # The standard has room for one organisation above; several owners are no parent.
    if len(provider.owner_ids) == 1 and not made.get("parent_organization_id"):
        made["parent_organization_id"] = provider.owner_ids[0]
    said = list(made.get("organization_identifiers", ()))
    known = {_identifier(entry) for entry in said}
    for one in held.identifiers:
        scheme, _, number = one.partition(":")
        if one not in known:
            said.append(
                {
                    "id": made_id("organization_identifier", held.id, one),
                    "organization_id": held.id,
                    "identifier_scheme": scheme,
                    "identifier_type": scheme,
                    "identifier": number,
                }
            )
    made["organization_identifiers"] = said
    return shown("organization", made, WHOLE)


def place_record(service: Document, place_id: str) -> dict[str, Any] | None:
    """One of a whole service's places with the service in it, as `/service_at_locations` shows it."""
    for place in service.get("service_at_locations", ()):
        if place["id"] == place_id:
            rest = {name: value for name, value in service.items() if name != "service_at_locations"}
            return {**place, "service": rest}
    return None


def _line(text: str | None) -> str | None:
    found: str | None = values.line(text).value if text is not None else None
    return found


def _text(text: str | None) -> str | None:
    found: str | None = values.text(text).value if text is not None else None
    return found


def _email(text: str | None) -> str | None:
    found: str | None = values.email(text).value if text is not None else None
    return found


def _number(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


def _identifier(entry: Document) -> str:
    scheme = entry.get("identifier_scheme") or entry.get("identifier_type")
    try:
        written = identifier(f"{scheme or ''}:{entry.get('identifier') or ''}")
    except Malformed:
        return ""
    return f"{written.scheme}:{written.identifier}"


def _attributes(
    held: Service, sent: Iterable[Document], terms: Mapping[str, Term]
) -> list[Mapping[str, Any]]:
    """Attributes with the terms' ids of this feed: one term has one id, whichever service names it."""
    made: list[Mapping[str, Any]] = []
    named = set()
    for attribute in sent:
        need = need_of(attribute)
        if need is None:
            made.append(attribute)
        elif need in held.needs:
            named.add(need)
            made.append(_named(attribute, _term(need, terms)))
    for need in held.needs:
        if need not in named:
            attribute = {"id": made_id("attribute", held.id, need), "link_id": held.id}
            made.append(_named({**attribute, "link_entity": "service"}, _term(need, terms)))
    return made


def circumstance_attributes(service_id: str, circumstances: Iterable[str]) -> list[dict[str, Any]]:
    """The circumstances of whom a service is for as attributes of it: terms that it links as eligibility.

    >>> made = circumstance_attributes("s", ["Care leavers"])
    >>> made[0]["link_type"], made[0]["taxonomy_term"]["name"]
    ('eligibility', 'Care leavers')
    """
    made = []
    for said in circumstances:
        term = term_record(Term(f"{CIRCUMSTANCES}:{said}", CIRCUMSTANCES, said, said))
        made.append(
            {
                "id": made_id("attribute", service_id, "eligibility", said),
                "link_id": service_id,
                "link_entity": "service",
                "link_type": "eligibility",
                "taxonomy_term_id": term["id"],
                "taxonomy_term": term,
            }
        )
    return made


def _named(attribute: Document, term: Term) -> dict[str, Any]:
    said = dict(attribute.get("taxonomy_term", {}))
    made = {**said, **term_record(term)}
    if made.get("taxonomy_detail"):
        made["taxonomy_detail"] = {**made["taxonomy_detail"], "id": made["taxonomy_id"]}
    return {**attribute, "taxonomy_term_id": made["id"], "taxonomy_term": made}


def _term(need: str, terms: Mapping[str, Term]) -> Term:
    known = terms.get(need)
    if known is not None:
        return known
    taxonomy, _, code = need.partition(":")
    return Term(need, taxonomy, code, code)


def _set_areas(made: dict[str, Any], held: Service, before: Service | None, names: Mapping[str, str]) -> None:
    said = set(before.area_codes) if before is not None else set()
    gone = said - set(held.area_codes)
    areas = [
        area
        for area in made.get("service_areas", ())
        if not any(code in text for code in gone for text in area.values() if isinstance(text, str))
    ]
    for code in held.area_codes:
        if code not in said:
            areas.append(
                {
                    "id": made_id("service_area", held.id, code),
                    "service_id": held.id,
                    "name": _line(names.get(code)) or code,
                    "extent": code,
                    "extent_type": "text",
                }
            )
    made["service_areas"] = areas


def _set_validity(made: dict[str, Any], held: Service, before: Service | None) -> None:
    said = (None, None) if before is None else (before.valid_from, before.valid_to)
    if said == (held.valid_from, held.valid_to):
        return
    period = {
        name: None if day is None else day.isoformat()
        for name, day in (("valid_from", held.valid_from), ("valid_to", held.valid_to))
    }
    schedules = made.get("schedules") or [{"id": made_id("schedule", held.id), "service_id": held.id}]
    made["schedules"] = [{**schedule, **period} for schedule in schedules]


def _set_capacity(made: dict[str, Any], held: Service, before: Service | None, modified: str) -> None:
    if (before.capacity if before is not None else None) == held.capacity:
        return
    made["capacities"] = [] if held.capacity is None else [_capacity(held.id, held.capacity, modified)]


def _capacity(service_id: str, places: float, modified: str) -> dict[str, Any]:
    unit = made_id("unit", "places")
    return {
        "id": made_id("service_capacity", service_id),
        "service_id": service_id,
        "unit_id": unit,
        "unit": {"id": unit, "name": "places"},
        # The standard asks for what is free, which nobody has told the registry.
        "available": _number(places),
        "maximum": _number(places),
        "description": "Places in all; how many of them are free is not known",
        "updated": modified,
    }


def _places(service_id: str, document: Document, sites: Sequence[Site]) -> list[dict[str, Any]]:
    before = {site.id: site for site in sites_of(document, [])} if document else {}
    now = {site.id: site for site in sites}
    made: list[dict[str, Any]] = []
    for entry in document.get("service_at_locations", ()):
        site = now.pop(entry["id"], None)
        if site is None and entry["id"] in before and all(entry["id"] != one["id"] for one in made):
            continue
        if site is not None and _differs(site, before.get(site.id)):
            entry = {**entry, "location": _location(site, entry.get("location") or {})}
        location = entry.get("location") or {}
        link = {"service_id": service_id} | ({"location_id": location["id"]} if location else {})
        made.append({**entry, **link})
    for site in now.values():
        location = _location(site, {})
        made.append(
            {"id": site.id, "service_id": service_id, "location_id": location["id"], "location": location}
        )
    return made


def _differs(site: Site, before: Site | None) -> bool:
    def told(one: Site) -> tuple[Any, ...]:
        return one.name, one.address, one.postcode, one.lon, one.lat

    return before is None or told(site) != told(before)


def _location(site: Site, before: Document) -> dict[str, Any]:
    id = before.get("id") or made_id("location", site.id)
    address = {
        "id": made_id("address", site.id),
        "location_id": id,
        "address_1": _line(site.address),
        "postal_code": site.postcode,
        "country": "GB",
        "address_type": "physical",
    }
    return {
        **before,
        "id": id,
        "location_type": "physical",
        "name": _line(site.name),
        "latitude": site.lat,
        "longitude": site.lon,
        "addresses": [address] if site.address or site.postcode else [],
    }
