"""Which rows of a source a file is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Mapping

from hedgerow_cli.manifest import Condition
from hedgerow_cli.mapping.reading import Row


class Filter:
    """All conditions must hold; no condition lets every row through."""

    def __init__(
        self,
        where: Mapping[str, Condition],
        missing: Collection[str],
        lookups: Mapping[str, Container[str]] | None = None,
    ) -> None:
        self._tests = [(name, _test(condition, missing, lookups or {})) for name, condition in where.items()]
        self._unlike = [
            (name, condition.unlike) for name, condition in where.items() if condition.unlike is not None
        ]

    def __call__(self, row: Row) -> bool:
        return all(test(row.get(name, "").strip()) for name, test in self._tests) and all(
            row.get(name, "").strip() != row.get(other, "").strip() for name, other in self._unlike
        )


def _test(
    condition: Condition, missing: Collection[str], lookups: Mapping[str, Container[str]]
) -> Callable[[str], bool]:
    among = None if condition.lookup is None else lookups[condition.lookup]
    wanted = None if condition.equals is None else frozenset(condition.equals)
    unwanted = frozenset(condition.differs or ())
    pattern = None if condition.matches is None else re.compile(condition.matches)

    def test(text: str) -> bool:
        if wanted is not None and text not in wanted:
            return False
        if text in unwanted:
            return False
        if pattern is not None and pattern.search(text) is None:
            return False
        if among is not None and text not in among:
            return False
        return condition.present is None or condition.present == bool(text and text not in missing)

    return test
