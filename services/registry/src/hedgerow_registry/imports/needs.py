"""The kinds `needs` and `crosswalk`: terms of taxonomies and how they relate; needs as others name them."""

from collections.abc import Iterable, Sequence
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities
from hedgerow_registry.domain import taxonomy
from hedgerow_registry.imports.rows import (
    MEDIA_TYPES,
    OPTIONS,
    Awaited,
    Rejected,
    Row,
    parsed,
    provenance,
    reader,
    settled,
    taken,
)
from hedgerow_registry.store.directory import known_needs, needs_by_term


class KnownNeeds:
    """The needs that a batch names, by id or by bare term."""

    def __init__(self, ids: set[str], by_term: dict[str, list[str]]) -> None:
        self._ids = ids
        self._by_term = by_term

    def find(self, said: str, column: str) -> tuple[str, bool]:
        """The id of a need and whether it is known; a bare term must be known, and of one taxonomy only."""
        if said in self._ids:
            return said, True
        named, term = taxonomy.split(said)
        if named:
            return Row(_NOWHERE).checked(column, taxonomy.need_id, named, term), False
        found = self._by_term.get(said, [])
        if len(found) == 1:
            return found[0], True
        if found:
            raise Rejected(f"several taxonomies have this term: {', '.join(found[:5])}", column)
        raise Rejected(f"no such need: {said[:100]}", column)

    def one(self, said: str, column: str) -> str:
        """The id of a need that must be known."""
        need, is_known = self.find(said, column)
        if not is_known:
            raise Rejected(f"no such need: {said[:100]}", column)
        return need


_NOWHERE = Record({})


def known_need_ids(session: Session, said: Iterable[str], source: str) -> KnownNeeds:
    """The needs meant in a file of a source: of several with a term, the one that the same source brought."""
    names = set(said)
    by_term = needs_by_term(session, (name for name in names if ":" not in name))
    several = [term for term, ids in by_term.items() if len(ids) > 1]
    if several:
        by_term |= needs_by_term(session, several, source=source)
    return KnownNeeds(known_needs(session, (name for name in names if ":" in name)), by_term)


def _need(row: Row) -> dict[str, Any]:
    named, term = row.needed("taxonomy"), row.needed("term")
    parent = row.maybe("parent_term")
    id = row.checked("term", taxonomy.need_id, named, term)
    parent_id = None
    if parent is not None:
        parent_id = row.checked("parent_term", taxonomy.need_id, named, parent.removeprefix(f"{named}:"))
        if parent_id == id:
            raise Rejected("a need is not its own parent", "parent_term")
    return {"id": id, "taxonomy": named, "term": term, "name": row.needed("name"), "parent_id": parent_id}


def _crosswalk(row: Row) -> dict[str, Any]:
    from_id = row.checked("from_term", taxonomy.need_id, row.needed("from_taxonomy"), row.needed("from_term"))
    to_id = row.checked("to_term", taxonomy.need_id, row.needed("to_taxonomy"), row.needed("to_term"))
    if from_id == to_id:
        raise Rejected("a term is not related to itself", "to_term")
    return {"from_id": from_id, "to_id": to_id, "relation": row.read("relation", taxonomy.relation)}


def write_needs(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    rows, outcomes = parsed(batch, _need, key=["taxonomy", "term"])
    written = settled(session, entities.NEEDS, rows, run, by)
    _await(session, run, rows, written, [("parent_id", "parent_term")])
    return outcomes + written


def write_crosswalk(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    rows, outcomes = parsed(batch, _crosswalk, key=["from_taxonomy", "from_term", "to_taxonomy", "to_term"])
    written = settled(session, entities.CROSSWALK, rows, run, by)
    _await(session, run, rows, written, [("from_id", "from_term"), ("to_id", "to_term")])
    return outcomes + written


def _await(
    session: Session,
    run: Run,
    rows: Sequence[tuple[Row, dict[str, Any]]],
    written: Sequence[Outcome],
    columns: Sequence[tuple[str, str]],
) -> None:
    known = known_needs(
        session, (fields[name] for _, fields in rows for name, _ in columns if fields[name] is not None)
    )
    awaited = Awaited.of(run)
    for row, fields, outcome in taken(rows, written):
        for name, column in columns:
            if fields[name] is not None and fields[name] not in known:
                awaited.add(outcome, row.key, column, fields[name], "the need")


def finish(session: Session, run: Run) -> Iterable[Outcome]:
    """A term may stand further down in the file: what is still missing at its end is noted."""
    awaited = Awaited.of(run)
    return awaited.notes(known_needs(session, awaited.references()))


NEEDS = Kind(
    name="needs",
    summary="Import the terms of taxonomies of needs",
    read=reader(("taxonomy", "term", "name"), ("parent_term",)),
    write=write_needs,
    finish=finish,
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
CROSSWALK = Kind(
    name="crosswalk",
    summary="Import how terms of one taxonomy relate to terms of another",
    read=reader(("from_taxonomy", "from_term", "to_taxonomy", "to_term", "relation")),
    write=write_crosswalk,
    finish=finish,
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
