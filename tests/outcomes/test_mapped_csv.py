"""Observations mapped from a council's own table: receipts name that table's lines."""

import io

from hedgerow_outcomes.domain.chunks import Fault
from hedgerow_outcomes.domain.csv_text import read_chunks, read_header

HEADER = b"kpi,subject,period,value,_line,_column,_reason\n"


def read(body: bytes) -> tuple[list[tuple[int, str]], list[Fault], list[str]]:
    file = io.BytesIO(HEADER + body)
    header = read_header(file)
    [chunk] = read_chunks(file, header)
    assert not {"_line", "_column", "_reason"} & set(chunk.frame.columns)
    return list(chunk.frame.select("line", "kpi").iter_rows()), chunk.faults, header.unknown


def test_plain_rows_stand_on_the_lines_they_were_mapped_from() -> None:
    rows, faults, unknown = read(
        b"a,E06999001,2024,1,12,,\nb,E06999001,2024,2,12,,\nc,E06999001,2024,3,40,,\n"
    )
    assert rows == [(12, "a"), (12, "b"), (40, "c")]
    assert (faults, unknown) == ([], [])


def test_rows_that_could_not_be_mapped_are_faults_with_their_reason() -> None:
    rows, faults, _ = read(b'a,E06999001,2024,1,12,,\n,,,,13,ward,"not in the lookup, or twice"\n')
    assert rows == [(12, "a")]
    assert faults == [Fault(13, "not in the lookup, or twice", "ward")]
    rows, faults, _ = read(b"a,E06999001,2024,1,12,,\n,,,,13,,short\n")
    assert (rows, faults) == ([(12, "a")], [Fault(13, "short", None)])
