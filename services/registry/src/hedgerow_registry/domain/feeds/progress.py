"""How far a feed has been read, and whether what was read is all of it.

Nothing that a feed says of itself is believed by itself: its totals are held against what it served. The
state can be written down after every page and taken up again from there, by another process too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

# A feed that serves so many more services than it says it has makes them up.
MOST_BEYOND_TOTAL: Final = 1_000
MOST_PAGES: Final = 20_000
MOST_RECORDS: Final = 2_000_000
_LISTS: Final = ("contents", "content", "services", "items", "data")

WHOLE, UNSTATED, INCONSISTENT = "whole", "unstated", "inconsistent"


class Said(NamedTuple):
    """What a page object says of itself, in either version's words."""

    items: int | None = None
    pages: int | None = None
    number: int | None = None
    last: bool | None = None


_SILENT: Final = Said()


@dataclass
class Progress:
    """What has been read of a feed so far, and what the feed says is still to come.

    next: the number of the page to ask for · base: the number of the first · served: records that came,
    unnamed: those among them without an id · repeated: those met before · pages: pages read, empties: empty
    ones in a row · said: the last page's own words · spoke: whether any page said how much there is ·
    totals: every total stated · done: the end was met · ended: how, where the feed did not foresee it.
    seen: the ids met, as the feed writes them. They are not part of the state that is written down.
    """

    url: str = ""
    next: int = 1
    base: int = 1
    served: int = 0
    unnamed: int = 0
    repeated: int = 0
    pages: int = 0
    empties: int = 0
    said: Said = _SILENT
    spoke: bool = False
    totals: list[int] = field(default_factory=list)
    done: bool = False
    ended: list[str] = field(default_factory=list)
    without_details: int = 0
    no_details: bool = False
    seen: set[str] = field(default_factory=set, repr=False)

    def state(self) -> dict[str, Any]:
        """What is to be written down, as JSON."""
        told = {name: value for name, value in self.__dict__.items() if name != "seen"}
        return {**told, "said": list(self.said)}

    @classmethod
    def of(cls, state: Mapping[str, Any], seen: Iterable[str]) -> "Progress":
        """The progress that was written down, with the ids that were met until then."""
        return cls(**{**state, "said": Said(*state["said"]), "seen": set(seen)})

    def repeats(self, ids: Sequence[str | None]) -> bool:
        """Whether a page holds only services that earlier pages had."""
        return self.pages > 0 and bool(ids) and all(one is not None and one in self.seen for one in ids)

    def take(self, ids: Sequence[str | None], said: Said) -> None:
        """Count a page with these ids."""
        for one in ids:
            if one is None:
                self.unnamed += 1
            elif one in self.seen:
                self.repeated += 1
            else:
                self.seen.add(one)
        self.served += len(ids)
        self.pages += 1
        self.empties = 0 if ids else self.empties + 1
        self.said = said
        self.spoke = self.spoke or said._replace(number=None) != _SILENT
        if said.items is not None and said.items not in self.totals:
            self.totals = sorted([*self.totals, said.items])

    @property
    def goes_on(self) -> bool:
        """Whether to ask for another page.

        It is enough that one thing the feed says means more; a feed that says nothing is asked until a page
        is empty or repeats. Two empty pages in a row are the end whatever it says, and so are services far
        beyond its own total.
        """
        if self.done or self.empties > 1 or self.is_beyond_total:
            return False
        if self.said.pages is None and self.said.last is None and self.said.items is None:
            return self.empties == 0
        return self.promises_more

    @property
    def is_beyond_total(self) -> bool:
        """Whether far more was served than the feed says it has."""
        return bool(self.totals) and self.served > 2 * self.totals[-1] + MOST_BEYOND_TOTAL

    @property
    def promises_more(self) -> bool:
        """Whether the last page means more, or any page named a total that was not served yet."""
        said = self.said
        return (
            said.last is False
            or (said.pages is not None and self.pages < said.pages)
            or (bool(self.totals) and self.served < self.totals[-1])
        )

    def ends_in_a_repeat(self, said: Said) -> None:
        """The page asked for holds nothing new: it is the end."""
        self.done = True
        # A plain list that ignores the page number was whole the first time; so was one that gave its total.
        whole = self.served == said.items or (said.pages is None and said.last is None and self.pages == 1)
        if not whole:
            told = f"page {self.next} repeats services of earlier pages: taken as the end of the feed"
            self.ended = [told]

    def ends_without_page(self) -> None:
        """The page asked for does not exist: it is the end."""
        self.done = True
        if self.served != self.said.items and self.promises_more:
            self.ended = [f"page {self.next} does not exist, though the feed said there was more"]

    @property
    def is_one_list(self) -> bool:
        """Whether the feed is a plain list in one piece, which knows no pages."""
        return self.done and self.pages == 1 and not self.spoke and not self.ended

    def notes(self) -> list[str]:
        """What of the feed's own words is not so."""
        made = list(self.ended)
        if self.is_beyond_total:
            made.append(
                "the feed serves services without end, far beyond its own total: no more was asked for"
            )
        if len(self.totals) > 1:
            told = ", ".join(str(total) for total in self.totals)
            made.append(f"the feed's total changed while it was read: {told}")
        elif self.totals and self.totals[0] != self.served:
            made.append(f"the feed says it has {self.totals[0]} services and served {self.served}")
        return made

    def verdict(self) -> str:
        """Whether a feed read to its end was read `whole`.

        `inconsistent` where its own words do not add up, or a service came twice: as pages shift while they
        are read, another may have been missed. `unstated` where it came in several pages and never said how
        many services there are, so that nobody can tell.
        """
        if self.notes() or (self.repeated and self.pages > 1):
            return INCONSISTENT
        # A list in one piece was read to its last bracket.
        return WHOLE if self.spoke or self.pages - self.empties < 2 else UNSTATED


def records_of(answer: Any) -> list[Any] | None:
    """The records of a page object of any version or of a plain list; `None` for anything else."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        for name in _LISTS:
            if isinstance(answer.get(name), list) and not (name == "services" and answer.get("id")):
                return list(answer[name])
    return None


def said_by(answer: Any) -> Said:
    """What a page says of itself.

    >>> said_by({"totalElements": "12", "last": True})
    Said(items=12, pages=None, number=None, last=True)
    """
    if not isinstance(answer, dict):
        return Said()
    last = next((answer[name] for name in ("last_page", "last") if isinstance(answer.get(name), bool)), None)
    return Said(
        _count(answer, "total_items", "totalElements"),
        _count(answer, "total_pages", "totalPages"),
        _count(answer, "page_number", "number"),
        last,
    )


def _count(answer: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = answer.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
            return value
    return None


def id_of(record: Any) -> str | None:
    """The id of a record as the feed writes it."""
    value = record.get("id") if isinstance(record, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None
