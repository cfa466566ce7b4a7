"""Paging: page 10,000 of a list of a million services, beside page 1, through the app's own route.

The services are made in the database by a few statements and have two needs and an area each. Both pages are
asked for in turn, so that whatever else the machine does falls on both alike; the medians are compared.
"""

import json
import statistics
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

from hedgerow_kit import migrations
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from sqlalchemy import create_engine, make_url, text

from bench.report import Row
from tests.support import postgres
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity

SERVICES = 1_000_000
PAGE = 50
FAR_PAGE = 10_000
ROUNDS = 40
BAR = 1.5

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :services)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(0, :services - 1))",
}
_ID = {
    "sqlite": "printf('%08x-0000-5000-8000-000000000000', i * 4001)",
    "postgresql": "lpad(to_hex(i::bigint * 4001), 8, '0') || '-0000-5000-8000-000000000000'",
}


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        yield _paging(f"sqlite:///{Path(folder) / 'registry.db'}")
    server, _, stop = postgres.start()
    try:
        admin = create_engine(
            make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE bench_registry"))
        url = make_url(server).set(database="bench_registry").render_as_string(hide_password=False)
        yield _paging(url)
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE bench_registry WITH (FORCE)"))
        admin.dispose()
    finally:
        stop()


def _paging(url: str) -> Row:
    database = Database(url)
    migrations.upgrade(database, "hedgerow_registry")
    _fill(database)
    app = create_app(Settings(), database, verifier=Verifier(SIGNER.jwks, audience="registry"))
    with running(app, headers=identity("registry")) as client:
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
        path=f"list page {FAR_PAGE:,} of {SERVICES:,} services ({database.dialect})",
        figure=f"{far_s * 1000:.1f} ms",
        baseline=f"page 1: {near_s * 1000:.1f} ms",
        ratio=f"{ratio:.2f} ×",
        bar=f"<= {BAR} ×",
        reached=ratio <= BAR,
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
    numbers, id = _NUMBERS[database.dialect], _ID[database.dialect]
    with database.writing() as session:
        session.execute(
            text("INSERT INTO sources (name, created_at) VALUES ('bench', '2026-01-01 00:00:00')")
        )
        for statement in (
            "INSERT INTO services (id, source_id, name, name_key, status, source, updated_at, digest) "
            f"{numbers} SELECT {id}, CAST(i AS TEXT), 'Service ' || CAST(i AS TEXT), "
            "'service ' || CAST(i AS TEXT), 'active', 'bench', '2026-01-01 00:00:00', '0' FROM n",
            f"INSERT INTO service_needs (service_id, need_id) {numbers} SELECT {id}, 't:a' FROM n",
            f"INSERT INTO service_needs (service_id, need_id) {numbers} SELECT {id}, 't:b' FROM n",
            f"INSERT INTO service_areas (service_id, area_code) {numbers} SELECT {id}, 'E06999001' FROM n",
        ):
            session.execute(text(statement), {"services": SERVICES})
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
