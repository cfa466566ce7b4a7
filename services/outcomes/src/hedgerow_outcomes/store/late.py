"""Which KPIs are overdue by their own frequency."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.lateness import due
from hedgerow_outcomes.store import kpis, observations
from hedgerow_outcomes.tables import Change

EVENT = "kpi.late"


class Late(NamedTuple):
    """A KPI whose next value is overdue. latest_end: the last day of its latest period with a value"""

    kpi: str
    frequency: str
    latest_end: date
    due: date


def late(session: Session, rows: Sequence[Row[Any]], *, at: date, grace_days: int) -> list[Late]:
    """Those of these KPIs (rows of `store.kpis`) of which a value was due before a day and has not come."""
    ends = observations.latest_ends(session, [row.id for row in rows if row.frequency is not None])
    found = []
    for row in rows:
        end = ends.get(row.id)
        expected = None if end is None else due(end, row.frequency, grace_days=grace_days)
        if end is not None and expected is not None and expected < at:
            found.append(Late(row.id, row.frequency, end, expected))
    return found


def untold(session: Session, *, at: date, grace_days: int) -> Iterator[Late]:
    """The KPIs that are overdue on a day, of which the feed of events has not told yet."""
    after: str | None = None
    while True:
        rows, after = kpis.page_in_force(session, at, after=after, limit=1000)
        found = {event_id(one): one for one in late(session, rows, at=at, grace_days=grace_days)}
        told = session.scalars(select(Change.id).where(Change.type == EVENT, Change.id.in_(list(found))))
        for id in set(told):
            del found[id]
        yield from found.values()
        if after is None:
            return


def event_id(late: Late) -> str:
    """What the event is kept by: a KPI is late once for every day by which a value was due."""
    return f"{late.kpi}/{late.due.isoformat()}"
