"""The audit in databases that a test makes without migrations, and read past the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hedgerow_kit import audit, audit_reading
from hedgerow_kit.audit_reading import AuditEntry
from hedgerow_kit.db import Database
from sqlalchemy import Connection, text


class _Op:
    """What a migration has at hand."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get_bind(self) -> Connection:
        return self._connection

    def execute(self, statement: Any) -> None:
        self._connection.execute(text(statement) if isinstance(statement, str) else statement)


def create(database: Database) -> None:
    """The tables of the audit with their triggers."""
    with database.engine.begin() as connection:
        audit.create(_Op(connection))


def entries(database: Database, *, after: int = 0, **wanted: Any) -> list[AuditEntry]:
    """All entries, or those that are wanted."""
    with database.reading() as session:
        chosen = audit_reading.Wanted(**wanted)
        return audit_reading.page(session, "app", chosen, after=after, limit=100_000)[0]


@contextmanager
def behind_its_back(database: Database) -> Iterator[Connection]:
    """A connection of the owner of the database, who has taken the triggers out; undone at the end."""
    with database.engine.connect() as connection:
        transaction = connection.begin()
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        else:
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for (name,) in connection.exec_driver_sql(triggers).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        try:
            yield connection
        finally:
            transaction.rollback()
