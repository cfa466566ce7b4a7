import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hedgerow_kit import db
from hedgerow_kit.db import Database
from sqlalchemy import Integer, String, event, func, insert, not_, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = db.metadata()


class Parcel(Base):
    __tablename__ = "parcels"

    depot: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[dict[str, object] | None] = mapped_column(db.Json)
    seen_at: Mapped[datetime | None] = mapped_column(db.Instant)


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    Base.metadata.create_all(made.engine)
    yield made
    made.dispose()


def parcels(count, *, content=None):
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    return [
        {"depot": "north", "number": number, "content": content or {"n": number}, "seen_at": now}
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, db.COPY_FROM_ROWS - 1, db.COPY_FROM_ROWS, 3000])
def test_upsert_inserts_what_is_new_and_updates_what_is_there(database, count):
    with database.writing() as session:
        db.upsert(session, Parcel, parcels(count), key=["depot", "number"])
    with database.writing() as session:
        db.upsert(session, Parcel, parcels(count + 1, content={"ü": [1, None]}), key=["depot", "number"])
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Parcel)) == count + 1
        assert session.get_one(Parcel, ("north", 0)).content == {"ü": [1, None]}


def test_a_list_of_values_is_looked_up_in_the_index_of_its_column(database):
    with database.writing() as session:
        db.upsert(session, Parcel, parcels(3000), key=["depot", "number"])
    ran = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, *_):
        ran.append((statement, parameters))

    explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    with database.reading() as session:
        assert (
            session.scalars(select(Parcel.number).where(not_(db.among(Parcel.depot, ["north"])))).all() == []
        )
        assert (
            session.scalars(select(Parcel.number).where(db.among(Parcel.depot, ["south", "é"]))).all() == []
        )
        statement, parameters = ran[-1]
        if database.dialect == "postgresql":
            session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = session.connection().exec_driver_sql(f"{explain} {statement}", parameters)
        told = " ".join(str(row[-1]) for row in plan)
    assert "SEARCH parcels" in told or "Index Cond" in told, told


def test_a_moment_comes_back_in_utc_wherever_it_was_said(database):
    said = datetime(2026, 7, 1, 13, 30, tzinfo=timezone(timedelta(hours=1)))
    with database.writing() as session:
        session.add(Parcel(depot="north", number=1, seen_at=said))
    with database.reading() as session:
        seen = session.get_one(Parcel, ("north", 1)).seen_at
        assert (seen, seen.tzinfo) == (datetime(2026, 7, 1, 12, 30, tzinfo=UTC), UTC)


def test_upsert_leaves_columns_that_are_not_named_and_rows_when_none_is(database):
    with database.writing() as session:
        db.upsert(session, Parcel, parcels(2), key=["depot", "number"])
        db.upsert(session, Parcel, parcels(2, content={"x": 1}), key=["depot", "number"], update=["seen_at"])
        db.upsert(session, Parcel, parcels(2, content={"x": 2}), key=["depot", "number"], update=[])
    with database.reading() as session:
        assert session.get_one(Parcel, ("north", 1)).content == {"n": 1}


def test_a_failed_transaction_leaves_nothing(database):
    with contextlib.suppress(RuntimeError), database.writing() as session:
        db.upsert(session, Parcel, parcels(600), key=["depot", "number"])
        raise RuntimeError
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Parcel)) == 0


def test_reading_cannot_write(database):
    with database.reading() as session, pytest.raises(DBAPIError):
        session.execute(insert(Parcel).values(depot="x", number=1))


def test_a_reader_keeps_its_snapshot_while_others_write(database):
    with database.writing() as session:
        db.upsert(session, Parcel, parcels(1), key=["depot", "number"])
    with database.reading() as session:
        before = session.scalar(select(func.count()).select_from(Parcel))
        with database.writing() as other:
            db.upsert(other, Parcel, parcels(5), key=["depot", "number"])
        assert session.scalar(select(func.count()).select_from(Parcel)) == before == 1


def test_many_threads_may_write_and_none_is_refused(database):
    failures = []

    def add(depot):
        try:
            for number in range(20):
                with database.writing() as session:
                    session.add(Parcel(depot=depot, number=number))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(f"depot {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Parcel)) == 120


def test_of_writers_that_never_pause_each_has_its_turn(database):
    """SQLite itself keeps no queue: one that looks again now and then may find it locked for ever."""
    began = threading.Barrier(6)
    until = time.monotonic() + 3
    done = [0] * 5

    def write(number):
        began.wait()
        while time.monotonic() < until:
            with database.writing() as session:
                session.execute(insert(Parcel), [{"depot": f"d{number}", "number": done[number]}])
                time.sleep(0.002)
            done[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    began.wait()
    for thread in threads:
        thread.join()
    assert min(done) >= max(done) / 2, done


def test_who_waits_too_long_for_a_turn_is_told_so_and_holds_nobody_up():
    queue = db.Queue(0.05)
    with queue.turn():
        with pytest.raises(OperationalError, match="locked"), queue.turn():
            pass
        late = threading.Thread(target=lambda: reached.append(queue.turn().__enter__()))
        reached = []
        late.start()
    late.join()
    assert reached == [None]
