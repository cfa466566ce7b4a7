"""Following the registry: page by page, for as long as the app runs."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from hedgerow_kit.db import Database
from sqlalchemy.exc import SQLAlchemyError

from hedgerow_network import actions
from hedgerow_network.errors import FeedUnreadable
from hedgerow_network.store import projection
from hedgerow_network.upstream.registry import Registry

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25


class Follower:
    """A thread that applies the registry's changes as they come.

    What is applied and how far it was read are committed together, so a process that dies at any moment goes
    on where it was. While the registry cannot be read the pauses grow, up to a limit; `nudge` ends a pause.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        poll_seconds: float,
        longest_pause_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._registry = registry
        self._poll_seconds = poll_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._now = now
        self._wake = threading.Event()
        self._stopping = False
        self._complete = False
        self._thread = threading.Thread(target=self._follow, name="follow-registry", daemon=True)
        self.position = 0
        self.trouble: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the page in hand; a page that hangs upstream is left behind with its thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)
        self._registry.close()

    def nudge(self) -> None:
        """Look for changes now."""
        self._wake.set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def step(self) -> bool:
        """Read and apply one page; whether there is more to read at once."""
        with self._database.reading() as session:
            after = projection.feed(session).position
        page = self._registry.changes(after)
        with self._database.writing() as session:
            feed = actions.apply(session, page, after=after, heard_at=self._now())
            more = feed.position < feed.registry_last
            position, complete = feed.position, feed.settled > 0
        self.position, self._complete = position, complete
        return more

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
                self.trouble = "A page of the registry's change feed cannot be applied: see the log."
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
                "the registry cannot be followed", extra={"reason": trouble}
            )
        self.trouble = trouble
