"""The token of an app's state: another one after every commit, the same one as long as nobody commits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from hedgerow_kit import serving
from hedgerow_kit.db import Database
from hedgerow_kit.state import State
from sqlalchemy import text

from tests.support.databases import Databases, on_postgresql, on_sqlite
from tests.support.http import running

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(made_databases: Databases) -> Iterator[Database]:
    made = Database(made_databases.empty())
    with made.writing() as session:
        session.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY)"))
    yield made
    made.dispose()


@pytest.fixture
def state(database: Database) -> Iterator[State]:
    made = State(database, now=lambda: NOON)
    yield made
    made.close()


def write(database: Database, id: int) -> None:
    with database.writing() as session:
        session.execute(text(f"INSERT INTO things VALUES ({id})"))


def test_every_commit_gives_another_token_and_nothing_else_does(database: Database, state: State) -> None:
    seen = [state.token()]
    for id in range(50):
        if database.dialect == "sqlite":
            # On PostgreSQL the whole server is watched, and others use it, too.
            assert state.token() == seen[-1]
        write(database, id)
        seen.append(state.token())
    assert len(set(seen)) == 51


def test_reading_gives_no_other_token(database: Database, state: State) -> None:
    def read() -> bool:
        before = state.token()
        with database.reading() as session:
            session.execute(text("SELECT count(*) FROM things"))
        return state.token() == before

    # Another test may write to the same server at any moment, but not at every moment.
    assert any(read() for _ in range(20))


# On PostgreSQL a token more than needed is given: the transaction has a number.
@on_sqlite
def test_a_write_that_is_rolled_back_shows_nothing_new_and_one_under_way_is_not_seen_before_its_commit(
    database: Database, state: State
) -> None:
    write(database, 1)
    before = state.token()
    with database.writing() as session:
        session.execute(text("INSERT INTO things VALUES (2)"))
        assert state.token() == before
        session.rollback()
    assert state.token() == before


def test_equal_tokens_around_a_reading_mean_that_it_shows_the_present(database: Database) -> None:
    """A writer as fast as it can, a reader that takes the token before and after: what it read between equal
    tokens is what a reading after the second token gives.
    """
    stop = False

    def write_on() -> None:
        id = 0
        while not stop:
            id += 1
            write(database, id)

    def count() -> int:
        with database.reading() as session:
            return int(session.execute(text("SELECT count(*) FROM things")).scalar_one())

    state = State(database)
    writer = Thread(target=write_on)
    writer.start()
    compared = 0
    try:
        for _ in range(2000):
            before = state.token()
            read = count()
            acknowledged = count()
            if state.token() == before:
                assert read == acknowledged
                compared += 1
            if compared >= 20:
                break
    finally:
        stop = True
        writer.join()
        state.close()
    assert compared


@on_postgresql
def test_two_readers_of_one_postgresql_are_told_the_same(database: Database) -> None:
    one, other = State(database, now=lambda: NOON), State(database, now=lambda: NOON)
    assert any(one.token() == other.token() for _ in range(20))
    one.close()
    other.close()


def test_midnight_gives_another_token_and_so_do_the_seconds_around_it_in_which_clocks_differ(
    database: Database,
) -> None:
    moments = [
        datetime(2026, 6, 1, 12, tzinfo=UTC),
        datetime(2026, 6, 1, 23, 59, 56, tzinfo=UTC),
        datetime(2026, 6, 2, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 6, 2, 0, 0, 6, tzinfo=UTC),
    ]
    now = moments[0]
    state = State(database, now=lambda: now)
    tokens = []
    for moment in moments:
        now = moment
        tokens.append(state.token())
        if database.dialect == "sqlite":
            now = moment + timedelta(seconds=1)
            assert state.token() == tokens[-1]
    state.close()
    assert len(set(tokens)) == 4


def test_after_the_connection_broke_a_new_one_is_made(database: Database, state: State) -> None:
    state.token()
    state._connection.close()
    with pytest.raises(Exception, match="closed"):
        state.token()
    assert state.token()


def test_the_token_is_told_at_its_address_and_a_database_that_is_gone_is_a_503(database: Database) -> None:
    for of, status in ((database, 200), (Database("sqlite:////nowhere/at/all.db"), 503)):
        app = serving.create("t", summary="t", errors={}, ready={}, state_of=of)
        with running(app) as client:
            told = client.get("/state")
            assert told.status_code == status
            assert client.get("/healthz").status_code == 200
            if status == 200:
                assert told.headers["cache-control"] == "no-store"
                assert told.text.isalnum()
