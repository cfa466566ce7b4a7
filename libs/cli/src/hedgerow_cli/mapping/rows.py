"""The rows of one source as canonical records, none lost: sent, left out on purpose, or refused aloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from hedgerow_cli.canonical import TABLES
from hedgerow_cli.manifest import Cell, File, Unpivot
from hedgerow_cli.mapping.cells import Unmappable, cell_maker, columns_of
from hedgerow_cli.mapping.lookups import LookupTable
from hedgerow_cli.mapping.places import Placer, point_of
from hedgerow_cli.mapping.reading import Row, SourceRow
from hedgerow_cli.mapping.wheres import Filter


class Record(NamedTuple):
    """One canonical record, or the reason why its source row gives none."""

    line: int
    cells: list[str]
    column: str = ""
    reason: str = ""
    geometry: Any = None


@dataclass
class Tally:
    """What became of the rows of a source. Always `read * width == left_out + sent`."""

    width: int = 1
    read: int = 0
    left_out: int = 0
    sent: int = 0
    refused: int = 0
    unplaced: int = 0
    placed: Counter[str] = field(default_factory=Counter)

    @property
    def adds_up(self) -> bool:
        return self.read * self.width == self.left_out + self.sent


def spread_columns(file: File, header: Sequence[str]) -> list[str]:
    """The headers `unpivot` turns into records, in the order of the file."""
    if file.unpivot is None:
        return []
    wanted, unwanted = file.unpivot.columns, file.unpivot.leave
    return [
        name
        for name in header
        if any(fnmatchcase(name, pattern) for pattern in wanted)
        and not any(fnmatchcase(name, pattern) for pattern in unwanted)
    ]


def made_columns(file: File) -> set[str]:
    """Names that exist beside the header: `@file`, `@line`, `@lon`, `@lat`, and what `unpivot` adds."""
    made = {"@file", "@line", "@lon", "@lat"}
    if file.unpivot is not None:
        made |= {file.unpivot.name, file.unpivot.value}
        made |= {name for cells in file.unpivot.set.values() for name in cells}
    return made


class Mapper:
    """One file of the manifest, ready to turn source rows into canonical records."""

    def __init__(
        self,
        file: File,
        *,
        header: Sequence[str],
        missing: Collection[str],
        lookups: Mapping[str, LookupTable],
        stem: str = "",
    ) -> None:
        kind = TABLES[file.kind]
        self._file = file
        self._stem = stem
        self._spread = spread_columns(file, header)
        self._keep = Filter(file.where, missing, lookups) if file.where else None
        self._placer = Placer(file.place, missing=missing, lookups=lookups) if file.place else None
        placed = [kind.code, *(kind.point or ())] if file.place else []
        given = {*file.columns, *file.constants, *placed}
        self.columns = [name for name in kind.columns if name not in kind.optional or name in given]
        position = {name: index for index, name in enumerate(self.columns)}
        self._blank = [file.constants.get(name, "") for name in self.columns]
        self._makers = [
            (position[name], cell_maker(cell, missing=missing, lookups=lookups))
            for name, cell in file.columns.items()
        ]
        self._code = position.get(kind.code or "")
        self._point = tuple(position[name] for name in kind.point) if kind.point and file.place else None
        self._value = position[kind.value] if file.blank == "drop" and kind.value else None
        self._distinct = [position[name] for name in file.distinct]
        self._kpi = {
            name: cell_maker(cell, missing=missing, lookups=lookups)
            for name, cell in (file.kpi or {}).items()
        }
        kpi_id = file.columns.get("kpi", Cell(value=file.constants.get("kpi", "")))
        self._kpi_id = cell_maker(kpi_id, missing=missing, lookups=lookups)
        self._told = any(name.startswith("@") for name in _asked(file))
        self.tally = Tally(width=max(1, len(self._spread)) if file.unpivot is not None else 1)

    def records(self, source: Iterable[SourceRow]) -> Iterator[Record]:
        """Canonical records in the order of the source; a refused row comes as a record with its reason."""
        tally = self.tally
        seen: set[tuple[str, ...]] = set()
        for row in source:
            tally.read += 1
            if row.reason:
                for _ in range(tally.width):
                    yield self._refused(row.line, "", row.reason)
                continue
            if self._keep is not None and not self._keep(row.cells):
                tally.left_out += tally.width
                continue
            for cells in self._spread_out(row):
                try:
                    made = self._made(cells)
                except Unmappable as fault:
                    yield self._refused(row.line, fault.column, fault.reason)
                    continue
                if self._value is not None and not made[self._value]:
                    tally.left_out += 1
                    continue
                if self._distinct:
                    key = tuple(made[index] for index in self._distinct)
                    if key in seen:
                        tally.left_out += 1
                        continue
                    seen.add(key)
                tally.sent += 1
                yield Record(row.line, made, geometry=row.geometry)
        if self._placer is not None:
            tally.placed = self._placer.placed
            tally.unplaced = self._placer.unplaced

    def definitions(self, source: Iterable[SourceRow]) -> Iterator[dict[str, str]]:
        """The KPIs the file speaks of, each once, with what the manifest derives about it."""
        seen: set[str] = set()
        for row in source:
            if row.reason or (self._keep is not None and not self._keep(row.cells)):
                continue
            for cells in self._spread_out(row):
                try:
                    kpi = self._kpi_id(cells)
                    if kpi and kpi not in seen:
                        seen.add(kpi)
                        yield {"id": kpi, **{name: maker(cells) for name, maker in self._kpi.items()}}
                except Unmappable:
                    continue  # the row is refused, with its reason, when the observations are read

    def _refused(self, line: int, column: str, reason: str) -> Record:
        self.tally.sent += 1
        self.tally.refused += 1
        return Record(line, [""] * len(self.columns), column, reason)

    def _made(self, cells: Row) -> list[str]:
        made = self._blank.copy()
        for index, maker in self._makers:
            made[index] = maker(cells)
        if self._placer is not None:
            found = self._placer.place(cells, send_unplaced=self._file.unplaced == "send")
            if self._code is not None and found.code:
                made[self._code] = found.code
            if self._point is not None and found.lon:
                made[self._point[0]], made[self._point[1]] = found.lon, found.lat
        return made

    def _spread_out(self, row: SourceRow) -> Iterable[Row]:
        """The row's cells, or the cells of each record it is unpivoted into."""
        if self._told:
            lon, lat = point_of(row.geometry)
            row.cells |= {"@line": str(row.line), "@file": self._stem, "@lon": lon, "@lat": lat}
        return (row.cells,) if self._file.unpivot is None else self._unpivoted(row, self._file.unpivot)

    def _unpivoted(self, row: SourceRow, unpivot: Unpivot) -> Iterator[Row]:
        for name in self._spread:
            label = unpivot.labels.get(name, name)
            yield {
                **row.cells,
                **unpivot.set.get(name, {}),
                unpivot.name: label,
                unpivot.value: row.cells.get(name, ""),
            }


def _asked(file: File) -> Iterator[str]:
    """The source columns the cells of a file read."""
    for cell in (*file.columns.values(), *(file.kpi or {}).values()):
        for names in columns_of(cell):
            yield from names
    yield from file.where
    for step in file.place:
        yield from step.columns
