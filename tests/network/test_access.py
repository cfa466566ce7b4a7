"""Access of a locality: which sites and people count, what is out of reach, and the published figures."""

import csv
import json
import math

import pytest
from hedgerow_network.domain.access import access, access_caveats, access_question
from hedgerow_network.domain.travel import Travel
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import ask, facts, records

AT = "/v1/localities/E06000001"
CSV = {"Content-Type": "text/csv"}

# A degree of longitude at the equator is 111.195 km; ten wards' worth of nothing round them.
COAST = {
    "areas": """
        code      | name   | level     | parents   | lon  | lat
        E06000001 | Town   | authority |           |      |
        E06000002 | Next   | authority |           |      |
        E05000001 | West   | ward      | E06000001 | 0.00 | 0
        E05000002 | Middle | ward      | E06000001 | 0.02 | 0
        E05000003 | East   | ward      | E06000001 | 0.50 | 0
        E05000004 | Nowhere | ward     | E06000001 |      |
        E05000005 | Beyond | ward      | E06000002 | -0.01 | 0
        """,
    "needs": """
        id      | name  | parent
        t:food  | Food  |
        t:debt  | Debt  |
        """,
    "organisations": """
        id  | name | owners
        ant | Ant  |
        bee | Bee  |
        """,
    "services": """
        id | provider | needs  | areas     | capacity
        a  | ant      | t:food |           | 12
        b  | bee      | t:food |           | 4
        c  | bee      | t:food |           |
        d  | ant      | t:debt | E06000001 |
        """,
    "sites": """
        id | service | lon   | lat | area
        a1 | a       | 0.00  | 0   |
        a2 | a       | 0.02  | 0   |
        b1 | b       | 0.02  | 0   |
        c1 | c       | 0.00  | 0   |
        d1 | d       | -0.01 | 0   |
        d2 | d       |       |     | E05000001
        """,
    "residents": """
        area      | count
        E05000001 | 100
        E05000002 | 200
        E05000003 | 300
        E05000005 | 50
        """,
}


def places(of, found):
    return {
        need: [round(float(value), 12) for value in found.ratio[row]] for row, need in enumerate(of.needs)
    }


def test_who_competes_for_the_places_within_reach():
    of = ask(facts(**COAST), needs=("t:debt", "t:food"))
    # 3 km of way are 3 km of line at a detour of 1: Middle is 2.2 km from West, Beyond 1.1 km from West.
    found = access(of, access_question(limit=3, travel=Travel(detour=1)))
    # Ant's 12 places are 6 at each of its two sites. a1: 6 / (100 + 200 + 50). a2: 6 / (100 + 200), as Beyond
    # is 3.3 km away; b1: 4 / 300. c states no capacity. West reaches a1, a2, b1; Middle the same.
    both = 6 / 350 + 6 / 300 + 4 / 300
    # Debt: nobody states a capacity, so d1 counts 1. It is for Town: Beyond does not compete, though it is
    # there: 1 / 100 for West; Middle is 3.3 km away.
    assert places(of, found) == {
        "t:debt": [0.01, 0.0, 0.0, 0.0],
        "t:food": [round(both, 12), round(both, 12), 0.0, 0.0],
    }
    assert found.supply == ("sites", "capacity")
    assert found.within.tolist() == [[1, 0, 0, 0], [4, 4, 0, 0]]
    assert found.known.tolist() == [True, True, True, False]
    assert found.out_of_reach().tolist() == [[False, True, True, False], [False, False, True, False]]
    assert found.out_of_reach(at_least=0.02).tolist()[0] == [True, True, True, False]
    directory = of.facts.directory
    assert [directory.sites[row].id for row in found.site[1][:3]] == ["a1", "a2", "a2"]
    assert found.cost[0].tolist()[1] == pytest.approx(0.03 * 111.195, abs=0.001)
    assert found.cost[1].tolist()[2] == pytest.approx(0.48 * 111.195, abs=0.01)
    assert math.isinf(found.cost[1][3])
    # d1 is nearest to Beyond, but only open to the town.
    beyond = ask(facts(**COAST), locality="E06000002", needs=("t:debt", "t:food"))
    outside = access(beyond, access_question(limit=0.5, travel=Travel(detour=1)))
    assert (outside.site[0, 0], directory.sites[outside.site[1, 0]].id) == (-1, "a1")
    said = " ".join(access_caveats(of, found))
    for words in ("1 of 4 areas", "Nowhere", "Service c", "Site d2", "For 1 of 2 needs", "straight lines"):
        assert words in said, words


