"""How much anybody may ask for: quotas by the minute, the headers that tell of them, and the refusal.

A gateway takes a part of a caller's quota at a time, for the second that runs, and lets requests in for it
without asking again. So the limit costs a request next to nothing, one that is answered from memory too, and
no gateway ever lets in what it has not taken. What is not used is given back.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from math import ceil
from typing import TypeVar

from hedgerow_kit.problems import TOO_MANY, Problem
from starlette.types import Message, Send

from hedgerow_gateway.domain.limits import WINDOW_S
from hedgerow_gateway.domain.routes import IMPORT, Route
from hedgerow_gateway.store.limits import Counting, Unused

log = logging.getLogger(__name__)

# Seconds that only go forward.
Clock = Callable[[], float]
Found = TypeVar("Found")

LOOK_SECONDS = 1.0
# So much is taken of a large quota at the least: most callers then cost one question a second.
FEWEST_TAKEN = 8
# Who was refused is refused without asking again for so long at the most: another gateway may give back what
# it did not use.
CLOSED_SECONDS = 1.0
MOST_KNOWN = 10_000
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Lease:
    """What one gateway may let in for one caller until a cell of the quota ends."""

    __slots__ = (
        "asking",
        "cell",
        "clock",
        "closed_until",
        "free",
        "given",
        "key",
        "left",
        "line",
        "lines_until",
        "log_name",
        "name",
        "opens_at",
        "policy",
        "quota",
        "until",
    )

    def __init__(self, name: str, quota: int, who: str, clock: Clock) -> None:
        self.clock = clock
        self.name = name.encode()
        self.quota = quota
        self.policy = b'"%s";q=%d;w=%d' % (self.name, quota, WINDOW_S)
        # Who it is stays here: a store that is shared is told neither addresses nor names.
        self.key = f"{name}:{sha256(who.encode()).hexdigest()[:32]}"
        self.log_name = who if who.startswith("key:") else None
        self.given = self.left = self.cell = 0
        self.until = self.closed_until = self.opens_at = self.lines_until = 0.0
        self.line = b""
        # What nobody has taken.
        self.free = quota
        self.asking: asyncio.Task[None] | None = None

    def give_back(self) -> None:
        """The request that was let in last is not counted after all."""
        self.left += 1

    @property
    def opens_s(self) -> int:
        """In how many seconds some of what was used is free again."""
        return max(1, ceil(self.opens_at - self.clock()))

    def told(self) -> tuple[bytes, bytes]:
        """RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers."""
        return self.policy, b'"%s";r=%d;t=%d' % (self.name, self.free + self.left, self.opens_s)

    def lines(self) -> bytes:
        """The same as lines of an answer; as long as the lease lasts only the number that is left changes."""
        if self.lines_until != self.until:
            self.lines_until = self.until
            self.line = b'ratelimit-policy: %s\r\nratelimit: "%s";t=%d;r=' % (
                self.policy,
                self.name,
                self.opens_s,
            )
        return b"%s%d\r\n" % (self.line, self.free + self.left)


class Quota:
    """One kind of requests, so many a minute for each caller.

    what: the requests in the words of a refusal
    """

    def __init__(
        self, name: str, what: str, a_minute: int, counting: Counting, *, clock: Clock = time.monotonic
    ) -> None:
        self._name = name
        self._what = what
        self._a_minute = a_minute
        self._counting = counting
        self._clock = clock
        self._leases: dict[str, Lease] = {}

    def ready(self, who: str) -> Lease | None:
        """Let a request in by what was taken already; None if it is not known whether it may come in."""
        lease = self._leases.get(who)
        if lease is None or lease.left <= 0 or self._clock() >= lease.until:
            return None
        lease.left -= 1
        return lease

    async def let_in(self, who: str) -> Lease:
        """Count a request, or refuse it with a 429 problem and count nothing."""
        while True:
            lease = self.ready(who)
            if lease is not None:
                return lease
            lease = self._leases.get(who)
            if lease is None:
                lease = self._leases[who] = Lease(self._name, self._a_minute, who, self._clock)
            if self._clock() < lease.closed_until:
                raise self._refusal(lease)
            if lease.asking is None:
                lease.asking = asyncio.create_task(self._ask(lease))
            # Whoever leaves does not take the answer along that others wait for.
            await asyncio.shield(lease.asking)

    async def look_after(self) -> None:
        """Give back what was not used in its cell, and forget who has not come for a while."""
        now = self._clock()
        over = [
            (who, lease)
            for who, lease in self._leases.items()
            if lease.asking is None and now >= max(lease.until, lease.closed_until)
        ]
        for who, _ in over:
            del self._leases[who]
        unused = [Unused(lease.key, lease.left, lease.cell) for _, lease in over if lease.left > 0]
        if unused:
            await self._counting.give_back(unused)

    async def _ask(self, lease: Lease) -> None:
        """Take as much as was used of this cell so far, or of the one before; what is left over goes back."""
        try:
            back = lease.left
            sent = self._clock()
            taken = await self._counting.take(
                lease.key,
                lease.quota,
                want=max(FEWEST_TAKEN, lease.given - back),
                back=back,
                back_cell=lease.cell,
            )
            lease.given = taken.granted + (lease.given - back if taken.cell == lease.cell else 0)
            lease.left += taken.granted - back
            lease.cell = taken.cell
            lease.free = taken.left
            # Counted from before the question, so that it ends here no later than there.
            lease.until = sent + taken.cell_s
            lease.opens_at = self._clock() + taken.opens_s
            if not taken.granted:
                if not lease.closed_until:
                    log.info("refused by a limit", extra={"limit": self._name, "key": lease.log_name})
                lease.closed_until = sent + min(CLOSED_SECONDS, taken.opens_s)
        finally:
            lease.asking = None

    def _refusal(self, lease: Lease) -> Problem:
        seconds = lease.opens_s
        policy, state = lease.told()
        problem = Problem(
            TOO_MANY,
            f"More than {lease.quota:,} {self._what} within a minute. Wait for {seconds} s.",
            headers={
                "Retry-After": str(seconds),
                "RateLimit-Policy": policy.decode(),
                "RateLimit": state.decode(),
            },
        )
        problem.extra["violated-policies"] = [self._name]
        return problem


class Attempts:
    """Attempts to be let in by something that was never shown before, counted by the address they come from.

    What was good before is no attempt, so nobody is locked out by who fails beside them; and what was wrong
    before is none either, so a page that goes on asking after its session has ended uses nothing up: such a
    request counts as one without a key.
    """

    def __init__(self, quota: Quota, strangers: Quota) -> None:
        self._quota = quota
        self._strangers = strangers
        self._was_good: dict[str, bool] = {}
        # By what was shown: many requests that show it at once are one attempt.
        self._under_way: dict[str, asyncio.Task[Lease]] = {}

    async def nothing_shown(self, address: str) -> None:
        """Count a request without a credential, or refuse it with a 429 problem."""
        await self._strangers.let_in(address)

    async def judge(
        self, address: str, presented: str, look: Callable[[], Awaitable[Found | None]]
    ) -> Found | None:
        """What a credential turns out to be, by `look`; nothing if it is not good. Or a 429 problem.

        presented: a digest of it
        """
        was_good = self._was_good.get(presented)
        begun = None
        if was_good is False:
            await self._strangers.let_in(address)
        elif was_good is None:
            begun = await self._begun(address, presented)
        try:
            found = await look()
        except BaseException:
            # What could not be looked at was no failure.
            self._end(presented, begun, counts=False)
            raise
        self._end(presented, begun, counts=found is None)
        if len(self._was_good) >= MOST_KNOWN:
            self._was_good.clear()
        self._was_good[presented] = found is not None
        return found

    async def _begun(self, address: str, presented: str) -> asyncio.Task[Lease]:
        begun = self._under_way.get(presented)
        if begun is None:
            begun = self._under_way[presented] = asyncio.create_task(self._quota.let_in(address))
        try:
            await asyncio.shield(begun)
        except BaseException:
            self._forget(presented, begun)
            raise
        return begun

    def _end(self, presented: str, begun: asyncio.Task[Lease] | None, *, counts: bool) -> None:
        if begun is not None and self._forget(presented, begun) and not counts:
            begun.result().give_back()

    def _forget(self, presented: str, begun: asyncio.Task[Lease]) -> bool:
        """Whether it was still under way: only the first of those who share it ends it."""
        if self._under_way.get(presented) is not begun:
            return False
        del self._under_way[presented]
        return True


class Limits:
    """All quotas: of who is known by what they ask for, of everybody else by address."""

    def __init__(
        self, counting: Counting, *, reads: int, writes: int, imports: int, strangers: int, attempts: int
    ) -> None:
        self._counting = counting
        self.reads = Quota("reads", "reads", reads, counting)
        self.writes = Quota("writes", "writes", writes, counting)
        self.imports = Quota("imports", "imports", imports, counting)
        self.open = Quota("open", "requests without a key", strangers, counting)
        self._attempts = Quota("attempts", "failed attempts", attempts, counting)
        self.attempts = Attempts(self._attempts, self.open)
        self._looking: asyncio.Task[None] | None = None

    def of(self, method: str, route: Route | None) -> Quota:
        """What a request of somebody known counts for."""
        if method in _READS:
            return self.reads
        return self.imports if route is not None and route.lane is IMPORT else self.writes

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_after_all())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._counting.close()

    async def _look_after_all(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._counting.look_after()
                for quota in (self.reads, self.writes, self.imports, self.open, self._attempts):
                    await quota.look_after()
            # Whatever it is, it must not be the last look.
            except Exception:
                log.exception("limits were not looked after")


def telling(send: Send, lease: Lease) -> Send:
    """Add to an answer what is left."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            policy, state = lease.told()
            told = ((b"ratelimit-policy", policy), (b"ratelimit", state))
            message = {**message, "headers": [*message.get("headers", ()), *told]}
        await send(message)

    return tell
