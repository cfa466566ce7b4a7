"""Access: places per person within reach, by floating catchments, and who is out of reach.

Everything here works on a sparse matrix of travel costs, areas × sites; names live elsewhere. `travel` says
where such a matrix comes from, `access` puts the two together for a locality.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.cover import Floats
from hedgerow_network.errors import MalformedDecay, NegativePeople

TWO_STEP, ENHANCED, THREE_STEP, CATCHMENT = "2sfca", "e2sfca", "3sfca", "catchment"

BINARY, STEP, GAUSSIAN, GRAVITY = "binary", "step", "gaussian", "gravity"

USUAL_STEPS = (1.0, 0.68, 0.22)
"""Weights of three zones of equal width up to the limit, unless others are asked for: those commonly used
with the enhanced two-step method for 0–10, 10–20 and 20–30 minutes."""

BANDWIDTHS_TO_LIMIT = 3.0
"""Unless said, the limit lies three bandwidths away: the Gaussian weight there is exp(-4.5), about 1 %."""

LEAST_SHARE_OF_LIMIT = 0.01
"""Gravity weights grow without end towards a cost of nothing: a smaller cost counts as this share of the
limit."""


@dataclass(frozen=True)
class Decay:
    """How a weight falls with cost up to a limit; beyond it, it is 0.

    name: `binary`, `step`, `gaussian`, `gravity` · limit > 0, in the unit of the costs; a pair at the limit
    is within reach · steps: (upper cost, weight) ascending, of `step` · bandwidth > 0, of `gaussian` ·
    scale > 0 and power < 0, of `gravity`
    """

    name: str
    limit: float
    steps: tuple[tuple[float, float], ...] = ()
    bandwidth: float = 1.0
    scale: float = 1.0
    power: float = -1.0

    def __call__(self, cost: Floats) -> Floats:
        """The weight of each cost within the limit, 0 beyond.

        >>> Decay("step", 60, steps=((20, 1.0), (60, 0.5)))(np.array([20.0, 21.0, 61.0])).tolist()
        [1.0, 0.5, 0.0]
        """
        within = cost <= self.limit
        return within.astype(np.float64) if self.name == BINARY else self.unlimited(cost) * within

    def unlimited(self, cost: Floats) -> Floats:
        """The weight of each cost, whatever the limit (steps end with the last one)."""
        if self.name == BINARY:
            return np.ones_like(cost)
        if self.name == STEP:
            upper = np.array([bound for bound, _ in self.steps])
            weight = np.array([*(weight for _, weight in self.steps), 0.0])
            return np.asarray(weight[np.searchsorted(upper, cost, side="left")])
        if self.name == GAUSSIAN:
            return np.exp(-0.5 * (cost / self.bandwidth) ** 2)
        least = LEAST_SHARE_OF_LIMIT * self.limit
        return np.asarray((np.maximum(cost, least) / self.scale) ** self.power)

    def __str__(self) -> str:
        said = {
            STEP: ",".join(f"{bound:g}={weight:g}" for bound, weight in self.steps),
            GAUSSIAN: f"{self.bandwidth:g}",
            GRAVITY: f"{self.scale:g},{self.power:g}",
        }.get(self.name)
        return f"{self.name}:{said}" if said else self.name


_SPELLED = re.compile(r"([a-z]+)(?:[:({](.*?)[)}]?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)


def read_decay(said: str, *, limit: float) -> Decay:
    """The decay that a text names, its parameters behind a colon (or in brackets).

    `binary` · `step` or `step:20=1,40=0.68,60=0.22` (up to a cost of 20 the weight is 1, …) · `gaussian` or
    `gaussian:20` (bandwidth) · `gravity` or `gravity:1,-1` (scale, power). Raises MalformedDecay.

    >>> str(read_decay("gravity(1,-1)", limit=60)), str(read_decay("step", limit=30))
    ('gravity:1,-1', 'step:10=1,20=0.68,30=0.22')
    """
    found = _SPELLED.fullmatch(said.strip().lower())
    if found is None:
        raise MalformedDecay
    name, given = found[1], found[2] or ""
    if name == BINARY and not given:
        return Decay(BINARY, limit)
    if name == STEP:
        return Decay(STEP, limit, steps=_steps(given, limit))
    if name == GAUSSIAN:
        bandwidth = _numbers(given, 1, (limit / BANDWIDTHS_TO_LIMIT,))[0]
        if bandwidth <= 0:
            raise MalformedDecay
        return Decay(GAUSSIAN, limit, bandwidth=bandwidth)
    if name == GRAVITY:
        scale, power = _numbers(given, 2, (1.0, -1.0))
        if scale <= 0 or not -10 <= power < 0:
            raise MalformedDecay
        return Decay(GRAVITY, limit, scale=scale, power=power)
    raise MalformedDecay


def _steps(given: str, limit: float) -> tuple[tuple[float, float], ...]:
    if not given:
        width = limit / len(USUAL_STEPS)
        bounds = [width * number for number in range(1, len(USUAL_STEPS))]
        return tuple(zip((*bounds, limit), USUAL_STEPS, strict=True))
    steps: list[tuple[float, float]] = []
    for part in given.split(","):
        bound, weight = _numbers(part.replace("=", ",").replace(":", ","), 2, None)
        if bound < 0 or not 0 <= weight <= 1 or (steps and bound <= steps[-1][0]):
            raise MalformedDecay
        steps.append((bound, weight))
    return tuple(steps)


def _numbers(given: str, wanted: int, unless_said: tuple[float, ...] | None) -> tuple[float, ...]:
    if not given and unless_said is not None:
        return unless_said
    parts = [part.strip() for part in given.split(",")]
    if len(parts) != wanted or not all(_NUMBER.fullmatch(part) for part in parts):
        raise MalformedDecay
    return tuple(float(part) for part in parts)


def _weighed(costs: csr_array, weight: Callable[[Floats], Floats]) -> csr_array:
    """The same pairs with the weight of each cost."""
    return csr_array((weight(costs.data), costs.indices, costs.indptr), shape=costs.shape)


def _people(people: Floats) -> Floats:
    if people.size and float(people.min()) < 0:
        raise NegativePeople
    return np.asarray(people, np.float64)


def _per_person(places: Floats, competing: Floats) -> Floats:
    """Places per competing person; 0 where nobody competes, for nobody is there to be served."""
    return np.divide(places, competing, out=np.zeros_like(competing), where=competing > 0)


def two_step(capacity: Floats, people: Floats, costs: csr_array, decay: Decay) -> Floats:
    r"""Two-step floating catchment ratio of each area, enhanced by a decay if that is not binary.

    .. math:: R_j = \frac{S_j}{\sum_k P_k\, w(c_{kj})}, \qquad A_i = \sum_j R_j\, w(c_{ij})

    Parameters: capacity S (n_sites,) places, >= 0 · people P (n_areas,) >= 0 · costs (n_areas, n_sites)
    sparse: the cost of going from the area to the site, >= 0 (a stored 0 is a cost of 0), and a pair that is
    not stored is unreachable; need not be symmetric · decay w, 0 beyond its limit.
    Returns (n_areas,) places per person; 0.0 where no site is in reach. Raises NegativePeople.
    Edges: a site that nobody can reach gives nothing to anybody; all people within reach of a site share it,
    so that the sum of A × P is the capacity of all sites that somebody can reach.
    Source: Luo & Wang 2003 (binary), Environment and Planning B 30(6), 865–884; Luo & Qi 2009 (weights by
    zone), Health & Place 15(4), 1100–1107; Dai 2010 (Gaussian), Health & Place 16(5), 1038–1052.

    >>> costs = csr_array(np.array([[5.0, 0.0], [10.0, 10.0]]))
    >>> two_step(np.array([6.0, 1.0]), np.array([100.0, 200.0]), costs, Decay("binary", 10)).tolist()
    [0.02, 0.025]
    """
    weights = _weighed(costs, decay)
    return np.asarray(weights @ _per_person(capacity, weights.T @ _people(people)))


def three_step(capacity: Floats, people: Floats, costs: csr_array, decay: Decay) -> Floats:
    r"""Three-step floating catchment ratio of each area: people share themselves out among sites first.

    .. math:: G_{ij} = \frac{w(c_{ij})}{\sum_k w(c_{ik})}, \quad
        R_j = \frac{S_j}{\sum_k P_k\, G_{kj}\, w(c_{kj})}, \quad A_i = \sum_j G_{ij}\, R_j\, w(c_{ij})

    Parameters, result and errors as in `two_step`.
    The sum below G goes over all sites that the costs name for the area, also those beyond the limit, with
    the weight their cost would have without a limit; so does PySAL's `access`. Leave such pairs out of the
    costs for the sum over sites in reach only.
    Source: Wan, Zou & Sternberg 2012, International Journal of Geographical Information Science 26(6),
    1073–1089.
    """
    weights = _weighed(costs, decay)
    chosen = _weighed(costs, decay.unlimited)
    total = chosen @ np.ones(costs.shape[1])
    of_pair = np.repeat(total, np.diff(costs.indptr))
    share = np.divide(chosen.data, of_pair, out=np.zeros_like(chosen.data), where=of_pair > 0)
    weights = csr_array((weights.data * share, costs.indices, costs.indptr), shape=costs.shape)
    return np.asarray(weights @ _per_person(capacity, weights.T @ _people(people)))


def catchment(capacity: Floats, people: Floats, costs: csr_array, decay: Decay) -> Floats:
    r"""Places within reach of each area, weighted by decay and not shared with anybody.

    .. math:: A_i = \sum_j S_j\, w(c_{ij})

    Parameters and errors as in `two_step`. Returns (n_areas,) places.
    """
    _people(people)
    return np.asarray(_weighed(costs, decay) @ capacity)


Method = Callable[[Floats, Floats, csr_array, Decay], Floats]

METHODS: dict[str, Method] = {
    TWO_STEP: two_step,
    ENHANCED: two_step,
    THREE_STEP: three_step,
    CATCHMENT: catchment,
}

USUAL_DECAY = {TWO_STEP: BINARY, ENHANCED: STEP, THREE_STEP: STEP, CATCHMENT: BINARY}


@dataclass(frozen=True)
class Nearest:
    """The nearest of some sites for each area. site: (n_areas,) position, -1 where none can be reached; of
    equally near ones the first · cost: (n_areas,) its cost, inf where none · within: (n_areas,) how many lie
    within the limit
    """

    site: NDArray[np.int32]
    cost: Floats
    within: NDArray[np.int32]


def nearest(costs: csr_array, *, limit: float) -> Nearest:
    """The nearest site of each area, and how many sites lie within a limit (at the limit counts).

    costs: as in `two_step`, columns in any order.

    >>> found = nearest(csr_array(np.array([[5.0, 2.0], [9.0, 0.0]])), limit=5)
    >>> found.site.tolist(), found.cost.tolist(), found.within.tolist()
    ([1, 0], [2.0, 9.0], [2, 0])
    """
    n_areas = costs.shape[0]
    site, cost = np.full(n_areas, -1, np.int32), np.full(n_areas, np.inf)
    row = np.repeat(np.arange(n_areas), np.diff(costs.indptr))
    order = np.lexsort((costs.indices, costs.data, row))
    first = np.flatnonzero(np.diff(row, prepend=-1))
    site[row[first]] = costs.indices[order][first]
    cost[row[first]] = costs.data[order][first]
    within = np.bincount(row[costs.data <= limit], minlength=n_areas).astype(np.int32)
    return Nearest(site, cost, within)
