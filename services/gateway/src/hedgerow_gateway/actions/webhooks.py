"""What is decided about webhooks: who may have one, what is sent next, what a failure leads to."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from hedgerow_kit import audit
from hedgerow_kit.auth import ALL_AUTHORITIES, PERMISSIONS, Principal
from hedgerow_kit.outgoing import is_public
from sqlalchemy.orm import Session

from hedgerow_gateway.actions.events import eyes_of, interest_of, sight_of, tell
from hedgerow_gateway.domain import events as domain
from hedgerow_gateway.domain.grants import GSS_CODE
from hedgerow_gateway.domain.retries import (
    DISABLED_AFTER,
    GONE,
    LONG_FAILING,
    MOST_ATTEMPTS,
    Outcome,
    asked_for,
    pause_after,
    rest_after,
)
from hedgerow_gateway.domain.signing import SALT_BYTES
from hedgerow_gateway.errors import UnfitWebhook, UnknownDelivery, UnknownWebhook, WebhookDisabled
from hedgerow_gateway.store import events, webhooks
from hedgerow_gateway.tables import Delivery, Webhook
from hedgerow_gateway.upstream.receiver import is_allowed

# A former secret is good for so long after a new one was made.
BOTH_GOOD = timedelta(hours=24)
# A receiver is sent so many events at the same time, all by the process that serves it.
AT_ONCE = 4
# Longer than an attempt can take: who has not come back by then is taken for dead.
LANE_LIFE = timedelta(seconds=30)

Fits = Callable[[Webhook], None]


class Terms(NamedTuple):
    """What a webhook is to be. roles, authorities: None: those of whoever makes it"""

    url: str
    types: Sequence[str]
    areas: Sequence[str]
    description: str
    roles: Sequence[str] | None = None
    authorities: Sequence[str] | None = None


def make(
    session: Session, terms: Terms, *, by: Principal, allowed_hosts: frozenset[str], now: datetime
) -> Webhook:
    """A new webhook, which sees no more than who makes it."""
    roles = sorted(by.roles) if terms.roles is None else sorted(set(terms.roles))
    authorities = sorted(by.authorities) if terms.authorities is None else sorted(set(terms.authorities))
    wrong = [*_wrong_with_address(terms.url, allowed_hosts), *_wrong_with_interest(terms.types, terms.areas)]
    if not all("read" in PERMISSIONS.get(role, ()) for role in roles):
        wrong.append({"pointer": "/roles", "reason": "not roles that may read"})
    if ALL_AUTHORITIES not in by.authorities and not set(authorities) <= by.authorities:
        wrong.append({"pointer": "/authorities", "reason": "reaches beyond your own"})
    if authorities != [ALL_AUTHORITIES] and not all(map(GSS_CODE.fullmatch, authorities)):
        wrong.append({"pointer": "/authorities", "reason": "not GSS codes, and not * alone"})
    if wrong:
        raise UnfitWebhook(wrong)
    webhook = Webhook(
        id=secrets.token_hex(8),
        url=terms.url,
        types=sorted(set(terms.types)),
        areas=sorted(set(terms.areas)),
        description=terms.description,
        roles=roles,
        authorities=authorities,
        made_by=by.subject,
        created_at=now,
        salt=secrets.token_hex(SALT_BYTES),
        enabled=True,
        failures=0,
    )
    session.add(webhook)
    session.flush()
    return webhook


def within(session: Session, id: str, by: Principal) -> Webhook:
    webhook = webhooks.found(session, id, by)
    if webhook is None:
        raise UnknownWebhook
    return webhook


def change(
    session: Session,
    id: str,
    terms: Terms,
    *,
    enabled: bool,
    by: Principal,
    fits: Fits,
    allowed_hosts: frozenset[str],
    now: datetime,
) -> Webhook:
    """Write a webhook anew; what it may see stays. Enabled again, it hears what happens from now on."""
    webhook = within(session, id, by)
    fits(webhook)
    wrong = [*_wrong_with_address(terms.url, allowed_hosts), *_wrong_with_interest(terms.types, terms.areas)]
    if wrong:
        raise UnfitWebhook(wrong)
    webhook.url, webhook.description = terms.url, terms.description
    webhook.types, webhook.areas = sorted(set(terms.types)), sorted(set(terms.areas))
    if enabled:
        webhook.enabled, webhook.disabled_at, webhook.disabled_reason = True, None, None
        webhook.failures, webhook.failing_since, webhook.rest_until = 0, None, None
    elif webhook.enabled:
        _disable(session, webhook, "an administrator disabled it", now)
    return webhook


def remove(session: Session, id: str, *, by: Principal, fits: Fits) -> None:
    webhook = within(session, id, by)
    fits(webhook)
    session.delete(webhook)


def rotate(session: Session, id: str, *, by: Principal, now: datetime) -> Webhook:
    """A new secret. Messages are signed with it and, for a day, with the former one too."""
    webhook = within(session, id, by)
    webhook.former_salt, webhook.former_until = webhook.salt, now + BOTH_GOOD
    webhook.salt = secrets.token_hex(SALT_BYTES)
    return webhook


def salts_of(webhook: Webhook, *, now: datetime) -> list[str]:
    """What the secrets are made with that are good now, the newest first."""
    if webhook.former_salt is None or webhook.former_until is None or webhook.former_until <= now:
        return [webhook.salt]
    return [webhook.salt, webhook.former_salt]


def ping(session: Session, id: str, *, by: Principal, now: datetime) -> str:
    """Send a webhook an event that means nothing; gives the event's id."""
    webhook = _enabled(session, id, by)
    event = domain.Event(
        *(0, f"ping-{secrets.token_hex(8)}", "gateway", domain.PING, webhook.id, now),
        data={"webhook_id": webhook.id},
        areas=(),
        authorities=(),
        not_to=(),
        permission=domain.READ,
        webhook_id=webhook.id,
    )
    tell(session, [event], now=now)
    _note_sent(session, webhook, ping=event.id)
    return event.id


