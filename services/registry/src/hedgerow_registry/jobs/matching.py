"""Looking for organisations that may be one, soon after any changed."""

import logging
import threading

from hedgerow_kit.db import Database
from sqlalchemy.exc import SQLAlchemyError

from hedgerow_registry.actions.matching import look_through
from hedgerow_registry.store import matching, spend

log = logging.getLogger(__name__)


class Matcher:
    """A thread that looks through the registry when it has changed and then been quiet for a while.

    A load of many files is looked through once, at its end; one that does not end, now and then.
    """

    def __init__(self, database: Database, *, pause_seconds: float, longest_wait_pauses: int = 12) -> None:
        self._database = database
        self._pause_seconds = pause_seconds
        self._longest_wait = longest_wait_pauses
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="match-organisations", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the piece in hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        last, waited = -1, 0
        while not self._stopping.wait(self._pause_seconds):
            try:
                with self._database.reading() as session:
                    now, state = matching.position(session), matching.state(session)
                    unmatched = spend.has_new_suppliers(session)
                behind = unmatched or now > (0 if state is None else state.seq)
                waited = waited + 1 if behind else 0
                if behind and (now == last or waited > self._longest_wait):
                    look_through(self._database, lambda: not self._stopping.is_set())
                    waited = 0
                last = now
            except SQLAlchemyError as error:
                # Another replica, a deleted organisation, a restarting database: the next round tries again.
                log.warning("matching put off", extra={"reason": type(error).__name__})
            except Exception as error:
                log.error("matching failed", exc_info=error)
