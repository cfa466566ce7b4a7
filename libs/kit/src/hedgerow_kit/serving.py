"""How every app is made and run: health, problems, entity tags, logs, and an end when its parent ends."""

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any, NamedTuple, Protocol, TypeVar

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hedgerow_kit import conditional, formats, logs, metrics, migrations, problems, refusals, tracing
from hedgerow_kit.conditional import ETagMiddleware
from hedgerow_kit.db import Database
from hedgerow_kit.following import Follower, HearFirst
from hedgerow_kit.parquet import PARQUET
from hedgerow_kit.problems import BAD_REQUEST, UNAVAILABLE, Problem, ProblemType
from hedgerow_kit.state import TellState

log = logging.getLogger(__name__)

# Names in the environment by which a supervisor asks its children to end with it.
WATCH_STDIN = "HEDGEROW_END_WITH_STDIN"
# For so many seconds an app that is told to stop goes on answering, so that whoever sends it requests can go
# elsewhere first. Nobody has to be waited for unless there is an elsewhere: none by default.
DRAIN_SECONDS = "HEDGEROW_DRAIN_SECONDS"

_draining = threading.Event()

# A check answers with what is wrong, or None.
Check = Callable[[], str | None]


def create(
    title: str,
    *,
    name: str = "app",
    summary: str,
    errors: Mapping[type[Exception], ProblemType],
    ready: Mapping[str, Check],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    state_of: Database | None = None,
    last_change: str | None = None,
    follower: Follower | None = None,
) -> FastAPI:
    """A FastAPI app with health routes, problem answers, entity tags and no documentation pages.

    name: by which its requests are counted · state_of: the database whose state is told at `/state`, for an
    app whose answers rest on nothing else ·
    last_change: the statement that reads the number of the last change, for an app with a change feed ·
    follower: of an app that follows another
    """
    app = FastAPI(
        title=title,
        summary=summary,
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    problems.install(app, errors)
    app.state.formats = (*formats.EVERYWHERE, PARQUET)
    _describe(app)
    app.add_middleware(ETagMiddleware)
    app.add_middleware(Guard, name=name)
    if state_of is not None:
        app.add_middleware(TellState, database=state_of, last_change=last_change)
    if follower is not None:
        app.add_middleware(HearFirst, follower=follower)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """The process is up."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def readyz() -> dict[str, str]:
        """Requests can be answered; otherwise 503 naming what is missing."""
        return whether_ready(ready)

    return app


def whether_ready(ready: Mapping[str, Check]) -> dict[str, str]:
    """That all checks are good and nobody told the process to stop; otherwise a 503 problem with reasons."""
    checks = {"process": _is_stopping, **ready}
    wrong = {name: reason for name, check in checks.items() if (reason := check()) is not None}
    if wrong:
        raise Problem(
            UNAVAILABLE,
            "; ".join(f"{name}: {reason}" for name, reason in wrong.items()),
            headers={"Retry-After": "2"},
        )
    return {"status": "ready"}


def _is_stopping() -> str | None:
    return "is stopping" if _draining.is_set() else None


def _describe(app: FastAPI) -> None:
    """Let the app's OpenAPI document name the formats of each list, and what each operation may refuse."""
    of_routes = app.openapi

    def document() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        made = of_routes()
        if is_new:
            formats.describe(made, app.state.formats)
            refusals.describe(made)
            conditional.describe(made)
        return made

    app.openapi = document  # type: ignore[method-assign]


def database_answers(database: Database) -> Check:
    """A readiness check: the database can be read and has been migrated."""

    def check() -> str | None:
        try:
            with database.reading() as session:
                session.execute(text("SELECT version_num FROM alembic_version"))
        except Exception as error:
            log.warning("database not ready", extra={"reason": type(error).__name__})
            return "cannot be read, or is not migrated"
        return None

    return check


class Guard:
    """Refuses paths and queries that hold NUL; logs each answer without its query string, and counts it."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0
        is_counted = metrics.is_telling() and not scope["path"].startswith(("/healthz", "/readyz"))
        if is_counted:
            metrics.began(self._name)

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if tracing.is_on() and not scope["path"].startswith(("/healthz", "/readyz")):
            with tracing.request(scope["method"], scope["headers"]) as span:
                try:
                    await self._answer(scope, receive, note)
                finally:
                    pattern = getattr(scope.get("route"), "path", None)
                    tracing.answered(span, scope["method"], pattern, status)
                    self._note(scope, status, started, is_counted=is_counted)
            return
        try:
            await self._answer(scope, receive, note)
        finally:
            self._note(scope, status, started, is_counted=is_counted)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            refusal = Problem(BAD_REQUEST, "NUL is not allowed in an address.").response()
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _note(self, scope: Scope, status: int, started: float, *, is_counted: bool) -> None:
        # The route's pattern, not the path: a path may name a person's record.
        route = getattr(scope.get("route"), "path", None)
        seconds = time.perf_counter() - started
        if is_counted:
            metrics.ended(self._name, scope["method"], route, status, seconds)
        if not scope["path"].startswith(("/healthz", "/readyz")):
            log.info(
                "answered",
                extra={
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                },
            )


class Deployed(Protocol):
    """What every app's settings say."""

    @property
    def database_url(self) -> str: ...
    @property
    def migration_database_url(self) -> str | None: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


S = TypeVar("S", bound=Deployed)


class Step(NamedTuple):
    """Something an app does to its database when told to, and what it says of it afterwards."""

    help: str
    run: Callable[[Database], str]


def main(
    name: str,
    settings: Callable[[], S],
    create: Callable[[S, Database], FastAPI],
    arguments: Sequence[str] | None = None,
    *,
    steps: Mapping[str, Step] | None = None,
) -> None:
    """The command `python -m hedgerow_<name> serve | migrate | openapi`, and the app's own steps."""
    package = f"hedgerow_{name}"
    parser = argparse.ArgumentParser(prog=f"python -m {package}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="bring the database up to date, then serve until told to stop")
    commands.add_parser("migrate", help="bring the database up to date")
    commands.add_parser("openapi", help="print the OpenAPI document")
    for own, step in (steps or {}).items():
        commands.add_parser(own, help=step.help)
    command = parser.parse_args(arguments).command
    chosen = settings()
    database = Database(chosen.database_url)
    if command == "openapi":
        # The database is named, and never opened.
        print_document(create(chosen, database).openapi())
        return
    try:
        _migrate(chosen, database, package)
        if command == "serve":
            logs.install(name, level=_log_level())
            if (why := migrations.lock_is_open(database)) is not None:
                log.warning("authorities have one lock only", extra={"reason": why})
            run(create(chosen, database), name=name, host=chosen.host, port=chosen.port)
        elif steps and command in steps:
            print(steps[command].run(database))
    finally:
        database.dispose()


def _migrate(settings: Deployed, database: Database, package: str) -> None:
    """Bring the database up to date as the owner of its tables, if that is another role than the app's."""
    if settings.migration_database_url is None:
        migrations.upgrade(database, package)
    else:
        owner = Database(settings.migration_database_url)
        try:
            migrations.upgrade(owner, package)
            migrations.admit(owner, settings.database_url)
        finally:
            owner.dispose()


def _log_level() -> str:
    return os.environ.get("HEDGEROW_LOG_LEVEL", "INFO")


def print_document(document: Mapping[str, Any]) -> None:
    """Write an OpenAPI document as it is committed."""
    print(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True))


def run(
    app: Any,
    *,
    name: str,
    host: str,
    port: int,
    http: type[asyncio.Protocol] | None = None,
    keep_alive_seconds: int = 5,
) -> None:
    """Serve until told to stop; with `HEDGEROW_END_WITH_STDIN=1`, until standard input ends as well.

    http: a protocol in place of uvicorn's own on httptools
    keep_alive_seconds: how long a connection may rest between two requests; who calls an app keeps it less
    """
    logs.install(name, level=_log_level())
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=http or ("httptools" if sys.platform != "win32" else "auto"),
            loop="uvloop" if sys.platform != "win32" else "auto",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=keep_alive_seconds,
            h11_max_incomplete_event_size=16_384,
        ),
        drain_seconds=float(os.environ.get(DRAIN_SECONDS, "0")),
    )
    if os.environ.get(WATCH_STDIN) == "1":
        threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
    if (told_at := metrics.listen()) is not None:
        log.info("metrics are told", extra={"port": told_at})
    tracing.start(name)
    settle_memory()
    server.run()
    tracing.stop()
    if not server.started:
        sys.exit(3)


class _Server(uvicorn.Server):
    """Uvicorn that, when told to stop, first says so for a while: not ready, and no connection kept open."""

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if _draining.is_set() or not self._drain_seconds:
            super().handle_exit(sig, frame)
            return
        _draining.set()
        # Uvicorn takes these into every answer, anew each second.
        self.config.encoded_headers.append((b"connection", b"close"))
        log.info("stopping soon", extra={"seconds": self._drain_seconds})
        last = threading.Timer(self._drain_seconds, super().handle_exit, (sig, frame))
        last.daemon = True
        last.start()


def settle_memory() -> None:
    """Keep what start-up has made out of every later search for garbage, and search less often.

    Hundreds of thousands of objects live as long as the app does; looking through them again and again takes
    a seventh of the time of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


def _end_with_stdin(server: uvicorn.Server) -> None:
    """The parent holds the other end of standard input: however it dies, this read comes back."""
    while os.read(0, 4096):
        pass
    server.should_exit = True
    time.sleep(12)
    os._exit(1)
