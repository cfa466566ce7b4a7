"""Stories of delivery networks in place of prime contractors, through the gateway of the whole platform."""

import io
from uuid import UUID

import networkx as nx
import pytest

PLACE = "E06996001"
AREAS = f"""code,name,level,parent_code,vintage,lon,lat
{PLACE},Heron Marsh,authority,,2025,1.1,53.3
E05996001,Upper Marsh,ward,{PLACE},2025,1.05,53.32
E05996002,Lower Marsh,ward,{PLACE},2025,1.06,53.28
"""
NEEDS = "taxonomy,term,name\nmarsh,food,Food\nmarsh,debt,Debt\nmarsh,mentoring,Mentoring\n"
ORGANISATIONS = """id,name,sector
council,Heron Marsh Council,public
prime,Prime plc,private
broker,Broker Ltd,private
local,Marsh Neighbours,charity
larder,Lower Larder,charity
"""
SERVICES = """id,name,organisation_id,needs,area_codes
pantry,Pantry,local,marsh:food,E05996001;E05996002
larder,Larder,larder,marsh:food,E05996002
advice,Debt advice,local,marsh:debt,E05996001
"""
RESIDENTS = """area_code,period,age_from,age_to,sex,count
E05996001,2024,0,,all,900
E05996002,2024,0,,all,600
"""
KPIS = "id,name,unit,polarity\nmarsh-fed,Households with enough to eat,percent,higher\n"
OBSERVATIONS = f"kpi,subject,period,value\nmarsh-fed,{PLACE},2025,81\n"


@pytest.fixture(scope="module")
def marsh(empty_platform):
    """A council, its providers, and a KPI."""
    for kind, content in (
        ("areas", AREAS),
        ("residents", RESIDENTS),
        ("needs", NEEDS),
        ("organisations", ORGANISATIONS),
        ("services", SERVICES),
    ):
        made = empty_platform.send(kind, content, source="marsh", authority=PLACE)
        assert made.json()["counts"]["quarantined"] == 0, made.text
    for kind, content in (("kpis", KPIS), ("observations", OBSERVATIONS)):
        assert empty_platform.send(kind, content).json()["counts"]["quarantined"] == 0
    empty_platform.wait_for_network()
    return empty_platform


@pytest.fixture(scope="module")
def who(marsh):
    return {one["source_id"]: one["id"] for one in marsh.items("/v1/organisations", source="marsh")}


@pytest.fixture(scope="module")
def services(marsh):
    return {one["source_id"]: one["id"] for one in marsh.items("/v1/services", source="marsh")}


def write(marsh, id, design):
    """A network as it is designed now, whatever it was before."""
    held = marsh.client.get(f"/v1/networks/{id}")
    headers = {"If-Match": held.headers["etag"]} if held.status_code == 200 else {}
    answer = marsh.client.put(
        f"/v1/networks/{id}", json={"name": id, "areas": [PLACE]} | design, headers=headers
    )
    assert answer.status_code in (200, 201), answer.text


def gaps(marsh, kind, network):
    found = marsh.items(f"/v1/localities/{PLACE}/gaps", kind=kind)
    return [one for one in found if one["evidence"]["figures"].get("network") == network]


def test_a_persona_with_influences_for_and_against_lists_those_that_no_service_answers(marsh):
    influences = [
        {"id": "mentor", "name": "A mentor", "sign": "+", "needs": ["marsh:mentoring"]},
        {"id": "meals", "name": "No meals in the holidays", "sign": "-", "needs": ["marsh:food"]},
        {"id": "lender", "name": "A doorstep lender", "sign": "-", "needs": ["marsh:debt"]},
        {"id": "football", "name": "A place in the team", "sign": "+"},
    ]
    persona = {"id": "ash", "name": "Ash, 15", "influences": influences}
    write(marsh, "young-marsh", {"personas": [persona]})
    unanswered = marsh.items("/v1/networks/young-marsh/influences", status="unanswered")
    assert [(one["name"], one["sign"]) for one in unanswered] == [
        ("A mentor", "+"),
        ("A place in the team", "+"),
    ]
    partly = marsh.items("/v1/networks/young-marsh/influences", status="partly")
    assert [(one["name"], one["areas_without"]) for one in partly] == [("A doorstep lender", ["E05996002"])]


