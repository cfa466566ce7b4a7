"""From a document in the shape of HSDS 3.1 to the fields that the registry asks questions of."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, Final

from hedgerow_registry.domain.eligibility import OLDEST
from hedgerow_registry.domain.geometry import point
from hedgerow_registry.domain.gss import is_gss
from hedgerow_registry.domain.hsds.model import NeedTerm, Note, Organisation, Service, Site
from hedgerow_registry.domain.hsds.shape import UNMAPPED
from hedgerow_registry.domain.hsds.spelling import NOT_NEEDS, slug
from hedgerow_registry.domain.identifiers import identifier
from hedgerow_registry.domain.plain_text import words_of
from hedgerow_registry.domain.postcode import postcode
from hedgerow_registry.domain.taxonomy import LONGEST_TAXONOMY, LONGEST_TERM
from hedgerow_registry.errors import Malformed

Notes = list[Note]

LONGEST_NAME: Final = 500
LONGEST_PHONE: Final = 200
LONGEST_LEGAL_FORM: Final = 200
LONGEST_TAXONOMY_NAME: Final = 300
_CODE: Final = re.compile(r"(?<![A-Za-z0-9])[EWSNKJLM]\d{8}(?![A-Za-z0-9])", re.ASCII)
_DIGITS_OF_A_CODE: Final = re.compile(r"\d{7}", re.ASCII)
# What a code with a digit too few or too many, or in lower case, looks like.
_NEARLY_A_CODE: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:[EWSNKJLM]\d{7}|[EWSNKJLM]\d{9}|[ewsnkjlm]\d{8})(?![A-Za-z0-9])", re.ASCII
)
_CURIE: Final = re.compile(r"([^\s:;/>]{1,100}):([^;>/]{1,199})")
_CLEAN_TAXONOMY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_PLACES_UNITS: Final = words_of(
    "place places bed beds person persons people client clients participant participants seat seats"
    " household households space spaces pupil pupils child children resident residents slot slots case"
    " cases"
)


def service_of(document: Mapping[str, Any], notes: Notes) -> tuple[Service, tuple[NeedTerm, ...]]:
    """The service itself, and the terms of the needs it addresses with those above them."""
    terms, need_ids = _needs(document, notes)
    lowest, highest = _ages(document, notes)
    valid_from, valid_to = _validity(document, notes)
    service = Service(
        id=document["id"],
        source_id=_source_id(document),
        name=_name(document, "", notes) or "",
        status=document["status"],
        organisation_id=(document.get("organization") or {}).get("id") or document.get("organization_id"),
        needs=need_ids,
        area_codes=_area_codes(document, notes),
        description=document.get("description"),
        url=document.get("url"),
        email=document.get("email") or _first(document, "email"),
        phone=(_first_phone(document) or "")[:LONGEST_PHONE] or None,
        minimum_age=lowest,
        maximum_age=highest,
        capacity=_capacity(document, notes),
        valid_from=valid_from,
        valid_to=valid_to,
        assured_on=_assured_on(document),
    )
    return service, terms


def organisation_of(document: Mapping[str, Any], notes: Notes) -> Organisation | None:
    """The organisation embedded in a service; `None` where none is, or none with a name."""
    found = document.get("organization")
    if not found:
        said = "organisation given by id alone" if document.get("organization_id") else "organisation unknown"
        notes.append(Note("/organization", said))
        return None
    name = _name(found, "/organization", notes)
    if name is None:
        notes.append(Note("/organization/name", "organisation without a name: unknown"))
        return None
    kept = []
    for place, entry in enumerate(found.get("organization_identifiers", ())):
        scheme = entry.get("identifier_scheme") or entry.get("identifier_type")
        try:
            written = identifier(f"{scheme or ''}:{entry.get('identifier') or ''}")
        except Malformed as error:
            pointer = f"/organization/organization_identifiers/{place}"
            notes.append(Note(pointer, f"identifier kept in the document only: {error.reason}"))
        else:
            kept.append(f"{written.scheme}:{written.identifier}")
    return Organisation(
        id=found["id"],
        source_id=_source_id(found),
        name=name,
        identifiers=tuple(sorted(set(kept))),
        legal_form=(found.get("legal_status") or "")[:LONGEST_LEGAL_FORM] or None,
        url=found.get("website"),
        email=found.get("email"),
        description=found.get("description") or None,
    )


def sites_of(document: Mapping[str, Any], notes: Notes) -> tuple[Site, ...]:
    """The places where the service is delivered, in the order of the record; online ones are none."""
    sites: dict[str, Site] = {}
    for place, entry in enumerate(document.get("service_at_locations", ())):
        pointer = f"/service_at_locations/{place}"
        location = entry.get("location")
        if location is None:
            notes.append(Note(pointer, "site without a location: kept in the document only"))
            continue
        if location.get("location_type") == "virtual":
            continue
        if entry["id"] in sites:
            notes.append(Note(pointer, "site with the id of another: kept in the document only"))
            continue
        sites[entry["id"]] = _site(entry, location, f"{pointer}/location", notes)
    return tuple(sites.values())


def _site(entry: Mapping[str, Any], location: Mapping[str, Any], pointer: str, notes: Notes) -> Site:
    address, code = _address(location, pointer, notes)
    lon, lat = location.get("longitude"), location.get("latitude")
    if (lon is None) != (lat is None):
        notes.append(Note(pointer, "half a coordinate: site without a point"))
        lon = lat = None
    if lon is not None and lat is not None:
        try:
            lon, lat = point(float(lon), float(lat))
        except Malformed as error:
            notes.append(Note(pointer, f"site without a point: {error.reason.partition(';')[0]}"))
            lon = lat = None
    return Site(
        id=entry["id"],
        source_id=_source_id(entry),
        name=_name(location, pointer, notes),
        address=address,
        postcode=code,
        lon=lon,
        lat=lat,
    )


def _address(location: Mapping[str, Any], pointer: str, notes: Notes) -> tuple[str | None, str | None]:
    addresses = location.get("addresses", [])
    # A postal address may lie elsewhere: it stands in only where there is no other.
    ranked = sorted(range(len(addresses)), key=lambda place: addresses[place]["address_type"] != "physical")
    for place in ranked:
        entry = addresses[place]
        lines = ("address_1", "address_2", "city", "region", "state_province")
        parts = dict.fromkeys(entry[name] for name in lines if entry.get(name))
        code = None
        if entry.get("postal_code"):
            try:
                code = postcode(entry["postal_code"])
            except Malformed as error:
                notes.append(Note(f"{pointer}/addresses/{place}/postal_code", error.reason))
        if parts or code:
            return ", ".join(parts) or None, code
    return None, None


def _name(entry: Mapping[str, Any], pointer: str, notes: Notes) -> str | None:
    name = entry.get("name") or None
    if name is not None and len(name) > LONGEST_NAME:
        notes.append(
            Note(f"{pointer}/name", f"name cut after {LONGEST_NAME} characters, whole in the document")
        )
        name = name[:LONGEST_NAME].rstrip()
    return name


def _source_id(entry: Mapping[str, Any]) -> str | None:
    original = entry.get(UNMAPPED, {}).get("id") or entry["id"]
    return original[:LONGEST_NAME] if isinstance(original, str) else None


def _first(document: Mapping[str, Any], field: str) -> str | None:
    return next((contact[field] for contact in document.get("contacts", ()) if contact.get(field)), None)


def _first_phone(document: Mapping[str, Any]) -> str | None:
    def phones() -> Iterator[Mapping[str, Any]]:
        yield from document.get("phones", ())
        for contact in document.get("contacts", ()):
            yield from contact.get("phones", ())
        for entry in document.get("service_at_locations", ()):
            yield from entry.get("phones", ())

    return next((phone["number"] for phone in phones() if phone["number"]), None)


def _assured_on(document: Mapping[str, Any]) -> date | None:
    said = document.get("assured_date")
    if said is None:
        vendor = document.get(UNMAPPED, {}).get("pc_metadata")
        said = vendor.get("date_assured") if isinstance(vendor, dict) else None
    try:
        return date.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _ages(document: Mapping[str, Any], notes: Notes) -> tuple[float | None, float | None]:
    ages: list[float | None] = []
    for name in ("minimum_age", "maximum_age"):
        age = document.get(name)
        if age is not None and age < 0:
            notes.append(Note(f"/{name}", "an age below 0 is none"))
            age = None
        if age is not None and age > OLDEST:
            notes.append(Note(f"/{name}", f"an age above {OLDEST} is no bound"))
            age = None
        ages.append(None if age is None else float(age))
    lowest, highest = ages
    if highest == 0 and not lowest:
        notes.append(Note("/maximum_age", "a maximum age of 0 taken as not stated"))
        highest = None
    if lowest is not None and highest is not None and highest < lowest:
        notes.append(Note("/maximum_age", "maximum age below the minimum age: neither is used"))
        return None, None
    return lowest, highest


def _validity(document: Mapping[str, Any], notes: Notes) -> tuple[date | None, date | None]:
    """From the first day of the first schedule to the last of the last, where every schedule says its own."""
    schedules = [*document.get("schedules", ())]
    for entry in document.get("service_at_locations", ()):
        schedules += entry.get("schedules", ())
    first = _extreme(min, (schedule.get("valid_from") for schedule in schedules))
    last = _extreme(max, (schedule.get("valid_to") for schedule in schedules))
    if first is not None and last is not None and last < first:
        notes.append(Note("/schedules", "schedules end before they begin: no period of validity"))
        return None, None
    if last is not None:
        notes.append(Note("/schedules", f"valid until {last}, when the last of its schedules ends"))
    return first, last


def _extreme(pick: Any, days: Iterable[str | None]) -> date | None:
    listed = list(days)
    known = [day for day in listed if day is not None]
    return date.fromisoformat(pick(known)) if known and len(known) == len(listed) else None


def _capacity(document: Mapping[str, Any], notes: Notes) -> float | None:
    """Places, of the one capacity that counts people or their like; others stay in the document."""
    counted = []
    for place, entry in enumerate(document.get("capacities", ())):
        unit = entry["unit"].get("name", "").casefold()
        amount = entry.get("maximum", entry["available"])
        if unit in _PLACES_UNITS and amount >= 0:
            counted.append(float(amount))
        else:
            notes.append(
                Note(f"/capacities/{place}", "capacity not counted in places: kept in the document only")
            )
    if len(counted) > 1:
        notes.append(Note("/capacities", "several capacities: none of them is the service's"))
    return counted[0] if len(counted) == 1 else None


def _area_codes(document: Mapping[str, Any], notes: Notes) -> tuple[str, ...]:
    """GSS codes that the service areas state; a place that is only named is said to be unplaced."""
    codes: dict[str, None] = {}
    areas = [
        (f"/service_areas/{place}", area) for place, area in enumerate(document.get("service_areas", ()))
    ]
    for number, entry in enumerate(document.get("service_at_locations", ())):
        areas += [
            (f"/service_at_locations/{number}/service_areas/{place}", area)
            for place, area in enumerate(entry.get("service_areas", ()))
        ]
    for pointer, area in areas:
        said = [text for text in _texts(area) if text]
        coded = [text for text in said if _DIGITS_OF_A_CODE.search(text)]
        found = [code for text in coded for code in _CODE.findall(text) if is_gss(code)]
        codes.update(dict.fromkeys(found))
        nearly = [code for text in coded for code in _NEARLY_A_CODE.findall(text)]
        if nearly:
            notes.append(Note(pointer, f"{nearly[0]} is not a GSS code"))
        if not found and said:
            notes.append(Note(pointer, "service area without a GSS code: not placed, nothing guessed"))
    return tuple(sorted(codes))


def _texts(area: Mapping[str, Any]) -> Iterator[str]:
    for name in ("extent", "uri", "name", "description"):
        if isinstance(area.get(name), str):
            yield area[name]
    for value in area.get(UNMAPPED, {}).values():
        if isinstance(value, str):
            yield value


def _needs(document: Mapping[str, Any], notes: Notes) -> tuple[tuple[NeedTerm, ...], tuple[str, ...]]:
    terms: dict[str, NeedTerm] = {}
    addressed: dict[str, None] = {}
    for place, attribute in enumerate(document.get("attributes", ())):
        path = _attribute_path(attribute, f"/attributes/{place}/taxonomy_term", notes)
        for step in path:
            terms.setdefault(step.id, step)
        if path:
            addressed[path[-1].id] = None
    return tuple(terms.values()), tuple(addressed)


def need_of(attribute: Mapping[str, Any]) -> str | None:
    """The id of the need that an attribute of a service names; `None` where it names none."""
    path = _attribute_path(attribute, "", [])
    return path[-1].id if path else None


def terms_named(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The terms that the attributes of a service name, each with its taxonomy's id and with its name.

    A term of no taxonomy comes once, with an empty text. Sorted, none twice.
    """
    found: set[tuple[str, str]] = set()
    for attribute in document.get("attributes", ()):
        term = attribute.get("taxonomy_term")
        if term:
            detail = term.get("taxonomy_detail") or {}
            said = {term.get("taxonomy_id"), detail.get("id"), term.get("taxonomy"), detail.get("name")}
            keys = {str(key)[:LONGEST_TAXONOMY_NAME].casefold() for key in said if key}
            found |= {(term["id"], key) for key in keys or {""}}
    return sorted(found)


