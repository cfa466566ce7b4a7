"""Saying that two organisations are one, taking it back, and who did so."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hedgerow_registry.actions import merging
from hedgerow_registry.api.organisations import unchanged
from hedgerow_registry.api.wire import Body, RecordId, StandingId
from hedgerow_registry.domain import ids
from hedgerow_registry.errors import Malformed, UnknownRecord
from hedgerow_registry.store import directory, merges

router = problems.router(tags=["duplicates"])

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class MergeBody(Body):
    """Which organisation answers from now on, and why they are one."""

    into: str = Field(max_length=36, description="The organisation that stays")
    reason: Reason


class UnmergeBody(Body):
    """Why they are two after all."""

    reason: Reason


class MergeItem(BaseModel):
    """A merge, or its taking back: who, when and why.

    `rule` names the stated rule that made it; without one a person did.
    """

    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: Literal["merged", "unmerged"]
    organisation_id: str
    into_id: str
    rule: str | None
    reason: str
    by: str
    at: datetime


@router.post("/v1/organisations/{id}/merge")
def merge_organisation(
    id: RecordId,
    body: MergeBody,
    session: Writing,
    request: Conditional,
    principal: Annotated[Principal, require("write")],
) -> MergeItem:
    """Merge an organisation into another, which answers for both from now on.

    Both records stay as their sources tell them, and go on being updated by imports. Reading the merged one
    is redirected; its services, contracts and payments are shown with the other. It can be taken back. The
    records' sources both have to be of your authority. `If-Match`, where sent, speaks of the organisation
    in the path.
    """
    into = body.into.lower()
    if not ids.is_uuid(into):
        raise Malformed("into: an id is a UUID")
    when = unchanged(session, request) if "if-match" in request.headers else None
    event = merging.merge(session, id, into, reason=body.reason, by=principal, when=when)
    return MergeItem.model_validate(event)


@router.post("/v1/organisations/{id}/unmerge")
def unmerge_organisation(
    id: RecordId,
    body: UnmergeBody,
    session: Writing,
    principal: Annotated[Principal, require("write")],
) -> MergeItem:
    """Let a merged organisation answer for itself again, as its record is today.

    What was merged into it before it was merged itself goes back with it.
    """
    event = merging.unmerge(session, id, reason=body.reason, by=principal)
    return MergeItem.model_validate(event)


@router.get("/v1/organisations/{id}/merges")
def list_merges(
    id: StandingId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[MergeItem]:
    """The merges and unmerges of an organisation and of those merged into it, oldest first."""
    if directory.organisation(session, id) is None:
        raise UnknownRecord("organisation")
    rows, marker = merges.event_page(session, id, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[MergeItem.model_validate(row) for row in rows], next=marker)
