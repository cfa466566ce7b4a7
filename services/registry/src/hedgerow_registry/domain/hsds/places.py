"""Where a service is delivered that is no place on a map: online, by telephone, or not said where."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hedgerow_registry.domain.hsds.reading import sites_of
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.domain.plain_text import words_of
from hedgerow_registry.domain.postcode import postcode
from hedgerow_registry.errors import Malformed

Document = Mapping[str, Any]

# Ways to attend a service that need no place, as directories of version 1.0 name them.
_NO_PLACE: Final = words_of(
    "online virtual virtually remote remotely digital web website webinar internet app video zoom teams skype"
    " phone telephone helpline sms text email e-mail chat webchat"
)
_BETWEEN: Final = words_of("and or & via by call calls live only the based service conference line a session")


def attended_without_place(words: str) -> bool:
    """Whether a way of attending needs no place: said in words that all mean so.

    >>> attended_without_place("Online"), attended_without_place("By phone or video call")
    (True, True)
    >>> attended_without_place("Venue"), attended_without_place("Online and at community venues")
    (False, False)
    """
    said = words.casefold().replace("/", " ").replace(",", " ").split()
    return any(word in _NO_PLACE for word in said) and all(word in _NO_PLACE | _BETWEEN for word in said)


def virtual_places(document: Document) -> list[dict[str, Any]]:
    """The online places of a service that names no place at all, and says it is attended without one.

    Version 1.0 says so in `attending_type`; version 3 has a location for it. Nothing is made up: who names
    a place, or says nothing, gets none.
    """
    if document.get("service_at_locations"):
        return []
    made: dict[str, dict[str, Any]] = {}
    for words in _ways(document):
        if attended_without_place(words):
            key = " ".join(words.casefold().split())
            place, location = (record_id(document["id"], kind, f"of {key}") for kind in ("site", "location"))
            made[place] = {
                "id": place,
                "service_id": document["id"],
                "location_id": location,
                "location": {"id": location, "location_type": "virtual", "name": words},
            }
    return [made[id] for id in sorted(made)]


def _ways(document: Document) -> Iterator[str]:
    for attribute in document.get("attributes", ()):
        if attribute.get("link_type") == "attending_type" and attribute.get("value"):
            yield attribute["value"]
    for schedule in document.get("schedules", ()):
        if schedule.get("attending_type"):
            yield schedule["attending_type"]


def beside_sites(document: Document) -> tuple[list[str], list[tuple[str, str]]]:
    """The ids of the places of a service that are no sites, and postcodes beside the main one of each site.

    The places are those that have no location or an online one, and those of `virtual_places`; the postcodes
    come as (place, postcode). Both in order, none twice.
    """
    named = document.get("service_at_locations", ())
    if not named:
        return [place["id"] for place in virtual_places(document)], []
    if all(map(_is_plain, named)) and len({place["id"] for place in named}) == len(named):
        return [], []
    sites = {site.id: site.postcode for site in sites_of(document, [])}
    others = sorted({place["id"] for place in named} - sites.keys())
    found: set[tuple[str, str]] = set()
    for place in named:
        for address in (place.get("location") or {}).get("addresses", ()):
            try:
                found.add((place["id"], postcode(address.get("postal_code") or "")))
            except Malformed:
                continue
    return others, sorted(found - sites.items())


def _is_plain(place: Document) -> bool:
    """Whether a place is a site with one address: most are."""
    location = place.get("location")
    if not location or location.get("location_type") == "virtual":
        return False
    return len(location.get("addresses", ())) < 2
