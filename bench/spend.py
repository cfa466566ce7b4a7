"""Taking in what an authority paid: 450,000 lines, and the same again, beside reading them with csv alone."""

import csv
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hedgerow_kit import migrations
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings

from bench.report import Row, timed
from tests.support.http import running
from tests.support.identity import SIGNER, identity

LINES = 450_000
COLUMNS = (
    "buyer_code",
    "supplier_name",
    "supplier_id",
    "date",
    "amount_gbp",
    "category",
    "redacted",
    "reference",
)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        file = Path(folder) / "spend.csv"
        _write(file)
        read_s = timed(lambda: sum(1 for _ in csv.reader(file.open(newline=""))), repeat=1)
        database = Database(f"sqlite:///{Path(folder) / 'registry.db'}")
        migrations.upgrade(database, "hedgerow_registry")
        settings = Settings(matching_seconds=0, pulls=False)
        app = create_app(settings, database, verifier=Verifier(SIGNER.jwks, audience="registry"))
        with running(app, headers=identity("registry")) as client:
            taken = []
            for _ in range(2):
                started = time.perf_counter()
                answer = client.post(
                    "/v1/imports/spend",
                    content=file.read_bytes(),
                    headers={"Content-Type": "text/csv"},
                    timeout=900,
                )
                assert sum(answer.json()["counts"].values()) == LINES, answer.text
                taken.append(time.perf_counter() - started)
            started = time.perf_counter()
            client.get("/v1/spend/summary", params={"by": "sector"})
            summed_s = time.perf_counter() - started
    first, again = taken
    yield Row(
        path=f"spend: {LINES:,} lines (sqlite)",
        figure=f"{first:.1f} s, {LINES / first:,.0f} rows/s",
        baseline=f"csv alone: {read_s:.1f} s",
        ratio=f"{first / read_s:.1f} ×",
        bar="–",
        reached=None,
    )
    yield Row(
        path="spend: the same file again",
        figure=f"{again:.1f} s",
        baseline=f"first: {first:.1f} s",
        ratio=f"{first / again:.2f} ×",
        bar=">= 1.0 ×",
        reached=again <= first,
    )
    yield Row(
        path=f"spend: sums by sector of {LINES:,} lines",
        figure=f"{summed_s * 1000:.0f} ms",
        baseline="–",
        ratio="–",
        bar="–",
        reached=None,
    )


def _write(path: Path) -> None:
    chance = random.Random(2)
    suppliers = [(f"Supplier {number} Ltd", str(number)) for number in range(3_000)]
    with path.open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(COLUMNS)
        for number in range(LINES):
            name, id = chance.choice(suppliers)
            day = f"2025-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
            amount = f"{chance.randint(-5_000, 500_000) / 100:.2f}"
            written.writerow(
                ["E06999001", name, id, day, amount, f"Category {number % 200}", "", number // 8]
            )
