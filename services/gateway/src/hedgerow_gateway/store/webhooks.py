"""Queries on webhooks and on what is on its way to them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from hedgerow_kit import paging
from hedgerow_kit.auth import ALL_AUTHORITIES, Principal
from hedgerow_kit.db import insert_all, upsert
from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.orm import Session

from hedgerow_gateway.tables import Delivery, Event, Webhook

WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"
STATUSES = (WAITING, DELIVERED, DEAD)


def found(session: Session, id: str, principal: Principal) -> Webhook | None:
    """A webhook, if it sees no more than who asks."""
    webhook = session.get(Webhook, id)
    return webhook if webhook is not None and _is_within(webhook, principal) else None


def page(
    session: Session, principal: Principal, *, after: str | None, limit: int
) -> tuple[list[Webhook], str | None]:
    """The webhooks that see no more than who asks, in the order they were made."""
    rows, marker = paging.keyset(
        session, select(Webhook), [Webhook.created_at, Webhook.id], after=after, limit=limit
    )
    return [row[0] for row in rows if _is_within(row[0], principal)], marker


def _is_within(webhook: Webhook, principal: Principal) -> bool:
    return ALL_AUTHORITIES in principal.authorities or principal.authorities >= set(webhook.authorities)


def enabled(session: Session) -> Sequence[Webhook]:
    return session.scalars(select(Webhook).where(Webhook.enabled).order_by(Webhook.id)).all()


# --- deliveries ---


def add_deliveries(session: Session, pairs: Iterable[tuple[str, int]], *, now: datetime) -> None:
    """Put events on their way to webhooks that have never been sent them."""
    insert_all(session, Delivery, [_fresh(webhook_id, seq, now) for webhook_id, seq in pairs])


def send_again(session: Session, webhook_id: str, seqs: Iterable[int], *, now: datetime) -> None:
    """Put events on their way to a webhook, from the first try on."""
    rows = [_fresh(webhook_id, seq, now) for seq in seqs]
    upsert(session, Delivery, rows, key=["webhook_id", "event_seq"], update=["status", "attempts", "due_at"])


def _fresh(webhook_id: str, seq: int, now: datetime) -> dict[str, Any]:
    return {
        "webhook_id": webhook_id,
        "event_seq": seq,
        "status": WAITING,
        "attempts": 0,
        "due_at": now,
        "created_at": now,
    }


def statuses(session: Session, webhook_id: str, seqs: Sequence[int]) -> dict[int, str]:
    """What became of a range of events on their way to a webhook."""
    query = select(Delivery.event_seq, Delivery.status).where(
        Delivery.webhook_id == webhook_id, Delivery.event_seq.between(seqs[0], seqs[-1])
    )
    return {seq: status for seq, status in session.execute(query)}


def delivery(session: Session, webhook_id: str, event_id: str) -> Row[Any] | None:
    """One delivery, with the id and the type of its event."""
    query = _deliveries(webhook_id).where(Event.id == event_id)
    row: Row[Any] | None = session.execute(query).one_or_none()
    return row


def delivery_page(
    session: Session, webhook_id: str, *, status: str | None, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Deliveries of a webhook in the order of their events, each with the id and the type of its event."""
    query = _deliveries(webhook_id)
    if status is not None:
        query = query.where(Delivery.status == status)
    return paging.keyset(session, query, [Delivery.event_seq], after=after, limit=limit)


def _deliveries(webhook_id: str) -> Any:
    joined = select(Delivery, Event.id.label("event_id"), Event.type.label("event_type"))
    return joined.join(Event, Event.seq == Delivery.event_seq).where(Delivery.webhook_id == webhook_id)


def counts(session: Session, webhook_id: str) -> dict[str, int]:
    """How many deliveries there are of each status."""
    query = select(Delivery.status, func.count()).where(Delivery.webhook_id == webhook_id)
    found = {status: number for status, number in session.execute(query.group_by(Delivery.status))}
    return {status: found.get(status, 0) for status in STATUSES}


# --- working them off ---


def with_work(session: Session, now: datetime) -> list[str]:
    """The webhooks that something is due for and that nobody is serving."""
    due = select(Delivery.webhook_id).where(
        Delivery.webhook_id == Webhook.id, Delivery.status == WAITING, Delivery.due_at <= now
    )
    query = select(Webhook.id).where(
        Webhook.enabled,
        or_(Webhook.rest_until.is_(None), Webhook.rest_until <= now),
        or_(Webhook.lane_until.is_(None), Webhook.lane_until <= now),
        due.exists(),
    )
    return list(session.scalars(query.order_by(Webhook.id)))


def take_lane(session: Session, id: str, *, lane: str, now: datetime, life: timedelta) -> Webhook | None:
    """Serve a webhook from now on, or go on serving it; None where another does, or it may not be served."""
    taken = (
        update(Webhook)
        .where(
            Webhook.id == id,
            Webhook.enabled,
            or_(Webhook.rest_until.is_(None), Webhook.rest_until <= now),
            or_(Webhook.lane == lane, Webhook.lane_until.is_(None), Webhook.lane_until <= now),
        )
        .values(lane=lane, lane_until=now + life)
        .returning(Webhook)
    )
    return session.scalars(taken, execution_options={"populate_existing": True}).one_or_none()


def leave_lane(session: Session, id: str, *, lane: str) -> None:
    """Leave a webhook to whoever serves it next."""
    left = update(Webhook).where(Webhook.id == id, Webhook.lane == lane)
    session.execute(left.values(lane=None, lane_until=None))


def leave_all_lanes(session: Session) -> None:
    """Leave every webhook to whoever serves it next."""
    session.execute(update(Webhook).where(Webhook.lane.is_not(None)).values(lane=None, lane_until=None))


def locked(session: Session, id: str) -> Webhook | None:
    """A webhook to note in what became of its deliveries; None where it was removed."""
    return session.scalars(select(Webhook).where(Webhook.id == id).with_for_update()).one_or_none()


def due(session: Session, id: str, *, now: datetime, limit: int) -> Sequence[Delivery]:
    """What is due to be sent to a webhook, the longest due first."""
    query = select(Delivery).where(
        Delivery.webhook_id == id, Delivery.status == WAITING, Delivery.due_at <= now
    )
    return session.scalars(query.order_by(Delivery.due_at, Delivery.event_seq).limit(limit)).all()


def several_deliveries(session: Session, id: str, seqs: Iterable[int]) -> Sequence[Delivery]:
    query = select(Delivery).where(Delivery.webhook_id == id, Delivery.event_seq.in_(list(seqs)))
    return session.scalars(query.order_by(Delivery.event_seq)).all()


def hasten(session: Session, id: str, *, now: datetime) -> None:
    """Let everything that waits for a webhook be due."""
    waiting = update(Delivery).where(
        Delivery.webhook_id == id, Delivery.status == WAITING, Delivery.due_at > now
    )
    session.execute(waiting.values(due_at=now), execution_options={"synchronize_session": False})


def bury_waiting(session: Session, id: str, *, reason: str) -> None:
    """Give up what waits for a webhook; it is kept, and can be sent again."""
    waiting = update(Delivery).where(Delivery.webhook_id == id, Delivery.status == WAITING)
    session.execute(
        waiting.values(status=DEAD, last_reason=reason), execution_options={"synchronize_session": False}
    )
