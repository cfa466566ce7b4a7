"""The part of the one lock that an app needs at run time, for an image that holds no more than that.

    python deploy/closure.py hedgerow-gateway < requirements.lock > gateway.lock

Run it with a Python that has the whole lock installed: what needs what is read from the installed packages.
"""

import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(members: Iterable[str]) -> set[str]:
    """The names of all that some installed packages need here, themselves left out."""
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in members]
    own = {name for name, _ in waiting}
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in _needs(name):
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(need.name), wanted) for wanted in ("", *need.extras)]
    return {name for name, _ in seen} - own


def _needs(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        # Needed on another platform only, or a fault that the strict installation of the part will show.
        return []


def entries(lock: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and text of each entry of a lock: its first line and the hashes below it."""
    entry: list[str] = []
    for line in lock:
        if entry and not line.startswith((" ", "\t")):
            yield canonicalize_name(Requirement(entry[0].rstrip(" \\\n")).name), "".join(entry)
            entry = []
        if line.strip() and not line.startswith("#"):
            entry.append(line)
    if entry:
        yield canonicalize_name(Requirement(entry[0].rstrip(" \\\n")).name), "".join(entry)


def main(members: list[str]) -> None:
    wanted = closure(members)
    for name, text in entries(sys.stdin):
        if name in wanted:
            sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
