import json

from tests.registry.files import (
    AREAS,
    GEOJSON,
    box,
    changes,
    counts,
    features,
    fill,
    notes,
    quarantined,
    receipts,
    send,
)
from tests.support.http import Client
from tests.support.identity import identity

TEXT = {"content-type": "text/csv"}


def test_areas_with_several_parents_land_and_a_second_sending_changes_nothing(registry: Client) -> None:
    first = send(registry, "areas", AREAS)
    assert counts(first) == (7, 0, 0, 0)
    assert [r["line"] for r in receipts(registry, first)] == [2]
    assert receipts(registry, first)[0]["line_to"] == 8

    again = send(registry, "areas", AREAS)

    assert counts(again) == (0, 0, 7, 0)
    assert len(changes(registry)) == 7
    lsoa = registry.get("/v1/areas/E01999001").json()
    assert lsoa["parents"] == ["E02999001", "E05999001"]
    assert registry.get("/v1/areas/E05999001").json()["children"] == ["E01999001"]


def test_a_parent_further_down_in_the_file_is_found_and_one_that_never_comes_is_noted(
    registry: Client,
) -> None:
    made = send(
        registry,
        "areas",
        """
        code,name,level,parent_code,vintage
        E05999001,North Quay,ward,E06999001,2024
        E05999002,South Quay,ward,E06999009,2024
        E06999001,Saltmarsh,authority,,2024
        """,
    )
    assert counts(made) == (3, 0, 0, 0)
    assert notes(registry, made) == [(3, "parent_code", "the parent E06999009 is not known yet")]
    assert registry.get("/v1/areas/E05999002").json()["parents"] == ["E06999009"]


def test_every_bad_row_has_its_receipt_and_the_good_ones_land(registry: Client) -> None:
    made = send(
        registry,
        "areas",
        """
        code,name,level,parent_code,vintage,successor_code,lon,lat
        E0800009,Trafford,authority,,2024,,,
        e08000009,Trafford,authority,,2024,,,
        E08000009,,authority,,2024,,,
        E08000010,Wigan,parish,,2024,,,
        E08000010,Wigan,ward,,2024,,,
        E08000010,Wigan,authority,E1299,2024,,,
        E08000010,Wigan,authority,E08000010,2024,,,
        E08000010,Wigan,authority,,24,,,
        E08000010,Wigan,authority,,2024,,53.5,-2.6
        E08000010,Wigan,authority,,2024,,379000,391000
        E08000010,Wigan,authority,,2024,,NaN,53.5
        E08000010,Wigan,authority,,2024,,,53.5
        E08000010,Wigan,authority,,2024,,-2.6,53.5
        E08000010,Wigan,authority
        """,
    )
    assert counts(made) == (1, 0, 0, 13)
    reasons = quarantined(registry, made)
    assert [(line, column) for line, column, _ in reasons] == [
        (2, "code"),
        (3, "code"),
        (4, "name"),
        (5, "level"),
        (6, "level"),
        (7, "parent_code"),
        (8, "parent_code"),
        (9, "vintage"),
        (10, "lon"),
        (11, "lon"),
        (12, "lon"),
        (13, "lon"),
        (15, None),
    ]
    said = [reason for _, _, reason in reasons]
    assert said[0] == "E0800009: not a GSS code: one of E W S N K J L M and then eight digits"
    assert "swapped" in str(said[8])
    assert "EPSG:27700" in str(said[9])
    assert len(receipts(registry, made)) > 0


def test_a_newer_boundary_year_renames_and_keeps_links_and_an_older_one_adds_links_only(
    registry: Client,
) -> None:
    head = "code,name,level,parent_code,vintage,successor_code\n"
    send(
        registry,
        "areas",
        head + "E07000001,Old Town,authority,E10000001,2021,E06999001\nE06999001,Saltmarsh,authority,,2023,",
    )
    newer = send(registry, "areas", head + "E07000001,Old Town and Quays,authority,,2022,")
    assert counts(newer) == (0, 1, 0, 0)

    older = send(registry, "areas", head + "E07000001,Older Town,authority,E12999001,2011,")
    assert counts(older) == (0, 1, 0, 0)
    assert notes(registry, older)[0][2] == (
        "older than the boundary year held (2022): only its links are taken in"
    )

    area = registry.get("/v1/areas/E07000001").json()
    assert (area["name"], area["vintage"]) == ("Old Town and Quays", 2022)
    assert area["parents"] == ["E10000001", "E12999001"]
    assert area["successors"] == area["current"] == ["E06999001"]
    assert registry.get("/v1/areas/E06999001").json()["predecessors"] == ["E07000001"]


def test_successors_resolve_through_several_changes(registry: Client) -> None:
    send(
        registry,
        "areas",
        """
        code,name,level,parent_code,vintage,successor_code
        E07000001,A,authority,,2009,E07000002
        E07000002,B,authority,,2015,E06999001;E06999002
        E06999001,C,authority,,2023,
        E06999002,D,authority,,2023,
        """,
    )
    assert registry.get("/v1/areas/E07000001").json()["current"] == ["E06999001", "E06999002"]


