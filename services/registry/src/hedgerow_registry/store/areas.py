"""Areas: reading them, what lies within one, and the whole of those a batch speaks of."""

from collections.abc import Iterable, Sequence
from typing import Any

from hedgerow_kit.paging import keyset
from sqlalchemy import CTE, select
from sqlalchemy.orm import Session

from hedgerow_registry.domain.residents import Band
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import OPEN_AGE, Area, AreaParent, AreaSuccessor, Boundary, Residents


def within(code: str) -> CTE:
    """The codes of an area and of everything that lies in it, by any hierarchy; a circle does no harm."""
    inside = select(Area.code).where(Area.code == code).cte("inside", recursive=True)
    return inside.union(select(AreaParent.code).join(inside, AreaParent.parent_code == inside.c.code))


def around(code: str) -> CTE:
    """The codes of an area and of everything it lies in."""
    outside = select(Area.code).where(Area.code == code).cte("outside", recursive=True)
    return outside.union(select(AreaParent.parent_code).join(outside, AreaParent.code == outside.c.code))


def page(
    session: Session,
    *,
    level: str | None,
    within_code: str | None,
    name_starts: str | None,
    after: str | None,
    limit: int,
) -> tuple[list[Area], str | None]:
    """A page of the areas of a level, within another, whose name starts with a text."""
    query = select(Area)
    if level is not None:
        query = query.where(Area.level == level)
    if within_code is not None:
        inside = within(within_code)
        query = query.where(Area.code.in_(select(inside.c.code)), Area.code != within_code)
    if name_starts:
        query = query.where(starts(Area.name_key, name_starts))
    rows, marker = keyset(session, query, [Area.code], after=after, limit=limit)
    return [row[0] for row in rows], marker


def starts(column: Any, prefix: str) -> Any:
    """Whether a text starts with another, as a range that an index serves on both databases."""
    return column.between(prefix, prefix + "\U0010ffff")


def by_code(session: Session, code: str) -> Area | None:
    return session.get(Area, code)


def links(session: Session, codes: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The parents and the successors of areas, each list in order of code."""
    return _pairs(session, AreaParent.code, AreaParent.parent_code, codes), _pairs(
        session, AreaSuccessor.code, AreaSuccessor.successor_code, codes
    )


def children(session: Session, code: str) -> Sequence[str]:
    query = select(AreaParent.code).where(AreaParent.parent_code == code).order_by(AreaParent.code)
    return session.scalars(query).all()


def predecessors(session: Session, code: str) -> Sequence[str]:
    query = select(AreaSuccessor.code).where(AreaSuccessor.successor_code == code)
    return session.scalars(query.order_by(AreaSuccessor.code)).all()


def successors_to_the_end(session: Session, code: str) -> Sequence[str]:
    """The areas of today that took over from one, through any number of changes."""
    path = select(AreaSuccessor.successor_code.label("code")).where(AreaSuccessor.code == code)
    later = path.cte("later", recursive=True)
    later = later.union(select(AreaSuccessor.successor_code).join(later, AreaSuccessor.code == later.c.code))
    replaced = select(AreaSuccessor.code)
    query = select(later.c.code).where(later.c.code.not_in(replaced)).order_by(later.c.code)
    return session.scalars(query).all()


def residents(session: Session, code: str) -> list[Band]:
    """Who lives in an area, by period, age band and sex."""
    rows = session.scalars(select(Residents).where(Residents.area_code == code))
    return [
        Band(row.period, row.age_from, None if row.age_to == OPEN_AGE else row.age_to, row.sex, row.people)
        for row in rows
    ]


def with_boundaries(
    session: Session, *, level: str | None, within_code: str | None, limit: int
) -> Sequence[Any]:
    """Areas and their outlines in order of code, the area named itself included."""
    query = select(Area.code, Area.name, Area.level, Area.vintage, Area.lon, Area.lat, Boundary.geometry)
    query = query.join(Boundary, Boundary.area_code == Area.code, isouter=True)
    if level is not None:
        query = query.where(Area.level == level)
    if within_code is not None:
        query = query.where(Area.code.in_(select(within(within_code).c.code)))
    return session.execute(query.order_by(Area.code).limit(limit)).all()


def whole(session: Session, codes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The records of areas as they were written, with their parents and successors."""
    wanted = list(dict.fromkeys(codes))
    parents, successors = links(session, wanted)
    columns = ("code", "name", "level", "vintage", "lon", "lat", "point_from")
    return {
        row.code: {
            **row._mapping,
            "parent_codes": parents.get(row.code, []),
            "successor_codes": successors.get(row.code, []),
        }
        for piece in chunks(wanted)
        for row in session.execute(
            select(*(getattr(Area, name) for name in columns)).where(Area.code.in_(piece))
        )
    }


def _pairs(session: Session, left: Any, right: Any, codes: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for piece in chunks(dict.fromkeys(codes)):
        for code, other in session.execute(select(left, right).where(left.in_(piece)).order_by(left, right)):
            found.setdefault(code, []).append(other)
    return found
