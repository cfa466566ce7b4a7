"""What every row says of where it came from, and how its key texts are compared."""

from datetime import datetime

from hedgerow_kit import audit, db, idempotency
from hedgerow_kit.db import Instant
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from hedgerow_registry.domain.ids import LONGEST_SOURCE


def key_text(length: int) -> String:
    """A text compared byte by byte on both databases, so that an index serves searches by its beginning."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Base(DeclarativeBase):
    metadata = db.metadata()


# How people are reached stands in the records and their history, and nowhere else.
PERSONAL = frozenset(
    {"email", "assurer_email", "phone", "phones", "contact", "contacts", "contactPoint", "telephone"}
)

idempotency.declare(Base.metadata)
audit.declare(Base.metadata, withheld=PERSONAL)


class Provenance:
    """Where a record came from, and the digest by which a re-import knows that nothing changed."""

    source: Mapped[str] = mapped_column(String(200), ForeignKey("sources.name"))
    first_import_id: Mapped[str | None] = mapped_column(String(64))
    last_import_id: Mapped[str | None] = mapped_column(String(64))
    updated_at: Mapped[datetime] = mapped_column(Instant)
    digest: Mapped[str] = mapped_column(String(32))


class Source(Base):
    """A name under which records were handed in; it may belong to an authority."""

    __tablename__ = "sources"

    name: Mapped[str] = mapped_column(String(LONGEST_SOURCE), primary_key=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
    first_import_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Instant)
