"""Networks and relations as they stand in the database, and the relations in memory."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from hedgerow_kit.auth import ALL_AUTHORITIES, Principal
from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from hedgerow_network.domain.relations import Relation
from hedgerow_network.tables import Network
from hedgerow_network.tables import Relation as Row


def within_reach(principal: Principal) -> ColumnElement[bool]:
    """The networks that a caller may know of: those of its authorities and everybody's."""
    if ALL_AUTHORITIES in principal.authorities:
        return true()
    return or_(Network.authority_code.is_(None), Network.authority_code.in_(sorted(principal.authorities)))


def network(session: Session, id: str, principal: Principal) -> Network | None:
    """A network; None where there is none, or none that the caller may know of."""
    query = select(Network).where(Network.id == id, within_reach(principal))
    return session.scalars(query).one_or_none()


def all_within_reach(session: Session, principal: Principal) -> list[Network]:
    """All networks that a caller may know of, by id."""
    return list(session.scalars(select(Network).where(within_reach(principal)).order_by(Network.id)))


def relations(session: Session, networks: Iterable[str]) -> list[Relation]:
    """The relations of these networks, in a stable order, organisations as they were sent."""
    ids = sorted(networks)
    query = (
        select(Row)
        .where(Row.network.in_(ids))
        .order_by(Row.network, Row.from_id, Row.to_id, Row.type, Row.from_date)
    )
    return [relation(row) for row in session.scalars(query)]


def relation(row: Any) -> Relation:
    return Relation(
        source=row.from_id,
        target=row.to_id,
        type=row.type,
        weight=row.weight,
        start=date.fromisoformat(row.from_date) if row.from_date else None,
        end=date.fromisoformat(row.to_date) if row.to_date else None,
        network=row.network,
    )
