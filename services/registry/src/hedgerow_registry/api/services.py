"""`/v1/services`: what providers offer, for which needs and where."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.moments import AsOf as KnownAt
from hedgerow_kit.problems import Conditional, Making
from pydantic import Field, field_validator, model_validator
from sqlalchemy.orm import Session

from hedgerow_registry.actions import directory as actions
from hedgerow_registry.actions.entities import SERVICES
from hedgerow_registry.api import quality
from hedgerow_registry.api.quality import FreshnessView, RichnessView
from hedgerow_registry.api.wire import (
    AreaCode,
    AsOf,
    Body,
    LongText,
    Name,
    NeedName,
    OpenAt,
    Order,
    OwnerId,
    PostcodeText,
    RecordId,
    SearchText,
    ShortText,
    SourceName,
    View,
    WithinKm,
    fields_then,
    if_unchanged,
    known_area,
    known_need,
    near,
    opening,
    owned_by,
    searched,
    tag_of,
)
from hedgerow_registry.domain import eligibility, gss, ids, taxonomy
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import directory, finding, merges, qualities

router = problems.router(tags=["services"])

Status = Literal["active", "inactive", "defunct", "temporarily closed"]
Age = Annotated[float, Field(ge=0, le=eligibility.OLDEST, allow_inf_nan=False)]


class ServiceBody(Body):
    """A service as it is sent."""

    name: Name
    organisation_id: str | None = Field(default=None, max_length=36)
    status: Status = "active"
    description: LongText | None = None
    url: LongText | None = None
    email: LongText | None = None
    phone: ShortText | None = None
    minimum_age: Age | None = None
    maximum_age: Age | None = None
    circumstances: list[Name] | None = Field(
        default=None, max_length=100, description="Of whom it is for; null leaves them as they are"
    )
    capacity: float | None = Field(default=None, ge=0, le=1e12, allow_inf_nan=False)
    valid_from: date | None = None
    valid_to: date | None = None
    assured_on: date | None = None
    needs: list[Annotated[str, Field(max_length=300)]] = Field(default=[], max_length=1000)
    area_codes: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=10_000)

    @field_validator("organisation_id")
    @classmethod
    def _an_id(cls, sent: str | None) -> str | None:
        if sent is not None and not ids.is_uuid(sent.lower()):
            raise ValueError("an id is a UUID")
        return None if sent is None else sent.lower()

    @field_validator("needs")
    @classmethod
    def _need_ids(cls, sent: list[str]) -> list[str]:
        return [taxonomy.need_id(*taxonomy.split(need)) for need in sent]

    @field_validator("area_codes")
    @classmethod
    def _codes(cls, sent: list[str]) -> list[str]:
        return [gss.area_code(code) for code in sent]

    @model_validator(mode="after")
    def _in_order(self) -> "ServiceBody":
        eligibility.ages(self.minimum_age, self.maximum_age)
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("it ends before it starts")
        return self


class ServiceItem(View):
    """A service: what it is for, whom it accepts, where it is offered and until when."""

    id: str
    source_id: str | None
    name: str
    organisation_id: str | None
    status: str
    description: str | None
    url: str | None
    email: str | None
    phone: str | None
    minimum_age: float | None
    maximum_age: float | None
    capacity: float | None
    valid_from: date | None
    valid_to: date | None
    assured_on: date | None
    needs: list[str] = Field(default_factory=list)
    area_codes: list[str] = Field(default_factory=list)
    freshness: FreshnessView | None = None
    richness: RichnessView | None = Field(default=None, description="Not told of an earlier version")
    distance_m: float | None = Field(
        default=None, description="From the postcode asked about to its nearest site, in a straight line"
    )


class ServiceView(ServiceItem):
    """A service with its whole nested HSDS 3.1 record, where one was sent."""

    circumstances: list[str] | None = Field(
        default=None,
        description="Of whom it is for, any one is enough; of a nested record see its attributes of the link "
        "type `eligibility`",
    )
    document: dict[str, Any] | None


@router.get("/v1/services")
def list_services(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    text: SearchText = None,
    order: Order = "arrival",
    need: NeedName = None,
    narrower: Annotated[bool, Query(description="Needs that count for `need` too")] = True,
    area: AreaCode = None,
    postcode: PostcodeText = None,
    within_km: WithinKm = None,
    open_at: OpenAt = None,
    age: Annotated[float | None, Query(ge=0, le=eligibility.OLDEST, allow_inf_nan=False)] = None,
    eligible: Annotated[
        str | None, Query(max_length=200, description="Words in what it says of whom it is for")
    ] = None,
    organisation: Annotated[str | None, Query(max_length=36)] = None,
    owner: OwnerId = None,
    at: AsOf = None,
    status: Status | None = None,
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
    fresher_than: Annotated[
        int | None, Query(ge=0, le=36_500, description="Assured so many days ago at most")
    ] = None,
    staler_than: Annotated[
        int | None, Query(ge=0, le=36_500, description="Assured more days ago than that")
    ] = None,
    assured: Annotated[bool | None, Query(description="Whether it says when it was assured")] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[ServiceItem]:
    """Services that meet all that is asked, in an order that does not change while others write.

    `text` looks in the name, other names, the description, the names of the needs and those of the provider.
    `need` finds services for it, for narrower needs and for terms that a crosswalk says are the same or
    narrower. `area` gives the services that say they serve it, one inside it or one around it, and those with
    a site in it. `age` keeps those that state no other ages. `owner` gives the services of an organisation
    and of all that it controls on the day `at`. A service that does not say when it is open, whom it is for
    or when it was assured is not found by that; `assured=false` finds the last.
    """
    around = near(session, postcode, within_km)
    wanted = finding.Services(
        text=searched(text),
        by_name=order == "relevance",
        need_ids=_need_ids(session, known_need(session, need), narrower=narrower),
        area=known_area(session, area, "area"),
        near=around,
        open_at=opening(open_at, response),
        age=age,
        eligibility=searched(eligible, "eligible"),
        organisation=organisation,
        providers=None if owner is None else [*owned_by(session, owner, at), owner.lower()],
        status=status,
        source=source,
        assured_from=_days_ago(fresher_than),
        assured_before=_days_ago(staler_than),
        assured=assured,
    )
    rows, marker = finding.services(session, wanted, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=service_items(session, rows, around), next=marker)


def _need_ids(session: Session, need: str | None, *, narrower: bool) -> list[str] | None:
    if need is None:
        return None
    return finding.narrower(session, need) if narrower else [need]


def _days_ago(days: int | None) -> date | None:
    return None if days is None else quality.today() - timedelta(days=days)


@router.get("/v1/services/{id}")
def read_service(
    id: str,
    session: Reading,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: KnownAt,
) -> ServiceView:
    """One service; with `as_of`, as it was known at that moment, also where it was deleted since.

    A moment before the registry knew of it is answered 404 `not-known-then`, one at which it had been deleted
    410 `deleted-then`.
    """
    if as_of is not None:
        then = ServiceView.model_validate(fields_then(SERVICES, SERVICES.known(session, (id,), as_of)))
        fresh = quality.freshness(then.assured_on, as_of.date())
        return then.model_copy(update={"freshness": fresh})
    return _one(session, id, response)


@router.put("/v1/services/{id}", responses={201: {"model": ServiceView}})
def write_service(
    id: RecordId,
    body: ServiceBody,
    session: Writing,
    request: Making,
    response: Response,
    principal: Annotated[Principal, require("write")],
    source: SourceName = "default",
) -> ServiceView:
    """Write a service whole: a new one, or with `If-Match` one you have read."""
    is_new = actions.put_service(
        session, id, body.model_dump(), source=source, by=principal, when=_if_unchanged(session, request)
    )
    response.status_code = 201 if is_new else 200
    session.expire_all()
    return _one(session, id, response)


@router.delete("/v1/services/{id}", status_code=204)
def delete_service(
    id: RecordId, session: Writing, request: Conditional, principal: Annotated[Principal, require("write")]
) -> None:
    """Delete a service and its sites; each leaves a tombstone in the change feed."""
    actions.delete_service(session, id, by=principal, when=_if_unchanged(session, request))


def service_items(session: Session, rows: list[Any], around: finding.Near | None = None) -> list[ServiceItem]:
    """Services of a page, each with what other tables tell of it; around: what `distance_m` starts from"""
    beside = _beside(session, rows)
    metres = {} if around is None else finding.nearest_m(session, list(beside), around)
    for id, distance in metres.items():
        beside[id]["distance_m"] = round(distance, 1)
    return [ServiceItem.model_validate({**row._mapping, **beside[row.id]}) for row in rows]


def _beside(session: Session, rows: list[Any]) -> dict[str, dict[str, Any]]:
    """What services tell beside their own fields."""
    parts = directory.service_parts(session, [row.id for row in rows])
    answering = merges.canonical(session, (row.organisation_id for row in rows))
    told = quality.of_services(session, rows)
    return {
        row.id: {
            "organisation_id": answering.get(row.organisation_id),
            "needs": parts.needs.get(row.id, []),
            "area_codes": parts.area_codes.get(row.id, []),
            **told[row.id],
        }
        for row in rows
    }


def _tag(session: Session, row: Any) -> str:
    """The tag of a service, which names the organisation that answers for its own."""
    answering = merges.canonical(session, [row.organisation_id]).values()
    says = qualities.of_services(session, [row.id]).get(row.id)
    return etag(tag_of(row), *answering, says)


def _if_unchanged(session: Session, request: Conditional) -> Callable[[Any], None]:
    return if_unchanged(request, lambda held: _tag(session, held))


def _one(session: Session, id: str, response: Response) -> ServiceView:
    row = directory.service(session, id)
    if row is None:
        raise UnknownRecord("service")
    response.headers["ETag"] = _tag(session, row)
    return ServiceView.model_validate(row).model_copy(update=_beside(session, [row])[id])
