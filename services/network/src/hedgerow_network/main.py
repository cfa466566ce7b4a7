"""Where network is wired."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

from anyio import to_thread
from fastapi import FastAPI
from hedgerow_kit import audit_reading, idempotency, retention, serving
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.following import ChangeReader, Follower
from hedgerow_kit.idempotency import Answering
from hedgerow_kit.retention import Retention

from hedgerow_network.actions.intake import importer
from hedgerow_network.api import (
    access,
    adequacy,
    adequacy_rules,
    bottlenecks,
    closing,
    concentration,
    costs,
    design_reading,
    erasing,
    explained,
    fragility,
    gaps,
    graph,
    horizon,
    localities,
    networks,
    overlaps,
    projection,
    relations,
    scenarios,
    siting,
    structure,
)
from hedgerow_network.api.designs_beside import DesignsBeside
from hedgerow_network.api.problems import PROBLEMS
from hedgerow_network.imports import costs as cost_file
from hedgerow_network.imports import relations as relation_file
from hedgerow_network.settings import Settings
from hedgerow_network.store.answers import Answers
from hedgerow_network.store.costs import Matrices
from hedgerow_network.store.networks import Relations
from hedgerow_network.store.projection import PROJECTION
from hedgerow_network.store.snapshots import Snapshots
from hedgerow_network.upstream.outcomes import Outcomes

APP = "network"
KEPT_OF_SCENARIOS = 40
"""Answers about states with steps taken: each of them may hold a directory of its own in memory."""


def _today() -> date:
    return datetime.now(UTC).date()


def create_app(
    settings: Settings,
    database: Database,
    *,
    verifier: Verifier | None = None,
    registry: ChangeReader | None = None,
    outcomes: Outcomes | None = None,
    today: Callable[[], date] = _today,
) -> FastAPI:
    """Network over a migrated database; without a registry to follow it answers from what it holds."""
    follower = (
        Follower(
            database,
            registry,
            PROJECTION,
            poll_seconds=settings.poll_seconds,
            longest_pause_seconds=settings.longest_pause_seconds,
        )
        if registry is not None
        else None
    )

    runs = importer([cost_file.KIND, relation_file.KIND])

    removing = Retention(
        APP,
        database,
        [runs.kept(days=settings.receipt_days), idempotency.kept()],
        look_seconds=settings.retention_seconds,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(runs.mark_interrupted, database)
        if follower is not None:
            follower.start()
        removing.start()
        yield
        await to_thread.run_sync(removing.stop)
        if follower is not None:
            follower.stop()
        if outcomes is not None:
            outcomes.close()

    app = serving.create(
        "Hedgerow network",
        name="network",
        summary="Delivery networks as graphs: cover, gaps, overlap, fragility.",
        errors=PROBLEMS,
        ready={
            "database": serving.database_answers(database),
            "projection": _projection_answers(database, follower),
        },
        lifespan=lifespan,
        state_of=database,
        follower=follower,
    )
    app.state.database = database
    app.state.answering = Answering(database)
    app.state.retention = removing
    app.state.verifier = verifier or Verifier(settings.identity_keys, audience=APP)
    app.state.follower = follower
    app.state.snapshots = Snapshots(database)
    app.state.answers = Answers(settings.kept_answers)
    app.state.scenario_answers = Answers(KEPT_OF_SCENARIOS)
    app.state.long_cells = settings.long_cells
    app.state.matrices = Matrices(database)
    app.state.relations = Relations()
    app.state.today = today
    app.state.outcomes = outcomes
    app.state.facts_beside = DesignsBeside(
        database, app.state.relations, app.state.snapshots, outcomes
    ).facts()
    app.include_router(runs.router())
    app.include_router(audit_reading.router(APP))
    app.include_router(erasing.router)
    app.include_router(retention.router(APP))
    for resource in (
        localities,
        explained,
        overlaps,
        fragility,
        gaps,
        horizon,
        bottlenecks,
        concentration,
        access,
        adequacy,
        adequacy_rules,
        costs,
        relations,
        siting,
        closing,
        structure,
        graph,
        networks,
        design_reading,
        scenarios,
    ):
        app.include_router(resource.router)
    app.include_router(projection.router)
    return app


def _projection_answers(database: Database, follower: Follower | None) -> serving.Check:
    """Ready once the feed has been read to its end; from then on answers stand while the registry is away."""

    def check() -> str | None:
        try:
            with database.reading() as session:
                feed = PROJECTION.feed(session)
        except Exception:
            # The check of the database says so already.
            return None
        if follower is not None and not follower.alive:
            return "the registry is not followed any more: restart network"
        if feed.settled == 0:
            reason = f" ({follower.trouble})" if follower is not None and follower.trouble else ""
            return f"read {feed.position} of {feed.registry_last} changes of the registry{reason}"
        return None

    return check
