"""Payment rules and statements over the real app, on both databases."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.outcomes.paying import PAYER, document
from tests.outcomes.sending import HEAD, send
from tests.support.http import Client
from tests.support.identity import identity

VISITS = {
    "id": "visits",
    "kind": "activity",
    "items": [{"measure": {"kpi": "visits"}, "prices": [{"price": "10.50"}]}],
}
KPIS = "id,name,unit,polarity,level,perspective\nvisits,Home visits,visits,higher,activity,inward\n"


@pytest.fixture
def ruled(outcomes: Client) -> Client:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", HEAD + "visits,organisation:A,2025-04,4\n")
    assert put(outcomes, document(VISITS)).status_code == 201
    return outcomes


def put(client: Client, body: Any, id: str = "families", **options: Any) -> Any:
    return client.put(f"/v1/payment-rules/{id}", json=body, **options)


def issue(client: Client, period: str = "2025-Q2", **fields: Any) -> Any:
    return client.post("/v1/statements", json={"rule": "families", "period": period, **fields})


def test_a_rule_comes_back_as_it_was_written_and_fits_its_schema(ruled: Client) -> None:
    held = ruled.get("/v1/payment-rules/families").json()
    assert (held["version"], held["valid_from"]) == (1, "2025-04-01")
    assert held["rule"]["parts"][0]["items"][0]["prices"][0]["price"] == "10.50"
    schema = ruled.get("/v1/payment-rules/schema").json()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document(VISITS))
    assert not Draft202012Validator(schema).is_valid(document({"id": "x", "kind": "flat"}))


def test_a_rule_that_cannot_be_computed_is_refused_by_its_places(outcomes: Client) -> None:
    broken = document(VISITS, {"id": "p", "kind": "pot", "of": ["nothing"]})
    answer = put(outcomes, broken)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/parts/1", "/parts/1/of/0"}
    assert outcomes.get("/v1/payment-rules/families").status_code == 404
    assert put(outcomes, document({"id": "x", "kind": "flat"})).status_code == 422
    for price in ("NaN", "Infinity", "1e999999", "1e13", "0.00000000000001"):
        part = {**VISITS, "items": [{"measure": {"kpi": "visits"}, "prices": [{"price": price}]}]}
        assert put(outcomes, document(part)).status_code == 422, price


def test_a_statement_explains_every_penny_down_to_the_observation(ruled: Client) -> None:
    made = issue(ruled)
    assert made.status_code == 201, made.text
    statement = ruled.get(made.headers["Location"]).json()
    assert (statement["total"], statement["state"], statement["rule_version"]) == (42.0, "issued", 1)
    (line,) = statement["lines"]
    assert (line["payer"], line["contributor"], line["amount"]) == (PAYER, "organisation:A", 42.0)
    assert line["steps"] == [
        {"says": "visits, 2025-04, at the price of 2025-04-01", "arithmetic": "4 × 10.50", "result": "42"}
    ]
    (used,) = line["observations"]
    assert (used["kpi"], used["subject"], used["period"], used["value"]) == (
        "visits",
        "organisation:A",
        "2025-04",
        "4",
    )
    assert ruled.items(f"/v1/statements/{statement['id']}/lines") == [line]
    assert [one["id"] for one in ruled.items("/v1/statements", params={"rule": "families"})] == [
        statement["id"]
    ]


def test_figures_that_are_missing_are_named_and_must_be_accepted(ruled: Client) -> None:
    refused = issue(ruled, "2025-Q3")
    assert refused.status_code == 422
    assert "no observation of visits of organisation:A within 2025-Q3" in refused.text
    accepted = issue(ruled, "2025-Q3", accept_missing=True).json()
    assert (accepted["total"], len(accepted["missing"])) == (0.0, 1)


def test_a_correction_after_payment_is_a_statement_of_its_own(ruled: Client) -> None:
    first = issue(ruled).json()
    assert issue(ruled).status_code == 409
    send(ruled, "observations", HEAD + "visits,organisation:A,2025-04,3\n")
    second = issue(ruled).json()
    assert (second["adjusts"], second["total"], second["period_total"]) == (first["id"], -10.5, 31.5)
    assert second["lines"][0]["steps"][-1] == {
        "says": "as computed now, less what was issued",
        "arithmetic": "31.50 − 42.00",
        "result": "-10.5",
    }
    unchanged = ruled.get(f"/v1/statements/{first['id']}").json()
    assert (unchanged["total"], unchanged["period_total"]) == (42.0, 31.5)
    assert issue(ruled).status_code == 409


def test_a_statement_is_disputed_approved_and_paid_and_then_stands(ruled: Client) -> None:
    id = issue(ruled).json()["id"]

    def move(state: str, **body: Any) -> Any:
        tag = ruled.get(f"/v1/statements/{id}").headers["ETag"]
        return ruled.post(
            f"/v1/statements/{id}/state", json={"state": state, **body}, headers={"If-Match": tag}
        )

    assert ruled.post(f"/v1/statements/{id}/state", json={"state": "paid"}).status_code == 428
    assert move("paid").status_code == 409
    assert move("disputed", reason="Four visits were three").status_code == 200
    assert move("approved").status_code == 200
    done = move("paid").json()
    assert [(event["state"], event["reason"]) for event in done["events"]] == [
        ("issued", None),
        ("disputed", "Four visits were three"),
        ("approved", None),
        ("paid", None),
    ]
    assert move("withdrawn").status_code == 409
    stale = ruled.post(
        f"/v1/statements/{id}/state", json={"state": "disputed"}, headers={"If-Match": '"old"'}
    )
    assert stale.status_code == 412


def test_a_withdrawn_statement_no_longer_counts(ruled: Client) -> None:
    first = issue(ruled)
    tag = first.headers["ETag"]
    withdrawn = ruled.post(
        f"/v1/statements/{first.json()['id']}/state", json={"state": "withdrawn"}, headers={"If-Match": tag}
    )
    assert withdrawn.json()["period_total"] == 0.0
    again = issue(ruled).json()
    assert (again["total"], again["adjusts"], again["sequence"]) == (42.0, None, 1)


def test_a_new_version_holds_for_what_was_not_yet_paid(ruled: Client) -> None:
    issue(ruled)
    dearer = document({**VISITS, "items": [{"measure": {"kpi": "visits"}, "prices": [{"price": 20}]}]})
    assert put(ruled, dearer).status_code == 428
    tag = {"If-Match": ruled.get("/v1/payment-rules/families").headers["ETag"]}
    assert put(ruled, dearer, headers=tag, params={"valid_from": "2025-06-01"}).status_code == 422
    assert put(ruled, dearer, headers=tag).json()["valid_from"] == "2025-07-01"
    assert put(ruled, dearer, headers=tag).status_code == 412
    send(ruled, "observations", HEAD + "visits,organisation:A,2025-07,4\nvisits,organisation:A,2025-04,5\n")
    assert issue(ruled, "2025-Q3").json()["total"] == 80.0
    # The correction of the second quarter is at the price that it was paid by.
    assert issue(ruled).json()["total"] == 10.5
    assert [row["version"] for row in ruled.items("/v1/payment-rules/families/versions")] == [1, 2]
    replayed = ruled.post("/v1/payment-rules/families/replay", json={"to": "2025-09-30"}).json()
    assert [row["issued"] for row in replayed["items"]] == [row["current"] for row in replayed["items"]]
    assert replayed["issued"] == replayed["current"] == 132.5


def test_a_draft_is_replayed_beside_what_was_issued(ruled: Client) -> None:
    issue(ruled)
    draft = document({"id": "core", "kind": "block", "monthly": 20})
    body = {"draft": draft, "to": "2025-06-30"}
    replayed = ruled.post("/v1/payment-rules/families/replay", json=body).json()
    (row,) = replayed["items"]
    assert (row["issued"], row["current"], row["draft"], row["difference"]) == (42.0, 42.0, 60.0, 18.0)


def test_totals_are_the_same_by_any_grouping(ruled: Client) -> None:
    issue(ruled)
    issue(ruled, "2025-Q3", accept_missing=True)
    sums = {
        by: ruled.get("/v1/statements/totals", params={"by": by}).json()
        for by in ("payer", "contributor", "part", "period", "rule")
    }
    assert {answer["total"] for answer in sums.values()} == {42.0}
    assert all(sum(row["total"] for row in answer["items"]) == answer["total"] for answer in sums.values())


def test_a_rule_with_statements_stays(ruled: Client) -> None:
    issue(ruled)
    tag = {"If-Match": ruled.get("/v1/payment-rules/families").headers["ETag"]}
    assert ruled.delete("/v1/payment-rules/families", headers=tag).status_code == 409
    put(ruled, document(VISITS), id="unused")
    tag = {"If-Match": ruled.get("/v1/payment-rules/unused").headers["ETag"]}
    assert ruled.delete("/v1/payment-rules/unused", headers=tag).status_code == 204
    assert ruled.get("/v1/payment-rules/unused").status_code == 404


def test_only_the_payers_see_a_rule_and_its_statements(ruled: Client) -> None:
    statement = issue(ruled).json()["id"]
    other = identity("outcomes", role="commissioner", authorities=("E06999002",))
    for path in (
        "/v1/payment-rules/families",
        "/v1/payment-rules/families/versions",
        f"/v1/statements/{statement}",
        f"/v1/statements/{statement}/lines",
    ):
        assert ruled.get(path, headers=other).status_code == 404, path
    assert ruled.get("/v1/payment-rules", headers=other).json()["items"] == []
    assert ruled.get("/v1/statements", headers=other).json()["items"] == []
    assert ruled.get("/v1/statements/totals", headers=other).json()["total"] == 0.0
    unseen = ruled.get("/v1/payment-rules/nothing", headers=other)
    assert unseen.text == ruled.get("/v1/payment-rules/families", headers=other).text
    assert put(ruled, document(VISITS), headers=other).status_code in (403, 404)
    assert put(ruled, document(VISITS), id="theirs", headers=other).status_code == 403
    move = {"json": {"state": "approved"}, "headers": {**other, "If-Match": "*"}}
    assert ruled.post(f"/v1/statements/{statement}/state", **move).status_code == 404
    system = identity("outcomes", role="system", authorities=(PAYER,))
    assert ruled.get("/v1/statements", headers=system).status_code == 403
    own = identity("outcomes", role="commissioner", authorities=(PAYER,))
    assert ruled.get(f"/v1/statements/{statement}", headers=own).status_code == 200


def test_a_draft_is_linted_without_being_kept(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    linted = outcomes.post("/v1/payment-rules/lint", json=document(VISITS))
    assert linted.status_code == 200, linted.text
    assert [finding["rule"] for finding in linted.json()["items"]] == ["no-user-voice", "no-limit"]
    assert all(finding["reason"] and finding["mend"] for finding in linted.json()["items"])
    assert outcomes.get("/v1/payment-rules").json()["items"] == []


def test_a_state_that_comes_back_is_another_one(ruled: Client) -> None:
    """Who read the first dispute has not read why it is disputed again."""
    address = f"/v1/statements/{issue(ruled).json()['id']}"

    def move(state: str, tag: str) -> Any:
        sent = {"state": state, "reason": "as agreed"}
        return ruled.post(f"{address}/state", json=sent, headers={"If-Match": tag})

    disputed = move("disputed", "*").headers["etag"]
    approved = move("approved", disputed).headers["etag"]
    again = move("disputed", approved)
    assert again.status_code == 200, again.text
    assert ruled.get(address, headers={"If-None-Match": disputed}).status_code == 200
    assert move("withdrawn", disputed).status_code == 412
    assert move("withdrawn", again.headers["etag"]).status_code == 200
