"""Moments as they are asked for: `as_of`, what was known then."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import Depends, Query

from hedgerow_kit.problems import UNPROCESSABLE, Problem


def _moment(
    as_of: Annotated[
        str | None,
        Query(
            max_length=40,
            description="What was known then: a moment (2026-05-31T12:00:00Z) or a day, to its end in UTC",
        ),
    ] = None,
) -> datetime | None:
    if as_of is None:
        return None
    try:
        if len(as_of) == 10:
            return datetime.combine(date.fromisoformat(as_of) + timedelta(days=1), time(), UTC) - timedelta(
                microseconds=1
            )
        moment = datetime.fromisoformat(as_of)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem(
            UNPROCESSABLE,
            errors=[{"parameter": "as_of", "reason": "not a day or a moment as in 2026-05-31T12:00:00Z"}],
        ) from None


AsOf = Annotated[datetime | None, Depends(_moment)]
