"""Reading what records were."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.domain.versions import Change
from hedgerow_registry.tables import History, Import, Source


def changes(session: Session, type: str, id: str) -> list[Change]:
    """All of a record's history, oldest first."""
    columns = (History.action, History.at, History.since, History.field, History.values, History.import_id)
    query = select(*columns).where(History.type == type, History.id == id)
    return [
        Change(action, at, since, field, values.get("old"), import_id)
        for action, at, since, field, values, import_id in session.execute(query.order_by(History.seq))
    ]


def rows(session: Session, type: str, id: str) -> Sequence[History]:
    """All of a record's history as it is kept, oldest first."""
    query = select(History).where(History.type == type, History.id == id)
    return session.scalars(query.order_by(History.seq)).all()


def authorities(session: Session, sources: Iterable[str]) -> dict[str, str | None]:
    """The authorities that sources belong to."""
    query = select(Source.name, Source.authority_code).where(Source.name.in_(sorted(set(sources))))
    return {name: code for name, code in session.execute(query)}


def subject_of_import(session: Session, import_id: str | None) -> str | None:
    """Who handed in an import."""
    if import_id is None:
        return None
    return session.scalar(select(Import.subject).where(Import.id == import_id))
