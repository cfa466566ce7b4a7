"""One changed service in a country: the next answer, against reading the whole country anew."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes
from hedgerow_network.domain.caveats import caveats
from hedgerow_network.domain.locality import Question, assess
from hedgerow_network.store.projection import PROJECTION
from hedgerow_network.store.snapshots import Snapshots

from bench.report import Row, timed_once

AREAS, SERVICES, ORGANISATIONS, NEEDS, AUTHORITIES = 33_755, 200_000, 60_000, 30, 300
AT = date(2026, 1, 1)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'network.db'}")
        migrations.upgrade(database, "hedgerow_network")
        country = list(_country())
        _apply(database, country, 0)
        snapshots = Snapshots(database)
        first = timed_once(lambda: _answer(snapshots))
        changed = _service(7, np.random.default_rng(5)) | {"name": "Renamed"}
        seconds = []
        for number in range(5):
            _apply(
                database, [("service", changed["id"], changed | {"capacity": number})], len(country) + number
            )
            seconds.append(timed_once(lambda: _answer(snapshots)))
        database.dispose()
    yield Row(
        "the next answer after one of 200,000 services changed (snapshot, assessment, caveats of a place)",
        f"{min(seconds):.2f} s",
        f"reading the country anew {first:.1f} s",
        f"1/{first / min(seconds):.0f}",
        "<= 1/10",
        min(seconds) <= first / 10,
    )


def _answer(snapshots: Snapshots) -> None:
    found = assess(snapshots.current().facts, Question(locality="E06000007", at=AT))
    assert found.status.size
    caveats(found)


def _apply(database: Database, records: list[tuple[str, str, dict[str, Any]]], after: int) -> None:
    items = tuple(Change(after + n, kind, id, data) for n, (kind, id, data) in enumerate(records, start=1))
    position = after + len(items)
    with database.writing() as session:
        page = Changes(items, position, position)
        PROJECTION.apply(session, page, after=after, heard_at=datetime.now(UTC))


def _country() -> Iterator[tuple[str, str, dict[str, Any]]]:
    chance = np.random.default_rng(1)
    for number in range(AUTHORITIES):
        yield _area(f"E06{number:06d}", "authority", [])
    for number in range(AREAS):
        authority = f"E06{number * AUTHORITIES // AREAS:06d}"
        yield _area(f"E01{number:06d}", "lsoa", [authority])
        row = {"period": "2024", "age_from": 0, "age_to": None, "sex": "all", "count": 1500}
        yield "residents", f"E01{number:06d}", {"area_code": f"E01{number:06d}", "rows": [row]}
    for number in range(NEEDS):
        need = f"t:n{number}"
        yield "need", need, {"id": need, "taxonomy": "t", "term": f"n{number}", "name": need, "parent": None}
    for number in range(ORGANISATIONS):
        id = f"o{number:06d}"
        yield "organisation", id, {"id": id, "name": id, "owner_ids": [], "identifiers": []}
    for number in range(SERVICES):
        made = _service(number, chance)
        yield "service", made["id"], made


def _area(code: str, level: str, parents: list[str]) -> tuple[str, str, dict[str, Any]]:
    found = {"code": code, "name": code, "level": level, "parents": parents, "successors": []}
    return "area", code, found | {"lon": None, "lat": None}


def _service(number: int, chance: np.random.Generator) -> dict[str, Any]:
    width = int(np.exp(chance.uniform(0, np.log(300))))
    start = int(chance.integers(0, AREAS))
    return {
        "id": f"s{number:07d}",
        "name": f"Service {number}",
        "organisation_id": f"o{int(ORGANISATIONS * chance.random() ** 1.6):06d}",
        "status": "active",
        "needs": [f"t:n{int(chance.integers(0, NEEDS))}"],
        "area_codes": sorted(f"E01{(start + step) % AREAS:06d}" for step in range(max(width, 1))),
        "valid_to": "2030-01-01",
    }
