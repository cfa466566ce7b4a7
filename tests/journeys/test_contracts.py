"""Stories of contracts: alliances, pipelines, bids, terms, social value, leverage, reservations."""

from uuid import UUID

import orjson
import pytest

AREAS = """code,name,level,parent_code,vintage,lon,lat
E06997001,Alliance Bay,authority,,2025,1.1,53.3
E05997001,North Bay,ward,E06997001,2025,1.05,53.32
E05997002,South Bay,ward,E06997001,2025,1.06,53.28
"""
NEEDS = "taxonomy,term,name\nbay,meals,Meals\nbay,respite,Respite\n"
ORGANISATIONS = """id,name,identifiers,sector,size,user_led,user_led_evidence,user_led_on,supported_business
council,Alliance Bay Council,GB-LAE:ABY,public,large,,,,
kitchen,Bay Kitchen,GB-CHC:1234567,charity,small,yes,Rules of 2019,2019-05-01,
trust,Bay Trust,GB-CHC:1234568,charity,medium,,,,
meals,Meals plc,GB-COH:01234567,private,large,no,Return of 2020,2020-01-01,
"""
SERVICES = """id,name,organisation_id,needs,area_codes
s1,Kitchen meals,kitchen,bay:meals,E05997001
s2,Trust meals,trust,bay:meals,E05997002
"""
COUNCIL_AREA = "E06997001"


@pytest.fixture(scope="module")
def bay(empty_platform):
    """A council with three suppliers and two services."""
    for kind, content in (
        ("areas", AREAS),
        ("needs", NEEDS),
        ("organisations", ORGANISATIONS),
        ("services", SERVICES),
    ):
        made = empty_platform.send(kind, content, source="bay", authority=COUNCIL_AREA)
        assert made.json()["counts"]["quarantined"] == 0, made.text
    return empty_platform


@pytest.fixture(scope="module")
def who(bay):
    listed = bay.items("/v1/organisations", source="bay")
    return {one["source_id"]: one["id"] for one in listed}


def numbered(number):
    return str(UUID(int=0xC0 + number, version=4))


def put(bay, number, body, *, tag=None, path="contracts"):
    answer = bay.client.put(
        f"/v1/{path}/{numbered(number)}",
        json=body,
        params={"source": "bay"},
        headers={"If-Match": tag} if tag else {},
    )
    assert answer.status_code in (200, 201), answer.text
    return answer


def gbp(amount):
    return {"amount": amount, "currency": "GBP"}


def contract(who, title, *suppliers, **fields):
    made = {
        "title": title,
        "buyer_ids": [who["council"]],
        "supplier_ids": [who[name] for name in suppliers],
        "start": "2025-04-01",
        "end": "2030-03-31",
    }
    return made | fields


def key(bay, role, *authorities):
    """A client that acts in a role for authorities."""
    asked = {"name": f"{role} for a test", "roles": [role], "authorities": list(authorities)}
    answer = bay.client.post("/v1/keys", json=asked)
    assert answer.status_code in (200, 201), answer.text
    return {"Authorization": f"Bearer {answer.json()['key']}"}


def test_an_alliance_of_5_and_5_years_is_one_contract_of_many_suppliers_and_removing_one_recomputes_cover(
    bay, who
):
    services = {one["source_id"]: one["id"] for one in bay.items("/v1/services", source="bay")}
    alliance = contract(
        who,
        "Meals alliance",
        "kitchen",
        "trust",
        extensions=[{"id": "1", "months": 60}],
        service_ids=[services["s1"], services["s2"]],
        needs=["bay:meals"],
    )
    first = put(bay, 1, alliance)
    made = first.json()
    assert len(made["supplier_ids"]) == 2
    assert (made["end"], made["extended_to"]) == ("2030-03-31", "2035-03-31")
    assert len(bay.items("/v1/contracts", supplier=who["trust"])) == 1

    def covered():
        bay.wait_for_network()
        cells = bay.items(
            f"/v1/localities/{COUNCIL_AREA}/cover", need="bay:meals", level="ward", at="2026-01-01"
        )
        return {cell["area_name"]: cell["depth"] for cell in cells}

    assert covered() == {"North Bay": 1, "South Bay": 1}
    left = put(bay, 1, alliance | {"supplier_ids": [who["kitchen"]]}, tag=first.headers["etag"])
    assert left.json()["supplier_ids"] == [who["kitchen"]]
    assert covered() == {"North Bay": 1, "South Bay": 0}
    why = bay.get(f"/v1/localities/{COUNCIL_AREA}/cover/bay:meals/E05997002", at="2026-01-01")
    assert "was left by its provider" in str(why["excluded"])


