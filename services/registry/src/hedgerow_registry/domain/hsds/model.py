"""What becomes of a service record: the registry's fields, the whole document, notes and problems."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

LONGEST_SUMMARY: Final = 900


class Note(NamedTuple):
    """Something that was cleaned, completed or left out; the record is taken all the same."""

    pointer: str
    text: str


class Problem(NamedTuple):
    """Why a record cannot be taken."""

    pointer: str
    reason: str


class NeedTerm(NamedTuple):
    """A need met on the way; `parent` is the term above it in the same taxonomy."""

    taxonomy: str
    term: str
    name: str
    parent: str | None

    @property
    def id(self) -> str:
        return f"{self.taxonomy}:{self.term}"


class Organisation(NamedTuple):
    id: str
    source_id: str | None
    name: str
    identifiers: tuple[str, ...] = ()
    """`scheme:identifier`, checked by scheme, sorted."""
    legal_form: str | None = None
    url: str | None = None
    email: str | None = None
    description: str | None = None


class Site(NamedTuple):
    """`lon` and `lat` are both there, in the United Kingdom, or neither."""

    id: str
    source_id: str | None
    name: str | None = None
    address: str | None = None
    postcode: str | None = None
    lon: float | None = None
    lat: float | None = None


class Service(NamedTuple):
    id: str
    source_id: str | None
    name: str
    status: str
    organisation_id: str | None = None
    needs: tuple[str, ...] = ()
    area_codes: tuple[str, ...] = ()
    description: str | None = None
    url: str | None = None
    email: str | None = None
    phone: str | None = None
    minimum_age: float | None = None
    maximum_age: float | None = None
    capacity: float | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    assured_on: date | None = None


class Normalised(NamedTuple):
    """A record taken apart. `service` is `None` exactly where there are problems.

    document: the whole record in the shape of HSDS 3.1; empty where there was no object.
    """

    key: str | None
    service: Service | None
    organisation: Organisation | None
    sites: tuple[Site, ...]
    need_terms: tuple[NeedTerm, ...]
    document: Mapping[str, Any]
    notes: tuple[Note, ...] = ()
    problems: tuple[Problem, ...] = ()


def summary(entries: Iterable[Note | Problem]) -> str:
    """Notes or problems in one line, those with the same text together.

    >>> summary([Note("/a", "trimmed"), Note("/b", "trimmed")])
    'trimmed (/a, /b)'
    """
    places: dict[str, list[str]] = {}
    for pointer, text in entries:
        places.setdefault(text, []).append(pointer or "/")
    parts = []
    for text, pointers in places.items():
        more = f" and {len(pointers) - 4} more" if len(pointers) > 4 else ""
        parts.append(f"{text} ({', '.join(pointers[:4])}{more})")
    line = "; ".join(parts)
    return line if len(line) <= LONGEST_SUMMARY else line[: LONGEST_SUMMARY - 1] + "…"