def test_a_detour_and_a_speed_make_the_way_longer():
    of = ask(facts(**COAST), needs=("t:food",))
    near = access(of, access_question(limit=3, travel=Travel(detour=1.4)))
    assert near.within.tolist() == [[2, 2, 0, 0]]
    # 2.224 km of line, 2.891 km of way, at 10 km an hour 17.3 minutes.
    timed = access(of, access_question(limit=18, travel=Travel(None, "minutes", 1.3, 10)))
    assert timed.within.tolist() == [[4, 4, 0, 0]]
    assert access(of, access_question(limit=17, travel=Travel(None, "minutes", 1.3, 10))).within[0, 0] == 2


def test_residents_may_compete_instead_of_people_with_the_need():
    demand = """
        need   | area      | count
        t:food | E05000001 | 10
        t:food | E05000002 | 20
        t:food | E05000003 | 30
        t:food | E05000005 | 0
        """
    of = ask(facts(**COAST, demand=demand), needs=("t:food",))
    way = Travel(detour=1)
    with_need = access(of, access_question(limit=1, travel=way))
    everybody = access(of, access_question(limit=1, travel=way, people="residents"))
    assert with_need.ratio[0].tolist() == pytest.approx([6 / 10, 10 / 20, 0, 0])
    assert everybody.ratio[0].tolist() == pytest.approx([6 / 100, 10 / 200, 0, 0])


def test_nothing_to_reach_is_an_answer():
    bare = {name: COAST[name] for name in ("areas", "needs")}
    of = ask(facts(**bare), needs=("t:food",))
    found = access(of, access_question())
    assert found.ratio.tolist() == [[0.0] * 4]
    assert found.out_of_reach().tolist() == [[True, True, True, False]]
    alone = ask(facts(areas="code | name | level | parents\nE06000001 | Town | authority |"), needs=())
    assert access(alone, access_question()).ratio.shape == (0, 1)


@settings(max_examples=20)
@given(st.permutations(range(5)))
def test_other_ids_for_the_services_change_nothing(order):
    names = dict(zip("abcd", [f"x{place}" for place in order], strict=False))

    def renamed(table):
        lines = table.strip().splitlines()
        return "\n".join([lines[0], *(_with(line, names) for line in lines[1:])])

    services, sites = renamed(COAST["services"]), renamed_sites(COAST["sites"], names)
    before = ask(facts(**COAST), needs=("t:debt", "t:food"))
    after = ask(facts(**COAST | {"services": services, "sites": sites}), needs=("t:debt", "t:food"))
    asked = access_question(limit=3, method="e2sfca", decay="gaussian")
    assert places(after, access(after, asked)) == places(before, access(before, asked))


def _with(line, names):
    first, rest = line.split("|", 1)
    return f"{names[first.strip()]} |{rest}"


def renamed_sites(table, names):
    lines = table.strip().splitlines()
    made = [lines[0]]
    for line in lines[1:]:
        cells = [cell.strip() for cell in line.split("|")]
        made.append(" | ".join([cells[0], names[cells[1]], *cells[2:]]))
    return "\n".join(made)


@pytest.fixture
def coast(database, network):
    feed(database, records(**COAST))
    with network() as client:
        yield client


