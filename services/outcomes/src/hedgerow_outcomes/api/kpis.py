"""`/v1/kpis`: what is measured, and what it meant when."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel
from sqlalchemy import Row
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.definitions import DESCRIBING
from hedgerow_outcomes.errors import NoSuchKpi
from hedgerow_outcomes.store import kpis

router = problems.router(tags=["kpis"])

On = Annotated[date | None, Query(description="The definitions in force on this day; today if not given")]


class KpiView(BaseModel):
    """A definition of a KPI. `incomplete`: something that is needed to judge a value is not said."""

    id: str
    version: int
    valid_from: date | None
    defined_at: datetime
    source: str
    name: str
    unit: str | None
    polarity: str | None
    level: str | None
    perspective: str | None
    frequency: str | None
    aggregation: str | None
    description: str | None
    target: float | None
    minimum: float | None
    owner: str | None
    numerator: str | None
    denominator: str | None
    subjects: list[str]
    interval: str | None
    suppress_below: int | None
    leads_to: list[str]
    answered_by: list[str]
    incomplete: bool


def kpi_view(row: Row[Any]) -> KpiView:
    said = {
        name: getattr(row, name) for name in KpiView.model_fields if name not in ("incomplete", "defined_at")
    }
    defined_at: datetime = row.defined_at
    return KpiView(
        defined_at=defined_at,
        incomplete=any(said[name] is None for name in DESCRIBING),
        **said,
    )


def kpi_number(session: Session, id: str) -> int:
    number = kpis.number(session, id)
    if number is None:
        raise NoSuchKpi
    return number


def kpi_in_force(session: Session, id: str, on: date) -> KpiView:
    found = kpis.in_force(session, id, on)
    if found is None:
        raise NoSuchKpi
    return kpi_view(found)


def today() -> date:
    return datetime.now(UTC).date()


@router.get("/v1/kpis")
def list_kpis(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    on: On = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[KpiView]:
    """The KPIs in the order of their ids, each with the definition in force."""
    rows, marker = kpis.page_in_force(session, on or today(), after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[kpi_view(row) for row in rows], next=marker)


@router.get("/v1/kpis/{id}")
def read_kpi(
    id: str, session: Reading, principal: Annotated[Principal, require("read")], on: On = None
) -> KpiView:
    """One KPI with the definition in force."""
    return kpi_in_force(session, id, on or today())


@router.get("/v1/kpis/{id}/versions")
def list_versions(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[KpiView]:
    """All definitions a KPI has had, the first first."""
    rows, marker = kpis.page_of_versions(session, kpi_number(session, id), after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[kpi_view(row) for row in rows], next=marker)
