"""Money: exact until it is paid, whole pence then, and parts that sum to their whole."""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext

PENNY = Decimal("0.01")
LARGEST = Decimal(10) ** 13
"""No sum, price or figure may be as large: far above any budget, and exact in a double to the penny."""

ROUNDING = "half up to the penny; a total is rounded once and split by largest remainder, ties by id"

EXACT = Context(prec=50)


def in_pence(amount: Decimal) -> int:
    """An amount in pounds as whole pence, a half rounded away from zero.

    >>> in_pence(Decimal("0.005")), in_pence(Decimal("-0.005")), in_pence(Decimal("1.0049"))
    (1, -1, 100)
    """
    with localcontext(EXACT):
        return int(amount.quantize(PENNY, rounding=ROUND_HALF_UP) * 100)


def split(pence: int, weights: Mapping[str, Decimal]) -> dict[str, int]:
    """Pence split in proportion to weights, so that the parts sum to the whole.

    Each part is rounded down and what is left goes penny by penny to the largest remainders; of equal ones to
    the lower id. A negative sum is split like its opposite.

    weights: by id, none negative, at least one positive.

    >>> split(100, {"a": Decimal(1), "b": Decimal(1), "c": Decimal(1)})
    {'a': 34, 'b': 33, 'c': 33}
    """
    if pence < 0:
        return {id: -part for id, part in split(-pence, weights).items()}
    with localcontext(EXACT):
        whole = sum(weights.values(), Decimal(0))
        exact = {id: pence * weight / whole for id, weight in weights.items()}
        parts = {id: int(share.to_integral_value(rounding=ROUND_FLOOR)) for id, share in exact.items()}
        by_remainder = sorted(exact, key=lambda id: (parts[id] - exact[id], id))
    for id in by_remainder[: pence - sum(parts.values())]:
        parts[id] += 1
    return parts


def rounded(amounts: Mapping[str, Decimal]) -> dict[str, int]:
    """Exact amounts by id as pence that sum to their rounded total.

    Each is rounded to the nearest penny first; what the roundings are off by is settled among those whose own
    rounding was furthest off, ties by id.

    >>> rounded({"a": Decimal("0.005"), "b": Decimal("0.005")})
    {'a': 0, 'b': 1}
    """
    with localcontext(EXACT):
        pence = {id: in_pence(amount) for id, amount in amounts.items()}
        off = in_pence(sum(amounts.values(), Decimal(0))) - sum(pence.values())
        step = 1 if off > 0 else -1
        errors = {id: (pence[id] - amounts[id] * 100) * step for id in amounts}
    for id in sorted(errors, key=lambda id: (errors[id], id))[: abs(off)]:
        pence[id] += step
    return pence
