"""`/v1/networks`: delivery networks as they are designed, in all their versions."""

import re
import secrets
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag, require_match, require_state
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional, Making, Problem
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.actions import networks as actions
from hedgerow_network.actions.ownership import may_write
from hedgerow_network.errors import OfAnotherAuthority, UnknownNetwork
from hedgerow_network.store import networks
from hedgerow_network.tables import Network, NetworkVersion

router = problems.router(prefix="/v1/networks", tags=["networks"])

Reader = Annotated[Principal, require("read")]
Designer = Annotated[Principal, require("design")]
NETWORK_ID = r"^[0-9A-Za-z][0-9A-Za-z ._-]{0,119}$"
NetworkId = Annotated[str, Path(max_length=120, description="The id of the network")]
NewNetworkId = Annotated[
    str, Path(pattern=NETWORK_ID, description="Letters, digits, spaces and . _ -; at most 120")
]
Note = Annotated[str | None, Query(max_length=500, description="Why this version was made")]

Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000)]
Organisation = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Field(description="An organisation by the registry's id, an identifier such as GB-COH:01234567, or name"),
]
Need = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Share = Annotated[float, Field(ge=0, le=1)]
MOST = 2_000


class Part(BaseModel):
    """A part of a design: every field is known, or it is refused."""

    model_config = ConfigDict(extra="forbid")


class Member(Part):
    """An organisation that belongs to the network."""

    organisation: Organisation
    role: Literal["member", "lead", "administrator"] = "member"
    from_date: date | None = None
    to_date: date | None = None


class Influence(Part):
    """What bears on a persona's life: `+` helps, `-` harms. Needs say what answering it takes."""

    id: Key
    name: Title
    sign: Literal["+", "-"]
    needs: list[Need] = Field(default=[], max_length=100, description="`taxonomy:term`")
    services: list[Key] = Field(default=[], max_length=100, description="Ids of services meant for it")


class Persona(Part):
    """One of the people the network is for, with what bears on their life."""

    id: Key
    name: Title
    description: Text | None = None
    influences: list[Influence] = Field(default=[], max_length=500)


class DesignedService(Part):
    """A service of the network: one of the registry (same id), or one that is only planned."""

    id: Key
    name: Title | None = None
    organisation: Organisation | None = Field(default=None, description="Who is to provide it")
    department: Title | None = Field(default=None, description="The department that answers for it")
    needs: list[Need] = Field(default=[], max_length=100)
    requires: list[Key] = Field(default=[], max_length=100, description="Ids of capabilities that it takes")


class Goal(Part):
    """A shared goal: an outcome that the network answers for."""

    id: Key
    name: Title
    kpis: list[Key] = Field(default=[], max_length=100, description="Ids of KPIs that measure it")
    services: list[Key] = Field(default=[], max_length=MOST, description="Services that work towards it")
    requires: list[Key] = Field(default=[], max_length=100, description="Ids of capabilities that it takes")
    agreed_by: list[Organisation] = Field(
        default=[], max_length=MOST, description="Members that have agreed to it"
    )


class Holder(Part):
    """Who holds a capability, and in which areas; without areas, in all of the network's."""

    organisation: Organisation
    areas: list[Key] = Field(default=[], max_length=MOST)


class Capability(Part):
    """What it takes to deliver: outreach, assessment, data sharing, payroll …"""

    id: Key
    name: Title
    back_office: bool = Field(
        default=False, description="Whether one could hold it for several: two that do in one area overlap"
    )
    held_by: list[Holder] = Field(default=[], max_length=MOST)


class Responsibility(Part):
    """Who is what for a goal, a service or a capability."""

    about: Literal["goal", "service", "capability"]
    id: Key
    organisation: Organisation
    role: Literal["accountable", "responsible", "consulted", "informed"]


class AgreedKpi(Part):
    kpi: Key
    minimum: float | None = Field(default=None, description="The minimum service level that was agreed")


