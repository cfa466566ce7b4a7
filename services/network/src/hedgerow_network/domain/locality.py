"""A locality's cells: the question, the answer, and what the answer rests on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.cover import Cover, Floats, Incidence, cover, kept, presence
from hedgerow_network.domain.directory import Units
from hedgerow_network.domain.eligibility import ALL_AGES, Ages, Cohort
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.matrices import CostMatrix
from hedgerow_network.domain.opening import Moment
from hedgerow_network.domain.people import BASES, Basis, Figures, People, people
from hedgerow_network.domain.serving import DEFAULT_RULE, Rule, Serving, ones, serving
from hedgerow_network.domain.standing import Standing, standing
from hedgerow_network.errors import NoSuchLevel, UnknownIndex

T = TypeVar("T")

PROVIDERS, OWNERS = "providers", "owners"

GAP, PARTIAL, SINGLE, OVERLAP = "gap", "partial", "single", "overlap"


@dataclass(frozen=True)
class Question:
    """What is asked about a locality.

    locality: the code of its area · at: the date to answer for · needs: ids, None = those in use there ·
    level: of the areas, None = ward or the finest there is · count: `providers` or `owners` · index: that
    derives people · costs: the matrix that the rule `within` goes by, None = the straight line ·
    cohort: whom a service must accept, None = ages and circumstances are not looked at · moment: of the week
    at which a service must be open, None = at any
    """

    locality: str
    at: date
    needs: tuple[str, ...] | None = None
    level: str | None = None
    count: str = PROVIDERS
    rule: Rule = DEFAULT_RULE
    index: str | None = None
    costs: CostMatrix | None = None
    cohort: Cohort | None = None
    moment: Moment | None = None

    @property
    def ages(self) -> Ages:
        """The ages asked about: all, unless a cohort is."""
        return self.cohort.ages if self.cohort is not None else ALL_AGES


@dataclass(frozen=True)
class Partly:
    """Where cells are served in part: a part of the area, or of the cohort.

    share: (n_needs, n_areas) share of people in the parts that are served, -1 where nobody can size them ·
    services: (n_services, n_areas) sparse ones · cells: (n_needs, n_areas) whether any service serves a part
    """

    share: Floats
    services: csr_array
    cells: NDArray[np.bool_]


@dataclass(frozen=True)
class Assessment:
    """The cells of a locality, needs × areas, and who covers them.

    areas: positions in the hierarchy, by code · needs: ids, in order · standing: which services count ·
    incidence: of services that count for the whole of a cell, counted by the unit asked for · held:
    (n_services, n_needs) sparse ones, which service addresses which need, whether it counts or not
    """

    facts: Facts
    question: Question
    level: str
    areas: NDArray[np.int32]
    needs: tuple[str, ...]
    standing: Standing
    serving: Serving
    held: csr_array
    incidence: Incidence
    units: Units
    cover: Cover
    people: People
    figures: Figures
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: str, work_out: Callable[[], T]) -> T:
        """What several answers about these cells share, worked out for the first of them."""
        if name not in self._kept:
            self._kept[name] = work_out()
        return cast(T, self._kept[name])

    @property
    def locality(self) -> int:
        return self.facts.hierarchy.position[self.question.locality]

    @cached_property
    def partly(self) -> Partly:
        """What services serve in part only, whatever others do there."""
        shape = (len(self.needs), self.areas.size)
        some, whole = self.standing.some, self.standing.whole
        # Who accepts a part of the cohort serves a part of every cell, be the area served whole or not.
        of_cohort = csr_array(kept(self.standing.part, self.serving.whole))
        serves = ones(kept(some, self.serving.partial()) + of_cohort)
        share = np.zeros(shape)
        if not serves.nnz:
            return Partly(share, serves, np.zeros(shape, bool))
        cells = np.asarray((csr_array(kept(some, self.held).T) @ serves).todense()) > 0
        lived = self.figures.whole_residents[self.serving.leaves]
        size = lived if np.isfinite(lived).all() else np.ones(lived.size)
        reached = csr_array(csr_array(kept(whole, self.held).T) @ self.serving.parts)
        reached.data[:] = 1
        weighted = np.asarray((csr_array(reached * size[None, :]) @ self.serving.leaf_of).todense())
        total = size @ self.serving.leaf_of
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.clip(np.nan_to_num(weighted / total[None, :]), 0.0, 1.0)
        # How large a part of the cohort a service reaches is not known: neither is the whole share then.
        unsized = csr_array(kept(self.standing.part, self.held).T) @ ones(
            self.serving.whole + self.serving.partial()
        )
        return Partly(
            np.where(cells & ((share <= 0) | (np.asarray(unsized.todense()) > 0)), -1.0, share), serves, cells
        )

    @cached_property
    def status(self) -> NDArray[np.object_]:
        """(n_needs, n_areas) gap, partial, single or overlap."""
        depth = self.cover.depth
        found = np.full(depth.shape, GAP, dtype=object)
        found[self.partly.cells] = PARTIAL
        found[depth == 1] = SINGLE
        found[depth >= 2] = OVERLAP
        return found

    @cached_property
    def affected(self) -> Floats:
        """(n_needs, n_areas) people whom a gap leaves out: all, or those outside the parts that are
        served.
        """
        outside = 1.0 - np.maximum(self.partly.share, 0.0)
        return np.where(self.status == PARTIAL, self.people.count * outside, self.people.count)

    def basis(self, need: int, area: int) -> Basis:
        """How the people of a cell are known: counted, derived, residents or unknown."""
        return BASES[int(self.people.basis[need, area])]

    def partial_services(self, need: int, area: int) -> list[int]:
        """Services that serve a part of a cell's area and not the whole, ascending."""
        column = self.partly.services[:, [area]].tocoo().row
        addressing = self.held[:, [need]].tocoo().row
        return [int(row) for row in np.intersect1d(column, addressing)]

    def partial_units(self, need: int, area: int) -> list[int]:
        """Units that serve a part of a cell's area and not the whole, ascending."""
        return sorted({int(self.incidence.unit[row]) for row in self.partial_services(need, area)})

    def counted_by(self, count: str) -> "Counting":
        """The same cells counted by providers or by owners, whichever the question asked for."""
        if count == self.question.count:
            return Counting(self.units, self.incidence, self.cover)
        return self._counted_otherwise

    @cached_property
    def _counted_otherwise(self) -> "Counting":
        other_count = PROVIDERS if self.question.count == OWNERS else OWNERS
        units = _units(self.facts, other_count, self.question.at)
        other = replace(self.incidence, unit=units.of_service, n_units=len(units.ids))
        return Counting(units, other, cover(other))

    def ranked(self, wanted: Sequence[str]) -> NDArray[np.intp]:
        """Cells (need × n_areas + area) of the given statuses: most people affected first, then need, then
        area.
        """
        status = self.status.ravel()
        cells = np.flatnonzero(np.isin(status, list(wanted)))
        known = self.people.basis.ravel()[cells] > 0
        return cells[np.lexsort((cells, -self.affected.ravel()[cells], ~known))]


