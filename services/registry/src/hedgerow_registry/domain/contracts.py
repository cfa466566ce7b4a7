"""Contracts: terms, extensions, whether one is in force, leverage, and who may have a reserved one."""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import fsum
from typing import Any, Final

CONTRACT_STATUSES: Final = ("pending", "active", "cancelled", "terminated")
STAGES: Final = ("planning", "tender", "award", "contract")
THIRD_SECTORS: Final = ("charity", "social enterprise", "mutual")
CHARITY_REGISTERS: Final = ("GB-CHC", "GB-SC", "GB-NIC")
# Shorter terms leave a charity no time to pay back what it takes to start: see the reference page.
SHORT_TERM_MONTHS: Final = 36
# The rule a mutual's contract rests on (Procurement Act 2023, section 33): at most five years.
MUTUAL_MOST_MONTHS: Final = 60


def months_later(day: date, months: int) -> date:
    """The day some months later; a last day of a month stays one.

    months: may be negative. Raises OverflowError outside the years 1 to 9999.

    >>> months_later(date(2028, 2, 29), 12), months_later(date(2028, 1, 30), 1)
    (datetime.date(2029, 2, 28), datetime.date(2028, 2, 29))
    """
    month = day.year * 12 + day.month - 1 + months
    year, month = month // 12, month % 12 + 1
    if not 1 <= year <= 9999:
        raise OverflowError("no such year")
    last = monthrange(year, month)[1]
    is_last = day.day == monthrange(day.year, day.month)[1]
    return date(year, month, last if is_last else min(day.day, last))


def term_days(starts: date | None, ends: date | None) -> int | None:
    """How many days a contract runs, first and last included; `None` where a date is missing or they cross.

    >>> term_days(date(2025, 4, 1), date(2028, 3, 31))
    1096
    """
    if starts is None or ends is None or ends < starts:
        return None
    return (ends - starts).days + 1


def is_shorter(starts: date | None, ends: date | None, months: int) -> bool | None:
    """Whether a contract ends before it has run this many months; `None` where its term is not known.

    >>> [is_shorter(date(2025, 4, 1), date(2028, 3, day), 36) for day in (31, 30)]
    [False, True]
    """
    if starts is None or term_days(starts, ends) is None or ends is None:
        return None
    return ends + timedelta(days=1) < months_later(starts, months)


def is_longer(starts: date | None, ends: date | None, months: int) -> bool | None:
    """Whether a contract runs on after this many months; `None` where its term is not known.

    >>> is_longer(date(2025, 4, 1), date(2030, 3, 31), 60), is_longer(date(2025, 4, 1), date(2030, 4, 1), 60)
    (False, True)
    """
    if starts is None or term_days(starts, ends) is None or ends is None:
        return None
    return ends + timedelta(days=1) > months_later(starts, months)


def extended_to(ends: date | None, options: Iterable[tuple[int | None, date | None, bool]]) -> date | None:
    """When a contract ends if every extension option is used.

    ends: its end as it stands · options: (months, until, used), in their order; an option that has been used
    is already in `ends`. An option with a date extends to it, one with months by these.
    Returns `None` where nothing can be extended, or the end is not known.

    >>> extended_to(date(2030, 3, 31), [(60, None, False)])
    datetime.date(2035, 3, 31)
    >>> extended_to(date(2030, 3, 31), [(12, None, True)]) is None
    True
    """
    last = ends
    for months, until, used in options:
        if used:
            continue
        if until is not None:
            last = until if last is None else max(last, until)
        elif months and last is not None:
            last = months_later(last, months)
    return None if last == ends else last


def in_force(status: str | None, starts: date | None, ends: date | None, *, at: date) -> bool:
    """Whether a contract binds at a date.

    One that is pending, cancelled or terminated does not: of a terminated one nobody can say until when it
    did. One without a start, or without an end, is taken to have started, or to go on. A contract whose
    status is not said goes by its dates.

    >>> in_force("active", date(2025, 4, 1), date(2026, 3, 31), at=date(2026, 3, 31))
    True
    """
    if status in ("pending", "cancelled", "terminated"):
        return False
    return (starts is None or starts <= at) and (ends is None or at <= ends)


