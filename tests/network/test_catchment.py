"""Floating catchments: by hand, against published figures, against the obvious loops, and their laws."""

import json
import math

import numpy as np
import pytest
from hedgerow_network.domain.catchment import (
    METHODS,
    Decay,
    catchment,
    nearest,
    read_decay,
    three_step,
    two_step,
)
from hedgerow_network.domain.rational_agents import rational_agents
from hedgerow_network.errors import MalformedDecay, NegativePeople
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array


def costs_of(rows):
    """A sparse matrix of costs from rows of numbers, None = no way; a cost of 0 stays."""
    pairs = [(i, j, c) for i, row in enumerate(rows) for j, c in enumerate(row) if c is not None]
    table = np.array(pairs, dtype=float).reshape(-1, 3)
    places = (table[:, 0].astype(int), table[:, 1].astype(int))
    return csr_array((table[:, 2], places), shape=(len(rows), len(rows[0]) if rows else 0))


def weight(decay, cost):
    """The obvious weight of one cost within the limit."""
    if decay.name == "binary":
        return 1.0
    if decay.name == "gaussian":
        return math.exp(-cost * cost / (2 * decay.bandwidth**2))
    if decay.name == "gravity":
        return (max(cost, decay.limit / 100) / decay.scale) ** decay.power
    return next((w for bound, w in decay.steps if cost <= bound), 0.0)


def by_loops(method, capacity, people, rows, decay):
    """The definition, word by word."""
    n_areas, n_sites = len(people), len(capacity)

    def w(i, j):
        return 0.0 if rows[i][j] is None or rows[i][j] > decay.limit else weight(decay, rows[i][j])

    def share(i, j):
        if method != "3sfca":
            return 1.0
        total = sum(weight(decay, c) for c in rows[i] if c is not None)
        return weight(decay, rows[i][j]) / total if rows[i][j] is not None and total else 0.0

    if method == "catchment":
        return [sum(capacity[j] * w(i, j) for j in range(n_sites)) for i in range(n_areas)]
    ratio = []
    for j in range(n_sites):
        competing = sum(people[k] * share(k, j) * w(k, j) for k in range(n_areas))
        ratio.append(capacity[j] / competing if competing > 0 else 0.0)
    return [sum(share(i, j) * ratio[j] * w(i, j) for j in range(n_sites)) for i in range(n_areas)]


def test_two_steps_worked_by_hand():
    # A (100 people) is 5 from X; B (200 people) is 10 from X and 10 from Y; the limit is 10.
    # X has 6 places for 100 + 200 people: 0.02 each. Y has 1 place for 200: 0.005 each.
    costs = costs_of([[5, None], [10, 10]])
    found = two_step(np.array([6.0, 1.0]), np.array([100.0, 200.0]), costs, Decay("binary", 10))
    assert found.tolist() == pytest.approx([0.02, 0.02 + 0.005], abs=1e-15)


def test_three_steps_worked_by_hand():
    # Weights by 1/cost: A: X 1/2. B: X 1/4, Y 1/4, so B goes half to each.
    # X: 8 places for 100·1·0.5 + 80·0.5·0.25 = 60. Y: 5 places for 80·0.5·0.25 = 10.
    # A: 1·(8/60)·0.5. B: 0.5·(8/60)·0.25 + 0.5·(5/10)·0.25.
    costs = costs_of([[2, None], [4, 4]])
    decay = read_decay("gravity:1,-1", limit=10)
    found = three_step(np.array([8.0, 5.0]), np.array([100.0, 80.0]), costs, decay)
    assert found.tolist() == pytest.approx([8 / 120, 8 / 480 + 5 / 80], abs=1e-15)


def test_a_catchment_is_not_shared():
    # 8 places within reach, at half weight: 4, however many people there are.
    decay = Decay("step", 10, steps=((1, 1.0), (5, 0.5)))
    assert catchment(np.array([8.0]), np.array([9e9]), costs_of([[3]]), decay).tolist() == [4.0]


decays = st.sampled_from(["binary", "step", "step:3=1,8=0.5", "gaussian", "gaussian:2", "gravity:2,-1.5"])


@st.composite
def places(draw):
    n_areas, n_sites = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    cost = st.one_of(st.none(), st.integers(0, 15).map(float))
    rows = [[draw(cost) for _ in range(n_sites)] for _ in range(n_areas)]
    capacity = [float(draw(st.integers(0, 50))) for _ in range(n_sites)]
    people = [float(draw(st.integers(0, 90))) for _ in range(n_areas)]
    return capacity, people, rows, read_decay(draw(decays), limit=10)


@given(places(), st.sampled_from(sorted(METHODS)))
def test_each_method_agrees_with_its_definition(place, method):
    capacity, people, rows, decay = place
    found = METHODS[method](np.array(capacity), np.array(people), costs_of(rows), decay)
    assert np.isfinite(found).all()
    assert found.tolist() == pytest.approx(by_loops(method, capacity, people, rows, decay), abs=1e-12)


