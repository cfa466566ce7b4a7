"""Overlaps told apart: places against people by hand and by flow, owners, contracts, groups, capabilities."""

import numpy as np
import pytest
from hedgerow_network.api.asking import Beside
from hedgerow_network.domain.flow import supplied
from hedgerow_network.domain.overlap import overlaps, service_cells
from hedgerow_network.domain.telling_apart import (
    SharedCapability,
    by_room,
    contract_overlaps,
    demand_of,
    groups,
    infrastructure_twice,
    paid_twice,
    spare_places,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from tests.network.feeding import feed
from tests.network.world import TOWN, ask, facts, records

AT = "/v1/localities/E06000001"

DOUBLED = {
    **TOWN,
    "services": """
        id | provider | needs  | areas               | capacity
        s1 | ant      | t:food | E05000001           | 60
        s2 | bee      | t:food | E05000001;E05000002 | 60
        s3 | cat      | t:food | E05000001           |
        s4 | cat      | t:debt | E06000001           | 500
        s5 | ant      | t:debt | E05000002           | 10
        """,
    "demand": """
        need   | area      | count
        t:food | E05000001 | 80
        t:food | E05000002 | 30
        t:food | E05000003 | 5
        """,
    "contracts": """
        id | services | start      | end        | buyers  | needs  | areas     | value
        c1 | s1       | 2025-01-01 | 2026-12-31 | council | t:food | E05000001 | 100000
        c2 | s2       | 2025-06-01 | 2026-05-31 | council | t:food | E06000001 | 250000
        c3 | s3       | 2025-06-01 | 2026-05-31 | trust   |        |           | 30000
        c4 | s4       | 2025-06-01 | 2026-05-31 | council |        |           |
        """,
}
"""Ant and Bee (both of Zoo plc) and Cat give food in North, Bee in East as well."""


def pairs(of):
    cells = service_cells(of.incidence)
    found = overlaps(cells, of.people.count, group=of.incidence.unit)
    spare = spare_places(found, cells, of.facts.directory.capacity, demand_of(of))
    ids = [service.id for service in of.facts.directory.services]
    return {
        (ids[found.first[n]], ids[found.second[n]]): (str(by_room(spare)[n]), float(spare[n]))
        for n in range(len(found))
    }


def test_choice_and_duplication_worked_by_hand():
    found = pairs(ask(facts(**DOUBLED)))
    # Ant's 60 and Bee's 60 places for the 80 of North and the 30 of East: 110 people, 10 places stay empty.
    assert found["s1", "s2"] == ("duplication", 10.0)
    # Cat states no capacity; of debt nobody knows how many people need help.
    assert found["s1", "s3"][0] == found["s2", "s3"][0] == found["s4", "s5"][0] == "unknown"
    more = DOUBLED["demand"].replace("E05000002 | 30", "E05000002 | 40")
    assert pairs(ask(facts(**DOUBLED | {"demand": more})))["s1", "s2"] == ("choice", 0.0)
    # 200 people in East do not fill Ant, who is in North only: 10 people there for 60 places.
    lopsided = DOUBLED["demand"].replace("E05000001 | 80", "E05000001 | 10").replace("| 30", "| 200")
    assert pairs(ask(facts(**DOUBLED | {"demand": lopsided})))["s1", "s2"] == ("duplication", 50.0)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 1), min_size=4, max_size=4), min_size=2, max_size=4),
    st.lists(st.integers(0, 20), min_size=4, max_size=4),
    st.lists(st.integers(0, 30), min_size=4, max_size=4),
)
def test_places_that_stay_empty_are_those_of_the_largest_flow(rows, people, places):
    cells = csr_array(np.array(rows))
    cells.eliminate_zeros()
    demand, capacity = np.array(people, float), np.array(places[: len(rows)], float)
    found = overlaps(cells, demand)
    spare = spare_places(found, cells, capacity, demand)
    for n in range(len(found)):
        two = [int(found.first[n]), int(found.second[n])]
        largest = supplied(demand.astype(int), capacity[two].astype(int), csr_array(cells[two].T))
        assert spare[n] == capacity[two].sum() - largest.total


