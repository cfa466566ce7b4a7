"""Writing adequacy rule sets."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hedgerow_kit.auth import Principal
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.actions.ownership import may_write, stamp
from hedgerow_network.errors import OfAnotherAuthority, UnknownRules
from hedgerow_network.tables import AdequacyRules

Check = Callable[[AdequacyRules], None]
"""Raises unless the writer has seen the row as it stands."""


def make_rules(
    session: Session, body: dict[str, Any], *, authority_code: str | None, by: Principal
) -> AdequacyRules:
    """A new rule set, under an id of its own. Raises OfAnotherAuthority, AuthorityNotNamed."""
    made = AdequacyRules(
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


def put_rules(
    session: Session, id: str, body: dict[str, Any], *, by: Principal, unchanged: Check
) -> AdequacyRules:
    """Replace a rule set whole; whose it is stays. Raises UnknownRules, OfAnotherAuthority."""
    held = _writable(session, id, by)
    unchanged(held)
    held.body = body
    held.version += 1
    held.updated_at, held.updated_by = datetime.now(UTC), by.subject
    session.flush()
    return held


def delete_rules(session: Session, id: str, *, by: Principal, unchanged: Check) -> None:
    """Delete a rule set. Raises UnknownRules, OfAnotherAuthority."""
    held = _writable(session, id, by)
    unchanged(held)
    session.delete(held)


def _writable(session: Session, id: str, by: Principal) -> AdequacyRules:
    query = select(AdequacyRules).where(AdequacyRules.id == id).with_for_update()
    held = session.scalars(query).one_or_none()
    if held is None:
        raise UnknownRules
    if not may_write(by, held.authority_code):
        raise OfAnotherAuthority
    return held
