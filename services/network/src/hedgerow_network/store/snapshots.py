"""The projection in memory: read once, then kept up with what is newer."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Any, TypeVar

import shapely
from hedgerow_kit.db import Database

from hedgerow_network.domain import facts
from hedgerow_network.domain.directory import Directory
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.places import Boundaries
from hedgerow_network.store.projection import PROJECTION

T = TypeVar("T")

_VALUES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "organisation": facts.read_organisation,
    "service": facts.read_service,
    "site": facts.read_site,
}
_PLACES = {"area"}
_OUTLINES = {"area", "boundary"}
_NEEDS = {"need", "crosswalk"}
_DIRECTORY = {"organisation", "service", "site"}
_CONTRACTS = {"contract"}
_PEOPLE = {"residents", "index", "demand"}


@dataclass(frozen=True)
class Snapshot:
    """One state of the projection. version: equal for equal states seen alike · registry_seq: the registry
    state it shows · behind: changes of the registry that were known and not applied · rebuilding: a new round
    is being read
    """

    facts: Facts
    version: tuple[Hashable, ...]
    registry_seq: int
    behind: int
    settled: bool
    rebuilding: bool
    heard_at: datetime | None

    def seen_by(self, owns: Callable[[str | None], bool]) -> "Snapshot":
        """The same without what others have not published. owns: whether an authority is the reader's own."""
        hidden = frozenset(code for code in self.facts.contracts.unpublished_of if not owns(code))
        if not hidden:
            return self
        return replace(self, facts=self.facts.without_unpublished(hidden), version=(*self.version, hidden))


class Snapshots:
    """Gives the snapshot of now; reads only the records that came since the last one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._held: dict[str, dict[str, Any]] = {}
        self._batch = -1
        self._settled = -1
        self._facts: Facts | None = None
        self._outlines: dict[str, shapely.Geometry] = {}

    def current(self) -> Snapshot:
        with self._lock, self._database.reading() as session:
            feed = PROJECTION.feed(session)
            if feed.settled != self._settled:
                # A finished round has swept records without a trace of each.
                self._held, self._outlines, self._batch, self._facts = {}, {}, -1, None
            if feed.batch != self._batch or self._facts is None:
                self._facts = self._read(PROJECTION.records(session, newer_than=self._batch))
                self._batch, self._settled = feed.batch, feed.settled
            return Snapshot(
                facts=self._facts,
                version=(feed.settled, feed.batch),
                registry_seq=feed.position,
                behind=max(feed.registry_last - feed.position, 0),
                settled=feed.settled > 0,
                rebuilding=feed.settled < feed.feeding,
                heard_at=feed.heard_at,
            )

    def _read(self, newer: Any) -> Facts:
        touched = set()
        for kind, id, data in newer:
            touched.add(kind)
            of_kind = self._held.setdefault(kind, {})
            if kind == "boundary":
                self._outline(id, data)
            elif data is None:
                of_kind.pop(id, None)
            else:
                # Of what there are very many, the values are kept and the records let go: a change then costs
                # what changed, and not the reading of a country.
                of_kind[id] = _VALUES[kind](data) if kind in _VALUES else data
        made = self._made(touched)
        if self._facts is not None:
            made.carry(self._facts)
        return made

    def _outline(self, code: str, data: dict[str, Any] | None) -> None:
        """Boundaries are kept as geometry alone: as text they would take several times the memory."""
        outline = facts.read_outline(data) if data is not None else None
        if outline is None:
            self._outlines.pop(code, None)
        else:
            self._outlines[code] = outline

    def _made(self, touched: set[str]) -> Facts:
        before = self._facts

        def part(kinds: set[str], old: Callable[[Facts], T], make: Callable[[], T]) -> T:
            return make() if before is None or kinds & touched else old(before)

        hierarchy = part(_PLACES, lambda f: f.hierarchy, lambda: facts.read_areas(self._of("area")))
        return Facts(
            hierarchy=hierarchy,
            boundaries=part(
                _OUTLINES, lambda f: f.boundaries, lambda: Boundaries(hierarchy, dict(self._outlines))
            ),
            taxonomies=part(
                _NEEDS,
                lambda f: f.taxonomies,
                lambda: facts.read_taxonomies(self._of("need"), self._of("crosswalk")),
            ),
            directory=part(
                _DIRECTORY,
                lambda f: f.directory,
                lambda: Directory(
                    organisations=self._of("organisation"),
                    services=self._of("service"),
                    sites=self._of("site"),
                ),
            ),
            people=part(
                _PEOPLE,
                lambda f: f.people,
                lambda: facts.read_people(self._of("residents"), self._of("index"), self._of("demand")),
            ),
            contracts=part(
                _CONTRACTS, lambda f: f.contracts, lambda: facts.read_contracts(self._of("contract"))
            ),
        )

    def _of(self, kind: str) -> list[Any]:
        return list(self._held.get(kind, {}).values())
