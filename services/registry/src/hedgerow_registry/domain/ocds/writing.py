"""A contract or a plan written into its process, the other way round from `agreements`.

What is written replaces what the registry has words for; other fields of the process stay. The result is a
whole release: what it leaves out is no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from hedgerow_registry.domain.ocds.parties import Parties

Json = dict[str, Any]
# A body with a part in it: `id` as the process names it (or none), `name`, `identifiers` as (scheme, number).
Body = Mapping[str, Any]

_AWARD_STATUS: Final = {"terminated": "active"}
_LINKS: Final = (("needs", "needs"), ("area_codes", "areas"), ("services", "services"))


def new_process(ocid: str) -> Json:
    """The empty compiled release of a process."""
    return {"ocid": ocid, "initiationType": "tender", "language": "en"}


def with_contract(
    release: Mapping[str, Any], award_id: str, contract_id: str, fields: Mapping[str, Any]
) -> Json:
    """The compiled release of a process with a contract written into it.

    award_id, contract_id: its own ids in the process · fields: as `ContractBody` has them, with the bodies
    themselves where that has their ids: `buyers`, `suppliers`, `bidders` of bids, `from` and `to` of
    subcontracts, `funder` of funding. A field that is empty or `None` is taken away.
    """
    made = _Writing(release)
    alone = len(made.release.get("awards") or ()) <= 1 and len(made.release.get("contracts") or ()) <= 1
    made.buyers(fields["buyers"])
    made.procedure(fields)
    award = made.entry("awards", award_id)
    contract = made.entry("contracts", contract_id)
    suppliers = made.references(fields["suppliers"], "supplier")
    lots = made.lots(fields["lots"], suppliers, whole=alone)
    bids = made.bids(fields["bids"], whole=alone)
    status = fields["status"]
    # Where options are listed the furthest end follows from them.
    furthest = None if fields["extensions"] else fields["extended_to"]
    _set(
        award,
        status=_AWARD_STATUS.get(status, status),
        date=_moment(fields["awarded_on"]),
        suppliers=suppliers,
        relatedLots=lots,
        relatedBids=bids,
        value=_value(fields["value"]),
        subcontracting=made.subcontracting(award, fields["subcontracts"]),
        hasSubcontracting=True if fields["subcontracts"] else None,
    )
    _set(
        contract,
        awardID=award_id,
        title=fields["title"],
        description=fields["description"],
        status=status,
        period=_period(contract.get("period"), fields["start"], fields["end"], furthest),
        value=_value(fields["value"]),
        dateSigned=_moment(fields["signed_on"]),
        suppliers=suppliers,
        amendments=[_amendment(one) for one in fields["amendments"]],
        finance=made.finance(fields["funding"]),
        relatedProcesses=_followed_by(contract.get("relatedProcesses"), fields["successor_ocid"]),
        # What amendments did to the suppliers is in the list of suppliers now.
        amendment=None,
    )
    _mark(
        contract,
        **{theirs: fields[ours] for ours, theirs in _LINKS},
        extensionOptions=[_option(one) for one in fields["extensions"]],
        socialValue=[_social_value(one) for one in fields["social_value"]],
        wholeLifeCost=_whole_life_cost(fields["whole_life_cost"]),
    )
    # The links of the contract are said here alone, or a need taken away would come back from the tender.
    for section in (award, made.release.get("tender") or {}, made.release.get("planning") or {}):
        _mark(section, needs=None, areas=None, services=None)
    _mark(award, extensionOptions=None, socialValue=None, wholeLifeCost=None)
    made.publish(fields["published"])
    return made.release


def without_contract(release: Mapping[str, Any], award_id: str | None, contract_id: str) -> Json:
    """The compiled release of a process without a contract, and without its award if no other has it."""
    made = deepcopy(dict(release))
    left = [one for one in made.get("contracts") or () if str(one["id"]) != contract_id]
    shared = any(str(one.get("awardID")) == award_id for one in left)
    awards = [
        one for one in made.get("awards") or () if shared or str(one["id"]) not in (award_id, contract_id)
    ]
    _set(made, contracts=left, awards=awards)
    return made


def with_plan(release: Mapping[str, Any], fields: Mapping[str, Any]) -> Json:
    """The compiled release of a process with a plan written into it; `fields` as `PlanBody` has them."""
    made = _Writing(release)
    made.buyers(fields["buyers"])
    made.procedure({**fields, "advertised_on": fields["opens_on"]})
    tender, planning = made.section("tender"), made.section("planning")
    _set(
        tender,
        title=fields["title"],
        description=fields["description"],
        status=fields["status"],
        value=_value(fields["value"]),
        tenderPeriod=_period(tender.get("tenderPeriod"), fields["opens_on"], fields["closes_on"], None),
        contractPeriod=_period(tender.get("contractPeriod"), fields["start"], fields["end"], None),
        communication=_without_empty({"futureNoticeDate": _moment(fields["notice_on"])}),
    )
    _mark(tender, needs=fields["needs"], areas=fields["area_codes"])
    _mark(planning, needs=None, areas=None)
    made.publish(fields["published"])
    return made.release


def whole_release(release: Mapping[str, Any], *, at: datetime, after: datetime | None, tag: str) -> Json:
    """The release by which a process is what it is written to be, dated after all that are held.

    at: now · after: the date of the last release held.
    """
    moment = at if after is None else max(at, after + timedelta(milliseconds=1))
    text = moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    mark = {**(release.get("hedgerow") or {}), "whole": True}
    return {**release, "id": f"hedgerow-{text}", "date": text, "tag": [tag], "hedgerow": mark}


class _Writing:
    """A process being written: its release, and the parties it names."""

    def __init__(self, release: Mapping[str, Any]) -> None:
        self.release: Json = deepcopy(dict(release))

    def section(self, name: str) -> Json:
        section: Json = self.release.setdefault(name, {})
        if name == "tender":
            section.setdefault("id", self.release["ocid"])
        return section

    def entry(self, section: str, id: str) -> Json:
        listed: list[Json] = self.release.setdefault(section, [])
        for one in listed:
            if str(one["id"]) == id:
                return one
        made: Json = {"id": id}
        listed.append(made)
        return made

    def references(self, bodies: Sequence[Body], role: str) -> list[Json]:
        return [self.reference(body, role) for body in bodies]

    def reference(self, body: Body, role: str | None) -> Json:
        """A reference to a body, which becomes a party of that role if it is none yet."""
        parties: list[Json] = self.release.setdefault("parties", [])
        known = Parties({"parties": parties})
        key = known.key({"id": body["id"], "name": body["name"]})
        party = next((one for one in parties if known.key(one) == key), None) if key else None
        if party is None:
            party = _without_empty({"id": body["id"], "name": body["name"]})
            identifiers = [{"scheme": scheme, "id": number} for scheme, number in body["identifiers"]]
            if identifiers:
                party["identifier"], more = identifiers[0], identifiers[1:]
                _set(party, additionalIdentifiers=more)
            _set(party, details=_without_empty({"scale": body.get("scale"), "vcse": body.get("vcse")}))
            parties.append(party)
        if role is not None and role not in (party.get("roles") or ()):
            party["roles"] = [*(party.get("roles") or ()), role]
        return _without_empty({"id": party.get("id"), "name": party.get("name")})

    def buyers(self, bodies: Sequence[Body]) -> None:
        for party in self.release.get("parties") or ():
            roles = [role for role in party.get("roles") or () if role != "buyer"]
            _set(party, roles=roles)
        for contract in self.release.get("contracts") or ():
            contract.pop("buyer", None)
        references = self.references(bodies, "buyer")
        if self.release.get("buyer") not in references:
            _set(self.release, buyer=references[0] if references else None)

    def procedure(self, fields: Mapping[str, Any]) -> None:
        tender, reserved = self.section("tender"), fields["reserved"] or {}
        tender.setdefault("title", fields["title"])
        requirements = {**(tender.get("otherRequirements") or {})}
        _set(requirements, reservedParticipation=reserved.get("for"))
        opened = _period(tender.get("tenderPeriod"), fields["advertised_on"], _KEEP, None)
        _set(
            tender,
            procurementMethod=fields["method"],
            mainProcurementCategory=fields["category"],
            otherRequirements=requirements,
            tenderPeriod=opened,
        )
        _mark(tender, reservedUnder=reserved.get("under"))
        planning = self.section("planning")
        budget = {**(planning.get("budget") or {})}
        _set(budget, project=fields["programme"])
        _set(planning, budget=budget)
        if not planning:
            del self.release["planning"]

    def lots(self, lots: Sequence[Mapping[str, Any]], suppliers: Sequence[Json], *, whole: bool) -> list[str]:
        """Write lots into the tender; gives their ids. Unless these are all, the others stay."""
        tender = self.section("tender")
        named = {lot["id"] for lot in lots}
        by_id = {
            str(one["id"]): one for one in tender.get("lots") or () if not whole or str(one["id"]) in named
        }
        for lot in lots:
            entry = by_id.setdefault(lot["id"], {"id": lot["id"]})
            _set(entry, title=lot["title"], status=lot["status"], value=_value(lot["value"]))
            own = self.references(lot["suppliers"], "supplier")
            # Whoever has the contract has the lot, unless it is said otherwise.
            _mark(entry, suppliers=None if _alike(own, suppliers) else own)
        _set(tender, lots=list(by_id.values()))
        return [lot["id"] for lot in lots]

    def bids(self, bids: Sequence[Mapping[str, Any]], *, whole: bool) -> list[str]:
        """Write bids into the process; gives the ids of those that won. Unless these are all, others stay."""
        section: Json = self.release.get("bids") or {}
        named = {bid["id"] for bid in bids}
        by_id = {
            str(one["id"]): one
            for one in section.get("details") or ()
            if not whole or str(one["id"]) in named
        }
        for bid in bids:
            entry = by_id.setdefault(bid["id"], {"id": bid["id"]})
            _set(
                entry,
                status=bid["status"],
                tenderers=self.references(bid["bidders"], "tenderer"),
                value=_value(bid["value"]),
                relatedLots=bid["lot_ids"],
            )
        _set(section, details=list(by_id.values()))
        _set(self.release, bids=section)
        return [bid["id"] for bid in bids if bid["won"]]

    def subcontracting(self, award: Json, rows: Sequence[Mapping[str, Any]]) -> Json:
        section = {**(award.get("subcontracting") or {})}
        listed = []
        for row in rows:
            entry: Json = {"id": row["id"]}
            _set(
                entry,
                tenderers=[self.reference(row["from"], None)] if row["from"] else None,
                subcontractor=self.reference(row["to"], "subcontractor") if row["to"] else None,
            )
            _mark(entry, tier=row["tier"], feeShare=row["fee_share"], value=_value(row["value"]))
            listed.append(entry)
        _set(section, subcontracts=listed)
        return section

    def finance(self, rows: Sequence[Mapping[str, Any]]) -> list[Json]:
        return [
            _without_empty(
                {
                    "id": row["id"],
                    "title": row["title"],
                    "financingParty": self.reference(row["funder"], "funder") if row["funder"] else None,
                    "value": _value(row["value"]),
                }
            )
            for row in rows
        ]

    def publish(self, published: bool) -> None:
        mark = {**(self.release.get("hedgerow") or {}), "published": published}
        if published:
            del mark["published"]
        _set(self.release, hedgerow=mark)


_KEEP: Final = date.min


def _alike(first: Sequence[Json], second: Sequence[Json]) -> bool:
    return all(one in second for one in first) and len(first) in (0, len(second))


def _set(target: Json, **values: Any) -> None:
    """Set fields; one that is empty is taken away."""
    for name, value in values.items():
        if value is None or value == [] or value == {}:
            target.pop(name, None)
        else:
            target[name] = value


def _mark(target: Json, **values: Any) -> None:
    """Set fields of a section's `hedgerow` object."""
    mark = {**(target.get("hedgerow") or {})}
    _set(mark, **values)
    _set(target, hedgerow=mark)


