"""The design of a delivery network: what was agreed, as values. What is still open: see `checklist`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Record = Mapping[str, Any]
About = Literal["goal", "service", "capability"]

ACCOUNTABLE = "accountable"
LEAD, ADMINISTRATOR = "lead", "administrator"
PARTICIPANT_GOVERNED, LEAD_ORGANISATION, ADMINISTRATIVE = (
    "participant-governed",
    "lead-organisation",
    "network-administrative",
)


@dataclass(frozen=True)
class Member:
    organisation: str
    role: str = "member"
    start: date | None = None
    end: date | None = None

    def belongs(self, day: date) -> bool:
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


@dataclass(frozen=True)
class Influence:
    """What bears on the life of a persona. sign: `+` helps, `-` harms · needs: what answering it takes ·
    services: ids of services meant for it
    """

    id: str
    name: str
    sign: str
    needs: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Persona:
    id: str
    name: str
    influences: tuple[Influence, ...] = ()


@dataclass(frozen=True)
class PlannedService:
    """A service of the design: one of the registry (same id), or one that is still only planned.

    requires: ids of capabilities it takes
    """

    id: str
    name: str | None = None
    organisation: str | None = None
    department: str | None = None
    needs: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Goal:
    """A shared goal, an outcome that the network answers for. kpis: ids · services: ids of those that work
    towards it · requires: ids of capabilities · agreed_by: members that have said yes to it
    """

    id: str
    name: str
    kpis: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    agreed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holding:
    """Who holds a capability, and in which areas; none = in all of the network's."""

    organisation: str
    areas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capability:
    id: str
    name: str
    back_office: bool = False
    held_by: tuple[Holding, ...] = ()


@dataclass(frozen=True)
class Responsibility:
    """Who is what for whom: of a goal, a service or a capability of the design."""

    about: About
    id: str
    organisation: str
    role: str


@dataclass(frozen=True)
class Agreement:
    """kpis: (KPI, minimum service level or None)."""

    id: str
    name: str
    parties: tuple[str, ...] = ()
    kpis: tuple[tuple[str, float | None], ...] = ()
    starts_on: date | None = None
    ends_on: date | None = None
    review_on: date | None = None


@dataclass(frozen=True)
class SharedResource:
    """split: organisation → its share of the cost."""

    id: str
    name: str
    cost_gbp: float | None = None
    split: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Governance:
    """How the network is governed, and what members said of it, each from 0 to 1; None = not said."""

    form: str | None = None
    trust: float | None = None
    goal_consensus: float | None = None
    competency_need: float | None = None


@dataclass(frozen=True)
class Design:
    """areas: codes of the locality · front_doors: organisations where people first come."""

    id: str
    name: str
    areas: tuple[str, ...] = ()
    status: str = "draft"
    starts_on: date | None = None
    review_on: date | None = None
    commissioners: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    personas: tuple[Persona, ...] = ()
    services: tuple[PlannedService, ...] = ()
    goals: tuple[Goal, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    responsibilities: tuple[Responsibility, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    shared_resources: tuple[SharedResource, ...] = ()
    front_doors: tuple[str, ...] = ()
    governance: Governance = Governance()

    @property
    def is_empty(self) -> bool:
        """Whether the network is known by its relations alone."""
        return not (self.areas or self.members or self.services or self.goals or self.commissioners)

    def accountable(self, about: About, id: str) -> list[str]:
        """Who is accountable for a goal, a service or a capability, in order."""
        return sorted(
            {
                one.organisation
                for one in self.responsibilities
                if (one.about, one.id, one.role) == (about, id, ACCOUNTABLE)
            }
        )

    @property
    def needs(self) -> list[str]:
        """The needs that the design speaks of, in order."""
        stated = {need for service in self.services for need in service.needs}
        return sorted(stated | {n for p in self.personas for i in p.influences for n in i.needs})

    @property
    def organisations(self) -> list[str]:
        """Everybody that the design names, as named, in order."""
        named: set[str] = {*self.commissioners, *self.front_doors}
        named.update(one.organisation for one in self.members)
        named.update(one.organisation for one in self.responsibilities)
        named.update(one.organisation for one in self.services if one.organisation)
        named.update(held.organisation for one in self.capabilities for held in one.held_by)
        named.update(party for one in self.agreements for party in one.parties)
        named.update(party for one in self.shared_resources for party, _ in one.split)
        return sorted(named)


def read_design(id: str, name: str, record: Record) -> Design:
    """A design out of what is stored of it."""
    return Design(
        id=id,
        name=name,
        areas=_texts(record, "areas"),
        status=record.get("status") or "draft",
        starts_on=_day(record.get("starts_on")),
        review_on=_day(record.get("review_on")),
        commissioners=_texts(record, "commissioners"),
        members=tuple(
            Member(one["organisation"], one["role"], _day(one.get("from_date")), _day(one.get("to_date")))
            for one in _list(record, "members")
        ),
        personas=tuple(
            Persona(
                one["id"],
                one["name"],
                tuple(
                    Influence(i["id"], i["name"], i["sign"], _texts(i, "needs"), _texts(i, "services"))
                    for i in _list(one, "influences")
                ),
            )
            for one in _list(record, "personas")
        ),
        services=tuple(
            PlannedService(
                one["id"],
                one.get("name"),
                one.get("organisation"),
                one.get("department"),
                _texts(one, "needs"),
                _texts(one, "requires"),
            )
            for one in _list(record, "services")
        ),
        goals=tuple(
            Goal(
                one["id"],
                one["name"],
                *(_texts(one, part) for part in ("kpis", "services", "requires", "agreed_by")),
            )
            for one in _list(record, "goals")
        ),
        capabilities=tuple(
            Capability(
                one["id"],
                one["name"],
                bool(one.get("back_office")),
                tuple(Holding(held["organisation"], _texts(held, "areas")) for held in _list(one, "held_by")),
            )
            for one in _list(record, "capabilities")
        ),
        responsibilities=tuple(
            Responsibility(one["about"], one["id"], one["organisation"], one["role"])
            for one in _list(record, "responsibilities")
        ),
        agreements=tuple(
            Agreement(
                one["id"],
                one["name"],
                _texts(one, "parties"),
                tuple((kpi["kpi"], kpi.get("minimum")) for kpi in _list(one, "kpis")),
                *(_day(one.get(day)) for day in ("starts_on", "ends_on", "review_on")),
            )
            for one in _list(record, "agreements")
        ),
        shared_resources=tuple(
            SharedResource(
                one["id"],
                one["name"],
                one.get("cost_gbp"),
                tuple((part["organisation"], part["share"]) for part in _list(one, "split")),
            )
            for one in _list(record, "shared_resources")
        ),
        front_doors=_texts(record, "front_doors"),
        governance=Governance(**(record.get("governance") or {})),
    )


def _list(record: Record, name: str) -> Iterable[Record]:
    return record.get(name) or ()


def _texts(record: Record, name: str) -> tuple[str, ...]:
    return tuple(record.get(name) or ())


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
