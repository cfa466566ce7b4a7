"""Rows: none lost, whatever shape the table has."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hedgerow_cli.manifest import File, Reading
from hedgerow_cli.mapping.reading import Unreadable, header, rows
from hedgerow_cli.mapping.rows import Mapper, Record, Tally
from hypothesis import given
from hypothesis import strategies as st

OBSERVED = {"kpi": {"value": "k"}, "subject": "area", "period": "year", "value": "value"}


def mapped(path: Path, **given: Any) -> tuple[list[Record], Tally]:
    file = File.model_validate({"path": str(path), "kind": "observations", "columns": OBSERVED} | given)
    mapper = Mapper(file, header=header(path, file), missing=("NA",), lookups={}, stem=path.stem)
    return list(mapper.records(rows(path, file))), mapper.tally


def table(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(found: list[Record]) -> list[int]:
    return [record.line for record in found]


def test_conditions_choose_rows(tmp_path: Path) -> None:
    path = table(tmp_path, "area,year,value,type,old\nA,2020,1,x,A\nB,2021,2,y,A\nC,2022,NA,x,C\n")
    for where, kept in [
        ({"type": "x"}, [2, 4]),
        ({"type": ["x", "y"]}, [2, 3, 4]),
        ({"type": {"not": "x"}}, [3]),
        ({"area": {"matches": "^[AB]$"}}, [2, 3]),
        ({"value": {"present": True}}, [2, 3]),
        ({"value": {"present": False}}, [4]),
        ({"area": {"unlike": "old"}}, [3]),
        ({"type": "x", "year": 2020}, [2]),
    ]:
        found, tally = mapped(path, where=where)
        assert lines(found) == kept
        assert (tally.read, tally.left_out, tally.adds_up) == (3, 3 - len(kept), True)


def test_blank_values_are_dropped_when_the_manifest_says_so(tmp_path: Path) -> None:
    path = table(tmp_path, "area,year,value\nA,2020,NA\nA,2021,2\n")
    assert lines(mapped(path, blank="drop")[0]) == [3]
    found, _ = mapped(path, blank="missing")
    assert [record.cells[3] for record in found] == ["", "2"]


def test_repeated_keys_are_left_out_when_asked(tmp_path: Path) -> None:
    path = table(tmp_path, "area,year,value\nA,2020,1\nA,2021,2\nB,2020,3\n")
    found, tally = mapped(path, distinct=["subject"])
    assert (lines(found), tally.left_out) == ([2, 4], 1)


def test_columns_become_rows_with_labels_and_settings_of_their_own(tmp_path: Path) -> None:
    path = table(tmp_path, "area,2019/20,2020/21,note\nA,1,2,x\nB,3,NA,y\n")
    unpivot = {"columns": ["20*"], "name": "year", "value": "value", "set": {"2019/20": {"state": "final"}}}
    columns = OBSERVED | {"status": {"column": "state", "default": "provisional"}}
    found, tally = mapped(path, unpivot=unpivot, columns=columns)
    assert [record.cells[1:] for record in found] == [
        ["A", "2019/20", "1", "final"],
        ["A", "2020/21", "2", "provisional"],
        ["B", "2019/20", "3", "final"],
        ["B", "2020/21", "", "provisional"],
    ]
    assert (lines(found), tally.read, tally.sent) == ([2, 2, 3, 3], 2, 4)


def test_the_file_and_the_line_can_be_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path, "area,year,value\nA,2020,1\n")
    found, _ = mapped(path, columns=OBSERVED | {"kpi": {"template": "{@file}-{@line}"}})
    assert found[0].cells[0] == "table-2"


def test_a_row_that_cannot_be_mapped_is_refused_with_its_column(tmp_path: Path) -> None:
    path = table(tmp_path, "area,year,value\nA,2020,1\nB,2021,2\n")
    found, tally = mapped(path, columns=OBSERVED | {"subject": {"column": "area", "map": {"A": "E05999001"}}})
    assert found[1][2:4] == ("area", "the map has nothing for 'B'")
    assert (tally.sent, tally.refused, tally.adds_up) == (2, 1, True)


@pytest.mark.parametrize(
    ("content", "reading"),
    [
        ("\ufeffarea,year,value\nCafé,2020,1\n".encode(), {}),
        ("area,year,value\nCafé,2020,1\n".encode("cp1252"), {}),
        ("area;year;value\nCafé;2020;1\n".encode("latin-1"), {"encoding": "latin-1", "delimiter": ";"}),
        ("area\tyear\tvalue\nCafé\t2020\t1\n".encode("utf-16"), {"encoding": "utf-16", "delimiter": "\t"}),
        ("Published by the council\n\narea,year,value\nCafé,2020,1\n".encode(), {"skip_lines": 2}),
        ("Café,2020,1\n".encode(), {"header": ["area", "year", "value"]}),
        ("area,year,value,\nCafé,2020,1,\n".encode(), {}),
    ],
    ids=[
        "byte order mark",
        "cp1252",
        "semicolons",
        "utf-16 with tabs",
        "title lines",
        "no header",
        "empty column",
    ],
)
def test_tables_are_read_as_councils_save_them(
    tmp_path: Path, content: bytes, reading: dict[str, Any]
) -> None:
    path = table(tmp_path, content)
    found, _ = mapped(path, **reading)
    assert [record.cells for record in found] == [["k", "Café", "2020", "1"]]
    assert found[0].line == content.count("\n".encode("utf-16-le" if b"\x00" in content else "ascii"))


def test_json_records_are_rows_with_their_number_for_a_line(tmp_path: Path) -> None:
    records = [
        {"area": "A", "when": {"year": 2020}, "value": 1.0},
        7,
        {"area": "B", "when": {}, "value": None},
    ]
    path = table(tmp_path, json.dumps({"data": {"rows": records}}), "table.json")
    columns = OBSERVED | {"period": "when.year"}
    found, tally = mapped(path, records="data.rows", columns=columns)
    assert [record.cells[1:] for record in found if not record.reason] == [["A", "2020", "1"], ["B", "", ""]]
    assert (found[1].line, found[1].reason) == (2, "is not an object with named values")
    assert tally.adds_up
    ndjson = table(tmp_path, '{"area": "A", "year": 2020, "value": 2}\n\nnot json\n', "table.ndjson")
    found, _ = mapped(ndjson)
    assert [(record.line, bool(record.reason)) for record in found] == [(1, False), (3, True)]


def test_a_compressed_table_is_read_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"area,year,value\n" + b"A,2020,1\n" * 5000)
    assert len(mapped(table(tmp_path, packed, "table.csv.gz"))[0]) == 5000
    broken = table(tmp_path, packed[:-20], "broken.csv.gz")
    with pytest.raises(Unreadable, match="the gzip archive is broken"):
        list(rows(broken, Reading()))


cell = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=8)


@given(st.lists(st.lists(cell, min_size=1, max_size=5), max_size=20), st.booleans())
def test_every_row_is_sent_left_out_or_refused(
    tmp_path_factory: pytest.TempPathFactory, given: list[list[str]], wide: bool
) -> None:
    body = "\n".join(",".join(row) for row in given)
    path = table(tmp_path_factory.mktemp("rows"), f"area,year,value\n{body}\n")
    more: dict[str, Any] = {"where": {"year": {"not": "2020"}}}
    if wide:
        more["unpivot"] = {"columns": ["value", "year"], "name": "what", "value": "value"}
    found, tally = mapped(path, **more)
    assert tally.adds_up
    assert len(found) == tally.sent
    assert lines(found) == sorted(lines(found))


def test_a_stray_quotation_mark_costs_its_own_row_only(tmp_path: Path) -> None:
    path = table(tmp_path, 'area,year,value\nA,2020,1\nB,"20"21,2\n"C,2022,3\nD,2023,4\nE,"2024",5\n')
    found, tally = mapped(path)
    assert [record.line for record in found if record.reason] == [4]
    assert [record.cells[1] for record in found if not record.reason] == ["A", "B", "D", "E"]
    assert (tally.read, tally.adds_up) == (5, True)


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_the_file(tmp_path: Path) -> None:
    body = 'area,year,value\n"A,2020,1\n' + "B,2021,2\n" * 120_000
    found, tally = mapped(table(tmp_path, body))
    assert [record.line for record in found if record.reason] == [2]
    assert (tally.read, tally.refused) == (120_001, 1)
