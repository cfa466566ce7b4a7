"""Who a service is open to: the ages it accepts, and the circumstances of whom it is for."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hedgerow_registry.domain import spans
from hedgerow_registry.errors import Malformed

OLDEST = 130
# The spans of years by which a service is found that accepts an age.
_YEARS = (1, 4, 16, 64, 256)


def age(text: str) -> float | None:
    """An age in years, 0 to 130, halves allowed; empty is no bound.

    >>> age("16"), age(""), age("0.5")
    (16.0, None, 0.5)
    """
    if not text.strip():
        return None
    try:
        years = float(text)
    except ValueError:
        raise Malformed("an age is a number of years") from None
    if not (math.isfinite(years) and 0 <= years <= OLDEST):
        raise Malformed(f"an age lies between 0 and {OLDEST}")
    return years


def ages(minimum: float | None, maximum: float | None) -> tuple[float | None, float | None]:
    """The two bounds of an age range, checked to be in order; a missing bound is open.

    >>> ages(16, 25), ages(None, 17)
    ((16, 25), (None, 17))
    """
    if minimum is not None and maximum is not None and maximum < minimum:
        raise Malformed("the maximum age is below the minimum age")
    return minimum, maximum


def spans_of(minimum: float | None, maximum: float | None) -> list[str]:
    """The spans of years that an age range touches; a missing bound is open.

    >>> spans_of(16, 25), spans_of(None, None)
    (['4.4', '4.5', '1.24', '1.25'], ['256.0'])
    """
    return spans.filling(int(minimum or 0), _YEARS[-1] - 1 if maximum is None else int(maximum), _YEARS)


def spans_around(age: float) -> list[str]:
    """The spans of years that hold an age: any range that accepts it touches one of them."""
    return spans.holding(int(age), _YEARS)


def circumstances(attributes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The circumstances of whom a service is for: names of the terms that its record links as eligibility.

    >>> term = {"name": "Care leavers", "taxonomy": "circumstances"}
    >>> circumstances([{"link_type": "eligibility", "taxonomy_term": term}, {"link_type": "cost"}])
    ['Care leavers']
    """
    terms = (
        attribute.get("taxonomy_term") or {}
        for attribute in attributes
        if str(attribute.get("link_type") or "").casefold() == "eligibility"
    )
    return sorted({name.strip() for term in terms if (name := term.get("name") or "").strip()})
