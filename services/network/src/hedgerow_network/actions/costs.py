"""Writing matrices of travel costs: what is new, what changed, what is the same."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from hedgerow_kit import audit
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import upsert
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from hedgerow_network.actions.ownership import may_write, stamp
from hedgerow_network.errors import OfAnotherAuthority
from hedgerow_network.tables import Cost, CostMatrix

ACCEPTED, CHANGED, UNCHANGED = "accepted", "changed", "unchanged"

# Two parameters a pair: far below what one statement may carry.
_PAIRS_AT_ONCE = 2_000

Pair = tuple[str, str]


class Amount(NamedTuple):
    """What a pair takes; at least one of the two is known."""

    minutes: float | None
    km: float | None


def claim(
    session: Session,
    name: str,
    principal: Principal,
    *,
    authority_code: str | None = None,
    site_source: str | None = None,
) -> CostMatrix:
    """The matrix of this name, made if it is new. Raises OfAnotherAuthority, AuthorityNotNamed.

    site_source is kept from the first time it is said, and replaced when another is.
    """
    held = session.scalars(select(CostMatrix).where(CostMatrix.name == name).with_for_update()).one_or_none()
    if held is None:
        # Two first imports at once: the unique name settles which of them makes it.
        number = (session.scalar(select(func.max(CostMatrix.number))) or 0) + 1
        made = {
            "number": number,
            "name": name,
            "authority_code": stamp(principal, authority_code),
            "site_source": site_source,
            # A matrix made anew under an old name must not pass for the old one.
            "version": time.time_ns() // 1_000_000,
            "updated_at": datetime.now(UTC),
        }
        upsert(session, CostMatrix, [made], key=["name"], update=[])
        held = session.scalars(select(CostMatrix).where(CostMatrix.name == name)).one()
    if not may_write(principal, held.authority_code):
        raise OfAnotherAuthority
    if site_source is not None and site_source != held.site_source:
        held.site_source = site_source
        held.version += 1
    return held


def write(session: Session, matrix: CostMatrix, amounts: Mapping[Pair, Amount]) -> dict[Pair, str]:
    """Write pairs of one matrix; what became of each. Pairs that are not named stay as they are."""
    held = _held(session, matrix.number, list(amounts))
    verdicts = {
        pair: ACCEPTED if pair not in held else UNCHANGED if held[pair] == amount else CHANGED
        for pair, amount in amounts.items()
    }
    rows = [
        {"matrix": matrix.number, "from_area": pair[0], "to_site": pair[1], **amounts[pair]._asdict()}
        for pair in sorted(amounts)
        if verdicts[pair] != UNCHANGED
    ]
    if rows:
        upsert(session, Cost, rows, key=["matrix", "from_area", "to_site"])
        matrix.version += 1
        matrix.updated_at = datetime.now(UTC)
    return verdicts


def _held(session: Session, matrix: int, pairs: Sequence[Pair]) -> dict[Pair, Amount]:
    found: dict[Pair, Amount] = {}
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        wanted = pairs[start : start + _PAIRS_AT_ONCE]
        query = select(Cost.from_area, Cost.to_site, Cost.minutes, Cost.km).where(
            Cost.matrix == matrix, tuple_(Cost.from_area, Cost.to_site).in_(wanted)
        )
        found |= {(origin, site): Amount(minutes, km) for origin, site, minutes, km in session.execute(query)}
    return found


def remove(session: Session, matrix: CostMatrix) -> None:
    """Delete a matrix with all its pairs."""
    was = {"name": matrix.name, "authority_code": matrix.authority_code, "version": matrix.version}
    audit.note(session, "cost matrix", str(matrix.number), before=was, after=None)
    session.execute(delete(Cost).where(Cost.matrix == matrix.number))
    session.execute(delete(CostMatrix).where(CostMatrix.number == matrix.number))
