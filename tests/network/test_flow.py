"""Unmet demand: a case by hand, the cut, least ways, against networkx and brute force."""

from itertools import product

import networkx
import numpy as np
import pytest
from hedgerow_network.domain.flow import UNLIMITED, bottlenecks, lots, nearest_first, supplied
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array


def test_a_bottleneck_worked_by_hand():
    # Demands 60, 50 and 20. Supply A (70 places) is open to the first two, B (100) to the last two.
    open_to = csr_array(np.array([[1, 0], [1, 1], [0, 1]]))
    found = supplied(np.array([60, 50, 20]), np.array([70, 100]), open_to)
    # 60 fit into A, 50 + 20 into B: all 130 are served, so nothing is cut.
    assert (found.total, found.short.any(), found.full.any()) == (130, False, False)
    found = supplied(np.array([90, 50, 20]), np.array([70, 100]), open_to)
    # Now 90 people have A's 70 places only: 20 are left over, and A is the bottleneck.
    assert found.total == 140
    assert found.short.tolist() == [True, False, False]
    assert found.full.tolist() == [True, False]
    assert [part.tolist() for part in bottlenecks(found, open_to)] == [[0, -1, -1], [0, -1]]
    found = supplied(np.array([90, 90, 20]), np.array([70, 100]), open_to)
    # 200 people, 170 places: everything is one bottleneck, 30 short.
    assert found.total == 170
    assert [part.tolist() for part in bottlenecks(found, open_to)] == [[0, 0, 0], [0, 0]]


def test_a_limit_on_a_pair_is_part_of_the_cut():
    open_to = csr_array(np.array([[1, 1]]))
    found = supplied(np.array([100]), np.array([500, 30]), open_to, limit=np.array([40, UNLIMITED]))
    # 40 of the 100 live where the first reaches them, and the second has 30 places: 30 people are left out.
    assert (found.total, found.used.tolist()) == (70, [40, 30])
    assert (found.short.tolist(), found.full.tolist()) == ([True], [False, True])


def test_nearest_first_worked_by_hand():
    # Both places are open to both areas; 10 places each. Ways: area 0 is 1 and 5 km off, area 1 2 and 3 km.
    open_to = csr_array(np.array([[1, 1], [1, 1]]))
    ways = np.array([1, 5, 2, 3])
    flows = nearest_first(np.array([10, 10]), np.array([10, 10]), open_to, ways, np.zeros(4))
    # 10 × 1 + 10 × 3 = 40, against 10 × 5 + 10 × 2 = 70 the other way round.
    assert flows.tolist() == [10, 0, 0, 10]


@st.composite
def cases(draw):
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    open_to = csr_array(
        np.array(draw(st.lists(st.integers(0, 1), min_size=n * m, max_size=n * m))).reshape(n, m)
    )
    open_to.eliminate_zeros()
    demand = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
    places = st.one_of(st.integers(0, 12), st.just(UNLIMITED))
    capacity = np.array(draw(st.lists(places, min_size=m, max_size=m)), dtype=np.int64)
    several = st.one_of(st.integers(0, 6), st.just(UNLIMITED))
    limit = np.array(draw(st.lists(several, min_size=open_to.nnz, max_size=open_to.nnz)), dtype=np.int64)
    cost = np.array(draw(st.lists(st.integers(0, 9), min_size=open_to.nnz, max_size=open_to.nnz)), np.int64)
    return demand, capacity, open_to, limit, cost


def as_graph(demand, capacity, open_to, limit, cost):
    graph = networkx.DiGraph()
    graph.add_nodes_from(["from", "to"])
    for row, people in enumerate(demand):
        graph.add_edge("from", ("d", row), capacity=int(people), weight=0)
    pairs = open_to.tocoo()
    for row, column, most, way in zip(pairs.row, pairs.col, limit, cost, strict=True):
        graph.add_edge(("d", row), ("s", column), capacity=int(min(most, demand[row])), weight=int(way))
    for column, places in enumerate(capacity):
        graph.add_edge(("s", column), "to", capacity=int(min(places, 10_000)), weight=0)
    return graph


@settings(max_examples=60)
@given(cases())
def test_the_largest_flow_and_the_least_cost_are_those_of_networkx(case):
    demand, capacity, open_to, limit, cost = case
    graph = as_graph(demand, capacity, open_to, limit, cost)
    found = supplied(demand, capacity, open_to, limit=limit)
    assert found.total == networkx.maximum_flow_value(graph, "from", "to") == found.used.sum()
    assert (found.served <= demand).all()
    assert (found.used <= capacity).all()
    # The cut holds back exactly what flows: demands behind it, full supplies, pairs at their limit across it.
    row = np.repeat(np.arange(demand.size), np.diff(open_to.indptr))
    across = found.short[row] & ~found.full[open_to.indices]
    cut = demand[~found.short].sum() + capacity[found.full].sum()
    assert found.total == cut + np.minimum(limit, demand[row])[across].sum()
    lot = lots([f"d{row}" for row in range(demand.size)], [f"s{n}" for n in range(capacity.size)], open_to)
    flows = nearest_first(demand, capacity, open_to, cost, lot, limit=limit)
    best = networkx.max_flow_min_cost(graph, "from", "to")
    assert flows.sum() == found.total
    assert (flows * cost).sum() == networkx.cost_of_flow(graph, best)
    # Cost and lot as one number give the same, as long as it is small enough to be told.
    both = cost * 2**46 + lot
    assert flows.tolist() == nearest_first(demand, capacity, open_to, both, lot * 0, limit=limit).tolist()


