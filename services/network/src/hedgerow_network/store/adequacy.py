"""Adequacy rule sets as they stand in the database."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.tables import AdequacyRules


def rules(session: Session, id: str) -> AdequacyRules | None:
    return session.scalars(select(AdequacyRules).where(AdequacyRules.id == id)).one_or_none()


def meant_for(session: Session, codes: set[str]) -> list[AdequacyRules]:
    """The rule sets of the authorities named, else everybody's, by id."""
    found = list(session.scalars(select(AdequacyRules).order_by(AdequacyRules.id)))
    own = [row for row in found if row.authority_code in codes]
    return own or [row for row in found if row.authority_code is None]
