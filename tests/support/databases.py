"""Databases for tests: each app is migrated once into a template, which is copied for each test."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from sqlalchemy import Engine, create_engine, make_url, text

DIALECTS = ("sqlite", "postgresql")

# For a test that means something on one of them alone.
on_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)


class Databases:
    """Makes empty and migrated databases of one dialect, and removes them."""

    def __init__(self, dialect: str, folder: Path, server: str) -> None:
        self.dialect = dialect
        self._folder = folder
        self._server = server
        self._made: list[str] = []
        self._roles: list[str] = []

    def empty(self) -> str:
        """The URL of a new, empty database."""
        return self._sqlite(None) if self.dialect == "sqlite" else self._postgresql(None)

    def migrated(self, package: str) -> str:
        """The URL of a new database with the tables of an app, e.g. `hedgerow_registry`."""
        if self.dialect == "sqlite":
            return self._sqlite(_sqlite_template(package, self._folder.parent))
        return self._postgresql(_postgresql_template(package, self._server))

    def copy(self, url: str) -> str:
        """The URL of a copy of a database that nobody has open, as a backup of it that was put back."""
        address = make_url(url)
        if self.dialect == "sqlite":
            assert address.database is not None
            return self._sqlite(Path(address.database))
        return self._postgresql(address.database)

    def owned(self) -> str:
        """The URL of a new, empty database for the role that owns it and may nothing else, as deployed."""
        if self.dialect == "sqlite":
            return self._sqlite(None)
        role = f"owner_{uuid.uuid4().hex}"
        _admin(self._server, f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        self._roles.append(role)
        name = f"test_{uuid.uuid4().hex}"
        _admin(self._server, f'CREATE DATABASE "{name}" OWNER {role}')
        self._made.append(name)
        address = make_url(_named(self._server, name)).set(username=role, password=role)
        return address.render_as_string(hide_password=False)

    def as_app(self, url: str) -> str:
        """The URL of the same database for a role that owns nothing in it, as an app is deployed."""
        if self.dialect == "sqlite":
            return url
        role = f"app_{uuid.uuid4().hex}"
        _admin(self._server, f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        self._roles.append(role)
        address = make_url(url).set(username=role, password=role).render_as_string(hide_password=False)
        owner = Database(url)
        migrations.admit(owner, address)
        owner.dispose()
        return address

    def drop_all(self) -> None:
        for name in self._made:
            _admin(self._server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        for role in self._roles:
            _admin(self._server, f"DROP ROLE {role}")

    def _sqlite(self, template: Path | None) -> str:
        path = self._folder / f"{uuid.uuid4().hex}.db"
        if template is not None:
            shutil.copy(template, path)
        return f"sqlite:///{path}"

    def _postgresql(self, template: str | None) -> str:
        name = f"test_{uuid.uuid4().hex}"
        _admin(self._server, f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        self._made.append(name)
        return _named(self._server, name)


@contextmanager
def databases(dialect: str, folder: Path, server: str) -> Iterator[Databases]:
    made = Databases(dialect, folder, server)
    try:
        yield made
    finally:
        made.drop_all()


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@cache
def _admin_engine(server: str) -> Engine:
    url = make_url(server).set(drivername="postgresql+psycopg")
    return create_engine(url, isolation_level="AUTOCOMMIT")


def _admin(server: str, statement: str) -> None:
    with _admin_engine(server).connect() as connection:
        connection.execute(text(statement))


def _migrate(url: str, package: str) -> None:
    database = Database(url)
    migrations.upgrade(database, package)
    database.dispose()


@cache
def _sqlite_template(package: str, folder: Path) -> Path:
    path = folder / f"template-{package}.db"
    _migrate(f"sqlite:///{path}", package)
    return path


@cache
def _postgresql_template(package: str, server: str) -> str:
    name = f"template_{package}_{uuid.uuid4().hex[:8]}"
    _admin(server, f'CREATE DATABASE "{name}"')
    _migrate(_named(server, name), package)
    return name
