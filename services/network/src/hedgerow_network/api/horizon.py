"""`/v1/localities/{area}/horizon`: cover lost month by month if nothing is renewed."""

from datetime import date
from typing import Annotated

import numpy as np
from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import About, unfit
from hedgerow_network.api.gaps import Limits, thresholds_of
from hedgerow_network.api.wire import Computed, Named, Thresholds, computed, service_named, whole
from hedgerow_network.domain.horizon import Month, horizon, months
from hedgerow_network.domain.locality import Assessment

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])

MOST_YEARS = 50


class MonthLost(BaseModel):
    """A month, and the cover that lapses in it."""

    month: str = Field(description="As 2027-04")
    from_day: date = Field(description="Its first day that was looked at")
    to_day: date = Field(description="Its last day that was looked at")
    cells_lost: int = Field(description="Cells covered on the date that nobody covers from a day of it on")
    people_lost: int = Field(description="People in those cells, a person counted once for each need")
    people_unknown: int = Field(description="Of those cells, in how many nobody knows how many people live")
    needs: list[str]
    areas: list[str]
    services_ending: list[Named] = Field(description="Services by whose end these cells lapse")
    cells_uncovered: int = Field(description="Cells covered on the date and uncovered on its last day")
    people_uncovered: int


class HorizonThresholds(Thresholds):
    until: date


class HorizonComputed(Computed):
    thresholds: HorizonThresholds


class HorizonPage(BaseModel):
    items: list[MonthLost]
    next: str | None
    computed: HorizonComputed


@router.get("/horizon")
def cover_lost_by_month(
    request: Request,
    response: Response,
    asked: About,
    until: Annotated[
        date | None, Query(description="The last day looked at; a year after the date unless said")
    ] = None,
    after: After = None,
    limit: Limit = 50,
) -> HorizonPage:
    """What would be lost, month by month, if no service and no contract were renewed.

    Every month from the date to the last day has an entry, also those that lose nothing. A cell that is
    covered again later is lost in the month in which it first lapses.
    """
    last = thresholds_of(asked, Limits(until=until)).until
    if last.year - asked.question.at.year > MOST_YEARS:
        raise unfit("until", f"at most {MOST_YEARS} years after the date asked about")
    of = asked.assessment()
    found = asked.answers.get((asked.key, "horizon", last), lambda: months(horizon(of, last)))
    page, following = window(found, lambda month: (month.first.isoformat(),), after=after, limit=limit)
    link_next(request, response, following)
    said = computed(asked, of)
    return HorizonPage(
        items=[_month(of, month) for month in page],
        next=following,
        computed=HorizonComputed(
            **said.model_dump(exclude={"thresholds"}),
            thresholds=HorizonThresholds(**said.thresholds.model_dump(), until=last),
        ),
    )


def _month(of: Assessment, month: Month) -> MonthLost:
    codes = of.facts.hierarchy.codes
    width = max(of.areas.size, 1)
    return MonthLost(
        month=f"{month.first:%Y-%m}",
        from_day=month.first,
        to_day=month.last,
        cells_lost=month.lost.size,
        people_lost=whole(month.people),
        people_unknown=month.unknown,
        needs=[of.needs[need] for need in np.unique(month.lost // width)],
        areas=[codes[int(of.areas[area])] for area in np.unique(month.lost % width)],
        services_ending=[service_named(of, row) for row in month.ending],
        cells_uncovered=month.uncovered,
        people_uncovered=whole(month.people_uncovered),
    )
