"""`/v1/changes`: everything that changed, in the order it was committed."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import Query, Response
from hedgerow_kit import problems, refusals
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import CONFLICT, UNPROCESSABLE, Problem
from pydantic import BaseModel

from hedgerow_registry.store import changefeed
from hedgerow_registry.store.sight import Sight

router = problems.router(tags=["changes"])


class CloudEvent(BaseModel):
    """A change as a CloudEvent; `data` is the record as it is now, or null where it is no more."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any] | None


class ChangePage(BaseModel):
    """A page of changes.

    `last` is the number of the newest change, whatever its type; `position` that of the last change the page
    speaks for, whether shown or left out. `epoch` names the history: it is another one once the registry was
    filled anew or an operator has said that it was restored. `mark` proves where you are in it.
    """

    items: list[CloudEvent]
    next: str | None
    last: int
    position: int
    epoch: str
    mark: str


@router.get("/v1/changes", response_model=ChangePage, responses={409: refusals.answer(CONFLICT)})
def list_changes(
    session: Reading,
    principal: Annotated[Principal, require("read")],
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The last number you have")] = 0,
    types: Annotated[str | None, Query(max_length=500, description="Only these, comma-separated")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    mark: Annotated[
        str | None, Query(max_length=64, description="The `mark` that came with that number")
    ] = None,
) -> Response:
    """Changes after a number, oldest first, without gaps.

    Go on with `after` set to `position`, and to be sure send `mark` with it: when the registry was restored
    from a backup meanwhile, or filled anew, the answer is 409 `history-replaced`, and all has to be read
    again from 0. A record that changed more than once comes with its present state each time; one that was
    deleted comes as a tombstone.
    """
    page = changefeed.page(
        session,
        after=after,
        limit=limit,
        types=_types(types),
        sight=Sight.of(session, principal),
        marked=mark,
    )
    items = [
        {
            "specversion": "1.0",
            "id": str(event.seq),
            "source": "/registry",
            "type": f"hedgerow.{event.type}.{'deleted' if event.state is None else 'updated'}",
            "subject": event.id,
            "time": event.at,
            "data": event.state,
        }
        for event in page.events
    ]
    following = None if page.next is None else str(page.next)
    told = {"items": items, "next": following, "last": page.last}
    told |= {"position": page.position, "epoch": page.epoch, "mark": page.mark}
    return Response(orjson.dumps(told, option=orjson.OPT_UTC_Z), media_type="application/json")


def _types(said: str | None) -> list[str]:
    wanted = [name.strip() for name in (said or "").split(",") if name.strip()]
    if set(wanted) - set(changefeed.TYPES):
        known = ", ".join(changefeed.TYPES)
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "types", "reason": f"known types: {known}"}])
    return wanted
