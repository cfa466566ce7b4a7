"""PostgreSQL's binary COPY format, by the column.

Laid out as `COPY ... (FORMAT BINARY)` documents it: a header, for every row the number of fields and every
field with its length before it, and an end mark. With rows of one width that is a numpy structure of
big-endian numbers. A DATE is the number of days since 1 January 2000.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_PIECE = 1 << 20


def insert(cursor: Any, table: str, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Copy columns of numbers into a table; NaN becomes NULL. `status` is a SMALLINT, others are INTEGER."""
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_BEGIN)
        for rows in _by_nulls(columns):
            packed = _packed(columns, rows)
            for start in range(0, len(packed), _PIECE):
                copy.write(packed[start : start + _PIECE])
        copy.write(_END)


def _by_nulls(columns: Mapping[str, npt.NDArray[Any]]) -> Iterator[slice | npt.NDArray[np.int64]]:
    """The rows, parted by which of their numbers are missing: rows of one part have one width."""
    missing = [np.isnan(column) for column in columns.values() if column.dtype.kind == "f"]
    height = len(next(iter(columns.values())))
    pattern = np.zeros(height, np.uint32)
    for place, flags in enumerate(missing):
        pattern |= flags.astype(np.uint32) << place
    if not pattern.any():
        yield slice(None)
        return
    for value in np.unique(pattern):
        yield np.flatnonzero(pattern == value)


def _packed(columns: Mapping[str, npt.NDArray[Any]], rows: slice | npt.NDArray[np.int64]) -> memoryview:
    parts = {name: column[rows] for name, column in columns.items()}
    present = {
        name: None if part.dtype.kind == "f" and np.isnan(part[0]) else _wire_type(name, part)
        for name, part in parts.items()
    }
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name, wire in present.items():
        layout.append((f"{name}_length", ">i4"))
        if wire is not None:
            layout.append((name, wire))
    packed = np.empty(len(next(iter(parts.values()))), dtype=layout)
    packed["fields"] = len(parts)
    for name, wire in present.items():
        packed[f"{name}_length"] = -1 if wire is None else np.dtype(wire).itemsize
        if wire is not None:
            packed[name] = parts[name]
    return packed.view(np.uint8).data


def _wire_type(name: str, column: npt.NDArray[Any]) -> str:
    if column.dtype.kind == "f":
        return ">f8"
    return ">i2" if name == "status" else ">i4"


def fetch(
    cursor: Any, integers: Sequence[str], floats: Sequence[str], source: str, names: Sequence[str]
) -> pl.DataFrame:
    """The integers (never NULL; days for dates) and floats (NaN for NULL) that a query's source gives.

    The server sends each column as one array. Rows sent one by one, even by COPY, would each cost a turn of
    the interpreter.
    """
    selected = [
        *(
            f"({item} - DATE '2000-01-01')::int4" if "period" in item else f"({item})::int4"
            for item in integers
        ),
        *(f"coalesce({item}, 'NaN')" for item in floats),
    ]
    columns = ", ".join(f"{item} AS c{place}" for place, item in enumerate(selected))
    arrays = ", ".join(f"array_agg(c{place})" for place in range(len(selected)))
    cursor.execute(f"SELECT {arrays} FROM (SELECT {columns} {source}) AS found", binary=True)
    return pl.DataFrame(
        {
            name: _elements(cursor.pgresult.get_value(0, place), float if place >= len(integers) else int)
            for place, name in enumerate(names)
        }
    )


def _elements(array: bytes | None, kind: type) -> npt.NDArray[Any]:
    """The elements of a one-dimensional array without NULLs in its binary form; of NULL, none."""
    wire, plain = (">f8", "f8") if kind is float else (">i4", "i4")
    if array is None:
        return np.empty(0, plain)
    # The number of dimensions, flags, the type, the length and the first index stand before the elements.
    elements = np.frombuffer(array, np.dtype([("length", ">i4"), ("element", wire)]), offset=20)
    return elements["element"].astype(plain)
