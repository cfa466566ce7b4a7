"""The second lock: PostgreSQL hides what is another authority's from an app that owns nothing in it."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hedgerow_kit import migrations, reach
from hedgerow_kit.db import Database
from hedgerow_kit.reach import EVERYTHING, Reach, ReachingSession
from sqlalchemy import event, text

from tests.contracts.boundaries import OURS, THEIRS, WORLDS, acting
from tests.support import apps
from tests.support.http import running

# Whose names, with the authority they belong to, everybody may read.
PUBLIC = {"sources"}


@pytest.fixture
def dialect():
    return "postgresql"


@pytest.fixture
def filled(app, made_databases):
    """A database with records of another authority, as its owner and as the app that owns nothing."""
    url = made_databases.migrated(f"hedgerow_{app}")
    with running(apps.made(app, url)) as client:
        world = WORLDS[app](client, url)
    return world, url, made_databases.as_app(url)


@pytest.fixture
def unfiltered():
    """The app's own filter, taken away."""
    event.remove(ReachingSession, "do_orm_execute", reach._narrow)
    yield
    event.listen(ReachingSession, "do_orm_execute", reach._narrow)


def tenant_tables(database):
    with database.engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, count(p.policyname)"
                " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " LEFT JOIN pg_policies p ON p.tablename = c.relname"
                " WHERE c.relkind = 'r' AND a.attname = 'authority_code' GROUP BY 1, 2"
            )
        )
        return {name: bool(forced and policies) for name, forced, policies in rows}


@pytest.mark.parametrize("app", WORLDS)
def test_every_table_with_an_authority_is_locked_for_its_owner_too(app, made_databases):
    database = Database(made_databases.migrated(f"hedgerow_{app}"))
    held = tenant_tables(database)
    database.dispose()
    assert held
    assert {name for name, locked in held.items() if not locked} <= PUBLIC


@pytest.mark.parametrize("app", WORLDS)
def test_a_transaction_that_tells_no_reach_sees_nothing(app, filled):
    _, _, url = filled
    database = Database(url)
    assert migrations.lock_is_open(database) is None
    locked = [name for name, is_locked in tenant_tables(database).items() if is_locked]
    with database.engine.connect() as connection:
        assert {connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in locked} == {0}
    with database.reading() as session:
        assert all(
            session.scalar(text(f"SELECT count(*) FROM {name}"))
            for name in locked
            if name != "unpublished_tombstones"
        )
    with database.reading(Reach(frozenset({OURS}))) as session:
        for name in locked:
            rows = session.scalars(text(f"SELECT authority_code FROM {name}"))
            assert set(rows) <= {OURS, None}, name
    database.dispose()


LISTS = {
    "outcomes": ("/v1/observations", "/v1/breaches", "/v1/kpis", "/v1/imports"),
    "network": (
        "/v1/networks",
        "/v1/costs",
        "/v1/adequacy-rules",
        "/v1/scenarios",
        "/v1/imports",
        "/v1/relations",
    ),
    "registry": ("/v1/feeds", "/v1/imports"),
}


@pytest.mark.parametrize("app", WORLDS)
def test_without_the_apps_own_filter_nothing_of_another_authority_is_seen(app, filled, unfiltered):
    world, owner, url = filled

    def told(address, path):
        with running(apps.made(app, address)) as client:
            answers = [client.get(path, headers=acting(app, "administrator", OURS))]
            return " ".join(answer.text for answer in answers)

    for path in LISTS[app]:
        assert not [id for id in world.theirs if id in told(url, path)], path
    # As the superuser that the policies do not hold for: it is they that hid it.
    assert any(id in told(owner, path) for id in world.theirs for path in LISTS[app])


def queried(database, seed, times):
    """Whose rows were seen that should not have been, in transactions that end in all ways."""
    chosen = random.Random(seed)
    wrong = []
    for _ in range(times):
        authorities = frozenset(chosen.sample([OURS, THEIRS, "E06999003"], chosen.randint(0, 2)))
        whose = EVERYTHING if chosen.random() < 0.1 else Reach(authorities)
        try:
            with database.reading(whose) as session:
                seen = set(session.scalars(text("SELECT authority_code FROM subjects")))
                if whose.authorities is not None and not seen <= {None, *authorities}:
                    wrong.append((authorities, seen))
                if chosen.random() < 0.2:
                    raise InterruptedError
                if chosen.random() < 0.1:
                    session.connection().invalidate()
        except InterruptedError:
            pass
        if chosen.random() < 0.1:
            with database.engine.connect() as connection:
                wrong += connection.scalars(text("SELECT authority_code FROM subjects")).all()
    return wrong


@pytest.mark.parametrize(
    ("app", "queries"), [("outcomes", 2_000), pytest.param("outcomes", 100_000, marks=pytest.mark.slow)]
)
def test_a_connection_carries_nobodys_reach_to_the_next(app, queries, filled):
    _, _, url = filled
    tasks = 64
    # Room for all at once, so that none gives up waiting; connections go from hand to hand all the same.
    database = Database(url, pool_size=22)
    with ThreadPoolExecutor(tasks) as pool:
        found = list(pool.map(lambda seed: queried(database, seed, -(-queries // tasks)), range(tasks)))
    database.dispose()
    assert [wrong for one in found for wrong in one] == []


def test_an_app_that_owns_its_tables_or_is_exempt_says_so(made_databases):
    url = made_databases.migrated("hedgerow_network")
    for address, why in ((url, "exempt"), (made_databases.as_app(url), None)):
        database = Database(address)
        said = migrations.lock_is_open(database)
        database.dispose()
        assert (why in said) if why else said is None
