from collections.abc import Iterator

import pytest
from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from sqlalchemy import inspect

PACKAGE = "hedgerow_registry"


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


def test_the_migrations_make_what_the_tables_say_and_take_it_away_again(empty: Database) -> None:
    migrations.upgrade(empty, PACKAGE)
    migrations.upgrade(empty, PACKAGE)
    migrations.check(empty, PACKAGE)
    assert len(inspect(empty.engine).get_table_names()) > 20
    migrations.downgrade(empty, PACKAGE, "base")
    assert inspect(empty.engine).get_table_names() == ["alembic_version"]
    migrations.upgrade(empty, PACKAGE)
    migrations.check(empty, PACKAGE)
