"""The Procurement Act 2023: duties, ratings, and the draft notice, over the real app on both databases."""

import json
from datetime import date
from typing import Any

import jsonschema
import pytest
from hedgerow_outcomes.domain.frameworks import Linked, behind
from hedgerow_outcomes.domain.procurement import EXEMPTIONS, Agreement, duty, suggested_rating
from hypothesis import given
from hypothesis import strategies as st

from tests.outcomes.knowing import contract, hear, organisation
from tests.outcomes.paying import document
from tests.outcomes.sending import HEAD, send
from tests.support.http import Client
from tests.support.identity import identity

LARGE = Agreement(6_000_000, date(2025, 4, 1), date(2028, 3, 31))


def test_three_kpis_and_an_assessment_a_year_above_five_million():
    found = duty(LARGE, kpis=1, assessed_to=None, at=date(2026, 3, 31))
    assert (found.owes, found.kpis_missing, found.due, found.overdue) == (True, 2, date(2026, 4, 1), False)
    later = duty(LARGE, kpis=3, assessed_to=date(2026, 3, 31), at=date(2027, 4, 1))
    assert (later.kpis_missing, later.due, later.overdue) == (0, date(2027, 3, 31), True)
    last = duty(LARGE, kpis=3, assessed_to=date(2027, 9, 30), at=date(2028, 4, 1))
    # The end comes before twelve months are over.
    assert (last.due, last.overdue) == (date(2028, 3, 31), True)
    assert duty(LARGE, kpis=3, assessed_to=date(2028, 3, 31), at=date(2029, 1, 1)).due is None


def test_termination_calls_for_an_assessment():
    ended = Agreement(6_000_000, date(2025, 4, 1), date(2028, 3, 31), terminated_on=date(2025, 8, 1))
    assert duty(ended, kpis=3, assessed_to=None, at=date(2025, 9, 1)).due == date(2025, 8, 1)


def test_just_five_million_owes_nothing_and_an_unknown_value_is_not_judged():
    start = date(2025, 4, 1)
    assert duty(Agreement(5_000_000, start, None), kpis=0, assessed_to=None, at=start).owes is False
    assert duty(Agreement(5_000_000.01, start, None), kpis=0, assessed_to=None, at=start).owes is True
    assert duty(Agreement(None, start, None), kpis=0, assessed_to=None, at=start).owes is None


@pytest.mark.parametrize("exemption", sorted(EXEMPTIONS))
def test_each_exemption_is_said_with_its_reason(exemption):
    found = duty(
        Agreement(9e6, date(2025, 4, 1), None, exemption=exemption),
        kpis=0,
        assessed_to=None,
        at=date(2027, 1, 1),
    )
    assert (found.owes, found.due) == (False, None)
    assert EXEMPTIONS[exemption] in found.because


@given(st.floats(-5, 5), st.floats(0, 5))
def test_a_better_value_never_suggests_a_worse_rating(value, more):
    order = ["Inadequate", "Requires improvement", "Approaching target", "Good"]
    assert order.index(suggested_rating(value + more)) >= order.index(suggested_rating(value))


def test_a_framework_in_a_circle_ends():
    kpis = {"a": Linked(["b"]), "b": Linked(["a"]), "c": Linked(["b", "nowhere"])}
    assert [(one.kpi, one.steps) for one in behind("a", kpis)] == [("a", 0), ("b", 1), ("c", 2)]
    assert behind("unheard", {})[0].leads_to == []


KPIS = """id,name,unit,polarity,level,perspective,target,minimum,leads_to,answered_by
kept,Jobs kept,%,higher,outcome,outward,60,40,,contract:C1
found,Jobs found,people,higher,output,outward,100,50,kept,contract:C1;network:N1
advice,Advice given,hours,higher,activity,inward,,,found,service:S9
grant,Grant,£,neutral,input,inward,,,advice,contract:C2
heard,Users content,%,higher,outcome,user_voice,90,70,,contract:C1
"""


@pytest.fixture
def contracted(outcomes: Client, outcomes_url: str) -> Client:
    hear(
        outcomes_url,
        organisation("council", "Keldermouth Council", "GB-LAE:KEL"),
        organisation("harbour", "Harbour <Trust>", "GB-CHC:1234567"),
        contract("C1"),
        contract("C2", value_gbp=250_000.0, service_ids=[], published=False),
        contract("C3", published=False, authority_code="E06999002"),
    )
    send(outcomes, "kpis", KPIS)
    rows = "kept,contract:C1,2025-Q2,55\nkept,contract:C1,2025-Q3,66\nfound,contract:C1,2025-Q3,30\n"
    send(outcomes, "observations", HEAD + rows)
    return outcomes


