"""Statistical neighbours: the areas most like one, by indices that describe them."""

from collections.abc import Mapping
from math import sqrt
from statistics import fmean, pstdev
from typing import NamedTuple


class Neighbour(NamedTuple):
    """An area and how unlike the other it is: 0 is just alike."""

    area: str
    distance: float


def neighbours(area: str, indices: Mapping[str, Mapping[str, float]], *, count: int) -> list[Neighbour]:
    """The areas nearest to one, the nearest first, ties by code.

    indices: values by area for each index; they should be areas of one level. Each index is standardised over
    all its areas (mean 0, standard deviation 1), and the distance is the root of the mean squared difference.
    Only areas that have every index are compared, and an index that is the same everywhere tells nothing.
    Empty where the area lacks one of them, or no index tells anything.

    >>> age = {"a": 30.0, "b": 31.0, "c": 60.0}
    >>> [found.area for found in neighbours("a", {"age": age}, count=2)]
    ['b', 'c']
    """
    telling = {name: values for name, values in indices.items() if len(set(values.values())) > 1}
    if not telling or any(area not in values for values in telling.values()):
        return []
    common = set.intersection(*(set(values) for values in telling.values())) - {area}
    scale = {name: (fmean(values.values()), pstdev(values.values())) for name, values in telling.items()}
    found = []
    for other in common:
        squares = [
            ((telling[name][other] - telling[name][area]) / spread) ** 2
            for name, (_, spread) in scale.items()
        ]
        found.append(Neighbour(other, sqrt(fmean(squares))))
    return sorted(found, key=lambda one: (one.distance, one.area))[:count]
