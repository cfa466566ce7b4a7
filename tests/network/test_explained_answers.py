"""Every kind of answer says which services it counted, and which it left out and why."""

import pytest
from hedgerow_network.domain.eligibility import read_cohort
from hedgerow_network.domain.explain_answers import ANSWERS, account
from hypothesis import given
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TOWN, ask, facts, records

AT = "/v1/localities/E06000001"

PLACE = {
    **TOWN,
    "areas": TOWN["areas"] + "E06000002 | Next  | authority |           |      |\n",
    "needs": TOWN["needs"] + "t:meal | Meals | t:food\n",
    "services": """
        id     | provider | needs  | areas               | status | to         | age_to | capacity
        whole  | ant      | t:meal | E05000001;E05000002 |        |            |        | 600
        gone   | ant      | t:meal | E05000001           | closed |            |        |
        over   | bee      | t:meal | E05000001           |        | 2025-12-31 |        | 10
        ended  | bee      | t:meal | E05000001           |        |            |        | 10
        young  | cat      | t:meal | E05000002           |        |            | 15     | 40
        silent | cat      | t:meal | E05000001           |        |            |        |
        wide   | cat      | t:food | E05000001           |        |            |        | 10
        next   | bee      | t:meal | E06000002           |        |            |        | 10
        lost   | bee      | t:meal |                     |        |            |        | 10
        """,
    "sites": """
        id | service | lon  | lat
        w1 | whole   | 1.05 | 53.25
        s1 | silent  | 1.05 | 53.25
        y1 | young   |      |
        """,
    "contracts": "id | services | start | end\nc1 | ended | 2024-01-01 | 2025-06-30",
    "demand": """
        need   | area      | count
        t:meal | E05000001 | 300
        t:meal | E05000002 | 200
        t:meal | E05000003 | 9
        """,
}


def told(answer, **question):
    of = ask(facts(**PLACE), needs=("t:meal",), **question)
    found = account(of, 0, answer)
    name = [service.id for service in of.facts.directory.services]
    left = {name[one.service]: one.why for one in found.excluded}
    return {name[one.service] for one in found.counted}, left, found


NEVER = {"gone": "not active", "over": "not active", "ended": "contract", "wide": "need"}


def test_what_cover_overlaps_and_fragility_count_and_leave_out():
    for answer in ("cover", "overlaps", "fragility", "concentration", "horizon"):
        counted, left, found = told(answer)
        assert counted == {"whole", "silent", "young"}
        assert left == {**NEVER, "lost": "area"}
        assert found.elsewhere == 1
    by_service = {one.service: one.reason for one in found.counted + found.excluded}
    said = " ".join(by_service.values())
    for words in (
        "serves 2 of 3 areas here: North, East",
        "“closed”",
        "2025-12-31",
        "contract",
        "a wider need",
    ):
        assert words in said, (words, said)


def test_what_is_left_out_for_a_cohort():
    _, left, _ = told("overlaps", cohort=read_cohort("16-17"))
    assert left["young"] == "cohort"
    _, left, found = told("overlaps", cohort=read_cohort("10-17"))
    assert left["young"] == "part"
    assert "ages 0-15 only" in " ".join(one.reason for one in found.excluded)


def test_who_states_no_capacity_is_no_bottleneck_and_no_supply():
    counted, left, _ = told("bottlenecks")
    assert (counted, left["silent"]) == ({"whole", "young"}, "capacity")
    counted, left, _ = told("access")
    # Young has a site of which nobody knows where it is, and lost has none.
    assert (counted, left["silent"]) == ({"whole"}, "capacity")
    assert (left["young"], left["lost"]) == ("site", "site")
    counted, left, _ = told("siting")
    assert counted == {"whole", "silent"}


def test_who_could_take_over_has_places_left():
    counted, left, found = told("contestability")
    # The 500 people of North and East go to the nearest with room; whole has 600 places, silent says
    # nothing of its own, and what young has left hangs on nobody else.
    assert "whole" in counted
    assert left["silent"] == "capacity"
    reasons = " ".join(one.reason for one in found.counted)
    assert "places left when everybody goes to the nearest" in reasons


