"""A manifest with a fault says which file, which table, which key and why; all faults at once."""

import tomllib
from pathlib import Path

import pytest
from hedgerow_cli.manifest import Manifest, ManifestError, parse_manifest, read_manifest

HEAD = 'name = "Keldermouth"\narea = "E06999001"\nsource = "open-data"\n'
ROOT = Path(__file__).resolve().parents[2]


def parsed(text: str) -> Manifest:
    return parse_manifest(tomllib.loads(HEAD + text), where="council.toml")


def faults(text: str) -> list[str]:
    with pytest.raises(ManifestError) as raised:
        parsed(text)
    return raised.value.faults


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/*/manifest.toml")), ids=lambda path: path.parent.name
)
def test_the_examples_are_valid(path: Path) -> None:
    assert read_manifest(path).file


def test_a_canonical_file_needs_only_a_path_and_a_kind() -> None:
    [file] = parsed('[[file]]\npath = "areas.csv"\nkind = "areas"\n').file
    assert not file.mapped


def test_a_missing_manifest_and_bad_toml_are_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such manifest"):
        read_manifest(tmp_path / "gone.toml")
    (tmp_path / "bad.toml").write_text("name = \n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"bad\.toml: not valid TOML: .* line 1"):
        read_manifest(tmp_path / "bad.toml")


def test_what_every_manifest_needs_is_asked_for() -> None:
    with pytest.raises(ManifestError) as raised:
        parse_manifest({"name": "Keldermouth"}, where="council.toml")
    assert raised.value.faults == [
        "council.toml: top of the file, key 'area': is needed and not given",
        "council.toml: top of the file, key 'source': is needed and not given",
    ]


def test_an_unknown_key_names_its_table_and_the_nearest_key() -> None:
    assert faults(
        '[[file]]\npath = "a.csv"\nkind = "areas"\n[[file]]\npath = "b.csv"\nkind = "needs"\nperoid = "x"\n'
    ) == ["council.toml: [[file]] 2 (b.csv), key 'peroid': is not a key here; did you mean 'period'?"]


def test_a_fault_deep_in_a_mapping_names_its_whole_key() -> None:
    [fault] = faults(
        '[[file]]\npath = "b.csv"\nkind = "needs"\nconstants = { taxonomy = "t", name = "n" }\n'
        'columns = { term = { column = "x", slgu = true } }\n'
    )
    assert fault == (
        "council.toml: [[file]] 1 (b.csv), key 'columns.term.slgu': is not a key here; did you mean 'slug'?"
    )


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ('path = "a.csv"\nkind = "area"', "kind 'area' is not known; did you mean 'areas'?"),
        ('kind = "areas"', "say either `path` (a file) or `rows`"),
        (
            'path = "a"\nkind = "needs"\ncolumns = { trem = "x" }',
            "'trem' is not a column of needs; did you mean 'term'?",
        ),
        (
            'path = "a"\nkind = "needs"\ncolumns = { term = "x" }',
            "needs need 'taxonomy', and neither columns nor",
        ),
        (
            'path = "a"\nkind = "hsds"\ncolumns = { id = "x" }',
            "is a published standard and goes through untouched",
        ),
        (
            'path = "a"\nkind = "needs"\ncolumns = { term = { column = "x", value = "y" } }',
            "say exactly one of column, template, value, lookup, parts, not column and value",
        ),
        (
            'path = "a"\nkind = "needs"\ncolumns = { term = { lookup = "x" } }',
            "a lookup needs `from` (what of this file to ask it) and `take`",
        ),
        (
            'path = "a"\nkind = "organisations"\nplace=[{code="c"}]\ncolumns = { id = "x", name = "y" }',
            "organisations cannot be placed by code or by name",
        ),
        (
            'path = "a"\nkind = "indices"\nplace = [{ lon = "x", lat = "y" }]\n'
            'columns = { index = "i", area_code = "a", period = "p", value = "v" }',
            "indices cannot be placed by coordinates or postcode, only by code or name",
        ),
        ('path = "a"\nkind = "needs"\ndelimiter = "||"', "String should have at most 1 character"),
        (
            'path = "a"\nkind = "needs"\ncolumns = { term = { column = "x", pattern = "(" } }',
            "key 'columns.term.pattern': not a regular expression: missing ), unterminated subpattern",
        ),
        (
            'path = "a"\nkind = "services"\ncolumns = { id = "x", name = "x" }\nplace = [{ lon = "x" }]',
            "a step is one of {code}, {lon, lat}, {easting, northing}, {postcode, lookup}, {name, lookup}",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(table: str, reason: str) -> None:
    assert any(reason in fault for fault in faults(f"[[file]]\n{table}\n"))


def test_lookups_and_mappings_that_are_not_there_are_named() -> None:
    text = (
        '[lookup.postcodes]\npath = "p.csv"\nkey = "pcd"\n'
        '[[file]]\npath = "a.csv"\nkind = "services"\ncolumns = { id = "i", name = "n" }\n'
        'place = [{ postcode = "pc", lookup = "postcode" }]\n'
    )
    assert faults(text) == [
        "council.toml: [[file]] 1 (a.csv), key 'place.1': there is no [lookup.postcode]; "
        "did you mean 'postcodes'?"
    ]
    assert faults(
        '[[file]]\nuse = "indicators"\npath = "a.csv"\n[mapping.indicator]\nkind = "observations"\n'
    ) == [
        "council.toml: [[file]] 1 (a.csv), key 'use': there is no [mapping.indicators]; "
        "did you mean 'indicator'?"
    ]


def test_a_file_takes_over_a_mapping_and_says_what_differs() -> None:
    text = """
[mapping.indicator]
kind = "observations"
period = "calendar"
columns = { kpi = "indicator", subject = "area", period = "year", value = "value" }
[[file]]
use = "indicator"
path = "stations.csv"
period = "date"
columns = { subject = { column = "station", prefix = "site:" } }
"""
    [file] = parsed(text).file
    assert (file.kind, file.period) == ("observations", "date")
    assert file.columns["subject"].prefix == "site:"
    assert file.columns["kpi"].column == ("indicator",)


def test_rows_written_in_the_manifest_name_canonical_columns() -> None:
    [file] = parsed(
        '[[file]]\nkind = "needs"\nrows = [{ taxonomy = "t", term = "food", name = "Food" }]\n'
    ).file
    assert set(file.columns) == {"taxonomy", "term", "name"}
    assert (
        "'trem' is not a column of needs" in faults('[[file]]\nkind = "needs"\nrows = [{ trem = "x" }]\n')[0]
    )


def test_the_manifest_of_the_guide_is_valid() -> None:
    guide = (ROOT / "docs" / "how-to" / "load-your-councils-data.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in guide.split("```toml\n")[1:]]
    manifest = parse_manifest(tomllib.loads("\n".join(blocks)), where="guide")
    assert [file.kind for file in manifest.file] == [
        "areas", "boundaries", "residents", "needs", "services", "hsds", "observations",
    ]  # fmt: skip