class Agreement(Part):
    """What members agreed, and by what it is measured."""

    id: Key
    name: Title
    parties: list[Organisation] = Field(default=[], max_length=MOST)
    kpis: list[AgreedKpi] = Field(default=[], max_length=100)
    starts_on: date | None = None
    ends_on: date | None = None
    review_on: date | None = None


class Bearer(Part):
    organisation: Organisation
    share: Share


class SharedResource(Part):
    """What several use and pay for together; the shares sum to 1."""

    id: Key
    name: Title
    cost_gbp: Annotated[float, Field(ge=0, le=1e12)] | None = None
    split: list[Bearer] = Field(default=[], max_length=MOST)


class Governance(Part):
    """How the network is governed, and what its members say of it, from 0 (not at all) to 1."""

    form: Literal["participant-governed", "lead-organisation", "network-administrative"] | None = None
    trust: Share | None = None
    goal_consensus: Share | None = None
    competency_need: Share | None = None


class Design(Part):
    """The design of a delivery network. Everything may be left for later; the checklist says what is open."""

    name: Title
    description: Text | None = None
    status: Literal["draft", "agreed", "ended"] = "draft"
    areas: list[Key] = Field(default=[], max_length=MOST, description="The locality: codes of areas")
    starts_on: date | None = None
    review_on: date | None = None
    commissioners: list[Organisation] = Field(default=[], max_length=MOST)
    members: list[Member] = Field(default=[], max_length=MOST)
    personas: list[Persona] = Field(default=[], max_length=200)
    services: list[DesignedService] = Field(default=[], max_length=MOST)
    goals: list[Goal] = Field(default=[], max_length=500)
    capabilities: list[Capability] = Field(default=[], max_length=MOST)
    responsibilities: list[Responsibility] = Field(default=[], max_length=10_000)
    agreements: list[Agreement] = Field(default=[], max_length=MOST)
    shared_resources: list[SharedResource] = Field(default=[], max_length=MOST)
    front_doors: list[Organisation] = Field(
        default=[], max_length=MOST, description="Organisations where people first come"
    )
    governance: Governance = Governance()

    def model_post_init(self, _context: Any) -> None:
        for name in ("personas", "services", "goals", "capabilities", "agreements", "shared_resources"):
            ids = [one.id for one in getattr(self, name)]
            twice = sorted({id for id in ids if ids.count(id) > 1}) if len(ids) != len(set(ids)) else []
            if twice:
                raise ValueError(f"two of {name} have the same id")


class NewNetwork(Design):
    id: Annotated[str, StringConstraints(pattern=NETWORK_ID)] | None = Field(
        default=None, description="Made from the name if not given"
    )
    authority: Key | None = Field(
        default=None, description="Whose it is: the GSS code of an authority; your only one unless said"
    )


class NetworkView(Design):
    """A network with its design. `version` grows with every change of it."""

    model_config = ConfigDict(extra="ignore")

    id: str
    authority: str | None = Field(description="Whose it is; null: everybody's to read")
    version: int
    updated_at: datetime


class NetworkItem(BaseModel):
    """A network in a few words."""

    id: str
    name: str
    authority: str | None
    status: str
    areas: list[str]
    commissioners: list[str]
    members: int
    services: int
    goals: int
    relations_only: bool = Field(description="Known by its relations alone: nothing is designed yet")
    review_on: date | None
    version: int
    updated_at: datetime


class VersionItem(BaseModel):
    """A version that a network had."""

    version: int
    name: str
    written_at: datetime
    written_by: str
    note: str | None


class VersionView(Design):
    model_config = ConfigDict(extra="ignore")

    version: int
    written_at: datetime
    written_by: str
    note: str | None


@router.get("")
def list_networks(
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    area: Annotated[
        str | None, Query(max_length=120, description="Only those designed for this area")
    ] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[NetworkItem]:
    """The networks that the caller may know of, by id."""
    if area is None:
        query = select(Network)
        rows, marker = paging.keyset(session, query, [Network.id], after=after, limit=limit)
        found = [row[0] for row in rows]
    else:
        everything = [
            row for row in networks.all_within_reach(session) if area in (row.design.get("areas") or ())
        ]
        found, marker = paging.window(everything, lambda row: (row.id,), after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_item(row) for row in found], next=marker)


