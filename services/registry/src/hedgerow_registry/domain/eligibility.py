"""Who a service is open to: the ages it accepts."""

import math

from hedgerow_registry.errors import Malformed

OLDEST = 130


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
