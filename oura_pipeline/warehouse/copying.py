"""Rows from one warehouse into another, attached in the same DuckDB; compared by digests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.warehouse.describing import describe
from oura_pipeline.warehouse.ledgers import VIEWS_DIGEST, ensure_ledgers
from oura_pipeline.warehouse.tables import (
    BOOKKEEPING,
    README,
    SCHEMA,
    ensure_table,
    literal,
    quoted,
)

_COPY = "the published copy"
# Each warehouse writes its own.
_OWN = {(SCHEMA, README), (VIEWS_DIGEST.schema, VIEWS_DIGEST.name)}


class Table(NamedTuple):
    """A table of a warehouse, by its schema and its name."""

    schema: str
    name: str

    def within(self, database: str) -> str:
        """Return its full name, quoted."""
        return ".".join(map(quoted, (database, self.schema, self.name)))


class Content(NamedTuple):
    """The rows of a month, in short: how many, and digests that need no order."""

    rows: int
    total: int
    parity: int


def ensure_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing in the current database, and bring it to this version."""
    for document_type in DOCUMENT_TYPES:
        ensure_table(connection, document_type)
    ensure_ledgers(connection)


def tables_with_rows(connection: duckdb.DuckDBPyConnection, database: str) -> list[Table]:
    """Return the tables of a database whose rows are worth copying."""
    rows = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? "
        "AND schema_name IN (?, ?) ORDER BY ALL",
        [database, SCHEMA, BOOKKEEPING],
    ).fetchall()
    return [Table(*row) for row in rows if row not in _OWN]


def contents(
    connection: duckdb.DuckDBPyConnection, table: Table, database: str
) -> dict[date | None, Content]:
    """Return what a table holds, by the first day of the month; None: rows without a day."""
    names = _columns(connection, table, database)
    month = "date_trunc('month', day)::DATE" if "day" in names else "NULL::DATE"
    row = f"hash(row({', '.join(map(quoted, names))}))"
    rows = connection.execute(
        f"SELECT {month} AS month, count(*), sum({row})::VARCHAR, bit_xor({row})::VARCHAR "
        f"FROM {table.within(database)} GROUP BY month ORDER BY month"
    ).fetchall()
    return {month: Content(many, int(total), int(parity)) for month, many, total, parity in rows}


def copy_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    month: date | None,
    *,
    source: str,
    target: str,
) -> None:
    """Insert a month's rows of a table, as `contents` tells them apart, from one into the other."""
    names = _columns(connection, table, target)
    listed = ", ".join(map(quoted, names))
    if month:
        condition = f"day >= {literal(str(month))} AND day < {literal(str(_next(month)))}"
    else:
        condition = "day IS NULL" if "day" in names else "true"
    connection.execute(
        f"INSERT INTO {table.within(target)} ({listed}) "
        f"SELECT {listed} FROM {table.within(source)} WHERE {condition}"
    )


def copy_into_new_file(connection: duckdb.DuckDBPyConnection, new: Path) -> None:
    """Write a DuckDB file for readers with everything that the lake, the current database, holds.

    All of it is of one snapshot.
    """
    (lake,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    (snapshot,) = connection.execute(
        f"SELECT max(snapshot_id) FROM ducklake_snapshots({literal(lake)})"
    ).fetchone() or (0,)
    connection.execute(f"ATTACH {literal(str(new))} AS {quoted(_COPY)}")
    try:
        connection.execute(f"USE {quoted(_COPY)}")
        ensure_tables(connection)
        for table in tables_with_rows(connection, lake):
            create_missing(connection, table, lake, _COPY)
            connection.execute(
                f"INSERT INTO {table.within(_COPY)} BY NAME "
                f"FROM {table.within(lake)} AT (VERSION => {snapshot})"
            )
        describe(connection, datetime.now(UTC))
    finally:
        connection.execute(f"USE {quoted(lake)}")
        connection.execute(f"DETACH {quoted(_COPY)}")


def create_missing(
    connection: duckdb.DuckDBPyConnection, table: Table, source: str, target: str
) -> None:
    """Create a table that the code no longer describes."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table.within(target)} AS "
        f"SELECT * FROM {table.within(source)} LIMIT 0"
    )


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _columns(connection: duckdb.DuckDBPyConnection, table: Table, database: str) -> list[str]:
    rows = connection.execute(f"DESCRIBE {table.within(database)}").fetchall()
    return [row[0] for row in rows]
