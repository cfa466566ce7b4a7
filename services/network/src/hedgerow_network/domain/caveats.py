"""What a reader must know of an answer before relying on it, in plain English."""

from collections.abc import Iterator, Sequence

import numpy as np

from hedgerow_network.domain.eligibility import ALL_AGES
from hedgerow_network.domain.locality import OWNERS, PARTIAL, Assessment
from hedgerow_network.domain.people import COUNTED, DERIVED, RESIDENTS, UNKNOWN
from hedgerow_network.domain.places import representative_points
from hedgerow_network.domain.serving import DECLARED, SITED, WITHIN
from hedgerow_network.domain.standing import why_not
from hedgerow_network.domain.summary import counted

NAMED = 5
"""At most so many names in one caveat."""


def caveats(of: Assessment) -> list[str]:
    """All caveats of an assessment, the weightiest for people first; empty if there is nothing to say."""
    parts = (_level, _people, _partial, _ages, _cohort, _not_counted, _placing, _directory, _owners)
    return [said for part in parts for said in part(of)]


def rules_used(of: Assessment) -> dict[str, int]:
    """How many services that count and address one of the needs here were held against each rule."""
    names, counts = np.unique(of.serving.by[_here(of)].astype(str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _asked(of: Assessment) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(of.standing.some & (np.diff(of.held.indptr) > 0))


def _here(of: Assessment) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Of the services asked about, those that serve an area of the locality or a part of one."""
    reached = np.diff(of.serving.whole.indptr) + np.diff(of.serving.partial().indptr)
    return np.asarray(_asked(of) & (reached > 0))


def _level(of: Assessment) -> Iterator[str]:
    hierarchy = of.facts.hierarchy
    if of.question.level is None and of.level != "ward":
        yield f"No wards are held within the locality: the answer is by {of.level}, the finest level held."
    inside = hierarchy.inside(of.locality)
    old = inside[(hierarchy.level[inside] == of.level) & hierarchy.superseded[inside]]
    if old.size:
        named = listed([hierarchy.areas[place].name for place in old])
        yield f"Left out because a successor is held: {named}."


def _people(of: Assessment) -> Iterator[str]:
    basis, cells = of.people.basis, of.people.basis.size
    if not cells:
        yield "There are no cells: no need is held that could be asked about."
        return
    number = {kind: int((basis == kind).sum()) for kind in (UNKNOWN, RESIDENTS, DERIVED, COUNTED)}
    if number[DERIVED]:
        how = (
            f"residents weighted by the index “{of.people.index}”"
            if of.people.index
            else "stated weights or part counts"
        )
        yield (
            f"People are derived, not counted, in {number[DERIVED]} of {cells} cells ({how}): "
            "read them as an order of need, and not beside counted ones."
        )
    if number[RESIDENTS]:
        yield (
            f"In {number[RESIDENTS]} of {cells} cells neither a count nor an index is known: "
            "people are all residents."
        )
    if number[UNKNOWN]:
        yield f"In {number[UNKNOWN]} of {cells} cells nothing is known about people: these rank last."
    if of.question.index is None and of.people.index is None and number[COUNTED] < cells:
        inside = of.facts.hierarchy.inside(of.locality)
        held = [name for name, values in of.figures.indices.items() if np.isfinite(values[inside]).any()]
        if held:
            named = listed(sorted(held))
            yield f"Several indices are held ({named}): name one with index= to weight residents."


def _partial(of: Assessment) -> Iterator[str]:
    cells = int((of.status == PARTIAL).sum())
    if cells:
        yield (
            f"{cells} cells are served only in part: no single service reaches all of the area. "
            "They are listed under kind=partial, not as uncovered."
        )


def _ages(of: Assessment) -> Iterator[str]:
    if of.question.cohort is not None:
        return
    # Those that the summary counts: where a service reaches only part of an area, it counts for nobody yet.
    services = [of.facts.directory.services[row] for row in counted(of, range(len(of.needs)))]
    for choosy, whom, what in (
        (sum(one.for_some_ages for one in services), "for certain ages only", "Ages"),
        (sum(bool(one.circumstances) for one in services), "for certain circumstances only", "Circumstances"),
    ):
        if choosy:
            are = "service here is" if choosy == 1 else "services here are"
            yield f"{choosy} {are} {whom}. {what} are not looked at: each counts for everybody."


def _cohort(of: Assessment) -> Iterator[str]:
    cohort = of.question.cohort
    if cohort is None:
        return
    if cohort.ages != ALL_AGES:
        silent = [not of.facts.directory.services[row].for_some_ages for row in np.flatnonzero(_here(of))]
        if any(silent):
            yield f"{_services(sum(silent))} no ages stated and counted as for all ages."
        yield (
            "People of the cohort are taken as its share of the residents by age, whatever the need; "
            "bands that the ages cut are split evenly."
        )
    if cohort.circumstances:
        yield (
            f"How many people are in these circumstances ({', '.join(cohort.circumstances)}) is not known: "
            "people are all of these ages."
        )


def _not_counted(of: Assessment) -> Iterator[str]:
    """Services of the place left out for what is easily overlooked: their contract, their opening times."""
    directory, question = of.facts.directory, of.question
    reached = np.diff(of.serving.whole.indptr) + np.diff(of.serving.partial().indptr)
    there = np.flatnonzero((reached > 0) & (np.diff(of.held.indptr) > 0) & ~of.standing.counts)
    names: dict[str, list[str]] = {}
    for row in there:
        service = directory.services[row]
        found = why_not(service, of.facts, question.at, question.moment)
        if found is not None:
            silent = found[0] == "opening" and not service.openings
            names.setdefault("silent" if silent else found[0], []).append(service.name)
    for why, says in (
        ("contract", "no contract in force on the date, though linked to contracts, and not counted"),
        ("opening", "opening times that leave out what was asked for, and not counted"),
        ("silent", "no opening times stated, and not counted at the time asked about"),
    ):
        if why in names:
            yield f"{_services(len(names[why]))} {says}: {listed(names[why])}."


def _placing(of: Assessment) -> Iterator[str]:
    asked, directory, hierarchy = _asked(of), of.facts.directory, of.facts.hierarchy
    placed = of.serving.placed
    if placed is not None and directory.sites:
        sited = asked & (of.serving.by == SITED)
        anchor = placed.anchor
        inside, above = hierarchy.inside(of.locality), hierarchy.above(of.locality)
        concerned = (anchor < 0) | np.isin(anchor, inside) | np.isin(anchor, above)
        lost = np.flatnonzero(placed.unplaced & sited[directory.site_service] & concerned)
        if lost.size:
            some = "site was" if lost.size == 1 else "sites were"
            yield (
                f"{lost.size} {some} not placed in any {of.level} and counted nowhere: no boundary held "
                "contains the coordinates, or only a wider area is stated: "
                f"{listed([directory.sites[site].name for site in lost])}."
            )
        if not placed.by_outline and bool(sited.any()):
            yield (
                f"No boundaries of level {of.level} or finer are held: "
                "sites were placed by the area code they state."
            )
    if of.question.rule.name == WITHIN:
        lon, lat = representative_points(hierarchy, of.facts.boundaries)
        nowhere = of.areas[np.isnan(lon[of.areas] + lat[of.areas])]
        if nowhere.size:
            named = listed([hierarchy.areas[place].name for place in nowhere])
            yield f"No representative point is known, so no distance and no cover can be found, for: {named}."


def _directory(of: Assessment) -> Iterator[str]:
    directory = of.facts.directory
    asked = _asked(of)
    declared = of.serving.by == DECLARED

    def names(chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[str]:
        return [directory.services[row].name for row in np.flatnonzero(asked & chosen)]

    for chosen, lacks in (
        (~declared & ~directory.has_site, "no site, here or elsewhere, to be counted at"),
        (declared & ~directory.states_areas, "no area stated, here or elsewhere"),
        (declared & of.facts.states_unheld, "an area stated that is not held, and passed over"),
    ):
        found = names(chosen)
        if found:
            yield f"{_services(len(found))} {lacks}: {listed(found)}."
    if of.question.rule.name == WITHIN:
        unknown = np.isnan(directory.site_lon + directory.site_lat)
        blind = np.zeros(len(directory.services), bool)
        blind[directory.site_service[unknown]] = True
        found = names(blind)
        if found:
            yield f"{_services(len(found))} a site without coordinates, near nothing: {listed(found)}."
    unnamed = sum(1 for row in np.flatnonzero(_here(of)) if directory.services[row].organisation is None)
    if unnamed:
        yield f"{_services(unnamed)} no known provider: each counts as a provider of its own."


def _services(number: int) -> str:
    return "1 service has" if number == 1 else f"{number} services have"


def _owners(of: Assessment) -> Iterator[str]:
    if of.question.count != OWNERS:
        return
    directory, at = of.facts.directory, of.question.at
    providers = {directory.services[row].organisation for row in np.flatnonzero(_here(of))}
    several = sorted(
        {
            directory.organisation_name(body)
            for id in providers
            if id is not None
            for body in directory.chain(id, at)
            if len(directory.owners_of(body, at)) > 1
        }
    )
    if several:
        yield (
            "Several owners control these together, and all is counted for the one with the lowest id: "
            f"{listed(several)}."
        )


def listed(names: Sequence[str]) -> str:
    """Names in a row, the first few by name and the rest by number.

    >>> listed(["A", "B", "C", "D", "E", "F", "G"])
    'A, B, C, D, E and 2 more'
    """
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown
