"""Which organisation answers for which: those that were merged stand under another.

Records keep the organisation their source names. Whoever answers with an organisation's id, or is asked for
what belongs to one, goes through here; so a merge rewrites nothing and an unmerge has nothing to put back.
"""

from collections.abc import Iterable
from typing import Any

from hedgerow_kit.db import among
from hedgerow_kit.paging import keyset
from sqlalchemy import ColumnElement, Select, func, literal, not_, or_, select, text, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Merged, MergeEvent, Organisation

# What a merged record may say where the one it stands under says nothing.
GAPS = (
    "sector",
    "legal_form",
    "legal_form_code",
    "size",
    "size_band",
    "head_office_area_code",
    "user_led",
    "user_led_evidence",
    "user_led_on",
    "supported_business",
    "supported_business_evidence",
    "supported_business_on",
    "public_service_mutual",
    "public_service_mutual_evidence",
    "public_service_mutual_on",
    "url",
    "email",
    "description",
)


def lock(session: Session) -> None:
    """Let nobody else merge or unmerge until the transaction ends: chains are read and written as a whole."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE merged_organisations IN SHARE ROW EXCLUSIVE MODE"))


def canonical(session: Session, ids: Iterable[str | None]) -> dict[str, str]:
    """The organisation that answers for each of these: another for a merged one, else itself."""
    wanted = dict.fromkeys(id for id in ids if id is not None)
    found = {id: id for id in wanted}
    for piece in chunks(wanted):
        query = select(Merged.organisation_id, Merged.canonical_id).where(
            among(Merged.organisation_id, piece)
        )
        found.update((id, answering) for id, answering in session.execute(query))
    return found


def answering(session: Session, id: str) -> str:
    """The organisation that answers for this one: itself unless it was merged."""
    return canonical(session, [id])[id]


def members(session: Session, ids: Iterable[str]) -> dict[str, list[str]]:
    """The organisations that stand under each of these, first merged first; without any, none is named."""
    found: dict[str, list[str]] = {}
    for piece in chunks(ids):
        query = (
            select(Merged.canonical_id, Merged.organisation_id)
            .where(among(Merged.canonical_id, piece))
            .order_by(Merged.canonical_id, Merged.event_id)
        )
        for survivor, id in session.execute(query):
            found.setdefault(survivor, []).append(id)
    return found


def under(id: str | ColumnElement[str]) -> Any:
    """A selectable of the id of an organisation and of all that stand under the one that answers for it.

    For `column.in_(under(id))`; any member's id gives them all.
    """
    one = literal(id) if isinstance(id, str) else id
    survivor = func.coalesce(
        select(Merged.canonical_id).where(Merged.organisation_id == one).scalar_subquery(), one
    )
    return union_all(select(survivor), select(Merged.organisation_id).where(Merged.canonical_id == survivor))


def standing(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The condition that an organisation answers for itself."""
    return not_(column.in_(select(Merged.organisation_id)))


def answering_id(column: Any, merged: Any) -> Any:
    """The id that answers for a column of organisation ids, outer-joined to `merged` on it."""
    return func.coalesce(merged.canonical_id, column)


def merged_row(session: Session, id: str) -> Merged | None:
    return session.get(Merged, id, populate_existing=True)


def gaps(session: Session, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What the members of organisations say, for each of `GAPS` the first that says anything."""
    found: dict[str, dict[str, Any]] = {}
    under_it = members(session, ids)
    of = {member: survivor for survivor, listed in under_it.items() for member in listed}
    said: dict[str, Any] = {}
    for piece in chunks(of):
        columns = [getattr(Organisation, name) for name in GAPS]
        for row in session.execute(select(Organisation.id, *columns).where(Organisation.id.in_(piece))):
            said[row[0]] = dict(zip(GAPS, row[1:], strict=True))
    for survivor, listed in under_it.items():
        values = (said[member] for member in listed)
        filled: dict[str, Any] = {}
        for one in values:
            said_by_it = {name: value for name, value in one.items() if value not in (None, "")}
            filled = said_by_it | filled
        found[survivor] = filled
    return found


def names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """The own names of organisations."""
    return {
        id: name
        for piece in chunks(ids)
        for id, name in session.execute(
            select(Organisation.id, Organisation.name).where(Organisation.id.in_(piece))
        )
    }


def event_page(
    session: Session, id: str, *, after: str | None, limit: int
) -> tuple[list[MergeEvent], str | None]:
    """A page of the merges and unmerges of an organisation and of those that stand under it, oldest first."""
    query: Select[Any] = select(MergeEvent).where(
        or_(MergeEvent.organisation_id.in_(under(id)), MergeEvent.into_id.in_(under(id)))
    )
    rows, marker = keyset(session, query, [MergeEvent.id], after=after, limit=limit)
    return [row[0] for row in rows], marker


def event(session: Session, id: int) -> MergeEvent:
    return session.get_one(MergeEvent, id)


def alias() -> Any:
    """The table of merged organisations, to be outer-joined."""
    return aliased(Merged)
