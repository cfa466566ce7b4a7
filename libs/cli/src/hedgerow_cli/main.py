"""The command line: which commands there are, what they share, and how an error becomes one line."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from hedgerow_cli import answers, audit, doctor, exports, feeds, imports, keys, up
from hedgerow_cli.backup.command import backup, restore
from hedgerow_cli.erase import erase
from hedgerow_cli.errors import CommandError
from hedgerow_cli.load import load
from hedgerow_cli.report.command import report
from hedgerow_cli.settings import Settings, shared_options_first
from hedgerow_cli.terminal import err, plain

EVERYWHERE = (
    "For every command: --data-dir, --url, --key-file, --json, --quiet (see hedgerow --help)."
    " Every option has an environment twin, HEDGEROW_…."
)

app = typer.Typer(
    name="hedgerow",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "HEDGEROW", "help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"hedgerow {version('hedgerow-cli')}")
        raise typer.Exit


@app.callback(epilog="These options may also stand after the command.")
def shared(
    context: typer.Context,
    data_dir: Annotated[
        Path, typer.Option(help="Where databases, keys and logs lie.", show_default=True)
    ] = Path("var"),
    url: Annotated[
        str | None,
        typer.Option(
            help="The platform's address; by default the one `hedgerow up` wrote, else port 8000 here."
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="The file with your API key; by default admin.key in the data directory."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer's JSON as it came.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress and no notes, only answers and errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, allow_from_autoenv=False, help="Print the version."
        ),
    ] = False,
) -> None:
    """Hedgerow: who provides what, where and for whom; where are the gaps."""
    context.obj = Settings(data_dir=data_dir, given_url=url, given_key_file=key_file, json=json, quiet=quiet)


COMMANDS: dict[str, Callable[..., None]] = {
    "up": up.up,
    "load": load,
    "import": imports.import_,
    "export": exports.export,
    "gaps": answers.gaps,
    "closing": answers.closing,
    "overlaps": answers.overlaps,
    "fragility": answers.fragility,
    "access": answers.access,
    "adequacy": answers.adequacy,
    "report": report,
    "kpis": answers.kpis,
    "backup": backup,
    "restore": restore,
    "doctor": doctor.doctor,
    "erase": erase,
}
for name, command in COMMANDS.items():
    app.command(name, epilog=EVERYWHERE)(command)
app.add_typer(feeds.app, name="feeds", epilog=EVERYWHERE)
app.add_typer(keys.app, name="keys", epilog=EVERYWHERE)
app.add_typer(audit.app, name="audit", epilog=EVERYWHERE)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        code = app(shared_options_first(arguments), prog_name="hedgerow", standalone_mode=False)
        sys.stdout.flush()
    except CommandError as error:
        return _failed(str(error), error.exit_code)
    except typer.TyperException as error:
        if (group := _without_command(error)) is not None:
            return _helped(group)
        return _failed(_usage(error), 2)
    except typer.Abort:
        return _failed("Given up.", 1)
    except BrokenPipeError:
        # The reader of our output has gone; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    return code if isinstance(code, int) else 0


def _without_command(error: typer.TyperException) -> typer.Context | None:
    """The command that was given without one of those it is made of, if that is what is wrong."""
    context: typer.Context | None = getattr(error, "ctx", None)
    is_group = context is not None and hasattr(context.command, "commands")
    return context if is_group and getattr(error, "message", "").startswith("Missing command") else None


def _helped(group: typer.Context) -> int:
    """Say what the command is made of, as help is said, and what to do next."""
    # Help is an answer where somebody asks for it; here nobody did.
    with redirect_stdout(sys.stderr):
        group.get_help()
    path = group.command_path
    next_step = "begin with `hedgerow up`, or see" if group.parent is None else "see"
    return _failed(f"{path} needs one of these commands: {next_step} `{path} COMMAND --help`.", 2)


def _usage(error: typer.TyperException) -> str:
    said = getattr(error, "format_message", lambda: str(error))()
    path = getattr(getattr(error, "ctx", None), "command_path", "hedgerow")
    return f"{' '.join(str(said).split()).rstrip('.')}. See `{path} --help`."


def _failed(said: str, code: int) -> int:
    err().print(f"[bold red]error:[/] {plain(said)}", soft_wrap=True)
    return code
