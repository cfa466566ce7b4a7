"""Who may leave: sites and contracts beside providers and owners, pairs, and weak points of the graph."""

import json
from itertools import combinations

import networkx
import numpy as np
import pytest
from hedgerow_network.domain.exits import exits, unit_edges
from hedgerow_network.domain.serving import Rule
from hedgerow_network.domain.weak_points import weak_points
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import ask, facts, facts_of, records

AT = "/v1/localities/E06000001"

# Three wards along a road. Ant has two sites, a1 in West and a2 in Middle; Bee works in Ant's building in
# Middle (the same point and address) and has a second place in East; Cat goes from door to door.
PLACE = {
    "areas": """
        code      | name   | level     | parents   | lon  | lat
        E06000001 | Town   | authority |           |      |
        E05000001 | West   | ward      | E06000001 | 0.00 | 0
        E05000002 | Middle | ward      | E06000001 | 0.02 | 0
        E05000003 | East   | ward      | E06000001 | 0.04 | 0
        """,
    "needs": "id | name | parent\nt:food | Food |\nt:debt | Debt |",
    "organisations": "id | name | owners\nant | Ant |\nbee | Bee |\ncat | Cat |",
    "services": """
        id | provider | needs         | areas
        a  | ant      | t:food        | E06000001
        b  | bee      | t:food;t:debt | E05000003
        c  | cat      | t:debt        | E05000001
        """,
    "sites": """
        id | service | lon  | lat | area
        a1 | a       | 0.00 | 0   |
        a2 | a       | 0.02 | 0   |
        b1 | b       | 0.02 | 0   |
        b2 | b       | 0.04 | 0   |
        """,
    "residents": "area | count\nE05000001 | 100\nE05000002 | 200\nE05000003 | 400",
}


def told(found):
    return {found.ids[u]: (int(found.alone.cells[u]), float(found.alone.people[u])) for u in found.ranked}


def told_pairs(found):
    of, ids = found.pairs, found.ids
    return [
        (ids[of.first[p]], ids[of.second[p]], float(of.people[p]), float(of.beyond_people[p]))
        for p in found.ranked_pairs
    ]


def test_sites_that_close_under_the_rule_within():
    of = ask(facts(**PLACE), rule=Rule("within", km=1))
    found = exits(of, "site")
    # a1 alone serves food in West. In Middle a2 and b1 are one place: it closes for Ant and Bee at once, so
    # food and debt there hang on it. In East b2 alone serves both. Ant itself carries West only.
    assert told(found) == {"b2": (2, 800.0), "a2": (2, 400.0), "a1": (1, 100.0)}
    assert found.services_of([found.ids.index("a2")]) == 2
    assert told(exits(of, "provider")) == {"bee": (3, 1000.0), "ant": (1, 100.0)}
    assert told_pairs(found) == []


def test_sites_that_close_under_the_rule_declared():
    of = ask(facts(**PLACE), rule=Rule("declared"))
    found = exits(of, "site")
    # Ant serves the whole town while one of its two places is open: nobody's food falls with one of them, but
    # in West and Middle it does with both. In East Bee must go too: three places. Bee's debt there falls with
    # b2 and the place in Middle. Cat has no site, and stays.
    assert told(found) == {}
    assert told_pairs(found) == [("a2", "b2", 400.0, 400.0), ("a1", "a2", 300.0, 300.0)]


CONTRACTS = """
    id | services | start      | end
    k1 | a        | 2025-01-01 | 2027-12-31
    k2 | b        | 2025-01-01 | 2027-12-31
    k3 | b;a      | 2026-01-01 | 2026-12-31
    k4 | c        | 2030-01-01 | 2031-01-01
    """


def test_contracts_that_end():
    of = ask(facts(**PLACE, contracts=CONTRACTS.replace("k3 | b;a", "k3 | b  ")), rule=Rule("declared"))
    # c's contract has not begun: it does not count at all. a hangs on k1. b stands on k2 and k3.
    found = exits(of, "contract")
    assert told(found) == {"k1": (2, 300.0)}
    # Both of b's contracts gone: debt in East; food there is still Ant's.
    assert told_pairs(found) == [("k2", "k3", 400.0, 400.0)]
    assert found.names[found.ids.index("k1")]
    unlinked = exits(ask(facts(**PLACE), rule=Rule("declared")), "contract")
    assert told(unlinked) == {}
    assert not unlinked.leaves.any()


