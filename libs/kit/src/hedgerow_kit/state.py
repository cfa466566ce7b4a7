"""Which state an app's answers show: a token that is another one after every commit, asked for at `/state`.

Who keeps an answer asks for the token before it asks for the answer, and once more before it gives the answer
out again: equal tokens mean that the app would answer the same. The token says nothing else. An app that has
a change feed tells the number of its last change beside it, so that those who follow it can be asked to have
heard of that first.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hedgerow_kit.db import Database
from hedgerow_kit.problems import UNAVAILABLE, Problem

STATE_PATH = "/state"
# Beside the token: the number of the last change.
LAST_CHANGE = "hedgerow-last-change"
# Clocks of replicas may differ by so much around midnight, when answers about today become others.
CLOCKS_DIFFER = timedelta(seconds=5)

# All replicas over one server see the same. A snapshot names the transactions whose work it shows; their
# numbers are never used twice, and a server that is put back from a backup was started anew.
_POSTGRESQL = "SELECT pg_postmaster_start_time()::text || pg_current_snapshot()::text"
# Counts the commits of all other connections; means something within this connection alone.
_SQLITE = "PRAGMA data_version"


class State:
    """Reads the state of a database on a connection of its own. For one thread at a time.

    last_change: the statement that reads the number of the last change, for an app with a change feed
    """

    def __init__(
        self,
        database: Database,
        *,
        last_change: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._last_change = last_change
        self._now = now
        self._connection: Any = None
        self._name = ""

    @property
    def is_quick(self) -> bool:
        """Whether it is read from memory that is shared with the writers, in microseconds."""
        return self._database.dialect == "sqlite"

    def token(self) -> str:
        """The token of this moment; whatever the driver raises when the database cannot be read."""
        # The time is looked at first: what midnight changes after this look, another token tells.
        now = self._now()
        days = " ".join(str((now + apart).date()) for apart in (-CLOCKS_DIFFER, timedelta(0), CLOCKS_DIFFER))
        read = self._read(_SQLITE if self.is_quick else _POSTGRESQL)
        return blake2b(f"{self._name} {read} {days}".encode(), digest_size=16).hexdigest()

    def last_change(self) -> int | None:
        """The number of the last change that is committed; None without a change feed."""
        return None if self._last_change is None else self._read(self._last_change) or 0

    def _read(self, query: str) -> Any:
        if self._connection is None:
            self._open()
        try:
            row = self._connection.execute(query).fetchone()
            return None if row is None else row[0]
        except Exception:
            self.close()
            raise

    def _open(self) -> None:
        taken = self._database.engine.raw_connection()
        taken.detach()
        self._connection = taken.dbapi_connection
        if self.is_quick:
            self._name = secrets.token_hex(8)
            # Whoever holds the file for itself is not waited for: no token is told meanwhile.
            self._connection.execute("PRAGMA busy_timeout=0")
        else:
            self._connection.autocommit = True

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()


class TellState:
    """Answers `/state` before anything else of the app is touched."""

    def __init__(self, app: ASGIApp, database: Database, last_change: str | None = None) -> None:
        self._app = app
        self._state = State(database, last_change=last_change)
        # For a server that may let one wait; not among the threads that requests and imports wait for.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                self._thread.shutdown(wait=False)
                self._state.close()
        elif scope["type"] == "http" and scope["path"] == STATE_PATH:
            await (await self._answer())(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self) -> ASGIApp:
        try:
            if self._state.is_quick:
                token, last = self._look()
            else:
                token, last = await asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        except Exception as error:
            reason = f"The database cannot be read ({type(error).__name__})."
            return Problem(UNAVAILABLE, reason, headers={"Retry-After": "2"}).response()
        numbered = {} if last is None else {LAST_CHANGE: str(last)}
        return PlainTextResponse(token, headers={"Cache-Control": "no-store", **numbered})

    def _look(self) -> tuple[str, int | None]:
        return self._state.token(), self._state.last_change()
