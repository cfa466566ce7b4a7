"""Payment rules as data: what is counted, what it is worth, who pays and who is paid.

A rule is a flat list of parts. A part that another one names in `of` is not paid by itself: it is the sum
that the other adjusts (a pot with a floor and a ceiling, a weight on satisfaction).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal, NamedTuple

from hedgerow_outcomes.domain.definitions import is_kpi_id
from hedgerow_outcomes.domain.payments.money import LARGEST
from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.errors import UnknownSubject

Figure = Literal["value", "numerator", "denominator"]
Take = Literal["sum", "latest"]
Cadence = Literal["month", "quarter", "half", "year", "financial_year"]
Better = Literal["higher", "lower"]

MONTHS: dict[Cadence, int] = {"month": 1, "quarter": 3, "half": 6, "year": 12, "financial_year": 12}
_STRICT: dict[str, object] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is counted. Without a subject: each contributor's own observations; with one: what they share."""

    __pydantic_config__: ClassVar = _STRICT
    kpi: str
    subject: str | None = None
    figure: Figure = "value"


@dataclass(frozen=True, kw_only=True)
class Price:
    """A price and the day from which it holds; without a day, from the beginning."""

    __pydantic_config__: ClassVar = _STRICT
    price: Decimal
    since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of a rate card: so much for each unit; `most`: units paid in one statement at the most."""

    __pydantic_config__: ClassVar = _STRICT
    measure: Measure
    prices: tuple[Price, ...]
    name: str | None = None
    most: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fixed sum a month, by days in a part of a month: stated, or a total spread over months."""

    __pydantic_config__: ClassVar = _STRICT
    id: str
    kind: Literal["block"]
    monthly: Decimal | None = None
    total: Decimal | None = None
    months: int | None = None
    starts: date | None = None
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class RateCard:
    """So much for each unit of what was done, at the price of the first day of each observation."""

    __pydantic_config__: ClassVar = _STRICT
    id: str
    kind: Literal["activity", "rate_card"]
    items: tuple[Item, ...]
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Paid for what is better than it would have been anyway.

    baseline: what would have been without (deadweight, a comparison group): a figure or a measure · better:
    which way · trigger_pct: improvement on the baseline, in percent of it, below which nothing is paid ·
    prices: for each unit of improvement · amount: for reaching the trigger · most: units paid at the most ·
    controlled: whether the contributors can bring the result about; None: nobody has said
    """

    __pydantic_config__: ClassVar = _STRICT
    id: str
    kind: Literal["outcome"]
    measure: Measure
    better: Better = "higher"
    baseline: Decimal | Measure | None = None
    trigger_pct: Decimal | None = None
    prices: tuple[Price, ...] = ()
    amount: Decimal | None = None
    most: Decimal | None = None
    controlled: bool | None = None
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of people in a capitation: how many, and how heavily each counts."""

    __pydantic_config__: ClassVar = _STRICT
    name: str
    weight: Decimal
    people: Measure


@dataclass(frozen=True, kw_only=True)
class Capitation:
    """So much a head, heavier for people at greater risk.

    The weights are scaled so that over all contributors a head counts 1 on average. base_rate: a head and
    statement · pot: instead, a fixed sum that is shared out by weighted people
    """

    __pydantic_config__: ClassVar = _STRICT
    id: str
    kind: Literal["capitation"]
    groups: tuple[Group, ...]
    base_rate: Decimal | None = None
    pot: Decimal | None = None
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class GainShare:
    """A share of what was saved or overspent against a target cost, within a cap and a collar.

    share: the contributors' share of gain and loss · cap: the most they gain · collar: the most they lose
    """

    __pydantic_config__: ClassVar = _STRICT
    id: str
    kind: Literal["gain_share"]
    cost: Measure
    target_cost: Decimal
    share: Decimal
    cap: Decimal | None = None
    collar: Decimal | None = None
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pot:
    """A floor and a ceiling around other parts; what is paid is shared out by what each earned.

    Where nothing was earned, the floor is shared out by the agreed shares.
    """

    __pydantic_config__: ClassVar = _STRICT
    id: str
    kind: Literal["pot"]
    of: tuple[str, ...]
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class Satisfaction:
    """Puts a part of a payment at stake on what users say.

    paid = earned × (1 − weight + weight × score), score = (value − floor) ÷ (target − floor), from 0 to 1
    """

    __pydantic_config__: ClassVar = _STRICT
    id: str
    kind: Literal["satisfaction"]
    of: tuple[str, ...]
    measure: Measure
    weight: Decimal
    floor: Decimal
    target: Decimal
    title: str | None = None