def test_which_contracts_owe_kpis_and_by_when(contracted: Client) -> None:
    duties = {row["contract"]: row for row in contracted.items("/v1/performance-duties?at=2026-05-01")}
    assert duties.keys() == {"C1", "C2", "C3"}
    large = duties["C1"]
    assert (large["owes"], large["kpis"], large["kpis_missing"]) == (True, ["found", "heard", "kept"], 0)
    assert (large["due"], large["overdue"]) == ("2026-04-01", True)
    assert (duties["C2"]["owes"], duties["C3"]["kpis_missing"]) == (False, 3)
    reader = identity("outcomes", role="reader", authorities=("E06999001",))
    seen = {row["contract"]: row for row in contracted.items("/v1/performance-duties", headers=reader)}
    assert seen.keys() == {"C1", "C2"}
    assert {row["owes"] for row in seen.values()} == {None}


def test_of_another_authoritys_contract_nothing_is_told(contracted: Client, outcomes_url: str) -> None:
    # Neither its value nor its figures are to be known, and to say that it has none would be false.
    hear(outcomes_url, contract("C4", authority_code=None), after=5)
    stranger = identity("outcomes", role="commissioner", authorities=("E06999003",))
    duties = contracted.items("/v1/performance-duties", headers=stranger)
    assert [(row["contract"], row["owes"]) for row in duties] == [("C4", None)]
    assert "6,000,000" not in json.dumps(duties)
    for path in ("", "/page", "/assessments"):
        url = f"/v1/contracts/{{}}/performance-notice{path}"
        told, expected = (contracted.get(url.format(id), headers=stranger) for id in ("C1", "C9"))
        assert (told.status_code, told.text) == (404, expected.text)
    behind = contracted.get("/v1/kpis/kept/behind", headers=stranger).json()
    assert [(one["contract"], one["title"], one["value_gbp"]) for one in behind["contracts"]] == [
        ("C1", "Contract C1", None),
        ("C2", None, None),
    ]
    assert behind["value_gbp"] == 0
    own = identity("outcomes", role="commissioner", authorities=("E06999001",))
    assert contracted.get("/v1/kpis/kept/behind", headers=own).json()["value_gbp"] == 6_250_000.0
    duties = {row["contract"]: row["owes"] for row in contracted.items("/v1/performance-duties", headers=own)}
    assert duties == {"C1": True, "C2": False, "C4": None}


def test_a_draft_notice_carries_its_figures_and_is_ocds_shaped(contracted: Client) -> None:
    at = {"period": "2025/26", "at": "2026-04-01"}
    found = contracted.get("/v1/contracts/C1/performance-notice", params=at).json()
    by_kpi = {one["kpi"]: one for one in found["assessments"]}
    assert (by_kpi["kept"]["value"], by_kpi["kept"]["period"]) == (66.0, "2025-Q3")
    suggested = {kpi: one["suggested_rating"] for kpi, one in by_kpi.items()}
    assert suggested == {"kept": "Good", "found": "Inadequate", "heard": "Other"}
    assert "a value of heard in the period" in found["missing"]
    (made,) = found["release"]["contracts"]
    observation = made["implementation"]["metrics"][0]["observations"][0]
    assert observation["period"]["startDate"] == "2025-04-01T00:00:00Z"
    assert found["release"]["buyer"]["name"] == "Keldermouth Council"


def test_the_draft_release_is_valid_ocds(contracted: Client, shared: Any) -> None:
    folder = shared / "conformance/schemas/ocds-1.1/schema"
    schema = json.loads((folder / "dereferenced-release-schema.json").read_text())
    found = contracted.get("/v1/contracts/C1/performance-notice", params={"period": "2025/26"}).json()
    jsonschema.Draft4Validator(schema).validate(found["release"])


def test_a_rating_given_stands_in_the_notice_and_moves_the_next_one(contracted: Client) -> None:
    at = {"period": "2025/26", "at": "2026-04-02"}
    before = contracted.get("/v1/contracts/C1/performance-notice", params=at).json()
    assert before["duty"]["overdue"]
    body = {"kpi": "kept", "period": "2025/26", "rating": "Good", "reason": "All but one kept theirs"}
    url = "/v1/contracts/C1/performance-notice/assessments"
    assert contracted.post(url, json=body).status_code == 201
    assert contracted.post(url, json={**body, "rating": "Approaching target"}).status_code == 200
    after = contracted.get("/v1/contracts/C1/performance-notice", params=at).json()
    kept = next(one for one in after["assessments"] if one["kpi"] == "kept")
    assert (kept["rating"], kept["reason"]) == ("Approaching target", "All but one kept theirs")
    assert (after["duty"]["due"], after["duty"]["overdue"]) == ("2027-03-31", False)
    (listed,) = contracted.items(url)
    assert (listed["rating"], listed["start"]) == ("Approaching target", "2025-04-01")
    for wrong in ({"rating": "Great"}, {"period": "soon"}):
        assert contracted.post(url, json={**body, **wrong}).status_code == 422
    assert contracted.post(url, json={**body, "kpi": "unheard"}).status_code == 404


