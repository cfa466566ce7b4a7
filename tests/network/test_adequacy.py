"""Standards of provision: met, not met, excepted, not to be judged; and the rules as a resource."""

import json
from datetime import date

import numpy as np
import pytest
from hedgerow_network.domain.adequacy import (
    AreaTypes,
    Band,
    Dispensation,
    RuleSet,
    Standard,
    adequacy,
)
from hedgerow_network.domain.travel import Travel
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, ask, facts, records

AT = "/v1/localities/E06000001"

# Two wards of two small areas each, 0.02 degrees (2.224 km) apart on the equator; ward B is rural.
PLACE = {
    "areas": """
        code      | name   | level     | parents   | lon  | lat
        E06000001 | Town   | authority |           |      |
        E05000001 | Ward A | ward      | E06000001 | 0.01 | 0
        E05000002 | Ward B | ward      | E06000001 | 0.05 | 0
        E01000001 | A1     | lsoa      | E05000001 | 0.00 | 0
        E01000002 | A2     | lsoa      | E05000001 | 0.02 | 0
        E01000003 | B1     | lsoa      | E05000002 | 0.04 | 0
        E01000004 | B2     | lsoa      | E05000002 | 0.06 | 0
        """,
    "needs": "id | name | parent\nt:food | Food |\nt:debt | Debt |",
    "organisations": "id | name | owners\nant | Ant | zoo\nbee | Bee | zoo",
    "services": """
        id | provider | needs  | areas
        a  | ant      | t:food | E06000001
        b  | bee      | t:food |
        """,
    "sites": """
        id | service | lon  | lat | area
        a1 | a       | 0.00 | 0   |
        b1 | b       | 0.02 | 0   |
        """,
    "residents": """
        area      | count
        E01000001 | 100
        E01000002 | 300
        E01000003 | 200
        E01000004 | 600
        """,
    # Two indices, none of them of need: residents are not weighted.
    "indices": "index | area | value\nrural | E05000001 | 1\nrural | E05000002 | 8\nage | E05000001 | 40",
}
STRAIGHT = {"km": Travel(detour=1), "minutes": "minutes in a straight line need a speed"}
TYPES = AreaTypes(index="rural", bands=(Band("urban", None, 5), Band("rural", 5, None)))


def judged(standards, *, place=PLACE, types=TYPES, dispensations=(), travel=STRAIGHT, at=TODAY, **question):
    needs = tuple(sorted({one.need for one in standards}))
    of = ask(facts(**place), needs=needs, at=at, **question)
    return adequacy(of, RuleSet(tuple(standards), types, tuple(dispensations)), travel)


def told(found):
    return [(one.verdict, one.share, one.affected) for one in found.findings]


def test_shares_of_residents_worked_by_hand():
    # Within 2.3 km: A1 has a1 (0) and b1 (2.224); A2 the same; B1 has b1 (2.224); B2 nothing.
    one = judged([Standard("t:food", within=2.3)])
    # Ward A all of 400. Ward B 200 of 800: 600 are too far away.
    assert told(one) == [("met", 1.0, 0.0), ("not met", 0.25, 600.0)]
    two = judged([Standard("t:food", providers=2, within=2.3, share=0.9)])
    assert told(two) == [("met", 1.0, 0.0), ("not met", 0.0, 800.0)]
    enough = judged([Standard("t:food", within=2.3, share=0.25)])
    assert told(enough) == [("met", 1.0, 0.0), ("met", 0.25, 0.0)]
    # Owners: Ant and Bee are both of the zoo, so there are never two.
    owners = judged([Standard("t:food", providers=2, within=2.3)], count="owners")
    assert [verdict for verdict, _, _ in told(owners)] == ["not met", "not met"]
    assert "only 1 provider" in owners.infeasible[0].why


