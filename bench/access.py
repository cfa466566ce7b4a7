"""Floating catchments of the whole country, against PySAL's `access` or, without it, its steps in polars."""

from collections.abc import Callable
from importlib import util

import numpy as np
from hedgerow_network.domain.catchment import Decay, read_decay, three_step, two_step
from hedgerow_network.domain.cover import Floats
from hedgerow_network.domain.siting import fewest
from scipy.sparse import csr_array

from bench.report import Row, timed

AREAS, SITES, PAIRS = 33_755, 6_500, 1_000_000
LIMIT = 30.0


def workload() -> tuple[Floats, Floats, csr_array]:
    """People, capacity and a million costs, some beyond the limit."""
    chance = np.random.default_rng(7)
    pairs = np.unique(chance.integers(0, AREAS * SITES, int(PAIRS * 1.01)))[:PAIRS]
    cost = chance.uniform(0, 40, pairs.size)
    places = (pairs // SITES).astype(np.int32), (pairs % SITES).astype(np.int32)
    costs = csr_array((cost, places), shape=(AREAS, SITES))
    people, capacity = chance.integers(200, 3_000, AREAS), chance.integers(1, 60, SITES)
    return people.astype(np.float64), capacity.astype(np.float64), costs


def _by_access(people: Floats, capacity: Floats, costs: csr_array) -> Callable[[], object]:
    import pandas
    from access import fca

    pairs = costs.tocoo()
    cost = pandas.DataFrame({"origin": pairs.row, "dest": pairs.col, "cost": pairs.data})
    demand = pandas.DataFrame({"geoid": np.arange(AREAS), "demand": people})
    supply = pandas.DataFrame({"geoid": np.arange(SITES), "supply": capacity})
    return lambda: fca.two_stage_fca(demand, supply, cost, LIMIT)


def _by_frames(people: Floats, capacity: Floats, costs: csr_array) -> Callable[[], Floats]:
    """The steps that `access` takes, join by join: filter by cost, join people, sum, join back, sum."""
    import polars

    pairs = costs.tocoo()
    cost = polars.DataFrame({"origin": pairs.row, "dest": pairs.col, "cost": pairs.data})
    demand = polars.DataFrame({"origin": np.arange(AREAS, dtype=np.int32), "demand": people})
    supply = polars.DataFrame({"dest": np.arange(SITES, dtype=np.int32), "supply": capacity})

    def run() -> Floats:
        near = cost.filter(polars.col("cost") <= LIMIT)
        served = near.join(demand, on="origin").group_by("dest").agg(polars.col("demand").sum())
        ratio = supply.join(served, on="dest").with_columns(polars.col("supply") / polars.col("demand"))
        found = near.join(ratio, on="dest").group_by("origin").agg(polars.col("supply").sum())
        answer = np.zeros(AREAS)
        answer[found["origin"].to_numpy()] = found["supply"].to_numpy()
        return answer

    return run


def rows() -> list[Row]:
    people, capacity, costs = workload()
    decay = Decay("binary", LIMIT)
    ours = two_step(capacity, people, costs, decay)
    frames = _by_frames(people, capacity, costs)
    assert np.allclose(ours, frames())
    if util.find_spec("access") is not None:
        name, baseline = "PySAL access", _by_access(people, capacity, costs)
    else:
        # `access` brings geopandas and pandas; where it is missing, its steps in a faster frame stand in.
        name, baseline = "its steps in polars (access is not installed)", frames
    slow = timed(baseline, repeat=3)
    size = f"{AREAS:,} areas × {SITES:,} sites, {PAIRS / 1e6:g} M pairs"
    found = []
    for method, call in (
        ("2SFCA", lambda: two_step(capacity, people, costs, decay)),
        ("E2SFCA gaussian", lambda: two_step(capacity, people, costs, read_decay("gaussian", limit=LIMIT))),
        ("3SFCA gaussian", lambda: three_step(capacity, people, costs, read_decay("gaussian", limit=LIMIT))),
    ):
        quick = timed(call)
        is_barred = method == "2SFCA"
        found.append(
            Row(
                path=f"{method}, {size}",
                figure=f"{quick * 1e3:.1f} ms",
                baseline=f"{slow * 1e3:.0f} ms, 2SFCA by {name}",
                ratio=f"{slow / quick:.1f} × faster",
                bar=">= 10 × faster than PySAL access" if is_barred else "–",
                reached=slow / quick >= 10 if is_barred else None,
            )
        )
    return [*found, _set_cover()]


def _set_cover() -> Row:
    """200 areas and 400 sites strewn over a square, each reaching a tenth of its side: the fewest for all."""
    chance = np.random.default_rng(3)
    areas, sites = chance.random((200, 2)), chance.random((400, 2))
    apart = np.linalg.norm(areas[:, None] - sites[None, :], axis=2)
    near = csr_array((apart <= np.maximum(0.1, apart.min(axis=1, keepdims=True))).astype(float))
    people = np.ones(200)
    found = fewest(near, people)
    seconds = timed(lambda: fewest(near, people), repeat=1)
    return Row(
        path="fewest sites, set cover 200 × 400",
        figure=f"{seconds:.2f} s, {found.objective:.0f} sites",
        baseline="–",
        ratio=f"proven: {'yes' if found.proven else 'no'}",
        bar="optimum proven in < 1 s",
        reached=found.proven and seconds < 1,
    )
