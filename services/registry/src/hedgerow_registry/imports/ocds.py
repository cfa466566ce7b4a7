"""The kind `ocds`: packages of releases and of records, and either alone, of OCDS 1.1 as JSON or NDJSON."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from hedgerow_kit.bulk import JSON, NDJSON, Kind, Run
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from hedgerow_kit.records import Batch, Outcome, json_records, ndjson_records
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions.contracting import take_in
from hedgerow_registry.actions.records import QUARANTINED, UNCHANGED, digest
from hedgerow_registry.domain.ocds.releases import Release, taken_in
from hedgerow_registry.imports.rows import OPTIONS, Seen, provenance, source_of

LISTS = ("releases", "records", "items", "results", "data")
# Releases are nested: a batch of them is one transaction and has to fit in memory.
BATCH = 500
_SORTED = orjson.OPT_SORT_KEYS


class Sent(NamedTuple):
    """A release as it was sent, and where it stood."""

    value: dict[str, Any]
    line: int | None
    pointer: str | None


def _read(upload: Upload, run: Run) -> Iterator[Batch]:
    source_of(run)
    _published(run)
    if upload.media_type == NDJSON:
        found = ndjson_records(upload.path, batch=BATCH)
    else:
        found = json_records(upload.path, under=LISTS, batch=BATCH)
    return _releases(found)


def _releases(found: Iterable[Batch]) -> Iterator[Batch]:
    """The releases of what was read; a record, or a package on one line, holds several."""
    for batch in found:
        taken = Batch([], list(batch.outcomes), batch.notes)
        for record in batch.records:
            for sent in _of(record.fields, record.line, record.pointer):
                if isinstance(sent, Sent):
                    taken.records.append(sent)
                else:
                    taken.outcomes.append(sent)
        yield taken


def _of(value: dict[str, Any], line: int | None, pointer: str | None) -> Iterator[Sent | Outcome]:
    base = pointer or ""
    listed = value.get("releases")
    if isinstance(value.get("records"), list):
        for place, record in enumerate(value["records"]):
            at = f"{base}/records/{place}"
            yield from _of(record, line, at) if isinstance(record, dict) else _no_object(line, at)
    elif isinstance(listed, list) and any(_is_release(one) for one in listed):
        for place, one in enumerate(listed):
            at = f"{base}/releases/{place}"
            yield from [Sent(one, line, at)] if isinstance(one, dict) else _no_object(line, at)
    elif isinstance(value.get("compiledRelease"), dict):
        # A record that only links to its releases: its compiled release is all there is.
        yield Sent(value["compiledRelease"], line, f"{base}/compiledRelease")
    elif isinstance(listed, list):
        yield Outcome(
            QUARANTINED,
            line,
            pointer=pointer,
            key=_key(value.get("ocid")),
            reason="it links to its releases and holds none: send the releases themselves"
            if listed
            else "its list of releases is empty, and it has no compiled release: there is nothing to take in",
        )
    else:
        yield Sent(value, line, pointer)


def _is_release(one: Any) -> bool:
    """A link to a release has an address, a date and tags, and nothing else."""
    return isinstance(one, dict) and not ("url" in one and set(one) <= {"url", "date", "tag"})


def _no_object(line: int | None, pointer: str) -> list[Sent | Outcome]:
    return [Outcome(QUARANTINED, line, pointer=pointer, reason="not a JSON object")]


def _published(run: Run) -> bool:
    said = run.option("published", "yes").strip().casefold()
    if said not in ("yes", "no"):
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "published", "reason": "`yes` or `no`"}])
    return said == "yes"


def _write(session: Session, batch: Iterable[Sent], run: Run) -> list[Outcome]:
    by = provenance(session, run)
    seen, published = Seen.of(run), _published(run)
    outcomes: list[Outcome] = []
    good: list[tuple[Sent, Release]] = []
    for sent in batch:
        release = taken_in(sent.value, serialise=lambda value: orjson.dumps(value, option=_SORTED))
        if release.problem is not None:
            at, why = release.problem
            outcomes.append(_outcome(sent, release, QUARANTINED, why, at=at))
            continue
        if not published:
            release.document["hedgerow"] = {**(release.document.get("hedgerow") or {}), "published": False}
        key = ("release", release.ocid, release.id)
        content, place = digest(release.document), _place(sent)
        first = seen.contradicted(key, content, place)
        if first is not None:
            why = f"{first} has a release of this id that says otherwise: the first stands"
            outcomes.append(_outcome(sent, release, QUARANTINED, why, at="/id"))
            continue
        good.append((sent, release))
    taken = take_in(session, [release for _, release in good], by)
    for (sent, release), written in zip(good, taken, strict=True):
        reason = written.reason if written.verdict == QUARANTINED else _note(release, written.verdict)
        outcomes.append(_outcome(sent, release, written.verdict, reason))
    return outcomes


def _note(release: Release, verdict: str) -> str | None:
    return None if verdict == UNCHANGED else release.note


def _outcome(sent: Sent, release: Release, verdict: str, reason: str | None, *, at: str = "") -> Outcome:
    pointer = None if sent.pointer is None and not at else f"{sent.pointer or ''}{at}"
    key = "/".join(filter(None, (release.ocid, release.id))) or None
    return Outcome(
        verdict, sent.line, pointer=pointer, key=key if reason is not None else None, reason=reason
    )


def _key(value: Any) -> str | None:
    return value[:300] if isinstance(value, str) else None


def _place(sent: Sent) -> str:
    return f"line {sent.line}" if sent.line is not None else sent.pointer or "/"


KIND = Kind(
    name="ocds",
    summary="Import contracts: OCDS 1.1 release packages, record packages or releases, as JSON or NDJSON",
    read=_read,
    write=_write,
    media_types=(JSON, NDJSON),
    options={
        **OPTIONS,
        "published": "`no` keeps what is sent from everybody outside the authority (default: `yes`)",
    },
)
