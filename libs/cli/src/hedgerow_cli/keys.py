"""`hedgerow keys`: who may use the platform, as what, for which authorities, until when."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from hedgerow_cli.client import connect
from hedgerow_cli.errors import UnclearName
from hedgerow_cli.settings import Settings
from hedgerow_cli.tables import table
from hedgerow_cli.terminal import out, plain, print_pages, print_raw, say

app = typer.Typer(help="Make, list and revoke API keys; rotate the signing key.")

Json = dict[str, Any]


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for, in words a colleague will understand.")],
    role: Annotated[
        list[str],
        typer.Option(help="reader, coordinator, system, commissioner or administrator; may be repeated."),
    ],
    authority: Annotated[
        list[str] | None,
        typer.Option(help="The code of an authority the key is for; may be repeated; by default all."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="The last day the key is good, as YYYY-MM-DD; without it the key does not end."),
    ] = None,
) -> None:
    """Make a key. It is printed once, on standard output, and cannot be shown again."""
    settings: Settings = context.obj
    body: Json = {"name": name, "roles": role, "authorities": authority or ["*"]}
    if until is not None:
        body["expires_at"] = _end_of(until).isoformat()
    with connect(settings) as client:
        answer = client.post("/v1/keys", body)
    if settings.json:
        print_raw(answer.content)
        return
    made = answer.body
    say(
        f"Key {plain(made['id'])} for {plain(made['name'])}; keep it now, it is not shown again:",
        quiet=settings.quiet,
    )
    out().file.write(made["key"] + "\n")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List all keys, revoked and expired ones too; none can be read back."""
    settings: Settings = context.obj
    with connect(settings) as client:
        if settings.json:
            print_pages(client.pages("/v1/keys"))
            return
        found = client.items("/v1/keys")
    made = table("Key", "For", "Roles", "Authorities", "Made", "Ends", "State", "Last used")
    now = datetime.now(UTC)
    for key in found:
        made.add_row(
            plain(key["prefix"] + "…"),
            plain(key["name"]),
            plain(", ".join(key["roles"])),
            "all" if key["authorities"] == ["*"] else plain(", ".join(key["authorities"])),
            _day(key["created_at"]),
            _day(key["expires_at"]) or "never",
            _state(key, now),
            _day(key["last_used_at"]) or "never",
        )
    out().print(made)


@app.command("revoke")
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The key's id, or how it begins as `keys list` shows it.")],
) -> None:
    """Take a key back for good; it stops working within five seconds."""
    settings: Settings = context.obj
    with connect(settings) as client:
        wanted = key.rstrip("…")
        held = client.items("/v1/keys")
        matching = [one for one in held if one["id"] == wanted]
        matching = matching or [one for one in held if one["prefix"].startswith(wanted)]
        if len(matching) != 1:
            raise UnclearName(
                f"{'No key is' if not matching else 'More than one key is'} called {key}:"
                " see `hedgerow keys list`."
            )
        client.delete(f"/v1/keys/{quote(matching[0]['id'], safe='')}")
    say(f"Revoked: {plain(matching[0]['prefix'])}…, {plain(matching[0]['name'])}.", quiet=settings.quiet)


@app.command("rotate-signing")
def rotate_signing(
    context: typer.Context,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="For a key that leaked: what it signed is believed no longer; systems ask for new tokens.",
        ),
    ] = False,
) -> None:
    """Make a new key for the gateway to sign with. It takes over within a minute; no request fails."""
    settings: Settings = context.obj
    with connect(settings) as client:
        answer = client.post("/v1/signing-keys", {"at_once": at_once})
    if settings.json:
        print_raw(answer.content)
        return
    made = answer.body
    say(
        f"Signing key {plain(made['id'])} signs from {_second(made['signs_from'])} UTC.",
        quiet=settings.quiet,
    )


def _second(moment: str) -> str:
    return plain(moment[:19].replace("T", " "))


def _end_of(day: str) -> datetime:
    try:
        last = date.fromisoformat(day)
    except ValueError:
        raise typer.BadParameter(f"{day} is not a day as YYYY-MM-DD", param_hint="--until") from None
    return datetime.combine(last, time(23, 59, 59), tzinfo=UTC)


def _day(moment: str | None) -> str:
    return plain(moment[:10]) if moment else ""


def _state(key: Json, now: datetime) -> str:
    if key["revoked_at"]:
        return "revoked"
    if key["expires_at"] and datetime.fromisoformat(key["expires_at"]) <= now:
        return "expired"
    return "good"
