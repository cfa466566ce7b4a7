"""Documents that belong to an authority: adequacy rule sets, scenarios."""

from datetime import datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from hedgerow_kit.reach import Owned
from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_network.tables.base import Base


class Document(Owned, Base):
    """What was sent, in its latest version. Without an authority it is everybody's to read."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[dict[str, Any]] = mapped_column(db.Json)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    updated_by: Mapped[str] = mapped_column(String(200))


class AdequacyRules(Document):
    """Standards that provision is held against."""

    __tablename__ = "adequacy_rules"


class Scenario(Document):
    """A what-if: steps to be taken on the state of the registry, whatever that is then."""

    __tablename__ = "scenarios"
