import csv
import io
from collections.abc import Sequence

import pytest
from hedgerow_outcomes.domain import csv_text, ndjson_text
from hedgerow_outcomes.domain.chunks import LONGEST_LINE
from hedgerow_outcomes.errors import MissingColumn, UnreadableFile
from hypothesis import given
from hypothesis import strategies as st

HEAD = b"kpi,subject,period,value,status\n"


def read(text: bytes, *, block_bytes: int = 1 << 20) -> tuple[list[tuple], dict[int, str]]:
    """Rows as (line, kpi, subject, period, value, status), and reasons by line."""
    file = io.BytesIO(text)
    header = csv_text.read_header(file)
    rows, faults = [], {}
    for chunk in csv_text.read_chunks(file, header, block_bytes=block_bytes):
        rows += chunk.frame.select("line", *header.names).rows()
        faults |= {fault.line: fault.reason for fault in chunk.faults}
    return rows, faults


def test_plain_rows_keep_their_lines_and_blanks_are_nothing() -> None:
    rows, faults = read(HEAD + b"a,E08000009,2024,1,\nb,E08000009,2024,,final\n")
    assert rows == [(2, "a", "E08000009", "2024", "1", None), (3, "b", "E08000009", "2024", None, "final")]
    assert faults == {}


def test_every_kind_of_broken_line_costs_that_line_alone() -> None:
    text = HEAD + b"".join(
        [
            b"a,E08000009,2024,1,\n",  # 2
            b"short,row\n",  # 3
            b"\n",  # 4: blank, and no row
            b"one,field,too,many,here,is\n",  # 5
            b'"open,E08000009,2024,2,\n',  # 6: a quotation mark that is never closed
            b"nul\x00,E08000009,2024,3,\n",  # 7
            b"bad\xff,E08000009,2024,4,\n",  # 8
            b"x" * (10 * LONGEST_LINE) + b",E08000009,2024,5,\n",  # 9: ten million bytes
            b'"b","E08000009","2024","6",""\r\n',  # 10
            b'"c\nd",E08000009,2024,7,\n',  # 11 and 12
            b'e"f"g,E08000009,2024,8,\n',  # 13
            b"g,E08000009,2024,9,",  # 14, without an end
        ]
    )
    rows, faults = read(text)
    assert [(row[0], row[1], row[4]) for row in rows] == [
        (2, "a", "1"),
        (10, "b", "6"),
        (11, "c\nd", "7"),
        (13, 'e"f"g', "8"),
        (14, "g", "9"),
    ]
    assert sorted(faults) == [3, 5, 6, 7, 8, 9]
    assert "2 fields where the header names 5" in faults[3]
    assert "quotation mark" in faults[6]
    assert "NUL" in faults[7]
    assert "UTF-8" in faults[8]
    assert "1,000,000 bytes" in faults[9]


def test_rows_with_too_few_and_too_many_fields_do_not_make_up_for_each_other() -> None:
    rows, faults = read(HEAD + b"a,b,c\nd,e,f,1,final,x,y\ng,h,i,2,final\n")
    assert [row[1] for row in rows] == ["g"]
    assert sorted(faults) == [2, 3]


def test_a_file_without_a_needed_column_names_it() -> None:
    with pytest.raises(MissingColumn, match="subject, value"):
        csv_text.read_header(io.BytesIO(b"kpi,period,wert\n"))


@pytest.mark.parametrize(
    "text",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00",
        "kpi,subject,period,value".encode("utf-16"),
        b"kpi,kpi,subject,period,value",
    ],
)
def test_what_is_no_csv_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableFile):
        csv_text.read_header(io.BytesIO(text))


FIELD = st.text(st.sampled_from('ab,"\n 1é'), max_size=5)


@given(
    st.lists(st.tuples(*[FIELD] * 5), max_size=12),
    st.integers(1, 60),
    st.booleans(),
)
def test_wherever_the_blocks_end_the_rows_are_those_of_the_csv_module(
    records: Sequence[tuple[str, ...]], block_bytes: int, all_quoted: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerows(records)
    rows, faults = read(HEAD + text.getvalue().encode(), block_bytes=block_bytes)
    assert faults == {}
    assert [tuple(field or "" for field in row[1:]) for row in rows] == list(records)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_no_bytes_break_the_reader_and_blocks_do_not_matter(text: bytes, block_bytes: int) -> None:
    assert read(HEAD + text, block_bytes=block_bytes) == read(HEAD + text)


def test_json_lines_are_read_into_the_same_texts() -> None:
    lines = [
        b'{"kpi":"a","subject":"E08000009","period":2024,"value":0.1}',
        b"",
        b'{"kpi":"b","subject":"E08000009","period":"2024","value":"NA","status":null}',
        b'{"kpi":"c","value":NaN}',
        b"[1]",
        b'{"kpi":{},"value":1}',
        b'{"kpi":"d","colour":1}',
        b'{"kpi":"e\\u0000"}',
    ]
    [chunk] = ndjson_text.read_chunks(io.BytesIO(b"\n".join(lines)))
    assert chunk.frame.select("line", "kpi", "period", "value").rows() == [
        (1, "a", "2024", "0.1"),
        (3, "b", "2024", "NA"),
    ]
    assert [(fault.line, fault.column) for fault in chunk.faults] == [
        (4, None),
        (5, None),
        (6, "kpi"),
        (7, "colour"),
        (8, "kpi"),
    ]


def test_a_file_that_does_not_begin_with_an_object_is_no_ndjson() -> None:
    with pytest.raises(UnreadableFile):
        list(ndjson_text.read_chunks(io.BytesIO(b"kpi,subject,period,value\n")))
