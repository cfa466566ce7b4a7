"""What would close gaps: a town worked by hand, every choice tried, and over HTTP."""

from itertools import combinations

import numpy as np
import pytest
from hedgerow_network.domain.closing import NOBODY, ClosingQuestion, closing, costs_by_contract
from hedgerow_network.domain.travel import Travel
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import ask, facts, records

AT = "/v1/localities/E06000001/closing"

# Wards along the equator, 0.01 degrees (1.112 km) apart; far Isle lies 50 km away.
SHORE = {
    "areas": """
        code      | name  | level     | parents   | lon  | lat
        E06000001 | Shore | authority |           |      |
        E05000001 | West  | ward      | E06000001 | 0.00 | 0
        E05000002 | Mid   | ward      | E06000001 | 0.01 | 0
        E05000003 | East  | ward      | E06000001 | 0.02 | 0
        E05000004 | Isle  | ward      | E06000001 | 0.50 | 0
        """,
    "needs": """
        id     | name | parent
        t:debt | Debt |
        t:food | Food |
        """,
    "organisations": """
        id  | name | owners
        ant | Ant  |
        bee | Bee  |
        """,
    "services": """
        id   | provider | needs         | areas
        both | ant      | t:food;t:debt | E05000001
        food | bee      | t:food        | E05000001
        """,
    "sites": """
        id | service | lon  | lat
        b1 | both    | 0.00 | 0
        f1 | food    | 0.01 | 0
        """,
    "demand": """
        need   | area      | count
        t:food | E05000001 | 10
        t:food | E05000002 | 20
        t:food | E05000003 | 40
        t:food | E05000004 | 5
        t:debt | E05000001 | 10
        t:debt | E05000002 | 3
        t:debt | E05000003 | 0
        t:debt | E05000004 | 1
        """,
    "contracts": """
        id | services | start      | end        | value | suppliers | authority
        c1 | food     | 2025-01-01 | 2028-12-31 | 4000  | bee       | E06000001
        """,
}
"""Food and debt are served in West only. Gaps: food in Mid, East and Isle, debt in Mid and Isle; nobody needs
help with debt in East. Within 1.5 km: Both reaches Mid, Food reaches Mid and East; nobody reaches Isle.
"""


@pytest.fixture
def shore(database, network):
    feed(database, records(**SHORE))
    with network() as client:
        yield client


def answer(client, path="", **params):
    found = client.get(f"{AT}{path}", params={"reach": 1.5, "detour": 1, **params})
    assert found.status_code == 200, found.text
    return found.json()


def chosen(found):
    return [
        (one["service"]["id"] if one["service"] else one["need"], one["area_name"], one["cells_closed"])
        for one in found["items"]
    ]


def test_the_fewest_extensions_that_close_what_can_be_closed(shore):
    # Mid takes Both (food and debt: 23 people), East takes Food (40 people): two measures, three cells.
    found = answer(shore)
    assert chosen(found) == [("food", "East", 1), ("both", "Mid", 2)]
    assert [one["people_closed"] for one in found["items"]] == [40, 23]
    assert (found["objective"], found["bound"], found["proven"], found["cost"]) == (2, 2, True, None)
    assert (found["cells"], found["cells_closed"], found["cells_left"], found["cells_infeasible"]) == (
        5,
        3,
        2,
        2,
    )
    assert (found["people"], found["people_closed"]) == (69, 63)
    assert "2 of 5 gaps no measure closes. Food in Isle: The nearest site" in found["infeasible"]
    assert "away: more than 1.5 km. New sites were not considered." in found["infeasible"]
    assert found["items"][0]["reason"] == "Service food addresses Food, and its site Site f1 is 1.1 km away."
    assert (
        found["computed"]["thresholds"] | {"price": "each", "measures": ["extension"], "reach": 1.5}
        == (found["computed"]["thresholds"])
    )
    left = shore.get(found["left"]).json()["items"]
    assert [(one["need_name"], one["area_name"], one["infeasible"]) for one in left] == [
        ("Food", "Isle", True),
        ("Debt", "Isle", True),
    ]


