"""However a file is cut and shuffled, and whatever is corrected, the tables say what they must."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_kit.spool import Upload
from hedgerow_outcomes.actions.intake import importer
from hedgerow_outcomes.store import observations
from hedgerow_outcomes.tables import Kpi, Learning, Subject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

TESTER = Principal("tester", frozenset({"administrator"}), frozenset({"*"}))
TABLES = (
    "observations",
    "superseded_observations",
    "learnings",
    "receipts",
    "imports",
    "changes",
    "change_clock",
)

Key = tuple[str, str, int]
Said = tuple[Key, float | None]

KEYS = st.tuples(
    st.sampled_from(["waits", "visits", "falls"]),
    st.sampled_from(["E08000009", "E05000815", "service:s1", "cohort:16-17"]),
    st.integers(2019, 2021),
)
NUMBERS = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 3).map(float)
)
ONCE_EACH = st.dictionaries(KEYS, NUMBERS, max_size=20)
quickly = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def book(outcomes_url: str, tmp_path: Path) -> Iterator["Book"]:
    made = Book(Database(outcomes_url), tmp_path)
    yield made
    made.close()


class Book:
    """The tables of outcomes, written by its importer and read by its queries."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._file = folder / "sent.csv"

    def close(self) -> None:
        self.database.dispose()

    def empty(self) -> None:
        with self.database.writing() as session:
            for table in TABLES:
                session.execute(text(f"DELETE FROM {table}"))

    def send(self, rows: list[Said], *, batch_rows: int = 4) -> dict[str, int]:
        body = "kpi,subject,period,value\n" + "".join(
            f"{kpi},{subject},{year},{'' if value is None else repr(value)}\n"
            for (kpi, subject, year), value in rows
        )
        self._file.write_text(body)
        imports = importer(batch_rows=batch_rows)
        id = imports.run(
            self.database,
            imports.kinds["observations"],
            Upload(self._file, len(body), "text/csv"),
            options={"define": "true", "blank": "missing"},
            principal=TESTER,
        )
        with self.database.reading() as session:
            row = session.execute(
                text("SELECT accepted, changed, unchanged, quarantined FROM imports WHERE id = :id"),
                {"id": id},
            ).one()
        return dict(row._mapping)

    def read(self, as_of: datetime | None = None) -> dict[Key, float | None]:
        with self.database.reading() as session:
            found, _ = observations.page(session, observations.Asked(), as_of, after=None, limit=1000)
            return {(row.kpi_id, row.subject_text, row.period_start.year): row.value for row in found}

    def now(self) -> datetime | None:
        """The moment of the last learning."""
        with self.database.reading() as session:
            return session.scalar(select(Learning.at).order_by(Learning.number.desc()).limit(1))


@quickly
@given(said=ONCE_EACH, data=st.data())
def test_any_order_and_any_cut_of_a_file_ends_in_the_same_table(book: Book, said: Any, data: Any) -> None:
    book.empty()
    rows = data.draw(st.permutations(list(said.items())))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        book.send(rows[start:end], batch_rows=data.draw(st.integers(1, 9)))
    assert book.read() == said
    assert book.send(rows) == {"accepted": 0, "changed": 0, "unchanged": len(rows), "quarantined": 0}
    assert book.read() == said


@quickly
@given(files=st.lists(ONCE_EACH, max_size=5))
def test_what_was_known_at_each_moment_can_be_read_again(book: Book, files: list[Any]) -> None:
    book.empty()
    current: dict[Key, float | None] = {}
    moments = []
    for file in files:
        new = sum(key not in current for key in file)
        changed = sum(key in current and current[key] != value for key, value in file.items())
        counts = book.send(list(file.items()), batch_rows=50)
        assert counts == {
            "accepted": new,
            "changed": changed,
            "unchanged": len(file) - new - changed,
            "quarantined": 0,
        }
        current |= file
        moments.append((book.now(), dict(current)))
    for moment, known in moments:
        if moment is not None:
            assert book.read(moment) == known
    assert book.read() == current


@quickly
@given(rows=st.lists(st.tuples(KEYS, NUMBERS), max_size=25), batch_rows=st.integers(1, 30))
def test_a_file_that_contradicts_itself_ends_with_its_last_lines(
    book: Book, rows: list[Said], batch_rows: int
) -> None:
    book.empty()
    counts = book.send(rows, batch_rows=batch_rows)
    assert sum(counts.values()) == len(rows)
    assert counts["accepted"] == len({key for key, _ in rows})
    assert book.read() == dict(rows)
    book.send(rows, batch_rows=batch_rows)
    assert book.read() == dict(rows)


def test_numbers_for_kpis_and_subjects_are_given_once(book: Book) -> None:
    book.send([(("waits", "E08000009", 2019), 1.0), (("visits", "E08000009", 2019), 1.0)], batch_rows=1)
    book.send([(("waits", "E05000815", 2019), 1.0), (("falls", "E08000009", 2019), 1.0)], batch_rows=1)
    with book.database.reading() as session:
        assert session.scalars(select(Kpi.number).order_by(Kpi.number)).all() == [1, 2, 3]
        assert session.scalars(select(Subject.number).order_by(Subject.number)).all() == [1, 2]


def test_two_imports_at_once_end_like_one_after_the_other(outcomes_url: str, tmp_path: Path) -> None:
    mine = {("waits", f"service:s{number}", 2019): float(number) for number in range(60)}
    yours = {("waits", f"service:s{number}", 2019): float(number) for number in range(30, 90)}
    books = []
    for name in ("mine", "yours"):
        (tmp_path / name).mkdir()
        books.append(Book(Database(outcomes_url), tmp_path / name))
    with ThreadPoolExecutor(2) as threads:
        sent = [
            threads.submit(book.send, list(said.items()), batch_rows=5)
            for book, said in zip(books, (mine, yours), strict=True)
        ]
        counts = [done.result() for done in sent]
    assert books[0].read() == mine | yours
    assert sum(count["accepted"] for count in counts) == 90
    assert sum(count["unchanged"] for count in counts) == 30
    for book in books:
        book.close()
