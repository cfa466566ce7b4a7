"""What records were before they changed."""

from datetime import datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base


class History(Base):
    """One field of one record that changed, or a record that was made or deleted.

    The first version of a record that an import brought has no row: the record itself says when and by which
    import it came. `values` are the `old` and the `new` one of a changed field; of a deleted record `old` is
    all of it.
    """

    __tablename__ = "history"
    __table_args__ = (
        Index("ix_history_record", "type", "id", "seq"),
        CheckConstraint("action IN ('created', 'changed', 'deleted')", name="action"),
    )

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    type: Mapped[str] = mapped_column(String(40))
    id: Mapped[str] = mapped_column(String(700))
    at: Mapped[datetime] = mapped_column(Instant)
    action: Mapped[str] = mapped_column(String(10))
    field: Mapped[str | None] = mapped_column(String(300))
    # `old` and `new` together: a bare number in a JSON column is no text any more to SQLite.
    values: Mapped[dict[str, Any]] = mapped_column(db.Json)
    # When the version that ended here had begun.
    since: Mapped[datetime | None] = mapped_column(Instant)
    source: Mapped[str] = mapped_column(String(200))
    import_id: Mapped[str | None] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