def _attribute_path(attribute: Mapping[str, Any], pointer: str, notes: Notes) -> list[NeedTerm]:
    term = attribute.get("taxonomy_term")
    if term is None or attribute.get("link_type") in NOT_NEEDS:
        return []
    if attribute.get("link_entity", "service").casefold() not in ("service", "services"):
        return []
    return _term_path(term, pointer, notes)


def _term_path(term: Mapping[str, Any], pointer: str, notes: Notes) -> list[NeedTerm]:
    """A term as a need, after the terms above it that its label names."""
    if UNMAPPED not in term:
        # One of a few terms that many services name.
        detail = term.get("taxonomy_detail") or {}
        named = (
            term["id"],
            term.get("code"),
            term.get("name"),
            term.get("taxonomy"),
            term.get("taxonomy_id"),
        )
        found, told = _plain_term(*named, detail.get("name"))
        notes += [Note(pointer, words) for words in told]
        return list(found)
    return _read_term(term, pointer, notes)


@lru_cache(maxsize=4096)
def _plain_term(
    id: str,
    code: str | None,
    name: str | None,
    taxonomy: str | None,
    taxonomy_id: str | None,
    taxonomy_name: str | None,
) -> tuple[tuple[NeedTerm, ...], tuple[str, ...]]:
    """A term that says no more than this, as needs, and what has to be noted."""
    term = {"id": id, "code": code, "name": name, "taxonomy": taxonomy, "taxonomy_id": taxonomy_id}
    notes: Notes = []
    found = _read_term({**term, "taxonomy_detail": {"name": taxonomy_name}}, "", notes)
    return tuple(found), tuple(note.text for note in notes)


