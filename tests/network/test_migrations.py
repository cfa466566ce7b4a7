"""Network's database from empty, against its tables, down and up again over rows."""

from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from sqlalchemy import inspect

from tests.network.feeding import feed
from tests.network.world import TOWN, records


def test_the_tables_are_those_that_the_migrations_make(database_url):
    database = Database(database_url)
    migrations.upgrade(database, "hedgerow_network")
    migrations.check(database, "hedgerow_network")
    feed(database, records(**TOWN))
    migrations.downgrade(database, "hedgerow_network", "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrations.upgrade(database, "hedgerow_network")
    feed(database, records(**TOWN))
    database.dispose()