def test_two_rows_of_one_file_that_contradict_each_other_end_the_same_each_time(registry: Client) -> None:
    file = """
        code,name,level,parent_code,vintage
        E05999001,North Quay,ward,E06999001,2024
        E05999001,Norther Quay,ward,E06999002,2024
        E05999001,North Quay,ward,E06999003,2024
        """
    first = send(registry, "areas", file)
    assert counts(first) == (1, 1, 0, 1)
    assert quarantined(registry, first) == [
        (3, "name", "line 2 says otherwise of the same area and year: the first row stands")
    ]
    again = send(registry, "areas", file)
    assert counts(again) == (0, 0, 2, 1)
    assert registry.get("/v1/areas/E05999001").json()["parents"] == ["E06999001", "E06999003"]


def test_a_circle_of_parents_does_no_harm(registry: Client) -> None:
    send(
        registry,
        "areas",
        """
        code,name,level,parent_code,vintage
        E06999001,A,authority,E06999002,2024
        E06999002,B,authority,E06999001,2024
        """,
    )
    inside = registry.items("/v1/areas", params={"within": "E06999001"})
    assert [area["code"] for area in inside] == ["E06999002"]


def test_a_named_neighbourhood_may_have_a_local_code(registry: Client) -> None:
    made = send(
        registry,
        "areas",
        """
        code,name,level,parent_code,vintage
        old-quay,Old Quay,neighbourhood,E06999001,2024
        old-quay,Old Quay,ward,E06999001,2024
        """,
    )
    assert counts(made) == (1, 0, 0, 1)
    assert registry.get("/v1/areas/old-quay").json()["level"] == "neighbourhood"


def test_rows_come_as_ndjson_and_json_too(registry: Client) -> None:
    rows = [
        {"code": "E06999001", "name": "Saltmarsh", "level": "authority", "vintage": 2024},
        {"code": "E05999001", "name": "Q", "level": "ward", "parent_code": ["E06999001"], "vintage": "2024"},
        {"code": "E05999002", "name": {"en": "Q"}, "level": "ward", "vintage": "2024"},
    ]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    made = send(registry, "areas", lines, media_type="application/x-ndjson")
    assert counts(made) == (2, 0, 0, 1)
    assert quarantined(registry, made) == [(3, "name", "a text or a number is expected")]

    made = send(registry, "areas", json.dumps(rows).encode(), media_type="application/json")
    assert counts(made) == (0, 0, 2, 1)
    assert receipts(registry, made, verdict="quarantined")[0]["pointer"] == "/2"


def test_outlines_land_on_known_areas_and_place_those_without_a_point(registry: Client) -> None:
    fill(registry)
    file = features(
        ("E05999001", box(1.0, 53.3, 1.1, 53.4)),
        ("E01999001", box(1.0, 53.3, 1.04, 53.34)),
        ("E05999099", box(1.0, 53.3, 1.1, 53.4)),
        ("E0599901", box(1.0, 53.3, 1.1, 53.4)),
        ("E05999002", box(53.3, 1.0, 53.4, 1.1)),
        ("E05999002", {"type": "Point", "coordinates": [1.0, 53.3]}),
        ("E05999002", {"type": "Polygon", "coordinates": [[[1.0, 53.3], [1.1, 53.3], [1.0, 53.3]]]}),
        ("E05999002", None),
    )
    made = send(registry, "boundaries", file, media_type=GEOJSON)
    assert counts(made) == (2, 0, 0, 6)
    reasons = [reason for _, _, reason in quarantined(registry, made)]
    assert reasons.count("no such area: import areas first") == 1
    assert sum("swapped" in str(reason) for reason in reasons) == 1
    assert {receipt["pointer"] for receipt in receipts(registry, made)} == {
        f"/features/{number}" for number in range(8)
    }

    ward, lsoa = (registry.get(f"/v1/areas/{code}").json() for code in ("E05999001", "E01999001"))
    assert (ward["lon"], ward["lat"]) == (1.05, 53.32), "a given point stays"
    assert (round(lsoa["lon"], 3), round(lsoa["lat"], 3)) == (1.02, 53.32), "else one inside the outline"

    again = send(registry, "boundaries", file, media_type=GEOJSON)
    assert counts(again) == (0, 0, 2, 6)
    moved = features(("E01999001", box(1.02, 53.3, 1.06, 53.34)))
    assert counts(send(registry, "boundaries", moved, media_type=GEOJSON)) == (0, 1, 0, 0)
    assert round(registry.get("/v1/areas/E01999001").json()["lon"], 3) == 1.04

    again = send(registry, "areas", AREAS)
    assert counts(again) == (0, 0, 7, 0), "the areas file says nothing of the point"


