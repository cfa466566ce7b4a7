"""Two years of a council's payments as it publishes them: nothing lost, nothing doubled, memory flat."""

import csv
import gzip
import io
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

import psutil
import pytest

from tests.registry.files import counts, send
from tests.registry.test_spend import rows, summary
from tests.support.http import Client

BUYER = "E08000009"
YEARS = ("2024-25", "2025-26")
COLUMNS = "buyer_code,supplier_name,supplier_id,date,amount_gbp,category,redacted,reference,department"
MOST_MB = 200
LINES = 451_832


def published(shared: Path, most: int | None = None) -> Iterator[dict[str, str]]:
    """The council's own rows, at most so many of each year."""
    for year in YEARS:
        path = shared / "data" / "spend_trafford" / f"trafford_supplier_spend_{year}.csv.gz"
        with gzip.open(path) as file:
            yield from islice(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")), most)


def canonical(rows: Iterator[dict[str, str]], path: Path) -> tuple[Decimal, Counter[str]]:
    """Writes the rows in the canonical columns; gives their sum and lines by sign and redaction."""
    total, seen = Decimal(0), Counter[str]()
    with path.open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(COLUMNS.split(","))
        for row in rows:
            name, amount = row["BeneficiaryName"], row["Amount"]
            category = "" if row["ProclassLabel"] == "NA" else row["ProclassLabel"]
            id, day = row["BeneficiaryOtherID"], row["PaymentDate"]
            more = (row["TransactionNumber"], row["OrganisationalUnit"])
            written.writerow([BUYER, name, id, day, amount, category, "", *more])
            total += Decimal(amount)
            seen["lines"] += 1
            seen["negative"] += Decimal(amount) < 0
            seen["redacted"] += name in ("Redacted", "[individual redacted]")
    return total, seen


class Peak:
    """The most memory this process held beyond what it held at first, in MB, looked at all the time."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._first = self._process.memory_info().rss
        self._stop = threading.Event()
        self._most = self._first
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._most = max(self._most, self._process.memory_info().rss)

    def end(self) -> float:
        self._stop.set()
        self._thread.join()
        return (self._most - self._first) / 1e6


def _check(registry: Client, shared: Path, file: Path, most: int | None) -> None:
    total, seen = canonical(published(shared, most), file)
    peak = Peak()
    made = send(registry, "spend", file.read_bytes())
    grown = peak.end()
    assert counts(made) == (seen["lines"], 0, 0, 0)
    told = summary(registry, "category", buyer=BUYER)["total"]
    assert Decimal(str(told["amount_gbp"])) == total
    assert (told["lines"], told["negative_lines"]) == (seen["lines"], seen["negative"])
    for by in ("sector", "size", "supplier", "place", "ultimate_place", "category"):
        assert rows(registry, by, buyer=BUYER)
    by_sector = summary(registry, "sector", buyer=BUYER)["items"]
    assert {item["key"]: item["lines"] for item in by_sector}["redacted"] == seen["redacted"]
    assert counts(send(registry, "spend", file.read_bytes())) == (0, 0, seen["lines"], 0)
    assert grown <= MOST_MB, f"{grown:.0f} MB"


def test_a_months_payments_add_up_to_the_penny_and_come_again_unchanged(
    registry: Client, shared: Path, tmp_path: Path
) -> None:
    _check(registry, shared, tmp_path / "spend.csv", 6_000)


@pytest.mark.slow
def test_two_years_of_payments_add_up_to_the_penny_in_flat_memory(
    registry: Client, shared: Path, tmp_path: Path
) -> None:
    _check(registry, shared, tmp_path / "spend.csv", None)
    assert summary(registry, "category", buyer=BUYER)["total"]["lines"] == LINES
