"""`/v1/adequacy-rules`: the standards that provision is held against."""

from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Any, Self

from fastapi import Path, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag, require_match
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import select

from hedgerow_network.actions import documents as writes
from hedgerow_network.api.asking import Level
from hedgerow_network.domain.adequacy import AreaTypes, Band, Dispensation, RuleSet, Standard
from hedgerow_network.domain.travel import USUAL_DETOUR
from hedgerow_network.errors import UnknownRules
from hedgerow_network.store import documents
from hedgerow_network.tables import AdequacyRules

router = problems.router(prefix="/v1/adequacy-rules", tags=["adequacy"])

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=64)]
Amount = Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StandardBody(Part):
    """What must hold for a need; without a distance: that the area is covered by so many."""

    need: Text = Field(description="`taxonomy:term`, or the term alone where only one taxonomy has it")
    area_type: Text | None = Field(
        default=None, description="For areas of this type; null: of any type without a standard of its own"
    )
    min_providers: int = Field(default=1, ge=1, le=1_000, description="At least so many distinct ones")
    providers_per_1000: Amount | None = Field(
        default=None, description="And at least so many for every 1,000 residents of the area, rounded up"
    )
    max_km: Amount | None = None
    max_minutes: Amount | None = None
    share: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="Of residents for whom it must hold"
    )

    @model_validator(mode="after")
    def _one_distance(self) -> Self:
        if self.max_km is not None and self.max_minutes is not None:
            raise ValueError("max_km or max_minutes, not both")
        return self

    def standard(self) -> Standard:
        minutes = self.max_minutes is not None
        within = self.max_minutes if minutes else self.max_km
        return Standard(
            self.need,
            self.area_type,
            self.min_providers,
            within,
            "minutes" if minutes else "km",
            self.share,
            self.providers_per_1000,
        )


class BandBody(Part):
    """Areas whose index is at least `at_least` and below `below`; null: without that bound."""

    type: Text
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    below: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _something_between(self) -> Self:
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError("at_least lies below `below`")
        return self


class TypesBody(Part):
    """How areas get a type: the first of these that says something."""

    areas: dict[Text, list[Code]] = Field(
        default_factory=dict,
        max_length=100,
        description="By type, codes of areas; areas within them too, by the nearest that is listed",
    )
    levels: dict[Level, Text] = Field(default_factory=dict, description="By level of area, the type")
    index: Text | None = Field(
        default=None, description="An index held by the registry, such as a rural-urban classification"
    )
    bands: list[BandBody] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.index is None) != (not self.bands):
            raise ValueError("index and bands go together")
        twice = _twice([code for codes in self.areas.values() for code in codes])
        if twice:
            raise ValueError("an area is listed under two types, or twice")
        ordered = sorted(self.bands, key=lambda band: (band.at_least is not None, band.at_least or 0.0))
        for one, following in pairwise(ordered):
            if one.below is None or following.at_least is None or one.below > following.at_least:
                raise ValueError("two bands overlap")
        return self

    def types(self) -> AreaTypes:
        return AreaTypes(
            listed={code: name for name, codes in self.areas.items() for code in codes},
            levels={str(level): name for level, name in self.levels.items()},
            index=self.index,
            bands=tuple(Band(band.type, band.at_least, band.below) for band in self.bands),
        )


class ExceptionBody(Part):
    """Areas that need not meet a standard for a time, and why."""

    area: Code = Field(description="The code of an area; areas within it too")
    need: Text | None = Field(default=None, description="Null: every need")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
    until: date = Field(description="The last day it holds")


