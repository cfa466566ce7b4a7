"""Designs of networks: written, changed, kept in versions, held to what is known."""

import json

import httpx
import pytest
from hedgerow_network.upstream.outcomes import Outcomes

from tests.network.feeding import feed
from tests.network.world import TOWN, records

JSON = {"Content-Type": "application/json"}

DESIGN = {
    "id": "early-help",
    "name": "Early Help",
    "areas": ["E06000001"],
    "commissioners": ["zoo"],
    "members": [
        {"organisation": "ant", "role": "lead"},
        {"organisation": "bee"},
        {"organisation": "cat", "from_date": "2025-06-01"},
    ],
    "personas": [
        {
            "id": "sam",
            "name": "Sam, 17",
            "influences": [
                {"id": "mentor", "name": "A mentor", "sign": "+", "needs": ["t:mentoring"]},
                {"id": "debt", "name": "Debt at home", "sign": "-", "needs": ["t:debt"]},
                {"id": "hunger", "name": "No meals", "sign": "-", "needs": ["t:food"]},
                {"id": "football", "name": "A club to go to", "sign": "+"},
            ],
        }
    ],
    "services": [
        {"id": "s1", "department": "Children"},
        {"id": "s3", "department": "Housing", "requires": ["assessment"]},
        {"id": "new", "name": "Drop-in", "needs": ["t:food"], "organisation": "bee", "department": "Health"},
    ],
    "goals": [
        {"id": "fed", "name": "Nobody goes hungry", "kpis": ["meals"], "services": ["s1", "s3", "new"]},
        {"id": "solvent", "name": "Families without debt", "services": ["s3"], "requires": ["outreach"]},
    ],
    "capabilities": [
        {"id": "assessment", "name": "Assessment", "held_by": [{"organisation": "cat"}]},
        {"id": "outreach", "name": "Outreach"},
        {
            "id": "payroll",
            "name": "Payroll",
            "back_office": True,
            "held_by": [
                {"organisation": "ant", "areas": ["E05000001", "E05000002"]},
                {"organisation": "bee", "areas": ["E05000001"]},
                {"organisation": "cat", "areas": ["E05000003"]},
            ],
        },
    ],
    "responsibilities": [
        {"about": "goal", "id": "fed", "organisation": "ant", "role": "accountable"},
        {"about": "goal", "id": "fed", "organisation": "bee", "role": "responsible"},
        {"about": "service", "id": "s1", "organisation": "ant", "role": "accountable"},
        {"about": "service", "id": "s3", "organisation": "cat", "role": "accountable"},
        {"about": "service", "id": "s3", "organisation": "bee", "role": "accountable"},
        {"about": "service", "id": "new", "organisation": "bee", "role": "accountable"},
    ],
    "front_doors": ["ant"],
}
AT = "/v1/networks/early-help"
LEVELS = ("community", "network", "organisation")
GAPS = "/v1/localities/E06000001/gaps"


@pytest.fixture
def town(database, network):
    feed(database, records(**TOWN))
    with network() as client:
        yield client


@pytest.fixture
def designed(town):
    made = town.post("/v1/networks", json=DESIGN)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == AT
    return town


