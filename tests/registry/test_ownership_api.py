"""Who stands behind an organisation, over the API: evidence, paths, dates, filters, and nothing certified."""

from typing import Any

import pytest
from hedgerow_registry.domain.ids import record_id

from tests.registry.files import counts, fill, send
from tests.registry.test_bods_import import bods, entity, person, relation, shares
from tests.support.http import Client
from tests.support.identity import identity

BODIES = """
    id,name,sector,legal_form,identifiers
    care,Carers Together,charity,CIO,
    mid,Midwell Ltd,,private company limited by shares,
    plc,Quorvane plc,private,PLC,GB-COH:1234567
    council,Kelder Council,public,,
    arm,Carers Trading Ltd,private,,
"""


def of(name: str) -> str:
    return record_id("default", "organisation", name)


@pytest.fixture
def held(registry: Client) -> Client:
    send(registry, "organisations", BODIES)
    made = send(
        registry,
        "ownership",
        """
        subject_id,owner_id,owner_kind,interest_type,share_exact,share_min,share_max,start,end,evidence_url,stated_on
        care,council,,votes,100,,,,2024-03-31,,
        care,mid,,votes,100,,,2024-04-01,,https://example.org/register/1,2024-04-02
        mid,plc,,shares,,51,75,2020-01-01,,,
        mid,,person,shares,10,,,,,,
        arm,care,,shares,100,,,,,,
        """,
    )
    assert counts(made) == (5, 0, 0, 0)
    return registry


