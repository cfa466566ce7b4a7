"""Looking for organisations that may be one: how long 100,000 take, and how often it is right.

The organisations are made of the words that names of charities and companies are made of, one in fifty a
second time under another source and in another spelling. Precision and recall on registers need the open data
that `HEDGEROW_SHARED` names; those on pairs a person has looked at do not.
"""

import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hedgerow_kit import migrations
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from hedgerow_registry.actions.entities import ORGANISATIONS
from hedgerow_registry.actions.matching import look_through
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.actions.records import write
from hedgerow_registry.domain.ids import record_id

from bench.report import Row
from tests.registry.matching_quality import Quality, Registers, at_thresholds, labelled

ORGANISATIONS_IN_ALL = 100_000
THRESHOLDS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_BAR_SECONDS = 300
_KINDS = [
    "trust",
    "society",
    "association",
    "club",
    "centre",
    "charity",
    "group",
    "school",
    "church",
    "services",
    "care",
    "community",
]


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        yield _look(f"sqlite:///{Path(folder) / 'registry.db'}")
    pairs = labelled()
    yield from _quality("pairs a person has looked at", pairs, sum(right for _, right in pairs))
    if named := os.environ.get("HEDGEROW_SHARED"):
        registers = Registers(Path(named) / "data" / "org_identifiers")
        yield from _quality("numbers of one body", list(registers.scored(min(THRESHOLDS))), registers.right())


def _quality(what: str, scored: list[tuple[float, bool]], right: int) -> Iterator[Row]:
    for found in at_thresholds(scored, right, THRESHOLDS):
        yield _quality_row(what, found)


def _quality_row(what: str, found: Quality) -> Row:
    return Row(
        path=f"duplicates at {found.threshold}: {what}",
        figure=f"precision {found.precision:.3f}, recall {found.recall:.3f}",
        baseline="names alone",
        ratio="–",
        bar="–",
        reached=None,
    )


def _look(url: str) -> Row:
    database = Database(url)
    migrations.upgrade(database, "hedgerow_registry")
    _fill(database)
    before = _peak_mb()
    started = time.perf_counter()
    found = look_through(database)
    taken = time.perf_counter() - started
    assert found is not None
    again = time.perf_counter()
    look_through(database)
    unchanged = time.perf_counter() - again
    database.dispose()
    return Row(
        path=f"duplicates among {ORGANISATIONS_IN_ALL:,} organisations ({database.dialect})",
        figure=f"{taken:.0f} s, {found.compared:,} pairs compared, {found.pairs:,} kept, "
        f"+ {_peak_mb() - before:.0f} MB",
        baseline=f"nothing changed: {unchanged * 1000:.0f} ms",
        ratio="–",
        bar=f"<= {_BAR_SECONDS} s",
        reached=taken <= _BAR_SECONDS,
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _fill(database: Database) -> None:
    chance = random.Random(1)
    syllables = [
        a + b
        for a in ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "w"]
        for b in ["a", "e", "i", "o", "u", "ar", "en", "or"]
    ]

    def word() -> str:
        return "".join(chance.choices(syllables, k=chance.randint(2, 4)))

    words = [word() for _ in range(20_000)]
    names = [
        " ".join([*chance.choices(words, k=chance.randint(1, 3)), *chance.choices(_KINDS, k=2)])
        for _ in range(ORGANISATIONS_IN_ALL)
    ]
    by = Principal("bench", frozenset({"administrator"}), frozenset({"*"}))
    for source, listed in (("first", names[:98_000]), ("second", [f"The {n} Ltd" for n in names[:2_000]])):
        for start in range(0, len(listed), 5_000):
            with database.writing() as session:
                records = [
                    {
                        "id": record_id(source, "organisation", str(start + place)),
                        "name": name,
                        "status": "active",
                    }
                    for place, name in enumerate(listed[start : start + 5_000])
                ]
                write(session, ORGANISATIONS, records, claim(session, source, by))
