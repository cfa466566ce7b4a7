"""Copies of a PostgreSQL database by its own programs, taken while others write, and putting one back."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hedgerow_cli import preflight
from hedgerow_cli.backup.databases import Taken
from hedgerow_cli.errors import CommandError, NotBackedUp, NotRestored

# Says to the policies of row-level security that this session speaks for everybody.
_ALL_ROWS = "-c hedgerow.authorities=*"
# The queue of pulls keeps its tables there; it hands out anew what has not ended.
_QUEUE_SCHEMA = "dbos"

_OURS = """
SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname = 'public' ORDER BY 2
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
"""


class PostgresDatabase:
    """The database of an app on a server.

    url: as the app connects · owner_url: as the owner of the tables, who makes them anew · programs: the
    folder with pg_dump and pg_restore; those on the PATH by default
    """

    kind: Literal["postgresql"] = "postgresql"
    suffix = "pgdump"

    def __init__(self, app: str, url: str, owner_url: str, programs: Path | None) -> None:
        self._app = app
        self._address = _address(url)
        self._owner_address = _address(owner_url)
        self._programs = programs
        self.shown = preflight.without_password(url)

    def bytes(self) -> int:
        with self._connected(self._address, NotBackedUp) as connection:
            return int(_one(connection, "SELECT pg_database_size(current_database())"))

    def take(self, to: Path) -> Taken:
        """Write a custom-format archive of one snapshot; what is told is of the same snapshot."""
        program = self._program("pg_dump", NotBackedUp)
        with self._connected(self._address, NotBackedUp) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshot = str(_one(connection, "SELECT pg_export_snapshot()"))
            told = _told(connection)
            self._run(
                [
                    program,
                    "--format=custom",
                    "--enable-row-security",
                    f"--snapshot={snapshot}",
                    f"--exclude-schema={_QUEUE_SCHEMA}",
                    f"--file={to}",
                ],
                self._address,
                NotBackedUp,
            )
            return told

    def check_free(self, *, force: bool) -> None:
        """Raise NotRestored if others are connected, or if it holds tables and none may be replaced."""
        with self._connected(self._owner_address, NotRestored) as connection:
            others = int(_one(connection, _OTHERS))
            if others:
                raise NotRestored(
                    f"{others} other connection(s) to the database of {self._app}, {self.shown}:"
                    " stop the platform first, on all machines."
                )
            if connection.execute(_OURS).fetchone() is not None and not force:
                raise NotRestored(
                    f"The database of {self._app}, {self.shown}, is not empty:"
                    " name an empty one, or replace it with --force."
                )

    def check_whole(self, file: Path) -> None:
        """Raise NotRestored if pg_restore is not there or cannot read the archive."""
        self._run([self._program("pg_restore", NotRestored), "--list", str(file)], None, NotRestored)

    def put_back(self, file: Path) -> Taken:
        """Empty the database, then fill it from an archive in one transaction."""
        with self._connected(self._owner_address, NotRestored) as connection:
            self._emptied(connection)
        self._run(
            [
                self._program("pg_restore", NotRestored),
                "--exit-on-error",
                "--single-transaction",
                "--no-owner",
                "--no-privileges",
                str(file),
            ],
            self._owner_address,
            NotRestored,
        )
        with self._connected(self._owner_address, NotRestored) as connection:
            connection.execute("ANALYZE")
            return _told(connection)

    def _emptied(self, connection: "psycopg.Connection[Any]") -> None:
        with connection.transaction():
            connection.execute(f"DROP SCHEMA IF EXISTS {_QUEUE_SCHEMA} CASCADE")
            if connection.execute(_OURS).fetchone() is not None:
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
                connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")

    @contextmanager
    def _connected(
        self, address: dict[str, Any], error: type[CommandError]
    ) -> Iterator["psycopg.Connection[Any]"]:
        try:
            with psycopg.connect(**address, autocommit=True) as connection:
                yield connection
        except psycopg.Error as wrong:
            said = " ".join(str(wrong).split())
            raise error(f"The database of {self._app}, {self.shown}, refuses: {said}") from wrong

    def _program(self, name: str, error: type[CommandError]) -> str:
        found = shutil.which(name, path=str(self._programs) if self._programs else None)
        if found is None:
            where = f"in {self._programs}" if self._programs else "on the PATH"
            raise error(
                f"The program {name} is not {where}: install PostgreSQL's client programs of version"
                f" {self._version} or later, or name their folder with --pg-bin."
            )
        return found

    @cached_property
    def _version(self) -> int:
        with self._connected(self._address, CommandError) as connection:
            return connection.info.server_version // 10_000

    def _run(self, command: Sequence[str], address: dict[str, Any] | None, error: type[CommandError]) -> None:
        environment = dict(os.environ)
        arguments = list(command)
        if address is not None:
            shown = {name: value for name, value in address.items() if name != "password"}
            # The arguments of a program are everybody's to read.
            if password := address.get("password"):
                environment["PGPASSWORD"] = str(password)
            arguments.insert(1, f"--dbname={make_conninfo(**shown)}")
        done = subprocess.run(
            arguments, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0:
            return
        name = Path(command[0]).name
        said = " ".join(done.stderr.split())
        if "server version mismatch" in said:
            raise error(
                f"{command[0]} is older than the server of {self._app}'s database, which is PostgreSQL"
                f" {self._version}: install client programs of that version, or name their folder with"
                " --pg-bin."
            )
        raise error(f"{name} of {self._app}'s database, {self.shown}, failed: {said[:600]}")


def _address(url: str) -> dict[str, Any]:
    """What libpq connects with; the driver that SQLAlchemy's URLs may name is left out."""
    scheme, _, rest = url.partition("://")
    found = conninfo_to_dict(f"{scheme.split('+')[0]}://{rest}")
    given = found.get("options")
    return {**found, "options": f"{given} {_ALL_ROWS}" if given else _ALL_ROWS}


def _one(connection: "psycopg.Connection[Any]", query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def _told(connection: "psycopg.Connection[Any]") -> Taken:
    tables = [name for _, name, kind in connection.execute(_OURS).fetchall() if kind in ("r", "p")]
    counted = {
        name: int(
            connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", name))
            ).fetchall()[0][0]
        )
        for name in tables
    }
    return Taken(str(_one(connection, "SELECT version_num FROM public.alembic_version")), counted)
