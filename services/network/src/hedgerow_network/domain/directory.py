"""Services, their sites and who stands behind them."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hedgerow_network.domain.cover import Floats, Ints, presence
from hedgerow_network.domain.eligibility import Ages, ages
from hedgerow_network.domain.opening import Opening
from hedgerow_network.domain.relations import Names


@dataclass(frozen=True)
class Control:
    """An organisation that controls another between two days, both counted; None = open."""

    owner: str
    first: date | None = None
    last: date | None = None

    def holds_on(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Organisation:
    id: str
    name: str
    owners: tuple[Control, ...] = ()
    identifiers: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Service:
    """What a provider offers.

    needs: ids of the terms it states · areas: codes it states, empty if none · minimum_age, maximum_age: in
    years, None = no bound · circumstances: of whom it is for, any one is enough; empty = whoever · capacity:
    people it can take, None = not stated · openings: when it is open, empty = not stated
    """

    id: str
    name: str
    organisation: str | None = None
    status: str = "active"
    needs: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    minimum_age: float | None = None
    maximum_age: float | None = None
    circumstances: tuple[str, ...] = ()
    capacity: float | None = None
    openings: tuple[Opening, ...] = ()

    @property
    def ages(self) -> Ages:
        """The ages it accepts."""
        return ages(self.minimum_age, self.maximum_age)

    @property
    def for_some_ages(self) -> bool:
        return self.minimum_age is not None or self.maximum_age is not None


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
    if service.capacity == 0:
        return "It has no places: its capacity is stated as 0."
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
        self.services: tuple[Service, ...] = tuple(sorted(services, key=attrgetter("id")))
        self._owners: dict[int, Units] = {}
        self.position: dict[str, int] = {service.id: place for place, service in enumerate(self.services)}
        self.sites: tuple[Site, ...] = tuple(
            sorted(
                (self._named(site) for site in sites if site.service in self.position),
                key=attrgetter("id"),
            )
        )

    def _named(self, site: Site) -> Site:
        """A site without a name goes by its service's."""
        if site.name != site.id:
            return site
        return replace(site, name=self.services[self.position[site.service]].name)

    @cached_property
    def names(self) -> Names:
        """Finds organisations by id, identifier or name."""
        return Names(
            (one.id, one.name, (*one.identifiers, *one.merged)) for one in self.organisations.values()
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

    @cached_property
    def states_areas(self) -> NDArray[np.bool_]:
        """(n_services,) which services state any area."""
        return np.array([bool(service.areas) for service in self.services], dtype=bool)

    @cached_property
    def has_site(self) -> NDArray[np.bool_]:
        """(n_services,) which services have a site."""
        found = np.zeros(len(self.services), bool)
        found[self.site_service] = True
        return found

    @cached_property
    def stated_terms(self) -> tuple[dict[str, int], csr_array]:
        """The terms that services state, by their column, and (n_services, n_terms) sparse ones."""
        terms = sorted({term for service in self.services for term in service.needs})
        column = {term: place for place, term in enumerate(terms)}
        number = np.array([len(service.needs) for service in self.services], dtype=np.int32)
        stated = [column[term] for service in self.services for term in service.needs]
        rows = np.repeat(np.arange(number.size, dtype=np.int32), number)
        return column, presence(rows, np.array(stated, dtype=np.int32), (number.size, len(terms)))

    def unchanged_from(self, before: "Directory") -> NDArray[np.int32]:
        """(n_services,) where each service stood in an earlier directory, -1 if it is new or has changed."""
        found = np.full(len(self.services), -1, np.int32)
        position, services = before.position, before.services
        for row, service in enumerate(self.services):
            place = position.get(service.id)
            if place is not None and services[place] is service:
                found[row] = place
        return found

    def active(self, at: date) -> NDArray[np.bool_]:
        """(n_services,) which services are active on a date: `not_active` of all at once."""
        day = at.toordinal()
        return np.asarray(self._may_be_active & (self.first_day <= day) & (day <= self.last_day))

    @cached_property
    def _may_be_active(self) -> NDArray[np.bool_]:
        return np.array([one.status == "active" and one.capacity != 0 for one in self.services], dtype=bool)

    @cached_property
    def first_day(self) -> Ints:
        """(n_services,) first day of each service as an ordinal, 0 where not stated."""
        return _ordinals((service.valid_from for service in self.services), EVER)

    @cached_property
    def last_day(self) -> Ints:
        """(n_services,) last day of each service as an ordinal, NEVER where not stated."""
        return _ordinals((service.valid_to for service in self.services), NEVER)

    @cached_property
    def openings(self) -> tuple[Ints, Ints, Ints]:
        """Service, first and last day (ordinals) of every stated opening time, in the order of services."""
        pairs = [(row, one) for row, service in enumerate(self.services) for one in service.openings]
        return (
            np.array([row for row, _ in pairs], dtype=np.int32),
            _ordinals((one.first for _, one in pairs), EVER),
            _ordinals((one.last for _, one in pairs), NEVER),
        )

    @cached_property
    def age_low(self) -> Floats:
        """(n_services,) from which birthday each service accepts people, in years."""
        return np.array([service.ages.low for service in self.services], dtype=np.float64)

    @cached_property
    def age_high(self) -> Floats:
        """(n_services,) up to which birthday it does, inf where there is no upper bound."""
        return np.array([service.ages.high for service in self.services], dtype=np.float64)

    @cached_property
    def with_circumstances(self) -> list[int]:
        """Positions of the services that are for people in certain circumstances."""
        return [row for row, service in enumerate(self.services) if service.circumstances]

    @cached_property
    def capacity(self) -> Floats:
        """(n_services,) people each service can take, NaN where not stated."""
        return np.array(
            [np.nan if one.capacity is None else one.capacity for one in self.services], dtype=np.float64
        )

    @cached_property
    def providers(self) -> Units:
        """A service whose organisation is not known has a provider of its own: two of them are never the
        same.
        """
        return self._units([self._provider(service) for service in self.services])

    def owners(self, at: date) -> Units:
        """The ultimate owner of each provider on a date; a provider without a known owner is its own."""
        epoch = bisect_right(self._turns, at)
        if epoch not in self._owners:
            of_provider = [self.ultimate_owner(id, at) for id in self.providers.ids]
            ids = tuple(sorted(set(of_provider)))
            place = {id: number for number, id in enumerate(ids)}
            positions = np.array([place[id] for id in of_provider], dtype=np.int32)
            names = tuple(self.organisation_name(id) for id in ids)
            self._owners[epoch] = Units(ids, names, positions[self.providers.of_service])
        return self._owners[epoch]

    @cached_property
    def _turns(self) -> list[date]:
        """The days on which who controls whom changes, ascending: between two of them owners stay."""
        controls = [one for found in self.organisations.values() for one in found.owners]
        begun = {one.first for one in controls if one.first is not None}
        ended = {
            one.last + timedelta(days=1) for one in controls if one.last is not None and one.last < date.max
        }
        return sorted(begun | ended)

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

    def ultimate_owner(self, organisation: str, at: date) -> str:
        """The end of the chain of owners on a date.

        Of several owners the one with the lowest id is followed. A circle of owners ends at its lowest id.
        An owner that is not held is an end: it has an id, if no name.

        >>> sold = (Control("b", last=date(2024, 6, 30)), Control("c", date(2024, 7, 1)))
        >>> chain = Directory(organisations=[Organisation("a", "A", sold)])
        >>> chain.ultimate_owner("a", date(2024, 6, 30)), chain.ultimate_owner("a", date(2024, 7, 1))
        ('b', 'c')
        """
        chain = self.chain(organisation, at)
        first = chain.index(chain[-1])
        return chain[-1] if first == len(chain) - 1 else min(chain[first:])

    def chain(self, organisation: str, at: date) -> list[str]:
        """The organisation, its owner, the owner's owner, to the end; a circle is gone round once."""
        seen = [organisation]
        while owners := self.owners_of(seen[-1], at):
            if owners[0] in seen:
                return [*seen, owners[0]]
            seen.append(owners[0])
        return seen

    def owners_of(self, organisation: str, at: date) -> list[str]:
        """Who controls an organisation on a date, by id, itself left out."""
        held = self.organisations.get(organisation)
        controls = held.owners if held is not None else ()
        return sorted({one.owner for one in controls if one.holds_on(at)} - {organisation})


EVER, NEVER = 0, date.max.toordinal()
"""Ordinals of days before and after all others, for bounds that are not stated."""


def _ordinals(days: Iterable[date | None], unless_stated: int) -> Ints:
    return np.array([unless_stated if day is None else day.toordinal() for day in days], dtype=np.int32)
