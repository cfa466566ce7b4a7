"""Work that an app does by itself, now and then, for as long as it runs."""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

STOPPING_SECONDS = 30


class Rounds(ABC):
    """A thread that makes a round of its work now and then; with a pause of 0 there is none.

    name: of the thread, and in the log · pause_seconds: before each round · at_once: the first does not wait.
    A subclass says what a round is, and looks at `stopping` where one takes long.
    """

    def __init__(self, name: str, *, pause_seconds: float, at_once: bool = False) -> None:
        self.pause_seconds = pause_seconds
        self.stopping = threading.Event()
        self._first_pause = 0.0 if at_once else pause_seconds
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def round(self) -> None:
        """What is to be done each time; what it raises is noted, and the next round comes."""

    def start(self) -> None:
        if self.pause_seconds > 0:
            self._thread.start()

    def stop(self) -> None:
        """End after the piece in hand."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOPPING_SECONDS)

    def _run(self) -> None:
        pause = self._first_pause
        while not self.stopping.wait(pause):
            self.attempt(self.round)
            pause = self.pause_seconds

    def attempt(self, work: Callable[[], object], **told: str) -> None:
        """Do a piece of a round, so that its failure stops none of the others."""
        named = {"work": self._thread.name, **told}
        try:
            work()
        except SQLAlchemyError as error:
            # Another replica, a restarting or busy database: the next round finds the same.
            log.warning("put off", extra={**named, "reason": type(error).__name__})
        except Exception as error:
            log.error("failed", exc_info=error, extra=named)
