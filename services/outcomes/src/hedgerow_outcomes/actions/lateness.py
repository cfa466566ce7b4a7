"""Telling subscribers of KPIs that have become late."""

from datetime import date

from hedgerow_kit.db import Database

from hedgerow_outcomes.domain.lateness import GRACE_DAYS
from hedgerow_outcomes.store import learnings
from hedgerow_outcomes.store.late import EVENT, event_id, untold
from hedgerow_outcomes.tables import feed


def tell_late(database: Database, *, today: date) -> None:
    """Tell of every KPI that is overdue and was not told of: once for each day by which a value was due, to
    each authority that sends its own.
    """
    with database.reading() as session:
        if next(untold(session, at=today, grace_days=GRACE_DAYS), None) is None:
            return
    with database.writing() as session:
        # Another replica may be at the same, and an import may bring the value meanwhile.
        learnings.lock(session)
        for late in untold(session, at=today, grace_days=GRACE_DAYS):
            feed.record(session, EVENT, event_id(late))
