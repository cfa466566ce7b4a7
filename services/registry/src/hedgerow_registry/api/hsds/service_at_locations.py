"""`/hsds/service_at_locations`."""

from typing import Annotated, Any

from fastapi import Request, Response
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
from hedgerow_registry.api.hsds.services import Full
from hedgerow_registry.domain.hsds.profile import LISTED, UK, WHOLE, Fields, shown
from hedgerow_registry.domain.hsds.serving import place_record
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import hsds

router = problems.router()


def _places(fields: Fields) -> Records:
    def records(session: Session, ids: list[str]) -> list[dict[str, Any]]:
        service_of = hsds.services_of_places(session, ids)
        services = hsds.whole_services(session, sorted(set(service_of.values())))
        by_id = {service["id"]: service for service in services}
        made = (place_record(by_id[service_of[id]], id) for id in ids if id in service_of)
        return [
            shown("service_at_location", place, fields)
            | {"service": shown("service", place["service"], fields)}
            for place in made
            if place is not None
        ]

    return records


@router.get("/hsds/service_at_locations", response_model=FeedPage, responses=STREAMED)
@router.get("/hsds/service_at_locations/", include_in_schema=False)
def list_feed_service_at_locations(
    session: Reading,
    request: Request,
    principal: Annotated[Principal, require("open")],
    wanted: Filters,
    page: Page = 1,
    per_page: PerPage = 50,
    format: Format = "json",
    full: Full = None,
) -> Response:
    """Places where services are delivered, each with its service; the filters are those of services.

    `postcode` gives the places at it, with `proximity` those around it. Online places, and those of which no
    location is said, stand at no postcode.
    """
    found = hsds.places(session, wanted)
    if format == "ndjson":
        return stream(request, found, _places(LISTED if full is False else WHOLE))
    return paged(session, found, _places(WHOLE if full else LISTED), number=page, size=per_page)


@router.get("/hsds/service_at_locations/{id}", response_model=dict[str, Any])
def read_feed_service_at_location(
    id: str, session: Reading, principal: Annotated[Principal, require("open")], full: Full = None
) -> Response:
    """One place with its location and its service."""
    for made in _places(WHOLE if full else UK)(session, [id.lower()]):
        return record(made)
    raise UnknownRecord("service at a location")
