"""`/v1/scenarios`: what-if, saved, and what it would change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from fastapi import Depends, Path, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag, require_match
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import select

from hedgerow_network.actions import documents as writes
from hedgerow_network.api.asking import Asked, Asking, FactsBeside, Needs, of_needs, sees_value
from hedgerow_network.api.wire import Basis, Computed, Named, Status, Thresholds, cell, computed, whole
from hedgerow_network.domain import scenarios as domain
from hedgerow_network.domain.access import AccessQuestion, access, access_question
from hedgerow_network.domain.design_gaps import DESIGNS
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.scenarios import Change, Step, Taken
from hedgerow_network.domain.travel import Travel
from hedgerow_network.errors import UnknownScenario
from hedgerow_network.store import documents
from hedgerow_network.tables import Scenario

router = problems.router(prefix="/v1/scenarios", tags=["scenarios"])

Reader = Annotated[Principal, require("read")]
Designer = Annotated[Principal, require("design")]
Id = Annotated[str, Path(max_length=60)]
Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5_000)]
Degrees = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
People = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Years = Annotated[float, Field(ge=0, le=150, allow_inf_nan=False)]
MOST_STEPS = 100


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Somewhere(Part):
    """Where a site lies: a point (WGS84), the code of an area, or both."""

    lon: Degrees | None = None
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    area: Key | None = None

    @model_validator(mode="after")
    def _lies_somewhere(self) -> Self:
        if (self.lon is None) != (self.lat is None):
            raise ValueError("lon and lat go together")
        if self.lon is None and self.area is None:
            raise ValueError("lon and lat, or an area")
        return self


class RemoveBody(Part):
    """A provider goes with its services; a service; a place with all sites at it; a contract ends early."""

    do: Literal["remove"]
    kind: domain.Removable
    id: Key

    def step(self) -> Step:
        return domain.Remove(self.kind, self.id)


class OwnerFailsBody(Part):
    """An ultimate owner goes, with all providers that it stands behind on the date."""

    do: Literal["owner-fails"]
    owner: Key

    def step(self) -> Step:
        return domain.OwnerFails(self.owner)


class AddBody(Part):
    """A service that is not there yet."""

    do: Literal["add"]
    id: Key = Field(description="An id that no service has")
    name: Key
    organisation: Key | None = Field(default=None, description="Who would provide it")
    needs: list[Key] = Field(min_length=1, max_length=100, description="`taxonomy:term`")
    areas: list[Key] = Field(default=[], max_length=2_000, description="Codes of areas that it would state")
    sites: list[Somewhere] = Field(default=[], max_length=500)
    capacity: People | None = None
    minimum_age: Years | None = None
    maximum_age: Years | None = None

    def step(self) -> Step:
        return domain.Add(
            id=self.id,
            name=self.name,
            organisation=self.organisation,
            needs=tuple(self.needs),
            areas=tuple(self.areas),
            sites=tuple(domain.NewSite(one.lon, one.lat, one.area) for one in self.sites),
            capacity=self.capacity,
            minimum_age=self.minimum_age,
            maximum_age=self.maximum_age,
        )


class ExtendBody(Part):
    """A service serves further areas, as `closing` proposes."""

    do: Literal["extend"]
    service: Key
    areas: list[Key] = Field(min_length=1, max_length=2_000)

    def step(self) -> Step:
        return domain.Extend(self.service, tuple(self.areas))


class MergeBody(Part):
    """An organisation becomes part of another, with its services, contracts and what it owns."""

    do: Literal["merge"]
    organisation: Key
    into: Key

    def step(self) -> Step:
        return domain.Merge(self.organisation, self.into)


class TransferBody(Part):
    """Another organisation provides a service."""

    do: Literal["transfer"]
    service: Key
    to: Key

    def step(self) -> Step:
        return domain.Transfer(self.service, self.to)


class MoveBody(Somewhere):
    """A site lies elsewhere."""

    do: Literal["move"]
    site: Key

    def step(self) -> Step:
        return domain.Move(self.site, self.lon, self.lat, self.area)


class ExpireBody(Part):
    """A service or a contract has its last day on a date: ask with a later `at`."""

    do: Literal["expire"]
    kind: domain.Expirable
    id: Key
    on: date

    def step(self) -> Step:
        return domain.Expire(self.kind, self.id, self.on)


class CapacityBody(Part):
    """A service can take another number of people; 0: it does not count any more."""

    do: Literal["capacity"]
    service: Key
    capacity: People

    def step(self) -> Step:
        return domain.Capacity(self.service, self.capacity)


StepBody = Annotated[
    RemoveBody
    | OwnerFailsBody
    | AddBody
    | ExtendBody
    | MergeBody
    | TransferBody
    | MoveBody
    | ExpireBody
    | CapacityBody,
    Field(discriminator="do"),
]


class ScenarioBody(Part):
    """Steps that are taken one after the other, in memory: the registry stays as it is."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    description: Text | None = None
    area: Key = Field(description="The place it is about: a code, or a name that only one area has")
    at: date | None = Field(default=None, description="The date it is about; the day of asking unless said")
    steps: list[StepBody] = Field(default=[], max_length=MOST_STEPS)


