from datetime import date

import pytest
from hedgerow_registry.domain import contracts as terms
from hedgerow_registry.domain.contract_summaries import Bids, Body, bid_counts, known_of
from hedgerow_registry.domain.contracts import Evidence, eligibility
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.registry.files import fill, notes, send
from tests.registry.releases import (
    ADVICE,
    COUNCIL,
    HARBOUR,
    KITCHEN,
    award,
    gbp,
    party,
    period,
    refs,
    release,
    send_releases,
    tender,
)
from tests.registry.test_contracts_api import ID, alliance, full, put
from tests.support.identity import identity


def bid(id, *bidders, **fields):
    return {"id": id, "tenderers": refs(*bidders), "status": "valid"} | fields


def test_bids_and_wins_are_counted_by_size_and_by_sector(registry):
    fill(registry)
    listed = {"details": [bid("1", KITCHEN), bid("2", ADVICE), bid("3", KITCHEN, ADVICE), bid("4", HARBOUR)]}
    parties = [COUNCIL, KITCHEN, ADVICE, HARBOUR]
    send_releases(registry, release(parties=parties, bids=listed, awards=[award(relatedBids=["1"])]))
    send_releases(registry, release("ocds-test-2", awards=[award()]))
    by_size = registry.get("/v1/contracts/bids").json()
    rows = {row["group"]: row for row in by_size["items"]}
    # Kitchen is small; Advice, whose size its own source does not say, is unknown; Harbour is large.
    assert [row["group"] for row in by_size["items"]] == ["all", "large", "small", "unknown"]
    assert (rows["all"]["bids"], rows["all"]["bidders"], rows["all"]["wins"]) == (4, 3, 1)
    assert (rows["small"]["bids"], rows["small"]["wins"], rows["small"]["share_of_wins"]) == (2, 1, 1.0)
    assert rows["large"]["share_of_bids"] == 0.25
    assert by_size["computed"]["caveats"] == ["1 of 2 processes tell of no bids: they count nowhere here."]
    assert by_size["computed"]["registry_seq"] > 0
    by_sector = registry.get("/v1/contracts/bids", params={"by": "sector"}).json()["items"]
    assert {row["group"]: row["bids"] for row in by_sector} == {
        "all": 4,
        "charity": 2,
        "social enterprise": 2,
        "unknown": 1,
    }


def test_bids_of_which_only_the_number_is_published_count_as_stated(registry):
    fill(registry)
    parties = [COUNCIL, KITCHEN]

    def figures(**measures):
        return [{"id": name, "measure": name, "value": value} for name, value in measures.items()]

    of_lots = [
        {"id": f"{measure}-{lot}", "measure": measure, "value": value, "relatedLot": lot}
        for measure, lot, value in (("bids", "a", 2), ("bids", "b", 1), ("smeBids", "a", 1))
    ]
    for number, told in enumerate(
        (
            {"statistics": figures(bids=5, smeBids=3, validBids=1e300, foreignBids=2.5)},
            {"statistics": of_lots},
            {"details": [bid("1", KITCHEN)], "statistics": figures(bids=9, smeBids=9)},
            {"statistics": figures(bids=1e300, smeBids=-2, validBids=0.5)},
        )
    ):
        send_releases(registry, release(f"ocds-test-{number}", parties=parties, bids=told, awards=[award()]))
    by_size = registry.get("/v1/contracts/bids").json()
    told = {row["group"]: (row["bids"], row["stated"], row["bidders"]) for row in by_size["items"]}
    assert told == {"all": (9, 8, 1), "small": (1, 0, 1), "sme": (4, 4, 0), "unknown": (4, 4, 0)}
    (caveat,) = by_size["computed"]["caveats"]
    assert caveat.startswith("1 of 4 processes tell of no bids: they count nowhere here. 8 bids are known by")
    by_sector = registry.get("/v1/contracts/bids", params={"by": "sector"}).json()["items"]
    assert {row["group"]: (row["bids"], row["stated"]) for row in by_sector}["unknown"] == (8, 8)


bids = st.lists(
    st.lists(
        st.fixed_dictionaries(
            {"bidder_ids": st.lists(st.sampled_from("abcdef"), max_size=3, unique=True), "won": st.booleans()}
        ),
        max_size=4,
    ),
    max_size=5,
)


@given(bids)
@settings(max_examples=60)
def test_counts_of_bids_are_those_of_counting_them_one_by_one(processes):
    groups = {"a": "small", "b": "small", "c": "large"}
    counted = {row.group: row for row in bid_counts(map(Bids, processes), groups.get)}
    flat = [one for listed in processes for one in listed]
    for group in ("all", "small", "large", "unknown"):
        mine = [
            one
            for one in flat
            if group == "all"
            or group in {groups.get(id, "unknown") for id in one["bidder_ids"]}
            or (group == "unknown" and not one["bidder_ids"])
        ]
        row = counted.get(group)
        assert (row.bids if row else 0) == len(mine)
        assert (row.wins if row else 0) == sum(one["won"] for one in mine)