def replay_one(session: Session, id: str, event_id: str, *, by: Principal, now: datetime) -> None:
    """Send one event again, from the first try on."""
    webhook = _enabled(session, id, by)
    held = webhooks.delivery(session, webhook.id, event_id)
    if held is None:
        raise UnknownDelivery
    webhooks.send_again(session, webhook.id, [held[0].event_seq], now=now)
    _note_sent(session, webhook, event=event_id)


def replay_since(
    session: Session, id: str, moment: datetime, *, delivered_too: bool, by: Principal, now: datetime
) -> int:
    """Send all that the webhook wants and may see of what happened since; gives how many events.

    What was delivered already is sent again only if asked for.
    """
    webhook = _enabled(session, id, by)
    interest, sight = interest_of(webhook), sight_of(eyes_of(webhook))
    number = 0
    for found in events.since(session, moment):
        seqs = [event.seq for event in found if interest.covers(event) and sight.sees(event)]
        if seqs and not delivered_too:
            known = webhooks.statuses(session, webhook.id, seqs)
            seqs = [seq for seq in seqs if known.get(seq) != webhooks.DELIVERED]
        webhooks.send_again(session, webhook.id, seqs, now=now)
        number += len(seqs)
    _note_sent(session, webhook, since=moment, events=number)
    return number


def _note_sent(session: Session, webhook: Webhook, **sent: object) -> None:
    audit.note(session, "delivery", webhook.id, before=None, after=sent)


def _enabled(session: Session, id: str, by: Principal) -> Webhook:
    webhook = within(session, id, by)
    if not webhook.enabled:
        raise WebhookDisabled
    return webhook


def _wrong_with_interest(types: Sequence[str], areas: Sequence[str]) -> list[dict[str, str]]:
    wrong = [
        {"pointer": f"/types/{place}", "reason": "no event has such a type"}
        for place, pattern in enumerate(types)
        if not domain.is_known_pattern(pattern)
    ]
    return wrong + [
        {"pointer": f"/areas/{place}", "reason": "not a GSS code"}
        for place, code in enumerate(areas)
        if not GSS_CODE.fullmatch(code)
    ]


def _wrong_with_address(url: str, allowed_hosts: frozenset[str]) -> list[dict[str, str]]:
    """What can be told of an address by its text; where its name leads is looked at with each delivery."""

    def wrong(reason: str) -> list[dict[str, str]]:
        return [{"pointer": "/url", "reason": reason}]

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return wrong("not a URL")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or not host:
        return wrong("not a URL of plain characters with a host")
    if parts.username is not None or parts.password is not None or "#" in url:
        return wrong("no user name, password or fragment may stand in it")
    if is_allowed(host, port, parts.scheme, allowed_hosts):
        return []
    if parts.scheme != "https":
        return wrong("must begin with https://")
    looks_numeric = ":" in host or host.rstrip(".").rpartition(".")[2][:1].isdigit()
    if looks_numeric and not is_public(host):
        return wrong("not an address on the public internet")
    return []


