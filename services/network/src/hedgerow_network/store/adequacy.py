"""Adequacy rule sets as they stand in the database."""

from hedgerow_kit.auth import ALL_AUTHORITIES, Principal
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from hedgerow_network.tables import AdequacyRules


def within_reach(principal: Principal) -> Select[AdequacyRules]:
    """The rule sets that a caller may know of: those of its authorities, and everybody's."""
    query = select(AdequacyRules)
    if ALL_AUTHORITIES in principal.authorities:
        return query
    return query.where(
        or_(
            AdequacyRules.authority_code.is_(None),
            AdequacyRules.authority_code.in_(sorted(principal.authorities)),
        )
    )


def rules(session: Session, id: str, principal: Principal) -> AdequacyRules | None:
    """A rule set; None where there is none, or none that the caller may know of."""
    return session.scalars(within_reach(principal).where(AdequacyRules.id == id)).one_or_none()


def meant_for(session: Session, principal: Principal, codes: set[str]) -> list[AdequacyRules]:
    """The rule sets of the authorities named, else everybody's, by id."""
    found = list(session.scalars(within_reach(principal).order_by(AdequacyRules.id)))
    own = [row for row in found if row.authority_code in codes]
    return own or [row for row in found if row.authority_code is None]
