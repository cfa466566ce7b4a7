"""Releases and records as others read them: without what the reader may not see."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from hedgerow_registry.domain.ocds.merging import compiled
from hedgerow_registry.domain.ocds.shape import moment

Json = dict[str, Any]
VERSION: Final = "1.1"
_AMOUNTS: Final = frozenset(("amount", "amountGross", "amountNet", "valueGross"))


def package_head(*, uri: str, publisher: str, at: datetime) -> Json:
    """What a package says of itself, but for its releases or records."""
    return {
        "uri": uri,
        "version": VERSION,
        "publishedDate": at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "publisher": {"name": publisher},
    }


def released(releases: Iterable[Mapping[str, Any]], *, sees_all: bool, sees_money: bool) -> list[Json]:
    """Releases in their order, as a reader may see them.

    sees_all: also those that were not published when they were made.
    """
    return [
        dict(one) if sees_money else without_money(one)
        for one in releases
        if sees_all or (one.get("hedgerow") or {}).get("published") is not False
    ]


def record(ocid: str, releases: list[Json]) -> Json:
    """A record: the releases of a process, and its compiled release.

    releases: as `released` gives them, at least one.
    """
    dated = [(moment(one["date"]), str(one["id"]), one) for one in releases]
    return {
        "ocid": ocid,
        "releases": releases,
        "compiledRelease": compiled((at, id, one) for at, id, one in dated if at is not None),
    }


def without_money(value: Any) -> Any:
    """A release without amounts of money; it stays valid, because no amount is required.

    >>> without_money({"value": {"amount": 5, "currency": "GBP"}, "title": "Meals"})
    {'value': {'currency': 'GBP'}, 'title': 'Meals'}
    """
    if isinstance(value, list):
        # A statistic in a currency is an amount, and is nothing without its number: it goes whole.
        return [without_money(one) for one in value if not _is_monetary(one)]
    if not isinstance(value, Mapping):
        return value
    return {
        name: without_money(part)
        for name, part in value.items()
        if not (name in _AMOUNTS and isinstance(part, int | float))
    }


def _is_monetary(one: Any) -> bool:
    return isinstance(one, Mapping) and "measure" in one and bool(one.get("currency"))
