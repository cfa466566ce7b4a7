"""A backup taken while the platform runs, put back: the same rows, and a platform that starts on them."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hedgerow_cli import preflight
from hedgerow_kit import migrations

from tests.cli.command import Said, hedgerow
from tests.cli.processes import eventually
from tests.support import postgres, rows
from tests.support.databases import Databases, on_postgresql, on_sqlite
from tests.support.platform import Platform, platform

APPS = ("registry", "network", "outcomes", "gateway")
AREAS = "code,name,level,parent_code,vintage\nE06999001,Tinytown,authority,,2025\n"


@dataclass(frozen=True)
class Home:
    """A data directory and the databases that belong to it; urls: by the environment's name of each"""

    data_dir: Path
    urls: Mapping[str, str]
    programs: Path | None

    @property
    def environment(self) -> dict[str, str]:
        made = {f"HEDGEROW_{name.upper()}_DATABASE_URL": url for name, url in self.urls.items()}
        return made if self.programs is None else {**made, "HEDGEROW_PG_BIN": str(self.programs)}

    def up(self) -> Any:
        return platform(self.data_dir, "--empty", databases=self.urls)

    def run(self, *arguments: str | Path, **more: str) -> Said:
        return hedgerow(*arguments, "--data-dir", self.data_dir, **{**self.environment, **more})

    def database(self, app: str) -> str:
        """As its owner sees it."""
        fallback = f"sqlite:///{self.data_dir / app / app}.db"
        return self.urls.get(f"{app}_migration") or self.urls.get(app, fallback)

    def hashes(self, app: str) -> dict[str, tuple[int, str]]:
        return rows.hashes(self.database(app))


def home(made_databases: Databases, data_dir: Path) -> Home:
    """On PostgreSQL as it is deployed: tables of one role, the app works as another that owns nothing."""
    if made_databases.dialect == "sqlite":
        return Home(data_dir, {}, None)
    urls = {"gateway": made_databases.owned()}
    for app in ("registry", "network", "outcomes"):
        owner = made_databases.owned()
        urls |= {f"{app}_migration": owner, app: made_databases.as_app(owner)}
    return Home(data_dir, urls, postgres.client_programs())


@pytest.fixture
def here(made_databases: Databases, tmp_path: Path) -> Home:
    return home(made_databases, tmp_path / "here")


@pytest.fixture
def there(made_databases: Databases, tmp_path: Path) -> Home:
    return home(made_databases, tmp_path / "there")


def organisations(first: int, many: int) -> str:
    return "id,name\n" + "".join(
        f"o{number},Organisation {number}\n" for number in range(first, first + many)
    )


def observations(periods: int, areas: int) -> str:
    return "kpi,subject,period,value\n" + "".join(
        f"kpi_{area % 20:02},E05{area:06},{2024 - period},{area + period / 8}\n"
        for area in range(areas)
        for period in range(periods)
    )


def send(up: Platform, kind: str, body: str, **options: str) -> None:
    answer = up.send(kind, body, **options)
    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"]["quarantined"] == 0, answer.text


def follow(up: Platform) -> int:
    """The registry's sequence, once network has read to it; a machine with much to do is waited for."""
    reached: list[int] = []

    def try_it() -> bool:
        try:
            reached.append(up.wait_for_network())
        except AssertionError as error:
            if not str(error).startswith("503"):
                raise
        return bool(reached)

    assert eventually(try_it, seconds=120)
    return reached[0]


def fill(up: Platform, *, periods: int, areas: int) -> None:
    send(up, "areas", AREAS)
    send(up, "organisations", organisations(0, 50), source="test")
    send(up, "observations", observations(periods, areas), define="true")
    follow(up)


def number_of_organisations(up: Platform) -> int:
    return len(up.items("/v1/organisations", limit=1000))


def good(said: Said) -> Said:
    assert said.code == 0, said.err
    return said


