"""`costs`: matrices of travel costs sent in, read, deleted, and whose they are."""

import pytest

from tests.network.feeding import feed
from tests.network.world import TOWN, records

CSV = {"Content-Type": "text/csv"}
ROWS = """matrix,from_area,to_site,minutes,km
car,E05000001,n,4,2.5
car,E05000001,far,55,
car,E05000002,n,0,0
walk,E05000001,n,30,
"""


@pytest.fixture
def town(database, network):
    feed(database, records(**TOWN))
    with network() as client:
        yield client


def send(client, rows, **params):
    answer = client.post("/v1/imports/costs", content=rows, headers=CSV, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(made):
    return tuple(made["counts"][name] for name in ("accepted", "changed", "unchanged", "quarantined"))


def test_a_matrix_is_taken_in_pair_by_pair(town):
    assert counts(send(town, ROWS)) == (4, 0, 0, 0)
    car, walk = town.items("/v1/costs")
    assert (car["name"], car["pairs"], car["areas"], car["sites"]) == ("car", 3, 2, 2)
    assert (car["in_minutes"], car["in_km"], walk["pairs"], walk["in_km"]) == (3, 2, 1, 0)
    version = car["version"]
    assert counts(send(town, ROWS)) == (0, 0, 4, 0)
    assert town.get("/v1/costs/car").json()["version"] == version
    assert counts(send(town, ROWS.replace("55", "50"))) == (0, 1, 3, 0)
    assert town.get("/v1/costs/car").json()["version"] > version
    assert [m["name"] for m in town.items("/v1/costs", params={"limit": 1})] == ["car", "walk"]


def test_the_matrix_may_be_named_once_for_all_rows(town):
    rows = "from_area,to_site,km\nE05000001,n,1\n"
    assert counts(send(town, rows)) == (0, 0, 0, 1)
    assert counts(send(town, rows, matrix="on foot")) == (1, 0, 0, 0)
    assert town.get("/v1/costs/on%20foot").json()["pairs"] == 1


def test_rows_of_json_are_read_too(town):
    body = b'{"from_area": "E05000001", "to_site": "n", "km": 1.5}\n'
    answer = town.post(
        "/v1/imports/costs?matrix=m", content=body, headers={"Content-Type": "application/x-ndjson"}
    )
    assert counts(answer.json()) == (1, 0, 0, 0)


BAD = """matrix,from_area,to_site,minutes,km
m,E0500001,a,1,
m,E05000001,,1,
m,E05000001,a,-1,
m,E05000001,a,nan,
m,E05000001,a,1e9,
m,E05000001,a,1_0,
m,E05000001,a,,
,E05000001,a,1,
$$,E05000001,a,1,
m,E05000002,a,1,
m,E05000002,a,1,
m,E05000002,a,2,
"""


def test_each_bad_row_is_told_with_its_line_and_reason(town):
    made = send(town, BAD)
    assert counts(made) == (1, 0, 1, 10)
    told = town.items(made["receipts"], params={"verdict": "quarantined"})
    assert [(r["line"], r["column"]) for r in told] == [
        (2, "from_area"),
        (3, "to_site"),
        (4, "minutes"),
        (5, "minutes"),
        (6, "minutes"),
        (7, "minutes"),
        (8, "minutes"),
        (9, "matrix"),
        (10, "matrix"),
        (13, "to_site"),
    ]
    assert told[-1]["reason"] == "line 11 says otherwise of the same pair: the first row stands"


@pytest.mark.parametrize(
    ("body", "params", "status"),
    [
        (b"from_area,km\nE05000001,1\n", {}, 422),
        (b"from_area,to_site\n", {"matrix": "\x01"}, 422),
        (b"from_area,to_site\n", {"colour": "red"}, 422),
        (b"PK\x03\x04", {}, 422),
    ],
)
def test_a_file_that_is_not_what_it_says_lands_nothing(town, body, params, status):
    answer = town.post("/v1/imports/costs", content=body, headers=CSV, params=params)
    assert answer.status_code == status
    assert town.items("/v1/costs") == []


def test_a_matrix_is_deleted_only_by_who_has_seen_how_it_stands(town):
    send(town, ROWS)
    tag = town.get("/v1/costs/car").headers["etag"]
    assert town.delete("/v1/costs/car").status_code == 428
    send(town, ROWS.replace("55", "50"))
    assert town.delete("/v1/costs/car", headers={"If-Match": tag}).status_code == 412
    tag = town.get("/v1/costs/car").headers["etag"]
    assert town.delete("/v1/costs/car", headers={"If-Match": tag}).status_code == 204
    assert town.get("/v1/costs/car").status_code == 404
    assert [m["name"] for m in town.items("/v1/costs")] == ["walk"]


def test_one_authority_neither_sees_nor_changes_the_matrix_of_another(database, network):
    feed(database, records(**TOWN))
    with network(role="system", authorities=("E06000001",)) as ours:
        assert counts(send(ours, ROWS)) == (4, 0, 0, 0)
        assert ours.get("/v1/costs/car").json()["authority_code"] == "E06000001"
        assert ours.get("/v1/localities/E06000001/access?costs=car").status_code == 200
    with network(role="system", authorities=("E06000002",)) as theirs:
        assert theirs.items("/v1/costs") == []
        missing = theirs.get("/v1/costs/nothing")
        assert theirs.get("/v1/costs/car").content == missing.content
        assert theirs.delete("/v1/costs/car", headers={"If-Match": "*"}).content == missing.content
        refused = send(theirs, ROWS.replace("55", "1"))
        assert counts(refused) == (0, 0, 0, 4)
        told = theirs.items(refused["receipts"])
        assert {r["column"] for r in told} == {"matrix"}
    with network(role="reader", authorities=("E06000001",)) as reader:
        assert reader.post("/v1/imports/costs", content=ROWS, headers=CSV).status_code == 403
        assert reader.delete("/v1/costs/car", headers={"If-Match": "*"}).status_code == 403
        assert reader.get("/v1/costs/car").json()["pairs"] == 3
    with network(role="system", authorities=("E06000001", "E06000002")) as both:
        rows = "matrix,from_area,to_site,km\nnew,E05000001,n,1\n"
        assert counts(send(both, rows)) == (0, 0, 0, 1)
        assert counts(send(both, rows, authority="E06000002")) == (1, 0, 0, 0)
    with network() as everybody:
        send(everybody, "matrix,from_area,to_site,km\nshared,E05000001,n,1\n")
    with network(role="system", authorities=("E06000001",)) as ours:
        assert [m["name"] for m in ours.items("/v1/costs")] == ["car", "shared", "walk"]
        told = send(ours, "matrix,from_area,to_site,km\nshared,E05000001,n,9\n")
        assert counts(told) == (0, 0, 0, 1)
