"""`/v1/webhooks`: who is sent what happens, and what became of it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.conditional import etag, require_match
from hedgerow_kit.db import Reading, Writing
from hedgerow_kit.paging import After, Limit, Page, link_next
from hedgerow_kit.problems import Conditional
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Row, event
from sqlalchemy.orm import Session

from hedgerow_gateway.actions import webhooks as actions
from hedgerow_gateway.domain.signing import secret_of
from hedgerow_gateway.errors import UnknownDelivery
from hedgerow_gateway.store import webhooks
from hedgerow_gateway.tables import Webhook

router = problems.router(prefix="/v1/webhooks", tags=["webhooks"])

Administrator = Annotated[Principal, require("administer")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=20)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Status = Literal["waiting", "delivered", "dead"]


class WebhookBody(BaseModel):
    """A webhook as it is to be."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=2000, description="Where events are sent: https:// and public")
    types: list[Pattern] = Field(
        default=["*"],
        min_length=1,
        max_length=100,
        description="Types of events, `*` at the end for all that begin so, as in `hedgerow.breach.*`",
    )
    areas: list[Code] = Field(
        default=[],
        max_length=500,
        description="Only what concerns these areas or lies within them; empty: everything",
    )
    description: str = Field(default="", max_length=500, description="What it is for")


class NewWebhook(WebhookBody):
    """A webhook to be made, and with whose eyes it sees: never more than whoever makes it."""

    roles: list[Code] | None = Field(
        default=None, min_length=1, max_length=10, description="By default those of your key"
    )
    authorities: list[Code] | None = Field(
        default=None, min_length=1, max_length=150, description="By default those of your key"
    )

    def terms(self) -> actions.Terms:
        return actions.Terms(**self.model_dump())


class ChangedWebhook(WebhookBody):
    """A webhook as it is to be from now on."""

    enabled: bool = True

    def terms(self) -> actions.Terms:
        return actions.Terms(**self.model_dump(exclude={"enabled"}))


class Counts(BaseModel):
    waiting: int
    delivered: int
    dead: int


