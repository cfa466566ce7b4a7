"""What a compiled release says in the registry's words: the process, and each agreement that came of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from hedgerow_registry.domain import contracts as terms
from hedgerow_registry.domain import gss, taxonomy
from hedgerow_registry.domain.ocds.parties import Parties
from hedgerow_registry.domain.ocds.placeholders import is_placeholder_amount, is_placeholder_day
from hedgerow_registry.domain.ocds.shape import moment
from hedgerow_registry.errors import Malformed

Json = dict[str, Any]
LONGEST_TITLE: Final = 1000
_ONE_PARTY: Final = frozenset(("from_id", "to_id", "organisation_id", "payer_id", "payee_id"))
_PARTIES: Final = frozenset(("bidder_ids", "supplier_ids", "former_supplier_ids"))


class Flags:
    """What a reader of the record should know before relying on it, each said once."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def add(self, code: str, says: str) -> None:
        self._said.setdefault(code, says)

    def rows(self) -> list[Json]:
        return [{"code": code, "says": says} for code, says in sorted(self._said.items())]


@dataclass(frozen=True)
class Agreement:
    """An agreement of a process: an award, with the contract that was made of it if there is one.

    own_id: the award's id, or the contract's where another contract of the award came first · fields: the
    registry's columns; parties stand by their keys in the process · parties: (role, key), each once
    """

    own_id: str
    fields: Json
    parties: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Process:
    """A contracting process; `fields` are the registry's columns, parties by their keys."""

    fields: Json
    parties: tuple[tuple[str, str], ...]
    known: Parties
    agreements: list[Agreement] = field(default_factory=list)


def classifications(release: Mapping[str, Any]) -> list[str]:
    """The terms by which a process classifies what it buys, as `scheme:id`; some may be needs."""
    tender = release.get("tender") or {}
    found: list[Json] = [tender.get("classification") or {}, *(tender.get("additionalClassifications") or ())]
    for section in (tender, *(release.get("awards") or ()), *(release.get("contracts") or ())):
        for item in section.get("items") or ():
            found += [item.get("classification") or {}, *(item.get("additionalClassifications") or ())]
    terms_of = (f"{one['scheme']}:{one['id']}" for one in found if one.get("scheme") and one.get("id"))
    return list(dict.fromkeys(terms_of))


def with_organisations(value: Any, ids: Mapping[str, str]) -> Any:
    """Details with the parties' keys replaced by the ids of their organisations; who has none is left out."""
    if isinstance(value, list):
        return [with_organisations(one, ids) for one in value]
    if not isinstance(value, dict):
        return value
    made: Json = {}
    for name, part in value.items():
        if name in _ONE_PARTY:
            made[name] = ids.get(part) if part is not None else None
        elif name in _PARTIES:
            made[name] = sorted({ids[key] for key in part if key in ids})
        else:
            made[name] = with_organisations(part, ids)
    return made


def organisations_in(value: Any) -> set[str]:
    """The ids of the organisations that details name."""
    if isinstance(value, list):
        return {id for one in value for id in organisations_in(one)}
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for name, part in value.items():
        if name in _ONE_PARTY:
            found |= {part} - {None}
        elif name in _PARTIES:
            found |= set(part)
        else:
            found |= organisations_in(part)
    return found


def process(release: Mapping[str, Any], *, needs: Mapping[str, str]) -> Process:
    """A compiled release read.

    release: in the standard's shape (see `shape`) · needs: of those classifications that are needs, the need.
    """
    return _Reading(release, needs).process()


def told(release: Mapping[str, Any]) -> Any:
    """All that is read of a compiled release, to compare two: how it is written may differ."""
    of = process(release, needs={})
    named = {key: (party.name, party.identifiers) for key, party in of.known.by_key.items()}
    parts = [(one.own_id, one.fields, one.parties) for one in of.agreements]
    return of.fields, of.parties, parts, {key: named[key] for _, key in of.parties}


def agreed(release: Mapping[str, Any]) -> list[Agreement]:
    """The agreements of a compiled release."""
    return process(release, needs={}).agreements


