"""Effective form: whether a body that is not for profit by its own account belongs to somebody who is.

The words used here expose what statements on record say. They never certify: not that a body is what it calls
itself, nor that nobody else stands behind it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from hedgerow_registry.domain.forms import FOR_PROFIT, MUTUAL, NOT_FOR_PROFIT, PUBLIC, UNKNOWN, OwnForm
from hedgerow_registry.domain.interests import ARRANGEMENT, FEE, ORGANISATION, PERSON
from hedgerow_registry.domain.interests import UNKNOWN as UNKNOWN_OWNER
from hedgerow_registry.domain.ownership import (
    BOARD,
    CERTAIN,
    NO,
    PROFIT,
    SURPLUS,
    UNSURE,
    Structure,
    Verdict,
)

CONTROL: Final = "control"
PROFIT_TAKEN: Final = "profit-taken"
UNKNOWN_OWNERS: Final = "unknown-owner"
TRADING_ARM: Final = "has-trading-arm"
IS_TRADING_ARM: Final = "is-trading-arm"
FindingKind = Literal[
    "control",
    "board",
    "profit",
    "surplus_assets",
    "profit-taken",
    "unknown-owner",
    "has-trading-arm",
    "is-trading-arm",
]
GROUNDS: Final[tuple[Literal["control", "board", "profit", "surplus_assets"], ...]] = (
    CONTROL,
    BOARD,
    PROFIT,
    SURPLUS,
)

EXPOSES: Final = (
    "This shows what statements on record say on the date. It certifies nothing: neither that a body is what "
    "it calls itself, nor that nobody else stands behind it."
)
_TAKES_PROFIT: Final = frozenset({"rightsToProfitOrIncome", "rightToProfitOrIncomeFromAssets", FEE})
_KEPT_FROM_PROFIT: Final = (NOT_FOR_PROFIT, MUTUAL, PUBLIC)


@dataclass(frozen=True)
class Body:
    """A body in a chain, with what it is by its own account. A person or unknown owner has no name."""

    id: str
    name: str | None
    own: OwnForm


class Finding(NamedTuple):
    """Something that statements say of a body, and that its own form does not tell.

    kind: `control`, `board`, `profit`, `surplus_assets` (who has it), `profit-taken` (any part of it),
    `unknown-owner`, `has-trading-arm`, `is-trading-arm` · verdict: certain, possible or unknown · owner: whom
    it concerns · path: from the body to them · interests: ids of what it rests on · says: in words
    """

    kind: FindingKind
    verdict: Verdict
    owner: str
    path: tuple[str, ...]
    interests: tuple[str, ...]
    says: str


class EffectiveForm(NamedTuple):
    """form: for-profit, not-for-profit, mutual, public, unknown · basis: `own form`, `owner`, `nothing`."""

    form: str
    basis: str
    findings: tuple[Finding, ...]


BodyOf = Callable[[str], Body]


def effective_form(subject: str, structure: Structure, body: BodyOf) -> EffectiveForm:
    """What a body is in effect, by who controls it or has its profit, its surplus assets or its board.

    A body that is not for profit by its own account is *for-profit* in effect if a for-profit owner at any
    distance certainly controls it, or certainly has the majority of its board, profit or surplus assets; or
    if people have the majority of its profit or surplus. It is *unknown* where one of these may be, or where
    an unknown owner may control it. A for-profit owner that itself belongs to bodies not for profit (a
    trading arm) does not count. A body that does not say what it is takes the form of those who control it
    in the end, if that is one. Without any interest on record a body is what it says it is.
    """
    own = body(subject).own
    if own.form == FOR_PROFIT:
        return EffectiveForm(FOR_PROFIT, "own form", tuple(_held_for(subject, structure, body)))
    findings = [*_exposed(subject, structure, body), *profit_taken(subject, structure, body)]
    telling = [one for one in findings if one.kind != PROFIT_TAKEN]
    if any(one.verdict == CERTAIN and one.kind in GROUNDS for one in telling):
        return EffectiveForm(FOR_PROFIT, "owner", tuple(findings))
    if telling:
        return EffectiveForm(UNKNOWN, "owner", tuple(findings))
    if own.form != UNKNOWN:
        return EffectiveForm(own.form, "own form", tuple(findings))
    forms = {body(owner).own.form for owner in structure.ultimate(subject)}
    if len(forms) == 1 and forms != {UNKNOWN}:
        return EffectiveForm(forms.pop(), "owner", tuple(findings))
    return EffectiveForm(UNKNOWN, "nothing", tuple(findings))


def _exposed(subject: str, structure: Structure, body: BodyOf) -> Iterator[Finding]:
    for owner in structure.above(subject):
        kind = structure.kind(owner)
        if kind == PERSON:
            verdicts = {ground: structure.right(owner, subject, ground) for ground in (PROFIT, SURPLUS)}
        elif kind in (UNKNOWN_OWNER, ARRANGEMENT):
            if kind == ARRANGEMENT and structure.owners_of(owner):
                continue
            verdict = structure.control(owner, subject)
            if verdict != NO:
                yield _finding(UNKNOWN_OWNERS, verdict, owner, subject, structure, body)
            continue
        elif body(owner).own.form == FOR_PROFIT and not is_held_for_others(owner, structure, body):
            verdicts = {
                ground: structure.right(owner, subject, ground) for ground in (BOARD, PROFIT, SURPLUS)
            }
            verdicts[CONTROL] = structure.control(owner, subject)
        else:
            continue
        for ground in GROUNDS:
            if verdicts.get(ground, NO) != NO:
                yield _finding(ground, verdicts[ground], owner, subject, structure, body)


def is_held_for_others(owner: str, structure: Structure, body: BodyOf) -> bool:
    """Whether a for-profit body belongs in the end to bodies that are not for profit: a trading arm."""
    ends = structure.ultimate(owner)
    return bool(ends) and all(body(end).own.form in _KEPT_FROM_PROFIT for end in ends)


def _held_for(subject: str, structure: Structure, body: BodyOf) -> Iterator[Finding]:
    if is_held_for_others(subject, structure, body):
        for owner in structure.ultimate(subject):
            yield _finding(IS_TRADING_ARM, CERTAIN, owner, subject, structure, body)


def profit_taken(subject: str, structure: Structure, body: BodyOf) -> Iterator[Finding]:
    """Any right to profit or income, and any fee out of it, that others than bodies not for profit hold."""
    for one in structure.interests_in(subject):
        keeps = structure.kind(one.owner) == ORGANISATION and body(one.owner).own.form in _KEPT_FROM_PROFIT
        if one.type in _TAKES_PROFIT and not keeps:
            part = "" if one.share is None else f" ({percents(one.share.low, one.share.high)})"
            by = "a fee out of the income" if one.type == FEE else "a right to profit or income"
            yield Finding(
                PROFIT_TAKEN,
                CERTAIN,
                one.owner,
                (subject, one.owner),
                (one.id,),
                f"{_named(body(one.owner), structure)} is stated to hold {by} of "
                f"{_named(body(subject), structure)}{part}.",
            )


def trading_arms(subject: str, arms: Iterable[tuple[str, Sequence[str]]], body: BodyOf) -> list[Finding]:
    """For a body not for profit: the for-profit bodies that it controls. It is no less what it is for that.

    arms: the bodies it controls for certain, each with the ids of the interests this rests on.
    """
    if body(subject).own.form not in _KEPT_FROM_PROFIT:
        return []
    return [
        Finding(
            TRADING_ARM,
            CERTAIN,
            arm,
            (arm, subject),
            tuple(interests),
            f"{body(subject).name} is stated to control {body(arm).name}, a for-profit body. Profit goes "
            "to the body, not from it: this is another case than a body owned for profit.",
        )
        for arm, interests in arms
        if body(arm).own.form == FOR_PROFIT
    ]


_SAYS: Final = {
    CONTROL: "control",
    BOARD: "appoint the majority of the board of",
    PROFIT: "hold the majority of the rights to the profit of",
    SURPLUS: "hold the majority of the rights to the surplus assets of",
}


def _finding(
    kind: FindingKind, verdict: Verdict, owner: str, subject: str, structure: Structure, body: BodyOf
) -> Finding:
    path = structure.path_to(subject, owner)
    steps = pairwise(path)
    interests = tuple(
        one.id for below, above in steps for one in structure.interests_in(below) if one.owner == above
    )
    who, whom = _named(body(owner), structure), _named(body(subject), structure)
    between = path[1:-1]
    through = f", through {_listed([_named(body(node), structure) for node in between])}" if between else ""
    if kind == IS_TRADING_ARM:
        says = f"{whom} is for profit, and stated to belong in the end to {who}, which is not{through}."
    elif kind == UNKNOWN_OWNERS:
        says = f"An owner of {whom} is not known, and {_may(verdict)} control it{through}."
    else:
        what = "a private person" if structure.kind(owner) == PERSON else "a for-profit body"
        who = "Somebody" if structure.kind(owner) == PERSON else who
        says = f"{who}, {what}, {_is_stated(verdict)} {_SAYS[kind]} {whom}{through}."
    return Finding(kind, verdict, owner, path, interests, says)


def _is_stated(verdict: str) -> str:
    if verdict == CERTAIN:
        return "is stated to"
    return "may, by the ranges stated," if verdict != UNSURE else "may, as far as is stated,"


def _may(verdict: str) -> str:
    return "is stated to" if verdict == CERTAIN else "may"


def _named(body: Body, structure: Structure) -> str:
    if body.name is not None:
        return body.name
    return {PERSON: "a person", ARRANGEMENT: "an arrangement"}.get(
        structure.kind(body.id), "an unknown owner"
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percents(low: float, high: float) -> str:
    """A share in words.

    >>> percents(50, 50), percents(25, 50)
    ('50 %', '25 to 50 %')
    """
    return f"{low:g} %" if low == high else f"{low:g} to {high:g} %"
