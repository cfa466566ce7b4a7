"""Whole numbers as spans of several sizes, so that those in a range are found by few words.

The spans of one size lie side by side from 0 on, each size a multiple of the one before. What is a number has
a word for each span that holds it, and is asked for by the fewest spans that fill a range; what is a range
has words for those that fill it, and is asked for by the spans that hold a number.
"""

from collections.abc import Sequence


def holding(number: int, sizes: Sequence[int]) -> list[str]:
    """The spans that hold a number >= 0, one of each size; sizes ascend.

    >>> holding(18, (1, 4, 16))
    ['1.18', '4.4', '16.1']
    """
    return [f"{size}.{number // size}" for size in sizes]


def filling(first: int, last: int, sizes: Sequence[int]) -> list[str]:
    """The fewest spans that hold the numbers 0 <= first <= last; those at the ends may reach beyond.

    By less than the smallest size, that is; with a smallest size of 1 they do not. None where last < first.

    >>> filling(18, 31, (1, 4, 16)), filling(3, 2, (1, 4))
    (['1.18', '1.19', '4.5', '4.6', '4.7'], [])
    """
    found = []
    at = first - first % sizes[0]
    while at <= last:
        fits = [size for size in sizes[1:] if at % size == 0 and at + size - 1 <= last]
        size = fits[-1] if fits else sizes[0]
        found.append(f"{size}.{at // size}")
        at += size
    return found
