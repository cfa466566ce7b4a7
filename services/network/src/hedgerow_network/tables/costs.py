"""Travel costs: matrices that somebody measured or computed elsewhere, pair by pair."""

from datetime import datetime

from hedgerow_kit.db import Instant
from hedgerow_kit.reach import Owned
from sqlalchemy import BigInteger, CheckConstraint, Float, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_network.tables.base import Base


class CostMatrix(Owned, Base):
    """A named matrix. `version` grows with every batch that changes a pair: answers know it by that.

    `site_source` is the registry's source whose own ids the sites go by, if not the registry's.
    A matrix without an authority is everybody's to read.
    """

    __tablename__ = "cost_matrices"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
    site_source: Mapped[str | None] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class Cost(Base):
    """What it takes to go from an area to a site: minutes, kilometres, or both. No row: no way."""

    __tablename__ = "costs"
    __table_args__ = (
        CheckConstraint("minutes IS NOT NULL OR km IS NOT NULL", name="something"),
        CheckConstraint("minutes >= 0 AND km >= 0", name="not_negative"),
    )

    matrix: Mapped[int] = mapped_column(
        ForeignKey("cost_matrices.number", ondelete="CASCADE"), primary_key=True
    )
    from_area: Mapped[str] = mapped_column(String(64), primary_key=True)
    to_site: Mapped[str] = mapped_column(String(200), primary_key=True)
    minutes: Mapped[float | None] = mapped_column(Float)
    km: Mapped[float | None] = mapped_column(Float)
