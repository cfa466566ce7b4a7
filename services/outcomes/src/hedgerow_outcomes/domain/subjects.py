"""Subjects of observations: whom or what a value is about, and how a file names it."""

import re
from typing import NamedTuple

from hedgerow_outcomes.errors import UnknownSubject

KINDS = ("area", "organisation", "service", "site", "contract", "network", "cohort")
LONGEST_ID = 200

_GSS = re.compile(r"[EWSNKJLM][0-9]{8}")
_LOOKS_LIKE_GSS = re.compile(r"[A-Za-z][0-9]+")
_LONGEST_SHOWN = 20
_ID = re.compile(r"\S(?:[ -~\u00a1-\uffff]*\S)?")


class Subject(NamedTuple):
    """A kind of `KINDS` and an id; written as a bare code for an area with a GSS code."""

    kind: str
    id: str

    @property
    def text(self) -> str:
        return self.id if self.kind == "area" and _GSS.fullmatch(self.id) else f"{self.kind}:{self.id}"


def parse_subject(text: str) -> Subject:
    """The subject that a text names.

    text: a bare GSS code (a letter and eight digits) for an area, else `kind:id` with a kind of `KINDS`.

    Raises UnknownSubject with a reason. A code is never corrected.

    >>> parse_subject("E08000009")
    Subject(kind='area', id='E08000009')
    >>> parse_subject("organisation:GB-CHC-1").text
    'organisation:GB-CHC-1'
    """
    text = text.strip()
    kind, colon, id = text.partition(":")
    if not colon:
        if _GSS.fullmatch(text):
            return Subject("area", text)
        raise _no_area(text)
    if kind not in KINDS:
        raise UnknownSubject(f"no such kind of subject; known are {', '.join(KINDS)}")
    if len(id) > LONGEST_ID or not _ID.fullmatch(id):
        raise UnknownSubject(f"the id of a subject has 1 to {LONGEST_ID} printable characters")
    if kind == "area" and _LOOKS_LIKE_GSS.fullmatch(id) and not _GSS.fullmatch(id):
        raise _no_area(id)
    return Subject(kind, id)


def _no_area(text: str) -> UnknownSubject:
    if not text:
        return UnknownSubject("the subject is blank")
    if not _LOOKS_LIKE_GSS.fullmatch(text):
        return UnknownSubject("not a GSS code: for another subject say its kind, as in organisation:ID")
    shown = text[:_LONGEST_SHOWN]
    digits = len(text) - 1
    if digits != 8:
        return UnknownSubject(f"not a GSS code: a letter and eight digits, here {digits}", code=shown)
    return UnknownSubject("not a GSS code: the letter is one of E W S N K J L M, in capitals", code=shown)
