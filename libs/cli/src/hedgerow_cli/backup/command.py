"""`hedgerow backup` and `hedgerow restore`."""

from pathlib import Path
from typing import Annotated

import typer

from hedgerow_cli import preflight
from hedgerow_cli.settings import Settings
from hedgerow_cli.tables import table
from hedgerow_cli.terminal import out, plain, print_raw, say

Programs = Annotated[
    Path | None,
    typer.Option(
        envvar="HEDGEROW_PG_BIN",
        file_okay=False,
        exists=True,
        help="The folder with pg_dump and pg_restore; by default those on the PATH.",
    ),
]


def backup(
    context: typer.Context,
    destination: Annotated[Path, typer.Argument(help="The folder to make; it must not be there yet.")],
    keys: Annotated[
        bool,
        typer.Option("--keys/--no-keys", help="Whether the key files of the data directory are copied, too."),
    ] = True,
    pg_bin: Programs = None,
) -> None:
    """Copy all databases, and the keys, into a folder, while the platform runs."""
    from hedgerow_cli.backup import places, taking

    settings: Settings = context.obj
    preflight.check_python()
    contents = taking.take(
        settings.data_dir,
        destination,
        places.databases(settings.data_dir, pg_bin),
        keys=keys,
        tell=lambda app, kept: say(f"{app}: {kept.bytes / 1e6:,.1f} MB", quiet=settings.quiet),
    )
    if settings.json:
        print_raw(contents.model_dump_json().encode())
        return
    made = table("Database", "Kind", "Schema", "Rows", "MB", "As of (UTC)")
    for app, kept in contents.databases.items():
        made.add_row(
            app,
            kept.kind,
            plain(kept.revision),
            f"{sum(kept.rows.values()):,}",
            f"{kept.bytes / 1e6:,.1f}",
            f"{kept.at:%Y-%m-%d %H:%M:%S}",
        )
    out().print(made)
    say(f"{plain(destination)} is whole. {_of_keys(contents.keys, settings.data_dir)}", quiet=settings.quiet)


def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="The folder that `hedgerow backup` made.")],
    keys: Annotated[
        bool,
        typer.Option("--keys/--no-keys", help="Whether key files in the backup are put back, too."),
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there. It is gone then: back it up before.")
    ] = False,
    pg_bin: Programs = None,
) -> None:
    """Put a backup back, with the platform stopped. Everything is checked before anything is changed."""
    from hedgerow_cli.backup import places, restoring

    settings: Settings = context.obj
    preflight.check_python()
    contents = restoring.restore(
        settings.data_dir,
        source,
        places.databases(settings.data_dir, pg_bin),
        keys=keys,
        force=force,
        tell=lambda app: say(f"{app}: put back", quiet=settings.quiet),
    )
    if settings.json:
        print_raw(contents.model_dump_json().encode())
        return
    rows = sum(sum(kept.rows.values()) for kept in contents.databases.values())
    say(
        f"{rows:,} rows of {contents.made_at:%Y-%m-%d %H:%M:%S} UTC are back in {len(contents.databases)}"
        " databases. Who follows the registry reads it anew. Start with `hedgerow up`.",
        quiet=settings.quiet,
    )


def _of_keys(kept: bool, data_dir: Path) -> str:
    if kept:
        return "Keys are in it: guard it as you guard them."
    return (
        f"Keys are not in it: keep those of {plain(data_dir)} besides, or systems need new keys and the"
        " secrets of webhooks change."
    )
