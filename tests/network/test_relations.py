"""`relations`: ties between organisations sent in, read back, and whose they are."""

import csv
import io
import json

import pytest

from tests.network.feeding import feed
from tests.network.world import TOWN, records

CSV = {"Content-Type": "text/csv"}
ROWS = """network,from,to,type,weight,from_date,to_date
early-help,ant,bee,referral,3,2024-04-01,
early-help,bee,cat,Data Sharing,,,
early-help,Cat,Dogs Trust,partnership,0.5,,2025-12-31
"""


@pytest.fixture
def town(database, network):
    feed(database, records(**TOWN))
    with network() as client:
        yield client


def send(client, rows, media_type="text/csv", **params):
    answer = client.post(
        "/v1/imports/relations", content=rows, headers={"Content-Type": media_type}, params=params
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(made):
    return tuple(made["counts"][name] for name in ("accepted", "changed", "unchanged", "quarantined"))


def test_relations_are_taken_in_row_by_row_and_only_what_changed_is_changed(town):
    assert counts(send(town, ROWS)) == (3, 0, 0, 0)
    assert counts(send(town, ROWS)) == (0, 0, 3, 0)
    assert counts(send(town, ROWS.replace("referral,3", "referral,4"))) == (0, 1, 2, 0)
    found = town.items("/v1/relations", params={"limit": 1})
    assert [(one["from"]["said"], one["to"]["said"], one["type"], one["weight"]) for one in found] == [
        ("Cat", "Dogs Trust", "partnership", 0.5),
        ("ant", "bee", "referral", 4),
        ("bee", "cat", "data-sharing", None),
    ]
    assert found[0]["from"] == {"said": "Cat", "id": "cat", "name": "Cat"}


def test_an_organisation_the_registry_does_not_know_is_kept_and_said(town):
    made = send(town, ROWS)
    receipts = town.items(made["receipts"], params={"noted": True})
    assert [(one["verdict"], one["line"]) for one in receipts] == [("accepted", 4), ("accepted", None)]
    assert "no organisation “Dogs Trust”" in receipts[0]["reason"]
    assert receipts[1]["reason"].startswith("1 of 5 organisations are not known")
    stranger = town.items("/v1/relations", params={"organisation": "Dogs Trust"})[0]["to"]
    assert stranger == {"said": "Dogs Trust", "id": None, "name": "Dogs Trust"}


def test_relations_are_filtered_by_network_type_organisation_and_day(town):
    send(town, ROWS + "other,ant,cat,contract,,,\n")

    def found(**params):
        return [(one["network"], one["type"]) for one in town.items("/v1/relations", params=params)]

    assert found(network="other") == [("other", "contract")]
    assert found(type=["referral", "contract"]) == [("early-help", "referral"), ("other", "contract")]
    assert found(organisation="bee") == [("early-help", "referral"), ("early-help", "data-sharing")]
    assert ("early-help", "referral") not in found(at="2024-03-31")
    assert ("early-help", "referral") in found(at="2024-04-01")
    assert ("early-help", "partnership") in found(at="2025-12-31")
    assert ("early-help", "partnership") not in found(at="2026-01-01")


BAD = [
    ("n,a,a,referral,,,", "to"),
    ("n,,b,referral,,,", "from"),
    ("n,a,b,friendship,,,", "type"),
    ("n,a,b,,,,", "type"),
    ("n,a,b,referral,-1,,", "weight"),
    ("n,a,b,referral,nan,,", "weight"),
    ("n,a,b,referral,much,,", "weight"),
    ("n,a,b,referral,,2024-13-01,", "from_date"),
    ("n,a,b,referral,,1.5.2024,", "from_date"),
    ("n,a,b,referral,,2024-05-01,2024-04-30", "to_date"),
    (",a,b,referral,,,", "network"),
    ("../n,a,b,referral,,,", "network"),
    (f"n,{'a' * 201},b,referral,,,", "from"),
]


def test_a_bad_row_is_quarantined_with_its_line_column_and_reason(town):
    rows = "\n".join(row for row, _ in BAD)
    made = send(town, f"network,from,to,type,weight,from_date,to_date\n{rows}\nn,a,b,referral,,,\n")
    assert counts(made) == (1, 0, 0, len(BAD))
    receipts = town.items(made["receipts"], params={"verdict": "quarantined"})
    assert [(one["line"], one["column"]) for one in receipts] == [
        (line, column) for line, (_, column) in enumerate(BAD, start=2)
    ]
    assert all(one["reason"] for one in receipts)


def test_a_row_that_contradicts_another_of_its_file_is_quarantined(town):
    made = send(town, "from,to,type,weight\na,b,referral,1\na,b,referral,2\na,b,referral,1\n", network="n")
    assert counts(made) == (1, 0, 1, 1)


def test_json_and_lines_are_read_too_and_the_network_and_type_may_be_said_once(town):
    line = json.dumps({"from": "ant", "to": "bee", "weight": 2}) + "\n"
    options = {"network": "n", "type": "referral"}
    assert counts(send(town, line, "application/x-ndjson", **options)) == (1, 0, 0, 0)
    assert counts(send(town, f"[{line}]", "application/json", **options)) == (0, 0, 1, 0)
    for params in ({"network": "/"}, {"network": "n", "type": "friends"}):
        refused = town.post("/v1/imports/relations", content="from,to\na,b\n", headers=CSV, params=params)
        assert refused.status_code == 422
    assert town.post("/v1/imports/relations", content="a,b\n1,2\n", headers=CSV).status_code == 422


def test_relations_belong_to_an_authority_and_others_neither_see_nor_change_them(database, network):
    feed(database, records(**TOWN))
    with network(role="system", authorities=("E06000001",)) as own:
        send(own, ROWS)
    with network(role="system", authorities=("E06000099",)) as other:
        assert other.items("/v1/relations") == []
        made = send(other, ROWS.replace("referral,3", "referral,9"))
        assert counts(made) == (0, 0, 0, 3)
        reason = other.items(made["receipts"])[0]["reason"]
        assert "another authority" in reason
    with network(role="reader") as reader:
        refused = reader.post("/v1/imports/relations", content=ROWS, headers=CSV)
        assert refused.status_code == 403
        weights = [one["weight"] for one in reader.items("/v1/relations")]
    assert weights == [0.5, 3, None]
    with network(role="system", authorities=("E06000001", "E06000002")) as both:
        made = send(both, "network,from,to,type\nnew,a,b,referral\n")
        assert counts(made) == (0, 0, 0, 1)
        assert counts(send(both, "network,from,to,type\nnew,a,b,referral\n", authority="E06000002"))[0] == 1


def test_relations_come_as_a_table_with_plain_columns(town):
    send(town, ROWS)
    answer = town.get("/v1/relations", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert list(rows[0]) == [
        "network",
        "from.said",
        "from.id",
        "from.name",
        "to.said",
        "to.id",
        "to.name",
        "type",
        "weight",
        "from_date",
        "to_date",
    ]
    assert len(rows) == 3


@pytest.fixture
def as_sent(shared):
    """Relations of the published networks in our columns: organisations by their names there."""

    def made(name, weight=None):
        folder = shared / "data" / "networks"
        with (folder / f"{name}_nodes.csv").open(encoding="utf-8", newline="") as file:
            named = {row["id"]: row["vertex.names"] for row in csv.DictReader(file)}
        lines = ["from,to,weight"]
        with (folder / f"{name}_edges.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                lines.append(f"{named[row['source']]},{named[row['target']]},{row.get(weight, '')}")
        return "\n".join(lines) + "\n"

    return made


@pytest.mark.parametrize(
    ("name", "weight", "rows"),
    [("tc_indiana_TCcnt", "contact", 175), ("dhhs_collab", "collab", 447), ("lhds", None, 2708)],
)
def test_published_networks_load_whole(town, as_sent, name, weight, rows):
    made = send(town, as_sent(name, weight), network=name, type="partnership")
    assert counts(made) == (rows, 0, 0, 0)
    assert counts(send(town, as_sent(name, weight), network=name, type="partnership")) == (0, 0, rows, 0)
