"""Answers composed of several apps' answers: a locality's overview, an organisation's profile."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Path, Query, Request
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.problems import BAD_REQUEST, NOT_FOUND, UNAVAILABLE, UNPROCESSABLE, Problem, ProblemType
from pydantic import BaseModel, Field

from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.domain.compositions import FRAGILITY, OVERVIEW, PROFILE, Part
from hedgerow_gateway.domain.routes import ANALYSIS
from hedgerow_gateway.upstream.apps import AppDown, AppRefused, Apps

router = problems.router(tags=["composed answers"])

MOVED = ProblemType(308, "merged", "Merged into another organisation")
Answer = dict[str, Any]
Date = Annotated[
    str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="For which date; today unless said")
]
Shown = Annotated[int, Query(ge=1, le=100, description="How many of each list are shown")]


class Missing(BaseModel):
    part: str
    app: str
    reason: str = Field(description="Why it is not here: the app is down, or your key does not reach so far")


class Composed(BaseModel):
    missing: list[Missing] = Field(description="Parts that are null because they could not be had")


class Overview(Composed):
    area: Answer | None = Field(description="As `GET /v1/areas/{area}`")
    summary: Answer | None = Field(description="As `GET /v1/localities/{area}/summary`")
    gaps: Answer | None = Field(description="The first of `GET /v1/localities/{area}/gaps`, by people")
    overlaps: Answer | None = Field(description="The first of `GET /v1/localities/{area}/overlaps`")
    fragility: Answer | None = Field(description="The first of `GET /v1/localities/{area}/fragility`")
    networks: Answer | None = Field(description="The delivery networks designed for it")
    kpis: Answer | None = Field(description="The latest values: `GET /v1/observations/latest?subject={area}`")
    breaches: Answer | None = Field(description="Minimum service levels it is under now")
    pipeline: Answer | None = Field(description="Needs that are to be contracted for there")


class Profile(Composed):
    organisation: Answer | None = Field(description="As `GET /v1/organisations/{id}`")
    ownership: Answer | None = Field(description="Who stands behind it")
    services: Answer | None
    contracts: Answer | None
    spend: Answer | None = Field(description="What authorities paid it")
    kpis: Answer | None = Field(description="The latest values measured of it")
    breaches: Answer | None = Field(description="Minimum service levels it is under now")
    fragility: Answer | None = Field(
        default=None,
        description="Who would be without it in the locality asked about; null unless `area` is given",
    )


@router.get("/v1/localities/{area}/overview")
async def overview(
    request: Request,
    _principal: Annotated[Principal, require("read")],
    area: Annotated[str, Path(max_length=300, description="A GSS code or a local code")],
    need: Annotated[list[str] | None, Query(max_length=200, description="Only these needs")] = None,
    level: Annotated[str | None, Query(max_length=30, description="By which areas to answer")] = None,
    at: Date = None,
    count: Annotated[str | None, Query(max_length=30, description="`providers` or `owners`")] = None,
    rule: Annotated[str | None, Query(max_length=30, description="How an area is served")] = None,
    costs: Annotated[str | None, Query(max_length=120, description="A matrix of travel costs")] = None,
    index: Annotated[str | None, Query(max_length=200, description="Weights residents")] = None,
    cohort: Annotated[str | None, Query(max_length=500, description="Whom a service must accept")] = None,
    open_at: Annotated[str | None, Query(max_length=30, description="Open then: `SA 18:30`")] = None,
    limit: Shown = 10,
) -> Overview:
    """A locality on one page: its gaps, overlaps, fragility, KPIs, breaches, pipeline, from all apps at once.

    Each part is what its own address answers, with the parameters of that address. When an app is down
    its parts are null and `missing` names them.
    """
    asked = {
        "area": area,
        "need": need,
        "level": level,
        "at": at,
        "count": count,
        "rule": rule,
        "costs": costs,
    }
    asked |= {"index": index, "cohort": cohort, "open_at": open_at, "limit": str(limit)}
    return Overview.model_validate(await _composed(request, OVERVIEW, asked))


@router.get("/v1/organisations/{id}/profile")
async def profile(
    request: Request,
    _principal: Annotated[Principal, require("read")],
    id: Annotated[str, Path(max_length=700, description="The organisation's id")],
    area: Annotated[
        str | None, Query(max_length=300, description="The locality to tell its fragility for")
    ] = None,
    at: Date = None,
    limit: Shown = 10,
) -> Profile:
    """An organisation on one page: owners, services, contracts, spend, KPIs, and what would fall if it left.

    Each part is what its own address answers. When an app is down its parts are null, named in `missing`.
    """
    parts = (*PROFILE, FRAGILITY) if area else PROFILE
    asked = {"id": id, "area": area, "at": at, "limit": str(limit)}
    return Profile.model_validate(await _composed(request, parts, asked))


async def _composed(
    request: Request, parts: Sequence[Part], asked: Mapping[str, str | list[str] | None]
) -> dict[str, Any]:
    """The parts, asked for side by side. What the caller did wrong with one of them is told for the whole."""
    given = {name: value for name, value in asked.items() if value is not None}
    answers = await asyncio.gather(*(_answer(request, part, given) for part in parts))
    composed: dict[str, Any] = {"missing": []}
    for part, answer in zip(parts, answers, strict=True):
        if isinstance(answer, Missing):
            composed["missing"].append(answer)
        composed[part.name] = None if isinstance(answer, Missing) else answer
    if len(composed["missing"]) == len(parts):
        raise Problem(UNAVAILABLE, "No app can be asked.", headers={"Retry-After": "2"})
    return composed


async def _answer(request: Request, part: Part, asked: Mapping[str, str | list[str]]) -> Answer | Missing:
    apps: Apps = request.app.state.apps
    identities: Identities = request.app.state.identities
    token = await identities.token(request.scope["hedgerow.authorization"], app=part.app)
    path, query = part.question(asked)
    try:
        return await apps.answer(
            part.app, path, query, token=token, lane=ANALYSIS, seconds=ANALYSIS.read_seconds
        )
    except AppDown as down:
        return Missing(part=part.name, app=part.app, reason=str(down))
    except AppRefused as refusal:
        return _refused(part, refusal)


def _refused(part: Part, refusal: AppRefused) -> Missing:
    """An app's refusal as a missing part; raised where it is the caller who must change something."""
    if part in (OVERVIEW[0], PROFILE[0]):
        if refusal.status == 404:
            raise Problem(NOT_FOUND, refusal.problem.get("detail", ""))
        if refusal.location is not None:
            raise _elsewhere(refusal.location)
    if refusal.status in (400, 422):
        kind = BAD_REQUEST if refusal.status == 400 else UNPROCESSABLE
        raise Problem(kind, refusal.problem.get("detail", ""), errors=refusal.problem.get("errors", ()))
    reasons = {403: "your key does not reach so far", 404: "nothing is known there"}
    return Missing(
        part=part.name, app=part.app, reason=reasons.get(refusal.status, f"answers {refusal.status}")
    )


def _elsewhere(location: str) -> Problem:
    """An organisation that was merged is another one now, and so is its profile."""
    path, _, query = location.partition("?")
    place = f"{path}/profile{f'?{query}' if query else ''}"
    return Problem(MOVED, headers={"Location": place, "Cache-Control": "no-cache"})
