"""Places with little, nothing, or odd things in them have answers; two runs, and other names, change none."""

import json

import pytest
from hedgerow_network.domain.eligibility import read_cohort
from hedgerow_network.domain.gap_kinds import GAP_KINDS
from hedgerow_network.domain.gaps import Inquiry, Thresholds, gaps
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, ask, facts, facts_of, records, service

AT = "/v1/localities/E06000001"
LIMITS = Thresholds(reach=5.0, until=TODAY.replace(year=2027), access_below=0.01)

LONE = "code | name | level | parents\n E06000001 | Town | authority |"
AGED = "area | count | age_from | age_to\n E05000001 | 0 | 0 | 15\n E05000001 | 0 | 16 |"
ODD = {
    "an empty locality": {"areas": LONE},
    "one area and a need": {"areas": LONE, "needs": TOWN["needs"]},
    "no services": {name: TOWN[name] for name in ("areas", "boundaries", "needs", "residents")},
    "zero residents": TOWN | {"residents": AGED, "demand": "need | area | count\n t:food | E05000001 | 0"},
    "nobody counted": TOWN | {"residents": ""},
    "no places at all": TOWN
    | {"services": "id | provider | needs | areas | capacity\n s1 | ant | t:food | E05000001 | 0"},
    "sites nobody can reach": TOWN
    | {
        "services": "id | provider | needs | areas\n s1 | ant | t:food |\n s2 | | t:food | E06999999",
        "sites": "id | service | lon | lat | area\n a | s1 | | |\n b | s2 | -7.9 | 60.1 |",
    },
    "contracts that name nothing": TOWN
    | {"contracts": "id | services | start | end | successor\n c1 | s9 | 2026-02-01 | 2025-01-01 | c1"},
}
QUESTIONS = [
    "cover",
    "gaps?kind=all&access_below=0.01",
    "gaps?kind=all&cohort=16-17",
    "bottlenecks",
    "horizon",
    "overlaps",
    "overlaps?by=provider",
    "overlaps?by=contract",
    "overlaps?by=capability",
    "overlap-groups",
    "concentration",
    "contestability",
    "fragility",
    "fragility?by=owner",
    "fragility?by=site",
    "fragility?by=contract",
    "fragility?pairs=true",
    "weak-points",
    "access",
    "access?method=3sfca&decay=gaussian",
    "access?method=raam",
    "structure",
    "graph",
    "summary",
    "closing",
    "closing?extension_cost=3&site_cost=5&budget=20",
    "closing/left?site_cost=5",
]
ABOUT_FOOD = [
    "siting?need=food",
    "siting?need=food&task=backed-up",
    "siting?need=food&task=most-people&number=1",
    "siting?need=food&task=least-distance&number=2",
    "siting?need=food&task=least-furthest&number=1",
    "explained/food?answer=contestability",
    "explained/food?answer=access",
]
RULES = {
    "name": "Hardly to be met",
    "costs": "a bus that is not held",
    "standards": [
        {"need": "t:food", "min_providers": 1, "max_km": 0.5},
        {"need": "t:debt", "min_providers": 99},
        {"need": "t:shoes", "max_minutes": 5},
    ],
}


@pytest.mark.parametrize("place", list(ODD))
def test_an_odd_place_has_an_answer_to_every_question(database, network, place):
    feed(database, records(**ODD[place]))
    with network() as client:
        assert client.post("/v1/adequacy-rules", json=RULES).status_code == 201
        about_food = ABOUT_FOOD if "needs" in ODD[place] else []
        for question in [*QUESTIONS, *about_food, "adequacy"]:
            answer = client.get(f"{AT}/{question}")
            assert answer.status_code == 200, (question, answer.text)
            body = json.loads(answer.text, parse_constant=pytest.fail)
            assert body["computed"]["caveats"] is not None


RELATIONS = """network,from,to,type,weight
town,ant,bee,referral,1
town,bee,cat,referral,1
town,cat,ant,governance,1
town,dog,cat,data-sharing,
town,dog,elk,data-sharing,
"""


def answers(client, questions):
    return {question: client.get(f"{AT}/{question}").content for question in questions}


def related(client):
    made = client.post("/v1/imports/relations", content=RELATIONS, headers={"Content-Type": "text/csv"})
    assert made.json()["counts"]["quarantined"] == 0, made.text
    assert client.post("/v1/adequacy-rules", json=RULES).status_code == 201


def test_two_runs_give_the_same_bytes(database, network):
    feed(database, records(**RICH))
    asked = [*QUESTIONS, *ABOUT_FOOD, "adequacy"]
    with network() as client:
        related(client)
        first = answers(client, asked)
    with network() as client:
        assert answers(client, asked) == first


