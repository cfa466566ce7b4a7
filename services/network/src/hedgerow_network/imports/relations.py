"""The kind `relations`: which organisations of a network are related, how, how strongly, since when."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from math import isfinite
from typing import Any, NamedTuple

from hedgerow_kit.bulk import CSV, JSON, NDJSON, Kind, Run
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from hedgerow_kit.records import (
    Batch,
    Outcome,
    Record,
    csv_records,
    json_records,
    ndjson_records,
    quarantined,
)
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_network.actions import networks
from hedgerow_network.actions.networks import Held, Key
from hedgerow_network.domain.relations import TYPES, Names, type_named
from hedgerow_network.errors import AuthorityNotNamed, OfAnotherAuthority
from hedgerow_network.store.projection import organisation_names

REQUIRED = ("from", "to")
OPTIONAL = ("network", "type", "weight", "from_date", "to_date")
HEAVIEST = 1e9

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z ._-]{0,119}", re.ASCII)
_ID_SAID = "an id of 1 to 120 letters, digits, spaces and . _ -, beginning with a letter or digit"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Row(NamedTuple):
    record: Record
    network: str
    key: Key
    held: Held


class Rejected(Exception):
    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


def read(upload: Upload, run: Run) -> Iterator[Batch]:
    network = run.options.get("network")
    if network is not None and not _ID.fullmatch(network):
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "network", "reason": _ID_SAID}])
    kind = run.options.get("type")
    if kind is not None and type_named(kind) is None:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "type", "reason": _TYPES_SAID}])
    if upload.media_type == NDJSON:
        return ndjson_records(upload.path)
    if upload.media_type == JSON:
        return json_records(upload.path, under=("items", "relations"))
    return csv_records(upload.path, required=REQUIRED, optional=OPTIONAL)


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    outcomes: list[Outcome] = []
    by_network: dict[str, list[Row]] = {}
    for record in batch:
        try:
            row = _row(record, run)
            _require_agreement(row, run)
            by_network.setdefault(row.network, []).append(row)
        except Rejected as error:
            outcomes.append(quarantined(record, error.reason, column=error.column, key=_key(record)))
    for id, rows in sorted(by_network.items()):
        outcomes += _written(session, id, rows, run)
    return outcomes


def _written(session: Session, id: str, rows: list[Row], run: Run) -> Iterable[Outcome]:
    try:
        network = networks.claim(session, id, run.principal, authority_code=run.options.get("authority"))
    except (OfAnotherAuthority, AuthorityNotNamed) as error:
        said = error.__doc__ or ""
        yield from (quarantined(row.record, said, column="network", key=_key(row.record)) for row in rows)
        return
    verdicts = networks.relate(session, network, {row.key: row.held for row in rows})
    for row in rows:
        # A row that repeats one of this batch changes nothing beside it.
        verdict = verdicts[row.key]
        verdicts[row.key] = networks.UNCHANGED
        note = _unknown(session, row, run)
        column, reason = note if note is not None else (None, None)
        key = None if note is None else _key(row.record)
        yield Outcome(verdict, row.record.line, None, row.record.pointer, key, column, reason)


def _unknown(session: Session, row: Row, run: Run) -> tuple[str, str] | None:
    """Say of an organisation that the registry does not know, the first time that the file names it."""
    names: Names | None = run.kept.get("names")
    if names is None:
        names = run.kept["names"] = Names(organisation_names(session))
    seen: set[str] = run.kept.setdefault("organisations", set())
    strangers = []
    for column, said in (("from", row.key.from_id), ("to", row.key.to_id)):
        if said not in seen:
            seen.add(said)
            if names.find(said) is None:
                strangers.append((column, said))
    if not strangers:
        return None
    run.kept["unknown"] = run.kept.get("unknown", 0) + len(strangers)
    who = " and ".join(f"“{said}”" for _, said in strangers)
    return strangers[0][0], f"kept, though the registry knows no organisation {who}, or several of that name"


def finish(session: Session, run: Run) -> Iterable[Outcome]:
    unknown, seen = run.kept.get("unknown", 0), len(run.kept.get("organisations", ()))
    if unknown:
        yield Outcome(
            networks.ACCEPTED,
            reason=f"{unknown} of {seen} organisations are not known to the registry: they are kept as named",
        )


def _row(record: Record, run: Run) -> Row:
    fields = record.fields
    network = _text(fields, "network") or run.options.get("network") or ""
    if not _ID.fullmatch(network):
        raise Rejected(_ID_SAID if network else "must not be empty: say it here or with ?network=", "network")
    ends = []
    for column in ("from", "to"):
        said = _text(fields, column)
        if not 0 < len(said) <= 200 or not said.isprintable():
            raise Rejected("an organisation, by id, identifier or name, in 1 to 200 characters", column)
        ends.append(said)
    if ends[0] == ends[1]:
        raise Rejected("an organisation is not related to itself", "to")
    said = _text(fields, "type") or run.options.get("type") or ""
    kind = type_named(said)
    if kind is None:
        raise Rejected(_TYPES_SAID, "type")
    start, end = _day(fields, "from_date"), _day(fields, "to_date")
    if start and end and end < start:
        raise Rejected("it ends before it begins", "to_date")
    return Row(record, network, Key(ends[0], ends[1], kind, start), Held(_weight(fields), end or None))


_TYPES_SAID = f"one of {', '.join(TYPES)}"


def _text(fields: dict[str, Any], column: str) -> str:
    value = fields.get(column)
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        raise Rejected("a text or a number is expected", column)
    text = str(value).strip()
    if "\x00" in text or any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise Rejected("a text that cannot be kept", column)
    return text


def _weight(fields: dict[str, Any]) -> float | None:
    text = _text(fields, "weight")
    if not text:
        return None
    try:
        value = float(text) if "_" not in text else float("nan")
    except ValueError:
        value = float("nan")
    if not isfinite(value) or not 0 <= value <= HEAVIEST:
        raise Rejected(f"not a number from 0 to {HEAVIEST:,.0f}", "weight")
    return value


def _day(fields: dict[str, Any], column: str) -> str:
    text = _text(fields, column)
    if not text:
        return ""
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Rejected("not a day written as 2024-05-31", column) from None


def _key(record: Record) -> str | None:
    parts = (record.fields.get(name) for name in ("network", "from", "to"))
    return "/".join(str(part)[:200] for part in parts if isinstance(part, str | int)) or None


def _require_agreement(row: Row, run: Run) -> None:
    """Refuse a row that contradicts the first one of its key in this file."""
    seen: dict[int, tuple[Held, int | None]] = run.kept.setdefault("seen", {})
    first, line = seen.setdefault(hash((row.network, *row.key)), (row.held, row.record.line))
    if first != row.held:
        where = f"line {line}" if line is not None else "a row before"
        raise Rejected(f"{where} says otherwise of the same relation: the first row stands", "to")


KIND = Kind(
    name="relations",
    summary="Import relations between the organisations of a network: referral, contract, data-sharing, "
    "shared-resource, governance, partnership",
    read=read,
    write=write,
    finish=finish,
    media_types=(CSV, NDJSON, JSON),
    options={
        "network": "The network, for rows that do not name one; a new one is made without a design",
        "type": "The type of relation, for rows that do not say one",
        "authority": "The GSS code of the authority that a new network belongs to",
    },
)
