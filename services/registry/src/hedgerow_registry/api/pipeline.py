"""`/v1/pipeline`: what is planned, and what is out to tender; what is published of it is for everybody."""

from datetime import date
from typing import Annotated, Any

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional, Making
from sqlalchemy.orm import Session

from hedgerow_registry.actions import contracts as actions
from hedgerow_registry.api.contract_wire import PlanBody, PlanItem, plan_fields
from hedgerow_registry.api.contracts import Organisation
from hedgerow_registry.api.wire import (
    AreaCode,
    NeedName,
    RecordId,
    SourceName,
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


@router.get("/v1/pipeline")
def list_pipeline(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("open")],
    need: NeedName = None,
    area: AreaCode = None,
    buyer: Organisation = None,
    programme: Annotated[str | None, Query(max_length=500)] = None,
    starting_from: Annotated[date | None, Query(description="Only what starts on this day or later")] = None,
    starting_before: Annotated[date | None, Query(description="Only what starts before this day")] = None,
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[PlanItem]:
    """What is to come, soonest start first, what has no date last; then by id.

    Anybody sees what is published; readers also what their authority has not published. What came to an end
    without a contract is not listed.
    """
    wanted = Wanted(
        need=known_need(session, need),
        area=known_area(session, area, "area"),
        buyer=buyer,
        programme=programme,
        source=source,
    )
    sight = Sight.of(session, principal)
    rows, marker = contracts.pipeline_page(
        session,
        wanted,
        sight,
        starting_from=starting_from,
        starting_before=starting_before,
        after=after,
        limit=limit,
    )
    paging.link_next(request, response, marker)
    return paging.Page(items=_items(session, rows, sight), next=marker)


@router.get("/v1/pipeline/{id}")
def read_plan(
    id: RecordId, session: Reading, response: Response, principal: Annotated[Principal, require("open")]
) -> PlanItem:
    """One entry of the pipeline."""
    return _one(session, id, Sight.of(session, principal), response)


@router.put("/v1/pipeline/{id}", responses={201: {"model": PlanItem}})
def write_plan(
    id: RecordId,
    body: PlanBody,
    session: Writing,
    request: Making,
    response: Response,
    principal: Annotated[Principal, require("write")],
    source: SourceName = "default",
) -> PlanItem:
    """Write what is planned: new, or with `If-Match` what you have read."""
    is_new = actions.put_plan(
        session, id, body.fields(), source=source, by=principal, when=if_unchanged(request)
    )
    response.status_code = 201 if is_new else 200
    session.expire_all()
    return _one(session, id, Sight.of(session, principal), response)


@router.delete("/v1/pipeline/{id}", status_code=204)
def delete_plan(
    id: RecordId, session: Writing, request: Conditional, principal: Annotated[Principal, require("write")]
) -> None:
    """Delete what is planned, while no contract has come of it."""
    actions.delete_plan(session, id, by=principal, when=if_unchanged(request))


def _items(session: Session, rows: list[Any], sight: Sight) -> list[PlanItem]:
    links = contracts.process_links(session, [row.id for row in rows])
    details = contracts.details_of(session, rows)
    names = directory.organisation_names(
        session, (party[1] for listed in links.parties.values() for party in listed)
    )
    return [PlanItem.model_validate(plan_fields(row, links, details[row.id], names, sight)) for row in rows]


def _one(session: Session, id: str, sight: Sight, response: Response) -> PlanItem:
    row = contracts.plan(session, id, sight)
    if row is None:
        raise UnknownRecord("plan")
    response.headers["ETag"] = tag_of(row)
    return _items(session, [row], sight)[0]
