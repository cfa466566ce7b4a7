"""Feeding a projection without anybody to follow."""

from datetime import UTC, datetime

from hedgerow_kit.db import Database
from hedgerow_kit.following import Change, Changes
from hedgerow_network.store.projection import PROJECTION

from tests.network.world import Records

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def feed(database: Database, records: Records, *, after: int = 0) -> int:
    """Apply records as one page of the registry's feed; gives the position behind it."""
    items = tuple(Change(after + n, kind, id, data) for n, (kind, id, data) in enumerate(records, start=1))
    position = after + len(items)
    with database.writing() as session:
        PROJECTION.apply(session, Changes(items, position, position), after=after, heard_at=NOW)
    return position
