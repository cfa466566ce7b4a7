"""Concentration and contestability: how few carry a need, and whether anybody else could."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.capacity import room
from hedgerow_network.domain.cover import Cover, Floats, Incidence, kept, presence
from hedgerow_network.domain.flow import UNLIMITED
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.overlap import service_cells, unit_cells
from hedgerow_network.domain.people import DERIVED
from hedgerow_network.domain.travel import Reach, Travel

MODERATE, HIGH = 1000.0, 2000.0
"""HHI above which a market is taken to be concentrated, and highly so: the thresholds of the European
Commission's guidelines on horizontal mergers (OJ 2004/C 31/03).
"""


def shares(of: Incidence, depths: Cover, people: Floats) -> csr_array:
    r"""Each unit's share of the people served, need by need.

    .. math:: s_{un} = \frac{\sum_{a:\,u \in U_{na}} p_{na} / |U_{na}|}{\sum_{a:\,d_{na} > 0} p_{na}}

    The people of a cell are shared equally by all units that cover it: who goes where is not known.

    Parameters: of and depths belong together · people (n_needs, n_areas) >= 0; where nobody is known at all
    in the covered cells of a need, each of its cells counts alike.
    Returns (n_units, n_needs) sparse; columns add up to 1, or are empty where nobody covers the need.
    """
    covered = depths.depth > 0
    weight = np.where(covered, people, 0.0)
    unknown = covered & (weight.sum(axis=1, keepdims=True) <= 0)
    weight = np.where(unknown, 1.0, weight)
    total = weight.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.nan_to_num(weight / depths.depth / total[:, None])
    cells = unit_cells(of)
    n_areas = max(of.n_areas, 1)
    rows = np.repeat(np.arange(of.n_units), np.diff(cells.indptr))
    made = csr_array(
        (each.ravel()[cells.indices], (rows, cells.indices // n_areas)), shape=(of.n_units, of.n_needs)
    )
    made.eliminate_zeros()
    return made


def herfindahl(share: csr_array) -> Floats:
    r"""Herfindahl–Hirschman index of each column: the sum of squared shares in per cent.

    .. math:: H = \sum_u (100\, s_u)^2

    Returns (n,) from 0 (nobody) over 10,000 / k (k alike) to 10,000 (one has all).

    >>> herfindahl(csr_array(np.array([[0.5, 1.0], [0.5, 0.0]]))).tolist()
    [5000.0, 10000.0]
    """
    return np.asarray((share.multiply(share)).sum(axis=0)).ravel() * 10_000.0


@dataclass(frozen=True)
class Concentration:
    """Of every need: HHI counted by provider and by owner. providers, owners: (n_units, n_needs) shares."""

    providers: csr_array
    owners: csr_array

    def hhi(self) -> tuple[Floats, Floats]:
        """(n_needs,) by provider, and by owner: never less, for owners join providers together."""
        return herfindahl(self.providers), herfindahl(self.owners)


def concentration(of: Assessment) -> Concentration:
    """Concentration of a locality's needs, before and after providers are put together by owner.

    An owner's share is the sum of the shares of its providers: the split of a cell stays what it is.
    """
    by_provider = of.counted_by("providers")
    share = shares(by_provider.incidence, by_provider.cover, of.people.count)
    owner = of.counted_by("owners").units
    first = np.unique(by_provider.units.of_service, return_index=True)[1]
    joined = presence(
        owner.of_service[first], np.arange(first.size), (len(owner.ids), len(by_provider.units.ids))
    )
    return Concentration(share, csr_array(joined @ share))


YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True)
class Contest:
    """Whether the cells that are covered could be served by somebody else.

    Units are those of the assessment. reach: (n_services, n_areas) sparse ones: services that count and serve
    the area, or could: a site within the distance standard, or none at all and they serve another area of the
    locality · spare: (n_services,) places left when everybody goes to the nearest, NaN where not known ·
    status: (n_needs, n_areas) yes, no, unknown; "" where nobody covers the cell
    """

    of: Assessment
    reach: csr_array
    spare: Floats
    status: NDArray[np.object_]

    def candidates(self, need: int, area: int) -> list[int]:
        """Rows of the services that address the need and serve the area or could, ascending."""
        reaching = self.reach[:, [area]].tocoo().row
        addressing = self.of.incidence.addresses[:, [need]].tocoo().row
        return [int(row) for row in np.intersect1d(reaching, addressing)]

    def ranked(self, wanted: tuple[str, ...]) -> NDArray[np.intp]:
        """Cells of these statuses: not contestable first, then unknown; most people first, then by cell."""
        status = self.status.ravel()
        cells = np.flatnonzero(np.isin(status, list(wanted)))
        first = np.array([(NO, UNKNOWN, YES).index(str(one)) for one in status[cells]], dtype=np.intp)
        return cells[np.lexsort((cells, -self.of.people.count.ravel()[cells], first))]


def contest(of: Assessment, travel: Travel, limit: float) -> Contest:
    """Look for credible alternatives to whoever covers each cell.

    A unit is a credible alternative if a service of it addresses the need (capability), has places left
    (spare capacity), and serves the area, or has a site within the limit of it, or comes to the people of
    another area of the locality without any site (area). A cell is contestable (`yes`) if each of those who
    cover it has one; `unknown` if that hangs on places that are not known (`spare_places`); else `no`.
    Edges: nobody covers the cell: "", for there is nobody to contest.
    """
    reach = could_reach(of, travel, limit)
    spare = spare_places(of)
    shape = (len(of.needs), of.areas.size)
    status = np.full(shape, "", dtype=object)
    n_units, unit = of.incidence.n_units, of.incidence.unit
    for need in range(shape[0]):
        rows = np.unique(of.incidence.addresses[:, [need]].tocoo().row)

        def there(chosen: NDArray[np.integer], table: csr_array) -> csr_array:
            pairs = table[chosen].tocoo()
            return presence(unit[chosen][pairs.row], pairs.col, (n_units, shape[1]))

        able = there(rows[spare[rows] >= 1], reach)
        silent = there(rows[np.isnan(spare[rows])], reach)
        silent = csr_array(silent - silent.multiply(able))
        silent.eliminate_zeros()
        serving = there(rows, of.incidence.serves)
        others = _others(able, serving)
        unknown = _others(silent, serving)
        covered = of.cover.depth[need] > 0
        status[need][covered] = np.where(others > 0, YES, np.where(unknown > 0, UNKNOWN, NO))[covered]
    return Contest(of, reach, spare, status)


def _others(able: csr_array, serving: csr_array) -> NDArray[np.integer]:
    """(n_areas,) how many able units there are beside any one of those who serve the area: the least over
    them.
    """
    number = np.asarray(able.sum(axis=0)).ravel()
    among = np.asarray(able.multiply(serving).sum(axis=0)).ravel() > 0
    return np.asarray(number - among)


def spare_places(of: Assessment) -> Floats:
    """(n_services,) places of each service that are left if as many people as can be are placed, the nearest
    first.

    NaN where it states no capacity, or covers a cell of which nobody knows how many people have the need. A
    service that nobody here goes to has all its places left.
    """
    found = room(of)
    spare = of.facts.directory.capacity.copy()
    used = np.bincount(found.open_to.indices, weights=found.flows, minlength=found.services.size)
    limited = found.capacity != UNLIMITED
    spare[found.services[limited]] = (found.capacity - used)[limited]
    blind = (of.people.basis.ravel() < DERIVED).astype(np.float64)
    spare[np.asarray(service_cells(of.incidence) @ blind) > 0] = np.nan
    return np.asarray(spare)


def could_reach(of: Assessment, travel: Travel, limit: float) -> csr_array:
    """(n_services, n_areas) sparse ones: services that count and serve the area, or could.

    A service could if a site of it lies within the limit, > 0, in the unit of `travel`; or if it has no site
    at all (it comes to people) and serves another area of the locality.
    """
    directory = of.facts.directory
    counts = of.standing.whole & (np.diff(of.incidence.addresses.indptr) > 0)
    n_services, n_areas = len(directory.services), of.areas.size
    sites = counts[directory.site_service] if directory.sites else np.zeros(0, bool)
    ways = Reach(of.facts.hierarchy, of.facts.boundaries, directory, travel)
    near = ways.costs(of.areas, sites, limit=limit).tocoo()
    within = near.data <= limit
    rows, columns = directory.site_service[near.col[within]], near.row[within]
    with_site = np.zeros(n_services, bool)
    with_site[directory.site_service] = True
    mobile = np.flatnonzero(counts & ~with_site & (np.diff(of.incidence.serves.indptr) > 0))
    served = kept(counts, of.incidence.serves).tocoo()
    return presence(
        np.concatenate([rows, served.row, np.repeat(mobile, n_areas)]),
        np.concatenate([columns, served.col, np.tile(np.arange(n_areas), mobile.size)]),
        (n_services, n_areas),
    )
