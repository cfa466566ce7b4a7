"""Why a cell is covered as it is: the services counted, and those that are not, each with its reason."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.eligibility import NONE
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.needs import Match
from hedgerow_network.domain.places import haversine_km, representative_points
from hedgerow_network.domain.serving import DECLARED, SITED
from hedgerow_network.domain.standing import Why, not_for, why_not

WhyExcluded = Why | Literal["area", "need"]


@dataclass(frozen=True)
class Counted:
    """A service that covers the cell. extent: `whole` or `part` (not counted in the depth)."""

    service: int
    match: Match
    rule: str
    extent: Literal["whole", "part"]
    reason: str


@dataclass(frozen=True)
class Excluded:
    """A service that one might expect to cover the cell and that does not; why, and in a sentence."""

    service: int
    why: WhyExcluded
    reason: str


@dataclass(frozen=True)
class Explanation:
    """counted: in the order of provider, then service · excluded: so too, those not active first, then those
    without a contract in force, not open, not for the cohort, for a wider or related need, elsewhere ·
    elsewhere: services for the need that serve only areas outside the locality, and are not listed
    """

    counted: list[Counted]
    excluded: list[Excluded]
    elsewhere: int


def explain(of: Assessment, need: int, area: int) -> Explanation:
    """Explain one cell of an assessment, by the positions of its need and area.

    Excluded are services that address the need but do not count on the date (not active, no contract in
    force, not open), are not for the cohort, or do not serve the area (with the areas they do serve), and
    services that serve the area but address only a wider or a related need.
    """
    directory = of.facts.directory
    counting = of.facts.taxonomies.counting_for(of.needs[need])
    addressing = np.unique(of.held[:, [need]].tocoo().row)
    whole = set(of.serving.whole[:, [area]].tocoo().row.tolist())
    part = set(of.serving.partial()[:, [area]].tocoo().row.tolist())
    somewhere = np.diff(of.serving.whole.indptr) + np.diff(of.serving.partial().indptr)
    concerned = np.zeros(len(directory.services), bool)
    concerned[somewhere > 0] = True
    nowhere = placed_nowhere(of)
    counted: list[Counted] = []
    excluded: list[Excluded] = []
    elsewhere = 0
    for row in (int(place) for place in addressing):
        service = directory.services[row]
        term = min((t for t in service.needs if t in counting), key=lambda t: (len(counting[t].path), t))
        reached = row in whole or row in part
        closed = closed_to_all(of, row)
        if reached and closed is None:
            counted.append(_counted(of, row, area, counting[term], whole=row in whole))
        elif reached and closed is not None:
            excluded.append(Excluded(row, *closed))
        elif concerned[row] or nowhere[row]:
            also = f" {closed[1]}" if closed is not None else ""
            excluded.append(Excluded(row, "area", why_not_here(of, row, area) + also))
        else:
            elsewhere += 1
    taken = set(addressing.tolist())
    for row in sorted((whole | part) - taken):
        wider = near_miss(of, need, row)
        if wider is not None and of.standing.some[row]:
            excluded.append(Excluded(row, "need", wider))

    def order(found: Counted | Excluded) -> tuple[int, int, int]:
        first = _FIRST.index(found.why) if isinstance(found, Excluded) else 0
        return first, int(of.incidence.unit[found.service]), found.service

    return Explanation(sorted(counted, key=order), sorted(excluded, key=order), elsewhere)


_FIRST = ("not active", "contract", "opening", "cohort", "need", "area")


def closed_to_all(of: Assessment, row: int) -> tuple[WhyExcluded, str] | None:
    """Why a service counts for nobody asked about, wherever it serves."""
    service, question = of.facts.directory.services[row], of.question
    found = why_not(service, of.facts, question.at, question.moment)
    if found is not None:
        return found
    if of.standing.accepts[row] == NONE:
        return "cohort", str(not_for(service, question.cohort))
    return None


def _counted(of: Assessment, row: int, area: int, match: Match, *, whole: bool) -> Counted:
    says = _how(of, row, area) if whole else _how_partly(of, row, area)
    limits = not_for(of.facts.directory.services[row], of.question.cohort)
    if limits is not None:
        says = f"{says} {limits}"
    extent: Literal["whole", "part"] = "whole" if whole and limits is None else "part"
    return Counted(row, match, str(of.serving.by[row]), extent, says)


def placed_nowhere(of: Assessment) -> list[bool]:
    """Per service: nothing places it anywhere, so that it might be meant for here."""
    directory, hierarchy, placed = of.facts.directory, of.facts.hierarchy, of.serving.placed
    found = []
    for row, service in enumerate(directory.services):
        if of.serving.by[row] == DECLARED:
            found.append(not any(code in hierarchy.position for code in service.areas))
        else:
            sites = directory.sites_of.get(row, [])
            if of.serving.by[row] == SITED:
                found.append(all(placed is None or placed.unplaced[site] for site in sites))
            else:
                found.append(all(np.isnan(directory.site_lon[site]) for site in sites))
    return found


def _name(of: Assessment, place: int) -> str:
    return of.facts.hierarchy.areas[place].name


def _how(of: Assessment, row: int, area: int) -> str:
    directory, hierarchy = of.facts.directory, of.facts.hierarchy
    here = int(of.areas[area])
    if of.serving.by[row] == DECLARED:
        stated = [
            hierarchy.position[code] for code in directory.services[row].areas if code in hierarchy.position
        ]
        around = set(hierarchy.above(here).tolist())
        direct = [place for place in stated if place in around]
        if here in direct:
            return f"It states {_name(of, here)}."
        if direct:
            return f"It states {_name(of, direct[0])}, which {_name(of, here)} lies in."
        became = [place for place in stated if hierarchy.superseded[place]]
        if became:
            return f"It states {listed([_name(of, p) for p in became])}, now part of today's areas."
        return f"It states areas that together make up {_name(of, here)}."
    sites = directory.sites_of.get(row, [])
    if of.serving.by[row] == SITED:
        assert of.serving.placed is not None
        column = of.serving.placed.in_area[:, [here]].tocoo().row
        names = [directory.sites[site].name for site in sites if site in set(column.tolist())]
        return f"{'A site lies' if len(names) == 1 else 'Sites lie'} in {_name(of, here)}: {listed(names)}."
    nearest, far = _nearest(of, row, here)
    site = directory.sites[nearest].name
    if of.question.costs is not None:
        return f"Its site {site} is {far:.1f} {_unit(of)} from {_name(of, here)} by the matrix."
    return f"Its site {site} is {far:.1f} km from the middle of {_name(of, here)}."


def _how_partly(of: Assessment, row: int, area: int) -> str:
    here = int(of.areas[area])
    leaves = of.serving.leaves
    inside = of.serving.leaf_of[:, [area]].tocoo().row
    reached = np.intersect1d(inside, of.serving.parts[[row]].tocoo().col)
    if not reached.size:
        return f"It states an area that became part of {_name(of, here)}; how large a part is not known."
    lived = of.figures.whole_residents[leaves]
    share = ""
    if np.isfinite(lived[inside]).all() and lived[inside].sum() > 0:
        share = f", with {lived[reached].sum() / lived[inside].sum():.0%} of its residents"
    return f"It serves {reached.size} of the {inside.size} smaller areas of {_name(of, here)}{share}."


def why_not_here(of: Assessment, row: int, area: int) -> str:
    directory, hierarchy = of.facts.directory, of.facts.hierarchy
    here = int(of.areas[area])
    name = _name(of, here)
    service = directory.services[row]
    if of.serving.by[row] == DECLARED:
        if not service.areas:
            return "It states no area."
        known = [_name(of, hierarchy.position[code]) for code in service.areas if code in hierarchy.position]
        return (
            f"It states {listed(known)}, not {name}." if known else "It states only areas that are not held."
        )
    sites = directory.sites_of.get(row, [])
    if not sites:
        return "It has no site."
    if of.serving.by[row] == SITED:
        assert of.serving.placed is not None
        areas = np.unique(of.serving.placed.in_area[sites].tocoo().col)
        if areas.size:
            where = listed([_name(of, int(place)) for place in areas])
            return f"No site of it lies in {name}; its sites lie in {where}."
        anchors = sorted({int(of.serving.placed.anchor[site]) for site in sites} - {-1})
        if anchors:
            return f"Its sites are known only to lie in {listed([_name(of, p) for p in anchors])}."
        return "Its sites lie in no boundary that is held, or have no place stated."
    _, far = _nearest(of, row, here)
    if not np.isfinite(far) and of.question.costs is not None:
        return f"The matrix knows no way from {name} to a site of it."
    if not np.isfinite(far):
        return f"The distance to {name} cannot be told: coordinates are missing."
    rule = of.question.rule
    limit = rule.km if rule.minutes is None else rule.minutes
    return f"Its nearest site is {far:.1f} {_unit(of)} away, further than {limit:g} {_unit(of)}."


def _unit(of: Assessment) -> str:
    return "km" if of.question.rule.minutes is None else "minutes"


def _nearest(of: Assessment, row: int, here: int) -> tuple[int, float]:
    """The site of a service that is nearest to an area, and how far it is in the unit of the rule."""
    directory = of.facts.directory
    sites = directory.sites_of.get(row, [])
    if of.question.costs is not None:
        unit: Unit = "km" if of.question.rule.minutes is None else "minutes"
        known = of.question.costs.costs(of.facts.hierarchy, directory, unit=unit)[[here]].tocoo()
        far = {int(site): float(cost) for site, cost in zip(known.col, known.data, strict=True)}
        nearest = min(sites, key=lambda site: (far.get(site, np.inf), site))
        return nearest, far.get(nearest, np.inf)
    lon, lat = representative_points(of.facts.hierarchy, of.facts.boundaries)
    km = haversine_km(
        directory.site_lon[sites], directory.site_lat[sites], np.array(lon[here]), np.array(lat[here])
    )
    best = int(np.argmin(np.where(np.isfinite(km), km, np.inf)))
    return sites[best], float(km[best])


def near_miss(of: Assessment, need: int, row: int) -> str | None:
    """A service that serves the area and addresses a wider need, or a related one."""
    taxonomies = of.facts.taxonomies
    wanted = of.needs[need]
    parents = []
    current = taxonomies.needs.get(wanted)
    while current is not None and current.parent is not None and current.parent not in parents:
        parents.append(current.parent)
        current = taxonomies.needs.get(current.parent)
    related = {
        b if a == wanted else a
        for a, b, relation in taxonomies.crosswalks
        if relation == "related" and wanted in (a, b)
    }
    stated = of.facts.directory.services[row].needs
    for term in stated:
        name = taxonomies.needs[term].name if term in taxonomies.needs else term
        if term in parents:
            return f"It addresses {name}, a wider need; whether this one is included is not stated."
        if term in related:
            return f"It addresses {name}, which is only related to this need."
    return None
