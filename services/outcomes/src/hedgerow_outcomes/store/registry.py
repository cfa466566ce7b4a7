"""What is held of the registry: the tree of areas, organisations and contracts."""

from collections.abc import Sequence
from typing import Any

from hedgerow_kit.projection import Projection
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.registry_records import EDITION, KINDS, is_readable
from hedgerow_outcomes.domain.totals import Tree
from hedgerow_outcomes.tables import Feed, Record

PROJECTION = Projection(Record, Feed, is_readable=is_readable, kinds=KINDS, edition=EDITION)


def one(session: Session, kind: str, id: str) -> dict[str, Any] | None:
    """A record of the registry as last heard, or None."""
    query = select(Record.data).where(Record.kind == kind, Record.id == id, Record.deleted.is_(False))
    return session.scalar(query)


_AT_ONCE = 5000


def several(session: Session, kind: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    query = select(Record.id, Record.data).where(
        Record.kind == kind, Record.id.in_(ids), Record.deleted.is_(False)
    )
    return {id: data for id, data in session.execute(query) if data is not None}


def contracts(session: Session, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Those of any number of contracts that were heard of."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        found |= several(session, "contract", ids[start : start + _AT_ONCE])
    return found


def tree_above(session: Session, codes: Sequence[str]) -> Tree:
    """These areas, as far as they were heard of, and all that they lie in."""
    parents: dict[str, Sequence[str]] = {}
    levels: dict[str, str] = {}
    asked, wanted = set(codes), sorted(set(codes))
    while wanted:
        for start in range(0, len(wanted), _AT_ONCE):
            for code, data in several(session, "area", wanted[start : start + _AT_ONCE]).items():
                parents[code] = list(data.get("parents") or ())
                levels[code] = str(data.get("level") or "")
        above = {parent for code in wanted for parent in parents.get(code, ())}
        wanted = sorted(above - asked)
        asked |= above
    return Tree(parents, levels)


def index_values(session: Session, name: str, codes: Sequence[str]) -> dict[str, float]:
    """The latest value of an index for each of these areas that has one."""
    found: dict[str, float] = {}
    for start in range(0, len(codes), _AT_ONCE):
        ids = [f"{name}/{code}" for code in codes[start : start + _AT_ONCE]]
        for data in several(session, "index", ids).values():
            rows = [row for row in data["values"] if row.get("value") is not None]
            if rows:
                found[data["area_code"]] = float(max(rows, key=lambda row: str(row["period"]))["value"])
    return found


def position(session: Session) -> int:
    """The registry's state that answers rest on."""
    return PROJECTION.feed(session).position
