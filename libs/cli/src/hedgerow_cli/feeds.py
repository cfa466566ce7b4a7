"""`hedgerow feeds`: live feeds that are pulled on a schedule, and what became of their pulls."""

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from hedgerow_cli.client import Client, connect
from hedgerow_cli.errors import AnswerIsAnError, UnclearName
from hedgerow_cli.imports import POLL_SECONDS, RECEIPTS_SHOWN, VERDICTS, receipts_table
from hedgerow_cli.settings import Settings
from hedgerow_cli.tables import many, people, table
from hedgerow_cli.terminal import out, plain, print_pages, print_raw, progress, say

app = typer.Typer(help="Register live feeds, list them, pull them.")

Json = dict[str, Any]
_UNDER_WAY = ("waiting", "running", "retrying")


@app.command("add")
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The feed's root, its /services, or one service.")],
    source: Annotated[str, typer.Option(help="The name its records are kept under, its own for good.")],
    authority: Annotated[
        str | None, typer.Option(help="The code of the authority that a new source belongs to.")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="PT6H, P1D …, or five fields of a crontab in UTC; without it on demand only."),
    ] = None,
    largest_loss: Annotated[
        float | None, typer.Option(min=0, max=1, help="The share that may vanish at once unasked (0.2).")
    ] = None,
) -> None:
    """Register a feed; with a schedule it is pulled from now on."""
    settings: Settings = context.obj
    said = {"authority": authority, "schedule": schedule, "largest_loss": largest_loss}
    body = {"url": url, "source": source} | {name: value for name, value in said.items() if value is not None}
    with connect(settings) as client:
        answer = client.post("/v1/feeds", body)
    if settings.json:
        print_raw(answer.content)
        return
    made = answer.body
    due = f", next due {_moment(made['next_due_at'])}" if made["next_due_at"] else ""
    say(f"Feed {plain(made['id'])} of source {plain(made['source'])}{due}.", quiet=settings.quiet)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the feeds with their last pulls."""
    settings: Settings = context.obj
    with connect(settings) as client:
        if settings.json:
            print_pages(client.pages("/v1/feeds"))
            return
        found = client.items("/v1/feeds")
    made = table("Source", "Feed", "Schedule", "Services", "Last pull", "State", "Next", "What is wrong")
    for feed in found:
        last = feed["last_pull"] or {}
        made.add_row(
            plain(feed["source"]),
            plain(feed["url"]),
            plain((feed["schedule"] or "on demand") if feed["enabled"] else "off"),
            people(feed["services"]),
            _moment(last.get("started_at")),
            plain(last.get("state") or "never pulled"),
            _moment(last.get("next_try_at") or feed["next_due_at"]),
            plain(last.get("error") or ""),
        )
    out().print(made)


@app.command("pull")
def pull(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="The feed's source, or its id.")],
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what changed.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the pull has ended.")] = True,
) -> None:
    """Pull a feed now, and show what came of it."""
    settings: Settings = context.obj
    with connect(settings) as client:
        found = _named(client, feed)
        path = f"/v1/feeds/{quote(found['id'], safe='')}"
        answer = client.send("POST", f"{path}/pull", parameters={"mode": "full"} if full else {})
        made = answer.body
        if wait:
            answer = _watched(client, f"{path}/pulls/{quote(made['id'], safe='')}", settings)
            made = answer.body
        if settings.json:
            print_raw(answer.content)
        else:
            _show(client, found["source"], made)
    if made["state"] == "failed":
        raise AnswerIsAnError(f"The pull failed: {made['error']}.")


def _named(client: Client, feed: str) -> Json:
    matching = [one for one in client.items("/v1/feeds") if feed in (one["id"], one["source"])]
    if len(matching) != 1:
        raise UnclearName(f"No feed is called {feed}: see `hedgerow feeds list`.")
    return matching[0]


def _watched(client: Client, path: str, settings: Settings) -> Any:
    with progress(quiet=settings.quiet) as bars:
        task = bars.add_task("pulled by the platform", total=None)
        while (answer := client.get(path)).body["state"] in _UNDER_WAY:
            told = answer.body
            said = f"{told['state']}: {told['error']}" if told["error"] else told["state"]
            bars.update(task, description=plain(f"{said}, {many(told['pages'], 'page')}"))
            time.sleep(POLL_SECONDS)
    return answer


def _show(client: Client, source: str, made: Json) -> None:
    counts = made["counts"]
    console = out()
    console.print(
        f"{plain(source)}: {plain(made['state'])}, {many(made['pages'], 'page')}, "
        + ", ".join(f"{people(counts[verdict])} {verdict}" for verdict in VERDICTS)
        + f", {people(made['gone'])} gone"
    )
    for note in [*([made["error"]] if made["error"] else []), *made["notes"]]:
        console.print(f"  note: {plain(note)}")
    if counts["quarantined"]:
        quarantined = client.items(made["receipts"], {"verdict": "quarantined"}, limit=RECEIPTS_SHOWN)
        console.print(receipts_table(quarantined))


def _moment(said: str | None) -> str:
    return plain(said[:16].replace("T", " ")) if said else ""
