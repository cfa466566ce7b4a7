"""`/v1/localities/{area}/closing`: what would close the gaps of a place at the least cost."""

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

import numpy as np
from fastapi import Depends, Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field

from hedgerow_network.api.access import travel
from hedgerow_network.api.asking import About, Asked, sees_value, unfit
from hedgerow_network.api.wire import (
    Basis,
    Computed,
    Named,
    Thresholds,
    area_named,
    computed,
    need_name,
    provider_named,
    service_named,
    whole,
)
from hedgerow_network.domain.access import USUAL_LIMIT
from hedgerow_network.domain.closing import (
    CONTRACTS,
    EACH,
    EXTENSION,
    NOBODY,
    SITE,
    STATED,
    Closing,
    ClosingQuestion,
    Kind,
    Price,
    closing,
    costs_by_contract,
)
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.travel import Travel

router = problems.router(prefix="/v1/localities/{area}/closing", tags=["localities"])

Pounds = Annotated[float | None, Query(gt=0, le=1e12, allow_inf_nan=False)]


class GapClosed(BaseModel):
    need: str
    need_name: str
    area: str
    area_name: str
    people: int | None = Field(description="People whom the gap leaves out; null where nothing is known")
    people_basis: Basis


class Measure(BaseModel):
    """Something to do: a service that also serves one further area, or a new site for one need."""

    measure: Kind
    service: Named | None = Field(description="The service to extend; null for a new site")
    provider: Named | None
    area: str = Field(description="The further area, or where the new site would be")
    area_name: str
    need: str | None = Field(description="Of a new site, what it is for; null for a service")
    need_name: str | None
    cells_closed: int = Field(description="Gaps that it closes; another measure chosen may close one as well")
    people_closed: int | None = Field(description="People in them; null where nothing is known of any")
    closes: list[GapClosed]
    cost: float | None = Field(description="In pounds; null where each measure counts 1")
    cost_basis: Literal["stated", "contract"] | None = Field(
        description="Stated by whoever asks, or by the contracts of the service, a year"
    )
    reason: str = Field(description="Why it can close them")


class ClosingThresholds(Thresholds):
    measures: list[Kind] = Field(description="What could be done")
    price: Price = Field(description="How measures were priced")
    extension_cost: float | None = Field(description="Pounds for one service in one further area, as stated")
    site_cost: float | None = Field(description="Pounds for one new site for one need, as stated")
    budget: float | None
    reach: float = Field(description="How far a site may be from an area it serves")
    unit: Unit
    costs: str | None = Field(description="The matrix of travel costs; null: straight lines")
    costs_version: int | None
    detour: float | None
    speed_kmh: float | None


class ClosingComputed(Computed):
    thresholds: ClosingThresholds


class ClosingPage(BaseModel):
    """What to do, those measures first that close gaps of most people; and how good the choice is."""

    items: list[Measure]
    next: str | None
    objective: float = Field(
        description="What was made least: the cost in pounds (measures where each counts 1); within a "
        "budget, what was made most: people in gaps closed"
    )
    bound: float = Field(description="What it could be at best; equal to the objective where proven")
    proven: bool = Field(description="Whether no better choice exists")
    infeasible: str | None = Field(description="Why not all gaps can be closed, whatever it may cost")
    cost: float | None = Field(description="Of all measures chosen together")
    cells: int = Field(description="Gaps to close")
    cells_closed: int
    cells_left: int = Field(description="Gaps that stay open: see `left`")
    cells_infeasible: int = Field(description="Of these, gaps that no measure closes")
    people: int = Field(description="People in gaps, a person counted once for each need")
    people_closed: int
    people_unknown: int = Field(description="Of the gaps, in how many nobody knows how many people they are")
    left: str = Field(description="Where the gaps that stay open are listed, each with its reason")
    computed: ClosingComputed


class GapLeft(GapClosed):
    """A gap that stays open."""

    infeasible: bool = Field(description="Whether no measure closes it; else it is a matter of the budget")
    cheapest: float | None = Field(description="Pounds for the cheapest measure that would close it")
    reason: str


class GapsLeftPage(BaseModel):
    items: list[GapLeft]
    next: str | None
    computed: ClosingComputed


@dataclass(frozen=True)
class AskedClosing:
    asked: Asked
    question: ClosingQuestion

    def answer(self) -> Closing:
        asked, of = self.asked, self.asked.assessment()
        known = None
        if self.question.price == CONTRACTS:
            known = costs_by_contract(of, lambda contract: sees_value(asked.principal, contract))
        # Who may not see what contracts are worth has an answer of their own.
        key = (asked.key, "closing", self.question, None if known is None else known.tobytes())
        return asked.answers.get(key, lambda: closing(of, self.question, known))


