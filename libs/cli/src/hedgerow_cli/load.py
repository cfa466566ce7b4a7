"""`hedgerow load`: a council's open data by a mapping file, with progress and a summary of receipts."""

from pathlib import Path
from typing import Annotated

import typer

from hedgerow_cli.client import connect
from hedgerow_cli.errors import AnswerIsAnError, CommandError
from hedgerow_cli.settings import Settings
from hedgerow_cli.terminal import err, out, plain


def load(
    context: typer.Context,
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST.toml", help="Which file holds what, and how to read it.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Where the files lie; by default beside the manifest.", metavar="DIR"),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only files whose path or kind matches the pattern; may be repeated."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read and map everything, send nothing, say what would be sent.")
    ] = False,
    receipts: Annotated[int, typer.Option(min=0, help="How many quarantined rows to show for a file.")] = 3,
) -> None:
    """Load a council's own files as a manifest says; every row is accounted for.

    Nothing is sent when the manifest, a file or a column it names is not there. Sent again, nothing changes.
    """
    # Here, not above: reading tables brings in libraries that the other commands do without.
    from hedgerow_cli.loading import check_manifest, load_manifest
    from hedgerow_cli.manifest import ManifestError

    settings: Settings = context.obj
    at = folder if folder is not None else manifest.parent
    try:
        if check:
            report = check_manifest(manifest, at, only=only or (), quiet=settings.quiet)
        else:
            with connect(settings) as client:
                report = load_manifest(
                    client, manifest, at, only=only or (), quiet=settings.quiet, receipts=receipts
                )
    except ManifestError as error:
        if len(error.faults) == 1:
            raise
        for fault in error.faults:
            err().print(f"  {plain(fault)}", soft_wrap=True)
        raise CommandErrorOfUse(f"{len(error.faults)} faults in {manifest}: nothing was sent.") from error
    if settings.json:
        import orjson

        out().file.write(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        report.show(out(), shown=receipts)
    if report.stopped is not None:
        raise report.stopped
    if not report.complete:
        raise AnswerIsAnError(
            f"{len(report.incomplete)} of {len(report.files)} files did not load as they should."
        )


class CommandErrorOfUse(CommandError):
    """The manifest has several faults, each told on a line of its own."""

    exit_code = 2
