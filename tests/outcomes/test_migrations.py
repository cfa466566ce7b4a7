from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from sqlalchemy import inspect

from tests.support.databases import Databases

APP = "hedgerow_outcomes"


def test_the_migrations_make_the_tables_the_code_speaks_of(made_databases: Databases) -> None:
    database = Database(made_databases.migrated(APP))
    migrations.check(database, APP)
    database.dispose()


def test_the_migrations_can_be_taken_back_and_made_again(made_databases: Databases) -> None:
    database = Database(made_databases.migrated(APP))
    migrations.downgrade(database, APP, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrations.upgrade(database, APP)
    migrations.check(database, APP)
    database.dispose()
