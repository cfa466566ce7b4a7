"""Reading KPI definitions. A row has the KPI's `id` and `source` and the fields of one of its versions."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from hedgerow_kit import paging
from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from hedgerow_outcomes.tables import Kpi, KpiVersion

_SAID = (
    "version",
    "valid_from",
    "defined_at",
    "name",
    "unit",
    "polarity",
    "level",
    "perspective",
    "frequency",
    "aggregation",
    "description",
    "target",
    "minimum",
    "owner",
    "numerator",
    "denominator",
    "subjects",
    "interval",
    "suppress_below",
    "leads_to",
    "answered_by",
)


def number(session: Session, id: str) -> int | None:
    return session.scalar(select(Kpi.number).where(Kpi.id == id))


def in_force(session: Session, id: str, on: date) -> Row[Any] | None:
    """The version of a KPI that is in force on a day."""
    return session.execute(_versions().where(_is_in_force(on), Kpi.id == id)).one_or_none()


def in_force_by_id(session: Session, ids: Sequence[str], on: date) -> dict[str, Row[Any]]:
    rows = session.execute(_versions().where(_is_in_force(on), Kpi.id.in_(ids)))
    return {row.id: row for row in rows}


def page_in_force(
    session: Session, on: date, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Every KPI with the version in force on a day, in the order of their ids."""
    return paging.keyset(session, _versions().where(_is_in_force(on)), [Kpi.id], after=after, limit=limit)


def links(session: Session, on: date) -> dict[str, tuple[list[str], list[str]]]:
    """What every KPI leads to and who answers for it, by its id, as in force on a day."""
    query = select(Kpi.id, KpiVersion.leads_to, KpiVersion.answered_by).join(
        KpiVersion, KpiVersion.kpi == Kpi.number
    )
    return {
        id: (leads_to, answered_by)
        for id, leads_to, answered_by in session.execute(query.where(_is_in_force(on)))
    }


def page_of_versions(
    session: Session, number: int, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """All versions of a KPI, the first first."""
    query = _versions().where(Kpi.number == number)
    return paging.keyset(session, query, [KpiVersion.version], after=after, limit=limit)


def _versions() -> Select[Any]:
    return select(Kpi.id, Kpi.source, *(getattr(KpiVersion, name) for name in _SAID)).join(
        KpiVersion, KpiVersion.kpi == Kpi.number
    )


def _is_in_force(on: date) -> ColumnElement[bool]:
    other = aliased(KpiVersion)
    # The first version holds for all days before the second.
    latest = select(func.max(other.version)).where(
        other.kpi == KpiVersion.kpi,
        or_(other.version == 1, other.valid_from <= on),
    )
    return KpiVersion.version == latest.scalar_subquery()
