"""What an authority paid, as a commissioner asks for it through the gateway."""

from decimal import Decimal

import pytest

from tests.support.platform import ROOT

BUYER = "E06999011"
FILES = {
    "areas": """
        code,name,level,parent_code,vintage
        E06999011,Saltmarsh,authority,,2024
        E05999011,North Quay,ward,E06999011,2024
        E06999012,Fenmarket,authority,,2024
        E06999013,Faraway,authority,,2024
    """,
    "organisations": """
        id,name,identifiers,sector,size,head_office_area_code,owner_ids
        1,Quay Kitchen,,charity,small,E06999011,
        2,Harbour Holdings plc,GB-COH:07654399,private,large,E06999012,3
        3,Overseas Group,,private,large,E06999013,
    """,
    "services": """
        id,name,organisation_id,site_name,site_area_code
        s,Harbour shop,2,Shop,E05999011
    """,
    "spend": """
        buyer_code,supplier_name,supplier_id,date,amount_gbp,category,redacted
        E06999011,Quay Kitchen Ltd,3536,2025-04-01,3082.50,Food,false
        E06999011,Quay Kitchen Ltd,3536,2025-04-01,3082.50,Food,false
        E06999011,Quay Kitchen Ltd,3536,2025-04-02,-195.75,Food,false
        E06999011,Harbour Holdings,GB-COH:7654399,2025-04-03,1000.01,Buildings,false
        E06999011,Redacted,,2025-04-03,250.10,Care,true
        E06999011,Fenland Bakery,,2025-05-02,0.99,Food,false
    """,
}


@pytest.fixture(scope="module")
def paid(empty_platform):
    for kind, text in FILES.items():
        body = "".join(f"{line.strip()}\n" for line in text.strip().splitlines())
        answer = empty_platform.send(kind, body, source="saltmarsh")
        assert answer.status_code == 200, answer.text
        assert answer.json()["counts"]["quarantined"] == 0, answer.text
    assert empty_platform.client.post("/v1/duplicates/refresh").status_code == 200
    return empty_platform


def _summary(platform, by, **params):
    return platform.get("/v1/spend/summary", by=by, buyer=BUYER, **params)


def test_spend_by_sector_sums_to_the_total(paid):
    answer = _summary(paid, "sector")
    amounts = {item["key"]: Decimal(str(item["amount_gbp"])) for item in answer["items"]}
    assert sum(amounts.values()) == Decimal(str(answer["total"]["amount_gbp"])) == Decimal("7220.35")
    assert amounts == {
        "charity": Decimal("5969.25"),
        "private": Decimal("1000.01"),
        "unknown": Decimal("0.99"),
        "redacted": Decimal("250.1"),
    }
    assert answer["total"]["negative_gbp"] == -195.75
    assert answer["computed"]["thresholds"]["matched_from"] > 0


def test_local_spend_by_branch_and_by_ultimate_owner_are_two_different_numbers(paid):
    branch, owner = _summary(paid, "place")["local"], _summary(paid, "ultimate_place")["local"]
    assert (branch["amount_gbp"], owner["amount_gbp"]) == (6969.26, 5969.25)
    assert branch["share"] > owner["share"]
    assert (branch["redacted_gbp"], owner["unknown_gbp"]) == (250.1, 0.99)


def test_a_merge_moves_payments_and_an_unmerge_moves_them_back(paid):
    kitchen, holdings = (
        paid.items("/v1/organisations", text=name)[0]["id"] for name in ("Quay Kitchen", "Harbour")
    )
    before = paid.get(f"/v1/organisations/{holdings}/spend")
    body = {"into": holdings, "reason": "one body"}
    assert paid.client.post(f"/v1/organisations/{kitchen}/merge", json=body).status_code == 200
    redirected = paid.client.get(f"/v1/organisations/{kitchen}/spend", follow_redirects=True)
    assert redirected.json()["total"]["amount_gbp"] == 6969.26
    undone = paid.client.post(f"/v1/organisations/{kitchen}/unmerge", json={"reason": "two"})
    assert undone.status_code == 200
    assert paid.get(f"/v1/organisations/{holdings}/spend") == before


def test_a_summary_opens_in_a_spreadsheet(paid):
    answer = paid.client.get("/v1/spend/summary", params={"by": "sector", "buyer": BUYER, "format": "csv"})
    assert answer.status_code == 200
    assert answer.text.splitlines()[0].startswith("key,name,amount_gbp,lines,share")


@pytest.mark.slow
def test_two_years_of_a_real_councils_payments_load_by_a_mapping_file(empty_platform, shared):
    source = str(shared / "data" / "spend_trafford")
    manifest = str(ROOT / "examples" / "trafford" / "spend.toml")
    loaded = empty_platform.command_json("load", manifest, "--from", source)
    assert loaded["totals"]["accepted"] == 451_832
    again = empty_platform.command_json("load", manifest, "--from", source)
    assert again["totals"]["unchanged"] == 451_832
    total = empty_platform.get("/v1/spend/summary", by="sector", buyer="E08000009")["total"]
    assert total["amount_gbp"] == 1187133198.16
