"""Overlap: pairs of services, or of providers, that cover the same cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.cover import Floats, Incidence, Ints


@dataclass(frozen=True)
class Overlaps:
    """Pairs (first < second) that share at least one cell, ranked: most shared people first.

    shared_cells, shared_people: what both cover, a person counted once for each need · containment: shared
    cells as a share of the smaller of the two, 1.0 = it lies wholly within the other · jaccard: shared cells
    as a share of the cells that either covers. Equal ranks stand in the order (first, second).
    """

    first: Ints
    second: Ints
    shared_cells: Ints
    shared_people: Floats
    containment: Floats
    jaccard: Floats

    def __len__(self) -> int:
        return int(self.first.size)

    def only(self, keep: NDArray[np.bool_]) -> "Overlaps":
        """The pairs to keep, in the same order."""
        return Overlaps(
            first=self.first[keep],
            second=self.second[keep],
            shared_cells=self.shared_cells[keep],
            shared_people=self.shared_people[keep],
            containment=self.containment[keep],
            jaccard=self.jaccard[keep],
        )


def service_cells(of: Incidence) -> csr_array:
    """(n_services, n_needs × n_areas) sparse: the cells of each service, each once."""
    n_needs = np.diff(of.addresses.indptr)
    n_areas = np.diff(of.serves.indptr)
    # Row k of `stretched` is the area list of the service behind the k-th (service, need) pair.
    service = np.repeat(np.arange(of.unit.size), n_needs)
    stretched = of.serves[service]
    offset = np.repeat(of.addresses.indices.astype(np.int64) * of.n_areas, n_areas[service])
    bounds = np.concatenate([[0], np.cumsum(n_needs * n_areas, dtype=np.int64)])
    shape = (of.unit.size, of.n_needs * of.n_areas)
    cells = (stretched.indices + offset).astype(np.int32 if shape[1] < 2**31 else np.int64)
    return csr_array((stretched.data, cells, bounds.astype(cells.dtype)), shape=shape)


def unit_cells(of: Incidence) -> csr_array:
    """(n_units, n_needs × n_areas) sparse: the cells of each unit, each once."""
    per_service = service_cells(of)
    service = np.arange(of.unit.size)
    groups = csr_array(
        (np.ones(service.size, np.int32), (of.unit, service)), shape=(of.n_units, service.size)
    )
    joined = groups @ per_service
    joined.data[:] = 1
    joined.sort_indices()
    return joined


def overlaps(cells: csr_array, people: Floats, *, group: NDArray[np.integer] | None = None) -> Overlaps:
    r"""Pairs of rows that share cells.

    .. math:: J = \frac{|A \cap B|}{|A \cup B|}, \qquad C = \frac{|A \cap B|}{\min(|A|, |B|)}

    Parameters: cells (n, n_cells) sparse of ones, from `service_cells` or `unit_cells` · people (n_cells,) or
    (n_needs, n_areas), >= 0, 0 where unknown · group (n,): pairs of one group are left out (two services of
    one provider do not overlap: depth counts distinct providers).
    Returns `Overlaps` ordered by shared people, then shared cells, both descending, then by position.
    Edges: fewer than two rows, or no shared cell, give an empty answer.

    >>> two = csr_array(np.array([[1, 1, 0], [0, 1, 0]]))
    >>> found = overlaps(two, np.array([5.0, 7.0, 0.0]))
    >>> found.shared_people.tolist(), found.containment.tolist(), found.jaccard.tolist()
    ([7.0], [1.0], [0.5])
    """
    weight = people.ravel()
    # One product for both sums: the real part counts cells, the imaginary part their people.
    both = csr_array(
        (np.ones(cells.nnz) + 1j * weight[cells.indices], cells.indices, cells.indptr), shape=cells.shape
    )
    plain = csr_array((np.ones(cells.nnz), cells.indices, cells.indptr), shape=cells.shape)
    product = both @ plain.T.tocsr()
    first = np.repeat(np.arange(cells.shape[0], dtype=np.int32), np.diff(product.indptr))
    second = product.indices.astype(np.int32)
    keep = first < second
    if group is not None:
        keep &= group[first] != group[second]
    first, second, sums = first[keep], second[keep], product.data[keep]
    shared = np.rint(sums.real)
    size = np.diff(cells.indptr).astype(np.float64)
    rank = np.lexsort((second, first, -shared, -sums.imag))
    first, second, shared, shared_people = first[rank], second[rank], shared[rank], sums.imag[rank]
    return Overlaps(
        first=first,
        second=second,
        shared_cells=shared.astype(np.int32),
        shared_people=shared_people,
        containment=shared / np.minimum(size[first], size[second]),
        jaccard=shared / (size[first] + size[second] - shared),
    )
