"""Which observations of a KPI add up to which: over the tree of areas, over time, over who provides."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from hedgerow_outcomes.domain.disclosure import Equation
from hedgerow_outcomes.domain.periods import Period

AREA = "area"

Row = TypeVar("Row")


class Cell(NamedTuple):
    """Where an observation of a KPI stands: its subject, as a text, and its period."""

    subject: str
    period: Period


class Tree:
    """Areas and what lies in them. A part of an area at one level (wards, say) covers it once."""

    def __init__(self, parents: Mapping[str, Sequence[str]], levels: Mapping[str, str]) -> None:
        inside: dict[str, dict[str, list[str]]] = {}
        for code in sorted(parents):
            for parent in parents[code]:
                inside.setdefault(parent, {}).setdefault(levels.get(code, ""), []).append(code)
        self._inside = inside
        self._parents = parents
        self._levels = levels

    def __contains__(self, code: str) -> bool:
        return code in self._parents

    def level(self, code: str) -> str:
        return self._levels.get(code, "")

    def around(self, code: str) -> list[str]:
        """An area and all that it lies in, each before what it lies in itself."""
        found = [code]
        for area in found:
            found += [parent for parent in self._parents.get(area, ()) if parent not in found]
        return found

    def of_level(self, level: str) -> list[str]:
        return sorted(code for code, found in self._levels.items() if found == level)

    def inside(self, code: str, level: str) -> list[str]:
        """The areas of a level that lie in an area, at any depth, in the order of their codes."""
        seen, waiting = {code}, [code]
        while waiting:
            for parts in self._inside.get(waiting.pop(), {}).values():
                waiting += [part for part in parts if part not in seen]
                seen.update(parts)
        return sorted(found for found in seen - {code} if self._levels.get(found) == level)

    def coverings(self, code: str, observed: Collection[str]) -> Iterator[tuple[str, ...]]:
        """The observed areas that together make up an area, for each level of its parts that has any.

        A part that was not observed is made up of its own parts.
        """
        for parts in self._inside.get(code, {}).values():
            found = tuple(
                dict.fromkeys(one for part in parts for one in self._made_of(part, observed, {code}))
            )
            if found:
                yield found

    def _made_of(self, code: str, observed: Collection[str], above: Collection[str]) -> tuple[str, ...]:
        if code in above:
            return ()
        if code in observed:
            return (code,)
        for parts in self._inside.get(code, {}).values():
            found = tuple(one for part in parts for one in self._made_of(part, observed, {*above, code}))
            if found:
                return found
        return ()

    def tops(self, observed: Collection[str]) -> list[str]:
        """The observed areas above which none was observed."""
        return sorted(code for code in observed if not self._has_above(code, observed, set()))

    def _has_above(self, code: str, observed: Collection[str], seen: set[str]) -> bool:
        seen.add(code)
        return any(
            parent in observed or (parent not in seen and self._has_above(parent, observed, seen))
            for parent in self._parents.get(code, ())
        )


def apart(rows: Iterable[Row], period: Callable[[Row], Period]) -> Iterator[list[Row]]:
    """Rows in stretches of time that do not overlap, each to be judged without the others.

    rows: in the order of their periods. Only cells of one period add up, or of a period and of others within
    it: no equation joins cells of two stretches.

    >>> days = ((1, 9), (2, 3), (9, 9), (10, 12))
    >>> periods = [Period(date(2024, 1, start), date(2024, 1, end)) for start, end in days]
    >>> [len(stretch) for stretch in apart(periods, lambda period: period)]
    [3, 1]
    """
    stretch: list[Row] = []
    end = date.min
    for row in rows:
        start, last = period(row)
        if stretch and start > end:
            yield stretch
            stretch = []
        stretch.append(row)
        end = max(end, last)
    if stretch:
        yield stretch


def equations(cells: Collection[Cell], tree: Tree) -> list[Equation]:
    """Every total among the cells of a KPI that adds up from others of them, in order.

    Over areas: an area from its parts at each level; parts that were not observed are taken as nothing, as
    whoever subtracts will. Over time: a period from shorter ones of one length that cover it without gap or
    overlap. Over organisations, services, sites, contracts, networks and cohorts: the highest area observed
    from all of one kind, as a table by provider is published beside the total of the place.
    """
    by_period: dict[Period, set[str]] = defaultdict(set)
    by_subject: dict[str, set[Period]] = defaultdict(set)
    for cell in cells:
        by_period[cell.period].add(cell.subject)
        by_subject[cell.subject].add(cell.period)
    found = [
        equation
        for period in sorted(by_period)
        for equation in _over_subjects(period, by_period[period], tree)
    ]
    found += [
        equation for subject in sorted(by_subject) for equation in _over_time(subject, by_subject[subject])
    ]
    return found


def _over_subjects(period: Period, subjects: Collection[str], tree: Tree) -> Iterator[Equation]:
    areas = {subject for subject in subjects if ":" not in subject or subject.startswith(f"{AREA}:")}
    for code in sorted(areas):
        for parts in tree.coverings(code, areas):
            yield Equation(Cell(code, period), tuple(Cell(part, period) for part in parts))
    kinds: dict[str, list[str]] = {}
    for subject in sorted(set(subjects) - areas):
        kinds.setdefault(subject.partition(":")[0], []).append(subject)
    for top in tree.tops(areas):
        for kind in sorted(kinds):
            yield Equation(Cell(top, period), tuple(Cell(one, period) for one in kinds[kind]))


def _over_time(subject: str, periods: Collection[Period]) -> Iterator[Equation]:
    by_length: dict[str, list[Period]] = {}
    for period in sorted(periods):
        by_length.setdefault(period.granularity, []).append(period)
    for whole in sorted(periods):
        for length, shorter in sorted(by_length.items()):
            if length == whole.granularity:
                continue
            parts = _covering(whole, shorter)
            if parts:
                yield Equation(Cell(subject, whole), tuple(Cell(subject, part) for part in parts))


def _covering(whole: Period, shorter: Sequence[Period]) -> list[Period]:
    """The shorter periods, if they follow one another from the first day of the whole to its last."""
    parts, expected = [], whole.start
    for place in range(bisect_left(shorter, Period(whole.start, whole.start)), len(shorter)):
        part = shorter[place]
        if part.start != expected or part.end > whole.end:
            break
        parts.append(part)
        expected = part.end + timedelta(days=1)
    return parts if parts and parts[-1].end == whole.end else []
