"""What falls if one leaves: by hand, against a full recount, and against known answers."""

import csv
import json

import numpy as np
import pytest
from hedgerow_network.domain.cover import Incidence, cover, kept
from hedgerow_network.domain.fragility import fragility, without
from hypothesis import given

from tests.network.test_cover import incidences, made


def people_of(of: Incidence) -> np.ndarray:
    """Another power of two for each cell, so that a sum tells which cells are in it."""
    return (2.0 ** np.arange(of.n_needs * of.n_areas)).reshape(of.n_needs, of.n_areas)


def test_fragility_worked_by_hand():
    # Need 0 in areas 0, 1, 2: providers {0, 1}, {0}, {}; need 1 in area 0: {1}.
    of = made([(0, 0), (0, 1), (1, 0)], [(0, 0), (1, 0), (1, 1)], [0, 1], n_areas=3, n_needs=2, n_units=2)
    people = np.array([[10.0, 20.0, 40.0], [5.0, 7.0, 9.0]])
    found = fragility(cover(of), people)
    # Provider 0 stands alone in (0, 1): 20 people. Provider 1 stands alone in (1, 0): 5 people.
    assert found.cells.tolist() == [1, 1]
    assert found.people.tolist() == [20.0, 5.0]
    assert found.needs.tolist() == [1, 1]
    assert found.areas.tolist() == [1, 1]
    # Without provider 0: (0, 1) falls from 1 to 0, (0, 0) from 2 to 1.
    gone = without(of, cover(of), 0, people)
    assert gone.uncovered.tolist() == [1]
    assert gone.single.tolist() == [0]
    assert gone.people == 20.0


@given(incidences())
def test_removal_agrees_with_counting_everything_again(of):
    people, before = people_of(of), cover(of)
    for unit in range(of.n_units):
        stays = of.unit != unit
        after = cover(
            Incidence(kept(stays, of.serves), kept(stays, of.addresses), of.unit, of.n_units)
        ).depth.ravel()
        depth = before.depth.ravel()
        uncovered = np.flatnonzero((depth > 0) & (after == 0))
        single = np.flatnonzero((depth == 2) & (after == 1))
        found = without(of, before, unit, people)
        assert found.uncovered.tolist() == uncovered.tolist()
        assert found.single.tolist() == single.tolist()
        assert found.people == people.ravel()[uncovered].sum()
        assert np.flatnonzero(before.only.ravel() == unit).tolist() == uncovered.tolist()


@given(incidences())
def test_each_single_cell_hangs_on_exactly_one(of):
    depths = cover(of)
    found = fragility(depths, people_of(of))
    assert found.cells.sum() == (depths.depth == 1).sum()
    assert found.people.sum() == people_of(of)[depths.depth == 1].sum()
    assert np.isfinite(found.people).all()
    for unit in range(of.n_units):
        cells = np.flatnonzero(depths.only.ravel() == unit)
        assert found.needs[unit] == len({cell // of.n_areas for cell in cells})
        assert found.areas[unit] == len({cell % of.n_areas for cell in cells})


def test_who_is_not_there_cannot_leave():
    of = made([(0, 0)], [(0, 0)], [0], n_areas=1, n_needs=1, n_units=1)
    with pytest.raises(IndexError, match="no such unit"):
        without(of, cover(of), 1, np.zeros((1, 1)))


def test_san_francisco_stores_at_two_kilometres(shared):
    """Published distances of 16 stores to 205 tracts; the expected figures were computed elsewhere."""
    folder = shared / "vectors"
    expected = json.loads((folder / "coverage_fragility.json").read_text())["thresholds"]["2000"]
    with (folder / "spopt" / "SF_network_distance_candidateStore_16_censusTract_205_new.csv").open() as file:
        pairs = list(csv.DictReader(file))
    stores = sorted({row["name"] for row in pairs})
    tracts = sorted({row["DestinationName"] for row in pairs})
    people = np.zeros((1, len(tracts)))
    near = []
    for row in pairs:
        tract = tracts.index(row["DestinationName"])
        people[0, tract] = float(row["demand"])
        if float(row["distance"]) <= 2000:
            near.append((stores.index(row["name"]), tract))
    n = len(stores)
    of = made(near, [(s, 0) for s in range(n)], list(range(n)), n_areas=len(tracts), n_needs=1, n_units=n)
    depths = cover(of)
    depth = depths.depth[0]
    assert (depth == 0).sum() == expected["uncovered_tracts"]
    assert people[0, depth == 0].sum() == expected["uncovered_pop"]
    assert (depth == 1).sum() == expected["single_tracts"]
    assert people[0, depth == 1].sum() == expected["single_pop"]
    assert (depth >= 2).sum() == expected["overlap_tracts(2+)"]
    assert people[0, depth >= 2].sum() == expected["overlap_pop"]
    assert depth.mean() == pytest.approx(expected["mean_depth"], abs=1e-12)
    assert depth.max() == expected["max_depth"]
    found = fragility(depths, people)
    for store, lost in expected["remove_one"].items():
        place = stores.index(store)
        assert found.cells[place] == lost["newly_uncovered_tracts"]
        assert found.people[place] == lost["newly_uncovered_pop"]
        assert without(of, depths, place, people).people == lost["newly_uncovered_pop"]
