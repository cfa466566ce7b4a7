"""Interests: what an owner holds in an organisation, of what kind, how much of it, and when."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

from hedgerow_registry.domain import words
from hedgerow_registry.errors import Malformed

ORGANISATION: Final = "organisation"
PERSON: Final = "person"
UNKNOWN: Final = "unknown"
ARRANGEMENT: Final = "arrangement"
Directness = Literal["direct", "indirect", "unknown"]
OwnerKind = Literal["organisation", "person", "unknown", "arrangement"]
OWNER_KINDS: Final = (ORGANISATION, PERSON, UNKNOWN, ARRANGEMENT)
"""What an owner may be. A person is only ever "a person"; an arrangement (a trust, a joint holding, a
nomination) has parties of its own; unknown is an answer, not a gap."""

OWNERSHIP: Final = "ownership"
FEE: Final = "fee"
UNSPECIFIED: Final = "unspecified"
TYPES: Final = (
    "shareholding",
    "votingRights",
    "appointmentOfBoard",
    "otherInfluenceOrControl",
    "seniorManagingOfficial",
    "settlor",
    "trustee",
    "protector",
    "beneficiaryOfLegalArrangement",
    "rightsToSurplusAssetsOnDissolution",
    "rightsToProfitOrIncome",
    "rightsGrantedByContract",
    "conditionalRightsGrantedByContract",
    "controlViaCompanyRulesOrArticles",
    "controlByLegalFramework",
    "boardMember",
    "boardChair",
    "unknownInterest",
    "unpublishedInterest",
    "enjoymentAndUseOfAssets",
    "rightToProfitOrIncomeFromAssets",
    "nominee",
    "nominator",
    OWNERSHIP,
    FEE,
    UNSPECIFIED,
)
"""The kinds of interest of BODS 0.4; and three of our own: `ownership` (somebody is called the owner, and it
is not said by what right), `fee` (a share of income taken as a fee), `unspecified` (no kind is stated)."""

SEATS: Final = frozenset({"boardMember", "boardChair", "seniorManagingOfficial"})
"""Offices that people hold in a body: neither ownership nor control, and no step of a chain."""

_PLAIN: Final[Mapping[str, str]] = {
    "shares": "shareholding",
    "share": "shareholding",
    "shareholder": "shareholding",
    "equity": "shareholding",
    "voting": "votingRights",
    "votes": "votingRights",
    "board": "appointmentOfBoard",
    "boardappointment": "appointmentOfBoard",
    "appointsboard": "appointmentOfBoard",
    "appointmentofboardmembers": "appointmentOfBoard",
    "profit": "rightsToProfitOrIncome",
    "profits": "rightsToProfitOrIncome",
    "profitrights": "rightsToProfitOrIncome",
    "rightstoprofit": "rightsToProfitOrIncome",
    "surplus": "rightsToSurplusAssetsOnDissolution",
    "surplusassets": "rightsToSurplusAssetsOnDissolution",
    "rightstosurplusassets": "rightsToSurplusAssetsOnDissolution",
    "assets": "rightsToSurplusAssetsOnDissolution",
    "influence": "otherInfluenceOrControl",
    "influenceorcontrol": "otherInfluenceOrControl",
    "articles": "controlViaCompanyRulesOrArticles",
    "statute": "controlByLegalFramework",
    "legalframework": "controlByLegalFramework",
    "contract": "rightsGrantedByContract",
    "managementfee": FEE,
    "fees": FEE,
    "licencefee": FEE,
    "franchisefee": FEE,
    "owner": OWNERSHIP,
    "owns": OWNERSHIP,
    "owned": OWNERSHIP,
    "parent": OWNERSHIP,
    "parentcompany": OWNERSHIP,
    "subsidiary": OWNERSHIP,
    "unknown": "unknownInterest",
}
_NOT_LETTERS = re.compile(r"[^a-z]")
_BY_KEY: Final[Mapping[str, str]] = {**{type.lower(): type for type in TYPES}, **_PLAIN}


def interest_type(text: str) -> str:
    """The kind of an interest: a code of BODS in any spelling, or a plain word for one; empty: unspecified.

    Raises Malformed for a word that names none.

    >>> interest_type("voting-rights"), interest_type("Shareholding"), interest_type("management fee")
    ('votingRights', 'shareholding', 'fee')
    """
    key = _NOT_LETTERS.sub("", text.lower())
    if not text.strip():
        return UNSPECIFIED
    found = _BY_KEY.get(key)
    if found is None:
        raise Malformed(
            "not a kind of interest: shareholding, votingRights, appointmentOfBoard, rightsToProfitOrIncome, "
            "rightsToSurplusAssetsOnDissolution, fee, ownership or another of BODS"
        )
    return found


class Share(NamedTuple):
    """A part of a whole in percent, exact (`low` = `high`) or a range.

    over: the part is more than `low`, not just as much · under: it is less than `high`.
    """

    low: float
    high: float
    over: bool = False
    under: bool = False

    def surely_above(self, threshold: float) -> bool:
        """Whether the part is more than a threshold, whatever it is within the range.

        >>> Share(50, 75).surely_above(50), Share(50, 75, over=True).surely_above(50)
        (False, True)
        """
        return self.low > threshold or (self.low == threshold and self.over)

    def perhaps_above(self, threshold: float) -> bool:
        """Whether the part may be more than a threshold."""
        return self.high > threshold


WHOLE: Final = Share(100.0, 100.0)
ANY: Final = Share(0.0, 100.0)


def share(
    *,
    exact: float | None = None,
    least: float | None = None,
    most: float | None = None,
    over: float | None = None,
    under: float | None = None,
) -> Share | None:
    """The share that bounds in percent describe; `None` where nothing is stated.

    exact: settles it, whatever else is said · least, most: bounds that count in · over, under: bounds that do
    not. A bound left out is 0 or 100. Raises Malformed beyond 0 to 100, or where the bounds cross.

    >>> share(exact=60), share(over=25, most=50)
    (Share(low=60.0, high=60.0, over=False, under=False), Share(low=25.0, high=50.0, over=True, under=False))
    """
    said = [bound for bound in (exact, least, most, over, under) if bound is not None]
    if not said:
        return None
    if not all(0 <= bound <= 100 for bound in said):
        raise Malformed("a share lies between 0 and 100 per cent")
    if exact is not None:
        return Share(float(exact), float(exact))
    low = max((bound for bound in (least, over) if bound is not None), default=0.0)
    high = min((bound for bound in (most, under) if bound is not None), default=100.0)
    made = Share(
        float(low),
        float(high),
        over is not None and over == low,
        under is not None and under == high,
    )
    if low > high or (low == high and (made.over or made.under)):
        raise Malformed("the lower bound of the share is above the upper")
    return made


def day_after(last: date | None) -> date | None:
    """The first day without an interest, of the last day with it; `None` where it has no end.

    >>> day_after(date(2026, 3, 31)), day_after(date.max)
    (datetime.date(2026, 4, 1), None)
    """
    return None if last is None or last == date.max else last + timedelta(days=1)


def percent(text: str) -> float:
    """A share in per cent, with or without the sign.

    >>> percent("62.5%")
    62.5
    """
    value = words.number(text.strip().removesuffix("%"))
    if not 0 <= value <= 100:
        raise Malformed("a share lies between 0 and 100 per cent")
    return value


@dataclass(frozen=True)
class Interest:
    """One thing that an owner holds in a subject.

    subject, owner: ids of the two · type: one of `TYPES` · share: how much, `None` = not stated · directness:
    direct, indirect or unknown · start: the first day, `None` = as far back as is known · until: the first
    day on which it holds no longer, `None` = open · source: the name of who says so · plain: it is no more
    than a name in an organisation's list of owners, which gives way to what an interest states.
    """

    id: str
    subject: str
    owner: str
    type: str = OWNERSHIP
    share: Share | None = None
    directness: Directness = "unknown"
    start: date | None = None
    until: date | None = None
    owner_kind: OwnerKind = ORGANISATION
    source: str = ""
    plain: bool = False

    def holds(self, at: date) -> bool:
        """Whether the interest is in force on a day."""
        return (self.start is None or self.start <= at) and (self.until is None or at < self.until)


def handed_over(interests: Iterable[Interest]) -> list[Interest]:
    """Interests whose last day is the first day of one of the same kind in the same subject end a day sooner.

    Files that give a first and a last day often give the day of a handover as both: on it the new one counts.

    >>> old = Interest("1", "s", "a", until=date(2024, 4, 2))
    >>> new = Interest("2", "s", "b", start=date(2024, 4, 1))
    >>> [one.until for one in handed_over([old, new])]
    [datetime.date(2024, 4, 1), None]
    """
    held = list(interests)
    starts: dict[tuple[str, str], set[date]] = {}
    for one in held:
        if one.start is not None:
            starts.setdefault((one.subject, one.type), set()).add(one.start)
    made = []
    for one in held:
        last = None if one.until is None else one.until - timedelta(days=1)
        if last is not None and last in starts.get((one.subject, one.type), ()) and one.start != last:
            one = replace(one, until=last)
        made.append(one)
    return made


class Stated(NamedTuple):
    """An interest as one statement about a record has it; dates as in `Interest`."""

    type: str
    share: Share | None
    directness: str
    start: date | None
    until: date | None


class Statement(NamedTuple):
    """What a statement says of a relationship on a day: all that is held from then on."""

    id: str
    day: date
    closed: bool
    interests: tuple[Stated, ...]


def in_sequence(statements: Sequence[Statement]) -> list[tuple[Statement, Stated]]:
    """The interests of one record as its statements, oldest first, tell them one after the other.

    A statement describes the record as it was declared on its day. So what an earlier one said holds until
    the later one takes its place, and what the later one no longer mentions ends on its day. Of a kind that
    both state, the later takes over on the day it says its interest began, if that is after the earlier one's
    beginning; else on its own day. An end that the later one gives is an end for the earlier one too. What a
    closing statement leaves open ends on its day.

    >>> old = Statement("1", date(2018, 1, 1), False, (Stated("ownership", None, "direct", None, None),))
    >>> new = Statement("2", date(2020, 1, 1), False, ())
    >>> [(said.start, said.until) for _, said in in_sequence([old, new])]
    [(None, datetime.date(2020, 1, 1))]
    """
    made: list[tuple[Statement, Stated]] = []
    for place, statement in enumerate(statements):
        before = statements[place - 1] if place else None
        after = statements[place + 1] if place + 1 < len(statements) else None
        for said in statement.interests:
            start, until = said.start, said.until
            if statement.closed and until is None:
                until = statement.day
            if before is not None and (earlier := _of_type(before, said.type)):
                start = _handover(earlier, [said], statement.day)
            if after is not None:
                until = _earliest(until, _taken_over(said, after))
            if start is None or until is None or start < until:
                made.append((statement, said._replace(start=start, until=until)))
    return made


def _of_type(statement: Statement, type: str) -> list[Stated]:
    return [said for said in statement.interests if said.type == type]


def _handover(earlier: Sequence[Stated], later: Sequence[Stated], day: date) -> date:
    """The day on which the later of two statements of one kind takes over."""
    first, second = _begins(earlier), _begins(later)
    if second is not None and (first is None or second > first):
        return second
    return day


def _begins(stated: Sequence[Stated]) -> date | None:
    starts = [said.start for said in stated]
    known = [start for start in starts if start is not None]
    return min(known) if len(known) == len(starts) else None


def _taken_over(said: Stated, after: Statement) -> date:
    later = _of_type(after, said.type)
    if not later:
        return after.day
    day = _handover([said], later, after.day)
    ends = [one.until for one in later if one.until is not None]
    return min(day, max(ends)) if len(ends) == len(later) else day


def _earliest(one: date | None, other: date) -> date:
    return other if one is None else min(one, other)
