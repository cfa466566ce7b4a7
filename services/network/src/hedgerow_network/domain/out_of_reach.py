"""Out of reach: cells whose people live further from any site than a standard, or whose access is too low."""

from collections.abc import Iterator

import numpy as np

from hedgerow_network.domain.access import Access, access, access_caveats, access_question
from hedgerow_network.domain.gaps import Figure, Found, Inquiry, Told, of_cells
from hedgerow_network.domain.travel import Travel


def travel_of(inquiry: Inquiry) -> Travel:
    """The matrix of travel costs that the question names, else the straight line in kilometres."""
    matrix = inquiry.of.question.costs
    return Travel(None, "km", 1.0) if matrix is None else Travel(matrix, matrix.unit(None))


def reached(inquiry: Inquiry) -> Access:
    """Access under the distance standard, by floating catchments within it."""
    asked = access_question(
        method=inquiry.thresholds.access_method, limit=inquiry.thresholds.reach, travel=travel_of(inquiry)
    )
    return inquiry.of.once(f"access {asked}", lambda: access(inquiry.of, asked))


def out_of_reach(inquiry: Inquiry) -> Found:
    """Cells without a site within the standard that is open to their people; with `access_below`, also those
    with fewer places per person.

    A cell that a service without any site serves (at home, by telephone) is not out of reach; one whose ways
    are not known is not listed.
    """
    of, found = inquiry.of, reached(inquiry)
    far = found.out_of_reach(at_least=inquiry.thresholds.access_below)
    cells = np.flatnonzero((far & ~_served_at_home(inquiry)).ravel())
    unit = found.question.travel.unit
    standard = f"{inquiry.thresholds.reach:g} {unit}"

    def tell(cell: int) -> Told:
        need, area = divmod(cell, of.areas.size)
        place = of.facts.hierarchy.areas[int(of.areas[area])].name
        site, cost = int(found.site[need, area]), float(found.cost[need, area])
        services: list[int] = []
        figures: dict[str, Figure] = {"nearest": None, "unit": unit, "places_per_1000": None}
        if site >= 0:
            held = of.facts.directory.sites[site]
            services = [of.facts.directory.position[held.service]]
            figures["nearest"] = round(cost, 3)
        if found.within[need, area]:
            ratio = float(found.ratio[need, area]) * 1000
            figures["places_per_1000"] = round(ratio, 6)
            wanted = (inquiry.thresholds.access_below or 0.0) * 1000
            says = (
                f"{place} has {ratio:.3g} places per 1,000 people within {standard}, fewer than {wanted:.3g}."
            )
        elif site >= 0:
            name = of.facts.directory.sites[site].name
            says = (
                f"The nearest site open to {place}, {name}, is {cost:.1f} {unit} away: more than {standard}."
            )
        else:
            says = f"No site that is open to {place} is known at all."
        return Told(says, services=services, figures=figures)

    return of_cells(of, cells, tell)


def _served_at_home(inquiry: Inquiry) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    of = inquiry.of
    with_site = np.zeros(len(of.facts.directory.services), bool)
    with_site[of.facts.directory.site_service] = True
    serves, addresses = of.incidence.serves, of.incidence.addresses
    at_home = (~with_site).astype(np.int32)
    return np.asarray(((addresses * at_home[:, None]).T @ serves).todense() > 0)


def reach_caveats(inquiry: Inquiry) -> Iterator[str]:
    """What to know before relying on distances."""
    yield from access_caveats(inquiry.of, reached(inquiry))
