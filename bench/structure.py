"""Structure of a large network, and lists in other formats."""

from collections.abc import Iterator

import networkx
import rustworkx
from hedgerow_network.domain.graphs import measures, positions, simple_ties

from bench.report import Row, timed

ORGANISATIONS, TIES = 2_500, 26_000


def rows() -> Iterator[Row]:
    drawn = networkx.gnm_random_graph(ORGANISATIONS, TIES, seed=11)
    ties = simple_ties(drawn.edges())
    graph: rustworkx.PyGraph[int, None] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(ORGANISATIONS))
    graph.add_edges_from_no_data([(int(a), int(b)) for a, b in ties])
    bare = timed(lambda: rustworkx.betweenness_centrality(graph), repeat=3)
    whole = timed(lambda: measures(ORGANISATIONS, ties), repeat=2)
    yield Row(
        f"structure of a network ({ORGANISATIONS:,} organisations, {TIES:,} ties): all measures, communities",
        f"{whole:.2f} s",
        f"rustworkx betweenness alone {bare:.2f} s",
        f"{whole / bare:.1f} ×",
        "< 10 ×",
        whole < 10 * bare,
    )
    placed = timed(lambda: positions(ORGANISATIONS, ties), repeat=1)
    yield Row("places of the same network in a drawing", f"{placed:.2f} s", "–", "–", "–", None)