def _read_term(term: Mapping[str, Any], pointer: str, notes: Notes) -> list[NeedTerm]:
    original = term.get(UNMAPPED, {}).get("id")
    curie = _CURIE.fullmatch(original) if isinstance(original, str) else None
    taxonomy = _taxonomy(term, curie)
    if taxonomy is None:
        notes.append(Note(pointer, "term of no taxonomy: taken into the taxonomy unnamed"))
        taxonomy = "unnamed"
    above = term.get(UNMAPPED, {}).get("path")
    labels = [step for step in above if isinstance(step, str)] if isinstance(above, list) else []
    labels = labels[:-1] if labels and labels[-1] == term.get("name") else []
    name = term.get("name") or term.get("code") or (curie[2] if curie else "")
    steps = [*labels, name]
    codes = [".".join(slug(step) for step in steps[: number + 1]) for number in range(len(steps))]
    said = term.get("code") or (curie[2] if curie else None)
    codes[-1] = _as_code(said) if said else codes[-1] or _as_code(str(original or term["id"]))
    if not all(codes) or any(len(code) > LONGEST_TERM for code in codes):
        notes.append(Note(pointer, "term without a usable code: kept in the document only"))
        return []
    above_it = _parent_path(term, taxonomy, pointer, notes)
    parents = [above_it[-1].term if above_it else None, *codes[:-1]]
    named = [step[:300] or code for step, code in zip(steps, codes, strict=True)]
    return above_it + [
        NeedTerm(taxonomy, code, label, parent)
        for code, label, parent in zip(codes, named, parents, strict=True)
    ]


