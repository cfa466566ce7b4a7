"""What `hedgerow doctor` looks for in the apps' databases."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from hedgerow_kit import migrations

from hedgerow_cli import preflight
from hedgerow_cli.errors import CommandError
from hedgerow_cli.findings import Finding

CONNECT_SECONDS = 5
LEAST_FREE_BYTES = 500_000_000

_ROLE = "SELECT current_user, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
_OWNS = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user"
_UNFORCED = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relrowsecurity AND NOT c.relforcerowsecurity ORDER BY 1
"""


def of_database(app: str, url: str) -> Iterator[Finding]:
    """Whether it can be reached, is whole, is of this version, and keeps authorities apart."""
    file = preflight.sqlite_file(url)
    if file is None:
        yield from _on_postgresql(app, url)
    else:
        yield from _in_file(app, file, url)


def of_room(data_dir: Path, urls: Mapping[str, str]) -> Finding:
    """Whether the disk of the data directory has room to go on, and for a backup beside it."""
    free = shutil.disk_usage(data_dir).free
    files = [preflight.sqlite_file(url) for url in urls.values()]
    held = sum(file.stat().st_size for file in files if file is not None and file.exists())
    said = f"{free / 1e9:,.1f} GB free, {held / 1e9:,.1f} GB of databases"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", "wrong", f"{said}: make room, or writes will fail.")
    if free < held:
        return Finding("disk", "note", f"{said}: a backup does not fit here, make it on another disk.")
    return Finding("disk", "ok", said)


def _in_file(app: str, file: Path, url: str) -> Iterator[Finding]:
    name = f"database of {app}"
    if not file.exists():
        yield Finding(name, "note", f"{file} is not there yet: `hedgerow up` makes it.")
        return
    try:
        preflight.check_database(app, url, thorough=True)
    except CommandError as broken:
        yield Finding(name, "wrong", str(broken))
        return
    yield Finding(name, "ok", f"{file} is whole")
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error:
            row = None
    yield _schema(app, row and str(row[0]))


def _on_postgresql(app: str, url: str) -> Iterator[Finding]:
    import psycopg

    name, shown = f"database of {app}", preflight.without_password(url)
    scheme, _, rest = url.partition("://")
    address = f"{scheme.split('+')[0]}://{rest}"
    try:
        with psycopg.connect(address, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            yield Finding(name, "ok", f"{shown} answers")
            migrated = _one(connection, "SELECT to_regclass('public.alembic_version') IS NOT NULL")
            revision = (
                _one(connection, "SELECT version_num FROM public.alembic_version") if migrated else None
            )
            yield _schema(app, revision)
            yield _role(app, connection)
            if unforced := [row[0] for row in connection.execute(_UNFORCED).fetchall()]:
                yield Finding(
                    f"row-level security of {app}",
                    "wrong",
                    f"not forced on {', '.join(unforced)}: as the owner, ALTER TABLE …"
                    " FORCE ROW LEVEL SECURITY.",
                )
    except psycopg.Error as refused:
        said = " ".join(str(refused).split())[:300].rstrip(".")
        yield Finding(
            name,
            "wrong",
            f"{shown} cannot be read ({said}): is PostgreSQL up, and"
            f" HEDGEROW_{app.upper()}_DATABASE_URL right?",
        )


def _role(app: str, connection: Any) -> Finding:
    role, is_exempt = connection.execute(_ROLE).fetchone()
    name = f"role of {app}"
    if is_exempt:
        return Finding(
            name,
            "wrong",
            f"{role} is exempt from row-level security, so authorities have one lock only:"
            " let the app connect as another (deploy/postgres/databases.sh makes one).",
        )
    if _one(connection, _OWNS):
        return Finding(
            name,
            "note",
            f"{role} owns the tables, and could take the policies away: name the owner in"
            f" HEDGEROW_{app.upper()}_MIGRATION_DATABASE_URL and let the app connect as another.",
        )
    return Finding(name, "ok", f"{role} owns nothing and is held by the policies")


def _one(connection: Any, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row and row[0]


def _schema(app: str, revision: str | None) -> Finding:
    known = migrations.revisions(f"hedgerow_{app}")
    name = f"schema of {app}"
    if revision == known[0]:
        return Finding(name, "ok", f"{revision}, of this version")
    if revision is None:
        return Finding(name, "note", "no tables yet: `hedgerow up`, or the app's `migrate`, makes them.")
    if revision in known:
        return Finding(
            name,
            "note",
            f"{revision}, and this version has {known[0]}: the next start, or `migrate`, does it.",
        )
    return Finding(
        name, "wrong", f"{revision} is not of this version ({known[0]}): install the version that made it."
    )
