import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from tests.outcomes.sending import send
from tests.support import apps
from tests.support.app_process import AppProcess, app_process
from tests.support.databases import Databases
from tests.support.http import running
from tests.support.identity import identity

BATCH = 50
LANDED = "SELECT count(*) FROM learnings"


def _file(path: Path, areas: int) -> Path:
    draw = random.Random(7)
    lines = [
        f"kpi_{kpi:02},E0{1000000 + area:07},{year},{draw.random():.6f}\n"
        for kpi in range(20)
        for area in range(areas)
        for year in range(2019, 2023)
    ]
    draw.shuffle(lines)
    path.write_text("kpi,subject,period,value\n" + "".join(lines))
    return path


def _table(engine: Engine) -> list[tuple[object, ...]]:
    query = (
        "SELECT k.id, s.text, o.period_start, o.period_end, o.value, o.status FROM observations o "
        "JOIN kpis k ON k.number = o.kpi JOIN subjects s ON s.number = o.subject ORDER BY 1, 2, 3, 4"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def _number(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def _engine(url: str) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def _kill_after(app: AppProcess, engine: Engine, learnings: int) -> None:
    """Kill the app as soon as so many batches have landed."""
    while app.process.poll() is None and _number(engine, LANDED) < learnings:
        time.sleep(0.002)
    app.process.kill()


@pytest.mark.parametrize(("kills", "areas"), [(10, 50), pytest.param(50, 250, marks=pytest.mark.slow)])
def test_an_import_killed_many_times_and_sent_again_ends_like_one_clean_import(
    made_databases: Databases, tmp_path: Path, kills: int, areas: int
) -> None:
    file, rows = _file(tmp_path / "observations.csv", areas), 20 * areas * 4
    url = made_databases.migrated("hedgerow_outcomes")
    engine = _engine(url)
    for _ in range(kills):
        with app_process("outcomes", url, batch_rows=BATCH) as app:
            killer = threading.Thread(target=_kill_after, args=(app, engine, _number(engine, LANDED) + 3))
            killer.start()
            with suppress(httpx.TransportError):
                app.send("observations", file, define="true")
                raise AssertionError("the import ended before it was killed")
            killer.join()
    landed = len(_table(engine))
    assert BATCH * kills < landed < rows
    with app_process("outcomes", url, batch_rows=BATCH) as app:
        done = app.send("observations", file, define="true")
        assert done["counts"]["accepted"] == rows - landed
        assert done["counts"]["unchanged"] == landed
        imports = app.get("/v1/imports", limit=1000)["items"]
    # What each import says it had taken in is what it had taken in, though it was never ended.
    assert [item["status"] == "completed" for item in imports] == [False] * kills + [True]
    assert sum(item["counts"]["accepted"] for item in imports) == rows

    clean_url = made_databases.migrated("hedgerow_outcomes")
    with running(apps.made("outcomes", clean_url), headers=identity("outcomes")) as client:
        send(client, "observations", file.read_bytes(), define="true")
    clean = _engine(clean_url)
    assert _table(engine) == _table(clean)
    assert _number(engine, "SELECT count(*) FROM superseded_observations") == 0
    assert _number(engine, "SELECT count(*) FROM kpis") == 20
    engine.dispose()
    clean.dispose()