def leverage(
    price_gbp: float | None, funding: Sequence[Mapping[str, Any]]
) -> tuple[float | None, float, float | None]:
    r"""Own money, other money and leverage of a contract.

    .. math:: \text{leverage} = \text{other money} / \text{own money}

    price_gbp: the contract's value in pounds · funding: items with `own` (whether a buyer pays it) and
    `value_gbp`. Own money is what the buyers put in; where no item says, it is the contract's value.
    Returns (own, other, leverage) in pounds; own and leverage are `None` where own money is unknown, leverage
    too where it is 0.

    >>> leverage(200_000, [{"own": False, "value_gbp": 50_000.0}])
    (200000.0, 50000.0, 0.25)
    """
    sums = {
        side: fsum(one["value_gbp"] for one in funding if one["own"] is side and one["value_gbp"] is not None)
        for side in (True, False)
    }
    has_own = any(one["own"] and one["value_gbp"] is not None for one in funding)
    own = sums[True] if has_own else None if price_gbp is None else float(price_gbp)
    return own, sums[False], round(sums[False] / own, 6) if own else None


def is_third_sector(sector: str | None, schemes: Iterable[str], vcse: bool | None) -> bool | None:
    """Whether an organisation is of the third sector; `None` where nothing known says either way.

    sector: its sector in the registry · schemes: of its identifiers · vcse: what the contract's publisher
    said of it. The registry's sector decides, then a charity register, then the publisher's word.

    >>> is_third_sector("private", ["GB-CHC"], None), is_third_sector(None, ["GB-CHC"], None)
    (False, True)
    >>> is_third_sector(None, [], None) is None
    True
    """
    if sector is not None:
        return sector in THIRD_SECTORS
    if any(scheme in CHARITY_REGISTERS for scheme in schemes):
        return True
    return vcse


@dataclass(frozen=True)
class Evidence:
    """What is known of one status of an organisation: yes, no or unknown, on what, since when."""

    status: bool | None
    evidence: str | None = None
    on: date | None = None


@dataclass(frozen=True)
class Eligibility:
    """Whether a supplier could have a reserved contract on the day of its award, and why."""

    eligible: bool | None
    reasons: tuple[str, ...]


# What each code of a reservation asks of a supplier, in the order tried: any one of them is enough.
RESERVED_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    "shelteredWorkshop": ("supported_business",),
    "publicService": ("public_service_mutual",),
    "publicServiceMissionOrganization": ("public_service_mutual",),
    "userLed": ("user_led",),
    "charity": ("charity",),
    "vcse": ("third_sector",),
    "smeVcse": ("third_sector", "small"),
    "sme": ("small",),
}
_SAYS: Final = {
    "supported_business": "a supported business",
    "public_service_mutual": "a public service mutual",
    "user_led": "user-led",
    "charity": "a charity",
    "third_sector": "of the third sector",
    "small": "small or medium-sized",
}


def eligibility(
    reserved_for: Sequence[str], known: Mapping[str, Evidence], *, at: date | None, is_too_long: bool | None
) -> Eligibility:
    """Whether a supplier is eligible for a reserved contract, on the evidence of its day.

    reserved_for: the reservation's codes, any of which is enough · known: evidence by status · at: the day of
    the award · is_too_long: whether the term exceeds what the law allows a mutual (section 33 of the
    Procurement Act 2023: five years). Evidence dated after the award does not count for it: whether it held
    on the day is unknown. Returns `eligible` true, false or `None` (unknown) with a reason a code.

    >>> eligibility(["userLed"], {"user_led": Evidence(True, "rules of 2019", date(2019, 5, 1))},
    ...             at=date(2025, 1, 1), is_too_long=False).eligible
    True
    """
    answers: list[bool | None] = []
    reasons: list[str] = []
    for code in reserved_for:
        wanted = RESERVED_FOR.get(code)
        if wanted is None:
            answers.append(None)
            reasons.append(f"{code}: no rule is known for this reservation")
            continue
        for status in wanted:
            answer, reason = _held(known.get(status, Evidence(None)), _SAYS[status], at)
            if answer and status == "public_service_mutual" and is_too_long:
                answer, reason = False, f"{reason}, but the term is over five years"
            answers.append(answer)
            reasons.append(f"{code}: {reason}")
    eligible = True if True in answers else None if None in answers else False
    return Eligibility(eligible if answers else None, tuple(reasons))


def _held(found: Evidence, says: str, at: date | None) -> tuple[bool | None, str]:
    if found.status is None:
        return None, f"not known whether it is {says}"
    on = found.evidence or "no evidence named"
    when = f", {found.on.isoformat()}" if found.on else ", undated"
    if at is None:
        return None, f"the day of the award is not known ({on}{when})"
    if found.on is not None and found.on > at:
        return None, f"the evidence ({on}{when}) is later than the award of {at.isoformat()}"
    return found.status, f"{'is' if found.status else 'is not'} {says} ({on}{when})"