def test_an_exemption_is_said_with_its_reason_and_taken_back(contracted: Client) -> None:
    url = "/v1/contracts/C1/performance-notice/exemption"
    said = contracted.put(url, json={"exemption": "light-touch", "reason": "Schedule 1, social care"}).json()
    assert (said["owes"], said["exemption"], said["exemption_reason"]) == (
        False,
        "light-touch",
        "Schedule 1, social care",
    )
    tag = contracted.get(url.rpartition("/")[0]).headers["etag"]
    other = {"exemption": "concession", "reason": "Regulation 4"}
    assert contracted.put(url, json=other).status_code == 428
    assert contracted.put(url, json=other, headers={"If-None-Match": "*"}).status_code == 412
    changed = contracted.put(url, json=other, headers={"If-Match": tag})
    assert changed.json()["exemption"] == "concession"
    back = {"exemption": None}
    assert contracted.put(url, json=back, headers={"If-Match": tag}).status_code == 412
    taken = contracted.put(url, json=back, headers={"If-Match": changed.headers["etag"]})
    assert taken.json()["owes"] is True
    assert contracted.put(url, json=back, headers={"If-Match": changed.headers["etag"]}).status_code == 412
    assert contracted.put(url, json={"exemption": "mood"}).status_code == 422


def test_only_the_authority_of_a_contract_speaks_for_it(contracted: Client, outcomes_url: str) -> None:
    other = identity("outcomes", role="commissioner", authorities=("E06999002",))
    body = {"kpi": "kept", "period": "2025/26", "rating": "Good"}
    url = "/v1/contracts/{}/performance-notice"
    assert contracted.post(url.format("C1") + "/assessments", json=body, headers=other).status_code == 404
    hear(outcomes_url, contract("C4", authority_code=None), after=5)
    assert contracted.post(url.format("C4") + "/assessments", json=body, headers=other).status_code == 403
    hidden = contracted.get(url.format("C2"), headers=other)
    assert hidden.status_code == 404
    assert hidden.text == contracted.get(url.format("C9"), headers=other).text
    coordinator = identity("outcomes", role="coordinator", authorities=("E06999001",))
    assert (
        contracted.post(url.format("C1") + "/assessments", json=body, headers=coordinator).status_code == 403
    )


def test_the_page_to_print_escapes_names_and_needs_no_script(contracted: Client) -> None:
    page = contracted.get("/v1/contracts/C1/performance-notice/page", params={"period": "2025/26"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Harbour &lt;Trust&gt;" in page.text
    assert "<script" not in page.text
    assert "Jobs kept" in page.text
    assert "66 (2025-Q3)" in page.text


def test_from_an_outcome_every_contract_service_and_pound_behind_it(contracted: Client) -> None:
    visits = {
        "id": "jobs",
        "kind": "activity",
        "items": [{"measure": {"kpi": "found", "subject": "contract:C1"}, "prices": [{"price": 10}]}],
    }
    rule = document(visits, contract="contract:C1")
    assert contracted.put("/v1/payment-rules/r", json=rule).status_code == 201
    assert contracted.post("/v1/statements", json={"rule": "r", "period": "2025-Q3"}).status_code == 201
    found = contracted.get("/v1/kpis/kept/behind").json()
    assert [(one["kpi"], one["steps"]) for one in found["kpis"]] == [
        ("kept", 0),
        ("found", 1),
        ("advice", 2),
        ("grant", 3),
    ]
    contracts = {one["contract"]: (one["value_gbp"], one["paid_gbp"]) for one in found["contracts"]}
    assert contracts == {"C1": (6_000_000.0, 300.0), "C2": (250_000.0, None)}
    assert (found["services"], found["networks"]) == (["S1", "S9"], ["N1"])
    assert (found["value_gbp"], found["paid_gbp"]) == (6_250_000.0, 300.0)
    reader = identity("outcomes", role="reader", authorities=("E06999001",))
    unseen = contracted.get("/v1/kpis/kept/behind", headers=reader).json()
    assert (unseen["value_gbp"], unseen["contracts"][0]["value_gbp"]) == (None, None)
    near = contracted.get("/v1/kpis/kept/behind", params={"steps": 1}).json()
    assert [one["kpi"] for one in near["kpis"]] == ["kept", "found"]
    assert contracted.get("/v1/kpis/unheard/behind").status_code == 404
