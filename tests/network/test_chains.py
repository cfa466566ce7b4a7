"""Contracts followed to the front line: tiers, fees, and money that cannot be followed."""

import pytest
from hedgerow_network.domain.chains import follow, layers, together
from hedgerow_network.domain.contracts import Contract, Lot, Subcontract
from hypothesis import given
from hypothesis import strategies as st


def contract(value=None, suppliers=("prime",), subcontracts=(), lots=(), buyers=("council",), id="c"):
    made = tuple(Subcontract(payee, payer, fee, paid) for payer, payee, fee, paid in subcontracts)
    return Contract(
        id, "C", buyers=buyers, suppliers=suppliers, value_gbp=value, subcontracts=made, lots=lots
    )


def flow(chain):
    return tuple(
        None if amount is None else round(amount, 2)
        for amount in (chain.front_line, chain.fees, chain.untraced)
    )


def test_ten_million_through_fees_of_12_and_8_per_cent_worked_by_hand():
    """10,000,000 − 12 % = 8,800,000; − 8 % = 8,096,000."""
    chain = follow(
        contract(10e6, subcontracts=[("prime", "second", 0.12, None), ("second", "third", 0.08, None)])
    )
    assert chain.depth == 3
    assert chain.tiers == {"prime": 1, "second": 2, "third": 3}
    assert flow(chain) == (8_096_000, 1_904_000, 0)
    assert {id: round(amount) for id, amount in chain.received.items()} == {
        "prime": 10_000_000,
        "second": 8_800_000,
        "third": 8_096_000,
    }
    assert list(chain.delivers) == ["third"]


def test_what_is_left_beside_fee_and_payments_is_for_own_work():
    """100 in, 10 fee, 50 paid on: 40 for its own work."""
    chain = follow(contract(100, subcontracts=[("prime", "a", 0.1, 20), ("prime", "b", 0.1, 30)]))
    assert flow(chain) == (90, 10, 0)
    assert chain.delivers == {"prime": 40, "a": 20, "b": 30}


def test_money_is_not_split_by_guessing():
    # Both end at the front line: however it is split, it arrives.
    both_deliver = [("prime", "a", 0.1, None), ("prime", "b", 0.1, None)]
    assert flow(follow(contract(100, subcontracts=both_deliver))) == (90, 10, 0)
    # One of them passes it on at a fee: how much arrives depends on the split.
    chain = follow(contract(100, subcontracts=[*both_deliver, ("b", "c", 0.5, None)]))
    assert flow(chain) == (0, 10, 90)
    assert chain.unclear == ("How a payer splits what it passes on is not known.",)
    assert chain.depth == 3


@pytest.mark.parametrize(
    ("made", "expected", "why"),
    [
        (contract(100, subcontracts=[("prime", "a", None, None)]), (0, 0, 100), "What a payer keeps"),
        (contract(100, subcontracts=[("prime", "a", None, 60)]), (60, 0, 40), "What a payer keeps"),
        (contract(100, subcontracts=[("prime", "a", None, 100)]), (100, 0, 0), None),
        (contract(100, subcontracts=[("prime", "a", 0.1, 160)]), (0, 0, 100), "worth more"),
        (
            contract(100, subcontracts=[("prime", "a", 0.1, None), ("prime", "b", 0.2, None)]),
            (0, 0, 100),
            "different fees",
        ),
        (
            contract(100, subcontracts=[("prime", "a", 0.1, None), ("a", "prime", 0.1, None)]),
            (0, 0, 100),
            "circle",
        ),
        (contract(100, suppliers=()), (0, 0, 100), "No supplier"),
        (contract(100, suppliers=("a", "b")), (100, 0, 0), None),
        (
            contract(100, suppliers=("a", "b"), subcontracts=[("a", "c", 0.1, None)]),
            (0, 0, 100),
            "split among several suppliers",
        ),
        (
            contract(
                100,
                suppliers=("a", "b"),
                lots=(Lot(("a",), 60), Lot(("b",), 40)),
                subcontracts=[("a", "c", 0.5, None)],
            ),
            (70, 30, 0),
            None,
        ),
        (contract(100, subcontracts=[(None, "a", 0.25, None)]), (75, 25, 0), None),
        (contract(100, suppliers=("a", "b"), subcontracts=[(None, "c", 0.1, None)]), (100, 0, 0), "who pays"),
        (contract(None, subcontracts=[("prime", "a", 0.1, None)]), (None, None, None), "not known"),
    ],
)
def test_what_cannot_be_followed_is_untraced_and_said(made, expected, why):
    chain = follow(made)
    assert flow(chain) == expected
    assert (why is None and not chain.unclear) or why in " ".join(chain.unclear)


def test_a_stated_tier_says_how_far_down_one_is_whom_nobody_is_said_to_pay():
    made = Contract("c", "C", suppliers=("a", "b"), subcontracts=(Subcontract("z", tier=2),))
    assert follow(made).tiers == {"a": 1, "b": 1, "z": 3}


def test_layers_count_the_longest_way_from_a_commissioner():
    first = follow(contract(1, suppliers=("a",), subcontracts=[("a", "b", 0, None)]))
    second = follow(contract(1, suppliers=("b",), subcontracts=[("b", "c", 0, None)], buyers=("a",), id="d"))
    assert layers([first, second]) == {"council": 0, "a": 0, "b": 2, "c": 2}


def test_sums_leave_out_what_has_no_known_value():
    sums = together([follow(contract(100)), follow(contract(None))])
    assert (sums.value, sums.front_line, sums.unknown) == (100, 100, 1)


tiers = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from("abcd"),
        st.one_of(st.none(), st.floats(0, 1)),
        st.one_of(st.none(), st.floats(0, 120)),
    ),
    max_size=6,
)


@given(tiers, st.permutations("abcd"))
def test_every_pound_is_accounted_for_whatever_the_names(rows, names):
    rows = [row for row in rows if row[0] != row[1]]
    chain = follow(contract(100, suppliers=("a",), subcontracts=rows))
    assert chain.front_line + chain.fees + chain.untraced == pytest.approx(100)
    assert min(chain.front_line, chain.fees, chain.untraced) >= 0
    name = dict(zip("abcd", names, strict=True))
    renamed = follow(
        contract(
            100, suppliers=(name["a"],), subcontracts=[(name[p], name[q], fee, v) for p, q, fee, v in rows]
        )
    )
    assert renamed.depth == chain.depth
    assert flow(renamed) == pytest.approx(flow(chain))
