import pytest

from tests.registry.files import changes, counts, fill, notes, quarantined, receipts, send
from tests.support.http import Client


@pytest.fixture
def filled(registry: Client) -> Client:
    fill(registry)
    return registry


def test_residents_land_by_age_band_and_make_a_total(filled: Client) -> None:
    file = """
        area_code,period,age_from,age_to,sex,count
        E05999001,2023,0,,Persons,3900
        E05999001,2024,0,15,all,800
        E05999001,2024,16,64,all,2500
        E05999001,2024,65,,all,700
        E05999002,2024,0,,F,2100
        E05999002,2024,0,,M,"1,950"
        """
    first = send(filled, "residents", file)
    assert counts(first) == (6, 0, 0, 0)
    assert counts(send(filled, "residents", file)) == (0, 0, 6, 0)
    assert filled.get("/v1/areas/E05999001").json()["residents"] == {"period": "2024", "people": 4000.0}
    assert filled.get("/v1/areas/E05999002").json()["residents"] == {"period": "2024", "people": 4050.0}

    events = changes(filled, types="residents")
    assert [event["subject"] for event in events] == ["E05999001", "E05999002"], "one event an area"
    assert events[1]["data"] == {
        "area_code": "E05999002",
        "rows": [
            {"period": "2024", "age_from": 0, "age_to": None, "sex": "female", "count": 2100.0},
            {"period": "2024", "age_from": 0, "age_to": None, "sex": "male", "count": 1950.0},
        ],
    }


def test_bad_residents_are_named_row_by_row(filled: Client) -> None:
    made = send(
        filled,
        "residents",
        """
        area_code,period,age_from,age_to,sex,count
        E05999099,2024,0,,all,10
        E0599901,2024,0,,all,10
        E05999001,2024,20,10,all,10
        E05999001,2024,0,,all,-1
        E05999001,2024,0,,all,NaN
        E05999001,2024,0,,all,1e400
        E05999001,2024,0,,other,10
        E05999001,,0,,all,10
        E05999001,2024,0,,all,10
        E05999001,2024,0,,all,11
        E05999001,2024,0,,all,10
        """,
    )
    assert counts(made) == (1, 0, 1, 9)
    assert [(line, column) for line, column, _ in quarantined(filled, made)] == [
        (2, "area_code"),
        (3, "area_code"),
        (4, "age_to"),
        (5, "count"),
        (6, "count"),
        (7, "count"),
        (8, "sex"),
        (9, "period"),
        (11, "area_code"),
    ]


def test_index_values_land_and_a_correction_is_a_change(filled: Client) -> None:
    head = "index,area_code,period,value\n"
    assert counts(send(filled, "indices", head + "imd,E01999001,2025,41.3\nimd,E01999002,2025,12")) == (
        2,
        0,
        0,
        0,
    )
    corrected = send(filled, "indices", head + "imd,E01999001,2025,40\nimd,E01999001,2019,39\nx/y,E0,1,1")
    assert counts(corrected) == (1, 1, 0, 1)
    (event,) = [e for e in changes(filled, types="index") if e["subject"] == "imd/E01999001"][-1:]
    assert event["type"] == "hedgerow.index.updated"
    assert event["data"] == {
        "index": "imd",
        "area_code": "E01999001",
        "values": [{"period": "2019", "value": 39.0}, {"period": "2025", "value": 40.0}],
    }


def test_of_several_taxonomies_with_a_bare_term_the_one_of_the_same_source_is_meant(filled: Client) -> None:
    send(filled, "needs", "taxonomy,term,name\nmine,debt,Debt\nmine,own,Own", source="council")
    made = send(filled, "demand", "need,area_code,period,count\ndebt,E05999002,2024,10", source="council")
    assert counts(made) == (1, 0, 0, 0)
    assert [event["subject"] for event in changes(filled, types="demand")] == ["mine:debt/E05999002/2024"]
    services = send(filled, "services", "id,name,needs\ns1,Advice,debt;own", source="council")
    assert counts(services) == (1, 0, 0, 0)
    assert changes(filled, types="service")[-1]["data"]["needs"] == ["mine:debt", "mine:own"]