def change(client, part, path=AT):
    tag = client.get(AT).headers["etag"]
    method = "PATCH" if path == AT else "PUT"
    answer = client.request(method, path, json=part, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    return answer.json()


def gaps(client, kind, **params):
    return client.items(GAPS, params={"kind": kind, **params})


def test_a_design_is_read_as_it_was_written(designed):
    found = designed.get(AT).json()
    for name in ("name", "areas", "commissioners"):
        assert found[name] == DESIGN[name]
    assert found["members"][2] == {
        "organisation": "cat",
        "role": "member",
        "from_date": "2025-06-01",
        "to_date": None,
    }
    assert found["authority"] is None
    item = designed.items("/v1/networks")[0]
    assert (item["id"], item["members"], item["services"], item["goals"]) == ("early-help", 3, 3, 2)
    assert item["relations_only"] is False
    assert [one["id"] for one in designed.items("/v1/networks", params={"area": "E06000001"})] == [
        "early-help"
    ]
    assert designed.items("/v1/networks", params={"area": "E06000009"}) == []


def test_a_name_is_enough_to_begin(town):
    made = town.post("/v1/networks", json={"name": "Well & warm"})
    assert made.status_code == 201
    assert made.json()["id"].startswith("well-warm-")
    found = town.items(f"/v1/networks/{made.json()['id']}/checklist", params={"limit": 3})
    assert {one["step"] for one in found} >= {"locality", "members", "goals", "services", "agreements"}
    assert {"no-area", "no-member", "no-goal"} <= {one["code"] for one in found}


def test_versions_are_kept_and_the_same_again_is_none(designed):
    first = designed.get(AT).json()
    change(designed, {"members": DESIGN["members"]})
    assert designed.get(AT).json()["version"] == first["version"]
    second = change(designed, {"name": "Earlier Help"})
    assert second["version"] == first["version"] + 1
    assert second["goals"] == first["goals"]
    versions = designed.items(f"{AT}/versions")
    assert [(one["version"], one["name"]) for one in versions] == [
        (first["version"], "Early Help"),
        (second["version"], "Earlier Help"),
    ]
    old = designed.get(f"{AT}/versions/{first['version']}").json()
    assert (old["name"], old["written_by"], old["members"]) == ("Early Help", "tester", first["members"])
    assert designed.get(f"{AT}/versions/7").status_code == 404


def test_nobody_overwrites_what_another_has_changed(designed):
    tag = designed.get(AT).headers["etag"]
    assert designed.patch(AT, json={"name": "x"}).status_code == 428
    assert designed.put(AT, json={"name": "x"}).status_code == 428
    taken = designed.put(AT, json={"name": "x"}, headers={"If-None-Match": "*"})
    assert taken.status_code == 412
    assert designed.delete(AT).status_code == 428
    change(designed, {"name": "Changed"})
    stale = {"If-Match": tag}
    assert designed.patch(AT, json={"name": "x"}, headers=stale).status_code == 412
    assert designed.put(f"{AT}/members", json=[], headers=stale).status_code == 412
    assert designed.delete(AT, headers=stale).status_code == 412
    assert designed.post("/v1/networks", json=DESIGN).status_code == 409
    assert designed.put("/v1/networks/n2", json={"name": "x"}, headers=stale).status_code == 412
    assert designed.put("/v1/networks/n2", json={"name": "x"}).status_code == 201
    now = {"If-Match": designed.get(AT).headers["etag"]}
    assert designed.delete(AT, headers=now).status_code == 204
    assert designed.get(AT).status_code == 404
    assert designed.get(f"{AT}/versions").status_code == 404


def test_lists_of_a_design_are_read_and_written_alone(designed):
    assert [one["organisation"] for one in designed.items(f"{AT}/members", params={"limit": 2})] == [
        "ant",
        "bee",
        "cat",
    ]
    assert len(designed.items(f"{AT}/responsibilities")) == 6
    assert designed.items(f"{AT}/agreements") == []
    change(designed, [{"id": "a", "name": "Sharing data", "parties": ["ant"]}], f"{AT}/agreements")
    assert designed.items(f"{AT}/agreements")[0]["name"] == "Sharing data"
    table = designed.get(f"{AT}/members", params={"format": "csv"})
    assert table.text.splitlines()[0] == "organisation,role,from_date,to_date"


MISFITS = [
    ({"colour": "red"}, "/colour"),
    ({"members": [{"organisation": ""}]}, "/members/0/organisation"),
    ({"members": [{"organisation": "a", "role": "king"}]}, "/members/0/role"),
    ({"members": "ant"}, "/members"),
    ({"review_on": "soon"}, "/review_on"),
    ({"goals": [{"id": "a", "name": "A"}, {"id": "a", "name": "B"}]}, ""),
    ({"shared_resources": [{"id": "r", "name": "R", "split": [{"organisation": "a", "share": 2}]}]},
     "/shared_resources/0/split/0/share"),
    ({"governance": {"form": "king"}}, "/governance/form"),
    ({"personas": [{"id": "p", "name": "P", "influences": [{"id": "i", "name": "I", "sign": "?"}]}]},
     "/personas/0/influences/0/sign"),
]  # fmt: skip


def test_what_does_not_fit_is_named_by_its_place(designed):
    tag = {"If-Match": designed.get(AT).headers["etag"]}
    for part, pointer in MISFITS:
        for method, body in (("PATCH", part), ("PUT", DESIGN_WITHOUT_ID | part)):
            answer = designed.request(method, AT, json=body, headers=tag)
            assert answer.status_code == 422, answer.text
            assert pointer in [error.get("pointer") for error in answer.json()["errors"]]
    assert designed.get(AT).headers["etag"] == tag["If-Match"]


DESIGN_WITHOUT_ID = {name: value for name, value in DESIGN.items() if name != "id"}


def test_influences_that_no_service_answers_are_listed_with_their_sign(designed):
    found = designed.items(f"{AT}/influences", params={"limit": 1})
    assert [(one["id"], one["sign"], one["status"]) for one in found] == [
        ("mentor", "+", "unanswered"),
        ("debt", "-", "answered"),
        ("hunger", "-", "partly"),
        ("football", "+", "unanswered"),
    ]
    assert found[2]["areas_without"] == ["E05000003"]
    assert [one["id"] for one in found[2]["services"]] == ["s1", "s2", "s4"]
    only = designed.items(f"{AT}/influences", params={"status": "unanswered"})
    assert [one["id"] for one in only] == ["mentor", "football"]
    assert "no need and no service" in only[1]["says"]


def test_a_capability_with_nobody_assigned_is_a_gap_until_somebody_is(designed):
    found = gaps(designed, "capability")
    assert [one["evidence"]["figures"]["capability"] for one in found] == ["outreach"]
    assert "“Outreach” is needed for the goal “Families without debt”" in found[0]["evidence"]["says"]
    # Cat serves debt in all three wards.
    assert found[0]["people_affected"] == 6000
    views = {one["id"]: one["status"] for one in designed.items(f"{AT}/capabilities")}
    assert views == {"assessment": "single", "outreach": "gap", "payroll": "overlap"}
    assigned = [dict(one) for one in DESIGN["capabilities"]]
    assigned[1]["held_by"] = [{"organisation": "bee"}]
    change(designed, {"capabilities": assigned})
    assert gaps(designed, "capability") == []
    change(designed, {"capabilities": []})
    assert [one["evidence"]["figures"]["capability"] for one in gaps(designed, "capability")] == [
        "assessment",
        "outreach",
    ]


def test_goals_and_services_without_exactly_one_accountable_are_gaps_by_name(designed):
    found = gaps(designed, "accountability")
    assert [one["evidence"]["says"] for one in found] == [
        "One party should be accountable for the goal “Families without debt” of Early Help; nobody is.",
        "One party should be accountable for the service “s3” of Early Help; 2 are: Bee, Cat.",
    ]


def test_two_that_keep_up_the_same_back_office_in_one_area_overlap(designed):
    found = designed.items("/v1/localities/E06000001/overlaps", params={"by": "capability"})
    assert [(one["first"]["id"], one["second"]["id"], one["areas"]) for one in found] == [
        ("ant", "bee", ["E05000001"])
    ]
    assert found[0]["kinds"][0]["kind"] == "shared-infrastructure-twice"
    assert "Payroll" in found[0]["kinds"][0]["says"]


def test_a_goal_is_shown_with_the_departments_whose_services_work_towards_it(designed):
    fed, solvent = designed.items(f"{AT}/goals")
    assert fed["departments"] == ["Children", "Health", "Housing"]
    assert [(one["id"], one["in_registry"]) for one in fed["services"]] == [
        ("s1", True),
        ("s3", True),
        ("new", False),
    ]
    assert fed["accountable"] == [{"id": "ant", "name": "Ant"}]
    assert fed["open"] == []
    assert solvent["open"] == [
        "The goal “Families without debt” has no KPI.",
        "For the goal “Families without debt” nobody is accountable.",
    ]
    assert [one["id"] for one in designed.items(f"{AT}/goals", params={"flagged": True})] == ["solvent"]


def test_a_need_that_no_referral_leads_to_is_a_gap_of_connection(designed):
    # The front door is Ant, who serves food in North and East and debt in North.
    found = gaps(designed, "connection")
    assert [(one["need"], one["area"], one["people_affected"]) for one in found] == [
        ("t:debt", "E05000003", 3000),
        ("t:debt", "E05000002", 2000),
    ]
    assert "front door (Ant)" in found[0]["evidence"]["says"]
    rows = "network,from,to,type\nearly-help,Ant,bee,referral\nearly-help,bee,cat,referral\n"
    designed.post("/v1/imports/relations", content=rows, headers={"Content-Type": "text/csv"})
    assert gaps(designed, "connection") == []
    steps = {one["code"] for one in designed.items(f"{AT}/checklist", params={"step": "links"})}
    assert steps == {"no-data-sharing"}
    change(designed, {"front_doors": []})
    answer = designed.get(GAPS, params={"kind": "connection"}).json()
    assert answer["items"] == []
    assert any("name no front door" in caveat for caveat in answer["computed"]["caveats"])


def outcomes_that(tmp_path, answers):
    """Outcomes behind a gateway that answers for each KPI: None = down."""
    key = tmp_path / "key"
    key.write_text("k")

    def answer(request):
        id = request.url.path.split("/")[3]
        if answers is None:
            raise httpx.ConnectError("down")
        return httpx.Response(200, json={"items": answers[id]}) if id in answers else httpx.Response(404)

    return Outcomes("http://gateway.test", key, transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"meals": [{}]}, []),
        ({"meals": []}, ["is measured by the KPI “meals”, which has no observations"]),
        ({}, ["names the KPI “meals”, which is not defined"]),
        (None, []),
    ],
)
def test_a_goal_is_measured_if_its_kpi_is_defined_and_has_data(database, network, tmp_path, answers, said):
    feed(database, records(**TOWN))
    with network(outcomes=outcomes_that(tmp_path, answers)) as client:
        client.post("/v1/networks", json=DESIGN)
        answer = client.get(GAPS, params={"kind": "measurement"}).json()
        told = [one["evidence"]["says"] for one in answer["items"]]
        assert sorted(told) == sorted(
            [
                "The goal “Families without debt” of Early Help has no KPI.",
                *(f"The goal “Nobody goes hungry” of Early Help {end}." for end in said),
            ]
        )
        caveats = [one for one in answer["computed"]["caveats"] if "could not be asked about 1 of 1" in one]
        assert len(caveats) == (answers is None)
        kpi = client.items(f"{AT}/goals")[0]["kpis"][0]
        assert kpi["defined"] is (None if answers is None else "meals" in answers)


