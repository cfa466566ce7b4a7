"""The tree of areas, kept in memory while the registry's areas stay as they are."""

from threading import Lock

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.totals import Tree
from hedgerow_outcomes.store import disclosure
from hedgerow_outcomes.tables import Record


class Areas:
    """The tree as of the last change to an area that was heard of."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: tuple[tuple[int, int], Tree] | None = None

    def tree(self, session: Session) -> Tree:
        query = select(func.max(Record.batch), func.count()).where(Record.kind == "area")
        batch, count = session.execute(query).one()
        state = (batch or 0, count)
        with self._lock:
            if self._held is None or self._held[0] != state:
                self._held = (state, disclosure.tree(session))
            return self._held[1]