@st.composite
def towns(draw):
    """Few services, many sites at few points, contracts that overlap."""
    n = draw(st.integers(1, 4))
    wards = ["E05000001", "E05000002", "E05000003"]
    services = []
    for number in range(n):
        needs = draw(st.sets(st.sampled_from(["t:food", "t:debt"]), min_size=1))
        areas = draw(st.sets(st.sampled_from([*wards, "E06000001"])))
        services.append(f"s{number} | o{draw(st.integers(0, 2))} | {';'.join(needs)} | {';'.join(areas)}")
    sites = [
        f"x{number} | s{draw(st.integers(0, n - 1))} | {draw(st.sampled_from(['0.00', '0.02', '0.04']))} | 0"
        for number in range(draw(st.integers(0, 5)))
    ]
    contracts = [
        f"k{number} | {';'.join(f's{s}' for s in draw(st.sets(st.integers(0, n - 1), min_size=1)))} | | "
        for number in range(draw(st.integers(0, 3)))
    ]
    return {
        **{name: PLACE[name] for name in ("areas", "needs", "residents")},
        "services": "\n".join(["id | provider | needs | areas", *services]),
        "sites": "\n".join(["id | service | lon | lat", *sites]),
        "contracts": "\n".join(["id | services | start | end", *contracts]),
    }


