"""`/v1/sources`: the names under which records were handed in, and how fresh and full their records are."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_registry.api import quality as shown
from hedgerow_registry.domain import quality
from hedgerow_registry.store import qualities, reference

router = problems.router(tags=["sources"])


class Counts(BaseModel):
    organisations: int
    services: int
    sites: int


class SourceFreshness(BaseModel):
    """How many of its services are fresh, ageing, stale, or do not say; the middle one of those that say."""

    fresh: int
    ageing: int
    stale: int
    unknown: int
    median_days: int | None
    median_staleness: float | None


class SourceRichness(BaseModel):
    """How many records have a richness of 0 to 19, 20 to 39, and so on."""

    services: dict[str, int]
    organisations: dict[str, int]


class Computed(BaseModel):
    """The day the figures are of, and the thresholds they rest on."""

    at: date
    thresholds: dict[str, int]


class SourceItem(BaseModel):
    """A source, the authority it belongs to (without one, the administrator's), and what it brought."""

    name: str
    authority_code: str | None
    first_import_id: str | None
    created_at: datetime
    counts: Counts
    freshness: SourceFreshness
    richness: SourceRichness
    computed: Computed


@router.get("/v1/sources")
def list_sources(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[SourceItem]:
    """Sources in the order of their names.

    A service is fresh when it was assured half a year ago or later, stale from two years on, ageing between.
    What was never assured counts as unknown and not as stale.
    """
    rows, marker = reference.source_page(session, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_item(session, row, shown.today()) for row in rows], next=marker)


def _item(session: Session, row: Any, today: date) -> SourceItem:
    fresh_since = today - timedelta(days=quality.FRESH_DAYS)
    ageing_since = today - timedelta(days=quality.STALE_DAYS - 1)
    found = qualities.of_source(session, row.name, days=(fresh_since, ageing_since))
    middle = quality.freshness(found.assured_on, today)
    fresh, not_stale = found.assured_since[fresh_since], found.assured_since[ageing_since]
    return SourceItem(
        name=row.name,
        authority_code=row.authority_code,
        first_import_id=row.first_import_id,
        created_at=row.created_at,
        counts=Counts(organisations=found.organisations, services=found.services, sites=found.sites),
        freshness=SourceFreshness(
            fresh=fresh,
            ageing=not_stale - fresh,
            stale=found.assured - not_stale,
            unknown=found.services - found.assured,
            median_days=middle.days,
            median_staleness=middle.staleness,
        ),
        richness=SourceRichness(**found.bands),
        computed=Computed(
            at=today,
            thresholds={
                "fresh_days": quality.FRESH_DAYS,
                "stale_days": quality.STALE_DAYS,
                "enough_words": quality.ENOUGH_WORDS,
            },
        ),
    )
