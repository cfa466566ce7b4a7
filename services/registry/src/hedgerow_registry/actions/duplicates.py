"""What a person or a stated rule decides about pairs of organisations that may be one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from hedgerow_kit.auth import Principal
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_registry.actions import merging
from hedgerow_registry.actions.provenance import claim, may_claim
from hedgerow_registry.domain import merge_rules
from hedgerow_registry.domain.likeness import Reason
from hedgerow_registry.errors import SamePair, UnknownRecord
from hedgerow_registry.store import matching, merges
from hedgerow_registry.store.directory import own_parts
from hedgerow_registry.store.held import chunks
from hedgerow_registry.store.matching import Pair
from hedgerow_registry.tables import DuplicatePair, Service


def dismiss(session: Session, first_id: str, second_id: str, *, reason: str, by: Principal) -> Pair:
    """Say that the two are not one; the pair is not a candidate again, whatever changes.

    Raises UnknownRecord, SamePair, SourceOfAnotherAuthority.
    """
    pair = _claimed(session, first_id, second_id, by)
    if pair.status == "merged":
        raise SamePair
    row = pair.row
    row.dismissed_by, row.dismissed_at, row.dismissed_because = by.subject, datetime.now(UTC), reason
    session.flush()
    return pair


def restore(session: Session, first_id: str, second_id: str, *, by: Principal) -> Pair:
    """Take a dismissal back. Raises UnknownRecord, SourceOfAnotherAuthority."""
    pair = _claimed(session, first_id, second_id, by)
    row = pair.row
    row.dismissed_by, row.dismissed_at, row.dismissed_because = None, None, None
    session.flush()
    return pair


def _claimed(session: Session, first_id: str, second_id: str, by: Principal) -> Pair:
    matching.lock(session)
    pair = matching.pair(session, first_id, second_id)
    if pair is None:
        raise UnknownRecord("pair")
    for one in matching.told(session, (pair.row.first_id, pair.row.second_id)).values():
        claim(session, one.source, by)
    return pair


class Applied(NamedTuple):
    """What a rule makes of one pair: merged into which, or why not."""

    organisation_id: str
    into_id: str
    score: float
    merged: bool
    reason: str


def apply(session: Session, rule: str, *, by: Principal, dry_run: bool, limit: int) -> list[Applied]:
    """Merge the candidates that a stated rule decides, the likeliest first; as a trial, only say which.

    Of two, the one with more services stays; of as many, the one with more identifiers, then the lower id.
    What is of another authority, and what would give a body two numbers of one register, is left as it is and
    told.
    """
    made: list[Applied] = []
    standing: dict[str, str] = {}
    for pair in _decided(session, rule):
        if len(made) == limit:
            break
        ends = [_end(standing, id) for id in (pair.first_answering, pair.second_answering)]
        if ends[0] == ends[1]:
            continue
        ids = [pair.row.first_id, pair.row.second_id]
        loser, stays = _in_order(session, ends, standing)
        refusal = _refusal(session, [*ids, *ends], standing, by)
        words = "; ".join(str(reason["text"]) for reason in pair.row.reasons)
        if refusal is None:
            standing[loser] = stays
            if not dry_run:
                merging.merge(session, loser, stays, reason=words, by=by, rule=rule)
        made.append(Applied(loser, stays, pair.row.score, refusal is None, refusal or words))
    return made


def _decided(session: Session, rule: str) -> Sequence[Pair]:
    query = (
        select(DuplicatePair)
        .where(DuplicatePair.dismissed_by.is_(None))
        .order_by(DuplicatePair.rank, DuplicatePair.first_id, DuplicatePair.second_id)
    )
    rows = [
        row
        for row in session.scalars(query, execution_options={"yield_per": 1000})
        if merge_rules.holds(rule, (Reason(**reason) for reason in row.reasons))
    ]
    answering = merges.canonical(session, (id for row in rows for id in (row.first_id, row.second_id)))
    return [Pair(row, answering[row.first_id], answering[row.second_id]) for row in rows]


def _end(standing: dict[str, str], id: str) -> str:
    """The organisation that answers for one, after what was merged in this run or trial."""
    while id in standing:
        id = standing[id]
    return id


def _in_order(session: Session, ends: Sequence[str], standing: dict[str, str]) -> tuple[str, str]:
    """Which of two is merged, and which stays."""
    parts = own_parts(session, ends)

    def rank(id: str) -> tuple[int, int, str]:
        services = session.scalar(
            select(func.count()).select_from(Service).where(Service.organisation_id.in_(merges.under(id)))
        )
        return -(services or 0), -len(parts.identifiers.get(id, ())), id

    stays, loser = sorted(ends, key=rank)
    return loser, stays


def _refusal(session: Session, ids: Sequence[str], standing: dict[str, str], by: Principal) -> str | None:
    told = matching.told(session, ids)
    if not all(may_claim(session, one.source, by) for one in told.values()):
        return "one of the two is of a source of another authority"
    ends = {_end(standing, id) for id in ids}
    everyone = {id for id in standing if _end(standing, id) in ends} | ends
    for piece in chunks(sorted(everyone)):
        everyone.update(member for listed in merges.members(session, piece).values() for member in listed)
    scheme = merge_rules.conflict(matching.bodies(session, sorted(everyone)).values())
    return None if scheme is None else f"together they would have several numbers in {scheme}"
