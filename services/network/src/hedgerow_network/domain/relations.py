"""Relations between organisations: what types there are, when they hold, and whom the words in them mean."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

TYPES: Mapping[str, bool] = {
    "contract": True,
    "data-sharing": False,
    "governance": True,
    "partnership": False,
    "referral": True,
    "shared-resource": False,
}
"""Types of relation, and whether each has a direction: who pays, governs or refers stands first."""


def type_named(said: str) -> str | None:
    """The type that a spelling means; None for none.

    >>> type_named("Data sharing"), type_named("friendship")
    ('data-sharing', None)
    """
    name = "-".join(said.strip().lower().replace("_", " ").replace("-", " ").split())
    return name if name in TYPES else None


@dataclass(frozen=True)
class Relation:
    """One organisation's relation to another, by ids.

    weight: how strong, >= 0, None = not said · start, end: first and last day, None = open
    """

    source: str
    target: str
    type: str
    weight: float | None = None
    start: date | None = None
    end: date | None = None
    network: str = ""

    def holds(self, day: date) -> bool:
        """Whether it is in force on a date; on its first and on its last day it is."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


class Names:
    """Finds the organisation that a text means: by id, by identifier (`GB-COH:01234567`), by its one name.

    A name that several organisations have means none of them.
    """

    def __init__(self, organisations: Iterable[tuple[str, str, Iterable[str]]]) -> None:
        """organisations: (id, name, identifiers `scheme:number`) of each."""
        self._ids: set[str] = set()
        self._by_identifier: dict[str, str | None] = {}
        self._by_name: dict[str, str | None] = {}
        for id, name, identifiers in organisations:
            self._ids.add(id)
            _note(self._by_name, _plain(name), id)
            for identifier in identifiers:
                _note(self._by_identifier, _plain(identifier), id)

    def find(self, said: str) -> str | None:
        """The id of the organisation that is meant; None where none, or more than one, fits.

        >>> names = Names([("a", "Ash Trust", ["GB-CHC:123"]), ("b", "Beech", []), ("c", "beech", [])])
        >>> names.find("a"), names.find("gb-chc:123"), names.find("ASH  trust"), names.find("Beech")
        ('a', 'a', 'a', None)
        """
        if said in self._ids:
            return said
        plain = _plain(said)
        return self._by_identifier.get(plain) or self._by_name.get(plain)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _note(known: dict[str, str | None], text: str, id: str) -> None:
    known[text] = id if known.get(text, id) == id else None
