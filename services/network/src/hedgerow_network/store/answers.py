"""Answers that were worked out, kept while the projection stays as it is."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Lock, Semaphore, local
from typing import Any, TypeVar, cast

from hedgerow_network.errors import TooManyLongQuestions

T = TypeVar("T")

LONG_AT_ONCE = 1
"""Long questions worked out at a time: one leaves the other core to everybody else."""
LONG_WAITING = 12
"""Threads that long questions may hold, working or waiting; the app has forty for everything."""


class Answers:
    """A bounded cache in which each answer is worked out once, however many ask for it at the same time.

    Those who ask for something else do not wait, but for long questions, which take turns. More of these than
    may wait are refused, so that they never hold all threads of the app. An error is told to all who waited,
    and is not kept.
    """

    def __init__(
        self, kept: int, *, long_at_once: int = LONG_AT_ONCE, long_waiting: int = LONG_WAITING
    ) -> None:
        self._kept = kept
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._turns = Semaphore(long_at_once)
        self._room = Semaphore(long_waiting)
        self._mine = local()

    def get(self, key: Hashable, work_out: Callable[[], T], *, long: bool = False) -> T:
        """The answer kept, or worked out now. Raises TooManyLongQuestions for a long one if too many wait."""
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
        if found is not None and found.done():
            return cast(T, found.result())
        if not long or self._has_turn:
            return self._worked_out(key, work_out)
        with self._waiting():
            return self._worked_out(key, lambda: self._in_turn(work_out))

    @property
    def _has_turn(self) -> bool:
        return getattr(self._mine, "turn", False)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise TooManyLongQuestions
        try:
            yield
        finally:
            self._room.release()

    def _in_turn(self, work_out: Callable[[], T]) -> T:
        with self._turns:
            self._mine.turn = True
            try:
                return work_out()
            finally:
                self._mine.turn = False

    def _worked_out(self, key: Hashable, work_out: Callable[[], T]) -> T:
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                mine: Future[Any] = Future()
                self._answers[key] = mine
                while len(self._answers) > self._kept:
                    self._answers.popitem(last=False)
        if found is not None:
            return cast(T, self._result_of(found))
        try:
            answer = work_out()
        except BaseException as error:
            with self._lock:
                if self._answers.get(key) is mine:
                    del self._answers[key]
            mine.set_exception(error)
            raise
        mine.set_result(answer)
        return answer

    def _result_of(self, found: "Future[Any]") -> Any:
        """What another thread is working out. It may be waiting for the turn that this one has: lend it."""
        if not self._has_turn:
            return found.result()
        self._turns.release()
        try:
            return found.result()
        finally:
            self._turns.acquire()
