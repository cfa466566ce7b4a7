"""`hedgerow import`: one file or feed of a standard kind, and what became of its records."""

import time
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from hedgerow_cli.client import Answer, Client, Parameters, Problem, connect
from hedgerow_cli.errors import AnswerIsAnError
from hedgerow_cli.settings import Settings
from hedgerow_cli.sources import Source, is_address, name_of, open_source, says_type
from hedgerow_cli.tables import people, table
from hedgerow_cli.terminal import out, plain, print_raw, progress, say

VERDICTS = ("accepted", "changed", "unchanged", "quarantined")
RECEIPTS_SHOWN = 10
POLL_SECONDS = 0.5
FEED_KINDS = ("hsds",)


def import_(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="What the file holds: areas, services, hsds, observations …")],
    where: Annotated[
        str, typer.Argument(metavar="FILE|URL|-", help="The file, its address, or - for standard input.")
    ],
    type_: Annotated[
        str | None,
        typer.Option(
            "--type", help="csv, ndjson, json, geojson, parquet or a media type; by default by the extension."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The name of the source the records are to be known by.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="An option of this kind, as NAME=VALUE; may be repeated.")
    ] = None,
    receipts: Annotated[
        int, typer.Option(min=0, help="How many quarantined records to show.")
    ] = RECEIPTS_SHOWN,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 if any record is quarantined.")
    ] = False,
) -> None:
    """Import one file or feed; the good records land, each bad one is named with its reason."""
    settings: Settings = context.obj
    parameters = options(option or [])
    if source is not None:
        parameters["source"] = source
    with connect(settings) as client:
        try:
            if is_feed(kind, where, type_):
                answer = pull(client, kind, where, parameters, quiet=settings.quiet)
            else:
                with open_source(where, type_=type_) as opened:
                    answer = send(client, kind, opened, parameters, quiet=settings.quiet)
        except Problem as refused:
            if refused.status != 404:
                raise
            raise AnswerIsAnError(f"{kind} is no kind of file: {', '.join(kinds(client))}.") from refused
        result = answer.body
        if settings.json:
            print_raw(answer.content)
        else:
            show(client, name_of(where), result, shown=receipts)
    if result["status"] == "failed":
        raise AnswerIsAnError(
            f"The import failed: {result.get('detail') or 'no reason given'}. See /v1/imports/{result['id']}."
        )
    if strict and result["counts"]["quarantined"]:
        raise AnswerIsAnError(
            f"{people(result['counts']['quarantined'])} records are quarantined:"
            " mend them and send the file again."
        )


def kinds(client: Client) -> list[str]:
    """The kinds that the platform takes, as its own description says."""
    paths = client.get("/openapi.json").body["paths"]
    under = "/v1/imports/"
    return sorted(
        path.removeprefix(under) for path, told in paths.items() if path.startswith(under) and "post" in told
    )


def options(given: list[str]) -> dict[str, str | list[str]]:
    """NAME=VALUE pairs as query parameters; what is given more than once is a list."""
    found: dict[str, str | list[str]] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair} is not NAME=VALUE", param_hint="--option")
        held = found.get(name)
        found[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
    return found


def send(client: Client, kind: str, source: Source, parameters: Parameters, *, quiet: bool) -> Answer:
    """Stream the source to the platform with a progress bar; answers with the import once it has ended."""
    with progress(quiet=quiet) as bars:
        task = bars.add_task(plain(source.name), total=source.size)

        def moved(sent: int) -> None:
            whole = source.size is not None and sent >= source.size
            said = f"{plain(source.name)}: sent, now being read" if whole else plain(source.name)
            bars.update(task, completed=sent, description=said)

        source.moved = moved
        answer = client.upload(
            kind, source.chunks, parameters, media_type=source.media_type, gzipped=source.gzipped
        )
        return _ended(client, answer)


def is_feed(kind: str, where: str, type_: str | None) -> bool:
    """Whether the address is a live feed, which has pages: the platform reads it itself."""
    return kind in FEED_KINDS and is_address(where) and type_ is None and not says_type(urlsplit(where).path)


def pull(client: Client, kind: str, where: str, parameters: Parameters, *, quiet: bool) -> Answer:
    """Have the platform read a live feed; answers with the import once it has ended."""
    with progress(quiet=quiet) as bars:
        bars.add_task(f"{plain(where)}: read by the platform", total=None)
        return _ended(client, client.ask_to_pull(kind, {**parameters, "url": where}))


def _ended(client: Client, answer: Answer) -> Answer:
    while (result := answer.body)["status"] == "running":
        time.sleep(POLL_SECONDS)
        answer = client.get(f"/v1/imports/{result['id']}")
    return answer


def show(client: Client, name: str, result: dict[str, Any], *, shown: int) -> None:
    """Print the counts, the notes and the first quarantined records."""
    counts = result["counts"]
    total = sum(counts[verdict] for verdict in VERDICTS)
    console = out()
    console.print(
        f"{plain(name)} as {plain(result['kind'])}: {people(total)} records, "
        + ", ".join(f"{people(counts[verdict])} {verdict}" for verdict in VERDICTS)
    )
    for note in result.get("notes") or []:
        console.print(f"  note: {plain(note)}")
    if counts["quarantined"] and shown:
        found = client.items(result["receipts"], {"verdict": "quarantined"}, limit=shown)
        console.print(receipts_table(found))
        rest = counts["quarantined"] - sum(receipt.get("records") or 1 for receipt in found)
        if rest > 0:
            say(f"  {people(rest)} more quarantined: see {escape(result['receipts'])}?verdict=quarantined")


def receipts_table(receipts: list[dict[str, Any]]) -> Any:
    """Receipts as a table: where, which column, which record, why."""
    made = table("Line", "Column", "Record", "Reason", title="Quarantined")
    for receipt in receipts:
        line, line_to = receipt.get("line"), receipt.get("line_to")
        where = (
            receipt.get("pointer") or "" if line is None else f"{line}–{line_to}" if line_to else str(line)
        )
        made.add_row(
            plain(where),
            plain(receipt.get("column") or ""),
            plain(receipt.get("key") or ""),
            plain(receipt.get("reason") or ""),
        )
    return made
