"""Measures of graphs: by hand, against published figures, against another library, under other names."""

import csv
import json

import networkx as nx
import numpy as np
import pytest
from hedgerow_network.domain.graphs import measures, positions, simple_ties
from hypothesis import given, settings
from hypothesis import strategies as st


def of(n, pairs):
    return measures(n, simple_ties(pairs))


def test_a_star_worked_by_hand():
    """A centre with four leaves. Density 4 of 10 pairs. Each of the 6 pairs of leaves meets in the centre."""
    star = of(5, [(0, leaf) for leaf in range(1, 5)])
    assert star.whole.density == 0.4
    assert star.whole.degree_centralisation == 1.0
    assert star.whole.betweenness_centralisation == 1.0
    assert star.whole.closeness_centralisation == pytest.approx(1.0)
    assert star.betweenness.tolist() == [1, 0, 0, 0, 0]
    # A leaf is 1 from the centre and 2 from three leaves: 4 / 7.
    assert star.closeness.tolist() == pytest.approx([1, 4 / 7, 4 / 7, 4 / 7, 4 / 7])
    # The centre: four contacts of a quarter each, 4 × (1/4)² = 1/4. A leaf: all in one contact, 1.
    assert star.constraint.tolist() == [0.25, 1, 1, 1, 1]
    assert (star.whole.cut_points, star.whole.bridges, star.whole.clustering) == (1, 4, 0.0)


def test_two_triangles_and_one_alone_worked_by_hand():
    parts = of(7, [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)])
    assert parts.component.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert parts.community.tolist() == [0, 0, 0, 1, 1, 1, 2]
    # Each reaches 2 of 6 others at 1 step: (2/6) × (2/2).
    assert parts.closeness.tolist() == pytest.approx([1 / 3] * 6 + [0])
    # Half in each of two contacts, a quarter more round the other: 2 × (1/2 + 1/4)² = 1.125.
    assert parts.constraint[:6].tolist() == [1.125] * 6
    assert np.isnan(parts.constraint[6])
    assert (parts.whole.components, parts.whole.largest, parts.whole.isolates) == (3, 3, 1)
    assert parts.whole.closeness_centralisation is None
    # Two communities, all ties within: 1 − 2 × (1/2)².
    assert parts.whole.modularity == pytest.approx(0.5)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_small_graphs_have_no_centralisation_and_do_not_fail(n):
    small = of(n, [])
    assert small.whole.density == (0.0 if n == 2 else None)
    assert small.whole.degree_centralisation is None
    assert small.whole.components == n
    assert positions(n, []).shape == (n, 2)


def test_a_tie_said_twice_or_to_itself_counts_once_or_not_at_all():
    assert simple_ties([(2, 1), (1, 2), (1, 1), (0, 2)]).tolist() == [[0, 2], [1, 2]]


def test_krackhardts_kite_to_the_published_figures(shared):
    kite = json.loads((shared / "vectors" / "graph_krackhardt.json").read_text())
    found = of(kite["n"], kite["edges"])
    for name, values in (
        ("degree", found.degree),
        ("betweenness_norm", found.betweenness),
        ("closeness", found.closeness),
        ("constraint", found.constraint),
    ):
        assert values.tolist() == pytest.approx([kite[name][str(node)] for node in range(10)], abs=1e-9)
    assert found.whole.density == pytest.approx(kite["density"], abs=1e-9)
    assert found.whole.degree_centralisation == pytest.approx(kite["degree_centralization_freeman"], abs=1e-9)
    assert found.whole.clustering == pytest.approx(kite["transitivity"], abs=1e-9)
    assert np.flatnonzero(found.cut).tolist() == kite["articulation_points"]
    assert found.whole.bridges == len(kite["bridges"])


def assert_as_networkx(n, pairs):
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(pairs)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    found = of(n, pairs)

    def same(values, expected):
        told = [expected[node] for node in range(n)]
        np.testing.assert_allclose(values, told, rtol=0, atol=1e-9, equal_nan=True)

    same(found.betweenness, nx.betweenness_centrality(graph))
    same(found.closeness, nx.closeness_centrality(graph))
    same(found.constraint, nx.constraint(graph))
    if n > 1:
        assert found.whole.density == pytest.approx(nx.density(graph), abs=1e-12)
    assert found.whole.components == nx.number_connected_components(graph)
    assert set(np.flatnonzero(found.cut)) == set(nx.articulation_points(graph))
    assert found.whole.bridges == len(list(nx.bridges(graph)))
    if found.whole.clustering is not None:
        assert found.whole.clustering == pytest.approx(nx.transitivity(graph), abs=1e-12)


