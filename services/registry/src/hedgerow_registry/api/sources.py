"""`/v1/sources`: the names under which records were handed in."""

from datetime import datetime
from typing import Annotated

from fastapi import Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel, ConfigDict

from hedgerow_registry.store import reference

router = problems.router(tags=["sources"])


class SourceItem(BaseModel):
    """A source and the authority it belongs to; without one, it is the administrator's."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    authority_code: str | None
    first_import_id: str | None
    created_at: datetime


@router.get("/v1/sources")
def list_sources(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("read")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[SourceItem]:
    """Sources in the order of their names."""
    rows, marker = reference.source_page(session, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[SourceItem.model_validate(row) for row in rows], next=marker)
