"""What is held of the registry, and how far its change feed was read."""

from hedgerow_kit import projection

from hedgerow_outcomes.tables.measures import Base


class Record(projection.RecordMixin, Base):
    """An entity of the registry in the state last heard."""


class Feed(projection.FeedMixin, Base):
    """How far the registry's change feed was read: one row."""
