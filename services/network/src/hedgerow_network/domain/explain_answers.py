"""Which services an answer about a place counted for a need, and which not: each with its reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hedgerow_network.domain.access import CAPACITY, SITES, USUAL_LIMIT
from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.concentration import Contest, contest
from hedgerow_network.domain.eligibility import PART
from hedgerow_network.domain.explain import (
    WhyExcluded,
    closed_to_all,
    near_miss,
    placed_nowhere,
    why_not_here,
)
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.standing import not_for
from hedgerow_network.domain.travel import Reach, Travel

AnswerName = Literal[
    "cover",
    "gaps",
    "overlaps",
    "overlap-groups",
    "fragility",
    "weak-points",
    "concentration",
    "contestability",
    "bottlenecks",
    "horizon",
    "access",
    "adequacy",
    "siting",
    "closing",
    "summary",
]
WhyLeft = WhyExcluded | Literal["part", "site", "capacity", "reach"]


@dataclass(frozen=True)
class Considered:
    """A service that one might expect in an answer. why: None = it was counted"""

    service: int
    why: WhyLeft | None
    reason: str


@dataclass(frozen=True)
class Account:
    """counted, excluded: by provider, then service; of the excluded those that count for nobody first ·
    elsewhere: services for the need that have to do with other places only, and are not listed
    """

    counted: list[Considered]
    excluded: list[Considered]
    elsewhere: int


@dataclass(frozen=True)
class Ways:
    """What an answer that goes by ways was asked besides. unit: of a matrix, None = as it has them ·
    reach: how far an alternative may be, None = as far as usual · supply: as in `AccessQuestion`
    """

    unit: Unit | None = None
    reach: float | None = None
    supply: str | None = None


Said = tuple[WhyLeft | None, str]
Rule = Callable[[Assessment, int, int, Ways], Said | None]
"""What an answer makes of a service that counts on the date: why it leaves it out, or None, and a sentence;
nothing at all where it has to do with other places only.
"""

_FIRST = ("not active", "contract", "opening", "cohort", "need", "capacity", "site", "part", "reach", "area")


def account(of: Assessment, need: int, answer: AnswerName, ways: Ways = Ways()) -> Account:
    """Say of each service for a need whether an answer of this name counted it, and why.

    answer: a key of `ANSWERS`. Left out by all answers is what does not count on the date (not active, no
    contract in force, not open), is not for the cohort, or is here for a wider or a related need only; the
    rest is for the rule of the answer to say.
    Edges: no service addresses the need: nothing is listed.
    """
    rule, found, elsewhere = ANSWERS[answer], [], 0
    addressing = np.unique(of.held[:, [need]].tocoo().row).tolist()
    for row in addressing:
        said = rule(of, need, row, ways)
        if said is None:
            elsewhere += 1
        else:
            found.append(Considered(row, *(closed_to_all(of, row) or said)))
    here = np.flatnonzero((np.diff(of.serving.whole.indptr) + np.diff(of.serving.partial().indptr)) > 0)
    for row in np.setdiff1d(here, addressing).tolist():
        wider = near_miss(of, need, row)
        if wider is not None and of.standing.some[row]:
            found.append(Considered(row, "need", wider))

    def order(one: Considered) -> tuple[int, int, int]:
        first = 0 if one.why is None else _FIRST.index(one.why)
        return first, int(of.incidence.unit[one.service]), one.service

    counted = [one for one in found if one.why is None]
    excluded = [one for one in found if one.why is not None]
    return Account(sorted(counted, key=order), sorted(excluded, key=order), elsewhere)


def _serving(of: Assessment, need: int, row: int, ways: Ways) -> Said | None:
    """Counted is who serves the whole of an area here, for the whole of the cohort."""
    whole, part = of.serving.whole[[row]].indices, of.serving.partial()[[row]].indices
    if not whole.size and not part.size:
        nowhere = of.once("placed nowhere", lambda: placed_nowhere(of))
        return ("area", why_not_here(of, row, 0)) if nowhere[row] and of.areas.size else None
    if whole.size and of.standing.accepts[row] == PART:
        return "part", str(not_for(of.facts.directory.services[row], of.question.cohort))
    if whole.size:
        where = f"{whole.size} of {of.areas.size} areas here: {_names(of, whole)}"
        return None, f"By the rule {of.serving.by[row]} it serves {where}."
    return "part", f"It serves no area here whole, only parts of {_names(of, part)}."


def _with_places(of: Assessment, need: int, row: int, ways: Ways) -> Said | None:
    """Counted is who serves an area or a part of one, and states how many people it can take."""
    said = _serving(of, need, row, ways)
    if said is None or said[0] not in (None, "part"):
        return said
    if of.facts.directory.services[row].capacity is None:
        return "capacity", "It states no capacity: taken to have room for all who come, it holds nobody back."
    return None, said[1]


def _at_sites(of: Assessment, need: int, row: int, ways: Ways) -> Said | None:
    """Counted is who has a site to which a way is known, open to people of an area here."""
    directory = of.facts.directory
    sites = directory.sites_of.get(row, [])
    states = bool(directory.states_areas[row])
    touched = np.union1d(of.serving.whole[[row]].indices, of.serving.partial()[[row]].indices)
    if states and not touched.size:
        return None
    if not sites:
        return "site", "It has no site: nobody has a way to it."
    named = of.once(f"sites with a way in {ways.unit}", lambda: _sites_with_a_way(of, ways.unit))
    known = [directory.sites[site].name for site in sites if named[site]]
    if not known:
        return "site", "No way leads to its sites: without coordinates, or not named by the matrix."
    whom = "people of the areas it states" if states else "all"
    return None, f"Open to {whom} at {listed(known)}."


def _sites_with_a_way(of: Assessment, unit: Unit | None) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return Reach(of.facts.hierarchy, of.facts.boundaries, of.facts.directory, _travel(of, unit)).named


def _travel(of: Assessment, unit: Unit | None = None) -> Travel:
    matrix = of.question.costs
    return Travel(None, "km", 1.0) if matrix is None else Travel(matrix, matrix.unit(unit))


def _supplying(of: Assessment, need: int, row: int, ways: Ways) -> Said | None:
    """As at sites, with places: one that states none is no supply beside those that do."""
    said = _at_sites(of, need, row, ways)
    services = of.facts.directory.services
    if said is None or said[0] is not None or services[row].capacity is not None:
        return said
    if ways.supply == SITES:
        return None, f"{said[1]} Each site counts one, as was asked."
    if ways.supply == CAPACITY:
        return "capacity", "It states no capacity: it has none of the places that were asked for."
    beside = of.held[:, [need]].tocoo().row
    if any(services[other].capacity is not None and of.standing.some[other] for other in beside):
        return "capacity", "It states no capacity, and counts as no supply beside those that do."
    return None, f"{said[1]} Nobody states a capacity: each site counts one."


def _able_to_take_over(of: Assessment, need: int, row: int, ways: Ways) -> Said | None:
    """Counted is who serves an area here or could, and has places left."""
    found: Contest = of.once(f"contest within {ways.reach}", lambda: _contest(of, ways.reach))
    areas = found.reach[[row]].indices
    if not areas.size:
        said = _serving(of, need, row, ways)
        return None if said is None else (said[0] or "reach", said[1])
    spare = float(found.spare[row])
    there = f"It serves, or could reach, {_names(of, areas)}"
    if np.isnan(spare):
        return "capacity", f"{there}; whether it has places left is not known."
    if spare < 1:
        return "capacity", f"{there}, but all its places are taken when everybody goes to the nearest."
    return None, f"{there}, with {spare:,.0f} places left when everybody goes to the nearest."


def _contest(of: Assessment, reach: float | None) -> Contest:
    travel = _travel(of)
    return contest(of, travel, reach or USUAL_LIMIT[travel.unit])


def _names(of: Assessment, areas: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> str:
    return listed([of.facts.hierarchy.areas[int(of.areas[area])].name for area in np.sort(areas)])


ANSWERS: Mapping[AnswerName, Rule] = {
    "cover": _serving,
    "gaps": _serving,
    "overlaps": _serving,
    "overlap-groups": _serving,
    "fragility": _serving,
    "weak-points": _serving,
    "concentration": _serving,
    "horizon": _serving,
    "closing": _serving,
    "summary": _serving,
    "adequacy": _serving,
    "bottlenecks": _with_places,
    "contestability": _able_to_take_over,
    "access": _supplying,
    "siting": _at_sites,
}
"""What each answer about a place makes of a service, by the name of the answer."""
