"""Alembic, run from inside the package of an app, so that an installed app can migrate itself."""

from collections.abc import Callable
from typing import Any

from alembic import command, context
from alembic.config import Config
from sqlalchemy import MetaData, text

from hedgerow_kit.db import Database

# Two replicas that start at once must not migrate at once: any number, the same for all.
_LOCK = 7_240_331


def config(package: str) -> Config:
    """The Alembic configuration of an app's package, e.g. `hedgerow_registry`."""
    made = Config()
    made.set_main_option("script_location", f"{package}:migrations")
    made.set_main_option("path_separator", "os")
    return made


def upgrade(database: Database, package: str, revision: str = "head") -> None:
    """Bring the database to a revision of the package."""
    _run(database, package, command.upgrade, revision)


def downgrade(database: Database, package: str, revision: str) -> None:
    """Take the database back to a revision of the package."""
    _run(database, package, command.downgrade, revision)


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
        made.attributes["connection"] = connection
        step(made, revision)


def run(metadata: MetaData, *, apart: str | None = None) -> None:
    """The whole of an app's `migrations/env.py`.

    apart: how the names of tables and indexes begin that one dialect has, and that no metadata knows of.
    """

    def known(name: str | None, kind: str, _parents: Any) -> bool:
        return apart is None or kind not in ("table", "index") or not (name or "").startswith(apart)

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
