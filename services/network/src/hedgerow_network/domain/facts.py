"""What network knows: the registry's records as the values that the analyses work on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from functools import cached_property
from sys import intern
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from shapely.geometry import shape

from hedgerow_network.domain.areas import Area, Hierarchy
from hedgerow_network.domain.contracts import Contract, Contracts, Lot, Subcontract
from hedgerow_network.domain.cover import Floats, presence
from hedgerow_network.domain.directory import Control, Directory, Organisation, Service, Site
from hedgerow_network.domain.eligibility import circumstance
from hedgerow_network.domain.needs import Need, Taxonomies
from hedgerow_network.domain.opening import DAYS, Opening
from hedgerow_network.domain.people import Band, Figures, latest, residents_in
from hedgerow_network.domain.places import Boundaries, Placed, place_sites

Record = Mapping[str, Any]


@dataclass(frozen=True)
class PeopleRecords:
    """Figures about people as the registry sends them, of all periods, ready to be read at a date.

    residents: area code → bands · indices: index → area code → (period, value) · demand: need → area code →
    period → (count, weight)
    """

    residents: Mapping[str, tuple[Band, ...]]
    indices: Mapping[str, Mapping[str, tuple[tuple[str, float], ...]]]
    demand: Mapping[str, Mapping[str, Mapping[str, tuple[float | None, float | None]]]]

    def at(self, hierarchy: Hierarchy, day: date) -> Figures:
        """The figures that stand on a date: of each, the latest period that has begun by then."""
        return Figures(
            areas=hierarchy,
            residents=_column(
                hierarchy, {code: residents_in(bands, day) for code, bands in self.residents.items()}
            ),
            counts=self._demand(hierarchy, day, 0),
            weights=self._demand(hierarchy, day, 1),
            indices={
                name: _column(hierarchy, {code: _value_at(rows, day) for code, rows in by_area.items()})
                for name, by_area in self.indices.items()
            },
            at=day,
            bands=self.residents,
        )

    def _demand(self, hierarchy: Hierarchy, day: date, part: int) -> dict[str, Floats]:
        found = {}
        for need, by_area in self.demand.items():
            known = {
                code: {period: pair[part] for period, pair in periods.items() if pair[part] is not None}
                for code, periods in by_area.items()
            }
            values = {code: _value_at(tuple(periods.items()), day) for code, periods in known.items()}
            if any(value is not None for value in values.values()):
                found[need] = _column(hierarchy, values)
        return found


def _value_at(rows: Iterable[tuple[str, float | None]], day: date) -> float | None:
    by_period = dict(rows)
    period = latest(by_period, day)
    return None if period is None else by_period[period]


def _column(hierarchy: Hierarchy, values: Mapping[str, float | None]) -> Floats:
    column = np.full(len(hierarchy), np.nan)
    for code, value in values.items():
        place = hierarchy.position.get(code)
        if place is not None and value is not None:
            column[place] = value
    return column


_DATES_KEPT = 8
_SIGHTS_KEPT = 8


@dataclass(frozen=True)
class Facts:
    """Everything that an analysis reads, of one state of the registry.

    What many questions share is worked out once: who states which area, and the figures of a date.
    """

    hierarchy: Hierarchy
    boundaries: Boundaries
    taxonomies: Taxonomies
    directory: Directory
    people: PeopleRecords
    contracts: Contracts = field(default_factory=Contracts)
    _figures: dict[date, Figures] = field(default_factory=dict, init=False, repr=False, compare=False)
    _placed: dict[str, Placed] = field(default_factory=dict, init=False, repr=False, compare=False)
    _sights: dict[frozenset[str | None], "Facts"] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def stated_areas(self) -> csr_array:
        """(n_services, n_areas) sparse ones: the areas that services state, as far as they are held."""
        return self._stated[0]

    @property
    def states_unheld(self) -> NDArray[np.bool_]:
        """(n_services,) which services state an area that is not held."""
        return self._stated[1]

    @cached_property
    def _stated(self) -> tuple[csr_array, NDArray[np.bool_]]:
        return self._stated_by(self.directory.services)

    def _stated_by(self, services: Sequence[Service]) -> tuple[csr_array, NDArray[np.bool_]]:
        position = self.hierarchy.position
        number = np.array([len(service.areas) for service in services], dtype=np.int32)
        places = np.fromiter(
            (position.get(code, -1) for service in services for code in service.areas),
            np.int32,
            int(number.sum()),
        )
        rows = np.repeat(np.arange(number.size, dtype=np.int32), number)
        held = places >= 0
        unheld = np.zeros(number.size, bool)
        unheld[rows[~held]] = True
        return presence(rows[held], places[held], (number.size, len(self.hierarchy))), unheld

    def placed(self, level: str) -> Placed:
        """Where the sites of services lie, in areas of one level."""
        found = self._placed.get(level)
        if found is None:
            found = place_sites(
                self.hierarchy,
                self.boundaries,
                lon=self.directory.site_lon,
                lat=self.directory.site_lat,
                stated=np.array(
                    [self.hierarchy.position.get(site.area or "", -1) for site in self.directory.sites],
                    dtype=np.int32,
                ),
                level=level,
            )
            self._placed[level] = found
        return found

    def carry(self, before: "Facts") -> None:
        """Take over from an earlier state what has not changed since, where it was worked out there."""
        if before.hierarchy is self.hierarchy and before.people is self.people:
            self._figures.update(before._figures)
        if before.hierarchy is self.hierarchy and "_stated" in before.__dict__:
            self.__dict__["_stated"] = self._carried(*before._stated, before.directory)

    def _carried(
        self, stated: csr_array, unheld: NDArray[np.bool_], before: Directory
    ) -> tuple[csr_array, NDArray[np.bool_]]:
        if before is self.directory:
            return stated, unheld
        place = self.directory.unchanged_from(before)
        changed = np.flatnonzero(place < 0)
        rest = self._stated_by([self.directory.services[row] for row in changed])
        # The rows of both one below the other, then each service's own.
        below = np.where(place < 0, stated.shape[0] + np.cumsum(place < 0) - 1, place)
        joined = csr_array(vstack([stated, rest[0]], format="csr"))
        return csr_array(joined[below]), np.concatenate([unheld, rest[1]])[below]

    def without_unpublished(self, authorities: frozenset[str | None]) -> "Facts":
        """The same as if some authorities had no contracts that are not published."""
        found = self._sights.get(authorities)
        if found is None:
            found = replace(self, contracts=self.contracts.without_unpublished(authorities))
            # All that is worked out here rests on the other records, and is shared.
            shared = {"_figures": self._figures, "_placed": self._placed, "_stated": self._stated}
            found.__dict__.update(shared)
            if len(self._sights) >= _SIGHTS_KEPT:
                self._sights.clear()
            self._sights[authorities] = found
        return found

    def figures(self, day: date) -> Figures:
        """What is known about people on a date."""
        found = self._figures.get(day)
        if found is None:
            found = self.people.at(self.hierarchy, day)
            if len(self._figures) >= _DATES_KEPT:
                self._figures.clear()
            self._figures[day] = found
        return found


def read_areas(records: Iterable[Record]) -> Hierarchy:
    return Hierarchy(
        Area(
            code=record["code"],
            name=record.get("name") or record["code"],
            level=record.get("level") or "other",
            parents=tuple(record.get("parents") or ()),
            successors=tuple(record.get("successors") or ()),
            lon=record.get("lon"),
            lat=record.get("lat"),
        )
        for record in records
    )


def read_outline(record: Record) -> shapely.Geometry | None:
    """The outline of a boundary record, mended where it crosses itself; None if there is nothing in it."""
    try:
        outline = shape(record["geometry"])
    except (shapely.errors.ShapelyError, KeyError, TypeError, ValueError, AttributeError):
        return None
    if not outline.is_valid:
        outline = shapely.make_valid(outline)
    return None if outline.is_empty else outline


def read_taxonomies(needs: Iterable[Record], crosswalks: Iterable[Record]) -> Taxonomies:
    return Taxonomies(
        needs={
            record["id"]: Need(
                id=record["id"],
                name=record.get("name") or record["id"],
                taxonomy=record.get("taxonomy") or record["id"].partition(":")[0],
                parent=record.get("parent"),
            )
            for record in sorted(needs, key=lambda record: str(record["id"]))
        },
        crosswalks=tuple(sorted((row["from"], row["to"], row["relation"]) for row in crosswalks)),
    )


def read_organisation(record: Record) -> Organisation:
    return Organisation(
        id=record["id"],
        name=record.get("name") or record["id"],
        owners=_controls(record),
        identifiers=tuple(f"{one.get('scheme')}:{one.get('id')}" for one in record.get("identifiers") or ()),
        merged=tuple(record.get("merged_ids") or ()),
    )


def read_service(record: Record) -> Service:
    return Service(
        id=record["id"],
        name=record.get("name") or record["id"],
        organisation=record.get("organisation_id"),
        status=record.get("status") or "active",
        # A country states the same few codes millions of times: each is held once.
        needs=tuple(map(intern, record.get("needs") or ())),
        areas=tuple(map(intern, record.get("area_codes") or ())),
        valid_from=_day(record.get("valid_from")),
        valid_to=_day(record.get("valid_to")),
        minimum_age=_number(record.get("minimum_age")),
        maximum_age=_number(record.get("maximum_age")),
        circumstances=tuple(sorted({circumstance(one) for one in record.get("circumstances") or ()})),
        capacity=_number(record.get("capacity")),
        openings=tuple(_opening(one) for one in record.get("openings") or ()),
    )


def read_site(record: Record) -> Site:
    return Site(
        id=record["id"],
        service=record["service_id"],
        name=record.get("name") or record["id"],
        lon=record.get("lon"),
        lat=record.get("lat"),
        area=record.get("area_code"),
        address=record.get("address"),
        postcode=record.get("postcode"),
        source=record.get("source"),
        source_id=record.get("source_id"),
    )


def _controls(record: Record) -> tuple[Control, ...]:
    """Who controls an organisation: with dates where the record gives them, else its plain owners."""
    if record.get("control") is None:
        return tuple(Control(owner) for owner in record.get("owner_ids") or ())
    return tuple(
        Control(one["owner_id"], _day(one.get("from")), _day(one.get("to"))) for one in record["control"]
    )


def _opening(record: Record) -> Opening:
    return Opening(
        days=tuple(day for day in DAYS if day in (record.get("days") or ())),
        opens=_clock(record.get("opens")),
        closes=_clock(record.get("closes")),
        first=_day(record.get("from")),
        last=_day(record.get("to")),
    )


def _clock(text: str | None) -> time | None:
    return time.fromisoformat(text) if text else None


def read_contracts(records: Iterable[Record]) -> Contracts:
    return Contracts(
        Contract(
            id=record["id"],
            title=record.get("title") or record.get("ocid") or record["id"],
            status=str(record.get("status") or "active").casefold(),
            buyers=tuple(record.get("buyer_ids") or ()),
            suppliers=tuple(record.get("supplier_ids") or ()),
            former=tuple(record.get("former_supplier_ids") or ()),
            value_gbp=_number(record.get("value_gbp")),
            start=_day(record.get("start")),
            end=_day(record.get("end")),
            extended_to=_day(record.get("extended_to")),
            needs=tuple(record.get("need_ids") or ()),
            areas=tuple(record.get("area_codes") or ()),
            services=tuple(record.get("service_ids") or ()),
            successor=record.get("successor_id"),
            lots=tuple(
                Lot(tuple(lot.get("supplier_ids") or ()), _number(lot.get("value_gbp")))
                for lot in record.get("lots") or ()
            ),
            subcontracts=tuple(
                Subcontract(
                    payee=one["to_id"],
                    payer=one.get("from_id"),
                    fee_share=_number(one.get("fee_share")),
                    value_gbp=_number(one.get("value_gbp")),
                    tier=one.get("tier"),
                )
                for one in record.get("subcontracts") or ()
                if one.get("to_id")
            ),
            published=record.get("published") is not False,
            authority=record.get("authority_code"),
        )
        for record in records
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


def read_people(
    residents: Iterable[Record], indices: Iterable[Record], demand: Iterable[Record]
) -> PeopleRecords:
    by_index: dict[str, dict[str, tuple[tuple[str, float], ...]]] = {}
    for record in indices:
        values = tuple(
            (str(row["period"]), float(row["value"])) for row in record["values"] if row["value"] is not None
        )
        if values:
            by_index.setdefault(record["index"], {})[record["area_code"]] = values
    by_need: dict[str, dict[str, dict[str, tuple[float | None, float | None]]]] = {}
    for record in demand:
        periods = by_need.setdefault(record["need"], {}).setdefault(record["area_code"], {})
        periods[str(record["period"])] = (_number(record.get("count")), _number(record.get("weight")))
    return PeopleRecords(
        residents={
            record["area_code"]: tuple(
                Band(str(row["period"]), row["age_from"], row["age_to"], row["sex"], float(row["count"]))
                for row in record["rows"]
            )
            for record in residents
        },
        indices=by_index,
        demand=by_need,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


EDITION = 2
"""One higher whenever more is read of a record than before: every database then reads the feed anew."""

_REQUIRED: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "area": {"code": str},
    "boundary": {"code": str, "geometry": dict},
    "residents": {"area_code": str, "rows": list},
    "index": {"index": str, "area_code": str, "values": list},
    "demand": {"need": str, "area_code": str, "period": (str, int)},
    "need": {"id": str},
    "crosswalk": {"from": str, "to": str, "relation": str},
    "organisation": {"id": str},
    "service": {"id": str},
    "site": {"id": str, "service_id": str},
    "contract": {"id": str},
}

KINDS = frozenset(_REQUIRED)
"""What is read of the registry's feed."""


def is_readable(kind: str, record: Record) -> bool:
    """Whether a record carries what the readers here cannot do without.

    >>> is_readable("need", {"id": "t:food"}), is_readable("need", {"name": "Food"})
    (True, False)
    """
    required = _REQUIRED.get(kind)
    if required is None or not all(isinstance(record.get(name), wanted) for name, wanted in required.items()):
        return False
    try:
        _ONE[kind](record)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


_ONE: Mapping[str, Callable[[Record], object]] = {
    "area": lambda record: read_areas([record]),
    "boundary": lambda record: record["geometry"]["coordinates"],
    "residents": lambda record: read_people([record], [], []),
    "index": lambda record: read_people([], [record], []),
    "demand": lambda record: read_people([], [], [record]),
    "need": lambda record: read_taxonomies([record], []),
    "crosswalk": lambda record: read_taxonomies([], [record]),
    "organisation": read_organisation,
    "service": read_service,
    "site": read_site,
    "contract": lambda record: read_contracts([record]),
}
