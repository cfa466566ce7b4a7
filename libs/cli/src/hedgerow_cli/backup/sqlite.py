"""Copies of a SQLite database, taken while others write to it, and putting one back."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from hedgerow_cli.backup.databases import Taken
from hedgerow_cli.errors import CommandError, NotBackedUp, NotRestored
from hedgerow_cli.settings import reason

# The write-ahead log and its index; and the queue of pulls, which is made anew.
_BESIDE = ("-wal", "-shm", "-journal", ".pulls", ".pulls-wal", ".pulls-shm")


class SqliteFile:
    """The database of an app in a file."""

    kind: Literal["sqlite"] = "sqlite"
    suffix = "sqlite"

    def __init__(self, app: str, file: Path) -> None:
        self._app = app
        self._file = file
        self.shown = str(file)

    def bytes(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0

    def take(self, to: Path) -> Taken:
        """Copy the database as it is at one moment. Writers go on meanwhile: the copy reads a snapshot."""
        if not self._file.exists():
            raise NotBackedUp(
                f"The database of {self._app}, {self._file}, is not there:"
                " name the data directory with --data-dir, or start the platform once."
            )
        try:
            with (
                closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(to)) as copy,
            ):
                # All pages in one step: a copy in several is begun anew whenever somebody writes between two.
                source.backup(copy, pages=-1)
                copy.execute("PRAGMA journal_mode=DELETE")
                found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise sqlite3.DatabaseError(found)
                return _told(copy)
        except sqlite3.Error as broken:
            raise NotBackedUp(
                f"The database of {self._app}, {self._file}, cannot be copied ({reason(broken)}):"
                " see `hedgerow doctor`."
            ) from broken

    def check_free(self, *, force: bool) -> None:
        """Raise NotRestored if a program has the database open, or if there is one that may not go."""
        if not self._file.exists():
            return
        if not force:
            raise NotRestored(
                f"{self._app} has a database already, {self._file}:"
                " choose an empty --data-dir, or replace it with --force."
            )
        try:
            with closing(sqlite3.connect(self._file)) as connection:
                connection.execute("PRAGMA busy_timeout=0")
                # Refused while anybody else has the file open.
                connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        except sqlite3.OperationalError as refused:
            if "locked" in str(refused):
                raise NotRestored(
                    f"A program has the database of {self._app} open, {self._file}: stop the platform first."
                ) from refused
        except sqlite3.DatabaseError:
            # Broken: that is what it is replaced for.
            return

    def check_whole(self, file: Path) -> None:
        """Nothing beyond the file's own digest needs to be looked at."""

    def put_back(self, file: Path) -> Taken:
        """Put a copy in the place of the database, whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        arriving = self._file.with_name(f"{self._file.name}.arriving")
        try:
            shutil.copyfile(file, arriving)
            with arriving.open("rb+") as stream:
                os.fsync(stream.fileno())
            for beside in _BESIDE:
                self._file.with_name(self._file.name + beside).unlink(missing_ok=True)
            arriving.replace(self._file)
        except OSError as refused:
            raise NotRestored(
                f"{self._file} cannot be written ({reason(refused)}): mend that, and restore with --force."
            ) from refused
        with closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return _told(connection)


def _told(connection: sqlite3.Connection) -> Taken:
    names = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
    ]
    rows = {name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}
    revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if revision is None:
        raise CommandError("its schema says no revision")
    return Taken(revision=str(revision[0]), rows=rows)
