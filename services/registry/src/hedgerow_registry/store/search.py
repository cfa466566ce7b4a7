"""The search index on both databases: which records fit a question, and how their words are kept.

The words and tags of a record stand in a `tsvector` on PostgreSQL and in a full-text table (FTS5) on SQLite;
on both all words of all records stand once more in a table of their own. What differs is in this module.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    Need,
    Organisation,
    Service,
    Site,
)

# A beginning that fits more words than this is left to the database, which takes longer over it.
MOST_BEGINNINGS = 60
MOST_PAIRS = 1_000
# A beginning that more records have is looked for in each record that fits otherwise.
MOST_GATHERED = 200_000
# Blocks of 2 ** bits numbers that the index of PostgreSQL knows, as the migrations say it.
BLOCK_BITS = (12, 15, 18)
_BLOCKS = "(ARRAY[(number >> 12) * 3, (number >> 15) * 3 + 1, (number >> 18) * 3 + 2])"
MOST_BLOCKS = 4
# So many numbers at least and at most are looked through before it is known how often a question is met.
LEAST_LOOK = 2_048
MOST_LOOK = 131_072
# On SQLite how often a part of a question is met is told by so many records, or by those of so many numbers.
SAMPLE = 64
SAMPLED = 16_384
_GAP = "."
_QUIET = {"synchronize_session": False}

Rows = Sequence[Row[*tuple[Any, ...]]]


@dataclass(frozen=True)
class Index:
    """One kind of record that is searched. record: its table · table: what of it is indexed"""

    kind: str
    record: Any
    table: type[IndexedMixin]

    @property
    def rows(self) -> str:
        """The name of the table."""
        return f"indexed_{self.kind}"

    @property
    def words(self) -> str:
        """The full-text table on SQLite."""
        return f"words_of_{self.kind}"


SERVICES = Index("services", Service, IndexedService)
ORGANISATIONS = Index("organisations", Organisation, IndexedOrganisation)
SITES = Index("sites", Site, IndexedSite)
NEEDS = Index("needs", Need, IndexedNeed)


def spelled_out(session: Session, words: Iterable[Word | Phrase]) -> list[Node]:
    """In the place of each beginning the known words that begin so, where they are few.

    Records of whole words are skipped through; those of a beginning are gathered first, all of them.
    """
    listed = list(words)
    known = _known(session, {one.text for one in listed if isinstance(one, Word) and one.begins}, "word")
    letters = {start for start, found in known.items() if len(start) == 1 and len(found) > MOST_BEGINNINGS}
    pairs = _known(session, letters, "substr(word, 1, 2)", most=MOST_PAIRS)
    return [_in_place_of(one, known, pairs) for one in listed]


def _in_place_of(
    word: Word | Phrase, known: Mapping[str, Sequence[str]], pairs: Mapping[str, Sequence[str]]
) -> Node:
    if isinstance(word, Phrase) or not word.begins:
        return word
    if len(known[word.text]) <= MOST_BEGINNINGS:
        return Either(tuple(word._replace(text=one, begins=False) for one in known[word.text]))
    if word.text not in pairs:
        return word
    # Tags begin with a letter as well, and then with a colon: no word does.
    return Either(tuple(word._replace(text=one, begins=len(one) > 1) for one in pairs[word.text]))


def _known(
    session: Session, starts: Iterable[str], shown: str, *, most: int = MOST_BEGINNINGS + 1
) -> Mapping[str, Sequence[str]]:
    """What is shown of the first known words that begin with each of these; of tags where they are asked."""
    listed = sorted(starts)
    begun = (
        f"SELECT DISTINCT {shown} AS word FROM words_known WHERE word >= :from_{{0}} AND word < :to_{{0}}"
        f" AND (substr(word, 2, 1) <> ':' OR length(:from_{{0}}) > 1) ORDER BY 1 LIMIT {most}"
    )
    said = {f"from_{place}": start for place, start in enumerate(listed)}
    said |= {f"to_{place}": f"{start}\U0010ffff" for place, start in enumerate(listed)}
    found = _each(session, begun, len(listed), said)
    return {start: sorted(words) for start, words in zip(listed, found, strict=True)}


def ids(session: Session, index: Index, asked: Iterable[Node], *, most: int) -> list[list[str]]:
    """The ids of the first records that fit each question, where there are not very many records."""
    if _is_postgresql(session):
        listed = list(map(_tsquery, asked))
        fitting = f"SELECT id FROM {index.rows} WHERE words @@ CAST(:said_{{0}} AS tsquery)"
    else:
        listed = list(map(_fts5, asked))
        fitting = (
            f"SELECT id FROM {index.words} JOIN {index.rows} ON number = {index.words}.rowid"
            f" WHERE {index.words} MATCH :said_{{0}}"
        )
    said = [one for one in listed if one is not None]
    given = {f"said_{place}": one for place, one in enumerate(said)}
    found = iter(_each(session, f"{fitting} ORDER BY number LIMIT {most}", len(said), given))
    return [[] if one is None else next(found) for one in listed]


def _each(session: Session, query: str, times: int, said: Mapping[str, str]) -> list[list[Any]]:
    """What a query of one column gives each time, asked for at once; `{0}` in it: which time"""
    found: list[list[Any]] = [[] for _ in range(times)]
    if found:
        parts = (f"SELECT {place}, found.* FROM ({query.format(place)}) AS found" for place in range(times))
        for place, value in session.execute(text(" UNION ALL ".join(parts)), said):
            found[place].append(value)
    return found


def matching(session: Session, index: Index, asked: Node) -> Select[*tuple[Any, ...]]:
    """The records that fit a question, as a query of `number` and `id`."""
    if _is_postgresql(session):
        fits = (_fits(index.table, part) for part in parts_of(asked))
        return select(index.table.number, index.table.id).where(*fits)
    return _in_words(index, asked)[0]


def first(
    session: Session,
    index: Index,
    asked: Node,
    exact: Sequence[Any],
    shown: Sequence[Any],
    *,
    after: int | None,
    most: int,
) -> Rows:
    """The first records after a number that fit a question, in order: their numbers, and what is shown.

    exact: what has to hold in the records' own table besides · shown: columns of that table
    """
    if _is_postgresql(session):
        return _by_blocks(session, index, asked, exact, shown, after=after or 0, most=most)
    # FTS5 gives one record after the other, in the order of their numbers, and stops when it is told to.
    query, number = _in_words(index, _rarest_first(session, index, asked))
    if after is not None:
        query = query.where(number > after)
    if exact:
        query = query.where(_holds(index, index.table.id, exact).exists())
    return _shown(session, index, query.order_by(number).limit(most), shown)


def _shown(session: Session, index: Index, page: Select[*tuple[Any, ...]], shown: Sequence[Any]) -> Rows:
    found = page.subquery()
    number, id = found.c
    query = select(number, *shown).join(index.record, index.record.id == id).order_by(number)
    return session.execute(query).all()


def _holds(index: Index, id: Any, exact: Sequence[Any]) -> Select[Any]:
    return select(literal_column("1")).where(index.record.id == id, *exact)


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _by_blocks(
    session: Session,
    index: Index,
    asked: Node,
    exact: Sequence[Any],
    shown: Sequence[Any],
    *,
    after: int,
    most: int,
) -> Rows:
    """The first records from PostgreSQL, which gives none before it has looked at all that fit.

    So it is asked for some blocks of numbers after others, as many as are likely to fill what is left.
    """
    row = index.table
    parts = parts_of(asked)
    sizes, of_all = _estimated(session, index, parts)
    # The rarest first: it leads, and the longer lists of the others are skipped through.
    parts.sort(key=lambda part: sizes.get(part, 0))
    fits = {part: _fits(row, part) for part in parts}
    found: Rows = []
    look_up = _narrow(parts, sizes, is_first=True)
    at, wanted = after, _first_look([sizes[part] / of_all for part in look_up if part in sizes], most)
    while len(found) < most:
        # Without its index, which would be walked from one end to the other where little fits.
        number = row.number + 0 if look_up else row.number
        end, of_blocks = _blocks(number, at, wanted)
        query = select(number.label("number"), row.id.label("id")).where(
            number > at,
            *of_blocks,
            # Each by itself: where one gives little, the others skip.
            *(fits[part] for part in look_up),
            # Looked at record by record.
            *(fits[part].is_(True) for part in parts if part not in look_up),
        )
        query = query.order_by(number)
        if exact:
            # Subqueries that stay whole: what is exact is looked at record by record until the page is full.
            listed = query.offset(0).subquery()
            holds = _holds(index, listed.c.id, exact).offset(0).exists()
            query = select(listed.c.number, listed.c.id).where(holds).order_by(listed.c.number)
        found = [*found, *_shown(session, index, query.limit(most - len(found)), shown)]
        if end is None:
            break
        at, look_up = end, _narrow(parts, sizes, is_first=False)
        # As if the next one were met next.
        wanted = (most - len(found)) * (at - after) // (len(found) + 1)
    return found


def _first_look(shares: Sequence[float], most: int) -> int:
    """How many numbers are likely to hold so many records, where a share of all fits each part looked up.

    It may be far off where one comes with another, so that it is never more than a small part of many.
    """
    if not shares:
        return LEAST_LOOK
    return min(max(LEAST_LOOK, int(most / max(math.prod(shares), 1e-9))), MOST_LOOK)


def _narrow(parts: Sequence[Node], sizes: Mapping[Node, int], *, is_first: bool) -> list[Node]:
    """The parts of a question that are looked up in the index of PostgreSQL; nothing is by what must not be.

    It gathers all records with words that begin with one before it looks at the other parts, so beginnings of
    very many are not looked up: in the first look, which is small, of many neither.
    """
    may_be: list[Node] = [part for part in parts if not isinstance(part, But)]
    most = MOST_GATHERED // 10 if is_first else MOST_GATHERED
    narrow = [part for part in may_be if not _begins(part) or sizes.get(part, 0) <= most]
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


def _estimated(session: Session, index: Index, parts: Sequence[Node]) -> tuple[dict[Node, int], int]:
    """How many records PostgreSQL believes to fit each of some parts of a question, and to be there at all.

    Nothing of a question of one part, unless it has a beginning: there is nothing to weigh.
    """
    said = {part: one for part in parts if not isinstance(part, But) and (one := _tsquery(part))}
    if len(said) < 2 and not any(map(_begins, parts)):
        return {}, 0
    # What is explained takes no parameters. Each tells its number, in whatever order it is planned.
    doubled = (one.replace("'", "''") for one in said.values())
    conditions = ["", *(f" WHERE words @@ '{one}'::tsquery" for one in doubled)]
    each = (f"SELECT {number} FROM {index.rows}{one}" for number, one in enumerate(conditions))
    explain = f"EXPLAIN (VERBOSE, FORMAT JSON) {' UNION ALL '.join(each)}"
    plan = session.connection().exec_driver_sql(explain).scalar_one()[0]["Plan"]
    rows = dict(_planned(plan))
    of_all, *sizes = (max(rows.get(str(number), 1), 1) for number in range(len(conditions)))
    return dict(zip(said, sizes, strict=True)), of_all


def _planned(plan: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What each reading of a table in a plan puts out first, and how many rows it is believed to have."""
    if "Relation Name" in plan:
        yield plan["Output"][0], plan["Plan Rows"]
    for part in plan.get("Plans", ()):
        yield from _planned(part)


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
        return _in_turn(list(map(_fts5, node.parts)))
    if isinstance(node, Either):
        found = [said for part in node.parts if (said := _fts5(part)) is not None]
        return f"({' OR '.join(found)})" if found else None
    if isinstance(node, But):
        holds, without = _fts5(node.holds), _fts5(node.without)
        return holds if holds is None or without is None else f"({holds} NOT {without})"
    if isinstance(node, Tag):
        return f'tags : "{node.name}"'
    where = "name : " if getattr(node, "in_name", False) else ""
    if isinstance(node, Phrase):
        return f'{where}"{" ".join(node.words)}"'
    return f'{where}"{node.text}"{" *" if node.begins else ""}'


