"""Stories of gaps: what never counts, what weighs, what comes first, who could not be replaced."""

from uuid import UUID

import pytest

TOWN = "E06996001"
AT = f"/v1/localities/{TOWN}"
DAY = "2026-06-01"

AREAS = """code,name,level,parent_code,vintage,lon,lat
E06996001,Weir,authority,,2025,1.1,53.2
E05996001,Weir North,ward,E06996001,2025,1.05,53.25
E05996002,Weir East,ward,E06996001,2025,1.15,53.15
E05996003,Weir South,ward,E06996001,2025,1.05,53.05
E06996002,Ford,authority,,2025,2.1,52.2
E05996009,Ford Mill,ward,E06996002,2025,2.1,52.2
"""
NEEDS = "taxonomy,term,name\nweir,food,Food\nweir,youth,Youth work\nweir,sight,Sight loss\n"
ORGANISATIONS = """id,name,sector,owner_ids
council,Weir Council,public,
pantry,Weir Pantry,charity,
larder,The Larder,charity,
club,Youth Club,charity,
sight,Sight Trust,charity,
ford,Ford Aid,charity,
"""
SERVICES = """id,name,organisation_id,needs,area_codes,minimum_age,maximum_age,capacity,valid_to
pantry,Pantry,pantry,weir:food,E05996001,,,40,
larder,Larder,larder,weir:food,E05996001;E05996002,,,100,
juniors,Junior club,club,weir:youth,E06996001,,15,,
adults,Young adults,club,weir:youth,E06996001,18,25,,2026-09-30
sight,Sight support,sight,weir:sight,E06996001,,,30,
ford,Ford food,ford,weir:food,E06996002,,,1000,
"""
SITES = """id,service_id,name,lon,lat
pantry,pantry,Pantry hall,1.05,53.25
larder,larder,Larder barn,1.15,53.15
sight,sight,Sight house,1.05,53.25
ford,ford,Ford hall,2.1,52.2
"""
RESIDENTS = """area_code,period,age_from,age_to,sex,count
E05996001,2024,0,15,all,200
E05996001,2024,16,17,all,30
E05996001,2024,18,,all,770
E05996002,2024,0,15,all,400
E05996002,2024,16,17,all,60
E05996002,2024,18,,all,1540
E05996003,2024,0,15,all,600
E05996003,2024,16,17,all,90
E05996003,2024,18,,all,2310
"""
DEMAND = """need,area_code,period,count
weir:food,E05996001,2025,120
weir:food,E05996002,2025,50
weir:food,E05996003,2025,30
weir:sight,E05996001,2025,10
weir:sight,E05996002,2025,10
weir:sight,E05996003,2025,10
"""


@pytest.fixture(scope="module")
def weir(empty_platform):
    """A town of three wards beside another, with food, youth work, and one trust for sight loss."""
    for kind, content in (
        ("areas", AREAS),
        ("needs", NEEDS),
        ("organisations", ORGANISATIONS),
        ("services", SERVICES),
        ("sites", SITES),
        ("residents", RESIDENTS),
        ("demand", DEMAND),
    ):
        made = empty_platform.send(kind, content, source="weir")
        assert made.json()["counts"]["quarantined"] == 0, made.text
    empty_platform.wait_for_network()
    return empty_platform


def listed(weir, path="gaps", **asked):
    return weir.items(f"{AT}/{path}", **{"at": DAY, **asked})


def explained(weir, gap):
    answer = weir.client.get(gap["explained"])
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_service_whose_area_does_not_meet_the_locality_never_counts(weir):
    cells = listed(weir, "cover", need="food")
    assert {cell["area_name"]: {p["name"] for p in cell["providers"]} for cell in cells} == {
        "Weir North": {"The Larder", "Weir Pantry"},
        "Weir East": {"The Larder"},
        "Weir South": set(),
    }
    for area in ("E05996001", "E05996002", "E05996003"):
        told = weir.get(f"{AT}/cover/weir:food/{area}", at=DAY)
        named = {one["service"]["name"] for one in told["counted"] + told["excluded"]}
        assert "Ford food" not in named
        assert told["elsewhere"] == 1


