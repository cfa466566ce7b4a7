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
    "summary",
]


@pytest.mark.parametrize("place", list(ODD))
def test_an_odd_place_has_an_answer_to_every_question(database, network, place):
    feed(database, records(**ODD[place]))
    with network() as client:
        for question in QUESTIONS:
            answer = client.get(f"{AT}/{question}")
            assert answer.status_code == 200, (question, answer.text)
            body = json.loads(answer.text, parse_constant=pytest.fail)
            assert body["computed"]["caveats"] is not None


def test_two_runs_give_the_same_bytes(database, network):
    demand = "need | area | count\n t:food | E05000001 | 900\n t:debt | E05000002 | 70"
    feed(database, records(**TOWN, demand=demand))
    runs = []
    for _ in range(2):
        with network() as client:
            runs.append([client.get(f"{AT}/{question}").content for question in QUESTIONS])
    assert runs[0] == runs[1]


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


@settings(max_examples=40, deadline=None)
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
