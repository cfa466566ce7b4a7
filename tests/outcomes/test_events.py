"""The feed of events: what happened, once each, in the order of commit."""

import threading
from datetime import date
from typing import Any

from hedgerow_kit.db import Database
from hedgerow_outcomes.actions.lateness import tell_late

from tests.outcomes.knowing import area, contract, hear
from tests.outcomes.paying import PAYER, document
from tests.outcomes.sending import HEAD, send
from tests.outcomes.test_breaches import KPIS, SENT
from tests.support.http import Client
from tests.support.identity import identity

SEEN = {
    "id": "seen",
    "kind": "activity",
    "items": [{"measure": {"kpi": "seen"}, "prices": [{"price": 100}]}],
}


def events(client: Client, **asked: Any) -> list[dict[str, Any]]:
    """All events after a number, read page by page as a subscriber would."""
    found: list[dict[str, Any]] = []
    while True:
        answer = client.get("/v1/outcome-events", params={"limit": 2, **asked})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        asked |= {"after": page["position"], "mark": page["mark"]}


def said(found: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("hedgerow.") for event in found]


def test_a_breach_is_told_when_it_opens_when_it_changes_and_when_it_closes(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    months = [HEAD + row for row in SENT.removeprefix(HEAD).splitlines(keepends=True)]
    for month in months:
        send(outcomes, "observations", month)
    found = events(outcomes)
    assert said(found) == ["breach.opened", "breach.changed", "breach.closed", "breach.opened"]
    assert len({event["subject"] for event in found}) == 2
    assert [int(event["id"]) for event in found] == sorted(int(event["id"]) for event in found)
    first = found[0]
    assert first["data"] == outcomes.get(f"/v1/breaches/{first['subject']}").json() | {
        "areas": [],
        "authorities": [],
    }
    assert (first["specversion"], first["source"], first["data"]["status"]) == ("1.0", "/outcomes", "closed")
    send(outcomes, "observations", SENT)
    assert events(outcomes) == found, "sending the file again happens nothing"
    send(outcomes, "observations", HEAD + "seen,organisation:A,2025-06,97\n")
    after = events(outcomes, after=found[-1]["id"])
    assert [(event["type"], event["data"]) for event in after] == [("hedgerow.breach.withdrawn", None)]
    assert events(outcomes)[3]["data"] is None


def test_a_breach_that_opens_and_closes_within_one_file_is_told_as_both(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", HEAD + "wait,E05000001,2025-01,19\nwait,E05000001,2025-02,12\n")
    assert said(events(outcomes)) == ["breach.opened", "breach.closed"]
    assert said(events(outcomes, types="breach.closed")) == ["breach.closed"]
    refused = outcomes.get("/v1/outcome-events", params={"types": "breach"})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "types")


def test_an_event_names_the_areas_it_concerns(outcomes: Client, outcomes_url: str) -> None:
    hear(outcomes_url, area("E06999001", level="authority"), area("E05999001", "E06999001"), contract("C1"))
    send(outcomes, "kpis", KPIS)
    rows = "wait,E05999001,2025-01,19\nwait,contract:C1,2025-01,19\nwait,service:S1,2025-01,19\n"
    send(outcomes, "observations", HEAD + rows)
    areas = {event["data"]["subject"]: event["data"]["areas"] for event in events(outcomes)}
    assert areas == {
        "E05999001": ["E05999001", "E06999001"],
        "contract:C1": ["E06999001"],
        "service:S1": [],
    }


def test_a_statement_is_told_at_every_step_to_those_who_may_read_it(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", HEAD + "seen,organisation:A,2025-04,10\n")
    assert outcomes.put("/v1/payment-rules/families", json=document(SEEN)).status_code == 201
    body = {"rule": "families", "period": "2025-Q2", "accept_missing": True}
    issued = outcomes.post("/v1/statements", json=body)
    assert issued.status_code == 201, issued.text
    id = issued.json()["id"]
    for state in ("approved", "paid"):
        tag = outcomes.get(f"/v1/statements/{id}").headers["ETag"]
        moved = outcomes.post(f"/v1/statements/{id}/state", json={"state": state}, headers={"If-Match": tag})
        assert moved.status_code == 200, moved.text
    send(outcomes, "observations", HEAD + "seen,organisation:A,2025-04,12\n")
    assert outcomes.post("/v1/statements", json=body).status_code == 201
    statements = [event for event in events(outcomes) if "statement" in event["type"]]
    assert said(statements) == [
        "statement.issued",
        "statement.approved",
        "statement.paid",
        "statement.adjusted",
    ]
    assert {event["subject"] for event in statements[:3]} == {id}
    assert statements[0]["data"]["state"] == "paid"
    assert statements[0]["data"]["areas"] == [PAYER]
    assert statements[3]["data"]["adjusts"] == id
    for stranger in (
        identity("outcomes", role="reader"),
        identity("outcomes", role="commissioner", authorities=("E06000002",)),
    ):
        answer = outcomes.get("/v1/outcome-events", headers=stranger).json()
        assert not [event for event in answer["items"] if "statement" in event["type"]]
        assert answer["position"] == answer["last"], "what is left out is not asked for again and again"


def test_a_late_kpi_is_told_once_for_each_day_it_was_due(outcomes: Client, outcomes_url: str) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", HEAD + "seen,organisation:A,2025-06,99\n")
    database = Database(outcomes_url)
    for today in (date(2025, 8, 30), date(2025, 8, 31), date(2025, 9, 30)):
        looking = [
            threading.Thread(target=tell_late, args=(database,), kwargs={"today": today}) for _ in range(2)
        ]
        for one in looking:
            one.start()
        for one in looking:
            one.join()
    (late,) = events(outcomes, types="kpi.late")
    assert late["subject"] == "seen/2025-08-30"
    assert late["data"] == {
        "kpi": "seen",
        "name": "Seen within four weeks",
        "frequency": "monthly",
        "owner": None,
        "due": "2025-08-30",
        "authority": None,
        "areas": [],
        "authorities": [],
    }
    send(outcomes, "observations", HEAD + "seen,organisation:A,2025-07,99\n")
    tell_late(database, today=date(2025, 10, 15))
    database.dispose()
    assert [event["data"]["due"] for event in events(outcomes, types="kpi.late")] == [
        "2025-08-30",
        "2025-09-30",
    ]


def test_who_read_another_history_is_told_so(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", SENT)
    page = outcomes.get("/v1/outcome-events").json()
    same = {"after": page["position"], "mark": page["mark"]}
    assert outcomes.get("/v1/outcome-events", params=same).json()["items"] == []
    refused = outcomes.get("/v1/outcome-events", params={**same, "mark": "0" * 32})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:hedgerow:problem:history-replaced")
    ahead = outcomes.get("/v1/outcome-events", params={**same, "after": page["position"] + 5})
    assert ahead.status_code == 409


def test_a_subscriber_among_imports_misses_no_event_and_reads_none_twice(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    ended = threading.Event()
    read: list[dict[str, Any]] = []

    def follow() -> None:
        while True:
            last_round = ended.is_set()
            page = events(outcomes, after=read[-1]["id"] if read else 0)
            read.extend(page)
            if last_round and not page:
                return

    def import_all(who: int) -> None:
        for month in range(1, 7):
            value = 19 if month % 2 else 12
            send(outcomes, "observations", HEAD + f"wait,organisation:{who},2025-{month:02},{value}\n")

    subscriber = threading.Thread(target=follow)
    writers = [threading.Thread(target=import_all, args=(who,)) for who in range(3)]
    for thread in (subscriber, *writers):
        thread.start()
    for writer in writers:
        writer.join()
    ended.set()
    subscriber.join()
    assert len({event["id"] for event in read}) == len(read)
    opened = [event["subject"] for event in read if event["type"] == "hedgerow.breach.opened"]
    closed = [event["subject"] for event in read if event["type"] == "hedgerow.breach.closed"]
    held = [row["id"] for row in outcomes.items("/v1/breaches")]
    assert sorted(opened) == sorted(closed) == sorted(held)
    assert len(held) == 9