def test_contracts_of_one_buyer_for_the_same_cells_are_paid_twice():
    of = ask(facts(**DOUBLED))
    found = contract_overlaps(of)
    ids = [contract.id for contract in found.contracts]
    named = [
        (ids[found.pairs.first[n]], ids[found.pairs.second[n]], found.pairs.shared_people[n])
        for n in range(len(found.pairs))
    ]
    # c1 and c2: the council, food, North. c3 is the trust's; c4 is for debt.
    assert named == [("c1", "c2", 80.0)]
    rows = {service.id: row for row, service in enumerate(of.facts.directory.services)}
    assert paid_twice(of) == {(rows["s1"], rows["s2"]): [0]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026-12-31 | council | t:food | E05000001", "2026-12-31 | region | t:food | E05000001"),
        ("2026-12-31 | council | t:food | E05000001", "2026-12-31 | council | t:debt | E05000001"),
        ("2026-12-31 | council | t:food | E05000001", "2026-12-31 | council | t:food | E05000003"),
        ("2026-12-31 | council | t:food | E05000001", "2025-12-31 | council | t:food | E05000001"),
    ],
    ids=["another buyer", "another need", "another area", "another time"],
)
def test_what_differs_in_buyer_need_area_or_time_is_not_paid_twice(old, new):
    # The other contract is for North only.
    contracts = DOUBLED["contracts"].replace(old, new).replace("t:food | E06000001", "t:food | E05000001")
    of = ask(facts(**DOUBLED | {"contracts": contracts}))
    assert paid_twice(of) == {}


def test_cells_are_grouped_by_who_covers_them():
    of = ask(facts(**DOUBLED))
    found = groups(of)
    ids = [service.id for service in of.facts.directory.services]
    drawn = [
        ([ids[row] for row in rows], cells.size)
        for rows, cells in zip(found.services, found.cells, strict=True)
    ]
    # Debt in East by Cat and Ant (2,000 residents), food in North by three.
    assert drawn == [(["s4", "s5"], 1), (["s1", "s2", "s3"], 1)]
    assert found.people.tolist() == [2000.0, 80.0]
    assert np.isnan(found.spare).all()
    assert sum(cells.size for cells in found.cells) == int((of.cover.depth >= 2).sum())
    stated = DOUBLED["services"].replace(
        "s3 | cat      | t:food | E05000001           |", "s3 | cat | t:food | E05000001 | 40"
    )
    # 60 + 60 + 40 places for the 110 people of North and East.
    assert groups(ask(facts(**DOUBLED | {"services": stated}))).spare[1] == 50.0


def test_a_capability_that_two_keep_up_in_one_area_is_there_twice():
    of = ask(facts(**DOUBLED))
    held = [
        SharedCapability("payroll", "Payroll", "ant"),
        SharedCapability("payroll", "Payroll", "bee", ("E05000001",)),
        SharedCapability("payroll", "Payroll", "cat", ("E05000003",)),
        SharedCapability("fleet", "Fleet", "cat"),
        SharedCapability("fleet", "Fleet", "bee", ("E06000001",)),
    ]
    found = infrastructure_twice(of, held)
    drawn = [(one.capability, one.first, one.second, one.areas.tolist()) for one in found]
    # Ant serves North and East, Cat everywhere; Bee's fleet is the whole borough's.
    assert drawn == [("fleet", "bee", "cat", [0, 1, 2]), ("payroll", "ant", "bee", [0])]
    assert infrastructure_twice(of, []) == []


@pytest.fixture
def town(database, network):
    feed(database, records(**DOUBLED))
    with network() as client:
        yield client


def kinds(item):
    return [told["kind"] for told in item["kinds"]]


