"""Paying for results, through the gateway: each test is a story, its name the sentence."""

import time
from typing import Any

import pytest

from tests.outcomes.paying import document
from tests.support.platform import Platform

TRAVELLING, MILLBROOK = "E06999001", "E06999002"
KPIS = """id,name,unit,polarity,level,perspective,frequency,aggregation
jobs,Jobs kept for six months,people,higher,outcome,outward,quarterly,sum
reconvictions,Reconvictions per 100,per 100,lower,outcome,outward,annual,mean
happy,Users who are content,%,higher,outcome,user_voice,quarterly,mean
spend,Cost of care,£,lower,input,inward,quarterly,sum
overhead,Overhead,GBP,lower,input,inward,quarterly,sum
high,People at high risk,people,neutral,input,inward,quarterly,sum
low,People at low risk,people,neutral,input,inward,quarterly,sum
"""
A, B = "organisation:A", "organisation:B"


@pytest.fixture(scope="module")
def paying(empty_platform: Platform) -> Platform:
    assert empty_platform.send("kpis", KPIS).json()["counts"]["quarantined"] == 0
    return empty_platform


def observe(platform: Platform, *rows: str) -> None:
    done = platform.send("observations", "kpi,subject,period,value\n" + "\n".join(rows) + "\n")
    assert done.json()["counts"]["quarantined"] == 0, done.text


def ruled(platform: Platform, id: str, *parts: Any, **fields: Any) -> None:
    answer = platform.client.put(f"/v1/payment-rules/{id}", json=document(*parts, **fields))
    assert answer.status_code == 201, answer.text


def issued(platform: Platform, rule: str, period: str = "2025-Q2") -> Any:
    answer = platform.client.post("/v1/statements", json={"rule": rule, "period": period})
    assert answer.status_code == 201, answer.text
    return answer.json()


def linted(platform: Platform, *parts: Any, **fields: Any) -> dict[str, Any]:
    answer = platform.client.post("/v1/payment-rules/lint", json=document(*parts, **fields))
    assert answer.status_code == 200, answer.text
    return {finding["rule"]: finding for finding in answer.json()["items"]}


