import orjson

from tests.outcomes.sending import HEAD, KPIS, counts, receipts, send
from tests.support.http import Client

HEADER = KPIS.splitlines()[0]


def test_a_definition_is_kept_as_it_was_sent(outcomes: Client) -> None:
    header = HEADER + ",target,minimum,owner\n"
    row = (
        "w,Waits,days,lower is better,Outcome,user voice,Yearly,ratio of sums,"
        '"About, waits",10,20.5,Housing\n'
    )
    assert counts(outcomes, "kpis", header + row) == (1, 0, 0, 0)
    kpi = outcomes.get("/v1/kpis/w").json()
    del kpi["defined_at"]
    assert kpi == {
        "id": "w",
        "version": 1,
        "valid_from": None,
        "source": "default",
        "name": "Waits",
        "unit": "days",
        "polarity": "lower",
        "level": "outcome",
        "perspective": "user_voice",
        "frequency": "annual",
        "aggregation": "ratio_of_sums",
        "description": "About, waits",
        "target": 10.0,
        "minimum": 20.5,
        "owner": "Housing",
        "numerator": None,
        "denominator": None,
        "subjects": [],
        "interval": None,
        "suppress_below": None,
        "leads_to": [],
        "answered_by": [],
        "incomplete": False,
    }


def test_a_definition_that_says_little_is_taken_in_and_marked_as_incomplete(outcomes: Client) -> None:
    made = send(outcomes, "kpis", "unit,name,id\ndays,Waits,w\n")
    assert made["counts"]["accepted"] == 1
    (receipt,) = receipts(outcomes, made)
    assert receipt["reason"] == "not said: polarity, level, perspective, frequency, aggregation"
    kpi = outcomes.get("/v1/kpis/w").json()
    assert (kpi["name"], kpi["unit"], kpi["polarity"], kpi["incomplete"]) == ("Waits", "days", None, True)


def test_a_definition_says_its_parts_links_and_threshold(outcomes: Client) -> None:
    header = "id,name,numerator,denominator,subjects,interval,suppress_below,leads_to,answered_by\n"
    row = "w,Waits,People seen,People referred,area;contract,wilson,5,z; y ;z,contract:C1;service:S\n"
    assert counts(outcomes, "kpis", header + row) == (1, 0, 0, 0)
    assert counts(outcomes, "kpis", header + row) == (0, 0, 1, 0)
    kpi = outcomes.get("/v1/kpis/w").json()
    assert (kpi["numerator"], kpi["interval"], kpi["suppress_below"]) == ("People seen", "wilson", 5)
    assert (kpi["subjects"], kpi["leads_to"]) == (["area", "contract"], ["y", "z"])
    assert kpi["answered_by"] == ["contract:C1", "service:S"]
    bad = [
        ("interval", "guess"),
        ("suppress_below", "2.5"),
        ("suppress_below", "-3"),
        ("subjects", "planet"),
        ("leads_to", "no id!"),
        ("answered_by", "nobody"),
    ]
    for column, value in bad:
        done = send(outcomes, "kpis", f"id,name,{column}\nx,X,{value}\n")
        (receipt,) = receipts(outcomes, done)
        assert (receipt["verdict"], receipt["column"]) == ("quarantined", column)


def test_definitions_may_come_as_a_json_list(outcomes: Client) -> None:
    file = orjson.dumps(
        [{"id": "w", "name": "Waits", "target": 3}, {"id": "no"}, {"id": "w", "name": "Wait"}]
    )
    made = send(outcomes, "kpis", file, "application/json")
    assert list(made["counts"].values()) == [1, 0, 1, 1]
    assert [(each["pointer"], each["verdict"]) for each in receipts(outcomes, made)] == [
        ("/0", "unchanged"),
        ("/1", "quarantined"),
        ("/2", "accepted"),
    ]
    assert send(outcomes, "kpis", file, "application/json")["counts"]["unchanged"] == 2


def test_the_same_definitions_again_change_nothing(outcomes: Client) -> None:
    assert counts(outcomes, "kpis", KPIS) == (2, 0, 0, 0)
    assert counts(outcomes, "kpis", KPIS) == (0, 0, 2, 0)
    assert len(outcomes.items("/v1/kpis/waits/versions")) == 1


