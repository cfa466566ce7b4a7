"""What is stored beside records because it follows from them: brought up to date before the commit.

A transaction notes what it writes, as it does for the change feed, and derives once at its end: a service
that is written together with its sites and its organisation is looked at once, as they all are now.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hedgerow_kit.db import upsert
from sqlalchemy import delete, event
from sqlalchemy.orm import Session

from hedgerow_registry.domain.openings import openings
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import ServiceOpening

Fields = Mapping[str, Any]

_PENDING = "records_to_derive_from"
_QUIET = {"synchronize_session": False}


def note(session: Session, type: str, id: str, record: Fields | None) -> None:
    """Remember that a record was written, or with `None` deleted; of several notes the last counts."""
    session.info.setdefault(_PENDING, {}).setdefault(type, {})[id] = record


# Before the listener that numbers the changes: whoever numbers holds back all other writers.
@event.listens_for(Session, "before_commit", insert=True)
def _derive(session: Session) -> None:
    if session.in_nested_transaction():
        return
    pending: dict[str, dict[str, Fields | None]] = session.info.pop(_PENDING, {})
    if pending:
        session.flush()
        _store_openings(session, pending.get("service", {}))


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_PENDING, None)


def _store_openings(session: Session, services: Mapping[str, Fields | None]) -> None:
    for piece in chunks(sorted(services)):
        session.execute(
            delete(ServiceOpening).where(ServiceOpening.service_id.in_(piece)), execution_options=_QUIET
        )
    rows = [row for id in sorted(services) for row in _opening_rows(id, services[id])]
    upsert(session, ServiceOpening, rows, key=["service_id", "number"])


def _opening_rows(service_id: str, service: Fields | None) -> Sequence[dict[str, Any]]:
    if service is None:
        return []
    found = openings(service["document"])
    return [
        {"service_id": service_id, "number": number, **opening._asdict()}
        for number, opening in enumerate(found)
    ]
