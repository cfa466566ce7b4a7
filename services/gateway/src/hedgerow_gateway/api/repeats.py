"""Requests that come again byte for byte, as those of dashboards do.

What was read once and answered from memory means the same when it comes again: it need not be read, routed
and looked through anew, which is most of what an answer from memory costs. Whether the caller is still known
and the answer still holds is asked each time.
"""

from collections.abc import Callable
from typing import NamedTuple

from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.api.limits import Lease, Quota
from hedgerow_gateway.api.polling import Hit, OnWire, Polling

# In a request's scope: its bytes, if it is a GET that came whole, alone and on a connection that stays open.
WHOLE = "hedgerow.whole"
LONGEST = 2_000
MOST_REMEMBERED = 5_000


class Repeat(NamedTuple):
    """What a request was: by what its caller was known, to which app, what was found in memory."""

    shown: bytes
    app: str
    hit: Hit


class Repeats:
    """The requests that were answered from memory, by their bytes."""

    def __init__(self, identities: Identities, polling: Polling, reads: Quota) -> None:
        self._identities = identities
        self._polling = polling
        self._reads = reads
        self._known: dict[bytes, Repeat] = {}

    def note(self, whole: bytes, repeat: Repeat) -> None:
        if len(whole) > LONGEST:
            return
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[whole] = repeat

    def find(self, whole: bytes) -> tuple[Repeat, Lease] | None:
        """The request that these bytes were, if its caller may come in without being looked at again.

        It is counted with that.
        """
        # Whatever is to see every request (limits, counters) has to look here, too: these pass no other door.
        repeat = self._known.get(whole)
        if repeat is None:
            return None
        caller = self._identities.ready(repeat.shown, repeat.app)
        if caller is None or caller.scope != repeat.hit.key.who:
            return None
        lease = self._reads.ready(caller.subject)
        return None if lease is None else (repeat, lease)

    def answer(self, repeat: Repeat, lease: Lease, give: Callable[[OnWire | None, bytes], None]) -> None:
        """Give the answer and what is left to ask for, once the app has told its state; None in its place if
        it does not hold any more: the request is then read, and counted, as one that came for the first time.
        """

        def counted(answer: OnWire | None) -> None:
            if answer is None:
                lease.give_back()
                give(None, b"")
            else:
                give(answer, lease.lines())

        self._polling.answer_again(repeat.hit, counted)
