"""The cheapest closing of gaps: 200 cells and 400 measures, all of them or what a budget allows."""

from collections.abc import Iterator
from functools import partial
from statistics import median

import numpy as np
from hedgerow_network.domain.siting import fewest, most_people
from scipy.sparse import csr_array

from bench.report import Row, timed

CELLS, MEASURES = 200, 400


def case(seed: int) -> tuple[csr_array, np.ndarray, np.ndarray]:
    """Cells and measures in a square, one closing those near it, at £20,000 to £200,000; people of cells."""
    chance = np.random.default_rng(seed)
    cells, measures = chance.random((CELLS, 2)), chance.random((MEASURES, 2))
    away = ((cells[:, None] - measures[None]) ** 2).sum(2) ** 0.5
    near = away <= 0.1
    near[np.arange(CELLS), away.argmin(1)] = True
    cost = chance.integers(20, 201, MEASURES) * 1_000.0
    return csr_array(near.astype(np.float64)), cost, chance.integers(5, 500, CELLS).astype(np.float64)


def greedy(near: csr_array, cost: np.ndarray) -> float:
    """What the obvious way costs: again and again the measure that is cheapest for each gap still open."""
    closes, left, spent = near.toarray() > 0, np.ones(near.shape[0], bool), 0.0
    while left.any():
        gain = closes[left].sum(0)
        best = int(np.argmin(np.where(gain > 0, cost / np.maximum(gain, 1), np.inf)))
        spent, left = spent + float(cost[best]), left & ~closes[:, best]
    return spent


def rows() -> Iterator[Row]:
    cases = [case(seed) for seed in range(5)]
    whole = [fewest(near, people, cost=cost) for near, cost, people in cases]
    worse = [
        greedy(near, cost) / best.objective - 1 for (near, cost, _), best in zip(cases, whole, strict=True)
    ]
    seconds = [timed(partial(fewest, near, people, cost=cost), repeat=3) for near, cost, people in cases]
    yield Row(
        f"cheapest closing ({CELLS} × {MEASURES}, 5 places): all gaps",
        f"{1000 * median(seconds):.0f} ms, the slowest {1000 * max(seconds):.0f} ms",
        f"greedy is {100 * min(worse):.0f} to {100 * max(worse):.0f} % dearer",
        "–",
        "proven in < 1 s",
        all(one.proven for one in whole) and max(seconds) < 1.0,
    )
    budgets = [one.objective / 2 for one in whole]
    seconds = [
        timed(partial(most_people, near, people, most, cost=cost), repeat=3)
        for (near, cost, people), most in zip(cases, budgets, strict=True)
    ]
    yield Row(
        f"cheapest closing ({CELLS} × {MEASURES}, 5 places): most people for half of what all would cost",
        f"{1000 * median(seconds):.0f} ms, the slowest {1000 * max(seconds):.0f} ms",
        "–",
        "–",
        "–",
        None,
    )
