"""What is not kept for good goes by itself when it is old enough, and how much went stands in the audit.

An app says what it keeps for how many days. What is older is removed by the whole day, soon after midnight
(UTC), in transactions that hold up nobody for long; each leaves an entry in the audit that says how many and
from before when, never what. Records, their history and whatever else an answer of today or of then rests on
are no such thing.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import NamedTuple

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hedgerow_kit import audit, db, problems
from hedgerow_kit.audit_reading import Auditor
from hedgerow_kit.db import Act, Database, Reading
from hedgerow_kit.rounds import Rounds

log = logging.getLogger(__name__)

# By whom the audit says that something was removed, and the type of that change.
RETENTION = "retention"
REMOVED_AT_ONCE = 20_000
# What is still there a day after it should have gone was forgotten.
_GRACE = timedelta(days=1)


class Kept(NamedTuple):
    """Something that an app keeps for a while.

    days: for how many at least; None: for good · oldest: the moment from which the oldest that can go counts,
    None where there is nothing · remove: takes away at most so many from before a moment, the oldest first,
    and gives how many; 0 where nothing is left
    """

    name: str
    what: str
    days: int | None
    oldest: Callable[[Session], datetime | None]
    remove: Callable[[Session, datetime, int], int]

    def border(self, now: datetime) -> datetime | None:
        """What is from before this moment goes; None: nothing does."""
        if self.days is None:
            return None
        return datetime.combine((now - timedelta(days=self.days)).date(), time(), UTC)


class Retention(Rounds):
    """Looks now and then for what has become too old; with a pause of 0 nothing goes by itself."""

    def __init__(
        self,
        app: str,
        database: Database,
        kept: Sequence[Kept],
        *,
        look_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__("retention", pause_seconds=look_seconds, at_once=True)
        self.app = app
        self.kept = tuple(kept)
        self._database = database
        self._now = now

    def round(self) -> None:
        for one in self.kept:
            if not self.stopping.is_set():
                self.attempt(partial(self.remove, one), kept=one.name)

    def remove(self, kept: Kept) -> int:
        """Remove all that is too old, in several transactions; gives how many there were."""
        border = kept.border(self._now())
        with self._database.reading() as session:
            oldest = kept.oldest(session)
        if border is None or oldest is None or oldest >= border:
            return 0
        removed = 0
        while not self.stopping.is_set():
            with self._database.writing() as session:
                db.overwrite_removed(session)
                gone = kept.remove(session, border, REMOVED_AT_ONCE)
                if gone:
                    told = {"removed": gone, "before": border.isoformat(), "days": kept.days}
                    act = Act(RETENTION, f"{RETENTION} {kept.name}")
                    audit.enter(session, act, RETENTION, kept.name, after=told)
            if not gone:
                break
            removed += gone
        if removed:
            log.info("removed what was old", extra={"kept": kept.name, "removed": removed})
        return removed

    def view(self, session: Session) -> "RetentionView":
        now = self._now()
        return RetentionView(
            app=self.app,
            look_seconds=self.pause_seconds,
            kept=[_view(one, one.oldest(session), now) for one in self.kept],
        )


class KeptView(BaseModel):
    name: str
    what: str
    days: int | None = Field(description="For how many days at least; null: for good")
    oldest: datetime | None = Field(
        description="The moment from which the oldest that is still held counts; null: there is none"
    )
    overdue: bool = Field(description="Whether something is still there that should have gone a day ago")


class RetentionView(BaseModel):
    """What an app keeps for a while only. What it does not name it keeps for good."""

    app: str
    look_seconds: float = Field(description="How often it is looked; 0: nothing goes by itself")
    kept: list[KeptView]


def _view(kept: Kept, oldest: datetime | None, now: datetime) -> KeptView:
    border = kept.border(now - _GRACE)
    overdue = border is not None and oldest is not None and oldest < border
    return KeptView(name=kept.name, what=kept.what, days=kept.days, oldest=oldest, overdue=overdue)


def router(app: str) -> APIRouter:
    """`GET /v1/retention/<app>`, of the app's `state.retention`."""
    made = problems.router(tags=["retention"])

    @made.get(f"/v1/retention/{app}", operation_id=f"read_retention_of_{app}")
    def read_retention(request: Request, session: Reading, principal: Auditor) -> RetentionView:
        """What this app keeps for a while only, for how long, and from when the oldest is.

        What was removed stands in the audit, with its number: `GET /v1/audit?type=retention`.
        """
        retention: Retention = request.app.state.retention
        return retention.view(session)

    return made
