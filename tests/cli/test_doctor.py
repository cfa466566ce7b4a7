"""What `hedgerow doctor` finds in the databases and in the platform."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.command import hedgerow
from tests.support.databases import Databases, on_postgresql, on_sqlite
from tests.support.platform import platform

APPS = ("registry", "network", "outcomes", "gateway")


def found(data_dir: Path, **environment: str) -> dict[str, tuple[str, str]]:
    """State and words of each check of a platform that does not run."""
    data_dir.mkdir(exist_ok=True)
    said = hedgerow("doctor", "--data-dir", data_dir, "--json", **environment)
    return {one["check"]: (one["state"], one["said"]) for one in json.loads(said.out)}


@on_postgresql
def test_on_postgresql_it_looks_at_reach_schema_role_and_policies(
    made_databases: Databases, tmp_path: Path
) -> None:
    owner = made_databases.owned()
    environment = {
        "HEDGEROW_REGISTRY_DATABASE_URL": made_databases.migrated("hedgerow_registry"),
        "HEDGEROW_NETWORK_DATABASE_URL": made_databases.as_app(made_databases.migrated("hedgerow_network")),
        "HEDGEROW_OUTCOMES_DATABASE_URL": owner,
        "HEDGEROW_GATEWAY_DATABASE_URL": "postgresql://nobody:opensesame@127.0.0.1:9/nothing",
    }
    told = found(tmp_path / "var", **environment)
    assert told["database of registry"][0] == "ok", told
    state, said = told["role of registry"]
    assert (state, "is exempt from row-level security" in said) == ("wrong", True)
    assert told["role of network"][0] == "ok"
    assert told["schema of network"][0] == "ok"
    assert told["schema of outcomes"] == (
        "note",
        "no tables yet: `hedgerow up`, or the app's `migrate`, makes them.",
    )
    state, said = told["database of gateway"]
    assert (state, "HEDGEROW_GATEWAY_DATABASE_URL right?" in said) == ("wrong", True)
    assert "opensesame" not in json.dumps(told)
    assert not [check for check in told if check.startswith("row-level")]
    with psycopg.connect(environment["HEDGEROW_REGISTRY_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("ALTER TABLE imports NO FORCE ROW LEVEL SECURITY")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    told = found(tmp_path / "var", **environment)
    assert told["row-level security of registry"][0] == "wrong"
    assert "not forced on imports: " in told["row-level security of registry"][1]
    assert told["schema of registry"][0] == "note"
    assert told["schema of registry"][1].startswith("0001, and this version has ")
    assert told["schema of outcomes"][0] == "wrong"
    assert told["role of outcomes"][0] == "note"
    assert "HEDGEROW_OUTCOMES_MIGRATION_DATABASE_URL" in told["role of outcomes"][1]


@on_sqlite
def test_in_files_it_looks_at_schema_room_and_a_restore_that_broke_off(
    made_databases: Databases, tmp_path: Path
) -> None:
    data_dir = tmp_path / "var"
    for app in APPS:
        file = data_dir / app / f"{app}.db"
        file.parent.mkdir(parents=True)
        shutil.copy(made_databases.migrated(f"hedgerow_{app}").removeprefix("sqlite:///"), file)
    told = found(data_dir)
    assert {told[f"schema of {app}"][0] for app in APPS} == {"ok"}
    assert "GB free" in told["disk"][1]
    assert "restore" not in told
    (data_dir / "restoring.json").write_text('{"source": "/backups/b"}')
    told = found(data_dir)
    assert told["restore"][0] == "wrong"
    assert "hedgerow restore /backups/b --force" in told["restore"][1]


@on_sqlite
def test_of_a_running_platform_it_tells_what_hangs_lags_and_fails(
    made_databases: Databases, tmp_path: Path
) -> None:
    data_dir = tmp_path / "var"
    with platform(data_dir, "--empty") as up:
        sent = up.send("areas", "code,name,level,parent_code,vintage\nE06999001,Town,authority,,2025\n")
        assert sent.status_code == 200
        up.wait_for_network()

        def look() -> dict[str, Any]:
            return {one["check"]: one for one in json.loads(up.command("doctor", "--json").stdout)}

        told = look()
        for check in ("imports", "following", "webhooks", "retention"):
            assert told[check]["state"] == "ok", told[check]
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(data_dir / "registry" / "registry.db", timeout=30)) as connection:
            connection.execute(
                "UPDATE imports SET status = 'running', touched_at = '2026-01-01 00:00:00.000000'"
            )
            connection.execute(
                "INSERT INTO answers_kept VALUES ('a', 'b', x'00', '2026-01-01 00:00:00.000000')"
            )
            connection.commit()
        told = look()
        assert told["retention"]["state"] == "wrong"
        assert "registry still holds answers" in told["retention"]["said"]
        assert told["imports"]["state"] == "wrong"
        assert "restart registry, then send the file again" in told["imports"]["said"]


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", os.environ.get("COLUMNS", "160"))