def test_the_pipeline_per_need_and_area_with_dates_shows_suppliers_only_what_is_published(bay, who):
    plan = {
        "title": "Respite from 2028",
        "buyer_ids": [who["council"]],
        "start": "2028-04-01",
        "end": "2031-03-31",
        "notice_on": "2027-06-01",
        "value": gbp(900_000),
        "needs": ["bay:respite"],
        "area_codes": ["E05997001"],
    }
    put(bay, 2, plan, path="pipeline")
    put(bay, 3, plan | {"title": "Not yet decided", "published": False}, path="pipeline")
    seen = bay.items("/v1/pipeline", need="bay:respite", area="E05997001")
    assert {one["title"] for one in seen} == {"Respite from 2028", "Not yet decided"}
    assert seen[0]["value"] == gbp(900_000)
    with bay.caller() as stranger:
        shown = stranger.get("/v1/pipeline", params={"need": "bay:respite"}).json()["items"]
        assert [one["title"] for one in shown] == ["Respite from 2028"]
        assert (shown[0]["notice_on"], shown[0]["start"]) == ("2027-06-01", "2028-04-01")
        assert shown[0]["value"] is None
        hidden = stranger.get(f"/v1/pipeline/{numbered(3)}")
        nothing = stranger.get(f"/v1/pipeline/{numbered(99)}")
        assert (hidden.status_code, hidden.json()) == (404, nothing.json())


def test_whole_life_cost_is_shown_beside_price(bay, who):
    cost = {"value": gbp(310_000), "years": 5, "parts": [{"id": "1", "title": "Exit", "value": gbp(60_000)}]}
    put(bay, 4, contract(who, "Vans", "meals", value=gbp(250_000), whole_life_cost=cost, programme="Fleet"))
    (row,) = bay.items("/v1/contracts/costs", programme="Fleet")
    assert (row["price_gbp"], row["whole_life_cost_gbp"], row["ratio"]) == (250_000, 310_000, 1.24)
    assert row["title"] == "Vans"


def bids(who):
    return [
        {"id": "1", "bidder_ids": [who["kitchen"]], "status": "valid", "won": True},
        {"id": "2", "bidder_ids": [who["meals"]], "status": "valid"},
        {"id": "3", "bidder_ids": [who["kitchen"], who["trust"]], "status": "valid"},
    ]


def test_bids_and_wins_are_counted_by_organisation_size_and_by_sector(bay, who):
    put(bay, 5, contract(who, "Lunch clubs", "kitchen", bids=bids(who), programme="Lunch"))
    by_size = bay.get("/v1/contracts/bids", by="size", programme="Lunch")
    told = {row["group"]: (row["bids"], row["bidders"], row["wins"]) for row in by_size["items"]}
    assert told == {"all": (3, 3, 1), "large": (1, 1, 0), "medium": (1, 1, 0), "small": (2, 1, 1)}
    by_sector = bay.items("/v1/contracts/bids", by="sector", programme="Lunch")
    assert {row["group"]: row["wins"] for row in by_sector} == {"all": 1, "charity": 1, "private": 0}
    assert by_size["computed"]["registry_seq"] > 0


def test_bids_by_small_organisations_are_counted(bay, who):
    put(bay, 6, contract(who, "Breakfast clubs", "meals", bids=bids(who)[1:], programme="Breakfast"))
    rows = {row["group"]: row for row in bay.items("/v1/contracts/bids", programme="Breakfast")}
    assert (rows["small"]["bids"], rows["small"]["wins"], rows["small"]["share_of_bids"]) == (1, 0, 0.5)


def test_contract_terms_are_listed_and_third_sector_contracts_under_three_years_are_flagged(bay, who):
    for number, title, supplier, end in (
        (7, "Two years, charity", "trust", "2027-03-31"),
        (8, "Three years, charity", "trust", "2028-03-31"),
        (9, "Two years, company", "meals", "2027-03-31"),
    ):
        put(bay, number, contract(who, title, supplier, end=end, programme="Terms"))
    rows = {row["title"]: row for row in bay.items("/v1/contracts/terms", programme="Terms")}
    assert {title: row["term_days"] for title, row in rows.items()} == {
        "Two years, charity": 730,
        "Three years, charity": 1096,
        "Two years, company": 730,
    }
    assert [title for title, row in rows.items() if row["short_term"]] == ["Two years, charity"]
    (listed,) = bay.items("/v1/contracts", third_sector_short_term=True, programme="Terms")
    assert listed["title"] == "Two years, charity"


def test_lead_in_time_and_term_are_told_per_contract(bay, who):
    put(bay, 10, contract(who, "Day care", "trust", awarded_on="2025-01-01", programme="Lead-in"))
    (row,) = bay.items("/v1/contracts/terms", programme="Lead-in")
    assert (row["lead_in_days"], row["term_days"]) == (90, 1826)


