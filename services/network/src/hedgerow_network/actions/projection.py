"""Writes to the projection: a page of the registry's feed, or the start of a new round."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hedgerow_kit.db import upsert
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hedgerow_network.domain.facts import is_readable
from hedgerow_network.tables import Feed, Record
from hedgerow_network.upstream.registry import Change, Changes


def apply(session: Session, page: Changes, *, after: int, heard_at: datetime) -> Feed:
    """Take a page that was read after a position, and move the position with it: both or neither.

    A page read after another position than the present one is dropped: another replica was quicker, or a new
    round has begun. A registry that has fewer changes than were read from it was restored or emptied: a new
    round begins.
    """
    feed = _locked(session)
    feed.heard_at = heard_at
    if feed.position != after:
        return feed
    if page.last < after:
        begin_round(
            session,
            because="The registry has fewer changes than were read from it: it was restored or emptied.",
            at=heard_at,
        )
        feed.registry_last = page.last
        return feed
    feed.registry_last = page.last
    if page.items:
        feed.batch += 1
        upsert(session, Record, _rows(page.items, feed), key=["kind", "id"])
    feed.position = page.position
    if feed.position >= page.last and feed.settled < feed.feeding:
        session.execute(delete(Record).where(Record.feeding < feed.feeding))
        feed.settled = feed.feeding
    return feed


def begin_round(session: Session, *, because: str, at: datetime) -> Feed:
    """Read the feed again from its beginning. What is held answers on until the new round has come to the
    end.
    """
    feed = _locked(session)
    feed.position = 0
    feed.feeding += 1
    feed.rebuilt_at = at
    feed.rebuilt_because = because
    return feed


def _locked(session: Session) -> Feed:
    # On PostgreSQL the lock keeps replicas from applying the same page at once; SQLite has one writer anyway.
    return session.scalars(select(Feed).where(Feed.id == 1).with_for_update()).one()


def _rows(changes: Sequence[Change], feed: Feed) -> list[dict[str, Any]]:
    """One row per entity, the last change of each; sorted by key, which loads faster."""
    by_key = {(change.kind, change.id): change for change in changes}
    rows = []
    for (kind, id), change in sorted(by_key.items()):
        # A record that lacks what we read of it would break every answer: it counts as not there.
        data = change.data if change.data is not None and is_readable(kind, change.data) else None
        rows.append(
            {
                "kind": kind,
                "id": id,
                "seq": change.seq,
                "feeding": feed.feeding,
                "batch": feed.batch,
                "deleted": data is None,
                "data": data,
            }
        )
    return rows
