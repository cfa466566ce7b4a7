"""Money: whole pence, and parts that sum to their whole."""

from decimal import Decimal

from hedgerow_outcomes.domain.payments.money import in_pence, rounded, split
from hypothesis import given
from hypothesis import strategies as st

IDS = st.text("abcdef", min_size=1, max_size=3)
WEIGHTS = st.dictionaries(IDS, st.decimals(0, 1000, places=4), min_size=1, max_size=8).filter(
    lambda weights: sum(weights.values()) > 0
)
AMOUNTS = st.dictionaries(IDS, st.decimals(-(10**9), 10**9, places=7), min_size=1, max_size=8)


@given(st.integers(-(10**12), 10**12), WEIGHTS)
def test_parts_sum_to_their_whole_and_none_is_a_penny_off(pence, weights):
    parts = split(pence, weights)
    assert sum(parts.values()) == pence
    whole = sum(weights.values())
    assert all(abs(parts[id] - pence * weight / whole) < 1 for id, weight in weights.items())


@given(AMOUNTS)
def test_roundings_sum_to_the_rounded_total(amounts):
    pence = rounded(amounts)
    assert sum(pence.values()) == in_pence(sum(amounts.values()))
    assert all(abs(pence[id] - amount * 100) <= 1 for id, amount in amounts.items())


def test_a_penny_that_cannot_be_split_goes_to_the_lower_id():
    assert split(1, {"b": Decimal(1), "a": Decimal(1)}) == {"b": 0, "a": 1}


def test_who_has_no_share_gets_nothing():
    assert split(101, {"a": Decimal(0), "b": Decimal(3)}) == {"a": 0, "b": 101}