@pytest.mark.parametrize(
    ("periods", "areas"), [(12, 1_000), pytest.param(100, 10_000, marks=pytest.mark.slow, id="1M")]
)
def test_what_is_put_back_is_row_by_row_what_was_there(
    here: Home, there: Home, tmp_path: Path, periods: int, areas: int
) -> None:
    with here.up() as up:
        fill(up, periods=periods, areas=areas)
        held = number_of_organisations(up)
        values = up.get("/v1/observations", kpi="kpi_03", limit=20)
    backup = tmp_path / "backup"
    good(here.run("backup", backup))
    good(there.run("restore", backup))
    compared = 0
    for app in APPS:
        before, after = here.hashes(app), there.hashes(app)
        # The registry tells that it is another history from here on; that is its only row that differs.
        assert before.pop("feed_epoch", None) != after.pop("feed_epoch", 0)
        assert before == after
        compared += sum(number for number, _ in before.values())
    assert compared > periods * areas
    print(f"{compared:,} rows equal after the restore, {'PostgreSQL' if here.urls else 'SQLite'}")
    with there.up() as up:
        # The administrator's key came along, and network reads the other history.
        assert follow(up) > 0
        assert number_of_organisations(up) == held
        assert up.get("/v1/observations", kpi="kpi_03", limit=20) == values
        assert up.get("/v1/projection")["rebuilt_because"].startswith("The registry's history is not the one")
        send(up, "organisations", organisations(1000, 1), source="test")
        assert number_of_organisations(up) == held + 1


def test_a_backup_taken_while_writers_write_holds_all_that_was_acknowledged_before(
    here: Home, there: Home, tmp_path: Path
) -> None:
    acknowledged = 0
    over = threading.Event()

    def write(up: Platform) -> None:
        nonlocal acknowledged
        while not over.is_set():
            send(up, "organisations", organisations(100 * (acknowledged + 1), 100), source="test")
            acknowledged += 1

    backup = tmp_path / "backup"
    with here.up() as up:
        fill(up, periods=2, areas=100)
        writer = threading.Thread(target=write, args=(up,))
        writer.start()
        try:
            while acknowledged < 3 and writer.is_alive():
                over.wait(0.01)
            before = acknowledged
            good(here.run("backup", backup))
            after = acknowledged
        finally:
            over.set()
            writer.join()
    assert after > before
    good(there.run("restore", backup))
    with there.up() as up:
        last = follow(up)
        held = number_of_organisations(up)
        # Whole imports of a hundred: none is torn, none that was acknowledged is missing.
        assert 50 + 100 * before <= held <= 50 + 100 * (after + 1)
        assert (held - 50) % 100 == 0
        assert up.get("/v1/projection")["position"] >= last


def test_a_projection_that_has_read_further_than_the_registry_reads_it_anew(
    here: Home, there: Home, tmp_path: Path
) -> None:
    """As when the database of one app is of a later moment than that of the registry."""
    early, late = tmp_path / "early", tmp_path / "late"
    with here.up() as up:
        fill(up, periods=1, areas=10)
        good(here.run("backup", early))
        send(up, "organisations", organisations(500, 40), source="test")
        follow(up)
        good(here.run("backup", late))
    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in (early, late))
    kept = first["databases"]["registry"]
    shutil.copy(early / kept["file"], late / kept["file"])
    second["databases"]["registry"] = kept
    (late / "manifest.json").write_text(json.dumps(second))
    good(there.run("restore", late))
    with there.up() as up:
        follow(up)
        projection = up.get("/v1/projection")
        assert number_of_organisations(up) == 50
        assert projection["records"]["organisation"] == 50


def test_keys_stay_where_they_are_when_they_are_not_wanted(tmp_path: Path) -> None:
    here, there = (Home(tmp_path / name, {}, None) for name in ("here", "there"))
    with here.up():
        said = good(here.run("backup", tmp_path / "without", "--no-keys"))
        assert "Keys are not in it" in said.err
        said = good(here.run("backup", tmp_path / "with"))
        assert "Keys are in it: guard it" in said.err
    assert not list((tmp_path / "without").rglob("*.key"))
    kept = {path.name for path in (tmp_path / "with").rglob("*.key")}
    assert kept == {"admin.key", "network.key", "outcomes.key", "signing.key", "webhooks.key"}
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "with").rglob("*")} == {0}
    assert (tmp_path / "with").stat().st_mode & 0o077 == 0
    good(there.run("restore", tmp_path / "without"))
    assert not (there.data_dir / "admin.key").exists()
    good(there.run("restore", tmp_path / "with", "--force"))
    assert (there.data_dir / "admin.key").read_bytes() == (here.data_dir / "admin.key").read_bytes()
    assert {path.stat().st_mode & 0o077 for path in there.data_dir.rglob("*.key")} == {0}


