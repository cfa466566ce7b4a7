"""Taking in what the registry tells: areas decide what adds up to what, what may be shown, and to whom."""

from datetime import datetime

from hedgerow_kit.following import Changes
from hedgerow_kit.projection import FeedMixin, Projection
from sqlalchemy.orm import Session

from hedgerow_outcomes.actions import authorities, disclosure
from hedgerow_outcomes.domain.registry_records import EDITION, KINDS, is_readable
from hedgerow_outcomes.tables import Feed, Record


class _Heard(Projection):
    """The projection of the registry; what follows from a page is settled in its own transaction."""

    def apply(self, session: Session, page: Changes, *, after: int, heard_at: datetime) -> FeedMixin:
        feed = super().apply(session, page, after=after, heard_at=heard_at)
        told = {change.kind for change in page.items}
        if not told.isdisjoint(authorities.TOLD):
            session.flush()
            authorities.settle(session)
        if "area" in told:
            disclosure.settle_after_areas(session)
        return feed


HEARD = _Heard(Record, Feed, is_readable=is_readable, kinds=KINDS, edition=EDITION)