Part = Block | RateCard | Outcome | Capitation | GainShare | Pot | Satisfaction
WRAPPING = (Pot, Satisfaction)


@dataclass(frozen=True, kw_only=True)
class Payer:
    """An authority that pays, and its share of every line."""

    __pydantic_config__: ClassVar = _STRICT
    authority: str
    share: Decimal


@dataclass(frozen=True, kw_only=True)
class Contributor:
    """A subject that is paid, and its agreed share of what is measured or paid for all together.

    sector: `charity`, `social enterprise`, `mutual`, `private`, `public`, … where known
    """

    __pydantic_config__: ClassVar = _STRICT
    subject: str
    share: Decimal
    sector: str | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is known of the contract around a rule: nothing is paid by it, but mistakes are found by it.

    previous_value: what the same was paid a year before · award_criteria: weight by criterion, e.g. `price` ·
    prescribed_inputs: how the work must be done, in the contract's words · staggered_start: whether areas or
    cohorts start at different times, so that there is somebody to compare with · reserved: the share of
    payments that is kept for a sector
    """

    __pydantic_config__: ClassVar = _STRICT
    previous_value: Decimal | None = None
    award_criteria: dict[str, Decimal] | None = None
    prescribed_inputs: tuple[str, ...] = ()
    staggered_start: bool | None = None
    kpis: tuple[str, ...] = ()
    reserved: dict[str, Decimal] | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A payment rule. starts, ends: the first and the last day paid for · cadence: of its statements."""

    title: str
    cadence: Cadence
    starts: date
    ends: date
    payers: tuple[Payer, ...]
    contributors: tuple[Contributor, ...]
    parts: tuple[Part, ...]
    contract: str | None = None
    context: Context = Context()

    @property
    def shares(self) -> dict[str, Decimal]:
        """The agreed share of each contributor."""
        return {one.subject: one.share for one in self.contributors}

    @property
    def paid(self) -> tuple[Part, ...]:
        """The parts that are paid by themselves, in their order."""
        wrapped = {id for part in self.parts if isinstance(part, WRAPPING) for id in part.of}
        return tuple(part for part in self.parts if part.id not in wrapped)

    def part(self, id: str) -> Part:
        return next(part for part in self.parts if part.id == id)


def measures(part: Part) -> tuple[Measure, ...]:
    """What a part itself counts, not what the parts that it adjusts count."""
    match part:
        case RateCard():
            return tuple(item.measure for item in part.items)
        case Outcome():
            return (part.measure, *((part.baseline,) if isinstance(part.baseline, Measure) else ()))
        case Capitation():
            return tuple(group.people for group in part.groups)
        case GainShare():
            return (part.cost,)
        case Satisfaction():
            return (part.measure,)
        case Block() | Pot():
            return ()


def counted(rule: Rule) -> list[tuple[str, str]]:
    """The pairs of KPI and subject whose observations a rule needs, in order."""
    return sorted(
        {
            (measure.kpi, subject)
            for part in rule.parts
            for measure in measures(part)
            for subject in ([measure.subject] if measure.subject is not None else rule.shares)
        }
    )


class Fault(NamedTuple):
    """What is wrong with a rule, and where: a JSON pointer."""

    pointer: str
    reason: str


