"""Which organisation a party of a contracting process is: a known one by a stated rule, or a new one.

The rules, in their order; nothing is merged by any other:
1. the party's id is the id of an organisation here;
2. an identifier of the party is an organisation's, of whatever source; of several, one of the same source;
3. the source has an organisation under the party's own id;
4. the source has one organisation of that name, and no identifier of the two contradicts;
5. a new organisation of the source.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities
from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.actions.records import QUARANTINED, write
from hedgerow_registry.domain import ids
from hedgerow_registry.domain.identifiers import Identifier
from hedgerow_registry.domain.ocds.parties import Party
from hedgerow_registry.domain.words import name_key
from hedgerow_registry.store import contracts as store
from hedgerow_registry.store.directory import known_organisations, organisations_named, own_parts


class Organisations:
    """The organisations that the parties of a batch are; made where they are new."""

    def __init__(self, session: Session, source: str, parties: Iterable[Party]) -> None:
        spoken = list(parties)
        self._source = source
        self._here = known_organisations(session, (p.id for p in spoken if p.id and ids.is_uuid(p.id)))
        self._by_identifier = store.organisations_identified(
            session, source, (one for party in spoken for one in party.identifiers)
        )
        self._known = store.known_of_source(session, source, (self._own(p) for p in spoken if p.id))
        self._named = organisations_named(session, source, (name_key(p.name) for p in spoken if p.name))
        held = [id for named in self._named.values() for id in named]
        self._identifiers: dict[str, set[Identifier]] = {
            id: {Identifier(*one) for one in known}
            for id, known in own_parts(session, held).identifiers.items()
        }
        self.made: dict[str, dict[str, Any]] = {}

    def find(self, party: Party) -> str:
        """The id of the organisation a party is; remembered as one to be made if it is new."""
        if party.id in self._here:
            return self._learn(str(party.id), party)
        for identifier in party.identifiers:
            if identifier in self._by_identifier:
                return self._by_identifier[identifier]
        own = self._own(party)
        if party.id is not None and (own in self._known or own in self.made):
            return self._learn(own, party)
        named = self._named.get(name_key(party.name), []) if party.name else []
        alike = [id for id in named if not self._contradicts(id, party.identifiers)]
        if len(alike) == 1:
            return self._learn(alike[0], party)
        self._make(own, party)
        return self._learn(own, party)

    def _own(self, party: Party) -> str:
        external = party.id if party.id is not None else party.key
        return ids.record_id(self._source, "organisation", external)

    def _contradicts(self, id: str, identifiers: Sequence[Identifier]) -> bool:
        held = self._identifiers.get(id, set())
        return any(one.scheme == other.scheme and one != other for one in identifiers for other in held)

    def _learn(self, id: str, party: Party) -> str:
        """The next party with one of these identifiers, or of this name, is the same organisation."""
        for identifier in party.identifiers:
            self._by_identifier.setdefault(identifier, id)
        self._identifiers.setdefault(id, set()).update(party.identifiers)
        if party.name:
            named = self._named.setdefault(name_key(party.name), [])
            if id not in named:
                named.append(id)
        return id

    def _make(self, id: str, party: Party) -> None:
        self.made[id] = {
            "id": id,
            "source_id": party.id,
            "name": party.name or party.key,
            "size": party.scale,
            "status": "active",
            "identifiers": [tuple(one) for one in party.identifiers],
        }

    def write(self, session: Session, by: Provenance) -> set[str]:
        """Write the new ones; gives the ids of those that could not be."""
        results = write(session, entities.ORGANISATIONS, self.made.values(), by)
        return {id for id, result in zip(self.made, results, strict=True) if result.verdict == QUARANTINED}
