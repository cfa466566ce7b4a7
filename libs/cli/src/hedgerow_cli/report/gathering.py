"""What a report says: the platform's answers about a place, gathered once and put in order."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hedgerow_cli.client import Client, Parameters, Problem
from hedgerow_cli.report.drawing import Map, Shape, shapes_of

Json = dict[str, Any]

NEEDS_WITH_GAPS, GAPS_A_NEED = 15, 3
FIRST_EXITS, FIRST_PAIRS, FIRST_OVERLAPS = 10, 5, 10
MAPPED_NEEDS = 12
MOST_GAPS_COUNTED = 20_000
RULE_SETS_SHOWN = 3
FINDINGS_SHOWN = 20


@dataclass(frozen=True)
class Where:
    """An area of the report with its number on the maps."""

    number: int
    code: str
    name: str
    without: int
    partly: int
    single: int
    people: float | None
    derived: bool


@dataclass(frozen=True)
class Need:
    """A need of the report: in which areas nobody provides, one does, parts are served."""

    id: str
    name: str
    nobody: tuple[str, ...]
    partly: tuple[str, ...]
    single: tuple[str, ...]
    overlap: int
    people_uncovered: float | None
    providers: int
    services: int
    status: Mapping[str, str]
    largest: tuple[Json, ...]
    derived: bool

    def nobody_in(self, areas: Sequence[str]) -> str:
        """Where nobody provides, in the fewest words: all, all but a few, or their names."""
        number = f"{len(self.nobody)} of {len(areas)}"
        others = [name for name in areas if name not in set(self.nobody)]
        if not self.nobody:
            return "nowhere"
        if not others:
            return f"all {len(areas)}"
        if len(others) < len(self.nobody):
            return f"{number}: all but {', '.join(others)}"
        return f"{number}: {', '.join(self.nobody)}"

    def single_in(self, areas: Sequence[str]) -> str:
        """Where one alone provides: the areas just named as the others, or their names."""
        named = len(areas) - len(self.nobody) < len(self.nobody)
        if named and set(self.single) == set(areas) - set(self.nobody):
            return "each of these" if len(self.single) > 1 else "that one"
        return ", ".join(self.single)


@dataclass(frozen=True)
class Exits:
    """Who would be missed most, of one kind. as_providers: the same as by provider, name by name"""

    by: str
    items: tuple[Json, ...]
    number: int
    as_providers: bool = False


@dataclass(frozen=True)
class GapKind:
    """Gaps of one kind: how many, how many people (None where nothing is known of any), the largest."""

    kind: str
    number: int
    people: float | None
    largest: Json


@dataclass(frozen=True)
class Standards:
    """One set of adequacy rules and how the place stands."""

    name: str
    tally: Mapping[str, int]
    infeasible: tuple[Json, ...]
    findings: tuple[Json, ...]
    number: int


@dataclass(frozen=True)
class Report:
    summary: Json
    made_at: datetime
    areas: tuple[Where, ...]
    needs: tuple[Need, ...]
    map: Map | None
    kinds: tuple[GapKind, ...]
    exits: tuple[Exits, ...]
    pairs: tuple[Json, ...]
    overlaps: tuple[Json, ...]
    need_names: Mapping[str, str]
    standards: tuple[Standards, ...]
    caveats: tuple[str, ...]
    _derived: bool

    @property
    def computed(self) -> Json:
        found: Json = self.summary["computed"]
        return found

    @property
    def derived(self) -> bool:
        """Whether people are anything but counted in some cell."""
        return self._derived

    @property
    def area_names(self) -> list[str]:
        return [area.name for area in self.areas]

    def with_gaps(self) -> list[Need]:
        """The needs somewhere unmet, most people first."""
        return [need for need in self.needs if need.largest][:NEEDS_WITH_GAPS]

    def mapped(self) -> list[Need]:
        """The needs that get a map of their own: those unmet in some places only, most people first."""
        return [
            need for need in self.needs if (need.nobody or need.partly) and len(set(need.status.values())) > 1
        ][:MAPPED_NEEDS]

    def answered_nowhere(self) -> list[Need]:
        return [need for need in self.needs if len(need.nobody) == len(self.areas)]


def gather(client: Client, code: str, asked: Parameters, *, now: datetime) -> Report:
    """Ask the platform all that a report about an area says. asked: as for every analysis."""
    at = f"/v1/localities/{quote(code, safe='')}"
    # What was loaded a moment ago must be in it.
    newest = {**asked, "registry_seq": _newest(client)}
    summary: Json = client.send("GET", f"{at}/summary", parameters=newest).body
    level = summary["level"]
    cells = client.items(f"{at}/cover", asked)
    gaps = client.items(f"{at}/gaps", {**asked, "kind": "all"}, limit=MOST_GAPS_COUNTED)
    shapes = _shapes(client, code, level)
    areas = _areas(cells, shapes)
    exits = _exits(client, at, asked)
    pairs = client.items(f"{at}/fragility", {**asked, "pairs": "true"}, limit=FIRST_PAIRS)
    standards, more = _standards(client, at, asked)
    caveats = dict.fromkeys([*summary["computed"]["caveats"], *more])
    needs = _needs(summary, cells, gaps)
    return Report(
        summary=summary,
        made_at=now,
        areas=areas,
        needs=needs,
        map=Map.of([shape for shape in shapes if shape.code in {area.code for area in areas}]),
        kinds=_kinds(gaps),
        exits=exits,
        pairs=tuple(pairs),
        overlaps=tuple(client.items(f"{at}/overlaps", asked, limit=FIRST_OVERLAPS)),
        need_names={need.id: need.name for need in needs},
        standards=standards,
        caveats=tuple(caveats),
        _derived=any(cell["people_basis"] != "counted" for cell in cells),
    )


def _newest(client: Client) -> int | None:
    """The registry's last change; None where it is not told to this reader."""
    try:
        return int(client.get("/v1/changes", after=0, limit=1).body["last"])
    except Problem:
        return None


