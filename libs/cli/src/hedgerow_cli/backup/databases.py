"""What SQLite and PostgreSQL have in common here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Taken:
    """What a database held when it was copied, or put back."""

    revision: str
    rows: dict[str, int]


class StoredDatabase(Protocol):
    """The database of an app.

    take: copies it into a file as it is at one moment; raises NotBackedUp · check_free: raises NotRestored
    unless a copy may take its place · check_whole: raises NotRestored if the copy cannot be read · put_back:
    puts a copy in its place; raises NotRestored
    """

    shown: str

    @property
    def kind(self) -> Literal["sqlite", "postgresql"]: ...
    @property
    def suffix(self) -> str: ...

    def bytes(self) -> int: ...
    def take(self, to: Path) -> Taken: ...
    def check_free(self, *, force: bool) -> None: ...
    def check_whole(self, file: Path) -> None: ...
    def put_back(self, file: Path) -> Taken: ...
