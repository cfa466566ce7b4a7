"""Progress of a load: a bar for the file under way, and one for all files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hedgerow_cli.terminal import plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class FileBar:
    """The bar of one file; `moved` says how many of its bytes are read."""

    def __init__(self, bars: Progress | None, task: TaskID | None, label: str) -> None:
        self._bars = bars
        self._task = task
        self._label = label

    def moved(self, position: int) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=position)

    def waiting(self) -> None:
        """All is sent: what lasts now is the platform's work."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, description=f"{plain(self._label)}: sent, now being taken in")


class LoadBars:
    """The bars of a load; without `bars` nothing is shown."""

    def __init__(self, bars: Progress | None = None) -> None:
        self._bars = bars
        self._all: TaskID | None = None

    def begin(self, name: str, paths: list[Path]) -> None:
        """Show the bar for all files."""
        if self._bars is not None and len(paths) > 1:
            self._all = self._bars.add_task(plain(name), total=sum(path.stat().st_size for path in paths))

    @contextmanager
    def file(self, label: str, path: Path | None) -> Iterator[FileBar]:
        """The bar of a file while it is under way; rows of the manifest itself are too few for one."""
        if self._bars is None or path is None:
            yield FileBar(None, None, label)
            return
        size = path.stat().st_size
        task = self._bars.add_task(plain(label), total=size)
        try:
            yield FileBar(self._bars, task, label)
        finally:
            self._bars.remove_task(task)
            if self._all is not None:
                self._bars.advance(self._all, size)