def by(statement: Any, field: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for line in statement["lines"]:
        sums[line[field]] = round(sums.get(line[field], 0) + line["amount"], 2)
    return sums


def jobs(**fields: Any) -> dict[str, Any]:
    return {
        "id": "jobs",
        "kind": "outcome",
        "measure": {"kpi": "jobs"},
        "prices": [{"price": 500}],
    } | fields


def test_one_outcome_two_paying_authorities_split_to_the_penny(paying):
    observe(paying, "jobs,contract:s3,2025-Q2,1")
    ruled(
        paying,
        "s3",
        jobs(measure={"kpi": "jobs", "subject": "contract:s3"}, prices=[{"price": "100.01"}]),
        payers=[{"authority": TRAVELLING, "share": "0.5"}, {"authority": MILLBROOK, "share": "0.5"}],
    )
    statement = issued(paying, "s3")
    assert statement["total"] == 100.01
    assert by(statement, "payer") == {TRAVELLING: 50.01, MILLBROOK: 50.0}


def test_a_shared_outcome_pays_contributors_their_agreed_shares_which_must_sum_to_1(paying):
    observe(paying, "jobs,cohort:n9,2025-Q2,3")
    joint = jobs(measure={"kpi": "jobs", "subject": "cohort:n9"}, prices=[{"price": 100}])
    shares = [{"subject": A, "share": "0.7"}, {"subject": B, "share": "0.2"}]
    refused = paying.client.put("/v1/payment-rules/n9", json=document(joint, contributors=shares))
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/contributors", "reason": "the shares must sum to 1"}]
    shares[1]["share"] = "0.3"
    ruled(paying, "n9", joint, contributors=shares)
    assert by(issued(paying, "n9"), "contributor") == {A: 210.0, B: 90.0}


def test_a_10_percent_weight_on_satisfaction_moves_the_payment_by_exactly_that_rule(paying):
    observe(paying, "happy,organisation:A,2025-Q2,70")
    heard = {
        "id": "heard",
        "kind": "satisfaction",
        "of": ["core"],
        "measure": {"kpi": "happy"},
        "weight": "0.1",
        "floor": 60,
        "target": 80,
    }
    ruled(paying, "s5", {"id": "core", "kind": "block", "monthly": 1000}, heard)
    # Halfway from 60 to 80: half of the tenth that is at stake.
    assert issued(paying, "s5")["total"] == 3000 * (1 - 0.1 + 0.1 * 0.5)


def test_gain_and_loss_share_with_cap_and_collar(paying):
    observe(
        paying,
        "spend,contract:s6,2025-Q2,80000",
        "spend,contract:s6,2025-Q3,98000",
        "spend,contract:s6,2025-Q4,150000",
    )
    share = {
        "id": "gain",
        "kind": "gain_share",
        "cost": {"kpi": "spend", "subject": "contract:s6"},
        "target_cost": 100_000,
        "share": "0.4",
        "cap": 5_000,
        "collar": 3_000,
    }
    ruled(paying, "s6", share)
    assert [issued(paying, "s6", f"2025-Q{n}")["total"] for n in (2, 3, 4)] == [5_000.0, 800.0, -3_000.0]


def test_risk_weights_normalise_to_1_and_payments_sum_to_the_pot(paying):
    observe(
        paying,
        "high,organisation:A,2025-Q2,30",
        "low,organisation:A,2025-Q2,10",
        "high,organisation:B,2025-Q2,5",
        "low,organisation:B,2025-Q2,72",
    )
    groups = [
        {"name": "high", "weight": "2.7", "people": {"kpi": "high"}},
        {"name": "low", "weight": "0.4", "people": {"kpi": "low"}},
    ]
    two = [{"subject": A, "share": "0.5"}, {"subject": B, "share": "0.5"}]
    ruled(
        paying,
        "t9",
        {"id": "heads", "kind": "capitation", "pot": "99999.99", "groups": groups},
        contributors=two,
    )
    statement = issued(paying, "t9")
    assert statement["total"] == 99_999.99
    scale = next(
        step for step in statement["lines"][0]["steps"] if step["says"] == "weights scaled to 1 on average"
    )
    mean = float(scale["result"]) * (35 * 2.7 + 82 * 0.4) / 117
    assert mean == pytest.approx(1, abs=1e-9)


def test_the_contract_linter_names_each_known_mistake_with_its_rule(paying):
    found = linted(
        paying,
        jobs(trigger_pct=10, amount=50_000, prices=[], baseline=20, controlled=False),
        jobs(id="more"),
        {"id": "pot", "kind": "pot", "of": ["more"], "maximum": 100_000},
        contributors=[{"subject": A, "share": 1, "sector": "charity"}],
        context={
            "previous_value": 120_000,
            "award_criteria": {"price": 80, "quality": 20},
            "prescribed_inputs": ["One adviser for every forty people"],
            "staggered_start": False,
        },
    )
    assert found.keys() >= {
        "maximum-at-or-below-old-value",
        "all-on-outcomes",
        "price-only",
        "risk-nobody-controls",
        "inputs-prescribed-beside-outcomes",
        "no-staggered-start",
        "no-baseline",
        "cliff",
        "short-term-for-third-sector",
    }
    assert found["cliff"]["pointer"] == "/parts/0"
    assert found["no-baseline"]["pointer"] == "/parts/1/baseline"


def test_an_outcome_pot_with_floor_and_ceiling(paying):
    two = [{"subject": A, "share": "0.5"}, {"subject": B, "share": "0.5"}]
    pot = {"id": "pot", "kind": "pot", "of": ["jobs"], "minimum": 50_000, "maximum": 100_000}
    observe(paying, "jobs,organisation:A,2025-Q2,30", "jobs,organisation:B,2025-Q2,10")
    observe(paying, "jobs,organisation:A,2025-Q3,300", "jobs,organisation:B,2025-Q3,100")
    ruled(paying, "p2", jobs(prices=[{"price": 1000}]), pot, contributors=two)
    assert by(issued(paying, "p2"), "contributor") == {A: 37_500.0, B: 12_500.0}
    assert issued(paying, "p2", "2025-Q3")["total"] == 100_000.0


def test_a_price_from_1_july_never_alters_a_june_claim(paying):
    observe(paying, "jobs,contract:p3,2025-06,2")
    item = {"measure": {"kpi": "jobs", "subject": "contract:p3"}, "prices": [{"price": 500}]}
    ruled(paying, "p3", {"id": "jobs", "kind": "activity", "items": [item]}, cadence="month")
    before = issued(paying, "p3", "Jun 2025")["total"]
    dearer = {**item, "prices": [{"price": 500}, {"price": 900, "since": "2025-07-01"}]}
    body = document({"id": "jobs", "kind": "activity", "items": [dearer]}, cadence="month")
    tag = paying.client.get("/v1/payment-rules/p3").headers["ETag"]
    put = paying.client.put("/v1/payment-rules/p3", json=body, headers={"If-Match": tag})
    assert put.status_code == 200, put.text
    unchanged = paying.client.post("/v1/statements", json={"rule": "p3", "period": "Jun 2025"})
    assert (before, unchanged.status_code) == (1000.0, 409)
    observe(paying, "jobs,contract:p3,2025-06,3", "jobs,contract:p3,2025-07,1")
    # The third job of June is paid late, and still at June's price.
    assert issued(paying, "p3", "Jun 2025")["total"] == 500.0
    assert issued(paying, "p3", "Jul 2025")["total"] == 900.0


def test_an_outcome_net_of_baseline_as_in_peterborough_where_the_10_percent_trigger_is_not_met(paying):
    observe(paying, "reconvictions,cohort:p5,2025-Q2,142", "reconvictions,cohort:control,2025-Q2,155")
    cohort = jobs(
        measure={"kpi": "reconvictions", "subject": "cohort:p5"},
        better="lower",
        baseline={"kpi": "reconvictions", "subject": "cohort:control"},
        trigger_pct=10,
        amount=1_000_000,
        prices=[],
    )
    ruled(paying, "p5", cohort)
    statement = issued(paying, "p5")
    steps = {step["says"]: step["result"] for step in statement["lines"][0]["steps"]}
    reduction = float(steps["in percent of the baseline; the trigger of 10 % is not met"])
    assert (round(reduction, 1), statement["total"]) == (8.4, 0.0)


def test_a_kpi_set_with_only_cost_measures_is_flagged(paying):
    def card(*kpis: str) -> dict[str, Any]:
        items = [{"measure": {"kpi": kpi}, "prices": [{"price": 1}]} for kpi in kpis]
        return {"id": "card", "kind": "rate_card", "items": items}

    assert "only-cost-measures" in linted(paying, card("spend", "overhead"))
    assert "only-cost-measures" not in linted(paying, card("spend", "jobs"))


def test_the_largest_step_per_unit_in_a_payment_curve_is_reported(paying):
    ruled(paying, "p7", jobs(baseline=20, trigger_pct=10, amount=50_000, prices=[]))
    (curve,) = paying.get("/v1/payment-rules/p7/curves")["curves"]
    assert (curve["largest_step"], curve["from_units"], curve["to_units"]) == (50_000.0, 21.0, 22.0)


def test_bunching_at_a_threshold_is_tested(paying):
    even = [f"happy,service:even-{n},2025-Q1,{60 + n / 2}" for n in range(80)]
    observe(paying, *even)
    asked = {"threshold": 80, "width": 5, "from": "2025-01-01", "to": "2025-03-31"}
    before = paying.get("/v1/kpis/happy/bunching", **asked)
    assert (before["below"], before["at_or_above"], before["suspicious"]) == (10, 10, False)
    observe(paying, *[f"happy,service:kind-{n},2025-Q1,80.4" for n in range(20)])
    after = paying.get("/v1/kpis/happy/bunching", **asked)
    assert after["suspicious"]
    assert after["p_value"] < 0.05


def test_an_observation_under_the_msl_opens_one_breach_recovery_closes_it_re_sending_the_file_changes_nothing(
    paying,
):
    paying.send(
        "kpis",
        "id,name,unit,polarity,level,perspective,frequency,aggregation,target,minimum\n"
        "seen,Seen within four weeks,%,higher,outcome,outward,monthly,mean,99,95\n",
    )
    under = ("seen,contract:n5,2025-04,96", "seen,contract:n5,2025-05,94", "seen,contract:n5,2025-06,93")
    observe(paying, *under)
    (breach,) = paying.items("/v1/breaches", subject="contract:n5")
    assert (breach["status"], breach["opened"]["period"], breach["periods"]) == ("open", "2025-05", 2)
    recovery = (*under, "seen,contract:n5,2025-07,97")
    observe(paying, *recovery)
    (closed,) = paying.items("/v1/breaches", subject="contract:n5")
    assert (closed["id"], closed["status"], closed["closed"]["period"]) == (breach["id"], "closed", "2025-07")
    observe(paying, *recovery)
    assert paying.items("/v1/breaches", subject="contract:n5") == [closed]


def test_cost_per_outcome_with_interval_per_provider_suppressed_when_n_is_below_5(paying):
    observe(
        paying,
        "jobs,service:s4,2025-Q2,40",
        "spend,service:s4,2025-Q2,20000",
        "jobs,service:few,2025-Q2,4",
        "spend,service:few,2025-Q2,20000",
    )
    shown, few = paying.get(
        "/v1/evaluations/cost-per-outcome",
        cost="spend",
        outcome="jobs",
        subject=["service:s4", "service:few"],
    )["items"]
    assert shown["lower"] < shown["cost_per_outcome"] == 500.0 < shown["upper"]
    assert (few["cost_per_outcome"], few["withheld"]) == (None, "fewer than 5 outcomes: too few to show")


def test_who_invests_who_saves(paying):
    done = paying.send(
        "ledger",
        "scheme,party,kind,period,amount_gbp\n"
        f"falls,{TRAVELLING},invest,2024/25,100000\n"
        "falls,organisation:NHS,save,2025/26,160000\n",
    )
    assert done.json()["counts"]["accepted"] == 2
    scheme = paying.get("/v1/ledgers/falls")
    nets = {party["party"]: party["net"] for party in scheme["parties"]}
    assert nets == {TRAVELLING: -100_000.0, "organisation:NHS": 160_000.0}
    assert scheme["together"]["break_even"] == "2025/26"


def test_a_staggered_start_with_a_comparison_cohort(paying):
    wobble = (0.1, -0.2, 0.3, 0.0, -0.1, 0.2)
    rows = [
        f"reconvictions,cohort:p12-{place},{year},{50 + place + wobble[(place + year) % 6] - 5 * treated}"
        for place in range(9)
        for year in range(2019, 2026)
        for treated in [(place < 3 and year >= 2022) or (3 <= place < 6 and year >= 2024)]
    ]
    observe(paying, *rows)
    first = [{"subject": f"cohort:p12-{place}", "start": "2022-01-01"} for place in range(3)]
    second = [{"subject": f"cohort:p12-{place}", "start": "2024-01-01"} for place in range(3, 6)]
    body = {
        "kpi": "reconvictions",
        "treated": first + second,
        "comparison": [f"cohort:p12-{place}" for place in range(6, 9)],
    }
    answer = paying.client.post("/v1/evaluations/difference-in-differences", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [(cohort["start"], cohort["treated"]) for cohort in found["cohorts"]] == [("2022", 3), ("2024", 3)]
    assert found["effect"]["lower"] < -5 < found["effect"]["upper"] < -4
    assert found["pre_trend"] is not None


def test_user_feedback_diverging_from_targets_is_flagged(paying):
    rows = [f"spend,service:p8,2025-Q{q},{40000 - 4000 * q}" for q in range(1, 5)]
    rows += [f"happy,service:p8,2025-Q{q},{90 - 6 * q}" for q in range(1, 5)]
    observe(paying, *rows)
    (flagged,) = paying.get("/v1/divergences", subject="service:p8")["items"]
    assert (flagged["better"]["kpi"], flagged["worse"]["kpi"]) == ("spend", "happy")
    assert "what users say" in flagged["says"]


def test_an_observation_below_the_minimum_performance_of_the_work_programme_is_a_breach_of_six_points(paying):
    # The National Audit Office's figures: 27 % of jobseekers in sustained jobs, against a minimum of 33 %.
    paying.send(
        "kpis",
        "id,name,unit,polarity,level,perspective,frequency,aggregation,target,minimum\n"
        "sustained,Sustained jobs,%,higher,outcome,outward,annual,ratio_of_sums,39,33\n",
    )
    observe(paying, "sustained,contract:wp,2024/25,27")
    (breach,) = paying.items("/v1/breaches", kpi="sustained")
    assert breach["minimum"] - breach["worst"] == 6
    (latest,) = paying.items("/v1/observations/latest", subject="contract:wp")
    # Six points below the minimum, with six from there to the forecast: as far below as the target is above.
    assert latest["attainment"] == -1.0


def test_reserved_slots_by_provider_type_and_how_concentrated_payments_are(paying):
    observe(paying, "jobs,organisation:A,2025-Q2,30", "jobs,organisation:B,2025-Q2,10")
    two = [
        {"subject": A, "share": "0.5", "sector": "private"},
        {"subject": B, "share": "0.5", "sector": "charity"},
    ]
    context = {"reserved": {"charity": "0.3", "mutual": "0.1"}}
    ruled(paying, "p4", jobs(id="p4", prices=[{"price": 100}]), contributors=two, context=context)
    assert issued(paying, "p4")["total"] == 4000.0
    found = paying.get("/v1/payment-rules/p4/concentration")
    sectors = {row["sector"]: (row["share"], row["reserved"], row["met"]) for row in found["items"]}
    assert sectors == {
        "charity": (0.25, 0.3, False),
        "mutual": (0.0, 0.1, False),
        "private": (0.75, None, None),
    }
    # 0.75² + 0.25² of all payments.
    assert found["hhi"] == 6250


def test_one_upload_per_row_receipts(paying):
    sent = "kpi,subject,period,value\njobs,contract:p9,2025-Q2,5\n"
    sent += "jobs,E0800009,2025-Q2,5\njobs,contract:p9,soon,5\n"
    done = paying.send("observations", sent).json()
    assert done["counts"] == {"accepted": 1, "changed": 0, "unchanged": 0, "quarantined": 2}
    receipts = paying.items(done["receipts"], verdict="quarantined")
    assert [(row["line"], row["column"]) for row in receipts] == [(3, "subject"), (4, "period")]
    assert all(row["reason"] for row in receipts)


def test_from_an_outcome_every_contract_and_pound_behind_it(paying):
    paying.send("areas", f"code,name,level,vintage\n{TRAVELLING},Keldermouth,authority,2025\n", source="s2")
    register = (
        "id,title,buyer_name,supplier_name,value,start,end\n"
        "s2,Advice in the north,Keldermouth Council,Advance,120000,2025-04-01,2028-03-31\n"
    )
    made = paying.send("contracts", register, source="s2", authority=TRAVELLING)
    assert made.json()["counts"]["accepted"] == 1, made.text
    (contract,) = paying.items("/v1/contracts", source="s2")
    paying.send(
        "kpis",
        "id,name,leads_to,answered_by\n"
        f"s2.plans,Debt plans kept,,\ns2.advice,Advice given,s2.plans,contract:{contract['id']}\n",
    )
    deadline = time.monotonic() + 60
    while paying.get("/v1/kpis/s2.plans/behind")["value_gbp"] != 120000:
        assert time.monotonic() < deadline, "outcomes did not hear of the contract"
        time.sleep(0.2)
    found = paying.get("/v1/kpis/s2.plans/behind")
    assert [(one["kpi"], one["steps"]) for one in found["kpis"]] == [("s2.plans", 0), ("s2.advice", 1)]
    assert [(one["contract"], one["value_gbp"]) for one in found["contracts"]] == [(contract["id"], 120000.0)]
