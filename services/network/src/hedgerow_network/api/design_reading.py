"""What is read off a design: `/v1/networks/{id}/checklist`, `/goals`, `/influences`, `/capabilities`."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from fastapi import Depends, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import Now
from hedgerow_network.api.networks import NetworkId, known
from hedgerow_network.api.structure import At, assessments_of
from hedgerow_network.api.wire import Named
from hedgerow_network.domain import checklist as domain
from hedgerow_network.domain.design_findings import Answered, answers, doubled, required, roles_of
from hedgerow_network.domain.designs import ACCOUNTABLE, Design, PlannedService, read_design
from hedgerow_network.domain.directory import Directory
from hedgerow_network.store import networks
from hedgerow_network.store.snapshots import Snapshot
from hedgerow_network.upstream.outcomes import Outcomes

router = problems.router(prefix="/v1/networks/{id}", tags=["networks"])

Step = Literal[
    "locality",
    "members",
    "universe",
    "services",
    "goals",
    "capabilities",
    "responsibilities",
    "agreements",
    "resources",
    "links",
    "governance",
    "review",
]


@dataclass(frozen=True)
class Asked:
    """A network as it is asked about."""

    now: Snapshot
    design: Design
    version: int
    known: domain.Known
    caveats: tuple[str, ...]

    @property
    def directory(self) -> Directory:
        return self.now.facts.directory

    def organisation(self, said: str) -> Named:
        id = self.directory.names.find(said) or said
        return Named(id=id, name=self.directory.organisation_name(id))


def _asked(
    id: NetworkId,
    now: Now,
    request: Request,
    session: Reading,
    principal: Annotated[Principal, require("read")],
    at: At = None,
) -> Asked:
    row = known(session, id)
    relations: networks.Relations = request.app.state.relations
    design = read_design(row.id, row.name, row.design)
    day = at or request.app.state.today()
    outcomes: Outcomes | None = request.app.state.outcomes
    wanted = {kpi for goal in design.goals for kpi in goal.kpis}
    kpis = outcomes.kpis(wanted) if outcomes is not None else {}
    assessments, caveats = assessments_of(request, now, design, day, principal)
    unasked = sum(1 for kpi in wanted if kpi not in kpis or kpis[kpi].known is None)
    if unasked:
        caveats = [
            *caveats,
            f"Outcomes could not be asked about {unasked} of {len(wanted)} KPIs: whether they are defined "
            "and have data is not known.",
        ]
    return Asked(
        now=now,
        design=design,
        version=row.version,
        known=domain.Known(now.facts, day, assessments, relations.of(session, [row])[0], kpis),
        caveats=tuple(caveats),
    )


About = Annotated[Asked, Depends(_asked)]


class DesignComputed(BaseModel):
    at: date
    network_version: int
    registry_seq: int
    caveats: list[str]


def _computed(asked: Asked) -> DesignComputed:
    return DesignComputed(
        at=asked.known.day,
        network_version=asked.version,
        registry_seq=asked.now.registry_seq,
        caveats=list(asked.caveats),
    )


class OpenPoint(BaseModel):
    """One thing still open in a design."""

    step: Step
    code: str = Field(description="What kind of thing is open; stable, for machines")
    subject: str | None = Field(description="The id of what it is about; null: the network itself")
    says: str


class StepCount(BaseModel):
    step: Step
    open: int


class ChecklistPage(BaseModel):
    items: list[OpenPoint]
    next: str | None
    steps: list[StepCount]
    computed: DesignComputed


@router.get("/checklist")
def checklist(
    request: Request,
    response: Response,
    asked: About,
    step: Annotated[list[Step] | None, Query(description="Only these steps (may be repeated)")] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> ChecklistPage:
    """What is still open in the design of a network, in the order of the steps."""
    found = domain.checklist(asked.design, asked.known)
    wanted = [one for one in found if not step or one.step in step]
    order = {name: place for place, name in enumerate(domain.STEPS)}
    page, marker = paging.window(
        wanted, lambda one: (order[one.step], one.code, one.subject, one.says), after=after, limit=limit
    )
    paging.link_next(request, response, marker)
    return ChecklistPage(
        items=[
            OpenPoint(step=one.step, code=one.code, subject=one.subject or None, says=one.says)  # type: ignore[arg-type]
            for one in page
        ],
        next=marker,
        steps=[
            StepCount(step=name, open=sum(1 for one in found if one.step == name))  # type: ignore[arg-type]
            for name in domain.STEPS
        ],
        computed=_computed(asked),
    )


class KpiView(BaseModel):
    id: str
    defined: bool | None = Field(description="Whether outcomes knows it; null: it could not be asked")
    has_data: bool | None = Field(description="Whether anything was observed of it; null: not known")


class ServiceOfGoal(BaseModel):
    id: str
    name: str
    organisation: Named | None
    department: str | None
    in_registry: bool


class GoalView(BaseModel):
    """A goal with what stands behind it, and what is wrong with it."""

    id: str
    name: str
    kpis: list[KpiView]
    services: list[ServiceOfGoal]
    departments: list[str] = Field(description="Departments that answer for its services")
    accountable: list[Named]
    responsible: list[Named]
    agreed_by: list[Named]
    open: list[str] = Field(description="What is still open about it, in sentences")


class GoalPage(BaseModel):
    items: list[GoalView]
    next: str | None
    computed: DesignComputed


@router.get("/goals")
def goals(
    request: Request,
    response: Response,
    asked: About,
    flagged: Annotated[bool, Query(description="Only those about which something is open")] = False,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> GoalPage:
    """The shared goals: what measures them, which services of which departments work towards them, who is
    accountable. A goal without a KPI, or without exactly one accountable party, is flagged.
    """
    design = asked.design
    open_points = [
        one
        for one in domain.checklist(design, asked.known)
        if one.step == "goals" or (one.step == "responsibilities" and one.subject.startswith("goal/"))
    ]
    by_goal: dict[str, list[str]] = {}
    for one in open_points:
        by_goal.setdefault(one.subject.removeprefix("goal/"), []).append(one.says)
    wanted = [one for one in design.goals if not flagged or one.id in by_goal]
    numbered = list(enumerate(wanted))
    page, marker = paging.window(numbered, lambda one: (one[0],), after=after, limit=limit)
    paging.link_next(request, response, marker)
    services = {one.id: one for one in design.services}
    items = []
    for _, goal in page:
        roles = roles_of(design, "goal", goal.id)
        of_goal = [services[id] for id in goal.services if id in services]
        items.append(
            GoalView(
                id=goal.id,
                name=goal.name,
                kpis=[_kpi(asked, id) for id in goal.kpis],
                services=[_service(asked, one) for one in of_goal],
                departments=sorted({one.department for one in of_goal if one.department}),
                accountable=[asked.organisation(said) for said in roles.get(ACCOUNTABLE, [])],
                responsible=[asked.organisation(said) for said in roles.get("responsible", [])],
                agreed_by=[asked.organisation(said) for said in goal.agreed_by],
                open=by_goal.get(goal.id, []),
            )
        )
    return GoalPage(items=items, next=marker, computed=_computed(asked))


def _kpi(asked: Asked, id: str) -> KpiView:
    found = asked.known.kpis.get(id)
    return KpiView(id=id, defined=found.known if found else None, has_data=found.has_data if found else None)


def _service(asked: Asked, one: PlannedService) -> ServiceOfGoal:
    row = asked.directory.position.get(one.id)
    held = None if row is None else asked.directory.services[row]
    organisation = one.organisation or (held.organisation if held is not None else None)
    return ServiceOfGoal(
        id=one.id,
        name=one.name or (held.name if held is not None else one.id),
        organisation=asked.organisation(organisation) if organisation else None,
        department=one.department,
        in_registry=held is not None,
    )


class InfluenceView(BaseModel):
    """An influence on a persona, and whether a service answers it."""

    persona: str
    persona_name: str
    id: str
    name: str
    sign: Literal["+", "-"]
    needs: list[str]
    status: Answered
    services: list[Named] = Field(description="Active services of the place that answer it")
    areas_without: list[str] = Field(description="Areas where none does")
    says: str


class InfluencePage(BaseModel):
    items: list[InfluenceView]
    next: str | None
    computed: DesignComputed


@router.get("/influences")
def influences(
    request: Request,
    response: Response,
    asked: About,
    status: Annotated[
        list[Answered] | None,
        Query(description="Only these (may be repeated): `unanswered` by any service …"),
    ] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> InfluencePage:
    """What helps and what harms the people the network is for, and which of it no service answers."""
    found = [
        (number, one)
        for number, one in enumerate(answers(asked.design, asked.known.assessments))
        if not status or one.status in status
    ]
    page, marker = paging.window(found, lambda one: (one[0],), after=after, limit=limit)
    paging.link_next(request, response, marker)
    directory = asked.directory
    items = [
        InfluenceView(
            persona=one.persona.id,
            persona_name=one.persona.name,
            id=one.influence.id,
            name=one.influence.name,
            sign=one.influence.sign,  # type: ignore[arg-type]
            needs=list(one.influence.needs),
            status=one.status,
            services=[
                Named(id=id, name=directory.services[directory.position[id]].name) for id in one.services
            ],
            areas_without=list(one.areas_without),
            says=one.says,
        )
        for _, one in page
    ]
    return InfluencePage(items=items, next=marker, computed=_computed(asked))


class CapabilityView(BaseModel):
    """A capability: who takes it, who holds it."""

    id: str
    name: str
    described: bool
    back_office: bool
    required_by: list[str] = Field(description="Names of goals and services that take it")
    held_by: list[Named]
    status: Literal["gap", "single", "overlap", "held"] = Field(
        description="`gap`: held by nobody; `single`: held by one; `overlap`: a back-office capability that "
        "two hold in one area; `held`: by several otherwise"
    )
    overlaps: list[str] = Field(description="Pairs that hold it in the same areas, in sentences")


class CapabilityPage(BaseModel):
    items: list[CapabilityView]
    next: str | None
    computed: DesignComputed


@router.get("/capabilities")
def capabilities(
    request: Request,
    response: Response,
    asked: About,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> CapabilityPage:
    """What it takes to deliver: which capabilities nobody is assigned, and which two hold for one area."""
    design, directory = asked.design, asked.directory
    described = {one.id: one for one in design.capabilities}
    taken = {one.id: one for one in required(design)}
    pairs: dict[str, list[str]] = {}
    for id, _, first, second, areas in doubled(design, asked.now.facts):
        who = " and ".join(directory.organisation_name(party) for party in (first, second))
        pairs.setdefault(id, []).append(f"{who} in {', '.join(areas[:5])}{' …' if len(areas) > 5 else ''}")
    ids = sorted({*described, *taken})
    page, marker = paging.window(ids, lambda id: (id,), after=after, limit=limit)
    paging.link_next(request, response, marker)
    items = []
    for id in page:
        holders = sorted({held.organisation for held in described[id].held_by}) if id in described else []
        status: Literal["gap", "single", "overlap", "held"] = "held"
        if not holders:
            status = "gap"
        elif id in pairs:
            status = "overlap"
        elif len(holders) == 1:
            status = "single"
        items.append(
            CapabilityView(
                id=id,
                name=described[id].name if id in described else id,
                described=id in described,
                back_office=id in described and described[id].back_office,
                required_by=[name for _, _, name in taken[id].by] if id in taken else [],
                held_by=[asked.organisation(said) for said in holders],
                status=status,
                overlaps=pairs.get(id, []),
            )
        )
    return CapabilityPage(items=items, next=marker, computed=_computed(asked))