def ownership(client: Client, name: str, **params: str) -> dict[str, Any]:
    answer = client.get(f"/v1/organisations/{of(name)}/ownership", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(client: Client, path: str, **params: str) -> list[str]:
    return [one["id"] for one in client.items(path, params=params)]


def test_the_chain_is_told_with_paths_interests_and_what_they_rest_on(held: Client) -> None:
    now = ownership(held, "care", at="2025-01-01")
    assert now["ultimate_owner_ids"] == [of("plc")]
    assert [one["label"] for one in now["controlled_by"]] == ["Midwell Ltd"]
    assert {tuple(node["label"] for node in path["nodes"]) for path in now["paths"]} == {
        ("Carers Together", "Midwell Ltd", "Quorvane plc"),
        ("Carers Together", "Midwell Ltd", "a person"),
    }
    assert {path["end"] for path in now["paths"]} == {"no owner known", "person"}
    first = next(one for one in now["interests"] if one["owner"]["id"] == of("mid"))
    assert (first["type"], first["share"]["least"], first["start"], first["end"]) == (
        "votingRights",
        100,
        "2024-04-01",
        None,
    )
    assert first["rests_on"]["url"] == "https://example.org/register/1"
    assert first["rests_on"]["stated_on"] == "2024-04-02"
    known = {one["id"] for one in now["interests"]}
    assert all(set(step["interests"]) <= known for path in now["paths"] for step in path["steps"])
    owners = {one["owner"]["label"]: one for one in now["owners"]}
    assert owners["Quorvane plc"]["control"] == "certain"
    assert owners["Quorvane plc"]["direct"] is False
    assert owners["Quorvane plc"]["ultimate"] is True
    assert owners["Midwell Ltd"]["rights"]["votes"] == "certain"
    assert owners["a person"]["control"] == "no"
    assert now["computed"]["thresholds"]["majority_percent"] == 50
    assert now["computed"]["registry_seq"] == int(held.get("/v1/changes").json()["last"])


def test_the_effective_form_is_told_with_its_path_and_evidence_as_of_the_day(held: Client) -> None:
    form = ownership(held, "care", at="2025-01-01")["effective_form"]
    assert (form["own_form"], form["own_basis"], form["form"]) == ("not-for-profit", "sector", "for-profit")
    exposing = [one for one in form["findings"] if one["kind"] == "control"]
    assert {tuple(node["label"] for node in one["path"]) for one in exposing} == {
        ("Carers Together", "Midwell Ltd"),
        ("Carers Together", "Midwell Ltd", "Quorvane plc"),
    }
    assert all(one["interests"] for one in exposing)
    before = ownership(held, "care", at="2024-03-31")
    assert before["effective_form"]["form"] == "not-for-profit"
    assert before["ultimate_owner_ids"] == [of("council")]
    assert before["control"] == ownership(held, "care", at="2025-01-01")["control"], "of all times"


def test_a_trading_arm_is_another_case_and_both_sides_say_so(held: Client) -> None:
    charity = ownership(held, "care", at="2024-03-31")
    (finding,) = charity["effective_form"]["findings"]
    assert (finding["kind"], finding["owner"]["label"]) == ("has-trading-arm", "Carers Trading Ltd")
    assert [one["subject"]["label"] for one in charity["owns"]] == ["Carers Trading Ltd"]
    arm = ownership(held, "arm", at="2024-03-31")
    assert arm["effective_form"]["form"] == "for-profit"
    assert [one["kind"] for one in arm["effective_form"]["findings"]] == ["is-trading-arm"]


def test_lists_tell_the_effective_form_and_ultimate_owners_and_filter_by_owner(held: Client) -> None:
    listed = {one["name"]: one for one in held.items("/v1/organisations", params={"at": "2025-01-01"})}
    assert listed["Carers Together"]["effective_form"] == "for-profit"
    assert listed["Carers Together"]["ultimate_owner_ids"] == [of("plc")]
    assert listed["Quorvane plc"]["ultimate_owner_ids"] == []
    path = "/v1/organisations"
    assert ids(held, path, owner=of("plc"), at="2025-01-01") == sorted([of("mid"), of("care"), of("arm")])
    assert ids(held, path, owner=of("plc"), at="2024-03-31") == [of("mid")]
    assert ids(held, path, owner=of("council"), at="2024-03-31") == sorted([of("care"), of("arm")])
    assert ids(held, path, owner=of("council"), at="2025-01-01") == []
    assert held.get(path, params={"owner": of("nobody")}).status_code == 404


def test_services_are_found_by_who_owns_their_provider_on_a_day(held: Client) -> None:
    fill(held)
    send(held, "organisations", "id,name,owner_ids\n1,Quay Kitchen,\n")
    send(held, "ownership", "subject_id,owner_id,interest_type,share_exact,end\n1,plc,shares,100,2024-12-31")
    kitchen = sorted(ids(held, f"/v1/organisations/{of('1')}/services"))
    assert len(kitchen) == 2
    assert ids(held, "/v1/services", owner=of("plc"), at="2024-12-31") == kitchen
    assert ids(held, "/v1/services", owner=of("plc"), at="2025-01-01") == []
    assert ids(held, "/v1/services", owner=of("1")) == kitchen, "its own services are its owner's too"


def test_without_anything_on_record_owners_are_unknown_and_it_is_said(held: Client) -> None:
    alone = ownership(held, "plc")
    assert alone["interests"] == alone["paths"] == alone["owners"] == []
    assert any("not to say that nobody owns it" in said for said in alone["computed"]["caveats"])
    assert "certifies nothing" in alone["says"]


def test_circles_unknown_owners_and_joint_control_are_answers(registry: Client) -> None:
    bods(
        registry,
        *(entity(name, f"Body {name}") for name in "abcd"),
        relation("r1", "a", "b", shares(60)),
        relation("r2", "b", "a", shares(60)),
        relation("r3", "c", "a", shares(50)),
        relation("r4", "c", "d", shares(50)),
        relation("r5", "d", {"reason": "interestedPartyHasNotProvidedInformation"}, shares(80)),
    )
    circle = ownership(registry, "a")
    assert circle["ultimate_owner_ids"] == sorted([of("a"), of("b")])
    assert any("circle" in said for said in circle["computed"]["caveats"])
    joint = ownership(registry, "c")
    assert joint["jointly"] is True
    assert {one["label"] for one in joint["controlled_by"]} == {"Body a", "Body d"}
    unknown = ownership(registry, "d")
    assert unknown["owners"][0]["owner"] == {
        "id": unknown["owners"][0]["owner"]["id"],
        "kind": "unknown",
        "name": None,
        "label": "an unknown owner",
    }
    assert unknown["interests"][0]["rests_on"]["reason"] == "interestedPartyHasNotProvidedInformation"
    assert unknown["ultimate_owner_ids"] == []


def test_shares_beyond_the_whole_are_said_to_contradict(held: Client) -> None:
    send(held, "ownership", "subject_id,owner_id,interest_type,share_exact\nmid,council,shares,60")
    assert any("more than 100" in said for said in ownership(held, "mid")["computed"]["caveats"])


def test_people_are_persons_without_a_name_in_every_answer(registry: Client) -> None:
    bods(registry, entity("care", "Care"), person("zq"), relation("r", "care", "zq", shares(75)))
    answer = registry.get(f"/v1/organisations/{of('care')}/ownership")
    assert "Quillfeather" not in answer.text
    (owner,) = answer.json()["owners"]
    assert (owner["owner"]["label"], owner["control"]) == ("a person", "certain")


@pytest.mark.parametrize("at", ["yesterday", "2025-02-30", "0000-01-01"])
def test_a_day_that_is_none_is_refused(held: Client, at: str) -> None:
    assert held.get(f"/v1/organisations/{of('care')}/ownership", params={"at": at}).status_code == 422


@pytest.mark.parametrize("at", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_there_are_can_be_asked_for(held: Client, at: str) -> None:
    assert ownership(held, "care", at=at)["computed"]["at"] == at
    assert held.get("/v1/organisations", params={"at": at, "owner": of("plc")}).status_code == 200


def test_who_may_not_read_may_not_read_it(held: Client) -> None:
    path = f"/v1/organisations/{of('care')}/ownership"
    assert held.get(path, headers=identity("registry", role="open")).status_code == 403
    assert held.get(path.replace(of("care"), of("nobody"))).status_code == 404


def test_a_status_is_kept_with_its_evidence_and_day_or_not_at_all(registry: Client) -> None:
    made = send(
        registry,
        "organisations",
        """
        id,name,user_led,user_led_evidence,user_led_on,supported_business,head_office_area_code,size,legal_form
        1,One,yes,https://example.org/constitution,2025-01-01,,E06999001,Small (11-49),CLG
        2,Two,yes,,,yes,E06999001,SME,
        3,Three,perhaps,,,,,,
        """,
    )
    assert counts(made) == (2, 0, 0, 1)
    one = registry.get(f"/v1/organisations/{of('1')}").json()
    assert (one["user_led"], one["user_led_evidence"], one["user_led_on"]) == (
        True,
        "https://example.org/constitution",
        "2025-01-01",
    )
    assert (one["size"], one["size_band"]) == ("Small (11-49)", "small")
    assert one["legal_form_code"] == "company-limited-by-guarantee"
    assert one["head_office_area_code"] == "E06999001"
    two = registry.get(f"/v1/organisations/{of('2')}").json()
    assert (two["user_led"], two["supported_business"], two["size_band"]) == (None, None, "sme")
    path = f"/v1/organisations/{of('9')}"
    body = {"name": "Nine", "supported_business": True}
    assert registry.put(path, json=body).status_code == 422
    evidence = {"supported_business_evidence": "Register of 2025", "supported_business_on": "2025-05-01"}
    made = registry.put(path, json=body | evidence)
    assert made.status_code == 201, made.text
    assert made.json()["supported_business_evidence"] == "Register of 2025"
