"""Taking a backup while the platform runs."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hedgerow_cli.backup import places
from hedgerow_cli.backup.contents import MANIFEST_FILE, Contents, Kept, KeptDatabase, measured
from hedgerow_cli.backup.databases import StoredDatabase
from hedgerow_cli.errors import CommandError, NotBackedUp
from hedgerow_cli.settings import reason

FILES = "files"


def take(
    data_dir: Path,
    destination: Path,
    databases: dict[str, StoredDatabase],
    *,
    keys: bool,
    tell: Callable[[str, KeptDatabase], None],
) -> Contents:
    """Copy all databases, one after the other, and files of the data directory; raises NotBackedUp.

    The destination is there when all of it is, and not before.
    """
    with _arriving(destination) as folder:
        _check_room(folder, databases)
        kept = {}
        for app, database in databases.items():
            kept[app] = _taken(folder, app, database)
            tell(app, kept[app])
        names = [*places.notes(data_dir), *(places.keys(data_dir) if keys else ())]
        contents = Contents(
            made_at=datetime.now(UTC),
            hedgerow=version("hedgerow-cli"),
            databases=kept,
            keys=keys,
            files=tuple(_copied(data_dir, folder, name) for name in names),
        )
        (folder / MANIFEST_FILE).write_text(contents.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return contents


@contextmanager
def _arriving(destination: Path) -> Iterator[Path]:
    """A folder that becomes the destination once everything is in it, readable for its owner alone."""
    folder = None
    try:
        if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
            raise NotBackedUp(f"{destination} is there already: name a folder that is not, or is empty.")
        destination.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.mkdtemp(prefix=f".{destination.name}.", suffix=".partial", dir=destination.parent)
        folder = Path(made)
        yield folder
        for path in [*folder.rglob("*"), folder]:
            path.chmod(0o700 if path.is_dir() else 0o600)
            _flush(path)
        folder.rename(destination)
        _flush(destination.parent)
    except OSError as refused:
        raise NotBackedUp(f"{destination} cannot be written ({reason(refused)}): mend that.") from refused
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_room(folder: Path, databases: dict[str, StoredDatabase]) -> None:
    needed = sum(database.bytes() for database in databases.values())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NotBackedUp(
            f"{folder.parent} has {free / 1e6:,.0f} MB free, and the databases have {needed / 1e6:,.0f} MB:"
            " make room, or name another place."
        )


def _taken(folder: Path, app: str, database: StoredDatabase) -> KeptDatabase:
    name = f"{app}.{database.suffix}"
    at = datetime.now(UTC)
    try:
        held = database.take(folder / name)
    except NotBackedUp:
        raise
    except CommandError as wrong:
        raise NotBackedUp(str(wrong)) from wrong
    of_file = measured(folder, name)
    return KeptDatabase(
        **of_file.model_dump(), kind=database.kind, at=at, revision=held.revision, rows=held.rows
    )


def _copied(data_dir: Path, folder: Path, name: str) -> Kept:
    to = folder / FILES / name
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data_dir / name, to)
    return measured(folder, f"{FILES}/{name}")
