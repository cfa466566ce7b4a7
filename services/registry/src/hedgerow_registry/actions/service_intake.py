"""Taking in service records as they were sent: normalised, told from what came before, written, receipted."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import orjson
from hedgerow_kit.records import Outcome
from sqlalchemy.orm import Session

from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.actions.records import QUARANTINED, UNCHANGED, Written
from hedgerow_registry.actions.service_records import write_service_records
from hedgerow_registry.domain.feeds.progress import id_of
from hedgerow_registry.domain.hsds import Normalised, normalise, summary
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.store.directory import known_services


class Sent(NamedTuple):
    """A record that was sent, taken apart, and where it stood.

    text: its document, in words · own_id: its id as it was sent
    note: what is to be said of it · partial: it is known to be less than the sender has of it.
    """

    found: Normalised
    text: bytes
    own_id: str | None
    line: int | None
    pointer: str | None
    note: str | None = None
    partial: bool = False

    @property
    def place(self) -> str:
        return f"line {self.line}" if self.line is not None else self.pointer or "/"


def read(
    value: object,
    *,
    source: str,
    line: int | None = None,
    pointer: str | None = None,
    note: str | None = None,
    partial: bool = False,
) -> Sent:
    """A record of a source, any JSON value. What was sent need not be kept: nothing looks at it again."""
    found = normalise(value, source=source)
    text = orjson.dumps(found.document, option=orjson.OPT_SORT_KEYS)
    return Sent(found, text, id_of(value), line, pointer, note, partial)


class Taken(NamedTuple):
    """What became of a record.

    service_id: the id under which the registry knows its service, whatever became of it; `None` where it had
    none · content: a digest of what it said.
    """

    sent: Sent
    service_id: str | None
    content: str
    outcome: Outcome


class Earlier:
    """The services that an import has met so far, and the organisations it has described."""

    def __init__(self, met: Iterable[tuple[str, str, str]] = ()) -> None:
        self._first = {id: (content, place) for id, content, place in met}
        self.described: set[str] = set()

    def meets(self, service_id: str, content: str, place: str) -> tuple[str, bool] | None:
        """Where a service was met before, and whether it said the same; `None` for a new one."""
        first = self._first.setdefault(service_id, (content, place))
        return None if first[1] == place else (first[1], first[0] == content)

    def is_first(self, service_id: str, place: str) -> bool:
        """Whether no other place was the first to tell of a service."""
        return self._first.get(service_id, ("", place))[1] == place


def take_in(
    session: Session, batch: Iterable[Sent], by: Provenance, *, source: str, earlier: Earlier
) -> list[Taken]:
    """Write what can be written of some records; gives what became of each, in their order.

    Of two records of one service that say different things the first stands. A record that is known to be
    partial does not take the place of one that is held.
    """
    taken: dict[int, Taken] = {}
    new: list[tuple[int, Sent, str]] = []
    listed = list(batch)
    partial = (str(sent.found.key) for sent in listed if sent.partial and sent.found.service)
    held = known_services(session, partial)
    for place, sent in enumerate(listed):
        one = sent.found
        id = None if one.key is None else record_id(source, "service", one.key)
        content = blake2b(sent.text, digest_size=12).hexdigest()
        outcome = None
        if one.problems:
            reason = "; ".join(dict.fromkeys(problem.reason for problem in one.problems))
            outcome = _outcome(sent, QUARANTINED, reason, at=one.problems[0].pointer)
        elif (met := earlier.meets(str(id), content, sent.place)) is not None:
            outcome = _met_before(sent, *met)
        elif id in held:
            outcome = _outcome(sent, UNCHANGED, f"the record held stays as it is: {sent.note}")
        if outcome is None:
            new.append((place, sent, content))
        else:
            taken[place] = Taken(sent, id, content, outcome)
    records = [(sent.found, sent.text) for _, sent, _ in new]
    written = write_service_records(session, records, by, described=earlier.described)
    for (place, sent, content), what in zip(new, written, strict=True):
        taken[place] = Taken(sent, sent.found.key, content, _written(sent, what))
    return [taken[place] for place in sorted(taken)]


def _met_before(sent: Sent, where: str, is_same: bool) -> Outcome:
    if is_same:
        return _outcome(sent, UNCHANGED, f"the same record was sent before, at {where}")
    reason = f"a service of this id was sent before, at {where}, and says otherwise: the first stands"
    return _outcome(sent, QUARANTINED, reason, at="/id")


def _written(sent: Sent, what: Written) -> Outcome:
    if what.verdict == QUARANTINED:
        at = f"/{what.column}" if what.column else ""
        return _outcome(sent, what.verdict, what.reason, at=at)
    said = (what.reason, sent.note, summary(sent.found.notes))
    return _outcome(sent, what.verdict, "; ".join(filter(None, said)) or None)


def _outcome(sent: Sent, verdict: str, reason: str | None, *, at: str = "") -> Outcome:
    pointer = None if sent.pointer is None and not at else f"{sent.pointer or ''}{at}"
    return Outcome(verdict, sent.line, pointer=pointer, key=sent.found.key, reason=reason)


def outcomes(taken: Sequence[Taken]) -> list[Outcome]:
    return [one.outcome for one in taken]
