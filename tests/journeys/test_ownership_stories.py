"""Who is behind the name, and what changes hands: the stories, through the gateway."""

from typing import Any

import orjson
import pytest
from hedgerow_registry.domain.ids import record_id

from tests.support.platform import Platform

AREAS = """code,name,level,parent_code,vintage
E06999011,Sedgewater,authority,,2025
E05999111,Reedham,ward,E06999011,2025
E05999112,Osiers,ward,E06999011,2025
"""
ORGANISATIONS = """id,name,sector,legal_form
council,Sedgewater Council,public,
care,Sedge Care,mutual,community benefit society
staff,Sedge Staff Mutual,mutual,co-operative
homes,Reed Homes,public,
hope,Hope Charity,charity,CIO
holding,Quorvane Holdings Ltd,private,private company limited by shares
quorvane,Quorvane plc,private,PLC
shop,Hope Trading Ltd,private,
mill,Mill Trust,charity,
ring-a,Ring A,charity,
ring-b,Ring B,charity,
veil,Veiled Care,charity,
tide,Tideway Collaborative,informal,
"""
OWNERSHIP = """subject_id,owner_id,owner_kind,interest_type,share_exact,start,end,evidence_url
care,council,,shareholding,100,2012-04-01,2026-03-31,https://example.org/care/1
care,staff,,shareholding,100,2026-04-01,,https://example.org/care/2
homes,council,,shareholding,100,,,
hope,holding,,appointmentOfBoard,,2023-01-01,,https://example.org/hope/articles
holding,quorvane,,shareholding,80,2020-01-01,,https://example.org/holding
shop,mill,,shareholding,100,,,
mill,quorvane,,fee,12,2024-01-01,,https://example.org/mill/accounts
ring-a,ring-b,,votingRights,60,,,
ring-b,ring-a,,votingRights,60,,,
veil,,unknown,shareholding,70,,2024-12-31,
"""
SERVICES = """id,name,organisation_id,needs,area_codes
s1,Care at home,care,hedgerow:care,E05999111;E05999112
s2,Care homes,homes,hedgerow:care,E05999111
"""


def of(name: str) -> str:
    return record_id("stories", "organisation", name)


@pytest.fixture(scope="module")
def town(empty_platform: Platform) -> Platform:
    for kind, rows in (
        ("areas", AREAS),
        ("needs", "taxonomy,term,name\nhedgerow,care,Care\n"),
        ("residents", "area_code,period,age_from,age_to,sex,count\nE05999111,2025,,,all,900\n"),
        ("organisations", ORGANISATIONS),
        ("ownership", OWNERSHIP),
        ("services", SERVICES),
    ):
        sent = empty_platform.send(kind, rows, source="stories")
        assert sent.status_code == 200, sent.text
        assert sent.json()["counts"]["quarantined"] == 0, sent.text
    empty_platform.wait_for_network()
    return empty_platform


def behind(town: Platform, name: str, **params: str) -> Any:
    return town.get(f"/v1/organisations/{of(name)}/ownership", **params)


def findings(answer: Any) -> list[str]:
    return [one["kind"] for one in answer["effective_form"]["findings"]]


def test_a_spin_out_changes_owner_on_a_date_and_history_stays_with_the_old_one(town: Platform) -> None:
    assert behind(town, "care", at="2026-03-31")["ultimate_owner_ids"] == [of("council")]
    assert behind(town, "care", at="2026-04-01")["ultimate_owner_ids"] == [of("staff")]

    def reedham(at: str) -> Any:
        cells = town.items("/v1/localities/E06999011/cover", at=at, count="owners", need="care", level="ward")
        return {cell["area"]: (cell["depth"], cell["status"]) for cell in cells}["E05999111"]

    # Care at home and the homes were one owner's; since the spin-out they are two owners'.
    assert reedham("2026-03-31") == (1, "single")
    assert reedham("2026-04-01") == (2, "overlap")
    services = [one["name"] for one in town.items("/v1/services", owner=of("council"), at="2026-03-31")]
    assert sorted(services) == ["Care at home", "Care homes"]
    assert [one["name"] for one in town.items("/v1/services", owner=of("council"), at="2026-04-01")] == [
        "Care homes"
    ]