def faults(rule: Rule) -> list[Fault]:
    """Everything that keeps a rule from being computed; empty if nothing does."""
    found = [*_of_frame(rule)]
    ids = [part.id for part in rule.parts]
    for place, part in enumerate(rule.parts):
        at = f"/parts/{place}"
        if ids.index(part.id) != place:
            found.append(Fault(f"{at}/id", "another part has this id"))
        found += [Fault(at + fault.pointer, fault.reason) for fault in _of_part(part)]
        if isinstance(part, WRAPPING):
            found += [Fault(f"{at}/of{of}", reason) for of, reason in _of_wrapping(part, ids, place)]
    wrapped = [id for part in rule.parts if isinstance(part, WRAPPING) for id in part.of]
    twice = sorted({id for id in wrapped if wrapped.count(id) > 1})
    found += [Fault("/parts", f"the part {id} is adjusted by two others") for id in twice]
    return found


def _of_frame(rule: Rule) -> Iterator[Fault]:
    if rule.ends < rule.starts:
        yield Fault("/ends", "before the first day")
    if not rule.parts:
        yield Fault("/parts", "a rule without parts pays nothing")
    yield from _of_shares("/payers", [(payer.authority, payer.share) for payer in rule.payers])
    yield from _of_shares("/contributors", [(one.subject, one.share) for one in rule.contributors])
    for place, one in enumerate(rule.contributors):
        if not _is_subject(one.subject):
            yield Fault(f"/contributors/{place}/subject", "not a subject, such as organisation:ID")
    for sector, share in (rule.context.reserved or {}).items():
        yield from _sum(f"/context/reserved/{sector}", share, least=Decimal(0), most=Decimal(1))
    if sum((rule.context.reserved or {}).values(), Decimal(0)) > 1:
        yield Fault("/context/reserved", "more than everything is reserved")
    if rule.context.previous_value is not None:
        yield from _sum("/context/previous_value", rule.context.previous_value)


def _of_shares(at: str, shares: Sequence[tuple[str, Decimal]]) -> Iterator[Fault]:
    if not shares:
        yield Fault(at, "must not be empty")
        return
    names = [name for name, _ in shares]
    for place, (name, share) in enumerate(shares):
        if not name.strip():
            yield Fault(f"{at}/{place}", "must not be blank")
        if names.index(name) != place:
            yield Fault(f"{at}/{place}", "stands there twice")
        if not share.is_finite() or not 0 <= share <= 1:
            yield Fault(f"{at}/{place}/share", "a share lies between 0 and 1")
            return
    if sum(share for _, share in shares) != 1:
        yield Fault(at, "the shares must sum to 1")


def _of_part(part: Part) -> Iterator[Fault]:
    if not part.id.strip():
        yield Fault("/id", "must not be blank")
    for measure in measures(part):
        if not is_kpi_id(measure.kpi):
            yield Fault("", "a measure names no possible KPI")
        if measure.subject is not None and not _is_subject(measure.subject):
            yield Fault("", "the subject of a measure is none, such as organisation:ID or a GSS code")
    match part:
        case Block():
            yield from _of_block(part)
        case RateCard():
            if not part.items:
                yield Fault("/items", "must not be empty")
            for place, item in enumerate(part.items):
                yield from _of_prices(f"/items/{place}/prices", item.prices)
                yield from _sum(f"/items/{place}/most", item.most, least=Decimal(0))
        case Outcome():
            yield from _of_outcome(part)
        case Capitation():
            yield from _of_capitation(part)
        case GainShare():
            yield from _sum("/target_cost", part.target_cost, least=Decimal(0))
            yield from _sum("/share", part.share, least=Decimal(0), most=Decimal(1))
            yield from _sum("/cap", part.cap, least=Decimal(0))
            yield from _sum("/collar", part.collar, least=Decimal(0))
        case Pot():
            yield from _sum("/minimum", part.minimum, least=Decimal(0))
            yield from _sum("/maximum", part.maximum, least=Decimal(0))
            if part.minimum is None and part.maximum is None:
                yield Fault("", "a pot has a minimum, a maximum or both")
            elif part.minimum is not None and part.maximum is not None and part.maximum < part.minimum:
                yield Fault("/maximum", "below the minimum")
        case Satisfaction():
            yield from _sum("/weight", part.weight, least=Decimal(0), most=Decimal(1))
            yield from _sum("/floor", part.floor)
            yield from _sum("/target", part.target)
            if part.floor == part.target:
                yield Fault("/target", "the same as the floor: no score lies between them")


