"""Which services count on a date, at a moment, for a cohort, wherever they serve."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hedgerow_network.domain.contracts import Contracts, not_in_force
from hedgerow_network.domain.directory import Directory, Service, not_active
from hedgerow_network.domain.eligibility import NONE, PART, WHOLE, Cohort, accepts
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.opening import Moment, not_open

Why = Literal["not active", "contract", "opening", "cohort"]


@dataclass(frozen=True)
class Standing:
    """Per service of the directory. counts: (n_services,) active, its contract in force, open · accepts:
    (n_services,) how much of the cohort it accepts: NONE, PART or WHOLE; WHOLE where no cohort is asked for
    """

    counts: NDArray[np.bool_]
    accepts: NDArray[np.int8]

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Services that count for everybody asked about."""
        return np.asarray(self.counts & (self.accepts == WHOLE))

    @property
    def part(self) -> NDArray[np.bool_]:
        """Services that count for some of those asked about."""
        return np.asarray(self.counts & (self.accepts == PART))

    @property
    def some(self) -> NDArray[np.bool_]:
        return np.asarray(self.counts & (self.accepts != NONE))


def standing(facts: Facts, at: date, *, cohort: Cohort | None, moment: Moment | None) -> Standing:
    """Judge every service at once. See `why_not` for the same of one service, in words."""
    directory = facts.directory
    counts = directory.active(at) & _in_contract(directory, facts.contracts, at)
    counts &= _open(directory, at, moment)
    return Standing(counts, acceptance(directory, cohort))


def why_not(service: Service, facts: Facts, at: date, moment: Moment | None) -> tuple[Why, str] | None:
    """Why a service does not count for anybody, or None if it does: the first reason that holds."""
    linked = facts.contracts.under(service.id, service.organisation)
    reasons: tuple[tuple[Why, str | None], ...] = (
        ("not active", not_active(service, at)),
        ("contract", not_in_force(linked, at)),
        ("opening", not_open(service.openings, at, moment)),
    )
    return next(((why, reason) for why, reason in reasons if reason is not None), None)


def not_for(service: Service, cohort: Cohort | None) -> str | None:
    """Whom a service is for, if that leaves out some or all of a cohort; None if it accepts all of it."""
    if cohort is None or accepts(service.ages, service.circumstances, cohort) == WHOLE:
        return None
    who = []
    if not service.ages.holds(cohort.ages):
        who.append(f"ages {service.ages}")
    if service.circumstances and not set(service.circumstances) & set(cohort.circumstances):
        who.append(" or ".join(service.circumstances))
    return f"It is for {', '.join(who)} only."


def acceptance(directory: Directory, cohort: Cohort | None) -> NDArray[np.int8]:
    """(n_services,) how much of a cohort each service accepts."""
    found = np.full(len(directory.services), WHOLE, np.int8)
    if cohort is None:
        return found
    low, high = directory.age_low, directory.age_high
    found[~((low <= cohort.ages.low) & (cohort.ages.high <= high))] = PART
    found[(high <= cohort.ages.low) | (cohort.ages.high <= low)] = NONE
    for row in directory.with_circumstances:
        service = directory.services[row]
        found[row] = accepts(service.ages, service.circumstances, cohort)
    return found


def _in_contract(directory: Directory, contracts: Contracts, at: date) -> NDArray[np.bool_]:
    found = np.ones(len(directory.services), bool)
    for id in contracts.of_services:
        row = directory.position.get(id)
        if row is not None:
            linked = contracts.under(id, directory.services[row].organisation)
            found[row] = any(contract.in_force(at) for contract in linked)
    return found


def _open(directory: Directory, at: date, moment: Moment | None) -> NDArray[np.bool_]:
    if moment is not None:
        return np.array([not_open(one.openings, at, moment) is None for one in directory.services], bool)
    row, first, last = directory.openings
    day = at.toordinal()
    found = np.ones(len(directory.services), bool)
    found[row] = False
    found[row[(first <= day) & (day <= last)]] = True
    return found
