"""How often, and how soon after a failure, a delivery is tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

# 5 s, 15 s, 45 s … with the longest pause in the end: twelve tries in about a day and a half.
FIRST_PAUSE = timedelta(seconds=5)
GROWTH = 3
LONGEST_PAUSE = timedelta(hours=12)
MOST_ATTEMPTS = 12
# A receiver that fails is left alone for a while, whatever waits for it: 1 s, 2 s … 5 min.
FIRST_REST = timedelta(seconds=1)
LONGEST_REST = timedelta(minutes=5)
# What a receiver may ask for with Retry-After at most.
LONGEST_ASKED = timedelta(hours=24)
# Who was silent for longer is not made to wait for the old pauses once it is back.
LONG_FAILING = timedelta(minutes=10)
# A receiver that took nothing for so long is given up until somebody enables it again.
DISABLED_AFTER = timedelta(days=5)
# Pauses are spread by this share either way, so that what failed together is not tried together.
SPREAD = 0.25

GONE = 410


class Outcome(NamedTuple):
    """What became of an attempt. status: what the receiver answered · reason: what is wrong, None: it took it

    retry_after: the header of that name
    """

    status: int | None
    reason: str | None
    retry_after: str | None = None


def pause_after(attempts: int, *, chance: float) -> timedelta:
    """The pause after so many failed attempts of a delivery; chance: 0 to 1, evenly.

    >>> pause_after(3, chance=0.5)
    datetime.timedelta(seconds=45)
    """
    return _spread(min(FIRST_PAUSE * GROWTH ** min(attempts - 1, 20), LONGEST_PAUSE), chance)


def rest_after(failures: int, *, chance: float) -> timedelta:
    """How long a receiver is left alone after so many failures in a row.

    >>> rest_after(100, chance=0.5)
    datetime.timedelta(seconds=300)
    """
    return _spread(min(FIRST_REST * 2 ** min(failures - 1, 20), LONGEST_REST), chance)


def _spread(pause: timedelta, chance: float) -> timedelta:
    return pause * (1 - SPREAD + 2 * SPREAD * chance)


def asked_for(retry_after: str | None, *, now: datetime) -> timedelta:
    """The pause that a Retry-After header asks for, in seconds or as a date; none where it is not readable.

    >>> asked_for("120", now=datetime(2026, 1, 1, tzinfo=UTC))
    datetime.timedelta(seconds=120)
    """
    said = (retry_after or "").strip()
    if said.isascii() and said.isdigit():
        return min(timedelta(seconds=int(said[:9])), LONGEST_ASKED)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return timedelta(0)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return min(max(moment - now, timedelta(0)), LONGEST_ASKED)
