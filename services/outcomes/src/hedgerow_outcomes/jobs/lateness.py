"""Looking now and then which KPIs have become late: nothing arrives that would tell."""

from datetime import UTC, datetime

from hedgerow_kit.db import Database
from hedgerow_kit.rounds import Rounds

from hedgerow_outcomes.actions.lateness import tell_late


class LateWatch(Rounds):
    """Tells of KPIs that have become late."""

    def __init__(self, database: Database, *, pause_seconds: float) -> None:
        super().__init__("late-kpis", pause_seconds=pause_seconds)
        self._database = database

    def round(self) -> None:
        tell_late(self._database, today=datetime.now(UTC).date())