@given(st.sampled_from(sorted(ANSWERS)), st.permutations(range(9)))
def test_each_service_is_told_of_once_whatever_its_id(answer, order):
    lines = [line for line in PLACE["services"].strip().splitlines() if line.strip()]
    names = [line.split("|")[0].strip() for line in lines[1:]]
    new = dict(zip(names, (f"x{place}" for place in order), strict=True))
    _, left, before = told(answer)

    def renamed(table, column):
        head, *rest = [line for line in table.strip().splitlines() if line.strip()]
        made = [head]
        for line in rest:
            cells = [cell.strip() for cell in line.split("|")]
            cells[column] = new.get(cells[column], cells[column])
            made.append(" | ".join(cells))
        return "\n".join(made)

    place = PLACE | {
        "services": renamed(PLACE["services"], 0),
        "sites": renamed(PLACE["sites"], 1),
        "contracts": renamed(PLACE["contracts"], 1),
    }
    of = ask(facts(**place), needs=("t:meal",))
    after = account(of, 0, answer)
    rows = [one.service for one in after.counted + after.excluded]
    assert len(rows) == len(set(rows))
    assert len(rows) + after.elsewhere == len(names)
    ids = [service.id for service in of.facts.directory.services]
    assert {ids[one.service]: one.why for one in after.excluded} == {new[id]: why for id, why in left.items()}
    assert before.elsewhere == after.elsewhere


LISTS = [name for name in sorted(ANSWERS) if name not in ("adequacy", "siting")]


@pytest.fixture
def place(database, network):
    feed(database, records(**PLACE))
    with network() as client:
        yield client


def test_every_answer_leads_to_what_it_left_out_and_why(place):
    asked = {"need": "meal", "at": "2026-01-10", "cohort": "16-17"}
    for answer in [*LISTS, "siting"]:
        found = place.get(f"{AT}/{answer}", params=asked)
        assert found.status_code == 200, (answer, found.text)
        address = found.json()["computed"]["explained"]
        assert "{need}" in address
        shown = place.get(address.replace("{need}", "t:meal"))
        assert shown.status_code == 200, (answer, shown.text)
        explained = shown.json()
        assert explained["answer"] == answer
        assert explained["computed"]["thresholds"]["cohort"] == "16-17"
        assert explained["computed"]["at"] == "2026-01-10"
        left = {one["service"]["id"]: one["why"] for one in explained["excluded"]}
        assert left["young"] == "cohort"
        assert left["ended"] == "contract"
        assert all(one["reason"].endswith(".") for one in explained["excluded"] + explained["counted"])
        assert explained["counted"] or left["whole"] == "capacity", answer


@pytest.mark.parametrize(
    ("answer", "asked", "service", "why", "says"),
    [
        ("access", {}, "silent", "capacity", "counts as no supply beside those that do"),
        ("access", {"supply": "sites"}, "silent", None, "Each site counts one"),
        ("access", {"supply": "capacity"}, "silent", "capacity", "none of the places"),
        ("access", {"unit": "minutes", "speed_kmh": "20", "detour": "2"}, "whole", None, "Open to people"),
        ("contestability", {}, "whole", None, "could reach, North, East, with"),
        ("contestability", {"reach": "400"}, "whole", None, "could reach, North, East, South, with"),
        ("siting", {"unit": "minutes", "speed_kmh": "20"}, "whole", None, "Open to people"),
    ],
)
def test_the_ways_that_were_asked_for_are_explained(place, answer, asked, service, why, says):
    found = place.get(f"{AT}/{answer}", params={"need": "meal", **asked})
    assert found.status_code == 200, found.text
    address = found.json()["computed"]["explained"]
    assert all(f"{name}={value}" in address for name, value in asked.items())
    explained = place.get(address.replace("{need}", "t:meal"))
    assert explained.status_code == 200, explained.text
    told = explained.json()
    (one,) = [one for one in told["counted"] + told["excluded"] if one["service"]["id"] == service]
    assert (one.get("why"), says in one["reason"]) == (why, True), one


def test_an_answer_that_does_not_exist_cannot_be_explained(place):
    assert place.get(f"{AT}/explained/t:meal?answer=nothing").status_code == 422
    assert place.get(f"{AT}/explained/t:nothing").status_code == 404
    empty = place.get(f"{AT}/explained/t:debt").json()
    assert (empty["counted"], empty["excluded"], empty["elsewhere"]) == ([], [], 0)