def test_an_index_uploaded_by_gss_code_can_weight_gaps(weir):
    # Nobody has counted who needs youth work. South has most residents, East the highest index.
    index = "index,area_code,period,value\n" + "".join(
        f"hardship,{code},2025,{value}\n"
        for code, value in (("E05996001", 10), ("E05996002", 40), ("E05996003", 10))
    )
    asked = {"need": "youth", "kind": "single"}
    before = [gap["area_name"] for gap in listed(weir, **asked)]
    assert weir.send("indices", index, source="weir").json()["counts"]["accepted"] == 3
    weir.wait_for_network()
    weighted = listed(weir, index="hardship", **asked)
    assert before == ["Weir South", "Weir East", "Weir North"]
    # 2,000 × 40/40, 3,000 × 10/40, 1,000 × 10/40.
    assert [(gap["area_name"], gap["people_affected"], gap["people_basis"]) for gap in weighted] == [
        ("Weir East", 2000, "derived"),
        ("Weir South", 750, "derived"),
        ("Weir North", 250, "derived"),
    ]
    computed = weir.get(f"{AT}/gaps", at=DAY, index="hardship", **asked)["computed"]
    assert computed["thresholds"]["index"] == "hardship"
    assert any("order of need" in said for said in computed["caveats"])


def test_the_gaps_of_a_place_are_closed_at_the_least_cost(weir):
    asked = {"at": DAY, "need": ["food", "sight"], "reach": 20, "detour": 1, "extension_cost": 9000}
    # South has no food: 30 people. The Larder's barn is 13.0 km away, the Pantry's hall 22.2 km.
    found = weir.get(f"{AT}/closing", **asked)
    (one,) = found["items"]
    assert (one["service"]["name"], one["area_name"], one["people_closed"]) == ("Larder", "Weir South", 30)
    assert (found["cost"], found["proven"], found["infeasible"], found["cells_left"]) == (9000, True, None, 0)
    assert found["computed"]["thresholds"]["extension_cost"] == 9000
    none = weir.get(f"{AT}/closing", **{**asked, "budget": 5000})
    assert (none["items"], none["cells_left"]) == ([], 1)
    (left,) = weir.items(f"{AT}/closing/left", **{**asked, "budget": 5000})
    assert left["reason"] == "The cheapest measure that closes it costs 9,000, more than the whole budget."
    far = weir.get(f"{AT}/closing", **{**asked, "reach": 5})
    assert "The nearest site of a service that addresses it, Larder barn, is 13.0 km" in far["infeasible"]


def test_priorities_are_unmet_need_ranked(weir):
    unmet = listed(weir, need=["food", "sight"], kind="uncovered,partial,under-capacity")
    # South has nobody for its 30; the Pantry's 40 and the Larder's 100 places leave 30 of 170 people without.
    assert [(gap["kind"], gap["area_name"], gap["people_affected"]) for gap in unmet] == [
        ("under-capacity", "Weir North", 30),
        ("uncovered", "Weir South", 30),
    ]
    people = [
        gap["people_affected"] for gap in listed(weir, kind="all") if gap["people_affected"] is not None
    ]
    assert people == sorted(people, reverse=True)
    (short,) = listed(weir, "bottlenecks", need="food")
    assert (short["people"], short["places"], short["short"]) == (170, 140, 30)
    assert {one["name"] for one in short["services"]} == {"Pantry", "Larder"}


def test_the_young_people_of_16_and_17_whom_nobody_takes_are_a_gap(weir):
    found = listed(weir, need="youth", kind="cohort")
    assert {gap["cohort"] for gap in found} == {"16-17"}
    (south,) = [gap for gap in found if gap["area_name"] == "Weir South"]
    # Of its 3,000 residents 90 are of these ages; of the 750 whom the index leaves, 750 × 90 / 3,000.
    assert south["people_affected"] in (90, 22)
    uncovered = listed(weir, need="youth", kind="uncovered", cohort="16-17")
    assert {gap["area_name"] for gap in uncovered} == {"Weir North", "Weir East", "Weir South"}
    told = explained(weir, uncovered[0])
    assert {(one["service"]["name"], one["why"], one["reason"]) for one in told["excluded"]} == {
        ("Junior club", "cohort", "It is for ages 0-15 only."),
        ("Young adults", "cohort", "It is for ages 18-25 only."),
    }