def test_a_collaborative_as_an_organisation_with_members(town: Platform) -> None:
    rows = """organisation_id,member_id,role,start,end
tide,care,lead,2025-01-01,
tide,hope,,2025-01-01,2025-12-31
"""
    assert town.send("members", rows, source="stories").json()["counts"]["accepted"] == 2
    path = f"/v1/organisations/{of('tide')}/members"
    assert {one["member_name"] for one in town.items(path)} == {"Sedge Care", "Hope Charity"}
    assert [one["member_name"] for one in town.items(path, at="2026-01-01")] == ["Sedge Care"]
    assert behind(town, "tide")["owners"] == [], "members are not owners"


def test_a_not_for_profit_owned_by_a_plc_shows_effective_form_for_profit_with_path(town: Platform) -> None:
    answer = behind(town, "hope", at="2026-01-01")
    form = answer["effective_form"]
    assert (form["own_form"], form["form"]) == ("not-for-profit", "for-profit")
    by_plc = [one for one in form["findings"] if one["owner"]["id"] == of("quorvane")]
    assert by_plc
    for finding in by_plc:
        assert [node["id"] for node in finding["path"]] == [of("hope"), of("holding"), of("quorvane")]
        evidence = {one["id"]: one["rests_on"]["url"] for one in answer["interests"]}
        assert [evidence[id] for id in finding["interests"]] == [
            "https://example.org/hope/articles",
            "https://example.org/holding",
        ]
    listed = {one["name"]: one for one in town.items("/v1/organisations", source="stories", at="2026-01-01")}
    assert listed["Hope Charity"]["effective_form"] == "for-profit"
    assert listed["Hope Charity"]["ultimate_owner_ids"] == [of("quorvane")]
    assert behind(town, "hope", at="2022-12-31")["effective_form"]["form"] == "not-for-profit"


def test_a_not_for_profit_with_a_for_profit_arm_is_a_different_case(town: Platform) -> None:
    mill = behind(town, "mill", at="2023-06-01")
    assert mill["effective_form"]["form"] == "not-for-profit"
    assert findings(mill) == ["has-trading-arm"]
    assert "another case" in mill["effective_form"]["findings"][0]["says"]
    shop = behind(town, "shop", at="2023-06-01")
    assert (shop["effective_form"]["form"], findings(shop)) == ("for-profit", ["is-trading-arm"])


def test_profit_taken_by_fee_or_profit_rights_is_flagged_with_evidence(town: Platform) -> None:
    mill = behind(town, "mill", at="2026-01-01")
    (fee,) = [one for one in mill["effective_form"]["findings"] if one["kind"] == "profit-taken"]
    assert fee["owner"]["id"] == of("quorvane")
    assert "12 %" in fee["says"]
    (interest,) = [one for one in mill["interests"] if one["id"] in fee["interests"]]
    assert interest["rests_on"]["url"] == "https://example.org/mill/accounts"
    assert "profit-taken" not in findings(behind(town, "mill", at="2023-12-31")), "before it was agreed"
    town.send(
        "ownership",
        "subject_id,owner_id,interest_type,share_exact,start\nveil,quorvane,rightsToProfitOrIncome,60,2025-06-01\n",
        source="stories",
    )
    veiled = behind(town, "veil", at="2025-06-01")
    assert veiled["effective_form"]["form"] == "for-profit"
    assert {"profit", "profit-taken"} <= set(findings(veiled))


