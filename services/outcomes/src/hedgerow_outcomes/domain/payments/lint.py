"""The known mistakes of paying for results, found in a draft rule before anybody signs it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeVar

from hedgerow_outcomes.domain.definitions import Definition
from hedgerow_outcomes.domain.payments.curves import Curve
from hedgerow_outcomes.domain.payments.rules import (
    Block,
    Capitation,
    GainShare,
    Outcome,
    Pot,
    RateCard,
    Rule,
    Satisfaction,
    measures,
)

SHORT_TERM_MONTHS = 36
CLIFF_SHARE = Decimal("0.1")
HALF = Decimal("0.5")
THIRD_SECTOR = frozenset({"charity", "social enterprise", "mutual", "informal"})
THRESHOLDS = {
    "short_term_months": SHORT_TERM_MONTHS,
    "cliff_share_of_largest_payment": float(CLIFF_SHARE),
    "price_weight": float(HALF),
}
P = TypeVar("P")

_MONEY = ("£", "gbp", "pound")


class Finding(NamedTuple):
    """A mistake: its rule, where it is (a JSON pointer), why it is one, and what would mend it."""

    rule: str
    pointer: str
    reason: str
    mend: str


@dataclass(frozen=True)
class Draft:
    """What is looked at. definitions: of the KPIs that are known · curves: by part, if one can be drawn"""

    rule: Rule
    definitions: Mapping[str, Definition]
    curves: Mapping[str, Curve]


Check = Callable[[Draft], Iterator[Finding]]


def lint(draft: Draft) -> list[Finding]:
    """All mistakes found, in the order of the rules and then of the draft."""
    return [finding for check in CHECKS for finding in check(draft)]


def _maximum_below_old_value(draft: Draft) -> Iterator[Finding]:
    old = draft.rule.context.previous_value
    for place, part in _parts(draft, Pot):
        if old is not None and part.maximum is not None and part.maximum <= old:
            yield Finding(
                "maximum-at-or-below-old-value",
                f"/parts/{place}/maximum",
                f"At best {part.maximum:,f} can be earned; the same paid {old:,f} before. "
                "Whoever achieves all of it is no better off, so nobody will change how they work.",
                "Raise the maximum above the old value, or say why less is enough.",
            )


def _all_on_outcomes(draft: Draft) -> Iterator[Finding]:
    paid = draft.rule.paid
    steady = (Block, RateCard, Capitation)
    inner = [part for part in draft.rule.parts if isinstance(part, steady)]
    floors = [part for part in paid if isinstance(part, Pot) and part.minimum]
    outcomes = [part for part in draft.rule.parts if isinstance(part, Outcome)]
    if outcomes and not inner and not floors:
        yield Finding(
            "all-on-outcomes",
            "/parts",
            "Everything is paid for outcomes: small organisations cannot carry the costs until then, "
            "and pick those who are easiest to help.",
            "Pay a part as a block or for activity, or set a minimum pot.",
        )


def _price_only(draft: Draft) -> Iterator[Finding]:
    criteria = draft.rule.context.award_criteria or {}
    whole = sum(criteria.values(), Decimal(0))
    price = sum((w for name, w in criteria.items() if name.casefold() in ("price", "cost")), Decimal(0))
    if whole and price / whole > HALF:
        yield Finding(
            "price-only",
            "/context/award_criteria",
            f"Price decides {price / whole:.0%} of the award.",
            "Give quality, social value and local knowledge at least half of the weight.",
        )


def _only_cost_measures(draft: Draft) -> Iterator[Finding]:
    named = {m.kpi for part in draft.rule.parts for m in measures(part)} | set(draft.rule.context.kpis)
    known = {id: draft.definitions[id] for id in sorted(named) if id in draft.definitions}
    if named and len(known) == len(named) and all(_measures_cost(one) for one in known.values()):
        yield Finding(
            "only-cost-measures",
            "/parts",
            f"All {len(known)} measures are of cost: {', '.join(known)}. "
            "What is saved may come out of quality.",
            "Add measures of outcomes and of what users say.",
        )


def _measures_cost(kpi: Definition) -> bool:
    unit = (kpi.unit or "").casefold()
    return any(sign in unit for sign in _MONEY) or (kpi.level == "input" and kpi.perspective == "inward")


def _no_user_voice(draft: Draft) -> Iterator[Finding]:
    named = {m.kpi for part in draft.rule.parts for m in measures(part)} | set(draft.rule.context.kpis)
    voices = [
        id for id in named if id in draft.definitions and draft.definitions[id].perspective == "user_voice"
    ]
    said = any(isinstance(part, Satisfaction) for part in draft.rule.parts)
    if named and not voices and not said and named <= draft.definitions.keys():
        yield Finding(
            "no-user-voice",
            "/parts",
            "No measure says what the people served think of it.",
            "Put a small weight on what users say, or at least measure it.",
        )


def _uncontrolled_risk(draft: Draft) -> Iterator[Finding]:
    for place, part in _parts(draft, Outcome):
        if part.controlled is False:
            yield Finding(
                "risk-nobody-controls",
                f"/parts/{place}/controlled",
                "The contributors are paid for a result that they cannot bring about: they will price "
                "the risk or walk away.",
                "Pay for the part of it that they control, or leave this risk with the commissioner.",
            )
        elif part.controlled is None:
            yield Finding(
                "risk-not-considered",
                f"/parts/{place}/controlled",
                "Nobody has said whether the contributors can bring this result about.",
                "Say so in `controlled`.",
            )


def _prescribed_inputs(draft: Draft) -> Iterator[Finding]:
    outcomes = [part for part in draft.rule.parts if isinstance(part, Outcome)]
    for place, text in enumerate(draft.rule.context.prescribed_inputs):
        if outcomes:
            yield Finding(
                "inputs-prescribed-beside-outcomes",
                f"/context/prescribed_inputs/{place}",
                f"“{text}” says how to work, while the result is paid for: who may not choose the way cannot "
                "answer for where it leads.",
                "Drop what is prescribed, or pay for it as activity.",
            )


def _no_staggered_start(draft: Draft) -> Iterator[Finding]:
    outcomes = any(isinstance(part, Outcome) for part in draft.rule.parts)
    if outcomes and draft.rule.context.staggered_start is not True:
        said = (
            "All start at once"
            if draft.rule.context.staggered_start is False
            else "Nothing says who starts when"
        )
        yield Finding(
            "no-staggered-start",
            "/context/staggered_start",
            f"{said}: there will be nobody to compare with.",
            "Start areas or cohorts at different times and keep the later ones as comparison.",
        )


def _no_baseline(draft: Draft) -> Iterator[Finding]:
    for place, part in _parts(draft, Outcome):
        if part.baseline is None:
            yield Finding(
                "no-baseline",
                f"/parts/{place}/baseline",
                "What would have happened anyway is paid for too.",
                "Name a baseline: the figure before, or a comparison group.",
            )


def _cliff(draft: Draft) -> Iterator[Finding]:
    for place, part in enumerate(draft.rule.parts):
        curve = draft.curves.get(part.id)
        if curve is not None and curve.largest and curve.step > CLIFF_SHARE * curve.largest:
            yield Finding(
                "cliff",
                f"/parts/{place}",
                f"One unit, from {curve.before:f} to {curve.after:f}, moves the payment by "
                f"{curve.step:,.2f}, {curve.step / curve.largest:.0%} of the most that can be earned: "
                "effort and counting will gather there.",
                "Pay in small steps for each unit instead of one sum for reaching a mark.",
            )


def _short_term(draft: Draft) -> Iterator[Finding]:
    rule = draft.rule
    months = (rule.ends.year - rule.starts.year) * 12 + rule.ends.month - rule.starts.month
    months += 1 if rule.ends.day >= rule.starts.day - 1 else 0
    for place, one in enumerate(rule.contributors):
        if one.sector in THIRD_SECTOR and months < SHORT_TERM_MONTHS:
            yield Finding(
                "short-term-for-third-sector",
                f"/contributors/{place}",
                f"A term of {months} months for a contributor of the third sector ({one.sector}): "
                "it cannot keep staff or borrow on it.",
                "Give at least three years.",
            )


def _no_limit(draft: Draft) -> Iterator[Finding]:
    wrapped = {
        id
        for part in draft.rule.parts
        if isinstance(part, Pot) and part.maximum is not None
        for id in part.of
    }
    for place, part in enumerate(draft.rule.parts):
        if part.id in wrapped:
            continue
        open_ended = (
            (isinstance(part, RateCard) and any(item.most is None for item in part.items))
            or (isinstance(part, Outcome) and part.prices and part.most is None)
            or (isinstance(part, GainShare) and (part.cap is None or part.collar is None))
        )
        inside = any(
            isinstance(o, Satisfaction) and part.id in o.of and o.id in wrapped for o in draft.rule.parts
        )
        if open_ended and not inside:
            yield Finding(
                "no-limit",
                f"/parts/{place}",
                "Nothing limits what this part may come to.",
                "Set a maximum, a cap and a collar, or a pot around it.",
            )


def _unknown_kpi(draft: Draft) -> Iterator[Finding]:
    for place, part in enumerate(draft.rule.parts):
        for kpi in sorted({measure.kpi for measure in measures(part)} - draft.definitions.keys()):
            yield Finding(
                "unknown-kpi",
                f"/parts/{place}",
                f"No KPI {kpi} is defined.",
                "Define it before it is paid for.",
            )


CHECKS: tuple[Check, ...] = (
    _maximum_below_old_value,
    _all_on_outcomes,
    _price_only,
    _only_cost_measures,
    _no_user_voice,
    _uncontrolled_risk,
    _prescribed_inputs,
    _no_staggered_start,
    _no_baseline,
    _cliff,
    _no_limit,
    _short_term,
    _unknown_kpi,
)


def _parts(draft: Draft, kind: type[P]) -> Iterator[tuple[int, P]]:
    return ((place, part) for place, part in enumerate(draft.rule.parts) if isinstance(part, kind))
