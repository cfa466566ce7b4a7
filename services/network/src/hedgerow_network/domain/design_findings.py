"""What a design leaves open, question by question; `checklist` and the kinds of gap tell it further."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from hedgerow_network.domain.designs import ACCOUNTABLE, About, Design, Influence, Persona
from hedgerow_network.domain.directory import Directory
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.relations import Relation

Answered = Literal["answered", "partly", "unanswered"]


@dataclass(frozen=True)
class Kpi:
    """What outcomes says of a KPI; None = it could not be asked."""

    known: bool | None = None
    has_data: bool | None = None


@dataclass(frozen=True)
class Required:
    """A capability that goals or services take. described: whether the design lists it · by: (what, id, name)
    of each that takes it · holders: organisations, as named
    """

    id: str
    name: str
    described: bool
    by: tuple[tuple[About, str, str], ...]
    holders: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """An influence on a persona, and who answers it. services: ids of active ones · areas_without: codes of
    areas of the network where none of its needs is met · says: in a sentence
    """

    persona: Persona
    influence: Influence
    status: Answered
    services: tuple[str, ...]
    areas_without: tuple[str, ...]
    says: str


def required(design: Design) -> list[Required]:
    """Capabilities that something in the design takes, by id."""
    taken: dict[str, list[tuple[About, str, str]]] = {}
    for goal in design.goals:
        for id in goal.requires:
            taken.setdefault(id, []).append(("goal", goal.id, goal.name))
    for service in design.services:
        for id in service.requires:
            taken.setdefault(id, []).append(("service", service.id, service.name or service.id))
    described = {one.id: one for one in design.capabilities}
    return [
        Required(
            id=id,
            name=described[id].name if id in described else id,
            described=id in described,
            by=tuple(taken[id]),
            holders=tuple(sorted({h.organisation for h in described[id].held_by})) if id in described else (),
        )
        for id in sorted(taken)
    ]


def without_one_accountable(design: Design) -> list[tuple[About, str, str, list[str]]]:
    """Goals and services without exactly one accountable party: (what, id, name, who is accountable)."""
    subjects: list[tuple[About, str, str]] = [("goal", one.id, one.name) for one in design.goals]
    subjects += [("service", one.id, one.name or one.id) for one in design.services]
    found = [(*subject, design.accountable(subject[0], subject[1])) for subject in subjects]
    return [one for one in found if len(one[3]) != 1]


def dangling(design: Design) -> list[str]:
    """References within the design to what it does not hold, in sentences."""
    held: Mapping[str, set[str]] = {
        "goal": {one.id for one in design.goals},
        "service": {one.id for one in design.services},
        "capability": {one.id for one in design.capabilities},
    }
    said = [
        f"{one.organisation} is {one.role} for the {one.about} “{one.id}”, which the design does not hold."
        for one in design.responsibilities
        if one.id not in held[one.about]
    ]
    said += [
        f"The goal “{goal.name}” names the service “{id}”, which the design does not hold."
        for goal in design.goals
        for id in goal.services
        if id not in held["service"]
    ]
    return sorted(set(said))


def answers(design: Design, assessments: Sequence[Assessment]) -> list[Answer]:
    """Each influence on each persona, and whether a service answers it.

    A service answers if the influence names it and it is active and serves the place, or if one of the needs
    of the influence is met. *partly*: not in all areas. An influence with neither needs nor services is
    answered by nobody.

    Edges: a network without a place that is held: an influence is answered by nobody that is known.
    """
    return [
        _answer(persona, influence, assessments)
        for persona in design.personas
        for influence in persona.influences
    ]


def _answer(persona: Persona, influence: Influence, assessments: Sequence[Assessment]) -> Answer:
    services: set[str] = set()
    without: list[str] = []
    areas = 0
    for of in assessments:
        cells = np.zeros(of.areas.size, dtype=bool)
        rows = [of.needs.index(need) for need in influence.needs if need in of.needs]
        for row in rows:
            cells |= of.cover.depth[row] > 0
        named = [of.facts.directory.position.get(id) for id in influence.services]
        serves = of.incidence.serves
        for row in [row for row in named if row is not None]:
            cells[serves.indices[serves.indptr[row] : serves.indptr[row + 1]]] = True
            if serves.indptr[row + 1] > serves.indptr[row]:
                services.add(of.facts.directory.services[row].id)
        services |= {of.facts.directory.services[row].id for need in rows for row in _addressing(of, need)}
        areas += cells.size
        without += [
            of.facts.hierarchy.codes[int(place)]
            for place, met in zip(of.areas, cells, strict=True)
            if not met
        ]
    if areas and not without:
        return Answer(
            persona, influence, "answered", tuple(sorted(services)), (), "It is answered everywhere."
        )
    if len(without) < areas:
        return Answer(
            persona,
            influence,
            "partly",
            tuple(sorted(services)),
            tuple(sorted(without)),
            f"In {len(without)} of {areas} areas no service answers it.",
        )
    if not influence.needs and not influence.services:
        says = "It is linked to no need and no service."
    elif not assessments:
        says = "The network names no area that is held: whom it has services from is not known."
    else:
        says = "No service that counts answers it."
    return Answer(persona, influence, "unanswered", (), tuple(sorted(without)), says)


def _addressing(of: Assessment, need: int) -> list[int]:
    """Services that count for a need anywhere in the locality."""
    addresses = of.incidence.addresses[:, [need]].tocoo().row
    serving = np.flatnonzero(np.diff(of.incidence.serves.indptr) > 0)
    return [int(row) for row in np.intersect1d(addresses, serving)]


def reached(
    design: Design, relations: Iterable[Relation], directory: Directory, day: date
) -> frozenset[str] | None:
    """The organisations that people come to from the front doors by referral, these included; None without
    front doors.
    """
    if not design.front_doors:
        return None
    names = directory.names
    onward: dict[str, set[str]] = {}
    for one in relations:
        if one.type == "referral" and one.holds(day):
            source = names.find(one.source) or one.source
            onward.setdefault(source, set()).add(names.find(one.target) or one.target)
    waiting = [names.find(door) or door for door in design.front_doors]
    found: set[str] = set()
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += sorted(onward.get(here, ()))
    return frozenset(found)


def cells_of(of: Assessment, services: Collection[str], needs: Collection[str]) -> np.ndarray:
    """(n_needs × n_areas) which cells these services cover, and all cells of these needs."""
    mask = np.zeros(len(of.needs) * of.areas.size, dtype=bool)
    for id in services:
        row = of.facts.directory.position.get(id)
        if row is not None:
            mask[of.incidence.cells_of_service(row)] = True
    for need in needs:
        if need in of.needs:
            start = of.needs.index(need) * of.areas.size
            mask[start : start + of.areas.size] = True
    return mask


def behind(of: Assessment, design: Design, ids: Collection[str]) -> np.ndarray:
    """The cells behind services of a design: those that they cover, or, of planned ones, of their needs."""
    held = of.facts.directory.position
    known = [id for id in ids if id in held]
    planned = [one for one in design.services if one.id in ids and one.id not in held]
    return cells_of(of, known, [need for one in planned for need in one.needs])


def people_in(of: Assessment, mask: np.ndarray) -> tuple[float, int]:
    """People in cells, each counted once for each need, and how they are known (position in BASES)."""
    basis = of.people.basis.ravel()[mask]
    known = basis > 0
    if not known.any():
        return float("nan"), 0
    return float(of.people.count.ravel()[mask][known].sum()), int(basis[known].min())


def doubled(design: Design, facts: Facts) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    """Pairs of organisations that hold the same back-office capability in the same area: (capability, its
    name, first, second, codes of the areas).
    """
    hierarchy = facts.hierarchy

    def reach(areas: Sequence[str]) -> frozenset[str]:
        """Every area within those named, as far as held; areas that are not held stand for themselves."""
        found: set[str] = set()
        for code in areas:
            place = hierarchy.position.get(code)
            found.add(code)
            if place is not None:
                found |= {hierarchy.codes[int(one)] for one in hierarchy.inside(place)}
        return frozenset(found)

    found = []
    for capability in design.capabilities:
        if not capability.back_office:
            continue
        by_holder: dict[str, frozenset[str]] = {}
        for held in capability.held_by:
            who = facts.directory.names.find(held.organisation) or held.organisation
            by_holder[who] = by_holder.get(who, frozenset()) | reach(held.areas or design.areas)
        holders = sorted(by_holder)
        for place, first in enumerate(holders):
            for second in holders[place + 1 :]:
                shared = by_holder[first] & by_holder[second]
                if shared:
                    found.append((capability.id, capability.name, first, second, tuple(sorted(shared))))
    return found


def roles_of(design: Design, about: About, id: str) -> dict[str, list[str]]:
    """Role → who has it, for a goal, service or capability."""
    found: dict[str, list[str]] = {}
    for one in design.responsibilities:
        if (one.about, one.id) == (about, id):
            found.setdefault(one.role, []).append(one.organisation)
    return {role: sorted(set(found[role])) for role in sorted(found, key=lambda r: (r != ACCOUNTABLE, r))}
