"""The audit: one entry for each act, in its transaction; nothing can be changed or taken away unnoticed."""

import contextlib
import random
import threading

import pytest
from hedgerow_kit import audit, audit_reading, db
from hedgerow_kit.db import Act, Database
from sqlalchemy import String, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.support.auditing import behind_its_back, create, entries
from tests.support.databases import on_postgresql

ACT = Act("key:1", "PUT /v1/notes/{id}")
TAMPERED = 1_000


class Base(DeclarativeBase):
    metadata = db.metadata()


audit.declare(Base.metadata, withheld={"email"})


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    words: Mapped[str]
    secret: Mapped[str] = mapped_column(info=audit.NOT_REPEATED, default="s")
    about: Mapped[dict] = mapped_column(db.Json, default=dict)


class Scratch(Base):
    __tablename__ = "scratch"
    __audited__ = False

    id: Mapped[str] = mapped_column(String(20), primary_key=True)


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    create(made)
    Base.metadata.create_all(made.engine)
    yield made
    made.dispose()


def write(database, *rows, act=ACT):
    with database.writing(act=act) as session:
        session.add_all(rows)


def verdict(database, **anchors):
    with database.reading() as session:
        return audit_reading.verify(session, "app", **anchors)


def change(entry, type="note"):
    (found,) = [one for one in entry.changes if one.type == type]
    return found


def test_an_act_leaves_one_entry_with_who_what_before_and_after(database):
    write(database, Note(id="a", words="old"))
    with database.writing(act=ACT._replace(who="person:2")) as session:
        note = session.get(Note, "a")
        note.words = "half way"
        session.flush()
        note.words = "new"
    with database.writing(act=ACT) as session:
        session.delete(session.get(Note, "a"))
    made, changed, deleted = entries(database)
    assert (made.seq, made.who, made.what) == (1, "key:1", "PUT /v1/notes/{id}")
    assert change(made).before is None
    assert change(made).after["words"] == "old"
    assert changed.who == "person:2"
    assert (change(changed).before, change(changed).after) == ({"words": "old"}, {"words": "new"})
    assert change(deleted).before["words"] == "new"
    assert change(deleted).after is None
    assert verdict(database).intact


def test_what_is_rolled_back_is_not_entered_and_numbers_have_no_hole(database):
    write(database, Note(id="a", words="x"))
    with contextlib.suppress(RuntimeError), database.writing(act=ACT) as session:
        session.add(Note(id="lost", words="x"))
        session.flush()
        raise RuntimeError
    write(database, Note(id="b", words="x"))
    assert [(one.seq, change(one).id) for one in entries(database)] == [(1, "a"), (2, "b")]


def test_an_act_that_writes_nothing_and_writing_that_is_no_act_leave_no_entry(database):
    write(database, Note(id="a", words="x"), act=None)
    with database.writing(act=ACT) as session:
        session.get(Note, "a").words = "x"
    assert entries(database) == []


def test_what_goes_past_the_unit_of_work_is_entered_even_if_nobody_tells_of_it(database):
    with database.writing(act=ACT) as session:
        session.execute(insert(Note).values(id="a", words="x", secret="s", about={}))
    with database.writing(act=ACT) as session:
        audit.note(session, "note", "a", before={"words": "x", "same": 1}, after={"words": "y", "same": 1})
        session.execute(update(Note).values(words="y"))
    untold, told = entries(database)
    assert untold.changes == []
    assert change(told).after == {"words": "y", "same": 1}


def test_bookkeeping_is_not_entered_as_a_change(database):
    write(database, Note(id="a", words="x"), Scratch(id="b"))
    (entry,) = entries(database)
    assert [one.type for one in entry.changes] == ["note"]


def test_secrets_and_how_people_are_reached_are_not_repeated_but_that_they_changed_is(database):
    canary = "canary@example.org"
    write(
        database, Note(id="a", words="x", secret="hush", about={"people": [{"email": canary, "role": "r"}]})
    )
    with database.writing(act=ACT) as session:
        note = session.get(Note, "a")
        note.secret, note.about = "hush again", {"email": canary}
    with database.engine.connect() as connection:
        kept = " ".join(connection.execute(select(audit.CHANGES.c.content)).scalars())
    assert canary not in kept
    assert "hush" not in kept
    first, second = entries(database)
    assert change(first).after["about"] == {"people": [{"email": "(withheld)", "role": "r"}]}
    assert change(second).after == {"secret": "(withheld)", "about": {"email": "(withheld)"}}


def test_a_long_value_is_kept_as_its_digest(database):
    write(database, Note(id="a", words="w" * 5_000))
    kept = change(entries(database)[0]).after["words"]
    assert kept["characters"] == 5_002
    assert len(kept["sha256"]) == 64


@pytest.mark.parametrize("value", ["\x00", "\ud800", 2**70, float("nan"), 1e16, 0.1, "é\u2028"])
def test_any_value_of_json_can_be_entered_and_verified(database, value):
    with database.writing(act=ACT) as session:
        session.add(Note(id="a", words="x"))
        audit.note(session, "odd", "1", before=None, after={"value": value})
    assert verdict(database).intact
    assert len(entries(database)) == 1


def test_entries_are_found_by_who_what_and_thing(database):
    write(database, Note(id="a", words="x"))
    write(database, Note(id="b", words="x"), act=Act("key:2", "POST /v1/notes"))
    assert [one.seq for one in entries(database, who="key:2")] == [2]
    assert [one.seq for one in entries(database, what=ACT.what)] == [1]
    assert [one.seq for one in entries(database, type="note", id="b")] == [2]
    assert entries(database, type="other") == []


