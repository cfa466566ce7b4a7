"""Lists in other formats than JSON: which are offered, which is asked for, and how their rows are written.

A list is any answer with `items` and `next`. Every list of every app can be had as NDJSON, CSV, CSV for Excel
and a workbook; as GeoJSON where its items have a place (`geometry`, or `lon` and `lat`); an app adds others
(`hedgerow_kit.parquet`). `hedgerow_kit.problems.StrictRoute` asks here; no endpoint does.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, get_args, get_origin

import orjson
from pydantic import BaseModel

from hedgerow_kit import flat, sheets
from hedgerow_kit.flat import Column, Scalar

PARAMETER = "format"
# Carries, as one line of JSON, what a page says beside its items: when, on what grounds, with what caveats.
ABOUT_HEADER = "Hedgerow-About"
LONGEST_ABOUT = 6_000


COLUMNS, PLACE = "columns", "place"


# How long a page is says this parameter; the second, where the first means something of the field.
LIMIT, ROWS = "limit", "rows"


@dataclass(frozen=True)
class Listing:
    """What is known of a list before it is asked: the columns of its rows, whether items have a place, and
    the parameter that says how long a page is.
    """

    columns: tuple[Column, ...]
    has_place: bool
    length: str = LIMIT

    @property
    def gives(self) -> frozenset[str]:
        return frozenset([COLUMNS] * bool(self.columns) + [PLACE] * self.has_place)

    @classmethod
    def of(cls, answer: Any) -> "Listing | None":
        """The listing of a response model; None if it is no list."""
        if not (isinstance(answer, type) and issubclass(answer, BaseModel)):
            return None
        fields = answer.model_fields
        if "next" not in fields or "items" not in fields:
            return None
        items = fields["items"].annotation
        if get_origin(items) is not list:
            return None
        (item,) = get_args(items)
        names = set(item.model_fields) if isinstance(item, type) and issubclass(item, BaseModel) else set()
        return cls(flat.columns(item), "geometry" in names or {"lon", "lat"} <= names)


class Writer(Protocol):
    """Writes one answer piece by piece. about: what the list says beside its items."""

    def begin(self, about: Mapping[str, Any]) -> Iterable[bytes]: ...

    def add(self, items: Sequence[Mapping[str, Any]]) -> Iterable[bytes]: ...

    def end(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Free what the answer needed; called whether or not it came to its end."""


@dataclass(frozen=True)
class Named:
    """A format by its name. also: other media types to ask by."""

    name: str
    media_type: str
    extension: str
    also: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; charset=utf-8" if self.media_type.startswith("text/") else self.media_type

    @property
    def schema(self) -> dict[str, str]:
        """What an OpenAPI document says of an answer in it."""
        is_json = self.media_type.endswith(("/json", "+json"))
        return {"type": "object" if is_json else "string"}


F = TypeVar("F", bound=Named)


@dataclass(frozen=True)
class Format(Named):
    """A format of lists. needs: what of a list it cannot do without."""

    writer: Callable[[Listing], Writer] = field(kw_only=True)
    needs: str | None = COLUMNS


class UnknownFormat(ValueError):
    """No format has this name."""


class NotOffered(ValueError):
    """The list cannot be had in the format asked for."""


class _Text:
    """A writer that keeps nothing between its pieces."""

    def __init__(self, listing: Listing) -> None:
        self._columns = listing.columns

    def begin(self, about: Mapping[str, Any]) -> Iterable[bytes]:
        return ()

    def end(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        pass


class _Ndjson(_Text):
    def add(self, items: Sequence[Mapping[str, Any]]) -> Iterable[bytes]:
        yield b"".join(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE) for item in items)


