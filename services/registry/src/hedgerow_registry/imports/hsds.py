"""The kind `hsds`: services of Open Referral UK 1.0 and 3.0 and of HSDS 3.x, from a file or a live feed."""

from collections.abc import Iterable, Iterator

import orjson
from hedgerow_kit.bulk import JSON, NDJSON, Kind, Run
from hedgerow_kit.problems import BAD_GATEWAY, UNPROCESSABLE, Problem
from hedgerow_kit.records import Batch, Outcome, Record, json_records, ndjson_records
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions.service_intake import Earlier, Sent, outcomes, read, take_in
from hedgerow_registry.errors import FeedFailed, FeedRefused
from hedgerow_registry.imports.rows import OPTIONS, provenance, source_of
from hedgerow_registry.upstream.feed import Feed

LISTS = ("contents", "content", "services", "items", "data")
# A batch is one transaction and has to fit in memory, and nested records may be large: so many, or so long.
# It touches most pages of every index, which its commit writes: few large batches take less than many small.
BATCH = 4_000
LONGEST_BATCH = 16_000_000
_READ_AT_ONCE = 100
# An organisation with its services inside is one object: beyond this it is read as a plain list.
LARGEST_OBJECT = 20_000_000


def kind(*, allowed_hosts: frozenset[str] = frozenset()) -> Kind:
    """The kind; a live feed may be at a private address only where its host is allowed."""

    def batches(upload: Upload, run: Run) -> Iterator[Batch]:
        source = source_of(run)
        url = run.options.get("url")
        if url:
            if upload.size:
                raise Problem(UNPROCESSABLE, "Send a file or name a feed, not both.")
            return _pulled(url, allowed_hosts, source=source)
        return _of_file(upload, source=source)

    return Kind(
        name="hsds",
        summary="Import services: Open Referral UK 1.0 or 3.0, HSDS 3.x, as JSON, NDJSON or a live feed",
        read=batches,
        write=_write,
        media_types=(JSON, NDJSON),
        options={
            **OPTIONS,
            "url": "The address of a live feed to pull instead: its root, its /services or one service",
        },
    )


def _of_file(upload: Upload, *, source: str) -> Iterator[Batch]:
    if upload.media_type == NDJSON:
        found = ndjson_records(upload.path, batch=_READ_AT_ONCE)
    else:
        found = _of_organisation(upload) or json_records(upload.path, under=LISTS, batch=_READ_AT_ONCE)
    # Small batches are put together, as long as they fit in memory.
    pending, length = Batch([]), 0
    for piece in found:
        for record in piece.records:
            sent = read(record.fields, source=source, line=record.line, pointer=record.pointer)
            length += len(sent.text)
            pending.records.append(sent)
        pending.outcomes += piece.outcomes
        pending.notes += piece.notes
        if len(pending.records) + len(pending.outcomes) >= BATCH or length >= LONGEST_BATCH:
            yield pending
            pending, length = Batch([]), 0
    if pending.records or pending.outcomes or pending.notes:
        yield pending


def _of_organisation(upload: Upload) -> Iterator[Batch] | None:
    """An organisation with its services inside, as `/organizations/{id}` gives it: those services."""
    if upload.size > LARGEST_OBJECT:
        return None
    try:
        found = orjson.loads(upload.path.read_bytes())
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not found.get("id") or not isinstance(found.get("services"), list):
        return None
    organisation = {name: value for name, value in found.items() if name != "services"}
    batch = Batch([])
    for place, service in enumerate(found["services"]):
        pointer = f"/services/{place}"
        if isinstance(service, dict):
            batch.records.append(Record({"organization": organisation, **service}, pointer=pointer))
        else:
            batch.outcomes.append(Outcome("quarantined", pointer=pointer, reason="not a JSON object"))
    return iter([batch])


def _pulled(url: str, allowed_hosts: frozenset[str], *, source: str) -> Iterator[Batch]:
    try:
        feed = Feed(url, allowed_hosts=allowed_hosts)
        try:
            for page in feed.pages():
                sent = [
                    read(one.value, source=source, pointer=one.pointer, note=one.note, partial=one.partial)
                    for one in page.records
                ]
                yield Batch(sent, notes=page.notes)
        finally:
            feed.close()
    except FeedRefused as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "url", "reason": str(error)}]) from None
    except FeedFailed as error:
        raise Problem(BAD_GATEWAY, f"The feed could not be read to its end: {error}.") from None


def _write(session: Session, batch: Iterable[Sent], run: Run) -> list[Outcome]:
    by = provenance(session, run)
    earlier: Earlier = run.kept.setdefault("hsds", Earlier())
    return outcomes(take_in(session, batch, by, source=source_of(run), earlier=earlier))


KIND = kind()
