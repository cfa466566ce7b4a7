"""Writing to the terminal: answers on standard output, everything said on the way on standard error."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from hedgerow_cli.client import Answer

# A pipe has no width; wide enough that no cell is folded and `grep` and `cut` see whole rows.
WIDTH_OF_A_PIPE = 240


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    return Console(
        file=stream, width=None if stream.isatty() else WIDTH_OF_A_PIPE, highlight=False, soft_wrap=False
    )


@cache
def out() -> "Console":
    """Where the answer goes."""
    return _console(sys.stdout)


@cache
def err() -> "Console":
    """Where progress, notes and errors go."""
    return _console(sys.stderr)


def plain(text: object) -> str:
    """Text from elsewhere, made safe to print: no control characters, no rich markup."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else " " for c in str(text)))


def print_raw(content: bytes) -> None:
    """Print an answer's bytes as they came."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content.rstrip(b"\n") + b"\n")
    sys.stdout.buffer.flush()


def print_pages(pages: "Iterable[Answer]") -> None:
    """Print a list as one JSON document: untouched if it is one page, else the first with all items in it."""
    import orjson

    answers = list(pages)
    if len(answers) == 1:
        print_raw(answers[0].content)
        return
    whole = answers[0].body
    whole["items"] = [item for answer in answers for item in answer.body["items"]]
    whole["next"] = answers[-1].body.get("next")
    print_raw(orjson.dumps(whole))


def say(text: str, *, quiet: bool = False) -> None:
    """Say one line on standard error."""
    if not quiet:
        err().print(text, soft_wrap=True)


@contextmanager
def progress(*, quiet: bool = False, counts: bool = False) -> Iterator["Progress"]:
    """Progress bars on standard error; silent when that is no terminal or quiet is asked for.

    `counts` shows "n of m"; otherwise the amounts are bytes.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn() if counts else DownloadColumn(),
        TimeElapsedColumn(),
        console=err(),
        disable=quiet or not err().is_terminal,
        transient=True,
    ) as bars:
        yield bars