TIED = TOWN | {
    "services": """
        id | provider | needs         | areas     | capacity
        s1 | ant      | t:food        | E06000001 | 5
        s2 | bee      | t:food        | E06000001 | 5
        s3 | cat      | t:food;t:debt | E06000001 | 5
        s4 | zoo      | t:food;t:debt | E06000001 | 5
        """,
    "sites": "\n".join(["id | service | lon | lat", *(f"a{n} | s{n} | 1.05 | 53.15" for n in (1, 2, 3, 4))]),
    "residents": "area | count\n E05000001 | 9\n E05000002 | 9\n E05000003 | 9",
    "demand": "\n".join(["need | area | count", *(f"t:food | E0500000{n} | 9" for n in (1, 2, 3))]),
    "contracts": """
        id | services | start      | end        | buyers | suppliers
        c1 | s1;s2    | 2025-01-01 | 2026-12-31 | zoo    | ant
        c2 | s2;s3    | 2025-01-01 | 2026-12-31 | zoo    | bee
        """,
}
"""Everybody serves everything alike, from one place, for as many people: whatever can be tied is."""


def test_equals_stand_by_id_in_whatever_order_the_records_came(database, network):
    asked, position = [*QUESTIONS, *ABOUT_FOOD, "adequacy"], 0
    with network() as client:
        for record in reversed(records(**TIED)):
            position = feed(database, [record], after=position)
            client.get(f"{AT}/cover")
        related(client)
        grown = answers(client, asked)
    with network() as client:
        assert answers(client, asked) == grown
    pairs = json.loads(grown["overlaps"])["items"]
    assert [(one["first"]["id"], one["second"]["id"]) for one in pairs] == [
        ("s3", "s4"), ("s1", "s2"), ("s1", "s3"), ("s1", "s4"), ("s2", "s3"), ("s2", "s4"),
    ]  # fmt: skip
    chosen = json.loads(grown["siting?need=food&task=least-distance&number=2"])["chosen"]
    assert [one["site"]["id"] for one in chosen] == ["a1", "a2"]


NAMES = {"s1": "zz-1", "s2": "yy-2", "s3": "xx-3", "s4": "ww-4", "ant": "wasp", "bee": "aphid", "cat": "lynx"}


def renamed(text):
    for old, new in NAMES.items():
        text = text.replace(f" {old} ", f" {new} ")
    return text


def found(known, kind):
    of = ask(known)
    listed = gaps(Inquiry(of, LIMITS), {kind: GAP_KINDS[kind]})
    return [(listed[n].need, listed[n].area, listed[n].cohort, listed[n].people) for n in range(len(listed))]


RICH = TOWN | {
    "services": """
        id | provider | needs         | areas               | status | from | to         | age_to | capacity
        s1 | ant      | t:food        | E05000001;E05000002 | active |      | 2026-06-30 |        | 50
        s2 | bee      | t:food        | E05000001           | active |      |            | 15     | 60
        s3 | cat      | t:debt        | E06000001           | active |      |            |        |
        s4 | ant      | t:food;t:debt | E05000001           | active |      | 2026-08-31 |        | 10
        """,
    "sites": "id | service | lon | lat | area\n a | s1 | 1.05 | 53.25 | \n b | s2 | 1.05 | 53.05 | ",
    "demand": "need | area | count\n t:food | E05000001 | 300\n t:food | E05000002 | 40",
}


@pytest.mark.parametrize("kind", [name for name, kind in GAP_KINDS.items() if not kind.reads])
def test_other_names_change_nothing(kind):
    other = {name: renamed(table) if isinstance(table, str) else table for name, table in RICH.items()}
    assert found(facts(**other), kind) == found(facts(**RICH), kind)


more = st.fixed_dictionaries(
    {
        "needs": st.lists(st.sampled_from(["t:food", "t:debt"]), min_size=1, max_size=2, unique=True),
        "areas": st.lists(
            st.sampled_from(["E05000001", "E05000002", "E05000003", "E06000001"]), max_size=3, unique=True
        ),
        "minimum_age": st.sampled_from([None, 10]),
        "capacity": st.sampled_from([None, 0, 5]),
        "organisation_id": st.sampled_from(["ant", "dog"]),
    }
)


@settings(max_examples=40)
@given(more, st.sampled_from(["uncovered", "out-of-reach"]), st.sampled_from([None, "16-17"]))
def test_one_service_more_never_adds_a_cell_that_nobody_serves_or_reaches(one, kind, cohort):
    def cells(known):
        of = ask(known, cohort=read_cohort(cohort))
        limits = Thresholds(reach=5.0, until=TODAY)
        listed = gaps(Inquiry(of, limits), {kind: GAP_KINDS[kind]})
        return {(of.needs[listed[n].need], listed[n].area) for n in range(len(listed))}

    made = records(**RICH)
    before = cells(facts_of(made))
    after = cells(facts_of([*made, ("service", "s9", service("s9", **one))]))
    assert after <= before
