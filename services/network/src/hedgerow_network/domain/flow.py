"""Unmet demand: how many people services can take at most, what holds them back, and who goes where.

People with a need stand in *demands*, places in *supplies*; a stored entry of `open_to` says that a supply
may take people of a demand. Everything works on positions, in whole people.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import max_flow
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, maximum_flow

from hedgerow_network.domain.cover import Ints
from hedgerow_network.domain.least_cost import LARGEST_HERE, Arcs, Longs, least_cost_flow

UNLIMITED = np.iinfo(np.int64).max
"""The capacity of a supply that takes whoever comes, and the limit of a pair without one."""

_LARGEST = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Supplied:
    """A largest flow of people to places, and its smallest cut.

    served: (n_demands,) people who find a place · used: (n_supplies,) places taken · short, full:
    (n_demands,) and (n_supplies,) the cut nearest to the demands: demands that lie before it, and supplies
    that are filled to the last place by them. Of all largest flows the cut is the same; served and used may
    differ.
    """

    served: Longs
    used: Longs
    short: NDArray[np.bool_]
    full: NDArray[np.bool_]

    @property
    def total(self) -> int:
        """People who find a place: the largest number that can."""
        return int(self.served.sum())


def supplied(demand: Longs, capacity: Longs, open_to: csr_array, *, limit: Longs | None = None) -> Supplied:
    r"""The largest number of people who can find a place.

    .. math:: \max \sum_{ij} x_{ij},\quad \sum_j x_{ij} \le d_i,\ \sum_i x_{ij} \le c_j,\
        0 \le x_{ij} \le l_{ij}

    Parameters: demand (n_demands,) people, >= 0 · capacity (n_supplies,) places, >= 0, UNLIMITED where
    whoever comes is taken · open_to (n_demands, n_supplies) sparse, columns ascending, a stored entry =
    open · limit (open_to.nnz,) people of the demand whom the supply can reach, UNLIMITED = all; None = all of
    all. Returns a `Supplied`. People to whom nothing is open are not served, and their demand is short.
    Edges: no demands or no supplies: nobody is served. Unlimited supplies are never full.
    Source: max-flow min-cut theorem (Ford and Fulkerson 1956).

    >>> found = supplied(np.array([60, 50]), np.array([70]), csr_array(np.array([[1], [1]])))
    >>> found.total, found.full.tolist(), found.short.tolist()
    (70, [True], [True, True])
    """
    wanted = np.asarray(demand, np.int64)
    each = wanted[np.repeat(np.arange(wanted.size), np.diff(open_to.indptr))]
    pair = each if limit is None else np.minimum(each, limit)
    # Nobody needs more places than there are people who might come.
    most = np.bincount(open_to.indices, weights=pair, minlength=open_to.shape[1])
    places = np.minimum(np.asarray(capacity, np.int64), np.rint(most).astype(np.int64))
    flows = _largest_flow(wanted, places, open_to, pair)
    served = _row_sums(flows, open_to)
    used = np.bincount(open_to.indices, weights=flows, minlength=places.size).astype(np.int64)
    limited = np.zeros(pair.size, bool) if limit is None else pair < each
    short, full = _before_the_cut(served < wanted, open_to, flows, limited & (flows == pair))
    return Supplied(served=served, used=used, short=short, full=full)


def _row_sums(values: Longs, of: csr_array) -> Longs:
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return np.asarray(sums[of.indptr[1:]] - sums[of.indptr[:-1]], np.int64)


def _largest_flow(demand: Longs, places: Longs, open_to: csr_array, pair: Longs) -> Longs:
    """(open_to.nnz,) people who go each way: source → demands → supplies → sink."""
    n, m = open_to.shape
    if not open_to.nnz:
        return np.zeros(0, np.int64)
    if max(int(demand.sum()), int(places.sum())) > _LARGEST:
        return _flow_of_many(demand, places, open_to, pair)
    indices = np.concatenate([np.arange(1, n + 1), open_to.indices + (n + 1), np.full(m, n + m + 1)]).astype(
        np.int32
    )
    middle = n + open_to.indptr
    bounds = np.concatenate([[0], middle, middle[-1] + np.arange(1, m + 1), [middle[-1] + m]])
    capacities = np.concatenate([demand, pair, places]).astype(np.int32)
    size = n + m + 2
    graph = csr_array((capacities, indices, bounds.astype(np.int32)), shape=(size, size))
    found = maximum_flow(graph, 0, size - 1, method="dinic").flow
    # The answer also holds each way back, with the sign turned: of the rows of demands, only those on to
    # supplies are wanted. They stand in the order of the question.
    rows = slice(found.indptr[1], found.indptr[n + 1])
    onward = found.indices[rows] > n
    return np.asarray(found.data[rows][onward], np.int64)


def _flow_of_many(demand: Longs, places: Longs, open_to: csr_array, pair: Longs) -> Longs:
    """The same with numbers that do not fit into 32 bits."""
    n, m = open_to.shape
    solver = max_flow.SimpleMaxFlow()
    row = np.repeat(np.arange(n), np.diff(open_to.indptr))
    solver.add_arcs_with_capacity(np.zeros(n, np.int32), np.arange(1, n + 1, dtype=np.int32), demand)
    middle = solver.add_arcs_with_capacity(
        (row + 1).astype(np.int32), (open_to.indices + (n + 1)).astype(np.int32), pair
    )
    solver.add_arcs_with_capacity(
        np.arange(n + 1, n + m + 1, dtype=np.int32), np.full(m, n + m + 1, np.int32), places
    )
    solver.solve(0, n + m + 1)
    return np.asarray(solver.flows(middle), np.int64)


def _before_the_cut(
    left: NDArray[np.bool_], open_to: csr_array, flows: Longs, spent: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What the source still reaches: demands with people left over, the supplies open to these, the demands
    that hold places there, and so on.
    """
    row = np.repeat(np.arange(open_to.shape[0]), np.diff(open_to.indptr))
    column = open_to.indices
    short, full = left.copy(), np.zeros(open_to.shape[1], bool)
    while True:
        full[column[short[row] & ~spent]] = True
        before = int(short.sum())
        short[row[full[column] & (flows > 0)]] = True
        if int(short.sum()) == before:
            return short, full


