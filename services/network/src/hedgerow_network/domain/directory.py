"""Services, their sites and who stands behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hedgerow_network.domain.cover import Floats, Ints


@dataclass(frozen=True)
class Organisation:
    id: str
    name: str
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Service:
    """What a provider offers. needs: ids of the terms it states · areas: codes it states, empty if none."""

    id: str
    name: str
    organisation: str | None = None
    status: str = "active"
    needs: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    for_some_ages: bool = False
    capacity: float | None = None


@dataclass(frozen=True)
class Site:
    """A place where a service is delivered; lon and lat in degrees (WGS84) or None.

    address, postcode: where records of several services lie at one place · source, source_id: the source that
    brought it and the id it has there
    """

    id: str
    service: str
    name: str
    lon: float | None = None
    lat: float | None = None
    area: str | None = None
    address: str | None = None
    postcode: str | None = None
    source: str | None = None
    source_id: str | None = None


def not_active(service: Service, at: date) -> str | None:
    """Why a service is not active on a date, or None if it is. It is on its first and on its last day.

    >>> not_active(Service("a", "A", valid_to=date(2025, 3, 31)), date(2025, 4, 1))
    'It ended on 2025-03-31.'
    """
    if service.status != "active":
        return {
            "inactive": "It is marked as inactive.",
            "defunct": "It no longer exists (marked as defunct).",
            "temporarily closed": "It is temporarily closed.",
        }.get(service.status, f"Its status is “{service.status}”, not active.")
    if service.valid_from is not None and at < service.valid_from:
        return f"It starts on {service.valid_from.isoformat()}."
    if service.valid_to is not None and at > service.valid_to:
        return f"It ended on {service.valid_to.isoformat()}."
    return None


@dataclass(frozen=True)
class Units:
    """Who is counted. ids: in order · names: the same order · of_service: (n_services,) position of each
    service's unit.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    of_service: Ints


class Directory:
    """Services and sites in the order of their ids, with the providers and owners behind them."""

    def __init__(
        self,
        *,
        organisations: Iterable[Organisation] = (),
        services: Iterable[Service] = (),
        sites: Iterable[Site] = (),
    ) -> None:
        self.organisations: Mapping[str, Organisation] = {found.id: found for found in organisations}
        self.services: tuple[Service, ...] = tuple(sorted(services, key=lambda service: service.id))
        self.position: dict[str, int] = {service.id: place for place, service in enumerate(self.services)}
        self.sites: tuple[Site, ...] = tuple(
            sorted((site for site in sites if site.service in self.position), key=lambda site: site.id)
        )

    @cached_property
    def site_service(self) -> Ints:
        """(n_sites,) position of each site's service."""
        return np.array([self.position[site.service] for site in self.sites], dtype=np.int32)

    @cached_property
    def site_lon(self) -> Floats:
        return np.array([np.nan if site.lon is None else site.lon for site in self.sites], dtype=np.float64)

    @cached_property
    def site_lat(self) -> Floats:
        return np.array([np.nan if site.lat is None else site.lat for site in self.sites], dtype=np.float64)

    @cached_property
    def sites_of(self) -> dict[int, list[int]]:
        """Positions of the sites of each service that has any."""
        found: dict[int, list[int]] = {}
        for site, service in enumerate(self.site_service):
            found.setdefault(int(service), []).append(site)
        return found

    def active(self, at: date) -> NDArray[np.bool_]:
        """(n_services,) which services are active on a date."""
        return np.array([not_active(service, at) is None for service in self.services], dtype=bool)

    @cached_property
    def providers(self) -> Units:
        """A service whose organisation is not known has a provider of its own: two of them are never the
        same.
        """
        return self._units([self._provider(service) for service in self.services])

    @cached_property
    def owners(self) -> Units:
        """The ultimate owner of each provider; a provider without a known owner is its own."""
        return self._units([self.ultimate_owner(self._provider(service)) for service in self.services])

    def _units(self, of_service: list[str]) -> Units:
        ids = tuple(sorted(set(of_service)))
        place = {id: number for number, id in enumerate(ids)}
        positions = np.array([place[id] for id in of_service], dtype=np.int32)
        return Units(ids, tuple(self.organisation_name(id) for id in ids), positions)

    def _provider(self, service: Service) -> str:
        return service.organisation or f"service:{service.id}"

    def organisation_name(self, id: str) -> str:
        """The name of an organisation; its id where only that is known."""
        found = self.organisations.get(id)
        if found is not None:
            return found.name
        service = id.removeprefix("service:")
        if service != id and service in self.position:
            return f"unnamed provider of {self.services[self.position[service]].name}"
        return id

    def ultimate_owner(self, organisation: str) -> str:
        """The end of the chain of owners.

        Of several owners the one with the lowest id is followed. A circle of owners ends at its lowest id.
        An owner that is not held is an end: it has an id, if no name.

        >>> chain = Directory(organisations=[Organisation("a", "A", ("b",)), Organisation("b", "B", ("c",))])
        >>> chain.ultimate_owner("a")
        'c'
        """
        seen: list[str] = []
        current = organisation
        while current not in seen:
            seen.append(current)
            held = self.organisations.get(current)
            owners = sorted(set(held.owners) - {current}) if held is not None else []
            if not owners:
                return current
            current = owners[0]
        return min(seen[seen.index(current) :])
