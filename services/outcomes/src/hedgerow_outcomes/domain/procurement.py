"""The Procurement Act 2023: which contracts owe KPIs and their assessment, by when, and the draft notice.

Sources: Procurement Act 2023, sections 52 and 71; Procurement Regulations 2024, regulation 39. What is
computed here helps whoever answers for the notice; it does not decide for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

KPIS_NEEDED = 3
OWED_ABOVE_GBP = 5_000_000
MONTHS_BETWEEN = 12
CLOSE_TO_TARGET = 0.9

RATINGS: Mapping[str, str] = {
    "Good": "at the target or beyond",
    "Approaching target": "nearly at the target",
    "Requires improvement": "at the agreed minimum, and short of the target",
    "Inadequate": "below the agreed minimum",
    "Other": "none of the other ratings can be given",
}
EXEMPTIONS: Mapping[str, str] = {
    "framework": "a framework",
    "concession": "a concession contract",
    "light-touch": "a light touch contract",
    "private-utility": "a utilities contract awarded by a private utility",
    "not-appropriate": "performance could not appropriately be assessed by KPIs",
}


@dataclass(frozen=True)
class Agreement:
    """What is known of a contract. value_gbp, start and end are None where they are not known ·
    terminated_on: where it ended early · exemption: one of `EXEMPTIONS`, or None
    """

    value_gbp: float | None
    start: date | None
    end: date | None
    terminated_on: date | None = None
    exemption: str | None = None


@dataclass(frozen=True)
class Duty:
    """Whether a contract owes KPIs, and what is missing. owes: None where its value is not known ·
    due: when the next assessment is to be published by · overdue: whether that day has passed
    """

    owes: bool | None
    because: str
    kpis: int
    kpis_missing: int
    due: date | None
    overdue: bool


def duty(agreement: Agreement, *, kpis: int, assessed_to: date | None, at: date) -> Duty:
    """What is owed for a contract on a day.

    kpis: how many are set for it · assessed_to: the last day that published assessments cover.
    A contract above £5 million owes three KPIs unless it is exempt, and an assessment at least every twelve
    months while it runs, and one when it ends.

    >>> found = duty(Agreement(6e6, date(2025, 4, 1), None), kpis=2, assessed_to=None, at=date(2026, 4, 2))
    >>> found.owes, found.kpis_missing, found.due, found.overdue
    (True, 1, datetime.date(2026, 4, 1), True)
    """
    owes, because = _owes(agreement)
    if not owes:
        return Duty(owes, because, kpis, 0, None, False)
    due = _due(agreement, assessed_to)
    return Duty(True, because, kpis, max(0, KPIS_NEEDED - kpis), due, due is not None and due < at)


def _owes(agreement: Agreement) -> tuple[bool | None, str]:
    if agreement.exemption is not None:
        return False, f"Exempt: {EXEMPTIONS[agreement.exemption]}."
    if agreement.value_gbp is None:
        return None, "Its value in pounds is not known, or not yours to see."
    if agreement.value_gbp <= OWED_ABOVE_GBP:
        return False, f"Its value of £{agreement.value_gbp:,.2f} is not above £{OWED_ABOVE_GBP:,}."
    return True, f"Its value of £{agreement.value_gbp:,.2f} is above £{OWED_ABOVE_GBP:,}."


def _due(agreement: Agreement, assessed_to: date | None) -> date | None:
    """The first of: twelve months after the last assessment or the start, and the end of the contract."""
    ends = [day for day in (agreement.end, agreement.terminated_on) if day is not None]
    end = min(ends, default=None)
    if assessed_to is not None and end is not None and assessed_to >= end:
        return None
    since = assessed_to or agreement.start
    if since is None:
        return end
    again = _a_year_on(since)
    return again if end is None else min(again, end)


def _a_year_on(day: date) -> date:
    try:
        return day.replace(year=day.year + MONTHS_BETWEEN // 12)
    except ValueError:  # 29 February
        return date(day.year + 1, 2, 28)


def suggested_rating(attainment: float | None) -> str:
    """The rating that an attainment suggests: 0 is the agreed minimum, 1 the target.

    The Act leaves the judgement to the authority; the line between close to the target and short of it is
    drawn at nine tenths of the way from the minimum.

    >>> [suggested_rating(value) for value in (1.2, 0.95, 0.4, -0.1, None)]
    ['Good', 'Approaching target', 'Requires improvement', 'Inadequate', 'Other']
    """
    if attainment is None:
        return "Other"
    if attainment >= 1:
        return "Good"
    if attainment >= CLOSE_TO_TARGET:
        return "Approaching target"
    return "Requires improvement" if attainment >= 0 else "Inadequate"


@dataclass(frozen=True)
class Assessed:
    """A KPI of a contract over a period. rating: the authority's own, where it has given one"""

    kpi: str
    name: str
    unit: str | None
    target: float | None
    minimum: float | None
    period: str | None
    value: float | None
    rating: str | None
    suggested: str
    reason: str | None = None


@dataclass(frozen=True)
class Party:
    id: str
    name: str
    identifiers: Sequence[Mapping[str, str]] = ()


def notice(
    *,
    ocid: str,
    contract_id: str,
    title: str,
    buyers: Sequence[Party],
    suppliers: Sequence[Party],
    assessed: Sequence[Assessed],
    start: date,
    end: date,
    at: date,
) -> dict[str, object]:
    """A draft Contract Performance Notice as an OCDS release, with the names of OCDS's metrics extension.

    It holds what regulation 39(4) asks for as far as it is known; contact details of suppliers are not kept
    by Hedgerow and are to be added before it is published.
    """
    return {
        "ocid": ocid,
        "id": f"{ocid}-performance-{end.isoformat()}",
        "date": f"{at.isoformat()}T00:00:00Z",
        "tag": ["implementationUpdate"],
        "initiationType": "tender",
        "language": "en",
        "parties": [
            _party(party, role)
            for role, parties in (("buyer", buyers), ("supplier", suppliers))
            for party in parties
        ],
        **({"buyer": {"id": buyers[0].id, "name": buyers[0].name}} if buyers else {}),
        "contracts": [
            {
                "id": contract_id,
                "awardID": contract_id,
                "title": title,
                "agreedMetrics": [_agreed(one) for one in assessed],
                "implementation": {"metrics": [_measured(one, start, end) for one in assessed]},
            }
        ],
    }


def _party(party: Party, role: str) -> dict[str, object]:
    made: dict[str, object] = {"id": party.id, "name": party.name, "roles": [role]}
    if party.identifiers:
        first = party.identifiers[0]
        made["identifier"] = {"scheme": first["scheme"], "id": first["id"], "legalName": party.name}
    return made


def _agreed(one: Assessed) -> dict[str, object]:
    parts = [f"target {one.target:g}" if one.target is not None else None]
    parts.append(f"minimum {one.minimum:g}" if one.minimum is not None else None)
    said = ", ".join(part for part in parts if part)
    return {"id": one.kpi, "title": one.name, "description": said or "no target agreed"}


def _measured(one: Assessed, start: date, end: date) -> dict[str, object]:
    observation: dict[str, object] = {
        "id": "1",
        "period": {"startDate": f"{start.isoformat()}T00:00:00Z", "endDate": f"{end.isoformat()}T23:59:59Z"},
        "notes": one.rating or f"{one.suggested} (suggested, not yet given)",
    }
    if one.value is not None:
        observation["measure"] = f"{one.value:g}"
        if one.unit:
            observation["unit"] = {"name": one.unit}
    return {"id": one.kpi, "title": one.name, "observations": [observation]}