class WebhookView(BaseModel):
    """A webhook."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    url: str
    types: list[str]
    areas: list[str]
    description: str
    roles: list[str]
    authorities: list[str]
    made_by: str
    created_at: datetime
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    former_until: datetime | None = Field(description="Until when the secret before this one is good, too")


class HealthAnswer(BaseModel):
    """How a webhook fares at this moment."""

    last_delivered_at: datetime | None
    failing_since: datetime | None = Field(description="Since when it has taken nothing")
    failures: int = Field(description="Rounds of attempts in a row of which it took none")
    rest_until: datetime | None = Field(description="It failed, and is left alone until then")
    deliveries: Counts = Field(
        description="How many of the events that are kept wait, were delivered, are dead"
    )


class SecretAnswer(WebhookView):
    secret: str = Field(description="It signs what is sent. It is shown this once")


class DeliveryAnswer(BaseModel):
    """An event on its way. Dead: given up; it is kept, and can be sent again."""

    event_id: str
    event_type: str
    status: Status
    attempts: int
    created_at: datetime
    due_at: datetime | None = Field(description="When it is tried next, at the earliest")
    last_attempt_at: datetime | None
    last_status: int | None = Field(description="What the receiver answered")
    last_reason: str | None = Field(description="What was wrong, in words")


class ReplayBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime = Field(description="All that happened since then, as far as it is kept")
    delivered_too: bool = Field(default=False, description="Also what was delivered already")


class ReplayAnswer(BaseModel):
    events: int = Field(description="How many are on their way again")


@router.post("", status_code=201)
def make_webhook(
    body: NewWebhook, session: Writing, request: Request, response: Response, principal: Administrator
) -> SecretAnswer:
    """Have events sent to an address. Keep the answer: the secret in it is not shown again, only replaced.

    The webhook is told what the key that makes it may see, or less if `roles` or `authorities` say so, for
    as long as it lives.
    """
    made = actions.make(session, body.terms(), by=principal, allowed_hosts=_hosts(request), now=_now())
    response.headers["Location"] = f"/v1/webhooks/{made.id}"
    return _with_secret(made, request, response)


@router.get("")
def list_webhooks(
    request: Request,
    response: Response,
    session: Reading,
    principal: Administrator,
    after: After = None,
    limit: Limit = 50,
) -> Page[WebhookView]:
    """The webhooks that see no more than you do, in the order they were made."""
    found, marker = webhooks.page(session, principal, after=after, limit=limit)
    link_next(request, response, marker)
    return Page(items=[WebhookView.model_validate(one) for one in found], next=marker)


@router.get("/{id}")
def read_webhook(id: str, session: Reading, response: Response, principal: Administrator) -> WebhookView:
    """One webhook, and why it is disabled if it is."""
    return _shown(actions.within(session, id, principal), response)


@router.get("/{id}/health")
def read_health(id: str, session: Reading, principal: Administrator) -> HealthAnswer:
    """Since when a webhook fails if it does, and how many events wait, were delivered and were given up."""
    held = actions.within(session, id, principal)
    return HealthAnswer(
        last_delivered_at=held.last_delivered_at,
        failing_since=held.failing_since,
        failures=held.failures,
        rest_until=held.rest_until,
        deliveries=Counts(**webhooks.counts(session, held.id)),
    )


@router.put("/{id}")
def change_webhook(
    id: str,
    body: ChangedWebhook,
    session: Writing,
    request: Conditional,
    response: Response,
    principal: Administrator,
) -> WebhookView:
    """Change a webhook that you have read (`If-Match`), disable it, or enable it again.

    Enabled again, it hears what happens from now on; `POST /v1/webhooks/{id}/replay` sends what it missed.
    """
    changed = actions.change(
        session,
        id,
        body.terms(),
        enabled=body.enabled,
        by=principal,
        fits=lambda held: require_match(request, _tag(held)),
        allowed_hosts=_hosts(request),
        now=_now(),
    )
    return _shown(changed, response)


@router.delete("/{id}", status_code=204)
def remove_webhook(id: str, session: Writing, request: Conditional, principal: Administrator) -> None:
    """Send nothing there any more (`If-Match`)."""
    actions.remove(session, id, by=principal, fits=lambda held: require_match(request, _tag(held)))


@router.post("/{id}/secret")
def rotate_secret(
    id: str, session: Writing, request: Request, response: Response, principal: Administrator
) -> SecretAnswer:
    """Make a new secret. For 24 hours messages are signed with the former one as well."""
    return _with_secret(actions.rotate(session, id, by=principal, now=_now()), request, response)


@router.post("/{id}/ping", status_code=202)
def ping_webhook(
    id: str, session: Writing, request: Request, response: Response, principal: Administrator
) -> DeliveryAnswer:
    """Send the event `hedgerow.ping`, as any other is sent; Location says where to read what became of it."""
    event_id = actions.ping(session, id, by=principal, now=_now())
    return _on_its_way(session, id, event_id, request, response)


@router.get("/{id}/deliveries")
def list_deliveries(
    id: str,
    request: Request,
    response: Response,
    session: Reading,
    principal: Administrator,
    status: Annotated[Status | None, Query(description="Only these")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[DeliveryAnswer]:
    """What was sent, is on its way or was given up, in the order of the events."""
    webhook = actions.within(session, id, principal)
    rows, marker = webhooks.delivery_page(session, webhook.id, status=status, after=after, limit=limit)
    link_next(request, response, marker)
    return Page(items=[_delivery(row) for row in rows], next=marker)


@router.get("/{id}/deliveries/{event_id}")
def read_delivery(id: str, event_id: str, session: Reading, principal: Administrator) -> DeliveryAnswer:
    """What became of one event."""
    row = webhooks.delivery(session, actions.within(session, id, principal).id, event_id)
    if row is None:
        raise UnknownDelivery
    return _delivery(row)


@router.post("/{id}/deliveries/{event_id}/replay", status_code=202)
def replay_delivery(
    id: str, event_id: str, session: Writing, request: Request, response: Response, principal: Administrator
) -> DeliveryAnswer:
    """Send one event again, whatever became of it. Its `webhook-id` stays what it was."""
    actions.replay_one(session, id, event_id, by=principal, now=_now())
    return _on_its_way(session, id, event_id, request, response)


@router.post("/{id}/replay", status_code=202)
def replay_since(
    id: str, body: ReplayBody, session: Writing, request: Request, principal: Administrator
) -> ReplayAnswer:
    """Send what happened since a time and was given up, waits, or was missed while the webhook was disabled.

    Each event's `webhook-id` stays what it was: who remembers the ids it has seen does nothing twice.
    """
    number = actions.replay_since(
        session, id, body.since, delivered_too=body.delivered_too, by=principal, now=_now()
    )
    _wake(request, session)
    return ReplayAnswer(events=number)


def _on_its_way(
    session: Session, id: str, event_id: str, request: Request, response: Response
) -> DeliveryAnswer:
    session.expire_all()
    row = webhooks.delivery(session, id, event_id)
    assert row is not None
    response.headers["Location"] = f"/v1/webhooks/{id}/deliveries/{event_id}"
    _wake(request, session)
    return _delivery(row)


def _delivery(row: Row[Any]) -> DeliveryAnswer:
    held = row[0]
    return DeliveryAnswer(
        event_id=row.event_id,
        event_type=row.event_type,
        status=held.status,
        attempts=held.attempts,
        created_at=held.created_at,
        due_at=held.due_at if held.status == webhooks.WAITING else None,
        last_attempt_at=held.last_attempt_at,
        last_status=held.last_status,
        last_reason=held.last_reason,
    )


def _shown(webhook: Webhook, response: Response) -> WebhookView:
    response.headers["ETag"] = _tag(webhook)
    return WebhookView.model_validate(webhook)


def _tag(webhook: Webhook) -> str:
    return etag(WebhookView.model_validate(webhook).model_dump_json())


def _with_secret(webhook: Webhook, request: Request, response: Response) -> SecretAnswer:
    response.headers["Cache-Control"] = "no-store"
    response.headers["ETag"] = _tag(webhook)
    secret = secret_of(request.app.state.webhook_key, webhook.id, webhook.salt)
    return SecretAnswer(**WebhookView.model_validate(webhook).model_dump(), secret=secret)


def _hosts(request: Request) -> frozenset[str]:
    hosts: frozenset[str] = request.app.state.webhook_hosts
    return hosts


def _wake(request: Request, session: Session) -> None:
    # What is not committed yet is not found.
    event.listen(session, "after_commit", lambda _: request.app.state.delivering.wake(), once=True)


def _now() -> datetime:
    return datetime.now(UTC)
