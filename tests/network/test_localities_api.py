"""`/v1/localities` over real databases."""

import csv
import io
import json

import pytest

from tests.network.feeding import feed
from tests.network.world import TOWN, records, service

AT = "/v1/localities/E06000001"


@pytest.fixture
def town(database, network):
    feed(database, records(**TOWN))
    with network() as client:
        yield client


def test_cover_lists_every_cell_by_need_and_area(town):
    answer = town.get(f"{AT}/cover").json()
    assert [(c["need"], c["area"], c["depth"], c["status"]) for c in answer["items"]] == [
        ("t:debt", "E05000001", 2, "overlap"),
        ("t:debt", "E05000002", 1, "single"),
        ("t:debt", "E05000003", 1, "single"),
        ("t:food", "E05000001", 2, "overlap"),
        ("t:food", "E05000002", 1, "single"),
        ("t:food", "E05000003", 0, "gap"),
    ]
    north = answer["items"][3]
    assert north["providers"] == [{"id": "ant", "name": "Ant"}, {"id": "bee", "name": "Bee"}]
    assert (north["services"], north["people"], north["people_basis"]) == (3, 1000, "residents")
    assert (north["need_name"], north["area_name"], north["partly"]) == ("Food", "North", None)


def test_every_answer_says_what_it_rests_on(town):
    for path in ("cover", "gaps", "overlaps", "fragility", "summary", "cover/food/E05000001"):
        computed = town.get(f"{AT}/{path}").json()["computed"]
        assert computed["at"] == "2026-01-15"
        assert computed["rule"] == "default"
        assert computed["rules_used"] == ({"declared": 3} if path.endswith("1") else {"declared": 4})
        thresholds = {"level": "ward", "count": "providers", "index": None, "single_depth": 1}
        assert computed["thresholds"].items() >= thresholds.items()
        assert computed["registry_seq"] == 20
        assert "people are all residents" in computed["caveats"][0]


def test_gaps_come_by_people_and_kind(town):
    kinds = [None, "single", ["single", "uncovered"]]
    found = [town.items(f"{AT}/gaps", params={} if kind is None else {"kind": kind}) for kind in kinds]
    assert [[(g["need"], g["area"], g["kind"], g["people_affected"]) for g in gaps] for gaps in found] == [
        [("t:food", "E05000003", "uncovered", 3000)],
        [
            ("t:debt", "E05000003", "single", 3000),
            ("t:debt", "E05000002", "single", 2000),
            ("t:food", "E05000002", "single", 2000),
        ],
        [
            ("t:debt", "E05000003", "single", 3000),
            ("t:food", "E05000003", "uncovered", 3000),
            ("t:debt", "E05000002", "single", 2000),
            ("t:food", "E05000002", "single", 2000),
        ],
    ]


def test_analyses_are_tables_too_and_keep_what_they_rest_on(town):
    for path in ("cover", "gaps", "overlaps", "fragility"):
        items = town.items(f"{AT}/{path}")
        answer = town.get(f"{AT}/{path}", params={"format": "csv"})
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert len(rows) == len(items) > 0
        assert json.loads(answer.headers["hedgerow-about"])["computed"]["registry_seq"] == 20
    cover = list(csv.DictReader(io.StringIO(town.get(f"{AT}/cover?format=csv").text, newline="")))
    assert [(row["area"], row["providers.name"]) for row in cover][3:] == [
        ("E05000001", "Ant;Bee"),
        ("E05000002", "Ant"),
        ("E05000003", ""),
    ]
    assert town.get(f"{AT}/cover", params={"format": "geojson"}).status_code == 406


@pytest.mark.parametrize("path", ["cover", "gaps?kind=single", "overlaps", "fragility"])
def test_pages_join_to_the_whole_list(town, path):
    url, _, query = f"{AT}/{path}".partition("?")
    params = dict(pair.split("=") for pair in query.split("&") if pair)
    whole = town.get(url, params=params | {"limit": 1000}).json()["items"]
    assert len(whole) > 1
    assert town.items(url, params=params | {"limit": 1}) == whole
    first = town.get(url, params=params | {"limit": 1})
    assert first.headers["link"].endswith('rel="next"')


def test_overlaps_name_both_and_what_they_share(town):
    food = town.items(f"{AT}/overlaps", params={"need": "food"})
    # s1 and s4 are both Ant's: no pair. Bee's s2 shares North with each of them: 1000 people, the tie by id.
    assert [(o["first"]["id"], o["second"]["id"], o["shared_people"], o["areas"]) for o in food] == [
        ("s1", "s2", 1000, ["E05000001"]),
        ("s2", "s4", 1000, ["E05000001"]),
    ]
    assert food[0]["first"]["provider"] == {"id": "ant", "name": "Ant"}
    assert (food[0]["containment"], food[0]["jaccard"], food[0]["same_owner"]) == (1.0, 0.5, True)
    by_provider = town.items(f"{AT}/overlaps", params={"by": "provider"})
    assert [(o["first"]["name"], o["second"]["name"], o["needs"]) for o in by_provider] == [
        ("Ant", "Bee", ["t:food"]),
        ("Ant", "Cat", ["t:debt"]),
    ]


def test_fragility_by_provider_and_by_owner(town):
    by_provider = town.items(f"{AT}/fragility")
    assert [(f["name"], f["cells_uncovered"], f["people_uncovered"], f["services"]) for f in by_provider] == [
        ("Cat", 2, 5000, 1),
        ("Ant", 1, 2000, 2),
    ]
    by_owner = town.items(f"{AT}/fragility", params={"by": "owner"})
    assert [(f["name"], f["kind"], f["cells_uncovered"], f["people_uncovered"]) for f in by_owner] == [
        ("Cat", "owner", 2, 5000),
        ("Zoo plc", "owner", 2, 3000),
    ]