def test_national_grid_outlines_are_transformed_when_the_file_or_the_sender_says_so(
    registry: Client,
) -> None:
    send(registry, "areas", "code,name,level,parent_code,vintage\nE08000009,Trafford,authority,,2024")
    metres = box(375000, 388000, 379000, 392000)
    undeclared = send(registry, "boundaries", features(("E08000009", metres)), media_type=GEOJSON)
    assert "EPSG:27700" in str(quarantined(registry, undeclared)[0][2])

    by_file = features(("E08000009", metres), crs="urn:ogc:def:crs:EPSG::27700")
    assert counts(send(registry, "boundaries", by_file, media_type=GEOJSON)) == (1, 0, 0, 0)
    by_sender = features(("E08000009", metres), name="LAD24CD")
    made = send(
        registry, "boundaries", by_sender, media_type=GEOJSON, crs="EPSG:27700", code_property="LAD24CD"
    )
    assert counts(made) == (0, 0, 1, 0)
    area = registry.get("/v1/areas/E08000009").json()
    assert (round(area["lon"], 2), round(area["lat"], 2)) == (-2.35, 53.41)


def test_points_of_areas_are_taken_in_metres_where_the_sender_says_so(registry: Client) -> None:
    made = send(
        registry,
        "areas",
        "code,name,level,parent_code,vintage,lon,lat\nE08000009,Trafford,authority,,2024,379000,391000",
        crs="EPSG:27700",
    )
    assert counts(made) == (1, 0, 0, 0)
    area = registry.get("/v1/areas/E08000009").json()
    assert (round(area["lon"], 3), round(area["lat"], 3)) == (-2.317, 53.415)


def test_what_is_no_geojson_is_refused_whole(registry: Client) -> None:
    for body in (b'{"type": "Topology", "features": []}', b"{", b'{"features": [1]}', b"[]"):
        answer = registry.post("/v1/imports/boundaries", content=body, headers={"content-type": GEOJSON})
        assert answer.status_code == 422, body
    wrong = registry.post(
        "/v1/imports/boundaries",
        content=features(crs="EPSG:3857"),
        headers={"content-type": GEOJSON},
    )
    assert wrong.status_code == 422
    assert registry.items("/v1/imports") == []


def test_an_outline_that_crosses_itself_is_mended_and_said_so(registry: Client) -> None:
    fill(registry)
    bow = {"type": "Polygon", "coordinates": [[[1, 53], [1.1, 53.1], [1.1, 53], [1, 53.1], [1, 53]]]}
    made = send(registry, "boundaries", features(("E05999001", bow)), media_type=GEOJSON)
    assert counts(made) == (1, 0, 0, 0)
    assert notes(registry, made)[0][2] == "the outline crossed itself and was mended"


def test_wrong_links_are_taken_away_by_a_file_that_says_all_of_them(registry: Client) -> None:
    wrong = "code,name,level,parent_code,vintage\nE05999001,North Quay,ward,E06999009,2024"
    send(registry, "areas", AREAS)
    send(registry, "areas", wrong)
    ward = "/v1/areas/E05999001"
    assert registry.get(ward).json()["parents"] == ["E06999001", "E06999009"], "links only add up"
    made = send(registry, "areas", AREAS, links="replace")
    assert registry.get(ward).json()["parents"] == ["E06999001"]
    assert (None, "parent_code", "no longer its parent: E06999009") in notes(registry, made)
    assert registry.get("/v1/areas/E01999001").json()["parents"] == ["E02999001", "E05999001"]
    last = len(changes(registry))
    assert counts(send(registry, "areas", AREAS, links="replace")) == (0, 0, 7, 0)
    assert len(changes(registry)) == last, "the same file again changes nothing"
    odd = registry.post("/v1/imports/areas", content=b"code", params={"links": "some"}, headers=TEXT)
    assert (odd.status_code, odd.json()["errors"][0]["parameter"]) == (422, "links")


def test_links_are_written_by_who_has_read_them(registry: Client) -> None:
    send(registry, "areas", AREAS)
    path = "/v1/areas/E01999001/links"
    read = registry.get(path)
    assert read.json() == {"parents": ["E02999001", "E05999001"], "successors": []}
    right = {"parents": ["E05999001"], "successors": ["E01999002"]}
    assert registry.put(path, json=right).status_code == 428
    written = registry.put(path, json=right, headers={"if-match": read.headers["etag"]})
    assert (written.status_code, written.json()) == (200, right)
    assert registry.get("/v1/areas/E01999002").json()["predecessors"] == ["E01999001"]
    assert registry.put(path, json=right, headers={"if-match": read.headers["etag"]}).status_code == 412
    tag = {"if-match": written.headers["etag"]}
    unknown = registry.put(path, json={"parents": ["E06999001", "E06999999"]}, headers=tag)
    assert (unknown.status_code, unknown.json()["detail"]) == (422, "parents/1: no such area")
    assert registry.put(path, json={"parents": ["E01999001"]}, headers=tag).status_code == 422
    foreign = identity("registry", role="system", authorities=("E06999002",))
    assert registry.put(path, json=right, headers={**tag, **foreign}).status_code == 403
    assert registry.get("/v1/areas/E09999999/links").status_code == 404
