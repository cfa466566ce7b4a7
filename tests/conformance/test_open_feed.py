"""The open feed over HTTP through the gateway: the official checks, the schemas, the filters, the way back.

The feeds: a fictional locality from flat files, a real directory of Open Referral UK 1.0, the examples that
the standards publish, services with every field of the standard, and a directory of mixed quality.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from math import cos, hypot, radians
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from jsonschema import Draft202012Validator, FormatChecker

from tests.conformance.made_up import everything, mixed
from tests.support import postgres
from tests.support.databases import DIALECTS, databases
from tests.support.http import running
from tests.support.identity import SIGNER, identity
from tests.support.platform import ROOT, platform

FEEDS = ("keldermouth", "bristol", "examples", "full", "mixed")
SAMPLE = 50
Record = dict[str, Any]


@dataclass
class Feed:
    """A platform's open feed as anybody reads it, and all of its services, whole."""

    name: str
    client: httpx.Client
    export: bytes

    def __post_init__(self) -> None:
        self.services: list[Record] = [orjson.loads(line) for line in self.export.splitlines()]

    def ids(self, kind: str = "services", **params: Any) -> set[str]:
        answer = self.client.get(f"/hsds/{kind}", params={"per_page": 1000, **params})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["total_items"] == page["size"]
        return {one["id"] for one in page["contents"]}

    def sample(self) -> list[Record]:
        return random.Random(17).sample(self.services, min(SAMPLE, len(self.services)))


def _files(name: str, shared: Path) -> Iterator[tuple[str, bytes]]:
    if name == "bristol":
        yield name, (shared / "data/oruk_bristol/services.json").read_bytes()
        return
    conformance = shared / "conformance"
    if name in ("full", "mixed"):
        schema = orjson.loads((conformance / "schemas/hsds-3.1/schema/compiled/service.json").read_bytes())
        made = everything(schema) if name == "full" else mixed(schema)
        yield name, orjson.dumps(made)
        return
    found = [
        *sorted(conformance.glob("oruk-mocks/V3.0-UK-*/service_full.json")),
        *sorted(conformance.glob("schemas/hsds*/examples/service_full.json")),
    ]
    for number, path in enumerate(found):
        # All of them describe one and the same service: each is made one of its own, for a need of its own.
        record = orjson.loads(path.read_bytes().replace(b"3f7b145d", f"{number:08}".encode()))
        record["id"] = f"{number:08}-0000-4000-8000-000000000000"
        for place, entry in enumerate(record.get("service_at_locations", ())):
            entry["id"] = f"{number:08}-{place:04}-4000-8000-000000000001"
        yield f"examples-{number}", orjson.dumps(record)


@pytest.fixture(scope="module", params=FEEDS)
def feed(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Feed]:
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    with platform(folder / "var", "--empty") as started:
        if name == "keldermouth":
            example = ROOT / "examples" / "keldermouth"
            started.command_json("load", str(example / "manifest.toml"), "--from", str(example))
        else:
            for source, body in _files(name, shared):
                sent = started.send("hsds", body, "application/json", source=source)
                assert sent.json()["counts"]["accepted"], sent.text
        with httpx.Client(base_url=started.url, timeout=60) as anybody:
            exported = anybody.get("/hsds/services?format=ndjson")
            assert exported.status_code == 200
            yield Feed(name, anybody, exported.content)