def test_the_checklist_names_what_is_open_and_counts_it_by_step(designed):
    found = designed.items(f"{AT}/checklist", params={"limit": 4})
    codes = [(one["step"], one["code"], one["subject"]) for one in found]
    assert codes == sorted(codes, key=lambda one: [s["step"] for s in STEPS(designed)].index(one[0]))
    assert ("universe", "influence-unanswered", "sam/mentor") in codes
    assert ("universe", "unknown-need", "t:mentoring") in codes
    assert ("goals", "no-kpi", "solvent") in codes
    assert ("capabilities", "not-assigned", "outreach") in codes
    assert ("capabilities", "doubled", "payroll") in codes
    assert ("responsibilities", "several-accountable", "service/s3") in codes
    assert ("links", "not-referred-to", "cat") in codes
    assert {one["step"]: one["open"] for one in STEPS(designed)}["capabilities"] == 2
    change(
        designed,
        {
            "shared_resources": [
                {"id": "van", "name": "Van", "split": [{"organisation": "ant", "share": 0.6}]},
                {"id": "hub", "name": "Hub", "split": [{"organisation": "ant", "share": 1 / 3}] * 3},
            ],
            "agreements": [{"id": "a", "name": "Old", "review_on": "2025-01-01", "kpis": [{"kpi": "meals"}]}],
            "members": [*DESIGN["members"], {"organisation": "Wombats"}],
            "areas": ["E06000001", "E06000077"],
        },
    )
    codes = {(one["code"], one["subject"]) for one in designed.items(f"{AT}/checklist")}
    assert ("split-not-whole", "van") in codes
    assert ("split-not-whole", "hub") not in codes
    assert {("review-due", "a"), ("no-minimum", "a"), ("member-not-bound", "ant")} <= codes
    assert {("unknown-organisation", "Wombats"), ("unknown-area", "E06000077")} <= codes


