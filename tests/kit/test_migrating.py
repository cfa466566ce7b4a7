"""Migrations over rows: there, back and there again; and an old version on the schema of a newer one."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.util import CommandError
from hedgerow_gateway import actions
from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from sqlalchemy import text

from tests.outcomes.sending import send
from tests.support import apps, rows
from tests.support.databases import Databases
from tests.support.http import running
from tests.support.identity import identity


def fill_outcomes(url: str, _folder: Path, number: int) -> None:
    lines = "".join(
        f"kpi_{area % 20:02},E05{area:06},{2024 - year},{area + year / 8}\n"
        for area in range(number // 100)
        for year in range(100)
    )
    with running(apps.made("outcomes", url), headers=identity("outcomes")) as client:
        send(client, "observations", f"kpi,subject,period,value\n{lines}", define="true")


def fill_registry(url: str, _folder: Path, number: int) -> None:
    lines = "".join(f"o{one},Organisation {one}\n" for one in range(number))
    with running(apps.made("registry", url, pulls=False), headers=identity("registry")) as client:
        send(client, "organisations", f"id,name\n{lines}", source="test")


def fill_network(url: str, _folder: Path, number: int) -> None:
    database = Database(url)
    with database.writing() as session:
        session.execute(
            text(
                "INSERT INTO records (kind, id, seq, feeding, batch, deleted, data)"
                " VALUES ('need', :id, 1, 1, 1, false, '{}')"
            ),
            [{"id": f"n{one}"} for one in range(number)],
        )
    database.dispose()


def fill_gateway(url: str, folder: Path, number: int) -> None:
    database = Database(url)
    actions.prepare(database, folder, now=datetime.now(UTC))
    with database.writing() as session:
        for one in range(number):
            actions.give_key(
                session,
                name=f"key {one}",
                roles=["reader"],
                authorities=["*"],
                expires_at=None,
                now=datetime.now(UTC),
            )
    database.dispose()


@pytest.mark.parametrize(
    ("app", "fill", "number"),
    [
        ("outcomes", fill_outcomes, 20_000),
        ("registry", fill_registry, 500),
        ("network", fill_network, 500),
        ("gateway", fill_gateway, 20),
        pytest.param("outcomes", fill_outcomes, 1_000_000, marks=pytest.mark.slow, id="outcomes-1M"),
    ],
)
def test_rows_are_the_same_after_a_migration_was_taken_back_and_made_again(
    made_databases: Databases,
    tmp_path: Path,
    app: str,
    fill: Callable[[str, Path, int], None],
    number: int,
) -> None:
    package = f"hedgerow_{app}"
    url = made_databases.migrated(package)
    newest, before = migrations.revisions(package)[:2]
    database = Database(url)
    migrations.downgrade(database, package, before)
    # What the newest one adds is gone with it; all else is as it was, then and afterwards.
    shared = {table: names for table, names in rows.columns(url).items() if table != "alembic_version"}
    migrations.upgrade(database, package)
    fill(url, tmp_path, number)
    filled = rows.hashes(url, shared)
    migrations.downgrade(database, package, before)
    back = rows.hashes(url, shared)
    migrations.upgrade(database, package)
    again = rows.hashes(url, shared)
    database.dispose()
    assert filled == back == again
    compared = sum(found for found, _ in back.values())
    assert compared >= number
    print(f"{app}: {compared:,} rows equal after {newest} to {before} to {newest}, {made_databases.dialect}")


def test_an_old_version_starts_on_the_schema_of_a_newer_one(made_databases: Databases) -> None:
    """As after a crash amid an upgrade, or when the old images are put back."""
    url = made_databases.migrated("hedgerow_registry")
    database = Database(url)
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        # What a newer one may have added.
        session.execute(text("ALTER TABLE organisations ADD COLUMN of_tomorrow TEXT"))
    migrations.upgrade(database, "hedgerow_registry")
    fill_registry(url, Path(), 20)
    with running(apps.made("registry", url, pulls=False), headers=identity("registry")) as client:
        assert client.get("/readyz").status_code == 200
        assert len(client.items("/v1/organisations")) == 20
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'another'"))
    with pytest.raises(CommandError, match="another"):
        migrations.upgrade(database, "hedgerow_registry")
    database.dispose()
