"""Running the real command in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, NamedTuple


class Said(NamedTuple):
    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would steer the command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEDGEROW_")}
    return {**kept, "NO_COLOR": "1", **more}


def hedgerow(
    *arguments: str | Path, stdin: bytes | BinaryIO | None = None, cwd: Path | None = None, **more: str
) -> Said:
    """Run `hedgerow …` to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "hedgerow_cli", *map(str, arguments)],
        input=stdin if isinstance(stdin, bytes) else None,
        stdin=None if isinstance(stdin, bytes) else stdin or subprocess.DEVNULL,
        capture_output=True,
        env=environment(**more),
        cwd=cwd,
        timeout=240,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())
