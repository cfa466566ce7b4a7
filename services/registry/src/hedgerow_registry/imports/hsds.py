"""The kind `hsds`: services of Open Referral UK 1.0 and 3.0 and of HSDS 3.x, from a file or a live feed."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from hedgerow_kit.bulk import JSON, NDJSON, Kind, Run
from hedgerow_kit.problems import BAD_GATEWAY, UNPROCESSABLE, Problem
from hedgerow_kit.records import Batch, Outcome, Record, json_records, ndjson_records
from hedgerow_kit.spool import Upload
from sqlalchemy.orm import Session

from hedgerow_registry.actions.records import QUARANTINED, Written
from hedgerow_registry.actions.service_records import write_service_records
from hedgerow_registry.domain.hsds import Normalised, normalise, summary
from hedgerow_registry.errors import FeedFailed, FeedRefused
from hedgerow_registry.imports.rows import OPTIONS, provenance, source_of
from hedgerow_registry.upstream.feed import Feed

LISTS = ("contents", "content", "services", "items", "data")
# Nested records are large: a batch of them is one transaction and has to fit in memory.
BATCH = 500
# An organisation with its services inside is one object: beyond this it is read as a plain list.
LARGEST_OBJECT = 20_000_000


class Sent(NamedTuple):
    """A record as it was sent, and where it stood."""

    value: Any
    line: int | None
    pointer: str | None
    note: str | None = None


def kind(*, allowed_hosts: frozenset[str] = frozenset()) -> Kind:
    """The kind; a live feed may be at a private address only where its host is allowed."""

    def read(upload: Upload, run: Run) -> Iterator[Batch]:
        source_of(run)
        url = run.options.get("url")
        if url:
            if upload.size:
                raise Problem(UNPROCESSABLE, "Send a file or name a feed, not both.")
            return _pulled(url, allowed_hosts)
        return _of_file(upload)

    return Kind(
        name="hsds",
        summary="Import services: Open Referral UK 1.0 or 3.0, HSDS 3.x, as JSON, NDJSON or a live feed",
        read=read,
        write=_write,
        media_types=(JSON, NDJSON),
        options={
            **OPTIONS,
            "url": "The address of a live feed to pull instead: its root, its /services or one service",
        },
    )


def _of_file(upload: Upload) -> Iterator[Batch]:
    if upload.media_type == NDJSON:
        found = ndjson_records(upload.path, batch=BATCH)
    else:
        found = _of_organisation(upload) or json_records(upload.path, under=LISTS, batch=BATCH)
    for batch in found:
        sent = [Sent(record.fields, record.line, record.pointer) for record in batch.records]
        yield Batch(sent, batch.outcomes, batch.notes)


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


def _pulled(url: str, allowed_hosts: frozenset[str]) -> Iterator[Batch]:
    try:
        feed = Feed(url, allowed_hosts=allowed_hosts)
        try:
            for page in feed.pages():
                sent = [Sent(one.value, None, one.pointer, one.note) for one in page.records]
                yield Batch(sent, notes=page.notes)
        finally:
            feed.close()
    except FeedRefused as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "url", "reason": str(error)}]) from None
    except FeedFailed as error:
        raise Problem(BAD_GATEWAY, f"The feed could not be read to its end: {error}.") from None


class _Earlier:
    """The services that an import has met so far."""

    def __init__(self) -> None:
        self._first: dict[bytes, tuple[bytes, str]] = {}
        self.described: set[str] = set()

    @classmethod
    def of(cls, run: Run) -> "_Earlier":
        earlier: _Earlier = run.kept.setdefault("hsds", cls())
        return earlier

    def meets(self, one: Normalised, place: str) -> tuple[str, bool] | None:
        """Where a service of this id was met before, and whether it was the same; `None` for a new one."""
        own_id = blake2b(str(one.key).encode(), digest_size=12).digest()
        content = blake2b(orjson.dumps(one.document, option=orjson.OPT_SORT_KEYS), digest_size=12).digest()
        first = self._first.setdefault(own_id, (content, place))
        return None if first[1] == place else (first[1], first[0] == content)


def _write(session: Session, batch: Iterable[Sent], run: Run) -> list[Outcome]:
    source = source_of(run)
    by = provenance(session, run)
    earlier = _Earlier.of(run)
    outcomes: dict[int, Outcome] = {}
    new: list[tuple[int, Sent, Normalised]] = []
    for place, sent in enumerate(batch):
        one = normalise(sent.value, source=source)
        if one.problems:
            reason = "; ".join(dict.fromkeys(problem.reason for problem in one.problems))
            outcomes[place] = _outcome(sent, one, "quarantined", reason, at=one.problems[0].pointer)
            continue
        met = earlier.meets(one, _place(sent))
        if met is None:
            new.append((place, sent, one))
        elif met[1]:
            outcomes[place] = _outcome(
                sent, one, "unchanged", f"the same record was sent before, at {met[0]}"
            )
        else:
            reason = (
                f"a service of this id was sent before, at {met[0]}, and says otherwise: the first stands"
            )
            outcomes[place] = _outcome(sent, one, "quarantined", reason, at="/id")
    written = write_service_records(session, [one for _, _, one in new], by, described=earlier.described)
    for (place, sent, one), taken in zip(new, written, strict=True):
        outcomes[place] = _taken(sent, one, taken)
    return [outcomes[place] for place in sorted(outcomes)]


def _taken(sent: Sent, one: Normalised, taken: Written) -> Outcome:
    if taken.verdict == QUARANTINED:
        at = f"/{taken.column}" if taken.column else ""
        return _outcome(sent, one, taken.verdict, taken.reason, at=at)
    said = (taken.reason, sent.note, summary(one.notes))
    return _outcome(sent, one, taken.verdict, "; ".join(filter(None, said)) or None)


def _outcome(sent: Sent, one: Normalised, verdict: str, reason: str | None, *, at: str = "") -> Outcome:
    pointer = None if sent.pointer is None and not at else f"{sent.pointer or ''}{at}"
    return Outcome(verdict, sent.line, pointer=pointer, key=one.key, reason=reason)


def _place(sent: Sent) -> str:
    return f"line {sent.line}" if sent.line is not None else sent.pointer or "/"


KIND = kind()