def test_a_changed_definition_is_a_new_version_from_a_day_on(outcomes: Client) -> None:
    header = HEADER + ",valid_from\n"
    first = "waits,Waits,days,lower,outcome,outward,monthly,mean,,\n"
    second = "waits,Waits,weeks,lower,outcome,outward,monthly,mean,,2024-04-01\n"
    third = "waits,Waits,hours,lower,outcome,outward,monthly,mean,,2099-01-01\n"
    for row in (first, second, third):
        counts(outcomes, "kpis", header + row)
    assert counts(outcomes, "kpis", header + second + third) == (0, 0, 2, 0)
    units = [
        outcomes.get("/v1/kpis/waits", params={"on": on}).json()["unit"]
        for on in ("1999-01-01", "2024-03-31", "2024-04-01", "2099-01-01")
    ]
    assert units == ["days", "days", "weeks", "hours"]
    assert outcomes.get("/v1/kpis/waits").json()["version"] == 2
    versions = outcomes.items("/v1/kpis/waits/versions", params={"limit": 2})
    assert [(version["version"], version["valid_from"]) for version in versions] == [
        (1, None),
        (2, "2024-04-01"),
        (3, "2099-01-01"),
    ]


def test_a_bad_definition_is_refused_with_its_column(outcomes: Client) -> None:
    rows = [
        "good,Good,days,lower,outcome,outward,monthly,mean,",
        "sideways,S,days,sideways,outcome,outward,monthly,mean,",
        "a/b,Slash,days,lower,outcome,outward,monthly,mean,",
        ",Nameless,days,lower,outcome,outward,monthly,mean,",
        "unnamed,,days,lower,outcome,outward,monthly,mean,",
        "sparse,Sparse,,,,,,,",
        "ragged,row",
    ]
    done = send(outcomes, "kpis", HEADER + "\n" + "\n".join(rows))
    assert done["counts"] == {"accepted": 2, "changed": 0, "unchanged": 0, "quarantined": 5}
    told = {receipt["line"]: receipt["column"] for receipt in receipts(outcomes, done, verdict="quarantined")}
    assert told == {3: "polarity", 4: "id", 5: "id", 6: "name", 8: None}
    [noted] = [receipt for receipt in receipts(outcomes, done, noted="true") if receipt["line"] == 7]
    assert noted["reason"].startswith("not said: unit, polarity")
    assert outcomes.get("/v1/kpis/sparse").json()["incomplete"] is True


def test_a_number_that_is_none_is_refused(outcomes: Client) -> None:
    header = HEADER + ",target\n"
    bad = "".join(
        f"k{place},K,days,lower,outcome,outward,monthly,mean,,{target}\n"
        for place, target in enumerate(("NaN", "inf", "1_0", "ten"))
    )
    assert counts(outcomes, "kpis", header + bad) == (0, 0, 0, 4)


def test_where_a_file_defines_a_kpi_twice_the_later_line_counts(outcomes: Client) -> None:
    body = KPIS + "waits,Other name,days,lower,outcome,outward,monthly,mean,\n"
    assert counts(outcomes, "kpis", body) == (2, 0, 1, 0)
    assert counts(outcomes, "kpis", body) == (0, 0, 3, 0)
    assert outcomes.get("/v1/kpis/waits").json()["name"] == "Other name"


def test_json_lines_define_kpis_as_well(outcomes: Client) -> None:
    lines = [
        {"id": "a", "name": "A", "unit": "days", "target": 5},
        {"id": "b", "name": ["B"]},
        {"id": 7, "name": "Seven"},
    ]
    done = send(outcomes, "kpis", b"\n".join(map(orjson.dumps, lines)), "application/x-ndjson")
    assert done["counts"] == {"accepted": 2, "changed": 0, "unchanged": 0, "quarantined": 1}
    assert outcomes.get("/v1/kpis/a").json()["target"] == 5.0


def test_a_kpi_belongs_to_the_source_that_defined_it(outcomes: Client) -> None:
    counts(outcomes, "kpis", KPIS, source="council")
    assert counts(outcomes, "kpis", KPIS.replace("Waiting times", "Ours"), source="trust") == (0, 0, 0, 2)
    assert outcomes.get("/v1/kpis/waits").json()["name"] == "Waiting times"


def test_a_kpi_made_from_observations_can_be_defined_by_who_knows_it(outcomes: Client) -> None:
    counts(outcomes, "observations", HEAD + "waits,E08000009,2024,1\n", define="true", source="feed")
    assert counts(outcomes, "kpis", KPIS, source="council") == (1, 1, 0, 0)
    kpi = outcomes.get("/v1/kpis/waits").json()
    assert (kpi["version"], kpi["source"], kpi["incomplete"]) == (2, "council", False)


def test_kpis_are_listed_in_the_order_of_their_ids(outcomes: Client) -> None:
    ids = [f"kpi-{number:02}" for number in range(25)]
    rows = "".join(f"{id},N,days,lower,outcome,outward,monthly,mean,\n" for id in reversed(ids))
    counts(outcomes, "kpis", HEADER + "\n" + rows)
    assert [kpi["id"] for kpi in outcomes.items("/v1/kpis", params={"limit": 4})] == ids
