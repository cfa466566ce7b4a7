"""Feeds, their pulls and what they brought: looking them up and bringing them up to date."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from hedgerow_kit.db import among, upsert
from hedgerow_kit.paging import keyset
from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.orm import Session

from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Feed, FeedPage, FeedPull, FeedRecord, Import, Service

ACTIVE = ("waiting", "running", "retrying")
_QUIET = {"synchronize_session": False}


def feed(session: Session, id: str, *, lock: bool = False) -> Feed | None:
    query = select(Feed).where(Feed.id == id)
    query = query.with_for_update() if lock else query
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def feed_page(session: Session, *, after: str | None, limit: int) -> tuple[list[Feed], str | None]:
    """A page of the feeds in the order of their ids."""
    rows, marker = keyset(session, select(Feed), [Feed.id], after=after, limit=limit)
    return [row[0] for row in rows], marker


def feed_of_source(session: Session, source: str) -> str | None:
    """The feed that brings the records of a source."""
    return session.scalar(select(Feed.id).where(Feed.source == source))


def due(session: Session, now: datetime) -> Sequence[Feed]:
    """The feeds that are due, locked; those another replica has locked are its business."""
    query = select(Feed).where(Feed.enabled, Feed.next_due_at <= now).order_by(Feed.next_due_at, Feed.id)
    return session.scalars(query.with_for_update(skip_locked=True)).all()


def pull(session: Session, id: str, *, lock: bool = False) -> FeedPull | None:
    query = select(FeedPull).where(FeedPull.id == id)
    query = query.with_for_update() if lock else query
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def pull_page(
    session: Session, feed_id: str, *, after: str | None, limit: int
) -> tuple[list[FeedPull], str | None]:
    """A page of the pulls of a feed, in the order in which they were asked for."""
    query = select(FeedPull).where(FeedPull.feed_id == feed_id)
    rows, marker = keyset(session, query, [FeedPull.id], after=after, limit=limit)
    return [row[0] for row in rows], marker


def active_pull(session: Session, feed_id: str) -> FeedPull | None:
    """The pull of a feed that has not ended."""
    query = select(FeedPull).where(FeedPull.feed_id == feed_id, FeedPull.state.in_(ACTIVE))
    return session.scalars(query.order_by(FeedPull.id).limit(1)).one_or_none()


def last_pull(session: Session, feed_id: str) -> FeedPull | None:
    query = select(FeedPull).where(FeedPull.feed_id == feed_id)
    return session.scalars(query.order_by(FeedPull.id.desc()).limit(1)).one_or_none()


def unconfirmed(session: Session, feed_id: str) -> Sequence[FeedPull]:
    """The pulls of a feed that wait for somebody to confirm what they would remove."""
    query = select(FeedPull).where(FeedPull.feed_id == feed_id, FeedPull.state == "needs_confirmation")
    return session.scalars(query.order_by(FeedPull.id)).all()


def waiting(session: Session) -> list[tuple[str, int]]:
    """The pulls nobody works on yet, each with its turn."""
    query = select(FeedPull.id, FeedPull.turn).where(FeedPull.state == "waiting").order_by(FeedPull.id)
    return [(id, turn) for id, turn in session.execute(query)]


def to_hand_out_again(session: Session, now: datetime, unheard_since: datetime) -> Sequence[FeedPull]:
    """Pulls whose next try has come, and those that are said to run and were not heard of since; locked."""
    query = select(FeedPull).where(
        or_(
            (FeedPull.state == "running") & (FeedPull.touched_at < unheard_since),
            (FeedPull.state == "retrying") & (FeedPull.next_try_at <= now),
        )
    )
    return session.scalars(query.order_by(FeedPull.id).with_for_update(skip_locked=True)).all()


def has_work(session: Session) -> bool:
    """Whether any pull has not ended."""
    return session.scalar(select(FeedPull.id).where(FeedPull.state.in_(ACTIVE)).limit(1)) is not None


def touch(session: Session, id: str, runner: str, now: datetime) -> bool:
    """Say that a pull is alive, and lock it; whether the runner is still the one at work on it."""
    query = update(FeedPull).where(FeedPull.id == id, FeedPull.runner == runner, FeedPull.state == "running")
    result = session.execute(query.values(touched_at=now), execution_options=_QUIET)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def note_records(session: Session, feed_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Say which services a pull has met; one that was gone is back."""
    kept = ("content", "place", "own_id", "pull_id", "missed", "gone_at", "gone_pull_id")
    upsert(
        session,
        FeedRecord,
        sorted(
            ({**row, "feed_id": feed_id, "missed": 0, "gone_at": None, "gone_pull_id": None} for row in rows),
            key=lambda row: str(row["service_id"]),
        ),
        key=["feed_id", "service_id"],
        update=kept,
    )


def met_again(session: Session, feed_id: str, pull_id: str, service_ids: Iterable[str]) -> None:
    """Say of services on a page that did not change that this pull has met them."""
    for piece in chunks(sorted(service_ids)):
        query = update(FeedRecord).where(FeedRecord.feed_id == feed_id, FeedRecord.service_id.in_(piece))
        session.execute(query.values(pull_id=pull_id, missed=0), execution_options=_QUIET)


