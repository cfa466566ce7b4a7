"""Writing documents that belong to an authority."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from hedgerow_kit.auth import Principal
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.actions.ownership import may_write, stamp
from hedgerow_network.errors import NetworkError, OfAnotherAuthority
from hedgerow_network.tables import Document

D = TypeVar("D", bound=Document)

Check = Callable[[D], None]
"""Raises unless the writer has seen the document as it stands."""


def make(
    session: Session, table: type[D], body: dict[str, Any], *, authority_code: str | None, by: Principal
) -> D:
    """A new document, under an id of its own. Raises OfAnotherAuthority, AuthorityNotNamed."""
    made = table(
        id=str(uuid4()),
        authority_code=stamp(by, authority_code),
        version=1,
        body=body,
        updated_at=datetime.now(UTC),
        updated_by=by.subject,
    )
    session.add(made)
    session.flush()
    return made


def put(
    session: Session,
    table: type[D],
    id: str,
    body: dict[str, Any],
    *,
    by: Principal,
    unknown: type[NetworkError],
    unchanged: Check[D],
) -> D:
    """Replace a document whole; whose it is stays. Raises `unknown`, OfAnotherAuthority."""
    held = _writable(session, table, id, by, unknown)
    unchanged(held)
    held.body = body
    held.version += 1
    held.updated_at, held.updated_by = datetime.now(UTC), by.subject
    session.flush()
    return held


def remove(
    session: Session,
    table: type[D],
    id: str,
    *,
    by: Principal,
    unknown: type[NetworkError],
    unchanged: Check[D],
) -> None:
    """Delete a document. Raises `unknown`, OfAnotherAuthority."""
    held = _writable(session, table, id, by, unknown)
    unchanged(held)
    session.delete(held)


def _writable(session: Session, table: type[D], id: str, by: Principal, unknown: type[NetworkError]) -> D:
    query = select(table).where(table.id == id).with_for_update()
    held = session.scalars(query).one_or_none()
    if held is None:
        raise unknown
    if not may_write(by, held.authority_code):
        raise OfAnotherAuthority
    return held
