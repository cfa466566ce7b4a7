"""Whoever adds statements up, and however, comes to the same; and a replay comes to what was issued."""

from collections import defaultdict
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.outcomes.paying import document
from tests.outcomes.sending import HEAD, send
from tests.support.http import Client

NUMBERS = count(1)
MONTHS = [f"2025-{month:02}" for month in range(4, 13)] + [f"2026-{month:02}" for month in (1, 2, 3)]
GROUPS = ("payer", "contributor", "part", "period")


def shares(percents: list[int]) -> list[str]:
    """Shares that sum to 1, from any positive numbers."""
    whole = sum(percents)
    parts = [Decimal(one * 10_000 // whole) / 10_000 for one in percents]
    return [str(part) for part in (*parts[:-1], 1 - sum(parts[:-1]))]


SPLIT = st.lists(st.integers(1, 99), min_size=1, max_size=4).map(shares)


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    """A rule of several payers and contributors, and what each contributor did in each month."""
    payers = [
        {"authority": f"E0600000{place}", "share": share} for place, share in enumerate(draw(SPLIT), start=1)
    ]
    people = draw(SPLIT)
    price = st.decimals("0.001", "99.999", places=3).map(str)
    prices = [{"price": draw(price)}, {"price": draw(price), "since": draw(st.sampled_from(MONTHS)) + "-01"}]
    done = st.lists(st.integers(0, 500), min_size=len(MONTHS), max_size=len(MONTHS))
    return {
        "payers": payers,
        "people": people,
        "prices": prices,
        "fee": draw(st.decimals("1", "99999.99", places=2).map(str)),
        "cadence": draw(st.sampled_from(["month", "quarter", "financial_year"])),
        "done": [draw(done) for _ in people],
    }


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contracts())
def test_statements_add_up_to_the_same_by_any_partition_and_a_replay_comes_to_what_was_issued(
    walked: Client, contract: dict[str, Any]
) -> None:
    id = f"r{next(NUMBERS)}"
    subjects = [f"organisation:{id}-{place}" for place in range(len(contract["people"]))]
    rows = [
        f"{id},{subject},{month},{value}\n"
        for subject, done in zip(subjects, contract["done"], strict=True)
        for month, value in zip(MONTHS, done, strict=True)
    ]
    send(walked, "observations", HEAD + "".join(rows), define="true")
    rule = document(
        {"id": "fee", "kind": "block", "total": contract["fee"], "months": 12},
        {
            "id": "work",
            "kind": "activity",
            "items": [{"measure": {"kpi": id}, "prices": contract["prices"]}],
        },
        cadence=contract["cadence"],
        payers=contract["payers"],
        contributors=[
            {"subject": subject, "share": share}
            for subject, share in zip(subjects, contract["people"], strict=True)
        ],
    )
    answer = walked.put(f"/v1/payment-rules/{id}", json=rule)
    assert answer.status_code == 201, answer.text
    replayed = walked.post(f"/v1/payment-rules/{id}/replay", json={}).json()
    lines: dict[str, dict[str, Decimal]] = {group: defaultdict(Decimal) for group in GROUPS}
    total = Decimal(0)
    for period in replayed["items"]:
        issued = walked.post("/v1/statements", json={"rule": id, "period": period["period"]})
        assert issued.status_code == 201, issued.text
        statement = issued.json()
        assert statement["total"] == period["current"]
        total += Decimal(str(statement["total"]))
        for line in statement["lines"]:
            for group in GROUPS:
                name = statement["start"] if group == "period" else line[group]
                lines[group][name] += Decimal(str(line["amount"]))
    assert {group: sum(found.values()) for group, found in lines.items()} == dict.fromkeys(GROUPS, total)
    for group in GROUPS:
        told = walked.items("/v1/statements/totals", params={"by": group, "rule": id})
        assert sum(Decimal(str(row["total"])) for row in told) == total
        assert len(told) == len(lines[group])
    again = walked.post(f"/v1/payment-rules/{id}/replay", json={}).json()
    assert Decimal(str(again["current"])) == Decimal(str(again["issued"])) == total
    assert [one["current"] for one in again["items"]] == [one["issued"] for one in again["items"]]
