"""Where the gateway is wired."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from anyio import to_thread
from fastapi import FastAPI
from hedgerow_kit import idempotency, metrics, retention, serving
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.following import Follower
from hedgerow_kit.idempotency import Answering
from hedgerow_kit.retention import Retention

from hedgerow_gateway.actions.events import FOLLOWING, Intake
from hedgerow_gateway.api import (
    audit,
    composed,
    documents,
    erasing,
    events,
    imports,
    keys,
    oauth,
    sign_in,
    signing_keys,
    webhooks,
)
from hedgerow_gateway.api.access_tokens import AccessTokens
from hedgerow_gateway.api.credentials import Credentials
from hedgerow_gateway.api.documents import Documents
from hedgerow_gateway.api.door import Door
from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.api.limits import Limits
from hedgerow_gateway.api.oauth import TokenEndpoint
from hedgerow_gateway.api.people import People
from hedgerow_gateway.api.polling import Polling
from hedgerow_gateway.api.problems import PROBLEMS
from hedgerow_gateway.api.sign_in import SignIn
from hedgerow_gateway.domain.addresses import Addresses
from hedgerow_gateway.domain.grants import Grant
from hedgerow_gateway.domain.routes import GATEWAY, RouteTable
from hedgerow_gateway.jobs.delivering import Delivering
from hedgerow_gateway.settings import Settings
from hedgerow_gateway.store import sessions
from hedgerow_gateway.store.events import kept as events_kept
from hedgerow_gateway.store.limits import Alone, Together
from hedgerow_gateway.store.signing import Keyring
from hedgerow_gateway.store.webhook_key import load_webhook_key
from hedgerow_gateway.upstream import feeds
from hedgerow_gateway.upstream.apps import Apps
from hedgerow_gateway.upstream.passthrough import Upstream
from hedgerow_gateway.upstream.provider import Provider
from hedgerow_gateway.upstream.states import States

MEGABYTE = 1_000_000

# An app that is away is asked again after so long at the latest.
LONGEST_PAUSE_SECONDS = 5.0


def create_app(
    settings: Settings, database: Database, keyring: Keyring, *, table: RouteTable | None = None
) -> Door:
    """The gateway over a migrated and prepared database (see `actions.prepare`)."""
    states = States(settings.apps)
    upstream = Upstream(settings.apps, states, client_silence_seconds=settings.client_silence_seconds)
    apps = Apps(upstream, tuple(settings.apps))
    tokens = AccessTokens(keyring, settings.issuer)
    people = _people(settings)
    credentials = Credentials(database, tokens, people)
    limits = Limits(
        Together(str(settings.redis_url)) if settings.redis_url else Alone(),
        reads=settings.reads_per_minute,
        writes=settings.writes_per_minute,
        imports=settings.imports_per_minute,
        strangers=settings.open_per_minute,
        attempts=settings.attempts_per_minute,
    )
    identities = Identities(credentials, keyring, attempts=limits.attempts)
    polling = Polling(states, most_bytes=settings.kept_answers_megabytes * MEGABYTE)
    webhook_key = load_webhook_key(settings.own_dir)
    removing = Retention(
        GATEWAY,
        database,
        [events_kept(days=settings.event_days), sessions.kept(), idempotency.kept()],
        look_seconds=settings.retention_seconds,
    )
    delivering, followers = _events(settings, database, webhook_key, partial(_own_token, keyring))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        ready.update({app: partial(_reason_down, apps, app, loop) for app in apps.names})
        jobs: list[Delivering | Follower | Retention] = [removing]
        if settings.events:
            jobs += [delivering, *followers]
        for job in jobs:
            job.start()
        limits.start()
        async with upstream:
            yield
        await limits.stop()
        states.close()
        for job in jobs:
            await to_thread.run_sync(job.stop)

    alone: dict[str, serving.Check] = {"database": serving.database_answers(database)}
    ready = dict(alone)
    own = own_app(ready, lifespan)
    own.state.ready_alone = alone
    own.state.database = database
    own.state.answering = Answering(database)
    own.state.retention = removing
    own.state.verifier = Verifier(keyring.published, audience=GATEWAY)
    own.state.issuer = settings.issuer
    own.state.keyring = keyring
    own.state.token_endpoint = TokenEndpoint(database, tokens, credentials, limits.attempts)
    own.state.credentials = credentials
    own.state.sign_in = people and SignIn(
        people,
        keyring,
        issuer=settings.issuer,
        scope=settings.oidc_scope,
        longest=timedelta(minutes=settings.session_minutes),
    )
    own.state.apps = apps
    own.state.identities = identities
    own.state.delivering = delivering
    own.state.webhook_key = webhook_key
    own.state.webhook_hosts = settings.webhook_hosts
    _tell(upstream, polling)
    own.state.documents = Documents(apps, own.openapi, settings.own_dir / "documents")
    return Door(
        own,
        upstream,
        identities,
        polling,
        table or RouteTable(),
        limits,
        Addresses(settings.trusted_proxies),
        trusts_traces=settings.trust_traceparent,
    )


def _tell(upstream: Upstream, polling: Polling) -> None:
    """What is looked up when Prometheus asks."""
    metrics.read(
        "hedgerow_gateway_kept_answers",
        "Reads that may be kept: kept and repeated were answered from memory, shared with who asked at once.",
        ("how",),
        lambda: [((how,), number) for how, number in sorted(polling.seen.items())],
        kind="counter",
    )
    metrics.read(
        "hedgerow_gateway_circuit_open",
        "1 while an app is left alone because it does not answer.",
        ("app",),
        lambda: [((app,), float(is_open)) for app, is_open in sorted(upstream.open_circuits().items())],
        kind="gauge",
    )


def _people(settings: Settings) -> People | None:
    """Who knows people, if there is an identity provider to ask."""
    if settings.oidc_issuer is None:
        return None
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
    return People(
        Provider(settings.oidc_issuer, settings.oidc_client_id, secret),
        {
            group: Grant(tuple(given.roles), tuple(given.authorities))
            for group, given in settings.oidc_grants.items()
        },
        groups_claim=settings.oidc_groups_claim,
        audiences=[settings.oidc_client_id, *settings.oidc_audiences],
        longest=timedelta(minutes=settings.session_minutes),
    )


def own_app(
    ready: dict[str, serving.Check],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The gateway's own routes."""
    app = serving.create(
        "Hedgerow",
        name="gateway",
        summary="Who provides what, where, and where nobody does: one API over all apps.",
        errors=PROBLEMS,
        ready=ready,
        lifespan=lifespan,
    )
    app.description = Path(__file__).with_name("guide.md").read_text("utf-8")
    # The merged document takes the place of the one that FastAPI makes of these routes alone.
    app.router.routes[:] = [
        route for route in app.router.routes if getattr(route, "path", "") != app.openapi_url
    ]
    for part in (
        *(keys, signing_keys, oauth, sign_in, imports, composed),
        *(webhooks, events, audit, erasing, documents),
    ):
        app.include_router(part.router)
    app.include_router(retention.router(GATEWAY))
    return app


def _events(
    settings: Settings, database: Database, webhook_key: bytes, token: Callable[[str], str]
) -> tuple[Delivering, list[Follower]]:
    """What hears of what happens in the apps, and what tells it on."""
    delivering = Delivering(
        database,
        webhook_key,
        allowed_hosts=settings.webhook_hosts,
        look_seconds=settings.event_seconds,
    )
    followers = [
        Follower(
            database,
            reader,
            Intake(app, heard=delivering.wake),
            poll_seconds=settings.event_seconds,
            longest_pause_seconds=LONGEST_PAUSE_SECONDS,
        )
        for app, reader in feeds.readers(settings.apps, token).items()
    ]
    return delivering, followers


def _own_token(keyring: Keyring, app: str) -> str:
    return keyring.token(FOLLOWING, audience=app)


def _reason_down(apps: Apps, app: str, loop: asyncio.AbstractEventLoop) -> str | None:
    """Readiness is asked for in a worker thread; the apps are asked on the loop."""
    return asyncio.run_coroutine_threadsafe(apps.down(), loop).result().get(app)
