"""The words in which organisations and services are described: sectors, sizes, statuses."""

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


def organisation_status(text: str) -> str:
    """The status of an organisation in the register's own word, lower case; an empty one is `active`.

    >>> organisation_status(""), organisation_status("Removed")
    ('active', 'removed')
    """
    said = " ".join(text.casefold().split())
    if len(said) > LONGEST_STATUS:
        raise Malformed(f"a status has at most {LONGEST_STATUS} characters")
    return said or "active"
