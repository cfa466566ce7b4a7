"""A database that an earlier version filled: the registry is read anew by itself."""

from datetime import UTC, datetime

from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes
from hedgerow_outcomes.actions.hearing import HEARD
from hedgerow_outcomes.store import registry
from hedgerow_outcomes.tables import Feed
from sqlalchemy import update

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
INDEX = {"index": "imd", "area_code": "E06000001", "values": [{"period": "2025", "value": 20.5}]}


def test_an_upgraded_database_reads_again_what_an_earlier_version_left_out(made_databases):
    # As its owner has it, who alone may change its tables.
    database = Database(made_databases.migrated("hedgerow_outcomes"))
    migrations.downgrade(database, "hedgerow_outcomes", "0012")
    with database.writing() as session:
        session.execute(
            update(Feed).values(position=7, registry_last=7, batch=3, feeding=1, settled=1, heard_at=NOW)
        )
    migrations.upgrade(database, "hedgerow_outcomes")
    nothing_new = Changes((), 7, 7)
    reached = HEARD.take(database, nothing_new, after=7, heard_at=NOW)
    assert (reached.position, reached.complete) == (0, True)
    page = Changes((Change(4, "index", "imd/E06000001", INDEX),), 7, 7)
    assert HEARD.take(database, page, after=0, heard_at=NOW).position == 7
    # Read by what reads now, the feed is not begun again.
    assert HEARD.take(database, nothing_new, after=7, heard_at=NOW).position == 7
    with database.reading() as session:
        assert registry.index_values(session, "imd", ["E06000001"]) == {"E06000001": 20.5}
    database.dispose()
