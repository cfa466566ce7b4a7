"""Alembic, run from inside the package of an app, so that an installed app can migrate itself."""

import logging
from collections.abc import Callable
from typing import Any

from alembic import command, context, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, make_url, text

from hedgerow_kit import audit
from hedgerow_kit.db import Database
from hedgerow_kit.reach import EVERYTHING, SETTING, say

log = logging.getLogger(__name__)

# Two replicas that start at once must not migrate at once: any number, the same for all.
_LOCK = 7_240_331


def config(package: str) -> Config:
    """The Alembic configuration of an app's package, e.g. `hedgerow_registry`."""
    made = Config()
    made.set_main_option("script_location", f"{package}:migrations")
    made.set_main_option("path_separator", "os")
    return made


def upgrade(database: Database, package: str, revision: str = "head") -> None:
    """Bring the database to a revision of the package; one that a newer version has migrated stays as it is.

    So an old version starts again on the schema of the new one: migrations only add.
    """
    if revision == "head" and (found := _newer(database, package)) is not None:
        log.warning("the schema is of a newer version", extra={"revision": found})
        return
    _run(database, package, command.upgrade, revision)


def _newer(database: Database, package: str) -> str | None:
    """The revision of the database, if it comes after all that the package brings."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    newest = revisions(package)[0]
    return found if found and found.isdigit() and newest.isdigit() and int(found) > int(newest) else None


def downgrade(database: Database, package: str, revision: str) -> None:
    """Take the database back to a revision of the package."""
    _run(database, package, command.downgrade, revision)


def revisions(package: str) -> tuple[str, ...]:
    """All revisions of the schema that the package brings, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(config(package)).walk_revisions())


def check(database: Database, package: str) -> None:
    """Raise if the tables of the package's metadata differ from what its migrations make."""
    made = config(package)
    with database.engine.connect() as connection:
        made.attributes["connection"] = connection
        command.check(made)


def _run(database: Database, package: str, step: Callable[[Config, str], None], revision: str) -> None:
    made = config(package)
    with database.engine.begin() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        # The policies hold for the owner of the tables too.
        say(connection, EVERYTHING)
        made.attributes["connection"] = connection
        step(made, revision)


def run(metadata: MetaData, *, apart: str | tuple[str, ...] = ()) -> None:
    """The whole of an app's `migrations/env.py`.

    apart: how the names of tables and indexes begin that one dialect has, and that no metadata knows of.
    """

    def known(name: str | None, kind: str, _parents: Any) -> bool:
        return kind not in ("table", "index") or not (name or "").startswith(apart)

    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_name=known,
    )
    with context.begin_transaction():
        context.run_migrations()


# Whether a row is within the reach that the transaction has told (see `reach`); without one, none is.
_WITHIN = f"""
CREATE OR REPLACE FUNCTION hedgerow_within(authority_code text, shared boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT coalesce(
    current_setting('{SETTING}', true) = '*'
    OR (shared AND authority_code IS NULL AND current_setting('{SETTING}', true) <> '')
    OR authority_code = ANY ((string_to_array(current_setting('{SETTING}', true), ','))[2:]),
    false)
$$
"""


def protect(table: str, *, shared: bool) -> None:
    """On PostgreSQL: hide the rows of a table with an `authority_code` from whose reach does not go so far.

    shared: whether a row without an authority is everybody's to see.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_WITHIN)
    seen = f"hedgerow_within(authority_code, {str(shared).lower()})"
    protect_by(table, seen, written="hedgerow_within(authority_code, false)")


def protect_by(table: str, seen: str, *, written: str = "true") -> None:
    """On PostgreSQL: show a table's rows by a condition in SQL, and let be written what meets another."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY reach ON {table} USING ({seen}) WITH CHECK ({written})")


def unprotect(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP POLICY reach ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def admit(owner: Database, url: str) -> None:
    """Let the role of a URL, which owns nothing, read and write the tables of the owner."""
    role = make_url(url).username
    if owner.dialect != "postgresql" or role is None:
        return
    with owner.engine.begin() as connection:
        quote = connection.dialect.identifier_preparer.quote
        name, held = quote(role), quote(str(owner.engine.url.database))
        for granted in (
            # Staging tables; and the schema of the queue of jobs, which an app makes for itself.
            f"CONNECT, TEMPORARY, CREATE ON DATABASE {held}",
            "USAGE ON SCHEMA public",
            "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public",
            "USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public",
            "EXECUTE ON ALL FUNCTIONS IN SCHEMA public",
        ):
            connection.exec_driver_sql(f"GRANT {granted} TO {name}")
        # The audit is read and added to; triggers refuse the rest to the owner as well.
        for table in audit.APPENDED:
            if inspect(connection).has_table(table):
                connection.exec_driver_sql(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {name}")
                words = ", ".join(audit.ERASABLE[table])
                connection.exec_driver_sql(f"GRANT UPDATE ({words}) ON {table} TO {name}")


def lock_is_open(database: Database) -> str | None:
    """Why the policies do not, or not fully, hold for the role that the app connects as; None if they do."""
    if database.dialect != "postgresql":
        return None
    with database.engine.connect() as connection:
        exempt, owns = connection.execute(text(_ROLE)).one()
    if exempt:
        return "the database role is exempt from row-level security: only the app's own filter holds"
    return (
        "the database role owns the tables: row-level security holds as far as it is forced" if owns else None
    )


_ROLE = """
SELECT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
       EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'alembic_version' AND tableowner = current_user)
"""
