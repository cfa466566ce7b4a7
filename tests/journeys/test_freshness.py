"""Who wrote into the registry sees it in the next answer of every app, whatever that answer is made of."""

from tests.support.platform import Platform

ROUNDS = 25
WARD, AUTHORITY = "E05999001", "E06999001"
AREAS = f"""code,name,level,parent_code,vintage
{AUTHORITY},Skerrow,authority,,2025
{WARD},Anchor Quay,ward,{AUTHORITY},2025
"""
NEEDS = "taxonomy,term,name,parent_term\nhedgerow,food,Food,\n"
DEMAND = f"need,area_code,period,count\nhedgerow:food,{WARD},2025,100\n"


def test_what_was_acknowledged_is_in_the_next_answer_of_the_apps_that_follow(
    empty_platform: Platform,
) -> None:
    for kind, rows in (("areas", AREAS), ("needs", NEEDS), ("demand", DEMAND)):
        assert empty_platform.send(kind, rows).json()["counts"]["quarantined"] == 0
    stale = []
    for number in range(ROUNDS):
        served = number % 2 == 1
        area = WARD if served else "E06998001"
        sent = empty_platform.send(
            "services",
            f"id,name,organisation_name,needs,area_codes\nlarder,Larder,Larder Trust,hedgerow:food,{area}\n",
        )
        assert sent.json()["counts"]["quarantined"] == 0, sent.text
        for answer in ("summary", "gaps", "overview"):
            found = empty_platform.get(f"/v1/localities/{AUTHORITY}/{answer}")
            if answer == "overview":
                found = found["gaps"]
            gaps = len(found["items"]) if "items" in found else found["cells"]["gap"]
            if gaps != (0 if served else 1):
                stale.append((number, answer))
    assert stale == []


def test_what_was_measured_is_in_the_next_answer_about_the_design_that_asked_for_it(
    empty_platform: Platform,
) -> None:
    empty_platform.send("areas", AREAS)
    goal = {"id": "fed", "name": "Nobody goes hungry", "kpis": ["larder.visits"]}
    made = empty_platform.client.post(
        "/v1/networks", json={"name": "Food network", "areas": [AUTHORITY], "goals": [goal]}
    )
    assert made.status_code == 201, made.text
    gaps = {"kind": "measurement"}
    said = []
    for kind, rows in (
        ("kpis", "id,name,unit,polarity,level,frequency,aggregation\n"),
        (
            "kpis",
            "id,name,unit,polarity,level,frequency,aggregation\nlarder.visits,Visits,visits,higher,output,monthly,sum\n",
        ),
        ("observations", f"kpi,subject,period,value\nlarder.visits,{AUTHORITY},2026-01,12\n"),
    ):
        assert empty_platform.send(kind, rows).json()["counts"]["quarantined"] == 0
        for _ in range(2):
            found = empty_platform.get(f"/v1/localities/{AUTHORITY}/gaps", **gaps)["items"]
            said.append([one["evidence"]["says"] for one in found])
    named = "The goal “Nobody goes hungry” of Food network"
    assert said[0] == said[1] == [f"{named} names the KPI “larder.visits”, which is not defined."]
    no_data = f"{named} is measured by the KPI “larder.visits”, which has no observations."
    assert said[2] == said[3] == [no_data]
    assert said[4] == said[5] == []
