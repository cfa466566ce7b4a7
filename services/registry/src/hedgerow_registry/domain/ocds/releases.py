"""A release as it is taken in: in the standard's shape, with an id, a date and tags, without people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from hedgerow_registry.domain.hsds.people import is_personal_mailbox, role_in
from hedgerow_registry.domain.ocds.placeholders import is_placeholder, is_placeholder_id
from hedgerow_registry.domain.ocds.shape import Notes, fitted, moment

LONGEST_ID: Final = 300
_LONGEST_SUMMARY: Final = 900
_SECTIONS: Final = (
    ("planning", "planning"),
    ("tender", "tender"),
    ("awards", "award"),
    ("contracts", "contract"),
)


@dataclass(frozen=True)
class Release:
    """A release taken in. `problem` says why it cannot be, with the pointer of the field at fault.

    document: the release in the standard's shape · date: its moment in UTC, by which releases are ordered
    """

    ocid: str
    id: str
    date: datetime | None
    document: dict[str, Any]
    notes: Notes = field(default_factory=list)
    problem: tuple[str, str] | None = None

    @property
    def note(self) -> str | None:
        """What was mended, in a line or two."""
        if not self.notes:
            return None
        said = "; ".join(f"{at} {text}" for at, text in self.notes)
        return (
            said
            if len(said) <= _LONGEST_SUMMARY
            else f"{said[:_LONGEST_SUMMARY]}… ({len(self.notes)} in all)"
        )


def taken_in(sent: Mapping[str, Any], *, serialise: Any) -> Release:
    """A release as it will be kept.

    sent: the JSON object · serialise: gives the bytes of a JSON value with its keys sorted, for the id of a
    release that has none. A release without `ocid` or without a readable `date` has a problem: there is
    nothing to file it under, or no place in the history. One without an id gets one from its content, so
    that the same content sent again is the same release. Never raises.
    """
    document, notes = fitted(sent)
    ocid = _identifier(document.get("ocid"))
    if ocid is None:
        return Release("", "", None, document, notes, ("/ocid", "a release names its process: `ocid`"))
    date = moment(document["date"]) if isinstance(document.get("date"), str) else None
    if date is None:
        return Release(ocid, "", None, document, notes, ("/date", "a release says when it was made: `date`"))
    id = _identifier(document.get("id"))
    if id is None:
        id = blake2b(serialise(document), digest_size=12).hexdigest()
        notes.append(("/id", "it had none: one was made from its content"))
    document |= {"ocid": ocid, "id": id}
    _complete(document, notes)
    _without_people(document, notes)
    return Release(ocid, id, date, document, notes)


def _identifier(value: Any) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return None if len(text) > LONGEST_ID or is_placeholder_id(text) else text


def _complete(document: dict[str, Any], notes: Notes) -> None:
    if document.get("initiationType") is None:
        document["initiationType"] = "tender"
    if not document.get("tag"):
        found = [tag for section, tag in _SECTIONS if document.get(section)]
        document["tag"] = found or ["planning"]
        notes.append(("/tag", "it had none: taken from its sections"))
    if isinstance(document.get("tender"), dict):
        document["tender"].setdefault("id", document["ocid"])
    for place, contract in enumerate(document.get("contracts") or ()):
        if contract.get("awardID") in (None, ""):
            awards = document.get("awards") or []
            contract["awardID"] = awards[0]["id"] if len(awards) == 1 else contract["id"]
            notes.append((f"/contracts/{place}/awardID", "it had none: one was set"))


def _without_people(document: dict[str, Any], notes: Notes) -> None:
    """Contacts stay as far as they are an organisation's: no names of people, no mailboxes of theirs."""
    dropped = 0
    for holder in _contact_points(document):
        contact = holder["contactPoint"]
        name = contact.get("name") or ""
        kept = role_in(name, known=[str(holder.get("name") or "")]) if name else ""
        email = contact.get("email") or ""
        if kept != name:
            dropped += not is_placeholder(name)
            contact["name"] = kept
        if email and is_personal_mailbox(email, person=name):
            dropped += 1
            contact["email"] = ""
        holder["contactPoint"] = {key: value for key, value in contact.items() if value not in ("", None)}
        if not holder["contactPoint"]:
            del holder["contactPoint"]
    if dropped:
        notes.append(("/parties", f"{dropped} names or mailboxes of people were left out"))


def _contact_points(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("contactPoint"), dict):
            yield value
        for part in list(value.values()):
            yield from _contact_points(part)
    elif isinstance(value, list):
        for part in value:
            yield from _contact_points(part)