def test_types_have_their_own_standard():
    standards = [Standard("t:food", "urban", within=1), Standard("t:food", within=4.5)]
    found = judged(standards)
    # Ward A is urban: A1 and A2 each have a site at their own point. Ward B is rural and takes the
    # general one: B1 has b1, B2 is 4.448 km from b1.
    assert [(one.area_type, one.standard, one.verdict) for one in found.findings] == [
        ("urban", 0, "met"),
        ("rural", 1, "met"),
    ]
    listed = AreaTypes(listed={"E06000001": "urban", "E05000002": "remote"}, levels={"ward": "wards"})
    assert [one.area_type for one in judged(standards, types=listed).findings] == ["urban", "remote"]
    by_level = AreaTypes(levels={"ward": "urban"})
    assert [one.standard for one in judged(standards, types=by_level).findings] == [0, 0]


def test_an_area_whose_type_nobody_knows_cannot_be_judged():
    place = PLACE | {"indices": "index | area | value\nrural | E05000001 | 1"}
    found = judged([Standard("t:food", "urban", within=1)], place=place)
    assert [one.verdict for one in found.findings] == ["met", "cannot be judged"]
    assert "type of the area is not known" in found.findings[1].why
    general = judged([Standard("t:food", within=9)], place=place)
    assert [one.verdict for one in general.findings] == ["met", "met"]
    typeless = AreaTypes(listed={"E05000001": "urban"})
    only = judged([Standard("t:food", "urban", within=1)], place=place, types=typeless)
    assert (len(only.findings), only.unspoken) == (1, 1)


def test_exceptions_hold_until_their_last_day():
    standards = [Standard("t:food", within=2.3), Standard("t:debt")]
    until = [
        Dispensation("E05000002", "A site is being built", date(2026, 3, 31), "t:food"),
        Dispensation("E06000001", "Nobody bid", date(2025, 12, 31)),
    ]
    found = judged(standards, dispensations=until)
    by_cell = {(one.need, one.area): one for one in found.findings}
    debt, met, food = by_cell[0, 1], by_cell[1, 0], by_cell[1, 1]
    assert (debt.verdict, debt.lapsed.reason) == ("not met", "Nobody bid")
    assert (food.verdict, food.dispensation.reason, food.affected) == (
        "excepted",
        "A site is being built",
        600.0,
    )
    # What is met needs no exception.
    assert (met.verdict, met.dispensation, met.lapsed) == ("met", None, None)
    last_day = judged(standards, dispensations=until, at=date(2026, 3, 31))
    assert last_day.findings[3].verdict == "excepted"
    after = judged(standards, dispensations=until, at=date(2026, 4, 1))
    assert after.findings[3].verdict == "not met"
    assert after.findings[3].lapsed.reason == "A site is being built"


def test_without_a_distance_the_depth_decides():
    found = judged([Standard("t:food", providers=1), Standard("t:debt", providers=1)])
    # Ant states the whole town. Nobody does debt.
    assert [one.verdict for one in found.findings] == ["not met", "not met", "met", "met"]
    assert "0 providers" in found.infeasible[0].why
    part = PLACE | {"services": "id | provider | needs | areas\na | ant | t:food | E01000001"}
    share = judged([Standard("t:food", share=0.25)], place=part)
    # A1 is 100 of the 400 of Ward A; Ward B has nothing.
    assert told(share) == [("met", 0.25, 0.0), ("not met", 0.0, 800.0)]


