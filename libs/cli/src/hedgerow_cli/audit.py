"""`hedgerow audit`: whether the record of who changed what is whole."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from hedgerow_cli.client import connect
from hedgerow_cli.errors import AnswerIsAnError, NothingToSend, NotWritten
from hedgerow_cli.files import whole
from hedgerow_cli.settings import Settings
from hedgerow_cli.tables import table
from hedgerow_cli.terminal import out, plain, print_raw

app = typer.Typer(help="Look whether the audit of every app is whole.")

ANCHORS_FILE = "audit.anchors"


@app.command("verify")
def verify(
    context: typer.Context,
    anchors: Annotated[
        Path | None,
        typer.Option(
            help="The file with what was told the last time, which is compared, and written anew if all is"
            " well; by default audit.anchors in the data directory. Keep a copy where the platform"
            " cannot write."
        ),
    ] = None,
) -> None:
    """Check every entry of every app against the one before it, and against what was told the last time.

    Ends with 1 where an entry was changed or is missing, and names the first, or an app cannot be asked.
    """
    settings: Settings = context.obj
    file = anchors or settings.data_dir / ANCHORS_FILE
    told = _read(file)
    with connect(settings) as client:
        answer = client.send("GET", "/v1/audit/verification", parameters={"anchor": told})
    found = answer.body
    if settings.json:
        print_raw(answer.content)
    else:
        _show(found)
    if not found["intact"]:
        wrong = [one["app"] for one in found["apps"] if not one["intact"]]
        parts = [f"not whole: {', '.join(wrong)}"] if wrong else []
        parts += [f"cannot be asked: {', '.join(found['missing'])}"] if found["missing"] else []
        raise AnswerIsAnError(f"The audit cannot be relied on – {'; '.join(parts)}.")
    _write(file, found["apps"])


def _show(found: dict[str, Any]) -> None:
    made = table("App", "Entries", "State", "Last entry")
    for one in found["apps"]:
        fault = one["fault"]
        state = "whole" if fault is None else f"entry {fault['seq']}: {fault['reason']}"
        made.add_row(
            plain(one["app"]), str(one["entries"]), plain(state), plain(one["head"]["hash"][:16] + "…")
        )
    out().print(made)


def _read(file: Path) -> list[str]:
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise NothingToSend(f"{file} cannot be read: {type(error).__name__}.") from error
    return [line.strip() for line in lines if line.strip()]


def _write(file: Path, apps: list[dict[str, Any]]) -> None:
    lines = [f"{one['app']}:{one['head']['seq']}:{one['head']['hash']}\n" for one in apps]
    # Where that fails, writing tells why.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole(file, "--anchors") as write:
            write("".join(lines).encode())
    except NotWritten as error:
        raise AnswerIsAnError(
            f"All is whole, and what to compare with the next time is not kept: {error}"
        ) from error
