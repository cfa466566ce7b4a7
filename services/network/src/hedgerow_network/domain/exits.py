"""Who may leave a locality, and what stands on whom: providers, owners, sites, contracts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from hedgerow_network.domain.cover import Cover, Incidence, Ints, cover, doubles
from hedgerow_network.domain.directory import Site
from hedgerow_network.domain.fragility import Fragility, Pairs, fragile_pairs, fragility
from hedgerow_network.domain.locality import OWNERS, PROVIDERS, Assessment
from hedgerow_network.domain.serving import DECLARED, SITED, near_sites

Kind = Literal["provider", "owner", "site", "contract"]


@dataclass(frozen=True)
class Exits:
    """A locality seen by who may leave.

    Each row of the incidence is a *way* a service covers cells: by itself, through one of its sites, or under
    one of its contracts; its unit must leave for the way to be gone. A cell is uncovered when all its units
    have left. ids, names: of the units · leaves: (n_units,) False for what stands on nobody of the kind (a
    service without a site, or without a contract) · service: (n_rows,) row of the directory
    """

    by: Kind
    assessment: Assessment
    of: Incidence
    ids: tuple[str, ...]
    names: tuple[str, ...]
    leaves: NDArray[np.bool_]
    service: Ints

    @cached_property
    def cover(self) -> Cover:
        return cover(self.of)

    @cached_property
    def alone(self) -> Fragility:
        """What each unit carries alone."""
        return fragility(self.cover, self.assessment.people.count)

    @cached_property
    def ranked(self) -> list[int]:
        """Units that may leave and carry anything alone: most people first, then cells, then id."""
        found = self.alone
        some = np.flatnonzero((found.cells > 0) & self.leaves)
        return [int(unit) for unit in some[np.lexsort((some, -found.cells[some], -found.people[some]))]]

    @cached_property
    def pairs(self) -> Pairs:
        """Pairs of units that may leave and stand alone together somewhere."""
        twos = doubles(self.of)
        keep = self.leaves[twos.first] & self.leaves[twos.second]
        return fragile_pairs(twos.only(keep), self.alone, self.assessment.people.count)

    @cached_property
    def ranked_pairs(self) -> list[int]:
        """Pairs, by position: most people first, then cells, then ids."""
        found = self.pairs
        order = np.lexsort((found.second, found.first, -found.cells, -found.people))
        return [int(pair) for pair in order]

    def services_of(self, units: Sequence[int]) -> int:
        """Services that would go, or lose a site or a contract: of those that cover a cell here."""
        theirs = np.isin(self.of.unit, list(units)) & (np.diff(self.of.serves.indptr) > 0)
        return int(np.unique(self.service[theirs]).size)


def exits(of: Assessment, by: Kind) -> Exits:
    """See a locality by who may leave.

    provider, owner: with all its services · site: a place closes, for all services delivered there. Under
    `sited` and `within` a service covers an area through the sites in it or near it; under `declared`
    a service goes when all its sites have closed. Sites at the same coordinates (else of the same postcode)
    with the same address are one place · contract: a contract ends; a service goes when all its contracts in
    force have ended.
    """
    if by in ("provider", "owner"):
        counting = of.counted_by(PROVIDERS if by == "provider" else OWNERS)
        units = counting.units
        rows = np.arange(counting.incidence.unit.size, dtype=np.int32)
        return Exits(by, of, counting.incidence, units.ids, units.names, np.ones(len(units.ids), bool), rows)
    if by == "site":
        return _exits(of, by, _through_sites(of))
    return _exits(of, by, _under_contracts(of))


@dataclass(frozen=True)
class _Ways:
    """service: (n,) rows of the directory · unit: (n,) ids of units, None = nobody · serves: (n, n_areas)
    sparse ones · names: of the units
    """

    service: list[int]
    unit: list[str | None]
    serves: csr_array
    names: dict[str, str]


def _exits(of: Assessment, by: Kind, ways: _Ways) -> Exits:
    named = sorted({unit for unit in ways.unit if unit is not None})
    steady = sorted({row for row, unit in zip(ways.service, ways.unit, strict=True) if unit is None})
    place = {unit: number for number, unit in enumerate(named)}
    # What stands on nobody keeps a cell covered whoever leaves: a unit of its own that never does.
    never = {row: len(named) + number for number, row in enumerate(steady)}
    service = np.array(ways.service, dtype=np.int32)
    unit = np.array(
        [never[row] if one is None else place[one] for row, one in zip(ways.service, ways.unit, strict=True)],
        dtype=np.int32,
    )
    services = of.facts.directory.services
    return Exits(
        by=by,
        assessment=of,
        of=Incidence(
            serves=csr_array(ways.serves),
            addresses=csr_array(of.incidence.addresses[service]),
            unit=unit,
            n_units=len(named) + len(steady),
        ),
        ids=(*named, *(f"service:{services[row].id}" for row in steady)),
        names=(*(ways.names[one] for one in named), *(services[row].name for row in steady)),
        leaves=np.arange(len(named) + len(steady)) < len(named),
        service=service,
    )


def _through_sites(of: Assessment) -> _Ways:
    directory = of.facts.directory
    covering = np.flatnonzero(
        (np.diff(of.incidence.serves.indptr) > 0) & (np.diff(of.incidence.addresses.indptr) > 0)
    )
    place_of, names = places(directory.sites)
    sites = [directory.sites_of.get(int(row), [None]) for row in covering]
    service = np.repeat(covering, [len(found) for found in sites])
    site = np.array([-1 if one is None else one for found in sites for one in found], dtype=np.intp)
    through = of.incidence.serves[service]
    blocks, order = [], []
    for rule, reach in _site_areas(of).items():
        rows = np.flatnonzero(of.serving.by[service] == rule)
        block = csr_array(through[rows])
        blocks.append(block if reach is None else csr_array(block.multiply(reach[site[rows]])))
        order.append(rows)
    stacked = csr_array(vstack(blocks, format="csr"))
    back = np.argsort(np.concatenate(order), kind="stable")
    unit = [None if one < 0 else place_of[one] for one in site]
    return _Ways(service.tolist(), unit, csr_array(stacked[back]), names)


def _site_areas(of: Assessment) -> dict[str, csr_array | None]:
    """By rule, (n_sites, n_areas) sparse ones: the site serves the area; None where sites do not decide."""
    facts, rule = of.facts, of.question.rule
    found: dict[str, csr_array | None] = {DECLARED: None}
    if of.serving.placed is not None:
        found[SITED] = csr_array(of.serving.placed.in_area[:, of.areas])
    if (of.serving.by == rule.name).any() and rule.name not in (DECLARED, SITED):
        found[rule.name] = near_sites(
            facts.directory, facts.hierarchy, facts.boundaries, of.areas, rule, of.question.costs
        )
    return found


def places(sites: tuple[Site, ...]) -> tuple[list[str], dict[str, str]]:
    """The place of each site, by the lowest id of the sites there, and the name of each place."""
    first: dict[tuple[object, ...], str] = {}
    names: dict[str, str] = {}
    found = []
    for site in sites:
        place = first.setdefault(_where(site), site.id)
        names.setdefault(place, site.name)
        found.append(place)
    return found, names


def _where(site: Site) -> tuple[object, ...]:
    address = "".join(c for c in (site.address or "").casefold() if c.isalnum())
    if site.lon is not None and site.lat is not None:
        # Five decimals are a metre: two records of one building.
        return "point", round(site.lon, 5), round(site.lat, 5), address
    if site.postcode and address:
        return "address", site.postcode.replace(" ", "").upper(), address
    return "site", site.id


def _under_contracts(of: Assessment) -> _Ways:
    services, contracts = of.facts.directory.services, of.facts.contracts
    service: list[int] = []
    unit: list[str | None] = []
    names: dict[str, str] = {}
    for row in np.flatnonzero(np.diff(of.incidence.serves.indptr) > 0).tolist():
        linked = contracts.under(services[row].id, services[row].organisation)
        held = [contract for contract in linked if contract.in_force(of.question.at)]
        names |= {contract.id: contract.title for contract in held}
        ending: list[str | None] = [contract.id for contract in held] or [None]
        service += [row] * len(ending)
        unit += ending
    serves = csr_array(of.incidence.serves[np.array(service, dtype=np.int32)])
    return _Ways(service, unit, serves, names)


def unit_edges(of: Exits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The graph of who covers what: pairs (unit, cell), each once, cells as need × n_areas + area."""
    cells = [of.of.cells_of(unit) for unit in range(len(of.ids))]
    units = np.repeat(np.arange(len(cells), dtype=np.int64), [found.size for found in cells])
    return units, np.concatenate([np.empty(0, np.int64), *cells])


def unit_of_providers(of: Exits) -> dict[str, int]:
    """The unit that each provider with a service here counts as: itself, or its owner."""
    providers = of.assessment.facts.directory.providers
    reaching = np.flatnonzero(np.diff(of.of.serves.indptr) > 0)
    return {
        providers.ids[int(providers.of_service[of.service[row]])]: int(of.of.unit[row]) for row in reaching
    }