@pytest.fixture
def stored(made_databases: Databases, tmp_path: Path) -> Home:
    """Databases with tables and no platform over them, which is enough to be copied."""
    if made_databases.dialect == "postgresql":
        urls = {app: made_databases.migrated(f"hedgerow_{app}") for app in APPS}
        return Home(tmp_path / "stored", urls, postgres.client_programs())
    for app in APPS:
        file = tmp_path / "stored" / app / f"{app}.db"
        file.parent.mkdir(parents=True)
        shutil.copy(made_databases.migrated(f"hedgerow_{app}").removeprefix("sqlite:///"), file)
    return Home(tmp_path / "stored", {}, None)


@pytest.fixture
def backup(stored: Home, tmp_path: Path) -> Path:
    good(stored.run("backup", tmp_path / "backup"))
    return tmp_path / "backup"


def refused(said: Said, code: int, words: str) -> None:
    assert (said.code, said.out) == (code, ""), said
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_a_place_that_is_not_empty_is_left_alone_without_force(stored: Home, backup: Path) -> None:
    before = {app: stored.hashes(app) for app in APPS}
    refused(stored.run("restore", backup), 17, "--force")
    assert {app: stored.hashes(app) for app in APPS} == before
    good(stored.run("restore", backup, "--force"))
    after = {app: stored.hashes(app) for app in APPS}
    assert before["registry"].pop("feed_epoch") != after["registry"].pop("feed_epoch")
    assert after == before


def test_a_running_platform_is_not_restored_over(stored: Home, backup: Path) -> None:
    preflight.prepare_data_dir(stored.data_dir)
    with preflight.locked(stored.data_dir):
        refused(stored.run("restore", backup, "--force"), 13, "already runs on")
    words = "stop the platform first"
    if stored.urls:
        with psycopg.connect(stored.urls["outcomes"]):
            refused(stored.run("restore", backup, "--force"), 17, words)
    else:
        connection = sqlite3.connect(stored.data_dir / "outcomes" / "outcomes.db")
        connection.execute("PRAGMA journal_mode=WAL")
        refused(stored.run("restore", backup, "--force"), 17, words)
        connection.close()
    good(stored.run("restore", backup, "--force"))


