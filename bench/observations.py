"""Observations: a CSV file over HTTP into the database, beside the bare loading of ready rows.

The file is made here: 33,755 areas by 36 KPIs, as wide as a real national index, 1,215,180 rows. The app runs
as a process of its own, on SQLite and on PostgreSQL. The baseline gets the rows ready and sorted, checks
nothing and keeps no history; it runs between the sendings, and the best of each is compared.
"""

import csv
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session

from bench.report import Row
from tests.support import postgres
from tests.support.app_process import AppProcess, app_process
from tests.support.platform import platform

AREAS, KPIS = 33_755, 36
ROWS = AREAS * KPIS
LONG_FACTOR = 4
ROUNDS = 2
_KEYED = (
    "(kpi INTEGER NOT NULL, subject INTEGER NOT NULL, period_start INTEGER NOT NULL, "
    "period_end INTEGER NOT NULL, value DOUBLE PRECISION, status SMALLINT NOT NULL, "
    "learning INTEGER NOT NULL, "
    "PRIMARY KEY (kpi, subject, period_start, period_end))"
)


def rows() -> Iterator[Row]:
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-"))
    server, _, stop = postgres.start()
    try:
        file = folder / "observations.csv"
        _write_file(file, years=range(2025, 2026))
        ready = folder / "ready.csv"
        _write_ready(ready)
        yield from _postgresql(server, folder, file, ready)
        yield from _sqlite(folder, file, ready)
        yield from _memory(server, folder, file)
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


def _values(year: int) -> np.ndarray:
    return np.round(np.random.default_rng(year).normal(20, 8, ROWS), 3)


def _write_file(path: Path, *, years: range) -> None:
    areas = [f"E01{place:06}" for place in range(AREAS)]
    with path.open("w") as file:
        file.write("kpi,subject,period,value\n")
        for year in years:
            values = iter(_values(year).tolist())
            for kpi in range(KPIS):
                head = f"criminal_damage_rate_per_1000_{kpi:02}"
                file.writelines(f"{head},{area},{year},{next(values)}\n" for area in areas)


def _write_ready(path: Path) -> None:
    values = iter(_values(2025).tolist())
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            (kpi, area, 9132, 9496, next(values), 0, 1)
            for kpi in range(1, KPIS + 1)
            for area in range(1, AREAS + 1)
        )


def _postgresql(server: str, folder: Path, file: Path, ready: Path) -> Iterator[Row]:
    content = ready.read_bytes()
    first, again, through, bare, merge = [], [], [], [], 0.0
    with psycopg.connect(server, autocommit=True) as admin:
        for number in range(ROUNDS):
            bare.append(_seconds(lambda: _copy(admin, content)))
            name = f"bench_{number}"
            admin.execute(f"CREATE DATABASE {name}")
            url = str(_named(server, name))
            with app_process("outcomes", url) as app:
                first.append(_send(app, file))
                again.append(_send(app, file))
            if number == 0:
                merge = _merge_rate(url)
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            bare.append(_seconds(lambda: _copy(admin, content)))
            admin.execute(f"CREATE DATABASE {name}")
            through.append(_through_gateway(folder / f"platform_{number}", url, file))
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute("DROP TABLE bare")
    rate, bare_rate = ROWS / min(through), ROWS / min(bare)
    yield Row(
        "observations, CSV through the gateway to PostgreSQL",
        f"{rate:,.0f} rows/s",
        f"psycopg COPY of ready rows, sorted: {bare_rate:,.0f} rows/s",
        f"{rate / bare_rate:.2f} ×",
        ">= 0.35 ×",
        rate / bare_rate >= 0.35,
    )
    yield from _rows_of("PostgreSQL", first, again, bare, "psycopg COPY of ready rows, sorted", 0.35, merge)


def _through_gateway(folder: Path, url: str, file: Path) -> float:
    """The seconds of an import into the whole platform."""
    with platform(folder, "--empty", databases={"outcomes": url}) as whole:
        content = file.read_bytes()
        started = time.perf_counter()
        answer = whole.send("observations", content, define="true")
        taken = time.perf_counter() - started
    if answer.json()["counts"]["accepted"] != ROWS:
        raise RuntimeError(f"the file did not land: {answer.text}")
    return taken


def _sqlite(folder: Path, file: Path, ready: Path) -> Iterator[Row]:
    first, again, bare = [], [], []
    load, named = (
        (_import, "sqlite3 .import of ready rows, sorted")
        if shutil.which("sqlite3")
        else (_executemany, "executemany of ready rows, sorted (no sqlite3 command here)")
    )
    for number in range(ROUNDS):
        bare.append(_seconds(lambda: load(folder, ready)))
        with app_process("outcomes", f"sqlite:///{folder}/bench_{number}.db") as app:
            first.append(_send(app, file))
            again.append(_send(app, file))
        bare.append(_seconds(lambda: load(folder, ready)))
    merge = _merge_rate(f"sqlite:///{folder}/bench_0.db")
    yield from _rows_of("SQLite", first, again, bare, named, 0.5, merge)


