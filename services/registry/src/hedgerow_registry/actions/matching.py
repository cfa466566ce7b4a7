"""Looking through the registry for organisations that may be one, as far as anything changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hedgerow_kit.db import Database, upsert
from sqlalchemy import and_, delete, or_, select
from sqlalchemy.orm import Session

from hedgerow_registry.actions.supplier_matching import match_suppliers
from hedgerow_registry.domain import likeness
from hedgerow_registry.domain.likeness import Body
from hedgerow_registry.store import matching
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import DuplicatePair, MatchingState, MatchKey

# A transaction holds the only writer of SQLite: it is to be short.
_AT_ONCE = 400
_MOST_KEPT = 20_000
_QUIET = {"synchronize_session": False}


@dataclass
class Found:
    """What a look through the registry came to: up to which change, how many organisations and pairs."""

    seq: int
    organisations: int = 0
    compared: int = 0
    pairs: int = 0
    suppliers: int = 0


@dataclass
class _Bodies:
    """Organisations that were read already; those with like names come one after the other."""

    held: dict[str, Body] = field(default_factory=dict)

    def read(self, session: Session, ids: Sequence[str]) -> None:
        if len(self.held) > _MOST_KEPT:
            self.held.clear()
        self.held.update(matching.bodies(session, [id for id in ids if id not in self.held]))


def look_through(database: Database, go_on: Callable[[], bool] = lambda: True) -> Found | None:
    """Find the pairs of all organisations about which anything changed since the last look, and suppliers.

    Read once, then written in many short transactions; stopped in the middle, the next begins where this one
    began. Gives nothing when it was stopped.
    """
    with database.reading() as session:
        state = matching.state(session)
        found = Found(matching.position(session))
        changed = matching.changed_since(session, 0 if state is None else state.seq)
    found.organisations = len(changed)
    for piece in chunks(changed, _AT_ONCE):
        if not go_on():
            return None
        with database.writing() as session:
            _store_keys(session, piece)
    bodies = _Bodies()
    everyone = frozenset(changed)
    for piece in chunks(changed, _AT_ONCE):
        if not go_on():
            return None
        # Compared in a reading transaction: while organisations are compared, others write.
        with database.reading() as session:
            rows = _alike(session, piece, everyone, bodies, found)
        with database.writing() as session:
            _store_pairs(session, piece, everyone, rows, found)
    suppliers = match_suppliers(database, changed, go_on)
    if suppliers is None:
        return None
    found.suppliers = suppliers
    with database.writing() as session:
        now = datetime.now(UTC)
        upsert(session, MatchingState, [{"id": 1, "seq": found.seq, "at": now}], key=["id"])
    return found


def _store_keys(session: Session, ids: Sequence[str]) -> None:
    there = sorted(matching.kept(session, ids))
    matching.lock(session)
    now = {id: keys_of(body) for id, body in matching.bodies(session, there).items()}
    before = matching.keys_of(session, ids)
    changed = [id for id, keys in now.items() if keys != set(before.get(id, ()))]
    for piece in chunks(changed):
        session.execute(delete(MatchKey).where(MatchKey.organisation_id.in_(piece)), execution_options=_QUIET)
    rows = sorted((key, id) for id in changed for key in now[id])
    upsert(
        session,
        MatchKey,
        [{"key": key, "organisation_id": id} for key, id in rows],
        key=["key", "organisation_id"],
        update=[],
    )


def keys_of(body: Body) -> set[int]:
    return {matching.key_number(key) for key in likeness.keys(body)}


def _alike(
    session: Session, ids: Sequence[str], changed: frozenset[str], bodies: _Bodies, found: Found
) -> list[dict[str, Any]]:
    """The rows of the pairs of some organisations that may be one."""
    keys = matching.keys_of(session, ids)
    blocks = matching.blocks(session, (key for listed in keys.values() for key in listed))
    source = {id: source for block in blocks.values() for id, source in block.members}
    pairs = sorted(
        {
            (min(id, other), max(id, other))
            for id in ids
            for key in keys.get(id, ())
            for other, _ in blocks[key].members
            # Of two that changed, the pair is looked at once.
            if other != id and (other not in changed or id < other)
        }
    )
    bodies.read(session, sorted({id for pair in pairs for id in pair}))
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    for first, second in pairs:
        if first not in bodies.held or second not in bodies.held:
            continue
        rivals = partial(_rivals, blocks, source.get(first), source.get(second))
        alike = likeness.compare(bodies.held[first], bodies.held[second], rivals)
        if alike.score >= likeness.LEAST:
            rows.append(
                {
                    "first_id": first,
                    "second_id": second,
                    "score": alike.score,
                    "rank": 1000 - round(alike.score * 1000),
                    "reasons": [reason._asdict() for reason in alike.reasons],
                    "found_at": now,
                }
            )
    found.compared += len(pairs)
    return rows


def _store_pairs(
    session: Session,
    ids: Sequence[str],
    changed: frozenset[str],
    rows: Sequence[dict[str, Any]],
    found: Found,
) -> None:
    # One that was deleted meanwhile has no pairs; one that was changed is looked at again in the next round.
    there = matching.kept(session, {row[end] for row in rows for end in ("first_id", "second_id")})
    matching.lock(session)
    rows = [row for row in rows if row["first_id"] in there and row["second_id"] in there]
    found.pairs += len(rows)
    _drop_unlikely(session, ids, {(row["first_id"], row["second_id"]) for row in rows}, changed)
    upsert(session, DuplicatePair, rows, key=["first_id", "second_id"], update=["score", "rank", "reasons"])


def _rivals(blocks: dict[int, matching.Block], one: str | None, other: str | None, key: str) -> int:
    block = blocks.get(matching.key_number(key))
    return 1 if block is None else block.rivals_of(one, other)


def _drop_unlikely(
    session: Session, ids: Sequence[str], likely: set[tuple[str, str]], changed: frozenset[str]
) -> None:
    """Pairs that nothing speaks for any more go, unless a person has dismissed them."""
    for piece in chunks(ids):
        query = select(DuplicatePair.first_id, DuplicatePair.second_id).where(
            or_(DuplicatePair.first_id.in_(piece), DuplicatePair.second_id.in_(piece)),
            DuplicatePair.dismissed_by.is_(None),
        )
        mine = set(piece)
        for first, second in session.execute(query).all():
            other = second if first in mine else first
            one = first if first in mine else second
            looked_at = other not in changed or one < other
            if looked_at and (first, second) not in likely:
                session.execute(
                    delete(DuplicatePair).where(
                        and_(DuplicatePair.first_id == first, DuplicatePair.second_id == second)
                    ),
                    execution_options=_QUIET,
                )
