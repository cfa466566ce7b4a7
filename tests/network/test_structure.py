"""Structure over the API: networks by their relations, places by who provides and who is paid."""

import json

import networkx as nx
import pytest

from tests.network.feeding import feed
from tests.network.world import TOWN, records

CSV = {"Content-Type": "text/csv"}
AT = "/v1/localities/E06000001/structure"

CONTRACTS = """
    id | services | start      | end        | areas     | buyers | suppliers | value    | status
    k1 | s1       | 2025-01-01 | 2026-12-31 |           | town   | zoo       | 10000000 |
    k2 |          | 2025-01-01 | 2026-12-31 | E06000001 | town   | cat       |          |
    k3 |          | 2020-01-01 | 2021-12-31 | E06000001 | town   | dog       | 500      |
    k4 |          | 2025-01-01 |            | E06000099 | else   | elk       | 700      |
    k5 |          | 2025-01-01 |            |           | town   | fox       | 900      |
    """
TIERS = [
    {"from_id": "zoo", "to_id": "ant", "tier": 1, "fee_share": 0.12, "value_gbp": None},
    {"from_id": "ant", "to_id": "bee", "tier": 2, "fee_share": 0.08, "value_gbp": None},
]


def town_with_contracts(*, published=True):
    world = TOWN | {"contracts": CONTRACTS}
    world["organisations"] = TOWN["organisations"] + "town | Town Borough Council |\n"
    made = records(**world)
    for kind, id, data in made:
        if kind == "contract" and id == "k1":
            data["subcontracts"] = TIERS
            data["published"] = published
    return made


@pytest.fixture
def town(database, network):
    feed(database, town_with_contracts())
    with network() as client:
        yield client


def relate(client, rows, **params):
    answer = client.post("/v1/imports/relations", content=rows, headers=CSV, params=params)
    assert answer.status_code == 200, answer.text


def test_a_place_has_layers_and_the_money_that_reaches_its_front_line(town):
    found = town.get(AT).json()
    assert found["depth"] == 3
    assert [(one["layer"], one["organisations"]) for one in found["layers"]] == [
        (0, ["town"]),
        (1, ["cat", "fox", "zoo"]),
        (2, ["ant"]),
        (3, ["bee"]),
    ]
    # k2 has no known value; k5 names no place, and is placed by its buyer's name.
    assert found["money"] == {
        "value_gbp": 10_000_900,
        "front_line_gbp": 8_096_900,
        "fees_gbp": 1_904_000,
        "untraced_gbp": 0,
        "front_line_share": pytest.approx(8_096_900 / 10_000_900),
        "contracts_of_unknown_value": 1,
    }
    assert [one["contract"] for one in found["contracts"]] == ["k1", "k2", "k5"]
    by_id = {node["id"]: node for node in town.items(AT, params={"limit": 2})}
    assert set(by_id) == {"ant", "bee", "cat", "fox", "town", "zoo"}
    assert by_id["ant"]["roles"] == ["provider", "subcontractor"]
    assert (by_id["bee"]["layer"], by_id["bee"]["received_gbp"]) == (3, 8_096_000)
    assert by_id["fox"]["known"] is False
    assert any("placed by a supplier" in caveat for caveat in found["computed"]["caveats"])


def test_relations_join_a_place_where_its_organisations_are(town):
    before = {node["id"]: node["degree"] for node in town.items(AT)}
    relate(town, "network,from,to,type,weight\nn,bee,Cat,referral,2\nn,bee,owl,referral,1\n")
    after = {node["id"]: node["degree"] for node in town.items(AT)}
    assert set(after) == set(before)
    assert after["bee"] == before["bee"] + 1
    only = town.get(AT, params={"type": "referral"}).json()
    assert (only["whole"]["ties"], only["computed"]["types"]) == (1, ["referral"])


def test_money_is_for_who_may_see_it_and_unpublished_contracts_for_who_may_know_of_them(database, network):
    feed(database, town_with_contracts(published=False))
    with network() as admin:
        whole = admin.get(AT).json()
    with network(role="reader", authorities=("E06000001",)) as reader:
        seen = reader.get(AT).json()
        assert reader.get("/v1/localities/E06000099/structure").status_code == 404
    assert (whole["depth"], seen["depth"]) == (3, 1)
    assert seen["money"] is None
    assert "k1" not in json.dumps(seen["contracts"])
    for part in (seen["contracts"], seen["items"], seen["layers"]):
        for one in part:
            assert [value for name, value in one.items() if name.endswith("_gbp") and value] == []
    assert any("need the permission money" in caveat for caveat in seen["computed"]["caveats"])


def test_a_commissioner_sees_what_contracts_of_its_own_authority_are_worth(database, network):
    made = town_with_contracts(published=False)
    for _, id, data in made:
        if id in ("k1", "k5"):
            data["authority_code"] = {"k1": "E06000001", "k5": "E06000002"}[id]
    feed(database, made)
    with network(role="commissioner", authorities=("E06000001",)) as client:
        own = client.get(AT).json()
    with network(role="commissioner", authorities=("E06000001", "E06000002")) as client:
        both = client.get(AT).json()
    # k1 is not published, and its own. k2 is nobody's in particular, k5 another authority's.
    told = {one["contract"]: (one["value_gbp"], one["front_line_gbp"]) for one in own["contracts"]}
    assert told == {"k1": (10_000_000, 8_096_000), "k2": (None, None), "k5": (None, None)}
    # Nor is it told whether the value of a foreign contract is known, or can be followed.
    unclear = {one["contract"]: one["unclear"] for one in own["contracts"]}
    assert unclear["k1"] == []
    assert unclear["k2"] == unclear["k5"] != []
    assert (own["money"]["value_gbp"], own["money"]["front_line_gbp"]) == (10_000_000, 8_096_000)
    by_id = {node["id"]: node["received_gbp"] for node in own["items"]}
    assert (by_id["zoo"], by_id["fox"]) == (10_000_000, None)
    assert [one["received_gbp"] for one in own["layers"]][1] == 10_000_000
    assert any("2 of 3 contracts are not of your authority" in said for said in own["computed"]["caveats"])
    assert [one["received_gbp"] for one in both["layers"]][1] == 10_000_900
    assert any("1 of 3 contracts are not of your" in said for said in both["computed"]["caveats"])


