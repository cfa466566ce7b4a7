"""A session sees no further than its reach, however it is asked."""

import pytest
from hedgerow_kit import db
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_kit.reach import EVERYTHING, SETTING, Guarded, Owned, OwnedAlone, Reach, widened
from sqlalchemy import String, delete, exists, func, insert, select, text, union_all, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column


class Base(DeclarativeBase):
    metadata = db.metadata()


class Shed(Owned, Base):
    __tablename__ = "sheds"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)


class Diary(OwnedAlone, Base):
    __tablename__ = "diaries"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)


class Tool(Guarded, Base):
    __tablename__ = "tools"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    shed: Mapped[str] = mapped_column(String(20))

    @classmethod
    def within(cls, authorities):
        return cls.shed.in_(select(Shed.name).where(Shed.within(authorities)))


class Safe(Guarded, Base):
    """Guarded, and does not say whose it is."""

    __tablename__ = "safes"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)


def reach(*authorities):
    return Reach.of(Principal("p", frozenset({"reader"}), frozenset(authorities)))


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    Base.metadata.create_all(made.engine)
    with made.writing() as session:
        for name, code in (("ours", "A"), ("theirs", "B"), ("theirs too", "B"), ("shared", None)):
            session.add_all(
                [
                    Shed(name=name, authority_code=code),
                    Diary(name=name, authority_code=code),
                    Tool(name=f"rake of {name}", shed=name),
                ]
            )
    yield made
    made.dispose()


def test_what_does_not_say_whose_it_is_is_nobodys_but_who_acts_for_all(database):
    with database.writing() as session:
        session.add(Safe(name="one"))
    with database.reading(reach("A", "B")) as session:
        assert session.scalars(select(Safe.name)).all() == []
    with database.reading(EVERYTHING) as session:
        assert session.scalars(select(Safe.name)).all() == ["one"]


OTHER, TOOL = aliased(Shed), aliased(Tool)
QUESTIONS = {
    "the class": select(Shed.name),
    "the whole row": select(Shed),
    "an alias": select(OTHER.name),
    "a count": select(func.count()).select_from(Shed),
    "a subquery": select(select(Shed.name.label("name")).subquery().c.name),
    "a union": select(union_all(select(Shed.name), select(OTHER.name)).subquery().c.name),
    "a common table": select(select(Shed.name.label("name")).cte().c.name),
    "a scalar subquery": select(select(func.count(Shed.name)).scalar_subquery()),
    "an existence": select(func.count()).where(exists(select(Shed.name).where(Shed.name == "theirs"))),
    "a list of names": select(Tool.name).where(Tool.shed.in_(select(Shed.name))),
    "a join": select(Tool.name).join(Shed, Shed.name == Tool.shed),
    "an outer join": select(Shed.name).outerjoin_from(Tool, Shed, Shed.name == Tool.shed),
    "what hangs on it": select(TOOL.name),
}


@pytest.mark.parametrize("asked", QUESTIONS)
def test_what_is_out_of_reach_is_in_no_answer(database, asked):
    def told(whose):
        with database.reading(whose) as session:
            return sorted(str(getattr(row, "name", row)) for row in session.scalars(QUESTIONS[asked]))

    everything, ours, nobody = told(EVERYTHING), told(reach("A")), told(reach())
    assert everything != ours
    assert ours != told(reach("B"))
    assert not any("theirs" in one for one in ours + nobody)
    assert told(reach("*")) == everything


def test_a_row_by_its_key_is_not_there_either(database):
    with database.reading(reach("A")) as session:
        assert session.get(Shed, "theirs") is None
        assert session.get(Shed, "ours") is not None
        assert session.get(Shed, "shared") is not None
        assert [row.name for row in session.scalars(select(Diary))] == ["ours"]


def test_neither_updates_nor_deletes_go_further(database):
    with database.writing(reach("A")) as session:
        session.execute(update(Tool).values(name=Tool.name + "!"))
        session.execute(delete(Shed).where(Shed.name != "shared"))
    with database.reading() as session:
        assert set(session.scalars(select(Shed.name))) == {"theirs", "theirs too", "shared"}
        assert "rake of theirs" in session.scalars(select(Tool.name)).all()


def test_a_session_may_look_further_and_comes_back(database):
    with database.writing(reach("A")) as session:
        with widened(session):
            assert session.get(Shed, "theirs") is not None
        session.expire_all()
        assert session.scalars(select(Shed.name)).all() == ["ours", "shared"]
        with pytest.raises(ZeroDivisionError), widened(session):
            _ = 1 / 0
        assert len(session.scalars(select(Shed.name)).all()) == 2


def test_what_goes_wrong_while_looking_further_is_told_as_it_is(database):
    def taken(session):
        with widened(session):
            session.execute(insert(Shed).values(name="theirs", authority_code="A"))

    # On PostgreSQL the transaction takes no statement any more: that must not hide why.
    with pytest.raises(IntegrityError), database.writing(reach("A")) as session:
        taken(session)
    with database.writing(reach("A")) as session:
        with pytest.raises(IntegrityError), session.begin_nested():
            taken(session)
        if session.get_bind().dialect.name == "postgresql":
            assert session.scalar(text("SELECT current_setting(:name)"), {"name": SETTING}) == "shared,A"
        assert session.scalars(select(Shed.name)).all() == ["ours", "shared"]


def test_who_acts_for_several_stamps_with_all_of_them_together(database):
    both = Principal("p", frozenset(), frozenset({"B", "A"}))
    assert both.stamp == "A+B"
    with database.writing() as session:
        session.add(Diary(name="joint", authority_code=both.stamp))
    for authorities, sees in ((("A",), False), (("B", "A"), True), (("*",), True)):
        with database.reading(reach(*authorities)) as session:
            assert (session.get(Diary, "joint") is not None) is sees
        principal = Principal("p", frozenset(), frozenset(authorities))
        assert (principal.within(both.stamp), principal.owns(both.stamp)) == (sees, sees)
    with database.reading(reach("A", "B")) as session:
        assert sorted(session.scalars(select(Shed.name))) == ["ours", "shared", "theirs", "theirs too"]
        assert sorted(session.scalars(select(Diary.name))) == ["joint", "ours", "theirs", "theirs too"]
    assert [both.within(code) for code in ("A", "B", None, "A+B", "C")] == [True, True, True, True, False]


def test_who_acts_for_nobody_owns_nothing():
    nobody = Principal("p", frozenset(), frozenset())
    assert [nobody.owns(code) for code in ("", None, "A")] == [False, False, False]
    assert [nobody.within(code) for code in ("", None, "A")] == [False, True, False]
