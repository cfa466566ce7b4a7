"""`/v1/sites`: the places where services are delivered."""

from typing import Annotated

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.moments import AsOf as KnownAt
from hedgerow_kit.problems import Conditional, Making
from pydantic import Field, field_validator, model_validator
from sqlalchemy.orm import Session

from hedgerow_registry.actions import directory as actions
from hedgerow_registry.actions.entities import SITES
from hedgerow_registry.api.wire import (
    AreaCode,
    Body,
    LongText,
    Name,
    NeedName,
    OpenAt,
    Order,
    PostcodeText,
    RecordId,
    SearchText,
    SourceName,
    View,
    WithinKm,
    fields_then,
    if_unchanged,
    known_area,
    known_need,
    near,
    opening,
    searched,
    tag_of,
)
from hedgerow_registry.domain import geometry, gss, ids, nearness
from hedgerow_registry.domain import postcode as postcodes
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import directory, finding

router = problems.router(tags=["sites"])


class SiteBody(Body):
    """A site as it is sent; longitude and latitude in WGS84, both or neither."""

    service_id: str = Field(max_length=36)
    name: Name | None = None
    address: LongText | None = None
    postcode: str | None = Field(default=None, max_length=16)
    area_code: str | None = Field(default=None, max_length=64)
    lon: float | None = Field(default=None, allow_inf_nan=False)
    lat: float | None = Field(default=None, allow_inf_nan=False)

    @field_validator("service_id")
    @classmethod
    def _an_id(cls, sent: str) -> str:
        if not ids.is_uuid(sent.lower()):
            raise ValueError("an id is a UUID")
        return sent.lower()

    @field_validator("postcode")
    @classmethod
    def _a_postcode(cls, sent: str | None) -> str | None:
        return None if sent is None else postcodes.postcode(sent)

    @field_validator("area_code")
    @classmethod
    def _a_code(cls, sent: str | None) -> str | None:
        return None if sent is None else gss.area_code(sent)

    @model_validator(mode="after")
    def _in_the_country(self) -> "SiteBody":
        if (self.lon is None) != (self.lat is None):
            raise ValueError("lon and lat go together")
        if self.lon is not None and self.lat is not None:
            self.lon, self.lat = geometry.point(self.lon, self.lat)
        return self


class SiteItem(View):
    """A place where a service is delivered."""

    id: str
    source_id: str | None
    service_id: str
    name: str | None
    address: str | None
    postcode: str | None
    area_code: str | None
    lon: float | None
    lat: float | None
    distance_m: float | None = Field(default=None, description="From the postcode asked about")


@router.get("/v1/sites")
def list_sites(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    text: SearchText = None,
    order: Order = "arrival",
    service: Annotated[str | None, Query(max_length=36)] = None,
    need: NeedName = None,
    area: AreaCode = None,
    postcode: PostcodeText = None,
    within_km: WithinKm = None,
    open_at: OpenAt = None,
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[SiteItem]:
    """Sites that meet all that is asked, in an order that does not change while others write.

    `text` looks in the name, the address and the postcode. `area` goes by the code a site was given, not by
    its coordinates. A site is open when it says so itself, or, where it says nothing, when its service does.
    """
    around = near(session, postcode, within_km)
    known = known_need(session, need)
    wanted = finding.Sites(
        text=searched(text),
        by_name=order == "relevance",
        service=service,
        area=known_area(session, area, "area"),
        source=source,
        near=around,
        open_at=opening(open_at, response),
        need_ids=None if known is None else finding.narrower(session, known),
    )
    rows, marker = finding.sites(session, wanted, after=after, limit=limit)
    paging.link_next(request, response, marker)
    items = [SiteItem.model_validate(row) for row in rows]
    if around is not None:
        items = [item.model_copy(update={"distance_m": _metres(item, around)}) for item in items]
    return paging.Page(items=items, next=marker)


def _metres(item: SiteItem, around: finding.Near) -> float | None:
    if item.lon is None or item.lat is None:
        return None
    return round(nearness.distance_m(around.lon, around.lat, item.lon, item.lat), 1)


@router.get("/v1/sites/{id}")
def read_site(
    id: str,
    session: Reading,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: KnownAt,
) -> SiteItem:
    """One site; with `as_of`, as it was known at that moment, also where it was deleted since."""
    if as_of is not None:
        return SiteItem.model_validate(fields_then(SITES, SITES.known(session, (id,), as_of)))
    return _one(session, id, response)


@router.put("/v1/sites/{id}", responses={201: {"model": SiteItem}})
def write_site(
    id: RecordId,
    body: SiteBody,
    session: Writing,
    request: Making,
    response: Response,
    principal: Annotated[Principal, require("write")],
    source: SourceName = "default",
) -> SiteItem:
    """Write a site whole: a new one, or with `If-Match` one you have read."""
    is_new = actions.put_site(
        session, id, body.model_dump(), source=source, by=principal, when=if_unchanged(request)
    )
    response.status_code = 201 if is_new else 200
    session.expire_all()
    return _one(session, id, response)


@router.delete("/v1/sites/{id}", status_code=204)
def delete_site(
    id: RecordId, session: Writing, request: Conditional, principal: Annotated[Principal, require("write")]
) -> None:
    """Delete a site; it leaves a tombstone in the change feed."""
    actions.delete_site(session, id, by=principal, when=if_unchanged(request))


def _one(session: Session, id: str, response: Response) -> SiteItem:
    row = directory.site(session, id)
    if row is None:
        raise UnknownRecord("site")
    response.headers["ETag"] = tag_of(row)
    return SiteItem.model_validate(row)
