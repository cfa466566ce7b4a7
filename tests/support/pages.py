"""Pages of docs/ that show a terminal, followed as a reader would."""

import doctest
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_BLOCK = re.compile(r"(?:<!-- ([^>\n]*?) -->\n)?^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_MARK = "--- done ---"
_SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Shell:
    """A bash that keeps what it is told, as a terminal does."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "-O", "expand_aliases"],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        """What a command prints; raises AssertionError if it fails."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\necho; echo '{_MARK}' $?\n")
        self.process.stdin.flush()
        said = ""
        for line in self.process.stdout:
            if line.startswith(_MARK):
                assert line.split()[-1] == "0", f"{command}\n{said}"
                return said
            said += line
        raise AssertionError(f"the shell ended at: {command}\n{said}")


@contextmanager
def shell(folder: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """A shell; all that was started in it ends with it."""
    made = Shell(folder, environment)
    try:
        yield made
    finally:
        os.killpg(made.process.pid, 9)
        made.process.wait(10)


def follow(text: str, folder: Path, terminal: Shell) -> int:
    """Write the files that a page shows and run its commands; gives how many outputs were compared.

    A block after `<!-- file NAME -->` is a file. Commands of a `console` block begin with `$`, what follows
    is their output, in which `…` stands for anything. After `<!-- until -->` a command is tried for half a
    minute, after `<!-- yours -->` it is the reader's own.
    """
    compared = 0
    for how, language, body in _BLOCK.findall(text):
        if how.startswith("file "):
            (folder / how.removeprefix("file ")).write_text(body)
        elif language == "console" and how != "yours":
            for command, wanted in _commands(body):
                _compare(terminal, command, wanted, seconds=30 if how == "until" else 0)
                compared += bool(wanted)
    return compared


def _commands(body: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command += f"\n{more}"
        yield command, output.strip()


def _compare(terminal: Shell, command: str, wanted: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    pattern = wanted.replace("…", "...") + "\n"
    while True:
        said = terminal.run(command).strip()
        if doctest.OutputChecker().check_output(pattern, said + "\n", _SAME):
            return
        assert time.monotonic() < deadline, f"$ {command}\nthe page shows\n{wanted}\nit says\n{said}"
        time.sleep(0.2)
