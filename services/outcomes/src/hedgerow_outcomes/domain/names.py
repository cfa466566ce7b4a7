"""A column of texts as numbers: a text is read once in a file, on however many rows it stands."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
T = TypeVar("T")

BLANK = -1
# Enough for every small area of the country; a file with more different texts forgets and begins anew.
_MOST = 300_000


class Vocabulary(Generic[T]):
    """The texts met so far, what each means, and why some are refused.

    read: gives the meaning of a text and the reason to refuse it, or None. A text's number is its place in
    `meanings` and `reasons`, and never changes.
    """

    def __init__(self, read: Callable[[str], tuple[T, str | None]]) -> None:
        self.read = read
        self.meanings: list[T] = []
        self.reasons: list[str | None] = []
        self._refused: Flags = np.zeros(0, bool)
        self._texts = pl.DataFrame(schema={"text": pl.String, "number": pl.Int32})

    def numbers(self, column: pl.Series) -> Ints:
        """The number of each text of a column; BLANK for null."""
        found = self._found(column)
        if found.null_count() > column.null_count():
            self._learn(column.filter(found.is_null()).drop_nulls().unique(maintain_order=True))
            found = self._found(column)
        return found.fill_null(BLANK).to_numpy()

    def refused(self, numbers: Ints, *, blank: bool) -> Flags:
        """Which of these are refused; `blank`: whether blanks are."""
        return np.append(self._refused, blank)[numbers]

    def _found(self, column: pl.Series) -> pl.Series:
        asked = column.alias("text").to_frame()
        return asked.join(self._texts, on="text", how="left", maintain_order="left")["number"]

    def _learn(self, texts: pl.Series) -> None:
        first = len(self.meanings)
        for text in texts:
            meaning, reason = self.read(text)
            self.meanings.append(meaning)
            self.reasons.append(reason)
        refused = [reason is not None for reason in self.reasons[first:]]
        self._refused = np.append(self._refused, np.array(refused, bool))
        added = pl.DataFrame(
            {
                "text": texts,
                "number": pl.int_range(first, len(self.meanings), dtype=pl.Int32, eager=True),
            }
        )
        self._texts = pl.concat([self._texts, added])


class Names(NamedTuple, Generic[T]):
    """A column of texts: of every row the number of its text in a vocabulary."""

    vocabulary: Vocabulary[T]
    numbers: Ints

    def at(self, row: np.integer[Any]) -> T:
        return self.vocabulary.meanings[int(self.numbers[row])]

    def rows(self, kept: Flags) -> "Names[T]":
        return Names(self.vocabulary, self.numbers[kept])

    def used(self) -> list[int]:
        """The numbers that stand on any row, each once."""
        return [int(number) for number in np.unique(self.numbers) if number != BLANK]


def roomy(vocabulary: Vocabulary[T]) -> Vocabulary[T]:
    """The vocabulary, or an empty one in its place when it has grown too large."""
    return vocabulary if len(vocabulary.meanings) <= _MOST else Vocabulary(vocabulary.read)
