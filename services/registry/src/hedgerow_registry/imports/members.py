"""The kinds `members` and `organisation-figures`: who is a member of what; dated figures of organisations."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities
from hedgerow_registry.actions.records import Entity
from hedgerow_registry.domain import identifiers, ids, scoring, words
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
from hedgerow_registry.store.directory import known_organisations, organisations_identified

_LONGEST_FIGURE = 100
Reference = tuple[str | None, identifiers.Identifier | None]


def _reference(row: Row, source: str, which: str) -> Reference:
    """An organisation by the id its source gives it, else by an identifier."""
    external = row.maybe(f"{which}_id")
    number = row.read_maybe(f"{which}_identifier", identifiers.identifier)
    if external is None and number is None:
        raise Rejected(f"an id or an identifier of the {which} is needed", f"{which}_id")
    return None if external is None else ids.record_id(source, "organisation", external), number


def _member(row: Row, source: str) -> dict[str, Any]:
    start, end = row.read_maybe("start", words.day), row.read_maybe("end", words.day)
    if start is not None and end is not None and end < start:
        raise Rejected("it ends before it starts", "end")
    return {
        "organisation": _reference(row, source, "organisation"),
        "member": _reference(row, source, "member"),
        "role": row.maybe("role"),
        "starts_on": start,
        "ends_on": end,
    }


def _figure(row: Row, source: str) -> dict[str, Any]:
    name = scoring.figure_name(row.needed("figure"))
    if not name or len(name) > _LONGEST_FIGURE or "," in name or ":" in name:
        raise Rejected(
            f"a figure has a name of at most {_LONGEST_FIGURE} characters, without comma or colon", "figure"
        )
    if not (row.text("evidence") or row.text("evidence_url")):
        raise Rejected("say where the figure was published", "evidence")
    return {
        "organisation": _reference(row, source, "organisation"),
        "figure": name,
        "as_of": row.read("date", words.day),
        "value": row.read("value", words.number),
        "unit": row.maybe("unit"),
        "evidence": row.maybe("evidence"),
        "evidence_url": row.maybe("evidence_url"),
    }


class _Found:
    """Which organisations the references of a batch mean."""

    def __init__(self, session: Session, references: Iterable[Reference], source: str) -> None:
        told = list(references)
        self.held = known_organisations(session, (id for id, _ in told if id is not None))
        self.identified = organisations_identified(
            session, (number for _, number in told if number is not None), source
        )

    def __call__(self, reference: Reference) -> str | None:
        id, number = reference
        if id is not None and id in self.held:
            return id
        return None if number is None else self.identified.get(number)


def _writer(
    entity: Entity, parse: Callable[[Row, str], dict[str, Any]], parties: Sequence[str]
) -> Callable[[Session, Sequence[Record], Run], Iterable[Outcome]]:
    def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
        by, source = provenance(session, run), source_of(run)
        rows, outcomes = parsed(batch, lambda row: parse(row, source), key=["organisation_id"])
        found = _Found(session, (fields[which] for _, fields in rows for which in parties), source)

        def check(row: Row, fields: dict[str, Any]) -> None:
            _settle(fields, found)
            if "member" in fields:
                if fields["member_id"] == fields["organisation_id"]:
                    raise Rejected("an organisation is no member of itself", "member_id")
                said = (fields["organisation_id"], fields["member_id"], fields["role"], fields["starts_on"])
                fields["id"] = ids.record_id(source, "membership", repr(said))

        good: list[tuple[Row, dict[str, Any]]] = []
        for row, fields in rows:
            try:
                check(row, fields)
                good.append((row, fields))
            except Rejected as error:
                outcomes.append(row.rejected(error))
        written = settled(session, entity, good, run, by)
        awaited = Awaited.of(run)
        known = known_organisations(
            session, (fields["member_id"] for _, fields in good if "member" in fields)
        )
        for row, fields, outcome in taken(good, written):
            if "member" in fields and fields["member_id"] not in known:
                awaited.add(outcome, row.key, "member_id", fields["member_id"], "the member")
        return outcomes + written

    return write


def _settle(fields: dict[str, Any], found: _Found) -> None:
    organisation = found(fields["organisation"])
    if organisation is None:
        raise Rejected("no such organisation: import organisations first", "organisation_id")
    fields["organisation_id"] = organisation
    if "member" in fields:
        # A member may arrive later, if it has an id.
        member = found(fields["member"]) or fields["member"][0]
        if member is None:
            reason = "no organisation has this identifier: import organisations first"
            raise Rejected(reason, "member_identifier")
        fields["member_id"] = member


def finish(session: Session, run: Run) -> Iterable[Outcome]:
    """A member may stand in a later file: one still missing at the end of this one is noted."""
    awaited = Awaited.of(run)
    return awaited.notes(known_organisations(session, awaited.references()))


MEMBERS = Kind(
    name="members",
    summary="Import the members of collaboratives, consortia and other bodies with members",
    read=reader(
        ("organisation_id", "member_id"),
        ("organisation_identifier", "member_identifier", "role", "start", "end"),
    ),
    write=_writer(entities.MEMBERSHIPS, _member, ("organisation", "member")),
    finish=finish,
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
FIGURES = Kind(
    name="organisation-figures",
    summary="Import dated figures of organisations, such as pay ratios, with where they were published",
    read=reader(
        ("figure", "date", "value"),
        ("organisation_id", "organisation_identifier", "unit", "evidence", "evidence_url"),
    ),
    write=_writer(entities.FIGURES, _figure, ("organisation",)),
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