@dataclass(frozen=True)
class Counting:
    """Cells counted by one kind of unit: providers, or owners."""

    units: Units
    incidence: Incidence
    cover: Cover


def _units(facts: Facts, count: str, at: date) -> Units:
    return facts.directory.owners(at) if count == OWNERS else facts.directory.providers


def assess(facts: Facts, question: Question) -> Assessment:
    """Answer a question about a locality. It must name an area that is held, and needs that are.

    Raises NoSuchLevel where the locality holds no area of the level asked for, UnknownIndex for an index
    that is not held there. Edges: no services, no needs: every cell, if any, is a gap.
    """
    hierarchy, directory = facts.hierarchy, facts.directory
    locality = hierarchy.position[question.locality]
    level = hierarchy.level_for(locality, question.level)
    areas = hierarchy.of_level(locality, level)
    if not areas.size:
        raise NoSuchLevel(_levels_held(facts, locality))
    served = serving(
        directory,
        hierarchy,
        facts.boundaries,
        areas,
        stated=facts.stated_areas,
        place=lambda: facts.placed(level),
        rule=question.rule,
        costs=question.costs,
    )
    figures = facts.figures(question.at)
    needs = question.needs if question.needs is not None else _needs_in_use(facts, served, figures, locality)
    stands = standing(facts, question.at, cohort=question.cohort, moment=question.moment)
    held = addressing(facts, needs)
    units = _units(facts, question.count, question.at)
    incidence = Incidence(
        serves=kept(stands.whole, served.whole),
        addresses=kept(stands.whole, held),
        unit=units.of_service,
        n_units=len(units.ids),
    )
    inside = hierarchy.inside(locality)
    index = figures.index_to_use(question.index, inside)
    if question.index is not None and not _holds_index(figures, question.index, inside):
        raise UnknownIndex
    return Assessment(
        facts=facts,
        question=question,
        level=level,
        areas=areas,
        needs=tuple(needs),
        standing=stands,
        serving=served,
        held=held,
        incidence=incidence,
        units=units,
        cover=cover(incidence),
        people=people(figures, needs, areas, index=index, ages=question.ages),
        figures=figures,
    )


def addressing(facts: Facts, needs: Sequence[str]) -> csr_array:
    """(n_services, n_needs) sparse ones: which service addresses which need, by any way a term counts for
    it.
    """
    column, stated = facts.directory.stated_terms
    pairs = [
        (column[term], place)
        for place, need in enumerate(needs)
        for term in facts.taxonomies.counting_for(need)
        if term in column
    ]
    table = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return ones(stated @ presence(table[:, 0], table[:, 1], (len(column), len(needs))))


def _needs_in_use(facts: Facts, served: Serving, figures: Figures, locality: int) -> tuple[str, ...]:
    there = np.unique(np.concatenate([served.whole.tocoo().row, served.partial().tocoo().row]))
    column, stated_terms = facts.directory.stated_terms
    terms = tuple(column)
    stated = {terms[place] for place in np.unique(stated_terms[there].indices)}
    inside = facts.hierarchy.inside(locality)
    stated |= {
        need
        for table in (figures.counts, figures.weights)
        for need, values in table.items()
        if np.isfinite(values[inside]).any()
    }
    return tuple(facts.taxonomies.in_use(stated))


def _holds_index(figures: Figures, name: str, inside: NDArray[np.int32]) -> bool:
    values = figures.indices.get(name)
    return values is not None and bool(np.isfinite(values[inside]).any())


def _levels_held(facts: Facts, locality: int) -> str:
    hierarchy = facts.hierarchy
    inside = hierarchy.inside(locality)
    levels, counts = np.unique(hierarchy.level[inside].astype(str), return_counts=True)
    held = ", ".join(f"{level} ({number})" for level, number in zip(levels, counts, strict=True))
    return f"The locality holds no areas of this level. It holds: {held}."