def test_the_worst_access_comes_first_and_says_what_it_rests_on(coast):
    answer = coast.get(f"{AT}/access", params={"limit": 3, "detour": 1, "at_least": 0.02}).json()
    found = [(i["need"], i["area_name"], i["status"], i["sites_within"]) for i in answer["items"]]
    assert found == [
        ("t:debt", "East", "out of reach", 0),
        ("t:food", "East", "out of reach", 0),
        ("t:debt", "Middle", "out of reach", 0),
        ("t:debt", "West", "below", 1),
        ("t:food", "Middle", "reached", 4),
        ("t:food", "West", "reached", 4),
        ("t:debt", "Nowhere", "unknown", None),
        ("t:food", "Nowhere", "unknown", None),
    ]
    west = answer["items"][3]
    assert (west["ratio"], west["per_1000"], west["supply"]) == (0.01, 10.0, "sites")
    assert west["nearest"]["site"]["id"] == "d1"
    assert west["nearest"]["provider"]["name"] == "Ant"
    assert answer["items"][-1]["ratio"] is None
    assert {name: answer["computed"]["thresholds"][name] for name in (
        "method", "decay", "limit", "unit", "costs", "detour", "people", "at_least", "level",
    )} == {
        "method": "2sfca", "decay": "binary", "limit": 3.0, "unit": "km", "costs": None, "detour": 1.0,
        "people": "need", "at_least": 0.02, "level": "ward",
    }  # fmt: skip
    assert (
        coast.items(f"{AT}/access", params={"limit": 3, "detour": 1, "at_least": 0.02, "rows": 1})
        == answer["items"]
    )
    again = coast.get(f"{AT}/access", params={"limit": 3, "detour": 1, "at_least": 0.02})
    assert again.json() == answer


def test_people_who_choose_pay_by_way_and_crowding_and_the_dearest_come_first(coast):
    answer = coast.get(
        f"{AT}/access", params={"method": "raam", "limit": 3, "detour": 1, "need": "food", "tau": 2.22390}
    ).json()
    found = [(item["area_name"], item["status"], item["per_1000"]) for item in answer["items"]]
    assert found == [
        ("East", "out of reach", None),
        ("West", "reached", None),
        ("Middle", "reached", None),
        ("Nowhere", "unknown", None),
    ]
    # Ant's 12 places are 6 at a1 and 6 at a2, bee's 4 at b1: 16 for 100 + 200 + 50 people, 131.25 each for
    # a1 and a2 and 87.5 for b1 at the mean. 200 of Middle at a2 and b1 and 150 at a1: 200/218.75 against
    # 150/131.25, and a way of 1 from West to either: nobody gains by going there, so each stays.
    west, middle = answer["items"][1]["ratio"], answer["items"][2]["ratio"]
    thresholds = answer["computed"]["thresholds"]
    assert (thresholds["method"], thresholds["tau"]) == ("raam", 2.2239)
    assert [item["ratio"] for item in answer["items"]][::3] == [None, None]
    assert middle == pytest.approx(200 / 218.75, rel=0.01)
    assert west == pytest.approx(150 / 131.25, rel=0.01)


# Five wards in a row, each within reach of the next one's site, each an authority; all in one county.
ROW = {
    **COAST,
    "areas": "code | name | level | parents | lon | lat\nE10000001 | County | region | | |\n"
    + "".join(
        f"E0600000{n} | Town {n} | authority | E10000001 | |\n"
        f"E0500000{n} | Ward {n} | ward | E0600000{n} | {0.02 * n:.2f} | 0\n"
        for n in range(1, 6)
    ),
    "services": "id | provider | needs | areas | capacity\n"
    + "".join(f"s{n} | ant | t:food | | {5 * n}\n" for n in range(1, 6)),
    "sites": "id | service | lon | lat | area\n"
    + "".join(f"p{n} | s{n} | {0.02 * n:.2f} | 0 |\n" for n in range(1, 6)),
    "residents": "area | count\n" + "".join(f"E0500000{n} | {900 - 100 * n}\n" for n in range(1, 6)),
}


def test_an_area_has_one_figure_whichever_locality_is_asked_about():
    known = facts(**ROW)
    asked = access_question(method="raam", limit=3, travel=Travel(detour=1))

    def figures(locality):
        of = ask(known, locality=locality, needs=("t:food",))
        found = access(of, asked)
        codes = [known.hierarchy.codes[place] for place in of.areas]
        return dict(zip(codes, found.ratio[0].tolist(), strict=True)), access_caveats(of, found)

    whole, said = figures("E10000001")
    assert len(set(whole.values())) == 5
    assert not any("another locality" in one for one in said)
    for n in range(1, 6):
        of_one, _ = figures(f"E0600000{n}")
        assert of_one == pytest.approx({f"E0500000{n}": whole[f"E0500000{n}"]}, abs=1e-12)


