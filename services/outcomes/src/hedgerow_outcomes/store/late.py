"""Which KPIs are overdue by their own frequency."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from hedgerow_kit.db import among
from sqlalchemy import Row, case, func, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.lateness import due
from hedgerow_outcomes.store import kpis
from hedgerow_outcomes.tables import Change, Import, Kpi, Learning, Observation, Subject

EVENT = "kpi.late"


class Late(NamedTuple):
    """A KPI whose next value is overdue. latest_end: the last day of its latest period with a value ·
    authority: whose figures these are, where it sends its own; None: those of all who send none
    """

    kpi: str
    authority: str | None
    frequency: str
    latest_end: date
    due: date


def late(session: Session, rows: Sequence[Row[Any]], *, at: date, grace_days: int) -> list[Late]:
    """Those of these KPIs (rows of `store.kpis`) of which a value was due before a day and has not come.

    Of each authority that sends figures of its own: what another has sent does not make it punctual.
    """
    ends = _latest_ends(session, [row.id for row in rows if row.frequency is not None])
    found = []
    for row in rows:
        for authority, end in sorted(ends.get(row.id, {}).items(), key=lambda item: item[0] or ""):
            expected = due(end, row.frequency, grace_days=grace_days)
            if expected is not None and expected < at:
                found.append(Late(row.id, authority, row.frequency, end, expected))
    return found


def _latest_ends(session: Session, kpis: Sequence[str]) -> dict[str, dict[str | None, date]]:
    """The last day of the latest period with a value: by KPI, and by authority that sends its own."""
    senders = _senders(session, kpis)
    found: dict[str, dict[str | None, date]] = {}
    codes = set().union(*senders.values())
    owner = case((among(Subject.authority_code, sorted(codes)), Subject.authority_code)).label("owner")
    query = (
        select(Kpi.id, owner, func.max(Observation.period_end))
        .select_from(Observation)
        .join(Kpi, Kpi.number == Observation.kpi)
        .join(Subject, Subject.number == Observation.subject)
        .where(Kpi.id.in_(kpis), Observation.value.is_not(None))
        .group_by(Kpi.id, "owner")
    )
    for id, code, end in session.execute(query):
        ends, authority = found.setdefault(id, {}), code if code in senders.get(id, ()) else None
        ends[authority] = max(end, ends.get(authority, end))
    return found


def _senders(session: Session, kpis: Sequence[str]) -> dict[str, set[str]]:
    """The authorities whose keys have sent figures of each of these KPIs; of a key for several, each."""
    # Many rows come by few imports: these are looked up once for each.
    learned = (
        select(Kpi.id.label("kpi"), Observation.learning)
        .join(Kpi, Kpi.number == Observation.kpi)
        .where(Kpi.id.in_(kpis))
        .distinct()
        .subquery()
    )
    query = (
        select(learned.c.kpi, Import.authority_code)
        .join(Learning, Learning.number == learned.c.learning)
        .join(Import, Import.id == Learning.import_id)
        .where(Import.authority_code.is_not(None))
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for id, stamp in session.execute(query):
        found.setdefault(id, set()).update(stamp.split("+"))
    return found


def untold(session: Session, *, at: date, grace_days: int) -> Iterator[Late]:
    """The KPIs that are overdue on a day, of which the feed of events has not told yet."""
    after: str | None = None
    while True:
        rows, after = kpis.page_in_force(session, at, after=after, limit=1000)
        found = {event_id(one): one for one in late(session, rows, at=at, grace_days=grace_days)}
        told = session.scalars(select(Change.id).where(Change.type == EVENT, among(Change.id, found)))
        for id in set(told):
            del found[id]
        yield from found.values()
        if after is None:
            return


def event_id(late: Late) -> str:
    """What the event is kept by: a KPI is late once for every day by which a value of an authority was due.

    >>> event_id(Late("waits", "E06999001", "monthly", date(2025, 6, 30), date(2025, 8, 30)))
    'waits/E06999001/2025-08-30'
    >>> event_id(Late("waits", None, "monthly", date(2025, 6, 30), date(2025, 8, 30)))
    'waits/2025-08-30'
    """
    authority = [] if late.authority is None else [late.authority]
    return "/".join((late.kpi, *authority, late.due.isoformat()))


def named(event_id: str) -> tuple[str, str | None, str]:
    """The KPI, the authority and the day of an event's id.

    >>> named("waits/E06999001/2025-08-30"), named("waits/2025-08-30")
    (('waits', 'E06999001', '2025-08-30'), ('waits', None, '2025-08-30'))
    """
    kpi, *authority, day = event_id.split("/")
    return kpi, authority[0] if authority else None, day
