"""Tables on their way to a file: clean rows, and rows of real-life dirt with the verdict they must get."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ACCEPTED, CHANGED, UNCHANGED, QUARANTINED = "accepted", "changed", "unchanged", "quarantined"


@dataclass
class Dirt:
    """One row that is not as it should be: what an import must make of it, and why."""

    row: Mapping[str, object]
    verdict: str
    why: str


@dataclass
class Table:
    """The rows of one file in order; `text` and `expected` agree on line numbers (the header is line 1)."""

    name: str
    columns: Sequence[str]
    rows: list[Mapping[str, object] | Dirt] = field(default_factory=list)

    def extend(self, rows: Iterable[Mapping[str, object]]) -> None:
        self.rows.extend(rows)

    def dirty(self, at: int, row: Mapping[str, object], verdict: str, why: str) -> None:
        """Put a dirty row in before the row that is number `at` now (negative: from the end)."""
        self.rows.insert(at if at >= 0 else len(self.rows) + 1 + at, Dirt(row, verdict, why))

    def clean(self, at: int) -> dict[str, object]:
        """A copy of the clean row nearest after position `at`."""
        return dict(next(row for row in self.rows[at:] if not isinstance(row, Dirt)))

    def text(self) -> str:
        out = io.StringIO()
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            cells = row.row if isinstance(row, Dirt) else row
            writer.writerow({name: "" if cells.get(name) is None else cells[name] for name in self.columns})
        return out.getvalue()

    def expected(self) -> dict[str, object]:
        """How many rows get which verdict, and the dirty ones one by one."""
        return expected_of(self.rows, first=2, step="line")


def expected_of(rows: Sequence[object], *, first: int, step: str) -> dict[str, object]:
    verdicts = Counter(row.verdict if isinstance(row, Dirt) else ACCEPTED for row in rows)
    counts = {verdict: verdicts[verdict] for verdict in (ACCEPTED, CHANGED, UNCHANGED, QUARANTINED)}
    listed = [
        {step: number, "verdict": row.verdict, "why": row.why}
        for number, row in enumerate(rows, start=first)
        if isinstance(row, Dirt)
    ]
    return {"sent": len(rows), **counts, "rows": listed}
