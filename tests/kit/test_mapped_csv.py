"""A CSV mapped from another file: records stand on that file's lines, what was not mapped is quarantined."""

from pathlib import Path

from hedgerow_kit.records import Outcome, csv_records


def test_records_stand_on_the_lines_of_the_file_they_were_mapped_from(tmp_path: Path) -> None:
    path = tmp_path / "mapped.csv"
    path.write_text(
        "code,name,_line,_column,_reason\n"
        "A,one,2,,\n"
        ',,7,ward,"not in the lookup, twice"\n'
        "B,two,7,,\n"
        "C,three,nine,,\n",
        encoding="utf-8",
    )
    [batch] = csv_records(path, required=["code"], optional=["name"])
    assert batch.notes == []
    assert [(record.line, record.fields) for record in batch.records] == [
        (2, {"code": "A", "name": "one"}),
        (7, {"code": "B", "name": "two"}),
        (5, {"code": "C", "name": "three"}),
    ]
    assert batch.outcomes == [Outcome("quarantined", 7, column="ward", reason="not in the lookup, twice")]


def test_a_file_that_was_not_mapped_keeps_its_own_lines(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("code\nA\n\nB\n", encoding="utf-8")
    [batch] = csv_records(path, required=["code"])
    assert [record.line for record in batch.records] == [2, 4]
