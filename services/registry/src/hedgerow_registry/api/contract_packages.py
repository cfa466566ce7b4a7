"""Contracts as OCDS 1.1: packages of releases and of records, streamed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from hedgerow_kit import db, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Database, Reading
from sqlalchemy.orm import Session

from hedgerow_registry.api.contracts import Organisation
from hedgerow_registry.api.wire import AreaCode, NeedName, RecordId, known_area, known_need
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.domain.ocds import packages
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import contracts
from hedgerow_registry.store.contracts import Wanted
from hedgerow_registry.store.sight import Sight

router = problems.router(tags=["contracts"])

# So many processes are read at a time, each time anew: a slow reader holds no connection.
STREAMED_AT_ONCE = 100
_UNPLACED = "urn:hedgerow:contracts"

Package = Annotated[
    Literal["releases", "records"],
    Query(description="A package of releases, or of records with their compiled releases"),
]
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An OCDS 1.1 package",
        "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
    }
}


@router.get("/v1/contracts.ocds", response_class=StreamingResponse, responses=_ANSWER)
def export_contracts(
    request: Request,
    session: Reading,
    principal: Annotated[Principal, require("read")],
    package: Package = "releases",
    buyer: Organisation = None,
    need: NeedName = None,
    area: AreaCode = None,
    programme: Annotated[str | None, Query(max_length=500)] = None,
    ocid: Annotated[str | None, Query(max_length=300, description="Only this process")] = None,
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
) -> StreamingResponse:
    """All contracting processes as one OCDS 1.1 package, in the order of their ids.

    The releases are those that were taken in or written, so another registry that imports the package holds
    the same. Amounts are for those who may see money.
    """
    wanted = Wanted(
        buyer=buyer,
        need=known_need(session, need),
        area=known_area(session, area, "area"),
        programme=programme,
        ocid=ocid,
        source=source,
    )
    pieces = _pieces(db.of(request), wanted, Sight.of(session, principal), package)
    return _package(request, package, pieces)


@router.get("/v1/contracts/{id}/ocds", response_class=StreamingResponse, responses=_ANSWER)
def export_contract(
    id: RecordId,
    request: Request,
    session: Reading,
    principal: Annotated[Principal, require("read")],
    package: Package = "records",
) -> StreamingResponse:
    """The process of a contract as an OCDS 1.1 package."""
    sight = Sight.of(session, principal)
    row = contracts.contract(session, id, sight)
    if row is None:
        raise UnknownRecord("contract")
    return _package(request, package, iter([_written(session, [row.process_id], sight, package)]))


def _package(request: Request, package: str, pieces: Iterator[list[bytes]]) -> StreamingResponse:
    public: str | None = request.app.state.public_url
    uri = f"{public.rstrip('/')}{request.url.path}" if public else _UNPLACED
    head = packages.package_head(uri=uri, publisher="Hedgerow registry", at=datetime.now(UTC))
    return StreamingResponse(_stream(head, package, pieces), media_type="application/json")


def _stream(head: dict[str, Any], package: str, pieces: Iterator[list[bytes]]) -> Iterator[bytes]:
    yield orjson.dumps(head)[:-1] + f',"{package}":['.encode()
    first = True
    for piece in pieces:
        if piece:
            yield (b"" if first else b",\n") + b",\n".join(piece)
            first = False
    yield b"]}"


def _pieces(database: Database, wanted: Wanted, sight: Sight, package: str) -> Iterator[list[bytes]]:
    last = ""
    while True:
        with database.reading() as session:
            ids = contracts.processes_after(session, wanted, sight, last, STREAMED_AT_ONCE)
            if not ids:
                return
            piece = _written(session, ids, sight, package)
        yield piece
        last = ids[-1]


def _written(session: Session, ids: list[str], sight: Sight, package: str) -> list[bytes]:
    made: list[bytes] = []
    for process in contracts.exported(session, ids, sight):
        releases = packages.released(
            process.releases, sees_all=process.sees_all, sees_money=sight.sees_money and process.sees_all
        )
        if package == "releases":
            made += [orjson.dumps(one) for one in releases]
        elif releases:
            made.append(orjson.dumps(packages.record(process.ocid, releases)))
    return made
