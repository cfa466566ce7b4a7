"""The manifest: a TOML file that says which of a council's files holds what, and how to read it.

Validated before anything is opened or sent; every fault names the file, the table, the key and the reason.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from hedgerow_cli.canonical import KINDS, PASSED_THROUGH, TABLES, CanonicalKind
from hedgerow_cli.errors import CommandError


class ManifestError(CommandError):
    """The manifest, or a file it names, is not as it should be; nothing was sent."""

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _text(value: object) -> object:
    """TOML numbers, dates and truths are meant as the text a table would hold."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str | list | dict) else str(value)


def _texts(value: object) -> object:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


Text = Annotated[str, BeforeValidator(_text)]
Expression = Annotated[str, AfterValidator(_expression)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Otherwise = Literal["quarantine", "blank", "keep"]


def _condition(value: object) -> object:
    return value if isinstance(value, dict) else {"is": value}


class Condition(_Table):
    """What a source cell must be for its row to be taken."""

    equals: Texts | None = Field(default=None, alias="is")
    differs: Texts | None = Field(default=None, alias="not")
    matches: Expression | None = None
    present: bool | None = None
    lookup: str | None = Field(default=None, alias="in")
    unlike: str | None = None


Where = dict[str, Annotated[Condition, BeforeValidator(_condition)]]


def _cell(value: object) -> object:
    return value if isinstance(value, dict) else {"column": value}


class Cell(_Table):
    """Where one canonical cell comes from, and what is done to it on the way, in the order of these keys."""

    column: Texts | None = None
    template: str | None = None
    value: Text | None = None
    lookup: str | None = None
    key: Annotated[Cell, BeforeValidator(_cell)] | None = Field(default=None, alias="from")
    take: str | None = None
    parts: tuple[Annotated[Cell, BeforeValidator(_cell)], ...] | None = None
    split: str | None = None
    replace: dict[str, Text] | None = None
    pattern: Expression | None = None
    map: dict[str, Text] | None = None
    otherwise: Otherwise = "quarantine"
    join: str = ";"
    number: bool = False
    date: Texts | None = None
    slug: bool = False
    prefix: str = ""
    default: Text = ""

    @model_validator(mode="after")
    def _one_origin(self) -> Cell:
        possible = ("column", "template", "value", "lookup", "parts")
        origins = [name for name in possible if getattr(self, name) is not None]
        if len(origins) != 1:
            raise ValueError(
                "say exactly one of column, template, value, lookup, parts"
                + (f", not {' and '.join(origins)}" if origins else "")
            )
        if self.lookup is not None and (self.key is None or self.take is None):
            raise ValueError(
                "a lookup needs `from` (what of this file to ask it) and `take` (which of its columns)"
            )
        if self.lookup is None and (self.key is not None or self.take is not None):
            raise ValueError("`from` and `take` belong to a lookup")
        return self

    def within(self) -> Iterator[Cell]:
        """The cell and those it is put together from."""
        yield self
        for part in (*(self.parts or ()), *([self.key] if self.key is not None else [])):
            yield from part.within()


CellEntry = Annotated[Cell, BeforeValidator(_cell)]


class Place(_Table):
    """One way of finding where a row is."""

    code: str | None = None
    lon: str | None = None
    lat: str | None = None
    easting: str | None = None
    northing: str | None = None
    crs: str = "EPSG:27700"
    postcode: str | None = None
    name: str | None = None
    lookup: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Place:
        given = {name for name in type(self).model_fields if getattr(self, name) is not None} - {"crs"}
        ways = ({"code"}, {"lon", "lat"}, {"easting", "northing"}, {"postcode", "lookup"}, {"name", "lookup"})
        if given not in ways:
            raise ValueError(
                "a step is one of {code}, {lon, lat}, {easting, northing}, {postcode, lookup}, {name, lookup}"
            )
        return self

    @property
    def columns(self) -> list[str]:
        """The source columns the step reads."""
        given = (self.code, self.lon, self.lat, self.easting, self.northing, self.postcode, self.name)
        return [column for column in given if column is not None]


class Unpivot(_Table):
    """Columns that are really rows: each becomes a record of its own."""

    columns: Texts
    leave: Texts = Field(default=(), alias="except")
    name: str = "column"
    value: str = "value"
    labels: dict[str, Text] = {}
    set: dict[str, dict[str, Text]] = {}


class Reading(_Table):
    """How a table on disk is read."""

    format: Literal["csv", "geojson", "json", "ndjson"] | None = None
    encoding: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    skip_lines: int = Field(default=0, ge=0)
    header: Texts | None = None
    records: str | None = None
    crs: str | None = None
    missing: Texts | None = None
    where: Where = {}


class Lookup(Reading):
    """A table held in memory and asked by key: postcodes, names, the parent of a code."""

    path: str
    key: Texts
    match: Literal["exact", "postcode", "name"] = "exact"
    code: str = "code"
    lon: str | None = "lon"
    lat: str | None = "lat"
    easting: str | None = None
    northing: str | None = None


class File(Reading):
    """One source (a path, a pattern of paths, or rows written here) that feeds one kind."""

    path: Texts | None = None
    leave: Texts = Field(default=(), alias="except")
    rows: tuple[dict[str, Text], ...] | None = None
    kind: str
    source: str | None = None
    columns: dict[str, CellEntry] = {}
    constants: dict[str, Text] = {}
    unpivot: Unpivot | None = None
    place: tuple[Place, ...] = ()
    unplaced: Literal["quarantine", "send"] = "quarantine"
    distinct: Texts = ()
    kpi: dict[str, CellEntry] | None = None
    period: str | None = None
    blank: Literal["missing", "quarantine", "drop"] | None = None
    options: dict[str, Text] = {}

    @property
    def mapped(self) -> bool:
        """Whether the file needs reading at all, or is canonical and goes through untouched."""
        return bool(
            self.columns
            or self.constants
            or self.unpivot
            or self.place
            or self.kpi
            or self.rows is not None
            or self.where
            or self.distinct
            or self.blank == "drop"
        )

    @property
    def label(self) -> str:
        if self.path is None:
            return f"{self.kind} in the manifest"
        return f"{self.path[0]} …" if len(self.path) > 1 else self.path[0]

    @model_validator(mode="before")
    @classmethod
    def _rows_name_their_columns(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("rows"), list | tuple) and "columns" not in given:
            names = {name for row in given["rows"] if isinstance(row, dict) for name in row}
            return {**given, "columns": {name: name for name in sorted(names)}}
        return given

    @model_validator(mode="after")
    def _makes_sense(self) -> File:
        if (self.path is None) == (self.rows is None):
            raise ValueError("say either `path` (a file) or `rows` (written in the manifest)")
        if self.kind not in KINDS:
            raise ValueError(f"kind '{self.kind}' is not known{_nearest(self.kind, KINDS)}")
        if not self.mapped:
            return self
        if self.kind in PASSED_THROUGH:
            raise ValueError(
                f"kind '{self.kind}' is a published standard and goes through untouched: drop the mapping"
            )
        kind = TABLES[self.kind]
        for column in (*self.columns, *self.constants, *self.distinct):
            if column not in kind.columns:
                raise ValueError(f"'{column}' is not a column of {self.kind}{_nearest(column, kind.columns)}")
        if self.kpi is not None:
            if self.kind != "observations":
                raise ValueError("`kpi` describes the KPIs of observations")
            for column in self.kpi:
                if column not in TABLES["kpis"].columns or column == "id":
                    raise ValueError(
                        f"'{column}' is not a property of a KPI{_nearest(column, TABLES['kpis'].columns)}"
                    )
        self._place_fits(kind)
        placed = {kind.code, *(kind.point or ())} if self.place else set()
        for column in kind.needed:
            if column not in self.columns and column not in self.constants and column not in placed:
                raise ValueError(f"{self.kind} need '{column}', and neither columns nor constants give it")
        if self.blank == "drop" and kind.value is None:
            raise ValueError(f"{self.kind} have no value that could be blank")
        return self

    def _place_fits(self, kind: CanonicalKind) -> None:
        by_code = any(step.code or step.name for step in self.place)
        by_point = any(not (step.code or step.name) for step in self.place)
        if by_code and kind.code is None:
            raise ValueError(f"{self.kind} cannot be placed by code or by name")
        if by_point and kind.point is None:
            raise ValueError(f"{self.kind} cannot be placed by coordinates or postcode, only by code or name")


class Manifest(_Table):
    """Everything one place's data needs to be loaded."""

    name: str
    area: str
    source: str
    description: str = ""
    missing: Texts = ()
    lookup: dict[str, Lookup] = {}
    mapping: dict[str, dict[str, Any]] = {}
    kpi: tuple[dict[str, Text], ...] = ()
    file: tuple[File, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`. Raises ManifestError with every fault found, each naming table and key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError([f"{path}: no such manifest, check the path"]) from None
    except IsADirectoryError:
        raise ManifestError([f"{path}: is a folder, not a manifest"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError([f"{path}: not valid TOML: {error}"]) from None
    return parse_manifest(raw, where=str(path))


def parse_manifest(raw: Mapping[str, Any], *, where: str) -> Manifest:
    """A manifest already read from TOML; `where` is what its faults are reported under."""
    faults: list[str] = []
    merged = dict(raw)
    mappings = raw.get("mapping", {})
    files = raw.get("file", [])
    if isinstance(files, list) and isinstance(mappings, dict):
        merged["file"] = [
            _with_mapping(entry, mappings, f"{where}: {_file_name(raw, number)}", faults)
            for number, entry in enumerate(files)
        ]
    if not faults:
        try:
            manifest = Manifest.model_validate(merged)
        except ValidationError as error:
            faults = [f"{where}: {fault}" for fault in _faults(error, raw)]
        else:
            faults = [f"{where}: {fault}" for fault in _dangling(manifest, raw)]
            if not faults:
                return manifest
    raise ManifestError(faults)


def _with_mapping(entry: Any, mappings: Mapping[str, Any], where: str, faults: list[str]) -> Any:
    if not isinstance(entry, dict) or "use" not in entry:
        return entry
    own = dict(entry)
    name = own.pop("use")
    base = mappings.get(name) if isinstance(name, str) else None
    if not isinstance(base, dict):
        faults.append(f"{where}, key 'use': there is no [mapping.{name}]{_nearest(str(name), mappings)}")
        return own
    result = dict(base)
    for key, value in own.items():
        if key in ("columns", "constants", "where", "options", "kpi") and isinstance(value, dict):
            inherited = base.get(key, {})
            result[key] = {**inherited, **value} if isinstance(inherited, dict) else value
        else:
            result[key] = value
    return result


def _dangling(manifest: Manifest, raw: Mapping[str, Any]) -> Iterator[str]:
    """Uses of lookups that nobody declared."""
    for name, lookup in manifest.lookup.items():
        if any(condition.lookup is not None for condition in lookup.where.values()):
            yield f"[lookup.{name}], key 'where': a lookup cannot ask another lookup"
    for number, file in enumerate(manifest.file):
        uses = [
            (f"columns.{name}", part.lookup) for name, cell in file.columns.items() for part in cell.within()
        ]
        uses += [
            (f"kpi.{name}", part.lookup) for name, cell in (file.kpi or {}).items() for part in cell.within()
        ]
        uses += [(f"where.{name}", condition.lookup) for name, condition in file.where.items()]
        uses += [(f"place.{index}", step.lookup) for index, step in enumerate(file.place, start=1)]
        for key, asked in uses:
            if asked is not None and asked not in manifest.lookup:
                yield (
                    f"{_file_name(raw, number)}, key '{key}': there is no [lookup.{asked}]"
                    f"{_nearest(asked, manifest.lookup)}"
                )


def _faults(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_context=False):
        loc = list(fault["loc"])
        if loc and loc[0] == "file" and len(loc) > 1 and isinstance(loc[1], int):
            table, keys = _file_name(raw, loc[1]), loc[2:]
        elif loc and loc[0] == "kpi" and len(loc) > 1:
            table, keys = f"[[kpi]] {int(loc[1]) + 1}", loc[2:]
        elif len(loc) > 1 and loc[0] == "lookup":
            table, keys = f"[lookup.{loc[1]}]", loc[2:]
        else:
            table, keys = "top of the file", loc
        reason = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            reason = f"is not a key here{_nearest(str(loc[-1]), _known_keys(loc))}"
        elif fault["type"] == "missing":
            reason = "is needed and not given"
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in keys)
        yield f"{table}, key '{key}': {reason}" if key else f"{table}: {reason}"


def _known_keys(loc: Sequence[int | str]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "columns": Cell,
        "kpi": Cell,
        "place": Place,
        "unpivot": Unpivot,
        "where": Condition,
    }
    model: type[BaseModel] = Manifest
    if len(loc) > 2 and loc[0] in ("file", "lookup"):
        model = File if loc[0] == "file" else Lookup
        for part in loc[2:-1]:
            model = models.get(str(part), model)
    return [field.alias or name for name, field in model.model_fields.items()] + ["use"] * (model is File)


def _file_name(raw: Mapping[str, Any], number: int) -> str:
    try:
        entry = raw["file"][number]
        told = entry.get("path") or f"{entry.get('kind')} rows"
        told = f"{told[0]} …" if isinstance(told, list) else told
    except (LookupError, AttributeError, TypeError):
        told = "?"
    return f"[[file]] {number + 1} ({told})"


def _nearest(word: str, known: Iterator[str] | Sequence[str] | Mapping[str, Any]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}" if 0 < len(known) <= 16 else ""
