"""From statements to interests: which organisations they speak of, and what follows from a record's."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date
from typing import Any, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hedgerow_registry.actions import derived, records
from hedgerow_registry.actions.entities import INTERESTS, ORGANISATIONS
from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.domain import ids
from hedgerow_registry.domain.interests import (
    UNKNOWN,
    UNSPECIFIED,
    Share,
    Stated,
    Statement,
    in_sequence,
)
from hedgerow_registry.store.directory import organisations_identified, whole_organisations
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Interest, OwnershipStatement
from hedgerow_registry.tables import Organisation as OrganisationRow

_ORDER = {"new": 0, None: 1, "updated": 2, "closed": 3}
_QUIET = {"synchronize_session": False}


def settle_organisations(
    session: Session, described: Sequence[tuple[dict[str, Any], dict[str, Any]]], by: Provenance
) -> None:
    """Find or make the organisations that statements describe, and write their ids into the statements.

    described: statements with what they say of an organisation. It is the one that earlier statements of the
    record were about; else one that has one of its identifiers; else one of its own. Only one that statements
    of this source made takes its name and status from them: to another they add.
    """
    by_record = _by_record(session, described)
    numbers = [number for _, said in described for number in said["identifiers"]]
    identified = organisations_identified(session, numbers, by.source)
    for statement, said in described:
        key = statement["record_key"]
        found = by_record.get(key) or next(
            (identified[number] for number in said["identifiers"] if number in identified), None
        )
        if found is None:
            found = ids.record_id(by.source, "organisation", said["source_id"])
            identified.update({number: found for number in said["identifiers"]})
        by_record[key] = statement["organisation_id"] = found
    _write_organisations(session, described, by)


def _by_record(
    session: Session, described: Iterable[tuple[dict[str, Any], dict[str, Any]]]
) -> dict[str, str]:
    found: dict[str, str] = {}
    table = OwnershipStatement
    for piece in chunks({statement["record_key"] for statement, _ in described}):
        query = select(table.record_key, table.organisation_id).where(
            table.record_key.in_(piece), table.organisation_id.is_not(None)
        )
        for key, organisation in session.execute(query.order_by(table.stated_at, table.id)):
            found[key] = str(organisation)
    return found


def _write_organisations(
    session: Session, described: Sequence[tuple[dict[str, Any], dict[str, Any]]], by: Provenance
) -> None:
    wanted = {statement["organisation_id"] for statement, _ in described}
    held = whole_organisations(session, wanted)
    foreign, made_here = _origins(session, wanted, by)
    now: dict[str, dict[str, Any]] = {}
    for statement, said in sorted(described, key=lambda pair: _turn(pair[0])):
        id = statement["organisation_id"]
        if id in foreign:
            continue
        before = now.get(id) or held.get(id)
        now[id] = _told(id, before, said, latest=id in made_here or id not in held)
    records.write(session, ORGANISATIONS, now.values(), by)


def _turn(statement: Mapping[str, Any]) -> tuple[Any, ...]:
    return statement["stated_at"], _ORDER[statement.get("status")], statement["id"]


def _origins(session: Session, wanted: Iterable[str], by: Provenance) -> tuple[set[str], set[str]]:
    """Of organisations that are held, those of other sources, and those that statements made."""
    foreign: set[str] = set()
    made_here: set[str] = set()
    for piece in chunks(sorted(wanted)):
        query = select(OrganisationRow.id, OrganisationRow.source, OrganisationRow.first_import_id)
        rows = session.execute(query.where(OrganisationRow.id.in_(piece))).all()
        foreign |= {id for id, source, _ in rows if source != by.source}
        origins = select(OwnershipStatement.organisation_id, OwnershipStatement.first_import_id)
        told = session.execute(origins.where(OwnershipStatement.organisation_id.in_(piece)).distinct())
        statements = {(organisation, import_id) for organisation, import_id in told}
        made_here |= {id for id, _, first in rows if (id, first) in statements or first == by.import_id}
    return foreign, made_here - foreign


def _told(
    id: str, before: Mapping[str, Any] | None, said: Mapping[str, Any], *, latest: bool
) -> dict[str, Any]:
    if before is None:
        return {**said, "id": id}
    after = dict(before)
    for name in ("sector", "legal_form"):
        after[name] = before.get(name) or said[name]
    names = {before["name"], said["name"]}
    if latest:
        after |= {"name": said["name"], "status": said["status"]}
    after["identifiers"] = sorted({*map(tuple, before["identifiers"]), *said["identifiers"]})
    after["aliases"] = sorted({*before["aliases"], *said["aliases"], *names} - {after["name"]})
    return after


class _Node(NamedTuple):
    """What a record of a party stands for among owners and owned."""

    id: str
    kind: str
    reason: str | None


def derive_interests(session: Session, statements: Sequence[Mapping[str, Any]], by: Provenance) -> None:
    """Work out anew the interests of every relationship that statements bear on, and write what is different.

    statements: just written. Those of a relationship bear on it; those of a party on all it is a party to.
    """
    touched = {one["record_key"] for one in statements if one["record_type"] == "relationship"}
    parties = {one["record_key"] for one in statements if one["record_type"] != "relationship"}
    touched |= _relationships_of(session, parties)
    for piece in chunks(sorted(touched)):
        _derive(session, piece, by)


def _relationships_of(session: Session, keys: Iterable[str]) -> set[str]:
    found: set[str] = set()
    table = OwnershipStatement
    for piece in chunks(sorted(keys)):
        for column in (table.subject_key, table.party_key):
            found.update(session.scalars(select(table.record_key).where(column.in_(piece)).distinct()))
    return found


def _derive(session: Session, keys: Sequence[str], by: Provenance) -> None:
    table = OwnershipStatement
    told: dict[str, list[OwnershipStatement]] = {}
    for row in session.scalars(select(table).where(table.record_key.in_(keys))):
        told.setdefault(row.record_key, []).append(row)
    nodes = _nodes(session, {key for rows in told.values() for row in rows for key in _ends(row) if key})
    rows = [
        interest
        for key in sorted(told)
        for interest in _interests_of(sorted(told[key], key=lambda row: _turn(vars(row))), nodes, by.source)
    ]
    _take_away(session, keys, {row["id"] for row in rows})
    records.write(session, INTERESTS, rows, by)


def _ends(row: OwnershipStatement) -> tuple[str | None, str | None]:
    return row.subject_key, row.party_key


def _nodes(session: Session, keys: Iterable[str]) -> dict[str, _Node]:
    """What each record of a party is, by its latest statement."""
    found: dict[str, _Node] = {}
    table = OwnershipStatement
    columns = (table.record_key, table.node_kind, table.organisation_id, table.reason)
    for piece in chunks(sorted(keys)):
        query = select(*columns).where(table.record_key.in_(piece), table.node_kind.is_not(None))
        for key, kind, organisation, reason in session.execute(query.order_by(table.stated_at, table.id)):
            found[key] = _Node(organisation or key, str(kind), reason)
    return found


def _interests_of(
    rows: Sequence[OwnershipStatement], nodes: Mapping[str, _Node], source: str
) -> Iterable[dict[str, Any]]:
    """The interests that follow from the statements of one relationship, given in their order."""
    by_id = {row.id: row for row in rows}
    count: dict[str, int] = {}
    for statement, stated in in_sequence([_statement(row) for row in rows]):
        row = by_id[statement.id]
        subject = nodes.get(row.subject_key or "")
        owner = _owner(row, nodes)
        if subject is None or subject.id == owner.id:
            continue
        number = count[row.id] = count.get(row.id, 0) + 1
        yield {
            "id": ids.record_id(source, "interest", f"{row.id}/{number}"),
            "subject_id": subject.id,
            "owner_id": owner.id,
            "owner_kind": owner.kind,
            "reason": owner.reason,
            "type": stated.type,
            "share_low": None if stated.share is None else stated.share.low,
            "share_high": None if stated.share is None else stated.share.high,
            "low_open": stated.share is not None and stated.share.over,
            "high_open": stated.share is not None and stated.share.under,
            "directness": stated.directness,
            "starts_on": stated.start,
            "until": stated.until,
            "statement_id": row.statement_id,
            "stated_on": statement.day,
            "evidence": row.evidence,
            "evidence_url": row.evidence_url,
            "record_key": row.record_key,
        }


def _owner(row: OwnershipStatement, nodes: Mapping[str, _Node]) -> _Node:
    if row.party_key is None:
        return _Node(row.record_key, UNKNOWN, row.reason)
    # A party that no statement has described yet is unknown until one does.
    return nodes.get(row.party_key) or _Node(row.party_key, UNKNOWN, None)


def _statement(row: OwnershipStatement) -> Statement:
    closed = row.status == "closed"
    interests = tuple(_stated(one) for one in row.interests or ())
    if not interests and not closed:
        interests = (Stated(UNSPECIFIED, None, "unknown", None, None),)
    return Statement(row.id, row.stated_at.astimezone(UTC).date(), closed, interests)


def _stated(one: Mapping[str, Any]) -> Stated:
    share = one["share"]
    return Stated(
        one["type"],
        None if share is None else Share(float(share[0]), float(share[1]), bool(share[2]), bool(share[3])),
        one["directness"],
        None if one["start"] is None else date.fromisoformat(one["start"]),
        None if one["until"] is None else date.fromisoformat(one["until"]),
    )


def _take_away(session: Session, keys: Sequence[str], kept: set[str]) -> None:
    """Delete the interests of relationships that follow no longer, or have become those of another body."""
    query = select(Interest.id, Interest.subject_id).where(Interest.record_key.in_(keys))
    gone = [(id, subject) for id, subject in session.execute(query) if id not in kept]
    for piece in chunks(gone):
        session.execute(
            delete(Interest).where(Interest.id.in_([id for id, _ in piece])), execution_options=_QUIET
        )
        for _, subject in piece:
            derived.note(session, INTERESTS.type, subject, None)
