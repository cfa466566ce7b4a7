"""The command `hedgerow report`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hedgerow_cli.answers import At, Index, Level, Need, Place, Rule
from hedgerow_cli.client import connect
from hedgerow_cli.errors import NotWritten
from hedgerow_cli.files import whole
from hedgerow_cli.places import area_code
from hedgerow_cli.settings import Settings
from hedgerow_cli.terminal import say

EXTENSIONS = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md"}


def report(
    context: typer.Context,
    area: Place,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; standard output unless given."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="html or md; by the file's extension unless given, else html."),
    ] = None,
    need: Need = None,
    level: Level = None,
    rule: Rule = None,
    at: At = None,
    index: Index = None,
) -> None:
    """A place in one document to print or send: gaps with maps, fragility, overlaps, standards, grounds."""
    from hedgerow_cli.report.gathering import gather
    from hedgerow_cli.report.writing import write

    settings: Settings = context.obj
    wanted = _format(format, output)
    asked = {"need": need, "level": level, "rule": rule, "at": at, "index": index}
    with connect(settings) as client:
        found = gather(client, area_code(client, area), asked, now=datetime.now(UTC))
    text = write(found, wanted)
    if output is None:
        typer.echo(text, nl=False)
        return
    with whole(output, "-o") as write_to:
        write_to(text.encode())
    say(f"Written: {output}", quiet=settings.quiet)


def _format(said: str | None, output: Path | None) -> str:
    if said is not None:
        wanted = {"html": "html", "md": "md", "markdown": "md"}.get(said.casefold())
        if wanted is None:
            raise NotWritten("A report is written as html or md: give one of them with --format.")
        return wanted
    if output is None:
        return "html"
    wanted = EXTENSIONS.get(output.suffix.casefold())
    if wanted is None:
        raise NotWritten(f"{output} says nothing about its format: end it in .html or .md, or give --format.")
    return wanted
