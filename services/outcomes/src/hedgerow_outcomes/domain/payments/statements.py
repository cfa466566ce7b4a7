"""Statements: what a rule comes to in a period, line by line, and what a correction changes afterwards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from hedgerow_outcomes.domain.payments.earning import Counted, Earned, Figures, Step, earn
from hedgerow_outcomes.domain.payments.money import rounded, split
from hedgerow_outcomes.domain.payments.rules import MONTHS, Block, Rule
from hedgerow_outcomes.domain.periods import Period, months
from hedgerow_outcomes.errors import IllegalTransition, NotAStatementPeriod


@dataclass(frozen=True)
class Line:
    """What one payer pays one contributor for one part, in pence, and how it came about."""

    part: str
    contributor: str
    payer: str
    pence: int
    steps: Sequence[Step] = ()
    used: Sequence[Counted] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        return self.part, self.contributor, self.payer


@dataclass(frozen=True)
class Computed:
    """A statement as computed. missing: what it would have needed and is not known."""

    period: Period
    lines: Sequence[Line]
    missing: Sequence[str]

    @property
    def pence(self) -> int:
        return sum(line.pence for line in self.lines)


def statement_periods(rule: Rule) -> Iterator[Period]:
    """The statement periods of a rule in order: those of its cadence, cut off at its first and last day."""
    first = _beginning(rule)
    while first <= rule.ends:
        whole = months(first.year, first.month, MONTHS[rule.cadence])
        yield Period(max(whole.start, rule.starts), min(whole.end, rule.ends))
        first = whole.end + timedelta(days=1)


def _beginning(rule: Rule) -> date:
    length = MONTHS[rule.cadence]
    shift = 3 if rule.cadence == "financial_year" else 0
    month = rule.starts.year * 12 + rule.starts.month - 1 - shift
    month = month // length * length + shift
    return date(month // 12, month % 12 + 1, 1)


def period_of(rule: Rule, asked: Period) -> Period:
    """The statement period that a period names: itself, or the part of it that the rule covers.

    Raises NotAStatementPeriod.
    """
    wanted = Period(max(asked.start, rule.starts), min(asked.end, rule.ends))
    if wanted in statement_periods(rule):
        return wanted
    raise NotAStatementPeriod(rule.cadence.replace("_", " "))


def compute(rule: Rule, period: Period, figures: Figures) -> Computed:
    """The lines of a statement: by part, contributor and payer, in this order.

    Each part's total is rounded once; contributors and payers get whole pence that sum to it.
    """
    earned = earn(rule, period, figures)
    lines: list[Line] = []
    for part in rule.paid:
        if isinstance(part, Block):
            lines += _lines(rule, part.id, *_run_up(rule, part.id, period))
        else:
            lines += _lines(rule, part.id, earned[part.id], rounded(earned[part.id].amounts))
    missing = dict.fromkeys(text for part in rule.paid for text in earned[part.id].missing)
    return Computed(period, lines, tuple(missing))


def _run_up(rule: Rule, part: str, period: Period) -> tuple[Earned, dict[str, int]]:
    """A sum spread over months, rounded as it runs up: the pennies of all statements add up to the total."""
    nothing = Figures({})
    until = earn(rule, Period(rule.starts, period.end), nothing)[part]
    due = rounded(until.amounts)
    if period.start <= rule.starts:
        return until, due
    before = rounded(earn(rule, Period(rule.starts, period.start - timedelta(days=1)), nothing)[part].amounts)
    pence = {subject: due[subject] - before[subject] for subject in due}
    steps: dict[str | None, Sequence[Step]] = dict(until.steps)
    for subject in due:
        arithmetic = f"{_pounds(due[subject]):,} − {_pounds(before[subject]):,}"
        less = Step("due so far, less what was due before", arithmetic, _pounds(pence[subject]))
        steps[subject] = (*steps.get(subject, ()), less)
    return Earned(until.amounts, steps), pence


def _lines(rule: Rule, part: str, earned: Earned, pence: Mapping[str, int]) -> Iterator[Line]:
    shares = {payer.authority: payer.share for payer in rule.payers}
    for subject in rule.shares:
        steps = (*earned.steps.get(None, ()), *earned.steps.get(subject, ()))
        used = (*earned.used.get(None, ()), *earned.used.get(subject, ()))
        for payer, amount in split(pence[subject], shares).items():
            shown = _with_split(rule, payer, pence[subject], amount, steps)
            yield Line(part, subject, payer, amount, shown, used)


def _with_split(rule: Rule, payer: str, whole: int, part: int, steps: Sequence[Step]) -> Sequence[Step]:
    if len(rule.payers) == 1:
        return steps
    share = next(one.share for one in rule.payers if one.authority == payer)
    step = Step("the payer's share, in whole pence", f"{_pounds(whole):,} × {share:f}", _pounds(part))
    return (*steps, step)


def _pounds(pence: int) -> Decimal:
    return Decimal(pence).scaleb(-2)


def adjustments(issued: Iterable[tuple[tuple[str, str, str], int]], now: Computed) -> list[Line]:
    """The lines that bring what was issued for a period to what it comes to now.

    issued: key and pence of all lines issued for the period so far, earlier adjustments included. Lines that
    did not change are left out; a line that is no more is taken back whole.
    """
    before: dict[tuple[str, str, str], int] = {}
    for key, pence in issued:
        before[key] = before.get(key, 0) + pence
    found = []
    for line in now.lines:
        was = before.pop(line.key, 0)
        if line.pence != was:
            found.append(_adjusted(line, was))
    for (part, contributor, payer), was in sorted(before.items()):
        if was:
            found.append(_adjusted(Line(part, contributor, payer, 0), was))
    return found


def _adjusted(line: Line, was: int) -> Line:
    change = line.pence - was
    step = Step(
        "as computed now, less what was issued",
        f"{_pounds(line.pence):,} − {_pounds(was):,}",
        _pounds(change),
    )
    return Line(line.part, line.contributor, line.payer, change, (*line.steps, step), line.used)


class State(StrEnum):
    """Where a statement stands."""

    ISSUED = "issued"
    DISPUTED = "disputed"
    APPROVED = "approved"
    PAID = "paid"
    WITHDRAWN = "withdrawn"


_NEXT: Mapping[State, frozenset[State]] = {
    State.ISSUED: frozenset({State.DISPUTED, State.APPROVED, State.WITHDRAWN}),
    State.DISPUTED: frozenset({State.APPROVED, State.ISSUED, State.WITHDRAWN}),
    State.APPROVED: frozenset({State.DISPUTED, State.PAID}),
    State.PAID: frozenset(),
    State.WITHDRAWN: frozenset(),
}


def moved(state: State, to: State) -> State:
    """The state after a step, if it may be taken. Raises IllegalTransition.

    What was paid stands: a correction is a statement of its own.
    """
    if to not in _NEXT[state]:
        allowed = ", ".join(sorted(_NEXT[state])) or "nothing more"
        raise IllegalTransition(f"A statement that is {state.value} can become: {allowed}.")
    return to
