"""People who choose: by hand, against the exact balance, and the laws of the model."""

import numpy as np
import pytest
from hedgerow_network.domain.rational_agents import rational_agents
from hedgerow_network.errors import NegativePeople
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_array

from tests.network.test_catchment import costs_of


def asked(capacity, people, rows, *, limit=60.0, tau=60.0):
    found = rational_agents(
        np.array(capacity, float), np.array(people, float), costs_of(rows), limit=limit, tau=tau
    )
    return found.tolist()


def test_two_sites_worked_by_hand():
    # 100 people, X 6 away and Y 12, one place each: room for 50 at mean crowding. x go to X, 100 - x to Y:
    # 6/60 + x/50 = 12/60 + (100 - x)/50 gives x = 52.5. Whole people: 53 to X at 0.1 + 53/50 = 1.16 and 47 to
    # Y at 0.2 + 47/50 = 1.14, so (53 × 1.16 + 47 × 1.14) / 100 = 1.1506.
    assert asked([1, 1], [100], [[6, 12]]) == pytest.approx([1.1506], abs=1e-12)
    # Y further than anybody goes: all crowd into X, which then has the mean crowding, for there is no other.
    assert asked([1, 1], [100], [[6, 61]]) == pytest.approx([0.1 + 1], abs=1e-12)


def exact(capacity, people, rows, tau):
    """The balance in which nobody gains by going elsewhere, as the least of a convex sum (Beckmann)."""
    way = np.array(rows, float) / tau
    room = np.array(capacity, float) * sum(people) / sum(capacity)
    shape = way.shape

    def value(going):
        return (going.reshape(shape).sum(0) ** 2 / (2 * room)).sum() + (going.reshape(shape) * way).sum()

    def slope(going):
        return (going.reshape(shape).sum(0) / room + way).ravel()

    start = np.outer(people, np.full(shape[1], 1 / shape[1])).ravel()
    all_go = {"type": "eq", "fun": lambda going: going.reshape(shape).sum(1) - np.array(people)}
    best = minimize(
        value, start, jac=slope, bounds=[(0, None)] * start.size, constraints=[all_go], method="SLSQP",
        options={"ftol": 1e-10, "maxiter": 500},
    )  # fmt: skip
    return (best.x.reshape(shape).sum(0) / room + way).min(axis=1).tolist()


@st.composite
def places(draw, least_people=400):
    n_areas, n_sites = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    capacity = draw(st.lists(st.integers(5, 50), min_size=n_sites, max_size=n_sites))
    people = draw(st.lists(st.integers(least_people, 2000), min_size=n_areas, max_size=n_areas))
    way = st.lists(st.integers(0, 60), min_size=n_sites, max_size=n_sites)
    return capacity, people, draw(st.lists(way, min_size=n_areas, max_size=n_areas))


@given(places())
def test_people_settle_close_to_the_exact_balance(place):
    capacity, people, rows = place
    assert asked(*place) == pytest.approx(exact(capacity, people, rows, 60), rel=0.05)


@given(places(), st.randoms(use_true_random=False))
def test_another_order_of_areas_changes_nothing(place, chance):
    capacity, people, rows = place
    order = list(range(len(people)))
    chance.shuffle(order)
    after = asked(capacity, [people[i] for i in order], [rows[i] for i in order])
    before = asked(*place)
    assert after == pytest.approx([before[i] for i in order], abs=1e-9)


@given(places(least_people=0), st.integers(2, 9))
def test_as_many_times_the_places_everywhere_change_nothing(place, times):
    capacity, people, rows = place
    more = asked([one * times for one in capacity], people, rows)
    assert more == pytest.approx(asked(*place), rel=0.01, abs=0.01)
    assert np.isfinite(more).all()


def test_what_no_way_joins_changes_nothing_for_one_another():
    together = asked([1, 1, 5], [100, 30, 0], [[6, 12, None], [None, None, 9], [None, None, 30]])
    apart = asked([1, 1], [100], [[6, 12]]) + asked([5], [30, 0], [[9], [30]])
    assert together == pytest.approx(apart, abs=1e-12)
    # Where nobody lives the way alone counts, whoever lives elsewhere.
    assert asked([4, 4], [10, 0], [[6, None], [None, 30]]) == pytest.approx([1.1, 0.5])


def test_nobody_no_site_and_no_way():
    assert asked([0], [10], [[5]]) == [np.inf]
    assert asked([4], [10, 20], [[None], [61]]) == [np.inf, np.inf]
    # Nobody lives anywhere: nobody crowds, the way alone counts.
    assert asked([4, 4], [0], [[30, 6]]) == [0.1]
    # Nobody lives in the second area: what its first person would find, 30/60 + the crowding of the others.
    assert asked([4], [10, 0], [[6], [30]]) == pytest.approx([1.1, 1.5])
    assert (
        rational_agents(np.zeros(0), np.zeros(2), csr_array((2, 0)), limit=1, tau=1).tolist() == [np.inf] * 2
    )
    with pytest.raises(NegativePeople):
        asked([4], [-1], [[6]])