class RulesBody(Part):
    """Standards that belong together, how areas get their types, and exceptions."""

    name: Text
    description: str | None = Field(default=None, max_length=5_000)
    level: Level | None = Field(default=None, description="By which areas to judge; wards unless said")
    costs: str | None = Field(
        default=None, max_length=120, description="The matrix of travel costs; straight lines unless said"
    )
    detour: float = Field(default=USUAL_DETOUR, ge=1, le=5, allow_inf_nan=False)
    speed_kmh: float | None = Field(default=None, gt=0, le=200, allow_inf_nan=False)
    area_types: TypesBody = Field(default_factory=TypesBody)
    standards: list[StandardBody] = Field(min_length=1, max_length=1_000)
    exceptions: list[ExceptionBody] = Field(default_factory=list, max_length=10_000)

    @model_validator(mode="after")
    def _can_be_measured(self) -> Self:
        if _twice([(one.need, one.area_type) for one in self.standards]):
            raise ValueError("two standards for the same need and area type: say it in one")
        known = self.area_types.types().names
        unknown = [one for one in self.standards if one.area_type not in {None, *known}]
        if unknown:
            raise ValueError("a standard names an area type that area_types does not give to any area")
        in_minutes = any(one.max_minutes is not None for one in self.standards)
        if in_minutes and self.costs is None and self.speed_kmh is None:
            raise ValueError("max_minutes needs a matrix of travel costs (costs), or a speed (speed_kmh)")
        return self

    def rules(self) -> RuleSet:
        return RuleSet(
            standards=tuple(one.standard() for one in self.standards),
            types=self.area_types.types(),
            dispensations=tuple(
                Dispensation(one.area, one.reason, one.until, one.need) for one in self.exceptions
            ),
        )


def _twice(items: list[Any]) -> bool:
    return len(set(items)) < len(items)


class Rules(RulesBody):
    """A set of adequacy rules."""

    model_config = ConfigDict(extra="ignore")

    id: str
    authority_code: str | None = Field(description="Whose it is; null: everybody's")
    version: int
    updated_at: datetime


Id = Annotated[str, Path(max_length=60)]
Reader = Annotated[Principal, require("read")]
Designer = Annotated[Principal, require("design")]


def view(row: AdequacyRules) -> Rules:
    return Rules(
        **row.body,
        id=row.id,
        authority_code=row.authority_code,
        version=row.version,
        updated_at=row.updated_at,
    )


def _shown(row: AdequacyRules, response: Response) -> Rules:
    response.headers["ETag"] = _tag(row)
    return view(row)


def _tag(row: AdequacyRules) -> str:
    return etag("adequacy rules", row.id, row.version)


@router.get("")
def list_rules(
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[Rules]:
    """The sets of adequacy rules that the caller may use, by id."""
    rows, marker = paging.keyset(session, select(AdequacyRules), [AdequacyRules.id], after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[view(row[0]) for row in rows], next=marker)


@router.post("", status_code=201)
def make_rules(
    body: RulesBody,
    session: Writing,
    response: Response,
    principal: Designer,
    authority: Annotated[
        str | None,
        Query(max_length=64, description="Whose it is; needed only where the key acts for several"),
    ] = None,
) -> Rules:
    """Write a new set of adequacy rules; `Location` says where it is."""
    row = writes.make(
        session, AdequacyRules, body.model_dump(mode="json"), authority_code=authority, by=principal
    )
    response.headers["Location"] = f"/v1/adequacy-rules/{row.id}"
    return _shown(row, response)


@router.get("/{id}")
def read_rules(id: Id, session: Reading, response: Response, principal: Reader) -> Rules:
    """One set of adequacy rules."""
    row = documents.document(session, AdequacyRules, id)
    if row is None:
        raise UnknownRules
    return _shown(row, response)


@router.put("/{id}")
def put_rules(
    id: Id, body: RulesBody, session: Writing, request: Conditional, response: Response, principal: Designer
) -> Rules:
    """Replace a set of adequacy rules whole. Needs `If-Match` with the ETag of the set as read."""
    row = writes.put(
        session,
        AdequacyRules,
        id,
        body.model_dump(mode="json"),
        by=principal,
        unknown=UnknownRules,
        unchanged=lambda held: require_match(request, _tag(held)),
    )
    return _shown(row, response)


@router.delete("/{id}", status_code=204)
def delete_rules(id: Id, session: Writing, request: Conditional, principal: Designer) -> None:
    """Delete a set of adequacy rules. Needs `If-Match` with the ETag of the set as read."""
    writes.remove(
        session,
        AdequacyRules,
        id,
        by=principal,
        unknown=UnknownRules,
        unchanged=lambda held: require_match(request, _tag(held)),
    )
