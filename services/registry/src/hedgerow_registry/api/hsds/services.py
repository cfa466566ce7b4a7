"""`/hsds/services`."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from sqlalchemy.orm import Session

from hedgerow_registry.api.hsds.answers import (
    STREAMED,
    FeedPage,
    Format,
    Page,
    PerPage,
    Records,
    paged,
    record,
    stream,
)
from hedgerow_registry.api.hsds.filters import Filters
from hedgerow_registry.domain.hsds.profile import LISTED, UK, WHOLE, Fields, shown
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import hsds

router = problems.router()

# What an aggregator asks for to see what changed is short: all of it fits into one answer.
MOST_MINIMAL = 100_000

Full = Annotated[
    bool | None,
    Query(description="`true`: the whole HSDS 3.1 record, also what the profile of the UK leaves out"),
]


def with_fields(fields: Fields) -> Records:
    def records(session: Session, ids: list[str]) -> list[dict[str, Any]]:
        found = hsds.whole_services(session, ids)
        return found if fields is WHOLE else [shown("service", made, fields) for made in found]

    return records


def _minimal(session: Session, ids: list[str]) -> list[dict[str, Any]]:
    modified = hsds.modified_of(session, ids)
    return [{"id": id, "last_modified": modified[id]} for id in ids]


@router.get("/hsds/services", response_model=FeedPage, responses=STREAMED)
@router.get("/hsds/services/", include_in_schema=False)
def list_feed_services(
    session: Reading,
    request: Request,
    principal: Annotated[Principal, require("open")],
    wanted: Filters,
    page: Page = 1,
    per_page: PerPage | None = None,
    format: Format = "json",
    minimal: Annotated[bool, Query(description="Only ids and when they changed, all on one page")] = False,
    full: Full = None,
) -> Response:
    """Services that meet every filter given, in the order of their ids.

    A page shows each service without what is nested in it, unless `full` is `true`. The stream has whole
    records unless `full` is `false`.
    """
    found = hsds.services(session, wanted)
    if format == "ndjson":
        records = _minimal if minimal else with_fields(LISTED if full is False else WHOLE)
        return stream(request, found, records)
    if minimal:
        return paged(session, found, _minimal, number=page, size=per_page or MOST_MINIMAL)
    records = with_fields(WHOLE if full else LISTED)
    return paged(session, found, records, number=page, size=per_page or 50)


@router.get("/hsds/services/{id}", response_model=dict[str, Any])
def read_feed_service(
    id: str, session: Reading, principal: Annotated[Principal, require("open")], full: Full = None
) -> Response:
    """One service with all that is nested in it: in the profile of the UK, with `full` in all of HSDS 3.1."""
    for made in hsds.whole_services(session, [id.lower()]):
        return record(shown("service", made, WHOLE if full else UK))
    raise UnknownRecord("service")