def test_demand_takes_counts_and_weights_and_an_unambiguous_bare_term(filled: Client) -> None:
    file = """
        need,area_code,period,count,weight,source
        hedgerow:food-bank,E05999001,2024/25,120,,Household survey
        food-bank,E05999002,2024/25,,0.4,
        debt,E05999002,2024,10,,
        hedgerow:nothing,E05999002,2024,10,,
        hedgerow:food,E05999002,2024,,,
        """
    made = send(filled, "demand", file, source="survey")
    assert counts(made) == (2, 0, 0, 3)
    assert quarantined(filled, made) == [
        (4, "need", "several taxonomies have this term: hedgerow:debt, other:debt"),
        (5, "need", "no such need: hedgerow:nothing"),
        (6, "count", "a count or a weight is needed"),
    ]
    assert counts(send(filled, "demand", file, source="survey")) == (0, 0, 2, 3)
    events = {event["subject"]: event["data"] for event in changes(filled, types="demand")}
    assert events == {
        "hedgerow:food-bank/E05999001/2024-25": {
            "need": "hedgerow:food-bank",
            "area_code": "E05999001",
            "period": "2024-25",
            "count": 120.0,
            "weight": None,
            "source": "Household survey",
        },
        "hedgerow:food-bank/E05999002/2024-25": {
            "need": "hedgerow:food-bank",
            "area_code": "E05999002",
            "period": "2024-25",
            "count": None,
            "weight": 0.4,
            "source": "survey",
        },
    }


def test_needs_and_crosswalks_land_in_any_order_and_note_what_is_missing(registry: Client) -> None:
    needs = """
        taxonomy,term,name,parent_term
        t,b,B,a
        t,a,A,
        t,c,C,zz
        t,d;e,D,
        t t,d,D,
        t,d,,
        t,d,D,d
        """
    made = send(registry, "needs", needs)
    assert counts(made) == (3, 0, 0, 4)
    assert notes(registry, made) == [(4, "parent_term", "the need t:zz is not known yet")]
    assert counts(send(registry, "needs", needs)) == (0, 0, 3, 4)

    made = send(
        registry,
        "crosswalk",
        """
        from_taxonomy,from_term,to_taxonomy,to_term,relation
        t,a,u,x,exactMatch
        t,a,t,b,narrower
        t,a,t,a,exact
        t,a,t,c,same
        """,
    )
    assert counts(made) == (2, 0, 0, 2)
    assert notes(registry, made) == [(2, "to_term", "the need u:x is not known yet")]
    assert registry.get("/v1/needs/t:a").json()["crosswalk"] == [
        {"from_id": "t:a", "to_id": "t:b", "relation": "narrower"},
        {"from_id": "t:a", "to_id": "u:x", "relation": "exact"},
    ]
    assert [event["data"] for event in changes(registry, types="crosswalk")] == [
        {"from": "t:a", "to": "t:b", "relation": "narrower"},
        {"from": "t:a", "to": "u:x", "relation": "exact"},
    ]


def test_a_file_without_a_column_is_refused_and_nothing_lands(registry: Client) -> None:
    for kind, column in (("residents", "sex"), ("needs", "name"), ("services", "name"), ("areas", "vintage")):
        answer = registry.post(
            f"/v1/imports/{kind}", content=b"area_code,id\nx,y\n", headers={"content-type": "text/csv"}
        )
        assert answer.status_code == 422
        assert {"parameter": column, "reason": "missing column"} in answer.json()["errors"]
    assert registry.items("/v1/imports") == []


def test_counts_add_up_over_several_batches(registry: Client) -> None:
    fill(registry)
    rows = [f"E0599900{1 + n % 3},2024,{n % 90},{n % 90},all,{n}" for n in range(12_000)]
    body = "area_code,period,age_from,age_to,sex,count\n" + "\n".join(rows)
    made = send(registry, "residents", body)
    assert sum(counts(made)) == 12_000
    assert counts(made)[3] >= 4_000, "every third names an area that is not there"
    assert sum(receipt["records"] for receipt in receipts(registry, made)) == 12_000
    again = send(registry, "residents", body)
    assert counts(again)[:2] == (0, 0)
