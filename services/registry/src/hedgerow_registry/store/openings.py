"""Asking the stored opening times: which are open at a moment."""

from typing import Any

from sqlalchemy import and_, case, or_

from hedgerow_registry.domain.openings import Moment, month_number, week_number
from hedgerow_registry.tables import ServiceOpening as Row


def open_at(asked: Moment) -> Any:
    """The condition on a row that it is open at a moment: `domain.openings.is_open` in SQL."""
    return or_(_spans(asked), _spans(asked.day_before()))


def _spans(asked: Moment) -> Any:
    number = case((Row.monthly, month_number(asked.day)), else_=week_number(asked.day))
    return and_(
        Row.opens <= asked.minute,
        Row.closes > asked.minute,
        Row.every > 0,
        or_(Row.weekday == asked.weekday, and_(Row.weekday.is_(None), Row.month_day.is_not(None))),
        or_(Row.starts.is_(None), Row.starts <= asked.day),
        or_(Row.ends.is_(None), Row.ends >= asked.day),
        or_(Row.nth.is_(None), Row.nth.in_(asked.nth)),
        or_(Row.month_day.is_(None), Row.month_day.in_(asked.month_day)),
        # Without an anchor the remainder is NULL, and so is the answer: not known to be open.
        or_(Row.every == 1, (number - Row.anchor) % Row.every == 0),
    )
