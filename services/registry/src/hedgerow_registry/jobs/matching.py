"""Looking for organisations that may be one, soon after any changed."""

from hedgerow_kit.db import Database
from hedgerow_kit.rounds import Rounds

from hedgerow_registry.actions.matching import look_through
from hedgerow_registry.store import matching, spend


class Matcher(Rounds):
    """Looks through the registry when it has changed and then been quiet for a while.

    A load of many files is looked through once, at its end; one that does not end, now and then.
    """

    def __init__(self, database: Database, *, pause_seconds: float, longest_wait_pauses: int = 12) -> None:
        super().__init__("match-organisations", pause_seconds=pause_seconds)
        self._database = database
        self._longest_wait = longest_wait_pauses
        self._last, self._waited = -1, 0

    def round(self) -> None:
        with self._database.reading() as session:
            now, state = matching.position(session), matching.state(session)
            unmatched = spend.has_new_suppliers(session)
        behind = unmatched or now > (0 if state is None else state.seq)
        self._waited = self._waited + 1 if behind else 0
        if behind and (now == self._last or self._waited > self._longest_wait):
            look_through(self._database, lambda: not self.stopping.is_set())
            self._waited = 0
        self._last = now
