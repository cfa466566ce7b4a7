"""Distances that matter: fragility that reverses with them, travel costs, standards and exceptions."""

import pytest

AUTHORITY = "E06000001"
AREAS = """code,name,level,parent_code,vintage
E06000001,Estuary,authority,,2024
E05000001,Quay,ward,E06000001,2024
E05000002,Marsh,ward,E06000001,2024
E05000003,Point,ward,E06000001,2024
"""
NEEDS = "taxonomy,term,name,parent_term\nt,food,Food,\n"
SERVICES = """id,name,organisation_name,needs,capacity
a,Quay Larder,Quay Trust,t:food,40
b,Marsh Table,Marsh Partners,t:food,30
"""
SITES = "id,service_id,name\nqa,a,Quay Hall\nmb,b,Marsh Barn\n"
RESIDENTS = """area_code,period,age_from,age_to,sex,count
E05000001,2024,0,,all,1000
E05000002,2024,0,,all,600
E05000003,2024,0,,all,700
"""
# Quay Hall serves the Quay at once; Marsh Barn the Marsh at once, the Quay and the Point from further away.
COSTS = """matrix,from_area,to_site,km,minutes
bus,E05000001,qa,1,10
bus,E05000001,mb,4,35
bus,E05000002,mb,1.5,12
bus,E05000003,mb,4.5,50
"""


@pytest.fixture(scope="module")
def estuary(empty_platform):
    for kind, rows, more in (
        ("areas", AREAS, {}),
        ("needs", NEEDS, {}),
        ("services", SERVICES, {}),
        ("sites", SITES, {}),
        ("residents", RESIDENTS, {}),
        ("costs", COSTS, {"source": "default"}),
    ):
        made = empty_platform.send(kind, rows, **more)
        assert made.json()["counts"]["accepted"] == rows.count("\n") - 1, made.text
    empty_platform.wait_for_network()
    return empty_platform


def ranking(platform, km, **more):
    answer = platform.get(
        f"/v1/localities/{AUTHORITY}/fragility", rule=f"within:{km}", costs="bus", level="ward", **more
    )
    assert answer["computed"]["rule"] == f"within:{km}"
    return [(item["name"], item["people_uncovered"]) for item in answer["items"]]


def test_the_ranking_of_fragility_reverses_with_the_distance_and_each_answer_states_its_own(estuary):
    # Within 2 km each stands alone: Quay Trust for 1,000 people, Marsh Partners for 600.
    assert ranking(estuary, 2) == [("Quay Trust", 1000), ("Marsh Partners", 600)]
    # Within 5 km Marsh Partners reach the Quay too, and alone the Marsh and the Point: 600 + 700.
    assert ranking(estuary, 5) == [("Marsh Partners", 1300)]
    pairs = estuary.get(f"/v1/localities/{AUTHORITY}/fragility", rule="within:5", costs="bus", pairs="true")[
        "items"
    ]
    # Both gone: the Quay as well.
    assert [(pair["people_uncovered"], pair["people_beyond"]) for pair in pairs] == [(2300, 1000)]
    places = ranking(estuary, 2, by="site")
    assert places == [("Quay Hall", 1000), ("Marsh Barn", 600)]


def test_imported_travel_costs_say_who_is_out_of_reach(estuary):
    answer = estuary.get(f"/v1/localities/{AUTHORITY}/access", costs="bus", need="food", limit=40)
    found = {item["area_name"]: (item["status"], item["ratio"]) for item in answer["items"]}
    # Quay Hall: 40 places for 1,000. Marsh Barn: 30 for the Quay's 1,000 and the Marsh's 600.
    assert found["Point"] == ("out of reach", 0.0)
    assert found["Quay"] == ("reached", pytest.approx(40 / 1000 + 30 / 1600, abs=1e-12))
    assert found["Marsh"] == ("reached", pytest.approx(30 / 1600, abs=1e-12))
    assert answer["computed"]["thresholds"]["limit"] == 40.0
    shown = estuary.command("access", "Estuary", "--costs", "bus", "--reach", "40")
    assert shown.returncode == 0, shown.stderr
    assert "1 cell of 3 out of reach" in shown.stdout
    assert "limit 40" in shown.stdout
    rows = estuary.client.get(f"/v1/localities/{AUTHORITY}/access?costs=bus&limit=40&format=csv")
    assert len(rows.text.splitlines()) == 4


def test_a_standard_not_met_is_excepted_until_a_day_and_not_longer(estuary):
    rules = {
        "name": "Food within 20 minutes",
        "costs": "bus",
        "standards": [{"need": "food", "max_minutes": 20}],
        "exceptions": [{"area": "E05000003", "reason": "A stop is being built", "until": "2031-03-31"}],
    }
    made = estuary.client.post("/v1/adequacy-rules", json=rules)
    assert made.status_code == 201, made.text

    def judged(at):
        items = estuary.items(f"/v1/localities/{AUTHORITY}/adequacy", at=at)
        return {item["area_name"]: item["status"] for item in items}

    assert judged("2031-03-31") == {"Quay": "met", "Marsh": "met", "Point": "excepted"}
    assert judged("2031-04-01") == {"Quay": "met", "Marsh": "met", "Point": "not met"}
    shown = estuary.command("adequacy", "Estuary", "--at", "2031-04-01", "--status", "not met")
    assert shown.returncode == 0, shown.stderr
    assert "1 cell not met" in shown.stdout
    assert "0% of residents" in shown.stdout
    where = made.headers["location"]
    refused = estuary.client.put(where, json=rules)
    assert refused.status_code == 428
    tag = estuary.client.get(where).headers["etag"]
    assert estuary.client.delete(where, headers={"If-Match": tag}).status_code == 204
    assert estuary.client.get(f"/v1/localities/{AUTHORITY}/adequacy").status_code == 404
