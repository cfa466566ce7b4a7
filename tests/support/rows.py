"""What a database holds, table by table, so that two can be told apart by a single row."""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import create_engine, make_url, text

# The order of a table's rows is nobody's promise: the hashes of the rows are added up.
_MODULUS = 2**256

Columns = Mapping[str, list[str]]


def columns(url: str) -> dict[str, list[str]]:
    """Each table with its columns; what belongs to a search index or to the queue of jobs is left out."""
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    query = (
        "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c"
        " WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~'"
        " ORDER BY 1, 2"
        if is_sqlite
        else "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        " ORDER BY 1, 2"
    )
    found: dict[str, list[str]] = {}
    with _engine(url).connect() as connection:
        for table, column in connection.execute(text(query)):
            found.setdefault(table, []).append(column)
    return found


def hashes(url: str, of: Columns | None = None) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a hash over all of them. of: these tables and columns only"""
    with _engine(url).connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT set_config('hedgerow.authorities', '*', true)"))
        return {table: _hashed(connection, table, names) for table, names in (of or columns(url)).items()}


def _hashed(connection: Any, table: str, names: list[str]) -> tuple[int, str]:
    listed = ", ".join(f'"{name}"' for name in names)
    number = total = 0
    for row in connection.execution_options(stream_results=True).execute(
        text(f'SELECT {listed} FROM "{table}"')
    ):
        digest = hashlib.sha256(repr(tuple(row)).encode()).digest()
        total = (total + int.from_bytes(digest, "big")) % _MODULUS
        number += 1
    return number, f"{total:064x}"


def _engine(url: str) -> Any:
    from sqlalchemy.pool import NullPool

    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