class _Reading:
    def __init__(self, release: Mapping[str, Any], needs: Mapping[str, str]) -> None:
        self.release = release
        self.tender: Json = release.get("tender") or {}
        self.planning: Json = release.get("planning") or {}
        self.awards: list[Json] = list(release.get("awards") or ())
        self.contracts: list[Json] = list(release.get("contracts") or ())
        self.parties = Parties(release)
        self.needs = needs
        mark = release.get("hedgerow") or {}
        self.published = mark.get("published") is not False
        self.bids = [self._bid(bid) for bid in (release.get("bids") or {}).get("details") or ()]

    def process(self) -> Process:
        flags = Flags()
        tender, budget = self.tender, self.planning.get("budget") or {}
        value = tender.get("value") or budget.get("amount") or tender.get("minValue")
        period = tender.get("contractPeriod") or {}
        starts, ends = _first_and_last(period, flags)
        opening = tender.get("tenderPeriod") or {}
        notice = _day((tender.get("communication") or {}).get("futureNoticeDate"), flags)
        agreements = list(self._agreements())
        buyers = self._buyers(None)
        parties = [("buyer", key) for key in buyers]
        parties += [("bidder", key) for bid in self.bids for key in bid["bidder_ids"]]
        if not buyers:
            flags.add("no-buyer", "nobody is named as the buyer")
        fields = {
            "ocid": self.release["ocid"],
            "title": _title(tender.get("title"), self.release.get("title"), self.release["ocid"]),
            "description": tender.get("description") or self.planning.get("rationale"),
            "stage": self._stage(),
            "status": tender.get("status"),
            **self._procedure(),
            "published": self.published,
            "notice_on": notice,
            "opens_on": _day(opening.get("startDate"), flags) or notice,
            "closes_on": _day(opening.get("endDate"), flags),
            "starts": starts,
            "ends": ends,
            **_money(value, flags),
            "prior_ocid": self._related("prior"),
            "needs": self._needs(self.tender, self.planning, flags=flags),
            "area_codes": self._areas(self.tender, self.planning, flags=flags),
            "details": {
                "lots": [self._lot(lot, None) for lot in tender.get("lots") or ()],
                "bids": self.bids,
                "statistics": [
                    {"measure": one.get("measure"), "value": one.get("value"), "lot": one.get("relatedLot")}
                    for one in (self.release.get("bids") or {}).get("statistics") or ()
                    if not one.get("currency")
                ],
                "reserved": self._reserved(None),
                "flags": flags.rows(),
            },
        }
        return Process(fields, _unique(parties), self.parties, agreements)

    def _stage(self) -> str:
        if self.contracts:
            return "contract"
        if any(award.get("status") not in ("unsuccessful", "cancelled") for award in self.awards):
            return "award"
        is_planned = self.tender.get("status") in ("planning", "planned")
        has_notice = bool(self.tender.get("tenderPeriod")) or self.tender.get("status") is not None
        return "tender" if self.tender and has_notice and not is_planned else "planning"

    def _procedure(self) -> Json:
        tender, budget = self.tender, self.planning.get("budget") or {}
        programme = budget.get("project")
        return {
            "method": tender.get("procurementMethod"),
            "method_details": (tender.get("procurementMethodDetails") or "")[:500] or None,
            "category": tender.get("mainProcurementCategory"),
            "programme": programme.strip()[:500] or None if isinstance(programme, str) else None,
        }

    def _agreements(self) -> Iterator[Agreement]:
        """Awards in their order, each with its contracts; an award that came to nothing is none."""
        left = list(self.contracts)
        for award in self.awards:
            mine = [one for one in left if str(one.get("awardID")) == str(award["id"])]
            left = [one for one in left if one not in mine]
            for place, contract in enumerate(mine):
                yield self._agreement(str(contract["id"] if place else award["id"]), award, contract)
            if not mine and award.get("status") != "unsuccessful":
                yield self._agreement(str(award["id"]), award, None)
        for contract in left:
            yield self._agreement(str(contract["id"]), {}, contract)

    def _agreement(self, own_id: str, award: Json, contract: Json | None) -> Agreement:
        flags = Flags()
        said = contract or {}
        period = said.get("period") or award.get("contractPeriod") or self.tender.get("contractPeriod") or {}
        starts, ends = _first_and_last(period, flags)
        buyers = self._buyers(contract)
        suppliers = self._suppliers(award, said, flags)
        mark, award_mark = said.get("hedgerow") or {}, award.get("hedgerow") or {}
        options = self._options(said, award)
        subcontracts = self._subcontracts(award, said, suppliers, flags)
        funding = [self._funding(one, buyers) for one in said.get("finance") or ()]
        signed, awarded = _day(said.get("dateSigned"), flags), _day(award.get("date"), flags)
        decided = awarded or signed
        lead_in = None if decided is None or starts is None else (starts - decided).days
        if lead_in is not None and lead_in < 0:
            flags.add("starts-before-award", "it starts before the day of its award")
        if starts is not None and ends is not None and ends < starts:
            flags.add("ends-before-start", "it ends before it starts: its term is not known")
        opening = self.tender.get("tenderPeriod") or {}
        links = (mark, award_mark, self.tender.get("hedgerow") or {})
        fields = {
            "own_id": str(said["id"]) if contract else str(award["id"]),
            "award_id": str(award["id"]) if award else None,
            "ocid": self.release["ocid"],
            "title": _title(
                said.get("title"), award.get("title"), self.tender.get("title"), self.release["ocid"]
            ),
            "description": said.get("description")
            or award.get("description")
            or self.tender.get("description"),
            "stage": "contract" if contract else "award",
            "status": _status(said.get("status") or award.get("status")),
            **_money(said.get("value") or award.get("value"), flags),
            "starts": starts,
            "ends": ends,
            "extended_to": _furthest(period, ends, options, said, award, flags),
            "signed_on": signed,
            "awarded_on": awarded,
            "advertised_on": _day(opening.get("startDate") or self.tender.get("datePublished"), flags),
            "term_days": terms.term_days(starts, ends),
            "lead_in_days": lead_in,
            "is_under_three_years": terms.is_shorter(starts, ends, terms.SHORT_TERM_MONTHS),
            **self._procedure(),
            "published": self.published,
            "successor_ocid": _related(said, "renewalProcess") or _related(said, "replacementProcess"),
            "needs": self._needs(said, award, self.tender, self.planning, flags=flags),
            "area_codes": self._areas(said, award, self.tender, self.planning, flags=flags),
            "service_ids": list(dict.fromkeys(id for one in links for id in one.get("services") or ())),
            "details": {
                "lots": [self._lot(lot, (award, said, suppliers)) for lot in self._lots_of(award, said)],
                "bids": self._bids_of(award, said),
                "former_supplier_ids": self._former(),
                "subcontracts": subcontracts,
                "extensions": options,
                "amendments": list(_amendments(award, said)),
                "social_value": [
                    _social_value(one)
                    for one in mark.get("socialValue") or award_mark.get("socialValue") or ()
                ],
                "funding": funding,
                "whole_life_cost": _whole_life_cost(
                    mark.get("wholeLifeCost") or award_mark.get("wholeLifeCost")
                ),
                "reserved": self._reserved((award, said)),
                "implementation": self._implementation(said.get("implementation") or {}),
                "flags": [],
            },
        }
        fields["is_reserved"] = fields["details"]["reserved"] is not None
        fields["details"]["flags"] = flags.rows()
        parties = [("buyer", key) for key in buyers] + [("supplier", key) for key in suppliers]
        parties += [("subcontractor", one["to_id"]) for one in subcontracts if one["to_id"]]
        parties += [("funder", one["organisation_id"]) for one in funding if one["organisation_id"]]
        return Agreement(own_id, fields, _unique(parties))

    # Parties ------------------------------------------------------------------------------------------

    def _buyers(self, contract: Json | None) -> list[str]:
        """A contract's own buyer, else the process's: its `buyer` and every party of that role."""
        own = self.parties.key((contract or {}).get("buyer"))
        if own is not None:
            return [own]
        first = self.parties.key(self.release.get("buyer"))
        found = [*([first] if first else []), *self.parties.with_role("buyer")]
        return sorted(set(found) or self.parties.keys([self.tender.get("procuringEntity") or {}]))

    def _suppliers(self, award: Json, contract: Json, flags: Flags) -> list[str]:
        named = contract.get("suppliers") or award.get("suppliers") or ()
        found = self.parties.keys(named)
        amendments = [*(award.get("amendments") or ()), *(contract.get("amendments") or ())]
        for amendment in amendments:
            gone = self.parties.keys(_objects(amendment.get("suppliersRemoved")))
            found = [key for key in found if key not in gone]
            found = sorted({*found, *self.parties.keys(_objects(amendment.get("suppliersAdded")))})
        if not named:
            flags.add("no-supplier", "no supplier is named")
        elif len(found) < len(named) and not amendments:
            flags.add("supplier-not-named", "a supplier is named by a placeholder, or not at all")
        if any(self.parties.by_key[key].only_name for key in found):
            flags.add("supplier-by-name-only", "a supplier is known by its name alone: it has no identifier")
        if any(not self.parties.by_key[key].is_named for key in found):
            flags.add("supplier-without-name", "a supplier is known by its id alone: it has no name")
        return found

    def _former(self) -> list[str]:
        """Parties that were suppliers of the process once and have no agreement of it any more."""
        now = {key for one in (*self.awards, *self.contracts) for key in self._suppliers(one, {}, Flags())}
        return sorted(set(self.parties.with_role("supplier")) - now)

    def _bid(self, bid: Json) -> Json:
        lots = [str(lot) for lot in bid.get("relatedLots") or ()]
        bidders = self.parties.keys(bid.get("tenderers"))
        return {
            "id": str(bid["id"]),
            "status": bid.get("status"),
            "bidder_ids": bidders,
            "lot_ids": lots,
            **_priced(bid.get("value")),
            "won": any(self._wins(str(bid["id"]), bidders, lots, award) for award in self.awards),
        }

    def _wins(self, id: str, bidders: list[str], lots: list[str], award: Json) -> bool:
        if award.get("status") in ("cancelled", "unsuccessful"):
            return False
        related = {str(one) for one in (*(award.get("relatedBids") or ()), award.get("relatedBid")) if one}
        if related:
            return id in related
        shared = {str(lot) for lot in award.get("relatedLots") or ()}
        if shared and lots and not shared & set(lots):
            return False
        return bool(set(bidders) & set(self.parties.keys(award.get("suppliers"))))

    def _bids_of(self, award: Json, contract: Json) -> list[Json]:
        lots = set(_lot_ids(award, contract))
        return [bid for bid in self.bids if not lots or not bid["lot_ids"] or lots & set(bid["lot_ids"])]

    # Lots, subcontracts, money ------------------------------------------------------------------------

    def _lots_of(self, award: Json, contract: Json) -> list[Json]:
        lots = list(self.tender.get("lots") or ())
        wanted = _lot_ids(award, contract)
        if wanted:
            return [lot for lot in lots if str(lot["id"]) in wanted]
        return lots if len(self.awards) + len(self.contracts) <= 2 and len(self.awards) < 2 else []

    def _lot(self, lot: Json, of: tuple[Json, Json, list[str]] | None) -> Json:
        own = self.parties.keys(_objects((lot.get("hedgerow") or {}).get("suppliers")))
        if not own and of is not None:
            own = of[2]
        return {
            "id": str(lot["id"]),
            "title": lot.get("title"),
            "status": lot.get("status"),
            "supplier_ids": own,
            **_priced(lot.get("value")),
        }

    def _subcontracts(self, award: Json, contract: Json, suppliers: list[str], flags: Flags) -> list[Json]:
        rows: list[Json] = []
        for section in (award, contract):
            for one in (section.get("subcontracting") or {}).get("subcontracts") or ():
                payers = self.parties.keys(one.get("tenderers")) or (suppliers if len(suppliers) == 1 else [])
                payee = self.parties.key(one.get("subcontractor"))
                if payee is None:
                    flags.add("subcontractor-not-named", "a subcontractor is not named")
                mark = one.get("hedgerow") or {}
                for payer in (*payers,) or (None,):
                    rows.append(
                        {
                            "id": str(one["id"]),
                            "from_id": payer,
                            "to_id": payee,
                            "tier": mark.get("tier"),
                            "fee_share": mark.get("feeShare"),
                            **_priced(mark.get("value")),
                        }
                    )
        _set_tiers(rows, suppliers)
        return rows

    def _funding(self, one: Json, buyers: list[str]) -> Json:
        party = self.parties.key(one.get("financingParty"))
        return {
            "id": str(one["id"]),
            "title": one.get("title"),
            "organisation_id": party,
            "own": party is not None and party in buyers,
            **_priced(one.get("value")),
        }

    def _options(self, contract: Json, award: Json) -> list[Json]:
        mark, award_mark = contract.get("hedgerow") or {}, award.get("hedgerow") or {}
        return [
            {
                "id": str(one["id"]),
                "description": one.get("description"),
                "months": one.get("months"),
                "until": _day(one.get("until"), Flags()),
                "used": one.get("used") is True,
            }
            for one in mark.get("extensionOptions") or award_mark.get("extensionOptions") or ()
        ]

    def _reserved(self, of: tuple[Json, Json] | None) -> Json | None:
        lots = [] if of is None else self._lots_of(*of)
        sections = [self.tender, *(lots if of is not None else self.tender.get("lots") or ())]
        codes = [
            str(code)
            for section in sections
            for code in (section.get("otherRequirements") or {}).get("reservedParticipation") or ()
        ]
        if not codes:
            return None
        under = (self.tender.get("hedgerow") or {}).get("reservedUnder")
        return {"for": list(dict.fromkeys(codes)), "under": under}

    def _implementation(self, said: Json) -> Json:
        return {
            "transactions": [
                {
                    "id": str(one["id"]),
                    "date": _day(one.get("date"), Flags()),
                    "payer_id": self.parties.key(one.get("payer")),
                    "payee_id": self.parties.key(one.get("payee")),
                    **_priced(one.get("value") or one.get("amount")),
                }
                for one in said.get("transactions") or ()
            ],
            "milestones": [
                {
                    "id": str(one["id"]),
                    "title": one.get("title"),
                    "status": one.get("status"),
                    "due": _day(one.get("dueDate"), Flags()),
                    "met": _day(one.get("dateMet"), Flags()),
                }
                for one in said.get("milestones") or ()
            ],
        }

    # Links --------------------------------------------------------------------------------------------

    def _needs(self, *sections: Json, flags: Flags) -> list[str]:
        found = list(self.needs.values())
        for section in sections:
            for need in (section.get("hedgerow") or {}).get("needs") or ():
                try:
                    found.append(taxonomy.need_id(*taxonomy.split(need)))
                except Malformed:
                    flags.add("need-unreadable", "a need it names is not written taxonomy:term")
        return sorted(set(found))

    def _areas(self, *sections: Json, flags: Flags) -> list[str]:
        found: list[str] = []
        for section in sections:
            for code in (section.get("hedgerow") or {}).get("areas") or ():
                try:
                    found.append(gss.area_code(code))
                except Malformed:
                    flags.add("area-unreadable", "an area it names is no area code")
            for item in section.get("items") or ():
                found += [code for code in _gazetteer(item) if gss.is_gss(code)]
        return sorted(set(found))

    def _related(self, relationship: str) -> str | None:
        return _related(self.release, relationship)


