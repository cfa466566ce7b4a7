"""Imports with their receipts, and the change feed."""

from hedgerow_kit import bulk, changes
from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base


class Import(bulk.ImportMixin, Base):
    """One file that was handed in, and what became of it."""


class Receipt(bulk.ReceiptMixin, Base):
    """What became of one row of a file, or of a run of rows that all went the same clean way."""


class Change(changes.ChangeMixin, Base):
    """One entry of the change feed."""


class ChangeClock(changes.ChangeClockMixin, Base):
    """The number of the last change."""


class FeedEpoch(Base):
    """Which history the change feed tells, in its only row: another after it was restored or filled anew."""

    __tablename__ = "feed_epoch"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(String(36))


feed = changes.Feed(Change, ChangeClock)
