"""Kinds of gap that come from designs: capability, accountability, measurement, connection."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hedgerow_network.domain.design_findings import (
    Kpi,
    behind,
    people_in,
    reached,
    required,
    without_one_accountable,
)
from hedgerow_network.domain.designs import Design, Goal
from hedgerow_network.domain.gaps import Found, Gap, Inquiry, Told, collected
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.people import BASES
from hedgerow_network.domain.relations import Relation

DESIGNS, KPIS = "designs", "kpis"


@dataclass(frozen=True)
class Designed:
    """A network that was designed, with its relations."""

    design: Design
    relations: tuple[Relation, ...] = ()


def _here(inquiry: Inquiry) -> list[Designed]:
    """Networks designed for the locality, for a part of it, or for a place that it lies in."""
    of = inquiry.of
    hierarchy = of.facts.hierarchy
    around = {*hierarchy.inside(of.locality).tolist(), *hierarchy.above(of.locality).tolist()}
    codes = {hierarchy.codes[place] for place in around}
    return [one for one in inquiry.known.get(DESIGNS, ()) if codes & {*one.design.areas}]


def _gap(of: Assessment, kind: str, id: str, mask: np.ndarray) -> Gap:
    people, basis = people_in(of, mask)
    return Gap(
        kind=kind,
        need=None,
        area=None,
        cohort="",
        id=id,
        people=None if np.isnan(people) else people,
        basis=BASES[basis],
    )


def _rows(of: Assessment, ids: Iterable[str]) -> list[int]:
    held = of.facts.directory.position
    return sorted({held[id] for id in ids if id in held})


def capability(inquiry: Inquiry) -> Found:
    """Capabilities that goals or services take and nobody is assigned."""
    of = inquiry.of

    def found() -> Iterator[tuple[Gap, Told]]:
        for one in _here(inquiry):
            design = one.design
            goals = {goal.id: goal for goal in design.goals}
            for taken in required(design):
                if taken.holders:
                    continue
                services = {id for about, id, _ in taken.by if about == "service"}
                for about, id, _ in taken.by:
                    if about == "goal":
                        services.update(goals[id].services)
                wanted = ", ".join(f"the {about} “{name}”" for about, _, name in taken.by)
                missing = "nobody is assigned it" if taken.described else "the design does not describe it"
                yield (
                    _gap(of, "capability", f"{design.id}/{taken.id}", behind(of, design, services)),
                    Told(
                        f"“{taken.name}” is needed for {wanted} of {design.name}, and {missing}.",
                        services=_rows(of, services),
                        figures={"network": design.id, "capability": taken.id, "holders": 0},
                        parties=((design.id, design.name),),
                    ),
                )

    return collected(list(found()))


def accountability(inquiry: Inquiry) -> Found:
    """Goals and services without exactly one accountable party."""
    of = inquiry.of

    def found() -> Iterator[tuple[Gap, Told]]:
        for one in _here(inquiry):
            design = one.design
            goals = {goal.id: goal for goal in design.goals}
            for about, id, name, who in without_one_accountable(design):
                services = {*goals[id].services} if about == "goal" else {id}
                names = [_named(of, party) for party in who]
                said = f"{len(who)} are: {', '.join(names)}" if who else "nobody is"
                yield (
                    _gap(of, "accountability", f"{design.id}/{about}/{id}", behind(of, design, services)),
                    Told(
                        f"One party should be accountable for the {about} “{name}” of {design.name}; {said}.",
                        services=_rows(of, services),
                        figures={"network": design.id, about: id, "accountable": len(who)},
                        parties=((design.id, design.name), *zip(who, names, strict=True)),
                    ),
                )

    return collected(list(found()))


def _named(of: Assessment, said: str) -> str:
    directory = of.facts.directory
    return directory.organisation_name(directory.names.find(said) or said)


def measurement(inquiry: Inquiry) -> Found:
    """Goals without a KPI, with one that outcomes does not know, or with one that nothing was observed of."""
    of = inquiry.of
    known: Mapping[str, Kpi] = inquiry.known.get(KPIS, {})

    def found() -> Iterator[tuple[Gap, Told]]:
        for one in _here(inquiry):
            design = one.design
            for goal in design.goals:
                for kpi, says in unmeasured(goal, known):
                    mask = behind(of, design, {*goal.services})
                    yield (
                        _gap(of, "measurement", f"{design.id}/{goal.id}/{kpi or ''}", mask),
                        Told(
                            f"The goal “{goal.name}” of {design.name} {says}.",
                            services=_rows(of, goal.services),
                            figures={"network": design.id, "goal": goal.id, "kpi": kpi},
                            parties=((design.id, design.name),),
                        ),
                    )

    return collected(list(found()))


def unmeasured(goal: Goal, known: Mapping[str, Kpi]) -> list[tuple[str | None, str]]:
    """What a goal lacks to be measured: (KPI or None, the end of a sentence about the goal)."""
    if not goal.kpis:
        return [(None, "has no KPI")]
    found: list[tuple[str | None, str]] = []
    for id in goal.kpis:
        kpi = known.get(id, Kpi())
        if kpi.known is False:
            found.append((id, f"names the KPI “{id}”, which is not defined"))
        elif kpi.has_data is False:
            found.append((id, f"is measured by the KPI “{id}”, which has no observations"))
    return found


def measurement_caveats(inquiry: Inquiry) -> Iterator[str]:
    """Say which KPIs could not be looked at."""
    known: Mapping[str, Kpi] = inquiry.known.get(KPIS, {})
    named = {id for one in _here(inquiry) for goal in one.design.goals for id in goal.kpis}
    unasked = sum(1 for id in named if known.get(id, Kpi()).known is None)
    if unasked:
        yield (
            f"Outcomes could not be asked about {unasked} of {len(named)} KPIs: whether they are defined and "
            "have data is not known."
        )


def connection(inquiry: Inquiry) -> Found:
    """Cells that are served, but by nobody whom referrals lead to from a front door of the network."""
    of = inquiry.of
    units = of.counted_by("providers")

    def found() -> Iterator[tuple[Gap, Told]]:
        for one in _here(inquiry):
            design = one.design
            there = reached(design, one.relations, of.facts.directory, of.question.at)
            if there is None:
                continue
            within = {unit for unit, id in enumerate(units.units.ids) if id in there}
            asked = {*design.needs} or {*of.needs}
            for row in [row for row, need in enumerate(of.needs) if need in asked]:
                for area in np.flatnonzero(units.cover.depth[row] > 0).tolist():
                    if within & {int(unit) for unit in units.incidence.units_of(row, area)}:
                        continue
                    yield _unconnected(of, design, row, area)

    return collected(list(found()))


def _unconnected(of: Assessment, design: Design, row: int, area: int) -> tuple[Gap, Told]:
    basis = int(of.people.basis[row, area])
    services = [int(one) for one in of.incidence.services_of(row, area)]
    doors = ", ".join(_named(of, door) for door in design.front_doors)
    gap = Gap(
        kind="connection",
        need=row,
        area=area,
        cohort="",
        id=design.id,
        people=float(of.people.count[row, area]) if basis else None,
        basis=BASES[basis],
    )
    told = Told(
        f"No referral of {design.name} leads from a front door ({doors}) to any of the {len(services)} "
        "services that meet it here.",
        services=services,
        figures={"network": design.id},
        parties=((design.id, design.name),),
    )
    return gap, told


def connection_caveats(inquiry: Inquiry) -> Iterator[str]:
    """Say which networks name no front door."""
    without = sorted(one.design.name for one in _here(inquiry) if not one.design.front_doors)
    if without:
        yield f"{len(without)} networks here name no front door and are not looked at: {', '.join(without)}."