def _rarest_first(session: Session, index: Index, asked: Node) -> Node:
    """A question with the part first that fewest of the first records fit, where that matters."""
    parts = parts_of(asked) if isinstance(asked, All) else []
    said = list(map(_fts5, parts))
    if len(parts) < 3 or None in said:
        return asked
    share = (
        f"SELECT CASE WHEN count(*) < {SAMPLE} THEN count(*) / {SAMPLED}.0 ELSE {SAMPLE}.0 / max(rowid) END"
        f" FROM (SELECT rowid FROM {index.words} WHERE {index.words} MATCH :said_{{0}}"
        f" AND rowid <= {SAMPLED} ORDER BY rowid LIMIT {SAMPLE})"
    )
    shares = _each(session, share, len(said), {f"said_{n}": str(one) for n, one in enumerate(said)})
    return All(tuple(part for _, part in sorted(zip(shares, parts, strict=True), key=lambda one: one[0])))


def _in_turn(parts: Sequence[str | None]) -> str | None:
    """All parts at once, each looked at only where those before it are met.

    FTS5 would go on with every part of an AND wherever any of them is met. It makes one AND of one within
    another, but for something between them, such as what is without nothing.
    """
    led, *others = parts
    for place, said in enumerate(others):
        if led is None or said is None:
            return None
        led = f'(({led} NOT "") AND {said})' if place else f"({led} AND {said})"
    return led


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
            f"SELECT words FROM {index.rows}" for index in (SERVICES, ORGANISATIONS, SITES, NEEDS)
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
