"""`/v1/localities/{area}/concentration` and `/contestability`: how few carry a need, and who else could."""

from typing import Annotated, Literal

import numpy as np
from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import About, Asked
from hedgerow_network.api.gaps import Limits, thresholds_of
from hedgerow_network.api.wire import (
    Basis,
    Computed,
    Named,
    Thresholds,
    area_named,
    computed,
    need_name,
    unit,
    whole,
)
from hedgerow_network.domain.capacity import capacity_caveats
from hedgerow_network.domain.concentration import HIGH, MODERATE, Contest, concentration, contest
from hedgerow_network.domain.gaps import Inquiry
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.out_of_reach import travel_of

router = problems.router(prefix="/v1/localities/{area}", tags=["localities"])


class Share(Named):
    share: float = Field(description="Of the people served for the need, from 0 to 1")


class NeedConcentration(BaseModel):
    """How the people served for a need are shared by those who serve them."""

    need: str
    need_name: str
    people: int = Field(description="People in the cells that somebody covers")
    providers: int
    owners: int
    hhi_providers: float | None = Field(description="From 0 to 10,000 (one has all); null: nobody covers it")
    hhi_owners: float | None = Field(description="The same once providers of one owner are put together")
    concentrated: Literal["low", "moderate", "high"] | None = Field(description="By owner")
    largest: Share | None = Field(description="The owner with the largest share")


class ConcentrationThresholds(Thresholds):
    moderate_hhi: float = Field(description="Above this a need is taken to be concentrated")
    high_hhi: float = Field(description="Above this, highly so")


class ConcentrationComputed(Computed):
    thresholds: ConcentrationThresholds


class ConcentrationPage(BaseModel):
    items: list[NeedConcentration]
    next: str | None
    computed: ConcentrationComputed


@router.get("/concentration")
def list_concentration(
    request: Request, response: Response, asked: About, after: After = None, limit: Limit = 50
) -> ConcentrationPage:
    """How concentrated each need is (Herfindahl–Hirschman index), before and after grouping by owner: the
    most concentrated first, needs that nobody covers last.

    The people of a cell are shared equally by those who cover it, for who goes where is not known.
    """
    of = asked.assessment()
    found = asked.answers.get((asked.key, "concentration"), lambda: concentration(of))
    by_provider, by_owner = found.hhi()
    nobody = np.asarray(~(of.cover.depth > 0).any(axis=1))

    def rank(need: int) -> tuple[bool, float, str]:
        return bool(nobody[need]), -round(float(by_owner[need]), 6), of.needs[need]

    page, following = window(sorted(range(len(of.needs)), key=rank), rank, after=after, limit=limit)
    link_next(request, response, following)
    owners = of.counted_by("owners").units
    items = []
    for need in page:
        column = found.owners[:, [need]].toarray().ravel()
        most = int(np.argmax(column)) if column.size else 0
        covered = of.cover.depth[need] > 0
        items.append(
            NeedConcentration(
                need=of.needs[need],
                need_name=need_name(of, of.needs[need]),
                people=whole(of.people.count[need][covered].sum()),
                providers=found.providers[:, [need]].nnz,
                owners=found.owners[:, [need]].nnz,
                hhi_providers=None if nobody[need] else round(float(by_provider[need]), 4),
                hhi_owners=None if nobody[need] else round(float(by_owner[need]), 4),
                concentrated=None if nobody[need] else _level(float(by_owner[need])),
                largest=None
                if nobody[need]
                else Share(id=owners.ids[most], name=owners.names[most], share=round(float(column[most]), 4)),
            )
        )
    said = computed(asked, of)
    return ConcentrationPage(
        items=items,
        next=following,
        computed=ConcentrationComputed(
            **said.model_dump(exclude={"thresholds"}),
            thresholds=ConcentrationThresholds(
                **said.thresholds.model_dump(), moderate_hhi=MODERATE, high_hhi=HIGH
            ),
        ),
    )


def _level(hhi: float) -> Literal["low", "moderate", "high"]:
    return "high" if hhi > HIGH else "moderate" if hhi > MODERATE else "low"


Contestable = Literal["no", "unknown", "yes"]


class Alternative(Named):
    """Somebody else who addresses the need."""

    serves: bool = Field(description="Covers the cell already; else could reach it")
    spare: int | None = Field(description="Places left when everybody goes to the nearest; null: not stated")
    credible: bool | None = Field(description="Has places left; null where that is not known")


