"""From a valid statement to what is kept of it: of a person, that there is one."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from hedgerow_registry.domain import identifiers, ids, interests
from hedgerow_registry.errors import Malformed
from hedgerow_registry.imports.bods.model import (
    Entity,
    Person,
    Relationship,
    Statement,
    Unspecified,
    validated,
)

_STATE = ("state", "stateBody")
_NAMELESS = ("anonymousEntity", "unknownEntity")


@dataclass
class Read:
    """A statement as it is to be kept. organisation: the body it describes, if it describes one, without id ·
    notes: what is left out of it, each with its field.
    """

    statement: dict[str, Any]
    organisation: dict[str, Any] | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)


def read(fields: dict[str, Any], source: str) -> Read:
    """What is kept of a statement. Raises Invalid."""
    statement, details = validated(fields)
    made = Read(
        {
            "id": _key(source, "ownership statement", statement.statementId),
            "statement_id": statement.statementId,
            "record_key": record_key(source, statement.recordId),
            "record_type": statement.recordType,
            "status": statement.recordStatus,
            "stated_at": _moment(statement.statementDate),
            **_evidence(statement),
        }
    )
    if isinstance(details, Entity):
        _entity(made, statement, details)
    elif isinstance(details, Person):
        unspecified = details.unspecifiedPersonDetails
        made.statement |= {
            "node_kind": interests.PERSON,
            "reason": unspecified.reason if unspecified else None,
        }
    else:
        _relationship(made, details, source)
    return made


def record_key(source: str, record_id: str) -> str:
    """The key that a record of a publisher goes by here."""
    return _key(source, "ownership record", record_id)


def _key(source: str, kind: str, external: str) -> str:
    # A UUID is hashed too: two sources may hand on one statement, each in a state of its own.
    return ids.record_id(source, kind, f"= {external}")


def _moment(text: str) -> datetime:
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    # A leap second is no second of Python's.
    said = text.upper().replace(":60", ":59").replace("Z", "+00:00")
    return datetime.fromisoformat(said).astimezone(UTC)


def _evidence(statement: Statement) -> dict[str, str | None]:
    """Where a statement comes from. Who asserted it is not kept: it may be a private person."""
    source, published = statement.source, statement.publicationDetails
    return {
        "evidence": ", ".join(source.type) if source and source.type else None,
        "evidence_url": (source and source.url) or (published and published.publisher.url) or None,
    }


def _entity(made: Read, statement: Statement, entity: Entity) -> None:
    numbers, bad = [], []
    for place, one in enumerate(entity.identifiers or ()):
        if one.id is None or one.scheme is None:
            bad.append((place, "an identifier without a scheme of org-id.guide was left out"))
            continue
        try:
            numbers.append(identifiers.identifier(f"{one.scheme}:{one.id}"))
        except Malformed as error:
            bad.append((place, f"an identifier was left out: {error.reason}"))
    made.notes += [(f"recordDetails.identifiers[{place}]", reason) for place, reason in bad]
    type, unspecified = entity.entityType, entity.unspecifiedEntityDetails
    name = (entity.name or "").strip()
    if type.type in _NAMELESS or not (name or numbers):
        kind = interests.UNKNOWN
    elif type.type == "arrangement" and not numbers:
        # Its name is often that of a family; who its parties are, other statements say.
        kind = interests.ARRANGEMENT
    else:
        kind = interests.ORGANISATION
        made.organisation = {
            "source_id": statement.recordId,
            "name": name or ":".join(numbers[0]),
            "identifiers": sorted(set(numbers)),
            "aliases": [alias for alias in entity.alternateNames or () if alias.strip()],
            "sector": "public" if type.type in _STATE else None,
            "legal_form": (type.details or "").strip() or None,
            "status": "dissolved" if entity.dissolutionDate else "active",
        }
    made.statement |= {"node_kind": kind, "reason": unspecified.reason if unspecified else None}


def _relationship(made: Read, relationship: Relationship, source: str) -> None:
    subject, party = relationship.subject, relationship.interestedParty
    made.statement |= {
        "subject_key": None if isinstance(subject, Unspecified) else record_key(source, subject),
        "party_key": None if isinstance(party, Unspecified) else record_key(source, party),
        "reason": party.reason if isinstance(party, Unspecified) else None,
        "interests": [],
    }
    if isinstance(subject, Unspecified):
        made.notes.append(("recordDetails.subject", "it names no subject: nothing follows from it"))
    for place, one in enumerate(relationship.interests or ()):
        at = f"recordDetails.interests[{place}]"
        share, start, end = None, _day(one.startDate), _day(one.endDate)
        if one.share is not None:
            try:
                share = interests.share(
                    exact=one.share.exact,
                    least=one.share.minimum,
                    most=one.share.maximum,
                    over=one.share.exclusiveMinimum,
                    under=one.share.exclusiveMaximum,
                )
            except Malformed as error:
                made.notes.append((f"{at}.share", f"the share was left out: {error.reason}"))
        if start is not None and end is not None and end <= start:
            made.notes.append((f"{at}.endDate", "it ends before it starts: the interest was left out"))
            continue
        made.statement["interests"].append(
            {
                "type": one.type or interests.UNSPECIFIED,
                "share": None if share is None else list(share),
                "directness": one.directOrIndirect or "unknown",
                "start": None if start is None else start.isoformat(),
                "until": None if end is None else end.isoformat(),
            }
        )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
