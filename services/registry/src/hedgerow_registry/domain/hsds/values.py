"""Single values of a record: each kind of field cleaned, with what has to be said about it.

Every reader here is a fixed point: what it gives is given back unchanged.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import orjson

from hedgerow_registry.domain.hsds.opening import clock
from hedgerow_registry.domain.hsds.people import is_personal_mailbox
from hedgerow_registry.domain.hsds.shape import STATUSES
from hedgerow_registry.domain.plain_text import LONGEST_TEXT, is_ordinary, plain_text
from hedgerow_registry.domain.words import day
from hedgerow_registry.errors import Malformed

# Beyond this an integer is no number of anything in a directory, and JSON readers lose its digits.
LARGEST: Final = 2**53


class Value(NamedTuple):
    """A cleaned value, `None` where nothing is left.

    rest: the value as sent (clean, but not of its kind), to be kept with what has no place; or `None`.
    notes: what has to be said.
    """

    value: Any
    rest: Any = None
    notes: tuple[str, ...] = ()


def text(sent: Any) -> Value:
    """Several lines of plain text; a number counts as its digits, a list of texts as lines."""
    return _text(sent, "\n")


def line(sent: Any) -> Value:
    """Plain text in one line; a list of texts is joined by commas."""
    if isinstance(sent, str) and is_ordinary(sent):
        return Value(sent)
    found = _text(sent, ", ")
    if isinstance(found.value, str):
        return found._replace(value=" ".join(found.value.split()))
    return found


def _of_line(read: Callable[[str], Value]) -> Callable[[Any], Value]:
    """A reader of anything, from one of a line of plain text: what is none is left as `line` leaves it."""

    @wraps(read)
    def reader(sent: Any) -> Value:
        found = line(sent)
        if not isinstance(found.value, str):
            return found
        made = read(found.value)
        return made._replace(notes=found.notes + made.notes)

    return reader


def codes(sent: Any) -> Value:
    """Codes joined by commas, such as `MO,TU`."""
    found = _text(sent, ",")
    if isinstance(found.value, str):
        return found._replace(value=re.sub(r"\s*[,;]\s*|\s+", ",", found.value.strip(",; ")) or None)
    return found


def _text(sent: Any, joint: str) -> Value:
    if isinstance(sent, bool):
        return Value("true" if sent else "false", notes=("a yes or no taken as text",))
    if isinstance(sent, int | float):
        kept = number(sent)
        shown = kept.rest if kept.value is None else str(kept.value)
        return Value(shown, notes=("a number taken as text",) if shown else kept.notes)
    if isinstance(sent, list) and sent and all(isinstance(item, str | int) for item in sent):
        sent = joint.join(str(item) for item in sent)
    if not isinstance(sent, str):
        return Value(None, sent, ("not a text: kept aside",))
    plain = plain_text(sent)
    notes = []
    if plain.markup:
        notes.append("HTML turned into plain text")
    if plain.embedded:
        size = round(sum(plain.embedded) / 1000)
        notes.append(f"embedded image dropped, {size} kB of base64")
    if plain.controls:
        notes.append("control characters removed")
    cut = plain.text
    if len(cut) > LONGEST_TEXT:
        cut = cut[:LONGEST_TEXT].rstrip()
        notes.append(f"cut after {LONGEST_TEXT:,} characters")
    return Value(cut or None, notes=tuple(notes))


def number(sent: Any) -> Value:
    """A finite number; a text that is one counts."""
    if isinstance(sent, str):
        plain = sent.strip()
        if not plain:
            return Value(None)
        if re.fullmatch(r"[-+]?\d{1,15}", plain, re.ASCII):
            return Value(int(plain))
        if re.fullmatch(r"[-+]?(\d{1,15}\.\d{0,20}|\.\d{1,20})", plain, re.ASCII):
            return Value(float(plain))
        return Value(None, line(sent).value, ("not a number: kept aside",))
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return Value(None, sent, ("not a number: kept aside",))
    if not -LARGEST <= sent <= LARGEST:
        # False for NaN too, as for every comparison with it.
        digits = "not finite" if sent != sent or abs(sent) > 1e308 else f"{sent:.0f}"[:400]
        return Value(None, digits, ("not a number of ordinary size: kept aside",))
    return Value(sent)


_DAY_FIRST: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)


@_of_line
def date(said: str) -> Value:
    """A date as YYYY-MM-DD. `31/12/2024` is read day first; a time that is not midnight is kept aside."""
    british = _DAY_FIRST.fullmatch(said)
    try:
        read = day(f"{british[3]}-{int(british[2]):02}-{int(british[1]):02}" if british else said).isoformat()
    except Malformed:
        return Value(None, said, ("not a date: kept aside",))
    if british is not None:
        return Value(read, said, ("date read day first",))
    timed = not re.fullmatch(r"([T ]00:00(:00(\.0+)?)?(Z|\+00:00)?)?", said[10:])
    return Value(read, said if timed else None)


_TIME_OF_DAY: Final = re.compile(r"\d{1,2}[:.]\d{2}([:.]\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII)


@_of_line
def time_of_day(said: str) -> Value:
    """A time of day; other spellings (`4.30pm`, the time of a date) as HH:MM. Words that tell none stay."""
    try:
        read = clock(said)
    except Malformed:
        return Value(said, notes=("not a time of day: left as it is",))
    if _TIME_OF_DAY.fullmatch(said):
        return Value(said)
    written = read.isoformat("seconds" if read.second else "minutes")
    return Value(written, said, ("time of day written as HH:MM",))


_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)


@_of_line
def moment(said: str) -> Value:
    """A date and time with its offset, after RFC 3339; a day alone is its midnight, no offset is UTC."""
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        return Value(None, said, ("not a date and time: kept aside",))
    if _MOMENT.fullmatch(said):
        return Value(said)
    if read.tzinfo is None:
        written = read.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
        return Value(written, said, ("time without offset taken as UTC",))
    offset = read.utcoffset()
    if offset is not None and offset.total_seconds() % 60 == 0:
        return Value(read.isoformat(), said)
    return Value(read.astimezone(UTC).isoformat().replace("+00:00", "Z"), said)


_HOST: Final = re.compile(
    r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])", re.ASCII
)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.I)
_URI_SAFE: Final = "%/?#[]@!$&'()*+,;=:-._~"


@_of_line
def url(said: str) -> Value:
    """A web address with its scheme. Without one it becomes `https://…` where the host can be one.

    Anything else (`Warmley Community Centre`, `example/counselling`, `javascript:…`) is kept aside.
    """
    notes = []
    address = said
    scheme = _SCHEME.match(address)
    if scheme is not None and scheme[1].lower() in ("http", "https"):
        rest = address[scheme.end() :].lstrip("/")
        if not address[scheme.end() :].startswith("//") or address[scheme.end() + 2 :].startswith("/"):
            notes.append("address written with its slashes")
        address = f"{scheme[1].lower()}://{rest}"
    elif scheme is None or "." in scheme[1]:
        address = f"https://{address.lstrip('/')}"
        notes.append("address completed with https")
    else:
        return Value(None, said, ("not a web address: kept aside",))
    written = quote(address, safe=_URI_SAFE)
    if not _is_address(written):
        return Value(None, said, ("not a web address: kept aside",))
    if written != address:
        notes.append("address percent-encoded")
    return Value(written, said if written != said else None, tuple(notes))


def _is_address(address: str) -> bool:
    # RFC 3986 allows brackets in the host alone, one hash, and a percent sign only before two digits.
    if re.search(r"%(?![0-9a-fA-F]{2})|[\[\]]|#.*#", address):
        return False
    try:
        split = urlsplit(address)
        host, port = split.hostname or "", split.port
    except ValueError:
        return False
    return bool(_HOST.fullmatch(host)) and port != 0


_EMAIL: Final = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9-]{1,63}\.)+[a-z]{2,63}", re.I | re.ASCII
)


@_of_line
def email(said: str) -> Value:
    """A mailbox of an organisation; one that reads as a person's own is dropped."""
    said = re.sub(r"^mailto:\s*", "", said, flags=re.I)
    if not _EMAIL.fullmatch(said):
        rest = "" if _personal_in(said) else said
        return Value(None, rest or None, ("not an e-mail address: kept aside",))
    if is_personal_mailbox(said):
        return Value(None, notes=("mailbox of a person not kept",))
    return Value(said)