class ContestedCell(BaseModel):
    """A cell that somebody covers, and who else could."""

    need: str
    need_name: str
    area: str
    area_name: str
    people: int | None
    people_basis: Basis
    incumbents: list[Named] = Field(description="Who covers the cell now")
    contestable: Contestable = Field(
        description="Whether everybody who covers it has a credible alternative; `unknown`: that hangs on "
        "capacities or people that are not known"
    )
    flagged: bool = Field(description="One alone covers the cell, and nobody else credibly could")
    alternatives: list[Alternative]


class ContestThresholds(Thresholds):
    reach: float = Field(description="How far an alternative's site may be: km, or the unit of the matrix")


class ContestComputed(Computed):
    thresholds: ContestThresholds


class ContestPage(BaseModel):
    items: list[ContestedCell]
    next: str | None
    computed: ContestComputed


ContestReach = Annotated[
    float | None,
    Query(
        gt=0,
        le=500,
        allow_inf_nan=False,
        description="How far the site of an alternative may be from the area: kilometres in a straight "
        "line (5 unless said), or with `costs` in the unit of that matrix",
    ),
]


@router.get("/contestability")
def list_contestability(
    request: Request,
    response: Response,
    asked: About,
    contestable: Annotated[
        list[Contestable] | None,
        Query(description="Only cells with this answer (may be repeated); all of them unless said"),
    ] = None,
    reach: ContestReach = None,
    after: After = None,
    limit: Limit = 50,
) -> ContestPage:
    """Whether those who cover a cell could be replaced: first the cells where nobody else credibly could,
    then those where it is not known; most people first.

    A credible alternative addresses the need, has places left when everybody goes to the nearest, and serves
    the area, has a site within reach of it, or comes to people elsewhere in the locality.
    """
    of = asked.assessment()
    thresholds = thresholds_of(asked, Limits(reach=reach))
    travel = travel_of(Inquiry(of, thresholds))
    key = (asked.key, "contest", thresholds.reach)
    found = asked.answers.get(key, lambda: contest(of, travel, thresholds.reach))
    wanted: tuple[Contestable, ...] = tuple(contestable or ("no", "unknown", "yes"))
    cells = asked.answers.get((*key, *sorted(wanted)), lambda: found.ranked(wanted).tolist())
    order = ("no", "unknown", "yes")

    def rank(cell: int) -> tuple[int, float, str, str]:
        need, area = divmod(cell, of.areas.size)
        return (
            order.index(str(found.status[need, area])),
            -float(of.people.count[need, area]),
            of.needs[need],
            of.facts.hierarchy.codes[int(of.areas[area])],
        )

    page, following = window(cells, rank, after=after, limit=limit)
    link_next(request, response, following)
    said = computed(asked, of)
    return ContestPage(
        items=[_contested(asked, of, found, cell) for cell in page],
        next=following,
        computed=ContestComputed(
            **said.model_dump(exclude={"thresholds", "caveats"}),
            caveats=[*said.caveats, *capacity_caveats(of)],
            thresholds=ContestThresholds(**said.thresholds.model_dump(), reach=thresholds.reach),
        ),
    )


def _contested(asked: Asked, of: Assessment, found: Contest, cell: int) -> ContestedCell:
    need, area = divmod(cell, of.areas.size)
    incumbents = [int(position) for position in of.incidence.units_of(need, area)]
    status: Contestable = found.status[need, area]
    by_unit: dict[int, list[int]] = {}
    for row in found.candidates(need, area):
        by_unit.setdefault(int(of.incidence.unit[row]), []).append(row)
    return ContestedCell(
        need=of.needs[need],
        need_name=need_name(of, of.needs[need]),
        **area_named(of, int(of.areas[area])),
        people=whole(of.people.count[need, area]) if of.people.basis[need, area] > 0 else None,
        people_basis=of.basis(need, area),
        incumbents=[unit(of, position) for position in incumbents],
        contestable=status,
        flagged=status == "no" and len(incumbents) == 1,
        alternatives=[
            _alternative(of, found, position, rows, serves=position in incumbents)
            for position, rows in sorted(by_unit.items())
            if len(incumbents) > 1 or position not in incumbents
        ],
    )


def _alternative(
    of: Assessment, found: Contest, position: int, rows: list[int], *, serves: bool
) -> Alternative:
    spare = found.spare[rows]
    able = bool((spare >= 1).any())
    known = not np.isnan(spare).any()
    return Alternative(
        **unit(of, position).model_dump(),
        serves=serves,
        spare=int(np.nansum(np.maximum(spare, 0.0))) if known or able else None,
        credible=True if able else False if known else None,
    )