def test_the_cost_to_the_community_is_for_who_may_see_the_value_of_every_contract(database, network):
    made = [
        (kind, id, data | {"authority_code": "E06000001" if id == "k1" else "E06000002"})
        if kind == "contract"
        else (kind, id, data)
        for kind, id, data in town_with_contracts()
        if id != "k2"
    ]
    feed(database, made)
    found = {}
    for authorities in (("E06000001",), ("E06000001", "E06000002")):
        with network(role="commissioner", authorities=authorities) as client:
            (cost,) = [c for c in client.get(AT).json()["evaluation"] if "GBP per" in c["unit"]]
            found[len(authorities)] = cost["value"]
    # 10,000,900 pounds for 6,000 residents.
    assert found == {1: None, 2: pytest.approx(10_000_900 / 6000)}


def test_an_empty_place_is_an_answer(database, network):
    feed(database, records(areas="code | name | level | parents\nE06000009 | Void | authority |"))
    with network() as client:
        found = client.get("/v1/localities/E06000009/structure").json()
    assert (found["items"], found["depth"], found["layers"]) == ([], 0, [])
    assert found["whole"]["density"] is None
    assert found["governance"]["suggested"] == []
    assert [one for one in found["evaluation"] if one["value"] is not None] == []
    assert all(one["says"] for one in found["evaluation"])
    assert {one["level"] for one in found["evaluation"]} == {"community", "network", "organisation"}


def test_krackhardts_kite_over_the_api(town, shared):
    kite = json.loads((shared / "vectors" / "graph_krackhardt.json").read_text())
    rows = "".join(f"org {a},org {b},partnership\n" for a, b in kite["edges"])
    relate(town, "from,to,type\n" + rows, network="kite")
    found = town.get("/v1/networks/kite/structure").json()
    nodes = {node["id"].removeprefix("org "): node for node in found["items"]}
    for name, measure in (
        ("betweenness_norm", "betweenness"),
        ("closeness", "closeness"),
        ("constraint", "constraint"),
    ):
        assert {id: node[measure] for id, node in nodes.items()} == pytest.approx(kite[name], abs=1e-9)
    assert found["whole"]["density"] == pytest.approx(kite["density"], abs=1e-9)
    assert found["whole"]["degree_centralisation"] == pytest.approx(
        kite["degree_centralization_freeman"], abs=1e-9
    )
    assert [node["id"] for node in found["items"] if node["is_cut_point"]] == ["org 7", "org 8"]
    assert found["items"][0]["id"] == "org 3"
    assert town.get("/v1/networks/kite/structure").content == town.get("/v1/networks/kite/structure").content


def test_a_relation_counts_while_it_holds(town):
    relate(town, "network,from,to,type,from_date,to_date\nn,a,b,referral,2025-01-01,2025-06-30\n")

    def ties(day):
        return town.get("/v1/networks/n/structure", params={"at": day}).json()["whole"]["ties"]

    assert [ties(day) for day in ("2024-12-31", "2025-01-01", "2025-06-30", "2025-07-01")] == [0, 1, 1, 0]


def test_other_names_for_the_same_organisations_change_no_measure(town):
    ties = list(nx.gnm_random_graph(14, 30, seed=5).edges())
    relate(town, "from,to,type\n" + "".join(f"n{a},n{b},referral\n" for a, b in ties), network="one")
    other = {n: f"x{(n * 5) % 14:02d}" for n in range(14)}
    rows = "".join(f"{other[a]},{other[b]},referral\n" for a, b in ties)
    relate(town, "from,to,type\n" + rows, network="two")
    one, two = (town.get(f"/v1/networks/{id}/structure").json() for id in ("one", "two"))
    assert one["whole"] == pytest.approx(two["whole"], abs=1e-12)
    told = {node["id"]: node for node in two["items"]}
    for node in one["items"]:
        renamed = told[other[int(node["id"][1:])]]
        for measure in ("degree", "betweenness", "closeness", "constraint"):
            assert renamed[measure] == pytest.approx(node[measure], abs=1e-12)


def test_a_network_of_another_authority_is_as_unknown_as_none(database, network):
    feed(database, records(**TOWN))
    with network(role="system", authorities=("E06000001",)) as own:
        relate(own, "network,from,to,type\nn,a,b,referral\n")
        assert own.get("/v1/networks/n/structure").status_code == 200
    with network(role="reader", authorities=("E06000099",)) as other:
        hidden, none = (other.get(f"/v1/networks/{id}/structure") for id in ("n", "zzz"))
    assert (hidden.status_code, hidden.content) == (none.status_code, none.content)
    assert hidden.status_code == 404


def test_structure_is_a_table_too(town):
    relate(town, "network,from,to,type\nn,a,b,referral\n")
    answer = town.get("/v1/networks/n/structure", params={"format": "csv"})
    assert answer.text.splitlines()[0].startswith("id,name,known,roles,layer,degree,betweenness,")
    assert len(answer.text.splitlines()) == 3
