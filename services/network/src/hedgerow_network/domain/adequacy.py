"""Adequacy: whether a locality meets stated standards of provision, need by need and area by area."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hedgerow_network.domain.access import open_to
from hedgerow_network.domain.areas import FINE_TO_COARSE, Hierarchy
from hedgerow_network.domain.cover import Floats, Ints
from hedgerow_network.domain.locality import PARTIAL, Assessment
from hedgerow_network.domain.matrices import Unit
from hedgerow_network.domain.travel import Reach, Travel
from hedgerow_network.errors import NeedsSpeed, NoSuchUnit

Verdict = Literal["met", "not met", "excepted", "cannot be judged"]


@dataclass(frozen=True)
class Standard:
    """What must hold for a need in areas of a type (None: of any type that has no standard of its own).

    providers: at least so many distinct ones, >= 1 · within: cost that residents are no further away than,
    None = the area must be covered, wherever from · unit: of within · share: of residents for whom it holds,
    above 0 up to 1 · per_1000: and at least so many providers for every 1,000 residents, rounded up
    """

    need: str
    area_type: str | None = None
    providers: int = 1
    within: float | None = None
    unit: Unit = "km"
    share: float = 1.0
    per_1000: float | None = None

    def needed(self, residents: Floats) -> Floats:
        """How many providers it asks for where so many live; NaN where that cannot be told.

        >>> Standard("t:gp", per_1000=0.167).needed(np.array([40_000.0, 500.0, np.nan]))
        array([ 7.,  1., nan])
        """
        if self.per_1000 is None:
            return np.full(residents.shape, float(self.providers))
        # 2 per 1,000 of 500 is 1: the last bit of a product must not make it 2.
        exact = np.round(self.per_1000 * residents / 1000, 9)
        return np.maximum(np.ceil(exact), self.providers)

    def __str__(self) -> str:
        who = "1 provider" if self.providers == 1 else f"{self.providers} providers"
        if self.per_1000 is not None:
            who += f" and {self.per_1000:g} for every 1,000 residents"
        if self.within is None:
            where = "covering the area" if self.share >= 1 else f"for {self.share:.0%} of residents"
            return f"at least {who} {where}"
        whom = "all residents" if self.share >= 1 else f"{self.share:.0%} of residents"
        return f"at least {who} within {self.within:g} {self.unit} of {whom}"


@dataclass(frozen=True)
class Dispensation:
    """An exception: areas in it need not meet a need's standards (None: any); `until` is the last day."""

    area: str
    reason: str
    until: date
    need: str | None = None


@dataclass(frozen=True)
class Band:
    """A type by an index: at least `low`, below `high`; None = without bound."""

    type: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Typed:
    """The type of an area, None where it has none; known: whether that can be told."""

    type: str | None
    known: bool = True