def STEPS(client):
    return client.get(f"{AT}/checklist").json()["steps"]


def test_structure_of_a_design_says_which_governance_fits(designed):
    found = designed.get(f"{AT}/structure").json()
    governance = found["governance"]
    assert governance["present"] == "lead-organisation"
    levels = {one["name"]: one["level"] for one in governance["factors"]}
    assert levels == {
        "trust": None,
        "participants": "few",
        "goal_consensus": None,
        # Neither outreach (nobody) nor … : one of two that require something has no single holder.
        "competency_need": "moderate",
    }
    assert governance["suggested"] == ["participant-governed", "lead-organisation"]
    change(
        designed,
        {"governance": {"form": "network-administrative", "trust": 0.7, "goal_consensus": 0.9,
                        "competency_need": 0.1}},
    )  # fmt: skip
    governance = designed.get(f"{AT}/structure").json()["governance"]
    assert governance["suggested"] == ["participant-governed"]
    assert governance["says"] == (
        "The present form is network-administrative; participant-governed would fit better, on 4 of 4 "
        "conditions."
    )
    assert len(governance["forms"]) == 3
    evaluation = {one["name"]: one for one in found["evaluation"]}
    # Debt 6,000 and food 3,000 of 6,000 people are served.
    assert evaluation["needs met"]["value"] == 0.75
    assert evaluation["growth of membership"]["value"] == 1
    assert [len([one for one in found["evaluation"] if one["level"] == level]) for level in LEVELS] == [
        6,
        8,
        7,
    ]
    # The criteria that the source names for organisations, in its words or ours.
    assert [one["name"] for one in found["evaluation"] if one["level"] == "organisation"] == [
        "survival",
        "resources gained",
        "standing among others",
        "cost of services",
        "access to services",
        "outcomes for clients",
        "conflict across networks",
    ]