def _unique(parties: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys(parties))


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _title(*said: Any) -> str:
    """The first title that says something, its spaces single."""
    for one in said:
        text = " ".join(one.split()) if isinstance(one, str) else ""
        if text:
            return text[:LONGEST_TITLE]
    return "untitled"


def _status(said: str | None) -> str | None:
    return "cancelled" if said == "unsuccessful" else said


def _day(text: Any, flags: Flags) -> date | None:
    at = moment(text) if isinstance(text, str) else None
    if at is None:
        return None
    # The day as it was written: midnight of British Summer Time is the evening before in UTC.
    day = date.fromisoformat(text.strip()[:10])
    if is_placeholder_day(day):
        flags.add("placeholder-date", "a date is one that systems write for none: it was not taken")
        return None
    return day


def _money(value: Json | None, flags: Flags) -> Json:
    priced = _priced(value)
    if priced["amount"] is not None and is_placeholder_amount(priced["amount"]):
        flags.add("placeholder-value", "the value looks like one that forms are filled with")
    if priced["amount"] is not None and priced["currency"] is None:
        flags.add("no-currency", "the value has no currency: it is not counted as pounds")
    return priced


def _priced(value: Json | None) -> Json:
    amount, currency = (value or {}).get("amount"), (value or {}).get("currency")
    amount = None if amount is None or abs(amount) > 1e15 else float(amount)
    return {
        "amount": amount,
        "currency": None if amount is None else currency,
        "value_gbp": amount if currency == "GBP" else None,
    }