def test_where_too_many_hang_together_a_caveat_says_that_the_figure_is_the_localitys():
    # West – site – Middle – site – 2,100 wards at one spot.
    crowd = "".join(f"E05{n:06} | Ward {n} | ward | E06000002 | 0.08 | 0\n" for n in range(100, 2200))
    place = COAST | {
        "areas": "code | name | level | parents | lon | lat\nE06000001 | Town | authority | | |\n"
        "E06000002 | Next | authority | | |\nE05000001 | West | ward | E06000001 | 0.00 | 0\n"
        f"E05000002 | Middle | ward | E06000002 | 0.04 | 0\n{crowd}",
        "services": "id | provider | needs | areas | capacity\na | ant | t:food | | 12\nb | bee | t:food | |",
        "sites": "id | service | lon | lat | area\na1 | a | 0.02 | 0 |\nb1 | b | 0.06 | 0 |",
    }
    of = ask(facts(**place), needs=("t:food",))
    found = access(of, access_question(method="raam", limit=3, travel=Travel(detour=1)))
    assert any("another locality" in one for one in access_caveats(of, found))
    shared = access(of, access_question(limit=3, travel=Travel(detour=1)))
    assert not any("another locality" in one for one in access_caveats(of, shared))


ASKED = [
    ("method=4sfca", 422, "method"),
    ("decay=slow", 422, "A decay is"),
    ("limit=0", 422, "limit"),
    ("limit=nan", 422, "limit"),
    ("limit=inf", 422, "limit"),
    ("detour=0.5", 422, "detour"),
    ("unit=minutes", 422, "speed_kmh"),
    ("costs=nothing", 404, "No matrix"),
    ("unit=miles", 422, "unit"),
    ("rows=0", 422, "rows"),
    ("after=x", 422, "page marker"),
    ("speed_kmh=30", 200, ""),
    ("limit=1000000", 200, ""),
    ("limit=0.000001&decay=gravity:1,-10", 200, ""),
    ("decay=gravity:999999999,-10&method=3sfca", 200, ""),
    ("decay=gaussian:0.000000001&method=3sfca", 200, ""),
    ("method=raam&tau=0", 422, "tau"),
    ("method=raam&tau=1e-310", 422, "tau"),
    ("method=raam&decay=step", 422, "tau="),
    ("method=raam&at_least=1", 422, "tau="),
    ("tau=60", 422, "tau="),
    ("method=raam&tau=0.000001", 200, ""),
]


def test_what_cannot_be_answered_is_a_clear_problem(coast):
    for query, status, says in ASKED:
        answer = coast.get(f"{AT}/access?{query}")
        assert answer.status_code == status, (query, answer.text)
        assert says in answer.text, query


def matrix(client, name, pairs, *, unit="minutes", **params):
    rows = "".join(f"{name},{area},{site},{cost!r}\n" for area, site, cost in pairs)
    made = client.post(
        "/v1/imports/costs", content=f"matrix,from_area,to_site,{unit}\n{rows}", headers=CSV, params=params
    )
    assert made.json()["counts"]["quarantined"] == 0, made.text


