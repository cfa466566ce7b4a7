"""Imports with their receipts, and the change feed."""

from hedgerow_kit import bulk, changes

from hedgerow_registry.tables.provenance import Base


class Import(bulk.ImportMixin, Base):
    """One file that was handed in, and what became of it."""


class Receipt(bulk.ReceiptMixin, Base):
    """What became of one row of a file, or of a run of rows that all went the same clean way."""


class Change(changes.ChangeMixin, Base):
    """One entry of the change feed."""


class ChangeClock(changes.ChangeClockMixin, Base):
    """The number of the last change."""


feed = changes.Feed(Change, ChangeClock)
