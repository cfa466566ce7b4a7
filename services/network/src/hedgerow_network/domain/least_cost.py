"""The flow of least cost, solved in this process if it is small, else in one of its own.

The solver does not let other threads of its process run: one large question would stop all other answers.
"""

import io
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import min_cost_flow

LARGEST_HERE = 30_000
"""Arcs up to which a question is solved in this process: about a tenth of a second."""

Longs = NDArray[np.int64]


def least_cost_flow(
    tail: NDArray[np.int32],
    head: NDArray[np.int32],
    capacity: Longs,
    cost: Longs,
    *,
    sink: int,
    total: int,
    largest_here: int = LARGEST_HERE,
) -> Longs:
    """(n_arcs,) the flow on each arc of the largest flow from node 0 to the sink, at the least cost.

    Parameters: tail, head (n_arcs,) nodes · capacity, cost (n_arcs,) whole numbers >= 0 · total, what the
    source has at most. Of several flows of least cost the same one each time. Raises ArithmeticError where
    numbers are too large to be told.
    """
    if tail.size <= largest_here:
        return _solved(tail, head, capacity, cost, sink, total)
    question = io.BytesIO()
    np.savez(question, tail=tail, head=head, capacity=capacity, cost=cost, sink=sink, total=total)
    # -P keeps the working directory out of the path: what is imported there is what is imported here.
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__], input=question.getvalue(), capture_output=True, check=False
    )
    if done.returncode:
        raise ArithmeticError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return np.asarray(np.load(io.BytesIO(done.stdout), allow_pickle=False), np.int64)


def _solved(
    tail: NDArray[np.int32], head: NDArray[np.int32], capacity: Longs, cost: Longs, sink: int, total: int
) -> Longs:
    solver = min_cost_flow.SimpleMinCostFlow()
    arcs = solver.add_arcs_with_capacity_and_unit_cost(
        tail, head, np.asarray(capacity, np.int64), np.asarray(cost, np.int64)
    )
    solver.set_nodes_supplies(np.array([0, sink], np.int32), np.array([total, -total], np.int64))
    status = solver.solve_max_flow_with_min_cost()
    if status != solver.OPTIMAL:
        raise ArithmeticError(f"the flow of least cost was not found ({status})")
    return np.asarray(solver.flows(arcs), np.int64)


if __name__ == "__main__":
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as asked:
        flows = _solved(
            asked["tail"],
            asked["head"],
            asked["capacity"],
            asked["cost"],
            int(asked["sink"]),
            int(asked["total"]),
        )
    np.save(sys.stdout.buffer, flows, allow_pickle=False)
