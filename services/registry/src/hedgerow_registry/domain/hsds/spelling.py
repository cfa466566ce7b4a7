"""Open Referral UK 1.0 and vendors' structures, said the way HSDS 3.1 says them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from hedgerow_registry.domain.hsds import values
from hedgerow_registry.domain.hsds.shape import UNMAPPED
from hedgerow_registry.domain.plain_text import words_of

AUDIENCE: Final = "pc_targetAudience"

# What an attribute may speak of on a service without naming a need.
NOT_NEEDS: Final = words_of(
    "deliverable_type attending_type attending_access eligibility language accessibility cost funding"
)


class Part(NamedTuple):
    """A value for a field of HSDS 3.1, and where in the record it came from."""

    field: str
    value: Any
    pointer: str
    note: str = ""
    derived: bool = False
    """Put together from values that are kept elsewhere, too."""


Parts = list[Part]


def _items(value: Any, pointer: str) -> list[tuple[Any, str]]:
    if isinstance(value, list):
        return [(item, f"{pointer}/{place}") for place, item in enumerate(value)]
    return [(value, pointer)]


def _terms(link_type: str | None, link_entity: str) -> Callable[[Any, str], Parts]:
    """1.0's links to taxonomies (`service_taxonomys`, `link_taxonomys`): attributes with their term."""

    def read(value: Any, pointer: str) -> Parts:
        parts = []
        for item, place in _items(value, pointer):
            if item is None or item == "":
                continue
            if not isinstance(item, dict):
                item = {"taxonomy_term": item}
            elif "taxonomy" not in item and "taxonomy_term" not in item and "name" in item:
                # The term itself, without the link around it.
                item = {"taxonomy_term": item}
            elif "taxonomy_detail" in item and not isinstance(item.get("taxonomy"), dict):
                # HSDS 2: the term's fields are spread over the link and its detail.
                detail = item["taxonomy_detail"]
                rest = {name: part for name, part in item.items() if name != "taxonomy_detail"}
                item = {**rest, "taxonomy_term": detail}
            given = {"link_entity": link_entity} | ({"link_type": link_type} if link_type else {})
            parts.append(Part("attributes", given | item, place))
        return parts

    return read


def _labelled(label: str) -> Callable[[Any, str], Parts]:
    """A plain field of 1.0 that 3.1 has no field for: an attribute of that type with a value."""

    def read(value: Any, pointer: str) -> Parts:
        words = values.line(value).value if isinstance(value, str | int | float | list) else None
        if not words:
            return [Part("", {label: value}, pointer)]
        attribute = {"link_type": label, "link_entity": "service", "label": label, "value": words}
        return [Part("attributes", attribute, pointer)]

    return read


def _audience(value: Any, pointer: str) -> Parts:
    """`pc_targetAudience`: terms of a taxonomy of that name; `A>B` is B under A."""
    parts = []
    for item, place in _items(value, pointer):
        entry = dict(item) if isinstance(item, dict) else {"audienceType": item}
        label = entry.pop("audienceType", None)
        words = values.line(label).value if isinstance(label, str) else None
        if not words:
            parts.append(Part("", {AUDIENCE: [item]}, place))
            continue
        attribute = {
            **entry,
            "link_type": "audience",
            "link_entity": "service",
            "taxonomy_term": {"name": words, "taxonomy": AUDIENCE},
        }
        note = "audience label trimmed" if label != label.strip() else ""
        parts.append(Part("attributes", attribute, place, note))
    return parts


def _eligibility(value: Any, pointer: str) -> Parts:
    """1.0's eligibilities: their words, the widest age range of them, their circumstances as terms."""
    entries = [(item, place) for item, place in _items(value, pointer) if isinstance(item, dict)]
    bare = [(item, place) for item, place in _items(value, pointer) if isinstance(item, str)]
    words = [text for item, _ in entries if (text := values.text(item.get("eligibility") or "").value)]
    words += [text for item, _ in bare if (text := values.text(item).value)]
    parts: Parts = []
    if words:
        parts.append(Part("eligibility_description", "\n".join(dict.fromkeys(words)), pointer, derived=True))
    for name, widest in (("minimum_age", min), ("maximum_age", max)):
        ages = [
            values.number(item[name]).value if item.get(name) is not None else None for item, _ in entries
        ]
        known = [age for age in ages if age is not None]
        if known and len(known) == len(ages):
            note = "widest age range of several eligibilities" if len(set(known)) > 1 else ""
            parts.append(Part(name, widest(known), pointer, note, derived=True))
    for item, place in entries:
        for name in ("taxonomys", "taxonomies", "link_taxonomys"):
            if name in item:
                parts += _terms("eligibility", "eligibility")(item[name], f"{place}/{name}")
    # Several eligibilities say more than one range can: they are kept as they came, too.
    parts.append(Part(UNMAPPED, {"eligibilitys": value}, pointer))
    return parts