@given(places(), st.sampled_from(["2sfca", "3sfca"]))
def test_every_place_that_can_be_reached_is_given_away_once(place, method):
    capacity, people, rows, decay = place
    ratio = METHODS[method](np.array(capacity), np.array(people), costs_of(rows), decay)
    reached = [
        j
        for j in range(len(capacity))
        if any(p > 0 and r[j] is not None and r[j] <= 10 for p, r in zip(people, rows, strict=True))
        and any(
            p > 0 and r[j] is not None and r[j] <= 10 and weight(decay, r[j]) > 0
            for p, r in zip(people, rows, strict=True)
        )
    ]
    assert float(ratio @ np.array(people)) == pytest.approx(sum(capacity[j] for j in reached), abs=1e-9)


@given(places(), st.randoms(use_true_random=False))
def test_another_order_changes_nothing(place, chance):
    capacity, people, rows, decay = place
    areas, sites = list(range(len(people))), list(range(len(capacity)))
    chance.shuffle(areas)
    chance.shuffle(sites)
    before = two_step(np.array(capacity), np.array(people), costs_of(rows), decay)
    after = two_step(
        np.array([capacity[j] for j in sites]),
        np.array([people[i] for i in areas]),
        costs_of([[rows[i][j] for j in sites] for i in areas]),
        decay,
    )
    assert after.tolist() == pytest.approx([before[i] for i in areas], abs=1e-12)


def test_where_nobody_lives_and_nothing_stands_the_ratio_is_nought():
    for method in METHODS.values():
        nobody = method(np.array([5.0]), np.array([0.0]), costs_of([[1]]), Decay("binary", 10))
        assert nobody.tolist() == ([5.0] if method is catchment else [0.0])
        assert method(np.zeros(0), np.zeros(2), csr_array((2, 0)), Decay("binary", 10)).tolist() == [0, 0]
        assert method(np.zeros(2), np.zeros(0), csr_array((0, 2)), Decay("binary", 10)).tolist() == []
        with pytest.raises(NegativePeople):
            method(np.array([5.0]), np.array([-1.0]), costs_of([[1]]), Decay("binary", 10))


def test_the_nearest_site_is_the_first_of_equally_near_ones():
    found = nearest(costs_of([[3, 1, 1], [None, None, None], [0, None, 9]]), limit=3)
    assert found.site.tolist() == [1, -1, 0]
    assert found.cost.tolist() == [1.0, math.inf, 0.0]
    assert found.within.tolist() == [3, 0, 1]


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("binary", "binary"),
        ("step", "step:10=1,20=0.68,30=0.22"),
        ("step:20=1,40=0.68", "step:20=1,40=0.68"),
        ("step{20:1,40:0.68,60:0.22}", "step:20=1,40=0.68,60=0.22"),
        ("gaussian", "gaussian:10"),
        ("Gaussian(20)", "gaussian:20"),
        ("gravity", "gravity:1,-1"),
        ("gravity:2,-1.5", "gravity:2,-1.5"),
    ],
)
def test_a_decay_is_named_with_its_parameters(said, means):
    assert str(read_decay(said, limit=30)) == means


@pytest.mark.parametrize(
    "said",
    ["", "slow", "binary:1", "step:5", "step:5=2", "step:5=1,4=0.5", "step:a=1", "gaussian:0", "gaussian:nan",
     "gaussian:1,2", "gravity:0,-1", "gravity:1,1", "gravity:1", "gravity:1,-99", "gaussian:1e9", "step:,"],
)  # fmt: skip
def test_a_decay_that_cannot_be_is_refused(said):
    with pytest.raises(MalformedDecay):
        read_decay(said, limit=30)


def test_published_figures_of_pysal_access(shared):
    told = json.loads((shared / "vectors" / "access.json").read_text())
    codes = sorted(told["demand"])
    people = np.array([float(told["demand"][code]) for code in codes])
    capacity = np.array([float(told["supply"][code]) for code in codes])
    for scenario in told["scenarios"]:
        rows = [[None] * len(codes) for _ in codes]
        for origin, site, cost in scenario["costs"]:
            rows[origin - 1][site - 1] = cost
        for name, expected in scenario["expected"].items():
            method, _, decay = name.partition("|")
            if method == "raam":
                found = rational_agents(
                    capacity, people, costs_of(rows), limit=told["max_cost"], tau=float(decay.split("=")[1])
                )
            else:
                of = read_decay(decay, limit=told["max_cost"])
                found = METHODS[method](capacity, people, costs_of(rows), of)
            assert found.tolist() == pytest.approx([expected[c] for c in codes], abs=1e-9), name
