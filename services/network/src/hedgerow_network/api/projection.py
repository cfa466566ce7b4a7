"""`/v1/projection`: how far network has read the registry, and reading it anew."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Request
from hedgerow_kit import audit, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading, Writing
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_network.api.asking import Follows
from hedgerow_network.store.projection import PROJECTION

router = problems.router(prefix="/v1/projection", tags=["projection"])


class Projection(BaseModel):
    """Network's own copy of what it reads of the registry."""

    position: int = Field(description="The last change of the registry that was applied")
    registry_seq: int = Field(description="The same: the registry state that answers show")
    registry_last: int = Field(description="The registry's last change, as last heard")
    lag: int = Field(description="Changes known and not applied yet")
    complete: bool = Field(description="Whether the feed has been read to its end at least once")
    rebuilding: bool = Field(description="Whether the feed is being read from its beginning")
    rebuilt_at: datetime | None
    rebuilt_because: str | None
    heard_at: datetime | None = Field(description="When the registry last answered, to the minute")
    trouble: str | None = Field(description="Why the registry cannot be followed at the moment")
    records: dict[str, int] = Field(description="Records held, by kind")


@router.get("")
def show_projection(
    request: Request, session: Reading, _principal: Annotated[Principal, require("read")]
) -> Projection:
    """How far the registry has been read, and what is held of it."""
    return _shown(request, session)


@router.post("/rebuild", status_code=202)
def rebuild(
    request: Request, session: Writing, _principal: Annotated[Principal, require("administer")]
) -> Projection:
    """Read the registry's change feed again from its beginning.

    What is held goes on answering, with a caveat, until the end is reached; then records that the feed no
    longer brings are dropped.
    """
    audit.note(session, "projection", "registry", before=None, after={"rebuilding": True})
    PROJECTION.begin_round(session, because="An administrator asked for it.", at=datetime.now(UTC))
    session.flush()
    shown = _shown(request, session)
    follower: Follows | None = request.app.state.follower
    if follower is not None:
        follower.nudge()
    return shown


def _shown(request: Request, session: Session) -> Projection:
    feed = PROJECTION.feed(session)
    follower: Follows | None = request.app.state.follower
    return Projection(
        position=feed.position,
        registry_seq=feed.position,
        registry_last=feed.registry_last,
        lag=max(feed.registry_last - feed.position, 0),
        complete=feed.settled > 0,
        rebuilding=0 < feed.settled < feed.feeding,
        rebuilt_at=feed.rebuilt_at,
        rebuilt_because=feed.rebuilt_because,
        heard_at=feed.heard_at,
        trouble=follower.trouble if follower is not None else None,
        records=PROJECTION.counts(session),
    )