# --- sending ---


class Message(NamedTuple):
    """An event as it is sent."""

    seq: int
    id: str
    body: str


class Load(NamedTuple):
    """What to send to a receiver now."""

    url: str
    salts: list[str]
    messages: list[Message]


class Done(NamedTuple):
    """What became of a message."""

    seq: int
    outcome: Outcome


def go_on(
    session: Session, id: str, *, lane: str, done: Sequence[Done], now: datetime, chance: Callable[[], float]
) -> Load | None:
    """Note what became of what was sent to a webhook, and give what is to be sent next.

    None: there is nothing to do, or not for us; the webhook is left to whoever comes next.
    """
    if done:
        _note(session, id, done, now, chance)
    webhook = webhooks.take_lane(session, id, lane=lane, now=now, life=LANE_LIFE)
    waiting = [] if webhook is None else webhooks.due(session, id, now=now, limit=AT_ONCE)
    if webhook is None or not waiting:
        webhooks.leave_lane(session, id, lane=lane)
        return None
    sight = sight_of(eyes_of(webhook))
    held = events.several(session, [one.event_seq for one in waiting])
    messages = [
        Message(event.seq, event.id, orjson.dumps(sight.told(event), option=orjson.OPT_UTC_Z).decode())
        for event in (held[one.event_seq] for one in waiting)
    ]
    return Load(webhook.url, salts_of(webhook, now=now), messages)


def _note(
    session: Session,
    id: str,
    done: Sequence[Done],
    now: datetime,
    chance: Callable[[], float],
) -> None:
    # Whoever serves the webhook by now: what was tried was tried, or it would be tried without end.
    webhook = webhooks.locked(session, id)
    if webhook is None:
        return
    by_seq = {one.seq: one.outcome for one in done}
    noted = []
    for delivery in webhooks.several_deliveries(session, id, by_seq):
        outcome = by_seq[delivery.event_seq]
        # That it failed is no news of what was delivered, or given up, meanwhile.
        if outcome.reason is None or delivery.status == webhooks.WAITING:
            _note_delivery(delivery, outcome, now, chance)
            noted.append(outcome)
    session.flush()
    if noted:
        _note_receiver(session, webhook, noted, now, chance)


def _note_delivery(delivery: Delivery, outcome: Outcome, now: datetime, chance: Callable[[], float]) -> None:
    delivery.attempts += 1
    delivery.last_attempt_at = now
    delivery.last_status, delivery.last_reason = outcome.status, outcome.reason
    if outcome.reason is None:
        delivery.status = webhooks.DELIVERED
    elif delivery.attempts >= MOST_ATTEMPTS:
        delivery.status = webhooks.DEAD
    else:
        pause = pause_after(delivery.attempts, chance=chance())
        delivery.due_at = now + max(pause, asked_for(outcome.retry_after, now=now))


def _note_receiver(
    session: Session,
    webhook: Webhook,
    outcomes: Sequence[Outcome],
    now: datetime,
    chance: Callable[[], float],
) -> None:
    failed = [outcome for outcome in outcomes if outcome.reason is not None]
    if len(failed) < len(outcomes):
        was_away = webhook.failing_since is not None and now - webhook.failing_since >= LONG_FAILING
        webhook.failures, webhook.failing_since, webhook.rest_until = 0, None, None
        webhook.last_delivered_at = now
        if was_away:
            webhooks.hasten(session, webhook.id, now=now)
        return
    webhook.failures += 1
    webhook.failing_since = webhook.failing_since or now
    asked = max(asked_for(outcome.retry_after, now=now) for outcome in failed)
    webhook.rest_until = now + max(rest_after(webhook.failures, chance=chance()), asked)
    last = failed[-1].reason
    if any(outcome.status == GONE for outcome in failed):
        _disable(session, webhook, "the receiver answered 410: it wants no more", now)
    elif now - webhook.failing_since >= DISABLED_AFTER:
        _disable(session, webhook, f"nothing was delivered for {DISABLED_AFTER.days} days: {last}", now)


def _disable(session: Session, webhook: Webhook, reason: str, now: datetime) -> None:
    webhook.enabled, webhook.disabled_at, webhook.disabled_reason = False, now, reason
    webhooks.bury_waiting(session, webhook.id, reason="the webhook was disabled")