def _rows_of(
    database: str,
    first: list[float],
    again: list[float],
    bare: list[float],
    named: str,
    bar: float,
    merge: float,
) -> Iterator[Row]:
    rate, bare_rate, again_rate = ROWS / min(first), ROWS / min(bare), ROWS / min(again)
    yield Row(
        f"observations, CSV over HTTP to {database}",
        f"{rate:,.0f} rows/s",
        f"{named}: {bare_rate:,.0f} rows/s",
        f"{rate / bare_rate:.2f} ×",
        f">= {bar} ×",
        rate / bare_rate >= bar,
    )
    yield Row(
        f"the same, {database}, beside row-by-row ORM merge",
        f"{rate:,.0f} rows/s",
        f"session.merge: {merge:,.0f} rows/s",
        f"{rate / merge:.0f} ×",
        ">= 50 ×" if database == "PostgreSQL" else "–",
        rate / merge >= 50 if database == "PostgreSQL" else None,
    )
    yield Row(
        f"re-sending the same file, {database}",
        f"{again_rate:,.0f} rows/s",
        f"first sending: {rate:,.0f} rows/s",
        f"{again_rate / rate:.2f} ×",
        ">= 1.0 ×",
        again_rate >= rate,
    )


def _memory(server: str, folder: Path, file: Path) -> Iterator[Row]:
    long = folder / "long.csv"
    _write_file(long, years=range(2021, 2021 + LONG_FACTOR))
    files = {"1.2": file, "4.9": long}
    yield _grown(
        "SQLite", {name: (f"sqlite:///{folder}/memory_{name}.db", sent) for name, sent in files.items()}
    )
    with psycopg.connect(server, autocommit=True) as admin:
        named = {name: f"bench_memory_{place}" for place, name in enumerate(files)}
        for database in named.values():
            admin.execute(f"CREATE DATABASE {database}")
        yield _grown(
            "PostgreSQL", {name: (str(_named(server, named[name])), sent) for name, sent in files.items()}
        )
        for database in named.values():
            admin.execute(f"DROP DATABASE {database} WITH (FORCE)")


def _grown(database: str, sendings: dict[str, tuple[str, Path]]) -> Row:
    grown = {}
    for name, (url, sent) in sendings.items():
        with app_process("outcomes", url) as app:
            idle = app.memory_mb("VmRSS")
            _send(app, sent)
            grown[name] = app.memory_mb("VmHWM") - idle
    most = max(grown.values())
    return Row(
        f"memory while taking in 1.2 M and 4.9 M rows, {database}",
        f"+{grown['1.2']:.0f} MB and +{grown['4.9']:.0f} MB",
        "idle app",
        f"{grown['4.9'] / grown['1.2']:.2f} ×",
        "<= 200 MB, the same for both",
        most <= 200 and grown["4.9"] <= 1.25 * grown["1.2"],
    )


def _send(app: AppProcess, file: Path) -> float:
    """The seconds of an import of which every row landed."""
    started = time.perf_counter()
    counts = app.send("observations", file, define="true")["counts"]
    taken = time.perf_counter() - started
    if counts["quarantined"] or not counts["accepted"] + counts["unchanged"]:
        raise RuntimeError(f"the file did not land: {counts}")
    return taken


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _named(server: str, database: str) -> str:
    return make_url(server).set(database=database).render_as_string(hide_password=False)


def _copy(connection: "psycopg.Connection[Any]", content: bytes) -> None:
    connection.execute("DROP TABLE IF EXISTS bare")
    connection.execute(f"CREATE TABLE bare {_KEYED}")
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY bare FROM STDIN (FORMAT CSV)") as copy,
    ):
        for start in range(0, len(content), 1 << 18):
            copy.write(content[start : start + (1 << 18)])


def _import(folder: Path, ready: Path) -> None:
    path = _bare_sqlite(folder)
    script = f"PRAGMA synchronous=FULL;\n.mode csv\n.import {ready} bare\n"
    subprocess.run(["sqlite3", str(path)], input=script, text=True, check=True, capture_output=True)


def _executemany(folder: Path, ready: Path) -> None:
    connection = sqlite3.connect(_bare_sqlite(folder))
    with connection, ready.open(newline="") as file:
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?)", csv.reader(file))
    connection.close()


def _bare_sqlite(folder: Path) -> Path:
    path = folder / "bare.db"
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"CREATE TABLE bare {_KEYED} WITHOUT ROWID")
    connection.close()
    return path


def _merge_rate(url: str, *, count: int = 3_000) -> float:
    """Rows a second of `session.merge`, on new rows beside those that are there."""
    from hedgerow_outcomes.tables import DAY_ZERO, Observation

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session:
        session.execute(text("SELECT 1"))
        started = time.perf_counter()
        for subject in range(count):
            session.merge(
                Observation(
                    kpi=KPIS + 1,
                    subject=subject,
                    period_start=DAY_ZERO,
                    period_end=DAY_ZERO,
                    value=1.0,
                    status=0,
                    learning=1,
                )
            )
        session.commit()
        taken = time.perf_counter() - started
    engine.dispose()
    return count / taken
