"""The kind `areas`: codes, names, levels, hierarchies and successors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from hedgerow_kit.records import Batch, Outcome, Record
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions.places import AreaRow, keep_links, write_areas
from hedgerow_registry.actions.records import QUARANTINED
from hedgerow_registry.domain import gss
from hedgerow_registry.imports.rows import (
    CRS_OPTION,
    MEDIA_TYPES,
    OPTIONS,
    Awaited,
    Rejected,
    Row,
    Seen,
    crs_of,
    parsed,
    provenance,
    reader,
)
from hedgerow_registry.store.directory import known_areas

REQUIRED = ("code", "name", "level", "parent_code", "vintage")
OPTIONAL = ("successor_code", "lon", "lat")
ADD, REPLACE = "add", "replace"


@dataclass
class Links:
    """The parents and successors that a file names for its areas, where it is to say all of them."""

    parents: dict[str, set[str]] = field(default_factory=dict)
    successors: dict[str, set[str]] = field(default_factory=dict)
    says_successors: bool = False

    @classmethod
    def of(cls, run: Run) -> "Links":
        links: Links = run.kept.setdefault("links", cls())
        return links

    def add(self, area: AreaRow) -> None:
        self.parents.setdefault(area.code, set()).update(area.parent_codes)
        self.successors.setdefault(area.code, set()).update(area.successor_codes)


def read(upload: Upload, run: Run) -> Iterator[Batch]:
    if run.option("links", ADD) not in (ADD, REPLACE):
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "links", "reason": f"{ADD} or {REPLACE}"}])
    return _read(upload, run)


_read = reader(REQUIRED, OPTIONAL)


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    crs, seen = crs_of(run), Seen.of(run)

    def parse(row: Row) -> dict[str, AreaRow]:
        said = row.text("level")
        code = row.read("code", lambda text: gss.area_code(text, level=said.casefold() or "neighbourhood"))
        lon, lat = row.point(crs)
        area = AreaRow(
            code,
            row.maybe("name"),
            row.checked("level", gss.level, said, code) if said or gss.level_of(code) else None,
            row.read("vintage", gss.vintage),
            lon,
            lat,
            _codes(row, "parent_code", code),
            _codes(row, "successor_code", code),
        )
        _require_agreement(seen, area, row)
        return {"area": area}

    rows, outcomes = parsed(batch, parse, key=["code"])
    areas = [fields["area"] for _, fields in rows]
    written = write_areas(session, areas, by)
    awaited, links = Awaited.of(run), Links.of(run)
    known = known_areas(
        session, (code for area in areas for code in area.parent_codes + area.successor_codes)
    )
    for (row, _), area, result in zip(rows, areas, written, strict=True):
        outcome = row.outcome(result)
        outcomes.append(outcome)
        if result.verdict != QUARANTINED:
            links.add(area)
            links.says_successors |= "successor_code" in row.record.fields
            for code in sorted({*area.parent_codes} - known):
                awaited.add(outcome, area.code, "parent_code", code, "the parent")
            for code in sorted({*area.successor_codes} - known):
                awaited.add(outcome, area.code, "successor_code", code, "the successor")
    return outcomes


def finish(session: Session, run: Run) -> Iterable[Outcome]:
    """A parent may stand further down in the file: what is still missing at its end is noted.

    Only at its end is it known which links the file does not name; with `links=replace` those are taken away.
    """
    awaited = Awaited.of(run)
    notes = awaited.notes(known_areas(session, awaited.references()))
    if run.option("links", ADD) == ADD:
        return notes
    links = Links.of(run)
    named = {"parent_codes": links.parents}
    if links.says_successors:
        named["successor_codes"] = links.successors
    for code, told in keep_links(session, named, provenance(session, run)):
        notes.append(Outcome("changed", key=code, column="parent_code", reason=told, records=0))
    return notes


def _codes(row: Row, column: str, own: str) -> tuple[str, ...]:
    codes = tuple(row.checked(column, gss.area_code, part) for part in row.parts(column))
    if own in codes:
        raise Rejected("an area is not its own parent or successor", column)
    return codes


def _require_agreement(seen: Seen, area: AreaRow, row: Row) -> None:
    """Two rows of one code and year may add to each other, but not contradict each other."""
    year = (area.code, area.vintage)
    for column, value in (
        ("name", area.name),
        ("level", area.level),
        ("lon", None if area.lon is None else (area.lon, area.lat)),
    ):
        first = None if value is None else seen.contradicted((*year, column), value, row.place)
        if first is not None:
            raise Rejected(f"{first} says otherwise of the same area and year: the first row stands", column)


KIND = Kind(
    name="areas",
    summary="Import areas: codes with their boundary year, names, levels, parents, successors",
    read=read,
    write=write,
    finish=finish,
    media_types=MEDIA_TYPES,
    options={
        **OPTIONS,
        **CRS_OPTION,
        "links": "`add` (the usual): parents and successors add to those known; `replace`: instead of them",
    },
)
