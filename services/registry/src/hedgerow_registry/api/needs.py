"""`/v1/needs`: what people need help with, and how taxonomies relate."""

from typing import Annotated

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel

from hedgerow_registry.api.wire import View
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import reference

router = problems.router(tags=["needs"])


class NeedItem(View):
    """A need: a term of a taxonomy."""

    id: str
    taxonomy: str
    term: str
    name: str
    parent_id: str | None


class CrosswalkItem(BaseModel):
    """`to` is the exact match of `from`, narrower than it, broader than it, or related to it."""

    from_id: str
    to_id: str
    relation: str


class NeedView(NeedItem):
    """A need with how it relates to the terms of other taxonomies."""

    crosswalk: list[CrosswalkItem]


@router.get("/v1/needs")
def list_needs(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    taxonomy: Annotated[str | None, Query(max_length=100)] = None,
    parent: Annotated[str | None, Query(max_length=300, description="The id of the broader need")] = None,
    term: Annotated[str | None, Query(max_length=199)] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[NeedItem]:
    """Needs in the order of their ids."""
    rows, marker = reference.need_page(
        session, in_taxonomy=taxonomy, parent=parent, term=term, after=after, limit=limit
    )
    paging.link_next(request, response, marker)
    return paging.Page(items=[NeedItem.model_validate(row) for row in rows], next=marker)


@router.get("/v1/needs/{id:path}")
def read_need(id: str, session: Reading, principal: Annotated[Principal, require("read")]) -> NeedView:
    """One need, by `taxonomy:term` or by its term where only one taxonomy has it."""
    found = reference.need(session, id)
    if found is None:
        raise UnknownRecord("need")
    relations = [
        CrosswalkItem(from_id=row.from_id, to_id=row.to_id, relation=row.relation)
        for row in reference.crosswalks(session, found.id)
    ]
    return NeedView(**NeedItem.model_validate(found).model_dump(), crosswalk=relations)