def met(session: Session, feed_id: str, pull_id: str) -> list[tuple[str, str, str, str]]:
    """What a pull has met so far: id of the service, the feed's own id, content and place."""
    table = FeedRecord
    query = select(table.service_id, table.own_id, table.content, table.place)
    return [
        (service_id, own_id, content, place)
        for service_id, own_id, content, place in session.execute(
            query.where(table.feed_id == feed_id, table.pull_id == pull_id)
        )
    ]


def held(session: Session, feed_id: str) -> int:
    """How many services of a feed are not gone."""
    query = select(func.count()).where(FeedRecord.feed_id == feed_id, FeedRecord.gone_at.is_(None))
    return session.scalar(query) or 0


def count_missed(session: Session, feed_id: str, pull_id: str) -> None:
    """Count one more pull for the services that this one has not met."""
    query = update(FeedRecord).where(*_missing(feed_id, pull_id))
    session.execute(query.values(missed=FeedRecord.missed + 1), execution_options=_QUIET)


def missing(session: Session, feed_id: str, pull_id: str, pulls: int) -> list[tuple[str, str]]:
    """The services missing for so many pulls in a row: id, and the feed's own id."""
    query = select(FeedRecord.service_id, FeedRecord.own_id)
    query = query.where(*_missing(feed_id, pull_id), FeedRecord.missed >= pulls)
    return [(id, own_id) for id, own_id in session.execute(query.order_by(FeedRecord.service_id))]


def _missing(feed_id: str, pull_id: str) -> list[Any]:
    table = FeedRecord
    return [table.feed_id == feed_id, table.pull_id != pull_id, table.gone_at.is_(None)]


def note_gone(
    session: Session, feed_id: str, pull_id: str, service_ids: Iterable[str], now: datetime
) -> None:
    for piece in chunks(sorted(service_ids)):
        query = update(FeedRecord).where(FeedRecord.feed_id == feed_id, FeedRecord.service_id.in_(piece))
        session.execute(query.values(gone_at=now, gone_pull_id=pull_id), execution_options=_QUIET)


def read_others_anew(session: Session, feed_id: str, service_ids: Iterable[str]) -> None:
    """Let other feeds that give some of these services too be read whole the next time."""
    table = FeedRecord
    for piece in chunks(service_ids):
        query = select(table.feed_id).where(
            among(table.service_id, piece), table.feed_id != feed_id, table.gone_at.is_(None)
        )
        # In one order, so that two feeds cannot wait for each other.
        for other in session.scalars(query.distinct().order_by(table.feed_id)).all():
            forget_pages(session, other)
            anew = update(Feed).where(Feed.id == other).values(complete_at=None)
            session.execute(anew, execution_options=_QUIET)


def of_source(session: Session, ids: Iterable[str], source: str) -> list[str]:
    """Those of some services that a source has brought, in order."""
    return sorted(
        id
        for piece in chunks(ids)
        for id in session.scalars(select(Service.id).where(Service.id.in_(piece), Service.source == source))
    )


def known_page(session: Session, feed_id: str, number: int) -> FeedPage | None:
    """A page as it was last read, if all its services are still held as they came with it."""
    page = session.get(FeedPage, (feed_id, number))
    if page is None or (page.etag is None and page.last_modified is None):
        return None
    there = 0
    for piece in chunks(page.service_ids):
        query = (
            select(func.count()).select_from(FeedRecord).join(Service, Service.id == FeedRecord.service_id)
        )
        there += (
            session.scalar(
                query.where(
                    FeedRecord.feed_id == feed_id,
                    FeedRecord.service_id.in_(piece),
                    FeedRecord.gone_at.is_(None),
                )
            )
            or 0
        )
    return page if there == len(page.service_ids) else None


def keep_page(session: Session, feed_id: str, number: int, **told: Any) -> None:
    row = {"feed_id": feed_id, "number": number, **told}
    upsert(session, FeedPage, [row], key=["feed_id", "number"])


def forget_pages(
    session: Session, feed_id: str, *, above: int | None = None, number: int | None = None
) -> None:
    """Forget one page, all above a number, or all."""
    query = delete(FeedPage).where(FeedPage.feed_id == feed_id)
    if above is not None:
        query = query.where(FeedPage.number > above)
    if number is not None:
        query = query.where(FeedPage.number == number)
    session.execute(query, execution_options=_QUIET)


def page_is_last(session: Session, feed_id: str, number: int) -> None:
    """Say of a page that nothing comes after it, though it does not say so itself."""
    page = session.get(FeedPage, (feed_id, number))
    if page is not None:
        items, pages, own, _ = page.said
        page.said = [items, pages, own, True]


def record_page(
    session: Session, feed_id: str, *, gone: bool | None, after: str | None, limit: int
) -> tuple[list[FeedRecord], str | None]:
    """A page of what a feed brought, in the order of the services' ids."""
    query = select(FeedRecord).where(FeedRecord.feed_id == feed_id)
    if gone is not None:
        query = query.where(FeedRecord.gone_at.is_not(None) if gone else FeedRecord.gone_at.is_(None))
    rows, marker = keyset(session, query, [FeedRecord.service_id], after=after, limit=limit)
    return [row[0] for row in rows], marker


def is_any_due(session: Session, now: datetime) -> bool:
    query = select(Feed.id).where(Feed.enabled, Feed.next_due_at <= now).limit(1)
    return session.scalar(query) is not None


def run_of(session: Session, pull_id: str) -> Import | None:
    """The import that a pull is; `None` until somebody works on it."""
    return session.get(Import, pull_id)
