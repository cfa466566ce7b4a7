"""Networks and relations as they stand in the database, and the relations in memory."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import date
from threading import Lock
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.domain.relations import Relation
from hedgerow_network.tables import Network
from hedgerow_network.tables import Relation as Row


def network(session: Session, id: str) -> Network | None:
    return session.scalars(select(Network).where(Network.id == id)).one_or_none()


def all_within_reach(session: Session) -> list[Network]:
    """All networks that the session's caller may know of, by id."""
    return list(session.scalars(select(Network).order_by(Network.id)))


class Relations:
    """The relations of networks, each network's read once for each state of it."""

    def __init__(self, *, kept: int = 200) -> None:
        self._kept = kept
        self._lock = Lock()
        self._held: OrderedDict[tuple[str, int], tuple[Relation, ...]] = OrderedDict()

    def of(self, session: Session, networks: Sequence[Network]) -> list[tuple[Relation, ...]]:
        """The relations of each of these networks, in their order."""
        keys = [(row.id, row.relations_version) for row in networks]
        with self._lock:
            found = {key: self._held[key] for key in keys if key in self._held}
        missing = [key for key in keys if key not in found]
        if missing:
            read: dict[str, list[Relation]] = {id: [] for id, _ in missing}
            for one in relations(session, read):
                read[one.network].append(one)
            found |= {key: tuple(read[key[0]]) for key in missing}
        with self._lock:
            for key in keys:
                self._held[key] = found[key]
                self._held.move_to_end(key)
            while len(self._held) > self._kept:
                self._held.popitem(last=False)
        return [found[key] for key in keys]


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
