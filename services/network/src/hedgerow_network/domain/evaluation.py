"""A network evaluated at three levels: for the community, as a network, for its organisations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from hedgerow_network.domain.chains import together
from hedgerow_network.domain.designs import ADMINISTRATOR, Design
from hedgerow_network.domain.governance import agreement_on_goals, multiplex_share, untied_members
from hedgerow_network.domain.locality import GAP, OVERLAP, PARTIAL, Assessment
from hedgerow_network.domain.web import MEMBER, PROVIDER, SUBCONTRACTOR, SUPPLIER, Web

COMMUNITY, NETWORK, ORGANISATION = "community", "network", "organisation"
AHEAD = timedelta(days=365)


@dataclass(frozen=True)
class Criterion:
    """One criterion. value: None = not known, and `says` tells why · unit: what the value counts ·
    is_money: only for who may see money
    """

    level: str
    name: str
    value: float | None
    unit: str
    says: str
    is_money: bool = False


def evaluate(design: Design, web: Web, day: date, assessments: Sequence[Assessment]) -> tuple[Criterion, ...]:
    """The criteria at the three levels, each with its figure, or why there is none.

    assessments: the cells of the places of the network; none = no place is known.
    Source: Provan & Milward 2001, Do Networks Really Work?, Public Administration Review 61(4), 414–423: the
    levels and their criteria, except `needs met`, which is ours. The figures that stand for them are chosen
    here, and each says what it is.
    """
    return (
        *_community(design, web, assessments),
        *_network(design, web, day, assessments),
        *_organisations(web, day, assessments),
    )


def _community(design: Design, web: Web, assessments: Sequence[Assessment]) -> Iterator[Criterion]:
    def criterion(name: str, value: float | None, unit: str, says: str, *, money: bool = False) -> Criterion:
        return Criterion(COMMUNITY, name, value, unit, says, money)

    left_out = sum(float(of.affected[np.isin(of.status, (GAP, PARTIAL))].sum()) for of in assessments)
    behind = sum(float(of.people.count.sum()) for of in assessments)
    if behind:
        yield criterion(
            "needs met",
            1 - left_out / behind,
            "share of people",
            f"{behind - left_out:,.0f} of {behind:,.0f} people behind the cells are served (a person counts "
            "once for each need).",
        )
    else:
        yield criterion("needs met", None, "share of people", "No place, or nobody with a need, is known.")
    residents = [_residents(of) for of in assessments]
    money = together(web.chains)
    if web.chains and not money.unknown and residents and all(residents):
        value = money.value / sum(one or 0.0 for one in residents)
        yield criterion("cost to the community", value, "GBP per resident", "Contract values.", money=True)
    else:
        yield criterion(
            "cost to the community", None, "GBP per resident", "Contracts, values or residents are not known."
        )
    ties = sum(1 for tie in web.ties if tie.type != "contract")
    yield criterion(
        "social capital",
        2 * ties / len(web) if len(web) and ties else None,
        "ties per organisation",
        "Ties that are not contracts." if ties else "No relations are held.",
    )
    kpis = sorted({kpi for goal in design.goals for kpi in goal.kpis})
    measured = f"See the KPIs of its goals: {', '.join(kpis)}." if kpis else "Its goals name no KPI."
    for name in (
        "public perception that the problem is being solved",
        "change in how common the problem is",
        "well-being of clients",
    ):
        yield criterion(name, None, "", f"Measured, not worked out here. {measured}")


def _residents(of: Assessment) -> float | None:
    lived = float(of.figures.whole_residents[of.locality])
    return lived if np.isfinite(lived) and lived > 0 else None


def _network(design: Design, web: Web, day: date, assessments: Sequence[Assessment]) -> Iterator[Criterion]:
    def criterion(name: str, value: float | None, unit: str, says: str) -> Criterion:
        return Criterion(NETWORK, name, value, unit, says)

    begun = day - AHEAD
    dated = [one for one in design.members if one.start is not None or one.end is not None]
    joined = sum(1 for one in dated if one.start is not None and begun < one.start <= day)
    left = sum(1 for one in dated if one.end is not None and begun <= one.end < day)
    yield criterion(
        "growth of membership",
        float(joined - left) if dated else None,
        "members in a year",
        f"{joined} joined and {left} left since {begun.isoformat()}."
        if dated
        else "No member's days are stated.",
    )
    needs = {need for of in assessments for need in of.needs}
    served = {
        need
        for of in assessments
        for need, row in zip(of.needs, of.cover.depth, strict=True)
        if (row > 0).any()
    }
    yield criterion(
        "range of services",
        len(served) / len(needs) if needs else None,
        "share of needs",
        f"{len(served)} of {len(needs)} needs are served somewhere." if needs else "No needs are known.",
    )
    covered = sum(int((of.cover.depth > 0).sum()) for of in assessments)
    double = sum(int((of.status == OVERLAP).sum()) for of in assessments)
    yield criterion(
        "absence of duplication",
        1 - double / covered if covered else None,
        "share of served cells",
        f"{covered - double} of {covered} served cells have one provider; whether two are a choice or a "
        "duplication, see the overlaps."
        if covered
        else "No cell is served.",
    )
    multiplex = multiplex_share(web)
    yield criterion(
        "strength of relations",
        multiplex,
        "share of tied pairs",
        "Pairs tied in two ways or more (multiplexity)." if multiplex is not None else "No ties are held.",
    )
    bodies = sorted({one.organisation for one in design.members if one.role == ADMINISTRATOR})
    yield criterion(
        "administrative body",
        float(bool(bodies)) if design.members else None,
        "yes = 1",
        (f"Administered by {', '.join(bodies)}." if bodies else "No member administers the network.")
        if design.members
        else "No members are stated.",
    )
    whole = web.measures.whole
    yield criterion(
        "integration",
        whole.largest / whole.nodes if whole.nodes and whole.ties else None,
        "share of organisations",
        f"{whole.largest} of {whole.nodes} organisations hang together; density {whole.density or 0:.3f}."
        if whole.ties
        else "No ties are held.",
    )
    costs = [one.cost_gbp for one in design.shared_resources if one.cost_gbp is not None]
    yield criterion(
        "cost of the network itself",
        float(sum(costs)) if costs else None,
        "GBP",
        f"{len(costs)} shared resources." if costs else "No cost of a shared resource is stated.",
    )
    agreed = agreement_on_goals(design, day)
    yield criterion(
        "commitment to shared goals",
        agreed,
        "share of members",
        "Members that agreed, on average over the goals."
        if agreed is not None
        else "The design does not say which members agreed to its goals.",
    )


def _organisations(web: Web, day: date, assessments: Sequence[Assessment]) -> Iterator[Criterion]:
    def criterion(name: str, value: float | None, says: str) -> Criterion:
        return Criterion(ORGANISATION, name, value, "organisations", says)

    paid = [id for id, roles in zip(web.ids, web.roles, strict=True) if {SUPPLIER, SUBCONTRACTOR} & {*roles}]
    ending = sorted(
        {
            party
            for chain in web.chains
            if chain.contract.end is not None
            and chain.contract.end <= day + AHEAD
            and chain.contract.successor is None
            for party in chain.tiers
        }
    )
    yield criterion(
        "survival",
        float(len(ending)) if web.chains else None,
        f"{len(ending)} are paid under a contract that ends within a year with nothing to follow it."
        if web.chains
        else "No contracts are known.",
    )
    yield criterion(
        "resources gained",
        float(len(paid)) if web.chains else None,
        f"{len(paid)} of {len(web)} are paid, directly or down the chain."
        if web.chains
        else "No contracts are known.",
    )
    untied = untied_members(web)
    members = sum(1 for roles in web.roles if MEMBER in roles)
    yield criterion(
        "standing among others",
        float(members - len(untied)) if members else None,
        f"{members - len(untied)} of {members} members are tied to another."
        if members
        else "No members are stated.",
    )
    yield criterion("cost of services", None, "No source of what a service costs its provider is known.")
    providers = {id for id, roles in zip(web.ids, web.roles, strict=True) if PROVIDER in roles}
    referred = {tie.target for tie in web.ties if tie.type == "referral"}
    yield criterion(
        "access to services",
        float(len(providers & referred)) if referred else None,
        f"{len(providers & referred)} of {len(providers)} providers have people referred to them."
        if referred
        else "No referrals are held.",
    )
    yield criterion("outcomes for clients", None, "Measured by KPIs of services, not worked out here.")
    several = sorted(_in_several(web))
    yield criterion(
        "conflict across networks",
        None,
        f"Conflict is not recorded; {len(several)} have relations in more than one network."
        if several
        else "Conflict is not recorded.",
    )


def _in_several(web: Web) -> set[str]:
    networks: dict[str, set[str]] = {}
    contracts = {chain.contract.id for chain in web.chains}
    for tie in web.ties:
        if tie.via not in contracts:
            for id in (tie.source, tie.target):
                networks.setdefault(id, set()).add(tie.via)
    return {id for id, found in networks.items() if len(found) > 1}
