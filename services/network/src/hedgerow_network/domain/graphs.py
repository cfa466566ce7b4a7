"""Measures of a graph of organisations: of the whole and of each.

All are those of the simple graph: ties without direction and weight, two ties between the same two once, none
to itself. Nodes are positions; equal graphs give equal answers to the last bit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import rustworkx as rx
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from hedgerow_network.domain.cover import Floats, Ints

SEED = 20_080_401
# More threads would add in another order each time, and the last bits would differ from run to run.
_ONE_THREAD = 2**31
MOST_STEPS = 1_500_000_000
"""Tied nodes × ties: beyond, shortest paths between all of them would take minutes, and are not measured."""


def simple_ties(pairs: Iterable[tuple[int, int]]) -> Ints:
    """(n_ties, 2) each pair once, the lower position first, in order; a tie to itself is none."""
    table = np.array(sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}), dtype=np.int32)
    return table.reshape(-1, 2)


@dataclass(frozen=True)
class Measures:
    """What a graph measures, each array (n,) by node.

    degree: ties · betweenness: share of the shortest paths between other two that go through it (0 to 1) ·
    closeness: 0 to 1, see `measures`; both NaN beyond MOST_STEPS · constraint: Burt's, NaN without a tie ·
    component,
    community: numbers from 0, those with the lowest positions first · cut: whether the graph falls apart
    without it
    """

    degree: Ints
    betweenness: Floats
    closeness: Floats
    constraint: Floats
    component: Ints
    community: Ints
    cut: NDArray[np.bool_]
    whole: "Whole"


@dataclass(frozen=True)
class Whole:
    """The graph as a whole; None for what is not defined for it.

    density: ties as a share of all pairs · centralisations: Freeman's, 0 = all alike, 1 = a star · largest:
    nodes in the largest component · isolates: nodes without a tie · bridges: ties whose loss takes the graph
    apart · modularity: of the communities · clustering: closed triads as a share of all
    """

    nodes: int
    ties: int
    density: float | None
    degree_centralisation: float | None
    betweenness_centralisation: float | None
    closeness_centralisation: float | None
    clustering: float | None
    components: int
    largest: int
    isolates: int
    cut_points: int
    bridges: int
    communities: int
    modularity: float | None


def measures(n: int, ties: Ints, *, most_steps: int = MOST_STEPS) -> Measures:
    r"""Measure a simple graph of `n` nodes.

    .. math::
       \text{density} = \frac{2m}{n(n-1)} \qquad
       C_D = \frac{\sum_i (d_{max} - d_i)}{(n-1)(n-2)} \qquad
       C_B = \frac{\sum_i (b_{max} - b_i)}{n-1} \qquad
       C_C = \frac{\sum_i (c_{max} - c_i)}{(n-1)(n-2)/(2n-3)}

       c_i = \frac{r_i - 1}{n - 1} \cdot \frac{r_i - 1}{\sum_j d_{ij}} \qquad
       \text{constraint}_i = \sum_{j \in N(i)} \Big(p_{ij} + \sum_q p_{iq} p_{qj}\Big)^2,
       \quad p_{ij} = 1 / d_i

    Closeness counts the :math:`r_i` nodes within reach of i, itself included, and is scaled by their share
    (Wasserman & Faust), so that it means something in a graph of several parts.

    Parameters: n >= 0 · ties (m, 2) as `simple_ties` gives them · most_steps: tied nodes × ties up to which
    shortest paths are looked at
    Edges: fewer than 2 nodes have no density, fewer than 3 no centralisation; a graph in parts has no
    closeness centralisation; a graph without ties has no modularity.
    Source: Freeman 1979 (centralisation); Burt 2004 (constraint, over the neighbours of a node); Brandes 2001
    (betweenness); Blondel et al. 2008 (communities, with a fixed seed).

    >>> star = measures(4, simple_ties([(0, 1), (0, 2), (0, 3)]))
    >>> star.whole.density, star.whole.degree_centralisation, star.betweenness.tolist()
    (0.5, 1.0, [1.0, 0.0, 0.0, 0.0])
    """
    graph: rx.PyGraph[int, None] = rx.PyGraph(multigraph=False)
    adjacent = _adjacency(n, ties)
    degree = np.diff(adjacent.indptr).astype(np.int32)
    # Nodes without ties measure nothing, and a country has many of them.
    tied = np.flatnonzero(degree)
    place = np.full(n, -1)
    place[tied] = np.arange(tied.size)
    graph.add_nodes_from(tied.tolist())
    graph.add_edges_from_no_data([(int(a), int(b)) for a, b in place[ties]])
    betweenness, closeness = _paths(graph, n, tied, measurable=tied.size * len(ties) <= most_steps)
    components, component = connected_components(adjacent, directed=False) if n else (0, np.empty(0, int))
    component = _numbered(component)
    cut = np.zeros(n, dtype=bool)
    cut[tied[sorted(rx.articulation_points(graph))]] = True
    community, modularity = _communities(n, ties, degree, betweenness, closeness)
    return Measures(
        degree=degree,
        betweenness=betweenness,
        closeness=closeness,
        constraint=constraint(adjacent),
        component=component,
        community=community,
        cut=cut,
        whole=Whole(
            nodes=n,
            ties=len(ties),
            density=2 * len(ties) / (n * (n - 1)) if n > 1 else None,
            degree_centralisation=_centralisation(degree, (n - 1) * (n - 2)),
            betweenness_centralisation=_centralisation(betweenness, n - 1) if n > 2 else None,
            closeness_centralisation=(
                _centralisation(closeness, (n - 1) * (n - 2) / (2 * n - 3)) if components == 1 else None
            ),
            clustering=_clustering(adjacent, degree),
            components=int(components),
            largest=int(np.bincount(component).max()) if n else 0,
            isolates=int((degree == 0).sum()),
            cut_points=int(cut.sum()),
            bridges=len(rx.bridges(graph)),
            communities=int(community.max()) + 1 if n else 0,
            modularity=modularity,
        ),
    )


def _adjacency(n: int, ties: Ints) -> csr_array:
    rows = np.concatenate([ties[:, 0], ties[:, 1]])
    columns = np.concatenate([ties[:, 1], ties[:, 0]])
    return csr_array((np.ones(rows.size), (rows, columns)), shape=(n, n))


def _paths(
    graph: "rx.PyGraph[int, None]", n: int, tied: NDArray[np.intp], *, measurable: bool
) -> tuple[Floats, Floats]:
    """Betweenness and closeness of all nodes, from the graph of the tied ones; NaN if not measurable."""
    betweenness, closeness = np.zeros(n), np.zeros(n)
    if not measurable:
        return np.full(n, np.nan), np.full(n, np.nan)
    if not tied.size:
        return betweenness, closeness
    between = rx.betweenness_centrality(graph, normalized=False, parallel_threshold=_ONE_THREAD)
    near = rx.closeness_centrality(graph)
    pairs = (n - 1) * (n - 2) / 2
    betweenness[tied] = [between[node] / pairs if pairs else 0.0 for node in range(tied.size)]
    # The share of all nodes within reach, of which the graph has only the tied ones.
    closeness[tied] = [near[node] * (tied.size - 1) / (n - 1) for node in range(tied.size)]
    return betweenness, closeness


def constraint(adjacent: csr_array) -> Floats:
    """Burt's constraint of each node, given a symmetric matrix of ones; NaN for a node without a tie."""
    degree = np.asarray(adjacent.sum(axis=1)).ravel()
    with np.errstate(divide="ignore"):
        share = np.where(degree > 0, 1 / degree, 0.0)
    invested = csr_array(adjacent * share[:, None])
    # Only ways to neighbours count, directly or round a third.
    local = csr_array((invested + invested @ invested).multiply(adjacent > 0))
    local.data **= 2
    return np.where(degree > 0, np.asarray(local.sum(axis=1)).ravel(), np.nan)