def test_pairs_are_told_apart_and_each_kind_is_explained(town):
    items = {
        (one["first"]["id"], one["second"]["id"]): one
        for one in town.items(f"{AT}/overlaps", params={"need": "food"})
    }
    both = items["s1", "s2"]
    assert kinds(both) == ["duplication", "same-owner", "paid-twice"]
    assert [told["says"] for told in both["kinds"]] == [
        "However people are placed in the two, 10 places stay empty: more than needed.",
        "They belong to one owner, Zoo plc.",
        "Paid by council for the same needs in the same areas at the same time, under “Contract c1” and "
        "“Contract c2”.",
    ]
    assert (both["spare_capacity"], both["first"]["capacity"]) == (10, 60)
    assert kinds(items["s1", "s3"]) == ["unknown"]
    assert items["s1", "s3"]["spare_capacity"] is None
    for kind, expected in (("paid-twice", [("s1", "s2")]), ("choice", [])):
        listed = town.items(f"{AT}/overlaps", params={"need": "food", "kind": kind})
        assert [(one["first"]["id"], one["second"]["id"]) for one in listed] == expected
    by_provider = town.items(f"{AT}/overlaps", params={"need": "food", "by": "provider"})
    assert kinds(by_provider[0]) == ["duplication", "same-owner", "paid-twice"]


def test_money_is_shown_to_those_who_may_see_it_of_their_own_authority(database, network):
    made = records(**DOUBLED)
    for _, id, data in made:
        if id in ("c1", "c2"):
            data["authority_code"] = {"c1": "E06000001", "c2": "E06000002"}[id]
    feed(database, made)
    found = {}
    for role, authority in (
        ("reader", "E06000001"),
        ("commissioner", "E06000001"),
        ("commissioner", "*"),
        ("reader", "*"),
    ):
        with network(role=role, authorities=(authority,)) as client:
            (pair,) = client.items(f"{AT}/overlaps", params={"by": "contract"})
            assert (pair["first"]["id"], pair["second"]["id"], kinds(pair)) == ("c1", "c2", ["paid-twice"])
            found[role, authority] = pair["paid_twice"][0]["value_gbp"]
    assert found == {
        ("reader", "E06000001"): None,
        ("commissioner", "E06000001"): [100_000.0, None],
        ("commissioner", "*"): [100_000.0, 250_000.0],
        ("reader", "*"): None,
    }


def test_two_providers_with_the_same_back_office_capability_in_one_area_appear_as_overlap(database, network):
    feed(database, records(**DOUBLED))
    held = (SharedCapability("payroll", "Payroll", "ant"), SharedCapability("payroll", "Payroll", "cat"))
    with network(beside={"capabilities": lambda _principal: Beside(1, held)}) as client:
        (twice,) = client.items(f"{AT}/overlaps", params={"by": "capability"})
        assert [twice[side]["name"] for side in ("first", "second")] == ["Ant", "Cat"]
        assert (kinds(twice), twice["areas"]) == (["shared-infrastructure-twice"], ["E05000001", "E05000002"])
        assert twice["kinds"][0]["says"] == "Both keep up Payroll for themselves, in 2 of 3 areas."
        # Pairs of their services that meet there say so, too.
        listed = client.items(f"{AT}/overlaps", params={"kind": "shared-infrastructure-twice"})
        assert [(one["first"]["id"], one["second"]["id"]) for one in listed] == [("s4", "s5"), ("s1", "s3")]
    with network() as client:
        assert client.items(f"{AT}/overlaps", params={"by": "capability"}) == []


def test_groups_are_listed_and_filtered(town):
    listed = town.items(f"{AT}/overlap-groups")
    assert [([s["id"] for s in one["services"]], one["people"]) for one in listed] == [
        (["s4", "s5"], 2000),
        (["s1", "s2", "s3"], 80),
    ]
    assert (listed[1]["providers"], listed[1]["owners"]) == (3, 2)
    assert kinds(listed[1]) == ["unknown", "paid-twice"]
    paid = town.items(f"{AT}/overlap-groups", params={"kind": "paid-twice"})
    assert [one["areas"] for one in paid] == [["E05000001"]]
    assert town.items(f"{AT}/overlap-groups", params={"limit": 1}) == listed
