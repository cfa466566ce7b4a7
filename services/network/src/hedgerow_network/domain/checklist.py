"""What is still open in the design of a network, step by step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from hedgerow_network.domain.design_findings import (
    Kpi,
    answers,
    dangling,
    doubled,
    reached,
    required,
    without_one_accountable,
)
from hedgerow_network.domain.design_gaps import unmeasured
from hedgerow_network.domain.designs import Design
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.relations import Relation

STEPS = (
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
)

# Shares are fractions that people type: a third has its limits.
_SUMS_TO_ONE = 1e-6


@dataclass(frozen=True)
class Open:
    """One thing still open. step: where in the design · code: what kind of thing · subject: id of what it is
    about, "" for the network itself
    """

    step: str
    code: str
    subject: str
    says: str


@dataclass(frozen=True)
class Known:
    """What a design is held against. assessments: the cells of its places · kpis: what outcomes says."""

    facts: Facts
    day: date
    assessments: Sequence[Assessment]
    relations: Sequence[Relation]
    kpis: Mapping[str, Kpi]


def checklist(design: Design, known: Known) -> list[Open]:
    """Everything open, in the order of the steps, then by code and subject."""
    found = [
        *_locality(design, known),
        *_members(design, known),
        *_universe(design, known),
        *_services(design, known),
        *_goals(design, known),
        *_capabilities(design, known),
        *_responsibilities(design),
        *_agreements(design, known),
        *_resources(design),
        *_links(design, known),
        *_governance(design, known),
    ]
    order = {step: place for place, step in enumerate(STEPS)}
    return sorted(set(found), key=lambda one: (order[one.step], one.code, one.subject, one.says))


def _locality(design: Design, known: Known) -> Iterator[Open]:
    if not design.areas:
        yield Open("locality", "no-area", "", "The network names no area that it is for.")
    for code in design.areas:
        if code not in known.facts.hierarchy.position:
            yield Open("locality", "unknown-area", code, f"The area “{code}” is not held.")
    if not design.commissioners:
        yield Open("locality", "no-commissioner", "", "Nobody is named who commissions it.")


def _members(design: Design, known: Known) -> Iterator[Open]:
    if not any(one.belongs(known.day) for one in design.members):
        yield Open("members", "no-member", "", "No organisation is a member on this day.")
    names = known.facts.directory.names
    for said in design.organisations:
        if names.find(said) is None:
            yield Open(
                "members",
                "unknown-organisation",
                said,
                f"The registry knows no organisation “{said}”, or several of that name.",
            )


def _universe(design: Design, known: Known) -> Iterator[Open]:
    if not any(persona.influences for persona in design.personas):
        yield Open("universe", "no-influence", "", "No influence on a persona is described.")
    for need in design.needs:
        if need not in known.facts.taxonomies.needs:
            yield Open("universe", "unknown-need", need, f"The need “{need}” is not held.")
    for one in answers(design, known.assessments):
        if one.status != "answered":
            subject = f"{one.persona.id}/{one.influence.id}"
            says = f"“{one.influence.name}” ({one.influence.sign}) on {one.persona.name}: {one.says}"
            yield Open("universe", f"influence-{one.status}", subject, says)


def _services(design: Design, known: Known) -> Iterator[Open]:
    if not design.services:
        yield Open("services", "no-service", "", "The network names no service.")
    held = known.facts.directory
    for one in design.services:
        name = one.name or one.id
        row = held.position.get(one.id)
        if row is None and one.organisation is None:
            yield Open(
                "services",
                "no-provider",
                one.id,
                f"“{name}” is not in the registry, and nobody is named to provide it.",
            )
        if not (one.needs if row is None else held.services[row].needs):
            yield Open("services", "no-need", one.id, f"“{name}” addresses no need.")


def _goals(design: Design, known: Known) -> Iterator[Open]:
    if not design.goals:
        yield Open("goals", "no-goal", "", "The network has no shared goal.")
    for goal in design.goals:
        for kpi, says in unmeasured(goal, known.kpis):
            code = "no-kpi" if kpi is None else "kpi-not-measured"
            yield Open("goals", code, goal.id, f"The goal “{goal.name}” {says}.")
        if not goal.services:
            yield Open("goals", "no-service", goal.id, f"No service works towards “{goal.name}”.")


def _capabilities(design: Design, known: Known) -> Iterator[Open]:
    for taken in required(design):
        if not taken.described:
            yield Open(
                "capabilities", "not-described", taken.id, f"“{taken.id}” is required and not described."
            )
        if not taken.holders:
            wanted = ", ".join(name for _, _, name in taken.by)
            yield Open(
                "capabilities", "not-assigned", taken.id, f"Nobody is assigned “{taken.name}” for {wanted}."
            )
    for id, name, first, second, areas in doubled(design, known.facts):
        who = " and ".join(known.facts.directory.organisation_name(party) for party in (first, second))
        yield Open(
            "capabilities",
            "doubled",
            id,
            f"{who} both hold the back-office capability “{name}” in {len(areas)} of the same areas.",
        )


def _responsibilities(design: Design) -> Iterator[Open]:
    for about, id, name, who in without_one_accountable(design):
        code = "several-accountable" if who else "nobody-accountable"
        said = f"several are accountable: {', '.join(who)}" if who else "nobody is accountable"
        yield Open("responsibilities", code, f"{about}/{id}", f"For the {about} “{name}” {said}.")
    for said in dangling(design):
        yield Open("responsibilities", "dangling", "", said)


def _agreements(design: Design, known: Known) -> Iterator[Open]:
    if not design.agreements:
        yield Open("agreements", "no-agreement", "", "Nothing is agreed yet.")
    for one in design.agreements:
        if not one.kpis:
            yield Open("agreements", "no-kpi", one.id, f"“{one.name}” names no KPI.")
        for kpi, least in one.kpis:
            if least is None:
                yield Open(
                    "agreements",
                    "no-minimum",
                    one.id,
                    f"“{one.name}” states no minimum service level for {kpi}.",
                )
        if one.review_on is None:
            yield Open("agreements", "no-review", one.id, f"“{one.name}” states no day of review.")
        elif one.review_on < known.day:
            yield Open(
                "agreements",
                "review-due",
                one.id,
                f"“{one.name}” was to be reviewed on {one.review_on.isoformat()}.",
            )
        if one.ends_on is not None and one.ends_on < known.day:
            yield Open("agreements", "ended", one.id, f"“{one.name}” ended on {one.ends_on.isoformat()}.")
    if design.agreements:
        bound = {party for one in design.agreements for party in one.parties}
        for member in sorted({one.organisation for one in design.members if one.belongs(known.day)} - bound):
            yield Open("agreements", "member-not-bound", member, f"{member} is party to no agreement.")


def _resources(design: Design) -> Iterator[Open]:
    for one in design.shared_resources:
        total = sum(share for _, share in one.split)
        if not one.split:
            yield Open("resources", "no-split", one.id, f"Who bears the cost of “{one.name}” is not stated.")
        elif abs(total - 1) > _SUMS_TO_ONE:
            yield Open(
                "resources",
                "split-not-whole",
                one.id,
                f"The shares of “{one.name}” sum to {total:.4g}, not to 1.",
            )


def _links(design: Design, known: Known) -> Iterator[Open]:
    day, directory = known.day, known.facts.directory
    if not design.front_doors:
        yield Open("links", "no-front-door", "", "No front door is named, where people first come.")
    if not any(one.type == "data-sharing" and one.holds(day) for one in known.relations):
        yield Open("links", "no-data-sharing", "", "No data-sharing is agreed.")
    there = reached(design, known.relations, directory, day)
    if there is None:
        return
    providers = {one.organisation for one in design.services if one.organisation}
    providers |= {
        directory.services[directory.position[one.id]].organisation or ""
        for one in design.services
        if one.id in directory.position
    }
    found = {directory.names.find(party) or party for party in providers if party}
    for party in sorted(found - there):
        name = directory.organisation_name(party)
        yield Open("links", "not-referred-to", party, f"No referral leads from a front door to {name}.")


def _governance(design: Design, known: Known) -> Iterator[Open]:
    if design.governance.form is None:
        yield Open("governance", "no-form", "", "How the network is governed is not stated.")
    if design.review_on is None:
        yield Open("review", "no-review", "", "The network states no day of review.")
    elif design.review_on < known.day:
        yield Open(
            "review", "review-due", "", f"The design was to be reviewed on {design.review_on.isoformat()}."
        )
