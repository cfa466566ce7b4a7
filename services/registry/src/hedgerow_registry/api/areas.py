"""`/v1/areas`: geographies, how they lie in each other, and their outlines."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_registry.actions import places as actions
from hedgerow_registry.api.wire import AreaCode, Body, Text, View, if_unchanged, known_area, name_start
from hedgerow_registry.domain.residents import total
from hedgerow_registry.errors import TooManyFeatures, UnknownRecord
from hedgerow_registry.store import areas

router = problems.router(tags=["areas"])

Level = Literal["country", "region", "authority", "ward", "msoa", "lsoa", "neighbourhood", "other"]
MOST_FEATURES = 10_000


class AreaItem(View):
    """An area: its code with its boundary year, and the areas it lies in."""

    code: str
    name: str
    level: str
    vintage: int
    lon: float | None
    lat: float | None
    parents: list[str] = Field(default_factory=list)
    successors: list[str] = Field(default_factory=list)


class ResidentsTotal(BaseModel):
    period: str
    people: float


class AreaView(AreaItem):
    """An area with what lies in it, what came before and after it, and how many people live there."""

    children: list[str]
    predecessors: list[str]
    current: list[str]
    residents: ResidentsTotal | None


class AreaLinks(Body):
    """The codes of the areas that one lies in, by any hierarchy, and of those that took over from it."""

    parents: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=100)
    successors: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=1000)


@router.get("/v1/areas")
def list_areas(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    level: Level | None = None,
    within: AreaCode = None,
    text: Text = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[AreaItem]:
    """Areas in the order of their codes. `within` gives all that lies in an area, by any hierarchy."""
    found, marker = areas.page(
        session,
        level=level,
        within_code=known_area(session, within, "within"),
        name_starts=name_start(text),
        after=after,
        limit=limit,
    )
    parents, successors = areas.links(session, [area.code for area in found])
    paging.link_next(request, response, marker)
    return paging.Page(
        items=[_item(area, parents.get(area.code, []), successors.get(area.code, [])) for area in found],
        next=marker,
    )


@router.get(
    "/v1/areas.geojson",
    response_class=Response,
    responses={200: {"content": {"application/geo+json": {"schema": {"type": "object"}}}}},
)
def areas_as_geojson(
    session: Reading,
    principal: Annotated[Principal, require("read")],
    within: AreaCode = None,
    level: Level | None = None,
) -> Response:
    """Outlines as a GeoJSON FeatureCollection; an area without one stands as its point.

    At most 10,000 features: narrow it with `within` or `level`.
    """
    rows = areas.with_boundaries(
        session,
        level=level,
        within_code=known_area(session, within, "within"),
        limit=MOST_FEATURES + 1,
    )
    if len(rows) > MOST_FEATURES:
        raise TooManyFeatures
    features = []
    for code, name, own_level, vintage, lon, lat, outline in rows:
        point = None if lon is None else {"type": "Point", "coordinates": [lon, lat]}
        properties = {
            "code": code,
            "name": name,
            "level": own_level,
            "vintage": vintage,
            "lon": lon,
            "lat": lat,
        }
        features.append(
            {"type": "Feature", "id": code, "properties": properties, "geometry": outline or point}
        )
    body = orjson.dumps({"type": "FeatureCollection", "features": features})
    return Response(body, media_type="application/geo+json")


@router.get("/v1/areas/{code}")
def read_area(code: str, session: Reading, principal: Annotated[Principal, require("read")]) -> AreaView:
    """One area. `current` are the areas of today that took over from it, through any number of changes."""
    area = areas.by_code(session, code)
    if area is None:
        raise UnknownRecord("area")
    parents, successors = areas.links(session, [code])
    people = total(areas.residents(session, code))
    return AreaView(
        **_item(area, parents.get(code, []), successors.get(code, [])).model_dump(),
        children=list(areas.children(session, code)),
        predecessors=list(areas.predecessors(session, code)),
        current=list(areas.successors_to_the_end(session, code)),
        residents=None if people is None else ResidentsTotal(period=people[0], people=people[1]),
    )


@router.get("/v1/areas/{code}/links")
def read_links(
    code: str, session: Reading, response: Response, principal: Annotated[Principal, require("read")]
) -> AreaLinks:
    """The areas that one lies in and those that took over from it."""
    return _links(session, code, response)


@router.put("/v1/areas/{code}/links")
def write_links(
    code: str,
    body: AreaLinks,
    session: Writing,
    request: Conditional,
    response: Response,
    principal: Annotated[Principal, require("write")],
) -> AreaLinks:
    """Say which areas one lies in and which took over from it; `If-Match` the links you have read.

    Imports only add links: this takes wrong ones away. (So does an import with `links=replace`.)
    """
    actions.write_links(
        session,
        code,
        parents=body.parents,
        successors=body.successors,
        by=principal,
        when=if_unchanged(request, lambda held: _links_tag(session, held.code)),
    )
    session.expire_all()
    return _links(session, code, response)


def _links(session: Session, code: str, response: Response) -> AreaLinks:
    if areas.by_code(session, code) is None:
        raise UnknownRecord("area")
    parents, successors = areas.links(session, [code])
    response.headers["ETag"] = _links_tag(session, code)
    return AreaLinks(parents=parents.get(code, []), successors=successors.get(code, []))


def _links_tag(session: Session, code: str) -> str:
    parents, successors = areas.links(session, [code])
    return etag(code, parents.get(code), successors.get(code))


def _item(area: Any, parents: list[str], successors: list[str]) -> AreaItem:
    return AreaItem.model_validate(area).model_copy(update={"parents": parents, "successors": successors})
