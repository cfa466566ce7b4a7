"""`/v1/contracts`: agreements between buyers and suppliers."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional, Making
from sqlalchemy.orm import Session

from hedgerow_registry.actions import contracts as actions
from hedgerow_registry.api.contract_wire import (
    ContractBody,
    ContractItem,
    ContractView,
    Stage,
    Status,
    contract_fields,
    contract_parts,
)
from hedgerow_registry.api.wire import (
    AreaCode,
    NeedName,
    RecordId,
    SourceName,
    StandingId,
    if_unchanged,
    known_area,
    known_need,
    tag_of,
)
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import contracts, directory
from hedgerow_registry.store.contracts import Wanted
from hedgerow_registry.store.sight import Sight

router = problems.router(tags=["contracts"])

Organisation = Annotated[str | None, Query(max_length=36, description="The id of an organisation")]
At = Annotated[date | None, Query(description="Only those in force on this day")]


@router.get("/v1/contracts")
def list_contracts(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    buyer: Organisation = None,
    supplier: Organisation = None,
    need: NeedName = None,
    area: AreaCode = None,
    service: Annotated[str | None, Query(max_length=36, description="The id of a service")] = None,
    stage: Stage | None = None,
    status: Status | None = None,
    at: At = None,
    ending_before: Annotated[date | None, Query(description="Only those that end before this day")] = None,
    reserved: bool | None = None,
    third_sector_short_term: Annotated[
        bool, Query(description="Only those with a third-sector supplier that run for less than three years")
    ] = False,
    programme: Annotated[str | None, Query(max_length=500)] = None,
    ocid: Annotated[str | None, Query(max_length=300, description="Only those of this process")] = None,
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[ContractItem]:
    """Contracts in the order of their ids; conditions add up.

    `area` gives those for it, for one inside it and for one around it. What is not published is listed for
    readers of its authority alone.
    """
    wanted = Wanted(
        buyer=buyer,
        supplier=supplier,
        need=known_need(session, need),
        area=known_area(session, area, "area"),
        service=service,
        stage=stage,
        status=status,
        in_force_at=at,
        ending_before=ending_before,
        reserved=reserved,
        third_sector_short_term=third_sector_short_term,
        programme=programme,
        ocid=ocid,
        source=source,
    )
    sight = Sight.of(session, principal)
    rows, marker = contracts.contract_page(session, wanted, sight, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=items(session, rows, sight, at=at), next=marker)


@router.get("/v1/organisations/{id}/contracts")
def list_contracts_of(
    id: StandingId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    role: Annotated[
        str | None, Query(pattern="^(buyer|supplier|subcontractor|funder)$", description="In this role only")
    ] = None,
    at: At = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[ContractItem]:
    """The contracts an organisation has a part in, in the order of their ids."""
    if directory.organisation(session, id) is None:
        raise UnknownRecord("organisation")
    wanted = Wanted(party=id, role=role, in_force_at=at)
    sight = Sight.of(session, principal)
    rows, marker = contracts.contract_page(session, wanted, sight, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=items(session, rows, sight, at=at), next=marker)


@router.get("/v1/contracts/{id}")
def read_contract(
    id: RecordId, session: Reading, response: Response, principal: Annotated[Principal, require("read")]
) -> ContractView:
    """One contract with its lots, bids, subcontracts, options, amendments, funding and social value."""
    return _one(session, id, Sight.of(session, principal), response)


@router.put("/v1/contracts/{id}", responses={201: {"model": ContractView}})
def write_contract(
    id: RecordId,
    body: ContractBody,
    session: Writing,
    request: Making,
    response: Response,
    principal: Annotated[Principal, require("write")],
    source: SourceName = "default",
) -> ContractView:
    """Write a contract whole: a new one, or with `If-Match` one you have read.

    It becomes a release of its process. Who may not see money leaves the amounts out, and they stay.
    """
    is_new = actions.put_contract(
        session, id, body.fields(), source=source, by=principal, when=if_unchanged(request)
    )
    response.status_code = 201 if is_new else 200
    session.expire_all()
    return _one(session, id, Sight.of(session, principal), response)


@router.delete("/v1/contracts/{id}", status_code=204)
def delete_contract(
    id: RecordId, session: Writing, request: Conditional, principal: Annotated[Principal, require("write")]
) -> None:
    """Delete a contract; its process goes with its last one. It leaves a tombstone in the change feed."""
    actions.delete_contract(session, id, by=principal, when=if_unchanged(request))


def items(session: Session, rows: list[Any], sight: Sight, *, at: date | None) -> list[ContractItem]:
    on = at or today()
    links = contracts.contract_links(session, [row.id for row in rows])
    details = contracts.details_of(session, rows)
    return [
        ContractItem.model_validate(contract_fields(row, links, details[row.id], sight, at=on))
        for row in rows
    ]


def today() -> date:
    return datetime.now(UTC).date()


def _one(session: Session, id: str, sight: Sight, response: Response) -> ContractView:
    row = contracts.contract(session, id, sight)
    if row is None:
        raise UnknownRecord("contract")
    response.headers["ETag"] = tag_of(row)
    links = contracts.contract_links(session, [id])
    details = contracts.details_of(session, [row])[id]
    names = directory.organisation_names(session, (party[1] for party in links.parties.get(id, [])))
    following = contracts.successors(session, [row], sight).get(id)
    successor = None if following is None else following.id
    return ContractView.model_validate(
        {
            **contract_fields(row, links, details, sight, at=today()),
            **contract_parts(row, links, details, names, sight, successor),
        }
    )
