"""What each contributor earns under a rule in a period: exact sums, the arithmetic, and what it rests on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext

from hedgerow_outcomes.domain.payments.money import EXACT
from hedgerow_outcomes.domain.payments.rules import (
    Block,
    Capitation,
    GainShare,
    Item,
    Measure,
    Outcome,
    Part,
    Pot,
    Price,
    RateCard,
    Rule,
    Satisfaction,
)
from hedgerow_outcomes.domain.periods import Period, months

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)
NEVER = date.max


@dataclass(frozen=True)
class Counted:
    """One observation as it was used. value: in the figure asked for, None if it is not known."""

    id: str
    kpi: str
    subject: str
    period: Period
    value: Decimal | None


class Figures:
    """The observations that a computation may look at, by KPI, subject and figure, in the order of time."""

    def __init__(self, found: Mapping[tuple[str, str, str], Sequence[Counted]]) -> None:
        self._found = found

    def within(self, measure: Measure, subject: str, period: Period) -> list[Counted]:
        """Those whose period lies wholly within another; the longer of two that overlap is left out."""
        rows = self._found.get((measure.kpi, subject, measure.figure), ())
        inside = [row for row in rows if row.period.start >= period.start and row.period.end <= period.end]
        return _without_overlaps(inside)


def _without_overlaps(rows: Sequence[Counted]) -> list[Counted]:
    # A quarter beside its three months would be paid twice.
    kept: list[Counted] = []
    for row in sorted(rows, key=lambda row: (row.period.end - row.period.start, row.period.start)):
        if all(row.period.end < one.period.start or row.period.start > one.period.end for one in kept):
            kept.append(row)
    return sorted(kept, key=lambda row: row.period.start)


@dataclass(frozen=True)
class Step:
    """One step of the arithmetic: what it is, how it is computed, and what comes out."""

    says: str
    arithmetic: str
    result: Decimal


@dataclass(frozen=True)
class Earned:
    """What a part comes to. amounts: exact pounds by contributor · steps: by contributor, those of all under
    `None` · used: the observations · missing: what would have been needed and is not known, in words
    """

    amounts: Mapping[str, Decimal]
    steps: Mapping[str | None, Sequence[Step]] = field(default_factory=dict)
    used: Mapping[str | None, Sequence[Counted]] = field(default_factory=dict)
    missing: Sequence[str] = ()

    @property
    def total(self) -> Decimal:
        return sum(self.amounts.values(), ZERO)


class _Notes:
    """Steps, observations and what was missing, as they come up."""

    def __init__(self) -> None:
        self.steps: dict[str | None, list[Step]] = {}
        self.used: dict[str | None, list[Counted]] = {}
        self.missing: list[str] = []

    def step(self, of: str | None, says: str, arithmetic: str, result: Decimal) -> Decimal:
        self.steps.setdefault(of, []).append(Step(says, arithmetic, result))
        return result

    def use(self, of: str | None, rows: Iterable[Counted]) -> None:
        self.used.setdefault(of, []).extend(rows)

    def earned(self, amounts: Mapping[str, Decimal]) -> Earned:
        return Earned(amounts, self.steps, self.used, tuple(self.missing))


def earn(rule: Rule, period: Period, figures: Figures) -> dict[str, Earned]:
    """What every part of a rule comes to in a period, by part id; those that another adjusts included.

    rule: one without faults · period: of one statement · figures: at least the pairs that `counted` names.
    An observation that is not there, or has no value, counts as nothing and is named in `missing`.
    """
    found: dict[str, Earned] = {}
    with localcontext(EXACT):
        for part in rule.parts:
            found[part.id] = _earn(rule, part, period, figures, found)
    return found


def _earn(rule: Rule, part: Part, period: Period, figures: Figures, before: Mapping[str, Earned]) -> Earned:
    match part:
        case Block():
            return _block(rule, part, period)
        case RateCard():
            return _rate_card(rule, part, period, figures)
        case Outcome():
            return _outcome(rule, part, period, figures)
        case Capitation():
            return _capitation(rule, part, period, figures)
        case GainShare():
            return _gain_share(rule, part, period, figures)
        case Pot():
            return _pot(rule, part, [before[id] for id in part.of])
        case Satisfaction():
            return _satisfaction(rule, part, period, figures, [before[id] for id in part.of])


def _block(rule: Rule, part: Block, period: Period) -> Earned:
    notes = _Notes()
    first = max(rule.starts, part.starts or rule.starts)
    monthly = part.monthly if part.total is None else part.total / Decimal(part.months or 1)
    assert monthly is not None
    if part.total is not None:
        notes.step(None, "the total spread evenly", f"{part.total:,} ÷ {part.months} months", monthly)
    full = NEVER if part.months is None else _end_of(first, part.months)
    if part.total is not None and period.start <= first and period.end >= full:
        # Part months at both ends need not make a whole one: what is left over falls due with the last.
        amount = notes.step(
            None, "the whole of it, the last month being over", f"{part.total:,f}", part.total
        )
        return notes.earned(_shared(rule, amount, notes))
    count = _months_between(max(first, period.start), min(full, rule.ends, period.end))
    arithmetic = f"{monthly:,f} × {count:f} months"
    amount = notes.step(None, "for the months since the beginning", arithmetic, monthly * count)
    return notes.earned(_shared(rule, amount, notes))


def _end_of(first: date, length: int) -> date:
    """The last of so many months from a day on; 31 January and a month is 28 February."""
    whole = months(first.year, first.month, length + (first.day > 1))
    if first.day == 1:
        return whole.end
    return min(whole.end, whole.end.replace(day=1) + timedelta(days=first.day - 2))


def _months_between(first: date, last: date) -> Decimal:
    """How many months there are from one day to another, both within; a part of one by its days.

    >>> _months_between(date(2025, 4, 16), date(2025, 5, 31))
    Decimal('1.5')
    """
    total = ZERO
    while first <= last:
        month = months(first.year, first.month, 1)
        days = (min(last, month.end) - first).days + 1
        total += Decimal(days) / Decimal((month.end - month.start).days + 1)
        if month.end >= last:
            break
        first = month.end + timedelta(days=1)
    return total


def _rate_card(rule: Rule, part: RateCard, period: Period, figures: Figures) -> Earned:
    notes = _Notes()
    amounts = dict.fromkeys(rule.shares, ZERO)
    for item in part.items:
        if item.measure.subject is not None:
            together = _item(notes, None, item, item.measure.subject, period, figures)
            for subject, amount in _shared(rule, together, notes).items():
                amounts[subject] += amount
        else:
            for subject in rule.shares:
                amounts[subject] += _item(notes, subject, item, subject, period, figures)
    return notes.earned(amounts)


def _item(
    notes: _Notes, of: str | None, item: Item, subject: str, period: Period, figures: Figures
) -> Decimal:
    name = item.name or item.measure.kpi
    left = item.most
    total = ZERO
    for row in _known(notes, of, item.measure, subject, period, figures):
        units, price = row.value, price_on(item.prices, row.period.start)
        assert units is not None
        if price is None:
            notes.step(of, f"{name}, {row.period.label}: no price holds yet", f"{units:,f} × 0", ZERO)
            continue
        paid = units if left is None else min(units, left)
        left = None if left is None else left - paid
        beyond = "" if paid == units else f", of {units:,f}: no more are paid in a statement"
        says = f"{name}, {row.period.label}, at the price of {row.period.start.isoformat()}{beyond}"
        total += notes.step(of, says, f"{paid:,f} × {price:,f}", paid * price)
    return total


def price_on(prices: Sequence[Price], day: date) -> Decimal | None:
    """The price in force on a day, or None before the first.

    >>> prices = [Price(price=Decimal(5)), Price(price=Decimal(6), since=date(2025, 7, 1))]
    >>> price_on(prices, date(2025, 6, 30))
    Decimal('5')
    """
    held = [price for price in prices if (price.since or date.min) <= day]
    return max(held, key=lambda price: price.since or date.min).price if held else None


def _known(
    notes: _Notes, of: str | None, measure: Measure, subject: str, period: Period, figures: Figures
) -> list[Counted]:
    """The observations of a measure that have a value; what is not known is noted."""
    rows = figures.within(measure, subject, period)
    if not rows:
        notes.missing.append(f"no observation of {measure.kpi} of {subject} within {period.label}")
    unknown = [row.period.label for row in rows if row.value is None]
    if unknown:
        notes.missing.append(f"{measure.kpi} of {subject} has no value in {', '.join(unknown)}")
    notes.use(of, rows)
    return [row for row in rows if row.value is not None]


def _latest(
    notes: _Notes, of: str | None, measure: Measure, subject: str, period: Period, figures: Figures
) -> Decimal | None:
    rows = _known(notes, of, measure, subject, period, figures)
    return rows[-1].value if rows else None


def _outcome(rule: Rule, part: Outcome, period: Period, figures: Figures) -> Earned:
    notes = _Notes()
    if part.measure.subject is not None:
        together = _improvement(notes, None, part, part.measure.subject, period, figures)
        return notes.earned(_shared(rule, together, notes))
    amounts = {
        subject: _improvement(notes, subject, part, subject, period, figures) for subject in rule.shares
    }
    return notes.earned(amounts)


def _improvement(
    notes: _Notes, of: str | None, part: Outcome, subject: str, period: Period, figures: Figures
) -> Decimal:
    value = _latest(notes, of, part.measure, subject, period, figures)
    baseline = _baseline(notes, of, part, subject, period, figures)
    if value is None or baseline is None:
        return notes.step(of, "not known, so nothing is earned", "0", ZERO)
    higher = part.better == "higher"
    better, worse = (value, baseline) if higher else (baseline, value)
    units = notes.step(of, "improvement on the baseline", f"{better:,f} − {worse:,f}", better - worse)
    if part.trigger_pct is not None:
        if not baseline:
            notes.missing.append(f"the baseline of {part.id} is 0: no percentage of it can be reached")
            return ZERO
        pct = units / abs(baseline) * HUNDRED
        reached = pct >= part.trigger_pct
        met = "met" if reached else "not met"
        says = f"in percent of the baseline; the trigger of {part.trigger_pct:f} % is {met}"
        notes.step(of, says, f"{units:,f} ÷ {abs(baseline):,f} × 100", pct)
        if not reached:
            return notes.step(of, "below the trigger nothing is paid", "0", ZERO)
        if part.amount is not None:
            return notes.step(of, "for reaching the trigger", f"{part.amount:,f}", part.amount)
    return _per_unit(notes, of, part, max(units, ZERO), period)


def _per_unit(notes: _Notes, of: str | None, part: Outcome, units: Decimal, period: Period) -> Decimal:
    paid = units if part.most is None else min(units, part.most)
    price = price_on(part.prices, period.start)
    if price is None:
        return notes.step(of, f"no price holds on {period.start.isoformat()}", f"{paid:,f} × 0", ZERO)
    return notes.step(of, "units that are paid × price", f"{paid:,f} × {price:,f}", paid * price)


def _baseline(
    notes: _Notes, of: str | None, part: Outcome, subject: str, period: Period, figures: Figures
) -> Decimal | None:
    if part.baseline is None:
        return ZERO
    if isinstance(part.baseline, Measure):
        of_whom = part.baseline.subject or subject
        return _latest(notes, of, part.baseline, of_whom, period, figures)
    return part.baseline


def _capitation(rule: Rule, part: Capitation, period: Period, figures: Figures) -> Earned:
    notes = _Notes()
    heads = {
        subject: {group.name: _heads(notes, group.people, subject, period, figures) for group in part.groups}
        for subject in rule.shares
    }
    weights = {group.name: group.weight for group in part.groups}
    people = sum((sum(by_group.values(), ZERO) for by_group in heads.values()), ZERO)
    weighted = {
        subject: sum((count * weights[name] for name, count in by_group.items()), ZERO)
        for subject, by_group in heads.items()
    }
    whole = sum(weighted.values(), ZERO)
    if not whole:
        notes.missing.append(f"{part.id}: nobody is counted, so nothing can be shared out")
        return notes.earned(dict.fromkeys(rule.shares, ZERO))
    scale = notes.step(None, "weights scaled to 1 on average", f"{people:,f} ÷ {whole:,f}", people / whole)
    rate = part.base_rate if part.pot is None else part.pot / people
    assert rate is not None
    if part.pot is not None:
        notes.step(None, "the pot a head", f"{part.pot:,f} ÷ {people:,f}", rate)
    amounts = {}
    for subject, weight in weighted.items():
        arithmetic = f"{weight:,f} weighted people × {scale:f} × {rate:,f}"
        # The scaled weights times the rate, divided last so that a pot is shared out exactly.
        amount = rate * people * weight / whole
        amounts[subject] = notes.step(subject, "risk-weighted people × rate", arithmetic, amount)
    return notes.earned(amounts)


def _heads(notes: _Notes, measure: Measure, subject: str, period: Period, figures: Figures) -> Decimal:
    found = _latest(notes, subject, measure, measure.subject or subject, period, figures)
    return ZERO if found is None else found


def _gain_share(rule: Rule, part: GainShare, period: Period, figures: Figures) -> Earned:
    notes = _Notes()
    if part.cost.subject is not None:
        return notes.earned(
            _shared(rule, _gain(notes, None, part, part.cost.subject, period, figures), notes)
        )
    return notes.earned({one: _gain(notes, one, part, one, period, figures) for one in rule.shares})


def _gain(
    notes: _Notes, of: str | None, part: GainShare, subject: str, period: Period, figures: Figures
) -> Decimal:
    rows = _known(notes, of, part.cost, subject, period, figures)
    if not rows:
        return notes.step(of, "not known, so nothing is shared", "0", ZERO)
    cost = sum((row.value for row in rows if row.value is not None), ZERO)
    saved = notes.step(
        of, "saved against the target cost", f"{part.target_cost:,f} − {cost:,f}", part.target_cost - cost
    )
    amount = notes.step(of, "the share of it", f"{saved:,f} × {part.share:f}", saved * part.share)
    if part.cap is not None and amount > part.cap:
        return notes.step(of, "no more than the cap", f"{part.cap:,f}", part.cap)
    if part.collar is not None and amount < -part.collar:
        return notes.step(of, "no less than the collar", f"−{part.collar:,f}", -part.collar)
    return amount


def _pot(rule: Rule, part: Pot, inner: Sequence[Earned]) -> Earned:
    notes, amounts = _joined(rule, inner)
    earned = sum(amounts.values(), ZERO)
    notes.step(None, "earned by all together", " + ".join(f"{one.total:,f}" for one in inner), earned)
    total = earned
    if part.minimum is not None and total < part.minimum:
        total = notes.step(None, "no less than the floor", f"{part.minimum:,f}", part.minimum)
    if part.maximum is not None and total > part.maximum:
        total = notes.step(None, "no more than the ceiling", f"{part.maximum:,f}", part.maximum)
    if total == earned:
        return notes.earned(amounts)
    if earned <= 0:
        notes.step(None, "nothing was earned: shared out by the agreed shares", f"{total:,f}", total)
        return notes.earned(_shared(rule, total, notes))
    scaled = {
        subject: notes.step(
            subject,
            "the pot by what was earned",
            f"{total:,f} × {one:,f} ÷ {earned:,f}",
            total * one / earned,
        )
        for subject, one in amounts.items()
    }
    return notes.earned(scaled)


def _satisfaction(
    rule: Rule, part: Satisfaction, period: Period, figures: Figures, inner: Sequence[Earned]
) -> Earned:
    notes, amounts = _joined(rule, inner)
    subjects = [part.measure.subject] if part.measure.subject is not None else list(amounts)
    scores: dict[str, Decimal | None] = {}
    for subject in subjects:
        of = None if part.measure.subject is not None else subject
        value = _latest(notes, of, part.measure, subject, period, figures)
        if value is None:
            scores[subject] = None
            continue
        score = min(max((value - part.floor) / (part.target - part.floor), ZERO), ONE)
        says = "the score of what users say, from 0 to 1"
        arithmetic = f"({value:f} − {part.floor:f}) ÷ ({part.target:f} − {part.floor:f})"
        scores[subject] = notes.step(of, says, arithmetic, score)
    paid = {}
    for subject, amount in amounts.items():
        # What users say is not known: nothing is taken off for it, and the statement says so.
        known = scores[part.measure.subject or subject]
        score = ONE if known is None else known
        factor = ONE - part.weight + part.weight * score
        arithmetic = f"{amount:,f} × (1 − {part.weight:f} + {part.weight:f} × {score:f})"
        paid[subject] = notes.step(subject, "with the weight on satisfaction", arithmetic, amount * factor)
    return notes.earned(paid)


def _joined(rule: Rule, inner: Sequence[Earned]) -> tuple[_Notes, dict[str, Decimal]]:
    notes = _Notes()
    for one in inner:
        for of, steps in one.steps.items():
            notes.steps.setdefault(of, []).extend(steps)
        for of, used in one.used.items():
            notes.use(of, used)
        notes.missing += one.missing
    amounts = {subject: sum((one.amounts[subject] for one in inner), ZERO) for subject in rule.shares}
    return notes, amounts


def _shared(rule: Rule, amount: Decimal, notes: _Notes) -> dict[str, Decimal]:
    if len(rule.shares) == 1:
        return dict.fromkeys(rule.shares, amount)
    return {
        subject: notes.step(subject, "the agreed share", f"{amount:,f} × {share:f}", amount * share)
        for subject, share in rule.shares.items()
    }