def test_social_value_claimed_is_shown_beside_evidenced(bay, who):
    measures = [
        {
            "id": "1",
            "measure": "Apprentices",
            "unit": "people",
            "claimed": 10,
            "evidenced": 4,
            "evidence": "Payroll",
        },
        {"id": "2", "measure": "Volunteer days", "unit": "days", "claimed": 200},
    ]
    put(bay, 11, contract(who, "Grounds", "meals", social_value=measures, programme="Social"))
    page = bay.get("/v1/contracts/social-value", programme="Social")
    told = {
        row["measure"]: (row["claimed"], row["evidenced"], row["share_evidenced"]) for row in page["items"]
    }
    assert told == {"Apprentices": (10, 4, 0.4), "Volunteer days": (200, None, None)}
    assert page["computed"]["caveats"] == ["For 1 of 2 measures nothing is evidenced yet."]


def test_leverage_is_other_money_divided_by_own(bay, who):
    funding = [
        {"id": "1", "title": "Council", "organisation_id": who["council"], "value": gbp(200_000)},
        {"id": "2", "title": "Lottery", "organisation_id": who["trust"], "value": gbp(50_000)},
    ]
    put(bay, 12, contract(who, "Hub", "trust", value=gbp(250_000), funding=funding, programme="Leverage"))
    (row,) = bay.items("/v1/contracts/leverage", programme="Leverage")
    assert (row["own_gbp"], row["other_gbp"], row["leverage"]) == (200_000, 50_000, 0.25)
    reader = key(bay, "reader", COUNCIL_AREA)
    assert bay.client.get("/v1/contracts/leverage", headers=reader).status_code == 403


def test_the_pipeline_is_read_by_date(bay, who):
    release = {
        "ocid": "ocds-bay-1",
        "id": "p1",
        "date": "2026-01-01T00:00:00Z",
        "tag": ["planning"],
        "initiationType": "tender",
        "parties": [{"id": "GB-LAE-ABY", "name": "Alliance Bay Council", "roles": ["buyer"]}],
        "buyer": {"id": "GB-LAE-ABY", "name": "Alliance Bay Council"},
        "tender": {
            "id": "t",
            "title": "Home care from 2029",
            "status": "planned",
            "contractPeriod": {"startDate": "2029-04-01T00:00:00Z", "endDate": "2034-03-31T00:00:00Z"},
            "communication": {"futureNoticeDate": "2028-09-01T00:00:00Z"},
        },
    }
    made = bay.send("ocds", orjson.dumps({"releases": [release]}), "application/json", source="bay")
    assert made.json()["counts"]["accepted"] == 1, made.text
    (soon,) = bay.items("/v1/pipeline", starting_from="2029-01-01", buyer=who["council"])
    assert (soon["title"], soon["notice_on"]) == ("Home care from 2029", "2028-09-01")
    assert bay.items("/v1/pipeline", starting_from="2029-01-01", starting_before="2029-04-01") == []


def test_eligibility_for_a_reserved_contract_is_evaluated_on_evidence_and_date(bay, who):
    reserved = {"for": ["userLed"], "under": "Set aside by the council's standing orders"}
    for number, awarded in ((13, "2024-12-01"), (14, "2018-12-01")):
        put(
            bay,
            number,
            contract(who, f"Peer support {awarded}", "kitchen", "meals", "trust", awarded_on=awarded)
            | {"reserved": reserved, "programme": "Reserved"},
        )
    rows = bay.items("/v1/contracts/reserved", programme="Reserved")
    told = {(row["awarded_on"], row["supplier"]): row for row in rows}
    later, earlier = "2024-12-01", "2018-12-01"
    assert told[later, "Bay Kitchen"]["eligible"] is True
    assert "Rules of 2019" in told[later, "Bay Kitchen"]["reasons"][0]
    assert told[later, "Meals plc"]["eligible"] is False
    assert told[later, "Bay Trust"]["eligible"] is None
    assert told[earlier, "Bay Kitchen"]["eligible"] is None, "its evidence is of a later day"
    assert {row["reserved_under"] for row in rows} == {"Set aside by the council's standing orders"}


def test_programme_status_by_authority_is_exported_as_csv(bay, who):
    put(bay, 15, contract(who, "Retrofit north", "meals", value=gbp(100), programme="Warm homes"))
    later = contract(
        who, "Retrofit south", "meals", value=gbp(50.5), programme="Warm homes", start="2027-04-01"
    )
    put(bay, 16, later)
    answer = bay.client.get(
        "/v1/contracts/programmes", params={"programme": "Warm homes", "at": "2026-01-01", "format": "csv"}
    )
    header, row = (line.split(",") for line in answer.text.strip().splitlines())
    told = dict(zip(header, row, strict=True))
    assert (told["programme"], told["buyer"]) == ("Warm homes", "Alliance Bay Council")
    assert (told["started"], told["contracts"], told["in_force"]) == ("true", "2", "1")
    assert float(told["value_gbp"]) == 150.5