def test_an_incumbent_without_credible_alternative_is_flagged(weir):
    cells = listed(weir, "contestability", need="sight")
    assert [(cell["incumbents"][0]["name"], cell["contestable"], cell["flagged"]) for cell in cells] == [
        ("Sight Trust", "no", True)
    ] * 3
    food = {cell["area_name"]: cell for cell in listed(weir, "contestability", need="food")}
    # The Larder is full once everybody has gone to the nearest: nobody could stand in for anybody.
    assert food["Weir East"]["flagged"]
    more = (
        "id,name,organisation_id,needs,area_codes,capacity\n"
        "soup,Soup kitchen,council,weir:food,E05996002,90\n"
    )
    assert weir.send("services", more, source="weir").json()["counts"]["accepted"] == 1
    weir.wait_for_network()
    food = {cell["area_name"]: cell for cell in listed(weir, "contestability", need="food")}
    # Now the soup kitchen has places left: the Larder could be replaced there, and is flagged no more.
    east = food["Weir East"]
    assert not east["flagged"]
    assert [one["name"] for one in east["alternatives"] if one["credible"]] == ["Weir Council"]
    two = {one["need"]: one for one in listed(weir, "concentration")}
    assert two["weir:sight"]["hhi_owners"] == 10_000
    assert two["weir:food"]["hhi_owners"] < 10_000


def test_what_ends_with_nothing_to_follow_is_a_gap_before_it_is_one(weir):
    assert listed(weir, need="youth", kind="future", until="2026-12-31", cohort="18-25") != []
    gap = listed(weir, need="youth", kind="future", until="2026-12-31", cohort="18-25")[0]
    assert gap["evidence"]["figures"]["uncovered_from"] == "2026-10-01"
    months = weir.items(f"{AT}/horizon", at=DAY, need="youth", cohort="18-25", until="2026-12-31")
    assert [month["month"] for month in months if month["cells_lost"]] == ["2026-10"]


def test_a_service_counts_only_while_a_contract_of_it_is_in_force(weir):
    ids = {one["source_id"]: one["id"] for one in weir.items("/v1/organisations", source="weir")}
    service = next(
        one["id"] for one in weir.items("/v1/services", source="weir") if one["name"] == "Sight support"
    )
    answer = weir.client.put(
        f"/v1/contracts/{UUID(int=0xA10, version=4)}",
        params={"source": "weir"},
        json={
            "title": "Sight support 2024 to 2026",
            "buyer_ids": [ids["council"]],
            "supplier_ids": [ids["sight"]],
            "service_ids": [service],
            "start": "2024-04-01",
            "end": "2026-08-31",
        },
    )
    assert answer.status_code in (200, 201), answer.text
    weir.wait_for_network()
    assert listed(weir, need="sight", kind="uncovered") == []
    after = listed(weir, need="sight", kind="uncovered", at="2026-09-01")
    assert {gap["area_name"] for gap in after} == {"Weir North", "Weir East", "Weir South"}
    told = explained(weir, after[0])
    assert [(one["why"], one["reason"]) for one in told["excluded"]] == [
        ("contract", "No contract of it is in force: “Sight support 2024 to 2026” ended on 2026-08-31.")
    ]
    coming = listed(weir, need="sight", kind="future", until="2026-12-31")
    assert {gap["evidence"]["figures"]["uncovered_from"] for gap in coming} == {"2026-09-01"}


def test_gaps_are_exported_as_a_file_of_flat_rows(weir):
    answer = weir.client.get(f"{AT}/gaps", params={"at": DAY, "kind": "all", "format": "csv"})
    assert answer.status_code == 200, answer.text
    head, *rows = answer.text.splitlines()
    assert {"kind", "need", "area", "cohort", "people_affected"} <= set(head.lstrip("\ufeff").split(","))
    assert len(rows) == len(listed(weir, kind="all"))
