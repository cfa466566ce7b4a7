import doctest
import math
import pkgutil
from contextlib import suppress
from importlib import import_module
from typing import Any

import hedgerow_registry.domain as domain
import pytest
from hedgerow_registry.domain import geometry, gss, identifiers, ids, residents, taxonomy, words
from hedgerow_registry.domain.residents import Band
from hedgerow_registry.errors import Malformed
from hypothesis import given, settings
from hypothesis import strategies as st

MODULES = [found.name for found in pkgutil.walk_packages(domain.__path__, f"{domain.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_domain_hold(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


@given(st.text(max_size=12))
def test_only_a_letter_and_eight_digits_is_a_gss_code(text: str) -> None:
    expected = (
        len(text) == 9 and text[0] in "EWSNKJLM" and all(character in "0123456789" for character in text[1:])
    )
    assert gss.is_gss(text) is expected


@given(st.text(max_size=30))
def test_a_code_is_taken_as_it_is_or_refused_never_mended(text: str) -> None:
    try:
        code = gss.area_code(text)
    except Malformed:
        return
    assert code == text.strip()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("GB-COH:OC301234", "OC301234"),
        ("GB-COH:NI12345", "NI012345"),
        ("GB-COH:445790", "00445790"),
        ("GB-CHC:209131-2", "209131-2"),
        ("GB-SC:SC012345", "SC012345"),
        ("GB-SC:12345", "SC012345"),
        ("GB-NIC:100002", "100002"),
        ("GB-NHS:p84012", "P84012"),
        ("GB-UKPRN:10007157", "10007157"),
        ("GB-EDU:106355", "106355"),
        ("GB-LAE:TRF", "TRF"),
        ("US-EIN:12-3456789", "12-3456789"),
    ],
)
def test_identifiers_are_kept_as_their_scheme_writes_them(sent: str, kept: str) -> None:
    assert identifiers.identifier(sent).identifier == kept


@pytest.mark.parametrize(
    "sent",
    ["", "12", "GB-COH", "GB-COH:", ":12", "GB-COH:123456789", "GB-COH:1.2E+06", "GB-UKPRN:2000", "gb coh:1"],
)
def test_what_is_no_identifier_is_refused(sent: str) -> None:
    with pytest.raises(Malformed):
        identifiers.identifier(sent)


@given(st.text(min_size=1, max_size=40).filter(str.strip), st.text(max_size=20))
def test_a_record_has_the_same_id_at_every_import_and_another_in_another_source(
    external: str, source: str
) -> None:
    id = ids.record_id(source, "service", external)
    assert ids.is_uuid(id)
    assert ids.record_id(source, "service", f" {external} ") == id
    if not ids.is_uuid(external.strip().lower()):
        assert ids.record_id(source + "x", "service", external) != id
        assert ids.record_id(source, "site", external) != id


@given(st.lists(st.integers(1, 89), unique=True), st.integers(0, 10_000))
def test_the_total_does_not_depend_on_how_ages_are_cut(cuts: list[int], people: int) -> None:
    edges = [0, *sorted(cuts)]
    ends: list[int | None] = [*(edge - 1 for edge in edges[1:]), None]
    bands = [Band("2024", start, end, "all", people) for start, end in zip(edges, ends, strict=True)]
    assert residents.total(bands) == ("2024", people * len(edges))
    # With the single ages beside the bands nobody is counted twice.
    whole = Band("2024", 0, None, "all", people * len(edges))
    assert residents.total([*bands, whole]) == ("2024", people * len(edges))
    if len(bands) > 1:
        assert residents.total(bands[:-1]) is None, "without the oldest it is no total"


def test_the_latest_complete_period_is_the_total() -> None:
    bands = [
        Band("2023", 0, None, "all", 10),
        Band("2024", 0, None, "female", 6),
        Band("2024", 0, None, "male", 5),
        Band("2025", 0, 15, "all", 2),
    ]
    assert residents.total(bands) == ("2024", 11)
    assert residents.total([]) is None


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_a_point_is_in_the_country_or_refused(lon: float, lat: float) -> None:
    try:
        x, y = geometry.point(lon, lat)
    except Malformed:
        assert not geometry.inside_uk(lon, lat) or math.isnan(lon) or math.isnan(lat)
    else:
        assert geometry.inside_uk(x, y)


def test_a_known_point_of_the_national_grid_lands_where_it_is() -> None:
    # The worked example of the Ordnance Survey's guide to coordinate systems: 52 deg 39' 27.25" N,
    # 1 deg 43' 4.52" E on the grid's own datum, which lies about a hundred metres from WGS84 there.
    lon, lat = geometry.point(651409.903, 313177.270, crs="EPSG:27700")
    assert (lon, lat) == (pytest.approx(1.71792, abs=0.002), pytest.approx(52.65757, abs=0.002))
    assert (lon, lat) != (pytest.approx(1.71792, abs=0.0001), pytest.approx(52.65757, abs=0.0001))
    with pytest.raises(Malformed):
        geometry.point(-5_000_000, 9e9, crs="EPSG:27700")


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.floats(-8.9, 2.0), st.floats(49.1, 61.4)),
        min_size=3,
        max_size=8,
    )
)
def test_an_outline_comes_out_closed_turned_right_and_the_same_the_second_time(
    corners: list[tuple[float, float]],
) -> None:
    ring: list[Any] = [list(corner) for corner in [*corners, corners[0]]]
    try:
        outline, _ = geometry.outline({"type": "Polygon", "coordinates": [ring]})
    except Malformed:
        return
    polygons = outline["coordinates"] if outline["type"] == "MultiPolygon" else [outline["coordinates"]]
    for rings in polygons:
        assert all(one[0] == one[-1] and len(one) >= 4 for one in rings)
        assert _area(rings[0]) >= 0
    assert geometry.inside_uk(*geometry.representative_point(outline))


def _area(ring: list[list[float]]) -> float:
    """Twice the signed area, positive against the clock."""
    return (
        sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True)) + 1e-9
    )


@given(st.text(max_size=40))
def test_no_text_breaks_a_reader(text: str) -> None:
    for reader in (words.number, words.day, words.period, gss.vintage, taxonomy.relation, residents.sex):
        with suppress(Malformed):
            reader(text)
