"""Cohort holes: ages and circumstances that no service of a cell accepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np

from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.cover import Floats, columns, kept
from hedgerow_network.domain.directory import Service
from hedgerow_network.domain.eligibility import ALL_AGES, Ages, Cohort, united
from hedgerow_network.domain.gaps import Found, Gap, Inquiry, Told, collected
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.people import BASES, Basis, People
from hedgerow_network.domain.people import people as people_of


@dataclass(frozen=True, order=True)
class Hole:
    """Ages that no service accepts whatever the circumstances; `but_for`: circumstances that one does."""

    ages: Ages
    but_for: tuple[str, ...] = ()


def holes(services: Sequence[Service], within: Ages) -> list[Hole]:
    """The ages within a range that none of the services accepts, ascending; exact.

    The line of ages is cut wherever a service begins or ends. On each piece, either somebody accepts people
    whatever their circumstances, or it is a hole; `but_for` are the circumstances of the services that accept
    the piece all the same. Pieces that follow one another and differ in nothing are one hole.

    Edges: no services: the whole range is a hole.

    >>> young, old = Service("a", "A", maximum_age=15), Service("b", "B", minimum_age=18)
    >>> [str(hole.ages) for hole in holes([young, old], ALL_AGES)]
    ['16-17']
    """
    ranges = [(service.ages & within, service.circumstances) for service in services]
    cuts = {within.low, within.high}
    cuts |= {bound for one, _ in ranges if one is not None for bound in (one.low, one.high)}
    ordered = sorted(cuts)
    found: list[Hole] = []
    for low, high in pairwise(ordered):
        piece = Ages(low, high)
        accepting = [whom for one, whom in ranges if one is not None and one.holds(piece)]
        if any(not whom for whom in accepting):
            continue
        but_for = tuple(sorted({name for whom in accepting for name in whom}))
        if found and found[-1].ages.high == low and found[-1].but_for == but_for:
            found[-1] = Hole(Ages(found[-1].ages.low, high), but_for)
        else:
            found.append(Hole(piece, but_for))
    return found


def envelope(services: Sequence[Service]) -> Ages | None:
    """From the youngest to the oldest whom any of the services accepts; None without services."""
    ranges = united(service.ages for service in services)
    return Ages(ranges[0].low, ranges[-1].high) if ranges else None


def cohort_holes(inquiry: Inquiry) -> Found:
    """Cells that are served, but not for some ages or circumstances that the need is met for elsewhere.

    For each need, the ages looked at run from the youngest to the oldest whom any service of the locality
    accepts for it: that nobody under 16 is taken by services that are for adults everywhere is no hole. If a
    cohort is asked for, its ages are looked at, and its circumstances are those of the people meant.
    """
    of = inquiry.of
    cohort = of.question.cohort
    # A cohort that is asked about does not make a service count less here: its ages are what is looked at.
    serves = kept(of.standing.counts, of.serving.whole).tocsc()
    held = kept(of.standing.counts, of.held).tocsc()
    there = np.zeros(len(of.facts.directory.services), bool)
    there[serves.indices] = True
    found: list[tuple[Gap, Told]] = []
    for need in range(len(of.needs)):
        addressing = columns(held, need)
        addressing = addressing[there[addressing]]
        if all(_for_all(of.facts.directory.services[row]) for row in addressing):
            continue
        within = (
            envelope([of.facts.directory.services[row] for row in addressing])
            if cohort is None
            else cohort.ages
        )
        assert within is not None
        known: dict[tuple[int, ...], list[Hole]] = {}
        for area in range(of.areas.size):
            rows = tuple(int(row) for row in np.intersect1d(columns(serves, area), addressing))
            if not rows:
                continue
            if rows not in known:
                services = [of.facts.directory.services[row] for row in rows]
                known[rows] = _meant(holes(services, within), cohort)
            found += [_gap(of, need, area, hole, rows) for hole in known[rows]]
    return collected(found)


def _for_all(service: Service) -> bool:
    return service.ages == ALL_AGES and not service.circumstances


def _meant(found: list[Hole], cohort: Cohort | None) -> list[Hole]:
    """Of the holes those that concern the people asked about."""
    if cohort is None or not cohort.circumstances:
        return found
    wanted = set(cohort.circumstances)
    return [hole for hole in found if not wanted & set(hole.but_for)]


def _gap(of: Assessment, need: int, area: int, hole: Hole, rows: tuple[int, ...]) -> tuple[Gap, Told]:
    people, basis = _people(of, need, area, hole.ages)
    directory = of.facts.directory
    asked = of.question.cohort.circumstances if of.question.cohort is not None else ()
    cohort = str(Cohort(hole.ages, asked)) or str(hole.ages)
    place = of.facts.hierarchy.areas[int(of.areas[area])].name
    who = listed([f"{directory.services[row].name} ({_whom(directory.services[row])})" for row in rows])
    but = f" but for {' or '.join(hole.but_for)}" if hole.but_for else ""
    ages = "of any age" if hole.ages == ALL_AGES else f"of {hole.ages}"
    says = f"Nobody who serves {place} accepts people {ages}{but}: {who}."
    top = None if hole.ages.high == inf else hole.ages.high
    figures = {"age_from": hole.ages.low, "age_below": top, "but_for": "; ".join(hole.but_for) or None}
    gap = Gap("cohort", need, area, cohort, "; ".join(hole.but_for), people, basis)
    return gap, Told(says, services=rows, figures=figures)


def _whom(service: Service) -> str:
    said = [] if service.ages == ALL_AGES else [f"ages {service.ages}"]
    return ", ".join([*said, *service.circumstances]) or "everybody"


def _people(of: Assessment, need: int, area: int, ages: Ages) -> tuple[float | None, Basis]:
    """People of the cell who are of the ages: see `people`."""
    everyone = _everyone(of)
    basis = BASES[int(everyone.basis[need, area])]
    if basis == "unknown":
        return None, "unknown"
    if ages == ALL_AGES:
        return float(everyone.count[need, area]), basis
    share = float(_share(of, ages)[area])
    if not np.isfinite(share):
        return None, "unknown"
    return float(everyone.count[need, area]) * share, "derived" if basis == "counted" else basis


def _everyone(of: Assessment) -> People:
    """People of the cells whatever their ages."""
    if not of.people.of_ages:
        return of.people
    inside = of.facts.hierarchy.inside(of.locality)
    index = of.figures.index_to_use(of.question.index, inside)
    return of.once("everyone", lambda: people_of(of.figures, of.needs, of.areas, index=index))


def _share(of: Assessment, ages: Ages) -> Floats:
    """(n_areas,) share of the residents who are of the ages, NaN where not known."""

    def work_out() -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            aged = of.figures.residents_aged(ages, of.areas) / of.figures.whole_residents[of.areas]
        return np.asarray(np.clip(aged, 0.0, 1.0))

    return of.once(f"share {ages}", work_out)
