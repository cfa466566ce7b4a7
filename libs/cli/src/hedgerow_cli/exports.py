"""`hedgerow export`: a whole list or analysis as a file, in any format that it comes in."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, unquote

import orjson
import typer

from hedgerow_cli.client import Client, Parameters, connect
from hedgerow_cli.errors import NotWritten, UnclearName
from hedgerow_cli.files import whole
from hedgerow_cli.imports import options
from hedgerow_cli.places import area_code
from hedgerow_cli.settings import Settings
from hedgerow_cli.terminal import plain, progress, say

UNDER = "/v1/"
AREA = "{area}"
ENDINGS = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
    ".geojson": "geojson",
    ".graphml": "graphml",
    ".gexf": "gexf",
}
NO_TEXT = ("xlsx", "parquet")
NEAREST_SHOWN = 3
LIKE = 0.7


@dataclass(frozen=True)
class Exportable:
    """What can be read at an address: its path with its places in braces, and what can be asked of it."""

    path: str
    formats: tuple[str, ...]
    parameters: frozenset[str]

    @property
    def name(self) -> str:
        return self.path.removeprefix(UNDER)

    @property
    def length(self) -> str | None:
        """The parameter that says how long a page is; None for what is no list."""
        if "after" not in self.parameters:
            return None
        return "rows" if "rows" in self.parameters else "limit"

    def fits(self, segments: Sequence[str]) -> bool:
        own = self.path.split("/")
        return len(own) == len(segments) and all(
            one == other or (one.startswith("{") and other != "")
            for one, other in zip(own, segments, strict=True)
        )


def export(
    context: typer.Context,
    list_: Annotated[
        str,
        typer.Argument(
            metavar="LIST",
            help="The address of a list or an analysis, with or without /v1/ in front: observations,"
            " localities/E06999001/gaps; an area may be named, and a query may follow.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE|-", help="The file to write, - for standard output."),
    ] = "-",
    format: Annotated[
        str | None,
        typer.Option(help="csv, csv-excel, ndjson, json, xlsx, parquet …; by default by the file's ending."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="A parameter of the list, as NAME=VALUE; may be repeated.")
    ] = None,
) -> None:
    """Write a whole list or analysis to a file. A file of that name is there whole or not at all."""
    settings: Settings = context.obj
    address, _, query = list_.partition("?")
    given = options([*(f"{name}={value}" for name, value in parse_qsl(query)), *(option or [])])
    format = format or _said(given.pop("format", None))
    with connect(settings) as client:
        found, path = _found(client, address)
        wanted = _format("json" if settings.json and format is None else format, output, found)
        pieces = _pieces(client, found, path, given, wanted)
        if output == "-":
            if wanted in NO_TEXT and sys.stdout.isatty():
                raise NotWritten(f"{wanted} is nothing to look at in a terminal: name a file with -o.")
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        with progress(quiet=settings.quiet) as bars, whole(Path(output), "-o") as write:
            task = bars.add_task(plain(output), total=None)
            size = 0
            for piece in pieces:
                write(piece)
                size += len(piece)
                bars.update(task, completed=size)
    say(f"Written: {plain(output)}, {size:,} bytes", quiet=settings.quiet)


def _said(given: Any) -> str | None:
    return None if given is None else str(given[-1] if isinstance(given, list) else given)


def _found(client: Client, address: str) -> tuple[Exportable, str]:
    """What is meant, and its path with a named area's code in it; raises UnclearName with the nearest."""
    path = address if address.startswith("/") else UNDER + address
    segments = [unquote(segment) for segment in path.split("/")]
    known = exportables(client.get("/openapi.json").body)
    fitting = [one for one in known if one.fits(segments)]
    if not fitting:
        raise UnclearName(
            f"{address} is no list of the API: {_nearest(path, known)}All are at {client.url}/docs."
        )
    # An address of its own goes before one with a place in it, as it does in the platform.
    found = min(fitting, key=lambda one: one.path.count("{"))
    meant = [
        area_code(client, segment) if own == AREA else segment
        for own, segment in zip(found.path.split("/"), segments, strict=True)
    ]
    return found, "/".join(quote(segment, safe=":") for segment in meant)


def exportables(document: dict[str, Any]) -> list[Exportable]:
    """All that can be read, as the platform's own description says."""
    found = []
    for path, told in document["paths"].items():
        if "get" in told and path.startswith((UNDER, "/hsds")):
            parameters = {
                one["name"]: one for one in told["get"].get("parameters", ()) if one.get("in") == "query"
            }
            schema = parameters.get("format", {}).get("schema", {})
            named = next((one["enum"] for one in (schema, *schema.get("anyOf", ())) if "enum" in one), ())
            found.append(Exportable(path, tuple(named), frozenset(parameters)))
    return found


def _nearest(path: str, known: Sequence[Exportable]) -> str:
    """The names most like one that is none: by the whole, or by its last word alone."""
    near = []
    for one in known:
        words = (path.rpartition("/")[2], one.path.rpartition("/")[2])
        likeness = max(SequenceMatcher(None, *pair).ratio() for pair in ((path, one.path), words))
        if one.length is not None and likeness >= LIKE:
            near.append((-likeness, one.name))
    shown = [name for _, name in sorted(near)[:NEAREST_SHOWN]]
    return f"perhaps {', '.join(shown)}. " if shown else ""


def _format(said: str | None, output: str, found: Exportable) -> str | None:
    """The format to ask for; None for what comes only as it is."""
    offered = ", ".join(found.formats)
    if not found.formats:
        if said not in (None, "json"):
            raise NotWritten(f"{found.name} comes only as it is: leave --format out.")
        return None
    if said is not None:
        if said not in found.formats:
            raise NotWritten(f"{found.name} comes as {offered}: give one of them with --format.")
        return said
    if output == "-":
        return "csv" if "csv" in found.formats else found.formats[0]
    wanted = ENDINGS.get(Path(output).suffix.casefold())
    if wanted is None:
        raise NotWritten(f"{output} says nothing about its format: give --format {offered}.")
    if wanted not in found.formats:
        raise NotWritten(f"{found.name} does not come as {wanted}: give --format {offered}.")
    return wanted


def _pieces(
    client: Client, found: Exportable, path: str, given: Parameters, format: str | None
) -> Iterator[bytes]:
    if format == "json" and found.length is not None and found.length not in given:
        return _document(client, found.length, path, given)
    return client.stream(path, given if format is None else {**given, "format": format})


def _document(client: Client, length: str, path: str, given: Parameters) -> Iterator[bytes]:
    """A list as one JSON document: its first page, with the items of all pages in it."""
    pages = client.pages(path, given, length=length)
    first = next(pages)
    body = first.body
    if body.get("next") is None:
        yield first.content
        return
    items = body.pop("items")
    yield orjson.dumps({**body, "next": None})[:-1] + b',"items":['
    yield b",".join(map(orjson.dumps, items))
    for page in pages:
        if items := page.body["items"]:
            yield b"," + b",".join(map(orjson.dumps, items))
    yield b"]}"
