"""Adequacy rule sets: standards that provision is held against."""

from datetime import datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from hedgerow_kit.reach import Owned
from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_network.tables.base import Base


class AdequacyRules(Owned, Base):
    """A rule set as it was sent. Without an authority it is everybody's to read."""

    __tablename__ = "adequacy_rules"

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[dict[str, Any]] = mapped_column(db.Json)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    updated_by: Mapped[str] = mapped_column(String(200))
