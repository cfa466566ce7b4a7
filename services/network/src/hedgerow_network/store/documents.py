"""Documents that belong to an authority, as they stand in the database."""

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.tables import AdequacyRules, Document

D = TypeVar("D", bound=Document)


def document(session: Session, table: type[D], id: str) -> D | None:
    return session.scalars(select(table).where(table.id == id)).one_or_none()


def rules_meant_for(session: Session, codes: set[str]) -> list[AdequacyRules]:
    """The rule sets of the authorities named, else everybody's, by id."""
    found = list(session.scalars(select(AdequacyRules).order_by(AdequacyRules.id)))
    own = [row for row in found if row.authority_code in codes]
    return own or [row for row in found if row.authority_code is None]
