"""The kernel of cover against hand, oracle and properties."""

import numpy as np
import pytest
from hedgerow_network.domain.cover import NOBODY, Cover, Incidence, cover, incidence
from hypothesis import given
from hypothesis import strategies as st


def made(service_area, service_need, unit, *, n_areas, n_needs, n_units) -> Incidence:
    return incidence(
        service_area=np.array(service_area, dtype=np.int32).reshape(-1, 2),
        service_need=np.array(service_need, dtype=np.int32).reshape(-1, 2),
        unit=np.array(unit, dtype=np.int32),
        n_areas=n_areas,
        n_needs=n_needs,
        n_units=n_units,
    )


@st.composite
def incidences(draw) -> Incidence:
    n_areas, n_needs = draw(st.integers(0, 5)), draw(st.integers(0, 4))
    n_services, n_units = draw(st.integers(0, 7)), draw(st.integers(1, 4))

    def pairs(columns: int):
        pair = st.tuples(st.integers(0, max(n_services - 1, 0)), st.integers(0, max(columns - 1, 0)))
        return draw(st.lists(pair, max_size=25 if n_services and columns else 0))

    unit = draw(st.lists(st.integers(0, n_units - 1), min_size=n_services, max_size=n_services))
    return made(pairs(n_areas), pairs(n_needs), unit, n_areas=n_areas, n_needs=n_needs, n_units=n_units)


def slowly(of: Incidence) -> dict[tuple[int, int], tuple[list[int], set[int]]]:
    """Services and units of each cell, the obvious way."""
    serves, addresses = of.serves.toarray(), of.addresses.toarray()
    found = {}
    for need in range(of.n_needs):
        for area in range(of.n_areas):
            services = [s for s in range(of.unit.size) if serves[s, area] and addresses[s, need]]
            found[need, area] = services, {int(of.unit[s]) for s in services}
    return found


def test_depth_worked_by_hand():
    # Services 0 and 1 are of provider 0, service 2 of provider 1.
    # Need 0: services 0, 1, 2; need 1: service 2.   Area 0: 0, 1, 2; area 1: 0; area 2: nobody.
    of = made(
        [(0, 0), (0, 1), (1, 0), (2, 0)],
        [(0, 0), (1, 0), (2, 0), (2, 1)],
        [0, 0, 1],
        n_areas=3,
        n_needs=2,
        n_units=2,
    )
    found = cover(of)
    # Cell (0, 0): services 0, 1, 2 = providers {0, 1} = depth 2; (0, 1): service 0 = {0} = 1; (0, 2): none.
    # Cell (1, 0): service 2 = {1} = depth 1; elsewhere service 2 is not.
    assert found.depth.tolist() == [[2, 1, 0], [1, 0, 0]]
    assert found.services.tolist() == [[3, 1, 0], [1, 0, 0]]
    assert found.only.tolist() == [[NOBODY, 0, NOBODY], [1, NOBODY, NOBODY]]
    assert np.flatnonzero(found.only.ravel() == 0).tolist() == [1]
    assert of.services_of(0, 0).tolist() == [0, 1, 2]
    assert of.units_of(0, 0).tolist() == [0, 1]


@given(incidences(), st.integers(1, 12))
def test_cover_agrees_with_the_obvious_way_however_it_is_cut(of, pairs_at_once):
    found = cover(of, pairs_at_once=pairs_at_once)
    assert found.depth.shape == (of.n_needs, of.n_areas)
    for (need, area), (services, units) in slowly(of).items():
        assert found.depth[need, area] == len(units)
        assert found.services[need, area] == len(services)
        assert found.only[need, area] == (next(iter(units)) if len(units) == 1 else NOBODY)
        assert of.services_of(need, area).tolist() == services
        assert of.units_of(need, area).tolist() == sorted(units)


@given(incidences(), st.randoms(use_true_random=False))
def test_other_positions_for_services_and_units_change_nothing(of, random):
    services, units = list(range(of.unit.size)), list(range(of.n_units))
    random.shuffle(services)
    random.shuffle(units)
    moved = Incidence(
        serves=of.serves[services],
        addresses=of.addresses[services],
        unit=np.array([units[of.unit[s]] for s in services], dtype=np.int32),
        n_units=of.n_units,
    )
    before, after = cover(of), cover(moved)
    assert after.depth.tolist() == before.depth.tolist()
    assert after.services.tolist() == before.services.tolist()
    renamed = [[units[u] if u >= 0 else NOBODY for u in row] for row in before.only]
    assert after.only.tolist() == renamed


@given(incidences())
def test_a_unit_covers_the_cells_of_its_services(of):
    cells = {unit: set() for unit in range(of.n_units)}
    for (need, area), (_, units) in slowly(of).items():
        for unit in units:
            cells[unit].add(need * of.n_areas + area)
    for unit, expected in cells.items():
        assert of.cells_of(unit).tolist() == sorted(expected)


@pytest.mark.parametrize(("n_areas", "n_needs"), [(0, 0), (0, 3), (3, 0), (2, 2)])
def test_an_empty_place_has_an_answer(n_areas, n_needs):
    found = cover(made([], [], [], n_areas=n_areas, n_needs=n_needs, n_units=0))
    assert isinstance(found, Cover)
    assert found.depth.shape == (n_needs, n_areas)
    assert not found.depth.any()
    assert (found.only == NOBODY).all()


def test_a_pair_given_twice_counts_once():
    found = cover(made([(0, 0), (0, 0)], [(0, 0), (0, 0)], [0], n_areas=1, n_needs=1, n_units=1))
    assert found.depth.tolist() == [[1]]
    assert found.services.tolist() == [[1]]


def test_a_unit_out_of_range_is_refused():
    with pytest.raises(ValueError, match="outside the range"):
        made([(0, 0)], [(0, 0)], [3], n_areas=1, n_needs=1, n_units=1)
