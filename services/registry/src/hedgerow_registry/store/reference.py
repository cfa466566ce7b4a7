"""Needs, crosswalks and sources."""

from collections.abc import Sequence

from hedgerow_kit.paging import keyset
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hedgerow_registry.domain import taxonomy
from hedgerow_registry.errors import AmbiguousNeed
from hedgerow_registry.store.directory import needs_by_term
from hedgerow_registry.tables import Crosswalk, Need, Source


def need_page(
    session: Session,
    *,
    in_taxonomy: str | None = None,
    parent: str | None = None,
    term: str | None = None,
    after: str | None,
    limit: int,
) -> tuple[list[Need], str | None]:
    """A page of the needs of a taxonomy, below a parent, or of a term."""
    query = select(Need)
    if in_taxonomy is not None:
        query = query.where(Need.taxonomy == in_taxonomy)
    if parent is not None:
        query = query.where(Need.parent_id == parent)
    if term is not None:
        query = query.where(Need.term == term)
    rows, marker = keyset(session, query, [Need.id], after=after, limit=limit)
    return [row[0] for row in rows], marker


def need(session: Session, said: str) -> Need | None:
    """The need of an id, or of a bare term that one taxonomy has. Raises AmbiguousNeed."""
    found = session.get(Need, said)
    if found is not None or taxonomy.split(said)[0]:
        return found
    ids = needs_by_term(session, [said]).get(said, [])
    if len(ids) > 1:
        raise AmbiguousNeed
    return session.get(Need, ids[0]) if ids else None


def crosswalks(session: Session, need_id: str) -> Sequence[Crosswalk]:
    """How a need relates to the terms of other taxonomies, said from either side."""
    query = select(Crosswalk).where(or_(Crosswalk.from_id == need_id, Crosswalk.to_id == need_id))
    return session.scalars(query.order_by(Crosswalk.from_id, Crosswalk.to_id)).all()


def source_page(session: Session, *, after: str | None, limit: int) -> tuple[list[Source], str | None]:
    """A page of the sources."""
    rows, marker = keyset(session, select(Source), [Source.name], after=after, limit=limit)
    return [row[0] for row in rows], marker