@settings(max_examples=30)
@given(cases())
def test_the_people_served_are_as_many_as_any_way_of_placing_them_gives(case):
    demand, capacity, open_to, _, _ = case
    # By Hall: the least, over every choice of supplies, of their places and of all who could go elsewhere.
    dense = open_to.toarray() > 0
    least = min(
        sum(int(min(places, 10_000)) for places, chosen in zip(capacity, choice, strict=True) if chosen)
        + sum(
            int(people)
            for row, people in enumerate(demand)
            if any(dense[row, column] and not choice[column] for column in range(capacity.size))
        )
        for choice in product([False, True], repeat=capacity.size)
    )
    assert supplied(demand, capacity, open_to).total == least


@settings(max_examples=30)
@given(cases(), st.randoms(use_true_random=False))
def test_renaming_changes_neither_the_number_nor_the_bottlenecks(case, chance):
    demand, capacity, open_to, _, _ = case
    rows, columns = list(range(demand.size)), list(range(capacity.size))
    chance.shuffle(rows)
    chance.shuffle(columns)
    other = csr_array(open_to.toarray()[rows][:, columns])
    before, after = supplied(demand, capacity, open_to), supplied(demand[rows], capacity[columns], other)
    assert after.total == before.total
    assert after.short.tolist() == before.short[rows].tolist()
    assert after.full.tolist() == before.full[columns].tolist()


@given(cases(), st.integers(0, 4), st.integers(1, 5))
def test_more_places_never_leave_more_people_out(case, which, more):
    demand, capacity, open_to, limit, _ = case
    column = which % capacity.size
    raised = capacity.copy()
    raised[column] = min(raised[column], 10_000) + more
    assert (
        supplied(demand, raised, open_to, limit=limit).total
        >= supplied(demand, capacity, open_to, limit=limit).total
    )


def test_numbers_beyond_32_bits_are_exact():
    demand = np.array([3_000_000_000, 5])
    found = supplied(demand, np.array([2_999_999_999]), csr_array(np.array([[1], [1]])))
    assert (found.total, found.short.all(), found.full.all()) == (2_999_999_999, True, True)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 2)])
def test_nothing_open_serves_nobody(shape):
    n, m = shape
    found = supplied(np.full(n, 7), np.full(m, 7), csr_array(shape))
    assert found.total == 0
    assert found.short.tolist() == [True] * n
    assert nearest_first(np.full(n, 7), np.full(m, 7), csr_array(shape), np.zeros(0), np.zeros(0)).size == 0


@settings(max_examples=60)
@given(cases(), st.randoms(use_true_random=False))
def test_who_goes_where_does_not_depend_on_the_order_of_records(case, chance):
    demand, capacity, open_to, limit, cost = case
    rows, columns = list(range(demand.size)), list(range(capacity.size))
    chance.shuffle(rows)
    chance.shuffle(columns)

    def placed(rows, columns, cost):
        """People by the names of both ends, most ways of the same length."""
        place = csr_array((np.arange(1, open_to.nnz + 1), open_to.indices, open_to.indptr), open_to.shape)
        other = csr_array(place[rows][:, columns])
        other.sort_indices()
        before = other.data - 1
        names = [f"d{row}" for row in rows], [f"s{column}" for column in columns]
        open_other = csr_array((np.ones(before.size), other.indices, other.indptr), other.shape)
        flows = nearest_first(
            *(demand[rows], capacity[columns], open_other, cost[before], lots(*names, open_other)),
            limit=limit[before],
        )
        found = np.zeros(open_to.nnz, np.int64)
        found[before] = flows
        return found.tolist()

    for ways in (cost, cost // 5, cost * 0):
        kept = placed(range(demand.size), range(capacity.size), ways)
        assert kept == placed(rows, columns, ways)


def test_ways_that_are_as_short_are_decided_by_the_lots_of_both_ends():
    # One place for two people as near: the lots are by the names, here as of their SHA-256 digests.
    open_to = csr_array(np.array([[1], [1]]))
    one = np.array([1, 1]), np.array([1]), open_to, np.array([7, 7])
    drawn = lots(["food E05000001", "food E05000002"], ["pantry"], open_to)
    assert drawn.tolist() == [2932019242, 2942379001]
    assert nearest_first(*one, drawn).tolist() == [int(drawn[0] < drawn[1]), int(drawn[1] < drawn[0])]
    # Nearer is nearer, whatever the lot.
    for nearer in ([6, 7], [7, 6]):
        flows = nearest_first(*one[:3], np.array(nearer), np.array([2**32 - 1, 0]))
        assert flows.tolist() == [int(nearer[0] == 6), int(nearer[1] == 6)]


def test_a_large_question_is_solved_in_a_process_of_its_own_with_the_same_answer():
    chance = np.random.default_rng(7)
    open_to = csr_array(chance.integers(0, 2, (30, 20)))
    open_to.eliminate_zeros()
    case = (chance.integers(0, 50, 30), chance.integers(0, 60, 20), open_to)
    cost = chance.integers(0, 9, open_to.nnz)
    lot = chance.integers(0, 2**32, open_to.nnz)
    here, apart = nearest_first(*case, cost, lot), nearest_first(*case, cost, lot, largest_here=0)
    assert apart.tolist() == here.tolist()
    with pytest.raises(ArithmeticError):
        nearest_first(*case, np.full(open_to.nnz, 2**62), lot, largest_here=0)