def test_a_matrix_says_how_far_it_is_each_way_and_what_is_missing(coast):
    matrix(coast, "bus", [("E05000001", "a1", 10), ("E05000002", "a1", 40), ("E05000001", "zz", 1)])
    answer = coast.get(f"{AT}/access", params={"costs": "bus", "need": "food"}).json()
    by_area = {item["area_name"]: item for item in answer["items"]}
    # Only West is within 30 minutes of a1, which has 6 of Ant's 12 places.
    assert by_area["West"]["ratio"] == 6 / 100
    assert (by_area["Middle"]["status"], by_area["Middle"]["nearest"]["cost"]) == ("out of reach", 40.0)
    assert by_area["East"]["status"] == "unknown"
    assert answer["computed"]["thresholds"]["limit"] == 30.0
    said = " ".join(answer["computed"]["caveats"])
    for words in ("names no way", "not held: zz", "not named by the matrix"):
        assert words in said
    assert coast.get(f"{AT}/access", params={"costs": "bus", "unit": "km"}).status_code == 422
    matrix(coast, "bus", [("E05000001", "a1", 31)])
    after = coast.get(f"{AT}/access", params={"costs": "bus", "need": "food"}).json()
    assert {item["area_name"]: item["status"] for item in after["items"]}["West"] == "out of reach"


def test_sites_may_go_by_the_ids_of_their_own_source(database, network):
    made = [
        (kind, id, {**data, "source": "council", "source_id": f"no {id}"} if kind == "site" else data)
        for kind, id, data in records(**COAST)
    ]
    feed(database, made)
    with network() as client:
        matrix(client, "own", [("E05000001", "no a1", 5)], source="council")
        matrix(client, "other", [("E05000001", "no a1", 5)], source="elsewhere")
        for name, within in (("own", 1), ("other", 0)):
            items = client.get(f"{AT}/access", params={"costs": name, "need": "food"}).json()["items"]
            assert next(i for i in items if i["area_name"] == "West")["sites_within"] == within


def test_the_rule_within_goes_by_a_matrix_in_kilometres_or_minutes(coast):
    matrix(coast, "bus", [("E05000001", "a1", 10), ("E05000002", "a1", 40), ("E05000003", "a1", 20)])

    def uncovered(**params):
        found = coast.get(f"{AT}/gaps", params={"need": "food", "costs": "bus", **params})
        assert found.status_code == 200, found.text
        return {gap["area_name"] for gap in found.json()["items"]}

    assert uncovered(rule="within:20min") == {"Middle", "Nowhere"}
    assert uncovered(rule="within:19min") == {"Middle", "East", "Nowhere"}
    assert coast.get(f"{AT}/gaps?rule=within:5&costs=bus").status_code == 422
    assert coast.get(f"{AT}/gaps?rule=within:5min").status_code == 422
    assert coast.get(f"{AT}/gaps?rule=within:0min&costs=bus").status_code == 422
    told = coast.get(f"{AT}/cover/food/E05000003?rule=within:20min&costs=bus").json()
    assert told["counted"][0]["reason"] == "Its site Site a1 is 20.0 minutes from East by the matrix."
    told = coast.get(f"{AT}/cover/food/E05000002?rule=within:20min&costs=bus").json()
    assert "40.0 minutes away, further than 20 minutes" in told["excluded"][0]["reason"]
    unreachable = coast.get(f"{AT}/cover/food/E05000004?rule=within:20min&costs=bus").json()
    assert "knows no way from Nowhere" in unreachable["excluded"][0]["reason"]


def test_published_figures_of_pysal_access_through_the_api(database, network, shared):
    told = json.loads((shared / "vectors" / "access.json").read_text())
    code = {place: f"E0500000{place}" for place in told["demand"]}
    areas = "\n".join(f"{code[p]} | {p} | ward | E06000001" for p in code)
    demand = "\n".join(f"t:care | {code[p]} | {n}" for p, n in told["demand"].items())
    services = "\n".join(f"s{p} | o{p} | t:care | | {n}" for p, n in told["supply"].items())
    feed(
        database,
        records(
            areas=f"code | name | level | parents\nE06000001 | Town | authority |\n{areas}",
            needs="id | name | parent\nt:care | Care |",
            demand=f"need | area | count\n{demand}",
            services=f"id | provider | needs | areas | capacity\n{services}",
            sites="id | service | lon | lat\n" + "\n".join(f"site{p} | s{p} | |" for p in told["supply"]),
        ),
    )
    methods = 0
    with network() as client:
        for scenario in told["scenarios"]:
            pairs = [(code[str(a)], f"site{s}", cost) for a, s, cost in scenario["costs"]]
            matrix(client, scenario["name"], pairs)
            for name, expected in scenario["expected"].items():
                method, _, decay = name.partition("|")
                asked = {"method": method, "limit": told["max_cost"]}
                asked |= {"tau": decay.split("=")[1]} if method == "raam" else {"decay": decay}
                answer = client.get(f"{AT}/access", params={**asked, "costs": scenario["name"]})
                found = {item["area_name"]: item["ratio"] for item in answer.json()["items"]}
                assert found == pytest.approx(expected, abs=1e-9), name
                methods += 1
    assert methods == 3 * 9


