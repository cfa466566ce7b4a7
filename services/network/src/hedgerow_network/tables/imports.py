"""Imports and the receipts of what became of each row."""

from hedgerow_kit.bulk import ImportMixin, ReceiptMixin

from hedgerow_network.tables.base import Base


class Import(ImportMixin, Base):
    pass


class Receipt(ReceiptMixin, Base):
    pass
