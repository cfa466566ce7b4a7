"""Cells: what a canonical cell is made of."""

import doctest
from typing import Any

import pytest
from hedgerow_cli.manifest import Cell, Lookup
from hedgerow_cli.mapping import cells, lookups
from hedgerow_cli.mapping.cells import Unmappable, cell_maker, slug
from hedgerow_cli.mapping.lookups import LookupTable, name_key
from hypothesis import given
from hypothesis import strategies as st

ROW = {
    "indicator": "Recycling rate",
    "measure": "Percentage",
    "unit": "NA",
    "units": " % ",
    "type": "Nursing homes|Residential homes",
    "amount": "£1,234.50",
    "loss": "(12)",
    "day": "31/03/2024",
    "blank": "  ",
    "area": "City of Saltings",
    "areas": "Harbour; Saltings",
    "Recipient Org:Name": "Food {for} all",
}


def towns() -> LookupTable:
    table = LookupTable("towns", Lookup(path="towns.csv", key=("name",), match="name"), ["code"])
    for name, code in (("Harbour", "E05999001"), ("Saltings", "E05999002"), ("Twin", "A"), ("TWIN", "B")):
        table.add(name, [code])
    return table


def made(**given: Any) -> str:
    make = cell_maker(Cell.model_validate(given), missing=("NA",), lookups={"towns": towns()})
    return make(dict(ROW))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ({"column": "indicator"}, "Recycling rate"),
        ({"column": ["unit", "units"]}, "%"),
        ({"column": ["gone", "measure"]}, "Percentage"),
        ({"column": "blank", "default": "none"}, "none"),
        ({"value": 2025}, "2025"),
        ({"template": "{indicator} ({measure}, {units})"}, "Recycling rate (Percentage, %)"),
        ({"template": "{indicator} ({measure}, {unit}, {gone|})"}, "Recycling rate (Percentage)"),
        ({"template": "{indicator} ({unit}, {blank})"}, "Recycling rate"),
        ({"template": "{measure}, {unit|units}"}, "Percentage, %"),
        ({"template": "{Recipient Org:Name}!"}, "Food {for} all!"),
        ({"template": "{indicator} {measure} {unit}", "slug": True}, "recycling-rate-percentage"),
        (
            {
                "column": "type",
                "split": "|",
                "map": {"Nursing homes": "n", "Residential homes": "r"},
                "prefix": "t:",
            },
            "t:n;t:r",
        ),
        ({"column": "type", "split": "|", "map": {"Nursing homes": "n", "Residential homes": "n"}}, "n"),
        ({"column": "measure", "map": {"Percentage": "%"}}, "%"),
        ({"column": "measure", "map": {}, "otherwise": "keep"}, "Percentage"),
        ({"column": "measure", "map": {}, "otherwise": "blank"}, ""),
        ({"column": "amount", "number": True}, "1234.50"),
        ({"column": "loss", "number": True}, "-12"),
        ({"column": "measure", "number": True}, "Percentage"),
        ({"column": "day", "date": ["%Y-%m-%d", "%d/%m/%Y"]}, "2024-03-31"),
        ({"column": "day", "pattern": r"/(\d{4})$"}, "2024"),
        ({"column": "indicator", "replace": {" ": "_"}}, "Recycling_rate"),
        ({"lookup": "towns", "from": "area", "take": "code"}, "E05999002"),
        ({"lookup": "towns", "from": "areas", "split": ";", "take": "code"}, ""),
        ({"lookup": "towns", "from": "blank", "take": "code"}, ""),
        ({"lookup": "towns", "from": {"column": "area", "pattern": "of (.*)"}, "take": "code"}, "E05999002"),
        ({"parts": ["measure", {"column": "blank", "prefix": "x:"}, {"value": "z"}]}, "Percentage;z"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
def test_a_cell_is_made_of(cell: dict[str, Any], text: str) -> None:
    if cell.get("from") == "areas":
        text = "E05999001;E05999002"
    assert made(**cell) == text


@pytest.mark.parametrize(
    ("cell", "column", "reason"),
    [
        ({"column": "measure", "map": {}}, "measure", "the map has nothing for 'Percentage'"),
        ({"column": "measure", "date": "%Y"}, "measure", "'Percentage' is not a date of the form %Y"),
        ({"column": "measure", "pattern": "^x"}, "measure", "'Percentage' does not look like ^x"),
        (
            {"lookup": "towns", "from": "measure", "take": "code"},
            "measure",
            "'Percentage' is not in the lookup 'towns'",
        ),
    ],
    ids=["map", "date", "pattern", "lookup"],
)
def test_what_cannot_be_mapped_names_the_column_and_the_reason(
    cell: dict[str, Any], column: str, reason: str
) -> None:
    with pytest.raises(Unmappable) as raised:
        made(**cell)
    assert (raised.value.column, raised.value.reason) == (column, reason)


def test_a_key_with_two_answers_is_not_guessed() -> None:
    with pytest.raises(LookupError, match="'twin' has more than one answer in the lookup 'towns'"):
        towns().find("twin")


def test_names_are_compared_as_people_write_them() -> None:
    assert name_key("London Borough of Kelder & Mouth") == name_key("kelder and mouth")
    assert name_key("King's Lynn") == name_key("Kings Lynn")
    assert name_key("Newport") != name_key("Newquay")


def test_long_slugs_that_begin_alike_stay_two() -> None:
    one, two = slug("word " * 40 + "a"), slug("word " * 40 + "b")
    assert len(one) <= 100
    assert one != two
    assert slug("word " * 40 + "a") == one


@given(st.text(max_size=300))
def test_a_slug_is_plain_short_and_its_own_slug(text: str) -> None:
    made = slug(text)
    assert len(made) <= 100
    assert made == "".join(char for char in made if char in "abcdefghijklmnopqrstuvwxyz0123456789-")
    assert slug(made) == made


def test_the_examples_in_the_docstrings_hold() -> None:
    for module in (cells, lookups):
        found = doctest.testmod(module)
        assert (found.attempted > 0, found.failed) == (True, 0)
