import contextlib
import random
import threading

import pytest
from hedgerow_kit import changes, db
from hedgerow_kit.db import Database
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = db.metadata()


class Change(changes.ChangeMixin, Base):
    pass


class ChangeClock(changes.ChangeClockMixin, Base):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]


feed = changes.Feed(Change, ChangeClock)


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    Base.metadata.create_all(made.engine)
    with made.writing() as session:
        session.add(ChangeClock(id=1, seq=0))
    yield made
    made.dispose()


def numbers(database, after=0):
    with database.reading() as session:
        return [(c.seq, c.type, c.id, c.deleted) for c in feed.after(session, after, limit=1000)]


def test_changes_are_numbered_from_one_and_the_last_word_of_a_transaction_counts(database):
    with database.writing() as session:
        feed.record(session, "note", "a")
        feed.record(session, "note", "b")
        feed.record(session, "note", "a", deleted=True)
    assert numbers(database) == [(1, "note", "b", False), (2, "note", "a", True)]


def test_a_rollback_leaves_no_hole(database):
    with database.writing() as session:
        feed.record(session, "note", "a")
    with contextlib.suppress(RuntimeError), database.writing() as session:
        feed.record(session, "note", "lost")
        raise RuntimeError
    with database.writing() as session:
        feed.record(session, "note", "c")
    assert [seq for seq, *_ in numbers(database)] == [1, 2]
    with database.reading() as session:
        assert feed.current(session) == 2


def test_the_first_change_of_a_new_database_is_number_one(database_url):
    database = Database(database_url)
    Base.metadata.create_all(database.engine)
    with database.writing() as session:
        feed.record(session, "note", "a")
    assert numbers(database) == [(1, "note", "a", False)]
    database.dispose()


def test_types_filter_the_feed(database):
    with database.writing() as session:
        feed.record(session, "note", "a")
        feed.record(session, "page", "b")
    with database.reading() as session:
        assert [c.id for c in feed.after(session, 0, limit=10, types=["page"])] == ["b"]


def test_a_follower_among_writers_that_commit_and_roll_back_misses_nothing_and_reads_nothing_twice(database):
    writers_done = threading.Event()
    failures = []

    def write(name):
        chance = random.Random(name)
        try:
            for version in range(25):
                try:
                    with database.writing() as session:
                        session.merge(Note(id=f"{name}-{version % 7}", version=version))
                        feed.record(session, "note", f"{name}-{version % 7}")
                        if chance.random() < 0.3:
                            raise KeyError(name)
                except KeyError:
                    pass
        except Exception as error:
            failures.append(error)

    seen = []

    def follow():
        while True:
            last_round = writers_done.is_set()
            page = numbers(database, seen[-1][0] if seen else 0)
            seen.extend(page)
            if last_round and not page:
                return

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(6)]
    for thread in [follower, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    writers_done.set()
    follower.join()
    assert failures == []
    assert [seq for seq, *_ in seen] == list(range(1, len(seen) + 1))
    with database.reading() as session:
        assert {note.id for note in session.scalars(select(Note))} == {id for _, _, id, _ in seen}
