"""Work that an app does by itself: a round that fails is not the last."""

import logging
import threading

import pytest
from hedgerow_kit.rounds import Rounds
from sqlalchemy.exc import OperationalError


class Failing(Rounds):
    """Its first round fails as a program may, its second as a database may; the third succeeds."""

    def __init__(self, *, pause_seconds: float) -> None:
        super().__init__("counting", pause_seconds=pause_seconds, at_once=True)
        self.failures: list[Exception] = [
            ValueError("a fault"),
            OperationalError("SELECT 1", {}, Exception()),
        ]
        self.done = threading.Event()

    def round(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.done.set()


def test_a_round_that_fails_is_noted_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    work = Failing(pause_seconds=0.01)
    work.start()
    assert work.done.wait(20)
    work.stop()
    said = [(record.levelname, record.message, record.__dict__["work"]) for record in caplog.records]
    assert said == [("ERROR", "failed", "counting"), ("WARNING", "put off", "counting")]
    assert "counting" not in {thread.name for thread in threading.enumerate()}


def test_without_a_pause_there_are_no_rounds() -> None:
    work = Failing(pause_seconds=0)
    work.start()
    assert "counting" not in {thread.name for thread in threading.enumerate()}
    work.stop()
