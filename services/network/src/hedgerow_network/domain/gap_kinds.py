"""Every kind of gap there is, by the name it is asked for with."""

from collections.abc import Mapping

import numpy as np

from hedgerow_network.domain.capacity import capacity_caveats, under_capacity
from hedgerow_network.domain.caveats import listed
from hedgerow_network.domain.design_gaps import (
    DESIGNS,
    KPIS,
    accountability,
    capability,
    connection,
    connection_caveats,
    measurement,
    measurement_caveats,
)
from hedgerow_network.domain.gaps import Found, Inquiry, Kind, Told, of_cells
from hedgerow_network.domain.holes import cohort_holes
from hedgerow_network.domain.horizon import future
from hedgerow_network.domain.locality import GAP, PARTIAL, SINGLE, Assessment
from hedgerow_network.domain.out_of_reach import out_of_reach, reach_caveats


def _uncovered(inquiry: Inquiry) -> Found:
    of = inquiry.of
    cells = np.flatnonzero(of.status.ravel() == GAP)
    return of_cells(of, cells, lambda cell: Told(f"No service that counts serves {_place(of, cell)}."))


def _partial(inquiry: Inquiry) -> Found:
    of = inquiry.of
    cells = np.flatnonzero(of.status.ravel() == PARTIAL)

    def tell(cell: int) -> Told:
        need, area = divmod(cell, of.areas.size)
        share = float(of.partly.share[need, area])
        who = listed([of.units.names[unit] for unit in of.partial_units(need, area)])
        size = f"{share:.0%} of its people" if share >= 0 else "a part of unknown size"
        return Told(
            f"Nobody serves the whole of {_place(of, cell)}: {who} between them reach {size}.",
            services=of.partial_services(need, area),
            figures={"share_served": round(share, 4) if share >= 0 else None},
        )

    return of_cells(of, cells, tell, people=of.affected.ravel()[cells])


def _single(inquiry: Inquiry) -> Found:
    of = inquiry.of
    cells = np.flatnonzero(of.status.ravel() == SINGLE)

    def tell(cell: int) -> Told:
        who = of.units.names[int(of.cover.only.ravel()[cell])]
        return Told(f"{who} alone serves {_place(of, cell)}.", services=_services(of, cell))

    return of_cells(of, cells, tell)


def _fragile(inquiry: Inquiry) -> Found:
    """Cells that hang on one provider, and those with several providers that all have one owner."""
    of = inquiry.of
    providers, owners = of.counted_by("providers"), of.counted_by("owners")
    cells = np.flatnonzero(owners.cover.depth.ravel() == 1)

    def tell(cell: int) -> Told:
        owner = int(owners.cover.only.ravel()[cell])
        party = (owners.units.ids[owner], owners.units.names[owner])
        number = int(providers.cover.depth.ravel()[cell])
        if number == 1:
            provider = int(providers.cover.only.ravel()[cell])
            name = providers.units.names[provider]
            behind = "" if name == party[1] else f", which belongs to {party[1]}"
            says = f"{_place(of, cell)} hangs on one provider, {name}{behind}."
            party = (providers.units.ids[provider], name)
        else:
            says = f"{_place(of, cell)} has {number} providers, and all of them belong to {party[1]}."
        return Told(
            says,
            services=_services(of, cell),
            figures={"by": "provider" if number == 1 else "owner", "providers": number, "owners": 1},
            parties=(party,),
        )

    return of_cells(of, cells, tell)


def _place(of: Assessment, cell: int) -> str:
    return of.facts.hierarchy.areas[int(of.areas[cell % of.areas.size])].name


def _services(of: Assessment, cell: int) -> list[int]:
    need, area = divmod(cell, of.areas.size)
    return [int(row) for row in of.incidence.services_of(need, area)]


GAP_KINDS: Mapping[str, Kind] = {
    "uncovered": Kind("Nobody serves the area for the need, nor a part of it.", _uncovered),
    "partial": Kind("Nobody serves the whole area for the need; parts of it are served.", _partial),
    "single": Kind("One provider (or owner, as counted) serves the area for the need.", _single),
    "fragile": Kind(
        "The cell hangs on one provider, or on several that all have one ultimate owner.", _fragile
    ),
    "under-capacity": Kind(
        "The cell is served, but its services have too few places for the people with the need.",
        under_capacity,
        caveats=lambda inquiry: capacity_caveats(inquiry.of),
    ),
    "out-of-reach": Kind(
        "The nearest site open to the area is further away than the distance standard (or, if asked for, its "
        "places per person are too few).",
        out_of_reach,
        thresholds=("reach", "access_below", "access_method"),
        caveats=reach_caveats,
    ),
    "future": Kind(
        "The cell is covered on the date, but not until the last day looked at: a service or contract ends "
        "and nothing follows.",
        future,
        thresholds=("until",),
    ),
    "cohort": Kind(
        "The cell is served, but no service there accepts people of certain ages or circumstances, whom the "
        "need is met for elsewhere in the locality.",
        cohort_holes,
    ),
    "capability": Kind(
        "A network's goal or service takes a capability that nobody is assigned.",
        capability,
        reads=(DESIGNS,),
    ),
    "accountability": Kind(
        "For a network's goal or service nobody is accountable, or more than one.",
        accountability,
        reads=(DESIGNS,),
    ),
    "measurement": Kind(
        "A network's goal has no KPI, or one that is not defined or has no observations.",
        measurement,
        reads=(DESIGNS, KPIS),
        caveats=measurement_caveats,
    ),
    "connection": Kind(
        "The cell is served, but no referral leads from a network's front door to a service that meets it.",
        connection,
        reads=(DESIGNS,),
        caveats=connection_caveats,
    ),
}

UNLESS_SAID = ("partial", "uncovered")
"""The kinds listed if none is asked for: where need is unmet now."""
