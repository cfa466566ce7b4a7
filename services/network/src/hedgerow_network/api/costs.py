"""`/v1/costs`: the matrices of travel costs that were imported."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag, require_match
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.actions import costs as writes
from hedgerow_network.actions.ownership import may_write
from hedgerow_network.errors import OfAnotherAuthority, UnknownMatrix
from hedgerow_network.store import costs
from hedgerow_network.tables import CostMatrix

router = problems.router(prefix="/v1/costs", tags=["costs"])

Reader = Annotated[Principal, require("read")]
Name = Annotated[str, Path(max_length=120, description="The name of the matrix")]


class Matrix(BaseModel):
    """A matrix of travel costs. Pairs that it does not hold cannot be reached by it."""

    name: str
    authority_code: str | None = Field(description="Whose it is; null: everybody's")
    source: str | None = Field(description="The source whose own ids its sites go by")
    version: int = Field(description="Grows with every change")
    updated_at: datetime
    pairs: int
    areas: int = Field(description="Areas that ways start from")
    sites: int
    in_minutes: int = Field(description="Pairs with minutes")
    in_km: int = Field(description="Pairs with kilometres")


def _view(session: Session, row: CostMatrix) -> Matrix:
    size = costs.size(session, row.number)
    return Matrix(
        name=row.name,
        authority_code=row.authority_code,
        source=row.site_source,
        version=row.version,
        updated_at=row.updated_at,
        **size._asdict(),
    )


@router.get("")
def list_matrices(
    session: Reading,
    request: Request,
    response: Response,
    principal: Reader,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[Matrix]:
    """The matrices that the caller may use, by name."""
    rows, marker = paging.keyset(session, select(CostMatrix), [CostMatrix.name], after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_view(session, row[0]) for row in rows], next=marker)


@router.get("/{name}")
def read_matrix(name: Name, session: Reading, response: Response, principal: Reader) -> Matrix:
    """One matrix: whose it is, how much it holds."""
    row = _found(session, name)
    response.headers["ETag"] = _tag(row)
    return _view(session, row)


@router.delete("/{name}", status_code=204)
def delete_matrix(
    name: Name, request: Conditional, session: Writing, principal: Annotated[Principal, require("write")]
) -> None:
    """Delete a matrix with all its pairs. Needs `If-Match` with the ETag of the matrix as read."""
    row = _found(session, name)
    if not may_write(principal, row.authority_code):
        raise OfAnotherAuthority
    require_match(request, _tag(row))
    writes.remove(session, row)


def _found(session: Session, name: str) -> CostMatrix:
    row = costs.named(session, name)
    if row is None:
        raise UnknownMatrix
    return row


def _tag(row: CostMatrix) -> str:
    return etag("cost matrix", row.number, row.version)
