"""The search index on both databases: which records fit a question, and how their words are kept.

The words and tags of a record stand in a `tsvector` on PostgreSQL and in a full-text table (FTS5) on SQLite.
Everything that differs between the two is in this module.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from hedgerow_kit.db import upsert
from sqlalchemy import (
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    column,
    delete,
    false,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session

from hedgerow_registry.domain.searching import All, But, Document, Either, Node, Phrase, Tag
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import (
    IndexedMixin,
    IndexedNeed,
    IndexedOrganisation,
    IndexedService,
    IndexedSite,
)

# A beginning that fits more words than this is left to the database, which takes longer over it.
MOST_BEGINNINGS = 60
_GAP = "."
_QUIET = {"synchronize_session": False}


@dataclass(frozen=True)
class Index:
    """One kind of record that is searched."""

    kind: str
    table: type[IndexedMixin]

    @property
    def words(self) -> str:
        """The full-text table on SQLite."""
        return f"words_of_{self.kind}"


SERVICES = Index("services", IndexedService)
ORGANISATIONS = Index("organisations", IndexedOrganisation)
SITES = Index("sites", IndexedSite)
NEEDS = Index("needs", IndexedNeed)


@dataclass(frozen=True)
class Matching:
    """A query of numbers and ids that fit a question, and the column of its order."""

    query: Select[*tuple[Any, ...]]
    number: Any


def matching(session: Session, index: Index, asked: Node) -> Matching:
    """The records that fit a question, as a query of `number` and `id` that further conditions may narrow.

    In the order of their numbers, in which either database gives the first ones without looking at all. What
    narrows it further is best said by `exists`, so that it is looked at last.
    """
    row = index.table
    if session.get_bind().dialect.name == "postgresql":
        query = select(row.number, row.id)
        if asked == All(()):
            return Matching(query, row.number)
        said = _tsquery(asked)
        if said is None:
            return Matching(query.where(false()), row.number)
        # As a literal: a plan made for any question serves neither rare words nor common ones.
        question = cast(bindparam("question", said, Text, unique=True, literal_execute=True), TSQUERY)
        return Matching(query.where(row.words.op("@@")(question)), row.number)
    said = _fts5(session, asked)
    found = table(index.words, column("rowid", Integer))
    number = found.c.rowid
    query = select(number, row.id).select_from(found).join(row, row.number == number)
    if said is None:
        return Matching(query.where(false()), number)
    return Matching(query.where(literal_column(index.words).op("MATCH")(bindparam(None, said))), number)


def ids(session: Session, index: Index, asked: Node, *, most: int) -> list[str]:
    """The ids of the first records that fit a question."""
    found = matching(session, index, asked)
    return [row[1] for row in session.execute(found.query.order_by(found.number).limit(most))]


def _fts5(session: Session, node: Node) -> str | None:
    """A question in the language of FTS5; `None` where nothing can fit."""
    if isinstance(node, All):
        return _joined([_fts5(session, part) for part in node.parts], "AND")
    if isinstance(node, Either):
        found = [said for part in node.parts if (said := _fts5(session, part)) is not None]
        return _joined(found, "OR") if found else None
    if isinstance(node, But):
        holds, without = _fts5(session, node.holds), _fts5(session, node.without)
        return holds if holds is None or without is None else f"({holds} NOT {without})"
    if isinstance(node, Tag):
        return f'tags : "{node.name}"'
    where = "name : " if getattr(node, "in_name", False) else ""
    if isinstance(node, Phrase):
        return f'{where}"{" ".join(node.words)}"'
    if not node.begins:
        return f'{where}"{node.text}"'
    known = _beginning(session, node.text)
    if len(known) > MOST_BEGINNINGS:
        return f'{where}"{node.text}" *'
    return _joined([f'{where}"{word}"' for word in known], "OR") if known else None


def _joined(parts: Sequence[str | None], by: str) -> str | None:
    if None in parts:
        return None
    return f"({f' {by} '.join(str(part) for part in parts)})" if len(parts) > 1 else parts[0]


def _beginning(session: Session, start: str) -> list[str]:
    """The words that begin so; one more than is of use tells that there are too many."""
    known = table("words_known", column("word", Text))
    query = select(known.c.word).where(known.c.word >= start, known.c.word < start + "\U0010ffff")
    return list(session.scalars(query.order_by(known.c.word).limit(MOST_BEGINNINGS + 1)))


def _tsquery(node: Node) -> str | None:
    """A question in the language of PostgreSQL; `None` where nothing can fit."""
    if isinstance(node, All):
        parts = [_tsquery(part) for part in node.parts]
        return None if None in parts else _bracketed([part for part in parts if part is not None], "&")
    if isinstance(node, Either):
        found = [said for part in node.parts if (said := _tsquery(part)) is not None]
        return _bracketed(found, "|") if found else None
    if isinstance(node, But):
        holds, without = _tsquery(node.holds), _tsquery(node.without)
        return holds if holds is None or without is None else f"({holds} & !{without})"
    if isinstance(node, Tag):
        return f"'{node.name}'"
    weight = "A" if getattr(node, "in_name", False) else ""
    if isinstance(node, Phrase):
        return _bracketed([f"'{word}'{':' + weight if weight else ''}" for word in node.words], "<->")
    marks = ("*" if node.begins else "") + weight
    return f"'{node.text}'{':' + marks if marks else ''}"


def _bracketed(parts: Sequence[str], by: str) -> str:
    return f"({f' {by} '.join(parts)})" if len(parts) > 1 else parts[0]


def held(session: Session, index: Index, ids: Iterable[str]) -> dict[str, int]:
    """The numbers of the records that are indexed, locked against others who would index them anew."""
    row = index.table
    return {
        id: number
        for piece in chunks(sorted(set(ids)))
        for id, number in session.execute(
            select(row.id, row.number).where(row.id.in_(piece)).order_by(row.id).with_for_update()
        )
    }


def put(
    session: Session,
    index: Index,
    documents: Mapping[str, tuple[Document, Mapping[str, Any]]],
    numbers: Mapping[str, int],
) -> None:
    """Index records anew: by their ids, each with what else its row holds.

    numbers: of those among them that are indexed already, as `held` gave them
    """
    listed = sorted(documents)
    if session.get_bind().dialect.name == "postgresql":
        rows = [{"id": id, "words": _tsvector(documents[id][0]), **documents[id][1]} for id in listed]
        upsert(session, index.table, rows, key=["id"])
        return
    # Nobody else writes meanwhile: the next numbers are ours.
    following = count((session.scalar(select(func.max(index.table.number))) or 0) + 1)
    all_numbers = {id: numbers.get(id) or next(following) for id in listed}
    rows = [{"number": all_numbers[id], "id": id, **documents[id][1]} for id in listed]
    upsert(session, index.table, rows, key=["number"])
    # What is new is not looked for first.
    for verb, chosen in (
        ("INSERT", [id for id in listed if id not in numbers]),
        ("REPLACE", [id for id in listed if id in numbers]),
    ):
        if chosen:
            session.connection().exec_driver_sql(
                f"{verb} INTO {index.words} (rowid, name, body, tags) VALUES (?, ?, ?, ?)",
                [_line(all_numbers[id], documents[id][0]) for id in chosen],
            )
    _learn(session, [documents[id][0] for id in listed])


def _learn(session: Session, documents: Iterable[Document]) -> None:
    """Remember the words, so that beginnings can be told; a word that no record has any more does no harm."""
    met: set[str] = set()
    for one in documents:
        met.update(one.name, *one.texts, [tag for tag in one.tags if tag[:2] == "e:"])
    if met:
        session.connection().exec_driver_sql(
            "INSERT OR IGNORE INTO words_known (word) VALUES (?)", [(word,) for word in sorted(met)]
        )


def drop_unused_words(session: Session) -> None:
    """Leave no word in the index that no record has: on PostgreSQL each stands in its record's row alone."""
    if session.get_bind().dialect.name == "postgresql":
        return
    connection = session.connection()
    for index in (SERVICES, ORGANISATIONS, SITES, NEEDS):
        # Words that went are marked as gone until the parts of the table are made one.
        connection.exec_driver_sql(f"INSERT INTO {index.words} ({index.words}) VALUES ('optimize')")
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE temp.in_{index.words} USING fts5vocab(main, {index.words}, row)"
        )
    used = " UNION ".join(
        f"SELECT term FROM temp.in_{index.words}" for index in (SERVICES, ORGANISATIONS, SITES, NEEDS)
    )
    connection.exec_driver_sql(f"DELETE FROM words_known WHERE word NOT IN ({used})")
    for index in (SERVICES, ORGANISATIONS, SITES, NEEDS):
        connection.exec_driver_sql(f"DROP TABLE temp.in_{index.words}")


