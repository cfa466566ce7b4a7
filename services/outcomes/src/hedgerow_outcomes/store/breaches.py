"""Reading breaches, and the series and levels that they follow from."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from hedgerow_kit import paging
from hedgerow_kit.db import upsert
from sqlalchemy import Row, case, delete, false, or_, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.breaches import HIGHER, LOWER, Level, Observed
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.store.observations import is_withheld
from hedgerow_outcomes.tables import (
    Breach,
    Kpi,
    KpiVersion,
    Learning,
    Observation,
    Subject,
    WithdrawnBreach,
    Withheld,
)


def judged(session: Session) -> set[int]:
    """The numbers of the KPIs for which some version agrees a minimum."""
    return set(session.scalars(select(KpiVersion.kpi).where(KpiVersion.minimum.is_not(None)).distinct()))


def levels(session: Session, kpi: int) -> list[tuple[date, Level | None]]:
    """What is agreed for a KPI from which day on, in the order of its versions; the first from the beginning.

    A version that does not say which way is better agrees nothing that can be judged.
    """
    versions = session.scalars(
        select(KpiVersion).where(KpiVersion.kpi == kpi).order_by(KpiVersion.version)
    ).all()
    return [
        (
            date.min if one.version == 1 or one.valid_from is None else one.valid_from,
            level_of(one.minimum, one.target, one.polarity),
        )
        for one in versions
    ]


def level_of(minimum: float | None, target: float | None, polarity: str | None) -> Level | None:
    if minimum is None or polarity not in (HIGHER, LOWER):
        return None
    return Level(minimum, target, polarity)


def below(session: Session, kpi: int, subjects: Sequence[int], levels: Collection[Level]) -> list[int]:
    """Those of these subjects with a value below any of these minimums, whenever that was: few, as a rule."""
    misses = [
        Observation.value < level.minimum if level.better == HIGHER else Observation.value > level.minimum
        for level in levels
    ]
    query = select(Observation.subject).where(Observation.kpi == kpi, Observation.subject.in_(subjects))
    return sorted(session.scalars(query.where(or_(false(), *misses)).distinct()))


def series(session: Session, kpi: int, subjects: Sequence[int]) -> Iterator[tuple[int, list[Observed]]]:
    """All observations of a KPI, subject by subject; a value that is withheld counts as not known."""
    query = (
        select(
            Observation.subject,
            Observation.period_start,
            Observation.period_end,
            case((Withheld.kpi.is_(None), Observation.value)).label("value"),
            Learning.at,
        )
        .join(Learning, Learning.number == Observation.learning)
        .outerjoin(Withheld, is_withheld(Observation))
        .where(Observation.kpi == kpi, Observation.subject.in_(subjects))
        .order_by(Observation.subject)
    )
    for subject, rows in groupby(session.execute(query), key=lambda row: row.subject):
        observed = [Observed(Period(row.period_start, row.period_end), row.value, row.at) for row in rows]
        yield int(subject), observed


def subjects_of(session: Session, kpi: int) -> list[int]:
    query = select(Observation.subject).where(Observation.kpi == kpi).distinct()
    return sorted(session.scalars(query))


def held(session: Session, kpi: int, subjects: Sequence[int]) -> dict[str, dict[str, Any]]:
    """The breaches of these subjects as they are kept, by id: their columns by name."""
    columns = [getattr(Breach, name) for name in Breach.__table__.columns.keys()]  # noqa: SIM118
    query = select(*columns).where(Breach.kpi == kpi, Breach.subject.in_(subjects)).order_by(Breach.id)
    return {row.id: dict(row._mapping) for row in session.execute(query)}


def keep(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write breaches that are new, or not what they were."""
    upsert(session, Breach, rows, key=["id"])


def withdraw(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Delete breaches that are no more, and note whose they were."""
    gone = [{"id": row["id"], "subject": row["subject"]} for row in rows]
    if not gone:
        return
    session.execute(delete(Breach).where(Breach.id.in_([row["id"] for row in gone])))
    upsert(session, WithdrawnBreach, gone, key=["id"])


def page(
    session: Session,
    *,
    kpi: int | None = None,
    subjects: Sequence[int] | None = None,
    is_open: bool | None = None,
    start: date | None = None,
    to: date | None = None,
    after: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Breaches with the ids of their KPI and subject, and whose these are, in the order of their ids."""
    query = _named()
    if kpi is not None:
        query = query.where(Breach.kpi == kpi)
    if subjects is not None:
        query = query.where(Breach.subject.in_(subjects))
    if is_open is not None:
        query = query.where(Breach.closed_start.is_(None) if is_open else Breach.closed_start.is_not(None))
    if start is not None:
        query = query.where((Breach.closed_start.is_(None)) | (Breach.closed_start >= start))
    if to is not None:
        query = query.where(Breach.period_start <= to)
    return paging.keyset(session, query, [Breach.id], after=after, limit=limit)


def one(session: Session, id: str) -> Row[Any] | None:
    return session.execute(_named().where(Breach.id == id)).one_or_none()


def several(session: Session, ids: Sequence[str]) -> dict[str, Row[Any]]:
    return {row[0].id: row for row in session.execute(_named().where(Breach.id.in_(ids)))}


def withdrawn(session: Session, ids: Sequence[str]) -> set[str]:
    """Those of these breaches that were withdrawn, now or before."""
    return set(session.scalars(select(WithdrawnBreach.id).where(WithdrawnBreach.id.in_(ids))))


def _named() -> Any:
    return (
        select(
            Breach,
            Kpi.id.label("kpi_id"),
            Kpi.authority_code.label("kpi_authority"),
            Subject.text.label("subject_text"),
            Subject.authority_code.label("subject_authority"),
        )
        .join(Kpi, Kpi.number == Breach.kpi)
        .join(Subject, Subject.number == Breach.subject)
    )