graphs = st.integers(1, 9).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20)
    )
)


@settings(max_examples=60)
@given(graphs)
def test_small_graphs_measure_as_another_library_measures_them(graph):
    assert_as_networkx(*graph)


@settings(max_examples=40)
@given(graphs, st.randoms(use_true_random=False))
def test_other_names_for_the_same_graph_change_nothing(graph, random):
    n, pairs = graph
    name = list(range(n))
    random.shuffle(name)
    first = of(n, pairs)
    second = of(n, [(name[a], name[b]) for a, b in pairs])
    for measure in ("degree", "betweenness", "closeness", "constraint", "cut"):
        before, after = getattr(first, measure), getattr(second, measure)
        np.testing.assert_allclose(after[name], before, rtol=0, atol=1e-12, equal_nan=True)
    assert first.whole.components == second.whole.components
    assert first.whole.density == second.whole.density


def test_nodes_without_ties_count_in_every_share():
    """A path of three among six: the middle lies on 1 of the 10 pairs of others, and reaches 2 of 5."""
    found = of(6, [(1, 3), (3, 5)])
    assert found.betweenness.tolist() == [0, 0, 0, 0.1, 0, 0]
    assert found.closeness[3] == pytest.approx(2 / 5)
    assert np.flatnonzero(found.cut).tolist() == [3]


def test_a_graph_too_large_for_all_shortest_paths_says_so():
    found = measures(3, simple_ties([(0, 1), (1, 2)]), most_steps=5)
    assert np.isnan(found.betweenness).all()
    assert np.isnan(found.closeness).all()
    assert found.whole.betweenness_centralisation is None
    assert found.whole.degree_centralisation == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_other_names_for_the_same_graph_give_the_same_communities(seed):
    """Two groups of 40 with few ties between, in which hardly any two measure alike."""
    graph = nx.stochastic_block_model([40, 40], [[0.3, 0.02], [0.02, 0.3]], seed=seed)
    pairs, name = list(graph.edges()), np.random.default_rng(seed).permutation(80)
    first = of(80, pairs)
    second = of(80, [(name[a], name[b]) for a, b in pairs])
    groups = [
        {frozenset(np.flatnonzero(one == number).tolist()) for number in np.unique(one)}
        for one in (first.community, second.community[name])
    ]
    assert groups[0] == groups[1]
    assert first.whole.modularity == pytest.approx(second.whole.modularity, abs=1e-12)


def test_two_runs_give_the_same_to_the_last_bit():
    pairs = list(nx.gnm_random_graph(120, 600, seed=3).edges())
    first, second = of(120, pairs), of(120, pairs)
    for measure in ("betweenness", "closeness", "constraint", "community"):
        assert getattr(first, measure).tobytes() == getattr(second, measure).tobytes()
    assert positions(120, pairs).tobytes() == positions(120, pairs).tobytes()
    assert np.abs(positions(120, pairs)).max() <= 1


@pytest.mark.parametrize(("name", "ties"), [("tc_indiana_TCcnt", 175), ("dhhs_collab", 447), ("lhds", 2708)])
def test_published_networks_measure_as_another_library_measures_them(shared, name, ties):
    folder = shared / "data" / "networks"
    with (folder / f"{name}_edges.csv").open(newline="") as file:
        pairs = [(int(row["source"]) - 1, int(row["target"]) - 1) for row in csv.DictReader(file)]
    with (folder / f"{name}_nodes.csv").open(newline="") as file:
        n = sum(1 for _ in csv.DictReader(file))
    assert len(simple_ties(pairs)) == ties
    assert_as_networkx(n, pairs)
    with (folder / "computed_metrics_networkx.csv").open(newline="") as file:
        told = next(row for row in csv.DictReader(file) if row["network"] == name)
    found = of(n, pairs).whole
    assert round(found.density, 6) == float(told["density"])
    assert found.components == int(told["components"])
    assert found.isolates == int(told["isolates"])
    assert round(found.degree_centralisation, 6) == float(told["degree_centralization"])
