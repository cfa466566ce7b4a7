"""The search index on both databases: which records fit a question, and how their words are kept.

The words and tags of a record stand in a `tsvector` on PostgreSQL and in a full-text table (FTS5) on SQLite;
on both all words of all records stand once more in a table of their own. What differs is in this module.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from hedgerow_kit.db import upsert
from sqlalchemy import (
    BigInteger,
    Integer,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    column,
    delete,
    false,
    func,
    literal_column,
    not_,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY
from sqlalchemy.orm import Session

from hedgerow_registry.domain.searching import All, But, Document, Either, Node, Phrase, Tag, Word, parts_of
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
# A beginning that more records have is looked for in each record that fits otherwise.
MOST_GATHERED = 200_000
# Blocks of 2 ** bits numbers that the index of PostgreSQL knows, as the migrations say it.
BLOCK_BITS = (12, 15, 18)
_BLOCKS = "(ARRAY[(number >> 12) * 3, (number >> 15) * 3 + 1, (number >> 18) * 3 + 2])"
MOST_BLOCKS = 4
# So many numbers are looked through before it is known how often a question is met.
FIRST_LOOK = 2_048
_GAP = "."
_KNOWN = table("words_known", column("word", Text)).c.word
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


def spelled_out(session: Session, word: Word | Phrase) -> Node:
    """In the place of a beginning the known words that begin so, where they are few.

    Records of whole words are skipped through; those of a beginning are gathered first, all of them.
    """
    if isinstance(word, Phrase) or not word.begins:
        return word
    listed = select(_KNOWN).where(word.text <= _KNOWN, word.text + "\U0010ffff" > _KNOWN)
    known = session.scalars(listed.distinct().order_by(_KNOWN).limit(MOST_BEGINNINGS + 1)).all()
    if len(known) > MOST_BEGINNINGS:
        return word
    return Either(tuple(word._replace(text=one, begins=False) for one in known))


def matching(session: Session, index: Index, asked: Node) -> Select[*tuple[Any, ...]]:
    """The records that fit a question, as a query of `number` and `id`."""
    if _is_postgresql(session):
        return select(index.table.number, index.table.id).where(*_looked_up(index, parts_of(asked)))
    return _in_words(index, asked)[0]


def first(
    session: Session,
    index: Index,
    asked: Node,
    exact: Callable[[Any], Any] | None,
    *,
    after: int | None,
    most: int,
) -> list[Row[*tuple[Any, ...]]]:
    """Numbers and ids of the first records after a number that fit a question, in order.

    exact: what else has to hold of a record, said of the column of its id
    """
    if _is_postgresql(session):
        return _by_blocks(session, index, asked, exact, after=after or 0, most=most)
    # FTS5 gives one record after the other, in the order of their numbers, and stops when it is told to.
    query, number = _in_words(index, asked)
    if after is not None:
        query = query.where(number > after)
    if exact is not None:
        query = query.where(exact(index.table.id))
    return list(session.execute(query.order_by(number).limit(most)))


def ids(session: Session, index: Index, asked: Node, *, most: int) -> list[str]:
    """The ids of the first records that fit a question, where there are not very many records."""
    query = matching(session, index, asked).order_by(index.table.number).limit(most)
    return [row[1] for row in session.execute(query)]


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _by_blocks(
    session: Session,
    index: Index,
    asked: Node,
    exact: Callable[[Any], Any] | None,
    *,
    after: int,
    most: int,
) -> list[Row[*tuple[Any, ...]]]:
    """The first records from PostgreSQL, which gives none before it has looked at all that fit.

    So it is asked for some blocks of numbers after others, as many as are likely to fill what is left.
    """
    row = index.table
    parts = parts_of(asked)
    sizes = _estimated(session, index, [part for part in parts if _begins(part)])
    found: list[Row[*tuple[Any, ...]]] = []
    at, wanted = after, FIRST_LOOK
    while len(found) < most:
        look_up = _narrow(parts, sizes, is_first=at == after)
        # Without its index, which would be walked from one end to the other where little fits.
        number = row.number + 0 if look_up else row.number
        end, of_blocks = _blocks(number, at, wanted)
        query = select(number.label("number"), row.id).where(
            number > at,
            *of_blocks,
            *_looked_up(index, look_up),
            # Looked at record by record.
            *(_fits(row, part).is_(True) for part in parts if part not in look_up),
        )
        query = query.order_by(number)
        if exact is not None:
            # A subquery that stays whole: what is exact is looked at until the page is full, and no further.
            listed = query.offset(0).subquery()
            query = select(listed.c.number, listed.c.id).where(exact(listed.c.id)).order_by(listed.c.number)
        found += session.execute(query.limit(most - len(found)))
        if end is None:
            break
        at = end
        # As if the next one were met next.
        wanted = (most - len(found)) * (at - after) // (len(found) + 1)
    return found


def _narrow(parts: Sequence[Node], sizes: Mapping[Node, int], *, is_first: bool) -> list[Node]:
    """The parts of a question that are looked up in the index of PostgreSQL; nothing is by what must not be.

    It gathers all records with words that begin with one before it looks at the other parts, so beginnings of
    very many are not looked up: in the first block, which is small, of many neither.
    """
    may_be: list[Node] = [part for part in parts if not isinstance(part, But)]
    most = MOST_GATHERED // 10 if is_first else MOST_GATHERED
    narrow = [part for part in may_be if sizes.get(part, 0) <= most]
    # If each is met often, and all together seldom, there is no other way.
    return narrow if narrow or is_first else may_be


def _blocks(number: Any, at: int, wanted: int) -> tuple[int | None, Sequence[Any]]:
    """Blocks that hold so many numbers after one: where they end, and what says so; of too many, all."""
    for level, bits in enumerate(BLOCK_BITS):
        first, last = at + 1 >> bits, at + wanted >> bits
        if last - first < MOST_BLOCKS:
            keys = ",".join(str(block * len(BLOCK_BITS) + level) for block in range(first, last + 1))
            end = (last + 1 << bits) - 1
            held = literal_column(_BLOCKS).bool_op("&&")(_literal(f"{{{keys}}}", ARRAY(BigInteger)))
            return end, (number <= end, held)
    return None, ()


def _looked_up(index: Index, parts: Sequence[Node]) -> list[Any]:
    """Conditions that the index of words serves, each by itself: where one gives little, the others skip."""
    return [_fits(index.table, part) for part in parts]


def _fits(row: Any, node: Node) -> Any:
    if isinstance(node, But):
        return not_(_fits(row, node.without))
    said = _tsquery(node)
    if said is None:
        return false()
    return row.words.bool_op("@@")(_literal(said, TSQUERY))


def _literal(said: str, type: Any) -> Any:
    # Not as a parameter: a plan made for any question serves neither rare words nor common ones.
    return cast(bindparam("said", said, Text, unique=True, literal_execute=True), type)


def _estimated(session: Session, index: Index, parts: Sequence[Node]) -> dict[Node, int]:
    """How many records PostgreSQL believes to fit each of some parts of a question."""
    if not parts:
        return {}
    each = [select(index.table.number).where(_fits(index.table, part)) for part in parts]
    said = union_all(*each).compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    plan = session.execute(text(f"EXPLAIN (FORMAT JSON) {said}")).scalar_one()[0]["Plan"]
    plans = plan["Plans"] if len(parts) > 1 else [plan]
    return {part: one["Plan Rows"] for part, one in zip(parts, plans, strict=True)}


def _begins(node: Node) -> bool:
    if isinstance(node, All | Either):
        return any(map(_begins, node.parts))
    return isinstance(node, Word) and node.begins


def _in_words(index: Index, asked: Node) -> tuple[Select[*tuple[Any, ...]], Any]:
    """A query of the full-text table of SQLite, and the column of its order."""
    said = _fts5(asked)
    found = table(index.words, column("rowid", Integer))
    number = found.c.rowid
    row = index.table
    query = select(number, row.id).select_from(found).join(row, row.number == number)
    if said is None:
        return query.where(false()), number
    return query.where(literal_column(index.words).op("MATCH")(bindparam(None, said))), number


def _fts5(node: Node) -> str | None:
    """A question in the language of FTS5; `None` where nothing can fit."""
    if isinstance(node, All):
        return _joined([_fts5(part) for part in node.parts], "AND")
    if isinstance(node, Either):
        found = [said for part in node.parts if (said := _fts5(part)) is not None]
        return _joined(found, "OR") if found else None
    if isinstance(node, But):
        holds, without = _fts5(node.holds), _fts5(node.without)
        return holds if holds is None or without is None else f"({holds} NOT {without})"
    if isinstance(node, Tag):
        return f'tags : "{node.name}"'
    where = "name : " if getattr(node, "in_name", False) else ""
    if isinstance(node, Phrase):
        return f'{where}"{" ".join(node.words)}"'
    return f'{where}"{node.text}"{" *" if node.begins else ""}'


def _joined(parts: Sequence[str | None], by: str) -> str | None:
    if None in parts:
        return None
    return f"({f' {by} '.join(str(part) for part in parts)})" if len(parts) > 1 else parts[0]


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
        _learn(session, [documents[id][0] for id in listed])
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
    if _is_postgresql(session):
        # Who writes the same new word at the same time keeps it too: nobody waits, and it stands there twice.
        session.connection().exec_driver_sql(
            "INSERT INTO words_known (word) SELECT word FROM unnest(%(met)s::text[]) AS met (word)"
            " WHERE NOT EXISTS (SELECT FROM words_known AS known WHERE known.word = met.word OFFSET 0)",
            {"met": sorted(met)},
        )
    elif met:
        session.connection().exec_driver_sql(
            "INSERT OR IGNORE INTO words_known (word) VALUES (?)", [(word,) for word in sorted(met)]
        )


def drop_unused_words(session: Session) -> None:
    """Leave no word in the index that no record has; nobody else indexes meanwhile."""
    if _is_postgresql(session):
        in_all = " UNION ALL ".join(
            f"SELECT words FROM indexed_{index.kind}" for index in (SERVICES, ORGANISATIONS, SITES, NEEDS)
        )
        session.connection().exec_driver_sql(
            "DELETE FROM words_known WHERE NOT EXISTS"
            f" (SELECT FROM ts_stat('{in_all}') AS used WHERE used.word COLLATE \"C\" = words_known.word)"
        )
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