def test_new_sites_where_they_are_cheaper_than_extensions(shore):
    # A site for food in Mid reaches Mid and East for 15, and debt in Mid costs an extension or a site of its
    # own. Both to Mid (10) closes food and debt there, Food to East (10): 20. Isle: two sites, 30. In all 50.
    found = answer(shore, extension_cost=10, site_cost=15)
    assert (found["cost"], found["objective"], found["infeasible"]) == (50, 50, None)
    assert chosen(found) == [
        ("food", "East", 1),
        ("both", "Mid", 2),
        ("t:food", "Isle", 1),
        ("t:debt", "Isle", 1),
    ]
    # At 4 a site, four sites close everything for 16: food by one in Mid or East, debt in Mid, two for Isle.
    found = answer(shore, extension_cost=10, site_cost=4)
    assert (found["cost"], len(found["items"]), found["cells_left"]) == (16, 4, 0)
    # The site for food may stand in Mid or in East: the first stands.
    assert chosen(found)[0] == ("t:food", "Mid", 2)
    assert found["items"][0]["reason"] == "A new site for Food in Mid would lie within 1.5 km of Mid, East."


def test_within_a_budget_most_people_come_first(shore):
    found = answer(shore, extension_cost=10, budget=19.5)
    assert (chosen(found), found["objective"], found["cost"]) == ([("food", "East", 1)], 40, 10)
    assert found["infeasible"].startswith("2 of 5 gaps")
    reasons = {
        (one["need_name"], one["area_name"]): one
        for one in answer(shore, "/left", extension_cost=10, budget=19.5)["items"]
    }
    assert reasons["Food", "Mid"]["reason"] == (
        "The budget does more elsewhere; the cheapest measure that closes it costs 10."
    )
    assert reasons["Food", "Mid"]["cheapest"] == 10
    assert reasons["Food", "Isle"]["infeasible"]
    # Too little for anything: nothing is chosen, and why.
    found = answer(shore, extension_cost=10, budget=9)
    assert (found["items"], found["objective"], found["proven"]) == ([], 0, True)
    first = answer(shore, "/left", extension_cost=10, budget=9)["items"][0]
    assert "costs 10, more than the whole budget" in first["reason"]
    # Enough for all: no more is spent than closing all that can be closed takes.
    assert answer(shore, extension_cost=10, budget=1000)["cost"] == 20


def test_costs_by_contract_for_who_may_see_what_contracts_are_worth(shore, network):
    # Food's contract: £4,000 over four years (1,461 days) is £1,000 a year, for the one ward it serves.
    with network(role="commissioner", authorities=("E06000001",)) as client:
        found = answer(client, price="contracts")
        by = {one["area_name"]: one for one in found["items"]}
        assert (by["East"]["cost"], by["East"]["cost_basis"]) == (1000, "contract")
        # Nobody knows what Both would cost, so Food goes to Mid as well, and debt there stays open.
        assert (by["Mid"]["service"]["id"], found["cost"], found["cells_infeasible"]) == ("food", 2000, 3)
        assert any(
            "1 services that could be extended were left out" in one for one in found["computed"]["caveats"]
        )
        why = [one["reason"] for one in answer(client, "/left", price="contracts")["items"]]
        assert "What it would cost to extend Service both is not known. New sites were not considered." in why
        # Where no contract tells, what was stated counts.
        found = answer(client, price="contracts", extension_cost=30)
        assert [(one["service"]["id"], one["cost_basis"]) for one in found["items"]] == [
            ("food", "contract"),
            ("both", "stated"),
        ]
    with network(role="reader", authorities=("E06000001",)) as client:
        found = answer(client, price="contracts")
        assert (found["items"], found["cells_infeasible"]) == ([], 5)
        assert "1000" not in client.get(AT, params={"reach": 1.5, "price": "contracts"}).text


UNFIT = [
    ({"budget": 10}, "budget"),
    ({"price": "stated"}, "extension_cost"),
    ({"extension_cost": 1, "measure": "site"}, "site_cost"),
    ({"price": "contracts", "measure": "site"}, "site_cost"),
    ({"price": "each", "extension_cost": 1}, "price"),
    ({"extension_cost": 0}, "extension_cost"),
    ({"extension_cost": "inf"}, "extension_cost"),
    ({"budget": "nan", "extension_cost": 1}, "budget"),
    ({"measure": "magic"}, "measure"),
    ({"reach": -1}, "reach"),
]