def test_what_is_not_known_is_bounded_and_only_then_not_judged():
    some = PLACE | {"areas": PLACE["areas"].replace("E05000001 | 0.02 | 0", "E05000001 |      |")}
    # No point is known of A2: 100 of 400 are near for certain, all may be.
    found = judged([Standard("t:food", within=1)], place=some).findings[0]
    assert (found.verdict, found.low, found.high, found.share) == ("cannot be judged", 0.25, 1.0, None)
    assert "between 25% and 100% of residents" in found.why
    assert judged([Standard("t:food", within=1, share=0.2)], place=some).findings[0].verdict == "met"
    # Nobody is counted in A2: met, as all parts are near; not met, as none is; else it cannot be told.
    few = PLACE | {"residents": "area | count\nE01000001 | 100\nE01000003 | 200\nE01000004 | 600"}
    assert judged([Standard("t:food", within=1)], place=few).findings[0].verdict == "met"
    sites = PLACE["sites"].replace("a1 | a       | 0.00 | 0   |\n", "")
    bee = few | {"services": "id | provider | needs | areas\nb | bee | t:food |", "sites": sites}
    unsure = judged([Standard("t:food", within=1)], place=bee).findings[0]
    assert (unsure.verdict, unsure.affected) == ("cannot be judged", None)
    assert "how many live in its parts" in unsure.why
    slow = judged([Standard("t:food", within=10, unit="minutes")]).findings
    assert {one.verdict for one in slow} == {"cannot be judged"}


def test_places_with_little_in_them_have_answers():
    nobody = PLACE | {"residents": "area | count\n" + "\n".join(f"E0100000{n} | 0" for n in (1, 2, 3, 4))}
    found = judged([Standard("t:food", within=0.1)], place=nobody)
    assert [(one.verdict, one.affected) for one in found.findings] == [("met", 0.0), ("met", 0.0)]
    assert found.findings[1].why == "Nobody lives there, so nobody is too far away."
    bare = {name: PLACE[name] for name in ("areas", "needs")}
    empty = judged([Standard("t:food", within=1)], place=bare)
    # No index, no type: the general standard; no site at all: nobody is near, however many there are.
    assert [one.verdict for one in empty.findings] == ["not met", "not met"]
    assert judged([], place=PLACE).findings == ()


@settings(max_examples=25)
@given(
    st.integers(1, 3),
    st.sampled_from([0.5, 2.3, 4.5, 9.0]),
    st.sampled_from([0.1, 0.25, 0.6, 1.0]),
    st.sampled_from(["providers", "owners"]),
)
def test_a_stricter_standard_is_never_met_where_a_laxer_is_not(providers, within, share, count):
    lax = judged([Standard("t:food", providers=providers, within=within, share=share)], count=count)
    for stricter in (
        Standard("t:food", providers=providers + 1, within=within, share=share),
        Standard("t:food", providers=providers, within=within / 2, share=share),
        Standard("t:food", providers=providers, within=within, share=1.0),
    ):
        strict = judged([stricter], count=count)
        for one, other in zip(lax.findings, strict.findings, strict=True):
            assert (one.verdict, other.verdict) != ("not met", "met")
            assert other.low <= one.low + 1e-12


OVERLAPPING = {"index": "r", "bands": [{"type": "a", "below": 3}, {"type": "b", "at_least": 2}]}

BODY = {
    "name": "Town standards",
    "detour": 1,
    "area_types": {
        "index": "rural",
        "bands": [{"type": "urban", "below": 5}, {"type": "rural", "at_least": 5}],
    },
    "standards": [
        {"need": "food", "area_type": "urban", "max_km": 1},
        {"need": "t:food", "area_type": "rural", "max_km": 2.3, "share": 0.9},
        {"need": "debt", "min_providers": 1},
        {"need": "t:shoes", "min_providers": 1},
    ],
    "exceptions": [
        {"area": "E05000002", "need": "food", "reason": "A site is being built", "until": "2026-03-31"},
        {"area": "E05999999", "reason": "Elsewhere", "until": "2026-03-31"},
    ],
}


@pytest.fixture
def town(database, network):
    feed(database, records(**PLACE))
    with network() as client:
        yield client


