"""The register of feeds: who may bring what, when it is pulled, and asking for a pull."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from hedgerow_kit.auth import Principal
from hedgerow_kit.bulk import new_id
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.actions.provenance import claim, lock
from hedgerow_registry.domain.feeds.schedule import next_after
from hedgerow_registry.errors import (
    FeedIsOff,
    FeedKeepsSource,
    PullHasEnded,
    SourceHasFeed,
    SourceOfAnotherAuthority,
    UnknownRecord,
)
from hedgerow_registry.store import feeds
from hedgerow_registry.tables import Feed, FeedPull, Source
from hedgerow_registry.upstream.feed import checked_address

FULL, CHANGES = "full", "changes"
# A pull of which nothing was heard for so long has lost its worker.
SILENCE = timedelta(minutes=10)


class Terms(NamedTuple):
    """What is said of a feed when it is registered or changed."""

    url: str
    source: str
    authority: str | None
    schedule: str | None
    enabled: bool
    largest_loss: float
    full_every_days: int


Precondition = Callable[[Feed], None]


def register(session: Session, terms: Terms, *, by: Principal, now: datetime) -> Feed:
    """Register a feed under a source. Raises SourceHasFeed, SourceOfAnotherAuthority, FeedRefused."""
    checked_address(terms.url)
    claim(session, terms.source, by, authority_code=terms.authority)
    lock(session, terms.source)
    if feeds.feed_of_source(session, terms.source) is not None:
        raise SourceHasFeed
    authority = session.scalar(select(Source.authority_code).where(Source.name == terms.source))
    made = Feed(
        id=str(uuid4()),
        source=terms.source,
        authority_code=authority,
        created_at=now,
        created_by=by.subject,
        **_told(terms, now),
    )
    session.add(made)
    session.flush()
    return made


def change(
    session: Session, id: str, terms: Terms, *, by: Principal, when: Precondition, now: datetime
) -> Feed:
    """Change a feed that one has read. Raises UnknownRecord, FeedKeepsSource, FeedRefused."""
    held = within(session, id, by, lock=True)
    when(held)
    checked_address(terms.url)
    if terms.source != held.source:
        raise FeedKeepsSource
    if terms.url != held.url:
        # What was learnt of the old address says nothing of the new one.
        feeds.forget_pages(session, id)
        held.filters_by_change = held.complete_at = held.last_full_at = held.list_url = None
    told = _told(terms, now)
    if terms.schedule == held.schedule and terms.enabled and held.enabled:
        del told["next_due_at"]
    for name, value in told.items():
        setattr(held, name, value)
    session.flush()
    return held


def remove(session: Session, id: str, *, by: Principal, when: Precondition) -> list[str]:
    """Take a feed off the register; gives the ids of its pulls under way. What it brought stays."""
    held = within(session, id, by, lock=True)
    when(held)
    active = feeds.active_pull(session, id)
    session.delete(held)
    session.flush()
    return [] if active is None else [active.id]


def within(session: Session, id: str, principal: Principal, *, lock: bool = False) -> Feed:
    """A feed that a principal may know of; locked, one that it may change.

    Raises UnknownRecord, SourceOfAnotherAuthority.
    """
    held = feeds.feed(session, id, lock=lock)
    if held is None:
        raise UnknownRecord("feed")
    if lock and not principal.owns(held.authority_code):
        raise SourceOfAnotherAuthority
    return held


def pull_within(session: Session, feed_id: str, id: str, principal: Principal) -> FeedPull:
    """A pull of a feed within a principal's authorities. Raises UnknownRecord."""
    within(session, feed_id, principal)
    held = feeds.pull(session, id)
    if held is None or held.feed_id != feed_id:
        raise UnknownRecord("pull")
    return held