def covered(of):
    cells = np.flatnonzero(of.cover.depth.ravel() > 0)
    return {(of.needs[c // of.areas.size], int(c % of.areas.size)) for c in cells}


NEEDS = ("t:debt", "t:food")


def left_without(place, rule, by, gone):
    """The obvious way: take the records away and ask again."""
    made = records(**place)
    if by == "site":
        point = {id: (data["lon"], data["lat"]) for kind, id, data in made if kind == "site"}
        shut = {id for id in point if any(point[id] == point[one] for one in gone)}
        had = {data["service_id"] for kind, _, data in made if kind == "site"}
        made = [row for row in made if row[1] not in shut or row[0] != "site"]
        has = {data["service_id"] for kind, _, data in made if kind == "site"}
        # Who has lost all its sites has nowhere left to work, whatever areas it states.
        drop = had - has
    elif by == "contract":
        links = {id: set(data["service_ids"]) for kind, id, data in made if kind == "contract"}
        linked = set().union(*links.values(), set())
        still = set().union(*(s for id, s in links.items() if id not in gone), set())
        drop = linked - still
        made = [row for row in made if row[0] != "contract"]
    else:
        drop = {id for kind, id, data in made if kind == "service" and data["organisation_id"] in gone}
    made = [row for row in made if not (row[0] == "service" and row[1] in drop)]
    return covered(ask(facts_of(made), needs=NEEDS, rule=rule))


@settings(max_examples=40)
@given(
    towns(),
    st.sampled_from([Rule("declared"), Rule("within", km=1), Rule("within", km=3), Rule()]),
    st.sampled_from(["provider", "site", "contract"]),
)
def test_exits_of_one_and_of_two_agree_with_asking_again(place, rule, by):
    of = ask(facts(**place), needs=NEEDS, rule=rule)
    found = exits(of, by)
    before = covered(of)
    people = {
        (need, area): float(of.people.count[row, area])
        for row, need in enumerate(of.needs)
        for area in range(of.areas.size)
    }
    movable = [unit for unit in range(len(found.ids)) if found.leaves[unit]]
    lost = {
        gone: sum(
            people[cell] for cell in before - left_without(place, rule, by, {found.ids[u] for u in gone})
        )
        for size in (1, 2)
        for gone in combinations(movable, size)
    }
    for unit in movable:
        assert float(found.alone.people[unit]) == lost[(unit,)], found.ids[unit]
    more = {
        pair: total
        for pair, total in lost.items()
        if len(pair) == 2 and total > lost[pair[:1]] + lost[pair[1:]]
    }
    pairs = found.pairs
    both = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    assert dict(zip(both, pairs.people.tolist(), strict=True)) == more
    ranked = [float(pairs.people[p]) for p in found.ranked_pairs]
    assert ranked == sorted(ranked, reverse=True)


edges_drawn = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16)


@given(edges_drawn)
def test_weak_points_agree_with_taking_each_away(pairs):
    found = weak_points(8, np.array(pairs, dtype=int).reshape(-1, 2))
    graph = networkx.Graph()
    graph.add_nodes_from(range(8))
    graph.add_edges_from((a, b) for a, b in pairs if a != b)
    parts = networkx.number_connected_components(graph)
    pieces = {}
    for node in range(8):
        rest = graph.copy()
        rest.remove_node(node)
        into = networkx.number_connected_components(rest) - parts + 1
        if into > 1:
            pieces[node] = into
    assert dict(zip(found.points.tolist(), found.pieces.tolist(), strict=True)) == pieces
    cut = []
    for a, b in sorted(tuple(sorted(edge)) for edge in graph.edges):
        rest = graph.copy()
        rest.remove_edge(a, b)
        if networkx.number_connected_components(rest) > parts:
            cut.append([a, b])
    assert found.bridges.tolist() == cut


def test_the_kite_of_krackhardt(shared):
    kite = json.loads((shared / "vectors" / "graph_krackhardt.json").read_text())
    found = weak_points(kite["n"], np.array(kite["edges"]))
    assert found.points.tolist() == kite["articulation_points"]
    assert found.bridges.tolist() == kite["bridges"]


@pytest.fixture
def town(database, network):
    feed(database, records(**PLACE, contracts=CONTRACTS))
    with network() as client:
        yield client


def test_fragility_by_site_and_contract_over_the_api(town):
    by_site = town.items(f"{AT}/fragility", params={"by": "site", "rule": "within:1"})
    assert [(f["id"], f["name"], f["kind"], f["people_uncovered"], f["services"]) for f in by_site] == [
        ("b2", "Site b2", "site", 800, 1),
        ("a2", "Site a2", "site", 400, 2),
        ("a1", "Site a1", "site", 100, 1),
    ]
    assert by_site[0]["members"] == [{"id": "b2", "name": "Site b2"}]
    one = town.get(f"{AT}/fragility/a2", params={"by": "site", "rule": "within:1"}).json()
    assert [(c["need"], c["area_name"]) for c in one["uncovered"]] == [
        ("t:debt", "Middle"),
        ("t:food", "Middle"),
    ]
    pairs = town.items(f"{AT}/fragility", params={"by": "site", "rule": "declared", "pairs": True})
    assert [(p["id"], p["people_uncovered"], p["people_beyond"], p["cells_beyond"]) for p in pairs] == [
        ("a2,b2", 400, 400, 1),
        ("a1,a2", 300, 300, 2),
    ]
    both = town.get(f"{AT}/fragility/a1", params={"by": "site", "rule": "declared", "with": "a2"}).json()
    assert (both["people_uncovered"], [m["id"] for m in both["members"]]) == (300, ["a1", "a2"])
    paged = {"by": "site", "rule": "declared", "pairs": True, "limit": 1}
    assert town.items(f"{AT}/fragility", params=paged) == pairs
    ending = town.items(f"{AT}/fragility", params={"by": "contract", "rule": "declared", "pairs": True})
    assert [(p["id"], p["people_uncovered"]) for p in ending] == [("k2,k3", 400), ("k1,k3", 300)]
    gone = town.get(f"{AT}/fragility/k1", params={"by": "contract", "with": ["k2", "k3"]})
    assert gone.json()["people_uncovered"] == 1100
    for wrong in ("fragility/c?by=site", "fragility/nobody?by=contract", "fragility/a1?by=site&with=zz"):
        assert town.get(f"{AT}/{wrong}").status_code == 404
    assert town.get(f"{AT}/fragility?by=building").status_code == 422


def test_weak_points_over_the_api(town):
    found = town.items(f"{AT}/weak-points", params={"by": "provider", "rule": "within:1"})
    # Ant – food in West, food in Middle; Bee – food in Middle and East, debt in Middle and East.
    # Food in Middle is where the two meet; every other cell hangs on one link.
    said = []
    for weak in found:
        cell = weak["cell"]
        where = (cell["need"], cell["area_name"]) if cell else None
        said.append((weak["kind"], (weak["who"] or {}).get("id"), where, weak["pieces"]))
    # By people: Bee 1,000, then the cells of one in East (400), Middle (200), West (100), then those of two.
    assert said == [
        ("point", "bee", None, 4),
        ("link", "bee", ("t:debt", "East"), 2),
        ("link", "bee", ("t:food", "East"), 2),
        ("link", "bee", ("t:debt", "Middle"), 2),
        ("link", "ant", ("t:food", "West"), 2),
        ("point", "ant", None, 2),
        ("link", "ant", ("t:food", "Middle"), 2),
        ("link", "bee", ("t:food", "Middle"), 2),
        ("point", None, ("t:food", "Middle"), 2),
    ]
    assert {w["people_uncovered"] for w in found if w["kind"] == "point" and w["who"]} == {1000, 100}
    assert town.items(f"{AT}/weak-points", params={"rule": "within:1", "limit": 1}) == found
    empty = town.items(f"{AT}/weak-points", params={"by": "contract", "at": "2029-01-01"})
    assert empty == []


def weak_of(answer):
    return {
        (weak["kind"], (weak["cell"] or {}).get("area_name"), (weak["who"] or {}).get("id"))
        for weak in answer["items"]
    }


def test_who_refers_to_whom_joins_the_network_too(town):
    asked = {"by": "provider", "rule": "declared"}
    before = town.get(f"{AT}/weak-points", params=asked).json()
    assert before["referrals"] == 0
    rows = """network,from,to,type,weight,from_date,to_date
town,Ant,Bee,referral,,2025-01-01,
town,bee,ant,referral,,,
town,ant,Nobody Known,referral,,,
town,ant,cat,partnership,,,
town,cat,ant,referral,,,2025-12-31
"""
    made = town.post("/v1/imports/relations", content=rows, headers={"Content-Type": "text/csv"})
    assert made.json()["counts"]["quarantined"] == 0, made.text
    # Ant and Bee meet in food in East already: a second way between them makes that cell a point no more.
    after = town.get(f"{AT}/weak-points", params=asked).json()
    assert after["referrals"] == 1
    # Bee's debt advice in East still hangs on its one link; food there hangs on neither link any more.
    assert weak_of(before) - weak_of(after) == {("point", "East", None), ("link", "East", "ant")}
    by_site = town.get(f"{AT}/weak-points", params={"by": "site"}).json()
    assert by_site["referrals"] == 0


def test_a_referral_may_be_the_only_link(database, network):
    services = """
        id | provider | needs  | areas
        a  | ant      | t:food | E05000001
        b  | bee      | t:debt | E05000003
        """
    place = PLACE | {"services": services}
    feed(database, records(**place))
    with network() as client:
        client.post(
            "/v1/imports/relations",
            content="network,from,to,type\ntown,ant,bee,referral\n",
            headers={"Content-Type": "text/csv"},
        )
        found = client.items(f"{AT}/weak-points", params={"rule": "declared"})
        links = [(w["who"]["id"], w["refers"]["id"]) for w in found if w["refers"]]
        assert links == [("ant", "bee")]
        assert {w["who"]["id"]: w["pieces"] for w in found if w["kind"] == "point"} == {"ant": 2, "bee": 2}


def test_the_edges_of_the_graph_are_the_cells_of_each():
    found = exits(ask(facts(**PLACE), rule=Rule("within", km=1)), "provider")
    units, cells = unit_edges(found)
    assert units.tolist() == [0, 0, 1, 1, 1, 1]
    assert cells.tolist() == [3, 4, 1, 2, 4, 5]


def test_a_place_without_a_name_goes_by_its_service():
    made = [
        (kind, id, {**data, "name": None} if kind == "site" else data) for kind, id, data in records(**PLACE)
    ]
    found = exits(ask(facts_of(made), rule=Rule("within", km=1)), "site")
    assert found.names[found.ids.index("b2")] == "Service b"
