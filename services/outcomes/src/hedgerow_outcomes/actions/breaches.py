"""Keeping breaches in step with the observations they follow from, in the transaction that changes these."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.breaches import Breach, Level, breaches
from hedgerow_outcomes.store import breaches as store
from hedgerow_outcomes.tables import Breach as Row
from hedgerow_outcomes.tables import WithdrawnBreach, feed

# Any fixed UUID: the same breach has the same id wherever it is found.
_NAMES = UUID("6f3fd5ec-2f0f-5f0c-9d3a-52a3f6f0a2d1")


def follow(session: Session, touched: Iterable[tuple[int, int]]) -> None:
    """Bring the breaches of pairs of KPI and subject up to date with their observations.

    touched: only pairs of KPIs for which a minimum was agreed. A breach that is there already stays as it is,
    so that sending a file again changes nothing; one that a correction has undone goes, and every change is
    told in the feed.
    """
    for kpi, pairs in groupby(sorted(touched), key=lambda pair: pair[0]):
        _follow(session, kpi, [subject for _, subject in pairs])


def follow_judged(session: Session, kpi: int, subjects: Sequence[int]) -> None:
    """The same for subjects of a KPI of which it was judged anew what may be shown."""
    if kpi in store.judged(session):
        _follow(session, kpi, subjects)


def follow_kpi(session: Session, kpi: int) -> None:
    """The same for all subjects of a KPI, whose definition has changed."""
    _follow(session, kpi, store.subjects_of(session, kpi))


def _follow(session: Session, kpi: int, subjects: Sequence[int]) -> None:
    levels = store.levels(session, kpi)
    before = {row.id: row for row in store.held(session, kpi, subjects)}
    for subject, observed in store.series(session, kpi, subjects):
        for breach in breaches(observed, lambda day: _level_on(levels, day)):
            row = _row(kpi, subject, breach)
            held = before.pop(row.id, None)
            if held is None or _said(held) != _said(row):
                for what in _happened(held, row):
                    feed.record(session, f"breach.{what}", row.id)
                session.merge(row)
    for gone in before.values():
        session.delete(gone)
        session.merge(WithdrawnBreach(id=gone.id, subject=gone.subject))
        feed.record(session, "breach.withdrawn", gone.id, deleted=True)


def _happened(held: Row | None, now: Row) -> list[str]:
    """What subscribers are told of a breach that is new, or not what it was."""
    if held is None:
        return ["opened"] if now.closed_start is None else ["opened", "closed"]
    if held.closed_start is None and now.closed_start is not None:
        return ["closed"]
    return ["changed"]


def _level_on(levels: Sequence[tuple[date, Level | None]], day: date) -> Level | None:
    held = [level for since, level in levels if since <= day]
    return held[-1] if held else None


def _row(kpi: int, subject: int, breach: Breach) -> Row:
    opened, closed = breach.opened, breach.closed
    return Row(
        id=str(uuid5(_NAMES, f"{kpi}/{subject}/{opened.period.start}/{opened.period.end}")),
        kpi=kpi,
        subject=subject,
        period_start=opened.period.start,
        period_end=opened.period.end,
        value=opened.value,
        known_from=opened.known_from,
        minimum=breach.minimum,
        worst=breach.worst,
        periods=breach.periods,
        closed_start=None if closed is None else closed.period.start,
        closed_end=None if closed is None else closed.period.end,
        closed_value=None if closed is None else closed.value,
        closed_known_from=None if closed is None else closed.known_from,
    )


def _said(row: Row) -> tuple[object, ...]:
    return tuple(getattr(row, column.name) for column in Row.__table__.columns)
