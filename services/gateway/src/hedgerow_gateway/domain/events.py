"""Events: what kinds there are, who is told of one, and how it looks on the wire (CloudEvents 1.0)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

# What happens to the records of the registry. What changes only by whole files of figures (boundaries,
# residents, indices, demand, crosswalks) is told by the change feed and not by events.
REGISTRY_KINDS = ("area", "need", "organisation", "service", "site", "process", "contract")
OUTCOME_KINDS = ("breach", "statement", "kpi")
PING = "hedgerow.ping"
REPLACED = "hedgerow.history.replaced"

TYPES = (
    *(f"hedgerow.{kind}.{what}" for kind in REGISTRY_KINDS for what in ("updated", "deleted")),
    *(f"hedgerow.breach.{what}" for what in ("opened", "changed", "closed", "withdrawn")),
    *(
        f"hedgerow.statement.{what}"
        for what in ("issued", "adjusted", "approved", "disputed", "paid", "withdrawn")
    ),
    "hedgerow.kpi.late",
    REPLACED,
)

_PATTERN = re.compile(r"\*|(?:[a-z]+\.)+(?:\*|[a-z]+)")
# Fields that say an amount of money, wherever they stand in a record.
_MONEY = "_gbp"
READ, MONEY = "read", "money"


class Event(NamedTuple):
    """Something that happened.

    areas: those it concerns, and those they lie in · authorities: whose it is, everybody's where empty ·
    not_to: the authorities that are told otherwise · permission: what one must be allowed to be told of it ·
    webhook_id: the only webhook it is meant for
    """

    seq: int
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any] | None
    areas: Sequence[str]
    authorities: Sequence[str]
    not_to: Sequence[str]
    permission: str
    webhook_id: str | None


class Interest(NamedTuple):
    """What somebody wants to hear of: types by pattern, areas with all that lies within them; empty: all."""

    types: Sequence[str]
    areas: frozenset[str]

    def covers(self, event: Event) -> bool:
        """Whether it is wanted; what is meant for one webhook alone is nobody's wish."""
        if event.webhook_id is not None:
            return False
        if self.types and not any(matches(pattern, event.type) for pattern in self.types):
            return False
        return not self.areas or not self.areas.isdisjoint(event.areas)


class Sight(NamedTuple):
    """What somebody may be told: of which authorities (None: of all), and whether amounts of money."""

    authorities: frozenset[str] | None
    money: bool

    def sees(self, event: Event) -> bool:
        """Whether the event may be told."""
        if event.permission == MONEY and not self.money:
            return False
        if event.authorities and not self._within(event.authorities):
            return False
        return not (event.not_to and self._within(event.not_to))

    def _within(self, authorities: Sequence[str]) -> bool:
        return self.authorities is None or not self.authorities.isdisjoint(authorities)

    def _owns(self, data: Mapping[str, Any]) -> bool:
        return self.authorities is None or data.get("authority_code") in self.authorities

    def told(self, event: Event) -> dict[str, Any]:
        """The event as a CloudEvent, without amounts and contracts for who may not know of them."""
        data = event.data
        if data is not None:
            # As the registry tells them: what a record costs is its own authority's to know, published
            # or not.
            own = self._owns(data)
            data = data if own and self.money else without_money(data)
            data = data if own else without_unpublished(data)
        return {
            "specversion": "1.0",
            "id": event.id,
            "source": f"/{event.source}",
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "datacontenttype": "application/json",
            # The extension "sequence": the numbers of one gateway sort as text.
            "sequence": f"{event.seq:019}",
            "data": data,
        }


def matches(pattern: str, type: str) -> bool:
    """Whether a type fits a pattern: itself, or a beginning followed by `*`.

    >>> matches("hedgerow.breach.*", "hedgerow.breach.opened"), matches("*", "hedgerow.kpi.late")
    (True, True)
    >>> matches("hedgerow.breach.*", "hedgerow.breaches.x")
    False
    """
    return type.startswith(pattern[:-1]) if pattern.endswith("*") else type == pattern


def is_known_pattern(pattern: str) -> bool:
    """Whether a pattern is well formed and any event can ever fit it.

    >>> [is_known_pattern(text) for text in ("hedgerow.service.*", "hedgerow.weather.*", "hed*")]
    [True, False, False]
    """
    return _PATTERN.fullmatch(pattern) is not None and any(matches(pattern, type) for type in TYPES)


