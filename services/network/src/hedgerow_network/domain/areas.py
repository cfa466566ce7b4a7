"""Areas and how they lie within one another: several hierarchies at once, boundary years, successors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, eye_array

from hedgerow_network.domain.cover import Ints, columns, presence

LEVELS = ("country", "region", "authority", "neighbourhood", "ward", "msoa", "lsoa", "other")
"""From the widest to the narrowest; `other` has no rank of its own and stands last."""

FINE_TO_COARSE = ("lsoa", "msoa", "ward", "neighbourhood", "authority", "region", "country", "other")


@dataclass(frozen=True)
class Area:
    """One area as the registry holds it."""

    code: str
    name: str
    level: str
    parents: tuple[str, ...] = ()
    successors: tuple[str, ...] = ()
    lon: float | None = None
    lat: float | None = None


class Hierarchy:
    """The areas in the order of their codes, and which lies within which.

    `within` is the reflexive, transitive closure of "has the parent": a stored entry (i, j) says that area i
    is area j or lies in it. An area may have several parents; a parent that is not held is passed over; a
    circle of parents makes its members lie in one another and does no harm.
    """

    def __init__(self, areas: Iterable[Area]) -> None:
        self.areas: tuple[Area, ...] = tuple(sorted(areas, key=lambda area: area.code))
        self.codes: tuple[str, ...] = tuple(area.code for area in self.areas)
        self.position: dict[str, int] = {code: place for place, code in enumerate(self.codes)}
        self.level = np.array([area.level for area in self.areas], dtype=object)
        self.lon = np.array([_or_nan(area.lon) for area in self.areas])
        self.lat = np.array([_or_nan(area.lat) for area in self.areas])

    def __len__(self) -> int:
        return len(self.areas)

    @cached_property
    def _parents(self) -> csr_array:
        pairs = [
            (place, self.position[parent])
            for place, area in enumerate(self.areas)
            for parent in area.parents
            if parent in self.position and parent != area.code
        ]
        return _pairs(pairs, (len(self), len(self)))

    @cached_property
    def within(self) -> csr_array:
        """(n, n) sparse: row i holds area i and every area it lies in."""
        return closure(self._parents)

    @cached_property
    def holds(self) -> csc_array:
        """The same by column: column j holds area j and every area within it."""
        return self.within.tocsc()

    @cached_property
    def is_leaf(self) -> NDArray[np.bool_]:
        """(n,) whether nothing smaller is held within the area."""
        has_children = np.zeros(len(self), bool)
        has_children[self._parents.indices] = True
        return ~has_children

    @cached_property
    def superseded(self) -> NDArray[np.bool_]:
        """(n,) whether a successor of the area is held: it belongs to an earlier boundary year."""
        return np.array(
            [any(code in self.position for code in area.successors) for area in self.areas], dtype=bool
        )

    @cached_property
    def replaced_by(self) -> csr_array:
        """(n, n) sparse: an area of an earlier boundary year → the areas of today that stand in its place.

        An area that was not replaced stands for itself.
        """
        pairs = [
            (place, self.position[code])
            for place, area in enumerate(self.areas)
            for code in area.successors
            if code in self.position and code != area.code
        ]
        reached = closure(_pairs(pairs, (len(self), len(self))))
        today = ~self.superseded
        if today.all():
            return reached
        kept = reached.tocoo()
        keep = today[kept.col]
        return presence(kept.row[keep], kept.col[keep], (len(self), len(self)))

    @cached_property
    def merged(self) -> NDArray[np.bool_]:
        """(n,) whether the area was made of several: each of those was a part of it, not the whole."""
        predecessors = np.zeros(len(self), np.int32)
        for area in self.areas:
            for code in area.successors:
                if code in self.position and code != area.code:
                    predecessors[self.position[code]] += 1
        return predecessors > 1

    def inside(self, area: int) -> Ints:
        """Positions of the area and of every area within it, ascending."""
        return np.sort(columns(self.holds, area))

    def above(self, area: int) -> Ints:
        """Positions of the area and of every area it lies in, ascending."""
        return np.sort(columns(self.within, area))

    def of_level(self, locality: int, level: str) -> Ints:
        """Today's areas of one level in a locality, in the order of their codes; may be empty."""
        inside = self.inside(locality)
        wanted = (self.level[inside] == level) & ~self.superseded[inside]
        return np.asarray(inside[wanted], np.int32)

    def finest_level(self, locality: int) -> str:
        """The narrowest level that the locality holds areas of (its own, if nothing is within it)."""
        present = set(self.level[self.inside(locality)])
        return next(level for level in FINE_TO_COARSE if level in present)

    def level_for(self, locality: int, asked: str | None) -> str:
        """The level to answer at: the one asked for; else wards; else the finest there is.

        >>> areas = Hierarchy([Area("E06", "Town", "authority"), Area("E01", "Part", "lsoa", ("E06",))])
        >>> areas.level_for(areas.position["E06"], None)
        'lsoa'
        """
        if asked is not None:
            return asked
        return "ward" if self.of_level(locality, "ward").size else self.finest_level(locality)

    def authorities(self, area: int) -> tuple[str, ...]:
        """Codes of the authorities that an area belongs to, or holds if it is wider; empty if there is
        none.
        """
        above = [place for place in self.above(area) if self.level[place] == "authority"]
        found = above or [place for place in self.inside(area) if self.level[place] == "authority"]
        return tuple(self.codes[place] for place in found)

    def named(self, name: str) -> list[int]:
        """Positions of the areas of this name, letter case and spacing aside."""
        wanted = plain(name)
        return [place for place, area in enumerate(self.areas) if plain(area.name) == wanted]


def plain(name: str) -> str:
    """A name for comparing: letter case and spacing aside."""
    return " ".join(name.casefold().split())


def closure(steps: csr_array) -> csr_array:
    """The reflexive, transitive closure of a square sparse matrix of steps, as ones.

    >>> closure(presence(np.array([0, 1]), np.array([1, 2]), (3, 3))).toarray().tolist()
    [[1, 1, 1], [0, 1, 1], [0, 0, 1]]
    """
    n = steps.shape[0]
    reached = csr_array((eye_array(n, dtype=np.int32, format="csr") + steps).astype(np.int32))
    reached.data[:] = 1
    while True:
        # Squaring doubles the length of the paths seen: a handful of rounds for any hierarchy.
        further = csr_array(reached @ reached)
        further.data[:] = 1
        further.sort_indices()
        if further.nnz == reached.nnz:
            return further
        reached = further


def _pairs(pairs: Sequence[tuple[int, int]], shape: tuple[int, int]) -> csr_array:
    table = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return presence(table[:, 0], table[:, 1], shape)


def _or_nan(number: float | None) -> float:
    return np.nan if number is None else float(number)
