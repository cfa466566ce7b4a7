"""Answers that were worked out, kept while the projection stays as it is."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Answers:
    """A bounded cache in which each answer is worked out once, however many ask for it at the same time.

    Those who ask for something else do not wait. An error is told to all who waited, and is not kept.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def get(self, key: Hashable, work_out: Callable[[], T]) -> T:
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
            else:
                mine: Future[Any] = Future()
                self._answers[key] = mine
                while len(self._answers) > self._kept:
                    self._answers.popitem(last=False)
        if found is not None:
            return cast(T, found.result())
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
