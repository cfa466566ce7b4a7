"""The kind `contracts`: a council's contracts register as a flat file, one row a contract or a plan."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions.contracting import process_id
from hedgerow_registry.actions.contracts import Change, write_changes
from hedgerow_registry.actions.records import digest
from hedgerow_registry.domain import contracts as terms
from hedgerow_registry.domain import gss, identifiers, ids, taxonomy, words
from hedgerow_registry.domain.ocds import writing
from hedgerow_registry.domain.ocds.currencies import CURRENCIES
from hedgerow_registry.domain.ocds.placeholders import is_placeholder
from hedgerow_registry.domain.ocds.shape import METHODS
from hedgerow_registry.imports.rows import (
    MEDIA_TYPES,
    OPTIONS,
    Rejected,
    Row,
    Seen,
    parsed,
    provenance,
    reader,
    source_of,
)

REQUIRED = ("id", "title")
OPTIONAL = (
    *("ocid", "description", "status", "method", "category", "programme", "published"),
    *("buyer_id", "buyer_name", "buyer_identifiers"),
    *("supplier_id", "supplier_name", "supplier_identifiers", "supplier_size", "supplier_vcse"),
    *("value", "currency", "start", "end", "extension_months", "extended_to"),
    *("awarded_on", "signed_on", "advertised_on"),
    *("needs", "area_codes", "service_ids", "reserved_for", "reserved_under"),
)
PLANNED: Final = "planned"
_STATUSES: Final = {
    "": "active",
    "live": "active",
    "current": "active",
    "expired": "terminated",
    "ended": "terminated",
    "closed": "terminated",
    **{status: status for status in (*terms.CONTRACT_STATUSES, PLANNED)},
}
_METHODS: Final = {
    "open procedure": "open",
    "restricted": "selective",
    "restricted procedure": "selective",
    "framework": "selective",
    "call-off": "selective",
    "quotation": "limited",
    "invitation to quote": "limited",
    "direct award": "direct",
    **{method: method for method in METHODS},
}
_CATEGORIES: Final = ("goods", "works", "services")
_PARTS: Final = ("lots", "bids", "subcontracts", "amendments", "social_value", "funding")
_YES: Final = ("yes", "y", "true", "1")
_NO: Final = ("no", "n", "false", "0")


class _Written(NamedTuple):
    """A row as it will be written: the process it is of, and how it changes it."""

    ocid: str
    change: Change
    tag: str


def _contract(row: Row, source: str) -> dict[str, Any]:
    status = _word(row, "status", _STATUSES)
    start, end = row.read_maybe("start", words.day), row.read_maybe("end", words.day)
    if start is not None and end is not None and end < start:
        raise Rejected("it ends before it starts", "end")
    reserved = row.parts("reserved_for")
    return {
        "id": row.needed("id"),
        "ocid": row.maybe("ocid"),
        "title": row.needed("title"),
        "description": row.maybe("description"),
        "status": status,
        "method": _method(row),
        "category": _category(row),
        "programme": row.maybe("programme"),
        "published": _flag(row, "published") is not False,
        "buyers": _bodies(row, "buyer"),
        "suppliers": _bodies(row, "supplier"),
        "value": _value(row),
        "start": start,
        "end": end,
        "extensions": _extensions(row),
        "extended_to": row.read_maybe("extended_to", words.day),
        "awarded_on": row.read_maybe("awarded_on", words.day),
        "signed_on": row.read_maybe("signed_on", words.day),
        "advertised_on": row.read_maybe("advertised_on", words.day),
        "needs": [row.checked("needs", _need, need) for need in row.parts("needs")],
        "area_codes": [row.checked("area_codes", gss.area_code, code) for code in row.parts("area_codes")],
        "services": [ids.record_id(source, "service", one) for one in row.parts("service_ids")],
        "reserved": {"for": reserved, "under": row.maybe("reserved_under")} if reserved else None,
    }


def _need(text: str) -> str:
    return taxonomy.need_id(*taxonomy.split(text))


def _word(row: Row, column: str, known: dict[str, str]) -> str:
    said = " ".join(row.text(column).casefold().split())
    if said not in known:
        choices = dict.fromkeys(known.values())
        raise Rejected(f"one of {', '.join(choices)}", column)
    return known[said]


def _method(row: Row) -> str | None:
    said = " ".join(row.text("method").casefold().split())
    if said and said not in _METHODS:
        row.note(f"the method was left out: one of {', '.join(METHODS)}", "method")
    return _METHODS.get(said)


def _category(row: Row) -> str | None:
    said = row.text("category").casefold()
    if said and said not in _CATEGORIES:
        row.note(f"the category was left out: one of {', '.join(_CATEGORIES)}", "category")
    return said if said in _CATEGORIES else None


def _flag(row: Row, column: str) -> bool | None:
    said = row.text(column).casefold()
    if not said:
        return None
    if said not in _YES and said not in _NO:
        raise Rejected("yes or no", column)
    return said in _YES


def _value(row: Row) -> dict[str, Any] | None:
    amount = row.read_maybe("value", _amount)
    currency = (row.text("currency") or "GBP").upper()
    if currency not in CURRENCIES:
        raise Rejected("not a code of ISO 4217", "currency")
    return None if amount is None else {"amount": amount, "currency": currency}


def _amount(text: str) -> float:
    return words.number(text.removeprefix("£").strip())


def _months(text: str) -> int:
    return words.whole(text, least=1, most=1200)


def _extensions(row: Row) -> list[dict[str, Any]]:
    months = row.read_maybe("extension_months", _months)
    if months is None:
        return []
    return [{"id": "1", "description": None, "months": months, "until": None, "used": False}]


def _bodies(row: Row, role: str) -> list[dict[str, Any]]:
    """The buyers or suppliers of a row: `;` parts several, ids and identifiers then go in the same order."""
    names = [name.strip() for name in row.text(f"{role}_name").split(";")]
    external = [id.strip() for id in row.text(f"{role}_id").split(";")]
    numbers = [number.strip() for number in row.text(f"{role}_identifiers").split(";")]
    if len(names) == 1:
        numbers = [";".join(numbers)]
    for column, listed in ((f"{role}_id", external), (f"{role}_identifiers", numbers)):
        if any(listed) and len(listed) != len(names):
            raise Rejected(f"as many as names: {len(names)}, separated by ;", column)
    made = []
    for place, name in enumerate(names):
        id = external[place] if len(external) == len(names) else ""
        if is_placeholder(name):
            if name or id:
                row.note(f"a {role} was left out: a placeholder is no name", f"{role}_name")
            continue
        good, bad = identifiers.identifiers(numbers[place] if len(numbers) == len(names) else "")
        for reason in bad:
            row.note(f"an identifier was left out: {reason}", f"{role}_identifiers")
        body: dict[str, Any] = {"id": id or None, "name": name, "identifiers": [tuple(one) for one in good]}
        if role == "supplier" and len(names) == 1:
            body |= {"scale": row.maybe("supplier_size"), "vcse": _flag(row, "supplier_vcse")}
        made.append(body)
    return made


def _written(fields: dict[str, Any], source: str) -> _Written:
    own: str = fields["id"]
    ocid = fields["ocid"] or f"hedgerow-{ids.record_id(source, 'contract', own)}"
    told = {name: value for name, value in fields.items() if name not in ("id", "ocid")}
    if fields["status"] == PLANNED:
        plan = {**told, "opens_on": fields["advertised_on"], "closes_on": None, "notice_on": None}
        return _Written(ocid, lambda release: writing.with_plan(release, plan), "planning")
    whole = {
        **told,
        **{name: [] for name in _PARTS},
        "whole_life_cost": None,
        "successor_ocid": None,
    }
    return _Written(ocid, lambda release: writing.with_contract(release, own, own, whole), "contract")


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    source = source_of(run)
    rows, outcomes = parsed(batch, lambda row: _contract(row, source), key=["id"])
    seen = Seen.of(run)
    good: list[tuple[Row, _Written]] = []
    for row, fields in rows:
        made = _written(fields, source)
        stamp = digest(fields)
        key = ("contract", process_id(source, made.ocid), fields["id"])
        first = seen.contradicted(key, stamp, row.place)
        if stamp is None:
            outcomes.append(row.rejected(Rejected("a text holds NUL or half a surrogate pair")))
        elif first is not None:
            reason = f"{first} says otherwise of the same contract: the first row stands"
            outcomes.append(row.rejected(Rejected(reason, "id")))
        else:
            good.append((row, made))
    results = write_changes(session, [(made.ocid, made.change, made.tag) for _, made in good], by)
    return outcomes + [row.outcome(result) for (row, _), result in zip(good, results, strict=True)]


KIND = Kind(
    name="contracts",
    summary="Import contracts and plans from a flat contracts register",
    read=reader(REQUIRED, OPTIONAL),
    write=write,
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