def test_what_if_one_left(town):
    gone = town.get(f"{AT}/fragility/ant").json()
    assert [(c["need"], c["area"]) for c in gone["uncovered"]] == [("t:food", "E05000002")]
    assert [(c["need"], c["area"]) for c in gone["single"]] == [
        ("t:debt", "E05000001"),
        ("t:food", "E05000001"),
    ]
    assert (gone["cells_uncovered"], gone["people_uncovered"]) == (1, 2000)
    assert town.get(f"{AT}/fragility/nobody").status_code == 404


def test_a_cell_is_explained(town):
    told = town.get(f"{AT}/cover/food/E05000003").json()
    assert told["cell"]["status"] == "gap"
    assert told["counted"] == []
    assert [(e["service"]["id"], e["why"], e["reason"]) for e in told["excluded"]] == [
        ("s1", "area", "It states North, East, not South."),
        ("s4", "area", "It states North, not South."),
        ("s2", "area", "It states North, not South."),
    ]


def test_a_summary_gives_the_place_in_a_few_figures(town):
    found = town.get(f"{AT}/summary").json()
    assert found["cells"] == {"gap": 1, "partial": 0, "single": 3, "overlap": 2}
    assert (found["name"], found["areas"], found["needs"], found["residents"]) == ("Town", 3, 2, 6000)
    assert [gap["area_name"] for gap in found["largest_gaps"]] == ["South"]
    assert [one["name"] for one in found["most_fragile"]] == ["Cat", "Ant"]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/v1/localities/E06999999/gaps", 404, "No such area is held"),
        ("/v1/localities/E0600001/gaps", 422, "GSS code"),
        ("/v1/localities/%00/gaps", 400, "NUL"),
        (f"{AT}/gaps?need=drink", 404, "No such need is held"),
        (f"{AT}/cover/drink/E05000001", 404, "No such need is held"),
        (f"{AT}/cover/food/E05999999", 404, "No such area is held"),
        (f"{AT}/gaps?rule=within:0", 422, "within:<km>"),
        (f"{AT}/gaps?rule=within:nan", 422, "within:<km>"),
        (f"{AT}/gaps?rule=nearby", 422, "within:<km>"),
        (f"{AT}/gaps?level=lsoa", 422, "ward (3)"),
        (f"{AT}/gaps?level=street", 422, ""),
        (f"{AT}/gaps?at=soon", 422, "at: not a day written as 2024-05-31."),
        (f"{AT}/gaps?at=2024", 422, "at: not a day written as 2024-05-31."),
        (f"{AT}/gaps?at=2024-02-30", 422, "at: not a day written as 2024-05-31."),
        (f"{AT}/gaps?index=happiness", 422, "No index of this name"),
        (f"{AT}/gaps?kind=wide", 422, ""),
        (f"{AT}/gaps?after=x", 422, "page marker"),
        (f"{AT}/gaps?limit=0", 422, ""),
        (f"{AT}/gaps?colour=red", 422, "Unknown query parameter"),
        (f"{AT}/gaps?at=0001-01-01&need=food", 200, None),
        (f"{AT}/gaps?at=9999-12-31", 200, None),
    ],
)
def test_what_cannot_be_answered_is_a_clear_problem(town, path, status, says):
    answer = town.get(path)
    assert answer.status_code == status
    assert all(error.get("parameter") in path for error in answer.json().get("errors", []))
    if says is not None:
        assert answer.headers["content-type"] == "application/problem+json"
        assert says in answer.text


def test_a_place_may_be_named_where_the_name_is_the_only_one(town):
    assert town.get("/v1/localities/north/gaps").json()["computed"]["thresholds"]["level"] == "ward"
    assert town.get("/v1/localities/e06000001/gaps").status_code == 200


def test_an_unchanged_answer_is_not_sent_again_and_a_changed_one_is(database, town):
    first = town.get(f"{AT}/gaps")
    again = town.get(f"{AT}/gaps", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    feed(database, [("service", "s8", service("s8", needs=["t:food"], areas=["E05000003"]))], after=20)
    after = town.get(f"{AT}/gaps", headers={"If-None-Match": first.headers["etag"]})
    assert after.status_code == 200
    assert after.json()["items"] == []
    assert after.json()["computed"]["registry_seq"] == 21


def test_a_reader_of_another_authority_learns_nothing_of_this_one(database, network):
    feed(database, records(**TOWN))
    with network(role="reader", authorities=("E06000002",)) as stranger:
        refused = stranger.get(f"{AT}/gaps")
        unknown = stranger.get("/v1/localities/E06999999/gaps")
        assert refused.status_code == 404
        assert refused.content == unknown.content
        assert stranger.get("/v1/localities/E05000001/gaps").content == unknown.content
    with network(role="reader", authorities=("E06000001",)) as reader:
        assert reader.get(f"{AT}/gaps").status_code == 200
        assert reader.get("/v1/localities/E05000001/summary").status_code == 200


def test_nobody_reads_without_an_identity(network):
    with network() as client:
        for path in (f"{AT}/gaps", "/v1/projection"):
            assert client.get(path, headers={"Authorization": ""}).status_code == 401


def test_an_answer_before_the_first_feed_is_refused_for_the_moment(network):
    with network() as client:
        answer = client.get(f"{AT}/gaps")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert client.get("/readyz").status_code == 503
