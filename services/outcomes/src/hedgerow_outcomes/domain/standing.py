"""Where subjects stand beside one another: which interval a KPI's figures allow, ranks, and a comparator."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from hedgerow_outcomes.domain.intervals import Interval, rate, wilson
from hedgerow_outcomes.errors import UnfitForInterval

# Below this part of a value, a difference is the rounding of binary numbers and not another figure.
_ROUNDING = 1e-9
_PER = re.compile(r"\b(?:per|/)\s*([0-9][0-9, ]*)\s*(k\b|thousand|million)?|\bper (thousand|million)\b")
_WORDS = {"k": 1_000.0, "thousand": 1_000.0, "million": 1_000_000.0}


class Method(NamedTuple):
    """How a KPI's intervals are computed: by Wilson for a proportion, by Byar for a rate, of so many."""

    name: str
    multiplier: float


class Figure(NamedTuple):
    """What is known of a subject in a period."""

    subject: str
    value: float | None
    numerator: float | None = None
    denominator: float | None = None


def method_of(unit: str | None, aggregation: str | None, interval: str | None = None) -> Method:
    """The method that a KPI's definition names (`interval`), else the one its unit and aggregation call for.

    A proportion, percentage or rate is a ratio of sums; a KPI that is summed or averaged is neither. `per
    1,000` and the like name a rate and its multiplier; `%` and `percentage` are proportions of 100. Raises
    UnfitForInterval with the reason.

    >>> method_of("percentage", "ratio_of_sums"), method_of("per 100,000 residents", "ratio_of_sums")
    (Method(name='wilson', multiplier=100.0), Method(name='byar', multiplier=100000.0))
    >>> method_of("visits per household", "sum", "byar")
    Method(name='byar', multiplier=1.0)
    """
    plain = " ".join((unit or "").casefold().split())
    if interval == "none":
        raise UnfitForInterval("the KPI's definition says that it has none")
    if interval in ("wilson", "byar"):
        return Method(interval, _multiplier_of(plain))
    if interval is not None:
        raise UnfitForInterval(
            f"the KPI's method is “{interval}”, which needs more than a count and its base"
        )
    if aggregation in ("sum", "mean"):
        called = "a sum" if aggregation == "sum" else "a mean"
        raise UnfitForInterval(f"the KPI is {called}, of which the spread is not known")
    if _PER.search(plain):
        return Method("byar", _multiplier_of(plain))
    if _is_percentage(plain):
        return Method("wilson", _multiplier_of(plain))
    if "proportion" in plain or "share" in plain:
        return Method("wilson", 1.0)
    if re.search(r"\brate\b", plain):
        return Method("byar", 1.0)
    raise UnfitForInterval(
        f"the unit “{unit}” names neither a proportion nor a rate" if unit else "the KPI has no unit"
    )


def _is_percentage(plain: str) -> bool:
    return "%" in plain or "percent" in plain or "per cent" in plain


def _multiplier_of(plain: str) -> float:
    if found := _PER.search(plain):
        number = float(found[1].replace(",", "").replace(" ", "")) if found[1] else 1.0
        return (number or 1.0) * _WORDS.get(found[2] or found[3] or "", 1.0)
    return 100.0 if _is_percentage(plain) else 1.0


def interval_of(figure: Figure, method: Method, *, confidence: float) -> Interval:
    """The interval of a subject's figure, computed from its numerator and denominator.

    The value may be rounded or cut off: it may differ from what they give by one in its last written place.
    Raises UnfitForInterval with the reason.

    >>> interval_of(Figure("E08000009", 20.0, 20, 100), Method("wilson", 100), confidence=0.95).upper
    28.882916559315884
    """
    if figure.value is None:
        raise UnfitForInterval("there is no value")
    if figure.numerator is None or figure.denominator is None:
        raise UnfitForInterval("the numerator and the denominator are not both known")
    by: Callable[..., Interval] = wilson if method.name == "wilson" else rate
    found = by(figure.numerator, figure.denominator, confidence=confidence, multiplier=method.multiplier)
    if not abs(found.value - figure.value) <= _last_place(figure.value) + _ROUNDING * abs(found.value):
        raise UnfitForInterval(
            f"the value is not {method.multiplier:g} times the numerator by the denominator"
        )
    if not (math.isfinite(found.lower) and math.isfinite(found.upper)):
        raise UnfitForInterval("the limits are too large for a number")
    return found


def _last_place(value: float) -> float:
    """One in the last place of a number as it is written: 0.1 of 33.3, 1 of 20."""
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return 10.0 ** min(exponent, 0) if isinstance(exponent, int) else 0.0


def ranked(figures: Sequence[Figure], polarity: str | None) -> list[tuple[int | None, Figure]]:
    """Figures with their ranks, the best first: the lowest where lower is better, else the highest.

    Equal values share a rank, the next one counts all before it (1, 2, 2, 4), and stand in the order of their
    subjects; subjects without a value come last and have no rank.

    >>> [rank for rank, _ in ranked([Figure("b", 2), Figure("a", 2), Figure("c", None)], None)]
    [1, 1, None]
    """
    direction = 1 if polarity == "lower" else -1
    valued = sorted(
        (direction * figure.value, figure.subject, figure) for figure in figures if figure.value is not None
    )
    first: Mapping[float, int] = {
        key: place for place, (key, _, _) in reversed(list(enumerate(valued, start=1)))
    }
    without = sorted(figure for figure in figures if figure.value is None)
    return [(first[key], figure) for key, _, figure in valued] + [(None, figure) for figure in without]


def kind_of(subject: str) -> str:
    """What can stand beside one another: the kind of a subject, of an area the first letter and digits.

    >>> kind_of("E05000001"), kind_of("organisation:A")
    ('E05', 'organisation')
    """
    return subject.partition(":")[0] if ":" in subject else subject[:3]


def against(interval: Interval | None, comparator: float | None, polarity: str | None) -> str:
    """`similar` where the comparator lies within the interval, or on its limits; else `better` or `worse`, or
    `higher` or `lower` where the KPI wants neither; `not compared` without either.

    >>> against(Interval(5, 4, 6, "wilson"), 3.0, "lower")
    'worse'
    """
    if interval is None or comparator is None:
        return "not compared"
    if interval.lower <= comparator <= interval.upper:
        return "similar"
    higher = interval.lower > comparator
    if polarity not in ("higher", "lower"):
        return "higher" if higher else "lower"
    return "better" if higher == (polarity == "higher") else "worse"
