"""The words in which organisations and services are described: sectors, sizes, statuses."""

from datetime import date
from typing import Final

from hedgerow_registry.errors import Malformed

SECTORS: Final = ("public", "private", "charity", "social enterprise", "mutual", "informal")
SERVICE_STATUSES: Final = ("active", "inactive", "defunct", "temporarily closed")
LONGEST_STATUS: Final = 30


def sector(text: str) -> str | None:
    """One of `SECTORS`, or `None` for a word that is none of them.

    >>> sector("Social_Enterprise"), sector("voluntary")
    ('social enterprise', None)
    """
    said = " ".join(text.casefold().replace("_", " ").replace("-", " ").split())
    return said if said in SECTORS else None


def service_status(text: str) -> str:
    """The status of a service; an empty one is `active`. Raises Malformed: cover hangs on it.

    >>> service_status(""), service_status("Temporarily Closed")
    ('active', 'temporarily closed')
    """
    said = " ".join(text.casefold().replace("_", " ").split())
    if said and said not in SERVICE_STATUSES:
        raise Malformed(f"unknown status: one of {', '.join(SERVICE_STATUSES)}")
    return said or "active"


def yes_or_no(text: str) -> bool:
    """Whether a cell says yes or no. Raises Malformed for anything else.

    >>> yes_or_no("Yes"), yes_or_no("0")
    (True, False)
    """
    said = text.strip().casefold()
    if said in ("yes", "y", "true", "1"):
        return True
    if said in ("no", "n", "false", "0"):
        return False
    raise Malformed("yes or no")


def evidenced(said: bool | None, evidence: str | None, on: date | None) -> None:
    """Require that a status of an organisation stands with its evidence and the day of it, or not at all.

    Raises Malformed.

    >>> evidenced(True, "https://example.org/register", date(2025, 4, 1))
    """
    if said is not None and (evidence is None or on is None):
        raise Malformed("a status needs its evidence (in words or as an address) and the day of it")
    if said is None and (evidence is not None or on is not None):
        raise Malformed("evidence without the status it is of")


def organisation_status(text: str) -> str:
    """The status of an organisation in the register's own word, lower case; an empty one is `active`.

    >>> organisation_status(""), organisation_status("Removed")
    ('active', 'removed')
    """
    said = " ".join(text.casefold().split())
    if len(said) > LONGEST_STATUS:
        raise Malformed(f"a status has at most {LONGEST_STATUS} characters")
    return said or "active"