class _Csv(_Text):
    """RFC 4180, UTF-8, values as they are; an empty cell where there is none."""

    def begin(self, about: Mapping[str, Any]) -> Iterable[bytes]:
        yield self._written([[column.name for column in self._columns]])

    def add(self, items: Sequence[Mapping[str, Any]]) -> Iterable[bytes]:
        yield self._written([[plain(cell) for cell in flat.row(item, self._columns)] for item in items])

    def _written(self, rows: Iterable[Sequence[str]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        return text.getvalue().encode()


class _CsvForExcel(_Csv):
    """The same with a byte order mark, and an apostrophe before text that Excel would run or change."""

    def begin(self, about: Mapping[str, Any]) -> Iterable[bytes]:
        yield b"\xef\xbb\xbf"
        yield from super().begin(about)

    def add(self, items: Sequence[Mapping[str, Any]]) -> Iterable[bytes]:
        rows = []
        for item in items:
            cells = flat.row(item, self._columns)
            rows.append(
                [
                    harmless(cell) if isinstance(cell, str) and column.holds == flat.TEXT else plain(cell)
                    for cell, column in zip(cells, self._columns, strict=True)
                ]
            )
        yield self._written(rows)


class _GeoJson:
    """An RFC 7946 FeatureCollection; what the list says beside its items stands after `type`."""

    def __init__(self, listing: Listing) -> None:
        self._columns = tuple(column for column in listing.columns if column.path[0] != "geometry")
        self._first = True

    def begin(self, about: Mapping[str, Any]) -> Iterable[bytes]:
        members = {"type": "FeatureCollection", **about}
        yield orjson.dumps(members)[:-1] + b',"features":['

    def add(self, items: Sequence[Mapping[str, Any]]) -> Iterable[bytes]:
        for item in items:
            yield (b"" if self._first else b",\n") + orjson.dumps(self._feature(item))
            self._first = False

    def _feature(self, item: Mapping[str, Any]) -> dict[str, Any]:
        names = [column.name for column in self._columns]
        properties = dict(zip(names, flat.row(item, self._columns), strict=True))
        identified = {"id": item["id"]} if isinstance(item.get("id"), str | int) else {}
        return {"type": "Feature", **identified, "geometry": _geometry(item), "properties": properties}

    def end(self) -> Iterator[bytes]:
        yield b"]}"

    def close(self) -> None:
        pass


def _geometry(item: Mapping[str, Any]) -> Any:
    if "geometry" in item:
        return item["geometry"]
    place = [item.get("lon"), item.get("lat")]
    return None if None in place else {"type": "Point", "coordinates": place}


def plain(cell: Scalar) -> str:
    """A cell as it stands in CSV."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell if isinstance(cell, str) else orjson.dumps(cell).decode()


_RUN = ("=", "+", "-", "@", "\t", "\r", "\n")
# What Excel takes for a number or a date of its own and gives back otherwise: 0123, 1E5, 5-9, MAR1.
_CHANGED = re.compile(
    r"\s*(0[0-9]+|[0-9]{16,}|[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+|[0-9]{1,4}[-/.][0-9]{1,2}([-/.][0-9]{1,4})?"
    r"|[0-9]{0,2}[- ]?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[- ]?[0-9]{0,4}"
    r"|[0-9]+:[0-9]{2}.*)\s*",
    re.IGNORECASE,
)


def harmless(text: str) -> str:
    """Text that a spreadsheet shows as it is: an apostrophe stands before what it would run or change.

    Taking one apostrophe off the front of every cell that begins with one gives the text back.

    >>> [harmless(text) for text in ("=1+1", "01234567", "5-9", "Ash & Co", "'tis")]
    ["'=1+1", "'01234567", "'5-9", 'Ash & Co', "''tis"]
    """
    return f"'{text}" if text.startswith((*_RUN, "'")) or _CHANGED.fullmatch(text) else text


JSON = Format("json", "application/json", "json", writer=_Ndjson, needs=None)
EVERYWHERE: tuple[Format, ...] = (
    JSON,
    Format(
        "ndjson",
        "application/x-ndjson",
        "ndjson",
        ("application/ndjson", "application/jsonl", "application/json-seq"),
        writer=_Ndjson,
        needs=None,
    ),
    Format("csv", "text/csv", "csv", writer=_Csv),
    Format("csv-excel", "text/csv", "csv", writer=_CsvForExcel),
    Format(
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
        writer=lambda listing: sheets.Workbook(listing.columns),
    ),
    Format("geojson", "application/geo+json", "geojson", writer=_GeoJson, needs=PLACE),
)


def chosen(listing: Listing, formats: Sequence[Format], *, named: str | None, accept: str | None) -> Format:
    """The format asked for: the one `named`, else the best that an Accept header takes.

    Raises UnknownFormat for a name of none of them, NotOffered where the list does not come in it.
    """
    offered = offers(formats, listing.gives)
    if named is None:
        return accepted(accept, offered)
    if all(format.name != named for format in formats):
        raise UnknownFormat(", ".join(format.name for format in offered))
    found = next((format for format in offered if format.name == named), None)
    if found is None:
        raise NotOffered(_names(offered))
    return found


def offers(formats: Sequence[Format], given: Collection[str]) -> list[Format]:
    """Those of the formats for which a list gives what they need."""
    return [format for format in formats if format.needs is None or format.needs in given]


def _names(offered: Sequence[Named]) -> str:
    return ", ".join(f"{format.name} ({format.media_type})" for format in offered)


def accepted(accept: str | None, offered: Sequence[F]) -> F:
    """The first of those offered that an Accept header likes best (RFC 9110); NotOffered if it takes none."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = _ranges(accept)
    best: tuple[float, int] = (0.0, 0)
    found: F | None = None
    for format in offered:
        liked = max(_liking(name, ranges) for name in (format.media_type, *format.also))
        if liked[0] > 0 and liked > best:
            best, found = liked, format
    if found is None:
        raise NotOffered(_names(offered))
    return found


def _ranges(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for said in accept.split(","):
        name, *parameters = (part.strip().lower() for part in said.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            found[name] = min(max(float(weight), 0.0), 1.0)
        except ValueError:
            continue
    return found


def _liking(media_type: str, ranges: Mapping[str, float]) -> tuple[float, int]:
    """How much a media type is wanted, and how precisely that was said: the most precise range decides."""
    family = media_type.partition("/")[0]
    for precision, name in ((3, media_type), (2, f"{family}/*"), (1, "*/*")):
        if name in ranges:
            return ranges[name], precision
    return 0.0, 0


def about(page: Mapping[str, Any]) -> dict[str, Any]:
    """What a page of a list says beside its items."""
    return {name: value for name, value in page.items() if name not in ("items", "next")}


def about_header(page: Mapping[str, Any]) -> dict[str, str]:
    """The same as a header of one line, in ASCII; nothing where there is none or it would be too long."""
    said = about(page)
    if not said:
        return {}
    line = orjson.dumps(said).decode()
    line = "".join(letter if letter.isascii() else _escape(letter) for letter in line).replace("\x7f", "")
    return {ABOUT_HEADER: line} if len(line) <= LONGEST_ABOUT else {}


def _escape(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


# Stands in an OpenAPI document until the formats that the app offers are described.
MARK = "x-list-gives"


def describe(document: dict[str, Any], formats: Sequence[Format]) -> None:
    """Say in an OpenAPI document in which formats each list that bears the mark can be had."""
    for path in document["paths"].values():
        for operation in path.values():
            given = operation.pop(MARK, None)
            if given is not None:
                _describe(operation, offers(formats, given))


def _describe(operation: dict[str, Any], offered: Sequence[Format]) -> None:
    operation.setdefault("parameters", []).append(
        {
            "name": PARAMETER,
            "in": "query",
            "required": False,
            "description": "The format of the answer; goes before an Accept header. Other formats than json "
            "give every item from `after` on, or with a length of the page that page, and flatten nested "
            "fields",
            "schema": {
                "type": "string",
                "enum": [format.name for format in offered],
                "default": JSON.name,
                "title": "Format",
            },
        }
    )
    content = operation["responses"]["200"].setdefault("content", {})
    for format in offered:
        content.setdefault(format.media_type, {"schema": format.schema})
