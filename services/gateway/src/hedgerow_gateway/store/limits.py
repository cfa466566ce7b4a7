"""Where it is counted what of a quota was used: in this process, or in a Redis for all gateways."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hedgerow_gateway.domain.limits import SHARE, WINDOW_S, Taken, Windows

log = logging.getLogger(__name__)

ANSWER_SECONDS = 0.25
MOST_CONNECTIONS = 16
_PREFIX = "hedgerow:limits:"

# The same as `Windows.take`, by the clock of the Redis, in milliseconds. What it counts ends by itself.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cell = math.floor(now / 1000)
local quota, want = tonumber(ARGV[1]), tonumber(ARGV[2])
local back, back_cell = tonumber(ARGV[3]), tonumber(ARGV[4])
local window, share = tonumber(ARGV[5]), tonumber(ARGV[6])
local used, oldest = 0, cell
local counted = redis.call('HGETALL', KEYS[1])
for place = 1, #counted, 2 do
  local there, number = tonumber(counted[place]), tonumber(counted[place + 1])
  if there < cell - window then
    redis.call('HDEL', KEYS[1], counted[place])
  else
    if there == back_cell and back > 0 and number >= back then
      number = redis.call('HINCRBY', KEYS[1], counted[place], -back)
    end
    used = used + number
    if number > 0 and there < oldest then oldest = there end
  end
end
local left = math.max(0, quota - used)
local granted = math.min(want, left, math.max(1, math.floor(left / share)))
if granted > 0 then
  redis.call('HINCRBY', KEYS[1], string.format('%d', cell), granted)
  redis.call('PEXPIRE', KEYS[1], (window + 2) * 1000)
end
return {granted, left - granted, cell, (cell + 1) * 1000 - now, (oldest + window + 1) * 1000 - now}
"""


class Unused(NamedTuple):
    """What was taken of a quota in a cell and is given back."""

    key: str
    number: int
    cell: int


class Counting(Protocol):
    """Where it is counted; see `Windows` for what is taken and given back."""

    async def take(self, key: str, quota: int, *, want: int, back: int, back_cell: int) -> Taken: ...
    async def give_back(self, unused: Sequence[Unused]) -> None: ...
    async def look_after(self) -> None:
        """What is to be done about once a second."""

    async def close(self) -> None: ...


class Alone:
    """Counts what this process lets in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows = Windows()

    async def take(self, key: str, quota: int, *, want: int, back: int, back_cell: int) -> Taken:
        return self._windows.take(key, quota, want=want, back=back, back_cell=back_cell, now=self._clock())

    async def give_back(self, unused: Sequence[Unused]) -> None:
        for key, number, cell in unused:
            await self.take(key, 0, want=0, back=number, back_cell=cell)

    async def look_after(self) -> None:
        self._windows.forget_old(self._clock())

    async def close(self) -> None:
        pass


class Together:
    """Counts what all gateways let in that share a Redis; while that does not answer, each counts alone.

    Nobody waits for a Redis that is away: who first finds it so waits for half a second at most, and whether
    it is back is asked beside the requests. Cells have other numbers here than there, so nothing is given
    back where it was not taken.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                url,
                max_connections=MOST_CONNECTIONS,
                timeout=ANSWER_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                # Once more, for a connection that was closed while it rested.
                retry=Retry(NoBackoff(), 1),
            )
        )
        self._script = self._redis.register_script(_TAKE)
        self._alone = Alone()
        self._is_away = False

    async def take(self, key: str, quota: int, *, want: int, back: int, back_cell: int) -> Taken:
        if not self._is_away:
            try:
                return await self._take(key, quota, want, back, back_cell)
            except (RedisError, OSError) as error:
                self._note_away(error)
        return await self._alone.take(key, quota, want=want, back=back, back_cell=back_cell)

    async def give_back(self, unused: Sequence[Unused]) -> None:
        if not self._is_away:
            try:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for key, number, cell in unused:
                        await self._script(
                            keys=[_PREFIX + key], args=[0, 0, number, cell, WINDOW_S, SHARE], client=pipeline
                        )
                    await pipeline.execute()
            except (RedisError, OSError) as error:
                self._note_away(error)
        await self._alone.give_back(unused)

    async def look_after(self) -> None:
        await self._alone.look_after()
        if self._is_away:
            try:
                await self._take("", 0, 0, 0, 0)
            except (RedisError, OSError):
                return
            self._is_away = False
            log.warning("requests are counted together again")

    async def close(self) -> None:
        await self._redis.aclose()

    async def _take(self, key: str, quota: int, want: int, back: int, back_cell: int) -> Taken:
        granted, left, cell, cell_ms, opens_ms = await self._script(
            keys=[_PREFIX + key], args=[quota, want, back, back_cell, WINDOW_S, SHARE]
        )
        return Taken(granted, left, cell, cell_ms / 1000, opens_ms / 1000)

    def _note_away(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            # The class alone: the words may hold the address with its password.
            log.warning("requests are counted by each gateway alone", extra={"reason": type(error).__name__})
