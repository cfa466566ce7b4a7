"""Whether two organisations are one body: names as they are compared, evidence, and how often it is right."""

import doctest
from pathlib import Path

import pytest
from hedgerow_registry.domain import likeness, organisation_names
from hedgerow_registry.domain.likeness import LEAST, LIKELY, Body, compare
from hypothesis import given
from hypothesis import strategies as st

from tests.registry.matching_quality import Registers, at_thresholds, labelled


def alike(one: str, other: str) -> float:
    return organisation_names.likeness(organisation_names.forms(one)[0], organisation_names.forms(other)[0])


@pytest.mark.parametrize("module", [likeness, organisation_names])
def test_the_examples_hold(module) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Quay Kitchen Ltd.", "QUAY KITCHEN LIMITED"),
        ("Quay Kitchen C.I.C.", "Quay Kitchen Community Interest Company"),
        ("Sale & Altrincham Volunteers", "Sale and Altrincham Volunteers"),
        ("St. John's Centre", "ST JOHNS CENTRE"),
        ("Y.M.C.A. Bath", "Young Men’s Christian Association, Bath"),
        ("Café Société", "CAFE SOCIETE"),
        ("G- Force", "G Force"),
        ("Mather Care Limited", "MatherCare Ltd"),
        ("Tameside MBC", "Tameside Metropolitan Borough Council"),
        ("Crewe CAB", "Citizens Advice Crewe Bureau"),
    ],
)
def test_what_registers_and_clerks_write_otherwise_is_the_same_name(one: str, other: str) -> None:
    assert alike(one, other) >= 0.8
    assert compare(Body((one,)), Body((other,))).score >= 0.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1st Sale Scout Group", "2nd Sale Scout Group"),
        ("Wellfield Infant School", "Wellfield Junior School"),
        ("Abbeyfield Battersea Society", "Abbeyfield Chelsea Society"),
        ("Friends of Oldfield Brow School", "Oldfield Brow Primary School"),
        ("Bracknell East Congregation", "Bracknell West Congregation"),
        ("Community Centre", "Care Services"),
        ("Maria Mallaband 16 Ltd", "Maria Mallaband 17 Ltd"),
    ],
)
def test_bodies_that_stand_side_by_side_are_told_apart(one: str, other: str) -> None:
    assert compare(Body((one,)), Body((other,))).score < LIKELY


def test_the_score_is_worked_by_hand() -> None:
    # quay 1, kitchen 1, trafford 1, centre 0.25: shared 2 of 3.25 and 2 -> 2 * 2 / 5.25 = 0.7619
    assert alike("Quay Kitchen Trafford Centre", "Quay Kitchen") == pytest.approx(4 / 5.25)
    # 0.9 * ((0.7619 - 0.5) / 0.5) ** 1.2 = 0.4143; with the same postcode 1 - (1 - 0.4143) * 0.5 = 0.7071
    one = Body(("Quay Kitchen Trafford Centre",), postcodes=frozenset({"M33 1AA"}))
    other = Body(("Quay Kitchen",), postcodes=frozenset({"M33 1AA"}))
    assert compare(one, other).score == pytest.approx(0.707, abs=0.001)
    assert [reason.kind for reason in compare(one, other).reasons] == ["name", "postcode"]


def test_the_same_number_is_stronger_than_names_and_unlike_names_are_said() -> None:
    number = frozenset({("GB-CHC", "1234567")})
    found = compare(Body(("Quay Kitchen",), number), Body(("Harbour Meals",), number))
    assert found.score == 0.75
    assert [(reason.kind, reason.speaks) for reason in found.reasons] == [
        ("identifier", "for"),
        ("name", "against"),
    ]
    assert compare(Body(("Quay Kitchen",), number), Body(("Quay Kitchens",), number)).score == 0.98


def test_two_numbers_in_one_register_speak_against_it() -> None:
    one = Body(("Quay Kitchen",), frozenset({("GB-CHC", "1234567")}))
    other = Body(("Quay Kitchen",), frozenset({("GB-CHC", "7654321")}))
    found = compare(one, other)
    assert found.score == pytest.approx(0.54)
    assert "different numbers in GB-CHC: 1234567 and 7654321" in [reason.text for reason in found.reasons]


def test_a_name_that_many_of_one_source_have_says_less() -> None:
    one, other = Body(("Sandford WI",)), Body(("Sandford Women's Institute",))
    assert compare(one, other).score == pytest.approx(0.9)
    assert compare(one, other, lambda key: 16 if key.startswith("n:") else 1).score == pytest.approx(0.45)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_texts_have_a_likeness_and_it_is_the_same_both_ways(one: str, other: str) -> None:
    there, back = compare(Body((one,)), Body((other,))), compare(Body((other,)), Body((one,)))
    assert 0 <= there.score <= 1
    assert there.score == pytest.approx(back.score, abs=0.002)


def test_pairs_a_person_has_looked_at_are_told_apart_by_their_names_alone() -> None:
    scored = labelled()
    assert len(scored) >= 200
    right = sum(is_right for _, is_right in scored)
    (quality,) = at_thresholds(scored, right, [LIKELY])
    assert quality.precision >= 0.8
    assert quality.recall >= 0.7
    (listed,) = at_thresholds(scored, right, [LEAST])
    assert listed.recall >= 0.9


def test_numbers_of_one_body_in_several_registers_are_found_by_their_names_alone(shared: Path) -> None:
    registers = Registers(shared / "data" / "org_identifiers")
    (quality,) = at_thresholds(registers.scored(LIKELY), registers.right(), [LIKELY])
    assert quality.precision >= 0.92
    assert quality.recall >= 0.88
