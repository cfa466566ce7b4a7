"""`/v1/feeds`: live feeds that are pulled on a schedule, and what became of each pull."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.bulk import Counts, Importer
from hedgerow_kit.conditional import etag, require_match
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.problems import Conditional
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.orm import Session

from hedgerow_registry.actions import feeds as actions
from hedgerow_registry.api.wire import Body
from hedgerow_registry.domain.feeds import schedule as schedules
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.store import feeds

router = problems.router(tags=["feeds"])

State = Literal["waiting", "running", "retrying", "needs_confirmation", "completed", "failed", "dismissed"]


class FeedBody(Body):
    """A feed as it is registered."""

    url: str = Field(min_length=1, max_length=2000, description="Its root, its `/services`, or one service")
    source: str = Field(
        min_length=1,
        max_length=LONGEST_SOURCE,
        pattern=r"^\S(.*\S)?$",
        description="The source its records are kept under",
    )
    authority: str | None = Field(
        default=None, max_length=64, description="The authority that a new source belongs to"
    )
    schedule: str | None = Field(
        default=None,
        max_length=100,
        description="An interval (`PT6H`, `P1D`) or five fields of a crontab in UTC (`30 2 * * *`);"
        " without one it is pulled on demand only",
    )
    enabled: bool = True
    largest_loss: float = Field(
        default=0.2, ge=0, le=1, description="The share of its services that may vanish at once unasked"
    )
    full_every_days: int = Field(
        default=7, ge=1, le=366, description="How often it is read whole, though it may tell what changed"
    )

    @field_validator("schedule")
    @classmethod
    def _spelt(cls, said: str | None) -> str | None:
        return None if said is None else schedules.schedule(said)

    @field_validator("source")
    @classmethod
    def _printable(cls, said: str) -> str:
        if not said.isprintable():
            raise ValueError("printable characters only")
        return said

    def terms(self) -> actions.Terms:
        return actions.Terms(**self.model_dump())


class PullView(BaseModel):
    """A pull: how far it is, what came of it, and when it is tried again."""

    id: str
    feed_id: str
    mode: Literal["full", "changes"] = Field(
        description="`changes`: only what changed, where the feed allows it"
    )
    since: datetime | None = Field(description="What changed since then was asked for")
    state: State
    error: str | None = Field(description="What is wrong, in words")
    counts: Counts
    gone: int = Field(description="Services that were removed because the feed has them no more")
    would_remove: int | None = Field(description="How many wait for a confirmation to be removed")
    pages: int
    unchanged_pages: int
    retries: int = Field(description="Answers that had to be asked for again")
    tries: int = Field(description="Tries in a row that brought no page")
    next_try_at: datetime | None
    verdict: Literal["whole", "unstated", "inconsistent"] | None = Field(
        description="Whether the feed was read whole, as far as its own words tell"
    )
    notes: list[str]
    asked_by: str | None
    confirmed_by: str | None
    asked_at: datetime
    started_at: datetime | None
    touched_at: datetime
    ended_at: datetime | None
    receipts: str


class FeedView(BaseModel):
    """A feed, and its last pull."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    url: str
    source: str
    authority: str | None
    schedule: str | None
    enabled: bool
    largest_loss: float
    full_every_days: int
    filters_by_change: bool | None = Field(
        description="Whether it can be asked for what changed; null: not known"
    )
    services: int = Field(description="Services it brought that are not gone")
    last_pull_at: datetime | None
    last_full_at: datetime | None
    next_due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    last_pull: PullView | None


class RecordView(BaseModel):
    """A service that a feed brought: in which pull first and last, and whether it is gone."""

    model_config = ConfigDict(from_attributes=True)

    service_id: str
    own_id: str = Field(description="Its id as the feed writes it")
    place: str
    first_pull_id: str
    pull_id: str = Field(description="The last pull that met it")
    missed: int = Field(description="In how many pulls in a row it was missing")
    gone_at: datetime | None
    gone_pull_id: str | None


@router.post("/v1/feeds", status_code=201)
def register_feed(
    body: FeedBody,
    session: Writing,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("administer")],
) -> FeedView:
    """Register a feed. With a schedule it is pulled from now on: the first time at once, or when due."""
    made = actions.register(session, body.terms(), by=principal, now=_now())
    response.headers["Location"] = f"/v1/feeds/{made.id}"
    _wake(request)
    return _shown(session, made, response)


@router.get("/v1/feeds")
def list_feeds(
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("write")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[FeedView]:
    """The feeds of your authorities, in the order of their ids."""
    rows, marker = feeds.feed_page(session, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_feed(session, row) for row in rows], next=marker)


@router.get("/v1/feeds/{id}")
def read_feed(
    id: str, session: Reading, response: Response, principal: Annotated[Principal, require("write")]
) -> FeedView:
    """One feed."""
    return _shown(session, actions.within(session, id, principal), response)


