"""A weighted score of bodies by published weights, part by part, and how ranks change as a weight moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, NamedTuple

from hedgerow_registry.errors import Malformed

MOST_WEIGHTS: Final = 20


def weights(text: str) -> dict[str, Fraction]:
    """Weights written `name:weight,name:weight`; they add up to 1, or in per cent to 100.

    Returns each figure's weight as an exact part of 1, in the order given. Raises Malformed.

    >>> weights("pay ratio:60,local benefit:40")
    {'pay ratio': Fraction(3, 5), 'local benefit': Fraction(2, 5)}
    """
    made: dict[str, Fraction] = {}
    for part in text.split(","):
        name, colon, said = part.rpartition(":")
        name = figure_name(name) if colon else ""
        if not name:
            raise Malformed("weights are written name:weight,name:weight")
        if name in made:
            raise Malformed("a figure is named twice")
        made[name] = _weight(said)
    if len(made) > MOST_WEIGHTS:
        raise Malformed(f"at most {MOST_WEIGHTS} figures")
    total = sum(made.values())
    if total not in (1, 100):
        raise Malformed(f"the weights add up to {float(total):g}: they must add up to 1, or to 100 per cent")
    return {name: weight / total for name, weight in made.items()}


def _weight(said: str) -> Fraction:
    try:
        value = Decimal(said.strip().removesuffix("%"))
    except InvalidOperation:
        raise Malformed("a weight is a number") from None
    if not value.is_finite() or not 0 <= value <= 100 or len(said) > 30:
        raise Malformed("a weight lies between 0 and 100")
    return Fraction(value)


def figure_name(text: str) -> str:
    """The name of a figure: lower case, words parted by one space.

    >>> figure_name("  Pay_Ratio ")
    'pay ratio'
    """
    return " ".join(text.replace("_", " ").replace("-", " ").casefold().split())


class Part(NamedTuple):
    """How one figure enters the score of one body.

    value: as published · least, most: of all bodies compared · scaled: from 0, the worst among them, to 1,
    the best · points: scaled × weight
    """

    figure: str
    value: float
    least: float
    most: float
    scaled: Fraction
    weight: Fraction

    @property
    def points(self) -> Fraction:
        return self.scaled * self.weight


@dataclass(frozen=True)
class Score:
    """score: from 0 to 1, `None` where a figure is missing · rank: equal scores share one, `None` without ·
    missing: figures that are not known of it, in the order of the weights.
    """

    id: str
    score: Fraction | None
    rank: int | None
    parts: tuple[Part, ...]
    missing: tuple[str, ...]


def scores(
    values: Mapping[str, Mapping[str, float]], weighted: Mapping[str, Fraction], lower: Sequence[str] = ()
) -> list[Score]:
    r"""Scores of bodies, best first, those that cannot be scored last; equal ones in the order of their ids.

    .. math:: s_i = \sum_f w_f \cdot \frac{x_{if} - \min_f}{\max_f - \min_f}

    values: body → figure → value, finite · weighted: figure → weight, adding up to 1 · lower: figures of
    which less is better, scaled the other way round. The least and the most are those of the bodies compared;
    where all have the same value each has 1. A body that lacks a figure of positive weight has no score.

    >>> found = scores({"a": {"x": 2.0}, "b": {"x": 1.0}}, {"x": Fraction(1)})
    >>> [(one.id, float(one.score), one.rank) for one in found]
    [('a', 1.0, 1), ('b', 0.0, 2)]
    """
    ranges = {
        figure: (min(known), max(known))
        for figure in weighted
        if (known := [exact(held[figure]) for held in values.values() if figure in held])
    }
    unranked = [_score(id, held, weighted, ranges, lower) for id, held in values.items()]
    ordered = sorted(unranked, key=lambda one: (one.score is None, -(one.score or 0), one.id))
    made: list[Score] = []
    for place, one in enumerate(ordered, start=1):
        rank = None if one.score is None else place
        if made and one.score is not None and made[-1].score == one.score:
            rank = made[-1].rank
        made.append(Score(one.id, one.score, rank, one.parts, one.missing))
    return made


def exact(value: float) -> Fraction:
    """A number as it is written in decimal, exactly: 0.1 is a tenth."""
    return Fraction(Decimal(repr(value)))


def _score(
    id: str,
    held: Mapping[str, float],
    weighted: Mapping[str, Fraction],
    ranges: Mapping[str, tuple[Fraction, Fraction]],
    lower: Sequence[str],
) -> Score:
    parts = []
    for figure, weight in weighted.items():
        if figure in held:
            least, most = ranges[figure]
            value = exact(held[figure])
            if least == most:
                scaled = Fraction(1)
            else:
                scaled = (most - value if figure in lower else value - least) / (most - least)
            parts.append(Part(figure, held[figure], float(least), float(most), scaled, weight))
    missing = tuple(figure for figure in weighted if figure not in held)
    unknown = any(weighted[figure] > 0 for figure in missing)
    total = None if unknown else sum((part.points for part in parts), Fraction(0))
    return Score(id, total, None, tuple(parts), missing)


class Crossing(NamedTuple):
    """Where two bodies change places as the weight grows.

    at: the weight, between 0 and 1 · rises: who is ahead beyond it · falls: who was ahead before
    """

    at: Fraction
    rises: str
    falls: str


def moved(weighted: Mapping[str, Fraction], figure: str, to: Fraction) -> dict[str, Fraction]:
    """The weights with one figure's moved to a value from 0 to 1; the others keep their proportions.

    Raises Malformed where no other figure has a weight.

    >>> moved({"x": Fraction(1, 2), "y": Fraction(3, 8), "z": Fraction(1, 8)}, "x", Fraction(0))
    {'x': Fraction(0, 1), 'y': Fraction(3, 4), 'z': Fraction(1, 4)}
    """
    rest = sum(weight for name, weight in weighted.items() if name != figure)
    if not rest:
        raise Malformed("no other figure has a weight that could make room for it")
    return {name: to if name == figure else weight / rest * (1 - to) for name, weight in weighted.items()}


def crossings(
    values: Mapping[str, Mapping[str, float]],
    weighted: Mapping[str, Fraction],
    figure: str,
    lower: Sequence[str] = (),
) -> list[Crossing]:
    """Every change of places as the weight of one figure grows from 0 to 1, exactly, in the order of weight.

    A score is then a straight line in the weight, from the body's score without the figure to its scaled
    value of it; two lines that are not the same cross once at most. Bodies that lack a figure are left out;
    equal at an end is no change of places. Ties are in the order of ids.
    """
    at_0 = {one.id: one.score for one in scores(values, moved(weighted, figure, Fraction(0)), lower)}
    at_1 = {one.id: one.score for one in scores(values, moved(weighted, figure, Fraction(1)), lower)}
    lines = [
        (id, start, end)
        for id, start in sorted(at_0.items())
        if start is not None and (end := at_1[id]) is not None
    ]
    found = []
    for place, (first, start, end) in enumerate(lines):
        for second, other_start, other_end in lines[place + 1 :]:
            lead, then = start - other_start, end - other_end
            if lead * then < 0:
                at = lead / (lead - then)
                found.append(Crossing(at, *((second, first) if lead > 0 else (first, second))))
    return sorted(found)