def asked_closing(
    asked: About,
    way: Annotated[Travel, Depends(travel)],
    budget: Annotated[
        Pounds, Query(description="Pounds: close gaps of most people within it, instead of all gaps")
    ] = None,
    measure: Annotated[
        list[Kind] | None,
        Query(
            description="What may be done (may be repeated): an `extension` of a service to a further area, "
            "a new `site`. Unless said, what a cost is stated for, and extensions where none is"
        ),
    ] = None,
    price: Annotated[
        Price | None,
        Query(
            description="What measures cost: as `stated`; by `contracts` of the service that you may see "
            "(a year of their value, for each area that it serves), as stated where none tells; or `each` 1, "
            "for the fewest. Unless said, stated where a cost is, else each"
        ),
    ] = None,
    extension_cost: Annotated[
        Pounds, Query(description="Pounds for one service that serves one further area")
    ] = None,
    site_cost: Annotated[Pounds, Query(description="Pounds for one new site for one need")] = None,
    reach: Annotated[
        float | None,
        Query(
            gt=0,
            le=500,
            allow_inf_nan=False,
            description="How far a site may be from an area it serves: 5 km of way or 30 minutes unless said",
        ),
    ] = None,
) -> AskedClosing:
    priced: Price = price or (EACH if extension_cost is None and site_cost is None else STATED)
    kinds = _kinds(measure, priced, extension_cost, site_cost)
    if priced == EACH and budget is not None:
        raise unfit("budget", "needs costs: state extension_cost or site_cost, or say price=contracts")
    if priced == EACH and not (extension_cost is None and site_cost is None):
        raise unfit("price", "not each where a cost is stated")
    if SITE in kinds and way.matrix is not None:
        raise unfit("measure", "a matrix knows no ways to new sites: ask about `site` without `costs`")
    question = ClosingQuestion(
        travel=way,
        limit=reach or USUAL_LIMIT[way.unit],
        kinds=kinds,
        price=priced,
        extension_cost=extension_cost,
        site_cost=site_cost,
        budget=budget,
    )
    return AskedClosing(asked, question)


def _kinds(
    asked: list[Kind] | None, price: Price, extension_cost: float | None, site_cost: float | None
) -> tuple[Kind, ...]:
    """What may be done: as asked for, else what has a cost. A problem where nothing tells one's cost."""
    has_cost: dict[Kind, bool] = {
        EXTENSION: price != STATED or extension_cost is not None,
        SITE: price == EACH or site_cost is not None,
    }
    if price == EACH and not asked:
        return (EXTENSION,)
    kinds = [kind for kind in has_cost if (kind in asked if asked else has_cost[kind])]
    without = [kind for kind in kinds if not has_cost[kind]]
    if without or not kinds:
        raise unfit(f"{(without or [EXTENSION])[0]}_cost", "needed: nothing else tells what it costs")
    return tuple(kinds)


Question = Annotated[AskedClosing, Depends(asked_closing)]


@router.get("")
def close_gaps(
    request: Request,
    response: Response,
    about: Question,
    after: After = None,
    limit: Limit = 50,
) -> ClosingPage:
    """The cheapest set of measures that closes the gaps of a place, or most of them within a budget.

    A measure is an existing service that also serves one further area it could reach (a site within `reach`;
    or it has no site and comes to people of another area here), or a new site for one need in one area.
    The choice is proven best, or given with its bound.
    """
    found = about.answer()
    of, cells = found.of, found.people.size
    place = {measure: rank for rank, measure in enumerate(found.ranked)}
    page, following = window(found.ranked, lambda one: (place[one],), after=after, limit=limit)
    link_next(request, response, following)
    closed, known = found.closed, np.isfinite(found.people)
    chosen = found.found.chosen
    infeasible = int((~found.closable).sum())
    return ClosingPage(
        items=[_measure(found, one) for one in page],
        next=following,
        objective=found.found.objective,
        bound=found.found.bound,
        proven=found.found.proven,
        infeasible=_infeasible(found, infeasible),
        cost=None if about.question.price == EACH else float(found.measures.cost[chosen].sum()),
        cells=cells,
        cells_closed=int(closed.sum()),
        cells_left=cells - int(closed.sum()),
        cells_infeasible=infeasible,
        people=whole(float(found.people[known].sum())),
        people_closed=whole(float(found.people[known & closed].sum())),
        people_unknown=int((~known).sum()),
        left=_left(request, of),
        computed=_computed(about, found),
    )