def _shapes(client: Client, code: str, level: str) -> list[Shape]:
    """Outlines of the areas, or their points; none where the registry has neither."""
    answer = client.get("/v1/areas.geojson", within=code, level=level).body
    return shapes_of(answer["features"])


def _areas(cells: Sequence[Json], shapes: Sequence[Shape]) -> tuple[Where, ...]:
    """The areas by name, numbered; the number is what stands on the map."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    people: dict[str, float] = defaultdict(float)
    derived = {c["area"] for c in cells if c["status"] == "gap" and c["people_basis"] != "counted"}
    names: dict[str, str] = {shape.code: shape.name for shape in shapes} if not cells else {}
    for cell in cells:
        names[cell["area"]] = cell["area_name"]
        counted[cell["area"]][cell["status"]] += 1
        if cell["status"] == "gap" and cell["people"] is not None:
            people[cell["area"]] += cell["people"]
    ordered = sorted(names, key=lambda code: (names[code].casefold(), code))
    return tuple(
        Where(
            number,
            code,
            names[code],
            counted[code]["gap"],
            counted[code]["partial"],
            counted[code]["single"],
            people.get(code) if counted[code]["gap"] else 0,
            code in derived,
        )
        for number, code in enumerate(ordered, start=1)
    )


def _needs(summary: Json, cells: Sequence[Json], gaps: Sequence[Json]) -> tuple[Need, ...]:
    largest: dict[str, list[Json]] = defaultdict(list)
    for gap in gaps:
        if gap["kind"] in ("uncovered", "partial") and len(largest[gap["need"]]) < GAPS_A_NEED:
            largest[gap["need"]].append(gap)
    by_need: dict[str, list[Json]] = defaultdict(list)
    for cell in cells:
        by_need[cell["need"]].append(cell)

    def named(need: str, status: str) -> tuple[str, ...]:
        return tuple(
            sorted((c["area_name"] for c in by_need[need] if c["status"] == status), key=str.casefold)
        )

    return tuple(
        Need(
            id=one["need"],
            name=one["need_name"],
            nobody=named(one["need"], "gap"),
            partly=named(one["need"], "partial"),
            single=named(one["need"], "single"),
            overlap=one["cells"]["overlap"],
            people_uncovered=one["people_uncovered"],
            providers=one["providers"],
            services=one["services"],
            status={cell["area"]: cell["status"] for cell in by_need[one["need"]]},
            largest=tuple(largest[one["need"]]),
            derived=any(
                cell["people_basis"] != "counted"
                for cell in by_need[one["need"]]
                if cell["status"] in ("gap", "partial")
            ),
        )
        for one in summary["by_need"]
    )


def _kinds(gaps: Sequence[Json]) -> tuple[GapKind, ...]:
    """How many gaps of each kind, the kind with most people first.

    Gaps that hang on one provider are told with those that hang on one owner, not twice.
    """
    number: Counter[str] = Counter()
    people: Counter[str] = Counter()
    known: set[str] = set()
    largest: dict[str, Json] = {}
    for gap in gaps:
        kind = gap["kind"]
        number[kind] += 1
        largest.setdefault(kind, gap)
        if gap["people_affected"] is not None:
            people[kind] += gap["people_affected"]
            known.add(kind)
    told = [kind for kind in number if kind != "single" or "fragile" not in number]
    return tuple(
        GapKind(kind, number[kind], people[kind] if kind in known else None, largest[kind])
        for kind in sorted(told, key=lambda kind: (-people[kind], kind))
    )


def _exits(client: Client, at: str, asked: Parameters) -> tuple[Exits, ...]:
    found: dict[str, list[Json]] = {
        by: client.items(f"{at}/fragility", {**asked, "by": by})
        for by in ("provider", "owner", "site", "contract")
    }

    def plain(items: Sequence[Json]) -> list[Json]:
        return [
            {name: item[name] for name in ("name", "people_uncovered", "cells_uncovered")} for item in items
        ]

    alike = plain(found["provider"]) == plain(found["owner"])
    return tuple(
        Exits(by, tuple(items[:FIRST_EXITS]), len(items), by == "owner" and alike)
        for by, items in found.items()
    )


def _standards(client: Client, at: str, asked: Parameters) -> tuple[tuple[Standards, ...], list[str]]:
    """How the place stands against each set of rules that the reader may use."""
    found = []
    caveats: list[str] = []
    kept = {name: value for name, value in asked.items() if name != "need"}
    for rules in client.items("/v1/adequacy-rules", limit=RULE_SETS_SHOWN):
        about = {**kept, "rules": rules["id"]}
        try:
            pages = list(client.pages(f"{at}/adequacy", about))
        except Problem as problem:
            # A set for another level of areas, say: the report goes on, and says so.
            caveats.append(f"The rules “{rules['name']}” could not be held against the place: {problem}")
            continue
        items = [item for page in pages for item in page.body["items"] if item["status"] != "met"]
        first = pages[0].body
        found.append(
            Standards(
                name=rules["name"],
                tally=first["tally"],
                infeasible=tuple(first["infeasible"]),
                findings=tuple(items[:FINDINGS_SHOWN]),
                number=len(items),
            )
        )
        caveats += first["computed"]["caveats"]
    return tuple(found), caveats