def test_a_required_capability_with_nobody_assigned_is_a_gap_and_assigning_one_closes_it_on_the_next_read(
    marsh, who, services
):
    outreach = {"id": "outreach", "name": "Outreach"}
    design = {"services": [{"id": services["pantry"], "requires": ["outreach"]}], "capabilities": [outreach]}
    write(marsh, "reaching-out", design)
    [gap] = gaps(marsh, "capability", "reaching-out")
    assert "“Outreach”" in gap["evidence"]["says"]
    assert gap["people_affected"] == 1500
    assigned = outreach | {"held_by": [{"organisation": who["local"]}]}
    write(marsh, "reaching-out", design | {"capabilities": [assigned]})
    assert gaps(marsh, "capability", "reaching-out") == []


def test_a_goal_without_kpi_or_without_exactly_one_accountable_party_is_flagged_by_name(marsh, who):
    def accountable(goal, organisation):
        return {"about": "goal", "id": goal, "organisation": who[organisation], "role": "accountable"}

    design = {
        "goals": [
            {"id": "fed", "name": "Nobody goes hungry", "kpis": ["marsh-fed"]},
            {"id": "warm", "name": "Every home is warm"},
            {"id": "safe", "name": "Streets are safe", "kpis": ["marsh-fed"]},
            {"id": "heard", "name": "Everybody is heard", "kpis": ["not-defined"]},
        ],
        "responsibilities": [
            accountable("fed", "council"),
            accountable("warm", "council"),
            accountable("safe", "council"),
            accountable("safe", "local"),
        ],
    }
    write(marsh, "goals", design)
    flagged = {one["name"]: one["open"] for one in marsh.items("/v1/networks/goals/goals", flagged=True)}
    assert "The goal “Every home is warm” has no KPI." in flagged["Every home is warm"]
    assert any(
        said.startswith("For the goal “Streets are safe” several") for said in flagged["Streets are safe"]
    )
    assert "For the goal “Everybody is heard” nobody is accountable." in flagged["Everybody is heard"]
    assert not any("KPI" in said or "accountable" in said for said in flagged["Nobody goes hungry"])
    says = [one["evidence"]["says"] for one in gaps(marsh, "measurement,accountability", "goals")]
    assert sum("“Every home is warm”" in said and "has no KPI" in said for said in says) == 1
    assert sum("“Streets are safe”" in said and "2 are:" in said for said in says) == 1
    assert sum("“Everybody is heard”" in said for said in says) == 2
    assert not any("“Nobody goes hungry”" in said for said in says)


def numbered(number):
    return str(UUID(int=0x7A + number, version=4))


def put_contract(marsh, who, number, **fields):
    body = {
        "title": "Support at home",
        "buyer_ids": [who["council"]],
        "supplier_ids": [who["prime"]],
        "start": "2024-04-01",
        "end": "2034-03-31",
        "area_codes": [PLACE],
    }
    answer = marsh.client.put(
        f"/v1/contracts/{numbered(number)}", json=body | fields, params={"source": "marsh"}
    )
    assert answer.status_code in (200, 201), answer.text
    marsh.wait_for_network()


@pytest.fixture(scope="module")
def chain(marsh, who):
    """Ten million from the council through a prime contractor and a broker to neighbours."""
    put_contract(
        marsh,
        who,
        1,
        value={"amount": 10_000_000, "currency": "GBP"},
        subcontracts=[
            {"id": "1", "from_id": who["prime"], "to_id": who["broker"], "fee_share": 0.12},
            {"id": "2", "from_id": who["broker"], "to_id": who["local"], "fee_share": 0.08},
        ],
    )
    return marsh.get(f"/v1/localities/{PLACE}/structure", limit=1000)


def test_a_three_tier_subcontract_chain_reports_depth_3(chain, who):
    assert chain["depth"] == 3
    assert [one["organisations"] for one in chain["layers"]] == [
        [who["council"]],
        [who["prime"]],
        [who["broker"]],
        [who["local"]],
    ]


def test_10_million_through_fees_of_12_and_8_per_cent_leaves_8_096_million_at_the_front_line(marsh, chain):
    assert chain["money"]["value_gbp"] == 10_000_000
    assert chain["money"]["front_line_gbp"] == 8_096_000
    assert chain["money"]["fees_gbp"] == 1_904_000
    made = marsh.client.post(
        "/v1/keys", json={"name": "reads", "roles": ["reader"], "authorities": [PLACE]}
    ).json()
    reading = {"Authorization": f"Bearer {made['key']}"}
    seen = marsh.client.get(f"/v1/localities/{PLACE}/structure", headers=reading).json()
    assert (seen["depth"], seen["money"]) == (3, None)


