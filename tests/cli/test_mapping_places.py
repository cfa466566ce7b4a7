"""Placing: code, coordinates, grid, postcode and name, in the order the manifest states."""

import pytest
from hedgerow_cli.manifest import Lookup, Place
from hedgerow_cli.mapping.cells import Unmappable
from hedgerow_cli.mapping.lookups import LookupTable
from hedgerow_cli.mapping.places import Found, Placer, point_of

CODE = {"code": "code"}
POINT = {"lon": "lon", "lat": "lat"}
GRID = {"easting": "x", "northing": "y"}
POSTCODE = {"postcode": "postcode", "lookup": "postcodes"}
NAME = {"name": "ward", "lookup": "wards"}


def placer(*steps: dict[str, str]) -> Placer:
    postcodes = LookupTable("postcodes", Lookup(path="p", key=("pcd",), match="postcode"), ["lon", "lat"])
    postcodes.add("KM1 2AB", ["1.05", "53.31"])
    postcodes.add("KM9 9ZZ", ["", ""])
    wards = LookupTable("wards", Lookup(path="w", key=("name",), match="name"), ["code"])
    wards.add("Harbour & Quay", ["E05999001"])
    return Placer(
        [Place(**step) for step in steps],
        missing=("NA",),
        lookups={"postcodes": postcodes, "wards": wards},
    )


def placed(*steps: dict[str, str], send: bool = False, **row: str) -> Found:
    return placer(*steps).place(row, send_unplaced=send)


def test_a_code_and_a_point_are_both_kept() -> None:
    found = placed(CODE, POINT, code="E05999001", lon="1.1", lat="53.3")
    assert found == Found("E05999001", "1.1", "53.3")


def test_the_first_step_that_gives_a_point_wins() -> None:
    row = {"lon": "1.1", "lat": "53.3", "postcode": "KM1 2AB"}
    assert placed(POINT, POSTCODE, **row).lon == "1.1"
    assert placed(POSTCODE, POINT, **row).lon == "1.05"


def test_a_malformed_code_is_passed_on_with_the_point_that_places_the_row() -> None:
    assert placed(CODE, POINT, code="E0800009", lon="1.1", lat="53.3") == Found("E0800009", "1.1", "53.3")


def test_a_malformed_code_alone_places_nothing() -> None:
    with pytest.raises(Unmappable) as raised:
        placed(CODE, POINT, code="E0800009", lon="NA", lat="")
    assert (
        raised.value.reason == "not placed: code 'E0800009' is not a well-formed area code; lon, lat is blank"
    )


def test_coordinates_outside_the_country_give_way_to_the_next_step() -> None:
    assert placed(POINT, POSTCODE, lon="0", lat="0", postcode="km12ab") == Found("", "1.05", "53.31")
    assert placed(POINT, POSTCODE, lon="53.3", lat="1.1", postcode="KM1 2AB").lon == "1.05"


def test_what_cannot_be_placed_goes_as_it_stands_when_the_manifest_says_so() -> None:
    assert placed(POINT, send=True, lon="53.3", lat="1.1") == Found("", "53.3", "1.1")
    assert placed(POSTCODE, send=True, postcode="KM5 5KM") == Found()


def test_grid_references_become_longitude_and_latitude() -> None:
    # The Ordnance Survey's own worked example: Caister water tower, 52° 39′ 27″ N, 1° 43′ 04″ E (OSGB36),
    # which is 52.65798° N, 1.71605° E in WGS84.
    found = placed(GRID, x="651409.903", y="313177.270")
    assert float(found.lon) == pytest.approx(1.71605, abs=5e-4)
    assert float(found.lat) == pytest.approx(52.65798, abs=5e-4)


def test_names_find_codes() -> None:
    assert placed(CODE, NAME, code="", ward="HARBOUR AND QUAY").code == "E05999001"
    with pytest.raises(Unmappable, match="ward: 'Nowhere' is not in the lookup 'wards'"):
        placed(NAME, ward="Nowhere")


def test_a_postcode_without_coordinates_does_not_place() -> None:
    with pytest.raises(Unmappable, match="coordinates of postcode is blank"):
        placed(POSTCODE, postcode="KM9 9ZZ")


def test_how_rows_were_placed_is_counted() -> None:
    made = placer(POINT, POSTCODE)
    made.place({"lon": "1.1", "lat": "53.3"}, send_unplaced=True)
    made.place({"postcode": "KM1 2AB"}, send_unplaced=True)
    made.place({"postcode": "KM5 5KM"}, send_unplaced=True)
    assert (dict(made.placed), made.unplaced) == ({"coordinates": 1, "postcode": 1}, 1)


def test_a_geometry_has_a_point() -> None:
    assert point_of({"type": "Point", "coordinates": [1.1, 53.3]}) == ("1.1", "53.3")
    square = [[[1.0, 53.0], [1.5, 53.0], [1.5, 53.5], [1.0, 53.5], [1.0, 53.0]]]
    assert point_of({"type": "MultiPolygon", "coordinates": [square]}) == ("1.25", "53.25")
    assert point_of(None) == ("", "")