def _of_block(part: Block) -> Iterator[Fault]:
    yield from _sum("/monthly", part.monthly, least=Decimal(0))
    yield from _sum("/total", part.total, least=Decimal(0))
    if (part.monthly is None) == (part.total is None):
        yield Fault("", "either a monthly sum or a total")
    if part.total is not None and part.months is None:
        yield Fault("/months", "needed: the months that the total is spread over")
    if part.months is not None and not 1 <= part.months <= 1200:
        yield Fault("/months", "from 1 to 1200")


def _of_outcome(part: Outcome) -> Iterator[Fault]:
    if isinstance(part.baseline, Decimal):
        yield from _sum("/baseline", part.baseline)
    yield from _sum("/trigger_pct", part.trigger_pct)
    yield from _sum("/amount", part.amount, least=Decimal(0))
    yield from _sum("/most", part.most, least=Decimal(0))
    if bool(part.prices) == (part.amount is not None):
        yield Fault("", "either prices for each unit or an amount for reaching the trigger")
    if part.prices:
        yield from _of_prices("/prices", part.prices)
    if part.amount is not None and part.trigger_pct is None:
        yield Fault("/trigger_pct", "needed: what must be reached for the amount")
    if part.trigger_pct is not None and part.baseline is None:
        yield Fault("/baseline", "needed: what the trigger is a percentage of")


def _of_capitation(part: Capitation) -> Iterator[Fault]:
    if not part.groups:
        yield Fault("/groups", "must not be empty")
    for place, group in enumerate(part.groups):
        yield from _sum(f"/groups/{place}/weight", group.weight, least=Decimal(0))
    if (part.base_rate is None) == (part.pot is None):
        yield Fault("", "either a base rate or a pot")
    yield from _sum("/base_rate", part.base_rate, least=Decimal(0))
    yield from _sum("/pot", part.pot, least=Decimal(0))


def _of_prices(at: str, prices: Sequence[Price]) -> Iterator[Fault]:
    if not prices:
        yield Fault(at, "must not be empty")
    for place, price in enumerate(prices):
        yield from _sum(f"{at}/{place}/price", price.price, least=Decimal(0))
    since = [price.since or date.min for price in prices]
    if len(set(since)) != len(since):
        yield Fault(at, "two prices hold from the same day")


def _of_wrapping(part: Pot | Satisfaction, ids: Sequence[str], place: int) -> Iterator[tuple[str, str]]:
    if not part.of:
        yield "", "must not be empty"
    for number, id in enumerate(part.of):
        if id not in ids:
            yield f"/{number}", "no part has this id"
        elif ids.index(id) >= place:
            # Named parts stand above: so there can be no circle.
            yield f"/{number}", "the part must stand before the one that adjusts it"


def _sum(
    at: str, amount: Decimal | None, *, least: Decimal = -LARGEST, most: Decimal = LARGEST
) -> Iterator[Fault]:
    if amount is None:
        return
    if not amount.is_finite() or abs(amount) >= LARGEST:
        yield Fault(at, f"a number below {LARGEST:,}")
    elif amount < least:
        yield Fault(at, f"at least {least:,}")
    elif amount > most:
        yield Fault(at, f"at most {most:,}")
    elif amount.as_tuple().exponent < -12:  # type: ignore[operator]
        yield Fault(at, "at most twelve decimal places")


def _is_subject(text: str) -> bool:
    try:
        return parse_subject(text).text == text
    except UnknownSubject:
        return False
