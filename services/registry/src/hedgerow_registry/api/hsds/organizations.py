"""`/hsds/organizations`."""

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
    Search,
    paged,
    record,
    stream,
    words,
)
from hedgerow_registry.api.hsds.filters import TaxonomyId, TermId, needs_of, taxonomy_of
from hedgerow_registry.api.hsds.services import Full
from hedgerow_registry.api.wire import StandingId
from hedgerow_registry.domain.hsds.profile import LISTED, UK, WHOLE, Fields, shown
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import hsds

router = problems.router()

# With their services inside, organisations make long answers.
MOST_WITH_SERVICES = 20

FullService = Annotated[
    bool, Query(description="With their services, whole, 20 organisations on a page at most")
]


def _organizations(fields: Fields, *, services: bool) -> Records:
    def records(session: Session, ids: list[str]) -> list[dict[str, Any]]:
        made = []
        for whole in hsds.whole_organisations(session, ids):
            one = shown("organization", whole, fields)
            if services:
                offered = hsds.whole_services(session, hsds.services_of_organisation(session, whole["id"]))
                nested = WHOLE if fields is WHOLE else UK
                one["services"] = [shown("service", service, nested) for service in offered]
            made.append(one)
        return made

    return records


@router.get("/hsds/organizations", response_model=FeedPage, responses=STREAMED)
@router.get("/hsds/organizations/", include_in_schema=False)
def list_feed_organizations(
    session: Reading,
    request: Request,
    principal: Annotated[Principal, require("open")],
    search: Search = None,
    taxonomy_term_id: TermId = None,
    taxonomy_id: TaxonomyId = None,
    page: Page = 1,
    per_page: PerPage = 50,
    format: Format = "json",
    full: Full = None,
    full_service: FullService = False,
) -> Response:
    """Organisations in the order of their ids; by a taxonomy or term, those with a service for it."""
    need_ids, unknown = needs_of(session, taxonomy_term_id)
    found = hsds.organisations(
        session,
        search=words(search),
        need_ids=() if unknown is not None else need_ids,
        taxonomy=taxonomy_of(session, taxonomy_id),
    )
    if format == "ndjson":
        fields = LISTED if full is False else WHOLE
        return stream(request, found, _organizations(fields, services=full_service))
    size = min(per_page, MOST_WITH_SERVICES) if full_service else per_page
    records = _organizations(WHOLE if full else LISTED, services=full_service)
    return paged(session, found, records, number=page, size=size)


@router.get("/hsds/organizations/{id}", response_model=dict[str, Any])
def read_feed_organization(
    id: StandingId,
    session: Reading,
    principal: Annotated[Principal, require("open")],
    full: Full = None,
    full_service: FullService = False,
) -> Response:
    """One organisation; one that was merged into another is redirected to it."""
    for made in _organizations(WHOLE if full else UK, services=full_service)(session, [id.lower()]):
        return record(made)
    raise UnknownRecord("organisation")
