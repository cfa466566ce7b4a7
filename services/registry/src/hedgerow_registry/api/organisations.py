"""`/v1/organisations`: the bodies that provide services, or are paid for them."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.moments import AsOf as KnownAt
from hedgerow_kit.problems import UNPROCESSABLE, Conditional, Making, Problem
from pydantic import Field, field_validator, model_validator
from sqlalchemy.orm import Session

from hedgerow_registry.actions import directory as actions
from hedgerow_registry.actions.entities import ORGANISATIONS
from hedgerow_registry.api import quality
from hedgerow_registry.api.quality import FreshnessView, RichnessView
from hedgerow_registry.api.services import ServiceItem, service_items
from hedgerow_registry.api.wire import (
    AreaCode,
    AsOf,
    Body,
    LongText,
    Name,
    NeedName,
    Order,
    OwnerId,
    PostcodeText,
    RecordId,
    SearchText,
    ShortText,
    SourceName,
    StandingId,
    View,
    WithinKm,
    day_asked,
    fields_then,
    if_unchanged,
    known_area,
    known_need,
    near,
    owned_by,
    searched,
)
from hedgerow_registry.domain import directory as terms
from hedgerow_registry.domain import gss, identifiers
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.domain.sizes import SME
from hedgerow_registry.errors import Malformed, UnknownRecord
from hedgerow_registry.store import directory, finding, merges, ownership

router = problems.router(tags=["organisations"])

Sector = Literal["public", "private", "charity", "social enterprise", "mutual", "informal"]


class Identifier(Body):
    """An identifier under a scheme of org-id.guide, such as GB-COH or GB-CHC."""

    scheme: str = Field(min_length=2, max_length=40)
    id: str = Field(min_length=1, max_length=200)


class OrganisationBody(Body):
    """An organisation as it is sent."""

    name: Name
    sector: Sector | None = None
    legal_form: ShortText | None = None
    size: Annotated[str, Field(max_length=100)] | None = None
    status: str = Field(default="active", min_length=1, max_length=terms.LONGEST_STATUS)
    url: LongText | None = None
    email: LongText | None = None
    description: LongText | None = None
    identifiers: list[Identifier] = Field(default=[], max_length=100)
    aliases: list[Name] = Field(default=[], max_length=100)
    owner_ids: list[Annotated[str, Field(max_length=36)]] = Field(default=[], max_length=100)
    head_office_area_code: Annotated[str, Field(max_length=64)] | None = None
    user_led: bool | None = None
    user_led_evidence: LongText | None = None
    user_led_on: date | None = None
    supported_business: bool | None = None
    supported_business_evidence: LongText | None = None
    supported_business_on: date | None = None
    public_service_mutual: bool | None = Field(
        default=None, description="As in section 33 of the Procurement Act 2023; with evidence and its day"
    )
    public_service_mutual_evidence: LongText | None = None
    public_service_mutual_on: date | None = None

    @field_validator("head_office_area_code")
    @classmethod
    def _a_code(cls, sent: str | None) -> str | None:
        return None if sent is None else gss.area_code(sent)

    @model_validator(mode="after")
    def _with_evidence(self) -> "OrganisationBody":
        for status in ("user_led", "supported_business", "public_service_mutual"):
            evidence = getattr(self, f"{status}_evidence") or None
            terms.evidenced(getattr(self, status), evidence, getattr(self, f"{status}_on"))
        return self

    @field_validator("identifiers")
    @classmethod
    def _by_their_schemes(cls, sent: list[Identifier]) -> list[Identifier]:
        made = [identifiers.identifier(f"{one.scheme}:{one.id}") for one in sent]
        return [Identifier(scheme=one.scheme, id=one.identifier) for one in made]


class OrganisationItem(View):
    """An organisation: who it is, how it is registered, and who owns it.

    `merged_ids` names the organisations merged into it: their identifiers and owners are told with its own,
    their names as aliases, and where it says nothing itself, what they say.
    """

    id: str
    source_id: str | None
    name: str
    sector: str | None
    legal_form: str | None
    legal_form_code: str | None = Field(description="The code of the legal form, where its words are known")
    size: str | None
    size_band: str | None = Field(
        description="micro, small, medium, large; sme where it is only known to be one of the first three"
    )
    head_office_area_code: str | None
    user_led: bool | None
    user_led_evidence: str | None
    user_led_on: date | None
    supported_business: bool | None
    supported_business_evidence: str | None
    supported_business_on: date | None
    public_service_mutual: bool | None
    public_service_mutual_evidence: str | None
    public_service_mutual_on: date | None
    status: str
    url: str | None
    email: str | None
    description: str | None
    identifiers: list[Identifier] = Field(default_factory=list)
    aliases: list[str] = Field(default_factory=list)
    owner_ids: list[str] = Field(default_factory=list)
    merged_ids: list[str] = Field(default_factory=list)
    effective_form: str = Field(
        default="unknown",
        description="What it is in effect by who stands behind it: for-profit, not-for-profit, mutual, "
        "public, unknown; `/ownership` tells why. It certifies nothing",
    )
    ultimate_owner_ids: list[str] = Field(
        default_factory=list, description="The organisations that control it in the end"
    )
    freshness: FreshnessView | None = Field(
        default=None, description="By the service of it that was assured last; not told of an earlier version"
    )
    richness: RichnessView | None = None


@router.get("/v1/organisations")
def list_organisations(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
    sector: Sector | None = None,
    size: Annotated[
        Literal["micro", "small", "medium", "large", "sme"] | None,
        Query(description="The size band; `sme` also finds micro, small and medium ones"),
    ] = None,
    identifier: Annotated[str | None, Query(max_length=250, description="Such as GB-COH:01234567")] = None,
    owner: OwnerId = None,
    at: AsOf = None,
    text: SearchText = None,
    order: Order = "arrival",
    need: NeedName = None,
    narrower: Annotated[bool, Query(description="Needs that count for `need` too")] = True,
    area: AreaCode = None,
    postcode: PostcodeText = None,
    within_km: WithinKm = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[OrganisationItem]:
    """Organisations that meet all that is asked, in an order that does not change while others write.

    `text` looks in the names, the description and the numbers of the identifiers. `need`, `area` and
    `postcode` find organisations by their services. `owner` gives those that an organisation controls,
    directly or ultimately, on the day `at`; `at` is also the day for which effective forms and ultimate
    owners are told.
    """
    known = known_need(session, need)
    wanted = finding.Organisations(
        text=searched(text),
        by_name=order == "relevance",
        source=source,
        sector=sector,
        sizes=None if size is None else sorted(SME) if size == "sme" else [size],
        identifier=_identifier(identifier),
        among=None if owner is None else owned_by(session, owner, at),
        need_ids=None if known is None else finding.narrower(session, known) if narrower else [known],
        area=known_area(session, area, "area"),
        near=near(session, postcode, within_km),
    )
    rows, marker = finding.organisations(session, wanted, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=_items(session, rows, day_asked(at)), next=marker)


@router.get("/v1/organisations/{id}")
def read_organisation(
    id: StandingId,
    session: Reading,
    response: Response,
    principal: Annotated[Principal, require("read")],
    as_of: KnownAt,
) -> OrganisationItem:
    """One organisation; one that was merged into another is redirected to it.

    With `as_of`, its own record as it was known at that moment, whether or not it was merged or deleted
    since. A moment before the registry knew of it is answered 404 `not-known-then`, one at which it had been
    deleted 410 `deleted-then`.
    """
    if as_of is not None:
        fields = fields_then(ORGANISATIONS, ORGANISATIONS.known(session, (id,), as_of))
        named = [Identifier(scheme=scheme, id=number) for scheme, number in fields["identifiers"]]
        return OrganisationItem.model_validate({**fields, "identifiers": named})
    return _one(session, id, response)


@router.get("/v1/organisations/{id}/services")
def list_services_of(
    id: StandingId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[ServiceItem]:
    """The services of an organisation in the order of their ids."""
    if directory.organisation(session, id) is None:
        raise UnknownRecord("organisation")
    wanted = finding.Services(organisation=id)
    rows, marker = finding.services(session, wanted, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=service_items(session, rows), next=marker)


@router.put("/v1/organisations/{id}", responses={201: {"model": OrganisationItem}})
def write_organisation(
    id: RecordId,
    body: OrganisationBody,
    session: Writing,
    request: Making,
    response: Response,
    principal: Annotated[Principal, require("write")],
    source: SourceName = "default",
) -> OrganisationItem:
    """Write an organisation whole: a new one, or with `If-Match` one you have read."""
    fields: dict[str, Any] = body.model_dump()
    fields["identifiers"] = [(one["scheme"], one["id"]) for one in fields["identifiers"]]
    is_new = actions.put_organisation(
        session, id, fields, source=source, by=principal, when=unchanged(session, request)
    )
    response.status_code = 201 if is_new else 200
    session.expire_all()
    return _one(session, id, response)


@router.delete("/v1/organisations/{id}", status_code=204)
def delete_organisation(
    id: RecordId, session: Writing, request: Conditional, principal: Annotated[Principal, require("write")]
) -> None:
    """Delete an organisation that has no services; it leaves a tombstone in the change feed."""
    actions.delete_organisation(session, id, by=principal, when=unchanged(session, request))


def _identifier(said: str | None) -> tuple[str, str] | None:
    if said is None:
        return None
    try:
        return identifiers.identifier(said)
    except Malformed as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "identifier", "reason": error.reason}]) from None


def _items(session: Session, rows: list[Any], at: date | None = None) -> list[OrganisationItem]:
    ids = [row.id for row in rows]
    behind = ownership.standings(session, ids, day_asked(at))
    parts = directory.organisation_parts(session, ids)
    members, gaps = merges.members(session, ids), merges.gaps(session, ids)
    told = quality.of_organisations(session, ids)
    made = []
    for row in rows:
        known = [Identifier(scheme=scheme, id=id) for scheme, id in parts.identifiers.get(row.id, [])]
        update = {
            "identifiers": known,
            "aliases": parts.aliases.get(row.id, []),
            "owner_ids": parts.owner_ids.get(row.id, []),
            "merged_ids": members.get(row.id, []),
            "effective_form": behind[row.id].form.form,
            "ultimate_owner_ids": behind[row.id].ultimate,
            **told[row.id],
        }
        update |= {name: value for name, value in gaps.get(row.id, {}).items() if getattr(row, name) is None}
        made.append(OrganisationItem.model_validate(row).model_copy(update=update))
    return made


def _one(session: Session, id: str, response: Response) -> OrganisationItem:
    row = directory.organisation(session, id)
    if row is None:
        raise UnknownRecord("organisation")
    item = _items(session, [row])[0]
    response.headers["ETag"] = _tag(item)
    return item


def _tag(item: OrganisationItem) -> str:
    # Of all that is shown but its age: others' records have a part in it, and merges.
    assured = None if item.freshness is None else item.freshness.assured_on
    return etag(item.model_dump_json(exclude={"freshness"}), assured)


def unchanged(session: Session, request: Conditional) -> Callable[[Any], None]:
    """Lets a write through if the organisation is what `If-Match` or `If-None-Match` says it is."""
    return if_unchanged(request, lambda held: _tag(_items(session, [held])[0]))
