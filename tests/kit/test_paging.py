import pytest
from hedgerow_kit import db, paging
from hedgerow_kit.db import Database
from hedgerow_kit.problems import Problem
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = db.metadata()


class Parcel(Base):
    __tablename__ = "parcels"

    depot: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    Base.metadata.create_all(made.engine)
    yield made
    made.dispose()


def page(database, after, limit=3):
    with database.reading() as session:
        rows, marker = paging.keyset(
            session, select(Parcel), [Parcel.depot, Parcel.number], after=after, limit=limit
        )
        return [(row[0].depot, row[0].number) for row in rows], marker


def test_pages_follow_one_another_without_loss_while_rows_come_and_go(database):
    with database.writing() as session:
        db.upsert(
            session,
            Parcel,
            [{"depot": depot, "number": number} for depot in ("a", "b") for number in range(4)],
            key=["depot", "number"],
        )
    first, marker = page(database, None)
    with database.writing() as session:
        session.add(Parcel(depot="a", number=-1))
        session.delete(session.get_one(Parcel, ("a", 2)))
    second, marker = page(database, marker)
    third, marker = page(database, marker)
    assert first + second + third == [(d, n) for d in ("a", "b") for n in range(4)]
    assert marker is None


@pytest.mark.parametrize("marker", ["x", "bnVsbA", "WzEsMl0", "W10", "WyJhIl0", "ééé", "WyJhIiwgIjEiXQ",
    "WyJhIix0cnVlXQ", "WyJhIiw5MjIzMzcyMDM2ODU0Nzc1ODA4XQ", "WyJcdTAwMDAiLDFd"])  # fmt: skip
def test_a_marker_that_is_not_ours_is_refused(database, marker):
    # The last ones: ["a", true], ["a", 2 ** 63], ["\\u0000", 1].
    with pytest.raises(Problem) as refusal:
        page(database, marker)
    assert refusal.value.status_code == 422


@given(items=st.sets(st.tuples(st.integers(-5, 5), st.text(max_size=3))), limit=st.integers(1, 7))
def test_windows_over_a_computed_list_give_each_item_once(items, limit):
    ordered = sorted(items)
    seen, marker = [], None
    while True:
        found, marker = paging.window(ordered, lambda item: item, after=marker, limit=limit)
        seen += found
        if marker is None:
            break
    assert seen == ordered


def test_a_window_goes_on_behind_an_item_that_has_gone(database):
    _, marker = paging.window([(1,), (2,), (3,)], lambda item: item, after=None, limit=2)
    found, _ = paging.window([(1,), (3,), (4,)], lambda item: item, after=marker, limit=2)
    assert found == [(3,), (4,)]


def test_a_window_refuses_a_marker_of_another_list():
    _, marker = paging.window([("a",), ("b",)], lambda item: item, after=None, limit=1)
    with pytest.raises(Problem):
        paging.window([(1,), (2,)], lambda item: item, after=marker, limit=1)