class ScenarioView(ScenarioBody):
    """A saved scenario."""

    model_config = ConfigDict(extra="ignore")

    id: str
    authority_code: str | None = Field(description="Whose it is; null: everybody's to read")
    version: int
    updated_at: datetime


def _view(row: Scenario) -> ScenarioView:
    return ScenarioView(
        **row.body,
        id=row.id,
        authority_code=row.authority_code,
        version=row.version,
        updated_at=row.updated_at,
    )


def _tag(row: Scenario) -> str:
    return etag("scenario", row.id, row.version)


def _shown(row: Scenario, response: Response) -> ScenarioView:
    response.headers["ETag"] = _tag(row)
    return _view(row)


@router.get("")
def list_scenarios(
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[ScenarioView]:
    """The scenarios that the caller may know of, by id."""
    rows, marker = paging.keyset(session, select(Scenario), [Scenario.id], after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_view(row[0]) for row in rows], next=marker)


@router.post("", status_code=201)
def make_scenario(
    body: ScenarioBody,
    session: Writing,
    response: Response,
    principal: Designer,
    authority: Annotated[
        str | None,
        Query(max_length=64, description="Whose it is; needed only where the key acts for several"),
    ] = None,
) -> ScenarioView:
    """Save a new scenario; `Location` says where it is. What its steps name is looked up when it is asked."""
    row = writes.make(session, Scenario, body.model_dump(mode="json"), authority_code=authority, by=principal)
    response.headers["Location"] = f"/v1/scenarios/{row.id}"
    return _shown(row, response)


@router.get("/{id}")
def read_scenario(id: Id, session: Reading, response: Response, principal: Reader) -> ScenarioView:
    """One scenario with its steps."""
    return _shown(_known(session, id), response)


@router.put("/{id}")
def put_scenario(
    id: Id,
    body: ScenarioBody,
    session: Writing,
    request: Conditional,
    response: Response,
    principal: Designer,
) -> ScenarioView:
    """Replace a scenario whole. Needs `If-Match` with the ETag of the scenario as read."""
    row = writes.put(
        session,
        Scenario,
        id,
        body.model_dump(mode="json"),
        by=principal,
        unknown=UnknownScenario,
        unchanged=lambda held: require_match(request, _tag(held)),
    )
    return _shown(row, response)


@router.delete("/{id}", status_code=204)
def delete_scenario(id: Id, session: Writing, request: Conditional, principal: Designer) -> None:
    """Delete a scenario. Needs `If-Match` with the ETag of the scenario as read."""
    writes.remove(
        session,
        Scenario,
        id,
        by=principal,
        unknown=UnknownScenario,
        unchanged=lambda held: require_match(request, _tag(held)),
    )


def _known(session: Any, id: str) -> Scenario:
    row = documents.document(session, Scenario, id)
    if row is None:
        raise UnknownScenario
    return row


class StepTaken(BaseModel):
    """What became of a step. One that names what is not held changes nothing."""

    do: str
    done: bool
    says: str
    services: list[str] = Field(description="Ids of the services that it changed")
    contracts: list[str] = Field(description="Ids of the contracts that it changed")


