"""Filters really filter: what a service says of itself brings it back, there and in the open feed.

Two hundred services are made up, and of fifty of them each own property is asked for, alone and all
together. What has to come back is told by a plain look at what was sent.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import cos, hypot, radians
from typing import Any

import orjson
import pytest
from hedgerow_kit.db import Database
from sqlalchemy import text

from tests.registry.files import send
from tests.support.http import Client

SERVICES, SAMPLE = 200, 50
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WORDS = ("Lunch", "Debt", "Walking", "Carers", "Garden", "Reading", "Café", "Ysgol", "Housing", "Swim")
WITHIN_M = 3000
AREAS, COMBINATIONS = 6, 60
WHO = ("carers", "refugees", "parents", "students", "veterans")
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
    area: int
    assured_days: int | None
    is_for: str

    def record(self) -> dict[str, Any]:
        opens, closes = self.hours
        return {
            "id": self.id,
            "name": f"{self.words[0]} group {self.number}",
            "description": f"For all who like {self.words[1]}.",
            "status": "active",
            "minimum_age": self.ages[0],
            "maximum_age": self.ages[1],
            "eligibility_description": self.is_for,
            "service_areas": [{"id": _id(9, self.number), "name": "A", "extent": _area(self.area)}],
            **({} if self.assured_days is None else {"assured_date": str(_days_ago(self.assured_days))}),
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


def _area(number: int) -> str:
    return f"E0699900{number}"


def _days_ago(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


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
        area=draw.randrange(AREAS),
        assured_days=draw.choice((None, *((draw.randrange(1500),) * 3))),
        is_for=" ".join(draw.sample(WHO, 2)),
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


def _asked_together(
    one: Made, draw: random.Random, need: str, owner: str
) -> list[tuple[dict[str, Any], Holds]]:
    """Some questions at once about services such as one, no parameter twice."""
    word, other = draw.choice(one.words), draw.choice(WORDS)
    fresh, stale = draw.randrange(1500), draw.randrange(1500)
    age, km, minute = draw.randrange(70), draw.choice((1, 2.5, 4, 11, 60)), draw.choice(("00", "30"))
    day, hour = draw.randrange(7), one.hours[0]
    who, area, status = one.is_for.split()[0], one.area, draw.choice(("active", "active", "inactive"))
    kinds: list[tuple[dict[str, Any], Holds]] = [
        ({"text": word[:3]}, lambda it: any(_key(one).startswith(_key(word[:3])) for one in it.words)),
        ({"text": f"{word} {other}"}, lambda it: {_key(word), _key(other)} <= set(map(_key, it.words))),
        ({"text": f'"like {word}"'}, lambda it: _key(it.words[1]) == _key(word)),
        ({"need": need}, lambda it: it.need == one.need),
        ({"area": _area(area)}, lambda it: it.area == area),
        ({"area": "E12999001"}, lambda it: True),
        ({"postcode": one.postcode, "within_km": km}, lambda it: _metres(one, it) <= km * 1000),
        ({"age": age}, lambda it: it.ages[0] <= age <= it.ages[1]),
        ({"eligible": who}, lambda it: who in it.is_for.split()),
        (
            {"open_at": f"2026-11-{23 + day}T{hour:02}:{minute}"},
            lambda it: it.day == day and it.hours[0] <= hour < it.hours[1],
        ),
        ({"organisation": owner}, lambda it: it.organisation == one.organisation),
        ({"owner": owner}, lambda it: it.organisation == one.organisation),
        ({"status": status}, lambda it: status == "active"),
        ({"fresher_than": fresh}, lambda it: it.assured_days is not None and it.assured_days <= fresh),
        ({"staler_than": stale}, lambda it: it.assured_days is not None and it.assured_days > stale),
        ({"assured": "false"}, lambda it: it.assured_days is None),
    ]
    chosen: dict[str, tuple[dict[str, Any], Holds]] = {}
    for params, holds in draw.sample(kinds, draw.randrange(1, 5)):
        chosen.setdefault(next(iter(params)), (params, holds))
    return list(chosen.values())


def _key(word: str) -> str:
    return word.casefold().replace("é", "e")


def test_whatever_is_asked_together_finds_what_a_plain_look_finds(
    registry: Client, database: Database, made: list[Made]
) -> None:
    """Sixty questions put together by chance, page by page, over records far apart in the index."""
    listed = "".join(f"{_area(number)},Place {number},authority,2024,E12999001\n" for number in range(AREAS))
    send(registry, "areas", f"code,name,level,vintage,parent_code\nE12999001,Region,region,2024,\n{listed}")
    body = orjson.dumps([one.record() for one in made])
    assert send(registry, "hsds", body, media_type="application/json")["counts"]["accepted"] == SERVICES
    if database.dialect == "postgresql":
        # Into many blocks of numbers, some of which hold none.
        with database.writing() as session:
            session.execute(text("UPDATE indexed_services SET number = number * 9973"))
    needs = {one["name"]: one["id"] for one in registry.items("/v1/needs")}
    bodies = {one["name"]: one["id"] for one in registry.items("/v1/organisations")}
    draw, met = random.Random(37), 0
    for _ in range(COMBINATIONS):
        one = draw.choice(made)
        asked = _asked_together(one, draw, needs[f"Theme {one.need}"], bodies[f"Body {one.organisation}"])
        params = {name: value for said, _ in asked for name, value in said.items()}
        params |= draw.choice(({}, {"order": "relevance"})) if "text" in params else {}
        found = [
            it["id"]
            for it in registry.items("/v1/services", params={**params, "limit": draw.choice((20, 60))})
        ]
        expected = {it.id for it in made if all(holds(it) for _, holds in asked)}
        assert len(found) == len(set(found)), params
        assert set(found) == expected, params
        met += 0 < len(expected) < SERVICES
    assert met > COMBINATIONS / 3