def _item(row: Network) -> NetworkItem:
    design = row.design
    return NetworkItem(
        id=row.id,
        name=row.name,
        authority=row.authority_code,
        status=design.get("status") or "draft",
        areas=design.get("areas") or [],
        commissioners=design.get("commissioners") or [],
        members=len(design.get("members") or ()),
        services=len(design.get("services") or ()),
        goals=len(design.get("goals") or ()),
        relations_only=not design,
        review_on=design.get("review_on"),
        version=row.version,
        updated_at=row.updated_at,
    )


@router.post("", status_code=201)
def design_network(
    body: NewNetwork, session: Writing, response: Response, principal: Designer, note: Note = None
) -> NetworkView:
    """Begin a network: a name is enough. `PUT` and `PATCH` go on with it."""
    id = body.id or _id_of(body.name)
    if session.get(Network, id) is not None:
        # Also one that the caller may not know of: an id is free, or it is not.
        raise Problem(problems.CONFLICT, "This id is taken.")
    row = actions.design(
        session,
        id,
        name=body.name,
        document=_document(body),
        by=principal,
        authority_code=body.authority,
        note=note,
    )
    response.headers["Location"] = f"/v1/networks/{id}"
    return _shown(row, response)


def _id_of(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80]
    return f"{words or 'network'}-{secrets.token_hex(4)}"


@router.get("/{id}")
def read_network(id: NetworkId, session: Reading, response: Response, principal: Reader) -> NetworkView:
    """One network with its design."""
    return _shown(known(session, id), response)


@router.put("/{id}", responses={201: {"model": NetworkView}})
def write_network(
    id: NewNetworkId,
    body: Design,
    request: Making,
    session: Writing,
    response: Response,
    principal: Designer,
    authority: Annotated[
        str | None,
        Query(max_length=64, description="Whose a new network is; your only authority unless said"),
    ] = None,
    note: Note = None,
) -> NetworkView:
    """Write a design whole: a new one, or with `If-Match` one you have read, which stays as a version."""
    held = _writable(session, id, principal)
    if held is not None:
        # Two who read the same version: the second finds it changed.
        session.refresh(held, with_for_update=True)
    require_state(request, None if held is None else _tag(held))
    if held is None:
        if session.get(Network, id) is not None:
            raise UnknownNetwork
        response.status_code = 201
    row = actions.design(
        session,
        id,
        name=body.name,
        document=_document(body),
        by=principal,
        authority_code=authority,
        note=note,
    )
    return _shown(row, response)


@router.patch("/{id}")
def change_network(
    id: NetworkId,
    body: dict[str, Any],
    request: Conditional,
    session: Writing,
    response: Response,
    principal: Designer,
    note: Note = None,
) -> NetworkView:
    """Change parts of a design, with `If-Match`: each field sent replaces that field, a list whole."""
    held = _changing(session, id, request, principal)
    return _changed(session, held, body, response, principal, note)


@router.delete("/{id}", status_code=204)
def delete_network(id: NetworkId, request: Conditional, session: Writing, principal: Designer) -> None:
    """Delete a network with all its versions and relations, with `If-Match`."""
    actions.remove(session, _changing(session, id, request, principal))