def _without_empty(values: Mapping[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _moment(day: date | None) -> str | None:
    return None if day is None else f"{day.isoformat()}T00:00:00Z"


def _period(held: Json | None, start: date | None, end: date | None, furthest: date | None) -> Json | None:
    """A period of days; a moment that falls on its day already keeps its hour."""
    made = {**(held or {})}
    for name, day in (("startDate", start), ("endDate", end), ("maxExtentDate", furthest)):
        before = made.get(name)
        if day is _KEEP or (isinstance(before, str) and day is not None and before[:10] == day.isoformat()):
            continue
        _set(made, **{name: _moment(day)})
    made.pop("durationInDays", None)
    return made or None


def _value(value: Mapping[str, Any] | None) -> Json | None:
    return None if value is None or value["amount"] is None else _without_empty(dict(value))


def _amendment(one: Mapping[str, Any]) -> Json:
    return _without_empty(
        {
            "id": one["id"],
            "date": _moment(one["date"]),
            "description": one["description"],
            "rationale": one["rationale"],
        }
    )


def _option(one: Mapping[str, Any]) -> Json:
    return _without_empty({**one, "until": _moment(one["until"])})


def _social_value(one: Mapping[str, Any]) -> Json:
    return _without_empty({**one, "date": _moment(one["date"])})


def _whole_life_cost(cost: Mapping[str, Any] | None) -> Json | None:
    if cost is None:
        return None
    parts = [
        _without_empty({"id": one["id"], "title": one["title"], "value": _value(one["value"])})
        for one in cost["parts"]
    ]
    return _without_empty({"value": _value(cost["value"]), "years": cost["years"], "parts": parts})


def _followed_by(held: Iterable[Json] | None, ocid: str | None) -> list[Json]:
    kept = [
        one
        for one in held or ()
        if not {"renewalProcess", "replacementProcess"} & set(one.get("relationship") or ())
    ]
    if ocid is not None:
        kept.append(
            {"id": "successor", "relationship": ["renewalProcess"], "scheme": "ocid", "identifier": ocid}
        )
    return kept