def ask(
    session: Session, feed_id: str, *, by: Principal, mode: str | None, now: datetime
) -> tuple[FeedPull, bool]:
    """Ask for a pull of a feed; tells whether it is a new one, or the one under way. Raises FeedIsOff."""
    held = within(session, feed_id, by, lock=True)
    if not held.enabled:
        raise FeedIsOff
    return _asked(session, held, mode=mode, asked_by=by.subject, now=now)


def ask_due(session: Session, now: datetime) -> list[str]:
    """Ask for a pull of every feed that is due, and say when it is due next; gives the pulls' ids.

    The feeds are locked: of several replicas one asks for each. A feed whose last pull is still under way is
    left out this once.
    """
    asked = []
    for held in feeds.due(session, now):
        pull, is_new = _asked(session, held, mode=None, asked_by=None, now=now)
        held.next_due_at = None if held.schedule is None else next_after(held.schedule, now)
        asked += [pull.id] if is_new else []
    return asked


def hand_out_again(session: Session, now: datetime) -> list[str]:
    """Hand out what is to be tried again now, and what lost its worker; gives the pulls' ids."""
    found = feeds.to_hand_out_again(session, now, now - SILENCE)
    for pull in found:
        hand_out(pull, now)
    return [pull.id for pull in found]


def hand_out(pull: FeedPull, now: datetime) -> None:
    """Let the next free worker take a pull; whoever has it in hand stops."""
    pull.state, pull.runner, pull.next_try_at = "waiting", None, None
    pull.turn += 1
    pull.touched_at = now


def confirm(session: Session, feed_id: str, id: str, *, by: Principal, now: datetime) -> FeedPull:
    """Let a pull remove what it asked about. Raises UnknownRecord, PullHasEnded."""
    held = _unconfirmed(session, feed_id, id, by)
    held.confirmed_by = by.subject
    held.ended_at = None
    hand_out(held, now)
    return held


def dismiss(session: Session, feed_id: str, id: str, *, by: Principal, now: datetime) -> FeedPull:
    """End a pull without removing what it asked about. Raises UnknownRecord, PullHasEnded."""
    held = _unconfirmed(session, feed_id, id, by)
    held.state, held.ended_at, held.touched_at = "dismissed", now, now
    return held


def _unconfirmed(session: Session, feed_id: str, id: str, by: Principal) -> FeedPull:
    within(session, feed_id, by, lock=True)
    pull_within(session, feed_id, id, by)
    held = feeds.pull(session, id, lock=True)
    if held is None or held.state != "needs_confirmation":
        raise PullHasEnded
    return held


def _asked(
    session: Session, held: Feed, *, mode: str | None, asked_by: str | None, now: datetime
) -> tuple[FeedPull, bool]:
    active = feeds.active_pull(session, held.id)
    if active is not None:
        return active, False
    if mode is None:
        every = timedelta(days=held.full_every_days)
        mode = FULL if held.last_full_at is None or now - held.last_full_at >= every else CHANGES
    for older in feeds.unconfirmed(session, held.id):
        # A newer pull sees what is missing now, and asks itself.
        older.state, older.ended_at, older.touched_at = "dismissed", now, now
    made = FeedPull(
        id=new_id("registry"),
        feed_id=held.id,
        mode=mode,
        state="waiting",
        asked_by=asked_by,
        asked_at=now,
        touched_at=now,
        turn=1,
        tries=0,
        retries=0,
        pages=0,
        unchanged_pages=0,
        partial=0,
        gone=0,
    )
    session.add(made)
    session.flush()
    return made, True


def _told(terms: Terms, now: datetime) -> dict[str, object]:
    due = None
    if terms.enabled and terms.schedule is not None:
        # An interval is counted from the first pull, which nobody need wait for.
        due = now if terms.schedule.startswith("P") else next_after(terms.schedule, now)
    return {
        "url": terms.url,
        "schedule": terms.schedule,
        "enabled": terms.enabled,
        "largest_loss": terms.largest_loss,
        "full_every_days": terms.full_every_days,
        "next_due_at": due,
        "updated_at": now,
    }


def moment() -> datetime:
    return datetime.now(UTC)
