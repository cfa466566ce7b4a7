"""What a backup holds: the manifest beside its files."""

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hedgerow_cli.errors import NotRestored
from hedgerow_cli.settings import reason

MANIFEST_FILE = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kept(_Part):
    """One file of the backup. file: its path within the folder · sha256: of its bytes, in hexadecimal"""

    file: str
    bytes: int
    sha256: str


class KeptDatabase(Kept):
    """One app's database at one moment. revision: of its schema · rows: how many each table has"""

    kind: Literal["sqlite", "postgresql"]
    at: datetime
    revision: str
    rows: dict[str, int]


class Contents(_Part):
    """The manifest. files: of the data directory · keys: whether keys are among them"""

    format: Literal[1] = 1
    made_at: datetime
    hedgerow: str
    databases: dict[str, KeptDatabase]
    keys: bool
    files: tuple[Kept, ...]


def measured(folder: Path, file: str) -> Kept:
    """A file of the backup as it lies there."""
    with (folder / file).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Kept(file=file, bytes=os.fstat(stream.fileno()).st_size, sha256=digest)


def read(folder: Path) -> Contents:
    """The manifest of a backup, all of whose files are as they were written; raises NotRestored."""
    path = folder / MANIFEST_FILE
    try:
        contents = Contents.model_validate_json(path.read_bytes())
    except OSError as missing:
        raise NotRestored(
            f"{folder} is no whole backup ({path} cannot be read: {reason(missing)}):"
            " name the folder that `hedgerow backup` made."
        ) from missing
    except ValidationError as wrong:
        where = ".".join(map(str, wrong.errors()[0]["loc"])) or "the whole"
        raise NotRestored(
            f"{path} is damaged, or of a newer Hedgerow (see {where}): take another backup."
        ) from wrong
    for kept in _all(contents):
        _check(folder, kept)
    return contents


def _all(contents: Contents) -> Iterator[Kept]:
    yield from contents.databases.values()
    yield from contents.files


def _check(folder: Path, kept: Kept) -> None:
    path = folder / kept.file
    if Path(kept.file).is_absolute() or ".." in Path(kept.file).parts:
        raise NotRestored(f"The manifest names {kept.file}, which is outside the backup: take another one.")
    try:
        found = measured(folder, kept.file)
    except OSError as missing:
        raise NotRestored(
            f"{path} cannot be read ({reason(missing)}): the backup is not whole, take another one."
        ) from missing
    if found.bytes != kept.bytes:
        raise NotRestored(
            f"{path} is damaged: it has {found.bytes:,} bytes, and was written with {kept.bytes:,}."
            " Nothing was changed; take another backup."
        )
    if found.sha256 != kept.sha256:
        raise NotRestored(
            f"{path} is damaged: its SHA-256 is not the one that was written."
            " Nothing was changed; take another backup."
        )
