"""Keeping breaches in step with the observations they follow from, in the transaction that changes these."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.breaches import Breach, Level, breaches
from hedgerow_outcomes.store import breaches as store
from hedgerow_outcomes.tables import feed

# The columns of a breach by their names.
Row = dict[str, Any]

_AT_ONCE = 500

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
    for place in range(0, len(subjects), _AT_ONCE):
        some = subjects[place : place + _AT_ONCE]
        before = store.held(session, kpi, some)
        now = dict(_rows(session, kpi, some, levels))
        new = {id: row for id, row in now.items() if before.get(id) != row}
        store.keep(session, list(new.values()))
        store.withdraw(session, [row for id, row in before.items() if id not in now])
        _tell(session, before, now, new)


def _rows(
    session: Session, kpi: int, subjects: Sequence[int], levels: Sequence[tuple[date, Level | None]]
) -> Iterator[tuple[str, Row]]:
    below = store.below(session, kpi, subjects, {level for _, level in levels if level is not None})
    for subject, observed in store.series(session, kpi, below):
        for breach in breaches(observed, lambda day: _level_on(levels, day)):
            row = _row(kpi, subject, breach)
            yield row["id"], row


def _tell(
    session: Session, before: Mapping[str, Row], now: Mapping[str, Row], new: Mapping[str, Row]
) -> None:
    for id, row in new.items():
        for what in _happened(before.get(id), row):
            feed.record(session, f"breach.{what}", id)
    for id in before:
        if id not in now:
            feed.record(session, "breach.withdrawn", id, deleted=True)


def _happened(held: Row | None, now: Row) -> list[str]:
    """What subscribers are told of a breach that is new, or not what it was."""
    if held is None:
        return ["opened"] if now["closed_start"] is None else ["opened", "closed"]
    if held["closed_start"] is None and now["closed_start"] is not None:
        return ["closed"]
    return ["changed"]


def _level_on(levels: Sequence[tuple[date, Level | None]], day: date) -> Level | None:
    held = [level for since, level in levels if since <= day]
    return held[-1] if held else None


def _row(kpi: int, subject: int, breach: Breach) -> Row:
    opened, closed = breach.opened, breach.closed
    return dict(
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