def test_two_providers_with_the_same_back_office_capability_in_one_area_appear_as_overlap(marsh, who):
    held = [
        {"organisation": who["local"], "areas": ["E05996001", "E05996002"]},
        {"organisation": who["larder"], "areas": ["E05996002"]},
    ]
    payroll = {"id": "payroll", "name": "Payroll", "back_office": True, "held_by": held}
    write(marsh, "offices", {"capabilities": [payroll]})
    [found] = marsh.items(f"/v1/localities/{PLACE}/overlaps", by="capability")
    assert {found["first"]["name"], found["second"]["name"]} == {"Marsh Neighbours", "Lower Larder"}
    assert found["areas"] == ["E05996002"]
    assert "Payroll" in found["kinds"][0]["says"]
    # The two also meet at the table: their services overlap there, and it is said what they share.
    [met] = marsh.items(f"/v1/localities/{PLACE}/overlaps", kind="shared-infrastructure-twice")
    assert met["needs"] == ["marsh:food"]


def test_one_outcome_is_linked_to_services_of_several_departments(marsh, who, services):
    design = {
        "services": [
            {"id": services["pantry"], "department": "Public Health"},
            {"id": services["advice"], "department": "Housing"},
            {"id": "buses", "name": "Late buses", "department": "Transport", "organisation": who["council"]},
        ],
        "goals": [
            {
                "id": "thrive",
                "name": "Families thrive",
                "kpis": ["marsh-fed"],
                "services": [services["pantry"], services["advice"], "buses"],
            }
        ],
    }
    write(marsh, "together", design)
    [goal] = marsh.items("/v1/networks/together/goals")
    assert goal["departments"] == ["Housing", "Public Health", "Transport"]
    assert [one["name"] for one in goal["services"]] == ["Pantry", "Debt advice", "Late buses"]
    assert goal["kpis"] == [{"id": "marsh-fed", "defined": True, "has_data": True}]


def test_relations_sent_in_are_drawn_by_other_tools_and_lead_from_the_front_door(marsh, who):
    write(marsh, "doors", {"front_doors": [who["council"]]})
    assert gaps(marsh, "connection", "doors")
    rows = (
        f"from,to,type\nHeron Marsh Council,{who['local']},referral\nMarsh Neighbours,Lower Larder,referral\n"
    )
    sent = marsh.send("relations", rows, network="doors")
    assert sent.json()["counts"]["accepted"] == 2, sent.text
    assert gaps(marsh, "connection", "doors") == []
    answer = marsh.client.get("/v1/networks/doors/graph", params={"format": "graphml"})
    drawn = nx.read_graphml(io.BytesIO(answer.content), force_multigraph=True)
    assert drawn.has_edge(f"organisation:{who['council']}", f"organisation:{who['local']}")
    table = marsh.client.get("/v1/relations", params={"network": "doors", "format": "csv"})
    assert len(table.text.splitlines()) == 3


def test_what_if_an_organisation_left_changes_nothing_but_the_answer(marsh, who):
    left = who["local"]
    gone = marsh.get(f"/v1/localities/{PLACE}/fragility/{left}")
    assert gone["people_uncovered"] > 0
    body = {"name": "Neighbours leave", "area": PLACE}
    made = marsh.client.post(
        "/v1/scenarios", json=body | {"steps": [{"do": "remove", "kind": "provider", "id": left}]}
    )
    assert made.status_code == 201, made.text
    at = made.headers["location"]
    told = marsh.get(f"{at}/difference")
    opened = {(one["need"], one["area"]) for one in told["items"] if one["change"] == "opened"}
    assert opened == {(one["need"], one["area"]) for one in gone["uncovered"]}
    assert told["gaps"]["people"]["difference"] == gone["people_uncovered"]
    assert told["computed"]["registry_seq"] >= gone["computed"]["registry_seq"]
    assert marsh.get(f"/v1/localities/{PLACE}/fragility/{left}")["uncovered"] == gone["uncovered"]
    # Written anew with no steps it changes nothing, and the answer follows at once.
    put = marsh.client.put(at, json=body, headers={"If-Match": made.headers["etag"]})
    assert put.status_code == 200, put.text
    assert marsh.get(f"{at}/difference")["items"] == []
