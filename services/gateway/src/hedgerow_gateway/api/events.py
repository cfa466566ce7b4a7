"""`/v1/events`: what happened, as a feed to read: the same events that webhooks are sent."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import Query, Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from pydantic import BaseModel, Field

from hedgerow_gateway.actions.events import sight_of
from hedgerow_gateway.domain.events import Interest, is_known_pattern
from hedgerow_gateway.domain.grants import GSS_CODE
from hedgerow_gateway.store import events

router = problems.router(tags=["events"])

# A page looks through so many events for those that are asked for.
LOOKED_THROUGH = 5_000


class CloudEvent(BaseModel):
    """Something that happened, as a CloudEvent. `data` is what it happened to, as it was when the gateway
    heard of it; null if it is no more.
    """

    specversion: str
    id: str = Field(description="The same for ever; webhooks name it in `webhook-id`")
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    sequence: str = Field(description="Sorts events in the order of the feed")
    data: dict[str, Any] | None


class EventPage(BaseModel):
    """A page of events: `position` is what to send as `after` next time, also when nothing came."""

    items: list[CloudEvent]
    next: str | None = Field(description="Where to go on at once; null: that was all for now")
    position: str


@router.get("/v1/events", response_model=EventPage)
def list_events(
    session: Reading,
    principal: Annotated[Principal, require("read")],
    after: Annotated[
        str | None,
        Query(
            pattern=r"^\d{1,18}-[0-9a-f]{12}$",
            description="The `position` of the page before; none: the oldest",
        ),
    ] = None,
    types: Annotated[
        str | None,
        Query(max_length=1000, description="Only these, comma-separated, as in `hedgerow.breach.*`"),
    ] = None,
    area: Annotated[
        str | None, Query(max_length=20, description="Only what concerns this area or lies within it")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Response:
    """What happened after a position, oldest first, without gaps; what you may not see is left out.

    Events are kept for 30 days, or as long as the operator says. A position before that is answered 410
    `events-over`: read the present state from the lists, and go on without `after`. A position in another
    history (the gateway was restored from a backup) is answered 409 `history-replaced`.
    """
    interest = Interest(_types(types), frozenset(_area(area)))
    sight = sight_of(principal)
    seq = events.clock(session).pruned if after is None else events.read_position(session, after)
    items: list[dict[str, Any]] = []
    more = False
    for looked, event in enumerate(events.following(session, seq)):
        is_told = interest.covers(event) and sight.sees(event)
        if looked == LOOKED_THROUGH or (is_told and len(items) == limit):
            more = True
            break
        if is_told:
            items.append(sight.told(event))
        seq = event.seq
    position = events.position(session, seq)
    told = {"items": items, "next": position if more else None, "position": position}
    return Response(orjson.dumps(told, option=orjson.OPT_UTC_Z), media_type="application/json")


def _types(said: str | None) -> list[str]:
    wanted = [name.strip() for name in (said or "").split(",") if name.strip()]
    if not all(map(is_known_pattern, wanted)):
        reason = "no event has such a type: see the list in the reference of events"
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "types", "reason": reason}])
    return wanted


def _area(said: str | None) -> list[str]:
    if said is None:
        return []
    if not GSS_CODE.fullmatch(said):
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "area", "reason": "not a GSS code"}])
    return [said]
