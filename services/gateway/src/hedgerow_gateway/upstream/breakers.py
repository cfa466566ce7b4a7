"""What keeps one app's trouble from becoming everybody's: a circuit breaker, a budget for retries, lanes."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from hedgerow_kit.problems import UNAVAILABLE, Problem
from prometheus_client import Histogram

from hedgerow_gateway.domain.routes import Lane

# So many requests in a row without a whole answer open the circuit.
FAILURES = 5
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 2.0
# Every request earns so much of a retry; so many are saved up at most, for the moment an app is restarted.
RETRY_SHARE = 0.1
MOST_RETRIES_SAVED = 10.0
RETRY_AFTER_SECONDS = 2

_waits = Histogram(
    "hedgerow_gateway_lane_wait_seconds",
    "How long requests waited that found no room in their lane, those that were refused then as well.",
    ["app", "lane"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10),
)


class Breaker:
    """Stops asking an app that does not answer, until it is seen to be well again.

    While it is open, one probe at a time looks after the app and nobody's request is risked for it: the first
    probe that succeeds closes it.
    """

    def __init__(self, app: str, probe: Callable[[], Awaitable[bool]]) -> None:
        self._app = app
        self._probe = probe
        self._failures = 0
        self._next_probe = 0.0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._probing is not None

    def refuse_if_open(self) -> None:
        if self._probing is None:
            return
        left = self._next_probe - asyncio.get_running_loop().time()
        raise Problem(
            UNAVAILABLE,
            f"The {self._app} app does not answer at the moment.",
            headers={"Retry-After": str(max(1, math.ceil(left)))},
            app=self._app,
        )

    def note(self, *, good: bool) -> None:
        """What came of a request: an answer, or none."""
        self._failures = 0 if good else self._failures + 1
        if self._failures >= FAILURES and self._probing is None:
            self._probing = asyncio.get_running_loop().create_task(self._probe_until_well())

    def close(self) -> None:
        """The app was seen to be well by another than the probe."""
        self.stop()
        self._failures = 0
        self._probing = None

    def stop(self) -> None:
        if self._probing is not None:
            self._probing.cancel()

    async def _probe_until_well(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        is_well = False
        while not is_well:
            self._next_probe = asyncio.get_running_loop().time() + pause
            await asyncio.sleep(pause)
            is_well = await self._probe()
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._failures = 0
        self._probing = None


class RetryBudget:
    """Lets a small share of an app's requests be sent once more, so that trouble is not doubled."""

    def __init__(self) -> None:
        self._saved = MOST_RETRIES_SAVED

    def earn(self) -> None:
        self._saved = min(MOST_RETRIES_SAVED, self._saved + RETRY_SHARE)

    def spend(self) -> bool:
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


class Lanes:
    """The room that requests of each kind have on their way to one app."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._rooms: dict[str, asyncio.Semaphore] = {}

    async def place(self, lane: Lane) -> asyncio.Semaphore:
        """The room with a place taken in it, to be released; a problem if none becomes free in time."""
        room = self._rooms.get(lane.name)
        if room is None:
            room = self._rooms[lane.name] = asyncio.Semaphore(lane.at_once)
        if not room.locked():
            await room.acquire()
            return room
        began = time.perf_counter()
        try:
            async with asyncio.timeout(lane.wait_seconds):
                await room.acquire()
        except TimeoutError:
            raise Problem(
                UNAVAILABLE,
                f"The {self._app} app has {lane.at_once} requests of this kind ({lane.name}) in hand.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
                app=self._app,
            ) from None
        finally:
            _waits.labels(self._app, lane.name).observe(time.perf_counter() - began)
        return room
