"""Service records made from the published schema of HSDS 3.1, with every field that it knows, or some."""

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

Json = dict[str, Any]

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Words that are no names of persons, and in which nothing has to be cleaned.
_WORDS = tuple(
    word
    for line in (
        "advice lunch walking debt garden library carers advocacy housing reading ramp quiet café Wörter",
        "Ysgol 24/7 (ground floor) & – «drop in» naïve £5 50% a/b it's",
    )
    for word in line.split()
)
_ROLES = ("Enquiries Team", "Referrals Manager", "Volunteer Coordinator", "Reception")


class Maker:
    """Makes records of a schema.

    share: how likely a field that may be left out is there · longest: entries of a list at most. What is
    made of one random source is always the same.
    """

    def __init__(self, schema: Json, draw: random.Random, *, share: float = 1.0, longest: int = 2) -> None:
        self._schema = schema
        self._draw = draw
        self._share = share
        self._longest = longest

    def service(self) -> Json:
        made: Json = self._object(self._schema, ("service",))
        self._link(made)
        lowest = self._draw.randrange(0, 60)
        if "minimum_age" in made:
            made["minimum_age"] = lowest
        if "maximum_age" in made:
            made["maximum_age"] = lowest + self._draw.randrange(1, 60)
        return made

    def _link(self, made: Json) -> None:
        """Let the parts say what they belong to, as the standard means it."""
        if "organization" in made:
            made["organization_id"] = made["organization"]["id"]
        else:
            made.pop("organization_id", None)
        for place in made.get("service_at_locations", ()):
            place["service_id"] = made["id"]
            place.pop("location_id", None)
            if "location" in place:
                place["location_id"] = place["location"]["id"]
        for attribute in made.get("attributes", ()):
            if self._draw.random() < 0.7:
                attribute |= {"link_entity": "service", "link_id": made["id"]}
                attribute.pop("link_type", None)

    def _object(self, schema: Json, path: tuple[str, ...]) -> Json:
        required = set(schema.get("required", ()))
        made = {}
        for name, inner in schema["properties"].items():
            if name in required or name == "id" or self._draw.random() < self._share:
                made[name] = self._value(name, inner, (*path, name))
        if ("latitude" in made) != ("longitude" in made):
            made.pop("latitude", None)
            made.pop("longitude", None)
        return made

    def _value(self, name: str, schema: Json, path: tuple[str, ...]) -> Any:
        if "properties" in schema:
            return self._object(schema, path)
        if schema.get("type") == "array":
            longest = self._longest if len(path) < 4 else 1
            return [self._value(name, schema["items"], path) for _ in range(self._draw.randint(1, longest))]
        if "enum" in schema:
            return self._draw.choice(schema["enum"])
        special = getattr(self, f"_of_{name}", None)
        if special is not None:
            return special(path)
        if schema.get("type") in ("number", "integer"):
            return self._draw.randrange(1, 100)
        return self._text(schema.get("format"), name)

    def _text(self, format: str | None, name: str) -> str:
        if format == "uuid" or name == "id":
            return str(UUID(int=self._draw.getrandbits(128), version=4))
        if format == "uri":
            return f"https://{self._word()}.example/{self._draw.randrange(9999)}?a=b&c=%20#d"
        if format == "email":
            return f"enquiries{self._draw.randrange(999)}@council.example"
        if format == "date-time":
            return self._moment()
        return " ".join(self._draw.choice(_WORDS) for _ in range(self._draw.randint(1, 6)))

    def _word(self) -> str:
        return "".join(self._draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(8))

    def _day(self, _path: tuple[str, ...]) -> str:
        year, month, day = (self._draw.randrange(*ends) for ends in ((2020, 2030), (1, 13), (1, 29)))
        return f"{year}-{month:02}-{day:02}"

    def _moment(self) -> str:
        return f"{self._day(())}T{self._draw.randrange(24):02}:{self._draw.randrange(60):02}:00.123Z"

    _of_assured_date = _of_dtstart = _of_until = _day

    def _of_valid_from(self, _path: tuple[str, ...]) -> str:
        return f"2024-01-{self._draw.randrange(1, 29):02}"

    def _of_valid_to(self, _path: tuple[str, ...]) -> str:
        return f"2029-01-{self._draw.randrange(1, 29):02}"

    def _of_last_action_date(self, path: tuple[str, ...]) -> str:
        return self._day(path)

    def _clock(self, _path: tuple[str, ...]) -> str:
        return f"{self._draw.randrange(24):02}:{self._draw.choice((0, 15, 30)):02}"

    _of_opens_at = _of_closes_at = _clock

    def _of_byday(self, _path: tuple[str, ...]) -> str:
        return ",".join(sorted(self._draw.sample(_DAYS, self._draw.randint(1, 3))))

    def _of_bymonthday(self, _path: tuple[str, ...]) -> str:
        return ",".join(str(day) for day in sorted(self._draw.sample(range(1, 29), 2)))

    _of_byweekno = _of_byyearday = _of_bymonthday

    def _of_latitude(self, _path: tuple[str, ...]) -> float:
        return round(self._draw.uniform(50.5, 57.5), 6)

    def _of_longitude(self, _path: tuple[str, ...]) -> float:
        return round(self._draw.uniform(-4, 0.5), 6)

    def _of_amount(self, _path: tuple[str, ...]) -> float:
        return self._draw.choice((0, 3, 4.5, 12.25))

    def _of_postal_code(self, _path: tuple[str, ...]) -> str:
        return f"M{self._draw.randrange(1, 30)} {self._draw.randrange(1, 9)}{self._draw.choice('ABDEFGHJ')}N"

    def _of_year_incorporated(self, _path: tuple[str, ...]) -> int:
        return self._draw.randrange(1850, 2025)

    def _of_name(self, path: tuple[str, ...]) -> str:
        return self._draw.choice(_ROLES) if path[-2] == "contacts" else self._text(None, "name")

    def _of_attention(self, _path: tuple[str, ...]) -> str:
        return self._draw.choice(_ROLES)

    _of_updated_by = _of_attention

    def _of_taxonomy(self, _path: tuple[str, ...]) -> str:
        return self._draw.choice(("needs", "circumstances", "esd.services"))

    def _of_code(self, path: tuple[str, ...]) -> str:
        if path[-2] == "taxonomy_term":
            return f"{self._word()}-{self._draw.randrange(999)}"
        return self._draw.choice(("en", "cy", "pl", "bsl"))

    def _of_resource_type(self, _path: tuple[str, ...]) -> str:
        # What a contact was before is a person's; of the rest everything is kept.
        return self._draw.choice(("service", "organization", "location"))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a record with the place where it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{number}")
    else:
        yield path, value
