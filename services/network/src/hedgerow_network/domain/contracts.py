"""Contracts: when they are in force, and which services stand or fall with them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

DAYS_A_YEAR = 365.25

LEFT = "left"
"""What a contract is to a provider that is no supplier of it any more."""

NEVER_IN_FORCE = {
    "pending": "has not been signed",
    "planned": "is planned",
    "planning": "is planned",
    "tender": "is out to tender",
    "draft": "is a draft",
    "cancelled": "was cancelled",
    "terminated": "was terminated",
    "unsuccessful": "was not awarded",
    "withdrawn": "was withdrawn",
    LEFT: "was left by its provider",
}
"""Statuses under which nothing is delivered, whatever the dates; any other goes by its dates."""


@dataclass(frozen=True)
class Lot:
    """A part of a contract that was awarded by itself; value_gbp None = not known."""

    suppliers: tuple[str, ...] = ()
    value_gbp: float | None = None


@dataclass(frozen=True)
class Subcontract:
    """Work that one organisation passes on to another.

    payer: None = not said · fee_share: the share of what the payer receives that it keeps before it passes
    the rest on, 0 to 1, None = not known · value_gbp: what the payee is paid, None = not known · tier: as
    stated, 1 = paid by a supplier
    """

    payee: str
    payer: str | None = None
    fee_share: float | None = None
    value_gbp: float | None = None
    tier: int | None = None


@dataclass(frozen=True)
class Contract:
    """An agreement between buyers and suppliers.

    start, end: first and last day, None = not stated · extended_to: last day if every option to extend is
    used · value_gbp: None = not known · successor: the contract that follows it · former: suppliers that
    are none any more · published: whether everybody may know of it · authority: whose it is, None = only
    theirs who act for all
    """

    id: str
    title: str
    status: str = "active"
    buyers: tuple[str, ...] = ()
    suppliers: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    value_gbp: float | None = None
    start: date | None = None
    end: date | None = None
    extended_to: date | None = None
    needs: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    successor: str | None = None
    lots: tuple[Lot, ...] = ()
    subcontracts: tuple[Subcontract, ...] = ()
    published: bool = True
    authority: str | None = None

    @property
    def may_run(self) -> bool:
        """Whether its status lets it be in force at all."""
        return self.status not in NEVER_IN_FORCE and not self.ends_before_it_starts

    @property
    def a_year(self) -> float | None:
        """Its value for a year, in pounds; None where the value, the first or the last day is not known."""
        if self.value_gbp is None or self.start is None or self.end is None or self.ends_before_it_starts:
            return None
        return self.value_gbp / ((self.end - self.start).days + 1) * DAYS_A_YEAR

    @property
    def ends_before_it_starts(self) -> bool:
        return self.start is not None and self.end is not None and self.end < self.start

    def in_force(self, day: date) -> bool:
        """Whether it is in force on a date; on its first and on its last day it is.

        An option to extend counts once it is used: until then the contract ends when it says.
        """
        return (
            self.may_run
            and (self.start is None or self.start <= day)
            and (self.end is None or day <= self.end)
        )


class Contracts:
    """All contracts in the order of their ids, and the services linked to them."""

    def __init__(self, contracts: Iterable[Contract] = ()) -> None:
        self.all: tuple[Contract, ...] = tuple(sorted(contracts, key=lambda contract: contract.id))
        self.by_id: dict[str, Contract] = {contract.id: contract for contract in self.all}

    @cached_property
    def unpublished_of(self) -> frozenset[str | None]:
        """The authorities with contracts that are not published."""
        return frozenset(contract.authority for contract in self.all if not contract.published)

    def without_unpublished(self, authorities: Collection[str | None]) -> "Contracts":
        """The contracts without those of some authorities that are not published."""
        return Contracts(one for one in self.all if one.published or one.authority not in authorities)

    def under(self, service: str, provider: str | None) -> tuple[Contract, ...]:
        """The contracts of a service as they are to its provider: one that it has left carries it no more."""
        linked = self.of_services.get(service, ())
        if provider is None or not any(provider in contract.former for contract in linked):
            return linked
        return tuple(
            replace(contract, status=LEFT) if provider in contract.former else contract for contract in linked
        )

    @cached_property
    def of_services(self) -> Mapping[str, tuple[Contract, ...]]:
        """The contracts of each service that is linked to any: those that name it, and those that follow
        them and name no service of their own. In the order of their ids.
        """
        found: dict[str, dict[str, Contract]] = {}
        for contract in self.all:
            for service in contract.services:
                for one in self._with_successors(contract):
                    found.setdefault(service, {})[one.id] = one
        return {service: tuple(held[id] for id in sorted(held)) for service, held in found.items()}

    def _with_successors(self, contract: Contract) -> list[Contract]:
        chain, seen = [contract], {contract.id}
        following = self.by_id.get(contract.successor or "")
        # A circle of successors ends where it closes.
        while following is not None and following.id not in seen and not following.services:
            chain.append(following)
            seen.add(following.id)
            following = self.by_id.get(following.successor or "")
        return chain


def not_in_force(contracts: Sequence[Contract], day: date) -> str | None:
    """Why a service linked to these contracts has none in force on a date; None if it has one, or none is
    linked.

    >>> not_in_force([Contract("c", "Respite", end=date(2025, 3, 31))], date(2025, 4, 1))
    'No contract of it is in force: “Respite” ended on 2025-03-31.'
    """
    if not contracts or any(contract.in_force(day) for contract in contracts):
        return None
    running = [one for one in contracts if one.may_run]
    ahead = [one for one in running if one.start is not None and one.start > day]
    ended = [one for one in running if one.end is not None and one.end < day]
    if ended:
        last = max(ended, key=lambda one: (one.end or date.min, one.id))
        assert last.end is not None
        says = f"“{last.title}” ended on {last.end.isoformat()}"
        if last.extended_to is not None and last.extended_to >= day:
            says += f" (it can be extended to {last.extended_to.isoformat()}; that it was is not known)"
    elif ahead:
        first = min(ahead, key=lambda one: (one.start or date.max, one.id))
        assert first.start is not None
        says = f"“{first.title}” starts on {first.start.isoformat()}"
    else:
        one = contracts[0]
        says = f"“{one.title}” {NEVER_IN_FORCE.get(one.status, 'ends before it starts')}"
    return f"No contract of it is in force: {says}."