@router.get("/left")
def gaps_left_open(
    request: Request,
    response: Response,
    about: Question,
    after: After = None,
    limit: Limit = 50,
) -> GapsLeftPage:
    """The gaps that the measures leave open, most people first, and why: nothing reaches them, or money."""
    found = about.answer()
    rank = {one: number for number, one in enumerate(found.left)}
    page, following = window(found.left, lambda one: (rank[one],), after=after, limit=limit)
    link_next(request, response, following)
    return GapsLeftPage(
        items=[
            GapLeft(
                **_gap(found, one).model_dump(),
                infeasible=not found.closable[one],
                cheapest=None if about.question.price == EACH else found.cheapest(one),
                reason=found.why_left(one),
            )
            for one in page
        ],
        next=following,
        computed=_computed(about, found),
    )


def _left(request: Request, of: Assessment) -> str:
    query = "&".join(
        f"{quote(name)}={quote(value)}"
        for name, value in request.query_params.multi_items()
        if name not in ("after", "limit", "format")
    )
    path = f"/v1/localities/{quote(of.question.locality, safe='')}/closing/left"
    return f"{path}?{query}" if query else path


def _infeasible(found: Closing, cells: int) -> str | None:
    if found.found.infeasible is not None:
        return f"{found.found.infeasible[:1].upper()}{found.found.infeasible[1:]}."
    if not cells:
        return None
    first = next(one for one in found.left if not found.closable[one])
    gap = _gap(found, first)
    others = f" The other {cells - 1} are listed in `left`." if cells > 1 else ""
    return (
        f"{cells} of {found.people.size} gaps no measure closes. {gap.need_name} in {gap.area_name}: "
        f"{found.why_left(first)}{others}"
    )


def _gap(found: Closing, place: int) -> GapClosed:
    of, people = found.of, float(found.people[place])
    need, area = divmod(int(found.cells[place]), of.areas.size)
    return GapClosed(
        need=of.needs[need],
        need_name=need_name(of, of.needs[need]),
        **area_named(of, int(of.areas[area])),
        people=None if np.isnan(people) else whole(people),
        people_basis=of.basis(need, area),
    )


def _measure(found: Closing, measure: int) -> Measure:
    of, all_ = found.of, found.measures
    service, need = int(all_.service[measure]), int(all_.need[measure])
    closes = found.closes(measure)
    people = found.people[closes]
    cost = None if found.question.price == EACH else float(all_.cost[measure])
    return Measure(
        measure=SITE if service == NOBODY else EXTENSION,
        service=None if service == NOBODY else service_named(of, service),
        provider=None if service == NOBODY else provider_named(of, service),
        **area_named(of, int(of.areas[int(all_.area[measure])])),
        need=None if need == NOBODY else of.needs[need],
        need_name=None if need == NOBODY else need_name(of, of.needs[need]),
        cells_closed=closes.size,
        people_closed=whole(float(np.nansum(people))) if np.isfinite(people).any() else None,
        closes=[_gap(found, int(one)) for one in closes],
        cost=cost,
        cost_basis=None if cost is None else "contract" if all_.by_contract[measure] else "stated",
        reason=found.reason(measure),
    )


def _computed(about: AskedClosing, found: Closing) -> ClosingComputed:
    said, question = computed(about.asked, found.of), about.question
    way = question.travel
    return ClosingComputed(
        **said.model_dump(exclude={"thresholds", "caveats"}),
        caveats=[*said.caveats, *_caveats(found)],
        thresholds=ClosingThresholds(
            **said.thresholds.model_dump(),
            measures=list(question.kinds),
            price=question.price,
            extension_cost=question.extension_cost,
            site_cost=question.site_cost,
            budget=question.budget,
            reach=question.limit,
            unit=way.unit,
            costs=way.matrix.name if way.matrix else None,
            costs_version=way.matrix.version if way.matrix else None,
            detour=None if way.matrix else way.detour,
            speed_kmh=None if way.matrix else way.speed_kmh,
        ),
    )


def _caveats(found: Closing) -> list[str]:
    said = ["Whether the services have places for the people of further areas was not looked at."]
    if found.question.price == EACH:
        said.append("No cost was stated: each measure counts 1, whatever it would cost.")
    if found.unpriced.any():
        said.append(
            f"{int(found.unpriced.sum())} services that could be extended were left out: what it would cost "
            "is not known by contracts whose value you may see, and extension_cost was not stated."
        )
    if found.question.budget is not None and np.isnan(found.people).any():
        said.append(
            "Within a budget, gaps of which nobody knows how many people they are come after all others."
        )
    if found.question.travel.matrix is None:
        said.append("Ways are straight lines times a stated detour, not measured.")
    return said