class Figure(BaseModel):
    """A figure of both states; null where it is not known."""

    before: int | float | None
    after: int | float | None
    difference: int | float | None


class GapsBeside(BaseModel):
    cells: Figure = Field(description="Cells that nobody covers, or in part only")
    people: Figure = Field(description="People whom they leave out, a person counted once for each need")
    unknown: Figure = Field(description="Of the cells, in how many nobody knows how many people they are")
    without_place: Figure = Field(
        description="People whom the services that reach them have no places for; null where nobody knows "
        "how many people have the needs"
    )


class OverlapBeside(BaseModel):
    cells: Figure = Field(description="Cells with two or more providers (or owners)")
    people: Figure
    pairs: Figure = Field(description="Pairs of services of different ones that share a cell")


class AccessBeside(BaseModel):
    cells_out_of_reach: Figure = Field(description="Cells without an open site within reach")
    people_out_of_reach: Figure
    unknown: Figure = Field(description="Cells of which nothing is known about ways")


class MostFragile(Named):
    people: int = Field(description="People who would be left without cover if it left")


class FragilityBeside(BaseModel):
    cells: Figure = Field(description="Cells that hang on one provider (or owner)")
    people: Figure
    before: MostFragile | None = Field(description="Whose exit would uncover most people")
    after: MostFragile | None


class SpendBeside(BaseModel):
    contracts: Figure = Field(description="Contracts in force of services that cover a cell here")
    a_year_gbp: Figure = Field(description="Their value for a year; null where it is known of none")
    unknown: Figure = Field(
        description="Of the contracts, those whose value is not known, or not yours to see"
    )


class KpiExposed(BaseModel):
    """A KPI that a design ties to what the scenario changes."""

    kpi: str
    network: Named
    through: Literal["goal", "agreement"]
    name: str = Field(description="The goal or agreement")


class CellState(BaseModel):
    depth: int
    status: Status
    providers: list[Named]


class CellChanged(BaseModel):
    """A cell that others cover, or more, or fewer."""

    need: str
    need_name: str
    area: str
    area_name: str
    people: int | None
    people_basis: Basis
    change: Change = Field(
        description="`opened`: nobody covers the whole any more; `closed`: somebody does; `fewer`, `more`; "
        "`others`: as many, but others, or another part of it"
    )
    before: CellState
    after: CellState


class DifferenceThresholds(Thresholds):
    reach: float = Field(description="How far people are taken to go to a site")
    unit: Unit
    costs: str | None = Field(description="The matrix of travel costs; null: straight lines")
    costs_version: int | None
    detour: float | None


class DifferenceComputed(Computed):
    """How the state as it is was worked out; the steps are taken on it."""

    thresholds: DifferenceThresholds
    scenario_version: int


class AfterComputed(BaseModel):
    """What is different in how the state with the steps taken was worked out."""

    rules_used: dict[str, int]
    thresholds: DifferenceThresholds
    caveats: list[str]


class Difference(BaseModel):
    """What the steps change: figures of both states, and the cells that change."""

    scenario: Named
    steps: list[StepTaken]
    gaps: GapsBeside
    overlap: OverlapBeside
    access: AccessBeside
    fragility: FragilityBeside
    spend: SpendBeside
    kpis: list[KpiExposed] | None = Field(
        description="KPIs that designs you may see tie to what changes; null: network knows of none"
    )
    items: list[CellChanged] = Field(description="Cells that change: those that lose cover first")
    next: str | None
    computed: DifferenceComputed
    computed_after: AfterComputed


@dataclass(frozen=True)
class AskedDifference:
    """Both states of one question. before, after: the same needs and areas."""

    scenario: Scenario
    before: Asked
    after: Asked
    taken: tuple[Taken, ...]
    access: AccessQuestion