def _addresses(address_type: str) -> Callable[[Any, str], Parts]:
    def read(value: Any, pointer: str) -> Parts:
        return [
            Part("addresses", {"address_type": address_type, **item}, place)
            if isinstance(item, dict)
            else Part("", {f"{address_type}_addresses": [item]}, place)
            for item, place in _items(value, pointer)
        ]

    return read


def _locations(value: Any, pointer: str) -> Parts:
    """Locations directly under a service: each becomes a place where it is delivered."""
    return [
        Part("service_at_locations", {"location": item}, place)
        if isinstance(item, dict)
        else Part("", {"locations": [item]}, place)
        for item, place in _items(value, pointer)
    ]


# A `$` is the sign of many currencies: it stays with its words.
_CURRENCIES: Final = {"£": "GBP", "€": "EUR"}
_PRICE: Final = re.compile(r"(£|€|[A-Z]{3}\b)? ?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?", re.ASCII)


def _amount(value: Any, pointer: str) -> Parts:
    """What is to be paid: a number, one with its currency, or words such as `free`, which describe it."""
    if not isinstance(value, str) or values.number(value).rest is None:
        return [Part("amount", value, pointer)]
    priced = _PRICE.fullmatch(value.strip())
    if priced is None:
        note = "not a number: taken as the description of the amount"
        return [Part("amount_description", value, pointer, note)]
    number = priced[2].replace(",", "") + (priced[3] or "")
    parts = [Part("amount", number, pointer, "price read as a number")]
    if priced[1]:
        currency = _CURRENCIES.get(priced[1], priced[1])
        parts.append(Part("currency", currency, pointer, f"price read as one in {currency}"))
    return parts


def _parent(value: Any, pointer: str) -> Parts:
    """A term's parent as an object or an id."""
    if isinstance(value, dict):
        known = value.get("id")
        parts: Parts = [Part(UNMAPPED, {"parent": value}, pointer)]
        return ([Part("parent_id", known, pointer)] if isinstance(known, str | int) else []) + parts
    return [Part("parent_id", value, pointer)]


# (entity, field of another version) → how to say it.
RESPELLED: Final[Mapping[tuple[str, str], Callable[[Any, str], Parts]]] = {
    **{
        ("service", name): _terms(None, "service")
        for name in (
            "service_taxonomys",
            "service_taxonomies",
            "service_taxonomy",
            "taxonomies",
            "taxonomy_terms",
        )
    },
    **{
        ("service", name): _labelled(name)
        for name in ("deliverable_type", "attending_type", "attending_access")
    },
    **{("service", name): _eligibility for name in ("eligibilitys", "eligibilities", "eligibility")},
    ("service", AUDIENCE): _audience,
    ("service", "locations"): _locations,
    ("service", "location"): _locations,
    **{("location", name): _addresses("physical") for name in ("physical_addresses", "physical_address")},
    **{("location", name): _addresses("postal") for name in ("postal_addresses", "postal_address")},
    **{
        (entity, name): _terms(None, entity)
        for entity in (
            "location",
            "contact",
            "organization",
            "service_at_location",
            "service_area",
            "cost_option",
        )
        for name in ("link_taxonomys", "link_taxonomies")
    },
    ("taxonomy_term", "parent"): _parent,
    ("cost_option", "amount"): _amount,
}

_SLUG: Final = re.compile(r"[^a-z0-9]+")


def slug(words: str) -> str:
    """Words as a code: lower case, hyphens between, nothing else.

    >>> slug("LGBTQ+"), slug("Refugees/Asylum Seekers")
    ('lgbtq', 'refugees-asylum-seekers')
    """
    return _SLUG.sub("-", words.casefold().replace("’", "").replace("'", "")).strip("-")


def path_of(label: str) -> list[str]:
    """The steps of a nested label, from the widest down.

    >>> path_of("Parents>Grandparents "), path_of("Carers")
    (['Parents', 'Grandparents'], ['Carers'])
    """
    steps = [" ".join(step.split()) for step in label.split(">")]
    return [step for step in steps if step] or [label]
