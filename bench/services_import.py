"""Importing nested services (HSDS 3.1, NDJSON) through the app, beside a bulk insert of the rows it makes.

The services are made up, each with an organisation, a place with its address, schedules, terms, telephones,
an area and a price. The baseline inserts what the import has written, table after table and sorted, by the
bulk insert of SQLAlchemy: no reading, no checks, no receipts, no change feed. What is indexed for the search
is among the rows: a column with its index on PostgreSQL, full-text tables on SQLite. Flat services (CSV) are
measured beside it, against the rows that they make. SQLite works within the process, so its figures are
processor time, which other work on the machine does not lengthen; PostgreSQL's are times on the clock.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from hedgerow_kit import migrations
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.serving import settle_memory
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from hedgerow_registry.store import search
from hedgerow_registry.tables import Base
from sqlalchemy import (
    ColumnElement,
    TableClause,
    column,
    create_engine,
    insert,
    make_url,
    select,
    table,
    text,
)

from bench.report import Row
from tests.support import postgres
from tests.support.http import running
from tests.support.identity import SIGNER, identity

SERVICES = int(os.environ.get("HEDGEROW_BENCH_SERVICES", "100000"))
SERVICES_AN_ORGANISATION = 4
INSERTED_AT_ONCE = 20_000
BAR = 0.25
# What the machinery of every import writes: the baseline has no use for it.
_APART = frozenset(
    (
        *("imports", "receipts", "changes", "change_clock", "feed_epoch", "alembic_version"),
        *("audit_entries", "audit_changes", "audit_head"),
    )
)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        files = {
            "nested services, NDJSON": (_nested(Path(folder)), "hsds", "application/x-ndjson"),
            "flat services, CSV": (_flat(Path(folder)), "services", "text/csv"),
        }
        for name, file in files.items():
            urls = (f"sqlite:///{Path(folder) / f'{file[1]}-{run}.db'}" for run in range(2))
            yield _measured(name, *file, *urls)
        server, _, stop = postgres.start()
        try:
            for name, file in files.items():
                yield _measured(name, *file, *(_created(server, f"{file[1]}_{run}") for run in range(2)))
        finally:
            stop()


def _created(server: str, name: str) -> str:
    admin = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE bench_{name}"))
    admin.dispose()
    return make_url(server).set(database=f"bench_{name}").render_as_string(hide_password=False)


def _measured(name: str, file: Path, kind: str, media_type: str, url: str, empty_url: str) -> Row:
    filled = Database(url)
    migrations.upgrade(filled, "hedgerow_registry")
    # The search for duplicates goes on beside imports, and is no part of one.
    settings = Settings(matching_seconds=0, pulls=False)
    app = create_app(settings, filled, verifier=Verifier(SIGNER.jwks, audience="registry"))
    clock = _clock(filled)
    with running(app, headers=identity("registry")) as client:
        settle_memory()
        started = clock()
        answer = client.request(
            "POST",
            f"/v1/imports/{kind}",
            content=file.read_bytes(),
            params={"source": "bench"},
            headers={"Content-Type": media_type},
            timeout=3600,
        )
        import_s = clock() - started
        assert answer.json()["counts"]["accepted"] == SERVICES, answer.text[:500]
    filled = Database(url)
    insert_s = _bulk_insert(filled, empty_url)
    ratio = insert_s / import_s
    return Row(
        path=f"{SERVICES:,} {name} ({filled.dialect})",
        figure=f"{import_s:.1f} s, {SERVICES / import_s:,.0f} services/s",
        baseline=f"bulk insert of the same rows: {insert_s:.1f} s",
        ratio=f"{ratio:.2f} ×",
        bar=f">= {BAR} ×",
        reached=ratio >= BAR,
    )


def _clock(database: Database) -> Callable[[], float]:
    return time.process_time if database.dialect == "sqlite" else time.perf_counter


def _bulk_insert(filled: Database, empty_url: str) -> float:
    """Seconds to insert all rows of a database into an empty one, batch by batch."""
    empty = Database(empty_url)
    migrations.upgrade(empty, "hedgerow_registry")
    clock, taken = _clock(empty), 0.0
    for rows_of, order in _tables(filled):
        with filled.reading() as session:
            found = session.execute(select(rows_of).order_by(*order), execution_options={"yield_per": 5000})
            for piece in found.mappings().partitions(INSERTED_AT_ONCE):
                batch: list[dict[str, Any]] = [dict(row) for row in piece]
                started = clock()
                with empty.writing() as writing:
                    writing.execute(insert(rows_of), batch)
                taken += clock() - started
    empty.dispose()
    filled.dispose()
    return taken


def _tables(filled: Database) -> Iterator[tuple[TableClause, Sequence[ColumnElement[Any]]]]:
    """What the import fills, each with its order."""
    for one in Base.metadata.sorted_tables:
        if one.name not in _APART:
            yield one, list(one.primary_key.columns)
    if filled.dialect == "sqlite":
        for index in (search.SERVICES, search.ORGANISATIONS, search.SITES, search.NEEDS):
            words = table(index.words, *map(column, ("rowid", "name", "body", "tags")))
            yield words, [words.c.rowid]
        known = table("words_known", column("word"))
        yield known, [known.c.word]


def _uuid(kind: int, number: int) -> str:
    # Spread as random ids are.
    return f"{(number * 2_654_435_761) % 2**32:08x}-{kind:04x}-4000-8000-{number:012x}"


def _nested(folder: Path) -> Path:
    path = folder / "services.ndjson"
    with path.open("wb") as file:
        for number in range(SERVICES):
            file.write(orjson.dumps(_service(number)) + b"\n")
    return path


def _service(number: int) -> dict[str, Any]:
    own, body = _uuid(1, number), number // SERVICES_AN_ORGANISATION
    return {
        "id": own,
        "name": f"Community lunch {number}",
        "description": f"Hot meals & company for older people, number {number}. Book by Tuesday.",
        "url": f"https://provider-{body}.example/lunch/{number}",
        "email": "info@provider.example",
        "status": "active",
        "minimum_age": 55,
        "maximum_age": 110,
        "assured_date": "2026-05-01",
        "organization": {
            "id": _uuid(2, body),
            "name": f"Provider {body}",
            "description": "A charity that cooks.",
            "website": f"https://provider-{body}.example",
            "organization_identifiers": [
                {"id": _uuid(3, body), "identifier_type": "GB-CHC", "identifier": f"{200000 + body}"}
            ],
        },
        "phones": [{"id": _uuid(4, number), "number": "01632 960001"}],
        "cost_options": [{"id": _uuid(5, number), "option": "Per meal", "amount": 4.5, "currency": "GBP"}],
        "service_areas": [{"id": _uuid(6, number), "name": "Ward", "extent": f"E05{number % 900:06}"}],
        "languages": [{"id": _uuid(7, number), "name": "English", "code": "en"}],
        "schedules": [
            {
                "id": _uuid(8 + day, number),
                "freq": "WEEKLY",
                "byday": code,
                "opens_at": "11:30",
                "closes_at": "14:00",
            }
            for day, code in enumerate(("TU", "TH"))
        ],
        "service_at_locations": [
            {
                "id": _uuid(10, number),
                "location": {
                    "id": _uuid(11, number),
                    "location_type": "physical",
                    "name": f"Hall {number}",
                    "latitude": 53 + number % 1000 / 1000,
                    "longitude": -2 + number % 777 / 1000,
                    "addresses": [
                        {
                            "id": _uuid(12, number),
                            "address_1": f"{number % 200} Market Street",
                            "city": "Town",
                            "state_province": "County",
                            "postal_code": f"M{number % 90 + 1} {number % 9 + 1}AB",
                            "country": "GB",
                            "address_type": "physical",
                        }
                    ],
                },
            }
        ],
        "attributes": [
            {
                "id": _uuid(13 + place, number),
                "link_entity": "service",
                "taxonomy_term": {
                    "id": _uuid(15, term),
                    "code": f"need-{term}",
                    "name": f"Need {term}",
                    "taxonomy": "bench",
                },
            }
            for place, term in enumerate((number % 40, 40 + number % 7))
        ],
    }


def _flat(folder: Path) -> Path:
    path = folder / "services.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(
            "id,name,organisation_name,needs,area_codes,status,description,url,address,postcode,lon,lat\n"
        )
        for number in range(SERVICES):
            file.write(
                f"{number},Community lunch {number},Provider {number // SERVICES_AN_ORGANISATION},"
                f"bench:need-{number % 40};bench:other-{number % 7},E05{number % 900:06},active,"
                f"Hot meals for older people,https://provider.example/{number},{number % 200} Market Street,"
                f"M{number % 90 + 1} {number % 9 + 1}AB,"
                f"{-2 + number % 777 / 1000},{53 + number % 1000 / 1000}\n"
            )
    return path
