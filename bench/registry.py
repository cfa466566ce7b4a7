"""A million services through the app's own routes: page 10,000 beside page 1, searches beside one by its id.

The services have words of very different frequency, two needs, an area, a site, and every fourth a schedule.
What is compared is asked for in turn, so that whatever else the machine does falls on all alike; medians are
compared.
"""

import json
import os
import random
import statistics
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hedgerow_kit import migrations
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database, upsert
from hedgerow_registry import tables
from hedgerow_registry.actions import indexing
from hedgerow_registry.domain.openings import openings as opening_times
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from sqlalchemy import create_engine, insert, make_url, text
from sqlalchemy.orm import Session

from bench.report import Row
from tests.support import postgres
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity

SERVICES = int(os.environ.get("HEDGEROW_BENCH_SERVICES", "1000000"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TODAY = datetime.now(UTC).date()
PAGE = 50
FAR_PAGE = SERVICES // 100
ROUNDS = 40
BAR = 1.5

SEARCH_BAR = 5.0
SEARCH_ROUNDS = 5
BATCH = 10_000
AREAS = 300
NEEDS = 30
ORGANISATIONS = 20_000
_AGES = ("minimum_age", "maximum_age")
# Whom services are for; a child of three is let in by some of those without a lower bound alone.
AGES = [(16.0, None)] * 100 + [(18.0, None)] * 100 + [(16.0, 25.0)] * 40 + [(None, None)] * 3 + [(0.0, 4.0)]
COMMON = [
    "food",
    "advice",
    "support",
    "family",
    "children",
    "young",
    "older",
    "carers",
    "mental",
    "health",
    "wellbeing",
    "group",
    "community",
    "centre",
    "club",
    "transport",
    "exercise",
    "walking",
    "dance",
    "arts",
    "lunch",
    "recovery",
    "alcohol",
    "counselling",
    "therapy",
    "autism",
    "dementia",
    "english",
    "learning",
    "employment",
    "training",
    "volunteering",
    "repair",
    "garden",
    "nature",
    "school",
    "nursery",
    "toddlers",
    "women",
    "men",
    "refugees",
    "legal",
    "benefits",
    "energy",
    "library",
    "digital",
    "clinic",
    "pharmacy",
    "dentist",
    "hearing",
    "sight",
    "stroke",
    "cancer",
    "heart",
    "diabetes",
    "sleep",
    "smoking",
    "birth",
]
RARE = [
    f"{a}{b}"
    for a in ["zan", "quo", "vel", "tri", "mor", "kes"]
    for b in ["dle", "ffin", "ster", "wick", "bury", "thorpe"]
]


def _organisation(number: int) -> str:
    return f"{number * 7919:08x}-0000-5000-8000-000000000002"


# Rare words and very common ones, beginnings, phrases, and words together with areas, needs and places.
QUERIES: tuple[dict[str, str], ...] = (
    *(
        {"text": word}
        for word in ("food", "advice", "older", "cancer", "birth", "zandle", "quoffin", "morthorpe")
    ),
    *({"text": text} for text in ("foo", "vol", "zan", "food advice", "older carers club", "kesbury food")),
    *({"text": text} for text in ('"mental health"', '"food advice"', '"zandle club"', "birth sleep heart")),
    *({"text": word, "area": "E06000007"} for word in ("food", "cancer", "zandle")),
    *({"text": word, "need": "t:n3"} for word in ("food", "cancer", "zandle")),
    *({"text": "food", "area": "E06000007", "need": need} for need in ("t:n3", "t:n0")),
    *({"postcode": "M1 1AA", "within_km": km} for km in ("1", "5", "25", "100")),
    *({"text": word, "postcode": "M1 1AA", "within_km": "10"} for word in ("food", "cancer", "zandle")),
    {"area": "E06000007"},
    {"area": "E12000001"},
    {"need": "t:n0"},
    {"open_at": "2026-11-23T10:00"},
    {"open_at": "2026-11-22T03:00"},
    {"text": "food", "open_at": "2026-11-23T10:00", "age": "30"},
    {"text": "advice", "eligible": "carers"},
    {"text": "food", "order": "relevance"},
    *({"text": word, "postcode": "M1 1AA", "within_km": "1"} for word in ("food", "cancer", "zandle")),
    *({"text": word, "postcode": "M1 1AA", "within_km": "25"} for word in ("food", "cancer", "zandle")),
    *({"text": "birth sleep heart", "postcode": "M1 1AA", "within_km": km} for km in ("1", "10", "25")),
    {"need": "t:n3", "postcode": "M1 1AA", "within_km": "10"},
    {"text": "cancer", "age": "30", "postcode": "M1 1AA", "within_km": "5"},
    {"text": "cancer", "area": "E06000007", "postcode": "M1 1AA", "within_km": "10"},
    {"text": '"mental health"', "postcode": "M1 1AA", "within_km": "10"},
    *({"age": age} for age in ("3", "40")),
    {"age": "3", "text": "zandle"},
    *({"eligible": words} for words in ("food", "birth", "zandle", "older birth")),
    {"eligible": "birth", "open_at": "2026-11-23T10:00", "area": "E06000007"},
    *({"organisation": _organisation(number)} for number in (3, 19_990)),
    *({"owner": _organisation(number)} for number in (2, 3)),
    {"owner": _organisation(2), "text": "food"},
    {"owner": _organisation(2), "text": "zandle"},
    *({"fresher_than": days} for days in ("1", "7", "200", "2000")),
    *({"staler_than": days} for days in ("0", "1000", "1455")),
    {"fresher_than": "200", "staler_than": "190"},
    *({"assured": said} for said in ("true", "false")),
    {"fresher_than": "7", "text": "zandle"},
    {"fresher_than": "7", "need": "t:n3", "area": "E06000007"},
    {"fresher_than": "200", "open_at": "2026-11-22T03:00"},
    {"status": "defunct"},
    {"status": "defunct", "text": "zandle"},
    {"need": "t:n1", "area": "E12000001", "text": "cancer"},
    {"open_at": "2026-11-22T03:00", "postcode": "M1 1AA", "within_km": "10"},
    {"open_at": "2026-11-23T10:00", "postcode": "M1 1AA", "within_km": "25", "need": "t:n5", "age": "20"},
)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        yield from _measured(f"sqlite:///{Path(folder) / 'registry.db'}")
    server, _, stop = postgres.start()
    try:
        admin = create_engine(
            make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE bench_registry"))
        url = make_url(server).set(database="bench_registry").render_as_string(hide_password=False)
        yield from _measured(url)
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE bench_registry WITH (FORCE)"))
        admin.dispose()
    finally:
        stop()


def _measured(url: str) -> Iterator[Row]:
    database = Database(url)
    migrations.upgrade(database, "hedgerow_registry")
    _fill(database)
    indexing.fill(database)
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("VACUUM ANALYZE" if database.dialect == "postgresql" else "ANALYZE"))
    chosen = Settings(matching_seconds=0, pulls=False)
    app = create_app(chosen, database, verifier=Verifier(SIGNER.jwks, audience="registry"))
    with running(app, headers=identity("registry")) as client:
        yield _paging(client, database.dialect)
        yield from _searching(client, database.dialect)


def _paging(client: Client, dialect: str) -> Row:
    far = _marker(_id_of((FAR_PAGE - 1) * PAGE - 1))
    first_ids, far_ids = _ids(client, None), _ids(client, far)
    assert first_ids[0] == _id_of(0)
    assert far_ids[0] == _id_of((FAR_PAGE - 1) * PAGE)
    times: dict[str | None, list[float]] = {None: [], far: []}
    for _ in range(ROUNDS):
        for after, taken in times.items():
            started = time.perf_counter()
            _ids(client, after)
            taken.append(time.perf_counter() - started)
    near_s, far_s = statistics.median(times[None]), statistics.median(times[far])
    ratio = far_s / near_s
    return Row(
        path=f"list page {FAR_PAGE:,} of {SERVICES:,} services ({dialect})",
        figure=f"{far_s * 1000:.1f} ms",
        baseline=f"page 1: {near_s * 1000:.1f} ms",
        ratio=f"{ratio:.2f} ×",
        bar=f"<= {BAR} ×",
        reached=ratio <= BAR,
    )


def _searching(client: Client, dialect: str) -> Iterator[Row]:
    """Each question beside a reading by id, a page of 50 each; of both the shortest of some rounds."""
    exact: list[list[float]] = [[] for _ in QUERIES]
    taken: list[list[float]] = [[] for _ in QUERIES]
    for turn in range(SEARCH_ROUNDS + 1):
        for number, params in enumerate(QUERIES):
            started = time.perf_counter()
            answer = client.get("/v1/services", params=params)
            between = time.perf_counter()
            assert answer.status_code == 200, answer.text
            one = client.get(f"/v1/services/{_id_of(SERVICES * (number + 1) // (len(QUERIES) + 2))}")
            ended = time.perf_counter()
            assert one.status_code == 200
            # The first round fills the caches of the database.
            if turn:
                taken[number].append(between - started)
                exact[number].append(ended - between)
    by_id = statistics.median(map(min, exact))
    shortest = {number: min(times) for number, times in enumerate(taken)}
    beyond = sorted(
        (number for number in shortest if shortest[number] > SEARCH_BAR * by_id),
        key=lambda number: -shortest[number],
    )
    middle, slowest = statistics.median(shortest.values()), max(shortest.values())
    yield Row(
        path=f"search among {SERVICES:,} services: {len(QUERIES)} questions ({dialect})",
        figure=f"{middle * 1000:.1f} ms (median), {slowest * 1000:.1f} ms (the slowest)",
        baseline=f"one by id: {by_id * 1000:.1f} ms",
        ratio=f"{middle / by_id:.1f} × ({slowest / by_id:.1f} × the slowest)",
        bar=f"<= {SEARCH_BAR:.0f} ×",
        reached=not beyond,
    )
    for number in beyond:
        yield Row(
            path=f"… beyond the bar: {QUERIES[number]} ({dialect})",
            figure=f"{shortest[number] * 1000:.1f} ms",
            baseline=f"one by id: {by_id * 1000:.1f} ms",
            ratio=f"{shortest[number] / by_id:.1f} ×",
            bar=f"<= {SEARCH_BAR:.0f} ×",
            reached=False,
        )


def _id_of(number: int) -> str:
    return f"{number * 4001:08x}-0000-5000-8000-000000000000"


def _marker(id: str) -> str:
    return urlsafe_b64encode(json.dumps([id], separators=(",", ":")).encode()).decode().rstrip("=")


def _ids(client: Client, after: str | None) -> list[str]:
    params = {"limit": str(PAGE)} | ({} if after is None else {"after": after})
    answer = client.get("/v1/services", params=params)
    assert answer.status_code == 200, answer.text
    found = [item["id"] for item in answer.json()["items"]]
    assert len(found) == PAGE
    return found


def _fill(database: Database) -> None:
    """Rows straight into the tables; the index is made of them afterwards, as after an update of the app."""
    chance = random.Random(7)
    stamp = {
        "source": "bench",
        "updated_at": NOW,
        "digest": "0",
        "first_import_id": None,
        "last_import_id": None,
    }
    with database.writing() as session:
        session.execute(insert(tables.Source).values(name="bench", created_at=NOW))
        places = [
            ("E12000001", "Region", "region"),
            *((_area(n), f"Place {n}", "authority") for n in range(AREAS)),
        ]
        session.execute(
            insert(tables.Area),
            [
                {
                    "code": code,
                    "name": name,
                    "name_key": name.lower(),
                    "level": level,
                    "vintage": 2024,
                    **stamp,
                }
                for code, name, level in places
            ],
        )
        session.execute(
            insert(tables.AreaParent), [{"code": _area(n), "parent_code": "E12000001"} for n in range(AREAS)]
        )
        for number in range(NEEDS):
            need = {
                "id": f"t:n{number}",
                "taxonomy": "t",
                "term": f"n{number}",
                "feed_id": f"{number}",
                **stamp,
            }
            parent = f"t:n{number // 3}" if number else None
            session.execute(
                insert(tables.Need).values(name=f"{COMMON[number]} need", parent_id=parent, **need)
            )
        session.execute(insert(tables.Postcode).values(postcode="M1 1AA", lon=-2.23, lat=53.48, **stamp))
        _organisations(session, stamp)
    for start in range(0, SERVICES, BATCH):
        with database.writing() as session:
            _batch(session, range(start, start + BATCH), chance, stamp)


def _batch(session: Session, numbers: range, chance: random.Random, stamp: dict[str, Any]) -> None:
    services, needs, areas, sites, openings = [], [], [], [], []
    for number in numbers:
        id, name = _id_of(number), _words(chance, 3).title()
        document: dict[str, Any] | None = None
        if number % 4 == 0:
            nights = number % 2000 == 0
            span = (
                {"opens_at": "22:00", "closes_at": "04:00"}
                if nights
                else {"opens_at": "09:00", "closes_at": "17:00"}
            )
            byday = "SA,SU" if nights else "MO,TU,WE,TH,FR"
            document = {
                "schedules": [{"freq": "WEEKLY", "byday": byday, **span}],
                "eligibility_description": _words(chance, 4),
            }
            openings += [
                {"service_id": id, "number": place, **one._asdict()}
                for place, one in enumerate(opening_times(document))
            ]
        services.append(
            {
                "id": id, "source_id": str(number), "name": name, "name_key": name.lower(),
                "organisation_id": _organisation(int(chance.triangular(0, ORGANISATIONS, 0))),
                "status": "defunct" if number % 1000 == 7 else "active", "description": _words(chance, 30),
                "assured_on": _assured(chance), **dict(zip(_AGES, chance.choice(AGES), strict=True)),
                "document": document, **stamp,
            }
        )  # fmt: skip
        needs += [{"service_id": id, "need_id": f"t:n{n}"} for n in chance.sample(range(NEEDS), 2)]
        areas.append({"service_id": id, "area_code": _area(int(chance.triangular(0, AREAS, 0)))})
        lon, lat = round(chance.gauss(-1.8, 0.8), 5), round(chance.gauss(52.6, 1.0), 5)
        sites.append(
            {"id": id[:-1] + "1", "service_id": id, "name": f"{name} Hall", "lon": lon, "lat": lat, **stamp}
        )
    for table, made in (
        (tables.Service, services),
        (tables.ServiceNeed, needs),
        (tables.ServiceArea, areas),
        (tables.Site, sites),
        (tables.ServiceOpening, openings),
    ):
        key = [column.name for column in table.__table__.primary_key]
        upsert(session, table, made, key=key, update=[])


def _organisations(session: Session, stamp: dict[str, Any]) -> None:
    """Providers; one owns six hundred others, one five, one none."""
    chance = random.Random(11)
    made = [
        {
            "id": _organisation(number),
            "name": (name := _words(chance, 2).title()),
            "name_key": name.lower(),
            "status": "active",
            **stamp,
        }
        for number in range(ORGANISATIONS)
    ]
    upsert(session, tables.Organisation, made, key=["id"], update=[])
    owned = [(number, 1) for number in range(1000, 1600)] + [(number, 2) for number in range(2000, 2005)]
    session.execute(
        insert(tables.OrganisationOwner),
        [
            {"organisation_id": _organisation(number), "owner_id": _organisation(owner)}
            for number, owner in owned
        ],
    )


def _assured(chance: random.Random) -> date | None:
    """Of two of three a day within four years, of one in a hundred within the last three weeks."""
    drawn = chance.random()
    if drawn < 0.01:
        return TODAY - timedelta(days=chance.randrange(21))
    return TODAY - timedelta(days=chance.randrange(30, 1460)) if drawn < 0.67 else None


def _area(number: int) -> str:
    return f"E06{number:06d}"


def _words(chance: random.Random, number: int) -> str:
    """Words of which the first come ten times as often as the last, and now and then a rare one."""
    return " ".join(
        chance.choice(RARE)
        if chance.random() < 0.002
        else COMMON[min(int(chance.expovariate(1 / 15)), len(COMMON) - 1)]
        for _ in range(number)
    )
