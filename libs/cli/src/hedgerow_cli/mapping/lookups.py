"""Small tables asked by key: postcode to coordinates, name to code, code to parent."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from hedgerow_cli.manifest import Lookup
from hedgerow_cli.mapping.reading import rows
from hedgerow_cli.mapping.wheres import Filter

_BLANKS = re.compile(r"\s+")
_NOT_WORD = re.compile(r"[^\w]+")
_OFFICE = re.compile(
    r"^(the )?((royal|london|metropolitan) )*(borough|city|county|district|council) of (?=\w)"
)


class NotFound(LookupError):
    """The lookup has no such key."""


class Ambiguous(LookupError):
    """The lookup has the key more than once, with different answers."""


def postcode_key(text: str) -> str:
    """A postcode as it is compared: without blanks, in capitals.

    >>> postcode_key(" wa15  9na ")
    'WA159NA'
    """
    return _BLANKS.sub("", text).upper()


def name_key(text: str) -> str:
    """Names as people spell them: case, punctuation, `&`, `St`/`Saint` and "City of" do not matter.

    >>> name_key("City of  St. Helens & District") == name_key("Saint Helens and District")
    True
    """
    plain = _NOT_WORD.sub(
        " ", text.casefold().replace("&", " and ").replace("'", "").replace("’", "")
    ).strip()
    plain = re.sub(r"\bst\b", "saint", plain)
    return _OFFICE.sub("", plain)


_KEYS: dict[str, Callable[[str], str]] = {
    "exact": lambda text: text.strip(),
    "postcode": postcode_key,
    "name": name_key,
}


def shown(text: str) -> str:
    """A cell as a message shows it."""
    return text if len(text) <= 60 else f"{text[:60]}…"


class LookupTable:
    """Answers by key; only the asked-for columns are held in memory."""

    def __init__(self, name: str, lookup: Lookup, taken: Iterable[str]) -> None:
        self.name = name
        self.lookup = lookup
        self.taken = tuple(dict.fromkeys(taken))
        self._key = _KEYS[lookup.match]
        self._answers: dict[str, tuple[str, ...] | None] = {}

    def read(self, path: Path, missing: Collection[str]) -> LookupTable:
        """Fill the table from its file. Raises Unreadable."""
        keep = Filter(self.lookup.where, missing)
        for row in rows(path, self.lookup):
            if row.reason or not keep(row.cells):
                continue
            values = [row.cells.get(name, "") for name in self.taken]
            for key in dict.fromkeys(row.cells.get(name, "") for name in self.lookup.key):
                self.add(key, values, missing)
        return self

    def add(self, key: str, values: Iterable[str], missing: Collection[str] = ()) -> None:
        found = self._key(key)
        if not found or found in missing:
            return
        answer = tuple("" if (text := value.strip()) in missing else text for value in values)
        held = self._answers.setdefault(found, answer)
        if held != answer:
            self._answers[found] = None

    def find(self, key: str) -> dict[str, str]:
        """The columns held for the key. Raises NotFound or Ambiguous, saying which lookup."""
        found = self._key(key)
        if found not in self._answers:
            raise NotFound(f"'{shown(key)}' is not in the lookup '{self.name}'")
        answer = self._answers[found]
        if answer is None:
            raise Ambiguous(f"'{shown(key)}' has more than one answer in the lookup '{self.name}'")
        return dict(zip(self.taken, answer, strict=True))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._key(key) in self._answers

    def __len__(self) -> int:
        return len(self._answers)
