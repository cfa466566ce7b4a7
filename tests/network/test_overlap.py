"""Pairs that cover the same cells: by hand, and against sets."""

import numpy as np
import pytest
from hedgerow_network.domain.overlap import overlaps, service_cells, unit_cells
from hypothesis import given

from tests.network.test_cover import incidences, made


def test_overlap_worked_by_hand():
    # One need. Service 0 covers areas 0, 1, 2; service 1 covers 1, 2, 3; service 2 covers 2.
    of = made(
        [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (2, 2)],
        [(0, 0), (1, 0), (2, 0)],
        [0, 1, 1],
        n_areas=4,
        n_needs=1,
        n_units=2,
    )
    people = np.array([[1.0, 10.0, 100.0, 1000.0]])
    found = overlaps(service_cells(of), people)
    # 0 and 1 share areas 1, 2: 110 people; 2 of the smaller three cells, 2 of the four that either covers.
    # 0 and 2 share area 2: 100 people; 1 of 1, 1 of 3. So do 1 and 2: the tie stands in that order.
    assert list(zip(found.first, found.second, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert found.shared_cells.tolist() == [2, 1, 1]
    assert found.shared_people.tolist() == [110.0, 100.0, 100.0]
    assert found.containment.tolist() == pytest.approx([2 / 3, 1.0, 1.0])
    assert found.jaccard.tolist() == pytest.approx([0.5, 1 / 3, 1 / 3])
    # Services 1 and 2 are of one provider: as providers they share cells with service 0's only.
    assert len(overlaps(service_cells(of), people, group=of.unit)) == 2
    by_provider = overlaps(unit_cells(of), people)
    assert by_provider.shared_people.tolist() == [110.0]


@given(incidences())
def test_overlaps_agree_with_sets(of):
    people = np.arange(of.n_needs * of.n_areas, dtype=float)
    serves, addresses = of.serves.toarray(), of.addresses.toarray()
    cells = [
        {
            n * of.n_areas + a
            for n in range(of.n_needs)
            for a in range(of.n_areas)
            if addresses[s, n] and serves[s, a]
        }
        for s in range(of.unit.size)
    ]
    expected = []
    for first in range(len(cells)):
        for second in range(first + 1, len(cells)):
            shared = cells[first] & cells[second]
            if shared and of.unit[first] != of.unit[second]:
                either, smaller = cells[first] | cells[second], min(len(cells[first]), len(cells[second]))
                expected.append(
                    (
                        -sum(people[list(shared)]),
                        -len(shared),
                        first,
                        second,
                        len(shared) / smaller,
                        len(shared) / len(either),
                    )
                )
    expected.sort()
    found = overlaps(service_cells(of), people, group=of.unit)
    assert [-e[0] for e in expected] == found.shared_people.tolist()
    assert [(e[2], e[3]) for e in expected] == list(
        zip(found.first.tolist(), found.second.tolist(), strict=True)
    )
    assert found.containment.tolist() == pytest.approx([e[4] for e in expected])
    assert found.jaccard.tolist() == pytest.approx([e[5] for e in expected])
    assert ((found.jaccard > 0) & (found.jaccard <= found.containment) & (found.containment <= 1)).all()


@given(incidences())
def test_a_provider_covers_what_its_services_cover(of):
    of_units = unit_cells(of).toarray()
    for unit in range(of.n_units):
        assert np.flatnonzero(of_units[unit]).tolist() == of.cells_of(unit).tolist()