def asked_difference(
    id: Id,
    request: Request,
    session: Reading,
    about: Asking,
    need: Needs = None,
    area: Annotated[
        str | None, Query(max_length=300, description="Another place than the scenario's")
    ] = None,
    reach: Annotated[
        float | None,
        Query(
            gt=0,
            le=500,
            allow_inf_nan=False,
            description="How far people go to a site: 5 km of way or 30 minutes unless said",
        ),
    ] = None,
) -> AskedDifference:
    row = _known(session, id)
    said = ScenarioBody.model_validate(row.body)
    base = about(area or said.area)
    if said.at is not None and "at" not in request.query_params:
        joint = "&" if "?" in base.explained else "?"
        base = replace(base.about(at=said.at), explained=f"{base.explained}{joint}at={said.at.isoformat()}")
    asked = of_needs(base, need)
    steps = tuple(one.step() for one in said.steps)
    level = asked.assessment().level
    after = replace(asked, kept=request.app.state.scenario_answers)
    facts, taken = after.answers.get(
        (asked.snapshot.version, "scenario", steps, asked.question.at, level),
        lambda: domain.take(asked.snapshot.facts, steps, at=asked.question.at, level=level),
    )
    version = (*asked.snapshot.version, "scenario", steps, asked.question.at, level)
    after = replace(after, snapshot=replace(asked.snapshot, facts=facts, version=version))
    if asked.question.needs is None:
        # A need that only one of the states has services for is a need of both.
        both = tuple(sorted({*asked.assessment().needs, *after.assessment().needs}))
        asked, after = asked.about(needs=both), after.about(needs=both)
    matrix = asked.question.costs
    travel = Travel() if matrix is None else Travel(matrix, matrix.unit(None))
    return AskedDifference(row, asked, after, taken, access_question(limit=reach, travel=travel))


