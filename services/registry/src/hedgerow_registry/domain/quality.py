"""How fresh and how full a record is: two figures, each with what it rests on."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import compress
from typing import Any, Final, NamedTuple

from hedgerow_registry.domain import spans

# A service that was assured no longer ago is fresh; from the second on it is stale.
FRESH_DAYS: Final = 183
STALE_DAYS: Final = 730
ENOUGH_WORDS: Final = 10
# The spans of days since 1970 by which a service is found that was assured in some days; 179 years in all.
_DAYS: Final = (8, 64, 512, 4096, 32768)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_LAST: Final = 2 * _DAYS[-1] - 1

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


def spans_of(assured_on: date) -> list[str]:
    """The spans of days that hold a day; one before or after all of them counts as their first or last.

    >>> spans_of(date(1970, 1, 10))
    ['8.1', '64.0', '512.0', '4096.0', '32768.0']
    """
    return spans.holding(_number(assured_on), _DAYS)


def spans_between(first: date | None, last: date | None) -> list[str]:
    """The spans that hold all days from one to another, and up to a week before and after; `None`: open.

    >>> spans_between(date(1970, 1, 10), date(1970, 1, 10)), spans_between(None, None)
    (['8.1'], ['32768.0', '32768.1'])
    """
    return spans.filling(
        0 if first is None else _number(first), _LAST if last is None else _number(last), _DAYS
    )


def _number(day: date) -> int:
    return min(max(day.toordinal() - _FIRST_DAY, 0), _LAST)


class Richness(NamedTuple):
    """How much a record says: score 0 to 100, and the fields it would need to say more, heaviest first."""

    score: int
    missing: tuple[str, ...]


class Said(NamedTuple):
    """What there is of a record: its fields, its nested record, its sites, whether it says when it opens."""

    fields: Mapping[str, Any]
    document: Mapping[str, Any]
    sites: Sequence[Mapping[str, Any]] = ()
    opens: bool = False


class Measure:
    """The fields of a kind of record with their weights, which sum to 100, and how to tell which it has."""

    def __init__(self, weights: Mapping[str, int], says: Callable[[Said], Sequence[object]]) -> None:
        """says: for each field, in their order, something that is true if the record says something of it."""
        self._weights = weights
        self._points = tuple(weights.values())
        self._bits = tuple(1 << place for place in range(len(weights)))
        self._says = says

    def score_and_bits(self, said: Said) -> tuple[int, int]:
        """The sum of the weights of what a record says something of, and a bit for each of these."""
        says = self._says(said)
        return sum(compress(self._points, says)), sum(compress(self._bits, says))

    def richness(self, bits: int) -> Richness:
        """The score of a record and what it says nothing of, from the bits of what it does.

        >>> said = Said({"identifiers": ["GB-COH:1"], "sector": "charity"}, {})
        >>> ORGANISATION.richness(ORGANISATION.score_and_bits(said)[1])
        Richness(score=40, missing=('description', 'legal_form', 'size', 'url', 'contact'))
        """
        says = [bits & bit for bit in self._bits]
        missing = tuple(name for name, holds in zip(self._weights, says, strict=True) if not holds)
        return Richness(sum(compress(self._points, says)), missing)


def _described(said: Said) -> bool:
    text = said.fields.get("description") or ""
    return len(text.split(None, ENOUGH_WORDS)) >= ENOUGH_WORDS


def _service_says(said: Said) -> Sequence[object]:
    fields, document, sites, opens = said
    own, nested = fields.get, document.get
    return (
        _described(said),
        own("needs"),
        own("phone") or own("email") or nested("phones") or nested("contacts"),
        [site for site in sites if site["lon"] is not None or site["postcode"]],
        opens,
        own("organisation_id"),
        own("minimum_age") is not None or own("maximum_age") is not None or nested("eligibility_description"),
        own("area_codes") or [site for site in sites if site["area_code"]],
        own("url"),
        nested("cost_options") or nested("fees") or nested("fees_description"),
        nested("application_process"),
        [place for place in nested("service_at_locations") or () if _accessible(place)],
    )


def _organisation_says(said: Said) -> Sequence[object]:
    own = said.fields.get
    return (
        own("identifiers"), own("sector"), _described(said), own("legal_form"), own("size"), own("url"),
        own("email"),
    )  # fmt: skip


def _accessible(place: Mapping[str, Any]) -> bool:
    return bool((place.get("location") or {}).get("accessibility"))


# What a resident needs to know to go there weighs most.
SERVICE: Final = Measure(
    {
        "description": 15,
        "needs": 15,
        "contact": 12,
        "place": 12,
        "opening_times": 10,
        "organisation": 8,
        "eligibility": 8,
        "area": 6,
        "url": 4,
        "cost": 4,
        "how_to_apply": 3,
        "accessibility": 3,
    },
    _service_says,
)
ORGANISATION: Final = Measure(
    {
        "identifiers": 25,
        "sector": 15,
        "description": 15,
        "legal_form": 15,
        "size": 10,
        "url": 10,
        "contact": 10,
    },
    _organisation_says,
)
