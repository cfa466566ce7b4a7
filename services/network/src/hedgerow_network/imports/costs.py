"""The kind `costs`: what it takes to go from an area to a site, pair by pair."""

import re
from collections.abc import Iterable, Iterator, Sequence
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

from hedgerow_network.actions import costs
from hedgerow_network.actions.costs import Amount, Pair
from hedgerow_network.errors import AuthorityNotNamed, OfAnotherAuthority

REQUIRED, OPTIONAL = ("from_area", "to_site"), ("matrix", "minutes", "km")
LARGEST = 1e6

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z ._-]{0,119}", re.ASCII)
_CODE = re.compile(r"[EWSNKJLM]\d{8}|[a-z0-9]+(-[a-z0-9]+)+", re.ASCII)


class Row(NamedTuple):
    record: Record
    matrix: str
    pair: Pair
    amount: Amount


class Rejected(Exception):
    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


def read(upload: Upload, run: Run) -> Iterator[Batch]:
    name = run.options.get("matrix")
    if name is not None and not _NAME.fullmatch(name):
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "matrix", "reason": _NAME_SAID}])
    if upload.media_type == NDJSON:
        return ndjson_records(upload.path)
    if upload.media_type == JSON:
        return json_records(upload.path, under=("items", "costs"))
    return csv_records(upload.path, required=REQUIRED, optional=OPTIONAL)


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    outcomes: list[Outcome] = []
    by_matrix: dict[str, list[Row]] = {}
    for record in batch:
        try:
            row = _row(record, run)
            _require_agreement(row, run)
            by_matrix.setdefault(row.matrix, []).append(row)
        except Rejected as error:
            outcomes.append(quarantined(record, error.reason, column=error.column, key=_key(record)))
    for name, rows in by_matrix.items():
        outcomes += _written(session, name, rows, run)
    return outcomes


def _written(session: Session, name: str, rows: list[Row], run: Run) -> Iterable[Outcome]:
    try:
        matrix = costs.claim(
            session,
            name,
            run.principal,
            authority_code=run.options.get("authority"),
            site_source=run.options.get("source"),
        )
    except (OfAnotherAuthority, AuthorityNotNamed) as error:
        said = error.__doc__ or ""
        yield from (quarantined(row.record, said, column="matrix", key="/".join(row.pair)) for row in rows)
        return
    verdicts = costs.write(session, matrix, {row.pair: row.amount for row in rows})
    for row in rows:
        # A row that repeats one of this batch changes nothing beside it.
        verdict = verdicts[row.pair]
        verdicts[row.pair] = costs.UNCHANGED
        yield Outcome(verdict, row.record.line, None, row.record.pointer)


_NAME_SAID = "a name of 1 to 120 letters, digits, spaces and . _ -"


def _row(record: Record, run: Run) -> Row:
    fields = record.fields
    name = _text(fields, "matrix") or run.options.get("matrix") or ""
    if not _NAME.fullmatch(name):
        raise Rejected(_NAME_SAID if name else "must not be empty: name it here or with ?matrix=", "matrix")
    origin = _text(fields, "from_area")
    if not _CODE.fullmatch(origin) or len(origin) > 64:
        raise Rejected(
            "not a code of an area: a GSS code (one letter and eight digits) or a local code", "from_area"
        )
    site = _text(fields, "to_site")
    if not 0 < len(site) <= 200 or not site.isprintable():
        raise Rejected("the id of a site, 1 to 200 printable characters", "to_site")
    amount = Amount(_number(fields, "minutes"), _number(fields, "km"))
    if amount == (None, None):
        raise Rejected("minutes or km must be given; leave the row out where there is no way", "minutes")
    return Row(record, name, (origin, site), amount)


def _text(fields: dict[str, Any], column: str) -> str:
    value = fields.get(column)
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        raise Rejected("a text or a number is expected", column)
    text = str(value).strip()
    if "\x00" in text or any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise Rejected("a text that cannot be kept", column)
    return text


def _number(fields: dict[str, Any], column: str) -> float | None:
    text = _text(fields, column)
    if not text:
        return None
    try:
        value = float(text) if "_" not in text else float("nan")
    except (ValueError, OverflowError):
        value = float("nan")
    if not isfinite(value) or not 0 <= value <= LARGEST:
        raise Rejected(f"not a number from 0 to {LARGEST:,.0f}", column)
    return value


def _key(record: Record) -> str | None:
    parts = (record.fields.get(name) for name in ("from_area", "to_site"))
    return "/".join(str(part)[:200] for part in parts if isinstance(part, str | int)) or None


def _require_agreement(row: Row, run: Run) -> None:
    """Refuse a row that contradicts the first one of its pair in this file."""
    seen: dict[int, tuple[Amount, int | None]] = run.kept.setdefault("seen", {})
    # Hashes, not texts, are kept: a file may hold millions of pairs.
    first, line = seen.setdefault(hash((row.matrix, *row.pair)), (row.amount, row.record.line))
    if first != row.amount:
        where = f"line {line}" if line is not None else "a row before"
        raise Rejected(f"{where} says otherwise of the same pair: the first row stands", "to_site")


KIND = Kind(
    name="costs",
    summary="Import travel costs from areas to sites: a named matrix of minutes, kilometres or both",
    read=read,
    write=write,
    media_types=(CSV, NDJSON, JSON),
    options={
        "matrix": "The name of the matrix, for rows that do not give one",
        "authority": "The GSS code of the authority that a new matrix belongs to",
        "source": "The registry's source whose own ids the sites go by; else they are the registry's ids",
    },
)
