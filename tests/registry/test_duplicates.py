"""Pairs of organisations that may be one: found, listed, dismissed, merged by a stated rule."""

import threading
import time
from typing import Any

import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.actions.matching import look_through
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from hedgerow_registry.tables import DuplicatePair, MatchingState
from sqlalchemy import delete

from tests.registry.files import counts, send
from tests.support.http import Client, running
from tests.support.identity import SIGNER, identity

DIRECTORY = """
    id,name,identifiers,url,aliases
    a,Quay Kitchen,GB-CHC:1234567,https://quaykitchen.example,
    b,Harbourlight Trust,,,
    c,1st Saltmarsh Scout Group,,,
    d,Sandford Women's Institute,GB-CHC:1018720,,
"""
REGISTER = """
    id,name,identifiers,url,aliases
    1,THE QUAY KITCHEN LIMITED,GB-CHC:1234567,,
    2,Harborlight Trust Ltd,,,
    3,2nd Saltmarsh Scout Group,,,
    4,SANDFORD WOMENS INSTITUTE,GB-CHC:1016296,,
    5,Something Else Entirely,,www.quaykitchen.example,
"""


def _id(source: str, external: str) -> str:
    return record_id(source, "organisation", external)


def refresh(client: Client) -> dict[str, Any]:
    answer = client.post("/v1/duplicates/refresh")
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def pairs(client: Client, **params: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The pairs of a list by the two names, in order."""
    found = client.items("/v1/duplicates", params=params)
    return {
        (min(names), max(names)): item
        for item in found
        for names in [(item["first"]["name"], item["second"]["name"])]
    }


@pytest.fixture
def two(registry: Client) -> Client:
    send(registry, "organisations", DIRECTORY, source="directory")
    send(registry, "organisations", REGISTER, source="register")
    refresh(registry)
    return registry


def test_pairs_across_sources_come_with_a_score_and_reasons_in_words(two: Client) -> None:
    found = pairs(two)
    assert list(found) == [
        ("Quay Kitchen", "THE QUAY KITCHEN LIMITED"),
        ("Harborlight Trust Ltd", "Harbourlight Trust"),
    ]
    quay = found["Quay Kitchen", "THE QUAY KITCHEN LIMITED"]
    assert (quay["score"], quay["status"]) == (0.98, "candidate")
    assert {quay["first"]["source"], quay["second"]["source"]} == {"directory", "register"}
    assert [reason["text"] for reason in quay["reasons"]] == [
        "the same number in one register: GB-CHC 1234567",
        "the same name: Quay Kitchen – THE QUAY KITCHEN LIMITED",
    ]


def test_what_speaks_against_a_pair_keeps_it_below_the_threshold_and_is_told(two: Client) -> None:
    found = pairs(two, min_score=0.4)
    institutes = found["SANDFORD WOMENS INSTITUTE", "Sandford Women's Institute"]
    assert institutes["score"] < 0.7
    assert [reason["speaks"] for reason in institutes["reasons"]] == ["for", "against"]
    assert not any("Scout" in name for pair in found for name in pair)


def test_the_list_is_ranked_and_paged_without_repeats(registry: Client) -> None:
    for source in ("x", "y", "z"):
        rows = "".join(f"{n},Wharf{n:02} Kelder{n % 7}\n" for n in range(30))
        send(registry, "organisations", f"id,name\n{rows}".encode(), source=source)
    refresh(registry)
    listed = registry.items("/v1/duplicates", params={"limit": 7, "min_score": 0.4})
    keys = [(-item["score"], item["first"]["id"], item["second"]["id"]) for item in listed]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys) == len(registry.items("/v1/duplicates", params={"min_score": 0.4}))
    assert len([item for item in listed if item["score"] >= 0.9]) == 90
    assert {
        source
        for item in registry.items("/v1/duplicates", params={"source": "x"})
        for source in [{item["first"]["source"], item["second"]["source"]} & {"x"}]
        for source in source
    } == {"x"}


def test_only_what_changed_is_looked_through_and_pairs_that_are_none_any_more_go(two: Client) -> None:
    assert refresh(two)["organisations"] == 0
    send(two, "organisations", REGISTER.replace("Harborlight Trust Ltd", "Fenland Bakery"), source="register")
    looked = refresh(two)
    assert looked["organisations"] == 1
    assert ("Harborlight Trust Ltd", "Harbourlight Trust") not in pairs(two)
    assert len(pairs(two)) == 1
    send(two, "organisations", REGISTER, source="register")
    refresh(two)
    assert ("Harborlight Trust Ltd", "Harbourlight Trust") in pairs(two)


def test_the_answer_says_what_was_not_looked_through_yet(two: Client) -> None:
    computed = two.get("/v1/duplicates").json()["computed"]
    assert computed["caveats"] == []
    assert computed["thresholds"] == {"min_score": 0.7, "least_kept": 0.4}
    send(two, "organisations", "id,name\nnew,New One", source="register")
    computed = two.get("/v1/duplicates").json()["computed"]
    assert computed["caveats"] == ["1 changes are not looked through yet"]


def test_places_and_domains_of_services_speak_for_a_pair(registry: Client) -> None:
    services = "id,name,organisation_name,organisation_identifiers,site_name,postcode\n"
    send(registry, "services", f"{services}1,Meals,Quay Kitchen Trafford Centre,,Hall,PE99 1AA", source="a")
    send(registry, "services", f"{services}1,Lunch,Quay Kitchen,,Hall,PE99 1AA", source="b")
    refresh(registry)
    (item,) = pairs(registry, min_score=0.4).values()
    assert [reason["kind"] for reason in item["reasons"]] == ["name", "postcode"]
    assert item["score"] == pytest.approx(0.707, abs=0.001)


def test_a_street_address_speaks_for_a_pair_where_no_postcode_does(registry: Client) -> None:
    head = "id,name,organisation_name,site_name,address,postcode"
    for source, rest in (
        ("a", 'Quay Kitchen Trafford Centre,Hall,"12 High St., Stretford",PE99 1AA'),
        ("b", 'Quay Kitchen,Hall,"12 High Street, Stretford",'),
    ):
        send(registry, "services", f"{head}\n1,Meals,{rest}", source=source)
    refresh(registry)
    (item,) = pairs(registry, min_score=0.4).values()
    assert [reason["kind"] for reason in item["reasons"]] == ["name", "address"]
    assert item["reasons"][1]["text"] == "the same street address: 12 high street stretford"
    assert item["score"] == pytest.approx(0.707, abs=0.001)


def test_a_dismissed_pair_stays_dismissed_whatever_is_imported(two: Client) -> None:
    pair = f"/v1/duplicates/{_id('register', '2')}/{_id('directory', 'b')}"
    dismissed = two.post(f"{pair}/dismiss", json={"reason": "two offices, two boards"}).json()
    assert (dismissed["status"], dismissed["dismissed_by"]) == ("dismissed", "tester")
    assert dismissed["dismissed_because"] == "two offices, two boards"
    send(two, "organisations", REGISTER.replace("Harborlight", "Harbourlight"), source="register")
    refresh(two)
    shown = two.get(pair).json()
    assert (shown["status"], shown["score"]) == ("dismissed", 0.9)
    assert [item["score"] for item in pairs(two, status="candidate").values()] == [0.98]
    assert len(pairs(two, status="dismissed")) == 1
    assert two.post(f"{pair}/restore").json()["status"] == "candidate"
    assert two.post(f"{pair}/dismiss", json={}).status_code == 422
    nobody = f"/v1/duplicates/{_id('x', '1')}/{_id('x', '2')}"
    assert two.get(nobody).status_code == two.post(f"{nobody}/restore").status_code == 404


def test_a_pair_is_merged_when_its_two_answer_as_one_and_a_candidate_again_after(two: Client) -> None:
    one, other = _id("directory", "a"), _id("register", "1")
    body = {"into": one, "reason": "same charity"}
    assert two.post(f"/v1/organisations/{other}/merge", json=body).status_code == 200
    (item,) = pairs(two, status="merged").values()
    assert {item["first"]["answering_id"], item["second"]["answering_id"]} == {one}
    answer = two.post(f"/v1/duplicates/{one}/{other}/dismiss", json={"reason": "no"})
    assert answer.json()["type"] == "urn:hedgerow:problem:merged-pair"
    two.post(f"/v1/organisations/{other}/unmerge", json={"reason": "no"})
    assert pairs(two, status="merged") == {}
    assert ("Quay Kitchen", "THE QUAY KITCHEN LIMITED") in pairs(two, status="candidate")


def test_a_stated_rule_merges_what_it_says_and_records_itself(two: Client) -> None:
    trial = two.post("/v1/duplicates/apply", json={"rule": "same-identifier"}).json()
    assert (trial["dry_run"], trial["merged"], trial["left"]) == (True, 1, 0)
    assert pairs(two, status="merged") == {}
    done = two.post("/v1/duplicates/apply", json={"rule": "same-identifier", "dry_run": False}).json()
    assert done["pairs"] == trial["pairs"]
    (pair,) = done["pairs"]
    assert two.get(f"/v1/organisations/{pair['organisation_id']}").status_code == 308
    (event,) = two.items(f"/v1/organisations/{pair['into_id']}/merges")
    assert (event["rule"], event["by"]) == ("same-identifier", "tester")
    assert "GB-CHC 1234567" in event["reason"]
    again = two.post("/v1/duplicates/apply", json={"rule": "same-identifier", "dry_run": False}).json()
    assert again["merged"] == 0
    assert two.post("/v1/duplicates/apply", json={"rule": "looks-alike"}).status_code == 422


def test_a_rule_does_not_make_one_body_of_two_numbers_by_way_of_a_third(registry: Client) -> None:
    rows = """
        id,name,identifiers
        1,Quay Kitchen,GB-CHC:1234567
        2,Quay Kitchen,GB-CHC:1234567;GB-COH:01234567
        3,Quay Kitchen,GB-COH:01234567;GB-EDU:123456
        4,Quay Kitchen,GB-EDU:123456;GB-CHC:7654321
    """
    for number, row in enumerate(rows.strip().splitlines()[1:]):
        send(registry, "organisations", f"id,name,identifiers\n{row.strip()}", source=f"s{number}")
    refresh(registry)
    done = registry.post("/v1/duplicates/apply", json={"rule": "same-identifier", "dry_run": False}).json()
    assert (done["merged"], done["left"]) == (2, 1)
    (left,) = [pair for pair in done["pairs"] if not pair["merged"]]
    assert "several numbers in GB-CHC" in left["reason"]
    assert len(registry.items("/v1/organisations")) == 2


def test_a_rule_leaves_what_belongs_to_another_authority(registry: Client) -> None:
    for place in ("north", "south"):
        who = identity("registry", role="system", authorities=(place,))
        row = "id,name,identifiers\n1,Quay,GB-CHC:1234567"
        assert counts(send(registry, "organisations", row, headers=who, source=place)) == (1, 0, 0, 0)
    refresh(registry)
    who = identity("registry", role="system", authorities=("north",))
    body = {"rule": "same-identifier", "dry_run": False}
    done = registry.post("/v1/duplicates/apply", json=body, headers=who).json()
    assert (done["merged"], done["left"]) == (0, 1)
    assert "another authority" in done["pairs"][0]["reason"]
    pair = f"/v1/duplicates/{_id('north', '1')}/{_id('south', '1')}"
    assert registry.post(f"{pair}/dismiss", json={"reason": "r"}, headers=who).status_code == 403
    reader = identity("registry", role="reader")
    assert registry.get(pair, headers=reader).status_code == 200
    assert registry.post("/v1/duplicates/refresh", headers=reader).status_code == 403


def test_the_registry_looks_by_itself_when_it_has_been_quiet(database: Database) -> None:
    app = create_app(
        Settings(matching_seconds=0.2), database, verifier=Verifier(SIGNER.jwks, audience="registry")
    )
    with running(app, headers=identity("registry")) as client:
        send(client, "organisations", DIRECTORY, source="directory")
        send(client, "organisations", REGISTER, source="register")
        deadline = time.monotonic() + 20
        while not pairs(client):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(pairs(client)) == 2
        assert client.get("/v1/duplicates").json()["computed"]["caveats"] == []


def test_imports_and_deletions_go_on_while_pairs_are_looked_for(registry: Client, database: Database) -> None:
    def file(first: int, last: int) -> str:
        lines = [f"{n},{['Quay', 'Fen', 'Harbour'][n % 3]} Kitchen {n // 6}" for n in range(first, last)]
        return "\n".join(["id,name", *lines])

    for source in ("one", "other"):
        send(registry, "organisations", file(0, 450), source=source)
    ended: list[object] = []
    looking = threading.Thread(target=lambda: ended.append(look_through(database)))
    looking.start()
    number = 450
    while looking.is_alive() or number == 450:
        assert counts(send(registry, "organisations", file(number, number + 3), source="one"))[0] == 3
        gone = registry.delete(
            f"/v1/organisations/{_id('other', str(number % 450))}", headers={"If-Match": "*"}
        )
        assert gone.status_code == 204, gone.text
        number += 3
    looking.join()

    assert ended[0] is not None, "the look through the registry came to its end"
    refresh(registry)
    found = {(item["first"]["id"], item["second"]["id"]) for item in registry.items("/v1/duplicates")}
    with database.writing() as session:
        session.execute(delete(DuplicatePair))
        session.execute(delete(MatchingState))
    refresh(registry)
    anew = {(item["first"]["id"], item["second"]["id"]) for item in registry.items("/v1/duplicates")}
    assert found == anew
    assert anew
