"""Unmet demand: the largest flow of people to places, its cut, and who goes where at least cost."""

from collections.abc import Iterator
from typing import Any

import networkx
import numpy as np
from hedgerow_network.domain.flow import bottlenecks, lots, nearest_first, supplied
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from bench.report import Row, timed, timed_once

CELLS, SERVICES = 1_000, 800
Case = tuple[Any, Any, csr_array, Any]


def case(cells: int, services: int, widest: int) -> Case:
    """People in cells, places of services that are open to some of them, and metres between them."""
    chance = np.random.default_rng(1)
    width = chance.integers(1, widest, services)
    pairs = np.unique(
        np.column_stack([chance.integers(0, cells, width.sum()), np.repeat(np.arange(services), width)]),
        axis=0,
    )
    open_to = csr_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(cells, services))
    open_to.sort_indices()
    people, places = chance.integers(5, 500, cells), chance.integers(10, 400, services)
    return people, places, open_to, chance.integers(0, 30_000, open_to.nnz)


def bare(of: Case) -> csr_array:
    """The graph that scipy is asked about, made beforehand: source, cells, services, sink."""
    people, places, open_to, _ = of
    n, m = open_to.shape
    pairs = open_to.tocoo()
    rows = np.concatenate([np.zeros(n, int), pairs.row + 1, np.arange(n + 1, n + m + 1)])
    columns = np.concatenate([np.arange(1, n + 1), pairs.col + n + 1, np.full(m, n + m + 1)])
    data = np.concatenate([people, people[pairs.row], places]).astype(np.int32)
    return csr_array((data, (rows, columns)), shape=(n + m + 2, n + m + 2), dtype=np.int32)


def by_graph(of: Case, *, cheapest: bool) -> int:
    """The obvious way: networkx."""
    people, places, open_to, cost = of
    graph = networkx.DiGraph()
    pairs = open_to.tocoo()
    for row, number in enumerate(people.tolist()):
        graph.add_edge("from", ("cell", row), capacity=number, weight=0)
    for row, column, metres in zip(pairs.row.tolist(), pairs.col.tolist(), cost.tolist(), strict=True):
        graph.add_edge(("cell", row), ("service", column), capacity=int(people[row]), weight=metres)
    for column, number in enumerate(places.tolist()):
        graph.add_edge(("service", column), "to", capacity=number, weight=0)
    if not cheapest:
        return int(networkx.maximum_flow_value(graph, "from", "to"))
    return int(networkx.cost_of_flow(graph, networkx.max_flow_min_cost(graph, "from", "to")))


def ours(of: Case) -> int:
    """People served, and the cut."""
    people, places, open_to, _ = of
    return supplied(people, places, open_to).total


def rows() -> Iterator[Row]:
    of = case(CELLS, SERVICES, 30)
    graph = bare(of)
    sink = graph.shape[0] - 1
    assert ours(of) == maximum_flow(graph, 0, sink).flow_value, "both ways must agree"
    seconds = timed(lambda: ours(of), repeat=20)
    scipy = timed(lambda: maximum_flow(graph, 0, sink), repeat=20)
    path = f"unmet demand and its cut (max flow, {SERVICES:,} services × {CELLS:,} cells)"
    yield Row(
        path,
        f"{seconds * 1000:.2f} ms",
        f"scipy.sparse.csgraph.maximum_flow {scipy * 1000:.2f} ms",
        f"{seconds / scipy:.2f} ×",
        "<= 2 ×",
        seconds <= 2 * scipy,
    )
    slow = timed_once(lambda: by_graph(of, cheapest=False))
    yield Row(
        path,
        f"{seconds * 1000:.2f} ms",
        f"networkx {slow * 1000:,.0f} ms",
        f"{slow / seconds:.0f} × faster",
        "-",
        None,
    )
    people, places, open_to, cost = of
    found = supplied(people, places, open_to)
    named = timed(lambda: bottlenecks(found, open_to), repeat=20)
    yield Row(
        "naming its bottlenecks",
        f"{named * 1000:.2f} ms",
        f"the flow {seconds * 1000:.2f} ms",
        f"{named / seconds:.2f} ×",
        "-",
        None,
    )
    drawn = lots(map(str, range(people.size)), map(str, range(places.size)), open_to)
    least = timed(lambda: nearest_first(people, places, open_to, cost, drawn), repeat=5)
    slow = timed_once(lambda: by_graph(of, cheapest=True))
    yield Row(
        f"who goes where, nearest first (min-cost flow, {SERVICES:,} × {CELLS:,})",
        f"{least * 1000:.0f} ms",
        f"networkx {slow * 1000:,.0f} ms",
        f"{slow / least:.0f} × faster",
        "-",
        None,
    )
