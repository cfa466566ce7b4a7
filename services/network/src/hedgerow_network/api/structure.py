"""`/v1/localities/{area}/structure` and `/v1/networks/{id}/structure`: how organisations hang together."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Annotated

import numpy as np
from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.paging import After, Limit, link_next, window
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_network.api.asking import About, Asked, Now, may_read, sees_value
from hedgerow_network.api.relations import RelationType
from hedgerow_network.domain import web as domain
from hedgerow_network.domain.chains import Chain, Money, together
from hedgerow_network.domain.designs import Design, read_design
from hedgerow_network.domain.evaluation import Criterion, evaluate
from hedgerow_network.domain.governance import LEVELS, Fit, governance_fit
from hedgerow_network.domain.graphs import SEED
from hedgerow_network.domain.locality import Assessment, Question, assess
from hedgerow_network.domain.relations import TYPES, Relation
from hedgerow_network.domain.web import Web
from hedgerow_network.errors import NoSuchLevel, UnknownNetwork
from hedgerow_network.store import networks as held
from hedgerow_network.store.answers import Answers
from hedgerow_network.store.snapshots import Snapshot
from hedgerow_network.tables import Network

router = problems.router(prefix="/v1", tags=["structure"])

LONG_RELATIONS = 5_000
"""A network of more relations than these is a long question."""

_NOT_TOLD = "For the permission money only, and where all contracts are of your authority."

Reader = Annotated[Principal, require("read")]
Types = Annotated[
    list[RelationType] | None,
    Query(description="Only ties of these types (may be repeated); contracts of the registry are `contract`"),
]
At = Annotated[date | None, Query(description="For which date; today unless said")]


class Node(BaseModel):
    """An organisation in the web and what its place in it measures."""

    id: str = Field(description="The registry's id, or as it was named where the registry does not know it")
    name: str
    known: bool = Field(description="Whether the registry knows it")
    roles: list[str] = Field(description="commissioner, supplier, subcontractor, provider, member")
    layer: int | None = Field(
        description="How far down the contracts it stands: 0 commissions, 1 is paid by a commissioner, …; "
        "null: no contract reaches it"
    )
    degree: int = Field(description="How many others it is tied to")
    betweenness: float | None = Field(
        description="Share of the shortest paths between others that lead through it; null in a web too large"
    )
    closeness: float | None = Field(
        description="How near it is to all others, 0 to 1; null in a web too large"
    )
    constraint: float | None = Field(
        description="Burt's constraint: how far its contacts are tied to one another; null without a tie"
    )
    component: int = Field(description="Parts that no tie joins have different numbers")
    community: int = Field(description="Groups with more ties within than between them")
    is_cut_point: bool = Field(description="Without it the web falls apart")
    received_gbp: float | None = Field(
        description="What reaches it under contracts of your authority; for `money` only"
    )
    delivers_gbp: float | None = Field(description="What of it is for its own delivery; for `money` only")


class WholeWeb(BaseModel):
    """The web as a whole; null where a measure is not defined for it."""

    organisations: int
    ties: int = Field(description="Pairs that are tied, in whatever way")
    density: float | None
    degree_centralisation: float | None
    betweenness_centralisation: float | None
    closeness_centralisation: float | None
    clustering: float | None
    components: int
    largest_component: int
    isolates: int
    cut_points: int
    bridges: int
    communities: int
    modularity: float | None


class Layer(BaseModel):
    """Organisations equally far from the commissioners."""

    layer: int
    organisations: list[str]
    received_gbp: float | None = Field(description="What reaches them, where it can be followed")


class ContractChain(BaseModel):
    """One contract followed to the front line; amounts only of contracts of your authority."""

    contract: str
    title: str
    depth: int = Field(description="Tiers of suppliers")
    value_gbp: float | None
    front_line_gbp: float | None
    fees_gbp: float | None
    untraced_gbp: float | None
    unclear: list[str] = Field(description="Why money could not be followed")


class MoneyToTheFrontLine(BaseModel):
    """What the commissioners pay and what of it comes through, over contracts of your authority (for who acts
    for all: over all) of known value.
    """

    value_gbp: float
    front_line_gbp: float
    fees_gbp: float
    untraced_gbp: float = Field(
        description="Money whose way is not known; it may reach the front line or not"
    )
    front_line_share: float | None
    contracts_of_unknown_value: int


class CriterionView(BaseModel):
    level: str = Field(description="community, network or organisation")
    name: str
    value: float | None
    unit: str
    says: str


class FactorView(BaseModel):
    name: str
    title: str
    value: float | None
    level: str | None
    says: str


class FormView(BaseModel):
    form: str
    fits: list[str]
    misses: list[str]
    unknown: list[str]
    reasons: list[str]


class GovernanceView(BaseModel):
    """Which form of governance fits, and why."""

    present: str | None
    present_says: str
    suggested: list[str]
    says: str
    factors: list[FactorView]
    forms: list[FormView]


class StructureComputed(BaseModel):
    at: date
    types: list[str] = Field(description="Types of tie that were looked at")
    seed: int = Field(description="Of the search for communities")
    thresholds: dict[str, dict[str, float]] = Field(
        description="From which value on each condition of governance has which level"
    )
    networks: dict[str, int] = Field(description="Networks whose relations were read, and their versions")
    registry_seq: int
    caveats: list[str]


class StructurePage(BaseModel):
    items: list[Node]
    next: str | None
    whole: WholeWeb
    depth: int = Field(description="Tiers of suppliers in the longest chain of contracts; 0 without any")
    layers: list[Layer]
    money: MoneyToTheFrontLine | None = Field(description="For the permission `money` only")
    contracts: list[ContractChain]
    evaluation: list[CriterionView]
    governance: GovernanceView
    computed: StructureComputed


@dataclass(frozen=True)
class Read:
    """What was read of networks for an answer. versions: id → design and relations together."""

    designs: tuple[Design, ...]
    relations: tuple[tuple[Relation, ...], ...]
    versions: tuple[tuple[str, int, int], ...]


def read_networks(request: Request, session: Session, rows: Sequence[Network]) -> Read:
    relations: held.Relations = request.app.state.relations
    return Read(
        designs=tuple(read_design(row.id, row.name, row.design) for row in rows),
        relations=tuple(relations.of(session, rows)),
        versions=tuple((row.id, row.version, row.relations_version) for row in rows),
    )


@dataclass(frozen=True)
class Structure:
    """A web with all that is worked out on it."""

    design: Design
    web: Web
    criteria: tuple[Criterion, ...]
    fit: Fit


def types_named(types: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(sorted(types)) if types else tuple(TYPES)


def locality_structure(
    request: Request, asked: Asked, session: Session, types: tuple[str, ...]
) -> tuple[Structure, Read]:
    """The web of a locality, measured."""
    read = read_networks(request, session, held.all_within_reach(session))
    of = asked.assessment()
    contracts = asked.snapshot.facts.contracts.all

    def work() -> Structure:
        web = domain.of_locality(of, list(zip(read.designs, read.relations, strict=True)), contracts, types)
        here = {of.facts.hierarchy.codes[place] for place in of.facts.hierarchy.inside(of.locality)}
        design = together_designed(of.question.locality, [one for one in read.designs if here & {*one.areas}])
        return _measured(design, web, of.question.at, [of])

    key = (asked.key, "structure", types, read.versions)
    return asked.answers.get(key, work), read


def together_designed(id: str, designs: Sequence[Design]) -> Design:
    """What the networks of one place state between them, for measures that speak of one network."""
    if len(designs) == 1:
        return designs[0]
    return Design(
        id=id,
        name=id,
        commissioners=tuple(sorted({party for one in designs for party in one.commissioners})),
        members=tuple(member for one in designs for member in one.members),
        services=tuple(service for one in designs for service in one.services),
        goals=tuple(goal for one in designs for goal in one.goals),
        capabilities=tuple(capability for one in designs for capability in one.capabilities),
        shared_resources=tuple(resource for one in designs for resource in one.shared_resources),
    )


def network_structure(
    request: Request, now: Snapshot, row: Network, session: Session, principal: Principal, day: date,
    types: tuple[str, ...],
) -> tuple[Structure, Read]:  # fmt: skip
    """The web of one network, measured."""
    read = read_networks(request, session, [row])
    assessments, notes = assessments_of(request, now, read.designs[0], day, principal)

    def work() -> Structure:
        [design], [relations] = read.designs, read.relations
        web = domain.of_network(now.facts, design, relations, now.facts.contracts.all, day, types)
        return _measured(design, replace(web, notes=(*web.notes, *notes)), day, assessments)

    key: tuple[Hashable, ...] = (
        now.version,
        "network",
        day,
        types,
        read.versions,
        tuple(of.question.locality for of in assessments),
    )
    kept: Answers = request.app.state.answers
    return kept.get(key, work, long=len(read.relations[0]) > LONG_RELATIONS), read


def assessments_of(
    request: Request, now: Snapshot, design: Design, day: date, principal: Principal
) -> tuple[list[Assessment], list[str]]:
    """The cells of each area of a design that the caller may read about and that lies in no other of them;
    and what is to be said of the rest.
    """
    hierarchy = now.facts.hierarchy
    places = {hierarchy.position[code] for code in design.areas if code in hierarchy.position}
    seen = {place for place in places if may_read(now, principal, place)}
    outer = [
        place for place in sorted(seen) if not (seen - {place}) & {int(up) for up in hierarchy.above(place)}
    ]
    answers: Answers = request.app.state.answers

    found: list[Assessment] = []
    missing = len({*design.areas}) - len(seen)
    for place in outer:
        question = Question(locality=hierarchy.codes[place], at=day)
        try:
            found.append(answers.get((now.version, question), partial(assess, now.facts, question)))
        except NoSuchLevel:
            # Later areas have taken its place.
            missing += 1
    said = f"{missing} areas of the network are not held, are no more, or are not yours to read about."
    return found, [said] if missing else []


def _measured(design: Design, web: Web, day: date, assessments: Sequence[Assessment]) -> Structure:
    return Structure(
        design=design,
        web=web,
        criteria=evaluate(design, web, day, assessments),
        fit=governance_fit(design, web, day),
    )


@router.get("/localities/{area}/structure")
def structure_of_locality(
    request: Request,
    response: Response,
    asked: About,
    session: Reading,
    principal: Reader,
    type: Types = None,
    after: After = None,
    limit: Limit = 50,
) -> StructurePage:
    """How the organisations of a place hang together: measures of each (most ties first) and of the whole,
    the layers from commissioner to front line, and what of the money comes through.

    The web is made of who provides there, the parties of contracts for it, the networks designed for it, and
    the relations among them.
    """
    types = types_named(type)
    found, read = locality_structure(request, asked, session, types)
    page = _page(found, read, asked.snapshot, principal, asked.question.at, types, after, limit)
    link_next(request, response, page.next)
    return page


@router.get("/networks/{id}/structure")
def structure_of_network(
    id: str,
    now: Now,
    request: Request,
    response: Response,
    session: Reading,
    principal: Reader,
    type: Types = None,
    at: At = None,
    after: After = None,
    limit: Limit = 50,
) -> StructurePage:
    """How the organisations of one network hang together: those its design names, those in its relations, and
    the contracts among them.
    """
    types, day = types_named(type), at or request.app.state.today()
    row = known_network(session, id)
    found, read = network_structure(request, now, row, session, principal, day, types)
    page = _page(found, read, now, principal, day, types, after, limit)
    link_next(request, response, page.next)
    return page


def known_network(session: Session, id: str) -> Network:
    """The network; one of another authority is as unknown as one that is not there."""
    row = held.network(session, id)
    if row is None:
        raise UnknownNetwork
    return row


def _page(
    found: Structure,
    read: Read,
    now: Snapshot,
    principal: Principal,
    day: date,
    types: tuple[str, ...],
    after: str | None,
    limit: int,
) -> StructurePage:
    web = found.web
    degree = web.measures.degree
    order = np.lexsort((np.arange(len(web)), -degree))
    page, following = window(
        order.tolist(), lambda node: (-int(degree[node]), web.ids[node]), after=after, limit=limit
    )
    sees_money = principal.may("money")
    own = [chain for chain in web.chains if sees_value(principal, chain.contract)]
    sees_all = len(own) == len(web.chains)
    received, delivers = _received(own)
    whole = web.measures.whole
    return StructurePage(
        items=[_node(web, node, received, delivers) for node in page],
        next=following,
        whole=WholeWeb(
            organisations=whole.nodes,
            ties=whole.ties,
            density=whole.density,
            degree_centralisation=whole.degree_centralisation,
            betweenness_centralisation=whole.betweenness_centralisation,
            closeness_centralisation=whole.closeness_centralisation,
            clustering=whole.clustering,
            components=whole.components,
            largest_component=whole.largest,
            isolates=whole.isolates,
            cut_points=whole.cut_points,
            bridges=whole.bridges,
            communities=whole.communities,
            modularity=whole.modularity,
        ),
        depth=max((chain.depth for chain in web.chains), default=0),
        layers=_layers(web, received),
        money=_money(together(own)) if sees_money else None,
        contracts=[_chain(chain, is_told=sees_value(principal, chain.contract)) for chain in web.chains],
        evaluation=[
            CriterionView(
                level=one.level,
                name=one.name,
                value=one.value if sees_all or not one.is_money else None,
                unit=one.unit,
                says=one.says if sees_all or not one.is_money else _NOT_TOLD,
            )
            for one in found.criteria
        ],
        governance=_governance(found.fit),
        computed=StructureComputed(
            at=day,
            types=list(types),
            seed=SEED,
            thresholds={factor: {name: least for least, name in levels} for factor, levels in LEVELS.items()},
            networks={id: version + relations for id, version, relations in read.versions},
            registry_seq=now.registry_seq,
            caveats=structure_caveats(found, now, principal),
        ),
    )


def _chain(chain: Chain, *, is_told: bool) -> ContractChain:
    return ContractChain(
        contract=chain.contract.id,
        title=chain.contract.title,
        depth=chain.depth,
        value_gbp=_pounds(chain.value) if is_told else None,
        front_line_gbp=_pounds(chain.front_line) if is_told else None,
        fees_gbp=_pounds(chain.fees) if is_told else None,
        untraced_gbp=_pounds(chain.untraced) if is_told else None,
        unclear=list(chain.unclear) if is_told else [_NOT_TOLD],
    )


def _received(chains: Sequence[Chain]) -> tuple[dict[str, float], dict[str, float]]:
    received: dict[str, float] = {}
    delivers: dict[str, float] = {}
    for chain in chains:
        for sums, amounts in ((received, chain.received), (delivers, chain.delivers)):
            for id, amount in amounts.items():
                sums[id] = sums.get(id, 0.0) + amount
    return received, delivers


def _node(web: Web, node: int, received: dict[str, float], delivers: dict[str, float]) -> Node:
    of, id = web.measures, web.ids[node]
    return Node(
        id=id,
        name=web.names[node],
        known=web.known[node],
        roles=list(web.roles[node]),
        layer=web.layers.get(id),
        degree=int(of.degree[node]),
        betweenness=_known(of.betweenness[node]),
        closeness=_known(of.closeness[node]),
        constraint=_known(of.constraint[node]),
        component=int(of.component[node]),
        community=int(of.community[node]),
        is_cut_point=bool(of.cut[node]),
        received_gbp=_pounds(received.get(id)),
        delivers_gbp=_pounds(delivers.get(id)),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _pounds(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 2)


def _layers(web: Web, received: dict[str, float]) -> list[Layer]:
    by_layer: dict[int, list[str]] = {}
    for id, layer in web.layers.items():
        by_layer.setdefault(layer, []).append(id)
    return [
        Layer(
            layer=layer,
            organisations=sorted(by_layer[layer]),
            received_gbp=(
                _pounds(sum(received[id] for id in sorted(by_layer[layer]) if id in received))
                if layer and any(id in received for id in by_layer[layer])
                else None
            ),
        )
        for layer in sorted(by_layer)
    ]


def _money(sums: Money) -> MoneyToTheFrontLine:
    return MoneyToTheFrontLine(
        value_gbp=round(sums.value, 2),
        front_line_gbp=round(sums.front_line, 2),
        fees_gbp=round(sums.fees, 2),
        untraced_gbp=round(sums.untraced, 2),
        front_line_share=sums.front_line / sums.value if sums.value else None,
        contracts_of_unknown_value=sums.unknown,
    )


def _governance(fit: Fit) -> GovernanceView:
    return GovernanceView(
        present=fit.present,
        present_says=fit.present_says,
        suggested=list(fit.suggested),
        says=fit.says,
        factors=[
            FactorView(name=one.name, title=one.title, value=one.value, level=one.level, says=one.says)
            for one in fit.factors
        ],
        forms=[
            FormView(
                form=one.form,
                fits=list(one.fits),
                misses=list(one.misses),
                unknown=list(one.unknown),
                reasons=list(one.reasons),
            )
            for one in fit.forms
        ],
    )


def structure_caveats(found: Structure, now: Snapshot, principal: Principal) -> list[str]:
    """What to know before relying on a web."""
    web = found.web
    said = list(web.notes)
    strangers = len(web.strangers)
    if strangers:
        said.append(
            f"{strangers} of {len(web)} organisations are not known to the registry, and are as named."
        )
    if any(tie.weight is not None for tie in web.ties):
        said.append("Measures count ties, not their weights.")
    if len(web) and np.isnan(web.measures.betweenness).any():
        said.append(
            "The web is too large to look at all shortest paths: betweenness and closeness are left out."
        )
    told = [chain for chain in web.chains if sees_value(principal, chain.contract)]
    unclear = sum(1 for chain in told if chain.unclear)
    if unclear:
        said.append(f"Money could not be followed through {unclear} of {len(told)} contracts.")
    if not web.chains:
        said.append("No contract in force is known: there are no layers and no money to follow.")
    foreign = len(web.chains) - len(told)
    if foreign and not principal.may("money"):
        said.append("Contract values need the permission money.")
    elif foreign:
        said.append(
            f"{foreign} of {len(web.chains)} contracts are not of your authority: their values are not told, "
            "and no sum holds them."
        )
    if now.rebuilding:
        said.append("The projection of the registry is being rebuilt: the answer may mix old and new states.")
    elif now.behind:
        said.append(f"The registry is {now.behind} changes ahead of this answer.")
    return said
