"""The kind `ownership`: who holds what in whom, as flat rows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities, records
from hedgerow_registry.domain import identifiers, ids, interests, words
from hedgerow_registry.imports.rows import (
    MEDIA_TYPES,
    OPTIONS,
    Awaited,
    Rejected,
    Row,
    parsed,
    provenance,
    reader,
    settled,
    source_of,
    taken,
)
from hedgerow_registry.store.directory import (
    known_organisations,
    organisations_identified,
    organisations_named,
)

REQUIRED = ("interest_type",)
OPTIONAL = (
    "id",
    "subject_id",
    "subject_identifier",
    "owner_id",
    "owner_identifier",
    "owner_name",
    "owner_kind",
    "share_exact",
    "share_min",
    "share_max",
    "direct",
    "start",
    "end",
    "evidence",
    "evidence_url",
    "stated_on",
)
_DIRECTNESS: Mapping[str, str] = {
    **dict.fromkeys(("direct", "yes", "true", "1"), "direct"),
    **dict.fromkeys(("indirect", "no", "false", "0"), "indirect"),
    **dict.fromkeys(("", "unknown"), "unknown"),
}
_EMPTY = {"owner_ids": [], "aliases": [], "status": "active"}


@dataclass(frozen=True)
class _Party:
    """An organisation as a row names it: by the id its source gives it, else an identifier, else a name."""

    id: str | None
    identifier: identifiers.Identifier | None
    name: str | None
    column: str


def _party(row: Row, source: str, which: str) -> _Party | None:
    external = row.maybe(f"{which}_id")
    number = row.read_maybe(f"{which}_identifier", identifiers.identifier)
    name = row.maybe(f"{which}_name") if which == "owner" else None
    if external is None and number is None and name is None:
        return None
    column = f"{which}_id" if external else f"{which}_identifier" if number else f"{which}_name"
    made = None if external is None else ids.record_id(source, "organisation", external)
    return _Party(made, number, name, column)


def _owner_kind(row: Row) -> str:
    said = row.text("owner_kind").casefold()
    named = any(row.text(column) for column in ("owner_id", "owner_identifier"))
    if not said:
        if row.text("owner_name") and not named:
            # Nobody can tell a firm's name from a private person's, and of people nothing is kept.
            raise Rejected("with a name only, say whether it is an organisation or a person", "owner_kind")
        return interests.ORGANISATION if named else interests.UNKNOWN
    if said not in interests.OWNER_KINDS:
        raise Rejected(f"one of {', '.join(interests.OWNER_KINDS)}", "owner_kind")
    return said


def _share(row: Row) -> interests.Share | None:
    bounds = {
        name: row.read_maybe(column, interests.percent)
        for name, column in (("exact", "share_exact"), ("least", "share_min"), ("most", "share_max"))
    }
    return row.checked("share_min", interests.share, **bounds)


def _until(row: Row, start: date | None) -> date | None:
    """`end` is the last day on which the interest holds, as in all flat files here."""
    last = row.read_maybe("end", words.day)
    if last is not None and start is not None and last < start:
        raise Rejected("it ends before it starts", "end")
    return interests.day_after(last)


def _interest(row: Row, source: str, seen: "Counter[tuple[Any, ...]]") -> dict[str, Any]:
    subject = _party(row, source, "subject")
    if subject is None:
        raise Rejected("a subject_id or a subject_identifier is needed", "subject_id")
    kind = _owner_kind(row)
    owner = _party(row, source, "owner") if kind == interests.ORGANISATION else None
    if kind == interests.ORGANISATION and owner is None:
        raise Rejected("an organisation needs an owner_id, an owner_identifier or an owner_name", "owner_id")
    directness = _DIRECTNESS.get(row.text("direct").casefold())
    if directness is None:
        raise Rejected("direct, indirect or unknown", "direct")
    start = row.read_maybe("start", words.day)
    type, share = (
        row.checked("interest_type", interests.interest_type, row.text("interest_type")),
        _share(row),
    )
    external = row.maybe("id")
    key: tuple[Any, ...] = (subject, owner, kind, row.text("owner_id"), type, directness, start)
    # Two people may hold the same in the same body: of rows alike but for a name, which is not kept, each
    # counts.
    if kind in (interests.PERSON, interests.UNKNOWN) and external is None and not row.text("owner_id"):
        key = (*key, share)
        seen[key] += 1
        key = (*key, seen[key])
    id = ids.record_id(source, "interest", external or repr(key))
    if kind != interests.ORGANISATION and row.text("owner_name"):
        row.note("the name of an owner that is no organisation is not kept", "owner_name")
    return {
        "id": id,
        "subject": subject,
        "owner": owner,
        "owner_id": None if owner else ids.record_id(source, kind, row.text("owner_id") or id),
        "owner_kind": kind,
        "type": type,
        "share_low": None if share is None else share.low,
        "share_high": None if share is None else share.high,
        "low_open": share is not None and share.over,
        "high_open": share is not None and share.under,
        "directness": directness,
        "starts_on": start,
        "until": _until(row, start),
        "statement_id": external,
        "stated_on": row.read_maybe("stated_on", words.day),
        "evidence": row.maybe("evidence"),
        "evidence_url": row.maybe("evidence_url"),
    }


class _Organisations:
    """The organisations that the rows of a batch name, and those they make."""

    def __init__(self, session: Session, parties: Sequence[_Party], source: str) -> None:
        self.source = source
        self.held = known_organisations(session, (one.id for one in parties if one.id is not None))
        self.identified = organisations_identified(
            session, (one.identifier for one in parties if one.identifier is not None), source
        )
        names = [words.name_key(one.name) for one in parties if one.name is not None]
        self.named = organisations_named(session, source, names)
        self.made: dict[str, dict[str, Any]] = {}

    def subject(self, party: _Party) -> str:
        found = self._found(party)
        if found is None:
            what = "in this source" if party.column == "subject_id" else "of this identifier"
            raise Rejected(f"no such organisation {what}: import organisations first", party.column)
        return found

    def owner(self, party: _Party) -> str:
        """An owner may arrive later, if it has an id; one with an identifier or a name is made."""
        found = self._found(party) or party.id
        if found is not None:
            return found
        number = party.identifier
        external = f"name:{words.name_key(party.name or '')}" if number is None else ":".join(number)
        id = ids.record_id(self.source, "organisation", external)
        self.made[id] = {
            **_EMPTY,
            "id": id,
            "source_id": None,
            "name": party.name or external,
            "identifiers": [] if number is None else [number],
        }
        return id

    def _found(self, party: _Party) -> str | None:
        if party.id is not None and party.id in self.held:
            return party.id
        if party.identifier is not None and party.identifier in self.identified:
            return self.identified[party.identifier]
        if party.name is not None and party.id is None and party.identifier is None:
            named = self.named.get(words.name_key(party.name), [])
            if len(named) > 1:
                raise Rejected("several organisations have this name: give the owner_id", party.column)
            return named[0] if named else None
        return None


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    source = source_of(run)
    seen: Counter[tuple[Any, ...]] = run.kept.setdefault("unnamed owners", Counter())
    rows, outcomes = parsed(batch, lambda row: _interest(row, source, seen), key=["id", "subject_id"])
    parties = [fields[which] for _, fields in rows for which in ("subject", "owner") if fields[which]]
    organisations = _Organisations(session, parties, source)

    def check(_: Row, fields: dict[str, Any]) -> None:
        owner = fields["owner"]
        fields["subject_id"] = organisations.subject(fields["subject"])
        if owner is not None:
            fields["owner_id"] = organisations.owner(owner)
        if fields["owner_id"] == fields["subject_id"]:
            raise Rejected("an organisation does not own itself", "owner_id")

    good = []
    for row, fields in rows:
        try:
            check(row, fields)
            good.append((row, fields))
        except Rejected as error:
            outcomes.append(row.rejected(error))
    records.write(session, entities.ORGANISATIONS, organisations.made.values(), by)
    written = settled(session, entities.INTERESTS, good, run, by)
    _await_owners(session, run, taken(good, written))
    return outcomes + written


def _await_owners(session: Session, run: Run, rows: Iterable[tuple[Row, dict[str, Any], Outcome]]) -> None:
    told = [(row, fields, outcome) for row, fields, outcome in rows if fields["owner"] is not None]
    known = known_organisations(session, (fields["owner_id"] for _, fields, _ in told))
    awaited = Awaited.of(run)
    for row, fields, outcome in told:
        if fields["owner_id"] not in known:
            awaited.add(outcome, row.key, "owner_id", fields["owner_id"], "the owner")


def finish(session: Session, run: Run) -> Iterable[Outcome]:
    """An owner may stand in a later file: one still missing at the end of this one is noted."""
    awaited = Awaited.of(run)
    return awaited.notes(known_organisations(session, awaited.references()))


KIND = Kind(
    name="ownership",
    summary="Import who holds what in which organisation: shares, votes, boards, profit, from when to when",
    read=reader(REQUIRED, OPTIONAL),
    write=write,
    finish=finish,
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
