"""`hedgerow erase`: what is told of a person goes from every app, after a look at how much there is."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from hedgerow_cli.client import Client, connect
from hedgerow_cli.errors import AnswerIsAnError, CommandError, NothingToSend
from hedgerow_cli.settings import Settings
from hedgerow_cli.tables import many, table
from hedgerow_cli.terminal import err, out, plain, print_raw, say

# The registry first: the others hear from it.
APPS = ("registry", "network", "outcomes", "gateway")

View = dict[str, Any]


def erase(
    context: typer.Context,
    reason: Annotated[
        str,
        typer.Option(help="Why, for the audit: the number of the request, never the person."),
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="A name, address or number, in each way it is written; at least 8 characters."),
    ] = None,
    texts_from: Annotated[
        Path | None,
        typer.Option(help="A file with a text on each line, or - for standard input: the shell keeps none."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how much there is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without being asked.")] = False,
) -> None:
    """Erase what is told of one person in all apps: first shows how much, asks, then shows what was done.

    Ends with 1 where an app cannot be asked, or still holds something afterwards.
    """
    settings: Settings = context.obj
    wanted = [*(texts or []), *(_lines(texts_from) if texts_from else [])]
    if not wanted:
        raise NothingToSend("Say what is to be erased: as arguments, or in a file with --texts-from.")
    body = {"texts": wanted, "reason": reason}
    with connect(settings) as client:
        found = [_ask(client, app, body, dry_run=True) for app in APPS]
        if dry_run or not any(map(_number, found)):
            _tell(settings, found, "Would go")
            return
        if not yes:
            _show(found, "Would go", err())
            typer.confirm("Erase this for good?", abort=True, err=True)
        done: list[View] = []
        for app in APPS:
            try:
                done.append(_ask(client, app, body, dry_run=False))
            except CommandError as error:
                over = ", ".join(one["app"] for one in done) or "none"
                raise AnswerIsAnError(
                    f"Erased so far: {over}; {app} did not: {error} Send it again, what is gone stays gone."
                ) from error
        left = [one for one in (_ask(client, app, body, dry_run=True) for app in APPS) if _number(one)]
    _tell(settings, done, "Erased")
    if left:
        raise AnswerIsAnError(
            f"Written again meanwhile: {', '.join(one['app'] for one in left)}. Send it again."
        )


def _lines(file: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NothingToSend(f"{file} cannot be read: {type(error).__name__}.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _ask(client: Client, app: str, body: dict[str, Any], *, dry_run: bool) -> View:
    view: View = client.post(f"/v1/erasures/{app}", body | {"dry_run": dry_run}).body
    return view


def _number(view: View) -> int:
    return int(view["audit"]) + sum(int(one["rows"]) for one in view["erased"])


def _tell(settings: Settings, views: Sequence[View], verb: str) -> None:
    if settings.json:
        print_raw(orjson.dumps({"items": views}))
        return
    _show(views, verb, out())
    if any(view["standing"] for view in views):
        say(
            "Standing rows have the text in their key: delete them where they come from.",
            quiet=settings.quiet,
        )


def _show(views: Sequence[View], verb: str, console: Any) -> None:
    made = table("App", "Where", verb, "Standing")
    for view in views:
        gone = {one["table"]: one["rows"] for one in view["erased"]}
        standing = {one["table"]: one["rows"] for one in view["standing"]}
        for name in sorted(gone.keys() | standing.keys()):
            made.add_row(view["app"], plain(name), *(_rows(of.get(name, 0)) for of in (gone, standing)))
        if view["audit"]:
            made.add_row(view["app"], "audit", many(view["audit"], "word"), "–")
        if not (gone or standing or view["audit"]):
            made.add_row(view["app"], "nowhere", "–", "–")
    console.print(made)


def _rows(number: int) -> str:
    return many(number, "row") if number else "–"
