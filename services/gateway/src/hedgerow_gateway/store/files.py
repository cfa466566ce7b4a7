"""Files of the data directory: whole or not at all, and secret ones for their owner alone."""

import os
import secrets
from pathlib import Path


def write_secret(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file that only its owner can read, whole or not at all; `replace` or keep what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, content, mode=0o600, replace=replace)


def write(path: Path, content: bytes, *, mode: int, replace: bool = True) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            # A link refuses to take the place of a file that another process made meanwhile.
            try:
                os.link(temporary, path)
            except FileExistsError:
                return
    finally:
        temporary.unlink(missing_ok=True)