def test_a_damaged_backup_is_refused_naming_the_file(stored: Home, backup: Path, tmp_path: Path) -> None:
    before = {app: stored.hashes(app) for app in APPS}
    manifest = json.loads((backup / "manifest.json").read_text())

    def broken(name: str) -> Path:
        return Path(shutil.copytree(backup, tmp_path / f"broken-{name}"))

    for app in APPS:
        file = manifest["databases"][app]["file"]
        flipped = broken(f"{app}-flipped")
        content = bytearray((flipped / file).read_bytes())
        content[len(content) // 2] ^= 1
        (flipped / file).write_bytes(content)
        refused(stored.run("restore", flipped, "--force"), 17, f"{flipped / file} is damaged: its SHA-256")
    short = broken("short")
    (short / file).write_bytes((short / file).read_bytes()[:-1])
    refused(stored.run("restore", short, "--force"), 17, f"{short / file} is damaged: it has ")
    missing = broken("missing")
    (missing / file).unlink()
    refused(stored.run("restore", missing, "--force"), 17, f"{missing / file} cannot be read")
    untold = broken("untold")
    (untold / "manifest.json").unlink()
    refused(stored.run("restore", untold, "--force"), 17, "is no whole backup")
    (untold / "manifest.json").write_text('{"format": 2}')
    refused(stored.run("restore", untold, "--force"), 17, "is damaged, or of a newer Hedgerow")
    outside = broken("outside")
    manifest["databases"]["registry"]["file"] = "../registry"
    (outside / "manifest.json").write_text(json.dumps(manifest))
    refused(stored.run("restore", outside, "--force"), 17, "outside the backup")
    assert {app: stored.hashes(app) for app in APPS} == before


def test_a_newer_schema_and_another_kind_of_database_are_refused(stored: Home, backup: Path) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    newest = migrations.revisions("hedgerow_outcomes")[0]
    assert manifest["databases"]["outcomes"]["revision"] == newest
    manifest["databases"]["outcomes"]["revision"] = "9999"
    (backup / "manifest.json").write_text(json.dumps(manifest))
    refused(stored.run("restore", backup, "--force"), 17, "The backup of outcomes has the schema 9999")
    manifest["databases"]["outcomes"]["revision"] = newest
    other = "sqlite" if stored.urls else "postgresql"
    manifest["databases"]["network"]["kind"] = other
    (backup / "manifest.json").write_text(json.dumps(manifest))
    refused(stored.run("restore", backup, "--force"), 17, f"The backup of network is of {other}")


def test_after_a_restore_that_broke_off_the_platform_does_not_start(
    stored: Home, backup: Path, tmp_path: Path
) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    # What is found after the restore is not what was noted when it was taken.
    manifest["databases"]["outcomes"]["rows"]["kpis"] = 7
    wrong = Path(shutil.copytree(backup, tmp_path / "wrong"))
    (wrong / "manifest.json").write_text(json.dumps(manifest))
    said = stored.run("restore", wrong, "--force")
    assert said.code == 17
    assert "The table kpis of outcomes has 0 rows after the restore, and had 7" in said.err
    said = stored.run("up", "--port", "0", "--empty")
    assert said.code == 14
    assert (
        f"A restore broke off, and the databases do not belong together: run `hedgerow restore {wrong}"
        in (said.err)
    )
    good(stored.run("restore", backup, "--force"))
    preflight.check_restored(stored.data_dir)


@on_sqlite
def test_a_backup_is_whole_or_not_there(stored: Home, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    refused(stored.run("backup", taken), 16, f"{taken} is there already")
    (stored.data_dir / "network" / "network.db").write_bytes(b"no database" * 1000)
    said = stored.run("backup", tmp_path / "never")
    assert said.code == 16
    assert f"The database of network, {stored.data_dir}/network/network.db, cannot be copied" in said.err
    assert {path.name for path in tmp_path.iterdir()} == {"stored", "taken"}


@on_postgresql
def test_without_the_programs_of_postgresql_it_is_said_what_to_do(stored: Home, tmp_path: Path) -> None:
    none, old = tmp_path / "none", tmp_path / "old"
    none.mkdir()
    old.mkdir()
    refused(
        stored.run("backup", tmp_path / "b", "--pg-bin", none),
        16,
        f"The program pg_dump is not in {none}: install PostgreSQL's client programs of version",
    )
    program = old / "pg_dump"
    program.write_text(
        "#!/bin/sh\necho 'pg_dump: error: aborting because of server version mismatch' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    refused(stored.run("backup", tmp_path / "b", "--pg-bin", old), 16, f"{program} is older than the server")
    assert not (tmp_path / "b").exists()


@on_postgresql
def test_no_password_stands_in_the_arguments_of_a_program(stored: Home, tmp_path: Path) -> None:
    seen, program = tmp_path / "seen", tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}\necho "$PGPASSWORD" >> {seen}\nexit 1\n')
    program.chmod(0o755)
    url = stored.urls["gateway"].replace("postgres:@", "postgres:opensesame@")
    said = stored.run("backup", tmp_path / "b", "--pg-bin", program.parent, HEDGEROW_GATEWAY_DATABASE_URL=url)
    assert said.code == 16
    assert "opensesame" not in said.err
    arguments, password = seen.read_text().splitlines()
    assert "opensesame" not in arguments
    assert password == "opensesame"