def bottlenecks(found: Supplied, open_to: csr_array) -> tuple[Ints, Ints]:
    """Which bottleneck each demand and each supply belongs to, NOWHERE = -1 for those in none.

    A bottleneck is a set of demands before the cut and the full supplies that are open to them, joined as
    long as any of both are. Numbered from 0 in the order of their first demand.
    """
    n, m = open_to.shape
    in_demand, in_supply = np.full(n, -1, np.int32), np.full(m, -1, np.int32)
    inside = np.flatnonzero(found.short)
    if not inside.size:
        return in_demand, in_supply
    row = np.repeat(np.arange(n), np.diff(open_to.indptr))
    keep = found.short[row] & found.full[open_to.indices]
    joined = csr_array(
        (np.ones(int(keep.sum()), np.int8), (row[keep], n + open_to.indices[keep])), shape=(n + m, n + m)
    )
    label = connected_components(joined, directed=False)[1]
    named, first = np.unique(label[inside], return_index=True)
    number = np.empty(named.size, np.int32)
    number[np.argsort(first)] = np.arange(named.size)
    in_demand[inside] = number[np.searchsorted(named, label[inside])]
    of_full = np.flatnonzero(found.full)
    in_supply[of_full] = number[np.searchsorted(named, label[n + of_full])]
    return in_demand, in_supply


def nearest_first(
    demand: Longs,
    capacity: Longs,
    open_to: csr_array,
    cost: Longs,
    lot: Longs,
    *,
    limit: Longs | None = None,
    largest_here: int = LARGEST_HERE,
) -> Longs:
    r"""Who goes where, if as many find a place as can and all together go as short a way as can be.

    .. math:: \min \sum_{ij} k_{ij} x_{ij} \quad \text{over the largest flows of `supplied`}

    Parameters as in `supplied` · cost (open_to.nnz,) of one person's way, whole numbers >= 0 · lot
    (open_to.nnz,) see `lots`. Returns (open_to.nnz,) people on each way. Of several choices that are as short
    it is the one in which the lots of all people's ways add up to least, whatever the order of demands and
    supplies. More ways than largest_here are looked through in a process apart, which changes nothing in the
    answer.
    """
    n, m = open_to.shape
    if not open_to.nnz:
        return np.zeros(0, np.int64)
    wanted = np.asarray(demand, np.int64)
    row = np.repeat(np.arange(n), np.diff(open_to.indptr))
    pair = wanted[row] if limit is None else np.minimum(wanted[row], limit)
    total = int(wanted.sum())
    none_in, none_out = np.zeros(n, np.int64), np.zeros(m, np.int64)
    arcs = Arcs(
        tail=np.concatenate([np.zeros(n, np.int32), row + 1, np.arange(n + 1, n + m + 1)]).astype(np.int32),
        head=np.concatenate([np.arange(1, n + 1), open_to.indices + (n + 1), np.full(m, n + m + 1)]).astype(
            np.int32
        ),
        capacity=np.concatenate([wanted, pair, np.minimum(np.asarray(capacity, np.int64), total)]),
        cost=np.concatenate([none_in, np.asarray(cost, np.int64), none_out]),
        lot=np.concatenate([none_in, np.asarray(lot, np.int64), none_out]),
    )
    flows = least_cost_flow(arcs, sink=n + m + 1, total=total, largest_here=largest_here)
    return flows[n : n + pair.size]


def lots(demands: Iterable[str], supplies: Iterable[str], open_to: csr_array) -> Longs:
    """(open_to.nnz,) the lot of each way, from 0 to 2³² - 1: made of the names at its two ends alone.

    Parameters: demands (n_demands,), supplies (n_supplies,) names that never change · open_to as in
    `supplied`. The lot is the SHA-256 digest of both names' SHA-256 digests, its first four bytes.

    >>> every_way = csr_array(np.ones((2, 1)))
    >>> lots(["food E05000001", "food E05000002"], ["pantry"], every_way).tolist()
    [2932019242, 2942379001]
    """
    ends = [[sha256(name.encode()).digest() for name in side] for side in (demands, supplies)]
    row = np.repeat(np.arange(open_to.shape[0]), np.diff(open_to.indptr))
    digests = (
        sha256(ends[0][demand] + ends[1][supply]).digest()[:4]
        for demand, supply in zip(row.tolist(), open_to.indices.tolist(), strict=True)
    )
    return np.frombuffer(b"".join(digests), ">u4").astype(np.int64)
