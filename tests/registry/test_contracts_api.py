from uuid import UUID

import pytest

from tests.registry.files import changes, fill
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
from tests.support.identity import identity

ID = str(UUID(int=7, version=4))
PLAN = str(UUID(int=8, version=4))


@pytest.fixture
def filled(registry):
    fill(registry)
    return registry


def known(client, name):
    (found,) = client.items("/v1/organisations", params={"text": name})
    return found["id"]


def alliance(client, **fields):
    """A contract of 5 + 5 years of several suppliers."""
    made = {
        "title": "Food alliance",
        "buyer_ids": [known(client, "Harbour Holdings")],
        "supplier_ids": [known(client, "Quay Kitchen"), known(client, "Saltmarsh Advice")],
        "value": {"amount": 500_000, "currency": "GBP"},
        "start": "2025-04-01",
        "end": "2030-03-31",
        "awarded_on": "2025-01-15",
        "extensions": [{"id": "1", "months": 60}],
        "needs": ["hedgerow:food"],
        "area_codes": ["E06999001"],
    }
    return made | fields


def put(client, id, body, tag=None, **params):
    headers = {"if-match": tag} if tag else {}
    return client.put(f"/v1/contracts/{id}", json=body, headers=headers, params=params)


def body_of(view):
    """What of a view is sent back."""
    own = (
        "title description buyer_ids value start end method category programme reserved needs area_codes"
        " published status supplier_ids extended_to signed_on awarded_on advertised_on service_ids"
        " successor_ocid lots bids subcontracts extensions amendments social_value whole_life_cost"
    )
    made = {name: view[name] for name in own.split()}
    made["funding"] = [
        {name: value for name, value in one.items() if name != "own"} for one in view["funding"]
    ]
    return made


def test_a_contract_is_written_and_read(filled):
    answer = put(filled, ID, alliance(filled))
    assert answer.status_code == 201, answer.text
    view = answer.json()
    assert (view["id"], view["status"], view["stage"]) == (ID, "active", "contract")
    assert (view["end"], view["extended_to"], view["term_days"]) == ("2030-03-31", "2035-03-31", 1826)
    assert view["lead_in_days"] == 76
    assert view["value_gbp"] == 500_000
    assert {one["name"] for one in view["parties"] if one["role"] == "supplier"} == {
        "Quay Kitchen",
        "Saltmarsh Advice",
    }
    assert filled.get(f"/v1/contracts/{ID}").json() == view


FULL = {
    "description": "Meals and advice",
    "method": "selective",
    "category": "services",
    "programme": "Warm places",
    "signed_on": "2025-02-01",
    "advertised_on": "2024-10-01",
    "reserved": {"for": ["charity"], "under": "Procurement Act 2023, section 33"},
    "lots": [{"id": "north", "title": "North", "value": {"amount": 300_000, "currency": "GBP"}}],
    "amendments": [{"id": "1", "date": "2026-01-01", "description": "More meals", "rationale": "Demand"}],
    "social_value": [
        {
            "id": "1",
            "measure": "Apprentices",
            "unit": "people",
            "claimed": 10,
            "evidenced": 4,
            "evidence": "Payroll of 2026",
            "date": "2026-03-31",
        }
    ],
    "whole_life_cost": {
        "value": {"amount": 620_000, "currency": "GBP"},
        "years": 5,
        "parts": [{"id": "1", "title": "Exit", "value": {"amount": 120_000, "currency": "GBP"}}],
    },
}


def full(client):
    kitchen, advice = known(client, "Quay Kitchen"), known(client, "Saltmarsh Advice")
    return alliance(
        client,
        **FULL,
        service_ids=[client.items("/v1/services")[0]["id"]],
        bids=[
            {"id": "b1", "bidder_ids": [kitchen], "status": "valid", "won": True},
            {"id": "b2", "bidder_ids": [known(client, "Harbour Holdings")], "status": "valid"},
        ],
        subcontracts=[{"id": "1", "from_id": kitchen, "to_id": advice, "fee_share": 0.12}],
        funding=[
            {
                "id": "1",
                "title": "Lottery",
                "organisation_id": advice,
                "value": {"amount": 50_000, "currency": "GBP"},
            }
        ],
    )


