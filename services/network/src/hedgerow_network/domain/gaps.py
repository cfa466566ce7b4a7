"""Gaps of every kind, in one list ranked by the people affected.

A *kind* looks at an inquiry and gives what it found as columns, one entry per gap; the words of a gap are
made only for those that are shown. `gap_kinds` names all kinds there are: a new kind is an entry there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedgerow_network.domain.catchment import TWO_STEP
from hedgerow_network.domain.cover import Floats, Ints
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.people import BASES, Basis

NOWHERE = -1
"""In place of a need or an area: the gap is not about one."""

Figure = float | int | str | None


@dataclass(frozen=True)
class Thresholds:
    """What kinds of gap rest on beside the question itself.

    reach: distance standard, > 0, in kilometres, or in the unit of the matrix that the question names: a site
    further than this from where people live is out of reach · access_below: places per person, None = not
    looked at · access_method: how these are found, a key of `catchment.METHODS` · until: the last day looked
    at for what ends
    """

    reach: float
    until: date
    access_below: float | None = None
    access_method: str = TWO_STEP


@dataclass(frozen=True)
class Inquiry:
    """Where a kind of gap is looked for.

    of: the locality's cells · known: facts that do not come from the registry, by name (see `Kind.reads`)
    """

    of: Assessment
    thresholds: Thresholds
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """The evidence of one gap.

    says: in a sentence · services: positions in the directory of the services it speaks of · figures: what it
    was worked out from · parties: (id, name) of others it speaks of
    """

    says: str
    services: Sequence[int] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    parties: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Found:
    """What a kind found: columns of one length, one entry per gap, in any order.

    need: positions in the inquiry's needs, or NOWHERE · area: positions in its areas, or NOWHERE for the
    whole locality · people: affected, >= 0, NaN where not known · basis: position in BASES, how they are
    known · tell: the evidence of the i-th · cohort, id: of each, "" where there is none; `id` tells apart
    gaps of one kind that share need, area and cohort
    """

    need: Ints
    area: Ints
    people: Floats
    basis: NDArray[np.int8]
    tell: Callable[[int], Told]
    cohort: Sequence[str] | None = None
    id: Sequence[str] | None = None

    def __len__(self) -> int:
        return int(self.need.size)


@dataclass(frozen=True)
class Kind:
    """A kind of gap.

    means: what it is, in a sentence · find: looks for it · thresholds: names of the thresholds it rests on ·
    reads: names of the facts in `Inquiry.known` that it needs; without them it is not looked for · caveats:
    what to know before relying on it, beside the caveats of the assessment
    """

    means: str
    find: Callable[[Inquiry], Found]
    thresholds: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    caveats: Callable[[Inquiry], Iterable[str]] = lambda _: ()


@dataclass(frozen=True)
class Gap:
    """One gap of the list. people is None where not known; need and area are None where it is not about
    one.
    """

    kind: str
    need: int | None
    area: int | None
    cohort: str
    id: str
    people: float | None
    basis: Basis


@dataclass(frozen=True)
class Gaps:
    """Gaps in their order: most people affected first, people not known last; equal ones by need, area,
    kind, cohort, id.

    kind: (n,) position in `kinds` · entry: (n,) position in what that kind found · caveats: of the kinds,
    each once
    """

    kinds: tuple[str, ...]
    found: tuple[Found, ...]
    kind: Ints
    entry: NDArray[np.intp]
    caveats: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.kind.size)

    def __getitem__(self, place: int) -> Gap:
        kind, entry = int(self.kind[place]), int(self.entry[place])
        found = self.found[kind]
        people, need, area = float(found.people[entry]), int(found.need[entry]), int(found.area[entry])
        return Gap(
            kind=self.kinds[kind],
            need=None if need == NOWHERE else need,
            area=None if area == NOWHERE else area,
            cohort=found.cohort[entry] if found.cohort is not None else "",
            id=found.id[entry] if found.id is not None else "",
            people=None if np.isnan(people) else people,
            basis=BASES[int(found.basis[entry])],
        )

    def told(self, place: int) -> Told:
        """The evidence of one gap."""
        return self.found[int(self.kind[place])].tell(int(self.entry[place]))


def gaps(inquiry: Inquiry, kinds: Mapping[str, Kind]) -> Gaps:
    """Look for gaps of these kinds and put them in one order.

    Edges: no kinds, or nothing found, give an empty list.
    """
    names = tuple(sorted(kinds))
    found = tuple(kinds[name].find(inquiry) for name in names)
    sizes = [len(one) for one in found]
    kind = np.repeat(np.arange(len(names), dtype=np.int32), sizes)
    entry = np.concatenate([np.arange(size) for size in sizes]) if names else np.empty(0, np.intp)
    caveats = tuple(dict.fromkeys(said for name in names for said in kinds[name].caveats(inquiry)))
    if not kind.size:
        return Gaps(names, found, kind, entry.astype(np.intp), caveats)
    people = np.concatenate([one.people for one in found])
    unknown = np.isnan(people)
    # Positions follow the ids of needs and areas, so that sorting by them is sorting by id.
    order = np.lexsort(
        (
            _texts(found, "id"),
            _texts(found, "cohort"),
            kind,
            np.concatenate([one.area for one in found]),
            np.concatenate([one.need for one in found]),
            -np.where(unknown, 0.0, people),
            unknown,
        )
    )
    return Gaps(names, found, kind[order], entry[order].astype(np.intp), caveats)


def _texts(found: Sequence[Found], column: str) -> NDArray[np.intp]:
    """Ranks of texts: numbers sort faster, and most kinds have none."""
    if all(getattr(one, column) is None for one in found):
        return np.zeros(sum(len(one) for one in found), np.intp)
    texts = [text for one in found for text in (getattr(one, column) or [""] * len(one))]
    return np.unique(np.array(texts, dtype=object), return_inverse=True)[1].astype(np.intp)


def of_cells(
    of: Assessment,
    cells: NDArray[np.integer],
    tell: Callable[[int], Told],
    *,
    people: Floats | None = None,
) -> Found:
    """Gaps that are whole cells (need × n_areas + area). people: per gap, else all people of the cell.

    tell is asked by the cell, not by the entry.
    """
    basis = of.people.basis.ravel()[cells]
    affected = of.people.count.ravel()[cells] if people is None else people
    return Found(
        need=(cells // max(of.areas.size, 1)).astype(np.int32),
        area=(cells % max(of.areas.size, 1)).astype(np.int32),
        people=np.where(basis > 0, affected, np.nan),
        basis=basis.astype(np.int8),
        tell=lambda entry: tell(int(cells[entry])),
    )


def collected(gaps: Sequence[tuple[Gap, Told]]) -> Found:
    """What was found one by one, as columns: for kinds that find few."""
    return Found(
        need=np.array([NOWHERE if gap.need is None else gap.need for gap, _ in gaps], dtype=np.int32),
        area=np.array([NOWHERE if gap.area is None else gap.area for gap, _ in gaps], dtype=np.int32),
        people=np.array([np.nan if gap.people is None else gap.people for gap, _ in gaps], dtype=np.float64),
        basis=np.array([BASES.index(gap.basis) for gap, _ in gaps], dtype=np.int8),
        tell=lambda entry: gaps[entry][1],
        cohort=[gap.cohort for gap, _ in gaps],
        id=[gap.id for gap, _ in gaps],
    )