@dataclass(frozen=True)
class AreaTypes:
    """How areas get their type; the first that says something: a list of codes, the level, an index.

    listed: code → type; an area takes the type of the nearest area it lies in that is listed · levels: level
    → type · index and bands: the value of the area, else of the nearest area it lies in that has one
    """

    listed: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    index: str | None = None
    bands: tuple[Band, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset({*self.listed.values(), *self.levels.values(), *(band.type for band in self.bands)})

    def of(self, hierarchy: Hierarchy, area: int, values: Floats | None) -> "Typed":
        """The type of an area. values: of the index, per area of the hierarchy."""
        around = _outward(hierarchy, area)
        for place in around:
            if hierarchy.codes[place] in self.listed:
                return Typed(self.listed[hierarchy.codes[place]])
        level = str(hierarchy.level[area])
        if level in self.levels:
            return Typed(self.levels[level])
        if self.index is None:
            return Typed(None)
        values = np.full(len(hierarchy), np.nan) if values is None else values
        known = next((float(values[place]) for place in around if np.isfinite(values[place])), None)
        return Typed(None, known=False) if known is None else Typed(self._band(known))

    def _band(self, value: float) -> str | None:
        for band in self.bands:
            if (band.low is None or value >= band.low) and (band.high is None or value < band.high):
                return band.type
        return None


def _outward(hierarchy: Hierarchy, area: int) -> list[int]:
    """The area, then those it lies in, the narrowest first; of equal ones the lowest code."""
    rank = {name: number for number, name in enumerate(FINE_TO_COARSE)}
    others = [int(place) for place in hierarchy.above(area) if place != area]
    return [area, *sorted(others, key=lambda place: (rank.get(str(hierarchy.level[place]), 99), place))]


@dataclass(frozen=True)
class RuleSet:
    """Standards that belong together: at most one for a need and an area type."""

    standards: tuple[Standard, ...]
    types: AreaTypes = field(default_factory=AreaTypes)
    dispensations: tuple[Dispensation, ...] = ()

    def standard(self, need: str, area_type: str | None) -> int | None:
        """Position of the standard for a need in areas of a type: its own, else the general one."""
        for wanted in dict.fromkeys((area_type, None)):
            for place, one in enumerate(self.standards):
                if one.need == need and one.area_type == wanted:
                    return place
        return None

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(sorted({one.need for one in self.standards}))


@dataclass(frozen=True)
class Finding:
    """One need in one area against its standard.

    need, area: rows of the assessment · area_type: None = not known · standard: position, None where none
    holds · share: of residents for whom it holds, None where that cannot be told · low, high: the bounds of
    that share · affected: people with the need for whom it does not hold, None where unknown · dispensation:
    the one that holds · lapsed: one that has ended · why: a sentence
    """

    need: int
    area: int
    area_type: str | None
    standard: int | None
    verdict: Verdict
    share: float | None
    low: float
    high: float
    affected: float | None
    why: str
    dispensation: Dispensation | None = None
    lapsed: Dispensation | None = None


@dataclass(frozen=True)
class Infeasible:
    """A standard that nothing held could meet, and why."""

    standard: int
    why: str


@dataclass(frozen=True)
class Adequacy:
    """Findings by need and area; areas to which no standard speaks are counted in `unspoken`."""

    findings: tuple[Finding, ...]
    infeasible: tuple[Infeasible, ...]
    unspoken: int
    unused_types: tuple[str, ...]


def adequacy(of: Assessment, rules: RuleSet, travel: Mapping[Unit, Travel | str]) -> Adequacy:
    """Hold the cells of an assessment against a rule set.

    of: about the needs of the set, which it may hold only some of · travel: per unit how ways are found, or a
    sentence why they cannot be.
    A standard with a distance is measured at the smallest areas within each area from which ways are known,
    by their residents; providers are distinct ones (owners, if the assessment counts them) with a site within
    the distance, of a service that counts and is open to the area. One without a distance goes by the depth
    of the cell, and where that is too low for one provider by the share served in part.
    Where residents or ways are not known everywhere, the share is bounded by what may be; only if the bounds
    lie on both sides of what is asked for it cannot be judged. An area without residents meets every standard
    with a distance: nobody is too far. Edges: no standards, no areas: no findings.
    """
    judge = _Judge(of, rules, travel)
    findings = tuple(
        finding
        for need in range(len(of.needs))
        for area in range(of.areas.size)
        if (finding := judge.finding(need, area)) is not None
    )
    types = {found.type for found in judge.types}
    return Adequacy(
        findings=findings,
        infeasible=tuple(judge.infeasible()),
        unspoken=len(of.needs) * of.areas.size - len(findings),
        unused_types=tuple(sorted({s.area_type for s in rules.standards if s.area_type} - types)),
    )


@dataclass(frozen=True)
class _Measured:
    """The share of residents of each area for whom a standard holds: what is known of it."""

    low: Floats
    high: Floats
    nobody: NDArray[np.bool_]
    why_not: tuple[str, ...]


class _Judge:
    def __init__(self, of: Assessment, rules: RuleSet, travel: Mapping[Unit, Travel | str]) -> None:
        self._of = of
        self._rules = rules
        self._travel = travel
        self._measured: dict[tuple[int, int], _Measured] = {}

    @cached_property
    def types(self) -> list[Typed]:
        of, types = self._of, self._rules.types
        values = of.figures.indices.get(types.index) if types.index is not None else None
        return [types.of(of.facts.hierarchy, int(area), values) for area in of.areas]

    def finding(self, need: int, area: int) -> Finding | None:
        of, rules, kind = self._of, self._rules, self.types[area]
        place = rules.standard(of.needs[need], kind.type)
        typed = any(s.need == of.needs[need] and s.area_type is not None for s in rules.standards)
        if typed and not kind.known:
            why = "The type of the area is not known: the index has no value for it."
            return self._excepted(self._found(need, area, None, 0.0, 1.0, why))
        if place is None:
            return None
        measured = self._measure(need, place)
        low, high = float(measured.low[area]), float(measured.high[area])
        return self._excepted(
            self._found(need, area, place, low, high, self._why(need, area, place, measured))
        )

    def _found(self, need: int, area: int, place: int | None, low: float, high: float, why: str) -> Finding:
        of = self._of
        asked = self._rules.standards[place].share if place is not None else 1.0
        met, failed = low >= asked - _ROUNDING, high < asked - _ROUNDING
        known = bool(of.people.basis[need, area])
        judged = place is not None and (met or failed)
        exact = high - low <= _ROUNDING
        short = 0.0 if met else 1.0 - (low if exact or failed else high)
        return Finding(
            need=need,
            area=area,
            area_type=self.types[area].type,
            standard=place,
            verdict="cannot be judged" if not judged else "met" if met else "not met",
            share=low if exact and place is not None else None,
            low=low,
            high=high,
            affected=float(of.people.count[need, area]) * short if known and judged else None,
            why=why,
        )

    def _excepted(self, found: Finding) -> Finding:
        """The same under a dispensation, if one holds for it that is not met anyway."""
        of, hierarchy = self._of, self._of.facts.hierarchy
        around = {hierarchy.codes[place] for place in hierarchy.above(int(of.areas[found.area]))}
        those = [
            one
            for one in self._rules.dispensations
            if one.area in around and one.need in (None, of.needs[found.need])
        ]
        holding = [one for one in those if one.until >= of.question.at]
        if found.verdict == "met":
            return found
        if holding:
            last = max(holding, key=lambda one: (one.until, one.reason))
            return _changed(found, verdict="excepted", dispensation=last)
        lapsed = max(those, key=lambda one: (one.until, one.reason), default=None)
        return _changed(found, lapsed=lapsed)

    def _measure(self, need: int, place: int) -> _Measured:
        key = (need, place)
        if key not in self._measured:
            standard = self._rules.standards[place]
            by_depth = standard.within is None
            self._measured[key] = self._by_depth(need, standard) if by_depth else self._by_way(need, standard)
        return self._measured[key]

    def _by_depth(self, need: int, standard: Standard) -> _Measured:
        of = self._of
        needed = self._needed(standard)
        unknown = np.isnan(needed)
        enough = of.cover.depth[need] >= needed
        partial = (of.status[need] == PARTIAL) & (needed == 1)
        part = np.where(needed == 1, of.partly.share[need], 0.0)
        low = np.where(enough, 1.0, np.where(partial, np.maximum(part, 0.0), 0.0))
        high = np.where(unknown, 1.0, np.where(partial & (part < 0), 1.0 - 1e-6, low))
        why = [
            _UNCOUNTED if uncounted else "how large a part is served is not known" if b > a else ""
            for a, b, uncounted in zip(low, high, unknown, strict=True)
        ]
        return _Measured(low, high, np.zeros(of.areas.size, bool), tuple(why))

    def _by_way(self, need: int, standard: Standard) -> _Measured:
        of = self._of
        n = of.areas.size
        way = self._travel.get(standard.unit, "no ways are known in this unit")
        if isinstance(way, str):
            return _Measured(np.zeros(n), np.ones(n), np.zeros(n, bool), (way,) * n)
        reach = self._reach(way)
        points, home = _points(of, reach)
        needed = self._needed(standard)
        near = self._providers_within(need, reach, points, float(standard.within or 0.0))
        enough = near >= needed[home]
        lived = of.figures.whole_residents[points]
        low, high, nobody = np.zeros(n), np.zeros(n), np.zeros(n, bool)
        why = []
        for area in range(n):
            if np.isnan(needed[area]):
                high[area] = 1.0
                why.append(_UNCOUNTED)
                continue
            rows = home == area
            low[area], high[area], nobody[area], said = _share(
                enough[rows], lived[rows], reach.knows[points[rows]]
            )
            why.append(said)
        return _Measured(low, high, nobody, tuple(why))

    def _needed(self, standard: Standard) -> Floats:
        return standard.needed(self._of.figures.whole_residents[self._of.areas])

    def _reach(self, way: Travel) -> Reach:
        facts = self._of.facts
        return Reach(facts.hierarchy, facts.boundaries, facts.directory, way)

    def _providers_within(self, need: int, reach: Reach, points: Ints, limit: float) -> NDArray[np.int64]:
        """(n_points,) distinct providers with a site within the limit that is open to the point."""
        of, directory = self._of, self._of.facts.directory
        services = of.incidence.addresses[:, [need]].tocoo().row
        sites = np.isin(directory.site_service, services)
        costs = open_to(of, points, reach.costs(points, sites, limit=limit)).tocoo()
        near = costs.data <= limit
        unit = of.incidence.unit[directory.site_service[costs.col[near]]]
        pairs = np.unique(np.column_stack([costs.row[near], unit]), axis=0)
        return np.bincount(pairs[:, 0], minlength=points.size)

    def _why(self, need: int, area: int, place: int, measured: _Measured) -> str:
        standard = self._rules.standards[place]
        low, high = float(measured.low[area]), float(measured.high[area])
        if measured.nobody[area]:
            return "Nobody lives there, so nobody is too far away."
        if high - low > _ROUNDING:
            bounds = f"between {low:.0%} and {high:.0%} of residents, as {measured.why_not[area]}"
            return f"It asks for {standard}; that holds for {bounds}."
        needed = self._needed(standard)[area]
        asked = f"{standard}" if standard.per_1000 is None else f"{standard}, here {needed:.0f}"
        if standard.within is None:
            depth = int(self._of.cover.depth[need, area])
            part = f" and {low:.0%} are served in part" if 0 < low < 1 else ""
            return f"It asks for {asked}; {depth} cover it whole{part}."
        return f"It asks for {asked}; that holds for {low:.0%} of residents."

    def infeasible(self) -> list[Infeasible]:
        """Standards about needs of the assessment that nothing held anywhere could meet."""
        of, directory = self._of, self._of.facts.directory
        found = []
        for place, standard in enumerate(self._rules.standards):
            if standard.need not in of.needs:
                continue
            services = of.incidence.addresses[:, [of.needs.index(standard.need)]].tocoo().row
            if standard.within is not None:
                services = np.intersect1d(services, directory.site_service)
            units = np.unique(of.incidence.unit[services]).size
            least = np.nanmin(self._needed(standard), initial=np.inf)
            if np.isfinite(least) and units < least:
                some = "" if standard.within is None else " with a site"
                found.append(
                    Infeasible(
                        place,
                        f"It asks for {standard}, but of this need only {units} provider"
                        f"{'' if units == 1 else 's'}{some} are held, here and elsewhere.",
                    )
                )
        return found


_ROUNDING = 1e-9
_UNCOUNTED = "how many live there is not known"


def _changed(found: Finding, **changes: object) -> Finding:
    return Finding(**{**found.__dict__, **changes})


def _points(of: Assessment, reach: Reach) -> tuple[Ints, NDArray[np.int64]]:
    """The areas to measure at, and in which area of the assessment each lies.

    Of each area its smallest areas, if ways are known from all of one level; else the finest level of which
    ways are known from any; else the area itself.
    """
    hierarchy = of.facts.hierarchy
    points, home = [], []
    for number, area in enumerate(of.areas):
        inside = hierarchy.inside(int(area))
        inside = inside[~hierarchy.superseded[inside]]
        known = inside[reach.knows[inside]]
        levels = [level for level in FINE_TO_COARSE if (hierarchy.level[known] == level).any()]
        chosen = inside[hierarchy.level[inside] == levels[0]] if levels else np.array([area])
        points.append(chosen)
        home.append(np.full(chosen.size, number))
    return (
        np.concatenate([np.empty(0, np.int32), *points]).astype(np.int32),
        np.concatenate([np.empty(0, np.int64), *home]).astype(np.int64),
    )


def _share(
    enough: NDArray[np.bool_], lived: Floats, known: NDArray[np.bool_]
) -> tuple[float, float, bool, str]:
    """Bounds of the share of residents for whom a standard holds, whether nobody lives there, why it is not
    exact.
    """
    if not known.any():
        return 0.0, 1.0, False, "no way from there is known"
    if np.isfinite(lived).all():
        total = float(lived.sum())
        if total <= 0:
            return 1.0, 1.0, True, ""
        low = float(lived[enough & known].sum()) / total
        open_ = float(lived[~known].sum()) / total
        return low, min(low + open_, 1.0), False, "from some parts no way is known" if open_ else ""
    if known.all() and enough.all():
        return 1.0, 1.0, False, ""
    if known.all() and not enough.any():
        return 0.0, 0.0, False, ""
    return 0.0, 1.0, False, "how many live in its parts is not known"


def ways(
    standards: Sequence[Standard], *, of_matrix: Travel | str | None, detour: float, speed_kmh: float | None
) -> dict[Unit, Travel | str]:
    """Per unit that the standards use, how ways are found, or why not.

    of_matrix: any travel by the matrix asked for, a sentence where it is not held, None for straight lines.
    """
    found: dict[Unit, Travel | str] = {}
    for unit in sorted({one.unit for one in standards if one.within is not None}):
        if isinstance(of_matrix, str):
            found[unit] = of_matrix
            continue
        try:
            matrix = of_matrix.matrix if of_matrix is not None else None
            found[unit] = Travel(matrix, unit, detour, speed_kmh)
        except NoSuchUnit:
            found[unit] = f"the matrix of travel costs is not in {unit}"
        except NeedsSpeed:
            found[unit] = "minutes in a straight line need a speed"
    return found
