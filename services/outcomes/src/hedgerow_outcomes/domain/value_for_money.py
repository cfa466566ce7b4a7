"""What an outcome costs, and who invests in what others save."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from hedgerow_outcomes.domain.intervals import Interval, poisson
from hedgerow_outcomes.domain.periods import Period

FEWEST_SHOWN = 5


@dataclass(frozen=True)
class CostPerOutcome:
    """Pounds for each outcome between limits; upper None: no limit, as nothing may have been achieved."""

    value: float
    lower: float
    upper: float | None
    method: str


def cost_per_outcome(cost: float, outcomes: float, *, confidence: float) -> CostPerOutcome | None:
    """What one outcome cost, and how far chance alone may have moved it.

    cost: pounds, >= 0 · outcomes: a count, >= 0. The outcomes are taken as a Poisson count; the limits are
    the cost over its limits. None with fewer than five outcomes: so few tell nothing, and may tell of people.

    >>> found = cost_per_outcome(50_000, 100, confidence=0.95)
    >>> found.value, round(found.lower), round(found.upper)
    (500.0, 411, 615)
    """
    if outcomes < FEWEST_SHOWN:
        return None
    interval: Interval = poisson(outcomes, confidence=confidence)
    upper = cost / interval.lower if interval.lower > 0 else None
    return CostPerOutcome(cost / outcomes, cost / interval.upper, upper, interval.method)


@dataclass(frozen=True)
class Entry:
    """A sum in the ledger of a scheme. kind: `invest`, `save`, or `match` for other people's money"""

    party: str
    kind: str
    period: Period
    pence: int


@dataclass(frozen=True)
class Party:
    """What a party puts in and gets back, in pence. break_even: the period in which its savings first cover
    what it has put in, None: not yet
    """

    party: str
    invested: int
    saved: int
    matched: int
    break_even: Period | None

    @property
    def net(self) -> int:
        return self.saved - self.invested


@dataclass(frozen=True)
class Ledger:
    """A scheme: its parties in order of name, all together, and other money for each pound of our own."""

    parties: list[Party]
    together: Party
    leverage: float | None


def ledger(entries: Iterable[Entry]) -> Ledger:
    """Who invests and who saves. Leverage is matched over invested money; None where nothing was invested.

    >>> from hedgerow_outcomes.domain.periods import months
    >>> first, second = months(2025, 4, 12), months(2026, 4, 12)
    >>> found = ledger([Entry("council", "invest", first, 100), Entry("police", "save", second, 150)])
    >>> [(party.party, party.net) for party in found.parties], found.together.break_even.label
    ([('council', -100), ('police', 150)], '2026/27')
    """
    rows = sorted(entries, key=lambda entry: (entry.period.end, entry.period.start, entry.party))
    names = sorted({entry.party for entry in rows})
    together = _party("all", rows)
    leverage = together.matched / together.invested if together.invested else None
    return Ledger([_party(name, [e for e in rows if e.party == name]) for name in names], together, leverage)


def _party(name: str, rows: list[Entry]) -> Party:
    sums = {kind: sum(e.pence for e in rows if e.kind == kind) for kind in ("invest", "save", "match")}
    return Party(name, sums["invest"], sums["save"], sums["match"], _break_even(rows))


def _break_even(rows: list[Entry]) -> Period | None:
    if not any(entry.kind == "invest" for entry in rows):
        return None
    balance, found = 0, None
    for entry in rows:
        balance += {"save": entry.pence, "invest": -entry.pence}.get(entry.kind, 0)
        # Later investment may put it under water again: what counts is the last time that it came up.
        if balance >= 0 and entry.kind == "save":
            found = found or entry.period
        elif balance < 0:
            found = None
    return found


def pence(text: str) -> int:
    """An amount in pounds as whole pence. Raises ValueError where it is none, or has parts of a penny."""
    amount = Decimal(text.replace(",", "").replace("£", "").strip())
    whole = amount * 100
    if not amount.is_finite() or whole != whole.to_integral_value() or abs(whole) >= 10**15:
        raise ValueError("not an amount in pounds and pence")
    return int(whole)