def test_what_does_not_fit_is_refused(shore):
    for asked, parameter in UNFIT:
        for path in ("", "/left"):
            refused = shore.get(f"{AT}{path}", params=asked)
            assert refused.status_code == 422, refused.text
            assert parameter in {one["parameter"].partition("/")[0] for one in refused.json()["errors"]}


def test_a_place_without_gaps_needs_nothing(shore):
    found = answer(shore, need="debt", at="2026-01-15", level="ward", measure="site", site_cost=1)
    assert found["cells"] == 2
    covered = {**SHORE, "services": "id | provider | needs | areas\n both | ant | t:food;t:debt | E06000001"}
    of = ask(facts(**covered))
    found = closing(of, ClosingQuestion(Travel(), 5.0))
    assert (found.cells.size, found.found.chosen.tolist(), found.found.proven) == (0, [], True)


def test_pages_follow_one_another_and_end(shore):
    asked = {"extension_cost": 10, "site_cost": 15}
    whole = answer(shore, **asked)
    got, after = [], {}
    while True:
        page = answer(shore, **asked, limit=1, **after)
        got += page["items"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert got == whole["items"]


SITES_AT = [0.0, 0.01, 0.02, 0.05]


@st.composite
def places(draw):
    services = {
        f"s{n}": (
            draw(st.sets(st.sampled_from(["t:food", "t:debt"]), min_size=1)),
            draw(st.sets(st.sampled_from([1, 2, 3, 4]), max_size=2)),
            draw(st.none() | st.sampled_from(SITES_AT)),
        )
        for n in range(draw(st.integers(0, 3)))
    }
    people = {
        (need, n): draw(st.none() | st.integers(0, 9)) for need in ("t:food", "t:debt") for n in (1, 2, 3, 4)
    }
    return services, people


def drawn(place):
    services, people = place
    rows = [
        f"{id} | ant | {';'.join(sorted(needs))} | {';'.join(f'E0500000{n}' for n in sorted(areas))}"
        for id, (needs, areas, _) in services.items()
    ]
    sites = [
        f"x{id} | {id} | {lon} | 0 | E0500000{SITES_AT.index(lon) + 1}"
        for id, (_, _, lon) in services.items()
        if lon is not None
    ]
    counted = [f"{need} | E0500000{n} | {count}" for (need, n), count in people.items() if count is not None]
    return SHORE | {
        "areas": SHORE["areas"].replace("0.50 | 0", "0.05 | 0"),
        "services": "\n".join(["id | provider | needs | areas", *rows]),
        "sites": "\n".join(["id | service | lon | lat | area", *sites]),
        "demand": "\n".join(["need | area | count", *counted]),
        "contracts": "",
    }


def by_hand(place, *, extension, site, limit):
    """All measures as sets of cells with a cost, worked out from the drawing alone."""
    services, people = place
    at = {1: 0.0, 2: 0.01, 3: 0.02, 4: 0.05}
    degree = 111.195
    counted_areas = {
        id: areas or ({n for n in at if at[n] == lon} if lon is not None else set())
        for id, (_, areas, lon) in services.items()
    }
    covered = {
        (need, n) for id, (needs, _, _) in services.items() for need in needs for n in counted_areas[id]
    }
    gaps = {cell for cell in people if cell not in covered and people[cell] != 0}
    made = []
    for id, (needs, _, lon) in services.items():
        for n in at:
            could = abs(lon - at[n]) * degree <= limit if lon is not None else bool(counted_areas[id])
            closes = {(need, n) for need in needs} & gaps
            if could and closes:
                made.append((extension, closes))
    for need in ("t:debt", "t:food"):
        for n in at:
            closes = {(need, m) for m in at if abs(at[m] - at[n]) * degree <= limit} & gaps
            if closes:
                made.append((site, closes))
    return gaps, made


@settings(max_examples=25)
@given(places(), st.sampled_from([(3, 4), (2, 7), (5, 1)]), st.sampled_from([0.5, 1.5]), st.integers(1, 20))
def test_as_good_as_the_best_of_every_choice_and_what_is_chosen_closes_gaps(place, costs, limit, budget):
    of = ask(facts(**drawn(place)), needs=("t:debt", "t:food"))
    extension, site = costs
    question = ClosingQuestion(
        Travel(detour=1.0), limit, ("extension", "site"), "stated", float(extension), float(site)
    )
    found = closing(of, question)
    gaps, made = by_hand(place, extension=extension, site=site, limit=limit)
    assert found.cells.size == len(gaps)
    assert len(found.measures) == len(made)
    assert found.found.proven
    # A new site in each area makes everything feasible.
    assert found.closed.all()
    best, few = np.inf, [chosen for size in range(5) for chosen in combinations(made, size)]
    for several in few:
        if set().union(*(closes for _, closes in several)) == gaps:
            best = min(best, sum(cost for cost, _ in several))
    assert found.found.objective <= best
    if found.found.chosen.size <= 4:
        assert found.found.objective == best

    within = closing(
        of,
        ClosingQuestion(
            Travel(detour=1.0),
            limit,
            ("extension", "site"),
            "stated",
            float(extension),
            float(site),
            float(budget),
        ),
    )
    known = {cell: place[1][cell] or 0 for cell in gaps}
    spent = float(within.measures.cost[within.found.chosen].sum())
    assert spent <= budget
    most = max(
        sum(known[cell] for cell in set().union(*(closes for _, closes in several)))
        for several in few
        if sum(cost for cost, _ in several) <= budget
    )
    assert within.found.objective >= most
    if budget < 5 * min(costs):
        assert within.found.objective == most
    again = closing(of, question)
    assert again.found.chosen.tolist() == found.found.chosen.tolist()

    # Applied, the extensions cover the cells they are said to close.
    services, _ = place
    closed = {id: set() for id in services}
    names = of.facts.directory.services
    for measure in found.found.chosen:
        if found.measures.service[measure] != NOBODY:
            closed[names[found.measures.service[measure]].id].add(int(found.measures.area[measure]) + 1)
    serving = {
        id: areas
        | ({n + 1 for n, one in enumerate((0.0, 0.01, 0.02, 0.05)) if one == lon} if not areas else set())
        for id, (_, areas, lon) in services.items()
    }
    after = {
        id: (needs, (serving[id] | closed[id]) if closed[id] else areas, lon)
        for id, (needs, areas, lon) in services.items()
    }
    then = ask(facts(**drawn((after, place[1]))), needs=("t:debt", "t:food"))
    for measure in found.found.chosen:
        if found.measures.service[measure] != NOBODY:
            assert (then.cover.depth.ravel()[found.cells[found.closes(int(measure))]] > 0).all()


def test_equal_services_stand_by_id():
    twins = SHORE | {
        "services": """
            id | provider | needs  | areas
            b  | ant      | t:food | E05000001
            a  | bee      | t:food | E05000001
            """,
        "sites": "id | service | lon | lat\n s2 | b | 0.01 | 0\n s1 | a | 0.01 | 0",
        "contracts": "",
    }
    of = ask(facts(**twins), needs=("t:food",))
    found = closing(of, ClosingQuestion(Travel(detour=1.0), 1.5))
    assert {of.facts.directory.services[found.measures.service[one]].id for one in found.found.chosen} == {
        "a"
    }


def test_what_a_contract_tells_of_the_cost_of_one_area():
    # £6,000 over two years (731 days, 2.0014 years) for two services, one of which serves three wards.
    shared = SHORE | {
        "services": """
            id | provider | needs  | areas
            a  | ant      | t:food | E05000001;E05000002;E05000003
            b  | bee      | t:food | E05000001
            c  | bee      | t:food | E05000001
            """,
        "sites": "",
        "contracts": """
            id | services | start      | end        | value | suppliers
            c1 | a;b      | 2025-01-01 | 2026-12-31 | 6000  | ant
            c2 | b        | 2025-01-01 |            | 6000  | bee
            """,
    }
    of = ask(facts(**shared))
    a, b, c = costs_by_contract(of, lambda contract: True)
    assert a == pytest.approx(6000 / (730 / 365.25) / 2 / 3)
    # Of b's second contract nobody knows how long it runs, and c has none.
    assert np.isnan([b, c]).all()
    assert np.isnan(costs_by_contract(of, lambda contract: contract.id != "c1")).all()