def san_francisco(shared):
    folder = shared / "vectors"
    with (folder / "spopt" / "SF_network_distance_candidateStore_16_censusTract_205_new.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def stores(database, network, shared):
    """16 stores as sites, 205 tracts as areas, the published distances as a matrix."""
    pairs = san_francisco(shared)
    names = sorted({row["name"] for row in pairs})
    people = {row["DestinationName"]: row["demand"] for row in pairs}
    code = {tract: f"E01{number:06}" for number, tract in enumerate(sorted(people))}
    areas = "\n".join(f"{code[tract]} | {tract} | lsoa | E06000001" for tract in people)
    feed(
        database,
        records(
            areas=f"code | name | level | parents\nE06000001 | City | authority |\n{areas}",
            needs="id | name | parent\nt:food | Food |",
            residents="area | count\n" + "\n".join(f"{code[t]} | {n}" for t, n in people.items()),
            services="id | provider | needs | areas\n" + "\n".join(f"{n} | {n} | t:food |" for n in names),
            sites="id | service | lon | lat\n" + "\n".join(f"site of {n} | {n} | |" for n in names),
        ),
    )
    with network() as client:
        matrix(
            client,
            "road",
            [
                (code[r["DestinationName"]], f"site of {r['name']}", float(r["distance"]) / 1000)
                for r in pairs
            ],
            unit="km",
        )
        yield client, pairs, people


def oracle(pairs, people, metres):
    """Depth by tract, and what only one store reaches, counted row by row."""
    reach = {tract: set() for tract in people}
    for row in pairs:
        if float(row["distance"]) <= metres:
            reach[row["DestinationName"]].add(row["name"])
    lost = {}
    for tract, stores in reach.items():
        if len(stores) == 1:
            cells, count = lost.get(min(stores), (0, 0.0))
            lost[min(stores)] = (cells + 1, count + float(people[tract]))
    return {tract: len(found) for tract, found in reach.items()}, lost


def fragility_at(client, metres, **params):
    asked = {"rule": f"within:{metres / 1000:g}", "costs": "road", "level": "lsoa", "limit": 1000, **params}
    answer = client.get(f"{AT}/fragility", params=asked).json()
    return {i["name"]: (i["cells_uncovered"], i["people_uncovered"]) for i in answer["items"]}, answer


def test_cover_and_fragility_of_san_francisco_at_any_distance(stores, shared):
    client, pairs, people = stores
    expected = json.loads((shared / "vectors" / "coverage_fragility.json").read_text())["thresholds"]["2000"]
    for metres in (500, 1234, 2000, 3100, 5000, 11000):
        depth, lost = oracle(pairs, people, metres)
        asked = {"rule": f"within:{metres / 1000:g}", "costs": "road", "level": "lsoa", "limit": 1000}
        cover = client.get(f"{AT}/cover", params=asked).json()
        assert {cell["area_name"]: cell["depth"] for cell in cover["items"]} == depth
        found, answer = fragility_at(client, metres)
        assert found == lost
        assert answer["computed"]["rule"] == f"within:{metres / 1000:g}"
    published = json.loads((shared / "vectors" / "spopt" / "expected.json").read_text())[
        "coverage_depth_all16"
    ]
    depths = list(oracle(pairs, people, 5000)[0].values())
    assert (depths.count(0), depths.count(1)) == (published["uncovered"], published["single"])
    found, _ = fragility_at(client, 2000)
    for store, told in expected["remove_one"].items():
        assert found.get(store, (0, 0)) == (told["newly_uncovered_tracts"], told["newly_uncovered_pop"])