def test_terms_and_lead_in_are_told_and_short_third_sector_contracts_flagged(registry):
    fill(registry)
    put(registry, ID, alliance(registry))
    send_releases(
        registry,
        release(parties=[COUNCIL, KITCHEN, HARBOUR], awards=[award()]),
        release("o2", parties=[COUNCIL, HARBOUR], awards=[award(suppliers=refs(HARBOUR), contractPeriod={})]),
        release("o3", awards=[award(contractPeriod=period("2025-04-01", "2028-03-31"))]),
    )
    rows = registry.items("/v1/contracts/terms", params={"limit": 2})
    assert len(rows) == 4
    by_start = {(row["title"], row["term_days"]): row for row in rows}
    short = by_start["ocds-test-1", 730]
    assert (short["third_sector"], short["short_term"], short["lead_in_days"]) == (True, True, 59)
    assert by_start["o3", 1096]["short_term"] is False
    assert (by_start["o2", None]["third_sector"], by_start["o2", None]["short_term"]) == (None, None)
    alone = by_start["Food alliance", 1826]
    assert (alone["short_term"], alone["extended_term_days"]) == (False, 3652)
    only = registry.get("/v1/contracts/terms", params={"short_only": "true"}).json()
    assert [row["title"] for row in only["items"]] == ["ocds-test-1"]
    longer = registry.items("/v1/contracts/terms", params={"short_only": "true", "months": 48})
    assert {row["title"] for row in longer} == {"ocds-test-1", "o3"}


def test_leverage_costs_and_social_value_stand_beside_each_other(registry):
    fill(registry)
    put(registry, ID, full(registry))
    send_releases(registry, release(awards=[award()]))
    (row,) = registry.items("/v1/contracts/leverage")
    assert (row["own_gbp"], row["other_gbp"], row["leverage"]) == (500_000, 50_000, 0.1)
    (row,) = registry.items("/v1/contracts/costs")
    assert (row["price_gbp"], row["whole_life_cost_gbp"], row["ratio"]) == (500_000, 620_000, 1.24)
    (row,) = registry.items("/v1/contracts/social-value")
    assert (row["claimed"], row["evidenced"], row["share_evidenced"]) == (10, 4, 0.4)
    assert row["evidence"] == "Payroll of 2026"
    registry.headers.update(identity("registry", role="coordinator"))
    for money in ("leverage", "costs"):
        assert registry.get(f"/v1/contracts/{money}").status_code == 403
    assert len(registry.items("/v1/contracts/social-value")) == 1


def test_programmes_are_told_by_authority_with_value_and_whether_they_started(registry):
    register = """
    id,title,programme,buyer_name,supplier_name,value,start,end,status
    1,Retrofit A,Warm homes,Saltmarsh Council,Quay Kitchen,100,2025-04-01,2027-03-31,active
    2,Retrofit B,Warm homes,Saltmarsh Council,Quay Kitchen,200.10,2026-04-01,2027-03-31,active
    3,Retrofit C,Warm homes,Dune Council,,,2027-04-01,,planned
    4,Retrofit D,Warm homes,Dune Council,Quay Kitchen,50,2025-01-01,,cancelled
    5,Other,,Dune Council,Quay Kitchen,7,2025-01-01,,active
    """
    send(registry, "contracts", register)
    rows = registry.items("/v1/contracts/programmes", params={"at": "2025-06-01"})
    told = {row["buyer"]: row for row in rows}
    assert set(told) == {"Saltmarsh Council", "Dune Council"}
    saltmarsh, dune = told["Saltmarsh Council"], told["Dune Council"]
    assert (saltmarsh["started"], saltmarsh["in_force"], saltmarsh["value_gbp"]) == (True, 1, 300.10)
    assert (dune["started"], dune["planned"], dune["contracts"], dune["value_gbp"]) == (False, 1, 1, None)
    text = registry.get("/v1/contracts/programmes", params={"format": "csv", "at": "2025-06-01"}).text
    assert text.splitlines()[0].startswith(
        "programme,buyer_id,buyer,planned,tendered,contracts,in_force,started"
    )
    registry.headers.update(identity("registry", role="reader"))
    assert {row["value_gbp"] for row in registry.items("/v1/contracts/programmes")} == {None}


MUTUALS = ("Carers' Mutual", "Nurses' Mutual", "Undated Mutual")


@pytest.mark.parametrize(
    ("codes", "known", "eligible"),
    [
        (["userLed"], Evidence(True, "rules", date(2024, 1, 1)), True),
        (["userLed"], Evidence(True, "rules", date(2025, 6, 1)), None),
        (["userLed"], Evidence(False, "rules", date(2024, 1, 1)), False),
        (["userLed"], Evidence(None), None),
        (["somethingElse"], Evidence(True), None),
        ([], Evidence(True), None),
        (["shelteredWorkshop", "userLed"], Evidence(True, "rules", date(2024, 1, 1)), True),
    ],
)
def test_eligibility_rests_on_evidence_of_the_day(codes, known, eligible):
    answer = eligibility(codes, {"user_led": known}, at=date(2025, 1, 1), is_too_long=False)
    assert answer.eligible is eligible
    assert len(answer.reasons) == len(codes)