def test_the_official_checks_pass(feed: Feed, shared: Path) -> None:
    checked = subprocess.run(
        [sys.executable, shared / "conformance/oruk_check.py", "--lint", f"{feed.client.base_url}/hsds"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(checked.stdout)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "RESULT: PASS" in checked.stdout
    assert "FAIL" not in checked.stdout
    # Level 2 too, without a warning.
    assert [line for line in checked.stdout.splitlines() if not line.startswith(("PASS", "RESULT"))] == []


@pytest.fixture(scope="module")
def schemas(shared: Path) -> dict[str, Any]:
    folder = shared / "conformance/schemas"
    named = {
        "HSDS 3.1": "hsds-3.1/schema/compiled/{}.json",
        "HSDS-UK 3.0": "hsds-uk-3.0/schema/compiled/{}.json",
        "validator": "oruk-validator-V3.0-UK/{}.json",
    }
    kinds = ("service", "service_at_location", "organization")
    return {
        f"{name} {kind}": orjson.loads(path.read_bytes())
        for name, place in named.items()
        for kind in kinds
        if (path := folder / place.format(kind)).exists()
    }


def faults(schema: Any, record: Record) -> list[str]:
    checked = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(record)
    return [f"{error.json_path}: {error.message[:120]}" for error in checked]


def unknown(schema: Any, record: Any, at: str = "") -> list[str]:
    """Fields that a schema does not name."""
    found = []
    for name, value in record.items():
        inner = schema["properties"].get(name)
        if inner is None:
            found.append(f"{at}/{name}")
            continue
        inner = inner.get("items", inner)
        items = value if isinstance(value, list) else [value]
        if "properties" in inner:
            for item in items:
                found += unknown(inner, item, f"{at}/{name}")
    return found


def test_uris_and_moments_are_really_checked() -> None:
    checker = FormatChecker()
    for kind in ("uri", "date-time", "uuid"):
        assert not checker.conforms("not one", kind), kind


def test_every_service_is_valid_in_both_standards(feed: Feed, schemas: dict[str, Any]) -> None:
    assert feed.services
    for service in feed.services:
        for name in ("HSDS 3.1 service", "HSDS-UK 3.0 service", "validator service"):
            assert faults(schemas[name], service) == [], (name, service["id"])
        assert unknown(schemas["HSDS 3.1 service"], service) == [], service["id"]


def test_places_and_organisations_are_valid_too(feed: Feed, schemas: dict[str, Any]) -> None:
    for kind in ("service_at_location", "organization"):
        for one in feed.client.get(f"/hsds/{kind}s?per_page={SAMPLE}").json()["contents"]:
            for full in (False, True):
                found = feed.client.get(f"/hsds/{kind}s/{one['id']}", params={"full": full}).json()
                for name, schema in schemas.items():
                    if name.endswith(kind):
                        assert faults(schema, found) == [], name
                if not full:
                    assert unknown(schemas[f"validator {kind}"], found) == []


def _words(service: Record) -> str:
    told = [service["name"], service.get("description"), service.get("organization", {}).get("name")]
    return "\n".join(filter(None, told)).casefold()


def _terms(service: Record) -> set[str]:
    named = (one.get("taxonomy_term") for one in service.get("attributes", ()))
    return {term["id"] for term in named if term}


def _taxonomies(service: Record) -> set[str]:
    named = (one.get("taxonomy_term") or {} for one in service.get("attributes", ()))
    return {key for term in named for key in (term.get("taxonomy_id"), term.get("taxonomy")) if key}


def _schedules(service: Record) -> list[Record]:
    found = [*service.get("schedules", ())]
    for place in service.get("service_at_locations", ()):
        found += [*place.get("schedules", ()), *place.get("location", {}).get("schedules", ())]
    return found


def _minutes(clock: str | None) -> int | None:
    found = re.match(r"(\d{1,2})[:.](\d{2})", clock or "")
    return int(found[1]) * 60 + int(found[2]) if found else None


def _days(schedule: Record) -> set[str]:
    named = {day.strip()[-2:] for day in (schedule.get("byday") or "").split(",") if day.strip()}
    if not named and schedule.get("dtstart") and schedule.get("freq") != "MONTHLY":
        day = date.fromisoformat(schedule["dtstart"]).weekday()
        return {("MO", "TU", "WE", "TH", "FR", "SA", "SU")[day]}
    return named


def _opens(service: Record, day: str | None, start: str | None, end: str | None) -> bool:
    """Whether one schedule answers all three; one that closes before it opens closes on the next day."""
    for schedule in _schedules(service):
        opens, closes = _minutes(schedule.get("opens_at")), _minutes(schedule.get("closes_at"))
        if opens is not None and closes is not None and closes <= opens:
            closes += 24 * 60
        if (
            (day is None or day in _days(schedule))
            and (start is None or (opens is not None and opens >= (_minutes(start) or 0)))
            and (end is None or (closes is not None and closes <= (_minutes(end) or 0)))
        ):
            return True
    return False


def _addresses(service: Record) -> list[Record]:
    places = service.get("service_at_locations", ())
    return [one for place in places for one in place.get("location", {}).get("addresses", ())]


def _asked_of(service: Record) -> Iterator[tuple[dict[str, Any], Callable[[Record], bool]]]:
    """Questions that a service answers, each with how to tell whether another does."""
    word = max(service["name"].split(), key=len)
    yield {"search": word}, lambda one: word.casefold() in _words(one)
    for term in sorted(_terms(service))[:2]:
        yield {"taxonomy_term_id": term}, lambda one, term=term: term in _terms(one)
    for taxonomy in sorted(_taxonomies(service))[:2]:
        yield (
            {"taxonomy_id": taxonomy},
            lambda one, key=taxonomy: key.casefold() in {told.casefold() for told in _taxonomies(one)},
        )
    if provider := service.get("organization_id"):
        yield {"organization_id": provider}, lambda one: one.get("organization_id") == provider
    if (lowest := service.get("minimum_age")) is not None:
        yield {"minimum_age": lowest}, lambda one: one.get("minimum_age", -1) >= lowest
    if (highest := service.get("maximum_age")) is not None:
        yield {"maximum_age": highest}, lambda one: one.get("maximum_age", 999) <= highest
    for schedule in _schedules(service)[:2]:
        yield from _asked_of_schedule(schedule)


def _asked_of_schedule(schedule: Record) -> Iterator[tuple[dict[str, Any], Callable[[Record], bool]]]:
    day = min(_days(schedule), default=None)
    opens, closes = schedule.get("opens_at"), schedule.get("closes_at")
    end = None if closes is None or (opens and _minutes(closes) <= _minutes(opens)) else closes
    for asked in ((day, None, None), (None, opens, None), (None, None, end), (day, opens, end)):
        if any(asked):
            params = dict(zip(("day", "start_time", "end_time"), asked, strict=True))
            yield (
                {name: value for name, value in params.items() if value},
                lambda one, asked=asked: _opens(one, *asked),
            )


_HOURS = ("day", "start_time", "end_time")


def test_what_a_service_says_of_itself_brings_it_back_and_leaves_others_out(feed: Feed) -> None:
    asked = 0
    for service in feed.sample():
        for params, answers in _asked_of(service):
            found = feed.ids(**params)
            assert service["id"] in found, (params, service["name"])
            assert found == {one["id"] for one in feed.services if answers(one)}, params
            asked += 1
        # All of them at once, of one schedule, leave out what one of them leaves out.
        first = {tuple(params): (params, answers) for params, answers in reversed(list(_asked_of(service)))}
        hours = max((key for key in first if key[0] in _HOURS), key=len, default=None)
        chosen = [one for key, one in first.items() if key == hours or key[0] not in _HOURS]
        both = {name: value for params, _ in chosen for name, value in params.items()}
        met = {one["id"] for one in feed.services if all(answers(one) for _, answers in chosen)}
        assert service["id"] in met
        assert feed.ids(**both) == met, both
    assert asked > len(feed.sample())


def test_a_postcode_brings_back_what_stands_there_and_around_it(feed: Feed) -> None:
    points = {
        place["id"]: (place["location"]["longitude"], place["location"]["latitude"])
        for service in feed.services
        for place in service.get("service_at_locations", ())
        if "latitude" in place.get("location", {})
    }
    by_code: dict[str, set[str]] = {}
    main: dict[str, set[str]] = {}
    for service in feed.services:
        for place in service.get("service_at_locations", ()):
            addresses = place.get("location", {}).get("addresses", [])
            for address in addresses:
                by_code.setdefault(address["postal_code"], set()).add(place["id"])
            physical = [one for one in addresses if one["address_type"] == "physical"] or addresses
            if place["id"] in points and place["location"]["location_type"] != "virtual" and physical:
                main.setdefault(physical[0]["postal_code"], set()).add(place["id"])
    if feed.name == "keldermouth":
        assert len(by_code) > 200
    for code, at in sorted(by_code.items())[:: max(1, len(by_code) // 20)]:
        answer = feed.client.get("/hsds/service_at_locations", params={"postcode": code})
        if answer.status_code == 422:
            # The examples of the standard come from another country.
            continue
        assert {one["id"] for one in answer.json()["contents"]} == at
        served = feed.ids(postcode=code)
        assert {one["id"] for one in feed.services if _stands_at(one, code)} <= served
        if code in main:
            _are_around(feed, code, points, main[code])


def _are_around(feed: Feed, code: str, points: dict[str, tuple[float, float]], at: set[str]) -> None:
    """With a distance, places are found by how far they are from the middle of those at the postcode."""
    lon = sum(points[one][0] for one in at) / len(at)
    lat = sum(points[one][1] for one in at) / len(at)

    def metres(point: tuple[float, float]) -> float:
        east = (point[0] - lon) * 111_195 * cos(radians((point[1] + lat) / 2))
        return hypot(east, (point[1] - lat) * 111_195)

    near = feed.ids("service_at_locations", postcode=code, proximity=2000)
    physical = {
        place["id"]
        for service in feed.services
        for place in service.get("service_at_locations", ())
        if place.get("location", {}).get("location_type") != "virtual"
    }
    assert {one for one, point in points.items() if metres(point) < 1990} & physical <= near
    assert near <= {one for one, point in points.items() if metres(point) < 2010}
    if feed.name != "examples":
        assert len(near) < len(points)


def _stands_at(service: Record, code: str) -> bool:
    return any(address["postal_code"] == code for address in _addresses(service))


def test_an_export_imported_into_an_empty_registry_is_exported_the_same(feed: Feed, tmp_path: Path) -> None:
    for dialect in DIALECTS:
        folder = tmp_path / dialect
        folder.mkdir()
        with databases(dialect, folder, os.environ[postgres.SERVER]) as made:
            empty = Database(made.migrated("hedgerow_registry"))
            app = create_app(Settings(), empty, verifier=Verifier(SIGNER.jwks, audience="registry"))
            with running(app, headers=identity("registry")) as registry:
                sent = registry.post(
                    "/v1/imports/hsds?source=elsewhere",
                    content=feed.export,
                    headers={"Content-Type": "application/x-ndjson"},
                )
                assert sent.json()["counts"]["accepted"] == len(feed.services), sent.text
                again = registry.get("/hsds/services?format=ndjson").content
        assert again == feed.export


def test_anyone_reads_it_from_any_page_and_nobody_writes(feed: Feed) -> None:
    answer = feed.client.get("/hsds/services", headers={"Origin": "https://page.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert feed.client.post("/hsds/services", json={}).status_code == 405
    assert feed.client.get("/v1/services").status_code == 401
    described = feed.client.get("/openapi.json").json()["paths"]
    assert described["/hsds/services"]["get"]["security"] == []
