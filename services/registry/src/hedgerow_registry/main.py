"""Where the registry is wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from hedgerow_kit import audit_reading, idempotency, retention, serving
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.idempotency import Answering
from hedgerow_kit.retention import Retention

from hedgerow_registry.actions import indexing
from hedgerow_registry.actions.intake import importer
from hedgerow_registry.actions.pulls import Puller
from hedgerow_registry.api import (
    areas,
    changes,
    contract_packages,
    contract_summaries,
    contracts,
    duplicates,
    erasing,
    feeds,
    history,
    hsds,
    interests,
    members,
    merges,
    needs,
    organisations,
    ownership,
    pipeline,
    scores,
    services,
    sites,
    sources,
    spend,
)
from hedgerow_registry.api.problems import PROBLEMS
from hedgerow_registry.imports import kinds
from hedgerow_registry.jobs.matching import Matcher
from hedgerow_registry.jobs.pulling import Pulling
from hedgerow_registry.settings import Settings
from hedgerow_registry.tables import feed


def create_app(settings: Settings, database: Database, *, verifier: Verifier | None = None) -> FastAPI:
    """The registry over a migrated database."""
    runs = importer(kinds(feed_hosts=settings.feed_hosts))
    puller = Puller(database, runs, allowed_hosts=settings.feed_hosts, pauses=settings.feed_pauses)
    pulling = Pulling(database, puller, look_seconds=settings.feed_look_seconds, replica=settings.replica)

    matcher = Matcher(database, pause_seconds=settings.matching_seconds)

    removing = Retention(
        "registry",
        database,
        [runs.kept(days=settings.receipt_days), idempotency.kept()],
        look_seconds=settings.retention_seconds,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(runs.mark_interrupted, database)
        # Before anybody is answered: a search that misses what is not indexed yet would be believed.
        await to_thread.run_sync(indexing.fill, database)
        if settings.pulls:
            pulling.start()
        matcher.start()
        removing.start()
        yield
        await to_thread.run_sync(removing.stop)
        await to_thread.run_sync(matcher.stop)
        if settings.pulls:
            await to_thread.run_sync(pulling.stop)
        database.dispose()

    app = serving.create(
        "Hedgerow registry",
        name="registry",
        summary="Who provides and supplies, where, and for which needs.",
        errors=PROBLEMS,
        ready={"database": serving.database_answers(database)},
        lifespan=lifespan,
        state_of=database,
        last_change=feed.last_number,
    )
    app.state.database = database
    app.state.answering = Answering(database)
    app.state.retention = removing
    app.state.importer = runs
    app.state.pulling = pulling
    app.state.public_url = settings.public_url
    app.state.verifier = verifier or Verifier(settings.identity_keys, audience="registry")
    for resource in (
        *(areas, scores, organisations, ownership, interests, members, merges),
        *(services, sites, history, needs, sources, changes),
        *(duplicates, spend, pipeline, contract_packages, contract_summaries, contracts, hsds, feeds),
    ):
        app.include_router(resource.router)
    app.include_router(runs.router())
    app.include_router(audit_reading.router("registry"))
    app.include_router(erasing.router)
    app.include_router(retention.router("registry"))
    return app
