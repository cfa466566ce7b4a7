"""What authorities paid: taken in to the penny, suppliers matched, sums that leave nothing out."""

import doctest
from decimal import Decimal
from typing import Any

import pytest
from hedgerow_registry.domain import spend as domain
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.errors import Malformed
from hypothesis import given
from hypothesis import strategies as st

from tests.registry.files import (
    AREAS,
    GEOJSON,
    NEEDS,
    box,
    counts,
    features,
    notes,
    quarantined,
    receipts,
    send,
)
from tests.registry.test_duplicates import refresh
from tests.support.http import Client
from tests.support.identity import identity

BUYER = "E06999001"
COLUMNS = "buyer_code,supplier_name,supplier_id,date,amount_gbp,category,redacted"
LINES = """
    E06999001,Quay Kitchen Ltd,3536,2025-04-01,3082.50,Food,false
    E06999001,Quay Kitchen Ltd,3536,2025-04-01,3082.50,Food,false
    E06999001,Quay Kitchen Ltd,3536,2025-04-02,-195.75,Food,false
    E06999001,Harbour Holdings,GB-COH:7654321,2025-04-03,"1,000.01",Buildings,no
    E06999001,Redacted,Redacted,2025-04-03,250.00,Care,
    E06999001,Redacted,Redacted,2025-04-03,-50.00,Care,
    E06999001,Jane Person,77,2025-05-01,10.10,Care,true
    E06999001,Fenland Bakery,,2025-05-02,0.99,,false
"""
ORGANISATIONS = """
    id,name,identifiers,sector,size,head_office_area_code,owner_ids
    1,Quay Kitchen,,charity,small,E06999001,
    2,Harbour Holdings plc,GB-COH:7654321,private,large,E06999002,3
    3,Overseas Group,,private,large,E06999003,
"""
MORE_AREAS = """
    code,name,level,parent_code,vintage
    E06999002,Fenmarket,authority,,2024
    E06999003,Faraway,authority,,2024
"""


def _id(external: str, source: str = "default") -> str:
    return record_id(source, "organisation", external)


def pay(client: Client, lines: str = LINES, columns: str = COLUMNS, **options: Any) -> dict[str, Any]:
    return send(client, "spend", f"{columns}\n{lines.strip()}", **options)


def summary(client: Client, by: str, **params: Any) -> dict[str, Any]:
    answer = client.get("/v1/spend/summary", params={"by": by, "buyer": BUYER, **params})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    while made["next"] is not None:
        page = client.get(
            "/v1/spend/summary", params={"by": by, "buyer": BUYER, **params, "after": made["next"]}
        ).json()
        made |= {"items": made["items"] + page["items"], "next": page["next"]}
    return made


def rows(client: Client, by: str, **params: Any) -> dict[str, float]:
    """Amounts by key; they must add up to the total to the penny."""
    made = summary(client, by, **params)
    pence = [Decimal(str(item["amount_gbp"])) for item in made["items"]]
    assert sum(pence) == Decimal(str(made["total"]["amount_gbp"]))
    assert sum(item["lines"] for item in made["items"]) == made["total"]["lines"]
    return {item["key"]: item["amount_gbp"] for item in made["items"]}


def suppliers(client: Client, **params: Any) -> dict[str | None, dict[str, Any]]:
    return {item["name"]: item for item in client.items("/v1/spend/suppliers", params=params)}


@pytest.fixture
def paid(registry: Client) -> Client:
    """A locality whose council paid eight lines."""
    send(registry, "areas", AREAS)
    send(registry, "areas", MORE_AREAS)
    send(registry, "organisations", ORGANISATIONS)
    assert counts(pay(registry)) == (8, 0, 0, 0)
    refresh(registry)
    return registry


def test_the_examples_hold() -> None:
    assert doctest.testmod(domain).failed == 0


