"""How fresh and how full a record is: two figures, each with what it rests on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

# A service that was assured no longer ago is fresh; from the second on it is stale.
FRESH_DAYS: Final = 183
STALE_DAYS: Final = 730
ENOUGH_WORDS: Final = 10

FRESH: Final = "fresh"
AGEING: Final = "ageing"
STALE: Final = "stale"
UNKNOWN: Final = "unknown"


class Freshness(NamedTuple):
    """How long ago somebody said that a record is right.

    assured_on: the day of it · days: since then · staleness: 0 fresh to 1 stale · state: in a word
    """

    assured_on: date | None
    days: int | None
    staleness: float | None
    state: str


def freshness(assured_on: date | None, on: date) -> Freshness:
    r"""How stale a record is on a day.

    .. math:: s = \min(1, \max(0, (d - 183) / (730 - 183)))

    with d the days since it was assured. 0 up to half a year: `fresh`. 1 from two years on: `stale`. Between
    them `ageing`, in proportion. Without a date of assurance nothing is known and no figure is given: that we
    have read a record again (`updated_at`) does not say that it is right. A date yet to come counts as today.

    >>> freshness(date(2026, 1, 1), date(2026, 1, 31)).state, freshness(None, date(2026, 1, 31)).staleness
    ('fresh', None)
    >>> freshness(date(2025, 1, 1), date(2026, 1, 1)).staleness
    0.333
    """
    if assured_on is None:
        return Freshness(None, None, None, UNKNOWN)
    days = max((on - assured_on).days, 0)
    staleness = round(min(1.0, max(0.0, (days - FRESH_DAYS) / (STALE_DAYS - FRESH_DAYS))), 3)
    state = FRESH if days <= FRESH_DAYS else STALE if days >= STALE_DAYS else AGEING
    return Freshness(assured_on, days, staleness, state)


class Richness(NamedTuple):
    """How much a record says: score 0 to 100, and the fields it would need to say more, heaviest first."""

    score: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """What there is of a record: its fields, its nested record, its sites, whether it says when it opens."""

    fields: Mapping[str, Any]
    document: Mapping[str, Any]
    sites: Sequence[Mapping[str, Any]] = ()
    opens: bool = False


Says = Callable[[Said], bool]


def _any_of(*names: str) -> Says:
    if len(names) == 1:
        (only,) = names
        return lambda said: bool(said.fields.get(only) or said.document.get(only))
    return lambda said: any(said.fields.get(name) or said.document.get(name) for name in names)


def _described(said: Said) -> bool:
    return len(str(said.fields.get("description") or "").split(None, ENOUGH_WORDS)) >= ENOUGH_WORDS


def _placed(said: Said) -> bool:
    return any(site.get("lon") is not None or site.get("postcode") for site in said.sites)


def _served(said: Said) -> bool:
    return bool(said.fields.get("area_codes")) or any(site.get("area_code") for site in said.sites)


def _aged(said: Said) -> bool:
    names = ("minimum_age", "maximum_age")
    return any(said.fields.get(name) is not None for name in names) or bool(
        said.document.get("eligibility_description")
    )


# What a resident needs to know to go there weighs most. The weights of each list sum to 100.
SERVICE: Final[tuple[tuple[str, int, Says], ...]] = (
    ("description", 15, _described),
    ("needs", 15, _any_of("needs")),
    ("contact", 12, _any_of("phone", "email", "phones", "contacts")),
    ("place", 12, _placed),
    ("opening_times", 10, lambda said: said.opens),
    ("organisation", 8, _any_of("organisation_id")),
    ("eligibility", 8, _aged),
    ("area", 6, _served),
    ("url", 4, _any_of("url")),
    ("cost", 4, _any_of("cost_options", "fees", "fees_description")),
    ("how_to_apply", 3, _any_of("application_process")),
    ("accessibility", 3, lambda said: any(_accessible(place) for place in _places(said))),
)
ORGANISATION: Final[tuple[tuple[str, int, Says], ...]] = (
    ("identifiers", 25, _any_of("identifiers")),
    ("sector", 15, _any_of("sector")),
    ("description", 15, _described),
    ("legal_form", 15, _any_of("legal_form")),
    ("size", 10, _any_of("size")),
    ("url", 10, _any_of("url")),
    ("contact", 10, _any_of("email")),
)


def _places(said: Said) -> Sequence[Mapping[str, Any]]:
    return said.document.get("service_at_locations") or ()


def _accessible(place: Mapping[str, Any]) -> bool:
    return bool((place.get("location") or {}).get("accessibility"))


def score(of: Sequence[tuple[str, int, Says]], says: int) -> int:
    """The sum of the weights of the fields whose bit is set, the first field's the lowest."""
    return sum(weight for place, (_, weight, _) in enumerate(of) if says >> place & 1)


def missing(of: Sequence[tuple[str, int, Says]], says: int) -> tuple[str, ...]:
    """The fields whose bit is not set."""
    return tuple(name for place, (name, _, _) in enumerate(of) if not says >> place & 1)


def says(of: Sequence[tuple[str, int, Says]], said: Said) -> int:
    """A bit for each field that a record says something of."""
    bits, bit = 0, 1
    for _, _, holds in of:
        if holds(said):
            bits |= bit
        bit <<= 1
    return bits


def richness(of: Sequence[tuple[str, int, Says]], said: Said) -> Richness:
    """The sum of the weights of the fields that a record says something of, and the others by name.

    >>> richness(ORGANISATION, Said({"identifiers": ["GB-COH:1"], "sector": "charity"}, {}))
    Richness(score=40, missing=('description', 'legal_form', 'size', 'url', 'contact'))
    """
    bits = says(of, said)
    return Richness(score(of, bits), missing(of, bits))