def _lot_ids(award: Json, contract: Json) -> list[str]:
    found = [*(award.get("relatedLots") or ()), *(contract.get("relatedLots") or ())]
    for section in (award, contract):
        found += [item["relatedLot"] for item in section.get("items") or () if item.get("relatedLot")]
    return list(dict.fromkeys(str(lot) for lot in found))


def _set_tiers(rows: list[Json], suppliers: list[str]) -> None:
    """Number the tiers that are not said: 1 is paid by a supplier, each further one by the tier above."""
    tier_of = dict.fromkeys(suppliers, 0)
    for _ in rows:
        for row in rows:
            above = tier_of.get(row["from_id"])
            if above is not None and row["to_id"] is not None:
                tier_of.setdefault(row["to_id"], above + 1)
    for row in rows:
        if row["tier"] is None:
            above = tier_of.get(row["from_id"])
            row["tier"] = 1 if above is None else above + 1


def _first_and_last(period: Json, flags: Flags) -> tuple[date | None, date | None]:
    """The days of a period, both included; the last by its length where only that is said."""
    starts, ends = _day(period.get("startDate"), flags), _day(period.get("endDate"), flags)
    days = period.get("durationInDays") or 0
    if starts is None or ends is not None or days < 1:
        return starts, ends
    try:
        return starts, starts + timedelta(days=days - 1)
    except OverflowError:
        flags.add("length-unreadable", "it lasts beyond any date")
        return starts, None