def test_a_mutual_is_not_eligible_for_more_than_five_years():
    known = known_of(Body("Carers' Mutual", sector="mutual"))
    for is_too_long, eligible in ((False, True), (None, True), (True, False)):
        answer = eligibility(["publicService"], known, at=date(2025, 1, 1), is_too_long=is_too_long)
        assert answer.eligible is eligible


@pytest.mark.parametrize(
    ("sector", "stated", "eligible"),
    [
        ("social enterprise", Evidence(None), None),
        ("social enterprise", Evidence(True, "rules", date(2024, 1, 1)), True),
        ("social enterprise", Evidence(True, "rules", date(2025, 6, 1)), None),
        ("charity", Evidence(True, "rules", date(2024, 1, 1)), True),
        ("mutual", Evidence(False, "rules", date(2024, 1, 1)), False),
        ("mutual", Evidence(True, "rules", date(2025, 6, 1)), None),
    ],
)
def test_what_is_stated_of_a_mutual_with_evidence_goes_before_its_sector(sector, stated, eligible):
    known = known_of(Body("Carers' Mutual", sector=sector, public_service_mutual=stated))
    answer = eligibility(["publicService"], known, at=date(2025, 1, 1), is_too_long=False)
    assert answer.eligible is eligible


def test_a_mutual_is_judged_on_the_evidence_of_the_day_of_the_award(registry):
    fill(registry)
    made = send(
        registry,
        "organisations",
        """
        id,name,sector,public_service_mutual,public_service_mutual_evidence,public_service_mutual_on
        m1,Carers' Mutual,social enterprise,yes,Rules registered,2024-12-01
        m2,Nurses' Mutual,social enterprise,yes,Rules registered,2025-03-01
        m3,Undated Mutual,social enterprise,yes,Rules registered,
        """,
    )
    noted = "left out: a status needs its evidence (in words or as an address) and the day of it"
    assert notes(registry, made) == [(4, "public_service_mutual", noted)]
    parties = [party(f"m{n}", name, "supplier") for n, name in enumerate(MUTUALS, start=1)]
    send_releases(
        registry,
        release(
            parties=[COUNCIL, *parties],
            tender=tender(otherRequirements={"reservedParticipation": ["publicService"]}),
            awards=[award(suppliers=refs(*parties))],
        ),
        source="default",
    )
    rows = {row["supplier"]: row for row in registry.items("/v1/contracts/reserved")}
    assert {name: row["eligible"] for name, row in rows.items()} == dict(
        zip(MUTUALS, (True, None, None), strict=True)
    )
    assert "(Rules registered, 2024-12-01)" in rows["Carers' Mutual"]["reasons"][0]
    assert "later than the award of 2025-02-01" in rows["Nurses' Mutual"]["reasons"][0]
    held = registry.items("/v1/organisations", params={"text": "Undated Mutual"})[0]
    url = f"/v1/organisations/{held['id']}"
    read = registry.get(url)
    body = {"name": held["name"], "sector": held["sector"], "public_service_mutual": True}
    tag = {"if-match": read.headers["etag"]}
    assert registry.put(url, json=body, headers=tag).status_code == 422
    body |= {"public_service_mutual_evidence": "Rules", "public_service_mutual_on": "2025-01-31"}
    assert registry.put(url, json=body, headers=tag).status_code == 200
    assert registry.get(url).json()["public_service_mutual_on"] == "2025-01-31"
    rows = {row["supplier"]: row["eligible"] for row in registry.items("/v1/contracts/reserved")}
    assert rows["Undated Mutual"] is True


def test_leverage_is_unknown_without_own_money_and_none_of_nothing():
    assert terms.leverage(None, []) == (None, 0.0, None)
    assert terms.leverage(0, [{"own": False, "value_gbp": 5.0}]) == (0.0, 5.0, None)
    own = [
        {"own": True, "value_gbp": 40.0},
        {"own": False, "value_gbp": 10.0},
        {"own": False, "value_gbp": None},
    ]
    assert terms.leverage(100, own) == (40.0, 10.0, 0.25)


def test_reserved_contracts_are_held_against_the_evidence_of_their_suppliers(registry):
    fill(registry)
    reserved = tender(
        otherRequirements={"reservedParticipation": ["charity"]},
        hedgerow={"reservedUnder": "Procurement Act 2023, section 32"},
    )
    send_releases(
        registry,
        release(
            parties=[COUNCIL, KITCHEN, HARBOUR],
            tender=reserved,
            awards=[award(suppliers=refs(KITCHEN, HARBOUR))],
        ),
        release("o2", awards=[award(value=gbp(3))]),
    )
    rows = registry.items("/v1/contracts/reserved")
    by_supplier = {row["supplier"]: row for row in rows}
    assert by_supplier["Quay Kitchen"]["eligible"] is True
    assert "register of charities" in by_supplier["Quay Kitchen"]["reasons"][0]
    assert by_supplier["Harbour Holdings"]["eligible"] is None
    assert {row["reserved_under"] for row in rows} == {"Procurement Act 2023, section 32"}