def test_a_contract_with_all_its_parts_comes_back_as_it_was_sent(filled):
    sent = full(filled)
    view = put(filled, ID, sent).json()
    for name, value in FULL.items():
        if name == "lots":
            assert view["lots"][0]["value"]["amount"] == 300_000
            assert set(view["lots"][0]["supplier_ids"]) == set(sent["supplier_ids"])
        else:
            assert view[name] == value, name
    assert [bid["won"] for bid in view["bids"]] == [True, False]
    assert view["subcontracts"][0]["tier"] == 1
    assert view["funding"][0]["own"] is False


def test_what_was_read_and_is_written_back_changes_nothing(filled):
    first = put(filled, ID, full(filled))
    view = first.json()
    before = changes(filled)
    again = put(filled, ID, body_of(view), first.headers["etag"])
    assert again.status_code == 200, again.text
    assert again.json() == view
    assert again.headers["etag"] == first.headers["etag"]
    assert changes(filled) == before


def test_a_tag_stands_for_one_answer_and_is_good_for_a_write_from_each(filled):
    """Who may not see money, and who reads after a supplier was renamed, is shown another answer."""
    put(filled, ID, alliance(filled))
    path = f"/v1/contracts/{ID}"
    first = filled.get(path)
    less = filled.get(path, headers=identity("registry", role="system"))
    assert less.json() != first.json()
    assert less.headers["etag"] != first.headers["etag"]
    supplier = f"/v1/organisations/{known(filled, 'Quay Kitchen')}"
    held = filled.get(supplier)
    renamed = {"name": "Quay Kitchens Ltd"}
    assert filled.put(supplier, json=renamed, headers={"if-match": held.headers["etag"]}).status_code == 200
    again = filled.get(path, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 200
    assert "Quay Kitchens Ltd" in again.text
    assert "Quay Kitchens Ltd" not in first.text
    assert put(filled, ID, body_of(first.json()), less.headers["etag"]).status_code == 200


def test_a_field_left_out_is_taken_away(filled):
    first = put(filled, ID, full(filled))
    bare = put(filled, ID, alliance(filled, needs=[], extensions=[]), first.headers["etag"])
    view = bare.json()
    assert bare.status_code == 200
    for name in (
        "lots",
        "bids",
        "subcontracts",
        "amendments",
        "social_value",
        "funding",
        "needs",
        "service_ids",
    ):
        assert view[name] == [], name
    for name in ("whole_life_cost", "reserved", "programme", "signed_on", "extended_to", "method"):
        assert view[name] is None, name


def test_a_write_needs_to_know_what_it_replaces(filled):
    first = put(filled, ID, alliance(filled))
    assert put(filled, ID, alliance(filled, title="Other")).status_code == 428
    changed = put(filled, ID, alliance(filled, title="Other"), first.headers["etag"])
    assert changed.json()["title"] == "Other"
    assert put(filled, ID, alliance(filled), first.headers["etag"]).status_code == 412


@pytest.mark.parametrize(
    "wrong",
    [
        {"buyer_ids": [str(UUID(int=1, version=4))]},
        {"supplier_ids": ["x"]},
        {"service_ids": [""]},
        {"start": "2030-04-01", "end": "2029-01-01"},
        {"needs": ["hedgerow:a;b"]},
        {"area_codes": ["E0800009"]},
        {"value": {"amount": 1, "currency": "QQQ"}},
        {"extensions": [{"id": "1"}, {"id": "1"}]},
        {"extensions": [{"id": "1", "months": 0}]},
        {"subcontracts": [{"id": "1", "fee_share": 1.2}]},
        {"unknown": 1},
        {"title": " "},
        {"status": "won"},
    ],
)
def test_a_contract_that_cannot_be_is_refused(filled, wrong):
    answer = put(filled, ID, alliance(filled) | wrong)
    assert answer.status_code == 422, answer.text
    assert filled.get(f"/v1/contracts/{ID}").status_code == 404


def test_a_contract_of_a_feed_is_amended_here_and_later_releases_go_on_from_there(filled):
    lots = [{"id": "1", "title": "All"}]
    first = release(tender=tender(lots=lots, documents=[{"id": "d", "title": "Terms"}]), awards=[award()])
    send_releases(filled, first)
    (listed,) = filled.items("/v1/contracts")
    answer = filled.get(f"/v1/contracts/{listed['id']}")
    sent = body_of(answer.json()) | {"needs": ["hedgerow:food"], "end": "2028-03-31"}
    assert put(filled, listed["id"], sent, answer.headers["etag"]).status_code == 200
    later = release(id="r9", date="2099-01-01", awards=[{"id": "a1", "value": gbp(7)}])
    send_releases(filled, later)
    view = filled.get(f"/v1/contracts/{listed['id']}").json()
    assert (view["needs"], view["end"]) == (["hedgerow:food"], "2028-03-31")
    send_releases(filled, first)
    assert filled.get(f"/v1/contracts/{listed['id']}").json() == view


def test_a_supplier_taken_out_is_out(filled):
    first = put(filled, ID, alliance(filled))
    kitchen = known(filled, "Quay Kitchen")
    left = put(filled, ID, alliance(filled, supplier_ids=[kitchen]), first.headers["etag"]).json()
    assert left["supplier_ids"] == [kitchen]
    assert filled.items("/v1/contracts", params={"supplier": known(filled, "Saltmarsh Advice")}) == []


def test_a_deleted_contract_leaves_a_tombstone_and_its_process_goes_with_the_last(filled):
    first = put(filled, ID, alliance(filled))
    assert filled.delete(f"/v1/contracts/{ID}").status_code == 428
    headers = {"if-match": first.headers["etag"]}
    assert filled.delete(f"/v1/contracts/{ID}", headers=headers).status_code == 204
    assert filled.get(f"/v1/contracts/{ID}").status_code == 404
    last = {event["type"].split(".")[1]: event["data"] for event in changes(filled, types="contract,process")}
    assert last == {"process": None, "contract": None}


def test_one_contract_of_a_process_is_deleted_and_the_other_stays(filled):
    both = [award(), award(id="a2", suppliers=refs(ADVICE))]
    send_releases(filled, release(parties=[COUNCIL, KITCHEN, ADVICE], awards=both))
    first, second = filled.items("/v1/contracts")
    tag = filled.get(f"/v1/contracts/{first['id']}").headers["etag"]
    assert filled.delete(f"/v1/contracts/{first['id']}", headers={"if-match": tag}).status_code == 204
    assert [one["id"] for one in filled.items("/v1/contracts")] == [second["id"]]


def test_who_does_not_see_money_writes_without_touching_it(filled):
    first = put(filled, ID, full(filled))
    view = first.json()
    filled.headers.update(identity("registry", role="system"))
    seen = filled.get(f"/v1/contracts/{ID}")
    assert seen.json()["value"] is None
    assert seen.json()["lots"][0]["value"] is None
    sent = body_of(seen.json()) | {"title": "Renamed"}
    assert put(filled, ID, sent, seen.headers["etag"]).status_code == 200
    filled.headers.update(identity("registry"))
    after = filled.get(f"/v1/contracts/{ID}").json()
    assert after["title"] == "Renamed"
    for name in ("value", "lots", "funding", "whole_life_cost", "subcontracts", "bids"):
        assert after[name] == view[name]


def test_contracts_are_found_by_who_what_where_and_when(filled):
    put(filled, ID, alliance(filled, service_ids=[filled.items("/v1/services")[0]["id"]]))
    send_releases(
        filled,
        release(tender=tender(otherRequirements={"reservedParticipation": ["charity"]}), awards=[award()]),
    )
    (other,) = {one["id"] for one in filled.items("/v1/contracts")} - {ID}

    def found(**params):
        return {one["id"] for one in filled.items("/v1/contracts", params=params)}

    assert found(buyer=known(filled, "Harbour Holdings")) == {ID}
    assert found(supplier=known(filled, "Quay Kitchen")) == {ID, other}
    assert found(need="food") == found(area="E05999001") == found(area="E12999001") == {ID}
    assert found(service=filled.items("/v1/services")[0]["id"]) == {ID}
    assert found(at="2029-01-01") == {ID}
    assert found(at="2025-04-01") == {ID, other}
    assert found(ending_before="2028-01-01") == {other}
    assert found(reserved="true") == {other}
    assert found(reserved="false") == {ID}
    assert found(stage="award") == {other}
    assert found(status="cancelled") == set()
    assert found(third_sector_short_term="true") == {other}
    assert found(ocid="ocds-test-1") == {other}
    assert filled.get("/v1/contracts", params={"colour": "red"}).status_code == 422


def test_an_organisation_lists_the_contracts_it_has_a_part_in(filled):
    put(filled, ID, alliance(filled))
    for name, role in (("Harbour Holdings", "buyer"), ("Quay Kitchen", "supplier")):
        path = f"/v1/organisations/{known(filled, name)}/contracts"
        assert [one["id"] for one in filled.items(path)] == [ID]
        assert [one["id"] for one in filled.items(path, params={"role": role})] == [ID]
        assert filled.items(path, params={"role": "funder"}) == []
        assert filled.items(path, params={"at": "2031-01-01"}) == []
    assert filled.get(f"/v1/organisations/{UUID(int=3)}/contracts").status_code == 404


def test_an_organisation_with_contracts_is_not_deleted(filled):
    put(filled, ID, alliance(filled))
    holdings = known(filled, "Harbour Holdings")
    tag = filled.get(f"/v1/organisations/{holdings}").headers["etag"]
    answer = filled.delete(f"/v1/organisations/{holdings}", headers={"if-match": tag})
    assert answer.status_code == 409
    assert "contract" in answer.json()["detail"]


def test_an_unpublished_contract_does_not_exist_for_others(filled):
    filled.headers.update(identity("registry", role="commissioner", authorities=("E06999001",)))
    sent = alliance(filled, published=False)
    assert put(filled, ID, sent, source="mine").status_code == 201
    filled.headers.update(identity("registry", role="reader", authorities=("E06999001",)))
    assert filled.get(f"/v1/contracts/{ID}").status_code == 200
    for role in ("reader", "coordinator", "system", "commissioner"):
        filled.headers.update(identity("registry", role=role, authorities=("E06999002",)))
        nobody = filled.get(f"/v1/contracts/{UUID(int=4, version=4)}")
        hidden = filled.get(f"/v1/contracts/{ID}")
        assert (hidden.status_code, hidden.content) == (404, nobody.content)
        assert filled.items("/v1/contracts") == []
        assert filled.items(f"/v1/organisations/{sent['buyer_ids'][0]}/contracts") == []
        assert changes(filled, types="contract,process") == []
    filled.headers.update(identity("registry", role="commissioner", authorities=("E06999001",)))
    tag = filled.get(f"/v1/contracts/{ID}").headers["etag"]
    assert filled.delete(f"/v1/contracts/{ID}", headers={"if-match": tag}).status_code == 204
    assert {event["data"] is None for event in changes(filled, types="contract,process")} == {True}
    filled.headers.update(identity("registry", role="reader", authorities=("E06999002",)))
    assert changes(filled, types="contract,process") == [], "not even that there was one"


def as_authorities(client, *authorities, role="reader"):
    client.headers.update(identity("registry", role=role, authorities=authorities))


def test_what_is_of_several_authorities_together_is_seen_by_who_acts_for_all_of_them(filled):
    both = ("E06999001", "E06999002")
    sent = release("ocds-both", tender=tender(), awards=[award()])
    send_releases(filled, sent, source="both", authority="+".join(both), published="no")
    (process,) = changes(filled, types="process")
    as_authorities(filled, *both)
    (held,) = filled.items("/v1/contracts")
    assert filled.get(f"/v1/contracts/{held['id']}").status_code == 200
    assert {event["subject"] for event in changes(filled, types="contract,process")} == {
        held["id"],
        process["subject"],
    }
    for one in (*both, "E06999003"):
        as_authorities(filled, one)
        assert filled.items("/v1/contracts") == []
        assert filled.get(f"/v1/contracts/{held['id']}").status_code == 404
        assert changes(filled, types="contract,process") == []
    as_authorities(filled, both[0], role="commissioner")
    tag = {"if-match": "*"}
    assert filled.delete(f"/v1/contracts/{held['id']}", headers=tag).status_code in (403, 404)
    as_authorities(filled, *both, role="commissioner")
    money = filled.get(f"/v1/contracts/{held['id']}")
    assert money.json()["value_gbp"] == 120_000
    tag = {"if-match": money.headers["etag"]}
    assert filled.delete(f"/v1/contracts/{held['id']}", headers=tag).status_code == 204
    assert {event["data"] is None for event in changes(filled, types="contract,process")} == {True}


def test_a_published_contract_does_not_name_the_unpublished_one_that_follows_it(filled):
    as_authorities(filled, "E06999001", role="commissioner")
    following = str(UUID(int=9, version=4))
    assert put(filled, ID, alliance(filled), source="mine").status_code == 201
    first = filled.get(f"/v1/contracts/{ID}")
    after = alliance(filled, published=False, title="The next", start="2030-04-01", end="2031-03-31")
    assert put(filled, following, after, source="mine").status_code == 201
    named = body_of(first.json()) | {"successor_ocid": f"hedgerow-{following}"}
    assert put(filled, ID, named, first.headers["etag"]).status_code == 200

    def told():
        event = [one for one in changes(filled, types="contract") if one["subject"] == ID][-1]
        assert filled.get(f"/v1/contracts/{ID}").json()["successor_id"] == event["data"]["successor_id"]
        return event["data"]["successor_id"], event["data"]["successor_published"]

    assert told() == (following, False)
    as_authorities(filled, "E06999002", role="commissioner")
    assert told() == (None, None)
    as_authorities(filled, "E06999001", role="commissioner")
    held = filled.get(f"/v1/contracts/{following}")
    shown = body_of(held.json()) | {"published": True}
    assert put(filled, following, shown, held.headers["etag"]).status_code == 200
    as_authorities(filled, "E06999002", role="commissioner")
    assert told() == (following, True)


def test_an_unpublished_contract_that_becomes_another_authoritys_ends_for_the_one_before(filled):
    as_authorities(filled, "E06999001", role="commissioner")
    assert put(filled, ID, alliance(filled, published=False), source="mine").status_code == 201
    tag = {"if-match": filled.get(f"/v1/contracts/{ID}").headers["etag"]}
    assert filled.delete(f"/v1/contracts/{ID}", headers=tag).status_code == 204
    as_authorities(filled, "E06999002", role="commissioner")
    assert put(filled, ID, alliance(filled, published=False), source="theirs").status_code == 201
    told = {}
    for authority in ("E06999001", "E06999002", "E06999003"):
        as_authorities(filled, authority)
        told[authority] = {
            event["data"] and event["data"]["authority_code"]
            for event in changes(filled, types="contract")
            if event["subject"] == ID
        }
    assert told == {"E06999001": {None}, "E06999002": {"E06999002"}, "E06999003": set()}


def write(client, **fields):
    tag = client.get(f"/v1/contracts/{ID}").headers.get("etag")
    answer = put(client, ID, alliance(client, **fields), tag, source="mine")
    assert answer.status_code in (200, 201), answer.text


def delete(client):
    tag = {"if-match": client.get(f"/v1/contracts/{ID}").headers["etag"]}
    assert client.delete(f"/v1/contracts/{ID}", headers=tag).status_code == 204


def seen_by(client, authority, after=0):
    """What a follower with this authority is told of the contract and its process: whether they are there."""
    as_authorities(client, authority)
    told = {
        event["subject"]: event["data"] is not None
        for event in changes(client, after, types="contract,process")
    }
    as_authorities(client, "E06999001", role="commissioner")
    return told


def test_who_missed_the_end_of_a_published_contract_learns_of_it_though_it_is_back_unpublished(filled):
    as_authorities(filled, "E06999001", role="commissioner")
    write(filled)
    last = int(changes(filled, types="contract,process")[-1]["id"])
    known_elsewhere = seen_by(filled, "E06999002")
    assert set(known_elsewhere.values()) == {True}
    delete(filled)
    write(filled, published=False)
    assert seen_by(filled, "E06999002", last) == dict.fromkeys(known_elsewhere, False)
    assert set(seen_by(filled, "E06999001", last).values()) == {True}
    delete(filled)
    assert seen_by(filled, "E06999002", last) == dict.fromkeys(known_elsewhere, False)


@pytest.mark.parametrize("ended", ["withdrawn", "deleted"])
def test_a_contract_that_once_went_unpublished_ends_for_all_when_it_was_published_since(filled, ended):
    as_authorities(filled, "E06999001", role="commissioner")
    write(filled, published=False)
    delete(filled)
    assert seen_by(filled, "E06999002") == {}, "not even that there was one"
    write(filled)
    last = int(changes(filled, types="contract,process")[-1]["id"])
    known_elsewhere = seen_by(filled, "E06999002")
    assert set(known_elsewhere.values()) == {True}
    if ended == "withdrawn":
        write(filled, published=False)
    else:
        delete(filled)
    assert seen_by(filled, "E06999002", last) == dict.fromkeys(known_elsewhere, False)


def plan(client, **fields):
    made = {
        "title": "Home support from 2027",
        "buyer_ids": [known(client, "Harbour Holdings")],
        "notice_on": "2026-05-01",
        "start": "2027-04-01",
        "end": "2032-03-31",
        "value": {"amount": 2_000_000, "currency": "GBP"},
        "needs": ["hedgerow:food"],
        "area_codes": ["E06999001"],
    }
    return made | fields


def test_what_is_planned_is_listed_by_its_start_until_a_contract_comes_of_it(filled):
    answer = filled.put(f"/v1/pipeline/{PLAN}", json=plan(filled))
    assert answer.status_code == 201, answer.text
    send_releases(
        filled,
        release(
            "ocds-soon",
            tag=["tender"],
            tender=tender(status="active", contractPeriod=period("2026-09-01", "2027-01-01")),
        ),
        release("ocds-undated", tag=["planning"], planning={"rationale": "Perhaps"}),
        release("ocds-off", tag=["tender"], tender=tender(status="withdrawn")),
        release("ocds-done", tender=tender(), awards=[award()]),
    )
    listed = filled.items("/v1/pipeline", params={"limit": 1})
    assert [one["title"] for one in listed] == ["Community meals", "Home support from 2027", "ocds-undated"]
    assert [one["stage"] for one in listed] == ["tender", "planning", "planning"]

    def found(**params):
        return [one["title"] for one in filled.items("/v1/pipeline", params=params)]

    assert found(need="food") == found(area="E05999001") == ["Home support from 2027"]
    assert found(buyer=known(filled, "Harbour Holdings")) == ["Home support from 2027"]
    assert found(starting_from="2027-01-01") == ["Home support from 2027"]
    assert found(starting_before="2027-01-01") == ["Community meals"]


def test_a_plan_is_changed_and_deleted_by_who_has_read_it(filled):
    first = filled.put(f"/v1/pipeline/{PLAN}", json=plan(filled))
    assert first.json()["value"] == {"amount": 2_000_000, "currency": "GBP"}
    headers = {"if-match": first.headers["etag"]}
    changed = filled.put(f"/v1/pipeline/{PLAN}", json=plan(filled, start="2028-04-01"), headers=headers)
    assert changed.json()["start"] == "2028-04-01"
    stale = filled.delete(f"/v1/pipeline/{PLAN}", headers=headers)
    assert stale.status_code == 412
    headers = {"if-match": changed.headers["etag"]}
    assert filled.delete(f"/v1/pipeline/{PLAN}", headers=headers).status_code == 204
    assert filled.items("/v1/pipeline") == []


def test_anybody_sees_the_published_pipeline_and_no_more(filled):
    filled.headers.update(identity("registry", role="commissioner", authorities=("E06999001",)))
    filled.put(f"/v1/pipeline/{PLAN}", json=plan(filled, published=False), params={"source": "mine"})
    filled.put(f"/v1/pipeline/{ID}", json=plan(filled, title="Shown"), params={"source": "mine"})
    for role, authority, seen in (
        ("open", "E06999001", {"Shown"}),
        ("reader", "E06999002", {"Shown"}),
        ("reader", "E06999001", {"Shown", "Home support from 2027"}),
    ):
        filled.headers.update(identity("registry", role=role, authorities=(authority,)))
        listed = filled.items("/v1/pipeline")
        assert {one["title"] for one in listed} == seen
        assert all(one["value"] is None for one in listed)
        assert listed[0]["buyers"][0]["name"] == "Harbour Holdings"
        expected = 200 if len(seen) == 2 else 404
        assert filled.get(f"/v1/pipeline/{PLAN}").status_code == expected


def test_flags_say_what_to_know_before_relying_on_a_contract(filled):
    nameless = party("GB-CFS-9", None, "supplier")
    sent = award(
        suppliers=[*refs(nameless, HARBOUR), {"id": "0", "name": "TBC"}],
        value={"amount": 1},
        contractPeriod={"startDate": "2025-01-01", "endDate": "2024-01-01"},
    )
    send_releases(filled, release(parties=[COUNCIL, nameless, HARBOUR], awards=[sent]))
    (one,) = filled.items("/v1/contracts")
    assert {flag["code"] for flag in one["flags"]} == {
        "ends-before-start",
        "no-currency",
        "placeholder-value",
        "starts-before-award",
        "supplier-by-name-only",
        "supplier-not-named",
        "supplier-without-name",
    }
    assert (one["value_gbp"], one["term_days"]) == (None, None)