def _line(number: int, one: Document) -> tuple[int, str, str, str]:
    # A point parts two texts, so that no phrase runs from one into the next.
    body = f" {_GAP} ".join(" ".join(found) for found in one.texts)
    return number, " ".join(one.name), body, " ".join(one.tags)


def _tsvector(one: Document) -> str:
    places: dict[str, list[str]] = {}
    at = 0
    for word in one.name:
        at += 1
        places.setdefault(word, []).append(f"{at}A")
    for found in one.texts:
        at += 1
        for word in found:
            at += 1
            places.setdefault(word, []).append(str(at))
    # More places of one word than these PostgreSQL does not keep.
    told = [f"'{word}':{','.join(where[:250])}" for word, where in places.items()]
    return " ".join([*told, *(f"'{tag}'" for tag in one.tags)])


def forget(session: Session, index: Index, ids: Iterable[str]) -> None:
    """Take records out of the index."""
    row = index.table
    for piece in chunks(sorted(set(ids))):
        if session.get_bind().dialect.name == "sqlite":
            numbers = held(session, index, piece).values()
            lines = [(number,) for number in numbers]
            if lines:
                statement = f"DELETE FROM {index.words} WHERE rowid = ?"
                session.connection().exec_driver_sql(statement, lines)
        session.execute(delete(row).where(row.id.in_(piece)), execution_options=_QUIET)