@pytest.mark.parametrize(
    "text", ["", "-", "1.005", "twelve", "1,00", "NaN", "Infinity", "1e3", "9" * 20, "£", "--1"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        domain.pence(text)


@given(st.integers(-(10**14), 10**14))
def test_any_amount_is_read_exactly_in_any_usual_spelling(pence: int) -> None:
    pounds = Decimal(pence) / 100
    spellings = [
        f"{pounds:.2f}",
        f"{pounds:,.2f}",
        f"£{abs(pounds):.2f}" if pence >= 0 else f"({-pounds:.2f})",
    ]
    assert [domain.pence(text) for text in spellings] == [pence] * 3


@given(st.lists(st.lists(st.integers(-3, 3), max_size=12), max_size=6))
def test_occurrences_are_counted_over_batches_as_one_by_one(batches: list[list[int]]) -> None:
    seen = domain.Occurrences()
    held: dict[int, int] = {}
    for batch in batches:
        expected = []
        for digest in batch:
            held[digest] = held.get(digest, 0) + 1
            expected.append(held[digest])
        assert seen.number(batch) == expected


def test_two_payments_alike_are_two_and_the_same_file_again_changes_nothing(paid: Client) -> None:
    assert counts(pay(paid)) == (0, 0, 8, 0)
    total = summary(paid, "supplier")["total"]
    assert total == {
        "amount_gbp": 7180.35,
        "lines": 8,
        "negative_gbp": -245.75,
        "negative_lines": 2,
    }
    # A third of the same in a file is new, and only the third.
    third = "E06999001,Quay Kitchen Ltd,3536,2025-04-01,3082.50,Food,false"
    assert counts(pay(paid, LINES + third)) == (1, 0, 8, 0)
    lines = paid.items("/v1/spend/lines", params={"buyer": BUYER, "limit": 2})
    assert [line["occurrence"] for line in lines if line["amount_gbp"] == 3082.5] == [1, 2, 3]


def test_bad_lines_are_told_and_good_ones_land(registry: Client) -> None:
    lines = """
        E06999001,A,1,2025-04-01,10.00,Food,false
        E0699,A,1,2025-04-01,10.00,Food,false
        E06999001,A,1,01/04/2025,10.00,Food,false
        E06999001,A,1,2025-04-01,10.005,Food,false
        E06999001,A,1,2025-04-01,ten,Food,false
        E06999001,A,1,2025-04-01,10.00,Food,perhaps
        E06999001,,,2025-04-01,10.00,Food,false
        E06999001,A
    """
    made = pay(registry, lines)
    assert counts(made) == (2, 0, 0, 6)
    assert [(line, column) for line, column, _ in quarantined(registry, made)] == [
        (3, "buyer_code"),
        (4, "date"),
        (5, "amount_gbp"),
        (6, "amount_gbp"),
        (7, "redacted"),
        (9, None),
    ]
    assert notes(registry, made) == [(8, "supplier_name", "no supplier is named: it is kept as unknown")]
    missing = registry.post("/v1/imports/spend", content=b"a,b\n", headers={"content-type": "text/csv"})
    assert missing.status_code == 422


def test_nothing_is_kept_of_a_redacted_supplier_and_nobody_looks_for_it(paid: Client) -> None:
    send(paid, "organisations", "id,name\n9,Jane Person\n10,Redacted")
    refresh(paid)
    redacted = paid.items("/v1/spend/suppliers", params={"state": "redacted"})
    assert [(one["name"], one["supplier_id"], one["lines"]) for one in redacted] == [(None, None, 3)]
    shown = paid.items("/v1/spend/lines", params={"buyer": BUYER})
    assert "Jane" not in str(shown)
    assert "Jane" not in str(receipts(paid, pay(paid)))
    body = {"organisation_id": _id("9"), "reason": "I know her"}
    answer = paid.post(f"/v1/spend/suppliers/{redacted[0]['id']}/confirm", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:hedgerow:problem:redacted")


def test_suppliers_are_matched_by_number_or_name_with_reasons(paid: Client) -> None:
    found = suppliers(paid)
    holdings, kitchen, bakery = (
        found[name] for name in ("Harbour Holdings", "Quay Kitchen Ltd", "Fenland Bakery")
    )
    assert (holdings["state"], holdings["matched_by"], holdings["score"]) == ("matched", "identifier", 0.98)
    assert (kitchen["state"], kitchen["matched_by"], kitchen["score"]) == ("matched", "name", 0.9)
    assert kitchen["organisation_id"] == _id("1")
    assert kitchen["reasons"][0]["text"] == "the same name: Quay Kitchen – Quay Kitchen Ltd"
    assert (bakery["state"], bakery["organisation_id"], bakery["reasons"]) == ("unmatched", None, [])


def test_a_supplier_whose_name_says_little_more_is_a_candidate_for_a_person(paid: Client) -> None:
    pay(paid, "E06999001,Quay Bakery Deliveries,,2025-06-01,5.00,Food,false")
    refresh(paid)
    found = suppliers(paid)["Quay Bakery Deliveries"]
    assert (found["state"], found["organisation_id"], found["matched_by"]) == ("unmatched", None, None)
    pay(paid, "E06999001,Quay Kitchen Care,,2025-06-01,5.00,Food,false")
    refresh(paid)
    found = suppliers(paid)["Quay Kitchen Care"]
    assert (found["state"], found["organisation_id"], found["matched_by"]) == ("candidate", _id("1"), None)
    assert found["reasons"][0]["text"] == "names alike by 94%: Quay Kitchen – Quay Kitchen Care"


def test_a_supplier_is_matched_when_its_organisation_arrives_later(paid: Client) -> None:
    send(paid, "organisations", "id,name,sector\n7,The Fenland Bakery,private")
    assert "not all looked for" in str(summary(paid, "sector")["computed"]["caveats"])
    assert refresh(paid)["suppliers"] == 1
    assert suppliers(paid)["Fenland Bakery"]["organisation_id"] == _id("7")
    assert rows(paid, "sector")["private"] == 1001.0


def test_what_could_be_two_organisations_is_left_to_a_person(paid: Client) -> None:
    send(paid, "organisations", "id,name\n8,Quay Kitchen", source="other")
    refresh(paid)
    kitchen = suppliers(paid, state="candidate")["Quay Kitchen Ltd"]
    assert kitchen["reasons"][-1]["text"] == "another organisation is as likely"
    assert rows(paid, "sector")["unknown"] == 5970.24
    # Merged they are one, and the doubt is gone.
    body = {"into": _id("1"), "reason": "the same kitchen"}
    assert paid.post(f"/v1/organisations/{_id('8', 'other')}/merge", json=body).status_code == 200
    refresh(paid)
    assert suppliers(paid)["Quay Kitchen Ltd"]["state"] == "matched"
    assert rows(paid, "sector")["charity"] == 5969.25


def test_what_a_person_decides_stands_until_it_is_taken_back(paid: Client) -> None:
    kitchen = suppliers(paid)["Quay Kitchen Ltd"]["id"]
    where = f"/v1/spend/suppliers/{kitchen}"
    refused = paid.post(f"{where}/refuse", json={"reason": "another one of that name"}).json()
    assert (refused["state"], refused["refused_ids"]) == ("unmatched", [_id("1")])
    refresh(paid)
    assert suppliers(paid)["Quay Kitchen Ltd"]["state"] == "unmatched"
    body = {"organisation_id": _id("3"), "reason": "bought in May"}
    confirmed = paid.post(f"{where}/confirm", json=body).json()
    assert (confirmed["matched_by"], confirmed["decided_by"]) == ("person", "tester")
    send(paid, "organisations", ORGANISATIONS.replace("Quay Kitchen,", "Quay Kitchen Ltd,"))
    refresh(paid)
    assert suppliers(paid)["Quay Kitchen Ltd"]["organisation_id"] == _id("3")
    assert paid.post(f"{where}/release").json()["state"] == "unmatched"
    refresh(paid)
    assert suppliers(paid)["Quay Kitchen Ltd"]["organisation_id"] == _id("1")
    nobody = {"organisation_id": _id("nobody"), "reason": "r"}
    assert paid.post(f"{where}/confirm", json=nobody).status_code == 422
    assert paid.post("/v1/spend/suppliers/999/release").status_code == 404
    assert paid.get(f"/v1/spend/suppliers/{2**40}").status_code == 404


def test_sums_by_sector_size_category_and_supplier_leave_nothing_out(paid: Client) -> None:
    assert rows(paid, "sector") == {
        "charity": 5969.25,
        "private": 1000.01,
        "unknown": 0.99,
        "redacted": 210.1,
    }
    assert rows(paid, "size") == {"small": 5969.25, "large": 1000.01, "unknown": 0.99, "redacted": 210.1}
    assert rows(paid, "category") == {
        "Food": 5969.25,
        "Buildings": 1000.01,
        "Care": 210.1,
        "unknown": 0.99,
        "redacted": 0.0,
    }
    by_supplier = summary(paid, "supplier")["items"]
    assert [(item["name"], item["amount_gbp"]) for item in by_supplier] == [
        ("Quay Kitchen", 5969.25),
        ("Harbour Holdings plc", 1000.01),
        ("Fenland Bakery", 0.99),
        ("unknown", 0.0),
        ("redacted", 210.1),
    ]
    assert sum(item["share"] for item in by_supplier) == pytest.approx(1)


def test_days_limit_what_is_summed(paid: Client) -> None:
    assert rows(paid, "sector", **{"from": "2025-05-01"}) == {"unknown": 0.99, "redacted": 10.1}
    assert summary(paid, "sector", to="2025-04-01")["total"]["amount_gbp"] == 6165.0
    nothing = summary(paid, "sector", **{"from": "2030-01-01"})
    assert nothing["total"]["lines"] == 0
    assert [item["share"] for item in nothing["items"]] == [None, None]


def test_local_is_one_figure_by_branch_and_another_by_ultimate_owner(paid: Client) -> None:
    # Harbour Holdings has a shop on the quay; its owner is far away.
    site = "id,name,organisation_id,site_name,site_area_code\ns,Shop,2,Shop,E05999001"
    send(paid, "services", site)
    branch, owner = summary(paid, "place"), summary(paid, "ultimate_place")
    assert rows(paid, "place") == {"E06999001": 6969.26, "unknown": 0.99, "redacted": 210.1}
    assert rows(paid, "ultimate_place") == {
        "E06999001": 5969.25,
        "E06999003": 1000.01,
        "unknown": 0.99,
        "redacted": 210.1,
    }
    assert (branch["local"]["amount_gbp"], owner["local"]["amount_gbp"]) == (6969.26, 5969.25)
    assert branch["local"]["share_of_known"] == 1.0
    assert owner["local"]["share_of_known"] == pytest.approx(5969.25 / 6969.26)
    assert [item["name"] for item in owner["items"]][:2] == ["Saltmarsh", "Faraway"]


def test_a_line_that_names_its_branch_is_paid_there(registry: Client) -> None:
    send(registry, "areas", AREAS)
    send(registry, "areas", MORE_AREAS)
    send(registry, "needs", NEEDS)
    send(registry, "services", "id,name,site_name,postcode,site_area_code\ns,Shop,Shop,PE99 1AA,E05999001")
    lines = """
        E06999001,A,1,2025-04-01,10.00,x,false,,E05999002
        E06999001,A,1,2025-04-02,20.00,x,false,pe991aa,
        E06999001,A,1,2025-04-03,40.00,x,false,PE99 9ZZ,
        E06999001,A,1,2025-04-04,80.00,x,false,nowhere,E0699
    """
    made = pay(registry, lines, f"{COLUMNS},postcode,area_code")
    assert counts(made) == (4, 0, 0, 0)
    assert [column for _, column, _ in notes(registry, made)] == ["postcode"]
    assert rows(registry, "place") == {"E06999001": 30.0, "unknown": 120.0, "redacted": 0.0}
    by_ward = rows(registry, "place", level="ward")
    assert by_ward == {"E05999001": 20.0, "E05999002": 10.0, "unknown": 120.0, "redacted": 0.0}


def test_a_site_that_says_only_its_point_is_placed_by_the_outlines(paid: Client) -> None:
    outlines = features((BUYER, box(1.0, 53.2, 1.2, 53.4)), ("E06999002", box(2.0, 53.2, 2.2, 53.4)))
    send(paid, "boundaries", outlines, media_type=GEOJSON)
    sites = "id,name,organisation_id,site_name,lon,lat\ns,Shop,2,Shop,1.1,53.3\nt,Store,2,Store,2.1,53.3"
    assert counts(send(paid, "services", sites)) == (2, 0, 0, 0)
    assert rows(paid, "place") == {BUYER: 6969.26, "unknown": 0.99, "redacted": 210.1}


def test_an_owner_nobody_knows_is_a_row_of_its_own(paid: Client) -> None:
    interests = """
        subject_id,owner_kind,interest_type,share_exact,start
        1,unknown,shareholding,100,2020-01-01
    """
    assert counts(send(paid, "ownership", interests)) == (1, 0, 0, 0)
    found = rows(paid, "ultimate_place")
    assert (found["unknown"], found.get("E06999001")) == (5970.24, None)


def test_what_an_organisation_was_paid_is_listed_with_its_sum_and_follows_a_merge(paid: Client) -> None:
    spend = paid.get(f"/v1/organisations/{_id('1')}/spend").json()
    assert (spend["total"]["amount_gbp"], len(spend["items"])) == (5969.25, 3)
    assert {line["organisation_id"] for line in spend["items"]} == {_id("1")}
    body = {"into": _id("2"), "reason": "one body"}
    assert paid.post(f"/v1/organisations/{_id('1')}/merge", json=body).status_code == 200
    assert paid.get(f"/v1/organisations/{_id('1')}/spend").status_code == 308
    both = paid.get(f"/v1/organisations/{_id('2')}/spend").json()
    assert both["total"]["amount_gbp"] == 6969.26
    assert {line["organisation_id"] for line in both["items"]} == {_id("2")}
    paid.post(f"/v1/organisations/{_id('1')}/unmerge", json={"reason": "two"})
    assert paid.get(f"/v1/organisations/{_id('1')}/spend").json() == spend


def test_an_organisation_that_is_deleted_takes_no_payment_with_it(paid: Client) -> None:
    before = summary(paid, "supplier")["total"]
    answer = paid.delete(f"/v1/organisations/{_id('1')}", headers={"If-Match": "*"})
    assert answer.status_code == 204
    assert summary(paid, "supplier")["total"] == before
    refresh(paid)
    assert suppliers(paid)["Quay Kitchen Ltd"]["state"] == "unmatched"


def test_two_sources_of_one_buyer_are_told(paid: Client) -> None:
    assert counts(pay(paid, source="ledger")) == (8, 0, 0, 0)
    assert "2 sources" in str(summary(paid, "sector")["computed"]["caveats"])
    assert summary(paid, "sector", source="ledger")["total"]["lines"] == 8


def test_nobody_hands_in_what_another_authority_paid(registry: Client) -> None:
    who = identity("registry", role="system", authorities=("E06999002",))
    made = pay(registry, headers=who, source="mine")
    assert counts(made) == (0, 0, 0, 8)
    own = pay(registry, LINES.replace(BUYER, "E06999002"), headers=who, source="mine")
    assert counts(own) == (8, 0, 0, 0)
    supplier = registry.items("/v1/spend/suppliers", params={"buyer": "E06999002"})[0]["id"]
    other = identity("registry", role="system", authorities=(BUYER,))
    answer = registry.post(f"/v1/spend/suppliers/{supplier}/release", headers=other)
    assert answer.status_code == 403
    reader = identity("registry", role="reader", authorities=(BUYER,))
    assert registry.get("/v1/spend/summary?by=sector", headers=reader).status_code == 200
    assert registry.post(f"/v1/spend/suppliers/{supplier}/release", headers=reader).status_code == 403


@pytest.mark.parametrize(
    "query", ["by=colour", "", "by=sector&level=parish", "by=sector&buyer=E0800009", "by=sector&from=April"]
)
def test_what_cannot_be_asked_is_said(registry: Client, query: str) -> None:
    answer = registry.get(f"/v1/spend/summary?{query}")
    assert answer.status_code == 422, answer.text


def test_lines_come_as_json_too(registry: Client) -> None:
    line = (
        b'{"buyer_code":"E06999001","supplier_name":"A","supplier_id":7,"date":"2025-04-01",'
        b'"amount_gbp":-12.5,"category":null,"redacted":"false"}\n'
    )
    made = send(registry, "spend", line, media_type="application/x-ndjson")
    assert counts(made) == (1, 0, 0, 0)
    (shown,) = registry.items("/v1/spend/lines")
    assert (shown["amount_gbp"], shown["supplier_id"], shown["category"]) == (-12.5, "7", None)
