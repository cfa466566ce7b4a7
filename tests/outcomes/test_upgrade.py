"""A database that an earlier version filled: the registry is read anew by itself."""

from datetime import UTC, datetime

from hedgerow_kit import migrations
from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes
from hedgerow_outcomes.actions.hearing import HEARD
from hedgerow_outcomes.store import registry
from hedgerow_outcomes.tables import Feed
from sqlalchemy import text, update

from tests.outcomes.sending import HEAD, KPIS, counts, send
from tests.support import apps
from tests.support.http import running
from tests.support.identity import identity

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


def test_figures_from_before_authorities_are_everybodys_until_they_are_handed_over(made_databases):
    url = made_databases.migrated("hedgerow_outcomes")
    database = Database(url)
    migrations.downgrade(database, "hedgerow_outcomes", "0011")
    with database.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO subjects (number, text, kind) VALUES (1, 'service:S1', 'service')")
        )
    migrations.upgrade(database, "hedgerow_outcomes")
    all_of_them, ours, theirs = (
        identity("outcomes", role="system", authorities=(code,)) for code in ("*", "E06000001", "E06000002")
    )
    row = HEAD + "waits,service:S1,2025-0{},{}\n"
    with running(apps.made("outcomes", made_databases.as_app(url)), headers=all_of_them) as client:
        send(client, "kpis", KPIS)
        send(client, "observations", row.format(1, 10))
        client.headers.update(ours)
        assert counts(client, "observations", row.format(2, 20)) == (0, 0, 0, 1)
        assert len(client.items("/v1/observations", headers=theirs)) == 1
        # As the documentation says.
        with database.engine.begin() as connection:
            if database.dialect == "postgresql":
                connection.execute(text("SELECT set_config('hedgerow.authorities', '*', true)"))
            connection.execute(
                text(
                    "UPDATE subjects SET authority_code = 'E06000001' "
                    "WHERE authority_code IS NULL AND text IN ('service:S1')"
                )
            )
        assert counts(client, "observations", row.format(2, 20)) == (1, 0, 0, 0)
        assert len(client.items("/v1/observations")) == 2
        assert client.items("/v1/observations", headers=theirs) == []
    database.dispose()
