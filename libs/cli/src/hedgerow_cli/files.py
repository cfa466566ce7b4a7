"""Files that a command writes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hedgerow_cli.errors import NotWritten
from hedgerow_cli.settings import reason


@contextmanager
def whole(file: Path, option: str) -> Iterator[Callable[[bytes], object]]:
    """Write a file that has its name once all of it is there. option: by which another can be named

    Raises NotWritten.
    """
    # The file that a link leads to is written, and the link stays; so does what is no file, such as a pipe.
    file = Path(os.path.realpath(file))
    beside = file.with_name(f".{file.name[:200]}.{os.getpid()}.part")
    straight = file.exists() and not file.is_file()
    try:
        with file.open("wb") if straight else beside.open("xb") as written:
            yield written.write
        if not straight:
            if file.exists():
                beside.chmod(file.stat().st_mode & 0o777)
            beside.replace(file)
    except OSError as error:
        raise NotWritten(
            f"{file} cannot be written ({reason(error)}): name another with {option}."
        ) from error
    finally:
        if not straight:
            beside.unlink(missing_ok=True)
