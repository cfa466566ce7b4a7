"""Measure the hot paths: `python -m bench [name …]`; each module beside this one gives rows of the table."""

import importlib
import platform
import sys
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.report import Row, markdown

APART = {"__main__", "__init__", "report"}


def main(names: list[str]) -> None:
    console = Console()
    modules = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in APART)
    rows: list[Row] = []
    for name in names or modules:
        console.print(f"[dim]measuring {name}[/dim]")
        rows += importlib.import_module(f"bench.{name}").rows()
    table = Table(title="Hot paths", show_lines=True)
    for column in ("path", "figure", "baseline, same run", "ratio", "bar", "reached"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row[:-1], {True: "yes", False: "NO", None: "-"}[row.reached])
    console.print(table)
    where = f"{platform.machine()}, {cpu_count()} cores, Python {platform.python_version()}"
    console.print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {where}\n\n{markdown(rows)}", soft_wrap=True, highlight=False
    )


if __name__ == "__main__":
    main(sys.argv[1:])
