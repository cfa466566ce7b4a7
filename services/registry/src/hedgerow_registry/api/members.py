"""Members of a collaborative, and figures of an organisation."""

from datetime import date
from typing import Annotated

from fastapi import Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import AliasChoices, Field
from sqlalchemy import or_, select

from hedgerow_registry.api.wire import OnDay, StandingId, View
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import directory, merges
from hedgerow_registry.tables import Membership, OrganisationFigure

router = problems.router(tags=["organisations"])


class Member(View):
    """A membership: the member, in what role, from its first to its last day."""

    id: str
    organisation_id: str
    member_id: str
    member_name: str | None = Field(default=None, description="Null where the member is not held yet")
    role: str | None
    start: date | None = Field(validation_alias=AliasChoices("start", "starts_on"))
    end: date | None = Field(validation_alias=AliasChoices("end", "ends_on"), description="The last day")


class Figure(View):
    """A figure of an organisation on a day, with where it was published."""

    organisation_id: str
    figure: str
    as_of: date
    value: float
    unit: str | None
    evidence: str | None
    evidence_url: str | None


@router.get("/v1/organisations/{id}/members")
def list_members(
    id: StandingId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    at: OnDay = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[Member]:
    """The members of a collaborative. Membership is no ownership: members do not count as its owners."""
    if directory.organisation(session, id) is None:
        raise UnknownRecord("organisation")
    table = Membership
    query = select(table).where(table.organisation_id.in_(merges.under(id)))
    if at is not None:
        query = query.where(
            or_(table.starts_on.is_(None), table.starts_on <= at),
            or_(table.ends_on.is_(None), table.ends_on >= at),
        )
    rows, marker = paging.keyset(session, query, [table.member_id, table.id], after=after, limit=limit)
    paging.link_next(request, response, marker)
    answering = merges.canonical(session, (row[0].member_id for row in rows))
    names = merges.names(session, answering.values())
    items = []
    for row in rows:
        member = answering[row[0].member_id]
        update = {"organisation_id": id, "member_id": member, "member_name": names.get(member)}
        items.append(Member.model_validate(row[0]).model_copy(update=update))
    return paging.Page(items=items, next=marker)


@router.get("/v1/organisations/{id}/figures")
def list_figures(
    id: StandingId,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[Figure]:
    """The dated figures of an organisation, such as its pay ratio, by name and day."""
    if directory.organisation(session, id) is None:
        raise UnknownRecord("organisation")
    table = OrganisationFigure
    query = select(table).where(table.organisation_id.in_(merges.under(id)))
    keys = [table.figure, table.as_of, table.organisation_id]
    rows, marker = paging.keyset(session, query, keys, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[Figure.model_validate(row[0]) for row in rows], next=marker)
