"""Looking now and then which KPIs have become late: nothing arrives that would tell."""

import logging
import threading
from datetime import UTC, datetime

from hedgerow_kit.db import Database
from sqlalchemy.exc import SQLAlchemyError

from hedgerow_outcomes.actions.lateness import tell_late

log = logging.getLogger(__name__)


class LateWatch:
    """A thread that tells of KPIs that have become late; with a pause of 0 there is none."""

    def __init__(self, database: Database, *, pause_seconds: float) -> None:
        self._database = database
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="late-kpis", daemon=True)

    def start(self) -> None:
        if self._pause_seconds > 0:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            try:
                tell_late(self._database, today=datetime.now(UTC).date())
            except SQLAlchemyError as error:
                # A restarting or busy database: the next look finds the same.
                log.warning("looking for late KPIs put off", extra={"reason": type(error).__name__})