def _parent_path(term: Mapping[str, Any], taxonomy: str, pointer: str, notes: Notes) -> list[NeedTerm]:
    """The terms above one, where its record holds them whole, as that of 1.0 does."""
    parent = term.get(UNMAPPED, {}).get("parent")
    if not isinstance(parent, dict) or not isinstance(parent.get("name"), str):
        return []
    own_id = str(parent.get("id") or "")
    above = _term_path(
        {
            "id": own_id,
            "name": parent["name"],
            "taxonomy": taxonomy,
            UNMAPPED: {"id": own_id, "parent": parent.get("parent")},
        },
        pointer,
        notes,
    )
    # A term is not its own parent, whatever the record says.
    return above if all(step.term != term.get("code") for step in above) else []


def _taxonomy(term: Mapping[str, Any], curie: re.Match[str] | None) -> str | None:
    detail = term.get("taxonomy_detail") or {}
    for said in (
        term.get("taxonomy"),
        detail.get("name"),
        curie[1] if curie else None,
        term.get("taxonomy_id"),
    ):
        if not said:
            continue
        said = said.strip().rstrip(":")
        name = said if _CLEAN_TAXONOMY.fullmatch(said) else slug(said)
        if name and len(name) <= LONGEST_TAXONOMY:
            return str(name)
    return None


def _as_code(said: str) -> str:
    """A code as a term, without the signs that part ids and lists."""
    return " ".join(re.sub(r"[;>/]", "-", said).split())[:LONGEST_TERM]