def test_many_writers_make_one_chain(database):
    def work(name):
        for number in range(10):
            write(database, Note(id=f"{name}-{number}", words="x"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.seq for one in entries(database)] == list(range(1, 61))
    found = verdict(database)
    assert found.intact
    assert found.entries == 60


STATEMENTS = [
    "UPDATE audit_entries SET what = 'x'",
    "UPDATE audit_entries SET who = NULL, who_salt = NULL",
    "UPDATE audit_changes SET content = '{}'",
    "DELETE FROM audit_entries",
    "DELETE FROM audit_changes",
    "DELETE FROM audit_head",
    "UPDATE audit_head SET seq = 1",
    "UPDATE audit_head SET hash = 'x'",
]
ON_SQLITE = [
    "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries",
    "INSERT OR REPLACE INTO audit_changes SELECT * FROM audit_changes",
    "INSERT OR REPLACE INTO audit_head VALUES (1, 0, 'x')",
]
ON_POSTGRESQL = [f"TRUNCATE audit_{table} CASCADE" for table in ("entries", "changes", "head")]


def test_the_database_lets_nobody_change_or_take_away_an_entry(database):
    for id in "abc":
        write(database, Note(id=id, words="x"))
    more = ON_SQLITE if database.dialect == "sqlite" else ON_POSTGRESQL
    for statement in STATEMENTS + more:
        with pytest.raises(DBAPIError, match="append-only"), database.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert len(entries(database)) == 3
    assert verdict(database).intact


def tamperings(number):
    """Statements that each change or take away one row, or a part of one, of a chain of so many entries."""
    chosen = random.Random(20261127)
    fields = [
        ("audit_entries", "seq", field, value)
        for field, value in (
            ("what", "'DELETE /v1/notes/{id}'"),
            ("who", "'somebody else'"),
            ("who", "NULL"),
            ("who_salt", "'0'"),
            ("who_digest", "'0'"),
            ("erasure", "'0'"),
            ("who = NULL, who_salt = NULL, erasure", "'0'"),
            ("hash", "'0'"),
            ("at", "'2020-01-01 00:00:00.000000'"),
        )
    ] + [
        ("audit_changes", "entry", field, value)
        for field, value in (
            ("content", "'{}'"),
            ("content", "NULL"),
            ("salt", "'0'"),
            ("digest", "'0'"),
            ("erasure", "'0'"),
            ("content = NULL, salt = NULL, erasure", "'0'"),
            ("type", "'other'"),
            ("id", "'other'"),
            ("number", "7"),
        )
    ]
    while True:
        seq = chosen.randint(1, number)
        yield seq, f"DELETE FROM audit_entries WHERE seq = {seq}"
        yield seq, f"DELETE FROM audit_changes WHERE entry = {seq}"
        yield seq, f"DELETE FROM audit_entries WHERE seq >= {seq}"
        for table, key, field, value in fields:
            yield seq, f"UPDATE {table} SET {field} = {value} WHERE {key} = {seq}"


def test_a_thousand_rows_changed_or_taken_away_are_each_noticed(database):
    for number in range(40):
        write(database, Note(id=str(number), words=str(number)))
    assert verdict(database).intact
    tampering = tamperings(40)
    noticed = named = 0
    for _ in range(TAMPERED):
        seq, statement = next(tampering)
        with behind_its_back(database) as connection:
            assert connection.exec_driver_sql(statement).rowcount
            found = audit_reading.verify(connection, "app")
        noticed += not found.intact
        named += found.fault is not None and found.fault.seq == seq
    print(f"tampered rows: {TAMPERED}, noticed {noticed}, named {named} ({database.dialect})")
    assert noticed == named == TAMPERED
    assert verdict(database).intact


def test_a_history_written_anew_or_cut_off_with_its_head_is_noticed_by_what_was_told_before(database):
    for number in range(5):
        write(database, Note(id=str(number), words=str(number)))
    told = verdict(database).head
    with behind_its_back(database) as connection:
        chain = connection.execute(select(audit.ENTRIES.c.hash).where(audit.ENTRIES.c.seq == 3)).scalar_one()
        connection.exec_driver_sql("DELETE FROM audit_changes WHERE entry > 3")
        connection.exec_driver_sql("DELETE FROM audit_entries WHERE seq > 3")
        connection.execute(update(audit.HEAD).values(seq=3, hash=chain))
        assert audit_reading.verify(connection, "app").intact
        assert not audit_reading.verify(connection, "app", anchors={told.seq: told.hash}).intact
        assert not audit_reading.verify(connection, "app", anchors={2: told.hash}).intact
    assert verdict(database, anchors={told.seq: told.hash}).intact


@on_postgresql
def test_the_role_of_the_app_has_no_right_to_change_an_entry(made_databases):
    """But for the words that an erasure may take: of those only the trigger knows whether one does."""
    database = Database(made_databases.as_app(made_databases.migrated("hedgerow_network")))
    with database.writing(act=ACT) as session:
        audit.enter(session, ACT, "note", "a", after={})
    for statement in STATEMENTS[:5]:
        refusal = (
            "append-only" if "SET who =" in statement or "SET content" in statement else "permission denied"
        )
        with pytest.raises(DBAPIError, match=refusal), database.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert verdict(database).intact
    database.dispose()
