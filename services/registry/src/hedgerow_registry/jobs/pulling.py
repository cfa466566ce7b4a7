"""Pulling feeds when they are due, and going on with what a process that died had in hand.

A pull that is asked for is a row, committed with the request. From there a durable queue takes over (DBOS
Transact): it works on each once, on one of the replicas, and takes it up again after a restart. Its
tables are its own: beside the database's file on SQLite, in a schema of their own on PostgreSQL. If they are
lost nothing else is: what has not ended is handed out again.
"""

import logging
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from hedgerow_kit.db import Database
from sqlalchemy.exc import SQLAlchemyError

from hedgerow_registry.actions import feeds as actions
from hedgerow_registry.actions.pulls import Puller
from hedgerow_registry.store import feeds

if TYPE_CHECKING:
    from dbos import DBOS

log = logging.getLogger(__name__)

QUEUE: Final = "pulls"
# The shape of the workflow below. Work of another shape is not taken up where it was, but handed out again.
SHAPE: Final = "1"
# How long a page in hand may take to end when the app stops; later than that it is as if killed.
GRACE_SECONDS: Final = 5.0

WOKEN_SECONDS: Final = 0.2

# The library keeps one engine a process.
_engine_lock = threading.Lock()
_at_work: "Pulling | None" = None
_workflow: Callable[[str, int], None] | None = None


class Pulling:
    """Looks for feeds that are due, and has pulls worked on, for as long as the app runs.

    look_seconds: how often it looks · at_once: pulls at the same time in this process · replica: this
    process's name among those on the same database; the same again after a restart.
    """

    def __init__(
        self,
        database: Database,
        puller: Puller,
        *,
        look_seconds: float = 5.0,
        at_once: int = 2,
        replica: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._puller = puller
        self._look_seconds = look_seconds
        self._at_once = at_once
        # An SQLite file has one process; there its name need not change with the machine's.
        self._replica = replica or ("registry" if database.dialect == "sqlite" else socket.gethostname())
        self._now = now
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._engine: type[DBOS] | None = None
        self._busy = threading.Condition()
        self._at_hand = 0
        self._thread = threading.Thread(target=self._look, name="look-for-feeds", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """Stop after the page in hand; what is not finished goes on at the next start."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=10)
        with self._busy:
            self._busy.wait_for(lambda: self._at_hand == 0, timeout=GRACE_SECONDS)
        self._stop_engine()

    def _look(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._hand_over()
            except SQLAlchemyError as error:
                log.warning("feeds cannot be looked for", extra={"reason": type(error).__name__})
            except Exception:
                # The thread must outlive what nobody foresaw.
                log.exception("feeds cannot be looked for")
            if self._wake.wait(self._look_seconds):
                # Whoever woke it may not have committed yet.
                self._stopping.wait(WOKEN_SECONDS)

    def _hand_over(self) -> None:
        """Ask for what is due, and put what waits into the queue."""
        now = self._now()
        with self._database.reading() as session:
            anything = feeds.has_work(session) or feeds.is_any_due(session, now)
        if not anything:
            return
        with self._database.writing() as session:
            actions.ask_due(session, now)
            actions.hand_out_again(session, now)
            waiting = feeds.waiting(session)
        if not self._start_engine():
            return
        for pull_id, turn in waiting:
            self._enqueue(pull_id, turn)

    def _enqueue(self, pull_id: str, turn: int) -> None:
        from dbos import SetWorkflowID

        assert self._engine is not None
        assert _workflow is not None
        # One name a turn: however often a turn is handed over, it is worked on once.
        with SetWorkflowID(f"{pull_id}.{turn}"):
            self._engine.enqueue_workflow(QUEUE, _workflow, pull_id, turn)

    def _start_engine(self) -> bool:
        """Start the queue when there is work for the first time; `False` where it cannot be."""
        global _at_work
        if self._engine is not None:
            return True
        with _engine_lock:
            if self._stopping.is_set() or _at_work is not None:
                return False
            _at_work = self
            try:
                self._engine = self._launched()
            except Exception:
                _at_work = None
                raise
        return True

    def _launched(self) -> "type[DBOS]":
        from dbos import DBOS

        global _workflow
        url = self._database.engine.url
        if self._database.dialect == "sqlite":
            url = url.set(database=f"{url.database}.pulls")
        often = min(0.5, self._look_seconds)
        DBOS(
            config={
                "name": "hedgerow-registry",
                "system_database_url": url.render_as_string(hide_password=False),
                "executor_id": self._replica,
                "application_version": SHAPE,
                "log_level": "WARNING",
                "sys_db_pool_size": 4,
                "notification_listener_polling_interval_sec": often,
            }
        )
        _say_it_our_way()
        if _workflow is None:
            _workflow = _registered(DBOS)
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=self._at_once, polling_interval_sec=often)
        return DBOS

    def _stop_engine(self) -> None:
        global _at_work
        with _engine_lock:
            if self._engine is not None:
                self._engine.destroy()
                self._engine = None
                _at_work = None

    def _work(self, pull_id: str, turn: int) -> None:
        with self._busy:
            self._at_hand += 1
        try:
            self._puller.work(pull_id, turn, self._stopping.is_set)
        finally:
            with self._busy:
                self._at_hand -= 1
                self._busy.notify_all()


def _registered(engine: Any) -> Callable[[str, int], None]:
    @engine.workflow(name="pull_feed", max_recovery_attempts=None)  # type: ignore[untyped-decorator]
    def pull_feed(pull_id: str, turn: int) -> None:
        here = _at_work
        if here is not None:
            here._work(pull_id, turn)

    made: Callable[[str, int], None] = pull_feed
    return made


def _say_it_our_way() -> None:
    """Let the library's log lines go where all others go."""
    logger = logging.getLogger("dbos")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True
