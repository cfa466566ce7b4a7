"""Filters really filter: what a service says of itself brings it back, there and in the open feed.

Two hundred services are made up, and of fifty of them each own property is asked for, alone and all
together. What has to come back is told by a plain look at what was sent.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, hypot, radians
from typing import Any

import orjson
import pytest

from tests.registry.files import send
from tests.support.http import Client

SERVICES, SAMPLE = 200, 50
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WORDS = ("Lunch", "Debt", "Walking", "Carers", "Garden", "Reading", "Café", "Ysgol", "Housing", "Swim")
WITHIN_M = 3000
Holds = Callable[["Made"], bool]


@dataclass(frozen=True)
class Made:
    """A service that is made up, with all that is asked for."""

    number: int
    id: str
    words: tuple[str, str]
    need: int
    organisation: int
    ages: tuple[int, int]
    day: int
    hours: tuple[int, int]
    postcode: str
    lon: float
    lat: float

    def record(self) -> dict[str, Any]:
        opens, closes = self.hours
        return {
            "id": self.id,
            "name": f"{self.words[0]} group {self.number}",
            "description": f"For all who like {self.words[1]}.",
            "status": "active",
            "minimum_age": self.ages[0],
            "maximum_age": self.ages[1],
            "organization": {"id": _id(2, self.organisation), "name": f"Body {self.organisation}"},
            "schedules": [
                {
                    "id": _id(3, self.number),
                    "freq": "WEEKLY",
                    "byday": DAYS[self.day],
                    "opens_at": f"{opens:02}:00",
                    "closes_at": f"{closes:02}:00",
                }
            ],
            "attributes": [
                {
                    "id": _id(4, self.number),
                    "link_entity": "service",
                    "taxonomy_term": {
                        "id": _id(5, self.need),
                        "code": f"need-{self.need}",
                        "name": f"Theme {self.need}",
                        "taxonomy": "made-up",
                    },
                }
            ],
            "service_at_locations": [
                {
                    "id": _id(6, self.number),
                    "location": {
                        "id": _id(7, self.number),
                        "location_type": "physical",
                        "latitude": self.lat,
                        "longitude": self.lon,
                        "addresses": [
                            {
                                "id": _id(8, self.number),
                                "address_1": "1 Road",
                                "city": "Town",
                                "postal_code": self.postcode,
                                "country": "GB",
                                "address_type": "physical",
                            }
                        ],
                    },
                }
            ],
        }


def _id(kind: int, number: int) -> str:
    return f"{number * 2_654_435_761 % 2**32:08x}-{kind:04x}-4000-8000-{number:012x}"


def _made(number: int, draw: random.Random) -> Made:
    # Every postcode is one point, so that the middle of what stands at it is that point.
    place = draw.randrange(40)
    lowest, opens = draw.randrange(0, 60), draw.randrange(6, 18)
    return Made(
        number=number,
        id=_id(1, number),
        words=(draw.choice(WORDS), draw.choice(WORDS)),
        need=draw.randrange(12),
        organisation=draw.randrange(30),
        ages=(lowest, lowest + draw.randrange(5, 40)),
        day=draw.randrange(7),
        hours=(opens, opens + draw.randrange(1, 6)),
        postcode=f"M{place + 1} 1AB",
        lon=round(-2.3 + place % 8 / 50, 6),
        lat=round(53.4 + place // 8 / 60, 6),
    )


@pytest.fixture(scope="module")
def made() -> list[Made]:
    draw = random.Random(29)
    return [_made(number, draw) for number in range(SERVICES)]


def _words(one: Made) -> set[str]:
    return {word.casefold() for word in one.words}


def _metres(one: Made, other: Made) -> float:
    east = (one.lon - other.lon) * 111_195 * cos(radians(one.lat))
    return hypot(east, (one.lat - other.lat) * 111_195)


# The 23rd of November 2026 is a Monday.
def _asked_of_the_api(one: Made, need: str, organisation: str) -> Iterator[tuple[dict[str, Any], Holds]]:
    word, (lowest, _), (opens, _) = one.words[1], one.ages, one.hours
    yield {"text": word}, lambda other: word.casefold() in _words(other)
    yield {"need": need}, lambda other: other.need == one.need
    yield {"organisation": organisation}, lambda other: other.organisation == one.organisation
    yield {"age": lowest}, lambda other: other.ages[0] <= lowest <= other.ages[1]
    yield (
        {"open_at": f"2026-11-{23 + one.day}T{opens:02}:30"},
        lambda other: other.day == one.day and other.hours[0] <= opens < other.hours[1],
    )
    yield (
        {"postcode": one.postcode, "within_km": WITHIN_M / 1000},
        lambda other: _metres(one, other) <= WITHIN_M,
    )


def _asked_of_the_feed(one: Made) -> Iterator[tuple[dict[str, Any], Holds]]:
    word, (lowest, highest), (opens, closes) = one.words[0], one.ages, one.hours
    yield {"search": word}, lambda other: word.casefold() in _words(other)
    yield {"taxonomy_term_id": _id(5, one.need)}, lambda other: other.need == one.need
    yield {"organization_id": _id(2, one.organisation)}, lambda other: other.organisation == one.organisation
    yield {"minimum_age": lowest}, lambda other: other.ages[0] >= lowest
    yield {"maximum_age": highest}, lambda other: other.ages[1] <= highest
    yield (
        {"day": DAYS[one.day], "start_time": f"{opens:02}:00", "end_time": f"{closes:02}:00"},
        lambda other: other.day == one.day and opens <= other.hours[0] and other.hours[1] <= closes,
    )
    yield {"postcode": one.postcode}, lambda other: other.postcode == one.postcode
    yield (
        {"postcode": one.postcode, "proximity": WITHIN_M},
        lambda other: _metres(one, other) <= WITHIN_M,
    )


def _hold(
    questions: list[tuple[dict[str, Any], Holds]],
    made: list[Made],
    find: Callable[[dict[str, Any]], set[str]],
) -> None:
    """Each question alone finds what a plain look finds, and all of them together find what meets all."""
    together: dict[str, Any] = {}
    for params, holds in questions:
        expected = {other.id for other in made if holds(other)}
        assert len(expected) < len(made), params
        assert find(params) == expected, params
        together |= params
    assert find(together) == {other.id for other in made if all(holds(other) for _, holds in questions)}


def test_fifty_services_are_brought_back_by_what_they_say_of_themselves(
    registry: Client, made: list[Made]
) -> None:
    body = orjson.dumps([one.record() for one in made])
    assert send(registry, "hsds", body, media_type="application/json")["counts"]["accepted"] == SERVICES
    needs = {one["name"]: one["id"] for one in registry.items("/v1/needs")}
    bodies = {one["name"]: one["id"] for one in registry.items("/v1/organisations")}
    kept: dict[bytes, set[str]] = {}

    def ask(path: str, params: dict[str, Any]) -> set[str]:
        # Many ask the same: it is asked once.
        key = path.encode() + orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
        if key not in kept:
            kept[key] = read(path, params)
        return kept[key]

    def read(path: str, params: dict[str, Any]) -> set[str]:
        if path.startswith("/v1"):
            return {one["id"] for one in registry.items(path, params={**params, "limit": 1000})}
        answer = registry.get(path, params={**params, "minimal": True})
        assert answer.status_code == 200, answer.text
        return {one["id"] for one in answer.json()["contents"]}

    for one in random.Random(31).sample(made, SAMPLE):
        asked = list(_asked_of_the_api(one, needs[f"Theme {one.need}"], bodies[f"Body {one.organisation}"]))
        _hold(asked, made, lambda params: ask("/v1/services", params))
        asked = list(_asked_of_the_feed(one))
        _hold(asked, made, lambda params: ask("/hsds/services", params))
        assert one.id in ask("/hsds/services", {"postcode": one.postcode})
