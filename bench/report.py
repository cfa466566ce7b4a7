"""What a benchmark tells: one row per path, its figure beside a baseline measured in the same run."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Row(NamedTuple):
    """`ratio` is what the bar speaks of; `bar` says it in words; `reached` whether it holds here."""

    path: str
    figure: str
    baseline: str
    ratio: str
    bar: str
    reached: bool | None


def timed(call: Callable[[], Any], *, repeat: int = 5) -> float:
    """The least seconds of several runs, after one that is not counted."""
    call()
    best = float("inf")
    for _ in range(repeat):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best


def timed_once(call: Callable[[], Any]) -> float:
    """The seconds of one run, the first."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| path | figure | baseline, same run | ratio | bar | reached |", "|---|---|---|---|---|---|"]
    for row in rows:
        reached = {True: "yes", False: "**no**", None: "–"}[row.reached]
        lines.append("| " + " | ".join([*row[:-1], reached]) + " |")
    return "\n".join(lines)
