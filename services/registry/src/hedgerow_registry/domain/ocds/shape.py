"""The shape of an OCDS 1.1.5 release: what its fields hold, and how a release that strays is brought back.

Only what the release schema binds is named here, with the published extensions that Hedgerow reads (lots,
bids, finance, renewal, subcontracting, contract suppliers and buyer, other requirements) and Hedgerow's own
object `hedgerow`. A field that is not named stays as it was sent: the standard allows it.

Source: Open Contracting Data Standard 1.1.5, release schema; the extensions' own pages.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hedgerow_registry.domain.ocds.currencies import CURRENCIES
from hedgerow_registry.domain.plain_text import words_of

Notes = list[tuple[str, str]]
Reader = Callable[[Any], Any]
# A reader of one value, the name of an object, a list of such objects, or a list of values with one reader.
Field = Reader | str | list[str] | tuple[Reader]

TAGS: Final = (
    "planning",
    "planningUpdate",
    "tender",
    "tenderAmendment",
    "tenderUpdate",
    "tenderCancellation",
    "award",
    "awardUpdate",
    "awardCancellation",
    "contract",
    "contractUpdate",
    "contractAmendment",
    "implementation",
    "implementationUpdate",
    "contractTermination",
    "compiled",
)
METHODS: Final = ("open", "selective", "limited", "direct")
TENDER_STATUSES: Final = (
    "planning",
    "planned",
    "active",
    "cancelled",
    "unsuccessful",
    "complete",
    "withdrawn",
)
AWARD_STATUSES: Final = ("pending", "active", "cancelled", "unsuccessful")
CONTRACT_STATUSES: Final = ("pending", "active", "cancelled", "terminated")

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(\.\d+)?\s*(Z|z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
# British forms write the day first, and say so by the year at the end.
_DAY_FIRST = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?=[T ]|$)", re.ASCII)
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)
_AMOUNT = re.compile(r"[£]?\s*(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?)", re.ASCII)


class _Unfit(Exception):
    """A value that its field cannot hold."""


def moment(text: str) -> datetime | None:
    """The moment a date-time text names, `None` where it names none; without a zone it is read as UTC.

    >>> moment("2024-04-01T01:00:00+01:00").isoformat(), moment("2024-04-01").isoformat(), moment("soon")
    ('2024-04-01T00:00:00+00:00', '2024-04-01T00:00:00+00:00', None)
    """
    written = _written_moment(text)
    try:
        return None if written is None else datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written_moment(text: str) -> str | None:
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        return None
    day, minute, second, fraction, zone = match.groups()
    zone = (zone or "Z").upper()
    if len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    return f"{day}T{minute or '00:00'}{second or ':00'}{fraction or ''}{zone}"


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        raise _Unfit
    value = _DAY_FIRST.sub(lambda said: f"{said[3]}-{said[2]:0>2}-{said[1]:0>2}", value.strip())
    written = _written_moment(value)
    if written is None or moment(value) is None:
        raise _Unfit
    return value if _is_rfc3339(value) else written


def _is_rfc3339(text: str) -> bool:
    return (
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text, re.ASCII) is not None
    )


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unfit
    return str(value)


def _id(value: Any) -> Any:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    raise _Unfit


def _number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 60 else None
    if match is None:
        raise _Unfit
    return float(match[1].replace(",", ""))


def _share(value: Any) -> Any:
    number = _number(value)
    if not 0 <= number <= 1:
        raise _Unfit
    return number


def _whole(value: Any) -> Any:
    number = _number(value)
    if number != int(number) or abs(number) > 1e9:
        raise _Unfit
    return int(number)


def _flag(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    said = value.strip().casefold() if isinstance(value, str) else ""
    if said in ("true", "yes", "y", "1"):
        return True
    if said in ("false", "no", "n", "0"):
        return False
    raise _Unfit


def _link(value: Any) -> Any:
    if isinstance(value, str) and _LINK.fullmatch(value.strip()):
        return value.strip()
    raise _Unfit


def _code(*codes: str) -> Reader:
    by_folded = {code.casefold(): code for code in codes}

    def read(value: Any) -> Any:
        found = by_folded.get(value.strip().casefold()) if isinstance(value, str) else None
        if found is None:
            raise _Unfit
        return found

    return read


_PARTY: Final[Mapping[str, Field]] = {
    "name": _text,
    "identifier": "Identifier",
    "additionalIdentifiers": ["Identifier"],
    "address": "Address",
    "contactPoint": "ContactPoint",
}
_RENEWAL: Final[Mapping[str, Field]] = {"hasRenewal": _flag, "renewal": "Renewal"}
_LINKS: Final[Mapping[str, Field]] = {"needs": (_text,), "areas": (_text,), "services": (_text,)}

OBJECTS: Final[Mapping[str, Mapping[str, Field]]] = {
    "Release": {
        "ocid": _text,
        "id": _text,
        "date": _moment,
        "tag": (_code(*TAGS),),
        "initiationType": _code("tender"),
        "language": _text,
        "parties": ["Organization"],
        "buyer": "OrganizationReference",
        "planning": "Planning",
        "tender": "Tender",
        "bids": "Bids",
        "awards": ["Award"],
        "contracts": ["Contract"],
        "relatedProcesses": ["RelatedProcess"],
        "hedgerow": "ReleaseMark",
    },
    "Planning": {
        "rationale": _text,
        "budget": "Budget",
        "documents": ["Document"],
        "milestones": ["Milestone"],
        "hedgerow": "Links",
    },
    "Budget": {
        "id": _id,
        "description": _text,
        "amount": "Value",
        "project": _text,
        "projectID": _id,
        "uri": _link,
        "source": _link,
    },
    "Tender": {
        "id": _id,
        "title": _text,
        "description": _text,
        "status": _code(*TENDER_STATUSES),
        "procuringEntity": "OrganizationReference",
        "items": ["Item"],
        "value": "Value",
        "minValue": "Value",
        "procurementMethod": _code(*METHODS),
        "procurementMethodDetails": _text,
        "procurementMethodRationale": _text,
        "mainProcurementCategory": _code("goods", "works", "services"),
        "additionalProcurementCategories": (_text,),
        "awardCriteria": _text,
        "awardCriteriaDetails": _text,
        "submissionMethod": (_text,),
        "submissionMethodDetails": _text,
        "tenderPeriod": "Period",
        "enquiryPeriod": "Period",
        "hasEnquiries": _flag,
        "eligibilityCriteria": _text,
        "awardPeriod": "Period",
        "contractPeriod": "Period",
        "numberOfTenderers": _whole,
        "tenderers": ["OrganizationReference"],
        "documents": ["Document"],
        "milestones": ["Milestone"],
        "amendments": ["Amendment"],
        "amendment": "Amendment",
        "lots": ["Lot"],
        "otherRequirements": "OtherRequirements",
        "hedgerow": "TenderMark",
        "communication": "Communication",
        "classification": "Classification",
        "additionalClassifications": ["Classification"],
        **_RENEWAL,
    },
    "Communication": {"futureNoticeDate": _moment},
    "Lot": {
        "id": _id,
        "title": _text,
        "description": _text,
        "status": _text,
        "value": "Value",
        "contractPeriod": "Period",
        "otherRequirements": "OtherRequirements",
        "hedgerow": "LotMark",
        **_RENEWAL,
    },
    "LotMark": {"suppliers": ["OrganizationReference"]},
    "OtherRequirements": {"reservedParticipation": (_text,)},
    "Bids": {"details": ["Bid"], "statistics": ["Statistic"]},
    "Bid": {
        "id": _id,
        "date": _moment,
        "status": _text,
        "value": "Value",
        "tenderers": ["OrganizationReference"],
        "relatedLots": (_id,),
        "documents": ["Document"],
        "items": ["Item"],
    },
    "Statistic": {"id": _id, "measure": _text, "value": _number, "relatedLot": _id, "currency": _text},
    "Award": {
        "id": _id,
        "title": _text,
        "description": _text,
        "status": _code(*AWARD_STATUSES),
        "date": _moment,
        "value": "Value",
        "suppliers": ["OrganizationReference"],
        "items": ["Item"],
        "contractPeriod": "Period",
        "documents": ["Document"],
        "amendments": ["Amendment"],
        "amendment": "Amendment",
        "relatedLots": (_id,),
        "relatedBids": (_id,),
        "relatedBid": _id,
        "hasSubcontracting": _flag,
        "subcontracting": "Subcontracting",
        "finance": ["Finance"],
        "hedgerow": "AgreementMark",
        **_RENEWAL,
    },
    "Contract": {
        "id": _id,
        "awardID": _id,
        "title": _text,
        "description": _text,
        "status": _code(*CONTRACT_STATUSES),
        "period": "Period",
        "value": "Value",
        "items": ["Item"],
        "dateSigned": _moment,
        "documents": ["Document"],
        "implementation": "Implementation",
        "relatedProcesses": ["RelatedProcess"],
        "milestones": ["Milestone"],
        "amendments": ["Amendment"],
        "amendment": "Amendment",
        "suppliers": ["OrganizationReference"],
        "buyer": "OrganizationReference",
        "relatedLots": (_id,),
        "finance": ["Finance"],
        "hasSubcontracting": _flag,
        "subcontracting": "Subcontracting",
        "hedgerow": "AgreementMark",
        **_RENEWAL,
    },
    "Finance": {
        "id": _id,
        "title": _text,
        "description": _text,
        "financingParty": "OrganizationReference",
        "value": "Value",
        "period": "Period",
    },
    "Renewal": {
        "description": _text,
        "minimumRenewals": _whole,
        "maximumRenewals": _whole,
        "period": "Period",
    },
    "Subcontracting": {
        "description": _text,
        "minimumPercentage": _share,
        "maximumPercentage": _share,
        "competitive": _flag,
        "value": "Value",
        "subcontracts": ["Subcontract"],
    },
    "Subcontract": {
        "id": _id,
        "subcontractor": "OrganizationReference",
        "tenderers": ["OrganizationReference"],
        "hedgerow": "SubcontractMark",
    },
    "Implementation": {
        "transactions": ["Transaction"],
        "milestones": ["Milestone"],
        "documents": ["Document"],
    },
    "Milestone": {
        "id": _id,
        "title": _text,
        "type": _text,
        "description": _text,
        "code": _text,
        "dueDate": _moment,
        "dateMet": _moment,
        "dateModified": _moment,
        "status": _code("scheduled", "met", "notMet", "partiallyMet"),
        "documents": ["Document"],
    },
    "Document": {
        "id": _id,
        "documentType": _text,
        "title": _text,
        "description": _text,
        "url": _link,
        "datePublished": _moment,
        "dateModified": _moment,
        "format": _text,
        "language": _text,
    },
    "Transaction": {
        "id": _id,
        "source": _link,
        "date": _moment,
        "value": "Value",
        "payer": "OrganizationReference",
        "payee": "OrganizationReference",
        "uri": _link,
        "amount": "Value",
        "providerOrganization": "Identifier",
        "receiverOrganization": "Identifier",
    },
    "OrganizationReference": {**_PARTY, "id": _id},
    "Organization": {**_PARTY, "id": _text, "roles": (_text,), "details": "PartyDetails"},
    "PartyDetails": {"scale": _text, "vcse": _flag},
    "Item": {
        "id": _id,
        "description": _text,
        "classification": "Classification",
        "additionalClassifications": ["Classification"],
        "quantity": _number,
        "unit": "Unit",
        "relatedLot": _id,
    },
    "Unit": {"scheme": _text, "id": _text, "name": _text, "value": "Value", "uri": _link},
    "Amendment": {
        "date": _moment,
        "rationale": _text,
        "id": _text,
        "description": _text,
        "amendsReleaseID": _text,
        "releaseID": _text,
        "changes": ["Change"],
        "suppliersAdded": ["OrganizationReference"],
        "suppliersRemoved": ["OrganizationReference"],
    },
    "Change": {"property": _text},
    "Classification": {"scheme": _text, "id": _id, "description": _text, "uri": _link},
    "Identifier": {"scheme": _text, "id": _id, "legalName": _text, "uri": _link},
    "Address": {
        "streetAddress": _text,
        "locality": _text,
        "region": _text,
        "postalCode": _text,
        "countryName": _text,
    },
    "ContactPoint": {"name": _text, "email": _text, "telephone": _text, "faxNumber": _text, "url": _link},
    "Value": {"amount": _number, "currency": _code(*CURRENCIES)},
    "Period": {
        "startDate": _moment,
        "endDate": _moment,
        "maxExtentDate": _moment,
        "durationInDays": _whole,
        "durationInMonths": _whole,
    },
    "RelatedProcess": {
        "id": _text,
        "relationship": (_text,),
        "title": _text,
        "scheme": _text,
        "identifier": _text,
        "uri": _link,
    },
    "Links": _LINKS,
    "ReleaseMark": {"published": _flag, "whole": _flag},
    "TenderMark": {**_LINKS, "reservedUnder": _text},
    "AgreementMark": {
        **_LINKS,
        "extensionOptions": ["ExtensionOption"],
        "socialValue": ["SocialValue"],
        "wholeLifeCost": "WholeLifeCost",
    },
    "ExtensionOption": {"id": _id, "months": _whole, "until": _moment, "used": _flag, "description": _text},
    "SocialValue": {
        "id": _id,
        "measure": _text,
        "unit": _text,
        "claimed": _number,
        "evidenced": _number,
        "evidence": _text,
        "date": _moment,
    },
    "WholeLifeCost": {"value": "Value", "years": _number, "parts": ["CostPart"]},
    "CostPart": {"id": _id, "title": _text, "value": "Value"},
    "SubcontractMark": {"tier": _whole, "feeShare": _share, "value": "Value"},
}
_WITH_ID: Final = words_of(
    "Tender Award Contract Milestone Document Transaction Item Lot Bid Statistic Finance Subcontract"
    " ExtensionOption SocialValue CostPart"
)
# Fields whose null the schema has nowhere, or that a merge could not do without.
_NEVER_NULL: Final = frozenset(("ocid", "id", "date", "tag", "initiationType"))


def fitted(release: Mapping[str, Any]) -> tuple[dict[str, Any], Notes]:
    """A release in the standard's shape, and what was mended or left out, each with its pointer.

    release: the JSON object as sent. Texts that hold a number or a date in another spelling are rewritten;
    what a field cannot hold is left out; a list item that must have an id gets its place in the list; nulls
    stay where the schema has them, because there they take a field away. Never raises.

    >>> fitted({"tender": {"id": 1, "value": {"amount": "1,200", "currency": "gbp"}}})[0]
    {'tender': {'id': 1, 'value': {'amount': 1200.0, 'currency': 'GBP'}}}
    """
    notes: Notes = []
    return _object(release, "Release", "", notes), notes


def _object(value: Mapping[str, Any], kind: str, pointer: str, notes: Notes) -> dict[str, Any]:
    fields = OBJECTS[kind]
    made: dict[str, Any] = {}
    for name, held in value.items():
        field = fields.get(name)
        at = f"{pointer}/{name}"
        if field is None:
            made[name] = held
            continue
        kept, fits = _field(held, field, at, notes)
        if fits:
            made[name] = kept
    return made


def _field(held: Any, field: Field, at: str, notes: Notes) -> tuple[Any, bool]:
    if isinstance(field, str):
        if isinstance(held, Mapping):
            return _object(held, field, at, notes), True
        return _left_out(held, at, "not an object", notes)
    if isinstance(field, list):
        if isinstance(held, Mapping):
            # Some publishers write a list of one as the one.
            held = [held]
        if isinstance(held, list):
            return _list(held, field[0], at, notes)
        return _left_out(held, at, "not a list", notes)
    if isinstance(field, tuple):
        return _values(held, field[0], at, notes)
    if held is None:
        return None, at.rpartition("/")[2] not in _NEVER_NULL
    try:
        read = field(held)
    except _Unfit:
        return _left_out(held, at, "not a value this field can hold", notes)
    if isinstance(held, str) and read != held.strip():
        notes.append((at, "written as the standard does"))
    return read, True


def _list(held: list[Any], kind: str, at: str, notes: Notes) -> tuple[Any, bool]:
    made: list[Any] = []
    for place, item in enumerate(held):
        if not isinstance(item, Mapping):
            _left_out(item, f"{at}/{place}", "not an object", notes)
            continue
        one = _object(item, kind, f"{at}/{place}", notes)
        if kind in _WITH_ID and one.get("id") in (None, ""):
            one["id"] = str(place + 1)
            notes.append((f"{at}/{place}/id", "it had none: its place in the list was taken"))
        if one not in made:
            made.append(one)
    return made, bool(made)


def _values(held: Any, reader: Reader, at: str, notes: Notes) -> tuple[Any, bool]:
    if held is None:
        return None, at.rpartition("/")[2] not in _NEVER_NULL
    made = []
    for place, item in enumerate(held if isinstance(held, list) else [held]):
        try:
            made.append(str(reader(item)))
        except _Unfit:
            _left_out(item, f"{at}/{place}", "not a value this field can hold", notes)
    return list(dict.fromkeys(made)), bool(made)


def _left_out(held: Any, at: str, why: str, notes: Notes) -> tuple[None, bool]:
    if held not in (None, "", [], {}):
        notes.append((at, f"left out: {why}"))
    return None, False
