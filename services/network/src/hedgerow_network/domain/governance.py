"""Which form of governance fits a network: its own members, one that leads, or a body set up for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from hedgerow_network.domain.designs import (
    ADMINISTRATIVE,
    ADMINISTRATOR,
    LEAD,
    LEAD_ORGANISATION,
    PARTICIPANT_GOVERNED,
    Design,
)
from hedgerow_network.domain.web import MEMBER, Web

TRUST, PARTICIPANTS, CONSENSUS, COMPETENCIES = (
    "trust",
    "participants",
    "goal_consensus",
    "competency_need",
)

# The levels above which a factor is the next one: ours, stated in every answer; the source has words only.
LEVELS: Mapping[str, tuple[tuple[float, str], ...]] = {
    TRUST: ((0.0, "low"), (0.25, "moderate"), (0.5, "high")),
    PARTICIPANTS: ((0.0, "few"), (9.0, "moderate"), (21.0, "many")),
    CONSENSUS: ((0.0, "low"), (0.25, "moderately low"), (0.5, "moderately high"), (0.75, "high")),
    COMPETENCIES: ((0.0, "low"), (1 / 3, "moderate"), (2 / 3, "high")),
}
SUITS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    PARTICIPANT_GOVERNED: {
        TRUST: ("high",),
        PARTICIPANTS: ("few",),
        CONSENSUS: ("high",),
        COMPETENCIES: ("low",),
    },
    LEAD_ORGANISATION: {
        TRUST: ("low",),
        PARTICIPANTS: ("moderate",),
        CONSENSUS: ("moderately low",),
        COMPETENCIES: ("moderate",),
    },
    ADMINISTRATIVE: {
        TRUST: ("moderate",),
        PARTICIPANTS: ("moderate", "many"),
        CONSENSUS: ("moderately high",),
        COMPETENCIES: ("high",),
    },
}
_TITLES = {
    TRUST: "Trust across the network",
    PARTICIPANTS: "Number of participants",
    CONSENSUS: "Agreement on goals",
    COMPETENCIES: "Need for competencies of the network as a whole",
}


@dataclass(frozen=True)
class Factor:
    """value, level: None = not known · says: how it was found, or why it is not known"""

    name: str
    title: str
    value: float | None
    level: str | None
    says: str


@dataclass(frozen=True)
class Suit:
    """How a form suits: the factors that speak for it, against it, and those not known."""

    form: str
    fits: tuple[str, ...]
    misses: tuple[str, ...]
    unknown: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """present: the form the network has, None = not known · suggested: the forms most factors speak for, none
    where nothing is known
    """

    present: str | None
    present_says: str
    factors: tuple[Factor, ...]
    forms: tuple[Suit, ...]
    suggested: tuple[str, ...]
    says: str


def governance_fit(design: Design, web: Web, day: date) -> Fit:
    """Hold a network against the conditions under which each form of governance is likely to work.

    What members said (`Design.governance`) goes before what can be worked out: trust from the strength of
    ties that are not contracts, agreement from who agreed to the goals, the need for competencies from what
    goals and services require that no single organisation holds. A factor that cannot be found is left out of
    the count, and said.

    Edges: nothing known, nothing suggested; a tie between forms suggests each of them.
    Source: Provan & Kenis 2008, Modes of Network Governance, J. Public Administration Research and Theory
    18(2), 229–252: the four conditions and what each form asks of them. Where one level ends is set here
    (`LEVELS`).
    """
    factors = (
        _trust(design, web),
        _participants(design, web, day),
        _consensus(design, day),
        _competencies(design),
    )
    forms = tuple(_suit(form, factors) for form in SUITS)
    known = [one for one in factors if one.level is not None]
    most = max(len(one.fits) for one in forms)
    suggested = tuple(one.form for one in forms if len(one.fits) == most) if known and most else ()
    present, present_says = _present(design, day)
    return Fit(present, present_says, factors, forms, suggested, _verdict(present, suggested, len(known)))


def level_of(factor: str, value: float) -> str:
    """The level that a value of a factor reaches.

    >>> level_of("participants", 8), level_of("participants", 9), level_of("goal_consensus", 0.75)
    ('few', 'moderate', 'high')
    """
    return [name for least, name in LEVELS[factor] if value >= least][-1]


def _factor(name: str, value: float | None, says: str) -> Factor:
    level = None if value is None else level_of(name, value)
    return Factor(name, _TITLES[name], value, level, says)


def _trust(design: Design, web: Web) -> Factor:
    if design.governance.trust is not None:
        return _factor(TRUST, design.governance.trust, "As stated in the design.")
    ties = [tie for tie in web.ties if tie.type != "contract"]
    pairs = len(web) * (len(web) - 1) / 2
    if not ties or not pairs:
        return _factor(TRUST, None, "No relations are held that could stand for trust.")
    heaviest = max((tie.weight or 0.0 for tie in ties), default=0.0)
    strength: dict[tuple[str, ...], float] = {}
    for tie in ties:
        pair = tuple(sorted((tie.source, tie.target)))
        weight = 1.0 if tie.weight is None or not heaviest else tie.weight / heaviest
        strength[pair] = max(strength.get(pair, 0.0), weight)
    value = sum(strength[pair] for pair in sorted(strength)) / pairs
    weighted = any(tie.weight is not None for tie in ties)
    how = "each by its weight beside the heaviest" if weighted else "each counted whole: none has a weight"
    return _factor(TRUST, value, f"Strength of {len(strength)} ties over all {pairs:.0f} pairs, {how}.")


def _participants(design: Design, web: Web, day: date) -> Factor:
    members = _members(design, day)
    if members:
        return _factor(PARTICIPANTS, float(len(members)), f"{len(members)} members on the day.")
    if len(web):
        return _factor(
            PARTICIPANTS, float(len(web)), f"No members are stated: {len(web)} organisations have a part."
        )
    return _factor(PARTICIPANTS, None, "Nobody is known to take part.")


def _members(design: Design, day: date) -> list[str]:
    return sorted({one.organisation for one in design.members if one.belongs(day)})


def agreement_on_goals(design: Design, day: date) -> float | None:
    """The share of members that agreed to a goal, on average over the goals; None where nobody is asked."""
    members = _members(design, day)
    if not members or not any(goal.agreed_by for goal in design.goals):
        return None
    shares = [len({*goal.agreed_by} & {*members}) / len(members) for goal in design.goals]
    return sum(shares) / len(shares)


def _consensus(design: Design, day: date) -> Factor:
    if design.governance.goal_consensus is not None:
        return _factor(CONSENSUS, design.governance.goal_consensus, "As stated in the design.")
    value = agreement_on_goals(design, day)
    if value is None:
        return _factor(CONSENSUS, None, "The design does not say which members agreed to its goals.")
    return _factor(
        CONSENSUS,
        value,
        f"On average {value:.0%} of the members agreed to each of {len(design.goals)} goals.",
    )


def _competencies(design: Design) -> Factor:
    if design.governance.competency_need is not None:
        return _factor(COMPETENCIES, design.governance.competency_need, "As stated in the design.")
    held: dict[str, set[str]] = {
        one.id: {holding.organisation for holding in one.held_by} for one in design.capabilities
    }
    asking = [goal.requires for goal in design.goals if goal.requires]
    asking += [service.requires for service in design.services if service.requires]
    if not asking:
        return _factor(COMPETENCIES, None, "No goal or service states what capabilities it takes.")
    shared = sum(1 for required in asking if not set.intersection(*(held.get(c, set()) for c in required)))
    return _factor(
        COMPETENCIES,
        shared / len(asking),
        f"{shared} of {len(asking)} goals and services take capabilities that no single organisation holds.",
    )


def _suit(form: str, factors: Sequence[Factor]) -> Suit:
    fits, misses, unknown, reasons = [], [], [], []
    for factor in factors:
        wanted = SUITS[form][factor.name]
        asked = " or ".join(wanted)
        if factor.level is None:
            unknown.append(factor.name)
            reasons.append(f"{factor.title}: asks for {asked}; not known.")
        elif factor.level in wanted:
            fits.append(factor.name)
            reasons.append(f"{factor.title}: asks for {asked}, and it is {factor.level}.")
        else:
            misses.append(factor.name)
            reasons.append(f"{factor.title}: asks for {asked}, but it is {factor.level}.")
    return Suit(form, tuple(fits), tuple(misses), tuple(unknown), tuple(reasons))


def _present(design: Design, day: date) -> tuple[str | None, str]:
    if design.governance.form is not None:
        return design.governance.form, "As stated in the design."
    roles = {one.role for one in design.members if one.belongs(day)}
    if ADMINISTRATOR in roles:
        return ADMINISTRATIVE, "A member has the role of administrator."
    if LEAD in roles:
        return LEAD_ORGANISATION, "A member has the role of lead."
    if roles:
        return PARTICIPANT_GOVERNED, "No member leads or administers."
    return None, "No members are stated."


def _verdict(present: str | None, suggested: Sequence[str], known: int) -> str:
    if not suggested:
        return "Too little is known to suggest a form."
    basis = f"on {known} of 4 conditions"
    if present is None:
        return f"Most speaks for {' or '.join(suggested)}, {basis}."
    if present in suggested:
        return f"The present form, {present}, is among those that fit best, {basis}."
    return f"The present form is {present}; {' or '.join(suggested)} would fit better, {basis}."


def multiplex_share(web: Web) -> float | None:
    """The share of tied pairs that are tied in two ways or more; None without ties."""
    types: dict[tuple[str, ...], set[str]] = {}
    for tie in web.ties:
        types.setdefault(tuple(sorted((tie.source, tie.target))), set()).add(tie.type)
    if not types:
        return None
    return sum(1 for found in types.values() if len(found) > 1) / len(types)


def untied_members(web: Web) -> list[str]:
    """Members without a tie to anybody, by id."""
    degree = web.measures.degree
    return [
        id for id, roles, ties in zip(web.ids, web.roles, degree, strict=True) if MEMBER in roles and not ties
    ]