def test_a_coordinator_designs_in_its_own_authority_and_others_know_nothing_of_it(database, network):
    feed(database, records(**TOWN))
    paths = (
        "",
        "/members",
        "/checklist",
        "/goals",
        "/influences",
        "/capabilities",
        "/versions",
        "/structure",
    )
    with network(role="coordinator", authorities=("E06000001",)) as own:
        assert own.post("/v1/networks", json=DESIGN).status_code == 201
        assert own.get(AT).json()["authority"] == "E06000001"
        tag = own.get(AT).headers["etag"]
        refused = own.post("/v1/networks", json=DESIGN | {"id": "n", "authority": "E06000099"})
        assert refused.status_code == 403
    with network(role="coordinator", authorities=("E06000099",)) as other:
        for path in paths:
            hidden, none = other.get(AT + path), other.get("/v1/networks/zzz" + path)
            assert (hidden.status_code, hidden.content) == (404, none.content), path
        assert other.items("/v1/networks") == []
        for method, body in (("PUT", DESIGN_WITHOUT_ID), ("PATCH", {"name": "x"}), ("DELETE", None)):
            answer = other.request(method, AT, json=body, headers={"If-Match": tag})
            assert answer.status_code in (404, 412), answer.text
    with network(role="reader", authorities=("E06000001",)) as reader:
        assert reader.get(AT).status_code == 200
        assert reader.patch(AT, json={"name": "x"}, headers={"If-Match": tag}).status_code == 403
        assert len(reader.items(GAPS, params={"kind": "capability"})) == 1
    with network() as admin:
        assert admin.get(AT).headers["etag"] == tag


def test_a_design_of_another_authority_makes_no_gap_and_shows_no_foreign_place(database, network):
    feed(database, records(**TOWN))
    with network(role="coordinator", authorities=("E06000099",)) as other:
        # A design that names somebody else's place tells its author nothing about it.
        assert other.post("/v1/networks", json=DESIGN).status_code == 201
        found = other.get(f"{AT}/structure").json()
        assert next(c for c in found["evaluation"] if c["name"] == "needs met")["value"] is None
        assert all(one["status"] == "unanswered" for one in other.items(f"{AT}/influences"))
        assert any("not yours" in caveat for caveat in found["computed"]["caveats"])
    with network(role="reader", authorities=("E06000001",)) as reader:
        assert reader.items(GAPS, params={"kind": "capability,accountability,measurement"}) == []


def test_relations_alone_make_a_network_without_a_design(town):
    rows = "network,from,to,type\nkite,a,b,referral\n"
    town.post("/v1/imports/relations", content=rows, headers={"Content-Type": "text/csv"})
    item = town.items("/v1/networks")[0]
    assert (item["id"], item["relations_only"]) == ("kite", True)
    tag = town.get("/v1/networks/kite").headers["etag"]
    made = town.put("/v1/networks/kite", json={"name": "Kite"}, headers={"If-Match": tag})
    assert made.status_code == 200
    assert town.items("/v1/networks")[0]["relations_only"] is False
    assert len(town.items("/v1/networks/kite/versions")) == 1
    assert len(town.items("/v1/relations")) == 1


def test_nasty_names_come_back_as_they_were_sent(town):
    names = ["=1+1", "<b>&amp;", "'; DROP TABLE networks; --", "🦔 ‮", "a\tb"]
    body = {
        "id": "nasty",
        "name": "Nasty",
        "goals": [{"id": f"g{n}", "name": s} for n, s in enumerate(names)],
    }
    assert town.post("/v1/networks", json=body).status_code == 201
    assert [one["name"] for one in town.items("/v1/networks/nasty/goals")] == [s.strip() for s in names]
    text = json.dumps(body).replace("Nasty", "a\\u0000b")
    assert town.post("/v1/networks", content=text, headers=JSON).status_code == 422
