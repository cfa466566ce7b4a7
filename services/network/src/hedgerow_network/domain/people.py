"""How many people stand behind a cell: counted, derived, all residents, or not known, and always said
which.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.areas import FINE_TO_COARSE, Hierarchy
from hedgerow_network.domain.cover import Floats
from hedgerow_network.domain.eligibility import ALL_AGES, Ages

UNKNOWN, RESIDENTS, DERIVED, COUNTED = range(4)
Basis = Literal["unknown", "residents", "derived", "counted"]
BASES: tuple[Basis, ...] = ("unknown", "residents", "derived", "counted")

ENOUGH_COUNTED = 0.5
"""Counts of the parts stand for the whole area only if they speak for at least this share of its
residents.
"""

GENERAL_INDICES = (
    "deprivation",
    "imd",
    "imd-score",
    "index-of-multiple-deprivation",
    "wimd",
    "simd",
    "nimdm",
)
"""Indices taken without being named, if several are held: the first of these that is there."""


@dataclass(frozen=True)
class Band:
    """People of an age band and sex who lived in an area in a period; age_to None = no upper age."""

    period: str
    age_from: int
    age_to: int | None
    sex: str
    count: float


def residents_in(bands: Iterable[Band], at: date) -> float | None:
    """All residents of an area, from its latest figures up to a date.

    bands: rows in any order. Of a period: rows of sex `all`, else female and male together; of the ages: the
    row for all ages if there is one, else bands that follow one another (where bands overlap, the widest that
    begins first).
    Returns None where there is no row. Later periods are used only if there is no earlier one.

    >>> residents_in([Band("2023", 0, 15, "all", 20), Band("2023", 16, None, "all", 80)], date(2024, 1, 1))
    100.0
    """
    by_period: dict[str, list[Band]] = {}
    for band in bands:
        by_period.setdefault(band.period, []).append(band)
    period = latest(by_period, at)
    if period is None:
        return None
    of_all = [band for band in by_period[period] if band.sex == "all"]
    if of_all:
        return _across_ages(of_all)
    of_each = [_across_ages([b for b in by_period[period] if b.sex == sex]) for sex in ("female", "male")]
    return float(sum(of_each))


OLDEST_COUNTED = 100
"""Where a band without an upper age is taken to end, if it has to be split."""
WIDEST_SPLIT = 30
"""The widest band, in years, that is split: people are taken to be spread evenly over its ages."""
ENOUGH_AGES = 90
"""Bands that reach this age speak for all who are older, too."""


def residents_aged(bands: Iterable[Band], at: date, ages: Ages) -> float | None:
    """Residents of an area who are of certain ages, from its latest figures up to a date.

    bands: rows in any order; of a period as in `residents_in`, the narrowest bands first. A band that the
    ages cut is split evenly if it is no wider than WIDEST_SPLIT years, an open one taken to end at
    OLDEST_COUNTED.
    Returns None where there is no row, where bands leave some of the ages out, or would have to be split too
    coarsely.

    >>> residents_aged([Band("2023", 15, 19, "all", 50)], date(2024, 1, 1), Ages(16, 18))
    20.0
    """
    by_period: dict[str, list[Band]] = {}
    for band in bands:
        by_period.setdefault(band.period, []).append(band)
    period = latest(by_period, at)
    if period is None:
        return None
    of_all = [band for band in by_period[period] if band.sex == "all"]
    groups = (
        [of_all] if of_all else [[b for b in by_period[period] if b.sex == sex] for sex in ("female", "male")]
    )
    counts = [_of_ages(group, ages) for group in groups]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _of_ages(bands: Sequence[Band], ages: Ages) -> float | None:
    tiles: list[tuple[float, float, float]] = []
    for band in sorted(bands, key=lambda b: (_end(b) - b.age_from, b.age_from)):
        low, high = float(band.age_from), _end(band) + 1
        if all(high <= other_low or other_high <= low for other_low, other_high, _ in tiles):
            tiles.append((low, high, band.count))
    total, missing = 0.0, min(ages.high, ENOUGH_AGES) - ages.low
    for low, high, count in tiles:
        shared = Ages(low, high) & ages
        if shared is None:
            continue
        missing -= max(min(shared.high, ENOUGH_AGES) - shared.low, 0.0)
        if shared == Ages(low, high):
            total += count
            continue
        width = min(high, OLDEST_COUNTED) - low
        if not 0 < width <= WIDEST_SPLIT:
            return None
        total += count * max(min(shared.high, OLDEST_COUNTED) - shared.low, 0.0) / width
    return total if missing <= _A_DAY else None


_A_DAY = 1 / 400


def _across_ages(bands: Sequence[Band]) -> float:
    total, reached = 0.0, -1.0
    for band in sorted(bands, key=lambda b: (b.age_from, -_end(b))):
        if band.age_from > reached:
            total += band.count
            reached = _end(band)
    return total


def _end(band: Band) -> float:
    return np.inf if band.age_to is None else band.age_to


def latest(periods: Iterable[str], at: date) -> str | None:
    """The latest period that begins no later than the date's year; the earliest if all begin later.

    >>> latest(["2022-23", "2024", "2031"], date(2025, 6, 1))
    '2024'
    """
    ordered = sorted(periods)
    begun = [period for period in ordered if _year(period) <= at.year]
    return begun[-1] if begun else ordered[0] if ordered else None


def _year(period: str) -> int:
    return int(period[:4]) if period[:4].isdigit() else 0


@dataclass(frozen=True)
class Figures:
    """What is known about people at a date: one entry per area of the hierarchy, NaN = not known.

    residents: (n_areas,) · counts: need → (n_areas,) people counted · weights: need → (n_areas,) people with
    the need per resident, as stated where nobody has counted · indices: name → (n_areas,) values; a higher
    value means more need · at, bands: the date, and the residents of each area by age, area code → rows
    """

    areas: Hierarchy
    residents: Floats
    counts: Mapping[str, Floats]
    weights: Mapping[str, Floats]
    indices: Mapping[str, Floats]
    at: date = date.max
    bands: Mapping[str, tuple[Band, ...]] = field(default_factory=dict)

    def residents_aged(self, ages: Ages, areas: NDArray[np.integer]) -> Floats:
        """(n,) residents of certain ages of some areas: from an area's own bands, else the sum over the
        areas of one level within it, if complete; NaN where not known.
        """
        found = np.array([self._aged(int(area), ages) for area in areas], dtype=np.float64)
        for place in np.flatnonzero(np.isnan(found)):
            inside = self.areas.inside(int(areas[place]))
            inside = inside[(inside != areas[place]) & ~self.areas.superseded[inside]]
            for level in FINE_TO_COARSE:
                parts = inside[self.areas.level[inside] == level]
                of_parts = [self._aged(int(part), ages) for part in parts]
                if of_parts and not np.isnan(of_parts).any():
                    found[place] = float(np.sum(of_parts))
                    break
        return found

    def _aged(self, area: int, ages: Ages) -> float:
        count = residents_aged(self.bands.get(self.areas.codes[area], ()), self.at, ages)
        return np.nan if count is None else count

    def index_to_use(self, asked: str | None, within: NDArray[np.integer]) -> str | None:
        """The index asked for; else the only one held within the areas; else the first general one; else
        None.
        """
        if asked is not None:
            return asked
        held = [name for name, values in sorted(self.indices.items()) if np.isfinite(values[within]).any()]
        if len(held) == 1:
            return held[0]
        spelled = {"".join(c if c.isalnum() else "-" for c in name.casefold()): name for name in held}
        return next((spelled[name] for name in GENERAL_INDICES if name in spelled), None)

    @cached_property
    def whole_residents(self) -> Floats:
        """Residents of each area: its own figure, else the sum of the areas of one level within it, if
        complete.
        """
        filled = self.residents.copy()
        for area in np.flatnonzero(np.isnan(filled) & ~self.areas.is_leaf):
            inside = self.areas.inside(int(area))
            inside = inside[(inside != area) & ~self.areas.superseded[inside]]
            for level in FINE_TO_COARSE:
                parts = self.residents[inside[self.areas.level[inside] == level]]
                if parts.size and not np.isnan(parts).any():
                    filled[area] = parts.sum()
                    break
        return filled


@dataclass(frozen=True)
class People:
    """People of each cell. count: (n_needs, n_areas) >= 0, 0 where unknown · basis: (n_needs, n_areas)
    position in BASES · index: the index that derived figures rest on, if any · of_ages: whether only those of
    certain ages are meant.
    """

    count: Floats
    basis: NDArray[np.int8]
    index: str | None
    of_ages: bool = False


def people(
    figures: Figures,
    needs: Sequence[str],
    areas: NDArray[np.integer],
    *,
    index: str | None,
    ages: Ages = ALL_AGES,
) -> People:
    r"""People of each (need, area) cell.

    In this order, the first that is known:

    1. *counted*: the area's own count, or the sum of the counts of all areas of one level within it;
    2. *derived*: the counts of some areas within it, scaled up by residents, if these hold at least half of
    them;
    3. *derived*: residents × the weight stated for the need;
    4. *derived*: residents × (index − low) / (high − low), where high is the highest value held of the index
    and
       low the lowest or 0, whichever is less: an order of need, not a count of people;
    5. *residents*: all of them;
    6. *unknown*: 0, and said so.

    Of certain ages: the same × the share of residents who are of these ages; what was counted is derived
    then, and unknown where residents by age are.

    Parameters: areas, positions in the hierarchy · index, a name in `figures.indices` or None.
    Never NaN; never negative for figures that are not.
    """
    shape = (len(needs), len(areas))
    count, basis = np.zeros(shape), np.zeros(shape, np.int8)
    residents = figures.whole_residents[areas]
    parts = _parts(figures.areas, areas)
    pressed = _pressed(figures, areas, parts, index)
    for row, need in enumerate(needs):
        for how, found in (
            *_counted(figures, need, areas, parts),
            (DERIVED, residents * _column(figures.weights, need, areas)),
            (DERIVED, pressed),
            (RESIDENTS, residents),
        ):
            take = (basis[row] == UNKNOWN) & np.isfinite(found)
            count[row, take] = np.maximum(found[take], 0.0)
            basis[row, take] = how
    used = index if (basis == DERIVED).any() else None
    if ages == ALL_AGES:
        return People(count=count, basis=basis, index=used)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(figures.residents_aged(ages, areas) / residents, 0.0, 1.0)
    known = np.isfinite(share)[None, :] & (basis > UNKNOWN)
    return People(
        count=np.where(known, count * np.nan_to_num(share), 0.0),
        basis=np.where(known, np.where(basis == COUNTED, DERIVED, basis), UNKNOWN).astype(np.int8),
        index=used,
        of_ages=True,
    )


def _column(table: Mapping[str, Floats], need: str, areas: NDArray[np.integer]) -> Floats:
    values = table.get(need)
    return np.full(len(areas), np.nan) if values is None else values[areas]


Parts = list[tuple[NDArray[np.int32], csr_array]]


def _parts(hierarchy: Hierarchy, areas: NDArray[np.integer]) -> Parts:
    """For each level below: the areas of that level, and (n_areas, n_of_level) which of them lie in which."""
    found: Parts = []
    below = csr_array(hierarchy.holds[:, areas].T)
    for level in FINE_TO_COARSE:
        members = np.flatnonzero((hierarchy.level == level) & ~hierarchy.superseded)
        if not members.size or np.isin(areas, members).all():
            continue
        held = csr_array(below[:, members])
        if held.nnz:
            found.append((members.astype(np.int32), held))
    return found


def _counted(
    figures: Figures, need: str, areas: NDArray[np.integer], parts: Parts
) -> list[tuple[int, Floats]]:
    values = figures.counts.get(need)
    if values is None:
        return []
    found: list[tuple[int, Floats]] = [(COUNTED, values[areas])]
    scaled: list[tuple[int, Floats]] = []
    for members, held in parts:
        of_parts = values[members]
        known = np.isfinite(of_parts)
        if not known.any():
            continue
        total = held @ np.where(known, of_parts, 0.0)
        n_known, n_all = held @ known.astype(np.float64), held @ np.ones(members.size)
        found.append((COUNTED, np.where((n_all > 0) & (n_known == n_all), total, np.nan)))
        lived = np.nan_to_num(figures.whole_residents[members])
        of_known, of_all = held @ np.where(known, lived, 0.0), held @ lived
        with np.errstate(divide="ignore", invalid="ignore"):
            share = of_known / of_all
            scaled.append((DERIVED, np.where(share >= ENOUGH_COUNTED, total / share, np.nan)))
    return found + scaled


def _pressed(figures: Figures, areas: NDArray[np.integer], parts: Parts, index: str | None) -> Floats:
    """Residents weighted by the index, of the area itself or summed over the areas within it."""
    values = figures.indices.get(index) if index is not None else None
    if values is None or not np.isfinite(values).any():
        return np.full(len(areas), np.nan)
    low, high = min(0.0, float(np.nanmin(values))), float(np.nanmax(values))
    if high <= low:
        return np.full(len(areas), np.nan)
    pressure = (values - low) / (high - low)
    found: Floats = np.asarray(figures.whole_residents[areas] * pressure[areas])
    for members, held in parts:
        each = figures.whole_residents[members] * pressure[members]
        complete = held @ np.isfinite(each).astype(np.float64) == held @ np.ones(members.size)
        summed = held @ np.nan_to_num(each)
        take = np.isnan(found) & complete & (held @ np.ones(members.size) > 0)
        found[take] = summed[take]
    return found
