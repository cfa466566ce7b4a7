"""Following another app: its change feed read through the gateway, page by page, for as long as we run."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import orjson
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from hedgerow_kit.db import Database

log = logging.getLogger(__name__)

PAGE = 1000
# The gateway names in it the last change of the app that is followed, as it was when the request came.
FIRST_TO_HEAR = "hedgerow-first-to-hear"
# So long a request waits until that has been heard of, and looks so often.
HEARD_WITHIN_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.01
# Who is further behind than this is reading a long history: its answers say so and are not waited for.
FAR_BEHIND = 20 * PAGE

_FIRST_TO_HEAR = FIRST_TO_HEAR.encode()
FIRST_PAUSE_SECONDS = 0.25


class FeedUnreadable(Exception):
    """The change feed could not be read."""


class HistoryReplaced(Exception):
    """The other app's history is not the one that was read: it was restored from a backup, or filled anew."""


@dataclass(frozen=True)
class Change:
    """What happened to one entity, and its present state; data None = it is no more.

    what: the last word of the event's type, such as `updated` or `opened`
    """

    seq: int
    kind: str
    id: str
    data: dict[str, Any] | None
    what: str = "updated"
    at: datetime | None = None


@dataclass(frozen=True)
class Changes:
    """A page of the feed. position: the last change it speaks for · last: the last change of all.

    epoch: which history this is, `None` where the other app does not say · mark: what the next page is asked
    for with, by which the other app knows that its history up to here is the one that was read
    """

    items: tuple[Change, ...]
    position: int
    last: int
    epoch: str | None = None
    mark: str | None = None


def key_in(file: Path) -> Callable[[], str]:
    """The key in a file, read anew for each call: it may appear, or change, while we run."""

    def key() -> str:
        try:
            return file.read_text().strip()
        except OSError as error:
            raise FeedUnreadable("The file with this app's API key cannot be read.") from error

    return key