@router.get("/{id}/difference")
def what_it_changes(
    request: Request,
    response: Response,
    about: Annotated[AskedDifference, Depends(asked_difference)],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> Difference:
    """What a scenario would change in a place: gaps, overlap, access, fragility, spend, KPIs, cell by cell.

    The steps are taken on a copy in memory of the state that other answers show; both states are then looked
    at by the same functions. Parameters that a locality is asked with hold here too.
    """
    before, later = about.before.assessment(), about.after.assessment()
    key = (about.after.key, "cells changed", about.before.key)
    changed = about.after.answers.get(key, lambda: domain.changed_cells(before, later))
    rank = {cell: place for place, (cell, _) in enumerate(changed)}
    page, following = paging.window(changed, lambda one: (rank[one[0]],), after=after, limit=limit)
    paging.link_next(request, response, following)
    gaps, overlap, fragility = _tallies(about, before, later)
    return Difference(
        scenario=Named(id=about.scenario.id, name=about.scenario.body["name"]),
        steps=_steps(about),
        gaps=gaps,
        overlap=overlap,
        access=_access(about, before, later),
        fragility=fragility,
        spend=_spend(about, before, later),
        kpis=_kpis(request, about),
        items=[_changed(before, later, place, change) for place, change in page],
        next=following,
        computed=_computed(about, before),
        computed_after=_computed_after(about, later),
    )


def _figure(before: float | None, after: float | None) -> Figure:
    difference = None if before is None or after is None else after - before
    return Figure(before=before, after=after, difference=difference)


def _people(before: float, after: float) -> Figure:
    return _figure(whole(before), whole(after))


def _steps(about: AskedDifference) -> list[StepTaken]:
    said: Sequence[Any] = about.scenario.body["steps"]
    return [
        StepTaken(
            do=step["do"],
            done=taken.done,
            says=taken.says,
            services=list(taken.services),
            contracts=list(taken.contracts),
        )
        for step, taken in zip(said, about.taken, strict=True)
    ]


def _tallies(
    about: AskedDifference, before: Assessment, later: Assessment
) -> tuple[GapsBeside, OverlapBeside, FragilityBeside]:
    was = about.before.answers.get((about.before.key, "tally"), lambda: domain.tally(before))
    now = about.after.answers.get((about.after.key, "tally"), lambda: domain.tally(later))
    return (
        GapsBeside(
            cells=_figure(was.gaps, now.gaps),
            people=_people(was.people_in_gaps, now.people_in_gaps),
            unknown=_figure(was.gaps_unknown, now.gaps_unknown),
            without_place=_figure(was.without_place, now.without_place),
        ),
        OverlapBeside(
            cells=_figure(was.overlaps, now.overlaps),
            people=_people(was.people_in_overlaps, now.people_in_overlaps),
            pairs=_figure(was.pairs, now.pairs),
        ),
        FragilityBeside(
            cells=_figure(was.singles, now.singles),
            people=_people(was.people_in_singles, now.people_in_singles),
            before=_most_fragile(before, was),
            after=_most_fragile(later, now),
        ),
    )


def _most_fragile(of: Assessment, found: domain.Tally) -> MostFragile | None:
    unit = found.most_fragile
    if unit is None:
        return None
    people = whole(found.most_fragile_people)
    return MostFragile(id=of.units.ids[unit], name=of.units.names[unit], people=people)


def _access(about: AskedDifference, before: Assessment, later: Assessment) -> AccessBeside:
    def figures(asked: Asked, of: Assessment) -> tuple[int, float, int]:
        found = asked.answers.get((asked.key, "access", about.access), lambda: access(of, about.access))
        far = found.out_of_reach()
        return int(far.sum()), float(of.people.count[far].sum()), int((~found.known).sum()) * len(of.needs)

    was, now = figures(about.before, before), figures(about.after, later)
    return AccessBeside(
        cells_out_of_reach=_figure(was[0], now[0]),
        people_out_of_reach=_people(was[1], now[1]),
        unknown=_figure(was[2], now[2]),
    )


def _spend(about: AskedDifference, before: Assessment, later: Assessment) -> SpendBeside:
    principal = about.before.principal
    was, now = (domain.spend(of, lambda one: sees_value(principal, one)) for of in (before, later))
    return SpendBeside(
        contracts=_figure(was.contracts, now.contracts),
        a_year_gbp=_figure(_pounds(was.a_year), _pounds(now.a_year)),
        unknown=_figure(was.unknown, now.unknown),
    )


def _pounds(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 2)


def _kpis(request: Request, about: AskedDifference) -> list[KpiExposed] | None:
    readable: FactsBeside = request.app.state.facts_beside
    designs = readable[DESIGNS](about.before.principal).facts
    find = about.before.snapshot.facts.directory.names.find
    found = [
        KpiExposed(
            kpi=one.kpi,
            network=Named(id=one.network, name=one.network_name),
            through=one.through,
            name=one.name,
        )
        for one in domain.exposed(designs, about.taken, find)
    ]
    return found or None


def _changed(before: Assessment, later: Assessment, place: int, change: Change) -> CellChanged:
    was, now = cell(before, place), cell(later, place)
    return CellChanged(
        **was.model_dump(include={"need", "need_name", "area", "area_name", "people", "people_basis"}),
        change=change,
        before=CellState(depth=was.depth, status=was.status, providers=was.providers),
        after=CellState(depth=now.depth, status=now.status, providers=now.providers),
    )


def _thresholds(about: AskedDifference, said: Computed) -> DifferenceThresholds:
    way = about.access.travel
    return DifferenceThresholds(
        **said.thresholds.model_dump(),
        reach=about.access.decay.limit,
        unit=way.unit,
        costs=way.matrix.name if way.matrix else None,
        costs_version=way.matrix.version if way.matrix else None,
        detour=None if way.matrix else way.detour,
    )


def _computed(about: AskedDifference, before: Assessment) -> DifferenceComputed:
    said = computed(about.before, before)
    caveats = [taken.says for taken in about.taken if not taken.done]
    caveats += [
        "KPIs are those that designs tie to services and parties; which KPIs contracts are held to is not "
        "known to network: ask outcomes.",
        "Spend is the value for a year of contracts of services that cover a cell here; what steps would "
        "cost is not known.",
    ]
    return DifferenceComputed(
        **said.model_dump(exclude={"thresholds", "caveats"}),
        thresholds=_thresholds(about, said),
        caveats=[*said.caveats, *caveats],
        scenario_version=about.scenario.version,
    )


def _computed_after(about: AskedDifference, later: Assessment) -> AfterComputed:
    said = computed(about.after, later)
    return AfterComputed(
        rules_used=said.rules_used, thresholds=_thresholds(about, said), caveats=said.caveats
    )
