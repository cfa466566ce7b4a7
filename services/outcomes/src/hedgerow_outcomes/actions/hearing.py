"""Taking in what the registry tells: areas decide what adds up to what, and so what may be shown."""

from datetime import datetime

from hedgerow_kit.following import Changes
from hedgerow_kit.projection import FeedMixin, Projection
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import disclosure
from hedgerow_outcomes.store.registry import is_readable
from hedgerow_outcomes.tables import Feed, Record


class _Heard(Projection):
    """The projection of the registry; a page with areas is judged in the transaction that takes it in."""

    def apply(self, session: Session, page: Changes, *, after: int, heard_at: datetime) -> FeedMixin:
        feed = super().apply(session, page, after=after, heard_at=heard_at)
        if any(change.kind == "area" for change in page.items):
            session.flush()
            disclosure.settle_after_areas(session)
        return feed


HEARD = _Heard(Record, Feed, is_readable=is_readable)
