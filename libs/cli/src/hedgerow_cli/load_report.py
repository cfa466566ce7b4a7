"""What became of every row of every file that `hedgerow load` read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hedgerow_cli.errors import CommandError
from hedgerow_cli.tables import people, table
from hedgerow_cli.terminal import plain

if TYPE_CHECKING:
    from rich.console import Console

    from hedgerow_cli.mapping.rows import Tally

VERDICTS = ("accepted", "changed", "unchanged", "quarantined")


@dataclass
class FileReceipt:
    """One file of the manifest: what was read, sent, and answered."""

    file: str
    kind: str
    status: str = "not sent"
    read: int | None = None
    left_out: int = 0
    sent: int | None = None
    refused: int = 0
    unplaced: int = 0
    placed: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    receipts: str | None = None
    notes: list[str] = field(default_factory=list)
    problem: str | None = None
    quarantined: list[dict[str, Any]] = field(default_factory=list)

    def mapped(self, tally: Tally) -> None:
        """Take over what the mapping counted; a sum that is wrong is a problem of ours, told as one."""
        self.read, self.left_out, self.sent = tally.read, tally.left_out, tally.sent
        self.refused, self.unplaced, self.placed = tally.refused, tally.unplaced, dict(tally.placed)
        if not tally.adds_up:
            self.problem = (
                f"{people(tally.read)} rows were read, but {people(tally.left_out)} left out and "
                f"{people(tally.sent)} sent do not make that up"
            )

    def answered(self, answer: Mapping[str, Any]) -> None:
        """Take over the platform's import and hold its counts against what was sent."""
        self.status = str(answer["status"])
        self.counts = {verdict: int(answer["counts"][verdict]) for verdict in VERDICTS}
        self.imports = [str(answer["id"])]
        self.receipts = answer.get("receipts")
        self.notes += [str(note) for note in answer.get("notes") or []]
        accounted = sum(self.counts.values())
        if self.status == "failed":
            self.problem = str(answer.get("detail") or "the import failed")
        elif self.sent is None:
            self.sent = accounted
        elif accounted != self.sent:
            self.problem = (
                f"{people(self.sent)} records were sent, the platform accounts for {people(accounted)}"
            )

    @property
    def complete(self) -> bool:
        return self.problem is None and self.status in ("completed", "checked")

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.file,
            "kind": self.kind,
            "status": self.status,
            "complete": self.complete,
            "problem": self.problem,
            "read": self.read,
            "left_out": self.left_out,
            "rows": self.sent,
            "counts": self.counts,
            "imports": self.imports,
            "not_mapped": self.refused,
            "placed": self.placed,
            "not_placed": self.unplaced,
            "receipts": self.receipts,
            "notes": self.notes,
            "quarantined": self.quarantined,
        }


@dataclass
class LoadReport:
    """The whole of a load."""

    name: str
    area: str
    source: str
    files: list[FileReceipt]
    stopped: CommandError | None = None

    @property
    def incomplete(self) -> list[FileReceipt]:
        return [file for file in self.files if not file.complete]

    @property
    def complete(self) -> bool:
        """Every file was answered, and for each: sent = accepted + changed + unchanged + quarantined."""
        return self.stopped is None and not self.incomplete

    def totals(self) -> dict[str, int]:
        counted = ("read", "left_out", "sent")
        sums = {name: sum(getattr(file, name) or 0 for file in self.files) for name in counted}
        for verdict in VERDICTS:
            sums[verdict] = sum(file.counts.get(verdict, 0) for file in self.files)
        return sums

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "area": self.area,
            "source": self.source,
            "complete": self.complete,
            "totals": self.totals(),
            "files": [file.as_json() for file in self.files],
        }

    def show(self, console: Console, *, shown: int) -> None:
        """Print the table of files, what was quarantined, and what went wrong."""
        console.print(self._table())
        for file in self.files:
            if file.unplaced:
                console.print(f"{plain(file.file)}: {people(file.unplaced)} rows sent without a place.")
            for note in file.notes:
                console.print(f"{plain(file.file)}: note: {plain(note)}")
        if shown:
            self._show_quarantined(console)
        for file in self.incomplete:
            if file.problem is not None:
                console.print(f"[bold red]{plain(file.file)} ({file.kind}): {plain(file.problem)}[/]")

    def _table(self) -> Any:
        made = table(
            "File", "Kind", "Read", "Left out", "Sent", *(word.capitalize() for word in VERDICTS), ""
        )
        for column in made.columns[2:-1]:
            column.justify = "right"
        for file in self.files:
            made.add_row(
                plain(file.file),
                file.kind,
                people(file.read),
                people(file.left_out),
                people(file.sent),
                *(people(file.counts.get(verdict)) for verdict in VERDICTS),
                "" if file.complete else f"[bold red]{file.status if file.problem is None else 'wrong'}[/]",
            )
        totals = self.totals()
        made.add_section()
        names = ("read", "left_out", "sent", *VERDICTS)
        made.add_row(f"{plain(self.name)}, all files", "", *(people(totals[name]) for name in names), "")
        return made

    def _show_quarantined(self, console: Console) -> None:
        made = table("File", "Line", "Column", "Record", "Reason", title="Quarantined")
        for file in self.files:
            for receipt in file.quarantined:
                made.add_row(plain(file.file), *(plain(text) for text in _told(receipt)))
            rest = file.counts.get("quarantined", file.refused) - sum(
                receipt.get("records") or 1 for receipt in file.quarantined
            )
            if file.quarantined and rest > 0:
                where = f": {file.receipts}?verdict=quarantined" if file.receipts else ""
                made.add_row(plain(file.file), "", "", "", f"… and {people(rest)} more{plain(where)}")
        if made.row_count:
            console.print(made)


def _told(receipt: Mapping[str, Any]) -> list[str]:
    """Where, which column, which record, why; with how many records share the receipt."""
    line, records = receipt.get("line"), receipt.get("records") or 1
    reason = str(receipt.get("reason") or "")
    return [
        str(receipt.get("pointer") or "" if line is None else line),
        str(receipt.get("column") or ""),
        str(receipt.get("key") or ""),
        f"{reason} ({people(records)} records)" if records > 1 else reason,
    ]
