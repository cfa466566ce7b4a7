"""Finding the organisations that suppliers are: once for each, and again when organisations change."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hedgerow_kit.db import Database, upsert
from sqlalchemy import update
from sqlalchemy.orm import Session

from hedgerow_registry.domain import likeness
from hedgerow_registry.domain.likeness import Body, Likeness
from hedgerow_registry.domain.spend import supplier_identifier
from hedgerow_registry.store import matching, merges, spend
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import SpendSupplier, SpendSupplierKey

_AT_ONCE = 200
# Another organisation that is as likely but for so much leaves it to a person.
_AS_LIKELY = 0.05


def match_suppliers(
    database: Database, changed: Sequence[str], go_on: Callable[[], bool] = lambda: True
) -> int | None:
    """Look for suppliers nobody has looked for yet, and for those that changed organisations may be.

    changed: organisations about which anything changed. Gives how many were looked for, nothing when stopped.
    What a person decided stands.
    """
    with database.reading() as session:
        wanted = spend.suppliers_to_look_for(session, changed)
    for piece in chunks(wanted, _AT_ONCE):
        if not go_on():
            return None
        with database.writing() as session:
            spend.lock(session)
            _match(session, piece)
    return len(wanted)


def _match(session: Session, numbers: Sequence[int]) -> None:
    rows = spend.undecided(session, numbers)
    branches = spend.postcodes_of(session, [row.number for row in rows])
    bodies = {row.number: _body(row, branches.get(row.number, frozenset())) for row in rows}
    keys = {number: _keys(body) for number, body in bodies.items()}
    upsert(
        session,
        SpendSupplierKey,
        sorted(
            ({"key": key, "supplier": number} for number, listed in keys.items() for key in listed),
            key=lambda row: (row["key"], row["supplier"]),
        ),
        key=["key", "supplier"],
        update=[],
    )
    blocks = matching.blocks(session, (key for listed in keys.values() for key in listed))
    near = {
        number: sorted({id for key in listed if key in blocks for id, _ in blocks[key].members})
        for number, listed in keys.items()
    }
    organisations = matching.bodies(session, sorted({id for ids in near.values() for id in ids}))
    answering = merges.canonical(session, organisations)
    now = datetime.now(UTC)
    made = []
    for row in rows:
        scored = [
            (
                answering[id],
                id,
                likeness.compare(bodies[row.number], organisations[id], partial(_rivals, blocks)),
            )
            for id in near.get(row.number, ())
            if id in organisations and not {id, answering[id]} & set(row.refused_ids)
        ]
        made.append({"number": row.number, "looked_at": now, **_found(scored)})
    if made:
        # By the primary key: one statement for all.
        session.execute(update(SpendSupplier), made)


def _body(row: SpendSupplier, postcodes: frozenset[str]) -> Body:
    number = supplier_identifier(row.supplier_id)
    return Body(
        names=() if row.name is None else (row.name,),
        identifiers=frozenset() if number is None else frozenset({number}),
        postcodes=postcodes,
    )


def _keys(body: Body) -> set[int]:
    return {matching.key_number(key) for key in likeness.keys(body)}


def _rivals(blocks: dict[int, matching.Block], key: str) -> int:
    block = blocks.get(matching.key_number(key))
    return 1 if block is None else block.rivals_of(None, None)


def _found(scored: Sequence[tuple[str, str, Likeness]]) -> dict[str, Any]:
    """What a supplier is, of the organisations it may be, each as it answers and by its own id."""
    best: dict[str, tuple[str, Likeness]] = {}
    for answer, id, alike in sorted(scored, key=lambda one: (-one[2].score, one[1])):
        best.setdefault(answer, (id, alike))
    ranked = sorted(best.items(), key=lambda item: (-item[1][1].score, item[0]))
    if not ranked or ranked[0][1][1].score < spend.POSSIBLE:
        return {
            "state": "unmatched",
            "matched_by": None,
            "organisation_id": None,
            "score": None,
            "reasons": [],
        }
    _, (id, alike) = ranked[0]
    reasons = [reason._asdict() for reason in alike.reasons]
    by_number = any(reason.kind == "identifier" for reason in alike.reasons)
    others = sum(1 for _, (_, other) in ranked[1:] if other.score >= alike.score - _AS_LIKELY)
    if others:
        told = "another organisation is" if others == 1 else f"{others} other organisations are"
        reasons.append({"kind": "several", "speaks": "against", "text": f"{told} as likely"})
    sure = alike.score >= spend.SURE and not others
    return {
        "state": "matched" if sure else "candidate",
        "matched_by": ("identifier" if by_number else "name") if sure else None,
        "organisation_id": id,
        "score": alike.score,
        "reasons": reasons,
    }
