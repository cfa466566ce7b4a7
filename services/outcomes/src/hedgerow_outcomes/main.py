"""Where outcomes is wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from hedgerow_kit import audit_reading, idempotency, retention, serving
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.following import ChangeReader, Follower
from hedgerow_kit.idempotency import Answering
from hedgerow_kit.retention import Retention

from hedgerow_outcomes.actions import authorities
from hedgerow_outcomes.actions.disclosure import settle_left_over
from hedgerow_outcomes.actions.hearing import HEARD
from hedgerow_outcomes.actions.intake import importer
from hedgerow_outcomes.api import (
    aggregates,
    breaches,
    charts,
    erasing,
    evaluations,
    events,
    frameworks,
    funnels,
    intervals,
    kpis,
    observations,
    payment_rules,
    performance,
    standing,
    statements,
)
from hedgerow_outcomes.api.problems import PROBLEMS
from hedgerow_outcomes.jobs.lateness import LateWatch
from hedgerow_outcomes.settings import Settings
from hedgerow_outcomes.store.areas import Areas


def create_app(
    settings: Settings,
    database: Database,
    *,
    verifier: Verifier | None = None,
    registry: ChangeReader | None = None,
) -> FastAPI:
    """Outcomes over a migrated database; without a registry to follow it answers from what it holds."""
    follower = (
        Follower(
            database,
            registry,
            HEARD,
            poll_seconds=settings.poll_seconds,
            longest_pause_seconds=settings.longest_pause_seconds,
        )
        if registry is not None
        else None
    )
    runs = importer(batch_rows=settings.batch_rows)
    late_watch = LateWatch(database, pause_seconds=settings.late_seconds)

    removing = Retention(
        "outcomes",
        database,
        [runs.kept(days=settings.receipt_days), idempotency.kept()],
        look_seconds=settings.retention_seconds,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(runs.mark_interrupted, database)
        await to_thread.run_sync(settle_left_over, database)
        await to_thread.run_sync(authorities.settle_left_over, database)
        if follower is not None:
            follower.start()
        late_watch.start()
        removing.start()
        yield
        await to_thread.run_sync(removing.stop)
        await to_thread.run_sync(late_watch.stop)
        if follower is not None:
            follower.stop()
        database.dispose()

    app = serving.create(
        "Hedgerow outcomes",
        name="outcomes",
        summary="What is measured, and what came of it.",
        errors=PROBLEMS,
        ready={"database": serving.database_answers(database)},
        lifespan=lifespan,
        state_of=database,
        follower=follower,
    )
    app.state.database = database
    app.state.answering = Answering(database)
    app.state.retention = removing
    app.state.areas = Areas()
    app.state.verifier = verifier or Verifier(settings.identity_keys, audience="outcomes")
    app.include_router(runs.router())
    app.include_router(audit_reading.router("outcomes"))
    app.include_router(erasing.router)
    app.include_router(retention.router("outcomes"))
    for resource in (
        observations,
        charts,
        funnels,
        standing,
        intervals,
        kpis,
        payment_rules,
        statements,
        breaches,
        events,
        evaluations,
        performance,
        frameworks,
        aggregates,
    ):
        app.include_router(resource.router)
    return app
