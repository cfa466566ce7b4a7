"""Weak points of a graph: who holds it together alone, and by which single links."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rustworkx
from numpy.typing import NDArray

from hedgerow_network.domain.cover import Ints

Edges = NDArray[np.integer]


@dataclass(frozen=True)
class WeakPoints:
    """points: nodes without which what they join falls apart (articulation points), ascending · pieces: for
    each, into how many pieces · bridges: (n, 2) edges without which the same happens, lower node first, in
    order
    """

    points: Ints
    pieces: Ints
    bridges: Ints


def weak_points(n_nodes: int, edges: Edges) -> WeakPoints:
    """Articulation points and bridges of an undirected graph.

    Parameters: n_nodes >= 0 · edges (n, 2) positions of nodes; direction, repeats and edges from a node to
    itself do not matter.
    Returns them in the order of the positions. Edges: a graph without edges has none; each part of a graph in
    several parts is looked at for itself.
    Source: Hopcroft & Tarjan 1973, Communications of the ACM 16(6), 372–378, as rustworkx does it.

    >>> found = weak_points(4, np.array([[0, 1], [1, 2], [2, 0], [2, 3]]))
    >>> found.points.tolist(), found.pieces.tolist(), found.bridges.tolist()
    ([2], [2], [[2, 3]])
    """
    pairs = _distinct(edges)
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from([None] * n_nodes)
    graph.add_edges_from_no_data([(int(a), int(b)) for a, b in pairs])
    blocks = np.zeros(n_nodes, np.int64)
    # A node splits its part into as many pieces as there are blocks that meet in it.
    member = {(node, block) for edge, block in _blocks(graph).items() for node in edge}
    for node, _ in member:
        blocks[node] += 1
    points = np.array(sorted(rustworkx.articulation_points(graph)), dtype=np.int32)
    cut = sorted((min(edge), max(edge)) for edge in rustworkx.bridges(graph))
    return WeakPoints(
        points=points,
        pieces=blocks[points].astype(np.int32),
        bridges=np.array(cut, dtype=np.int32).reshape(-1, 2),
    )


def _blocks(graph: rustworkx.PyGraph) -> dict[tuple[int, int], int]:
    return dict(rustworkx.biconnected_components(graph))


def _distinct(edges: Edges | Sequence[Sequence[int]]) -> NDArray[np.int64]:
    table = np.sort(np.asarray(edges, np.int64).reshape(-1, 2), axis=1)
    return np.unique(table[table[:, 0] != table[:, 1]], axis=0)
