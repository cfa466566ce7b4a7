"""Putting a backup back, with the platform stopped."""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
from hedgerow_kit import migrations

from hedgerow_cli import demonstration, preflight
from hedgerow_cli.backup.contents import Contents, read
from hedgerow_cli.backup.databases import StoredDatabase
from hedgerow_cli.backup.taking import FILES
from hedgerow_cli.errors import NotRestored
from hedgerow_cli.settings import reason
from hedgerow_cli.supervisor import python_app


def restore(
    data_dir: Path,
    source: Path,
    databases: dict[str, StoredDatabase],
    *,
    keys: bool,
    force: bool,
    tell: Callable[[str], None],
) -> Contents:
    """Check everything, then put everything back; raises NotRestored, and AlreadyRunning.

    keys: whether the key files in the backup are put back, too · force: whether what is there is replaced.
    Nothing is changed before every check is good. Should it break off after that, `up` refuses to start.
    """
    contents = read(source)
    _check_fits(contents, databases)
    preflight.prepare_data_dir(data_dir)
    with preflight.locked(data_dir):
        files = [
            kept.file for kept in contents.files if keys or not kept.file.endswith((".key", ".jwks.json"))
        ]
        if not force:
            _check_no_files(data_dir, files)
        for app, database in databases.items():
            # What broke off left some of them filled.
            database.check_free(force=force)
            database.check_whole(source / contents.databases[app].file)
        marker = data_dir / preflight.RESTORING_FILE
        marker.write_bytes(orjson.dumps({"source": str(source.resolve())}) + b"\n")
        for app, database in databases.items():
            _put_back(app, database, source, contents)
            tell(app)
        _put_files_back(data_dir, source, files)
        # The next start looks at the schemas anew, and brings up to date what an older version wrote.
        (data_dir / preflight.MIGRATED_FILE).unlink(missing_ok=True)
        _begin_another_history(data_dir)
        marker.unlink()
    return contents


def _check_fits(contents: Contents, databases: dict[str, StoredDatabase]) -> None:
    for app, database in databases.items():
        kept = contents.databases.get(app)
        if kept is None:
            raise NotRestored(f"The backup has no database of {app}: take another one.")
        if kept.kind != database.kind:
            raise NotRestored(
                f"The backup of {app} is of {kept.kind}, and its database here is {database.kind}"
                f" ({database.shown}): set HEDGEROW_{app.upper()}_DATABASE_URL as it was when it was taken."
            )
        if kept.revision not in migrations.revisions(f"hedgerow_{app}"):
            raise NotRestored(
                f"The backup of {app} has the schema {kept.revision}, which this version of Hedgerow does not"
                f" know: it was taken by a newer one ({contents.hedgerow}). Install that one first."
            )


def _check_no_files(data_dir: Path, files: list[str]) -> None:
    for file in files:
        path = data_dir / Path(file).relative_to(FILES)
        if path.exists():
            raise NotRestored(
                f"{path} is there already: choose an empty --data-dir, or replace all with --force."
            )


def _put_back(app: str, database: StoredDatabase, source: Path, contents: Contents) -> None:
    kept = contents.databases[app]
    found = database.put_back(source / kept.file)
    if found.rows != kept.rows:
        other = next(
            name for name in sorted({*found.rows, *kept.rows}) if found.rows.get(name) != kept.rows.get(name)
        )
        raise NotRestored(
            f"The table {other} of {app} has {found.rows.get(other, 0):,} rows after the restore, and had"
            f" {kept.rows.get(other, 0):,}: restore again with --force, from another backup."
        )


def _put_files_back(data_dir: Path, source: Path, files: list[str]) -> None:
    with suppress(FileNotFoundError):
        # Of what was here before, not of what is put back.
        (data_dir / demonstration.REMEMBERED).unlink()
    for file in files:
        name = Path(file).relative_to(FILES)
        arriving = data_dir / name.with_name(f".{name.name}.arriving")
        try:
            arriving.unlink(missing_ok=True)
            with (
                (source / file).open("rb") as held,
                open(os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written,
            ):
                shutil.copyfileobj(held, written)
            if name.suffix == ".json":
                arriving.chmod(0o644)
            arriving.replace(data_dir / name)
        except OSError as refused:
            raise NotRestored(
                f"{data_dir / name} cannot be written ({reason(refused)}): restore again with --force."
            ) from refused


def _begin_another_history(data_dir: Path) -> None:
    """Whoever follows the registry may have read on from what is put back: they read it anew."""
    url = preflight.database_urls(data_dir, os.environ)["registry"]
    done = subprocess.run(
        [*python_app("registry"), "restored"],
        env={**os.environ, "HEDGEROW_REGISTRY_DATABASE_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NotRestored(
            f"All databases are put back, but the registry could not begin another history ({said[:300]}):"
            " restore again with --force."
        )
