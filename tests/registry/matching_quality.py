"""How well pairs of names are told apart: on registers that say which numbers are one body, and on pairs of a
borough's directories that a person has looked at.
"""

import csv
import gzip
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from hedgerow_registry.domain import likeness
from hedgerow_registry.domain.identifiers import identifier
from hedgerow_registry.domain.likeness import Body
from hedgerow_registry.errors import Malformed

LABELLED = Path(__file__).with_name("labelled_pairs.csv")
# A key that so many share is no place to look for a pair; a whole name may have more.
WIDEST, WIDEST_NAME = 50, 300


class Quality(NamedTuple):
    """At a threshold: of the pairs found, the share that is right; of the right ones, the share found."""

    threshold: float
    precision: float
    recall: float


def at_thresholds(
    scored: Iterable[tuple[float, bool]], right: int, thresholds: Iterable[float]
) -> Iterator[Quality]:
    """scored: the score of each pair and whether it is right · right: how many right pairs there are."""
    pairs = list(scored)
    for threshold in thresholds:
        found = [is_right for score, is_right in pairs if score >= threshold]
        yield Quality(threshold, sum(found) / max(len(found), 1), sum(found) / right)


def labelled() -> list[tuple[float, bool]]:
    """The pairs a person has looked at, each with its score by names alone.

    Drawn from suppliers, charities, grants and services of one borough: names that are equal but for the case
    of letters are left out, and names a little alike are many more than in the whole.
    """
    with LABELLED.open(newline="") as file:
        return [
            (
                likeness.compare(Body((row["first"],)), Body((row["second"],))).score,
                row["verdict"] == "same",
            )
            for row in csv.DictReader(file)
        ]


class Registers:
    """Names of charities, companies and mutual societies in six files, and which numbers are one body."""

    NAMED = (
        ("charity-company-numbers.csv", (("org_id_a", "org_name"),)),
        ("charity-reregistrations.csv", (("org_id_b", "org_name"),)),
        ("dual-registered-uk-charities.csv", (("org_id_b", "org_name_b"),)),
        ("ccew-register-of-mergers.csv.gz", (("org_id_a", "org_name_a"), ("org_id_b", "org_name_b"))),
        ("mutual-companies.csv.gz", (("org_id_a", "org_name"),)),
    )
    SAME = (
        "charity-company-numbers.csv",
        "charity-reregistrations.csv",
        "dual-registered-uk-charities.csv",
        "mutual-companies.csv.gz",
        "cio-company-numbers.csv.gz",
        "rsp-charity-number.csv",
    )

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parent: dict[str, str] = {}
        named: dict[tuple[str, str], str] = {}
        for file, columns in self.NAMED:
            for row in self._rows(file):
                for id, name in columns:
                    if row[id] and row[name]:
                        named.setdefault((_number(row[id]), file), row[name])
        for row in self._rows("federated-charities.csv.gz"):
            number = row["reg_number"]
            scheme = {"SC": "GB-SC", "NI": "GB-NIC"}.get(number[:2], "GB-CHC")
            named.setdefault((_number(f"{scheme}-{number}"), "federated-charities.csv.gz"), row["name"])
        for file in self.SAME:
            for row in self._rows(file):
                self._parent[self._body(_number(row["org_id_a"]))] = self._body(_number(row["org_id_b"]))
        # One charity that took over another: neither the same body nor wholly another.
        self._undecided = {
            frozenset((self._body(_number(row["org_id_a"])), self._body(_number(row["org_id_b"]))))
            for row in self._rows("ccew-register-of-mergers.csv.gz")
        }
        self.records = [(self._body(number), file, name) for (number, file), name in named.items()]

    def _rows(self, file: str) -> list[dict[str, str]]:
        content = (self._folder / file).read_bytes()
        content = gzip.decompress(content) if file.endswith(".gz") else content
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252")
        return list(csv.DictReader(io.StringIO(text)))

    def _body(self, number: str) -> str:
        while (above := self._parent.get(number, number)) != number:
            number = above
        return number

    def right(self) -> int:
        """How many pairs of records of two files are one body."""
        bodies: dict[str, Counter[str]] = defaultdict(Counter)
        for body, file, _ in self.records:
            bodies[body][file] += 1
        return sum(
            (sum(files.values()) ** 2 - sum(count * count for count in files.values())) // 2
            for files in bodies.values()
        )

    def scored(self, least: float) -> Iterator[tuple[float, bool]]:
        """Pairs of records of two files by names alone, and whether they are one body."""
        bodies = [Body((name,)) for _, _, name in self.records]
        blocks: dict[str, list[int]] = defaultdict(list)
        for place, body in enumerate(bodies):
            for key in likeness.keys(body):
                blocks[key].append(place)

        @cache
        def rivals(key: str) -> int:
            return max(Counter(self.records[place][1] for place in blocks[key]).values(), default=1)

        pairs = {
            pair
            for key, places in blocks.items()
            if len(places) <= (WIDEST_NAME if key.startswith("n:") else WIDEST)
            for pair in combinations(places, 2)
            if self.records[pair[0]][1] != self.records[pair[1]][1]
        }
        for one, other in sorted(pairs):
            score = likeness.compare(bodies[one], bodies[other], rivals).score
            ends = (self.records[one][0], self.records[other][0])
            if score >= least and (ends[0] == ends[1] or frozenset(ends) not in self._undecided):
                yield score, ends[0] == ends[1]


def _number(text: str) -> str:
    """`GB-CHC-123456` as the registry writes it; what is no number of its scheme stays."""
    scheme, _, number = text.rpartition("-")
    try:
        made = identifier(f"{scheme}:{number.removeprefix('NI') if scheme == 'GB-NIC' else number}")
    except Malformed:
        return text
    return f"{made.scheme}:{made.identifier}"