class ChangeReader:
    """Reads a feed of numbered events, such as `/v1/changes`.

    url: of the gateway, or of the app itself for who may sign its own token · token: what each call carries
    followed: how the messages name the app that is followed · kinds: what is read of it
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        followed: str,
        kinds: Collection[str],
        path: str = "/v1/changes",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._token = token
        self._path = path
        self._followed = followed
        self._kinds = frozenset(kinds)
        self._client = httpx.Client(
            base_url=url, timeout=httpx.Timeout(30.0, connect=3.0), transport=transport
        )

    def close(self) -> None:
        self._client.close()

    def changes(self, after: int, mark: str | None = None) -> Changes:
        """The changes after a number, oldest first, at most a page.

        mark: of the page before. Raises FeedUnreadable with the reason; HistoryReplaced.
        """
        token = self._token()
        try:
            answer = self._client.get(
                self._path,
                params={"after": str(after), "limit": str(PAGE)} | ({} if mark is None else {"mark": mark}),
                headers={"Authorization": f"Bearer {token}"},
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            said = f"The {self._followed} cannot be reached ({type(error).__name__})."
            raise FeedUnreadable(said) from error
        if answer.status_code == 409:
            raise HistoryReplaced
        if answer.status_code != 200:
            raise FeedUnreadable(
                f"The {self._followed}'s change feed answers with status {answer.status_code}."
            )
        try:
            return self._page(orjson.loads(answer.content), after)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"The {self._followed}'s change feed gives an answer of an unknown shape."
            raise FeedUnreadable(said) from error

    def _page(self, body: Any, after: int) -> Changes:
        items = []
        position = after
        for event in body["items"]:
            seq = int(event["id"])
            if seq <= position:
                raise ValueError("the feed is out of order")
            position = seq
            family, kind, what = event["type"].split(".")
            if family == "hedgerow" and kind in self._kinds:
                at = datetime.fromisoformat(event["time"])
                items.append(Change(seq, kind, str(event["subject"]), event["data"], what, at))
        last = int(body["last"])
        if not items and body["next"] is None:
            # An empty page at the end speaks for all changes up to the last, whatever was left out of it.
            position = max(position, last)
        # What the reader may not see is left out: the feed itself says how far the page goes.
        position = max(position, int(body.get("position", position)))
        return Changes(tuple(items), position, last, body.get("epoch"), body.get("mark"))


class Reader(Protocol):
    """What gives the pages of a feed."""

    def changes(self, after: int, mark: str | None = None) -> Changes: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Position:
    """How far the feed was read. complete: to its end, at least once"""

    position: int
    last: int
    complete: bool


class Kept(Protocol):
    """Where the pages go: see `hedgerow_kit.projection`."""

    def position(self, database: Database) -> tuple[int, str | None]: ...

    def restart(self, database: Database, *, after: int, at: datetime) -> Position: ...

    def take(self, database: Database, page: Changes, *, after: int, heard_at: datetime) -> Position: ...


class Follower:
    """A thread that takes in the changes as they come.

    What is taken in and how far it was read are committed together, so a process that dies at any moment goes
    on where it was. While the feed cannot be read the pauses grow, up to a limit; `nudge` ends a pause.
    """

    def __init__(
        self,
        database: Database,
        reader: Reader,
        kept: Kept,
        *,
        poll_seconds: float,
        longest_pause_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._reader = reader
        self._kept = kept
        self._poll_seconds = poll_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._now = now
        self._wake = threading.Event()
        self._stopping = False
        self._complete = False
        self._thread = threading.Thread(target=self._follow, name="follow", daemon=True)
        self.position = 0
        self.trouble: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the page in hand; a page that hangs upstream is left behind with its thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)
        self._reader.close()

    def nudge(self) -> None:
        """Look for changes now."""
        self._wake.set()

    async def has_heard(self, number: int, *, within: float = HEARD_WITHIN_SECONDS) -> bool:
        """Wait until a change of this number has been taken in, at most so many seconds; whether it was."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while self.position < number:
            if loop.time() >= deadline:
                return False
            self.nudge()
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return True

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def step(self) -> bool:
        """Read and take in one page; whether there is more to read at once."""
        after, mark = self._kept.position(self._database)
        try:
            page = self._reader.changes(after, mark)
        except HistoryReplaced:
            reached = self._kept.restart(self._database, after=after, at=self._now())
        else:
            reached = self._kept.take(self._database, page, after=after, heard_at=self._now())
        self.position, self._complete = reached.position, reached.complete
        return reached.position < reached.last

    def _follow(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            self._wake.clear()
            try:
                more = self.step()
            except (FeedUnreadable, SQLAlchemyError) as error:
                said = str(error) if isinstance(error, FeedUnreadable) else "The database cannot be written."
                self._tell(said)
                self._wake.wait(pause)
                pause = min(2 * pause, self._longest_pause())
            except Exception:
                # The thread must outlive what nobody foresaw; /readyz and the log tell of it.
                log.exception("the feed cannot be applied")
                self.trouble = "A page of the change feed cannot be applied: see the log."
                self._wake.wait(self._longest_pause_seconds)
            else:
                self._tell(None)
                pause = FIRST_PAUSE_SECONDS
                if not more:
                    self._wake.wait(self._poll_seconds)

    def _longest_pause(self) -> float:
        # At the first start the other apps are still coming up, and nobody has an answer until they have.
        return self._longest_pause_seconds if self._complete else FIRST_PAUSE_SECONDS

    def _tell(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            log.info("following again") if trouble is None else log.warning(
                "the feed cannot be followed", extra={"reason": trouble}
            )
        self.trouble = trouble


class HearFirst:
    """Lets a request wait for what had been acknowledged by the app that is followed when it came.

    So whoever wrote there and reads here sees what they wrote. While the feed cannot be read, or a long
    history is being read, nobody waits: what is known is answered, and says how old it is.
    """

    def __init__(self, app: ASGIApp, follower: Follower) -> None:
        self._app = app
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            number = _first_to_hear(scope)
            behind = number - self._follower.position
            if 0 < behind <= FAR_BEHIND and self._follower.trouble is None:
                await self._follower.has_heard(number)
        await self._app(scope, receive, send)


def _first_to_hear(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == _FIRST_TO_HEAR and value.isdigit():
            return int(value[:19])
    return 0
