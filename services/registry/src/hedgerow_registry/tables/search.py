"""What is searched, and how full each record is: derived from records, never the only copy of anything.

On PostgreSQL the words of a record stand in its row, under an index that only PostgreSQL has. On SQLite they
stand in a full-text table beside it, under the row's number. The migrations make both.
"""

from sqlalchemy import BigInteger, Index, Integer, SmallInteger, String, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from hedgerow_registry.tables.provenance import Base


class IndexedMixin:
    """A searched record. `number` says in which order records came, and does not change.

    edition: of what is kept in the words of a record, see `actions.indexing.EDITION`
    """

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    words: Mapped[str | None] = mapped_column(TSVECTOR().with_variant(Text(), "sqlite"))
    edition: Mapped[int] = mapped_column(SmallInteger, server_default="0", index=True)

    @declared_attr
    def id(cls) -> Mapped[str]:
        return mapped_column(String(300), unique=True)


class QualityMixin:
    """How full a record is: the score, and a bit for each field it says something of."""

    source: Mapped[str] = mapped_column(String(200))
    richness: Mapped[int] = mapped_column(SmallInteger)
    says: Mapped[int] = mapped_column(Integer)


class IndexedService(IndexedMixin, QualityMixin, Base):
    __tablename__ = "indexed_services"
    __table_args__ = (Index("ix_indexed_services_source", "source", "richness"),)


class IndexedOrganisation(IndexedMixin, QualityMixin, Base):
    """`names` are all names it goes by, as its services are found by them."""

    __tablename__ = "indexed_organisations"
    __table_args__ = (Index("ix_indexed_organisations_source", "source", "richness"),)

    names: Mapped[str] = mapped_column(Text)


class IndexedSite(IndexedMixin, Base):
    """`service_id` is the service it belonged to when it was looked at last."""

    __tablename__ = "indexed_sites"
    __table_args__ = (Index("ix_indexed_sites_service", "service_id"),)

    service_id: Mapped[str] = mapped_column(String(36))


class IndexedNeed(IndexedMixin, Base):
    __tablename__ = "indexed_needs"
