"""The kind `organisations`: bodies with their identifiers, aliases and owners."""

from collections.abc import Iterable, Sequence
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities
from hedgerow_registry.domain import directory, gss, identifiers, ids, words
from hedgerow_registry.errors import Malformed
from hedgerow_registry.imports.rows import (
    MEDIA_TYPES,
    OPTIONS,
    Awaited,
    Rejected,
    Row,
    note_unknown_area,
    parsed,
    provenance,
    reader,
    settled,
    source_of,
    taken,
)
from hedgerow_registry.store.directory import known_areas, known_organisations

REQUIRED = ("id", "name")
OPTIONAL = (
    "identifiers",
    "sector",
    "legal_form",
    "size",
    "status",
    "url",
    "email",
    "description",
    "owner_ids",
    "aliases",
    "head_office_area_code",
    "user_led",
    "user_led_evidence",
    "user_led_on",
    "supported_business",
    "supported_business_evidence",
    "supported_business_on",
    "public_service_mutual",
    "public_service_mutual_evidence",
    "public_service_mutual_on",
)


def identifiers_of(row: Row, column: str) -> list[identifiers.Identifier]:
    """The identifiers of a cell; one that its scheme does not know is left out and said so."""
    good, bad = identifiers.identifiers(row.text(column))
    for reason in bad:
        row.note(f"an identifier was left out: {reason}", column)
    return good


def _status(row: Row, name: str) -> dict[str, Any]:
    """Whether an organisation has a status, such as user-led; left out without evidence and its day."""
    said = row.read_maybe(name, directory.yes_or_no)
    evidence, on = row.maybe(f"{name}_evidence"), row.read_maybe(f"{name}_on", words.day)
    try:
        directory.evidenced(said, evidence, on)
    except Malformed as error:
        row.note(f"left out: {error.reason}", name)
        said = evidence = on = None
    return {name: said, f"{name}_evidence": evidence, f"{name}_on": on}


def _organisation(row: Row, source: str) -> dict[str, Any]:
    external = row.needed("id")
    id = ids.record_id(source, "organisation", external)
    said = row.text("sector")
    sector = directory.sector(said) if said else None
    if said and sector is None:
        row.note(f"the sector was left out: one of {', '.join(directory.SECTORS)}", "sector")
    owners = [ids.record_id(source, "organisation", owner) for owner in row.parts("owner_ids")]
    if id in owners:
        raise Rejected("an organisation does not own itself", "owner_ids")
    return {
        "id": id,
        "source_id": external,
        "name": row.needed("name"),
        "sector": sector,
        "legal_form": row.maybe("legal_form"),
        "size": row.maybe("size"),
        "status": row.checked("status", directory.organisation_status, row.text("status")),
        "url": row.maybe("url"),
        "email": row.maybe("email"),
        "description": row.maybe("description"),
        "identifiers": identifiers_of(row, "identifiers"),
        "aliases": row.parts("aliases"),
        "owner_ids": owners,
        "head_office_area_code": row.read_maybe("head_office_area_code", gss.area_code),
        **_status(row, "user_led"),
        **_status(row, "supported_business"),
        **_status(row, "public_service_mutual"),
    }


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    source = source_of(run)
    rows, outcomes = parsed(batch, lambda row: _organisation(row, source), key=["id"])
    areas = known_areas(session, (code for _, fields in rows if (code := fields["head_office_area_code"])))
    for row, fields in rows:
        note_unknown_area(row, fields["head_office_area_code"], areas, "head_office_area_code")
    written = settled(session, entities.ORGANISATIONS, rows, run, by)
    known = known_organisations(session, (owner for _, fields in rows for owner in fields["owner_ids"]))
    awaited = Awaited.of(run)
    for row, fields, outcome in taken(rows, written):
        for owner in fields["owner_ids"]:
            if owner not in known:
                awaited.add(outcome, row.key, "owner_ids", owner, "the owner")
    return outcomes + written


def finish(session: Session, run: Run) -> Iterable[Outcome]:
    """An owner may stand further down in the file: one still missing at its end is noted."""
    awaited = Awaited.of(run)
    return awaited.notes(known_organisations(session, awaited.references()))


KIND = Kind(
    name="organisations",
    summary="Import organisations from a flat file",
    read=reader(REQUIRED, OPTIONAL),
    write=write,
    finish=finish,
    media_types=MEDIA_TYPES,
    options=OPTIONS,
)