@router.put("/v1/feeds/{id}")
def change_feed(
    id: str,
    body: FeedBody,
    session: Writing,
    request: Conditional,
    response: Response,
    principal: Annotated[Principal, require("administer")],
) -> FeedView:
    """Change a feed that you have read (`If-Match`). Its source stays."""
    held = actions.change(
        session,
        id,
        body.terms(),
        by=principal,
        when=lambda feed: require_match(request, _tag(feed)),
        now=_now(),
    )
    _wake(request)
    return _shown(session, held, response)


@router.delete("/v1/feeds/{id}", status_code=204)
def remove_feed(
    id: str, session: Writing, request: Conditional, principal: Annotated[Principal, require("administer")]
) -> None:
    """Take a feed off the register (`If-Match`). What it brought stays, and a pull under way stops."""
    importer: Importer = request.app.state.importer
    active = actions.remove(session, id, by=principal, when=lambda feed: require_match(request, _tag(feed)))
    for pull_id in active:
        if feeds.run_of(session, pull_id) is not None:
            importer.end(session, pull_id, "failed", "the feed was taken off the register")


@router.post("/v1/feeds/{id}/pull", status_code=202)
def pull_feed(
    id: str,
    session: Writing,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("write")],
    mode: Annotated[
        Literal["full", "changes"] | None,
        Query(description="By default what changed, and everything when the last full pull is long ago"),
    ] = None,
) -> PullView:
    """Pull a feed now, in the background. Where a pull is under way already, it is the answer."""
    pull, _ = actions.ask(session, id, by=principal, mode=mode, now=_now())
    response.headers["Location"] = f"/v1/feeds/{id}/pulls/{pull.id}"
    _wake(request)
    return _pull(session, pull)


@router.get("/v1/feeds/{id}/pulls")
def list_pulls(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("write")],
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[PullView]:
    """The pulls of a feed in the order in which they were asked for."""
    actions.within(session, id, principal)
    rows, marker = feeds.pull_page(session, id, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[_pull(session, row) for row in rows], next=marker)


@router.get("/v1/feeds/{id}/pulls/{pull_id}")
def read_pull(
    id: str, pull_id: str, session: Reading, principal: Annotated[Principal, require("write")]
) -> PullView:
    """One pull."""
    return _pull(session, actions.pull_within(session, id, pull_id, principal))


@router.post("/v1/feeds/{id}/pulls/{pull_id}/confirm", status_code=202)
def confirm_pull(
    id: str,
    pull_id: str,
    session: Writing,
    request: Request,
    principal: Annotated[Principal, require("administer")],
) -> PullView:
    """Let a pull remove the many services that it found missing."""
    held = actions.confirm(session, id, pull_id, by=principal, now=_now())
    _wake(request)
    return _pull(session, held)


@router.post("/v1/feeds/{id}/pulls/{pull_id}/dismiss")
def dismiss_pull(
    id: str, pull_id: str, session: Writing, principal: Annotated[Principal, require("administer")]
) -> PullView:
    """Keep the services that a pull found missing; the next pull looks anew."""
    return _pull(session, actions.dismiss(session, id, pull_id, by=principal, now=_now()))


@router.get("/v1/feeds/{id}/records")
def list_records(
    id: str,
    session: Reading,
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("write")],
    gone: Annotated[bool | None, Query(description="Only what is gone, or only what is not")] = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> paging.Page[RecordView]:
    """What a feed brought, in the order of the services' ids, each with the pulls that met it."""
    actions.within(session, id, principal)
    rows, marker = feeds.record_page(session, id, gone=gone, after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=[RecordView.model_validate(row) for row in rows], next=marker)


def _now() -> datetime:
    return datetime.now(UTC)


def _wake(request: Request) -> None:
    # It looks every few seconds anyway: what is committed a moment later is found then.
    request.app.state.pulling.wake()


def _tag(feed: Any) -> str:
    return etag(feed.id, feed.updated_at.isoformat())


def _shown(session: Session, feed: Any, response: Response) -> FeedView:
    response.headers["ETag"] = _tag(feed)
    return _feed(session, feed)


def _feed(session: Session, feed: Any) -> FeedView:
    last = feeds.last_pull(session, feed.id)
    told: dict[str, Any] = {
        name: getattr(feed, name) for name in FeedView.model_fields if hasattr(feed, name)
    }
    return FeedView(
        **told,
        authority=feed.authority_code,
        services=feeds.held(session, feed.id),
        last_pull=None if last is None else _pull(session, last),
    )


def _pull(session: Session, pull: Any) -> PullView:
    run = feeds.run_of(session, pull.id)
    counts = Counts(accepted=0, changed=0, unchanged=0, quarantined=0)
    if run is not None:
        counts = Counts(
            accepted=run.accepted, changed=run.changed, unchanged=run.unchanged, quarantined=run.quarantined
        )
    told: dict[str, Any] = {
        name: getattr(pull, name) for name in PullView.model_fields if hasattr(pull, name)
    }
    notes = [] if run is None else run.notes
    return PullView(**told, counts=counts, notes=notes, receipts=f"/v1/imports/{pull.id}/receipts")
