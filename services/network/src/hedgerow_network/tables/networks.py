"""Networks as they are designed, in all their versions, and the relations between their organisations."""

from collections.abc import Set
from datetime import datetime
from typing import Any

from hedgerow_kit.db import Instant, Json
from hedgerow_kit.reach import Guarded, Owned
from sqlalchemy import BigInteger, ColumnElement, Float, ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_network.tables.base import Base


class Network(Owned, Base):
    """A delivery network. One that is known by its relations alone has an empty design.

    `version` grows with every change of the design, `relations_version` with every batch of relations that
    changes any: answers know a network by the two. `updated_at` is that of the design. One without an
    authority is everybody's to read.
    """

    __tablename__ = "networks"

    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(300))
    version: Mapped[int] = mapped_column(BigInteger)
    relations_version: Mapped[int] = mapped_column(BigInteger)
    design: Mapped[dict[str, Any]] = mapped_column(Json)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class OfNetwork(Guarded):
    """What belongs to a network is seen by whoever sees the network."""

    network: Mapped[str]

    @classmethod
    def within(cls, authorities: Set[str]) -> ColumnElement[bool]:
        return cls.network.in_(select(Network.id).where(Network.within(authorities)))


class NetworkVersion(OfNetwork, Base):
    """The design of a network as it was: one row for each version there ever was."""

    __tablename__ = "network_versions"

    network: Mapped[str] = mapped_column(ForeignKey("networks.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(300))
    design: Mapped[dict[str, Any]] = mapped_column(Json)
    written_at: Mapped[datetime] = mapped_column(Instant)
    written_by: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(500))


class Relation(OfNetwork, Base):
    """One organisation's relation to another in a network. Organisations stand as they were sent: by an id of
    the registry, an identifier, or a name that the registry may not know.

    Days are ISO texts; `from_date` is part of the key and empty where it is not known.
    """

    __tablename__ = "relations"
    __table_args__ = (
        Index("ix_relations_from_id", "from_id"),
        Index("ix_relations_to_id", "to_id"),
    )

    network: Mapped[str] = mapped_column(ForeignKey("networks.id", ondelete="CASCADE"), primary_key=True)
    from_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    to_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    type: Mapped[str] = mapped_column(String(20), primary_key=True)
    from_date: Mapped[str] = mapped_column(String(10), primary_key=True)
    to_date: Mapped[str | None] = mapped_column(String(10))
    weight: Mapped[float | None] = mapped_column(Float)
