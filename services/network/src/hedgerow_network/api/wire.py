"""Shapes that several answers share."""

from datetime import date
from math import isfinite
from typing import Literal

from pydantic import BaseModel, Field

from hedgerow_network.api.asking import Asked
from hedgerow_network.domain.caveats import caveats, rules_used
from hedgerow_network.domain.locality import Assessment

Status = Literal["gap", "partial", "single", "overlap"]
Basis = Literal["counted", "derived", "residents", "unknown"]


class Named(BaseModel):
    id: str
    name: str


class Thresholds(BaseModel):
    """What the answer rests on and would change with."""

    level: str = Field(description="The level of the areas")
    count: str = Field(description="Whom the depth counts: providers or owners")
    index: str | None = Field(description="The index that derived people rest on")
    cohort: str | None = Field(
        default=None,
        description="Whom services must accept; null: ages and circumstances were not looked at",
    )
    open_at: str | None = Field(default=None, description="When services must be open; null: at any time")
    single_depth: int = Field(default=1, description="A cell of this depth is single, of more an overlap")


class Computed(BaseModel):
    """How the answer came about, and what to know before relying on it."""

    at: date
    rule: str = Field(
        description="The rule asked for; `default`: declared where a service states areas, else sited"
    )
    rules_used: dict[str, int] = Field(description="Active services here held against each rule")
    thresholds: Thresholds
    registry_seq: int = Field(description="The registry state that the answer shows")
    explained: str = Field(
        description="Where the services counted and left out are listed with reasons, need by need: the id "
        "of a need goes for `{need}`"
    )
    caveats: list[str]


class Partly(BaseModel):
    """A part of the area is served by services that do not serve the whole."""

    share: float | None = Field(
        description="Share of residents in the parts served; null where nobody can size them"
    )
    providers: list[Named]


class Cell(BaseModel):
    """One need in one area."""

    need: str
    need_name: str
    area: str
    area_name: str
    people: int | None = Field(description="People behind the cell, null where nothing is known")
    people_basis: Basis
    depth: int = Field(description="Distinct providers (or owners) serving the whole area")
    services: int
    providers: list[Named] = Field(
        description="Who is counted in the depth: providers, or owners if asked for"
    )
    status: Status
    partly: Partly | None


def computed(asked: Asked, of: Assessment) -> Computed:
    """The `computed` part of an answer."""
    now = asked.snapshot
    said = asked.answers.get((asked.key, "caveats"), lambda: (rules_used(of), caveats(of)))
    lag = []
    if now.rebuilding:
        lag.append("The projection of the registry is being rebuilt: the answer may mix old and new states.")
    elif now.behind:
        lag.append(f"The registry is {now.behind} changes ahead of this answer.")
    return Computed(
        at=of.question.at,
        rule=str(of.question.rule),
        rules_used=said[0],
        thresholds=Thresholds(
            level=of.level,
            count=of.question.count,
            index=of.people.index,
            cohort=_said(of.question.cohort),
            open_at=_said(of.question.moment),
        ),
        registry_seq=now.registry_seq,
        explained=asked.explained,
        caveats=[*lag, *said[1]],
    )


def _said(asked: object | None) -> str | None:
    return None if asked is None else str(asked)


def cell(of: Assessment, place: int) -> Cell:
    """The cell at need × n_areas + area."""
    need, area = divmod(place, of.areas.size)
    held = of.facts.hierarchy.areas[of.areas[area]]
    name = of.needs[need]
    depth = int(of.cover.depth[need, area])
    known = of.people.basis[need, area] > 0
    return Cell(
        need=name,
        need_name=need_name(of, name),
        area=held.code,
        area_name=held.name,
        people=whole(of.people.count[need, area]) if known else None,
        people_basis=of.basis(need, area),
        depth=depth,
        services=int(of.cover.services[need, area]),
        providers=[unit(of, int(found)) for found in of.incidence.units_of(need, area)] if depth else [],
        status=of.status[need, area],
        partly=_partly(of, need, area),
    )


def _partly(of: Assessment, need: int, area: int) -> Partly | None:
    if not of.partly.cells[need, area]:
        return None
    share = float(of.partly.share[need, area])
    return Partly(
        share=round(share, 4) if share >= 0 else None,
        providers=[unit(of, found) for found in of.partial_units(need, area)],
    )


def area_named(of: Assessment, place: int) -> dict[str, str]:
    """Code and name of an area by its position in the hierarchy."""
    held = of.facts.hierarchy.areas[place]
    return {"area": held.code, "area_name": held.name}


def service_named(of: Assessment, row: int) -> Named:
    found = of.facts.directory.services[row]
    return Named(id=found.id, name=found.name)


def provider_named(of: Assessment, row: int) -> Named:
    """The provider of a service."""
    providers = of.facts.directory.providers
    place = int(providers.of_service[row])
    return Named(id=providers.ids[place], name=providers.names[place])


def need_name(of: Assessment, id: str) -> str:
    return of.facts.taxonomies.name_of(id)


def unit(of: Assessment, position: int) -> Named:
    return Named(id=of.units.ids[position], name=of.units.names[position])


def whole(people: float) -> int:
    """People in whole numbers; derived figures are no more exact than that."""
    return round(float(people)) if isfinite(people) else 0
