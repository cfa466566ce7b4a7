"""The flow of least cost, solved in this process if it is small, else in one of its own.

The solver does not let other threads of its process run: one large question would stop all other answers.
"""

import io
import subprocess
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import min_cost_flow
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

LARGEST_HERE = 30_000
"""Arcs up to which a question is solved in this process: about a tenth of a second."""

Longs = NDArray[np.int64]


class Arcs(NamedTuple):
    """(n_arcs,) each: from node to node, flow at most, cost and lot of one unit; whole numbers >= 0."""

    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    capacity: Longs
    cost: Longs
    lot: Longs


def least_cost_flow(arcs: Arcs, *, sink: int, total: int, largest_here: int = LARGEST_HERE) -> Longs:
    """(n_arcs,) the flow on each arc of the largest flow from node 0 to the sink, at the least cost.

    Of several flows of least cost it is the one with the least sum of lots; the order of the arcs does not
    matter then, unless several are equal in that too. total: what the source has at most. Raises
    ArithmeticError where numbers are too large to be told.
    """
    if arcs.tail.size <= largest_here:
        return _solved(arcs, sink, total)
    question = io.BytesIO()
    np.savez(question, **arcs._asdict(), sink=sink, total=total)
    # -P keeps the working directory out of the path: what is imported there is what is imported here.
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__], input=question.getvalue(), capture_output=True, check=False
    )
    if done.returncode:
        raise ArithmeticError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return np.asarray(np.load(io.BytesIO(done.stdout), allow_pickle=False), np.int64)


def _solved(arcs: Arcs, sink: int, total: int) -> Longs:
    solver = min_cost_flow.SimpleMinCostFlow()
    of = solver.add_arcs_with_capacity_and_unit_cost(arcs.tail, arcs.head, arcs.capacity, arcs.cost)
    solver.set_nodes_supplies(np.array([0, sink], np.int32), np.array([total, -total], np.int64))
    status = solver.solve_max_flow_with_min_cost()
    if status != solver.OPTIMAL:
        raise ArithmeticError(f"the flow of least cost was not found ({status})")
    return _by_lot(arcs, np.asarray(solver.flows(of), np.int64))


def _by_lot(arcs: Arcs, flow: Longs) -> Longs:
    """Of all flows that are as large and cost as little as this one, that with the least sum of lots.

    By complementary slackness these are the flows that differ from it only on arcs of no reduced cost.
    """
    nodes = int(max(arcs.tail.max(), arcs.head.max())) + 1
    potential = _potentials(arcs, flow, nodes)
    reduced = arcs.cost + potential[arcs.tail] - potential[arcs.head]
    free = np.flatnonzero((reduced == 0) & (arcs.capacity > 0))
    tail, head = arcs.tail[free], arcs.head[free]
    joined = csr_array((np.ones(free.size, np.int8), (tail, head)), shape=(nodes, nodes))
    # Without a circle there is one way only.
    if free.size == nodes - connected_components(joined, directed=False)[0]:
        return flow
    solver = min_cost_flow.SimpleMinCostFlow()
    of = solver.add_arcs_with_capacity_and_unit_cost(tail, head, arcs.capacity[free], arcs.lot[free])
    supply = np.zeros(nodes, np.int64)
    np.add.at(supply, tail, flow[free])
    np.subtract.at(supply, head, flow[free])
    solver.set_nodes_supplies(np.arange(nodes, dtype=np.int32), supply)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise ArithmeticError(f"lots could not be drawn among flows of least cost ({status})")
    drawn = flow.copy()
    drawn[free] = solver.flows(of)
    return drawn


def _potentials(arcs: Arcs, flow: Longs, nodes: int) -> Longs:
    """(nodes,) the least cost of a way to each node along which the flow could still be changed, from
    wherever that is least (Bellman and Ford); a flow of least cost has no circle that makes it less.
    """
    onward, back = flow < arcs.capacity, flow > 0
    start = np.concatenate([arcs.tail[onward], arcs.head[back]])
    end = np.concatenate([arcs.head[onward], arcs.tail[back]])
    cost = np.concatenate([arcs.cost[onward], -arcs.cost[back]])
    order = np.argsort(end, kind="stable")
    start, end, cost = start[order], end[order], cost[order]
    found = np.zeros(nodes, np.int64)
    if not end.size:
        return found
    first = np.flatnonzero(np.diff(end, prepend=-1))
    reached = end[first]
    while True:
        least = np.minimum(found[reached], np.minimum.reduceat(found[start] + cost, first))
        if np.array_equal(least, found[reached]):
            return found
        found[reached] = least


if __name__ == "__main__":
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as asked:
        flows = _solved(
            Arcs(*(asked[name] for name in Arcs._fields)), int(asked["sink"]), int(asked["total"])
        )
    np.save(sys.stdout.buffer, flows, allow_pickle=False)
