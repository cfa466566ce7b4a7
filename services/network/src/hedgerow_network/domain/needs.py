"""Needs and which of them count for which: narrower terms, and terms crosswalked from other taxonomies."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Need:
    id: str
    name: str
    taxonomy: str
    parent: str | None = None


@dataclass(frozen=True)
class Match:
    """Why a term that a service states counts for a need.

    how: `stated` the same term · `narrower` a term within it · `crosswalk` a term of another taxonomy, or
    within such a one · path: the terms from the stated one to the need
    """

    how: Literal["stated", "narrower", "crosswalk"]
    path: tuple[str, ...]


@dataclass(frozen=True)
class Taxonomies:
    """All needs by id, and the crosswalks between them.

    crosswalks: (from, to, relation), relation in the SKOS sense: `narrower` = `to` is narrower than `from`
    """

    needs: Mapping[str, Need]
    crosswalks: tuple[tuple[str, str, str], ...] = ()
    _narrower: dict[str, list[tuple[str, bool]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        narrower: dict[str, list[tuple[str, bool]]] = {}
        for need in self.needs.values():
            if need.parent is not None and need.parent != need.id:
                narrower.setdefault(need.parent, []).append((need.id, False))
        for start, end, relation in self.crosswalks:
            if relation in ("exact", "narrower"):
                narrower.setdefault(start, []).append((end, True))
            if relation in ("exact", "broader"):
                narrower.setdefault(end, []).append((start, True))
        for steps in narrower.values():
            steps.sort()
        object.__setattr__(self, "_narrower", narrower)

    def counting_for(self, need: str) -> dict[str, Match]:
        """The terms that count for a need, each with the shortest way there (ties on the id).

        A service that states a term counts for the need if the term is the need, is narrower than it, or is
        crosswalked to it as exact or narrower; and so on from term to term. `related` never counts, nor does
        a broader term: who helps with "health" may not help with "teeth".

        >>> both = {id: Need(id, id, "t", parent) for id, parent in (("t:food", None), ("t:bank", "t:food"))}
        >>> Taxonomies(both).counting_for("t:food")["t:bank"]
        Match(how='narrower', path=('t:bank', 't:food'))
        """
        found = {need: Match("stated", (need,))}
        queue = deque([need])
        while queue:
            term = queue.popleft()
            reached = found[term]
            for narrower, crosses in self._narrower.get(term, ()):
                if narrower not in found:
                    how: Literal["narrower", "crosswalk"] = "narrower"
                    if crosses or reached.how == "crosswalk":
                        how = "crosswalk"
                    found[narrower] = Match(how, (narrower, *reached.path))
                    queue.append(narrower)
        return found

    def name_of(self, need: str) -> str:
        """The name of a need; its id where only that is known."""
        found = self.needs.get(need)
        return found.name if found is not None else need

    def matching(self, said: str) -> list[str]:
        """Ids of the needs meant by an id, or by a bare term; several if the term is ambiguous."""
        if said in self.needs:
            return [said]
        return sorted(id for id in self.needs if id.partition(":")[2] == said)

    def in_use(self, stated: Iterable[str]) -> list[str]:
        """The needs to ask about if none is named, in the order of their ids.

        stated: terms that services of the place address, and needs whose demand there is known.
        All needs of every taxonomy that one of these belongs to (of all taxonomies if there are none), save
        the terms crosswalked (exact, or broader) to a term of another taxonomy in use: they are counted
        there.
        """
        known = {need.taxonomy for need in self.needs.values()}
        taxonomies = ({term.partition(":")[0] for term in stated} & known) or known
        steps = [
            (start, end)
            for start, end in self._outward()
            if start in self.needs
            and end in self.needs
            and self.needs[start].taxonomy != self.needs[end].taxonomy
        ]
        # A taxonomy that is mapped to another brings that other in.
        taxonomies |= {
            self.needs[end].taxonomy for start, end in steps if self.needs[start].taxonomy in taxonomies
        }
        elsewhere: set[str] = set()
        for start, end in steps:
            # Two terms crosswalked both ways must not both vanish.
            if self.needs[end].taxonomy in taxonomies and end not in elsewhere:
                elsewhere.add(start)
        return sorted(
            id for id, need in self.needs.items() if need.taxonomy in taxonomies and id not in elsewhere
        )

    def _outward(self) -> list[tuple[str, str]]:
        """Crosswalks as (narrower or equal term, the term it is counted under), in the order of their ids."""
        up = [(start, end) for start, end, relation in self.crosswalks if relation in ("exact", "broader")]
        down = [(end, start) for start, end, relation in self.crosswalks if relation == "narrower"]
        return sorted({*up, *down})
