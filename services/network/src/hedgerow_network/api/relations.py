"""`/v1/relations`: which organisations are related in which networks."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from hedgerow_network.api.asking import Now
from hedgerow_network.tables import Relation

router = problems.router(prefix="/v1/relations", tags=["networks"])

RelationType = Literal["referral", "contract", "data-sharing", "shared-resource", "governance", "partnership"]


class Party(BaseModel):
    """An organisation as a relation names it."""

    said: str = Field(description="As it was sent: an id, an identifier or a name")
    id: str | None = Field(description="The registry's organisation; null where it knows none, or several")
    name: str


class RelationItem(BaseModel):
    """One organisation's relation to another."""

    network: str
    from_: Party = Field(serialization_alias="from")
    to: Party
    type: RelationType
    weight: float | None
    from_date: date | None
    to_date: date | None = Field(description="The last day; null while it is open")


@router.get("")
def list_relations(
    now: Now,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    network: Annotated[str | None, Query(max_length=120, description="Only of this network")] = None,
    type: Annotated[list[RelationType] | None, Query(description="Only these types")] = None,
    organisation: Annotated[
        str | None, Query(max_length=200, description="Only those from or to it, as it was sent")
    ] = None,
    at: Annotated[date | None, Query(description="Only those in force on this day")] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[RelationItem]:
    """Relations between organisations, by network, from, to and type."""
    query = select(Relation)
    if network is not None:
        query = query.where(Relation.network == network)
    if type:
        query = query.where(Relation.type.in_(type))
    if organisation is not None:
        query = query.where(or_(Relation.from_id == organisation, Relation.to_id == organisation))
    if at is not None:
        day = at.isoformat()
        query = query.where(
            Relation.from_date <= day, or_(Relation.to_date.is_(None), Relation.to_date >= day)
        )
    keys = [Relation.network, Relation.from_id, Relation.to_id, Relation.type, Relation.from_date]
    rows, marker = paging.keyset(session, query, keys, after=after, limit=limit)
    paging.link_next(request, response, marker)
    directory = now.facts.directory

    def party(said: str) -> Party:
        id = directory.names.find(said)
        return Party(said=said, id=id, name=said if id is None else directory.organisation_name(id))

    items = [
        RelationItem(
            network=row[0].network,
            from_=party(row[0].from_id),
            to=party(row[0].to_id),
            type=row[0].type,
            weight=row[0].weight,
            from_date=row[0].from_date or None,
            to_date=row[0].to_date,
        )
        for row in rows
    ]
    return paging.Page(items=items, next=marker)