def _furthest(
    period: Json, ends: date | None, options: list[Json], contract: Json, award: Json, flags: Flags
) -> date | None:
    stated = _day(period.get("maxExtentDate"), flags)
    if stated is not None:
        return stated if ends is None or stated > ends else None
    try:
        if options:
            return terms.extended_to(ends, [(one["months"], one["until"], one["used"]) for one in options])
        renewal = contract.get("renewal") or award.get("renewal") or {}
        length = renewal.get("period") or {}
        until = _day(length.get("maxExtentDate") or length.get("endDate"), flags)
        times = renewal.get("maximumRenewals") or 1
        months = length.get("durationInMonths") or round((length.get("durationInDays") or 0) * 12 / 365.25)
        return terms.extended_to(ends, [(months * times, until, False)])
    except OverflowError:
        flags.add("extension-unreadable", "its extensions go beyond any date")
        return None


def _amendments(award: Json, contract: Json) -> Iterator[Json]:
    for section in (award, contract):
        listed = [*(section.get("amendments") or ()), section.get("amendment")]
        for one in listed:
            if one:
                yield {
                    "id": one.get("id"),
                    "date": _day(one.get("date"), Flags()),
                    "description": one.get("description"),
                    "rationale": one.get("rationale"),
                }


def _social_value(one: Json) -> Json:
    return {
        "id": str(one["id"]),
        "measure": one.get("measure"),
        "unit": one.get("unit"),
        "claimed": one.get("claimed"),
        "evidenced": one.get("evidenced"),
        "evidence": one.get("evidence"),
        "date": _day(one.get("date"), Flags()),
    }


def _whole_life_cost(said: Json | None) -> Json | None:
    if not said:
        return None
    return {
        **_priced(said.get("value")),
        "years": said.get("years"),
        "parts": [
            {"id": str(one["id"]), "title": one.get("title"), **_priced(one.get("value"))}
            for one in said.get("parts") or ()
        ],
    }


def _related(section: Json | Mapping[str, Any], relationship: str) -> str | None:
    for one in section.get("relatedProcesses") or ():
        identifier = one.get("identifier")
        if relationship in (one.get("relationship") or ()) and identifier:
            return str(identifier)[:300]
    return None


def _gazetteer(item: Json) -> list[str]:
    places = [item.get("deliveryLocation"), *_objects(item.get("deliveryLocations"))]
    found = []
    for place in places:
        gazetteer = place.get("gazetteer") if isinstance(place, dict) else None
        codes = gazetteer.get("identifiers") if isinstance(gazetteer, dict) else None
        found += [code for code in codes if isinstance(code, str)] if isinstance(codes, list) else []
    return found
