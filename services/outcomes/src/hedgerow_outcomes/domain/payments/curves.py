"""How a payment moves with what is counted, and whether what is counted gathers where it pays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from hedgerow_outcomes.domain.payments.earning import Counted, Figures, earn
from hedgerow_outcomes.domain.payments.rules import (
    Block,
    Capitation,
    GainShare,
    Measure,
    Outcome,
    Part,
    Pot,
    RateCard,
    Rule,
    Satisfaction,
    measures,
)
from hedgerow_outcomes.domain.periods import Period

MOST_POINTS = 400
FEWEST_TO_JUDGE = 10
UNLIKELY = 0.05


@dataclass(frozen=True)
class Curve:
    """A payment by units of one measure. points: (units, pounds), units rising · step: the largest change of
    the payment for one unit, between `before` and `after` · largest: the largest payment on the curve
    """

    kpi: str
    points: Sequence[tuple[Decimal, Decimal]]
    step: Decimal
    before: Decimal
    after: Decimal
    largest: Decimal


def curve(rule: Rule, part: Part, period: Period) -> Curve | None:
    """The payment of a part for one contributor alone, by units of its first measure, all else left out.

    Drawn in whole units from nothing to well above every figure that the part names; None where nothing is
    counted. The step is exact at whole units as far as at most `MOST_POINTS` of them are looked at, wider
    steps being taken beyond and divided by their width.
    """
    counted = _counted(rule, part)
    if counted is None:
        return None
    measure, reach = counted
    alone = _alone(rule)
    width = max(Decimal(1), (reach / MOST_POINTS).to_integral_value())
    points = []
    for place in range(int(reach / width) + 1):
        units = place * width
        points.append((units, earn(alone, period, _Everywhere(measure.kpi, units))[part.id].total))
    steps = [(abs(after[1] - before[1]) / width, before[0], after[0]) for before, after in pairwise(points)]
    step, before, after = max(steps, key=lambda found: (found[0], -found[1]))
    return Curve(measure.kpi, points, step, before, after, max(abs(paid) for _, paid in points))


class _Everywhere(Figures):
    """The same units of one KPI, and nothing of any other, whoever is asked about."""

    def __init__(self, kpi: str, units: Decimal) -> None:
        super().__init__({})
        self._kpi = kpi
        self._units = units

    def within(self, measure: Measure, subject: str, period: Period) -> list[Counted]:
        value = self._units if measure.kpi == self._kpi else Decimal(0)
        return [Counted("", measure.kpi, subject, period, value)]


def _alone(rule: Rule) -> Rule:
    return replace(rule, contributors=(replace(rule.contributors[0], share=Decimal(1)),))


def _counted(rule: Rule, part: Part) -> tuple[Measure, Decimal] | None:
    """The measure that a part's payment is drawn over, and how far."""
    if isinstance(part, Pot | Satisfaction):
        inner = (_counted(rule, rule.part(id)) for id in part.of)
        found = next((one for one in inner if one is not None), None)
        if found is None or not isinstance(part, Pot):
            return found
        return found[0], max(found[1], _units_to(rule, part))
    own = measures(part)
    if not own or isinstance(part, Block | Capitation):
        return None
    return own[0], _reach(part)


def _reach(part: Part) -> Decimal:
    named = [Decimal(10)]
    match part:
        case RateCard():
            named += [item.most for item in part.items if item.most is not None]
        case Outcome():
            named += [abs(part.baseline)] if isinstance(part.baseline, Decimal) else []
            named += [part.most] if part.most is not None else []
            if isinstance(part.baseline, Decimal) and part.trigger_pct is not None:
                named.append(abs(part.baseline) * (1 + part.trigger_pct / 100))
        case GainShare():
            named.append(part.target_cost)
    return (max(named) * 2).to_integral_value()


def _units_to(rule: Rule, pot: Pot) -> Decimal:
    """Units at which the ceiling of a pot is reached at the lowest price inside it."""
    prices = [
        price.price
        for id in pot.of
        for inner in [rule.part(id)]
        for price in (
            inner.prices
            if isinstance(inner, Outcome)
            else [p for item in inner.items for p in item.prices]
            if isinstance(inner, RateCard)
            else ()
        )
        if price.price > 0
    ]
    ceiling = pot.maximum or pot.minimum
    return Decimal(0) if not prices or ceiling is None else (ceiling / min(prices) * 2).to_integral_value()


@dataclass(frozen=True)
class Bunching:
    """How many values lie just below and just at or above a threshold.

    p_value: of so many or more at or above if both sides were as likely (one-sided exact binomial test); None
    where too few to judge · suspicious: the p-value is below 0.05
    """

    below: int
    at_or_above: int
    p_value: float | None
    suspicious: bool


def bunching(
    values: Sequence[float], *, threshold: float, width: float, lower_is_better: bool = False
) -> Bunching:
    """Whether values gather on the paid side of a threshold, compared with as wide a strip on the other side.

    values: any order · width > 0, in their unit: how far from the threshold is looked · a value at the
    threshold is on its paid side. Fewer than ten values in the two strips are not judged. Real results
    change smoothly across a mark that only the contract knows; results that are counted towards it do not.

    >>> bunching([79, 80, 80, 80, 80, 81, 80, 81, 80, 80, 81, 80], threshold=80, width=5).suspicious
    True
    """
    sign = -1 if lower_is_better else 1
    distances = [sign * (value - threshold) for value in values]
    paid = sum(0 <= distance < width for distance in distances)
    unpaid = sum(-width <= distance < 0 for distance in distances)
    if paid + unpaid < FEWEST_TO_JUDGE:
        return Bunching(unpaid, paid, None, False)
    # Imported here: it takes more than a second to load, and few ask.
    from scipy.stats import binomtest

    p_value = float(binomtest(paid, paid + unpaid, 0.5, alternative="greater").pvalue)
    return Bunching(unpaid, paid, p_value, p_value < UNLIKELY)
