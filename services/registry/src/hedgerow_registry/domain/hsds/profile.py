"""Which fields the open feed shows: all of HSDS 3.1, those of Open Referral UK 3.0, or a line in a list."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hedgerow_registry.domain.hsds.shape import ENTITIES
from hedgerow_registry.domain.plain_text import words_of


class Field(NamedTuple):
    """A field that is shown: one or many of which entity, and what stands for it where it has to be there."""

    name: str
    number: str
    inner: str
    unsaid: Any


# Kind of entity → its fields, in the standard's order.
Fields = Mapping[str, tuple[Field, ...]]


def _fields(wanted: Mapping[str, frozenset[str]]) -> Fields:
    made = {}
    for kind, names in wanted.items():
        entity = ENTITIES[kind]
        parts = ((name, *how.partition(":")) for name, how in entity.fields.items() if name in names)
        made[kind] = tuple(
            Field(name, number, inner, entity.required.get(name)) for name, number, _, inner in parts
        )
    return made


_SERVICE: Final = words_of(
    "id organization_id name description url email status fees accreditations minimum_age maximum_age"
    " assured_date assurer_email alert last_modified organization"
)
_ORGANIZATION: Final = words_of("id name description email website logo uri parent_organization_id")
_LOCATION: Final = words_of(
    "id location_type name description latitude longitude external_identifier external_identifier_type"
)
_TERM: Final = words_of("id name description parent_id taxonomy taxonomy_id term_uri")

# The published profile of the United Kingdom knows no more of each entity than this.
_UK: Final = {
    "service": _SERVICE
    | words_of(
        "schedules service_areas service_at_locations languages funding cost_options contacts attributes"
    ),
    "organization": _ORGANIZATION | words_of("organization_identifiers attributes"),
    "organization_identifier": words_of(
        "id organization_id identifier_scheme identifier_type identifier attributes"
    ),
    "service_at_location": words_of("id service_id location_id location"),
    "location": _LOCATION | words_of("addresses accessibility attributes"),
    "address": words_of(
        "id location_id attention address_1 city region state_province postal_code country address_type"
        " attributes"
    ),
    "accessibility": words_of("id location_id description details url attributes"),
    "schedule": words_of(
        "id service_id service_at_location_id valid_from valid_to dtstart freq interval byday bymonthday"
        " description opens_at closes_at schedule_link attending_type notes"
    ),
    "service_area": words_of("id service_id name extent extent_type uri"),
    "language": words_of("id service_id phone_id"),
    "funding": words_of("id service_id source"),
    "cost_option": words_of("id service_id valid_from valid_to option amount amount_description"),
    "contact": words_of("id service_id name title attributes"),
    "attribute": words_of("id link_id taxonomy_term_id link_type taxonomy_term"),
    "taxonomy_term": _TERM,
    "taxonomy": words_of("id name description uri version"),
}

_LISTED: Final = {
    "service": _SERVICE,
    "organization": _ORGANIZATION,
    "service_at_location": _UK["service_at_location"],
    "location": _LOCATION,
    "taxonomy_term": _TERM,
    "taxonomy": _UK["taxonomy"],
}

# HSDS 3.1 with nothing left out but what has no place in it.
WHOLE: Final[Fields] = _fields({kind: frozenset(entity.fields) for kind, entity in ENTITIES.items()})
UK: Final[Fields] = _fields(_UK)
# A line of a list: the record's own fields, and whose it is.
LISTED: Final[Fields] = _fields(_LISTED)


def shown(kind: str, record: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """A record with the fields that are to be shown, in the standard's order, without those that say nothing.

    What the standard requires stays, empty or not.

    >>> shown("taxonomy", {"version": "1", "name": "needs", "id": "a", "uri": ""}, WHOLE)
    {'id': 'a', 'name': 'needs', 'description': '', 'version': '1'}
    """
    made: dict[str, Any] = {}
    for name, number, inner, unsaid in fields[kind]:
        value: Any = record.get(name)
        if value is None or value == "" or value == [] or value == {}:
            if unsaid is not None:
                made[name] = unsaid
        elif number == "many":
            made[name] = [shown(inner, item, fields) for item in value]
        elif number == "one":
            made[name] = shown(inner, value, fields)
        else:
            made[name] = value
    return made