def _personal_in(said: str) -> bool:
    return any(is_personal_mailbox(found.group()) for found in _EMAIL.finditer(said))


def is_email(said: str) -> bool:
    return _EMAIL.fullmatch(said) is not None


_STATUS_WORDS: Final = {
    **dict.fromkeys(("live", "open", "published", "current", "approved", "enabled", "available"), "active"),
    **dict.fromkeys(("closed", "ended", "ceased", "archived", "withdrawn", "deleted", "expired"), "defunct"),
    **dict.fromkeys(("draft", "pending", "unpublished", "disabled", "hidden", "unavailable"), "inactive"),
    **dict.fromkeys(
        ("suspended", "paused", "temporary closed", "closed temporarily", "on hold"), "temporarily closed"
    ),
}


@_of_line
def status(said: str) -> Value:
    """One of the four statuses of HSDS; a word that is none of them, nor understood, counts as inactive."""
    word = " ".join(re.split(r"[\s_-]+", said.casefold())).strip()
    word = _STATUS_WORDS.get(word, word)
    if said in STATUSES:
        return Value(said)
    if word in STATUSES:
        return Value(word, said, (f"status read as {word}",))
    return Value("inactive", said, ("unknown status taken as inactive",))


def one_of(words: str) -> Callable[[Any], Value]:
    """A reader of one of some comma-separated words, whatever the case."""
    by_fold = {word.casefold(): word for word in words.split(",")}

    @_of_line
    def read(said: str) -> Value:
        word = by_fold.get(said.casefold())
        if word is None:
            return Value(None, said, ("not one of the standard's words: kept aside",))
        return Value(word)

    return read


def as_json(sent: Any) -> str:
    """A cleaned structure written as compact JSON, its keys sorted."""
    return orjson.dumps(sent, option=orjson.OPT_SORT_KEYS).decode()