def _centralisation(values: NDArray[np.generic], most: float) -> float | None:
    if len(values) < 3:
        return None
    numbers = values.astype(np.float64)
    if np.isnan(numbers).any():
        return None
    return float((numbers.max() - numbers).sum() / most)


def _clustering(adjacent: csr_array, degree: Ints) -> float | None:
    """Closed triads as a share of connected ones (transitivity); None without any."""
    triads = float((degree.astype(np.float64) * (degree - 1)).sum())
    if not triads:
        return None
    closed = float((adjacent @ adjacent).multiply(adjacent).sum())
    return closed / triads


def _numbered(labels: NDArray[np.integer]) -> Ints:
    """Labels as numbers in the order of their first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int32)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size, dtype=np.int32)
    return rank[inverse].astype(np.int32)


def _communities(
    n: int, ties: Ints, degree: Ints, betweenness: Floats, closeness: Floats
) -> tuple[Ints, float | None]:
    """Communities by the Louvain method.

    The method depends on the order of the nodes. They are put in the order of what they measure, and only
    alike ones in that of their positions, so that other names for the same graph give the same communities.
    """
    if not len(ties):
        return np.arange(n, dtype=np.int32), None
    order = np.lexsort((np.arange(n), degree, np.round(closeness, 9), np.round(betweenness, 9)))
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(sorted(tuple(sorted(pair)) for pair in place[ties].tolist()))
    found = nx.community.louvain_communities(graph, seed=SEED)
    label = np.empty(n, np.int64)
    for number, members in enumerate(found):
        label[order[sorted(members)]] = number
    return _numbered(label), float(nx.community.modularity(graph, found))


def positions(n: int, ties: Sequence[Sequence[int]] | Ints) -> Floats:
    """(n, 2) a place for each node of a drawing, within -1 and 1; the same graph gives the same drawing."""
    graph: rx.PyGraph[int, None] = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(n))
    graph.add_edges_from_no_data([(int(a), int(b)) for a, b in ties])
    # Each round looks at every pair: a large drawing gets fewer of them.
    drawn = rx.spring_layout(graph, seed=SEED, num_iter=min(100, max(15, 100_000 // max(n, 1))))
    return np.array([drawn[node] for node in range(n)], dtype=np.float64).reshape(-1, 2)
