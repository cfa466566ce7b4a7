"""Disclosure control: which values must not be shown, so that no small number can be read or worked out.

A *cell* is one observation; an *equation* is a total with the parts that add up to it. A cell is withheld
because it is small itself, or because its value would give one away by subtraction. Once withheld, a cell
stays withheld: shown later, it would give away what it protected before.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.linalg import null_space

Key = TypeVar("Key", bound=Hashable)

MOST_UNKNOWNS = 1_200
"""Of one connected set of equations; beyond it every total in the set is withheld instead of solving it."""

_NOTHING = 1e-9


class Equation(NamedTuple):
    """A total and its parts, none twice. Parts that were not observed are taken as nothing."""

    total: Hashable
    parts: tuple[Hashable, ...]

    @property
    def members(self) -> tuple[Hashable, ...]:
        return (self.total, *self.parts)


def is_small(amounts: Sequence[float], threshold: int) -> bool:
    """Whether any of the counts of a cell is from 1 to one less than the threshold.

    >>> is_small([4, 100], 5), is_small([0, 100], 5), is_small([5], 5)
    (True, False, False)
    """
    return any(0 < amount < threshold for amount in amounts)


def withheld(
    cells: Mapping[Key, Sequence[float]],
    equations: Sequence[Equation],
    *,
    threshold: int,
    already: Collection[Key] = (),
    published: Collection[Key] = (),
) -> set[Key]:
    """The cells that must not be shown, those withheld already among them.

    cells: the additive counts of each · equations: over cells · threshold: counts from 1 to one less are
    small · already: withheld before · published: cells whose present value could be read before; they
    protect nothing, as who noted them down can still subtract them.

    In every equation either nothing is withheld, or at least two cells are that nobody has read, whose sum is
    no small number; and no withheld cell is determined by all equations together. Where only what was
    published could be added, the total is withheld, and what it is a part of in turn. Of the cells that would
    do the smallest is taken, ties by key. Edges: no equations: just the small cells.

    >>> cells = {"town": [30], "east": [3], "west": [9], "north": [18]}
    >>> sorted(withheld(cells, [Equation("town", ("east", "north", "west"))], threshold=5))
    ['east', 'west']
    """
    search = _Search(cells, equations, threshold, frozenset(published))
    found = set(already) & cells.keys()
    found |= {key for key, amounts in cells.items() if is_small(amounts, threshold)}
    while search.close(found) or search.solve(found):
        pass
    return found


@dataclass(frozen=True)
class _Search:
    cells: Mapping[Any, Sequence[float]]
    equations: Sequence[Equation]
    threshold: int
    published: frozenset[Hashable]

    def close(self, found: set) -> bool:  # type: ignore[type-arg]
        """Withhold what single equations call for; whether that was anything."""
        before = len(found)
        waiting = True
        while waiting:
            waiting = False
            for equation in self.equations:
                while not self._is_safe(equation, found):
                    more = self._next(equation, found)
                    if more is None:
                        break
                    found.add(more)
                    waiting = True
        return len(found) > before

    def _unread(self, equation: Equation, found: set) -> list[Hashable]:  # type: ignore[type-arg]
        return [key for key in equation.members if key in found and key not in self.published]

    def _is_safe(self, equation: Equation, found: set) -> bool:  # type: ignore[type-arg]
        unread = self._unread(equation, found)
        if not unread:
            return True
        if len(unread) < 2:
            return False
        if equation.total in unread:
            return True
        # The parts' sum can be worked out: a small one tells as much as a small part.
        sums = np.sum([list(self.cells[key]) for key in unread], axis=0)
        return not is_small(sums, self.threshold)

    def _next(self, equation: Equation, found: set) -> Hashable | None:  # type: ignore[type-arg]
        free = [
            key
            for key in equation.parts
            if key in self.cells and key not in found and key not in self.published
        ]
        positive = [key for key in free if max(self.cells[key], default=0) > 0]
        if positive:
            return min(positive, key=lambda key: (max(self.cells[key]), str(key)))
        if equation.total in self.cells and equation.total not in found | self.published:
            return equation.total
        return min(free, key=str, default=None)

    def solve(self, found: set) -> bool:  # type: ignore[type-arg]
        """Withhold more where a cell follows from several equations together; whether that was anything."""
        before = len(found)
        unread = found - self.published
        for component in _components([e for e in self.equations if unread.intersection(e.members)], unread):
            for key in _determined(component, unread):
                more = self._beside(key, component, found)
                if more is not None:
                    found.add(more)
        return len(found) > before

    def _beside(self, key: Hashable, component: Sequence[Equation], found: set) -> Hashable | None:  # type: ignore[type-arg]
        candidates = (self._next(equation, found) for equation in component if key in equation.members)
        return next((one for one in candidates if one is not None), None)


def _components(equations: Sequence[Equation], unread: Collection[Hashable]) -> Iterator[list[Equation]]:
    """The equations in sets that share unread cells with one another."""
    home: dict[Hashable, int] = {}
    groups: dict[int, list[Equation]] = {}
    for number, equation in enumerate(equations):
        met = {home[key] for key in equation.members if key in unread and key in home}
        groups[number] = [equation]
        for other in sorted(met):
            groups[number] = groups.pop(other) + groups[number]
        for held in groups[number]:
            home.update((key, number) for key in held.members if key in unread)
    yield from groups.values()


def _determined(equations: Sequence[Equation], unread: Collection[Hashable]) -> list[Hashable]:
    """The unread cells whose values follow from these equations and everything that can be read."""
    unknown = sorted({key for e in equations for key in e.members if key in unread}, key=str)
    if len(unknown) > MOST_UNKNOWNS:
        return [equation.total for equation in equations]
    place = {key: number for number, key in enumerate(unknown)}
    matrix = np.zeros((len(equations), len(unknown)))
    for row, equation in enumerate(equations):
        for key in equation.parts:
            if key in place:
                matrix[row, place[key]] = 1
        if equation.total in place:
            matrix[row, place[equation.total]] -= 1
    free = null_space(matrix)
    # A cell that no direction of freedom moves has one value only.
    moved = np.abs(free).max(axis=1) if free.size else np.zeros(len(unknown))
    return [key for key in unknown if moved[place[key]] < _NOTHING]
