"""Frameworks of results: which inputs, activities and outputs work towards an outcome, and who answers."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Linked:
    """A KPI in a framework: the KPIs it works towards, and who or what answers for it."""

    leads_to: Sequence[str] = ()
    answered_by: Sequence[str] = ()


@dataclass(frozen=True)
class Behind:
    """A KPI that works towards an outcome. steps: how many links away, 0 for the outcome itself"""

    kpi: str
    steps: int
    leads_to: Sequence[str]


def behind(outcome: str, kpis: Mapping[str, Linked]) -> list[Behind]:
    """Everything that works towards an outcome, itself first: nearest first, then by id.

    leads_to of each is narrowed to what lies behind the outcome too. Links in a circle end where they meet
    what was seen already; a link to a KPI that is not defined leads nowhere.

    >>> kpis = {"o": Linked(), "a": Linked(["o"]), "i": Linked(["a"]), "x": Linked(["y"])}
    >>> [(found.kpi, found.steps) for found in behind("o", kpis)]
    [('o', 0), ('a', 1), ('i', 2)]
    """
    towards: dict[str, list[str]] = {}
    for id in sorted(kpis):
        for aim in kpis[id].leads_to:
            towards.setdefault(aim, []).append(id)
    steps = {outcome: 0}
    waiting = deque([outcome])
    while waiting:
        current = waiting.popleft()
        for id in towards.get(current, ()):
            if id not in steps:
                steps[id] = steps[current] + 1
                waiting.append(id)
    return [
        Behind(id, steps[id], [aim for aim in kpis[id].leads_to if aim in steps] if id in kpis else [])
        for id in sorted(steps, key=lambda id: (steps[id], id))
    ]