def test_rules_are_written_read_judged_changed_and_deleted(town):
    assert town.get(f"{AT}/adequacy").status_code == 404
    made = town.post("/v1/adequacy-rules", json=BODY)
    assert made.status_code == 201, made.text
    where, tag = made.headers["location"], made.headers["etag"]
    assert town.get(where).json() == made.json()
    assert [one["id"] for one in town.items("/v1/adequacy-rules")] == [made.json()["id"]]
    answer = town.get(f"{AT}/adequacy").json()
    assert answer["rules"] == {"id": made.json()["id"], "name": "Town standards", "version": 1}
    assert [(i["need"], i["area_name"], i["status"], i["people_affected"]) for i in answer["items"]] == [
        ("t:debt", "Ward B", "not met", 800),
        ("t:debt", "Ward A", "not met", 400),
        ("t:food", "Ward B", "excepted", 600),
        ("t:food", "Ward A", "met", 0),
    ]
    excepted = answer["items"][2]
    assert excepted["exception"] == {"reason": "A site is being built", "until": "2026-03-31"}
    assert (excepted["share"], excepted["area_type"], excepted["standard"]["min_providers"]) == (
        0.25,
        "rural",
        1,
    )
    assert answer["tally"] == {
        "met": 1, "not_met": 2, "excepted": 1, "cannot_be_judged": 0, "without_standard": 0,
        "people_affected": 1200,
    }  # fmt: skip
    assert [(one["need"], one["area_type"]) for one in answer["infeasible"]] == [("t:debt", None)]
    said = " ".join(answer["computed"]["caveats"])
    for words in ("t:shoes", "E05999999", "straight lines", "see infeasible"):
        assert words in said
    assert answer["computed"]["thresholds"]["detour"] == 1.0
    assert town.items(f"{AT}/adequacy", params={"limit": 1}) == answer["items"]
    only = town.items(f"{AT}/adequacy", params={"status": "excepted", "need": "food"})
    assert [(i["need"], i["status"]) for i in only] == [("t:food", "excepted")]
    later = town.items(f"{AT}/adequacy", params={"at": "2026-04-01", "need": "food"})
    assert (later[0]["status"], later[0]["expired_exception"]["until"]) == ("not met", "2026-03-31")

    body = BODY | {"standards": [{"need": "food", "max_km": 9}], "exceptions": []}
    assert town.put(where, json=body).status_code == 428
    changed = town.put(where, json=body, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert town.put(where, json=body, headers={"If-Match": tag}).status_code == 412
    assert {i["status"] for i in town.items(f"{AT}/adequacy")} == {"met"}
    town.post("/v1/adequacy-rules", json=BODY | {"name": "Another"})
    unclear = town.get(f"{AT}/adequacy")
    assert (unclear.status_code, "rules=" in unclear.text) == (422, True)
    assert town.get(f"{AT}/adequacy", params={"rules": made.json()["id"]}).status_code == 200
    assert town.delete(where).status_code == 428
    assert town.delete(where, headers={"If-Match": changed.headers["etag"]}).status_code == 204
    assert town.get(where).status_code == 404
    assert town.delete(where, headers={"If-Match": "*"}).status_code == 404


def test_minutes_go_by_a_matrix_or_a_speed(town):
    body = {"name": "Bus", "costs": "bus", "standards": [{"need": "food", "max_minutes": 20}]}
    rules = town.post("/v1/adequacy-rules", json=body).json()["id"]
    missing = town.get(f"{AT}/adequacy", params={"rules": rules}).json()
    assert {i["status"] for i in missing["items"]} == {"cannot be judged"}
    assert "“bus” is not held" in missing["items"][0]["why"]
    rows = "matrix,from_area,to_site,minutes\n" + "".join(
        f"bus,{area},b1,{minutes}\n"
        for area, minutes in (("E01000001", 30), ("E01000002", 5), ("E01000003", 20))
    )
    town.post("/v1/imports/costs", content=rows, headers={"Content-Type": "text/csv"})
    found = town.get(f"{AT}/adequacy", params={"rules": rules}).json()
    # A2 (300 of 400) is near in Ward A. In Ward B, B1 (200 of 800) is; of B2 no way is known.
    by_area = {i["area_name"]: i for i in found["items"]}
    assert (by_area["Ward A"]["status"], by_area["Ward A"]["share"]) == ("not met", 0.75)
    ward_b = by_area["Ward B"]
    assert (ward_b["status"], ward_b["share_at_least"], ward_b["share_at_most"]) == (
        "cannot be judged",
        0.25,
        1.0,
    )
    assert found["computed"]["thresholds"]["costs"] == "bus"
    timed = {
        "name": "On foot",
        "speed_kmh": 5,
        "detour": 1,
        "standards": [{"need": "food", "max_minutes": 27}],
    }
    walk = town.post("/v1/adequacy-rules", json=timed).json()["id"]
    near = town.get(f"{AT}/adequacy", params={"rules": walk}).json()["items"]
    # 2.224 km at 5 km an hour are 26.7 minutes.
    assert {i["area_name"]: i["share"] for i in near} == {"Ward A": 1.0, "Ward B": 0.25}


REFUSED = [
    ({"name": ""}, "name"),
    ({"standards": []}, "standards"),
    ({"standards": [{"need": "food"}, {"need": "food"}]}, "two standards"),
    ({"standards": [{"need": "food", "area_type": "remote"}]}, "area type"),
    ({"standards": [{"need": "food", "max_km": 1, "max_minutes": 1}]}, "not both"),
    ({"standards": [{"need": "food", "max_minutes": 1}]}, "speed_kmh"),
    ({"standards": [{"need": "food", "max_km": 0}]}, "max_km"),
    ({"standards": [{"need": "food", "share": 1.1}]}, "share"),
    ({"standards": [{"need": "food", "min_providers": 0}]}, "min_providers"),
    ({"standards": [{"need": "food", "colour": "red"}]}, "colour"),
    ({"area_types": {"index": "rural"}}, "go together"),
    ({"area_types": OVERLAPPING}, "overlap"),
    ({"area_types": {"index": "r", "bands": [{"type": "a", "at_least": 3, "below": 3}]}}, "at_least"),
    ({"area_types": {"areas": {"a": ["E05000001"], "b": ["E05000001"]}}}, "listed"),
    ({"exceptions": [{"area": "E05000001", "reason": "x", "until": "soon"}]}, "until"),
    ({"exceptions": [{"area": "E05000001", "reason": "", "until": "2026-01-01"}]}, "reason"),
    ({"version": 3}, "version"),
]


def test_rules_that_cannot_be_are_refused(town):
    for change, says in REFUSED:
        answer = town.post("/v1/adequacy-rules", json=BODY | change)
        assert answer.status_code == 422, change
        assert says in answer.text, change
    assert town.items("/v1/adequacy-rules") == []


def test_rules_of_one_authority_are_unknown_to_another(database, network):
    feed(database, records(**PLACE))
    with network(role="coordinator", authorities=("E06000001",)) as ours:
        made = ours.post("/v1/adequacy-rules", json=BODY)
        where, tag = made.headers["location"], made.headers["etag"]
        assert made.json()["authority_code"] == "E06000001"
        assert ours.post("/v1/adequacy-rules?authority=E06000002", json=BODY).status_code == 403
    with network(role="coordinator", authorities=("E06000002",)) as theirs:
        missing = theirs.get("/v1/adequacy-rules/nothing")
        assert theirs.items("/v1/adequacy-rules") == []
        assert theirs.get(where).content == missing.content
        assert theirs.put(where, json=BODY, headers={"If-Match": tag}).content == missing.content
        assert theirs.delete(where, headers={"If-Match": "*"}).content == missing.content
    with network() as everybody:
        shared = everybody.post("/v1/adequacy-rules", json=BODY | {"name": "For all"})
    with network(role="coordinator", authorities=("E06000001",)) as ours:
        assert len(ours.items("/v1/adequacy-rules")) == 2
        assert ours.get(f"{AT}/adequacy").json()["rules"]["name"] == "Town standards"
        refused = ours.delete(shared.headers["location"], headers={"If-Match": shared.headers["etag"]})
        assert refused.status_code == 403
    with network(role="reader", authorities=("E06000001",)) as reader:
        assert reader.get(f"{AT}/adequacy").status_code == 200
        assert reader.post("/v1/adequacy-rules", json=BODY).status_code == 403


def test_access_and_adequacy_come_as_rows_too(town):
    town.post("/v1/adequacy-rules", json=BODY)
    rows = town.get(f"{AT}/adequacy?format=csv").text.splitlines()
    assert len(rows) == 5
    for asked in ("limit=1", "limit=1&rows=1"):
        rows = town.get(f"{AT}/access?format=csv&need=food&detour=1&{asked}")
        assert rows.status_code == 200
        lines = rows.text.splitlines()
        assert len(lines) == (2 if "rows" in asked else 3)
        # The limit is still a distance: both wards are 1.1 km from the nearest site, or further.
        assert all(",out of reach" in line for line in lines[1:])


PEOPLE_40_000 = {
    "areas": "code | name | level | parents\nE06000001 | County | authority |",
    "needs": "id | name | parent\nt:food | Food |",
    "residents": "area | count\nE06000001 | 40000",
}


def provided(count):
    """A county of 40,000 with so many providers of one need."""
    return PEOPLE_40_000 | {
        "organisations": "id | name | owners\n" + "\n".join(f"o{n} | O{n} |" for n in range(count)),
        "services": "id | provider | needs | areas\n"
        + "\n".join(f"s{n} | o{n} | t:food | E06000001" for n in range(count)),
    }


@pytest.fixture
def minimum(shared):
    cases = json.loads((shared / "vectors" / "payments.json").read_text())["cases"]
    return next(case for case in cases if case["name"] == "cms_min_number")


def test_the_published_minimum_number_of_providers_is_what_a_standard_per_1000_asks_for(
    minimum, database, network
):
    inputs, expected = minimum["inputs"], minimum["expected"]
    people = np.array([float(inputs["total_beneficiaries"])])
    assert people[0] * inputs["ratio95"] == expected["beneficiaries_required"]
    needed = {
        name: Standard("t:food", per_1000=inputs[name] * inputs["ratio95"]).needed(people)[0]
        for name in ("min_ratio_per_1000", "beds_per_1000")
    }
    assert needed == {
        "min_ratio_per_1000": expected["required_providers"],
        "beds_per_1000": expected["required_beds"],
    }
    standard = Standard("t:food", per_1000=inputs["min_ratio_per_1000"] * inputs["ratio95"])
    for providers, verdict in ((6, "not met"), (7, "met")):
        (found,) = judged([standard], place=provided(providers)).findings
        assert found.verdict == verdict

    feed(database, records(**provided(6)))
    with network() as client:
        wanted = {"need": "food", "providers_per_1000": standard.per_1000}
        made = client.post("/v1/adequacy-rules", json={"name": "Minimum numbers", "standards": [wanted]})
        assert made.status_code == 201, made.text
        answer = client.get(f"{AT}/adequacy", params={"level": "authority"}).json()
        (item,) = answer["items"]
        assert (item["status"], item["share"]) == ("not met", 0)
        assert f"here {expected['required_providers']}; 6 cover it whole" in item["why"]
        assert item["standard"]["providers_per_1000"] == standard.per_1000
        assert len(answer["infeasible"]) == 1


def test_a_number_per_1000_of_nobody_knows_how_many_cannot_be_judged():
    place = provided(3) | {"residents": "area | count\n"}
    (found,) = judged([Standard("t:food", per_1000=1)], place=place).findings
    assert (found.verdict, found.low, found.high) == ("cannot be judged", 0.0, 1.0)
    assert "how many live there is not known" in found.why
    (far,) = judged([Standard("t:food", within=5, per_1000=1)], place=place).findings
    assert far.verdict == "cannot be judged"
    assert Standard("t:food", providers=3, per_1000=2).needed(np.array([500.0, 1501.0])).tolist() == [3, 4]