@router.get("/{id}/versions")
def list_versions(
    id: NetworkId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[VersionItem]:
    """The versions of a design, the oldest first: when, by whom, why."""
    known(session, id)
    query = select(NetworkVersion).where(NetworkVersion.network == id)
    rows, marker = paging.keyset(session, query, [NetworkVersion.version], after=after, limit=limit)
    paging.link_next(request, response, marker)
    items = [
        VersionItem(
            version=row[0].version,
            name=row[0].name,
            written_at=row[0].written_at,
            written_by=row[0].written_by,
            note=row[0].note,
        )
        for row in rows
    ]
    return paging.Page(items=items, next=marker)


@router.get("/{id}/versions/{version}")
def read_version(
    id: NetworkId,
    version: Annotated[int, Path(ge=0, le=2**63 - 1)],
    session: Reading,
    principal: Reader,
) -> VersionView:
    """A design as it was."""
    known(session, id)
    row = session.get(NetworkVersion, (id, version))
    if row is None:
        raise UnknownNetwork("The network has no such version.")
    return VersionView(
        **(row.design | {"name": row.name}),
        version=row.version,
        written_at=row.written_at,
        written_by=row.written_by,
        note=row.note,
    )


def _part(name: str, shape: type[Part], summary: str) -> None:
    """`GET` and `PUT` of one list of a design."""

    def read(
        id: NetworkId,
        session: Reading,
        request: Request,
        response: Response,
        principal: Reader,
        after: paging.After = None,
        limit: paging.Limit = 50,
    ) -> Any:
        row = known(session, id)
        numbered = list(enumerate(row.design.get(name) or ()))
        page, marker = paging.window(numbered, lambda one: (one[0],), after=after, limit=limit)
        paging.link_next(request, response, marker)
        return {"items": [one for _, one in page], "next": marker}

    def write(
        id: NetworkId,
        body: list[Any],
        request: Conditional,
        session: Writing,
        response: Response,
        principal: Designer,
        note: Note = None,
    ) -> NetworkView:
        held = _changing(session, id, request, principal)
        return _changed(session, held, {name: body}, response, principal, note)

    router.add_api_route(
        f"/{{id}}/{name}",
        read,
        methods=["GET"],
        response_model=paging.Page[shape],  # type: ignore[valid-type]
        summary=f"List {name}",
        description=summary,
        operation_id=f"list_network_{name}",
    )
    write.__annotations__["body"] = list[shape]  # type: ignore[valid-type]
    router.add_api_route(
        f"/{{id}}/{name}",
        write,
        methods=["PUT"],
        response_model=NetworkView,
        summary=f"Write {name}",
        description=f"{summary} Written whole, with `If-Match` of the network.",
        operation_id=f"write_network_{name}",
    )


_part("members", Member, "The organisations that belong to the network.")
_part("responsibilities", Responsibility, "Who is accountable, responsible, consulted, informed for what.")
_part("agreements", Agreement, "What members agreed, and by what it is measured.")


def known(session: Session, id: str) -> Network:
    """The network; one of another authority is as unknown as one that is not there."""
    row = networks.network(session, id)
    if row is None:
        raise UnknownNetwork
    return row


def _writable(session: Session, id: str, principal: Principal) -> Network | None:
    row = networks.network(session, id)
    if row is not None and not may_write(principal, row.authority_code):
        raise OfAnotherAuthority
    return row


def _changing(session: Session, id: str, request: Conditional, principal: Principal) -> Network:
    row = _writable(session, id, principal)
    if row is None:
        raise UnknownNetwork
    # Two who read the same version: the second finds it changed.
    session.refresh(row, with_for_update=True)
    require_match(request, _tag(row))
    return row


def _changed(
    session: Session,
    held: Network,
    sent: Mapping[str, Any],
    response: Response,
    principal: Principal,
    note: str | None,
) -> NetworkView:
    shaped = {
        name: [one.model_dump(mode="json") if isinstance(one, BaseModel) else one for one in value]
        if isinstance(value, list)
        else value
        for name, value in sent.items()
    }
    try:
        body = Design.model_validate({"name": held.name, **held.design, **shaped})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None
    row = actions.design(
        session,
        held.id,
        name=body.name,
        document=_document(body),
        by=principal,
        authority_code=held.authority_code,
        note=note,
    )
    return _shown(row, response)


def _document(body: Design) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude={"name", "id", "authority"})


def _tag(row: Network) -> str:
    return etag("network", row.id, row.version)


def _shown(row: Network, response: Response) -> NetworkView:
    response.headers["ETag"] = _tag(row)
    return NetworkView(
        **row.design,
        name=row.name,
        id=row.id,
        authority=row.authority_code,
        version=row.version,
        updated_at=row.updated_at,
    )