def test_cycles_unknown_owners_dated_ownership_no_crash(town: Platform) -> None:
    ring = behind(town, "ring-a")
    assert ring["ultimate_owner_ids"] == sorted([of("ring-a"), of("ring-b")])
    assert [path["end"] for path in ring["paths"]] == ["circle"]
    assert any("circle" in said for said in ring["computed"]["caveats"])
    veiled = behind(town, "veil", at="2024-06-01")
    assert (veiled["effective_form"]["form"], findings(veiled)) == ("unknown", ["unknown-owner"])
    assert [path["end"] for path in veiled["paths"]] == ["unknown"]
    assert behind(town, "veil", at="2025-01-01")["effective_form"]["form"] == "not-for-profit"
    statements = [
        {
            "statementId": f"story-{number}".ljust(32, "0"),
            "statementDate": "2024-01-01",
            "declarationSubject": "loop-1",
            "recordId": record,
            "recordType": kind,
            "recordDetails": {"isComponent": False, **details},
        }
        for number, (record, kind, details) in enumerate(
            [
                ("loop-1", "entity", {"entityType": {"type": "registeredEntity"}, "name": "Loop One"}),
                ("who", "person", {"personType": "unknownPerson"}),
                ("own", "relationship", {"subject": "loop-1", "interestedParty": "loop-1"}),
                ("by", "relationship", {"subject": "loop-1", "interestedParty": "who"}),
                ("broken", "relationship", {"subject": "loop-1"}),
            ]
        )
    ]
    sent = town.send("bods", orjson.dumps(statements), "application/json", source="stories")
    assert sent.json()["counts"] == {"accepted": 4, "changed": 0, "unchanged": 0, "quarantined": 1}
    assert [one["owner"]["label"] for one in behind(town, "loop-1")["owners"]] == ["a person"]
    town.wait_for_network()
    assert town.get("/v1/localities/E06999011/summary", count="owners")


FIGURES = """organisation_id,figure,date,value,unit,evidence_url
care,pay ratio,2025-03-31,4,times,https://example.org/pay
care,local benefit,2025-03-31,40,per cent,https://example.org/local
hope,pay ratio,2025-03-31,6,times,https://example.org/pay
hope,local benefit,2025-03-31,90,per cent,https://example.org/local
quorvane,pay ratio,2025-03-31,44,times,https://example.org/pay
quorvane,local benefit,2025-03-31,10,per cent,https://example.org/local
homes,pay ratio,2025-03-31,5,times,https://example.org/pay
"""
WEIGHTS = {"weights": "pay-ratio:0.5,local-benefit:0.5", "lower": "pay-ratio", "at": "2026-01-01"}


@pytest.fixture(scope="module")
def figured(town: Platform) -> Platform:
    sent = town.send("organisation-figures", FIGURES, source="stories")
    assert sent.json()["counts"]["quarantined"] == 0, sent.text
    return town


def test_a_weighted_score_with_published_weights_pay_ratio_local_benefit(figured: Platform) -> None:
    answer = figured.get("/v1/organisations/scores", **WEIGHTS)
    names = [(one["name"], one["rank"]) for one in answer["items"]]
    assert names == [("Hope Charity", 1), ("Sedge Care", 2), ("Quorvane plc", 3), ("Reed Homes", None)]
    for one in answer["items"][:3]:
        assert one["score"] == pytest.approx(sum(part["points"] for part in one["parts"]))
        assert all(part["evidence_url"] for part in one["parts"])
    assert answer["items"][3]["missing"] == ["local benefit"]
    assert answer["computed"]["thresholds"]["weights"] == {"pay ratio": 0.5, "local benefit": 0.5}
    refused = figured.client.get("/v1/organisations/scores", params={"weights": "pay-ratio:0.5"})
    assert refused.status_code == 422


def test_how_rank_changes_as_a_weight_moves(figured: Platform) -> None:
    moving = figured.get("/v1/organisations/scores", **WEIGHTS, moving="pay-ratio")["moving"]
    assert moving["first_at_0"] == [of("hope"), of("care"), of("quorvane")]
    assert moving["first_at_1"] == [of("care"), of("hope"), of("quorvane")]
    # care 3/8 + 5/8 w, hope 1 - w/20: they meet at w = (5/8) / (27/40) = 25/27.
    assert [(one["exactly"], one["rises"], one["falls"]) for one in moving["changes"]] == [
        ("25/27", of("care"), of("hope"))
    ]


def test_the_flags_wording_exposes_never_certifies(town: Platform) -> None:
    said = []
    for name in ("hope", "mill", "shop", "veil", "ring-a", "care"):
        for at in ("2024-06-01", "2026-06-01"):
            answer = behind(town, name, at=at)
            assert "certifies nothing" in answer["says"]
            said += [one["says"] for one in answer["effective_form"]["findings"]]
    assert len(said) > 5
    for words in said:
        assert "stated" in words or "may" in words, words
        assert not any(claim in words.lower() for claim in ("certif", "verified", "approved", "proven"))
