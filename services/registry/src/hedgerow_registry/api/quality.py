"""How fresh and how full a record is, as every record tells it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from hedgerow_registry.domain import quality
from hedgerow_registry.store import qualities


class FreshnessView(BaseModel):
    """When somebody last said that the record is right; `updated_at` says only when we last took it in."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    assured_on: date | None
    days: int | None
    staleness: float | None = Field(description="0 until half a year, 1 from two years on; null: not known")
    state: str = Field(description="fresh, ageing, stale, or unknown")


class RichnessView(BaseModel):
    """How much the record says, 0 to 100, and what it says nothing of."""

    model_config = ConfigDict(frozen=True)

    score: int
    missing: list[str]


def today() -> date:
    return datetime.now(UTC).date()


def freshness(assured_on: date | None, on: date | None = None) -> FreshnessView:
    return _freshness(assured_on, on or today())


# A list tells the same of many records.
@lru_cache(maxsize=10_000)
def _freshness(assured_on: date | None, on: date) -> FreshnessView:
    return FreshnessView.model_validate(quality.freshness(assured_on, on))


def of_services(session: Session, services: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """What is told of each service beside its fields."""
    rows = list(services)
    says = qualities.of_services(session, [row.id for row in rows])
    return {
        row.id: {
            "freshness": freshness(row.assured_on),
            "richness": _richness(quality.SERVICE, says.get(row.id, 0)),
        }
        for row in rows
    }


def of_organisations(session: Session, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is told of each organisation: somebody who assures a service of it has looked at it then."""
    wanted = list(ids)
    says = qualities.of_organisations(session, wanted)
    assured = qualities.last_assured(session, wanted)
    return {
        id: {
            "freshness": freshness(assured.get(id)),
            "richness": _richness(quality.ORGANISATION, says.get(id, 0)),
        }
        for id in wanted
    }


@lru_cache(maxsize=10_000)
def _richness(by: quality.Measure, says: int) -> RichnessView:
    score, missing = by.richness(says)
    return RichnessView(score=score, missing=list(missing))