def without_money(value: Any) -> Any:
    """A record whose amounts of money are null.

    >>> without_money({"title": "Care", "value_gbp": "1.00", "lots": [{"id": "1", "value_gbp": "1.00"}]})
    {'title': 'Care', 'value_gbp': None, 'lots': [{'id': '1', 'value_gbp': None}]}
    """
    if isinstance(value, Mapping):
        return {key: None if key.endswith(_MONEY) else without_money(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_money(inner) for inner in value]
    return value


def without_unpublished(data: Mapping[str, Any]) -> dict[str, Any]:
    """A record that does not name the contract that follows it, unless that is said to be published.

    >>> without_unpublished({"id": "c1", "successor_id": "c2", "successor_published": False})
    {'id': 'c1', 'successor_id': None, 'successor_published': None}
    """
    if "successor_id" not in data or data.get("successor_published") is True:
        return dict(data)
    return {**data, "successor_id": None, "successor_published": None}


# Stands for the authority of rows that belong to none and are not for everybody: who sees all sees them.
NOBODY = "-"
# What is told of only to who may see money.
_ABOUT_MONEY = frozenset({"statement"})
# What it is called when something is no more that may have been everybody's, and now is somebody's.
ENDS = {"contract": "deleted", "process": "deleted", "breach": "withdrawn"}
_PERHAPS_SOMEBODYS = frozenset({"contract", "process", *OUTCOME_KINDS})


def permission(kind: str) -> str:
    """What one must be allowed to be told of a kind of thing."""
    return MONEY if kind in _ABOUT_MONEY else READ


class Place(NamedTuple):
    """Where a record was last known to be, and whose it was: what is left to tell by when it is gone.

    areas: as the record says them; an area's are its parents · part_of: the service of a site
    """

    areas: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    part_of: str | None = None


def place(kind: str, data: Mapping[str, Any]) -> Place:
    """Where a record is, and whose.

    >>> place("site", {"area_code": "E05000001", "service_id": "s1"})
    Place(areas=('E05000001',), authorities=(), part_of='s1')
    >>> place("contract", {"area_codes": [], "published": False, "authority_code": "E08000009"})
    Place(areas=(), authorities=('E08000009',), part_of=None)
    """
    if kind == "area":
        return Place(_strings(data.get("parents")))
    if kind == "organisation":
        return Place(_strings([data.get("head_office_area_code")]))
    if kind == "site":
        service = data.get("service_id")
        return Place(_strings([data.get("area_code")]), part_of=service if isinstance(service, str) else None)
    if kind in ("contract", "process"):
        whose = () if data.get("published") is True else (data.get("authority_code") or NOBODY,)
        return Place(_strings(data.get("area_codes")), _strings(whose))
    if kind in ("breach", "kpi"):
        return Place(_strings(data.get("areas")), _said(data.get("authorities")))
    if kind == "statement":
        return Place(_strings(data.get("areas")), _strings(data.get("authorities")) or (NOBODY,))
    return Place(_strings(data.get("area_codes")))


def unknown_place(kind: str) -> Place:
    """Where a record was of which nothing is known: told of to everybody only if such a one always is.

    >>> unknown_place("site").authorities, unknown_place("contract").authorities
    ((), ('-',))
    """
    return Place(authorities=(NOBODY,) if kind in _PERHAPS_SOMEBODYS else ())


def told_of(kind: str, data: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is kept of a record to be told: of a late KPI not who else has figures of it."""
    if kind != "kpi" or data is None:
        return data
    return {name: value for name, value in data.items() if name != "authorities"}


def _said(authorities: Any) -> tuple[str, ...]:
    """The authorities that a record says it is for, none meaning everybody; nobody's if it does not say."""
    whose = _strings(authorities)
    return whose if isinstance(authorities, list) and len(whose) == len(authorities) else (NOBODY,)


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values or () if isinstance(value, str))


def around(codes: Iterable[str], parents: Mapping[str, Sequence[str]]) -> list[str]:
    """The areas, and all that they lie in, each once, in order of code.

    >>> around(["W"], {"W": ["A"], "A": ["R", "C"]})
    ['A', 'C', 'R', 'W']
    """
    found: set[str] = set()
    open_ones = list(codes)
    while open_ones:
        code = open_ones.pop()
        if code not in found:
            found.add(code)
            open_ones.extend(parents.get(code, ()))
    return sorted(found)
